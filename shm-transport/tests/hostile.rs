//! Any bytes as a region: no panic, no access outside, whatever the header and the words say (`rse:M7`). Method: random
//! bytes, a valid region in use with words overwritten, and headers that are valid but promise anything. Wild accesses
//! cannot happen silently: everything is slices, an index out of range would be the panic this test looks for.

use proptest::prelude::*;
use shm_transport::backing::Pages;
use shm_transport::region::{Geometry, MAGIC, Options, Region, fuzz_region};
use std::sync::OnceLock;
use xxhash_rust::xxh3::xxh3_64;
use zerocopy::IntoBytes;

const GEOMETRY: Geometry = Geometry { tori: 3, payload_bytes: 64, slots: 4, ring_records: 4, inject_records: 4 };

/// The bytes of a region with two holders and traffic in every part.
fn corpus() -> &'static [u8] {
    static CORPUS: OnceLock<Vec<u8>> = OnceLock::new();
    CORPUS.get_or_init(|| {
        let path = format!("/dev/shm/trefoil-hostile-{}", std::process::id());
        let _ = std::fs::remove_file(&path);
        let options = Options { pages: Pages::Base, ..Options::new(GEOMETRY) };
        let (region, _) = Region::open(path.as_ref(), &options).expect("create");
        let me = std::process::id();
        let mut sides: Vec<_> =
            (0..2).map(|torus| region.claim(torus, 10 + u64::from(torus), me).expect("claim")).collect();
        for i in 0..6 {
            sides[0].publish(i, &[i; 8]);
            sides[1].publish(i, &[i; 8]);
            sides[0].beat(i).expect("held");
        }
        let (mut to_one, _) = sides[0].sender(1).expect("ring");
        (0..3).for_each(|i| to_one.send(&[i; 8]).expect("room"));
        let (mut from_zero, _) = sides[1].receiver(0).expect("ring");
        assert!(from_zero.recv(&mut [0; 8]).expect("sound"));
        let injector = region.injector(2).expect("torus");
        (0..4).for_each(|i| injector.send(&[i; 7]).expect("room"));
        sides[1].ack(0, 10, 3).expect("ack");
        let bytes = std::fs::read(&path).expect("read");
        std::mem::forget(sides);
        let _ = std::fs::remove_file(&path);
        bytes
    })
}

/// A header that passes its own check, with any fields.
fn header(fields: [u64; 8]) -> Vec<u8> {
    let mut words = vec![MAGIC];
    words.extend(fields);
    words.push(xxh3_64(fields.as_bytes()));
    words.as_bytes().to_vec()
}

fn boundary() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        0u64..64,
        Just(u64::MAX),
        Just(u64::MAX - 1),
        Just(1 << 63),
        Just(1 << 62),
        Just(1 << 61),
        Just((1 << 61) - 1),
        Just(1 << 60),
        Just(u64::from(u32::MAX)),
        Just(1 << 32),
    ]
}

#[test]
fn m7_a_valid_region_is_driven_and_not_refused() {
    // rse:M7. Without this the others could pass by refusing everything.
    let taken = fuzz_region(corpus());
    assert!(taken > 60, "only {taken} things were taken from a valid region");
    assert_eq!(fuzz_region(&corpus()[..corpus().len() / 2]), 0, "cut off, so refused");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn m7_any_words_behind_a_valid_header_are_survived(
        changes in prop::collection::vec((512usize..4000, boundary()), 1..40),
    ) {
        // rse:M7: counts, versions, lengths, states of every part, at the edges and anywhere.
        let mut bytes = corpus().to_vec();
        let words = bytes.len() / 8;
        for (index, value) in changes {
            let at = (512 + index % (words - 512)) * 8;
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        prop_assert!(fuzz_region(&bytes) > 0);
    }

    #[test]
    fn m7_any_change_of_the_header_is_refused_or_survived(at in 0usize..128, value in any::<u8>()) {
        // rse:M7, rse:M1: every byte of the fields is covered by the check word.
        let mut bytes = corpus().to_vec();
        let changed = bytes[at] != value;
        bytes[at] = value;
        let taken = fuzz_region(&bytes);
        prop_assert!(!changed || at >= 80 || taken == 0);
    }

    #[test]
    fn m7_a_header_may_promise_anything(
        fields in prop::array::uniform6(boundary()), total in boundary(), length in 0usize..20_000, fill in any::<u8>(),
    ) {
        // rse:M7: sizes by checked arithmetic, never beyond the mapping.
        let [tori, payload, slots, ring, inject, epoch] = fields;
        let mut bytes = header([1, tori, payload, slots, ring, inject, total, epoch]);
        bytes.resize(bytes.len().max(length), fill);
        fuzz_region(&bytes);
    }

    #[test]
    fn m7_small_geometries_over_any_bytes(
        tori in 1u64..4, payload in 1u64..5, slots in 1u32..4, ring in 1u32..4,
        seed in any::<u64>(), sparse in any::<bool>(),
    ) {
        // rse:M7: a header in order over noise: every reader meets words that no writer wrote.
        let geometry = Geometry {
            tori: tori as u8, payload_bytes: payload as u32 * 8, slots: 1 << slots,
            ring_records: 1 << ring, inject_records: 2,
        };
        let total = shm_transport::region::Layout::new(geometry).expect("in range").total_bytes();
        let fields = [1, tori, payload * 8, 1 << slots, 1 << ring, 2, total as u64, seed];
        let mut bytes = header(fields);
        let mut state = seed | 1;
        while bytes.len() < total {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let word = if sparse { state & 0x7 } else { state };
            bytes.extend(word.to_le_bytes());
        }
        prop_assert!(fuzz_region(&bytes) > 0);
    }

    #[test]
    fn m7_any_bytes_at_all(bytes in prop::collection::vec(any::<u8>(), 0..9000)) {
        // rse:M7.
        prop_assert_eq!(fuzz_region(&bytes), 0);
    }
}
