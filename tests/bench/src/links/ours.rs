//! Our two links, as the agent uses them: every check, boot id and counter included.

use std::sync::atomic::AtomicU64;

use shm_transport::slot::{self, Read, SLOTS, SlotReader, SlotWriter};
use shm_transport::spsc;

use super::{RECORDS, Recv, Send};

const BOOT: u64 = 1;

/// Words that one direction of our stream takes.
pub fn stream_words(payload: usize) -> usize {
    spsc::words_needed(payload, RECORDS)
}

/// Words that one direction of our latest-value link takes.
pub fn latest_words(payload: usize) -> usize {
    slot::words_needed(payload, SLOTS)
}

/// Sending end of our stream.
pub struct StreamSend<'r>(spsc::Sender<'r>);

/// Receiving end of our stream.
pub struct StreamRecv<'r>(spsc::Receiver<'r>);

impl<'r> StreamSend<'r> {
    /// Attaches to the ring in `words`.
    pub fn new(words: &'r [AtomicU64], payload: usize) -> Self {
        Self(spsc::Sender::attach(words, payload, RECORDS, BOOT).expect("words_needed words were taken").0)
    }
}

impl<'r> StreamRecv<'r> {
    /// Attaches to the ring in `words`.
    pub fn new(words: &'r [AtomicU64], payload: usize) -> Self {
        Self(spsc::Receiver::attach(words, payload, RECORDS, BOOT).expect("words_needed words were taken").0)
    }
}

impl Send for StreamSend<'_> {
    #[inline]
    fn send(&mut self, payload: &[u64]) {
        while self.0.send(payload).is_err() {
            std::hint::spin_loop();
        }
    }
}

impl Recv for StreamRecv<'_> {
    #[inline]
    fn recv(&mut self, out: &mut [u64]) -> bool {
        self.0.recv(out).expect("the peer of a benchmark keeps its words in order")
    }
}

/// Writing end of our latest-value link.
pub struct LatestSend<'r>(SlotWriter<'r>);

/// Reading end of our latest-value link; keeps the worst number of tries it needed.
pub struct LatestRecv<'r> {
    reader: SlotReader<'r>,
    /// Most tries one read needed.
    pub worst_tries: u32,
    /// Reads that gave up after the bounded tries.
    pub busy: u64,
}

impl<'r> LatestSend<'r> {
    /// Attaches to the slots in `words`.
    pub fn new(words: &'r [AtomicU64], payload: usize) -> Self {
        Self(SlotWriter::new(words, payload, SLOTS).expect("words_needed words were taken"))
    }
}

impl<'r> LatestRecv<'r> {
    /// Attaches to the slots in `words`.
    pub fn new(words: &'r [AtomicU64], payload: usize) -> Self {
        let reader = SlotReader::new(words, payload, SLOTS).expect("words_needed words were taken");
        Self { reader, worst_tries: 0, busy: 0 }
    }
}

impl Send for LatestSend<'_> {
    #[inline]
    fn send(&mut self, payload: &[u64]) {
        self.0.publish(BOOT, 0, payload);
    }
}

impl Recv for LatestRecv<'_> {
    #[inline]
    fn recv(&mut self, out: &mut [u64]) -> bool {
        match self.reader.read(out) {
            Read::Fresh { tries, .. } => {
                self.worst_tries = self.worst_tries.max(tries);
                true
            }
            Read::Busy => {
                self.busy += 1;
                false
            }
            _ => false,
        }
    }
}
