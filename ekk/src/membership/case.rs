//! A case: the statements that one watcher has gathered about one silent subject (`membership:MB-4`, `membership:MB-5`).

use super::config::LINKS_MAX;
use super::evidence::Certificate;
use crate::id::{Identity, NodeId};
use crate::time::Time;

/// Cases that one node can hold at once; a subject beyond them waits for the next tick, which is counted.
pub const CASES_MAX: usize = 6;

/// What a watcher holds of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Suspicion {
    /// Heard in time.
    Trusted,
    /// Statements exist, here or elsewhere, fewer than a quorum.
    Stated,
    /// A quorum stands; the refutation window runs.
    Quorum,
    /// The window passed; the certificate is made, and waits if a valve or a maintenance stops removals.
    Condemned,
    /// Removed.
    Removed,
}

/// What can happen to a suspicion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum SuspicionEvent {
    /// The own threshold was passed, or a co-watcher's statement came.
    Statement,
    /// Statements of a quorum stand and nobody vetoes.
    QuorumStands,
    /// A veto came, or statements were withdrawn below the quorum.
    QuorumFell,
    /// The refutation window passed.
    WindowPassed,
    /// A heartbeat with a newer sequence, or a higher life of the subject.
    Life,
    /// A good certificate was accepted, made here or elsewhere.
    Accepted,
}

impl Suspicion {
    /// All states.
    pub const ALL: [Suspicion; 5] =
        [Suspicion::Trusted, Suspicion::Stated, Suspicion::Quorum, Suspicion::Condemned, Suspicion::Removed];
}

impl SuspicionEvent {
    /// All events.
    pub const ALL: [SuspicionEvent; 6] = [
        SuspicionEvent::Statement,
        SuspicionEvent::QuorumStands,
        SuspicionEvent::QuorumFell,
        SuspicionEvent::WindowPassed,
        SuspicionEvent::Life,
        SuspicionEvent::Accepted,
    ];
}

/// State x event; `None` cannot happen and changes nothing.
pub const SUSPICION_TABLE: [[Option<Suspicion>; 6]; 5] = {
    use Suspicion as S;
    [
        // Trusted: Statement, QuorumStands, QuorumFell, WindowPassed, Life, Accepted
        [Some(S::Stated), None, None, None, Some(S::Trusted), Some(S::Removed)],
        // Stated
        [Some(S::Stated), Some(S::Quorum), Some(S::Stated), None, Some(S::Trusted), Some(S::Removed)],
        // Quorum
        [Some(S::Quorum), Some(S::Quorum), Some(S::Stated), Some(S::Condemned), Some(S::Trusted), Some(S::Removed)],
        // Condemned
        [
            Some(S::Condemned),
            Some(S::Condemned),
            Some(S::Stated),
            Some(S::Condemned),
            Some(S::Trusted),
            Some(S::Removed),
        ],
        // Removed: final for this being; a later one is judged anew.
        [None, None, None, None, None, None],
    ]
};

impl Suspicion {
    /// The state after an event; `None` when the table has no such move.
    #[must_use]
    pub const fn after(self, event: SuspicionEvent) -> Option<Suspicion> {
        SUSPICION_TABLE[self as usize][event as usize]
    }
}

/// Somebody heard the subject later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Veto {
    /// The heartbeat it heard.
    pub sequence: u32,
    /// When the veto came.
    pub at: Time,
}

/// What is gathered about one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Case {
    /// Subject, watch set and statements.
    pub certificate: Certificate,
    /// Where it stands.
    pub suspicion: Suspicion,
    /// When the case was opened.
    pub opened: Time,
    /// When this node last signed and sent its own statement.
    pub spoke: Option<Time>,
    /// Since when the quorum stands without a veto that counts.
    pub quorum_at: Option<Time>,
    /// Vetoes, in the order of the watch set.
    pub vetoes: [Option<Veto>; LINKS_MAX],
    /// Since when statements of a quorum stand while exactly one watcher vetoes.
    pub lone_since: Option<Time>,
}

impl Case {
    /// A new case.
    #[must_use]
    pub const fn new(certificate: Certificate, now: Time) -> Self {
        Self {
            certificate,
            suspicion: Suspicion::Stated,
            opened: now,
            spoke: None,
            quorum_at: None,
            vetoes: [None; LINKS_MAX],
            lone_since: None,
        }
    }

    /// Who is the subject.
    #[must_use]
    pub const fn subject(&self) -> Identity {
        self.certificate.subject
    }

    /// Moves by the table.
    pub const fn step(&mut self, event: SuspicionEvent) {
        if let Some(next) = self.suspicion.after(event) {
            self.suspicion = next;
        }
    }
}

/// The open cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cases {
    open: u8,
    slots: [Option<Case>; CASES_MAX],
}

impl Default for Cases {
    fn default() -> Self {
        Self { open: 0, slots: [None; CASES_MAX] }
    }
}

impl Cases {
    /// The case of a subject.
    #[must_use]
    pub fn get(&self, subject: NodeId) -> Option<&Case> {
        if self.open == 0 {
            return None;
        }
        self.slots.iter().flatten().find(|case| case.subject().id == subject)
    }

    /// The case of a subject.
    pub fn get_mut(&mut self, subject: NodeId) -> Option<&mut Case> {
        if self.open == 0 {
            return None;
        }
        self.slots.iter_mut().flatten().find(|case| case.subject().id == subject)
    }

    /// The case in a slot below [`CASES_MAX`].
    pub fn at_mut(&mut self, slot: usize) -> Option<&mut Case> {
        self.slots.get_mut(slot)?.as_mut()
    }

    /// The case in a slot below [`CASES_MAX`].
    #[must_use]
    pub fn at(&self, slot: usize) -> Option<&Case> {
        self.slots.get(slot)?.as_ref()
    }

    /// Opens a case; `None` when all are taken.
    pub fn open(&mut self, case: Case) -> Option<&mut Case> {
        let slot = self.slots.iter_mut().find(|slot| slot.is_none())?;
        self.open += 1;
        Some(slot.insert(case))
    }

    /// Closes the case of a subject.
    pub fn close(&mut self, subject: NodeId) -> Option<Case> {
        if self.open == 0 {
            return None;
        }
        let of_it = |slot: &&mut Option<Case>| slot.as_ref().is_some_and(|case| case.subject().id == subject);
        let case = self.slots.iter_mut().find(of_it)?.take();
        self.open -= u8::from(case.is_some());
        case
    }

    /// Whether no case is open.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.open == 0
    }

    /// After a stall of this node every refutation window starts again.
    pub fn restart_windows(&mut self) {
        for case in self.slots.iter_mut().flatten() {
            case.quorum_at = None;
            case.lone_since = None;
            case.step(SuspicionEvent::QuorumFell);
        }
    }
}
