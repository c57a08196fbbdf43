//! One torus of ours in a seed region: publish, poll, ack, republish, as a state machine over words with time passed in
//! (rse-v1-region section 4, rules 1 to 8).

use super::{ACKS_OFFSET, HASH, Key, LENGTH_READY, PAYLOAD, PAYLOAD_BYTES, PAYLOAD_WORDS, REGION_WORDS, SEQ};
use super::{SeedError, Slot, TORI, ack_word};
use crate::words::{load_words, store_words};
use std::sync::atomic::{AtomicU64, Ordering, fence};
use zerocopy::IntoBytes;

const _: () = assert!(ACKS_OFFSET / 8 == ack_word(0, 0));

/// A seed node's window at the slowest clock seen: 5e9 cycles at 1 GHz. Within it an unsound slot may still become
/// sound.
pub const WINDOW_NS: u64 = 5_000_000_000;
/// An ack later than this after the slot was first seen ready is counted as late (rule 7).
const ACK_DUE_NS: u64 = 100_000_000;

/// What the bytes of a projection V1 must satisfy; given by who knows the format.
pub trait Verify {
    /// The hash a slot's header carries over its 4216 payload bytes.
    fn payload_hash(&self, payload: &[u8]) -> u64;
    /// The state hash inside the payload holds, and the torus id inside is `ring`.
    fn is_sound(&self, ring: u8, payload: &[u8]) -> bool;
}

/// What is known about a peer. None of these is a sign of life (rule 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerState {
    /// Its slot was never ready.
    Absent,
    /// Its slot holds what lay there when this torus joined: an earlier run, until it changes.
    Stale,
    /// Its slot changed and does not check out: being written, torn, or damaged.
    Unsound,
    /// Its projection was delivered, and its window may be open.
    Delivered,
    /// Its projection was delivered and its window is over: a one-shot peer, done.
    Done,
}

/// A projection taken from a peer.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'p> {
    /// The peer: the ring, the id inside the payload, both the same.
    pub peer: u8,
    /// Its sequence number.
    pub seq: u64,
    /// The payload, 4216 bytes.
    pub payload: &'p [u8],
}

/// What this torus has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Publications, republications included.
    pub published: u64,
    /// Projections delivered, each (sequence, hash) once.
    pub delivered: u64,
    /// Looks at a slot that changed while it was copied, or did not check out.
    pub unsound: u64,
    /// Slots given up after a whole window of unsound looks.
    pub given_up: u64,
    /// Acks that came later than 100 ms after the slot was first seen ready.
    pub late_acks: u64,
}

#[derive(Debug, Clone, Copy)]
struct Peer {
    id: u8,
    /// What lay in the slot on joining.
    stale: Option<Key>,
    /// (seq, payload hash) delivered last.
    delivered: Option<(u64, u64)>,
    delivered_ns: u64,
    /// Its ack of our publications as it lay there on joining: it confirms nothing.
    old_ack: u64,
    /// It acked the present projection, under the number it was published with or one it was repeated with.
    acked: bool,
    /// The key under examination, when it was first seen ready, and whether it was given up.
    unsound: Option<(Key, u64, bool)>,
}

/// A torus of ours in a seed region.
#[derive(Debug)]
pub struct SeedTorus<'r> {
    words: &'r [AtomicU64],
    me: u8,
    /// The sequence of the last publication, of this run or found in the slot.
    seq: u64,
    /// The sequence under which the present projection was first published.
    first: Option<u64>,
    peers: [Peer; 2],
    buffer: Box<[u64; PAYLOAD_WORDS]>,
    counts: Counts,
}

