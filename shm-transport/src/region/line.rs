//! The line of a torus: who holds it, and its heartbeat; and the ack line of a pair (`rse:M1`, `rse:M3`, `rse:M4`).
//!
//! Identity line, words of 8 bytes: 0 state (low byte) and claims so far (rest), 1 boot id, 2 pid, 3 start time of the
//! process, 4 host. Heartbeat line (128 bytes later): 0 counter, 1 `CLOCK_MONOTONIC` ns, 2 newest sequence published.
//! Ack line: 0 boot of the writer, 1 last sequence acked, 2 times nacked, 3 last sequence nacked, 4 boot of the reader.

use crate::liveness::{Existence, Process};
use crate::words::APART_WORDS;
use std::sync::atomic::{AtomicU64, Ordering};

const STATE: usize = 0;
const BOOT: usize = 1;
const PID: usize = 2;
const START: usize = 3;
const HOST: usize = 4;
const BEATS: usize = APART_WORDS;
const BEAT_NS: usize = APART_WORDS + 1;
const NEWEST: usize = APART_WORDS + 2;

const ACK_BOOT: usize = 0;
const ACK_SEQ: usize = 1;
const NACKS: usize = 2;
const NACK_SEQ: usize = 3;
const ACK_READER: usize = 4;

/// Who holds a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Nobody ever held it.
    Free,
    /// Somebody is taking it, or died doing so.
    Claiming,
    /// Held; whether the holder lives is for heartbeat and process to say.
    Held,
    /// Given back in order.
    Retired,
    /// Dropped without being given back: the thread ended by a panic, its process may live.
    Abandoned,
    /// No such state: damage.
    Unknown,
}

impl State {
    fn from_bits(bits: u64) -> Self {
        match bits & 0xff {
            0 => State::Free,
            1 => State::Claiming,
            2 => State::Held,
            3 => State::Retired,
            4 => State::Abandoned,
            _ => State::Unknown,
        }
    }

    fn bits(self) -> u64 {
        match self {
            State::Free => 0,
            State::Claiming => 1,
            State::Held => 2,
            State::Retired => 3,
            State::Abandoned => 4,
            State::Unknown => 0xff,
        }
    }
}

/// The line of one torus, read once. Its fields are the holder's words and nothing more (`rse:M7`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineView {
    /// The torus.
    pub torus: u8,
    /// Who holds it.
    pub state: State,
    /// Times it was claimed since the region was created.
    pub claims: u64,
    /// Boot id of the holder or of the last one; 0 = none.
    pub boot: u64,
    /// The process of the holder.
    pub process: Process,
    /// Heartbeats so far, over all boots. A counter that moves is the sign of life (`rse:M3`).
    pub heartbeat: u64,
    /// `CLOCK_MONOTONIC` of the last heartbeat, ns, by the holder's clock.
    pub heartbeat_ns: u64,
    /// Sequence number of the newest publication.
    pub newest_seq: u64,
}

impl LineView {
    /// Somebody holds the line or is taking it.
    #[must_use]
    pub fn is_occupied(&self) -> bool {
        matches!(self.state, State::Held | State::Claiming | State::Unknown)
    }

    /// Whether the holder's process exists, where that can be said.
    #[must_use]
    pub fn existence(&self) -> Existence {
        if self.state == State::Held { self.process.existence() } else { Existence::Unknown }
    }

    /// Nanoseconds since the last heartbeat; meaningful on the holder's host only.
    #[must_use]
    pub fn age_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.heartbeat_ns)
    }
}

/// The words of one torus line. Constructed by the view, whose layout guarantees the length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'r> {
    words: &'r [AtomicU64],
    torus: u8,
}

impl<'r> Line<'r> {
    pub(super) fn new(words: &'r [AtomicU64], torus: u8) -> Self {
        assert!(words.len() > NEWEST, "a torus line has 256 bytes by layout");
        Self { words, torus }
    }

    pub(super) fn view(&self) -> LineView {
        let word = |index: usize| self.words[index].load(Ordering::Acquire);
        let state = word(STATE);
        LineView {
            torus: self.torus,
            state: State::from_bits(state),
            claims: state >> 8,
            boot: word(BOOT),
            process: Process { pid: u32::try_from(word(PID)).unwrap_or(0), start_ticks: word(START), host: word(HOST) },
            heartbeat: word(BEATS),
            heartbeat_ns: word(BEAT_NS),
            newest_seq: word(NEWEST),
        }
    }

