//! What comes in. The cheap checks come first; nothing is opened for a stranger or for a replay, and nothing but counts changes
//! before a datagram is proven.

use core::net::SocketAddr;

use super::Endpoint;
use super::poll::{PONG_BYTES, STAMP_BYTES};
use super::slot::PongDue;
use crate::aead::{Aead, TAG_BYTES};
use crate::command::{Accepted, Ack, AckEffect, Command};
use crate::deliver::Deliver;
use crate::dropped::DropReason;
use crate::frame::{DATAGRAM_BYTES_MAX, Header, HeaderError, Kind, header_bytes, u64_at};
use crate::keys::Position;
use crate::projection::Segment;
use crate::window::Verdict;

/// Where a proven datagram belongs.
#[derive(Debug, Clone, Copy)]
struct Proven {
    at: usize,
    position: Position,
}

impl<A: Aead> Endpoint<A> {
    /// Takes one datagram; opens it in place.
    ///
    /// # Errors
    /// Why it had no effect; counted already.
    pub fn receive(
        &mut self,
        now_ns: u64,
        from: SocketAddr,
        datagram: &mut [u8],
        deliver: &mut impl Deliver,
    ) -> Result<(), DropReason> {
        self.totals.0.received += 1;
        self.totals.0.received_bytes += datagram.len() as u64;
        let mut known = None;
        let taken = self.take(now_ns, from, datagram, deliver, &mut known);
        if let Err(reason) = taken {
            self.totals.0.drops.note(reason);
            if let Some(at) = known {
                self.slots[at].counts.0.drops.note(reason);
            }
        }
        taken
    }

    /// The same; `known` becomes the slot that the datagram names, as soon as that is known.
    fn take(
        &mut self,
        now_ns: u64,
        from: SocketAddr,
        datagram: &mut [u8],
        deliver: &mut impl Deliver,
        known: &mut Option<usize>,
    ) -> Result<(), DropReason> {
        let header = self.plausible(datagram)?;
        let at = self.live_slot(header.sender).ok_or(DropReason::UnknownSender)?;
        *known = Some(at);
        let slot = &self.slots[at];
        if header.boots != slot.boots_in {
            return Err(DropReason::Boot);
        }
        let key = slot.keys.receiving(now_ns, header.epoch, &self.config).ok_or(DropReason::Epoch)?;
        match key.window.check(header.sequence) {
            Verdict::Fresh => {}
            Verdict::Replayed => return Err(DropReason::Replayed),
            Verdict::Stale => return Err(DropReason::Stale),
        }
        let length = datagram.len();
        let (head, sealed) = datagram.split_at_mut(header_bytes(header.version));
        let associated = key.binding_in.associated(head);
        self.totals.0.opened += 1;
        let position = (key.turn, header.sequence);
        let opened = key.open(header.sequence, &associated, sealed).map_err(|_| DropReason::Forged)?;
        // From here on the datagram is the peer's word.
        self.prove(now_ns, from, &header, Proven { at, position }, length, deliver);
        self.dispatch(now_ns, header.kind, Proven { at, position }, &sealed[..opened], deliver)
    }

    /// Everything that can be said without knowing a session.
    fn plausible(&self, datagram: &[u8]) -> Result<Header, DropReason> {
        if datagram.len() > DATAGRAM_BYTES_MAX {
            return Err(DropReason::TooLong);
        }
        let header = Header::parse(datagram).map_err(|error| match error {
            HeaderError::TooShort => DropReason::TooShort,
            HeaderError::Version(_) => DropReason::Version,
            HeaderError::Kind(_) => DropReason::Kind,
        })?;
        if !self.config.versions.contains(header.version) {
            return Err(DropReason::Version);
        }
        if header.cluster != self.speaker.cluster {
            return Err(DropReason::Cluster);
        }
        if header.sender == self.config.me {
            return Err(DropReason::Own);
        }
        Ok(header)
    }

    /// Notes a proven datagram: window, time, address (`decisions:CLU-19`), phase and round (`rse:U6`).
    fn prove(
        &mut self,
        now_ns: u64,
        from: SocketAddr,
        header: &Header,
        proven: Proven,
        length: usize,
        deliver: &mut impl Deliver,
    ) {
        let slot = &mut self.slots[proven.at];
        let grown = slot.keys.take(now_ns, proven.position, &self.config);
        slot.used_ns = now_ns;
        slot.heard_ns = now_ns;
        let counts = &mut slot.counts.0;
        counts.expected += grown;
        counts.received += 1;
        counts.received_bytes += length as u64;
        if proven.position <= slot.newest {
            return;
        }
        slot.newest = proven.position;
        if header.version > 1 {
            (slot.phase, slot.round) = (header.phase, header.round);
        }
        if slot.address != Some(from) {
            let before = slot.address.replace(from);
            counts.moves += u64::from(before.is_some());
            deliver.moved(slot.peer, before, from);
        }
    }