impl<'r> SeedTorus<'r> {
    /// Joins as torus `me`. Whatever lies in the peers' slots is stale until it changes (rule 2).
    ///
    /// # Errors
    /// [`SeedError::NoSuchTorus`], [`SeedError::Short`].
    pub fn join(words: &'r [AtomicU64], me: u8) -> Result<Self, SeedError> {
        if me >= TORI {
            return Err(SeedError::NoSuchTorus { torus: me });
        }
        let Some(words) = words.get(..REGION_WORDS) else {
            return Err(SeedError::Short { actual: words.len() * 8 });
        };
        let peer = |id| {
            let slot = Slot::new(words, id);
            // A slot that is not ready is being written at this moment or never was: what it becomes is new.
            let stale = slot.is_ready().then(|| slot.key());
            let old_ack = words[ack_word(usize::from(id), usize::from(me))].load(Ordering::Acquire);
            Peer { id, stale, delivered: None, delivered_ns: 0, old_ack, acked: false, unsound: None }
        };
        let peers = [peer((me + 1) % TORI), peer((me + 2) % TORI)];
        let seq = Slot::new(words, me).seq();
        let buffer = Box::new([0; PAYLOAD_WORDS]);
        Ok(Self { words, me, seq, first: None, peers, buffer, counts: Counts::default() })
    }

    /// Publishes a projection and leaves it up (rules 3 and 4). Returns its sequence number.
    pub fn publish(&mut self, payload: &[u64; PAYLOAD_WORDS], verify: &impl Verify) -> u64 {
        let hash = verify.payload_hash(payload.as_bytes());
        let slot = self.own();
        slot[LENGTH_READY].store(PAYLOAD_BYTES as u64, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        store_words(&slot[PAYLOAD..], payload);
        slot[HASH].store(hash, Ordering::Relaxed);
        self.peers.iter_mut().for_each(|peer| peer.acked = false);
        let seq = self.make_ready();
        self.first = Some(seq);
        seq
    }

    /// Publishes the same projection under the next number, so that it is fresh once more (rule 5).
    fn republish(&mut self) -> u64 {
        self.own()[LENGTH_READY].store(PAYLOAD_BYTES as u64, Ordering::SeqCst);
        self.make_ready()
    }

    /// The common end of a publication: fence, sequence, fence, ready.
    fn make_ready(&mut self) -> u64 {
        self.seq = self.next_seq();
        self.counts.published += 1;
        fence(Ordering::SeqCst);
        self.own()[SEQ].store(self.seq, Ordering::Release);
        fence(Ordering::SeqCst);
        self.own()[LENGTH_READY].store(PAYLOAD_BYTES as u64 | 1 << 32, Ordering::Release);
        self.seq
    }

    /// The next sequence number: not 0, which a seed node never consumes, and none that a left-over ack already
    /// confirms.
    fn next_seq(&self) -> u64 {
        let mut seq = self.seq;
        // Two peers can spoil two numbers, zero a third.
        for _ in 0..4 {
            seq = seq.wrapping_add(1);
            if seq != 0 && self.peers.iter().all(|peer| peer.old_ack != seq) {
                break;
            }
        }
        seq
    }

    fn own(&self) -> &'r [AtomicU64] {
        Slot::new(self.words, self.me).0
    }

    fn ack(&self, reader: u8, sender: u8) -> u64 {
        self.words[ack_word(usize::from(reader), usize::from(sender))].load(Ordering::Acquire)
    }

