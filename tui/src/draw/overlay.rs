//! Help and questions, over whatever is shown.

use control::avm::AvmRequest;
use ratatui::layout::Rect;

use super::frame::wrap;
use super::{PLAIN, Pen};
use crate::commands::COMMANDS;
use crate::keys::{ALL, BINDINGS};
use crate::state::{Question, State};
use crate::target::{AVM_SCREENS, SCREENS, Screen};
use crate::text;

/// A centred, cleared, framed box; returns the room inside.
fn boxed(pen: &mut Pen<'_>, area: Rect, columns: u16, rows: u16, title: &str) -> Rect {
    let width = columns.min(area.width);
    let height = rows.min(area.height);
    let frame = Rect::new(area.x + (area.width - width) / 2, area.y + (area.height - height) / 2, width, height);
    pen.clear(frame);
    if width < 4 || height < 3 {
        return frame;
    }
    let quiet = pen.theme.quiet();
    let bar = "─".repeat(usize::from(width) - 2);
    pen.put(frame.x, frame.y, &format!("╭{bar}╮"), quiet);
    pen.put(frame.x, frame.bottom() - 1, &format!("╰{bar}╯"), quiet);
    for y in frame.y + 1..frame.bottom() - 1 {
        pen.put(frame.x, y, "│", quiet);
        pen.put(frame.right() - 1, y, "│", quiet);
    }
    if !title.is_empty() {
        pen.put_within(frame.x + 2, frame.y, frame.right() - 1, &format!(" {title} "), pen.theme.strong());
    }
    Rect::new(frame.x + 2, frame.y + 1, width - 4, height - 2)
}

/// Tells whether a binding belongs to a group of the help.
type Belongs = fn(&[Screen]) -> bool;

/// Every line of the help: key and sentence; a heading has no key.
#[must_use]
pub fn help_lines() -> Vec<(String, String)> {
    let mut lines = vec![(String::new(), "screens".to_owned())];
    lines.extend(SCREENS.iter().map(|(key, screen, name)| {
        let parts = AVM_SCREENS.map(|(_, name)| name.to_lowercase()).join(", ");
        let name = if screen.is_avm() { format!("{name}: {parts}") } else { (*name).to_owned() };
        (key.to_string(), name)
    }));
    fn everywhere(on: &[Screen]) -> bool {
        on.len() == ALL.len()
    }
    fn of_the_avm(on: &[Screen]) -> bool {
        on.iter().all(|screen| screen.is_avm())
    }
    let groups: [(&str, Belongs); 6] = [
        ("everywhere", |on| everywhere(on)),
        ("on several screens", |on| !everywhere(on) && !of_the_avm(on) && on.len() > 1),
        ("AVM: executions, objects, transactions, trace, solver", of_the_avm),
        ("torus", |on| on == [Screen::Torus]),
        ("ballots", |on| on == [Screen::Ballots]),
        ("events", |on| on == [Screen::Events]),
    ];
    for (title, belongs) in groups {
        lines.push((String::new(), title.to_owned()));
        let of_group = BINDINGS.iter().filter(|binding| belongs(binding.on));
        lines.extend(of_group.map(|binding| (binding.label.to_owned(), binding.help.to_owned())));
    }
    lines.push((String::new(), "commands, after :".to_owned()));
    lines.extend(COMMANDS.iter().map(|command| (command.usage(), command.help.to_owned())));
    lines
        .push((String::new(), "mouse: click a tab, a row, a cell; a second click opens; the wheel selects".to_owned()));
    lines
}

/// The help, from the key table that dispatches.
pub fn help(pen: &mut Pen<'_>, state: &State, area: Rect) {
    let lines = help_lines();
    let rows = (lines.len() as u16).saturating_add(2).min(area.height);
    let inside = boxed(pen, area, 78, rows, "help");
    let shown = usize::from(inside.height);
    let first = state.scroll.min(lines.len().saturating_sub(shown));
    for (at, (key, sentence)) in lines.iter().skip(first).take(shown).enumerate() {
        let y = inside.y + at as u16;
        if key.is_empty() {
            let cut = text::ellipsize(sentence, usize::from(inside.width));
            pen.put_within(inside.x, y, inside.right(), &cut, pen.theme.quiet());
        } else {
            let x = pen.put_within(inside.x + 2, y, inside.right(), key, pen.theme.key());
            let x = if x > inside.x + 9 { x + 2 } else { inside.x + 10 };
            pen.put_within(x, y, inside.right(), sentence, PLAIN);
        }
    }
    if lines.len() > shown {
        let more =
            format!(" ↑↓ {}–{} of {} · any other key closes ", first + 1, first + shown.min(lines.len()), lines.len());
        pen.put_right(inside.x, inside.right(), inside.bottom(), &more, pen.theme.quiet());
    }
}

