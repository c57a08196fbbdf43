//! The sending side: commands until they are acknowledged.

use super::{Ack, Command};
use crate::keys::Position;
use crate::rtt::RTO_MAX_NS;

/// Longest pause between two tries, ns: twenty of the longest first timeout.
const PAUSE_MAX_NS: u64 = 20 * RTO_MAX_NS;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum State {
    #[default]
    Free,
    Open,
    /// The peer has it but has not taken it: no more tries, not done either.
    Arrived,
}

#[derive(Debug, Clone, Copy, Hash, Default)]
struct Entry {
    state: State,
    stream: u8,
    length: u16,
    tries: u32,
    sent_ns: u64,
    due_ns: u64,
    missed: bool,
}

/// A command that will not be acknowledged any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Doubtful<'a> {
    pub(crate) generation: u32,
    pub(crate) seq: u64,
    pub(crate) stream: u8,
    pub(crate) tries: u32,
    pub(crate) bytes: &'a [u8],
}

/// What an acknowledgement did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AckEffect {
    /// Taken into account.
    Taken,
    /// Overtaken by a later one.
    Old,
    /// Of another generation or of what was never sent.
    Unasked,
    /// The peer has lost its place: begin anew.
    Lost,
}

/// Commands to one peer.
#[derive(Debug, Hash)]
pub(crate) struct Sender {
    pub(crate) generation: u32,
    /// Oldest unacknowledged sequence.
    base: u64,
    /// Next sequence to give out.
    next: u64,
    window: u64,
    bytes_max: usize,
    entries: Box<[Entry]>,
    bytes: Box<[u8]>,
    /// Place of the newest acknowledgement.
    newest_ack: Position,
    /// Number of the first keys under which the peer must acknowledge before its memory can be relied on; 0 = settled.
    unsettled: u32,
    /// Nothing is due before this, ns: the timers need no look until then.
    due_ns: u64,
}

impl Sender {
    pub(crate) fn new(window: usize, bytes_max: usize) -> Self {
        let places = if bytes_max == 0 { 0 } else { window };
        Self {
            generation: 0,
            base: 1,
            next: 1,
            window: places as u64,
            bytes_max,
            entries: vec![Entry::default(); places].into_boxed_slice(),
            bytes: vec![0; places * bytes_max].into_boxed_slice(),
            newest_ack: (0, 0),
            unsettled: 0,
            due_ns: u64::MAX,
        }
    }

    /// Begins a generation; what was open is gone (see [`Sender::doubtful`] for it first).
    pub(crate) fn begin(&mut self, generation: u32) {
        self.generation = generation;
        (self.base, self.next) = (1, 1);
        self.entries.fill(Entry::default());
        self.unsettled = 0;
        self.due_ns = u64::MAX;
    }

    /// For another boot of the peer: places of its acknowledgements begin again too.
    pub(crate) fn reset(&mut self, generation: u32) {
        self.begin(generation);
        self.newest_ack = (0, 0);
    }

    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    pub(crate) fn window(&self) -> usize {
        self.window as usize
    }

    pub(crate) fn open(&self) -> usize {
        (self.next - self.base) as usize
    }

    /// There are new keys. The peer may have asked for them because it forgot this node, so what was sent and not acknowledged
    /// is marked until it acknowledges under them.
    pub(crate) fn rekeyed(&mut self, turn: u32) {
        if self.entries.iter().any(|entry| entry.state != State::Free && entry.tries > 0) {
            self.unsettled = turn;
        }
    }

    /// The session is back after a time without keys: everything is due.
    pub(crate) fn resume(&mut self, now_ns: u64) {
        for entry in self.entries.iter_mut().filter(|entry| entry.state != State::Free) {
            entry.due_ns = now_ns;
            entry.state = State::Open;
            self.due_ns = now_ns;
        }
    }

    /// Takes a command over; `None` when the window is full. `bytes` has at most `bytes_max` bytes.
    pub(crate) fn push(&mut self, now_ns: u64, stream: u8, bytes: &[u8]) -> Option<u64> {
        if self.next - self.base >= self.window {
            return None;
        }
        let seq = self.next;
        let at = (seq % self.window) as usize;
        self.entries[at] =
            Entry { state: State::Open, stream, length: bytes.len() as u16, due_ns: now_ns, ..Entry::default() };
        self.bytes[at * self.bytes_max..][..bytes.len()].copy_from_slice(bytes);
        self.next += 1;
        self.due_ns = self.due_ns.min(now_ns);
        Some(seq)
    }

