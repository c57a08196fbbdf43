//! What stands around every screen: the header that answers, the tabs, the footer that teaches.

use control::snapshot::Phase;
use ratatui::layout::Rect;

use super::{PLAIN, Pen};
use crate::keys;
use crate::state::{Link, PromptKind, State};
use crate::target::{SCREENS, Target};
use crate::text;
use crate::theme::Shape;
use crate::verdict::{self, Finding};

/// Header and tabs; returns the rows they take.
pub fn header(pen: &mut Pen<'_>, state: &State, area: Rect, compact: bool) -> u16 {
    let found = state.scene.as_ref().map(|scene| verdict::findings(scene)).unwrap_or_default();
    let right = area.right().saturating_sub(1);
    let zone = if compact { "Z" } else { " UTC" };
    let clock = state.now().map(|now| text::time_of_day(now.node.now_unix_ns) + zone).unwrap_or_default();
    let clock_width = if clock.is_empty() || area.width < 30 { 0 } else { clock.len() as u16 + 2 };
    if clock_width > 0 {
        pen.put_right(area.x, right, area.y, &clock, pen.theme.quiet());
    }
    let mut answer = answer(state, &found);
    if compact {
        identity(pen, state, area, right.saturating_sub(clock_width));
        if area.height > 1 {
            put_answer(pen, area.x + 1, right, area.y + 1, &answer);
        }
        return area.height.min(2);
    }
    // Cut first, so that what is left stands beside the clock.
    let room = (usize::from(area.width) * 11 / 20).saturating_sub(answer.key.len());
    answer.text = text::clauses(&answer.text, room);
    let answer_width = (text::width(&answer.text) + answer.key.len()) as u16 + 2;
    let answer_left = right.saturating_sub(clock_width + answer_width);
    identity(pen, state, area, answer_left.saturating_sub(1));
    put_answer(pen, answer_left, right.saturating_sub(clock_width), area.y, &answer);
    tabs(pen, state, area, &found);
    2
}

/// Node, phase, how long it has been up, what the console is attached to.
fn identity(pen: &mut Pen<'_>, state: &State, area: Rect, right: u16) {
    let mut x = pen.put_within(area.x + 1, area.y, right, "trefoil", pen.theme.strong());
    let Some(now) = state.now() else {
        if !state.label.is_empty() {
            let room = usize::from(right.saturating_sub(x + 2));
            pen.put_within(x + 2, area.y, right, &text::ellipsize(&state.label, room), pen.theme.quiet());
        }
        return;
    };
    let up = now.node.now_unix_ns.saturating_sub(now.node.started_unix_ns);
    let room = usize::from(right.saturating_sub(x + 2));
    // What matters most first: the last ones give way when there is no room for them in full.
    let mut rest = Vec::new();
    if state.read_only.is_some() {
        rest.push("read-only".to_owned());
    }
    if let Some(back) = state.back_ns() {
        rest.push(format!("frozen, {} back", text::age(back)));
    }
    if let Some(cluster) = &now.cluster {
        rest.push(super::cluster::identity(cluster));
    }
    if let Link::Recording { name } = &state.link {
        rest.push(format!("recording {}", text::ellipsize(name, 24)));
    } else if state.frozen.is_none() {
        rest.push(format!("up {}", text::age(up)));
    }
    let least = text::width(&now.node.name).min(8);
    while !rest.is_empty() && least + rest.iter().map(|part| text::width(part) + 3).sum::<usize>() > room {
        rest.pop();
    }
    let tail: String = rest.iter().map(|part| format!(" · {part}")).collect();
    let name = text::ellipsize(&now.node.name, room.saturating_sub(text::width(&tail)));
    x = pen.put_within(x + 2, area.y, right, &name, PLAIN);
    let style = if state.frozen.is_some() { pen.theme.accent() } else { pen.theme.quiet() };
    pen.put_within(x, area.y, right, &tail, style);
}

/// What the header answers.
struct Answer {
    shape: Shape,
    text: String,
    /// The key that leads there and how many more there are: ` (2) +1`.
    key: String,
    target: Option<Target>,
}

