//! One torus' side of a region: what it may write, and the ends of rings it holds.

use super::error::SideError;
use super::layout::{INJECT_WORDS, RECORD_WORDS};
use super::line::{Ack, AckLine, Line, LineView, State};
use super::view::View;
use crate::slot::{SlotReader, SlotWriter};
use crate::{mpsc, spsc, wake};
use std::sync::atomic::AtomicU64;

/// A claimed torus. Its methods take no lock, allocate nothing and make no system call, so they may stand in a torus
/// loop (`decisions:NODE-14`). `Send`: claim it on one thread, use it on the torus' own.
///
/// Dropped without [`Side::retire`] (a panic) it marks its line abandoned; killed with its process it leaves the line
/// held, and the process' absence tells.
#[derive(Debug)]
pub struct Side<'r> {
    view: View<'r>,
    line: Line<'r>,
    torus: u8,
    boot: u64,
    beats: u64,
    writer: SlotWriter<'r>,
    predecessor: LineView,
    senders_taken: u16,
    receivers_taken: u16,
    left: State,
}

impl<'r> Side<'r> {
    pub(super) fn new(view: View<'r>, torus: u8, boot: u64, predecessor: LineView) -> Self {
        let geometry = view.layout().geometry();
        let writer = SlotWriter::new(view.link_words(torus), geometry.payload_words(), geometry.slots as usize)
            .expect("the layout was computed by the same functions from a checked geometry");
        let line = view.line(torus);
        let beats = line.heartbeat();
        let left = State::Abandoned;
        Self { view, line, torus, boot, beats, writer, predecessor, senders_taken: 0, receivers_taken: 0, left }
    }

    /// The torus.
    #[must_use]
    pub fn id(&self) -> u8 {
        self.torus
    }

    /// The boot id it was claimed with.
    #[must_use]
    pub fn boot(&self) -> u64 {
        self.boot
    }

