//! Bytes between threads, processes and virtual machines of one host, by shared memory.
//!
//! This crate moves bytes and knows nothing of what they mean. It is the only home of `unsafe` in the project: mapping
//! memory and viewing it as words, the futex call, and the counting allocator. Everything else (slots, rings, regions,
//! boards) is safe code over `&[AtomicU64]`, so that it can be model-checked, run under miri and fed with arbitrary
//! bytes.
//!
//! | module | what it gives |
//! | --- | --- |
//! | [`backing`], [`arena`] | the ladder of page kinds; private memory for a torus |
//! | [`slot`] | one writer, many readers, latest value wins |
//! | [`spsc`], [`mpsc`] | rings in which nothing is lost silently |
//! | [`wake`] | spin, then sleep on a futex |
//! | [`region`] | a file of slots and rings shared by the tori of a braid |
//! | [`board`] | a file of slots that watchers map read-only |
//! | [`seed_v1`] | the region of the seed, byte for byte |
//! | [`udp`] | datagrams between hosts, by io_uring or plain sockets |
//! | [`liveness`] | boot ids, processes and their start times |
//! | [`counting`] | an allocator that counts, for tests that promise none |
#![deny(unsafe_op_in_unsafe_fn)]

#[cfg(all(target_os = "linux", not(target_endian = "little")))]
compile_error!("the layouts in shared memory are little-endian");

pub mod sync;
pub mod words;

#[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
#[allow(unsafe_code)]
mod wide;

pub mod counting;
pub mod mpsc;
pub mod slot;
pub mod spsc;
pub mod wake;

// Under loom the words are loom's own; what maps real memory is left out there.
#[cfg(not(loom))]
pub mod arena;
#[cfg(not(loom))]
pub mod backing;
#[cfg(not(loom))]
pub mod board;
#[cfg(not(loom))]
pub mod liveness;
#[cfg(not(loom))]
pub mod region;
#[cfg(not(loom))]
pub mod seed_v1;
#[cfg(not(loom))]
pub mod udp;