/// The worst thing now and the key that leads to it.
fn answer(state: &State, found: &[Finding]) -> Answer {
    let plain = |shape, text: String| Answer { shape, text, key: String::new(), target: None };
    match &state.link {
        Link::Connecting => return plain(Shape::Degraded, "looking for the agent".into()),
        Link::NoAgent { .. } => return plain(Shape::Absent, "no agent".into()),
        Link::Gone { since_ns, why, hung } => {
            let since = text::age(state.now_ns.saturating_sub(*since_ns));
            let how = if *hung { "hangs" } else { "gone" };
            // One that stopped in order did not fail.
            let stopped = state.now().is_some_and(|now| now.node.phase == Phase::Stopped);
            let shape = if stopped { Shape::Absent } else { Shape::Failed };
            return plain(shape, text::clean(&format!("agent {how} since {since}: {why}")));
        }
        Link::Live | Link::Recording { .. } => {}
    }
    match found {
        [] => plain(Shape::Well, "all right".into()),
        [worst, rest @ ..] => {
            let more = if rest.is_empty() { String::new() } else { format!(" +{}", rest.len()) };
            let key = format!(" ({}){more}", worst.target.key());
            Answer { shape: worst.shape, text: worst.text.clone(), key, target: Some(worst.target) }
        }
    }
}

fn put_answer(pen: &mut Pen<'_>, left: u16, right: u16, y: u16, answer: &Answer) {
    let style = pen.theme.shape(answer.shape);
    let x = pen.put_within(left, y, right, answer.shape.symbol(), style);
    // The key that leads there stays, whatever else is cut.
    let room = usize::from(right.saturating_sub(x + 1)).saturating_sub(answer.key.len());
    let end = pen.put_within(x + 1, y, right, &text::clauses(&answer.text, room), style);
    let end = pen.put_within(end, y, right, &answer.key, style);
    if let Some(target) = answer.target {
        pen.clickable(Rect::new(left, y, end.saturating_sub(left), 1), target);
    }
}

/// The tabs, and after them the second worst thing, where there is room.
fn tabs(pen: &mut Pen<'_>, state: &State, area: Rect, found: &[Finding]) {
    let y = area.y + 1;
    let quiet = pen.theme.quiet();
    pen.rule(area, y, "");
    // Nine tabs in eighty columns stand closer together and begin at the edge.
    let mut x = if area.width < 90 { area.x } else { area.x + 3 };
    for (key, screen, name) in SCREENS {
        let chosen = screen == state.screen.tab();
        let label = if area.width < 90 { format!(" {key} {name}") } else { format!(" {key} {name} ") };
        let style = if chosen { pen.theme.accent() } else { PLAIN };
        let end = pen.put_within(x, y, area.right(), &label, style);
        pen.clickable(Rect::new(x, y, end - x, 1), Target::Go(screen));
        x = end;
    }
    if let Some(second) = found.get(1).filter(|_| !state.gone()) {
        let room = usize::from(area.right().saturating_sub(x + 6));
        if room > 20 {
            let right = area.right().saturating_sub(3);
            let key = format!(" ({}) ", second.target.key());
            let cut = text::clauses(&second.text, room.saturating_sub(key.len() + 3));
            pen.put_right(x + 2, right, y, &format!(" {} {cut}{key}", second.shape.symbol()), quiet);
        }
    }
}

