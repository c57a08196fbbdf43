//! What happens: one event in, the state moves, at most one effect comes out. No clock, no terminal, no source.

use std::path::PathBuf;
use std::sync::Arc;

use control::api::{Reply, Request};
use control::avm::{AvmReply, AvmRequest};
use control::snapshot::{Severity, TorusState};
use control::{Snapshot, SourceError, SteerError};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use crate::avm::{self, commands::AvmAsked};
use crate::commands::{self, Asked};
use crate::draw;
use crate::heat::Activity;
use crate::history::Scene;
use crate::keys::{self, Action};
use crate::link;
use crate::state::{Link, NOTE_NS, Note, Prompt, PromptKind, Question, State};
use crate::target::{Id, Screen, Target};
use crate::text;

/// Ten seconds, the far step in history.
const FAR_NS: u64 = 10_000_000_000;
/// Longest line that can be typed.
const TYPED_MAX: usize = 200;

/// What can happen to a console.
#[derive(Debug, Clone)]
pub enum Event {
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse did something.
    Mouse(MouseEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal has a new size.
    Resize(u16, u16),
    /// Time passed; console time, ns.
    Tick(u64),
    /// The source gave a snapshot.
    Seen(Box<Snapshot>),
    /// The source gave none.
    Missed(SourceError),
    /// The page stands still; whether its process is still there.
    Process(bool),
    /// The agent answered a request, or did not.
    Answered(Box<Result<Reply, SteerError>>),
    /// The AVM answered a request that changes something, or did not.
    AvmAnswered(Box<Result<AvmReply, SteerError>>),
    /// The AVM answered what a screen wanted to know, or did not.
    Details(Box<Result<AvmReply, SteerError>>),
    /// Something outside wants to be said.
    Say(String),
}

/// What the world is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send this request; answer by [`Event::Answered`].
    Send(Request),
    /// Ask this of the AVM; answer by [`Event::AvmAnswered`].
    Avm(AvmRequest),
    /// Show this recorded file.
    Open(PathBuf),
    /// Back from a recorded file to the node.
    Live,
    /// Leave the console, and the node alone.
    Quit,
    /// Leave the console and stop the node.
    QuitAndStop,
}

/// Moves the state.
pub fn update(state: &mut State, event: Event) -> Option<Effect> {
    match event {
        Event::Tick(now_ns) => tick(state, now_ns),
        Event::Seen(snapshot) => link::seen(state, *snapshot),
        Event::Missed(error) => link::missed(state, error),
        Event::Process(alive) => link::process(state, alive),
        Event::Answered(answer) => answered(state, answer.map(|reply| reply.message)),
        Event::AvmAnswered(answer) => answered(state, answer.map(in_words)),
        Event::Details(answer) => avm::answered(state, *answer),
        Event::Say(text) => note(state, text, true),
        Event::Resize(columns, rows) => {
            state.size = (columns, rows);
            state.generation += 1;
        }
        Event::Key(key) => {
            state.generation += 1;
            let effect = on_key(state, key);
            avm::anchor(state);
            return effect;
        }
        Event::Paste(text) => {
            for c in text.chars().filter(|c| !c.is_control()) {
                type_char(state, c);
            }
            state.generation += 1;
        }
        Event::Mouse(mouse) => {
            let effect = on_mouse(state, mouse);
            avm::anchor(state);
            return effect;
        }
    }
    None
}

/// What the AVM did, in one line.
fn in_words(reply: AvmReply) -> String {
    match reply {
        AvmReply::Done(words) => words,
        AvmReply::Started(ids) => format!("started {}", ids.join(", ")),
        AvmReply::Output(Some(output)) => format!("it answers {output}"),
        AvmReply::Output(None) => "it declines to answer".to_owned(),
        _ => "the agent answered".to_owned(),
    }
}

pub(crate) fn note(state: &mut State, text: String, bad: bool) {
    state.note = Some(Note { text, bad, until_ns: state.now_ns.saturating_add(NOTE_NS) });
    state.generation += 1;
}

fn tick(state: &mut State, now_ns: u64) {
    let seconds = |ns: u64| ns / 1_000_000_000;
    let new_second = seconds(now_ns) != seconds(state.now_ns);
    state.now_ns = now_ns;
    if state.note.as_ref().is_some_and(|note| note.until_ns <= now_ns) {
        state.note = None;
        state.generation += 1;
    }
    // Only these show the passing of time by themselves; all else moves with the snapshots.
    if new_second && matches!(state.link, Link::Gone { .. } | Link::NoAgent { .. }) {
        state.generation += 1;
    }
}

