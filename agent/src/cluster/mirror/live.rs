//! A torus of another host while it stands in the local region: its line, its slot, and the rings between it and ours.

use shm_transport::region::{RECORD_WORDS, Region, Side};
use shm_transport::spsc;
use shm_transport::wake::Waker;
use torus::message::Message;
use torus::projection::native::{Projection, WORDS};
use zerocopy::IntoBytes;

use super::pairing::boot_in;
use super::wire::{self, Told};
use crate::cluster::settings::InDoubt;

/// Our ends of the rings between a mirrored torus and a local one.
#[derive(Debug)]
struct Ends<'r> {
    local: u8,
    /// Boot id of the local torus, here and as the other host calls it.
    boot: u64,
    boot_there: u64,
    /// From the local torus: records stay in it until the remote one has said that it received them.
    receiver: spsc::Receiver<'r>,
    /// Records at the front of the ring that were sent and not confirmed.
    ahead: u64,
    sender: spsc::Sender<'r>,
    waker: Waker<'r>,
}

/// One that waits until the messages it counts are delivered.
#[derive(Debug)]
struct Pending {
    projection: Box<Projection>,
    there: bool,
}

/// A mirrored torus that stands.
#[derive(Debug)]
pub(super) struct Live<'r> {
    side: Side<'r>,
    id: u8,
    pair: u64,
    /// Boot id it has at home, and here.
    told: u64,
    ends: Vec<Ends<'r>>,
    /// The one that waits longest, and the newest.
    held: Pending,
    newest: Pending,
    /// Records whose head this side's ring refused as damaged; the torus sets its own side right.
    pub(super) damaged: u64,
}

/// What became of hand-overs when a mirrored torus ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Ended {
    /// Sent and never confirmed.
    pub(super) in_doubt: u64,
    /// Given back to the local torus.
    pub(super) taken_back: u64,
    /// Given up.
    pub(super) dropped: u64,
}

impl<'r> Live<'r> {
    /// Claims the torus and takes the ends of its rings to `locals`.
    pub(super) fn claim(
        region: &'r Region,
        (id, told): Told,
        pair: u64,
        locals: &[Told],
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let tori = region.geometry().tori;
        let boot = boot_in(pair, told);
        let mut side = region.claim(id, boot, std::process::id())?;
        let mut ends = Vec::with_capacity(locals.len());
        for &(local, local_boot) in locals {
            // Receiver first, as a torus does: once the local one sees both ends, the pair counts.
            let (receiver, _) = side.receiver(local)?;
            let (sender, _) = side.sender(local)?;
            let (waker, boot_there) = (side.waker(local)?, boot_in(pair, local_boot));
            ends.push(Ends { local, boot: local_boot, boot_there, receiver, ahead: 0, sender, waker });
        }
        let pending = || Pending { projection: Box::new(Projection::new(id, tori, boot)), there: false };
        Ok(Self { side, id, pair, told, ends, held: pending(), newest: pending(), damaged: 0 })
    }

    pub(super) fn told(&self) -> u64 {
        self.told
    }

    /// A projection came: kept until the messages it counts as sent are in our rings, or published at once. `false` = it is none
    /// of this torus.
    pub(super) fn import(&mut self, bytes: &[u8], now_ns: u64) -> bool {
        let place = &mut self.newest;
        let into = place.projection.as_mut().as_mut_bytes();
        if bytes.len() != into.len() {
            return false;
        }
        into.copy_from_slice(bytes);
        let fits = Projection::parse(place.projection.as_bytes()).is_ok_and(|projection| {
            projection.torus == self.id && projection.boot == self.told && projection.tori == self.side.view().tori()
        });
        place.there = fits;
        // It came from a loop that moves: the sign of life is passed on, whether or not the projection can be yet.
        if fits {
            let _ = self.side.beat(now_ns);
            self.settle(now_ns);
        }
        fits
    }

    /// Publishes what need not wait any longer.
    pub(super) fn settle(&mut self, now_ns: u64) {
        if self.held.there && self.delivered(&self.held.projection) {
            self.publish_held(now_ns);
        }
        if self.newest.there && !self.held.there {
            std::mem::swap(&mut self.held, &mut self.newest);
            if self.delivered(&self.held.projection) {
                self.publish_held(now_ns);
            }
        }
    }

    /// Whether all messages that a projection counts as sent to our tori are in our rings: the order of a ring and a slot in one
    /// memory, which two kinds of datagrams do not keep (`decisions:NODE-8`).
    fn delivered(&self, projection: &Projection) -> bool {
        self.ends.iter().all(|ends| {
            let account = &projection.accounts[usize::from(ends.local)];
            account.boot != ends.boot_there || account.sent <= ends.sender.sent_in_pair()
        })
    }

