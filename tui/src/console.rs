//! The loop: collect, update, paint. Its only waiting is for input, until the next poll is due.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use control::api::Request;
use control::avm::AvmRequest;
use control::{StatusSource, SteerError, Steering};
use crossterm::event::{self, KeyEventKind};
use ratatui::backend::Backend;

use crate::avm;
use crate::recording::{Recorder, Recording, open_recording};
use crate::state::{Link, State};
use crate::target::Screen;
use crate::terminal::{Guard, Painter};
use crate::theme::Colours;
use crate::update::{Effect, Event, update};

/// Between polls of a live page.
const POLL_NS: u64 = 200_000_000;
/// Between polls of the page of an agent that is gone.
const POLL_GONE_NS: u64 = 500_000_000;
/// Least time between two pictures: at most 20 a second.
const FRAME_NS: u64 = 50_000_000;
/// Between two questions for the same details.
const LOOK_NS: u64 = 1_000_000_000;
/// Longest wait, so that a request to stop is seen.
const WAIT_MAX_NS: u64 = 200_000_000;
/// Input events taken between two pictures.
const INPUT_MAX: usize = 256;

/// How the console starts.
#[derive(Debug, Clone)]
pub struct Options {
    /// Write every snapshot seen to this file, one JSON line each.
    pub record: Option<PathBuf>,
    /// Snapshots kept to step back through; five a second.
    pub history_capacity: usize,
    /// Why nothing may be changed, when it is known beforehand.
    pub read_only: Option<String>,
    /// True when the node was started together with the console: leaving stops it, after a question.
    pub stop_node_on_quit: bool,
    /// What the console is attached to, shown until the node says its name.
    pub label: String,
    /// The screen it opens on.
    pub screen: Screen,
    /// Colours; `None` = by `NO_COLOR`, `TERM` and `COLORTERM`.
    pub colours: Option<Colours>,
    /// Set from outside (a signal handler) to end the console in order.
    pub stop: Option<Arc<AtomicBool>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            record: None,
            history_capacity: 900,
            read_only: None,
            stop_node_on_quit: false,
            label: String::new(),
            screen: Screen::Overview,
            colours: None,
            stop: None,
        }
    }
}

/// How the console ended. The terminal is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The user left; the node goes on.
    Quit,
    /// The user left and wants the node stopped; the caller does it.
    QuitAndStop,
    /// It was told to end from outside.
    Stopped,
}

/// Why the console could not run. The terminal is as it was before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TuiError {
    /// The terminal does not do as told.
    #[error("terminal: {0}; for scripts use `trefoil console --frame text`")]
    Terminal(#[from] std::io::Error),
    /// The file to record to cannot be made.
    #[error("{path}: {source}; choose a file that can be written with --record")]
    Record {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: crate::recording::RecordError,
    },
}

fn new_state(options: &Options) -> std::io::Result<State> {
    let variable = |name: &str| std::env::var(name).ok();
    let (no_color, term, colorterm) = (variable("NO_COLOR"), variable("TERM"), variable("COLORTERM"));
    let detect = || Colours::detect(no_color.as_deref(), term.as_deref(), colorterm.as_deref());
    let size = crossterm::terminal::size()?;
    let mut state = State::new(size, options.colours.unwrap_or_else(detect), options.history_capacity);
    state.read_only.clone_from(&options.read_only);
    state.stop_node_on_quit = options.stop_node_on_quit;
    state.label.clone_from(&options.label);
    crate::update::go(&mut state, options.screen);
    Ok(state)
}

/// Runs the console on the terminal of this process until the user leaves. The terminal is given back in every case, also
/// after a panic of this thread.
///
/// # Errors
/// [`TuiError`] when there is no terminal, or the file to record to cannot be made.
pub fn run(
    source: Box<dyn StatusSource>,
    steering: Box<dyn Steering + Send>,
    options: Options,
) -> Result<Exit, TuiError> {
    let recorder = match &options.record {
        Some(path) => Some(Recorder::create(path).map_err(|source| TuiError::Record { path: path.clone(), source })?),
        None => None,
    };
    let guard = Guard::new()?;
    let state = new_state(&options)?;
    let asker = Asker::new(steering);
    let session = Session::new(state, Some(Collect { source, recorder, asker }), options.history_capacity);
    Ok(cycle(session, Guard::painter()?, &guard, options.stop.as_deref())?)
}

