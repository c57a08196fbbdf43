//! Ballots of this node: the seam to [`crate::consensus`]. Phase 5 calls [`Ballots::tick`], phase 1 [`Ballots::receive`]; phase
//! 3 hands over the electorate.

use super::{Counters, Drop};
use crate::id::{Identity, NodeId};
use crate::sign::Crypto;
use crate::sink::Sink;
use crate::time::{Span, Time};
use crate::wire::v0;
use crate::wire::v1::{Header, Reader};

/// The ballots of a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Ballots {}

impl Ballots {
    pub(super) const fn new() -> Self {
        Self {}
    }

    /// The neighbours that may vote on a ballot opened from now on; open ones keep theirs.
    pub(super) fn set_electorate(&mut self, _ids: impl Iterator<Item = NodeId>) {}

    /// One message of the ballot kinds.
    pub(super) fn receive(
        &mut self,
        _now: Time,
        _me: Identity,
        _header: &Header,
        _body: Reader<'_>,
        _counters: &mut Counters,
        _crypto: &mut impl Crypto,
        _sink: &mut impl Sink,
    ) -> Result<(), Drop> {
        Err(Drop::UnknownKind)
    }

    /// One message of the ballot kinds of wire version 0 (seed profile).
    pub(super) fn receive_v0(
        &mut self,
        _now: Time,
        _me: Identity,
        _from: NodeId,
        _message: &v0::Message,
        _counters: &mut Counters,
        _sink: &mut impl Sink,
    ) -> Result<(), Drop> {
        Err(Drop::UnknownKind)
    }

    /// Phase 5: deadlines, retransmissions, reclaimed slots.
    pub(super) fn tick(
        &mut self,
        _now: Time,
        _me: Identity,
        _counters: &mut Counters,
        _crypto: &mut impl Crypto,
        _sink: &mut impl Sink,
    ) {
    }

    /// Moves all deadlines by the length of an own stall (`decisions:CLU-13`).
    pub(super) fn shift(&mut self, _gap: Span) {}
}