fn answered(state: &mut State, answer: Result<String, SteerError>) {
    state.asking = None;
    match answer {
        Ok(message) => note(state, format!("done: {message}"), false),
        Err(error) => {
            if let SteerError::ReadOnly { reason } = &error {
                state.read_only = Some(reason.clone());
            }
            note(state, error.to_string(), true);
        }
    }
}

/// Draws another moment from now on.
pub(crate) fn look_at(state: &mut State, place: u64) {
    state.scene = Scene::at(&state.history, place).map(Arc::new);
}

fn on_key(state: &mut State, key: KeyEvent) -> Option<Effect> {
    let control_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    if control_c {
        return act(state, Action::QuitNow);
    }
    if let Some(question) = state.question.clone() {
        return on_answer(state, &question, key);
    }
    if state.prompt.is_some() {
        return on_prompt(state, key);
    }
    if state.help {
        match key.code {
            KeyCode::Down | KeyCode::Char('j') => state.scroll = state.scroll.saturating_add(1),
            KeyCode::Up | KeyCode::Char('k') => state.scroll = state.scroll.saturating_sub(1),
            KeyCode::PageDown => state.scroll = state.scroll.saturating_add(10),
            KeyCode::PageUp => state.scroll = state.scroll.saturating_sub(10),
            _ => state.help = false,
        }
        state.scroll = state.scroll.min(draw::help_rows());
        return None;
    }
    let action = keys::dispatch(key, state.screen)?;
    act(state, action)
}

/// Enter and the key that asked say yes; everything else says no.
fn on_answer(state: &mut State, question: &Question, key: KeyEvent) -> Option<Effect> {
    let again = match question {
        Question::Send(Request::Pause { .. }) => 'p',
        Question::Send(Request::Step { .. }) => 's',
        Question::Send(Request::Resume { .. }) => 'r',
        Question::QuitAndStop => 'q',
        Question::Avm(AvmRequest::Suspend { .. }, _) => 'p',
        Question::Avm(AvmRequest::Resume { .. }, _) => 'r',
        Question::Avm(AvmRequest::Kill { .. }, _) => 'x',
        Question::Send(_) | Question::Avm(..) => 'y',
    };
    let yes = key.code == KeyCode::Enter || key.code == KeyCode::Char('y') || key.code == KeyCode::Char(again);
    state.question = None;
    if !yes {
        return None;
    }
    match question {
        Question::QuitAndStop => Some(Effect::QuitAndStop),
        Question::Send(request) => {
            state.asking = Some(request.command_line());
            Some(Effect::Send(request.clone()))
        }
        Question::Avm(request, _) => {
            state.asking = Some(request.command_line());
            Some(Effect::Avm(request.clone()))
        }
    }
}

fn type_char(state: &mut State, typed: char) {
    let Some(prompt) = &mut state.prompt else { return };
    if prompt.text.chars().count() < TYPED_MAX {
        prompt.text.push(typed);
    }
    apply_filter(state);
}

/// The filter takes effect while it is typed.
fn apply_filter(state: &mut State) {
    if let Some(prompt) = state.prompt.as_ref().filter(|prompt| prompt.kind == PromptKind::Filter) {
        set_filter(state, prompt.text.clone());
        state.focus = 0;
    }
}

/// The filter of the list shown, or of the event log.
fn set_filter(state: &mut State, text: String) {
    match state.avm.filter_mut(state.screen) {
        Some(filter) => *filter = text,
        None => state.filter = text,
    }
}

fn on_prompt(state: &mut State, key: KeyEvent) -> Option<Effect> {
    let tori = state.torus_names();
    let prompt = state.prompt.as_mut()?;
    match key.code {
        KeyCode::Esc => {
            let before = (prompt.kind == PromptKind::Filter).then(|| prompt.before.clone());
            state.prompt = None;
            if let Some(before) = before {
                set_filter(state, before);
            }
        }
        KeyCode::Backspace => {
            if prompt.text.pop().is_none() {
                state.prompt = None;
            }
            apply_filter(state);
        }
        KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => {
            prompt.text.clear();
            apply_filter(state);
        }
        KeyCode::Tab if prompt.kind == PromptKind::Command => prompt.text = commands::complete(&prompt.text, &tori),
        KeyCode::Enter => {
            let prompt = state.prompt.take()?;
            if prompt.kind == PromptKind::Command && !prompt.text.trim().is_empty() {
                return match commands::parse(&prompt.text, &tori) {
                    Ok(Asked::Request(request)) => ask(state, request),
                    Ok(Asked::Avm(AvmAsked::Request(request))) => ask_avm(state, *request),
                    Ok(Asked::Avm(AvmAsked::Open(id))) => {
                        open_id(state, &id);
                        None
                    }
                    Ok(Asked::Action(action)) => act(state, action),
                    Ok(Asked::Open(path)) => Some(Effect::Open(path)),
                    Ok(Asked::Live) => Some(Effect::Live),
                    Err(problem) => {
                        note(state, problem, true);
                        state.prompt = Some(prompt);
                        None
                    }
                };
            }
        }
        KeyCode::Char(typed) if !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => {
            type_char(state, typed);
        }
        _ => {}
    }
    None
}

