//! What a number on the screen is about: where Enter and the mouse lead.

/// A screen. Its key and name stand in [`SCREENS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Screen {
    /// All tori, the braid, the host and the newest events.
    Overview,
    /// One torus.
    Torus,
    /// Neighbours, watch links, sessions.
    Mesh,
    /// Fields and gradients.
    Fields,
    /// Ballots.
    Ballots,
    /// Whether the cluster is formed, or what it waits for.
    Bootstrap,
    /// Sensors, cores, memory, threads.
    Host,
    /// The event log.
    Events,
}

/// The screens that exist, with the key that opens each. Numbers in between belong to screens of later parts of the node;
/// a screen appears in the tabs, in the help and under its key by standing here.
pub const SCREENS: [(char, Screen, &str); 8] = [
    ('1', Screen::Overview, "Overview"),
    ('2', Screen::Torus, "Torus"),
    ('3', Screen::Mesh, "Mesh"),
    ('4', Screen::Fields, "Fields"),
    ('5', Screen::Ballots, "Ballots"),
    ('8', Screen::Host, "Host"),
    ('9', Screen::Events, "Events"),
    ('0', Screen::Bootstrap, "Bootstrap"),
];

impl Screen {
    /// The key that opens it.
    #[must_use]
    pub fn key(self) -> char {
        SCREENS.iter().find(|(_, screen, _)| *screen == self).map_or('1', |(key, _, _)| *key)
    }
}

/// Where something leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// A screen.
    Go(Screen),
    /// The torus at this index of the snapshot.
    Torus(usize),
    /// Another torus of the braid, by id.
    Member(u32),
    /// The host.
    Host,
    /// The event log.
    Events,
    /// The event at this row of the log, newest = 0, as filtered now.
    Event(usize),
    /// A cell of the face shown: y, z.
    Cell(u8, u8),
    /// The other face.
    Face,
    /// The record of a node of the cluster, by number.
    Node(u32),
    /// A ballot: its row.
    Ballot(usize),
    /// The recent past of the torus shown: its interval, to be changed.
    Interval,
}

impl Target {
    /// The key of the screen it leads to, for the header.
    #[must_use]
    pub fn key(self) -> char {
        match self {
            Self::Go(screen) => screen.key(),
            Self::Torus(_) | Self::Member(_) | Self::Cell(..) | Self::Face | Self::Interval => Screen::Torus.key(),
            Self::Node(_) => Screen::Mesh.key(),
            Self::Ballot(_) => Screen::Ballots.key(),
            Self::Host => Screen::Host.key(),
            Self::Events | Self::Event(_) => Screen::Events.key(),
        }
    }
}