    fn dispatch(
        &mut self,
        now_ns: u64,
        kind: Kind,
        proven: Proven,
        content: &[u8],
        deliver: &mut impl Deliver,
    ) -> Result<(), DropReason> {
        let at = proven.at;
        match kind {
            Kind::Ekk => {
                deliver.ekk(self.slots[at].peer, content);
                Ok(())
            }
            Kind::Projection => self.take_segment(now_ns, proven, content, deliver),
            Kind::Command => self.take_command(at, content, deliver),
            Kind::Ack => self.take_ack(now_ns, proven, content, deliver),
            Kind::Ping => {
                if content.len() != STAMP_BYTES {
                    return Err(DropReason::Malformed);
                }
                self.slots[at].pong_due = Some(PongDue { stamp: u64_at(content, 0), asked_ns: now_ns });
                self.make_ready(at);
                Ok(())
            }
            Kind::Pong => self.take_pong(now_ns, at, content, deliver),
            Kind::Heartbeat => {
                if content.len() != STAMP_BYTES {
                    return Err(DropReason::Malformed);
                }
                let slot = &self.slots[at];
                deliver.heartbeat(slot.peer, u64_at(content, 0), slot.phase, slot.round);
                Ok(())
            }
        }
    }

    fn take_segment(
        &mut self,
        now_ns: u64,
        proven: Proven,
        content: &[u8],
        deliver: &mut impl Deliver,
    ) -> Result<(), DropReason> {
        let segment = Segment::parse(content).ok_or(DropReason::Malformed)?;
        if usize::from(segment.total) > self.pool.bytes_max() {
            return Err(DropReason::Malformed);
        }
        let slot = &mut self.slots[proven.at];
        let peer = slot.peer;
        let edge = slot.edges.get_mut(usize::from(segment.edge)).ok_or(DropReason::Edge)?;
        let (name, boot, seq) = (segment.edge, segment.boot, segment.seq);
        edge.take(now_ns, proven.position, &segment, &mut self.pool, |bytes| {
            deliver.projection(peer, name, boot, seq, bytes);
        })
    }

    fn take_command(&mut self, at: usize, content: &[u8], deliver: &mut impl Deliver) -> Result<(), DropReason> {
        let command = Command::parse(content).ok_or(DropReason::Malformed)?;
        let slot = &mut self.slots[at];
        if command.bytes.len() > slot.receiver.bytes_max() {
            return Err(DropReason::NoRoom);
        }
        let accepted = slot.receiver.accept(&command);
        if slot.receiver.ack_due {
            self.make_ready(at);
        }
        match accepted {
            Accepted::New => {
                self.hand_over(at, deliver);
                Ok(())
            }
            Accepted::Repeated => {
                self.slots[at].counts.0.commands_repeated += 1;
                Ok(())
            }
            Accepted::Outside | Accepted::Lost => Err(DropReason::Window),
        }
    }

    /// Hands over the commands that are in turn.
    pub(super) fn hand_over(&mut self, at: usize, deliver: &mut impl Deliver) {
        let slot = &mut self.slots[at];
        let peer = slot.peer;
        slot.counts.0.commands_taken +=
            slot.receiver.hand_over(|stream, seq, bytes| deliver.command(peer, stream, seq, bytes));
        self.blocked += usize::from(slot.receiver.is_blocked());
        if slot.receiver.ack_due {
            self.make_ready(at);
        }
    }

    fn take_ack(
        &mut self,
        now_ns: u64,
        proven: Proven,
        content: &[u8],
        deliver: &mut impl Deliver,
    ) -> Result<(), DropReason> {
        let ack = Ack::parse(content).ok_or(DropReason::Malformed)?;
        let slot = &mut self.slots[proven.at];
        let (peer, srtt, counts) = (slot.peer, &mut slot.srtt, &mut slot.counts.0);
        let times = &mut counts.times;
        let sample = |time_ns| {
            srtt.note(time_ns);
            if let Some(times) = times {
                times.1.note(time_ns);
            }
        };
        let acked = &mut counts.commands_acked;
        let effect = slot.sender.acknowledge(now_ns, proven.position, &ack, sample, |stream, seq| {
            *acked += 1;
            deliver.acked(peer, stream, seq);
        });
        match effect {
            AckEffect::Taken | AckEffect::Old => Ok(()),
            AckEffect::Unasked => Err(DropReason::Unasked),
            AckEffect::Lost => {
                self.doubt(proven.at);
                let generation = self.next_generation();
                self.slots[proven.at].sender.begin(generation);
                Ok(())
            }
        }
    }

    fn take_pong(
        &mut self,
        now_ns: u64,
        at: usize,
        content: &[u8],
        deliver: &mut impl Deliver,
    ) -> Result<(), DropReason> {
        if content.len() != PONG_BYTES {
            return Err(DropReason::Malformed);
        }
        let (stamp, held_ns) = (u64_at(content, 0), u64_at(content, 8));
        let slot = &mut self.slots[at];
        if slot.ping_open != Some(stamp) {
            return Err(DropReason::Unasked);
        }
        // The peer cannot have held it longer than it was away.
        let rtt_ns = now_ns.saturating_sub(stamp).checked_sub(held_ns).ok_or(DropReason::Malformed)?.max(1);
        slot.ping_open = None;
        slot.note_rtt(rtt_ns);
        deliver.rtt(slot.peer, rtt_ns);
        Ok(())
    }
}

const _: () = assert!(TAG_BYTES == 16);