/// Opens something of the AVM by its id.
fn open_id(state: &mut State, id: &str) {
    match Id::new(id).and_then(Id::target) {
        Some(target) => open(state, target),
        None => note(state, format!("{}: expected an id such as x7, o3 or t4", text::clean(id)), true),
    }
}

fn ask_avm(state: &mut State, request: AvmRequest) -> Option<Effect> {
    let program = match &request {
        AvmRequest::Suspend { id } | AvmRequest::Resume { id } | AvmRequest::Kill { id } => {
            avm::rows::execution(state, id).map_or_else(String::new, |row| row.program.clone())
        }
        _ => String::new(),
    };
    put_question(state, Question::Avm(request, program))
}

fn ask(state: &mut State, request: Request) -> Option<Effect> {
    put_question(state, Question::Send(request))
}

/// Asks before anything is changed, or says why nothing can be.
fn put_question(state: &mut State, question: Question) -> Option<Effect> {
    if let Some(reason) = state.locked() {
        note(state, reason, true);
    } else if state.asking.is_some() {
        note(state, "the last request is still on its way".into(), true);
    } else {
        state.question = Some(question);
    }
    None
}

fn act(state: &mut State, action: Action) -> Option<Effect> {
    if state.screen.is_avm()
        && let Some(request) = avm::act(state, action)
    {
        return request.and_then(|request| ask_avm(state, request));
    }
    match action {
        Action::Go(screen) if screen.is_avm() => avm::key(state),
        Action::Quit if state.stop_node_on_quit && matches!(state.link, Link::Live | Link::Recording { .. }) => {
            state.question = Some(Question::QuitAndStop);
        }
        Action::Quit => return Some(Effect::Quit),
        Action::QuitNow => {
            return Some(if state.stop_node_on_quit { Effect::QuitAndStop } else { Effect::Quit });
        }
        Action::Go(screen) => go(state, screen),
        Action::Open => {
            let target = draw::selected(state);
            if let Some(target) = target {
                open(state, target);
            }
        }
        Action::Up => state.focus = clamp_focus(state).saturating_sub(1),
        Action::Down => {
            state.focus = clamp_focus(state).saturating_add(1);
            clamp_focus(state);
        }
        Action::PageUp => state.focus = clamp_focus(state).saturating_sub(usize::from(state.size.1 / 2)),
        Action::PageDown => {
            state.focus = state.focus.saturating_add(usize::from(state.size.1 / 2));
            clamp_focus(state);
        }
        Action::Filter => filter(state),
        Action::Command => open_command(state, String::new()),
        Action::OpenFile => open_command(state, "open ".into()),
        Action::Help => {
            state.help = true;
            state.scroll = 0;
        }
        Action::Severity => {
            state.severity = match state.severity {
                Severity::Info => Severity::Notice,
                Severity::Notice => Severity::Warning,
                Severity::Warning => Severity::Error,
                Severity::Error => Severity::Info,
            };
            state.focus = 0;
        }
        Action::Escape => escape(state),
        Action::Freeze
        | Action::Back
        | Action::Forward
        | Action::BackFar
        | Action::ForwardFar
        | Action::Oldest
        | Action::Newest => travel(state, action),
        Action::Pause | Action::Step | Action::Resume | Action::Interval => return steer(state, action),
        Action::VoteYes | Action::VoteNo => return vote(state, action == Action::VoteYes),
        Action::Drain => return drain(state),
        _ => on_map(state, action),
    }
    None
}

/// The filter of the list shown; of the event log on screens without one.
fn filter(state: &mut State) {
    let filter = state.avm.filter_mut(state.screen).map(|filter| filter.clone());
    if filter.is_none() {
        go(state, Screen::Events);
    }
    let before = filter.unwrap_or_else(|| state.filter.clone());
    state.prompt = Some(Prompt { kind: PromptKind::Filter, text: before.clone(), before });
}

