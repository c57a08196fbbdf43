//! The latest link against its model, under load, and over words of any content (rse:M2, rse:M3, rse:M5, rse:M7).
#![cfg(not(loom))]
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use shm_transport::slot::{Damage, MAX_TRIES, Read, SLOTS, SlotReader, SlotWriter, words_needed};
use shm_transport::sync::{AtomicU64, Ordering};
use shm_transport::words::LayoutError;

const WORDS: usize = 13;

fn zeroed(words: usize) -> Vec<AtomicU64> {
    (0..words).map(|_| AtomicU64::new(0)).collect()
}

fn link() -> Vec<AtomicU64> {
    zeroed(words_needed(WORDS, SLOTS))
}

fn fresh(read: Read) -> (u64, u64, u64, usize) {
    match read {
        Read::Fresh { seq, boot, time_ns, words, tries } => {
            assert!((1..=MAX_TRIES).contains(&tries));
            (seq, boot, time_ns, words)
        }
        other => panic!("not fresh: {other:?}"),
    }
}

/// Word of slot `seq mod 8` at `offset`.
fn at(seq: u64, offset: usize) -> usize {
    let stride = (words_needed(WORDS, SLOTS) - 16) / SLOTS;
    16 + (seq % SLOTS as u64) as usize * stride + offset
}

#[test]
fn the_layout_is_the_documented_one() {
    // A projection of 4232 bytes has a stride of 4352 (transport-figures section 7, point 2).
    assert_eq!(words_needed(529, 8), 16 + 8 * 544);
    let words = link();
    SlotWriter::new(&words, WORDS, SLOTS).unwrap().with_checksum(true).publish(77, 99, &[5, 6]);
    let word = |i: usize| words[i].load(Ordering::Relaxed);
    assert_eq!(word(0), 1, "newest");
    assert_eq!((word(at(1, 0)), word(at(1, 1)), word(at(1, 2)), word(at(1, 3))), (2, 2 | 1 << 32, 77, 99));
    assert_eq!((word(at(1, 8)), word(at(1, 9))), (5, 6));
}

#[test]
fn a_geometry_that_does_not_fit_is_refused_with_its_numbers() {
    let words = link();
    assert!(matches!(SlotReader::new(&words, WORDS, 3), Err(LayoutError::Entries { given: 3, .. })));
    assert!(matches!(SlotReader::new(&words, WORDS, 1), Err(LayoutError::Entries { given: 1, .. })));
    assert!(matches!(SlotWriter::new(&words, 0, SLOTS), Err(LayoutError::Payload { given: 0, .. })));
    assert!(matches!(SlotWriter::new(&words, usize::MAX, SLOTS), Err(LayoutError::Payload { .. })));
    let error = SlotReader::new(&words[1..], WORDS, SLOTS).unwrap_err();
    assert!(matches!(error, LayoutError::TooShort { .. }));
    assert!(error.to_string().contains("map more"));
}

/// rse:M3: keys are (boot, seq); a value is taken once, a new boot goes on above the old numbers.
#[test]
fn keys_are_boot_and_sequence() {
    let words = link();
    let mut reader = SlotReader::new(&words, WORDS, SLOTS).unwrap();
    let mut out = [0; WORDS];
    assert_eq!(reader.read(&mut out), Read::Empty);
    let mut writer = SlotWriter::new(&words, WORDS, SLOTS).unwrap();
    assert_eq!(writer.publish(1, 10, &[1; 3]), 1);
    assert_eq!(fresh(reader.read(&mut out)), (1, 1, 10, 3));
    assert_eq!(reader.read(&mut out), Read::Unchanged);
    for seq in 2..=20 {
        assert_eq!(writer.publish_with(1, 10 * seq, 1, |place| place[0].store(seq, Ordering::Relaxed)), seq);
    }
    assert_eq!((fresh(reader.read(&mut out)), out[0]), ((20, 1, 200, 1), 20));
    let mut next = SlotWriter::new(&words, WORDS, SLOTS).unwrap();
    assert_eq!(next.publish(2, 7, &[]), 21, "a new boot never reuses a version");
    assert_eq!(fresh(reader.read(&mut out)), (21, 2, 7, 0));
    assert_eq!(reader.seen(), (2, 21));
}

