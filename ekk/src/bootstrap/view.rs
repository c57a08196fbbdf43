//! What a machine shows: borrowed, never copied (`bootstrap:W11`).

use super::config::Formation;
use super::io::InputKind;
use crate::id::NodeId;

/// What the state is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// Nothing happened but joins.
    Fresh,
    /// Peers are heard.
    Gathering,
    /// Own start-up is finished.
    Confirming,
    /// The cluster is formed.
    Formed,
    /// Late and not formed.
    Overdue,
}

impl Label {
    /// The word shown to people.
    pub const fn name(self) -> &'static str {
        match self {
            Label::Fresh => "fresh",
            Label::Gathering => "gathering",
            Label::Confirming => "confirming",
            Label::Formed => "formed",
            Label::Overdue => "overdue",
        }
    }
}

/// A look at the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View<'a> {
    /// Label.
    pub label: Label,
    /// Own start-up is finished; tells the states apart that Overdue hides.
    pub local_done: bool,
    /// Peers seen, in order.
    pub seen: &'a [NodeId],
    /// Peers ready, in order.
    pub ready: &'a [NodeId],
    /// How many ready ones are needed.
    pub quorum: usize,
    /// The deadline passed while not formed.
    pub late: bool,
    /// The members, in order.
    pub members: &'a [NodeId],
    /// Formed by the word of others.
    pub adopted: bool,
    /// The formation, when formed.
    pub formation: Option<Formation>,
    /// The epoch that is formed or wanted.
    pub epoch: u64,
    /// By policy the caller may go on without the cluster.
    pub open: bool,
    /// By policy nothing is tried any more.
    pub gave_up: bool,
    /// A formation that contradicts what is known, and who tells of it.
    pub split: Option<(NodeId, Formation)>,
}

impl View<'_> {
    /// Whether the cluster is formed.
    pub fn concluded(&self) -> bool {
        self.label == Label::Formed
    }
}

/// The inputs that would not be refused, in the order of [`InputKind::ALL`]; kinds, not inputs with a made-up peer (`bootstrap:W12`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Admissible(pub(super) u16);

impl Admissible {
    /// Whether this kind of input is taken.
    pub const fn has(self, kind: InputKind) -> bool {
        self.0 >> kind as u8 & 1 == 1
    }

    /// The kinds in order.
    pub fn kinds(self) -> impl Iterator<Item = InputKind> {
        InputKind::ALL.into_iter().filter(move |&kind| self.has(kind))
    }
}