/// Drains the node, or ends that.
fn drain(state: &mut State) -> Option<Effect> {
    let draining = state.now().and_then(|now| now.cluster.as_ref()).map(|cluster| cluster.draining);
    match draining {
        Some(draining) => ask(state, Request::Drain { on: !draining }),
        None => {
            note(state, "this node belongs to no cluster".into(), true);
            None
        }
    }
}

fn open_command(state: &mut State, text: String) {
    state.prompt = Some(Prompt { kind: PromptKind::Command, text, before: String::new() });
}

fn clamp_focus(state: &mut State) -> usize {
    let count = match state.screen {
        Screen::Events => state.events().len(),
        _ => avm::count(state).unwrap_or_else(|| draw::focusables(state).len()),
    };
    state.focus = state.focus.min(count.saturating_sub(1));
    state.focus
}

/// To a screen, as it was left.
pub fn go(state: &mut State, screen: Screen) {
    if screen.is_avm() {
        return avm::enter(state, screen);
    }
    if state.screen != screen || state.node.is_some() {
        (state.screen, state.node, state.focus) = (screen, None, 0);
    }
}

/// Enter: to the thing a number is about.
fn open(state: &mut State, target: Target) {
    match target {
        Target::Go(screen) => go(state, screen),
        Target::Torus(at) => open_torus(state, at),
        Target::Member(id) => {
            let own = state.now().and_then(|now| now.tori.iter().position(|torus| torus.id == id));
            match own {
                Some(at) => open_torus(state, at),
                None => {
                    note(state, "that torus is held by another process; attach to its node to open it".into(), false)
                }
            }
        }
        Target::Node(id) => {
            go(state, Screen::Mesh);
            (state.node, state.focus) = (Some(id), 0);
        }
        Target::Ballot(row) => {
            go(state, Screen::Ballots);
            state.focus = row;
        }
        Target::Host => go(state, Screen::Host),
        Target::Events => go(state, Screen::Events),
        Target::Event(row) => {
            let torus = state.events().get(row).and_then(|event| event.torus);
            match torus {
                Some(id) => open(state, Target::Member(id)),
                None => go(state, Screen::Overview),
            }
        }
        Target::Cell(y, z) => state.cell = (y, z),
        Target::Face => state.face = 1 - state.face.min(1),
        Target::Interval => drop(steer(state, Action::Interval)),
        Target::Execution(_)
        | Target::Object(_)
        | Target::Transaction(_)
        | Target::Trace(_)
        | Target::Failed
        | Target::Listed(..) => {
            avm::open(state, target);
        }
        Target::Here | Target::Heading => {}
    }
}

fn open_torus(state: &mut State, at: usize) {
    go(state, Screen::Torus);
    state.torus = at;
    state.focus = 0;
}

fn escape(state: &mut State) {
    if state.note.take().is_some() {
    } else if state.frozen.is_some() {
        travel(state, Action::Newest);
    } else if state.screen.is_avm() && avm::back(state) {
    } else if state.screen == Screen::Events && !state.filter.is_empty() {
        state.filter.clear();
    } else if state.screen == Screen::Mesh && state.node.is_some() {
        (state.node, state.focus) = (None, 0);
    } else {
        go(state, Screen::Overview);
    }
}

/// Moves along the axis of time. A recording is always frozen; its newest moment is where a live console would be.
fn travel(state: &mut State, action: Action) {
    if state.history.is_empty() {
        return;
    }
    let (oldest, newest) = (state.history.oldest(), state.history.newest());
    let here = state.frozen.unwrap_or(newest).clamp(oldest, newest);
    let read_at = |place: u64| state.history.at(place).map_or(0, |at| at.read_ns);
    let far_back = || (oldest..=here).rev().find(|place| read_at(here).saturating_sub(read_at(*place)) >= FAR_NS);
    let far_on = || (here..=newest).find(|place| read_at(*place).saturating_sub(read_at(here)) >= FAR_NS);
    let place = match action {
        Action::Freeze if state.frozen.is_some() => None,
        Action::Freeze => Some(here),
        Action::Back => Some(here.saturating_sub(1).max(oldest)),
        Action::Forward => state.frozen.and(Some((here + 1).min(newest))),
        Action::BackFar => Some(far_back().unwrap_or(oldest)),
        Action::ForwardFar => state.frozen.and(Some(far_on().unwrap_or(newest))),
        Action::Oldest => Some(oldest),
        _ => None,
    };
    state.frozen = place;
    look_at(state, place.unwrap_or(newest));
}