/// The prompt, a message, or the keys that matter here.
pub fn footer(pen: &mut Pen<'_>, state: &State, area: Rect) {
    let right = area.right().saturating_sub(1);
    let quiet = pen.theme.quiet();
    if let Some(prompt) = &state.prompt {
        let sign = if prompt.kind == PromptKind::Filter { "/" } else { ":" };
        let mut x = pen.put_within(area.x + 1, area.y, right, sign, pen.theme.key());
        // The end of a long line stays in sight.
        let room = usize::from(right.saturating_sub(x + 1));
        let skip = text::width(&prompt.text).saturating_sub(room);
        let tail: String = prompt.text.chars().skip(skip).collect();
        x = pen.put_within(x, area.y, right, &tail, PLAIN);
        x = pen.put_within(x, area.y, right, "▏", pen.theme.accent());
        let hint = match (&state.note, prompt.kind) {
            (Some(note), _) => note.text.clone(),
            (None, PromptKind::Filter) => "⏎ keep  esc leave".into(),
            (None, PromptKind::Command) => {
                let words = crate::commands::completions(&prompt.text, &state.torus_names());
                if words.is_empty() { "⏎ go  esc leave".into() } else { words.join("  ") }
            }
        };
        let room = usize::from(right.saturating_sub(x + 2));
        pen.put_within(x + 2, area.y, right, &text::ellipsize(&hint, room), quiet);
        return;
    }
    if let Some(line) = &state.asking {
        pen.put_within(area.x + 1, area.y, right, &format!("asking the agent: {}", text::clean(line)), quiet);
        return;
    }
    if let Some(note) = &state.note {
        let shape = if note.bad { Shape::Degraded } else { Shape::Well };
        let x = pen.shape(area.x + 1, area.y, shape);
        let room = usize::from(right.saturating_sub(x + 1));
        pen.put_within(x + 1, area.y, right, &text::ellipsize(&note.text, room), PLAIN);
        return;
    }
    // Before the first snapshot there is nothing that other keys could act on.
    let nothing = state.scene.is_none();
    let end: Vec<_> = keys::footer(state.screen).filter(|key| matches!(key.label, "?" | "q")).collect();
    let tail: usize = end.iter().map(|key| text::width(key.label) + key.word.len() + 4).sum();
    let mut x = area.x + 2;
    let shown = keys::BINDINGS.iter().filter(|key| match nothing {
        true => key.action == keys::Action::OpenFile,
        false => key.footer.contains(&state.screen) && !matches!(key.label, "?" | "q"),
    });
    for binding in shown {
        let wide = text::width(binding.label) + binding.word.len() + 1;
        if usize::from(x) + wide + 3 + tail > usize::from(right) {
            break;
        }
        x = pen.put(x, area.y, binding.label, pen.theme.key());
        x = pen.put(x + 1, area.y, binding.word, quiet) + 3;
    }
    let mut x = right.saturating_sub((tail as u16).saturating_sub(3)).max(area.x + 1);
    for binding in end {
        x = pen.put_within(x, area.y, right, binding.label, pen.theme.key());
        x = pen.put_within(x + 1, area.y, right, binding.word, quiet) + 3;
    }
}

/// Before the first snapshot: what is missing and how to get it.
pub fn nothing_yet(pen: &mut Pen<'_>, state: &State, area: Rect) {
    let right = area.right().saturating_sub(2);
    let mut y = area.y + area.height / 3;
    match &state.link {
        Link::NoAgent { error, retry_at_ns } => {
            let words = error.to_string();
            for line in wrap(&words, usize::from(right.saturating_sub(area.x + 3))) {
                pen.put_within(area.x + 3, y, right, &line, PLAIN);
                y += 1;
            }
            let left = retry_at_ns.saturating_sub(state.now_ns).div_ceil(1_000_000_000);
            pen.put_within(area.x + 3, y + 1, right, &format!("next try in {left} s"), pen.theme.quiet());
            let x = pen.put_within(area.x + 3, y + 3, right, "o", pen.theme.key());
            pen.put_within(x + 1, y + 3, right, "opens a file that trefoil console --record wrote", pen.theme.quiet());
        }
        _ => {
            pen.put_within(area.x + 3, y, right, "looking for the agent", pen.theme.quiet());
        }
    }
}

/// Breaks text at blanks into lines of at most `columns`.
#[must_use]
pub fn wrap(words: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = vec![String::new()];
    for word in text::clean(words).split_whitespace() {
        let word = text::ellipsize(word, columns);
        let Some(line) = lines.last_mut() else { break };
        let used = text::width(line);
        if used == 0 {
            line.push_str(&word);
        } else if used + 1 + text::width(&word) <= columns {
            line.push(' ');
            line.push_str(&word);
        } else {
            lines.push(word);
        }
    }
    lines
}