    /// Looks at both peers once: delivers and acks what is new and sound, and republishes when rule 5 asks for it. To
    /// be called at least every millisecond (rule 7). Returns how many projections were delivered.
    pub fn poll(&mut self, now_ns: u64, verify: &impl Verify, mut deliver: impl FnMut(Delivery<'_>)) -> u32 {
        let mut delivered = 0;
        for index in 0..self.peers.len() {
            if let Some((id, seq)) = self.look(index, now_ns, verify) {
                deliver(Delivery { peer: id, seq, payload: self.buffer.as_bytes() });
                delivered += 1;
            }
        }
        for index in 0..self.peers.len() {
            self.peers[index].acked |= self.confirms(&self.peers[index]);
        }
        if self.must_republish() {
            self.republish();
        }
        delivered
    }

    /// Whether a peer's ack names a publication of the present projection: its first number or a repetition, since a
    /// peer may be copying one number while we already put up the next.
    fn confirms(&self, peer: &Peer) -> bool {
        let ack = self.ack(peer.id, self.me);
        let in_range = self.first.is_some_and(|first| ack.wrapping_sub(first) <= self.seq.wrapping_sub(first));
        in_range && ack != peer.old_ack
    }

    /// One look at one peer's slot (rule 6). `Some` when the buffer holds a new projection, already acked.
    fn look(&mut self, index: usize, now_ns: u64, verify: &impl Verify) -> Option<(u8, u64)> {
        let mut peer = self.peers[index];
        let slot = Slot::new(self.words, peer.id);
        if !slot.is_ready() {
            return None;
        }
        let key = slot.key();
        if key.seq == 0 || peer.stale == Some(key) || peer.delivered == Some((key.seq, key.hash)) {
            return None;
        }
        let since = match peer.unsound {
            Some((known, _, true)) if known == key => return None,
            Some((known, since, false)) if known == key => since,
            _ => now_ns,
        };
        load_words(&mut self.buffer[..], &slot.0[PAYLOAD..]);
        fence(Ordering::Acquire);
        let stood_still = slot.seq() == key.seq && slot.length() == PAYLOAD_BYTES as u32 && slot.is_ready();
        let payload = self.buffer.as_bytes();
        if stood_still && verify.payload_hash(payload) == key.hash && verify.is_sound(peer.id, payload) {
            // Exactly what was read: the seed compares by equality.
            self.words[ack_word(usize::from(self.me), usize::from(peer.id))].store(key.seq, Ordering::Release);
            peer.delivered = Some((key.seq, key.hash));
            (peer.delivered_ns, peer.stale, peer.unsound) = (now_ns, None, None);
            self.peers[index] = peer;
            self.counts.delivered += 1;
            self.counts.late_acks += u64::from(now_ns.saturating_sub(since) > ACK_DUE_NS);
            return Some((peer.id, key.seq));
        }
        let given_up = now_ns.saturating_sub(since) > WINDOW_NS;
        self.counts.unsound += 1;
        self.counts.given_up += u64::from(given_up);
        self.peers[index].unsound = Some((key, since, given_up));
        None
    }

    /// Rule 5: a peer consumed our publication while it and the third have not yet exchanged theirs: it recognises
    /// "both received" only when both are fresh in one pass, so we must be fresh again when the third appears.
    fn must_republish(&self) -> bool {
        if self.first.is_none() {
            return false;
        }
        let [a, b] = self.peers;
        let exchanged = |from: u8, to: u8| {
            let slot = Slot::new(self.words, from);
            slot.is_ready() && slot.seq() != 0 && self.ack(to, from) == slot.seq()
        };
        // Left-over acks between the others say nothing as long as one of them is not there in this run.
        let both_here = [a, b].iter().all(|peer| peer.delivered.is_some());
        let others_done = both_here && exchanged(a.id, b.id) && exchanged(b.id, a.id);
        !others_done && [a, b].iter().any(|peer| self.ack(peer.id, self.me) == self.seq)
    }

    /// The sequence number of the last publication.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// True when both peers acked the present projection, and both peers' projections were delivered. A
    /// left-over file cannot make it true: a number that an old ack confirms is never used.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.peers.iter().all(|peer| peer.acked && peer.delivered.is_some())
    }

    /// Whether a peer acked the present projection (rule 5: it consumed it, which is no sign of life).
    #[must_use]
    pub fn acked(&self, id: u8) -> bool {
        self.peers.iter().any(|peer| peer.id == id && peer.acked)
    }

    /// What is known about a peer; `None` for this torus itself or an id out of range.
    #[must_use]
    pub fn peer(&self, id: u8, now_ns: u64) -> Option<PeerState> {
        let peer = self.peers.iter().find(|peer| peer.id == id)?;
        let slot = Slot::new(self.words, id);
        let key = slot.key();
        Some(match peer.delivered {
            _ if peer.unsound.is_some_and(|(unsound, ..)| unsound == key) && slot.is_ready() => PeerState::Unsound,
            Some(_) if now_ns.saturating_sub(peer.delivered_ns) > WINDOW_NS => PeerState::Done,
            Some(_) => PeerState::Delivered,
            None if peer.stale.is_some() => PeerState::Stale,
            None => PeerState::Absent,
        })
    }

    /// The counts so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }
}