fn steer(state: &mut State, action: Action) -> Option<Effect> {
    let Some((_, shown)) = state.torus_shown() else {
        note(state, "no torus is known yet".into(), true);
        return None;
    };
    let (torus, torus_state) = (shown.name.clone(), shown.state);
    match action {
        Action::Pause => ask(state, Request::Pause { torus }),
        Action::Resume => ask(state, Request::Resume { torus }),
        Action::Step if torus_state != TorusState::Paused && state.locked().is_none() => {
            note(state, format!("torus {torus} is not paused; p pauses it, then s steps"), true);
            None
        }
        Action::Step => ask(state, Request::Step { torus, count: 1 }),
        _ => {
            match state.locked() {
                Some(reason) => note(state, reason, true),
                None => open_command(state, format!("interval {torus} ")),
            }
            None
        }
    }
}

/// Answers the selected ballot, if it is open and was not answered.
fn vote(state: &mut State, yes: bool) -> Option<Effect> {
    let ballots = state.now().and_then(|now| now.cluster.as_ref()).map(|cluster| cluster.ballots.as_slice());
    let Some(ballot) = ballots.unwrap_or_default().get(state.focus) else {
        note(state, "no ballot is selected".into(), true);
        return None;
    };
    let request = Request::Vote {
        proposer: ballot.proposer,
        number: ballot.number,
        vote: if yes { "yes" } else { "no" }.to_owned(),
    };
    if ballot.result != "open" {
        let ended =
            format!("ballot {} is {}: votes change nothing any more", ballot.number, text::clean(&ballot.result));
        note(state, ended, true);
        return None;
    }
    if ballot.own_vote != "ask" {
        note(state, format!("this node's vote is {} already; a vote is final", text::clean(&ballot.own_vote)), true);
        return None;
    }
    ask(state, request)
}

fn on_map(state: &mut State, action: Action) {
    let tori = state.now().map_or(0, |now| now.tori.len());
    let (y, z) = state.cell;
    match action {
        Action::NextTorus if tori > 0 => state.torus = (state.torus.min(tori - 1) + 1) % tori,
        Action::PreviousTorus if tori > 0 => state.torus = (state.torus.min(tori - 1) + tori - 1) % tori,
        Action::Face => state.face = 1 - state.face.min(1),
        // The lattice wraps around, so does the cursor.
        Action::CellLeft => state.cell = (y, (z + 31) % 32),
        Action::CellRight => state.cell = (y, (z + 1) % 32),
        Action::CellUp => state.cell = ((y + 31) % 32, z),
        Action::CellDown => state.cell = ((y + 1) % 32, z),
        Action::Busiest => {
            let Some(scene) = state.scene.clone() else { return };
            let Some((at, _)) = state.torus_shown() else { return };
            let Some(activity) = Activity::at(&state.history, scene.place, at) else { return };
            let values = &activity.own[state.face.min(1)];
            match values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)) {
                Some((busiest, most)) if *most > 0.0 => state.cell = ((busiest / 32) as u8, (busiest % 32) as u8),
                _ => note(state, "no cell of this face is active".into(), false),
            }
        }
        _ => {}
    }
}

fn on_mouse(state: &mut State, mouse: MouseEvent) -> Option<Effect> {
    match mouse.kind {
        MouseEventKind::ScrollUp | MouseEventKind::ScrollDown => {
            let up = mouse.kind == MouseEventKind::ScrollUp;
            state.generation += 1;
            let code = if up { KeyCode::Up } else { KeyCode::Down };
            if state.question.is_none() && state.prompt.is_none() {
                return on_key(state, KeyEvent::new(code, KeyModifiers::NONE));
            }
        }
        MouseEventKind::Down(MouseButton::Left) => {
            state.generation += 1;
            if state.question.is_some() || state.prompt.is_some() {
                return None;
            }
            if state.help {
                state.help = false;
                return None;
            }
            click(state, mouse.column, mouse.row);
        }
        _ => {}
    }
    None
}

/// Tabs, cells and the header open at once; a row is selected first and opens when it is clicked again.
fn click(state: &mut State, column: u16, row: u16) {
    let Some((target, focus)) = draw::hit(state, column, row) else { return };
    match focus {
        Some(focus) if focus != state.focus => state.focus = focus,
        _ => open(state, target),
    }
}
