//! An allocator that counts, so that a test can hold a loop to zero allocations (decisions:NODE-19).
//!
//! ```
//! use shm_transport::counting::{CountingAllocator, count};
//! #[global_allocator]
//! static ALLOCATOR: CountingAllocator = CountingAllocator;
//! assert_eq!(count(|| 1 + 1), (2, 0));
//! assert_eq!(count(|| Box::new(7)).1, 1);
//! ```

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    // Constant initialiser and no destructor: the first touch inside the allocator allocates nothing.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static FREES: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<u64> = const { Cell::new(0) };
}

/// The system allocator with per-thread counters; put it in a `#[global_allocator]`.
#[derive(Debug, Clone, Copy, Default)]
pub struct CountingAllocator;

/// Counters of one thread since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// Allocations and reallocations.
    pub allocations: u64,
    /// Frees.
    pub frees: u64,
    /// Bytes asked for by the allocations.
    pub bytes: u64,
}

/// Counters of this thread; all zero when the process has another global allocator.
pub fn counted() -> Counted {
    Counted { allocations: ALLOCATIONS.get(), frees: FREES.get(), bytes: BYTES.get() }
}

/// Allocations of this thread so far.
pub fn allocations() -> u64 {
    ALLOCATIONS.get()
}

/// Runs `work`; returns its result and how often this thread allocated in it.
pub fn count<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = allocations();
    let result = work();
    (result, allocations() - before)
}

fn note_allocation(bytes: usize) {
    // `try_with`: a thread may still allocate while its locals are torn down.
    let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + 1));
    let _ = BYTES.try_with(|n| n.set(n.get() + bytes as u64));
}

fn note_free() {
    let _ = FREES.try_with(|n| n.set(n.get() + 1));
}

// SAFETY: every call goes to `System` unchanged and its answer is returned unchanged, so `System` keeps the contract;
// counting touches only thread-local integers and never allocates. Test: tests/counting.rs.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note_allocation(layout.size());
        // SAFETY: the caller's layout is passed on; test: tests/counting.rs.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note_allocation(layout.size());
        // SAFETY: the caller's layout is passed on; test: tests/counting.rs.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        note_free();
        // SAFETY: `ptr` came from `System` with this layout, by the caller's contract; test: tests/counting.rs.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note_allocation(new_size);
        // SAFETY: `ptr` came from `System` with this layout, by the caller's contract; test: tests/counting.rs.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}
