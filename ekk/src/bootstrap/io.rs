//! What goes into the machine and what comes out of it.

use super::config::{Field, Formation, Stamp};
use crate::id::NodeId;

/// What a peer said, as far as the transport vouches for it. Only [`Signal::plain`] exists in the seed's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signal {
    /// The sender the transport has verified (`bootstrap:W8`).
    pub peer: NodeId,
    /// The sender the message names; a difference is a failed authentication.
    pub claimed: NodeId,
    /// Incarnation and configuration of the sender; `None` is a signal without them, which skips those checks.
    pub stamp: Option<Stamp>,
}

impl Signal {
    /// A signal that carries nothing but its sender.
    pub const fn plain(peer: NodeId) -> Signal {
        Signal { peer, claimed: peer, stamp: None }
    }

    /// A signal with a stamp.
    pub const fn stamped(peer: NodeId, stamp: Stamp) -> Signal {
        Signal { peer, claimed: peer, stamp: Some(stamp) }
    }
}

/// One input. The last five exist in the product rules only (D8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The peer is alive and takes part.
    Seen(Signal),
    /// The peer finished its own start-up.
    Ready(Signal),
    /// Own start-up is finished.
    LocalDone,
    /// The deadline passed.
    Deadline,
    /// Somebody asks to become a member.
    JoinAsk(NodeId),
    /// The operator or the policy admits somebody.
    JoinGrant(NodeId),
    /// The operator or the policy denies somebody.
    JoinRefuse(NodeId),
    /// Shows, changes nothing.
    Query,
    /// A formed peer tells of its formation.
    Notice(Signal, Formation),
    /// A peer answers that it does not count us: another configuration, or we are not on its list.
    Answer {
        /// The peer and its configuration.
        signal: Signal,
        /// Whether we are on its list.
        listed: bool,
    },
    /// A formation from an authenticated snapshot: adopted at once when it fits.
    Snapshot(Formation),
    /// Authentication of this source failed, or it speaks another version (the number); shown, changes no set.
    Trouble {
        /// The source.
        peer: NodeId,
        /// The version it speaks; `None` when it could not be authenticated.
        version: Option<u8>,
    },
    /// The operator asks to go on after the deadline.
    Rearm,
}

/// An input without its data, in the order of the admissible list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the words of `Input`")]
pub enum InputKind {
    Seen,
    Ready,
    LocalDone,
    Deadline,
    JoinAsk,
    JoinGrant,
    JoinRefuse,
    Query,
    Notice,
    Answer,
    Snapshot,
    Trouble,
    Rearm,
}

impl InputKind {
    /// All, in the order of the admissible list.
    pub const ALL: [InputKind; 13] = [
        InputKind::Seen,
        InputKind::Ready,
        InputKind::LocalDone,
        InputKind::Deadline,
        InputKind::JoinAsk,
        InputKind::JoinGrant,
        InputKind::JoinRefuse,
        InputKind::Query,
        InputKind::Notice,
        InputKind::Answer,
        InputKind::Snapshot,
        InputKind::Trouble,
        InputKind::Rearm,
    ];
}

impl Input {
    /// The input without its data.
    pub const fn kind(&self) -> InputKind {
        match self {
            Input::Seen(_) => InputKind::Seen,
            Input::Ready(_) => InputKind::Ready,
            Input::LocalDone => InputKind::LocalDone,
            Input::Deadline => InputKind::Deadline,
            Input::JoinAsk(_) => InputKind::JoinAsk,
            Input::JoinGrant(_) => InputKind::JoinGrant,
            Input::JoinRefuse(_) => InputKind::JoinRefuse,
            Input::Query => InputKind::Query,
            Input::Notice(..) => InputKind::Notice,
            Input::Answer { .. } => InputKind::Answer,
            Input::Snapshot(_) => InputKind::Snapshot,
            Input::Trouble { .. } => InputKind::Trouble,
            Input::Rearm => InputKind::Rearm,
        }
    }

    /// Whom the input is about; nobody for inputs without a peer.
    pub const fn peer(&self) -> NodeId {
        match self {
            Input::Seen(signal) | Input::Ready(signal) | Input::Notice(signal, _) | Input::Answer { signal, .. } => {
                signal.peer
            }
            Input::JoinAsk(peer) | Input::JoinGrant(peer) | Input::JoinRefuse(peer) | Input::Trouble { peer, .. } => {
                *peer
            }
            _ => NodeId::NONE,
        }
    }
}

