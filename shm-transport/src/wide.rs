//! Word copies by wide registers: the same relaxed word loads and stores, four words an instruction.
//!
//! Relaxed `u64` accesses are never merged by the compiler, which makes a 4 KiB copy 2.6 times as long as `memcpy` when
//! both sides share a core. In assembly the copy is what the machine makes of it: every aligned word is loaded or stored
//! whole, in program order on x86-64, which is stronger than the relaxed order the callers need. Loom, miri and other
//! machines take the plain loop in [`words`](crate::words).

use crate::sync::AtomicU64;
use crate::words::LINE_WORDS;
use std::arch::{asm, is_x86_feature_detected};

/// Fewest words that are worth the check for the registers.
const LEAST_WORDS: usize = 4 * LINE_WORDS;

/// Stores the whole lines of `from` into `to`, which has the same length; returns how many words that were.
#[inline]
pub(crate) fn store_lines(to: &[AtomicU64], from: &[u64]) -> usize {
    debug_assert_eq!(to.len(), from.len());
    if from.len() < LEAST_WORDS || !is_x86_feature_detected!("avx") {
        return 0;
    }
    let lines = from.len() / LINE_WORDS;
    // SAFETY: both slices have `lines` whole lines; `to` may be written through a shared borrow, being atomics, and
    // concurrent access by others is to atomics as well. AVX is there. Test: words::tests::copies_of_every_length.
    unsafe { copy_lines(from.as_ptr(), to.as_ptr().cast::<u64>().cast_mut(), lines) };
    lines * LINE_WORDS
}

/// Loads the whole lines of `from` into `to`, which has the same length; returns how many words that were.
#[inline]
pub(crate) fn load_lines(to: &mut [u64], from: &[AtomicU64]) -> usize {
    debug_assert_eq!(to.len(), from.len());
    if from.len() < LEAST_WORDS || !is_x86_feature_detected!("avx") {
        return 0;
    }
    let lines = from.len() / LINE_WORDS;
    // SAFETY: both slices have `lines` whole lines; `to` is borrowed mutably, and what others write into `from`
    // meanwhile is written to atomics. AVX is there. Test: words::tests::copies_of_every_length.
    unsafe { copy_lines(from.as_ptr().cast::<u64>(), to.as_mut_ptr(), lines) };
    lines * LINE_WORDS
}

/// Copies `lines` (at least 1) of 64 bytes.
///
/// # Safety
/// Both pointers are aligned to 8 and good for `lines` lines; the machine has AVX.
#[inline]
unsafe fn copy_lines(from: *const u64, to: *mut u64, lines: usize) {
    // SAFETY: reads and writes exactly the lines the caller vouches for; clobbers are declared. No `nomem`: the compiler
    // keeps every other access on its side of the copy. Test: words::tests::copies_of_every_length.
    unsafe {
        asm!(
            "2:",
            "vmovdqu ymm0, [{from}]",
            "vmovdqu ymm1, [{from} + 32]",
            "vmovdqu [{to}], ymm0",
            "vmovdqu [{to} + 32], ymm1",
            "add {from}, 64",
            "add {to}, 64",
            "dec {lines}",
            "jnz 2b",
            "vzeroupper",
            from = inout(reg) from => _,
            to = inout(reg) to => _,
            lines = inout(reg) lines => _,
            out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _,
            out("ymm4") _, out("ymm5") _, out("ymm6") _, out("ymm7") _,
            out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _,
            out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
            options(nostack),
        );
    }
}