    /// The region.
    #[must_use]
    pub fn view(&self) -> View<'r> {
        self.view
    }

    /// The line as it was before this claim: who held the torus last, and how it ended.
    #[must_use]
    pub fn predecessor(&self) -> &LineView {
        &self.predecessor
    }

    /// Moves the heartbeat: the sign of life others look at (`rse:M3`). `now_ns` is `CLOCK_MONOTONIC`.
    ///
    /// # Errors
    /// [`SideError::Usurped`], [`SideError::Renewed`]: this boot was taken for dead. The caller must stop writing.
    #[inline]
    pub fn beat(&mut self, now_ns: u64) -> Result<(), SideError> {
        if !self.view.is_current() {
            self.left = State::Held;
            return Err(SideError::Renewed { torus: self.torus });
        }
        let holder = self.line.boot();
        if holder != self.boot {
            self.left = State::Held;
            return Err(SideError::Usurped { torus: self.torus, holder });
        }
        self.beats = self.beats.wrapping_add(1);
        self.line.beat(self.beats, now_ns);
        Ok(())
    }

    /// Publishes a projection in the torus' latest link; never waits (`rse:M5`). Returns its sequence number, which
    /// rises by one over all boots.
    ///
    /// # Panics
    /// When `payload` is longer than the geometry's payload.
    #[inline]
    pub fn publish(&mut self, now_ns: u64, payload: &[u64]) -> u64 {
        let seq = self.writer.publish(self.boot, now_ns, payload);
        self.line.published(seq);
        seq
    }

    /// Publishes `length` words that `fill` writes in place, which saves a copy.
    ///
    /// # Panics
    /// When `length` is more than the geometry's payload.
    #[inline]
    pub fn publish_with(&mut self, now_ns: u64, length: usize, fill: impl FnOnce(&[AtomicU64])) -> u64 {
        let seq = self.writer.publish_with(self.boot, now_ns, length, fill);
        self.line.published(seq);
        seq
    }

    /// Sequence number of the last publication, by this boot or an earlier one.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.writer.seq()
    }

    fn peer(&self, peer: u8) -> Result<u8, SideError> {
        let tori = self.view.tori();
        if peer >= tori || peer == self.torus {
            return Err(SideError::NoSuchPeer { peer, me: self.torus, tori });
        }
        Ok(peer)
    }

    /// A reader of a peer's projections.
    ///
    /// # Errors
    /// [`SideError::NoSuchPeer`].
    pub fn reader(&self, peer: u8) -> Result<SlotReader<'r>, SideError> {
        let no_such_peer = SideError::NoSuchPeer { peer, me: self.torus, tori: self.view.tori() };
        self.view.reader(self.peer(peer)?).ok_or(no_such_peer)
    }

    /// The sending end of the ring to a peer, and what it found there. Handed out once.
    ///
    /// # Errors
    /// [`SideError::NoSuchPeer`], [`SideError::AlreadyTaken`].
    pub fn sender(&mut self, to: u8) -> Result<(spsc::Sender<'r>, spsc::Attached), SideError> {
        let words = self.view.ring_words(self.torus, self.peer(to)?);
        mark(&mut self.senders_taken, to, self.torus)?;
        let records = self.view.layout().geometry().ring_records as usize;
        Ok(spsc::Sender::attach(words, RECORD_WORDS, records, self.boot).expect("the ring fits by layout"))
    }

    /// The receiving end of the ring from a peer, and what it found there; what an earlier boot of this torus left
    /// unread comes first (`decisions:NODE-17`). Handed out once.
    ///
    /// # Errors
    /// [`SideError::NoSuchPeer`], [`SideError::AlreadyTaken`].
    pub fn receiver(&mut self, from: u8) -> Result<(spsc::Receiver<'r>, spsc::Attached), SideError> {
        let words = self.view.ring_words(self.peer(from)?, self.torus);
        mark(&mut self.receivers_taken, from, self.torus)?;
        let records = self.view.layout().geometry().ring_records as usize;
        Ok(spsc::Receiver::attach(words, RECORD_WORDS, records, self.boot).expect("the ring fits by layout"))
    }

    /// A new sending end in the place of one whose ring is damaged: this side's count is set so that the ring is empty.
    #[must_use]
    pub fn renew_sender(&self, to: u8, held: &spsc::Sender<'r>) -> spsc::Sender<'r> {
        let (words, records) = (self.view.ring_words(self.torus, to), held.capacity() as usize);
        spsc::Sender::attach(words, RECORD_WORDS, records, self.boot).expect("it was attached before").0
    }

    /// A new receiving end in the place of one whose ring is damaged: what was in the ring is passed over.
    #[must_use]
    pub fn renew_receiver(&self, from: u8, _held: &spsc::Receiver<'r>) -> spsc::Receiver<'r> {
        let words = self.view.ring_words(from, self.torus);
        let records = self.view.layout().geometry().ring_records as usize;
        spsc::Receiver::attach(words, RECORD_WORDS, records, self.boot).expect("it was attached before").0
    }

    /// The receiving end of this torus' injection ring. Handed out once.
    ///
    /// # Errors
    /// [`SideError::AlreadyTaken`].
    pub fn injections(&mut self) -> Result<(mpsc::Receiver<'r>, mpsc::Attached), SideError> {
        mark(&mut self.receivers_taken, self.torus, self.torus)?;
        let words = self.view.injection_words(self.torus).expect("the torus exists");
        let records = self.view.inject_records();
        Ok(mpsc::Receiver::attach(words, INJECT_WORDS, records, self.boot).expect("the ring fits by layout"))
    }

    /// Tells a peer that its publication `seq` of boot `boot` was applied (`rse:M4`).
    ///
    /// # Errors
    /// [`SideError::NoSuchPeer`].
    #[inline]
    pub fn ack(&self, peer: u8, boot: u64, seq: u64) -> Result<(), SideError> {
        self.ack_line(peer)?.ack(self.boot, boot, seq);
        Ok(())
    }

    /// Tells a peer that its publication `seq` was read and refused (`rse:M5`): counted, never acked.
    ///
    /// # Errors
    /// [`SideError::NoSuchPeer`].
    #[inline]
    pub fn nack(&self, peer: u8, seq: u64) -> Result<(), SideError> {
        self.ack_line(peer)?.nack(self.boot, seq);
        Ok(())
    }

    fn ack_line(&self, peer: u8) -> Result<AckLine<'r>, SideError> {
        Ok(self.view.ack_line(self.torus, self.peer(peer)?))
    }

    /// What a peer said about this torus' publications.
    ///
    /// # Errors
    /// [`SideError::NoSuchPeer`].
    pub fn acked_by(&self, peer: u8) -> Result<Ack, SideError> {
        Ok(self.view.ack_line(self.peer(peer)?, self.torus).view())
    }

    /// The peers that applied this boot's publication `seq` or a later one, as a bitmap by torus id (`rse:M4`).
    #[must_use]
    pub fn acked(&self, seq: u64) -> u16 {
        let peers = (0..self.view.tori()).filter(|peer| *peer != self.torus);
        let acked = peers.filter(|peer| {
            let ack = self.view.ack_line(*peer, self.torus).view();
            // Nobody can have applied what was not published: a larger number is a lie, or damage.
            ack.boot == self.boot && (seq..=self.writer.seq()).contains(&ack.seq)
        });
        acked.fold(0, |bits, peer| bits | 1 << peer)
    }

    /// A peer's (boot id, heartbeat counter): two loads, for the round of liveness.
    ///
    /// # Errors
    /// [`SideError::NoSuchPeer`].
    #[inline]
    pub fn heartbeat(&self, peer: u8) -> Result<(u64, u64), SideError> {
        let line = self.view.line(self.peer(peer)?);
        Ok((line.boot(), line.heartbeat()))
    }

    /// A peer's whole line.
    ///
    /// # Errors
    /// [`SideError::NoSuchPeer`].
    pub fn line(&self, peer: u8) -> Result<LineView, SideError> {
        Ok(self.view.line(self.peer(peer)?).view())
    }

    /// This torus' own waiter.
    #[must_use]
    pub fn waiter(&self) -> wake::Waiter<'r> {
        let words = self.view.waiter_words(self.torus).expect("the torus exists");
        wake::Waiter::new(words).expect("a waiter has a word")
    }

    /// The waking side of a peer's waiter.
    ///
    /// # Errors
    /// [`SideError::NoSuchPeer`].
    pub fn waker(&self, peer: u8) -> Result<wake::Waker<'r>, SideError> {
        let no_such_peer = SideError::NoSuchPeer { peer, me: self.torus, tori: self.view.tori() };
        self.view.waker(self.peer(peer)?).ok_or(no_such_peer)
    }

    /// Gives the torus back in order. What was sent stays for its receivers, what is unread for the next boot.
    pub fn retire(mut self) {
        if self.left == State::Abandoned {
            self.left = State::Retired;
        }
    }
}

impl Drop for Side<'_> {
    fn drop(&mut self) {
        // A usurped or renewed side (`left` is Held then) has nothing to give back; `leave` checks the boot as well.
        if self.left != State::Held && self.view.is_current() {
            self.line.leave(self.boot, self.left);
        }
    }
}

fn mark(taken: &mut u16, peer: u8, me: u8) -> Result<(), SideError> {
    let bit = 1u16 << peer;
    if *taken & bit != 0 {
        return Err(SideError::AlreadyTaken { peer, me });
    }
    *taken |= bit;
    Ok(())
}