    /// Takes the line if it is still as `seen`; `false` when somebody was faster.
    pub(super) fn take(&self, seen: &LineView, boot: u64, process: Process) -> bool {
        let claims = (seen.claims + 1) & (u64::MAX >> 8);
        let from = seen.claims << 8 | seen.state.bits();
        let current = self.words[STATE].load(Ordering::Acquire);
        // A damaged state byte is replaced as it stands; all others must be exactly what was judged.
        let from = if seen.state == State::Unknown { current } else { from };
        let claiming = claims << 8 | State::Claiming.bits();
        if self.words[STATE].compare_exchange(from, claiming, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return false;
        }
        self.words[BOOT].store(boot, Ordering::Release);
        self.words[PID].store(u64::from(process.pid), Ordering::Release);
        self.words[START].store(process.start_ticks, Ordering::Release);
        self.words[HOST].store(process.host, Ordering::Release);
        let held = claims << 8 | State::Held.bits();
        self.words[STATE].compare_exchange(claiming, held, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Gives the line back, if `boot` still holds it.
    pub(super) fn leave(&self, boot: u64, state: State) {
        let current = self.words[STATE].load(Ordering::Acquire);
        if self.boot() == boot && State::from_bits(current) == State::Held {
            let left = (current & !0xff) | state.bits();
            let _ = self.words[STATE].compare_exchange(current, left, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    #[inline]
    pub(super) fn boot(&self) -> u64 {
        self.words[BOOT].load(Ordering::Acquire)
    }

    #[inline]
    pub(super) fn heartbeat(&self) -> u64 {
        self.words[BEATS].load(Ordering::Acquire)
    }

    #[inline]
    pub(super) fn beat(&self, count: u64, now_ns: u64) {
        self.words[BEAT_NS].store(now_ns, Ordering::Relaxed);
        self.words[BEATS].store(count, Ordering::Release);
    }

    #[inline]
    pub(super) fn published(&self, seq: u64) {
        self.words[NEWEST].store(seq, Ordering::Release);
    }
}

/// What a reader said about a writer's publications (`rse:M4`, `rse:M5`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ack {
    /// Boot id of the reader that said it.
    pub reader_boot: u64,
    /// Boot id of the writer it is about.
    pub boot: u64,
    /// Last sequence number of that boot the reader applied.
    pub seq: u64,
    /// Publications the reader could not accept, over all boots.
    pub nacks: u64,
    /// Last sequence number it could not accept.
    pub nack_seq: u64,
}

/// The ack line of a pair, written by the reader alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct AckLine<'r>(&'r [AtomicU64]);

impl<'r> AckLine<'r> {
    pub(super) fn new(words: &'r [AtomicU64]) -> Self {
        assert!(words.len() > ACK_READER, "an ack line has 128 bytes by layout");
        Self(words)
    }

    /// Called by the reader only.
    #[inline]
    pub(super) fn ack(&self, reader_boot: u64, boot: u64, seq: u64) {
        if self.0[ACK_BOOT].load(Ordering::Relaxed) != boot {
            // In this order nobody can pair the new boot with the old boot's number.
            self.0[ACK_SEQ].store(0, Ordering::Release);
            self.0[ACK_BOOT].store(boot, Ordering::Release);
        }
        self.0[ACK_READER].store(reader_boot, Ordering::Relaxed);
        self.0[ACK_SEQ].store(seq, Ordering::Release);
    }

    /// Called by the reader only.
    #[inline]
    pub(super) fn nack(&self, reader_boot: u64, seq: u64) {
        self.0[ACK_READER].store(reader_boot, Ordering::Relaxed);
        self.0[NACK_SEQ].store(seq, Ordering::Relaxed);
        let nacks = self.0[NACKS].load(Ordering::Relaxed);
        self.0[NACKS].store(nacks.wrapping_add(1), Ordering::Release);
    }

    pub(super) fn view(&self) -> Ack {
        let word = |index: usize| self.0[index].load(Ordering::Acquire);
        let mut ack = Ack::default();
        // A reader changes the boot once in its life; two looks are enough, three are generous.
        for _ in 0..3 {
            ack = Ack { boot: word(ACK_BOOT), seq: word(ACK_SEQ), ..ack };
            if word(ACK_BOOT) == ack.boot {
                break;
            }
            ack.seq = 0;
        }
        ack.nacks = word(NACKS);
        ack.nack_seq = word(NACK_SEQ);
        ack.reader_boot = word(ACK_READER);
        ack
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Vec<AtomicU64> {
        (0..2 * APART_WORDS).map(|_| AtomicU64::new(0)).collect()
    }

    #[test]
    fn node_16_of_two_that_judged_the_same_line_one_takes_it() {
        // decisions:NODE-16: where no lock reaches both (two virtual machines, two mappings of a descriptor), the state word
        // decides. It counts claims, so that a line that went around is not mistaken for the one judged.
        let words = words();
        let line = Line::new(&words, 0);
        for state in [State::Free, State::Retired, State::Abandoned] {
            let seen = line.view();
            assert_eq!(seen.state, state);
            assert!(line.take(&seen, 7, Process::default()));
            assert!(!line.take(&seen, 8, Process::default()), "{state:?} was judged, {:?} is there", line.view().state);
            assert_eq!((line.view().boot, line.view().claims), (7, seen.claims + 1));
            line.leave(8, State::Retired);
            assert_eq!(line.view().state, State::Held, "only the holder gives it back");
            line.leave(7, if state == State::Free { State::Retired } else { State::Abandoned });
        }
    }

    #[test]
    fn m7_a_state_that_does_not_exist_is_replaced() {
        // rse:M7: damage is no lock.
        let words = words();
        words[STATE].store(0x77, Ordering::Relaxed);
        let line = Line::new(&words, 0);
        let seen = line.view();
        assert_eq!(seen.state, State::Unknown);
        assert!(line.take(&seen, 7, Process::default()));
        assert_eq!(line.view().state, State::Held);
    }

    #[test]
    fn m4_an_ack_never_pairs_a_new_boot_with_an_old_number() {
        // rse:M4, rse:M3: keys are (boot, seq); the number is cleared before the boot changes.
        let words = words();
        let line = AckLine::new(&words);
        line.ack(1, 10, 500);
        assert_eq!((line.view().boot, line.view().seq), (10, 500));
        line.ack(1, 11, 3);
        assert_eq!((line.view().boot, line.view().seq, line.view().reader_boot), (11, 3, 1));
        line.nack(2, 4);
        assert_eq!((line.view().seq, line.view().nacks, line.view().nack_seq), (3, 1, 4));
    }
}
