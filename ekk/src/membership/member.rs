//! The member machine: what a node holds of another one, and what moves it (`membership:MB-10` to `membership:MB-12`).

/// What a node holds of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum MemberState {
    /// Never announced here, or forgotten.
    Unknown,
    /// A member.
    Alive,
    /// Removed by certificate: final for this life.
    Dead,
    /// Left by its own word: final for this incarnation.
    Left,
}

/// What can happen to it. All but the first and the last are about a being later than the one held, or the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum MemberEvent {
    /// A record of the being that is held, or of the first one.
    Record,
    /// A record of a later life of the same incarnation.
    LaterLife,
    /// A record of a later incarnation.
    LaterBoot,
    /// A certificate about the being that is held or a later one.
    Certificate,
    /// A farewell of the being that is held or a later one.
    Farewell,
    /// An operator, or age, takes the memory away.
    Forgotten,
}

/// What the caller is told of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemberNote {
    /// Nothing.
    None,
    /// A new member.
    Joined,
    /// A member came back with a later incarnation.
    Returned,
    /// A removal was undone by a later life.
    Undone,
    /// A removal.
    Dead,
    /// A farewell.
    Left,
}

impl MemberState {
    /// All states.
    pub const ALL: [MemberState; 4] = [MemberState::Unknown, MemberState::Alive, MemberState::Dead, MemberState::Left];

    /// State and note after an event; `None` when the table refuses it: nothing changes.
    #[must_use]
    pub const fn after(self, event: MemberEvent) -> Option<(MemberState, MemberNote)> {
        MEMBER_TABLE[self as usize][event as usize]
    }
}

impl MemberEvent {
    /// All events.
    pub const ALL: [MemberEvent; 6] = [
        MemberEvent::Record,
        MemberEvent::LaterLife,
        MemberEvent::LaterBoot,
        MemberEvent::Certificate,
        MemberEvent::Farewell,
        MemberEvent::Forgotten,
    ];
}

/// State x event; `None` is refused.
pub const MEMBER_TABLE: [[Option<(MemberState, MemberNote)>; 6]; 4] = {
    use MemberNote as N;
    use MemberState as S;
    let (dead, left) = (Some((S::Dead, N::Dead)), Some((S::Left, N::Left)));
    let returned = Some((S::Alive, N::Returned));
    [
        // Unknown: Record, LaterLife, LaterBoot, Certificate, Farewell, Forgotten
        [Some((S::Alive, N::Joined)), None, None, dead, left, None],
        // Alive
        [Some((S::Alive, N::None)), Some((S::Alive, N::None)), returned, dead, left, None],
        // Dead
        [None, Some((S::Alive, N::Undone)), returned, dead, left, Some((S::Unknown, N::None))],
        // Left
        [None, None, returned, dead, left, Some((S::Unknown, N::None))],
    ]
};
