//! What goes out.

use super::{CommandId, Endpoint, Slot};
use crate::aead::{Aead, TAG_BYTES};
use crate::config::Config;
use crate::error::{CommandError, SendError};
use crate::frame::{Header, Kind, fold_cluster, overhead_bytes};
use crate::out::Out;
use crate::projection::{SEGMENT_HEADER_BYTES, Segment, cut};

/// What every frame of this endpoint says about it.
#[derive(Debug, Clone, Copy, Hash)]
pub(super) struct Speaker {
    pub(super) cluster: u16,
    pub(super) phase: u8,
    pub(super) round: u32,
}

impl Speaker {
    pub(super) fn new(config: &Config) -> Self {
        Self { cluster: fold_cluster(config.cluster_id), phase: 0, round: 0 }
    }
}

/// Seals one frame to the beginning of `out`: `head` and `body` together are the content. Returns its length.
pub(super) fn seal_frame<A: Aead>(
    now_ns: u64,
    (config, speaker): (&Config, &Speaker),
    slot: &mut Slot<A>,
    kind: Kind,
    (head, body): (&[u8], &[u8]),
    out: &mut [u8],
) -> Result<usize, SendError> {
    let Some(key) = slot.keys.sending(now_ns) else { return Err(SendError::NoSession { peer: slot.peer }) };
    let Some(sequence) = key.next_sequence(config.key_frames_max) else {
        return Err(SendError::KeysExhausted { epoch: key.epoch });
    };
    let header = Header {
        version: slot.wire_version,
        kind,
        epoch: key.epoch.to_le_bytes()[0],
        phase: speaker.phase,
        sender: config.me,
        cluster: speaker.cluster,
        boots: slot.boots_out,
        sequence,
        round: speaker.round,
    };
    let from = header.encode(out);
    let middle = from + head.len();
    let to = middle + body.len();
    out[from..middle].copy_from_slice(head);
    out[middle..to].copy_from_slice(body);
    let associated = key.binding_out.associated(&out[..from]);
    let tag = key.seal(sequence, &associated, &mut out[from..to]);
    out[to..to + TAG_BYTES].copy_from_slice(&tag);
    slot.used_ns = now_ns;
    slot.next_heartbeat_ns = now_ns.saturating_add(config.heartbeat_interval_ns);
    slot.counts.0.sent += 1;
    slot.counts.0.sent_bytes += (to + TAG_BYTES) as u64;
    Ok(to + TAG_BYTES)
}

impl<A: Aead> Endpoint<A> {
    /// Seals one datagram of kind [`Kind::Ekk`] into `out`.
    ///
    /// # Errors
    /// See [`SendError`]; `out` is then empty.
    pub fn seal(&mut self, now_ns: u64, peer: u32, kind: Kind, payload: &[u8], out: &mut Out) -> Result<(), SendError> {
        out.clear();
        if kind != Kind::Ekk {
            return Err(SendError::Kind);
        }
        let at = self.live_slot(peer).ok_or(SendError::NoSession { peer })?;
        let slot = &mut self.slots[at];
        let max = slot.datagram_bytes() - overhead_bytes(slot.wire_version);
        if payload.len() > max {
            return Err(SendError::TooLong { bytes: payload.len(), max });
        }
        let about = (&self.config, &self.speaker);
        let length = seal_frame(now_ns, about, slot, kind, (&[], payload), &mut out.bytes)?;
        out.used = length;
        out.segment = length;
        out.address = slot.address;
        self.charge(now_ns, length, true);
        Ok(())
    }

    /// Seals a projection as 1 to 8 segments into `out`; returns how many (`rse:U1`, `decisions:CLU-11`).
    ///
    /// # Errors
    /// See [`SendError`]; [`SendError::Coalesced`] and [`SendError::Bandwidth`] are counted, not faults.
    #[expect(clippy::too_many_arguments, reason = "the parts of a projection's name")]
    pub fn seal_projection(
        &mut self,
        now_ns: u64,
        peer: u32,
        edge: u8,
        boot: u64,
        seq: u64,
        bytes: &[u8],
        out: &mut Out,
    ) -> Result<usize, SendError> {
        out.clear();
        let at = self.live_slot(peer).ok_or(SendError::NoSession { peer })?;
        let slot = &mut self.slots[at];
        let max = slot.edges.len();
        let place = slot.edges.get_mut(usize::from(edge)).ok_or(SendError::Edge { edge, max })?;
        place.may_send(now_ns).map_err(|again_ns| SendError::Coalesced { again_ns })?;
        let (datagram, max) = (slot.datagram_bytes(), self.config.projection_bytes_max);
        if bytes.len() > max {
            return Err(SendError::TooLong { bytes: bytes.len(), max });
        }
        let (count, chunk) = cut(bytes.len(), datagram, slot.wire_version)
            .map_err(|max| SendError::TooLong { bytes: bytes.len(), max })?;
        let cost = bytes.len() + count * (overhead_bytes(slot.wire_version) + SEGMENT_HEADER_BYTES);
        if let Err(again_ns) = self.bucket.take(now_ns, cost) {
            self.totals.0.held_back += 1;
            return Err(SendError::Bandwidth { again_ns });
        }
        let about = (&self.config, &self.speaker);
        for index in 0..count {
            let part = &bytes[(index * chunk).min(bytes.len())..((index + 1) * chunk).min(bytes.len())];
            let (index, count, total) = (index as u8, count as u8, bytes.len() as u16);
            let head = Segment { edge, index, count, total, boot, seq, bytes: part }.head();
            let free = &mut out.bytes[out.used..];
            match seal_frame(now_ns, about, slot, Kind::Projection, (&head, part), free) {
                Ok(length) => {
                    out.segment = out.segment.max(length);
                    out.used += length;
                }
                Err(error) => {
                    out.clear();
                    return Err(error);
                }
            }
        }
        slot.edges[usize::from(edge)].sent(now_ns, self.config.projection_interval_ns);
        out.address = slot.address;
        self.totals.0.sent += count as u64;
        self.totals.0.sent_bytes += out.used as u64;
        Ok(count)
    }

    /// Takes over a command; [`Endpoint::poll`] sends it. `stream` is handed to the peer as it is.
    ///
    /// # Errors
    /// See [`CommandError`]; the command then stays the caller's.
    pub fn send_command(
        &mut self,
        now_ns: u64,
        peer: u32,
        stream: u8,
        bytes: &[u8],
    ) -> Result<CommandId, CommandError> {
        let at = self.live_slot(peer).ok_or(CommandError::NoSession { peer })?;
        let slot = &mut self.slots[at];
        let max = slot.sender.bytes_max();
        if bytes.len() > max {
            return Err(CommandError::TooLong { bytes: bytes.len(), max });
        }
        let window = slot.sender.window();
        let seq = slot.sender.push(now_ns, stream, bytes).ok_or(CommandError::Full { window })?;
        let id = CommandId { peer, peer_boot: slot.peer_boot, generation: slot.sender.generation, seq };
        self.make_ready(at);
        Ok(id)
    }

    /// Accounts for a datagram that was not asked of the bucket before.
    pub(super) fn charge(&mut self, now_ns: u64, bytes: usize, coordination: bool) {
        self.totals.0.sent += 1;
        self.totals.0.sent_bytes += bytes as u64;
        if coordination {
            self.totals.0.coordination_bytes += bytes as u64;
            self.bucket.charge(now_ns, bytes);
        }
    }
}
