//! The codec against any bytes, and replay against random recordings.

use proptest::prelude::*;

use super::*;
use crate::memory::Carver;
use crate::relay::{Relay, encode};
use crate::workload::{Rng, Source, cycle};
use crate::{Capacities, Cell, Correction, Event, Input, Mode, OnOverflow, Token, Torus};

const SMALL: Capacities = Capacities { events: 300, edges: 300, processes: 100, processes_per_cell: 4, admission: 40 };

fn any_input(rng: &mut Rng) -> Input {
    let cell = |rng: &mut Rng| Cell::wrapped(rng.below(64) as u32);
    let payload = |rng: &mut Rng| encode(rng.below(50) as i32 - 25);
    let token = |rng: &mut Rng| Token {
        delay_ticks: 1 + rng.below(900),
        dst: cell(rng),
        src: cell(rng),
        payload: payload(rng),
    };
    match rng.below(20) {
        0..4 => Input::Inject { dst: cell(rng), src: cell(rng), payload: payload(rng), count: rng.below(20) as u32 },
        4..6 => Input::InjectAt { time: rng.below(100_000), dst: cell(rng), src: cell(rng), payload: payload(rng) },
        6..9 => Input::Admit { from: rng.below(16) as u8, token: token(rng) },
        9..11 => Input::Feed { count: rng.below(30) as u32 },
        11..13 => Input::HandOver { to: rng.below(16) as u8, count: rng.below(20) as u32 },
        13 => Input::Horizon { time: if rng.below(2) == 0 { u64::MAX } else { rng.below(5000) } },
        14 => Input::Lost { peer: 3, count: rng.below(5) },
        15 => [Input::Batch { events: 77 }, Input::Interval { ticks: 500 }, Input::Mode(Mode::Ring)]
            [rng.below(3) as usize],
        16 => Input::Pause,
        17 => Input::Step { count: rng.below(9) as u32 },
        18 => Input::Corrective(Correction { cell: cell(rng), amount: rng.below(20) as i32 - 10 }),
        _ => Input::Resume,
    }
}

/// Calls `work` with a torus as a configuration would make it: the same every time.
fn with_torus<T>(policy: OnOverflow, work: impl FnOnce(&mut Torus<'_, Relay<'_>>) -> T) -> T {
    let mut bytes = vec![0; SMALL.bytes()];
    let mut carver = Carver::new(&mut bytes);
    let mut relay = Relay::new(&SMALL, &mut carver).expect("sized").with_corrections();
    cycle(&mut relay, 64, 40).expect("fits");
    for cell in 0..20 {
        relay.connect(Cell::wrapped(cell), Cell::wrapped(63 - cell), u64::from(cell)).expect("fits");
        relay.spawn(Cell::wrapped(cell)).expect("fits");
    }
    let arrivals: Vec<Event> =
        (0..50).map(|at| Event { time: at * 90, dst: at as u32, src: 1, payload: encode(-3) }).collect();
    let source = Source::new(arrivals.into(), Some(3));
    let mut torus = Torus::new(&SMALL, &mut carver, relay, Some(source)).expect("sized").with_overflow(policy);
    work(&mut torus)
}

