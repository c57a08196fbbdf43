//! The one switch between the machine's atomics and loom's.
//!
//! Every algorithm of this crate is safe code over `&[AtomicU64]`; built with `--cfg loom` the same source runs on
//! loom's atomics, so what the models check is what ships (decisions:NODE-19).

#[cfg(not(loom))]
pub use std::sync::atomic::{AtomicU64, Ordering, fence};

#[cfg(loom)]
pub use loom::sync::atomic::{AtomicU64, Ordering, fence};

/// Tells the core that this is a spin loop; under loom it is the yield that lets the other thread run.
#[inline]
pub fn spin_loop() {
    #[cfg(not(loom))]
    std::hint::spin_loop();
    #[cfg(loom)]
    loom::thread::yield_now();
}
