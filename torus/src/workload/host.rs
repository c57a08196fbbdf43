//! The seed's two host loops (rse section 9), with the checksums it publishes: work for a core that has nothing to do with a torus.

/// Operations of [`compute`].
pub const COMPUTE_OPERATIONS: u64 = 400_000;
/// What [`compute`] returns.
pub const COMPUTE_CHECKSUM: u64 = 4_180_332_335_208_930_419;
/// Operations of [`init_compute`] on the tori A and C.
pub const INIT_COMPUTE_OPERATIONS: u64 = 2_000_000;
/// What [`init_compute`] returns for [`INIT_COMPUTE_OPERATIONS`].
pub const INIT_COMPUTE_CHECKSUM: u64 = 9_791_868_472_914_447_520;

const VALUES: usize = 100_000;
const PASSES: u32 = 4;

/// xorshift64 with shifts 13, 7, 17.
const fn xorshift(mut state: u64) -> u64 {
    state ^= state << 13;
    state ^= state >> 7;
    state ^ state << 17
}

/// Workload `compute`: 100 000 xorshift64 values, four passes over them (odd: v ^= v << 13, even: v += v >> 3), sum of all values after
/// each pass.
#[must_use]
pub fn compute() -> u64 {
    let mut state = 0x1234_5678_9ABC_DEF0;
    let mut values: Vec<u64> = (0..VALUES)
        .map(|_| {
            state = xorshift(state);
            state
        })
        .collect();
    let mut sum = 0u64;
    for _ in 0..PASSES {
        for value in &mut values {
            *value = if *value % 2 == 1 { *value ^ *value << 13 } else { value.wrapping_add(*value >> 3) };
            sum = sum.wrapping_add(*value);
        }
    }
    sum
}

/// Workload `init-compute`: an accumulator that takes in `operations` xorshift64 values plus twice their number.
#[must_use]
pub fn init_compute(operations: u64) -> u64 {
    let mut state = 0xFEED_BEEF_CAFE_BABE;
    let mut accumulator = 0u64;
    for at in 0..operations {
        state = xorshift(state);
        accumulator ^= state.wrapping_add(at.wrapping_mul(2));
    }
    accumulator
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_loops_give_the_published_checksums() {
        assert_eq!(compute(), COMPUTE_CHECKSUM);
        assert_eq!(init_compute(INIT_COMPUTE_OPERATIONS), INIT_COMPUTE_CHECKSUM);
    }
}
