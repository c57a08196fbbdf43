//! The key table: dispatch, footer and help read it, nothing else knows a key.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::target::{SCREENS, Screen};

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Open what is selected.
    Open,
    /// Stand still, or go on.
    Freeze,
    /// One step back in history.
    Back,
    /// One step forward.
    Forward,
    /// Ten seconds back.
    BackFar,
    /// Ten seconds forward.
    ForwardFar,
    /// To the oldest moment kept.
    Oldest,
    /// To now.
    Newest,
    /// Select the line above.
    Up,
    /// Select the line below.
    Down,
    /// A page up in a list.
    PageUp,
    /// A page down in a list.
    PageDown,
    /// Filter the list.
    Filter,
    /// Enter a command.
    Command,
    /// Help.
    Help,
    /// Back out.
    Escape,
    /// Next torus.
    NextTorus,
    /// Previous torus.
    PreviousTorus,
    /// Cursor on the map.
    CellLeft,
    /// Cursor on the map.
    CellDown,
    /// Cursor on the map.
    CellUp,
    /// Cursor on the map.
    CellRight,
    /// The busiest cell.
    Busiest,
    /// The other face.
    Face,
    /// Pause the torus.
    Pause,
    /// Step the torus.
    Step,
    /// Resume the torus.
    Resume,
    /// Set the interval.
    Interval,
    /// Lowest severity shown.
    Severity,
    /// Yes to the selected ballot.
    VoteYes,
    /// No to the selected ballot.
    VoteNo,
    /// Drain the node, or end it.
    Drain,
    /// Open a recorded file.
    OpenFile,
    /// The next screen of the AVM.
    NextPart,
    /// The one before.
    PreviousPart,
    /// Sort by the next column.
    Sort,
    /// Turn the order round.
    Reverse,
    /// The first row.
    First,
    /// The last row.
    Last,
    /// Suspend the execution.
    Suspend,
    /// Resume the execution.
    Continue,
    /// End the execution.
    Kill,
    /// The trace of the execution.
    ShowTrace,
    /// The trace with its vector clocks.
    Clocks,
    /// The trace as JSON.
    Json,
    /// A screen.
    Go(Screen),
    /// Leave.
    Quit,
    /// Leave at once.
    QuitNow,
}

/// Screens a binding holds on.
pub type On = &'static [Screen];
/// Every screen.
pub const ALL: On = &[
    Screen::Overview,
    Screen::Torus,
    Screen::Mesh,
    Screen::Fields,
    Screen::Ballots,
    Screen::Executions,
    Screen::Objects,
    Screen::Transactions,
    Screen::Trace,
    Screen::Solver,
    Screen::Host,
    Screen::Events,
    Screen::Bootstrap,
];
const TORUS: On = &[Screen::Torus];
const EVENTS: On = &[Screen::Events];
/// Screens whose page keys go through a long list.
const PAGED: On = &[Screen::Executions, Screen::Objects, Screen::Transactions, Screen::Trace, Screen::Events];
const NOT_PAGED: On = &[
    Screen::Overview,
    Screen::Torus,
    Screen::Mesh,
    Screen::Fields,
    Screen::Ballots,
    Screen::Solver,
    Screen::Host,
    Screen::Bootstrap,
];
const BALLOTS: On = &[Screen::Ballots];
const CLUSTER: On = &[Screen::Mesh, Screen::Fields, Screen::Ballots, Screen::Bootstrap];
const AVM: On = &[Screen::Executions, Screen::Objects, Screen::Transactions, Screen::Trace, Screen::Solver];
const LISTS: On = &[Screen::Executions, Screen::Objects, Screen::Transactions];
const LONG: On = &[Screen::Executions, Screen::Objects, Screen::Transactions, Screen::Trace];
const EXECUTIONS: On = &[Screen::Executions];
const STEERED: On = &[Screen::Executions, Screen::Transactions, Screen::Trace];
const TRACED: On = &[Screen::Executions, Screen::Transactions];
const TRACE: On = &[Screen::Trace];
const NOWHERE: On = &[];

/// One line of the key table.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// The keys, any of which does it.
    pub keys: &'static [(KeyCode, KeyModifiers)],
    /// As written in footer and help.
    pub label: &'static str,
    /// What it does.
    pub action: Action,
    /// Where it holds.
    pub on: On,
    /// Screens whose footer shows it.
    pub footer: On,
    /// The word in the footer.
    pub word: &'static str,
    /// The sentence in the help.
    pub help: &'static str,
}

