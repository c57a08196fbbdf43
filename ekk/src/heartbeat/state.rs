//! The health automaton as a table.

use crate::profile::Profile;

/// Verdict on a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Health {
    /// Never heard.
    #[default]
    Unknown = 0,
    /// Heard in time.
    Alive = 1,
    /// Late.
    Suspect = 2,
    /// Silent for so long that we would say so.
    Dead = 3,
}

impl Health {
    /// All verdicts, in the order of their numbers.
    pub const ALL: [Health; 4] = [Health::Unknown, Health::Alive, Health::Suspect, Health::Dead];
}

/// What happens to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Input {
    /// A newer heartbeat.
    Beat = 0,
    /// A replayed, repeated or outdated heartbeat.
    Replay = 1,
    /// Time passed and it is not late.
    Fresh = 2,
    /// Time passed beyond the first instant: late.
    Late = 3,
    /// Time passed beyond the second instant: silent, or never heard at all.
    Silent = 4,
}

impl Input {
    /// All inputs, in the order of their numbers.
    pub const ALL: [Input; 5] = [Input::Beat, Input::Replay, Input::Fresh, Input::Late, Input::Silent];
}

/// What the change is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Nothing changed.
    None,
    /// First sign of life.
    Found,
    /// It became late.
    Suspected,
    /// It became silent.
    Died,
    /// It was late and came back.
    Recovered,
    /// It was silent and came back.
    Returned,
    /// It never came alive and is not watched any more (`ekk:D-16`).
    Expired,
}

type Row = [(Health, Action); 5];
const fn stay(health: Health) -> (Health, Action) {
    (health, Action::None)
}

/// Rows by health, columns by input: beat, replay, fresh, late, silent. A late tick never skips suspect.
const PRODUCT: [Row; 4] = {
    use {Action as A, Health as H};
    [
        [(H::Alive, A::Found), stay(H::Unknown), stay(H::Unknown), stay(H::Unknown), (H::Unknown, A::Expired)],
        [stay(H::Alive), stay(H::Alive), stay(H::Alive), (H::Suspect, A::Suspected), (H::Suspect, A::Suspected)],
        [(H::Alive, A::Recovered), stay(H::Suspect), stay(H::Suspect), stay(H::Suspect), (H::Dead, A::Died)],
        [(H::Alive, A::Returned), stay(H::Dead), stay(H::Dead), stay(H::Dead), stay(H::Dead)],
    ]
};

/// The seed kills on a late tick without suspecting first, and never gives up on the unknown.
const SEED: [Row; 4] = {
    use {Action as A, Health as H};
    [
        [(H::Alive, A::Found), (H::Alive, A::Found), stay(H::Unknown), stay(H::Unknown), stay(H::Unknown)],
        [stay(H::Alive), stay(H::Alive), stay(H::Alive), (H::Suspect, A::Suspected), (H::Dead, A::Died)],
        [(H::Alive, A::Recovered), (H::Alive, A::Recovered), stay(H::Suspect), stay(H::Suspect), (H::Dead, A::Died)],
        [(H::Alive, A::Returned), (H::Alive, A::Returned), stay(H::Dead), stay(H::Dead), stay(H::Dead)],
    ]
};

/// The verdict after an input, and what the change is called.
#[inline]
pub const fn after(profile: Profile, health: Health, input: Input) -> (Health, Action) {
    let table = match profile {
        Profile::Seed => &SEED,
        Profile::Product => &PRODUCT,
    };
    table[health as usize][input as usize]
}
