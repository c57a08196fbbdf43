//! The counting allocator in the place it is made for.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used)]

use shm_transport::counting::{CountingAllocator, count, counted};
use std::hint::black_box;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn every_way_to_allocate_counts_and_bytes_are_kept_whole() {
    assert_eq!(count(|| black_box(1) + 1), (2, 0));
    let before = counted();
    let mut grown: Vec<u64> = black_box(Vec::with_capacity(4));
    grown.extend(0..100);
    assert!(grown.iter().copied().eq(0..100), "reallocation kept the content");
    let zeroed = black_box(vec![0_u8; 1000]);
    assert!(zeroed.iter().all(|byte| *byte == 0));
    drop((grown, zeroed));
    let after = counted();
    assert_eq!((after.allocations - before.allocations, after.frees - before.frees), (3, 2));
    assert_eq!(after.bytes - before.bytes, 32 + 800 + 1000);
}

#[test]
fn threads_are_counted_apart() {
    let (started, mine) = count(|| std::thread::spawn(|| count(|| black_box(Box::new(7))).1));
    let (theirs, after) = count(|| started.join().unwrap());
    assert_eq!(theirs, 1);
    assert!(mine > 0 && after == 0);
}