const NONE: KeyModifiers = KeyModifiers::NONE;
const SHIFT: KeyModifiers = KeyModifiers::SHIFT;
const CONTROL: KeyModifiers = KeyModifiers::CONTROL;

const fn bind(
    keys: &'static [(KeyCode, KeyModifiers)],
    label: &'static str,
    action: Action,
    on: On,
    footer: On,
    words: (&'static str, &'static str),
) -> Binding {
    Binding { keys, label, action, on, footer, word: words.0, help: words.1 }
}

/// Every key of the console, in the order of the help. The keys of the screens stand in [`SCREENS`].
#[rustfmt::skip]
pub const BINDINGS: &[Binding] = &[
    bind(&[(KeyCode::Enter, NONE)], "⏎", Action::Open, ALL, &[Screen::Overview, Screen::Mesh, Screen::Fields, Screen::Executions, Screen::Objects, Screen::Transactions, Screen::Trace, Screen::Solver, Screen::Host, Screen::Events], ("open", "open what is selected")),
    bind(&[(KeyCode::Up, NONE)], "↑", Action::Up, ALL, NOWHERE, ("up", "select the line above")),
    bind(&[(KeyCode::Down, NONE)], "↓", Action::Down, ALL, NOWHERE, ("down", "select the line below")),
    bind(&[(KeyCode::Char('p'), NONE)], "p", Action::Pause, TORUS, TORUS, ("pause", "pause this torus; its heartbeat goes on")),
    bind(&[(KeyCode::Char('s'), NONE)], "s", Action::Step, TORUS, TORUS, ("step", "execute one event of a paused torus and show it")),
    bind(&[(KeyCode::Char('r'), NONE)], "r", Action::Resume, TORUS, TORUS, ("resume", "resume this torus")),
    bind(&[(KeyCode::Char('i'), NONE)], "i", Action::Interval, TORUS, TORUS, ("interval", "set the braid interval of this torus")),
    bind(&[(KeyCode::Tab, NONE), (KeyCode::Char(']'), NONE)], "tab ]", Action::NextTorus, TORUS, TORUS, ("next torus", "next torus")),
    bind(&[(KeyCode::BackTab, NONE), (KeyCode::Char('['), NONE)], "[", Action::PreviousTorus, TORUS, NOWHERE, ("previous", "previous torus")),
    bind(&[(KeyCode::Char('x'), NONE)], "x", Action::Face, TORUS, NOWHERE, ("face", "the other face, x = 0 or x = 31")),
    bind(&[(KeyCode::Char('h'), NONE), (KeyCode::Left, SHIFT)], "h", Action::CellLeft, TORUS, NOWHERE, ("left", "cursor to the cell on the left, z - 1")),
    bind(&[(KeyCode::Char('j'), NONE), (KeyCode::Down, SHIFT)], "j", Action::CellDown, TORUS, NOWHERE, ("down", "cursor to the cell below, y + 1")),
    bind(&[(KeyCode::Char('k'), NONE), (KeyCode::Up, SHIFT)], "k", Action::CellUp, TORUS, NOWHERE, ("up", "cursor to the cell above, y - 1")),
    bind(&[(KeyCode::Char('l'), NONE), (KeyCode::Right, SHIFT)], "l", Action::CellRight, TORUS, NOWHERE, ("right", "cursor to the cell on the right, z + 1")),
    bind(&[(KeyCode::Char('b'), NONE)], "b", Action::Busiest, TORUS, NOWHERE, ("busiest", "cursor to the busiest cell of the face")),
    bind(&[(KeyCode::Char('y'), NONE)], "y", Action::VoteYes, BALLOTS, BALLOTS, ("vote yes", "vote yes on the selected ballot")),
    bind(&[(KeyCode::Char('n'), NONE)], "n", Action::VoteNo, BALLOTS, BALLOTS, ("vote no", "vote no on the selected ballot")),
    bind(&[(KeyCode::Char('d'), NONE)], "d", Action::Drain, CLUSTER, &[Screen::Mesh, Screen::Fields], ("drain", "drain this node, or end the draining")),
    bind(&[(KeyCode::Char('v'), NONE)], "v", Action::Severity, EVENTS, EVENTS, ("severity", "raise the lowest severity shown")),
    bind(&[(KeyCode::Char('p'), NONE)], "p", Action::Suspend, STEERED, EXECUTIONS, ("suspend", "suspend this execution at its next instruction")),
    bind(&[(KeyCode::Char('r'), NONE)], "r", Action::Continue, STEERED, EXECUTIONS, ("resume", "resume this execution")),
    bind(&[(KeyCode::Char('x'), NONE)], "x", Action::Kill, STEERED, EXECUTIONS, ("kill", "end this execution and its children")),
    bind(&[(KeyCode::Char('t'), NONE)], "t", Action::ShowTrace, TRACED, TRACED, ("trace", "the trace of this execution")),
    bind(&[(KeyCode::Char('s'), NONE)], "s", Action::Sort, LISTS, &[Screen::Objects, Screen::Transactions], ("sort", "sort by the next column, after the last in natural order")),
    bind(&[(KeyCode::Char('S'), NONE)], "S", Action::Reverse, LISTS, NOWHERE, ("reverse", "turn the order round")),
    bind(&[(KeyCode::Char('g'), NONE)], "g", Action::First, LONG, NOWHERE, ("first", "the first row")),
    bind(&[(KeyCode::Char('G'), NONE)], "G", Action::Last, LONG, NOWHERE, ("last", "the last row; in a trace: stay with the newest")),
    bind(&[(KeyCode::Char('v'), NONE)], "v", Action::Clocks, TRACE, TRACE, ("clocks", "the same with vector clocks, and back to the chart")),
    bind(&[(KeyCode::Char('j'), NONE)], "j", Action::Json, TRACE, TRACE, ("JSON", "the same as JSON, and back to the chart")),
    bind(&[(KeyCode::Tab, NONE), (KeyCode::Char(']'), NONE)], "tab ]", Action::NextPart, AVM, &[Screen::Objects, Screen::Solver], ("next", "the next screen of the AVM; 6 does the same")),
    bind(&[(KeyCode::BackTab, NONE), (KeyCode::Char('['), NONE)], "[", Action::PreviousPart, AVM, NOWHERE, ("previous", "the screen of the AVM before")),
    bind(&[(KeyCode::PageUp, NONE)], "pgup", Action::PageUp, PAGED, NOWHERE, ("page up", "a page up in the list")),
    bind(&[(KeyCode::PageDown, NONE)], "pgdn", Action::PageDown, PAGED, NOWHERE, ("page down", "a page down in the list")),
    bind(&[(KeyCode::Char(' '), NONE)], "space", Action::Freeze, ALL, NOT_FOOTED, ("freeze", "stand still and look; again: go on")),
    bind(&[(KeyCode::Left, NONE)], "←", Action::Back, ALL, &[Screen::Overview, Screen::Host], ("back", "one step back in history")),
    bind(&[(KeyCode::Right, NONE)], "→", Action::Forward, ALL, &[Screen::Overview, Screen::Host], ("forward", "one step forward in history")),
    bind(&[(KeyCode::PageUp, NONE)], "pgup", Action::BackFar, NOT_PAGED, NOWHERE, ("10 s back", "ten seconds back in history")),
    bind(&[(KeyCode::PageDown, NONE)], "pgdn", Action::ForwardFar, NOT_PAGED, NOWHERE, ("10 s on", "ten seconds forward in history")),
    bind(&[(KeyCode::Home, NONE)], "home", Action::Oldest, ALL, NOWHERE, ("oldest", "the oldest moment kept")),
    bind(&[(KeyCode::End, NONE)], "end", Action::Newest, ALL, NOWHERE, ("now", "back to now")),
    bind(&[(KeyCode::Char('/'), NONE)], "/", Action::Filter, ALL, &[Screen::Objects, Screen::Transactions, Screen::Trace, Screen::Events], ("filter", "filter the list shown, elsewhere the event log")),
    bind(&[(KeyCode::Char(':'), NONE)], ":", Action::Command, ALL, &[Screen::Overview, Screen::Mesh, Screen::Fields, Screen::Ballots, Screen::Solver, Screen::Bootstrap], ("command", "enter a command; tab completes")),
    bind(&[(KeyCode::Char('o'), NONE)], "o", Action::OpenFile, ALL, NOWHERE, ("open a recording", "open a recorded file; :live leads back")),
    bind(&[(KeyCode::Esc, NONE)], "esc", Action::Escape, ALL, NOWHERE, ("back out", "close, clear the filter, back to now, back to the overview")),
    bind(&[(KeyCode::Char('?'), NONE), (KeyCode::F(1), NONE)], "?", Action::Help, ALL, ALL, ("help", "these keys")),
    bind(&[(KeyCode::Char('q'), NONE)], "q", Action::Quit, ALL, ALL, ("quit", "leave the console")),
    bind(&[(KeyCode::Char('c'), CONTROL)], "^c", Action::QuitNow, ALL, NOWHERE, ("quit", "leave at once, without a question")),
];

