//! The state machine of a node as a table (`ekk` section 8; `ekk:D-36`, `ekk:D-37`, `ekk:D-38`).

use super::State;

/// What the machine is told; exactly one of the counts after each tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Input {
    /// The caller starts the node.
    Start,
    /// The caller stops it, or it left.
    Stop,
    /// A peer was declared dead in this tick.
    Lost,
    /// The election after a loss has not settled (never in the seed profile, which leaves REFORMING in the same tick).
    Unsettled,
    /// No neighbour.
    None,
    /// Fewer neighbours than wanted.
    Few,
    /// At least as many as wanted.
    Enough,
    /// No neighbour, and the node has looked for a long time.
    NoneLate,
    /// Fewer than wanted, and the node has looked for a long time.
    FewLate,
}

impl Input {
    /// All inputs, in the order of the grid.
    pub const ALL: [Input; 9] = [
        Input::Start,
        Input::Stop,
        Input::Lost,
        Input::Unsettled,
        Input::None,
        Input::Few,
        Input::Enough,
        Input::NoneLate,
        Input::FewLate,
    ];
}

impl State {
    /// All states, in the order of the grid.
    pub const ALL: [State; 7] = [
        State::Init,
        State::Discovering,
        State::Active,
        State::Degraded,
        State::Isolated,
        State::Reforming,
        State::Shutdown,
    ];

    /// The state after an input; `None` where the input is refused and nothing changes.
    #[must_use]
    pub const fn after(self, input: Input) -> Option<State> {
        TABLE[self as usize][input as usize]
    }
}

const fn row(row: [u8; 9]) -> [Option<State>; 9] {
    let mut cells = [None; 9];
    let mut at = 0;
    while at < row.len() {
        cells[at] = match row[at] {
            b'D' => Some(State::Discovering),
            b'A' => Some(State::Active),
            b'g' => Some(State::Degraded),
            b'I' => Some(State::Isolated),
            b'R' => Some(State::Reforming),
            b'S' => Some(State::Shutdown),
            _ => None,
        };
        at += 1;
    }
    cells
}

/// One row a state, one column an input, in the orders of `ALL`; `-` is refused.
const TABLE: [[Option<State>; 9]; 7] = [
    // Start, Stop, Lost, Unsettled, None, Few, Enough, NoneLate, FewLate
    row(*b"DS-------"), // Init
    row(*b"-SDDDDAIg"), // Discovering
    row(*b"-SRAIgAIg"), // Active
    row(*b"-SRgIgAIg"), // Degraded
    row(*b"-SIIIgAIg"), // Isolated
    row(*b"-SRRIgAIg"), // Reforming
    row(*b"DS-------"), // Shutdown
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::String;

    fn grid() -> String {
        let mut text = String::from("| state |");
        for input in Input::ALL {
            text += &format!(" {input:?} |");
        }
        text += "\n|---|";
        text += &"---|".repeat(Input::ALL.len());
        for state in State::ALL {
            text += &format!("\n| {} |", state.name());
            for input in Input::ALL {
                text += &format!(" {} |", state.after(input).map_or("-", State::name));
            }
        }
        text + "\n"
    }

    /// Section 8, row by row; the grid in the documentation is the same one.
    #[test]
    fn the_grid_is_the_documented_one() {
        insta::assert_snapshot!(grid(), @r"
        | state | Start | Stop | Lost | Unsettled | None | Few | Enough | NoneLate | FewLate |
        |---|---|---|---|---|---|---|---|---|---|
        | init | discovering | shutdown | - | - | - | - | - | - | - |
        | discovering | - | shutdown | discovering | discovering | discovering | discovering | active | isolated | degraded |
        | active | - | shutdown | reforming | active | isolated | degraded | active | isolated | degraded |
        | degraded | - | shutdown | reforming | degraded | isolated | degraded | active | isolated | degraded |
        | isolated | - | shutdown | isolated | isolated | isolated | degraded | active | isolated | degraded |
        | reforming | - | shutdown | reforming | reforming | isolated | degraded | active | isolated | degraded |
        | shutdown | discovering | shutdown | - | - | - | - | - | - | - |
        ");
        let docs = include_str!("../../../docs/state-machines.md");
        let section = docs.split("<!-- grid:node -->").nth(1).expect("the section of the node's machine");
        assert_eq!(section.trim(), grid().trim());
    }

    /// ekk:D-37: a cluster of two or three leaves DISCOVERING, at the latest when the time for looking is over.
    #[test]
    fn nobody_looks_for_ever() {
        assert_eq!(State::Discovering.after(Input::FewLate), Some(State::Degraded));
        assert_eq!(State::Discovering.after(Input::NoneLate), Some(State::Isolated));
        assert_eq!(State::Discovering.after(Input::Few), Some(State::Discovering));
    }

    /// ekk:D-36: REFORMING is held until the election settles. Stopped nodes start again; running ones do not.
    #[test]
    fn reforming_is_held_and_restart_is_allowed() {
        assert_eq!(State::Active.after(Input::Lost), Some(State::Reforming));
        assert_eq!(State::Reforming.after(Input::Unsettled), Some(State::Reforming));
        assert_eq!(State::Reforming.after(Input::Enough), Some(State::Active));
        assert_eq!(State::Shutdown.after(Input::Start), Some(State::Discovering));
        assert_eq!(State::Active.after(Input::Start), None);
        assert_eq!(State::Init.after(Input::Enough), None);
    }
}
