//! Every interleaving of a writer and a reader of a latest link (rse:M2, rse:M3, decisions:NODE-19).
//!
//! Run: `RUSTFLAGS="--cfg loom" cargo test -p trefoil-shm-transport --release --test 'loom_*'`.
#![cfg(loom)]

use loom::thread;
use shm_transport::slot::{Read, SlotReader, SlotWriter, words_needed};
use shm_transport::sync::AtomicU64;
use std::sync::Arc;

const SLOTS: usize = 2;
const WORDS: usize = 2;

fn link() -> Arc<Vec<AtomicU64>> {
    Arc::new((0..words_needed(WORDS, SLOTS)).map(|_| AtomicU64::new(0)).collect())
}

fn publish(writer: &mut SlotWriter<'_>, boot: u64, value: u64) {
    assert_eq!(writer.publish(boot, 10 * value, &[value, value + 100]), value);
}

/// Checks one answer: whole, of one publication, newer than `last`; returns its number.
fn check(read: Read, out: [u64; WORDS], last: u64) -> u64 {
    match read {
        Read::Fresh { seq, time_ns, words, .. } => {
            assert_eq!((time_ns, words, out), (10 * seq, WORDS, [seq, seq + 100]), "torn: parts of two publications");
            assert!(seq > last, "the same value twice");
            seq
        }
        Read::Damaged(damage) => panic!("an honest writer looks damaged: {damage}"),
        Read::Unchanged | Read::Busy | Read::Empty => last,
    }
}

fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// rse:M2: the writer goes around the whole link while the reader copies. No torn value is accepted, and after the writer
/// is done the reader holds or gets the newest value.
#[test]
fn no_torn_value_is_accepted_and_the_latest_arrives() {
    explore(4, || {
        let words = link();
        publish(&mut SlotWriter::new(&words, WORDS, SLOTS).unwrap(), 7, 1);
        let writer = thread::spawn({
            let words = words.clone();
            move || {
                let mut writer = SlotWriter::new(&words, WORDS, SLOTS).unwrap();
                publish(&mut writer, 7, 2);
                publish(&mut writer, 7, 3);
            }
        });
        let mut reader = SlotReader::new(&words, WORDS, SLOTS).unwrap();
        let mut out = [0; WORDS];
        let read = reader.read(&mut out);
        let last = check(read, out, 0);
        writer.join().unwrap();
        let read = reader.read(&mut out);
        assert_eq!(check(read, out, last), 3, "the newest value is not there: {read:?}");
    });
}

/// rse:M3: a writer dies inside a write; the next boot goes on over its words while a reader reads. Nothing half written
/// is accepted and the new boot is seen under its own id.
#[test]
fn a_new_boot_continues_over_a_half_written_slot() {
    explore(4, || {
        let words = link();
        let mut dead = SlotWriter::new(&words, WORDS, SLOTS).unwrap();
        publish(&mut dead, 7, 1);
        // Dies after the odd version and half of the payload of publication 2, which is slot 0 at word 16.
        words[16].store(3, loom::sync::atomic::Ordering::Relaxed);
        words[16 + 8].store(666, loom::sync::atomic::Ordering::Relaxed);
        let writer = thread::spawn({
            let words = words.clone();
            move || publish(&mut SlotWriter::new(&words, WORDS, SLOTS).unwrap(), 8, 3)
        });
        let mut reader = SlotReader::new(&words, WORDS, SLOTS).unwrap();
        let mut out = [0; WORDS];
        let read = reader.read(&mut out);
        let last = check(read, out, 0);
        writer.join().unwrap();
        let read = reader.read(&mut out);
        assert_eq!(check(read, out, last), 3, "the newest value is not there: {read:?}");
        assert_eq!(reader.seen(), (8, 3));
    });
}