/// rse:M2: a writer died inside the write of slot 3; the newest value and all others stay readable, the next boot passes.
#[test]
fn a_writer_that_dies_in_a_write_takes_one_slot_with_it() {
    let words = link();
    let mut writer = SlotWriter::new(&words, WORDS, SLOTS).unwrap();
    writer.publish(1, 1, &[1; WORDS]);
    writer.publish(1, 2, &[2; WORDS]);
    words[at(3, 0)].store(5, Ordering::Relaxed);
    let mut out = [0; WORDS];
    assert_eq!(fresh(SlotReader::new(&words, WORDS, SLOTS).unwrap().read(&mut out)), (2, 1, 2, WORDS));
    let mut writer = SlotWriter::new(&words, WORDS, SLOTS).unwrap();
    assert_eq!(writer.publish(2, 3, &[4; WORDS]), 4, "the half-written number is not used again");
    assert_eq!(fresh(SlotReader::new(&words, WORDS, SLOTS).unwrap().read(&mut out)), (4, 2, 3, WORDS));
}

/// rse:M2: eight slots a writer, and a read is bounded: over a value that is never whole it gives up after eight tries and says
/// so; it does not go round for ever.
#[test]
fn a_read_gives_up_after_eight_tries_m2() {
    assert_eq!((SLOTS, MAX_TRIES), (8, 8));
    let words = link();
    let mut writer = SlotWriter::new(&words, WORDS, SLOTS).unwrap();
    writer.publish(1, 1, &[1; WORDS]);
    // A writer that stands inside the newest slot for ever: the reader must come back.
    words[at(1, 0)].store(3, Ordering::Relaxed);
    let mut reader = SlotReader::new(&words, WORDS, SLOTS).unwrap();
    let mut out = [0; WORDS];
    for _ in 0..3 {
        assert_eq!(reader.read(&mut out), Read::Busy);
    }
    assert_eq!(out, [0; WORDS], "nothing of a value that was not accepted is given out");
    words[at(1, 0)].store(2, Ordering::Relaxed);
    assert_eq!(fresh(reader.read(&mut out)), (1, 1, 1, WORDS));
}

/// rse:M7: each contradiction is named and nothing is taken.
#[test]
fn damage_is_named() {
    let words = link();
    let mut writer = SlotWriter::new(&words, WORDS, SLOTS).unwrap().with_checksum(true);
    for _ in 0..3 {
        writer.publish(1, 1, &[9; WORDS]);
    }
    let mut out = [0; WORDS];
    let mut damaged = |index: usize, value: u64| {
        let mut reader = SlotReader::new(&words, WORDS, SLOTS).unwrap();
        let before = words[index].swap(value, Ordering::Relaxed);
        let read = reader.read(&mut out);
        words[index].store(before, Ordering::Relaxed);
        assert_eq!(reader.seen(), (0, 0));
        read
    };
    assert_eq!(damaged(0, u64::MAX), Read::Damaged(Damage::Newest { newest: u64::MAX }));
    assert_eq!(damaged(0, 11), Read::Damaged(Damage::Version { version: 6, newest: 11 }));
    assert_eq!(damaged(at(3, 1), 14), Read::Damaged(Damage::Length { words: 14, limit: WORDS }));
    assert_eq!(damaged(at(3, 8), 8), Read::Damaged(Damage::Checksum));
    assert_eq!(damaged(at(3, 0), 7), Read::Busy, "an odd version: somebody writes");
    let mut reader = SlotReader::new(&words, WORDS, SLOTS).unwrap();
    fresh(reader.read(&mut out));
    words[0].store(2, Ordering::Relaxed);
    assert_eq!(reader.read(&mut out), Read::Damaged(Damage::WentBack { seen: 3, seq: 2 }));
    words[0].store(0, Ordering::Relaxed);
    assert_eq!(reader.read(&mut out), Read::Empty);
}

