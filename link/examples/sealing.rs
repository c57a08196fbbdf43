//! Times sealing by the link against the bare AEAD, alternating: `cargo run --release -p trefoil-link --example sealing`.
#![allow(clippy::print_stdout, reason = "an example prints what it measured")]

use std::time::Instant;

use link::aead::Algorithm;
use link::bench::Sealing;

/// Few calls a round and the best of many rounds: on a busy machine only the undisturbed rounds say something.
const CALLS: u32 = 100;
const ROUNDS: usize = 3_000;

fn ns_of(mut work: impl FnMut()) -> f64 {
    let begin = Instant::now();
    (0..CALLS).for_each(|_| work());
    begin.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

fn best(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn main() {
    for algorithm in [Algorithm::Aes128Gcm, Algorithm::ChaCha20Poly1305] {
        for (bytes, mtu, pieces) in [(4_232, 1_500, 3), (5_120, 1_500, 4), (4_232, 9_000, 1), (5_120, 9_000, 1)] {
            let mut sealing = Sealing::new(algorithm, bytes, mtu);
            let (mut link, mut raw, mut whole, mut alike) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                link.push(ns_of(|| assert!(sealing.projection().is_ok())));
                raw.push(ns_of(|| assert!(sealing.raw(pieces) > 0)));
                alike.push(ns_of(|| assert!(sealing.raw_alike(pieces) > 0)));
                whole.push(ns_of(|| assert!(sealing.raw(1) > 0)));
            }
            let (link, raw, whole, alike) = (best(&link), best(&raw), best(&whole), best(&alike));
            println!(
                "{algorithm:?} {bytes} B at {mtu}: link {link:.0} ns, raw of the same datagrams {alike:.0} ns ({:.2}x), raw in {pieces} pieces {raw:.0} ns ({:.2}x), \
                 raw whole {whole:.0} ns ({:.2}x)",
                link / alike,
                link / raw,
                link / whole
            );
        }
    }
}
