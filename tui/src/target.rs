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
    /// Programs that run.
    Executions,
    /// Objects of programs.
    Objects,
    /// Transactions of programs.
    Transactions,
    /// What one execution did, as a sequence chart.
    Trace,
    /// The solver, and what is bounded.
    Solver,
}

/// The screens that exist, with the key that opens each. Numbers in between belong to screens of later parts of the node;
/// a screen appears in the tabs, in the help and under its key by standing here.
pub const SCREENS: [(char, Screen, &str); 9] = [
    ('1', Screen::Overview, "Overview"),
    ('2', Screen::Torus, "Torus"),
    ('3', Screen::Mesh, "Mesh"),
    ('4', Screen::Fields, "Fields"),
    ('5', Screen::Ballots, "Ballots"),
    ('6', Screen::Executions, "AVM"),
    ('8', Screen::Host, "Host"),
    ('9', Screen::Events, "Events"),
    ('0', Screen::Bootstrap, "Bootstrap"),
];

/// The screens behind the key of the AVM, in the order its key and tab go through them.
pub const AVM_SCREENS: [(Screen, &str); 5] = [
    (Screen::Executions, "Executions"),
    (Screen::Objects, "Objects"),
    (Screen::Transactions, "Transactions"),
    (Screen::Trace, "Trace"),
    (Screen::Solver, "Solver"),
];

impl Screen {
    /// The key that opens it.
    #[must_use]
    pub fn key(self) -> char {
        SCREENS.iter().find(|(_, screen, _)| *screen == self.tab()).map_or('1', |(key, _, _)| *key)
    }

    /// True for the five screens of the AVM.
    #[must_use]
    pub const fn is_avm(self) -> bool {
        matches!(self, Self::Executions | Self::Objects | Self::Transactions | Self::Trace | Self::Solver)
    }

    /// The screen whose tab stands for it.
    #[must_use]
    pub const fn tab(self) -> Self {
        if self.is_avm() { Self::Executions } else { self }
    }
}

/// Bytes of the longest id: `x65535.255.1099511627775`.
const ID_BYTES: usize = 30;

/// An id of something of the AVM, small enough to be carried around.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id {
    len: u8,
    bytes: [u8; ID_BYTES],
}

impl Id {
    /// The id, when it can be one: some letters and digits, not too many.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
        if text.is_empty() || text.len() > ID_BYTES || !plain {
            return None;
        }
        let mut bytes = [0; ID_BYTES];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Some(Self { len: text.len() as u8, bytes })
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }

    /// Where it leads: by its first letter.
    #[must_use]
    pub fn target(self) -> Option<Target> {
        match self.bytes[0] {
            b'x' => Some(Target::Execution(self)),
            b'o' => Some(Target::Object(self)),
            b't' => Some(Target::Transaction(self)),
            _ => None,
        }
    }
}

impl core::fmt::Debug for Id {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
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
    /// An execution.
    Execution(Id),
    /// An object.
    Object(Id),
    /// A transaction.
    Transaction(Id),
    /// The trace of an execution.
    Trace(Id),
    /// The executions that failed.
    Failed,
    /// A list of the AVM with a filter: the rows a total counts.
    Listed(Screen, &'static str),
    /// Nowhere else: the line says all there is.
    Here,
    /// A heading: it cannot be selected.
    Heading,
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
            Self::Execution(_)
            | Self::Object(_)
            | Self::Transaction(_)
            | Self::Trace(_)
            | Self::Failed
            | Self::Listed(..)
            | Self::Here
            | Self::Heading => Screen::Executions.key(),
        }
    }
}