    fn publish_held(&mut self, now_ns: u64) {
        let projection = &mut self.held.projection;
        self.held.there = false;
        projection.boot = self.side.boot();
        for ends in &self.ends {
            let account = &mut projection.accounts[usize::from(ends.local)];
            account.boot = if account.boot == ends.boot_there { ends.boot } else { 0 };
        }
        projection.seal();
        self.side.publish(now_ns, projection.words());
        // After the projection: a local torus that finds its ring empty will read one that counts what was in it.
        for ends in &mut self.ends {
            let account = &projection.accounts[usize::from(ends.local)];
            let confirmed = account.received.saturating_sub(ends.receiver.received_in_pair());
            if account.boot == ends.boot && confirmed > 0 {
                let taken = ends.receiver.drain(confirmed.min(ends.ahead), |_| {}).unwrap_or(0);
                ends.ahead -= taken;
            }
        }
    }

    /// Puts messages of the remote torus into the ring to a local one: all of them, or none when there is no room yet.
    pub(super) fn admit(&mut self, to: u8, records: &[u8], now_ns: u64) -> bool {
        let Some(ends) = self.ends.iter_mut().find(|ends| ends.local == to) else { return true };
        let count = (records.len() / (RECORD_WORDS * 8)) as u64;
        if ends.sender.free().unwrap_or(0) < count {
            return false;
        }
        for record in records.chunks_exact(RECORD_WORDS * 8) {
            let mut words = [0u64; RECORD_WORDS];
            words.as_mut_bytes().copy_from_slice(record);
            // The places were free, and only this side fills them.
            self.damaged += u64::from(ends.sender.stage(&words).is_err());
        }
        ends.sender.flush();
        ends.waker.wake();
        self.settle(now_ns);
        true
    }

    /// Sends what local tori have put into their rings and was not sent yet; `send` = `false` when there is no room for more.
    pub(super) fn forward(&mut self, out: &mut [u8; wire::BYTES_MAX], mut send: impl FnMut(&[u8]) -> bool) -> u64 {
        let mut sent = 0;
        for ends in &mut self.ends {
            loop {
                let mut count = 0;
                let mut words = [0u64; RECORD_WORDS];
                while count < wire::MESSAGES_MAX
                    && ends.receiver.peek(ends.ahead + count as u64, &mut words) == Ok(true)
                {
                    wire::record_place(count, out).copy_from_slice(words.as_bytes());
                    count += 1;
                }
                if count == 0 {
                    break;
                }
                let length = wire::put_messages_head(ends.local, self.id, count, self.pair, out);
                if !send(&out[..length]) {
                    return sent;
                }
                ends.ahead += count as u64;
                sent += count as u64;
            }
        }
        sent
    }

    /// Messages of local tori that the remote one has not confirmed yet.
    pub(super) fn under_way(&mut self) -> u64 {
        self.ends.iter_mut().map(|ends| ends.receiver.waiting().unwrap_or(0)).sum()
    }

    /// Ends it: hand-overs that nobody confirmed are resolved, the place in the region is given back, or abandoned: then the local
    /// tori take it for failed.
    pub(super) fn end(mut self, policy: InDoubt, in_order: bool) -> Ended {
        let mut ended = Ended::default();
        for ends in &mut self.ends {
            let waiting = ends.receiver.waiting().unwrap_or(0);
            let doubtful = ends.ahead.min(waiting);
            ended.in_doubt += doubtful;
            let mut words = [0u64; RECORD_WORDS];
            for at in 0..waiting {
                let _ = ends.receiver.peek(at, &mut words);
                let give_up = policy == InDoubt::Drop && at < doubtful;
                if !give_up && give_back(&mut ends.sender, &words, self.id) {
                    ended.taken_back += 1;
                } else {
                    ended.dropped += 1;
                }
            }
            let _ = ends.receiver.drain(waiting, |_| {});
            ends.sender.flush();
            ends.waker.wake();
        }
        if in_order {
            self.side.retire();
        }
        ended
    }
}

/// Hands a message back to the torus that sent it, as if the remote one had handed it over.
fn give_back(sender: &mut spsc::Sender<'_>, words: &[u64; RECORD_WORDS], from: u8) -> bool {
    let Ok(message) = Message::from_words(words) else { return false };
    let seq = sender.sent_by_this_boot() + 1;
    sender.stage(&Message { from, seq, ..message }.to_words()).is_ok()
}

const _: () = assert!(WORDS * 8 == size_of::<Projection>());
