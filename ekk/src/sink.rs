//! Where effects go: messages to nodes and events to the caller. Nothing in the core calls back into itself (`ekk:D-39`).

use crate::id::{Identity, NodeId};
use crate::membership::record::MemberRecord;

/// What a message is for, so that the link can prefer heartbeats over bulk and count by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Liveness and news over watch links.
    Heartbeat,
    /// Watch leases, statements, certificates, records.
    Membership,
    /// Field components.
    Field,
    /// Proposals, votes, decisions.
    Ballot,
    /// Formation.
    Bootstrap,
}

/// What the caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A member is known that was not before.
    Joined(&'a MemberRecord),
    /// A member was removed; the certificate is the record of why.
    Dead {
        /// Who died.
        identity: Identity,
        /// The certificate as it travels.
        certificate: &'a [u8],
    },
    /// A member left by its own word.
    Left(Identity),
    /// A removed member came back as a later being.
    Returned(Identity),
    /// A member refuted statements about itself.
    Refuted(Identity),
    /// A removal was undone.
    Undone(Identity),
    /// The list of nearest neighbours is another one.
    NeighboursChanged,
    /// The state of the node changed.
    StateChanged {
        /// Number of the state before.
        from: u8,
        /// Number of the state now.
        to: u8,
    },
    /// A ballot is open here.
    BallotOpened {
        /// Who proposed.
        proposer: NodeId,
        /// Number of the ballot at its proposer.
        ballot: u32,
    },
    /// A ballot is decided.
    BallotDecided {
        /// Who proposed.
        proposer: NodeId,
        /// Number of the ballot at its proposer.
        ballot: u32,
        /// Number of the result.
        result: u8,
    },
    /// Too many removals in one window: no further ones until an operator resumes.
    ValveShut {
        /// Removals in the window.
        removed: u32,
        /// Members known.
        known: u32,
    },
    /// Every watch link is gone.
    Alone,
    /// The list of candidates is short; the caller's directory knows more.
    NeedCandidates,
    /// The record of a node is missing here.
    NeedRecord(NodeId),
    /// Messages will go to this node: shake hands before it is needed. `why` is `neighbour` or `watch`.
    NeedSession {
        /// The node.
        id: NodeId,
        /// For the display.
        why: &'static str,
    },
    /// The cluster is formed by this node's own quorum; persist the record.
    Formed {
        /// Counts formations.
        epoch: u64,
        /// Digest of founders and policy.
        digest: u64,
    },
    /// The formation of others was adopted; persist the record.
    Adopted {
        /// Counts formations.
        epoch: u64,
        /// Digest of founders and policy.
        digest: u64,
    },
    /// Two sides of a partition met again: who was removed by which side, what was undone.
    HealReport {
        /// Members this side had removed and takes back.
        undone: u32,
        /// Members the other side had removed.
        removed_there: u32,
    },
    /// The task chosen in this tick; run it and report its end with `Node::task_done`.
    RunTask(u8),
    /// Two live beings use one certificate.
    DuplicateIdentity(Identity),
    /// A quarantine was decided and takes effect.
    QuarantineExecuted(NodeId),
    /// A message was dropped.
    Dropped {
        /// Who sent it.
        from: NodeId,
        /// Number of the reason.
        reason: u8,
    },
}

/// Takes effects as they arise.
pub trait Sink {
    /// Sends `bytes` to one node. A failure to send is the caller's to count; the core repeats what matters.
    fn send(&mut self, to: NodeId, class: Class, bytes: &[u8]);

    /// Tells the caller.
    fn event(&mut self, event: &Event<'_>);
}

/// Swallows everything; for tests and for steps whose effects do not matter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nowhere;

impl Sink for Nowhere {
    fn send(&mut self, _to: NodeId, _class: Class, _bytes: &[u8]) {}

    fn event(&mut self, _event: &Event<'_>) {}
}
