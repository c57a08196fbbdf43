//! The receiving side: a window of commands that came too early, and the place in the stream.

use super::{Ack, Command};

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// New: it waits for its turn, which may be now.
    New,
    /// It was taken or is waiting already; acknowledge again.
    Repeated,
    /// Ahead of the window, or of an earlier generation.
    Outside,
    /// Sent before this side lost its memory of the stream: refused, the sender is told.
    Lost,
}

#[derive(Debug, Clone, Copy, Hash, Default)]
struct Waiting {
    present: bool,
    stream: u8,
    length: u16,
}

/// Place in the peer's stream.
#[derive(Debug, Hash)]
pub(crate) struct Receiver {
    generation: u32,
    /// Next sequence to hand over.
    next: u64,
    /// Generation that was refused because the place is lost; 0 = none.
    lost: u32,
    window: u64,
    bytes_max: usize,
    waiting: Box<[Waiting]>,
    bytes: Box<[u8]>,
    pub(crate) ack_due: bool,
}

impl Receiver {
    pub(crate) fn new(window: usize, bytes_max: usize) -> Self {
        let places = if bytes_max == 0 { 0 } else { window };
        Self {
            generation: 0,
            next: 1,
            lost: 0,
            window: places as u64,
            bytes_max,
            waiting: vec![Waiting::default(); places].into_boxed_slice(),
            bytes: vec![0; places * bytes_max].into_boxed_slice(),
            ack_due: false,
        }
    }

    /// Forgets everything: another boot.
    pub(crate) fn reset(&mut self) {
        self.begin(0);
        self.lost = 0;
        self.ack_due = false;
    }

    fn begin(&mut self, generation: u32) {
        self.generation = generation;
        self.next = 1;
        self.waiting.fill(Waiting::default());
    }

    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Sorts a command in; `command.bytes` has at most `bytes_max` bytes.
    pub(crate) fn accept(&mut self, command: &Command<'_>) -> Accepted {
        if self.window == 0 {
            return Accepted::Outside;
        }
        if command.generation < self.generation {
            return Accepted::Outside;
        }
        self.ack_due = true;
        if command.generation > self.generation {
            if self.generation == 0 && command.unsettled {
                self.lost = command.generation;
                return Accepted::Lost;
            }
            self.begin(command.generation);
            self.lost = 0;
        }
        if command.seq < self.next {
            return Accepted::Repeated;
        }
        if command.seq - self.next >= self.window {
            return Accepted::Outside;
        }
        let at = (command.seq % self.window) as usize;
        if self.waiting[at].present {
            return Accepted::Repeated;
        }
        let length = command.bytes.len();
        self.waiting[at] = Waiting { present: true, stream: command.stream, length: length as u16 };
        self.bytes[at * self.bytes_max..][..length].copy_from_slice(command.bytes);
        Accepted::New
    }

    /// Hands over what is in turn until `take` says no; returns how many were taken.
    pub(crate) fn hand_over(&mut self, mut take: impl FnMut(u8, u64, &[u8]) -> bool) -> u64 {
        let mut taken = 0;
        while let Some(&Waiting { stream, length, .. }) = self.in_turn() {
            let at = (self.next % self.window) as usize;
            if !take(stream, self.next, &self.bytes[at * self.bytes_max..][..usize::from(length)]) {
                break;
            }
            self.waiting[at].present = false;
            self.next += 1;
            self.ack_due = true;
            taken += 1;
        }
        taken
    }

    /// True while a command waits only for room at the caller's.
    pub(crate) fn is_blocked(&self) -> bool {
        self.in_turn().is_some()
    }

    fn in_turn(&self) -> Option<&Waiting> {
        let at = (self.next.checked_rem(self.window)?) as usize;
        self.waiting.get(at).filter(|waiting| waiting.present)
    }

    /// The acknowledgement as of now.
    pub(crate) fn ack(&mut self) -> Ack {
        self.ack_due = false;
        if self.lost > 0 {
            return Ack { generation: self.lost, lost: true, taken: 0, arrived: 0 };
        }
        let arrived = (0..self.window.saturating_sub(1))
            .filter(|bit| self.waiting[((self.next + 1 + bit) % self.window) as usize].present)
            .fold(0, |bits, bit| bits | 1 << bit);
        Ack { generation: self.generation, lost: false, taken: self.next - 1, arrived }
    }
}