/// The question before something is changed, with the command line that does the same.
pub fn question(pen: &mut Pen<'_>, question: &Question, area: Rect) {
    use control::api::Request;
    let (title, what, command) = match question {
        Question::QuitAndStop => (
            "stop the node and quit?".to_owned(),
            "This console started the node. Leaving stops it, cleanly.".to_owned(),
            "trefoil stop".to_owned(),
        ),
        Question::Send(request) => {
            let torus = request.torus().map(|name| text::ellipsize(name, 24)).unwrap_or_default();
            let (title, what) = match request {
                Request::Pause { .. } => (
                    format!("pause torus {torus}?"),
                    "It executes nothing until resumed. Heartbeat and watchdog go on.".into(),
                ),
                Request::Resume { .. } => (format!("resume torus {torus}?"), "It executes events again.".into()),
                Request::Step { count, .. } => {
                    (format!("step torus {torus}?"), format!("{}, then it pauses again.", events(*count)))
                }
                Request::Interval { ticks: Some(ticks), .. } => (
                    format!("set the interval of torus {torus}?"),
                    format!("Exchanges every {} ticks, fixed until `adaptive`.", text::grouped(u64::from(*ticks))),
                ),
                Request::Interval { ticks: None, .. } => {
                    (format!("set the interval of torus {torus}?"), "The adaptive rule takes over again.".into())
                }
                Request::Mode { mode } => {
                    (format!("change the mode to {mode}?"), "Every torus of the node follows.".into())
                }
                Request::Inject { count, dst, payload, .. } => (
                    format!("inject into torus {torus}?"),
                    format!("{} to cell {dst}, payload {payload}.", events(*count)),
                ),
                Request::Stop {} => ("stop the node?".to_owned(), "All its tori end. The console stays.".to_owned()),
                other => of_the_cluster(other),
            };
            (title, what, request.command_line())
        }
        Question::Avm(request, program) => {
            let (title, what) = of_the_avm(request, program);
            (title, what, request.command_line())
        }
    };
    let columns = [text::width(&what), text::width(&command) + 14, 40].into_iter().max().unwrap_or(40) as u16 + 4;
    let columns = columns.min(area.width);
    let lines = wrap(&what, usize::from(columns.saturating_sub(4)));
    let inside = boxed(pen, area, columns, lines.len() as u16 + 6, &title);
    let mut y = inside.y;
    for line in lines {
        pen.put_within(inside.x, y, inside.right(), &line, PLAIN);
        y += 1;
    }
    let x = pen.put_within(inside.x, y + 1, inside.right(), "the same as  ", pen.theme.quiet());
    pen.put_within(x, y + 1, inside.right(), &text::clean(&command), pen.theme.strong());
    let last = inside.bottom().saturating_sub(1);
    let x = pen.put_within(inside.x, last, inside.right(), "⏎", pen.theme.key());
    let x = pen.put_within(x + 1, last, inside.right(), "do it", pen.theme.accent());
    let x = pen.put_within(x + 3, last, inside.right(), "esc", pen.theme.key());
    pen.put_within(x + 1, last, inside.right(), "leave it", PLAIN);
}

/// Title and consequence of a request about programs.
fn of_the_avm(request: &AvmRequest, program: &str) -> (String, String) {
    let of = if program.is_empty() { String::new() } else { format!("{}: ", text::ellipsize(program, 40)) };
    let short = |id: &str| text::ellipsize(id, 30);
    match request {
        AvmRequest::Suspend { id } => (
            format!("suspend execution {}?", short(id)),
            format!("{of}it stands still after its current instruction until resumed."),
        ),
        AvmRequest::Resume { id } => (format!("resume execution {}?", short(id)), format!("{of}it goes on.")),
        AvmRequest::Kill { id } => (
            format!("kill execution {}?", short(id)),
            format!("{of}it ends with its children; open transactions abort. It cannot be undone."),
        ),
        AvmRequest::Start(start) => (
            format!("start {}?", short(&format!("{}#{}", start.program, start.entry))),
            "A new execution on the least loaded torus.".into(),
        ),
        AvmRequest::Call { object, .. } => {
            (format!("call {}?", short(object)), "The call is an execution of its own and takes effect at once.".into())
        }
        AvmRequest::Send { object, .. } => {
            (format!("send to {}?", short(object)), "The message waits in the object's mailbox.".into())
        }
        _ => ("ask the agent?".into(), "It may change what programs do.".into()),
    }
}

/// Title and consequence of a request about the cluster.
fn of_the_cluster(request: &control::api::Request) -> (String, String) {
    use control::api::Request;
    let (title, what) = match request {
        Request::Propose { kind, value, scope, .. } => {
            (format!("propose {kind} {value}?"), format!("Opens a ballot of scope {scope}; the voters decide."))
        }
        Request::Vote { proposer, number, vote } => {
            (format!("vote {vote}?"), format!("On ballot {number} of node {proposer}. A vote is final."))
        }
        Request::Leave {} => {
            ("leave the cluster?".into(), "Work is handed over first. Final for this incarnation of the node.".into())
        }
        Request::Drain { on: true } => {
            ("drain the node?".into(), "Its load field says no; its work goes to neighbours.".into())
        }
        Request::Drain { on: false } => ("end the draining?".into(), "The load field says the truth again.".into()),
        Request::Maintenance { node, seconds: 0 } => {
            (format!("end the maintenance of {node}?"), "Its silence counts again.".into())
        }
        Request::Maintenance { node, seconds } => {
            (format!("maintenance of {node}?"), format!("Nobody removes it for {seconds} s, however silent it is."))
        }
        Request::Forget { node } => {
            (format!("forget {node}?"), "Its record and tombstone go; if it returns it is a new member.".into())
        }
        Request::Join { node, grant: true } => {
            (format!("admit node {node}?"), "It counts as a founder from now on.".into())
        }
        Request::Join { node, grant: false } => (format!("refuse node {node}?"), "It is told so.".into()),
        Request::ResumeRemovals {} => {
            ("resume removals?".into(), "The safety valve opens: silent nodes are removed again.".into())
        }
        other => (other.command_line(), String::new()),
    };
    (text::ellipsize(&title, 60), what)
}

fn events(count: u32) -> String {
    if count == 1 { "One event".to_owned() } else { format!("{} events", text::grouped(u64::from(count))) }
}
