//! Tests of the native projection: layout, integrity, refusals.

use core::mem::{align_of, offset_of, size_of};

use proptest::prelude::*;
use zerocopy::IntoBytes;

use super::native::{Expectation, Facts, Projection, Refused, SIZE, WORDS};
use super::seed_v1;
use crate::{Counters, FACES, Load, Mode};

fn filled() -> Projection {
    let counters = Counters { injected: 10, executed: 7, pending: 3, rejected: 0, clock: 99, ..Counters::default() };
    let faces = core::array::from_fn(|i| (i * 31) as u16);
    let mut projection = Projection::new(1, 3, 0xB007);
    projection.fill(&Facts {
        counters: &counters,
        faces: &faces,
        load: Load { runnable: 1, pending: 3, suspended: 2 },
        room: 500,
        state_digest: 0xD1,
        graph_digest: 0xD2,
        coupled: true,
        cpu_permille: 990,
        health: 0,
    });
    projection.seq = 1;
    projection.round = 1;
    projection.seal();
    projection
}

macro_rules! layout {
    ($($name:ident),* $(,)?) => {{
        fn bytes_of<T>(_: &T) -> usize { size_of::<T>() }
        let one = filled();
        [$((stringify!($name), offset_of!(Projection, $name), bytes_of(&one.$name))),*]
    }};
}

/// `rse:P1`, `rse:P5`, `rse:P6`: the table in the module's documentation is the layout: every field, its offset, its size, in
/// order and without a hole. Method: parse the table out of the source and compare it with `offset_of!`.
#[test]
fn the_documented_table_is_the_layout_p1_p5_p6() {
    let actual = layout![
        magic,
        profile,
        schema,
        size,
        torus,
        tori,
        health,
        mode,
        boot,
        seq,
        round,
        heartbeat_ns,
        interval_ticks,
        cpu_permille,
        counters,
        load,
        room,
        state_digest,
        graph_digest,
        suspects,
        failed,
        coupled,
        reserved,
        accounts,
        expectations,
        faces,
        reserved_tail,
        checksum,
    ];
    let source = include_str!("native.rs");
    let documented: Vec<(&str, usize, usize)> = source
        .lines()
        .filter_map(|line| line.strip_prefix("//! | "))
        .filter_map(|row| {
            let mut cells = row.split('|').map(str::trim);
            let offset = cells.next()?.parse().ok()?;
            let bytes = cells.next()?.parse().ok()?;
            Some((cells.next()?.trim_matches('`'), offset, bytes))
        })
        .collect();
    assert_eq!(documented, actual);
    let mut end = 0;
    for (name, offset, bytes) in actual {
        assert_eq!(offset, end, "{name} starts where the field before it ends");
        end = offset + bytes;
    }
    assert_eq!(end, SIZE);
    assert_eq!((SIZE, SIZE % 64, align_of::<Projection>()), (5_120, 0, 8));
}

/// `rse:P4`, `decisions:NODE-13`: both faces arrive as they are in the torus.
#[test]
fn faces_are_carried_whole_p4() {
    let projection = filled();
    let read = Projection::parse(projection.as_bytes()).expect("sealed");
    assert_eq!(read.faces, core::array::from_fn::<u16, FACES, _>(|i| (i * 31) as u16));
    assert_eq!((read.load.total(), read.counters.clock, read.braid_mode()), (6, 99, Mode::Rotate));
    assert_eq!(Projection::parse_words(projection.words()).map(|read| read.seq), Ok(1));
}

/// Vector 12 (`rse:V12`), native part, `rse:P3`: the two bits of which the seed sees one are both seen here.
#[test]
fn vector_12_native_sees_both_flips() {
    for cell in [1, 8] {
        let mut projection = filled();
        projection.faces[cell] ^= 1;
        assert!(matches!(Projection::parse(projection.as_bytes()), Err(Refused::Checksum { .. })));
    }
}