/// Shows a recording with the same keys.
///
/// # Errors
/// [`TuiError`] when there is no terminal.
pub fn run_recording(recording: Recording, options: Options) -> Result<Exit, TuiError> {
    let guard = Guard::new()?;
    let capacity = recording.snapshots.len();
    let mut state = new_state(&Options { history_capacity: capacity, stop_node_on_quit: false, ..options.clone() })?;
    load_recording(&mut state, recording);
    let session = Session::new(state, None, options.history_capacity);
    Ok(cycle(session, Guard::painter()?, &guard, options.stop.as_deref())?)
}

/// Puts a recording into a fresh state; the keys then work as on a live node, except that nothing can be changed.
pub fn load_recording(state: &mut State, recording: Recording) {
    state.link = Link::Recording { name: recording.name };
    for snapshot in recording.snapshots {
        update(state, Event::Seen(Box::new(snapshot)));
    }
    if recording.truncated {
        update(state, Event::Say("the recording is cut off at its end".into()));
    }
}

/// Where live snapshots come from and requests go to.
struct Collect {
    source: Box<dyn StatusSource>,
    recorder: Option<Recorder<File>>,
    asker: Asker,
}

/// What goes to the agent.
enum Ask {
    /// A change.
    Request(Request),
    /// A change of the AVM.
    Avm(AvmRequest),
    /// What a screen wants to know.
    Look(AvmRequest),
}

/// Sends requests on a thread of its own: an agent that is slow to answer never holds up the picture.
struct Asker {
    requests: SyncSender<Ask>,
    answers: Receiver<Event>,
    /// What a screen wanted to know last, when it was asked, and whether the answer is still to come.
    looked: Option<(AvmRequest, u64, bool)>,
}

impl Asker {
    fn new(mut steering: Box<dyn Steering + Send>) -> Self {
        // A change waits behind at most one look.
        let (requests, incoming) = sync_channel::<Ask>(2);
        let (outgoing, answers) = sync_channel(2);
        // Not joined: it ends when the console drops its side, at the latest after the bounded wait for one reply.
        let spawned = std::thread::Builder::new().name("console-steering".into()).spawn(move || {
            while let Ok(ask) = incoming.recv() {
                let answer = match ask {
                    Ask::Request(request) => Event::Answered(Box::new(steering.send(&request))),
                    Ask::Avm(request) => Event::AvmAnswered(Box::new(steering.avm(&request))),
                    Ask::Look(request) => Event::Details(Box::new(steering.avm(&request))),
                };
                if outgoing.send(answer).is_err() {
                    break;
                }
            }
        });
        // Without the thread the channel is closed, which every request then reports.
        drop(spawned);
        Self { requests, answers, looked: None }
    }

    fn ask(&self, request: Request) -> Option<Event> {
        self.requests.try_send(Ask::Request(request)).err().map(|error| Event::Answered(lost(error.to_string())))
    }

    fn ask_avm(&self, request: AvmRequest) -> Option<Event> {
        self.requests.try_send(Ask::Avm(request)).err().map(|error| Event::AvmAnswered(lost(error.to_string())))
    }

    /// Asks what a screen wants to know: at once when that is something new, else once a second; one question at a time.
    fn look(&mut self, wanted: Option<AvmRequest>, now_ns: u64) {
        let Some(wanted) = wanted else { return };
        let due = match &self.looked {
            Some((_, _, true)) => false,
            Some((last, at_ns, false)) => *last != wanted || now_ns.saturating_sub(*at_ns) >= LOOK_NS,
            None => true,
        };
        if due && self.requests.try_send(Ask::Look(wanted.clone())).is_ok() {
            self.looked = Some((wanted, now_ns, true));
        }
    }

    fn answer(&mut self) -> Option<Event> {
        let answer = match self.answers.try_recv() {
            Ok(answer) => answer,
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => return None,
        };
        if let (Event::Details(_), Some((_, _, waiting))) = (&answer, &mut self.looked) {
            *waiting = false;
        }
        Some(answer)
    }
}

fn lost<T>(reason: String) -> Box<Result<T, SteerError>> {
    Box::new(Err(SteerError::Unreachable { path: "the control socket".into(), reason }))
}

/// A console at work: what it shows, and where that comes from.
struct Session {
    state: State,
    /// The node shown; `None` while a recording is.
    collect: Option<Collect>,
    /// The node left for a recording; `:live` leads back to it.
    aside: Option<Collect>,
    /// Snapshots kept of a live node.
    history_capacity: usize,
    poll_at_ns: u64,
}

impl Session {
    fn new(state: State, collect: Option<Collect>, history_capacity: usize) -> Self {
        Self { state, collect, aside: None, history_capacity, poll_at_ns: 0 }
    }