/// What one step says; the caller's duty is in `docs/state-machines.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// First sight of a member.
    SeenNew(NodeId),
    /// First readiness of a member.
    ReadyNew(NodeId),
    /// Seen before.
    SeenDup(NodeId),
    /// Ready before.
    ReadyDup(NodeId),
    /// Not a member; ignored, and in the product rules answered that it is not listed.
    Stranger(NodeId),
    /// Own start-up is finished.
    LocalDone,
    /// Send own readiness to all members and repeat it until formed.
    Announce,
    /// This peer is still trying: send it our readiness, or our formation.
    Reassure(NodeId),
    /// The deadline passed with so many ready.
    Late(u32),
    /// Ask the operator or the policy.
    JoinPending(NodeId),
    /// A member more.
    Admitted(NodeId),
    /// A member already.
    MemberDup(NodeId),
    /// Not admitted.
    Denied(NodeId),
    /// Formed by own quorum: persist the record, go on.
    Formed,
    /// The peer restarted; its former incarnation counts no more.
    Retracted(NodeId, u32),
    /// The peer restarted after we had formed; for display.
    Restarted(NodeId),
    /// A message of an earlier incarnation or epoch; ignored.
    Stale(NodeId),
    /// The peer is in a later epoch; not counted, answered with our record.
    Ahead(NodeId),
    /// Own signal came back; never counted.
    Echo(NodeId),
    /// The peer's configuration differs in this field; not counted.
    Mismatch(NodeId, Field),
    /// The message names another sender than the verified one.
    Unverified(NodeId),
    /// The peer speaks another version.
    WrongVersion(NodeId),
    /// Readiness or sight after forming, for display.
    Noted(NodeId),
    /// The formation of others is ours now: persist the record, go on.
    Adopted,
    /// A notice that changes nothing yet.
    NoticeNoted(NodeId),
    /// Formed peers tell of different formations: an operator has to look.
    SplitSuspected(NodeId),
    /// The peer does not list us.
    NotListed(NodeId),
    /// The deadline passed again with so many ready.
    LateAgain(u32),
    /// By policy: the caller may start although the cluster is not formed.
    FailOpen(u32),
    /// By policy: stop trying until re-armed.
    GaveUp(u32),
    /// Trying again.
    Rearmed,
}

/// Most outputs of one step: a retraction, three of a completion.
pub const OUTPUTS_MAX: usize = 4;

/// The outputs of one step, in order.
#[derive(Clone, Copy, Debug)]
pub struct Outputs {
    list: [Output; OUTPUTS_MAX],
    count: u8,
}

impl Outputs {
    pub(super) const fn new() -> Outputs {
        Outputs { list: [Output::Announce; OUTPUTS_MAX], count: 0 }
    }

    #[inline]
    pub(super) fn push(&mut self, output: Output) {
        // The table's rows have at most three entries and one retraction may stand before them; a const check holds that.
        if let Some(slot) = self.list.get_mut(usize::from(self.count)) {
            *slot = output;
            self.count += 1;
        }
    }
}

impl core::ops::Deref for Outputs {
    type Target = [Output];

    fn deref(&self) -> &[Output] {
        &self.list[..usize::from(self.count).min(OUTPUTS_MAX)]
    }
}

/// Why an input was refused (D7); nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// Formed already: this input can change nothing any more.
    Formed,
    /// Own completion was reported before.
    DoneBefore,
    /// Nothing has happened yet (seed rules).
    NothingYet,
    /// The rules in force do not have this input.
    NotInRules,
    /// The list of members is full at its capacity.
    Full,
    /// The formation is of another cluster or configuration.
    OtherFormation,
    /// A formation at least as new is ours already.
    OlderFormation,
    /// An id that names no single node.
    NoNode,
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Refusal::Formed => "the cluster is formed: this changes nothing any more",
            Refusal::DoneBefore => "own completion was reported before",
            Refusal::NothingYet => "nothing has happened yet",
            Refusal::NotInRules => "the rules in force do not have this input",
            Refusal::Full => "the list of members is full",
            Refusal::OtherFormation => "the formation is of another cluster or configuration",
            Refusal::OlderFormation => "a formation at least as new is known already",
            Refusal::NoNode => "the id names no single node",
        })
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Taken; the outputs say what came of it.
    Accepted,
    /// Not taken; nothing changed.
    Refused(Refusal),
    /// A query; nothing changed.
    Viewed,
}