/// A live run with random inputs at random places, recorded as the agent does it.
fn record(seed: u64, policy: OnOverflow) -> (Vec<Entry>, End) {
    with_torus(policy, |torus| {
        let mut rng = Rng::new(seed);
        let mut entries = Vec::new();
        for _ in 0..rng.below(120) {
            let input = any_input(&mut rng);
            match input {
                Input::Step { count: 1 } => assert!(torus.step().is_none_or(|step| step.fired_total <= 2)),
                Input::HandOver { to, count } => assert!(torus.hand_over(to, count, &mut |_| ()) <= count),
                input => assert!(torus.apply(&input).accepted <= 30),
            }
            let (executed, ordinal) = torus.place();
            entries.push(Entry { torus: 5, executed, ordinal, input });
            if rng.below(2) == 0 {
                torus.run(rng.below(90));
            }
            assert!(torus.counters().conserved(), "{input:?} {:?}", torus.counters());
            assert_eq!(torus.digest(), torus.digest_full(), "{input:?}");
        }
        (entries, End { torus: 5, executed: torus.counters().executed, digest: torus.digest() })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// decisions:NODE-2, decisions:NODE-12, rse:T4: what was recorded replays to the same digest, through bytes; conservation and the
    /// full-scan digest hold after every input.
    #[test]
    fn a_recording_replays_to_the_same_digest(seed: u64, stop: bool) {
        let policy = if stop { OnOverflow::Stop } else { OnOverflow::Reject };
        let (entries, end) = record(seed, policy);
        let header = Header {
            text: "seed".to_owned(),
            starts: vec![Start { torus: 5, digest: with_torus(policy, |torus| torus.digest()) }],
        };
        let mut bytes = header.encode();
        let records = entries.iter().map(|&entry| Record::Entry(entry)).chain([Record::End(end)]);
        records.enumerate().for_each(|(index, record)| bytes.extend_from_slice(&record.encode(index as u64)));
        let read = decode(&bytes).expect("own bytes");
        prop_assert_eq!(&read.header, &header);
        prop_assert_eq!(&read.entries, &entries);
        prop_assert_eq!(with_torus(policy, |torus| replay(torus, &read.entries, read.ends.first())), Ok(end.digest));
    }

    /// A changed entry is told from the recorded one: by the digest, by a count or by the order.
    #[test]
    fn a_changed_entry_does_not_replay(seed: u64, pick: usize, value in -20..20i32) {
        let (mut entries, end) = record(seed, OnOverflow::Reject);
        let changed: Vec<usize> = (0..entries.len())
            .filter(|&at| matches!(entries[at].input, Input::InjectAt { .. }) && entries[at].executed < end.executed)
            .collect();
        prop_assume!(!changed.is_empty());
        let at = changed[pick % changed.len()];
        if let Input::InjectAt { payload, .. } = &mut entries[at].input {
            prop_assume!(*payload != encode(value));
            *payload = encode(value);
        }
        // The torus may have been too full to take either version.
        let full = with_torus(OnOverflow::Reject, |torus| {
            replay(torus, &entries[..at], None).expect("recorded part");
            torus.run(entries[at].executed - torus.counters().executed);
            torus.counters().pending >= 260
        });
        prop_assume!(!full);
        prop_assert!(with_torus(OnOverflow::Reject, |torus| replay(torus, &entries, Some(&end))).is_err());
    }

    /// rse:M7: any bytes decode to a recording or an error, and any damage to a record is found.
    #[test]
    fn any_bytes_are_read_or_refused(noise in proptest::collection::vec(any::<u8>(), 0..400), seed: u64, at: usize, flip in 1..=255u8) {
        let _ = decode(&noise);
        let mut rng = Rng::new(seed);
        let header = Header { text: "a header".to_owned(), starts: vec![Start { torus: 0, digest: 9 }] };
        let mut bytes = header.encode();
        for index in 0..5 {
            let entry = Entry { torus: 1, executed: index, ordinal: 1, input: any_input(&mut rng) };
            bytes.extend_from_slice(&Record::Entry(entry).encode(index));
        }
        prop_assert_eq!(decode(&bytes).map(|read| read.entries.len()), Ok(5));
        let mut swapped = bytes.clone();
        let end = swapped.len();
        swapped.copy_within(end - 2 * RECORD_BYTES..end - RECORD_BYTES, end - RECORD_BYTES);
        prop_assert!(decode(&swapped).is_err());
        let at = at % bytes.len();
        bytes[at] ^= flip;
        prop_assert!(decode(&bytes).is_err(), "byte {} of {}", at, bytes.len());
    }
}

#[test]
fn a_recording_cut_off_by_a_kill_keeps_its_whole_records() {
    let header = Header { text: "x".to_owned(), starts: vec![] };
    let mut bytes = header.encode();
    for index in 0..3 {
        let entry = Entry { torus: 1, executed: 4, ordinal: index as u32 + 1, input: Input::Pause };
        bytes.extend_from_slice(&Record::Entry(entry).encode(index));
    }
    bytes.truncate(bytes.len() - 10);
    let read = decode(&bytes).expect("whole records");
    assert_eq!((read.entries.len(), read.ends.len()), (2, 0));
}

#[test]
fn errors_name_the_place() {
    let header = Header { text: "x".to_owned(), starts: vec![] }.encode();
    assert_eq!(decode(b"TREF"), Err(RecordError::Foreign { version: 0 }));
    let mut newer = header.clone();
    newer[8] = 2;
    assert_eq!(decode(&newer), Err(RecordError::Foreign { version: 2 }));
    let mut bytes = header.clone();
    bytes.extend_from_slice(&[0; RECORD_BYTES]);
    assert_eq!(decode(&bytes), Err(RecordError::Damaged { index: 0, offset: header.len() as u64 }));
    let entry = Entry { torus: 16, executed: 0, ordinal: 1, input: Input::Pause };
    let bytes = Record::Entry(entry).encode(7);
    assert_eq!(Record::decode(&bytes, 7), Err(RecordError::Value { index: 7, field: "torus", value: 16 }));
}

#[test]
fn a_replay_on_another_torus_says_where_it_leaves_the_path() {
    let (entries, end) =
        (0..).map(|seed| record(seed, OnOverflow::Reject)).find(|run| run.1.executed > 500).expect("soon");
    let shorter = End { executed: end.executed + 1_000_000, ..end };
    let other = with_torus(OnOverflow::Reject, |torus| {
        torus.apply(&Input::Pause);
        replay(torus, &entries, Some(&shorter))
    });
    assert!(matches!(other, Err(ReplayError::Order { .. } | ReplayError::Short { .. })), "{other:?}");
    let bent = End { digest: end.digest ^ 1, ..end };
    let found = with_torus(OnOverflow::Reject, |torus| replay(torus, &entries, Some(&bent)));
    assert!(matches!(found, Err(ReplayError::Digest { .. })), "{found:?}");
}