const NOT_FOOTED: On = &[
    Screen::Overview,
    Screen::Mesh,
    Screen::Fields,
    Screen::Ballots,
    Screen::Objects,
    Screen::Transactions,
    Screen::Trace,
    Screen::Solver,
    Screen::Host,
    Screen::Events,
    Screen::Bootstrap,
];

/// Keys shown in a footer beside help and quit.
pub const FOOTER_KEYS: usize = 5;

impl Binding {
    /// True when the binding answers to this key on this screen.
    #[must_use]
    pub fn answers(&self, key: KeyEvent, screen: Screen) -> bool {
        self.on.contains(&screen) && self.keys.iter().any(|(code, modifiers)| same_key(*code, *modifiers, key))
    }
}

fn same_key(code: KeyCode, modifiers: KeyModifiers, key: KeyEvent) -> bool {
    // Terminals report shift with characters that need it on their layout, or not; the character alone decides there.
    let given = match code {
        KeyCode::Char(_) | KeyCode::BackTab => key.modifiers & !KeyModifiers::SHIFT,
        _ => key.modifiers,
    };
    code == key.code && modifiers == given
}

/// What a key does on a screen.
#[must_use]
pub fn dispatch(key: KeyEvent, screen: Screen) -> Option<Action> {
    if let KeyCode::Char(typed) = key.code
        && key.modifiers & !KeyModifiers::SHIFT == NONE
        && let Some((_, wanted, _)) = SCREENS.iter().find(|(number, _, _)| *number == typed)
    {
        return Some(Action::Go(*wanted));
    }
    BINDINGS.iter().find(|binding| binding.answers(key, screen)).map(|binding| binding.action)
}

