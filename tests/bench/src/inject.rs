//! The injection ring against the channels one would reach for: `crossbeam-channel` (many producers) and `rtrb` (one producer).
//! 32-byte records, one producer thread on core 1, the consumer on core 0.

use std::sync::atomic::AtomicU64;

use shm_transport::mpsc;

use crate::measure::{Mode, interleave, pin, seconds, unpin};
use crate::report::{Bar, Row};

const RECORDS: usize = 1024;
const WORDS: usize = 4;
const MESSAGES: u64 = 2_000_000;

type Record = [u64; WORDS];

fn record(number: u64) -> Record {
    [number, number ^ 1, number ^ 2, number ^ 3]
}

/// Runs `produce` on core 1 and takes every message on core 0; messages per second.
fn flow(mut produce: impl FnMut(Record) -> bool + Send, mut take: impl FnMut() -> Option<Record>) -> f64 {
    let taken = std::thread::scope(|scope| {
        scope.spawn(move || {
            pin(1);
            for number in 0..MESSAGES {
                while !produce(record(number)) {
                    std::hint::spin_loop();
                }
            }
        });
        pin(0);
        seconds(|| {
            let mut expected = 0;
            while expected < MESSAGES {
                if let Some(found) = take() {
                    assert_eq!(found, record(expected), "in order, nothing lost");
                    expected += 1;
                } else {
                    std::hint::spin_loop();
                }
            }
        })
    });
    unpin();
    MESSAGES as f64 / taken
}

fn ours() -> f64 {
    let words: Vec<AtomicU64> = (0..mpsc::words_needed(WORDS, RECORDS)).map(|_| AtomicU64::new(0)).collect();
    let (mut receiver, _) = mpsc::Receiver::attach(&words, WORDS, RECORDS, 1).expect("words_needed words");
    let sender = mpsc::Sender::new(&words, WORDS, RECORDS).expect("words_needed words");
    let mut out = [0; WORDS];
    flow(|record| sender.send(&record).is_ok(), || receiver.recv(&mut out).expect("words in order").then_some(out))
}

fn crossbeam() -> f64 {
    let (sender, receiver) = crossbeam_channel::bounded::<Record>(RECORDS);
    flow(move |record| sender.try_send(record).is_ok(), || receiver.try_recv().ok())
}

fn rtrb() -> f64 {
    let (mut sender, mut receiver) = rtrb::RingBuffer::<Record>::new(RECORDS);
    flow(move |record| sender.push(record).is_ok(), || receiver.pop().ok())
}

/// All rows of this section.
pub fn rows(mode: Mode) -> Vec<Row> {
    if mode == Mode::OneCore {
        return vec![Row::absent("injection ring between two threads", "", "one core")];
    }
    vec![
        Row::against(
            "injection ring, 1 producer",
            "msg/s",
            &interleave(5, ours, crossbeam),
            "crossbeam-channel",
            Bar::None,
        ),
        Row::against(
            "injection ring, 1 producer",
            "msg/s",
            &interleave(5, ours, rtrb),
            "rtrb (single producer)",
            Bar::None,
        ),
    ]
}
