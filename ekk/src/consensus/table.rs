//! The life of a ballot, as a table (`ekk:D-18`: every slot is reclaimed, always).

/// Where in its life a ballot is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The slot is empty.
    #[default]
    Free,
    /// Votes are taken.
    Open,
    /// An outcome stands; it is told in this tick.
    Decided,
    /// The outcome can be read until its time is over.
    Retained,
}

/// What happens to a ballot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Input {
    /// It is proposed here, or a proposal or decision arrives.
    Opens,
    /// A vote leaves it undecided.
    Vote,
    /// Its votes decide it, or a decision arrives.
    Decides,
    /// It is withdrawn or inhibited.
    Cancelled,
    /// Its deadline passes.
    Deadline,
    /// A tick passes.
    Tick,
    /// The outcome is read.
    Read,
    /// The time of retention passes.
    Expires,
}

/// All phases.
pub const PHASES: [Phase; 4] = [Phase::Free, Phase::Open, Phase::Decided, Phase::Retained];
/// All inputs.
pub const INPUTS: [Input; 8] = [
    Input::Opens,
    Input::Vote,
    Input::Decides,
    Input::Cancelled,
    Input::Deadline,
    Input::Tick,
    Input::Read,
    Input::Expires,
];

/// The phase after an input; `None` where the input changes nothing.
#[must_use]
pub const fn next(phase: Phase, input: Input) -> Option<Phase> {
    match (phase, input) {
        (Phase::Free, Input::Opens) => Some(Phase::Open),
        (Phase::Free, Input::Decides) => Some(Phase::Decided),
        (Phase::Open, Input::Decides | Input::Cancelled | Input::Deadline) => Some(Phase::Decided),
        (Phase::Decided, Input::Tick) => Some(Phase::Retained),
        (Phase::Retained, Input::Read | Input::Expires) => Some(Phase::Free),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::string::String;

    use super::*;

    /// The whole grid, pinned here and in docs/state-machines.md.
    #[test]
    fn the_grid_is_documented() {
        let mut grid = String::from("| phase |");
        INPUTS.iter().for_each(|input| grid += &std::format!(" {input:?} |"));
        grid += "\n|---|";
        INPUTS.iter().for_each(|_| grid += "---|");
        for phase in PHASES {
            grid += &std::format!("\n| {phase:?} |");
            for input in INPUTS {
                grid += &next(phase, input).map_or_else(|| String::from(" = |"), |to| std::format!(" {to:?} |"));
            }
        }
        insta::assert_snapshot!(grid);
        let docs = include_str!("../../../docs/state-machines.md");
        assert!(docs.contains(&grid), "docs/state-machines.md lacks the grid of a ballot");
    }

    /// `ekk:D-18`: from every phase the empty slot is reached by ticks and time alone.
    #[test]
    fn every_slot_is_freed_by_time() {
        for start in PHASES {
            let mut phase = start;
            for input in [Input::Deadline, Input::Tick, Input::Expires] {
                phase = next(phase, input).unwrap_or(phase);
            }
            assert_eq!(phase, Phase::Free, "{start:?}");
        }
    }
}