/// Keys of the footer of a screen, at most [`FOOTER_KEYS`], then help and quit.
pub fn footer(screen: Screen) -> impl Iterator<Item = &'static Binding> {
    BINDINGS.iter().filter(move |binding| binding.footer.contains(&screen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_key_is_dispatched_to_its_own_action_on_every_screen_it_holds_on() {
        for binding in BINDINGS {
            assert!(!binding.keys.is_empty() && !binding.help.is_empty() && !binding.label.is_empty());
            for screen in binding.on {
                for (code, modifiers) in binding.keys {
                    let key = KeyEvent::new(*code, *modifiers);
                    assert_eq!(dispatch(key, *screen), Some(binding.action), "{} on {screen:?}", binding.label);
                }
            }
        }
        for (key, screen, _) in SCREENS {
            let key = KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE);
            assert_eq!(dispatch(key, Screen::Host), Some(Action::Go(screen)));
        }
    }

    #[test]
    fn no_key_means_two_things_on_one_screen() {
        let mut seen = HashSet::new();
        for binding in BINDINGS {
            for screen in binding.on {
                for key in binding.keys {
                    assert!(seen.insert((*screen, *key)), "{} twice on {screen:?}", binding.label);
                }
            }
        }
    }

    #[test]
    fn a_footer_teaches_five_keys_and_the_way_out() {
        for screen in ALL.iter().copied() {
            let shown: Vec<&str> = footer(screen).map(|binding| binding.label).collect();
            assert!(shown.len() <= FOOTER_KEYS + 2, "{screen:?}: {shown:?}");
            assert!(shown.contains(&"?") && shown.contains(&"q"));
            assert!(footer(screen).all(|binding| binding.on.contains(&screen)));
        }
    }
}