/// rse:M2, rse:M5: a writer that never pauses, a reader that checks every word: no torn value, bounded tries, rising
/// numbers, and the last value arrives.
#[test]
fn a_flat_out_writer_never_tears_a_value() {
    const BIG: usize = if cfg!(miri) { 17 } else { 529 };
    const WRITES: u64 = if cfg!(miri) { 60 } else { 400_000 };
    let words = zeroed(words_needed(BIG, SLOTS));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = SlotWriter::new(&words, BIG, SLOTS).unwrap();
            let mut payload = [0; BIG];
            for value in 1..=WRITES {
                payload.fill(value);
                writer.publish(3, value, &payload);
            }
        });
        let mut reader = SlotReader::new(&words, BIG, SLOTS).unwrap();
        let mut out = [0; BIG];
        let mut last = 0;
        while last < WRITES {
            match reader.read(&mut out) {
                Read::Fresh { seq, boot, time_ns, words, tries } => {
                    assert!(seq > last && (boot, time_ns, words) == (3, seq, BIG) && tries <= MAX_TRIES);
                    assert!(out.iter().all(|word| *word == seq), "torn");
                    last = seq;
                }
                Read::Damaged(damage) => panic!("{damage}"),
                Read::Unchanged | Read::Busy | Read::Empty => std::thread::yield_now(),
            }
        }
    });
}

#[derive(Debug, Clone)]
enum Step {
    Publish(Vec<u64>),
    Read,
    /// The writer dies after the odd version, or after the slot and before the header.
    Die {
        complete: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => prop::collection::vec(any::<u64>(), 0..=WORDS).prop_map(Step::Publish),
        4 => Just(Step::Read),
        1 => any::<bool>().prop_map(|complete| Step::Die { complete }),
    ];
    prop::collection::vec(step, 0..if cfg!(miri) { 40 } else { 200 })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 3 } else { 256 }, failure_persistence: None, ..ProptestConfig::default() })]

    /// rse:M2, rse:M3: any sequence of publications, deaths and reads: the reader gets exactly the newest publication, once.
    #[test]
    fn it_is_a_variable(steps in steps(), checksum: bool) {
        let words = link();
        let writer = |_| SlotWriter::new(&words, WORDS, SLOTS).unwrap().with_checksum(checksum);
        let (mut boot, mut writing) = (1, writer(()));
        let mut reader = SlotReader::new(&words, WORDS, SLOTS).unwrap();
        let mut newest: Option<(u64, u64, Vec<u64>)> = None;
        let mut taken = 0;
        let mut out = [0; WORDS];
        for step in steps {
            match step {
                Step::Publish(payload) => {
                    let seq = writing.publish(boot, boot + 1, &payload);
                    prop_assert!(newest.as_ref().is_none_or(|(last, ..)| seq > *last));
                    newest = Some((seq, boot, payload));
                }
                Step::Die { complete } => {
                    let seq = writing.seq() + 1;
                    words[at(seq, 0)].store(2 * seq - u64::from(!complete), Ordering::Relaxed);
                    boot += 1;
                    writing = writer(());
                    prop_assert_eq!(writing.seq(), seq);
                }
                Step::Read => match &newest {
                    None => prop_assert_eq!(reader.read(&mut out), Read::Empty),
                    Some((seq, ..)) if *seq == taken => prop_assert_eq!(reader.read(&mut out), Read::Unchanged),
                    Some((seq, boot, payload)) => {
                        prop_assert_eq!(fresh(reader.read(&mut out)), (*seq, *boot, boot + 1, payload.len()));
                        prop_assert_eq!(&out[..payload.len()], &payload[..]);
                        taken = *seq;
                    }
                },
            }
        }
    }

    /// rse:M7: over words of any content a reader answers, a writer takes up the link, and then all is well.
    #[test]
    fn any_words_are_survived(content in prop::collection::vec(prop_oneof![any::<u64>(), 0..40_u64], words_needed(2, 4))) {
        let words: Vec<AtomicU64> = content.into_iter().map(AtomicU64::new).collect();
        let mut reader = SlotReader::new(&words, 2, 4).unwrap();
        let mut out = [0; 2];
        if let Read::Fresh { words, .. } = reader.read(&mut out) {
            prop_assert!(words <= 2);
        }
        let mut writer = SlotWriter::new(&words, 2, 4).unwrap();
        let seq = writer.publish(1 << 50, 1, &[7, 8]);
        let mut reader = SlotReader::new(&words, 2, 4).unwrap();
        prop_assert_eq!((fresh(reader.read(&mut out)), out), ((seq, 1 << 50, 1, 2), [7, 8]));
    }
}