    /// Takes in what came from the node since the last time.
    fn take_in(&mut self, now_ns: u64) {
        let Some(collect) = &mut self.collect else { return };
        while let Some(answer) = collect.asker.answer() {
            update(&mut self.state, answer);
            // What was asked for is to be seen at once.
            self.poll_at_ns = now_ns;
        }
        if now_ns >= self.poll_at_ns {
            poll(&mut self.state, collect);
            self.poll_at_ns = next_poll(&self.state);
        }
        collect.asker.look(avm::wanted(&self.state), now_ns);
    }

    /// Does what a key asked for; answers how the console ends, when it does.
    fn carry_out(&mut self, effect: Effect) -> Option<Exit> {
        match effect {
            Effect::Quit => return Some(Exit::Quit),
            Effect::QuitAndStop => return Some(Exit::QuitAndStop),
            Effect::Send(request) => {
                if let Some(failed) = self.collect.as_ref().and_then(|collect| collect.asker.ask(request)) {
                    update(&mut self.state, failed);
                }
            }
            Effect::Avm(request) => {
                if let Some(failed) = self.collect.as_ref().and_then(|collect| collect.asker.ask_avm(request)) {
                    update(&mut self.state, failed);
                }
            }
            Effect::Open(path) => match open_recording(&path) {
                Ok(recording) => {
                    self.aside = self.collect.take().or_else(|| self.aside.take());
                    self.state = self.state.renewed(recording.snapshots.len());
                    load_recording(&mut self.state, recording);
                }
                Err(error) => drop(update(&mut self.state, Event::Say(error.to_string()))),
            },
            Effect::Live => match self.aside.take() {
                Some(collect) => {
                    self.collect = Some(collect);
                    self.state = self.state.renewed(self.history_capacity);
                    self.poll_at_ns = 0;
                }
                None => drop(update(&mut self.state, Event::Say("there is no node to go back to".into()))),
            },
        }
        None
    }
}

fn cycle<B>(
    mut session: Session,
    mut painter: Painter<B>,
    guard: &Guard,
    stop: Option<&AtomicBool>,
) -> std::io::Result<Exit>
where
    B: Backend<Error = std::io::Error>,
{
    let start = Instant::now();
    let since_start = || u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let mut paint_at = 0;
    loop {
        if stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Ok(Exit::Stopped);
        }
        let now_ns = since_start();
        update(&mut session.state, Event::Tick(now_ns));
        session.take_in(now_ns);
        for panic in guard.panics.lock().map(|mut told| std::mem::take(&mut *told)).unwrap_or_default() {
            update(&mut session.state, Event::Say(format!("a thread of this process panicked: {panic}")));
        }
        if now_ns >= paint_at {
            painter.paint(&session.state)?;
            paint_at = now_ns + FRAME_NS;
        }
        let wake_at = if session.collect.is_some() { session.poll_at_ns } else { u64::MAX };
        let mut wait = Duration::from_nanos(wake_at.saturating_sub(since_start()).min(WAIT_MAX_NS));
        for _ in 0..INPUT_MAX {
            if !event::poll(wait)? {
                break;
            }
            // After the first, only what is there already, and then the picture.
            wait = Duration::from_nanos(paint_at.saturating_sub(since_start()).min(FRAME_NS));
            let Some(input) = translate(event::read()?) else { continue };
            let effect = update(&mut session.state, input);
            if let Some(exit) = effect.and_then(|effect| session.carry_out(effect)) {
                return Ok(exit);
            }
            if since_start() >= paint_at {
                break;
            }
        }
    }
}

fn poll(state: &mut State, collect: &mut Collect) {
    match collect.source.poll() {
        Ok(mut snapshot) => {
            avm::lay_in(state, &mut snapshot);
            if let Some(recorder) = &mut collect.recorder
                && let Err(error) = recorder.write(&snapshot)
            {
                collect.recorder = None;
                update(state, Event::Say(error.to_string()));
            }
            let pid = snapshot.node.pid;
            update(state, Event::Seen(Box::new(snapshot)));
            if state.gone()
                && let Some(alive) = collect.source.process_alive(pid)
            {
                update(state, Event::Process(alive));
            }
        }
        Err(error) => {
            update(state, Event::Missed(error));
        }
    }
}

fn next_poll(state: &State) -> u64 {
    match &state.link {
        Link::NoAgent { retry_at_ns, .. } => *retry_at_ns,
        Link::Gone { .. } => state.now_ns + POLL_GONE_NS,
        _ => state.now_ns + POLL_NS,
    }
}

