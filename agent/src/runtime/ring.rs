//! The way between a torus thread and one other thread: a bounded ring with one producer and one consumer.
//!
//! Everything a torus thread sends or takes in its loop goes through one of these, never through a channel. The array channels of
//! crossbeam have many producers: who comes second waits for the first to finish its place, and when that one is not scheduled
//! the wait ends in `sched_yield`, a system call and a wait for another thread (`decisions:NODE-14` allows neither). Here each
//! side writes an index of its own and reads the other's: every call ends after a bounded number of its own steps, whatever the
//! other thread does. Channels stay where no torus thread in its loop has part: at start, and between control threads.

use crossbeam_channel::{TryRecvError, TrySendError};
use rtrb::{Consumer, Producer, PushError, RingBuffer};

/// The sending end; belongs to one thread at a time.
#[derive(Debug)]
pub struct Sender<T>(Producer<T>);

/// The receiving end; belongs to one thread at a time.
#[derive(Debug)]
pub struct Receiver<T>(Consumer<T>);

/// A ring for `capacity` values; all its memory is taken now.
#[must_use]
pub fn ring<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let (producer, consumer) = RingBuffer::new(capacity.max(1));
    (Sender(producer), Receiver(consumer))
}

impl<T> Sender<T> {
    /// Puts a value in; wait-free.
    ///
    /// # Errors
    /// Gives the value back when the ring is full, or when nobody will ever take it.
    pub fn try_send(&mut self, value: T) -> Result<(), TrySendError<T>> {
        if self.0.is_abandoned() {
            return Err(TrySendError::Disconnected(value));
        }
        self.0.push(value).map_err(|PushError::Full(value)| TrySendError::Full(value))
    }

    /// Values that fit now: only this side fills places, so there are not fewer until it does.
    #[must_use]
    pub fn free(&self) -> usize {
        self.0.slots()
    }

    /// Values the ring holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.0.buffer().capacity()
    }
}

impl<T> Receiver<T> {
    /// Takes the oldest value; wait-free.
    ///
    /// # Errors
    /// Empty, for now or for good.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        // Asked before the ring is looked at: what was sent before the sender went is there then.
        let abandoned = self.0.is_abandoned();
        let empty = if abandoned { TryRecvError::Disconnected } else { TryRecvError::Empty };
        self.0.pop().map_err(|_| empty)
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The receiving ends of several rings, taken in turn so that none is starved.
#[derive(Debug)]
pub struct Gather<T> {
    receivers: Vec<Receiver<T>>,
    next: usize,
}

impl<T> Gather<T> {
    /// Of these rings.
    #[must_use]
    pub fn new(receivers: Vec<Receiver<T>>) -> Self {
        Self { receivers, next: 0 }
    }

    /// Takes the oldest value of the next ring that has one.
    ///
    /// # Errors
    /// Empty, for now; disconnected when every sender is gone and every ring is empty.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let mut outcome = TryRecvError::Disconnected;
        for _ in 0..self.receivers.len() {
            let at = self.next;
            self.next = (at + 1) % self.receivers.len();
            match self.receivers[at].try_recv() {
                Ok(value) => return Ok(value),
                Err(TryRecvError::Empty) => outcome = TryRecvError::Empty,
                Err(TryRecvError::Disconnected) => {}
            }
        }
        Err(outcome)
    }

    /// Whether any ring has a value.
    #[must_use]
    pub fn waiting(&self) -> bool {
        self.receivers.iter().any(|receiver| !receiver.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_ring_gives_the_value_back_and_a_gone_side_is_told() {
        let (mut sender, mut receiver) = ring(2);
        assert_eq!((sender.try_send(1), sender.try_send(2)), (Ok(()), Ok(())));
        assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
        assert_eq!(receiver.try_recv(), Ok(1));
        drop(sender);
        assert_eq!(receiver.try_recv(), Ok(2), "what was sent before the end arrives");
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        let (mut sender, receiver) = ring(2);
        drop(receiver);
        assert_eq!(sender.try_send(1), Err(TrySendError::Disconnected(1)));
    }

    #[test]
    fn several_rings_are_taken_in_turn_until_all_are_gone() {
        let (mut a, from_a) = ring(8);
        let (mut b, from_b) = ring(8);
        let mut all = Gather::new(vec![from_a, from_b]);
        assert_eq!(all.try_recv(), Err(TryRecvError::Empty));
        for value in [1, 2, 3] {
            a.try_send(value).expect("room");
        }
        b.try_send(10).expect("room");
        drop(a);
        let taken: Vec<u32> = std::iter::from_fn(|| all.try_recv().ok()).collect();
        assert_eq!(taken, [1, 10, 2, 3], "a busy ring does not keep another out");
        assert_eq!(all.try_recv(), Err(TryRecvError::Empty), "one sender is still there");
        drop(b);
        assert_eq!(all.try_recv(), Err(TryRecvError::Disconnected));
    }
}