/// `rse:P3`: every byte is covered. Method: flip one bit in each byte, all positions.
#[test]
fn no_byte_is_outside_the_checksum_p3() {
    let good = filled();
    let mut words = *good.words();
    for at in 0..SIZE {
        words.as_mut_bytes()[at] ^= 1 << (at % 8);
        // The first 20 bytes say what the record is; they are judged before its integrity, everything else by it.
        let refused = Projection::parse_words(&words).err();
        assert_eq!(matches!(refused, Some(Refused::Checksum { .. })), at >= 20, "byte {at}: {refused:?}");
        assert!(refused.is_some());
        words.as_mut_bytes()[at] ^= 1 << (at % 8);
    }
    assert!(Projection::parse_words(&words).is_ok());
}

/// `rse:P1`: a host-load profile, another schema or a seed projection is called by its name, not "damaged". Method: break one
/// field after the other, seal again, and compare the name of the field refused.
#[test]
fn refusals_name_the_field_p1() {
    type Break = fn(&mut Projection);
    let breaks: [(&str, Break); 19] = [
        ("magic", |p| p.magic += 1),
        ("profile", |p| p.profile = 2),
        ("schema", |p| p.schema = 2),
        ("size", |p| p.size = 4216),
        ("tori", |p| p.tori = 17),
        ("tori", |p| p.tori = 0),
        ("torus", |p| p.torus = 3),
        ("health", |p| p.health = 3),
        ("mode", |p| p.mode = 2),
        ("boot", |p| p.boot = 0),
        ("seq", |p| p.seq = 0),
        ("round", |p| p.round = 1 << 48),
        ("cpu_permille", |p| p.cpu_permille = 1001),
        ("suspects", |p| p.suspects = 8),
        ("failed", |p| p.failed = 1 << 31),
        ("coupled", |p| p.coupled = 2),
        ("reserved", |p| p.reserved[10] = 1),
        ("expectations.gain_ppm", |p| p.expectations[0].gain_ppm = 500_001),
        ("expectations.cells", |p| {
            p.expectations[1] = Expectation { kind: 1, cell_first: u32::MAX, cells: u32::MAX, ..p.expectations[1] };
        }),
    ];
    for (name, damage) in breaks {
        let mut projection = filled();
        damage(&mut projection);
        projection.seal();
        match Projection::parse(projection.as_bytes()) {
            Err(Refused::Field { field, .. }) => assert_eq!(field, name),
            other => panic!("{name}: {other:?}"),
        }
    }
    let seed = [0_u64; seed_v1::SIZE / 8];
    assert_eq!(Projection::parse_words(&seed).err(), Some(Refused::Length { bytes: seed_v1::SIZE }));
    let shifted = [0_u64; WORDS + 1];
    assert_eq!(Projection::parse(&shifted.as_bytes()[1..=SIZE]).err(), Some(Refused::Alignment));
}

/// Hostile fill values are clamped, so our own projections always parse.
#[test]
fn own_values_out_of_range_are_clamped() {
    let mut projection = filled();
    let (counters, faces) = (Counters::default(), [0; FACES]);
    projection.fill(&Facts {
        counters: &counters,
        faces: &faces,
        load: Load::default(),
        room: 0,
        state_digest: 0,
        graph_digest: 0,
        coupled: false,
        cpu_permille: 5_000,
        health: 77,
    });
    projection.seal();
    let read = Projection::parse(projection.as_bytes()).expect("clamped");
    assert_eq!((read.cpu_permille, read.health), (1_000, 2));
}

proptest! {
    /// `rse:P3`: any single flipped bit is refused.
    #[test]
    fn any_flipped_bit_is_refused_p3(bit in 0..SIZE * 8) {
        let mut words = *filled().words();
        words[bit / 64] ^= 1 << (bit % 64);
        prop_assert!(Projection::parse_words(&words).is_err());
    }

    /// Random words, also with a right head and checksum, never panic.
    #[test]
    fn hostile_words_never_panic(seed: u64, sealed: bool) {
        let mut state = seed | 1;
        let mut words: [u64; WORDS] = core::array::from_fn(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        });
        if sealed {
            words[..3].copy_from_slice(&filled().words()[..3]);
            words[WORDS - 1] = xxhash_rust::xxh3::xxh3_64(&words.as_bytes()[..SIZE - 8]);
        }
        prop_assert!(Projection::parse_words(&words).is_err());
    }
}