fn translate(input: event::Event) -> Option<Event> {
    match input {
        event::Event::Key(key) if key.kind != KeyEventKind::Release => Some(Event::Key(key)),
        event::Event::Mouse(mouse) => Some(Event::Mouse(mouse)),
        event::Event::Paste(text) => Some(Event::Paste(text)),
        event::Event::Resize(columns, rows) => Some(Event::Resize(columns, rows)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::api::Reply;
    use control::avm::{AvmReply, Listing, Query};
    use control::page::{EventsPage, HostPage, MAGIC, NodePage, VERSION};
    use control::{Snapshot, SourceError};

    struct Nothing;

    impl StatusSource for Nothing {
        fn poll(&mut self) -> Result<Snapshot, SourceError> {
            Err(SourceError::NoAgent { path: "nowhere".into() })
        }
    }

    impl Steering for Nothing {
        fn send(&mut self, _: &Request) -> Result<Reply, SteerError> {
            Err(SteerError::Refused { reason: "no".into() })
        }
    }

    struct Counting(std::sync::mpsc::Sender<AvmRequest>);

    impl Steering for Counting {
        fn send(&mut self, _: &Request) -> Result<Reply, SteerError> {
            Err(SteerError::Refused { reason: "no".into() })
        }

        fn avm(&mut self, request: &AvmRequest) -> Result<AvmReply, SteerError> {
            drop(self.0.send(request.clone()));
            Ok(AvmReply::Executions(Listing::head(Vec::new(), 7)))
        }
    }

    /// Aim: what a screen wants to know is asked at once when it is new, else once a second, and never twice at a time; a change
    /// goes out meanwhile.
    #[test]
    fn a_look_is_asked_at_once_and_then_once_a_second() {
        let (told, asked) = std::sync::mpsc::channel();
        let mut asker = Asker::new(Box::new(Counting(told)));
        let answer = |asker: &mut Asker| {
            for _ in 0..10_000 {
                if let Some(event) = asker.answer() {
                    return event;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            panic!("no answer");
        };
        let ps = || Some(AvmRequest::Ps { query: Query::default() });
        asker.look(None, 0);
        asker.look(ps(), 5);
        asker.look(ps(), 6);
        assert!(matches!(answer(&mut asker), Event::Details(_)));
        asker.look(ps(), 5 + LOOK_NS - 1);
        asker.look(Some(AvmRequest::Solver {}), 5 + LOOK_NS - 1);
        assert!(matches!(answer(&mut asker), Event::Details(_)));
        asker.look(Some(AvmRequest::Solver {}), 5 + 2 * LOOK_NS - 1);
        assert_eq!(asker.ask_avm(AvmRequest::Kill { id: "x1".into() }).map(|_| ()), None);
        assert!(matches!(answer(&mut asker), Event::Details(_)));
        assert!(matches!(answer(&mut asker), Event::AvmAnswered(_)));
        drop(asker);
        let all: Vec<AvmRequest> = asked.iter().collect();
        let kill = AvmRequest::Kill { id: "x1".into() };
        assert_eq!(all, [ps().expect("some"), AvmRequest::Solver {}, AvmRequest::Solver {}, kill]);
    }

    /// Aim: a console without an agent opens a recording and comes back; a file that is none leaves everything as it is.
    #[test]
    fn a_recording_is_opened_from_a_console_without_an_agent_and_left_again() {
        let path = std::env::temp_dir().join(format!("trefoil-console-{}.jsonl", std::process::id()));
        let node = NodePage { magic: MAGIC, version: VERSION, ..NodePage::default() };
        let (host, events) = (HostPage::default(), EventsPage::default());
        let snapshot = Snapshot::from_pages(&node, &host, &[], &events, 5).expect("a valid page");
        Recorder::create(&path).expect("a file").write(&snapshot).expect("written");
        let collect = Collect { source: Box::new(Nothing), recorder: None, asker: Asker::new(Box::new(Nothing)) };
        let mut session = Session::new(State::new((80, 24), Colours::None, 9), Some(collect), 9);
        session.take_in(0);
        assert!(matches!(session.state.link, Link::NoAgent { .. }));
        assert_eq!(session.carry_out(Effect::Open("/nonexistent".into())), None);
        assert!(session.collect.is_some() && session.state.note.is_some(), "nothing changed, and it is said");
        session.carry_out(Effect::Open(path.clone()));
        assert!(matches!(session.state.link, Link::Recording { .. }) && session.state.scene.is_some());
        session.take_in(u64::MAX);
        assert!(matches!(session.state.link, Link::Recording { .. }), "the node does not show through");
        session.carry_out(Effect::Open(path.clone()));
        session.carry_out(Effect::Live);
        session.take_in(1);
        assert!(matches!(session.state.link, Link::NoAgent { .. }) && session.state.scene.is_none());
        session.carry_out(Effect::Live);
        assert!(session.collect.is_some() && session.state.note.is_some());
        std::fs::remove_file(&path).expect("removed");
    }
}