    /// When the next try is due, ns; `u64::MAX` = never.
    pub(crate) fn due_ns(&self) -> u64 {
        self.due_ns
    }

    /// The oldest command due now.
    pub(crate) fn due(&self, now_ns: u64) -> Option<Command<'_>> {
        if now_ns < self.due_ns {
            return None;
        }
        let seq = (self.base..self.next).find(|&seq| {
            let entry = self.entry(seq);
            entry.state == State::Open && entry.due_ns <= now_ns
        })?;
        let entry = self.entry(seq);
        Some(Command {
            generation: self.generation,
            unsettled: self.unsettled > 0,
            stream: entry.stream,
            seq,
            bytes: self.bytes_of(seq),
        })
    }

    /// It was sent: the next try waits longer each time. Returns (this was a repetition, it counts as missed now).
    pub(crate) fn sent(&mut self, now_ns: u64, seq: u64, timeout_ns: u64, tries_max: u32) -> (bool, bool) {
        let entry = &mut self.entries[(seq % self.window) as usize];
        let pause_ns = timeout_ns.saturating_mul(1 << entry.tries.min(16)).min(PAUSE_MAX_NS);
        entry.tries = entry.tries.saturating_add(1);
        entry.sent_ns = now_ns;
        entry.due_ns = now_ns.saturating_add(pause_ns);
        let missed = entry.tries > tries_max && !entry.missed;
        entry.missed |= missed;
        (entry.tries > 1, missed)
    }

    /// It could not be sent: not before `again_ns`.
    pub(crate) fn hold(&mut self, seq: u64, again_ns: u64) {
        self.entries[(seq % self.window) as usize].due_ns = again_ns;
    }

    /// Looks at all timers again; call it after [`Sender::sent`] and [`Sender::hold`].
    pub(crate) fn settle_timers(&mut self) {
        self.due_ns = (self.base..self.next)
            .map(|seq| self.entry(seq))
            .filter(|entry| entry.state == State::Open)
            .map(|entry| entry.due_ns)
            .min()
            .unwrap_or(u64::MAX);
    }

    /// Takes an acknowledgement. `sample` is told the time from sending of each command that was sent once; `done` each command
    /// that the peer has taken, as (stream, seq).
    pub(crate) fn acknowledge(
        &mut self,
        now_ns: u64,
        position: Position,
        ack: &Ack,
        mut sample: impl FnMut(u64),
        mut done: impl FnMut(u8, u64),
    ) -> AckEffect {
        if ack.generation != self.generation || ack.taken >= self.next || self.window == 0 {
            return AckEffect::Unasked;
        }
        if position <= self.newest_ack {
            return AckEffect::Old;
        }
        self.newest_ack = position;
        if ack.lost || ack.taken + 1 < self.base {
            return AckEffect::Lost;
        }
        if position.0 >= self.unsettled {
            self.unsettled = 0;
        }
        while self.base <= ack.taken {
            let entry = &mut self.entries[(self.base % self.window) as usize];
            if entry.state == State::Open && entry.tries == 1 {
                sample(now_ns.saturating_sub(entry.sent_ns));
            }
            done(entry.stream, self.base);
            *entry = Entry::default();
            self.base += 1;
        }
        let arrived = (0..64).filter(|bit| ack.arrived >> bit & 1 == 1).map(|bit| ack.taken + 2 + bit);
        for seq in arrived.filter(|&seq| seq < self.next) {
            let entry = &mut self.entries[(seq % self.window) as usize];
            if entry.state == State::Open {
                if entry.tries == 1 {
                    sample(now_ns.saturating_sub(entry.sent_ns));
                }
                entry.state = State::Arrived;
            }
        }
        self.settle_timers();
        AckEffect::Taken
    }

    /// Everything unacknowledged, oldest first.
    pub(crate) fn doubtful(&self) -> impl Iterator<Item = Doubtful<'_>> {
        (self.base..self.next).map(|seq| {
            let entry = self.entry(seq);
            Doubtful {
                generation: self.generation,
                seq,
                stream: entry.stream,
                tries: entry.tries,
                bytes: self.bytes_of(seq),
            }
        })
    }

    fn entry(&self, seq: u64) -> &Entry {
        &self.entries[(seq % self.window) as usize]
    }

    fn bytes_of(&self, seq: u64) -> &[u8] {
        let at = (seq % self.window) as usize;
        &self.bytes[at * self.bytes_max..][..usize::from(self.entries[at].length)]
    }
}
