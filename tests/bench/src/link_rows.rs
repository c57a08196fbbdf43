//! Sealing by the link against the bare AEAD, interleaved. The bar is held against the same datagrams: as many pieces, as many bytes,
//! the same associated data, copied once. The bare content without segment headers and associated data, in pieces or whole, stands
//! beside it.

use std::hint::black_box;

use link::aead::Algorithm;
use link::bench::Sealing;

use crate::measure::{interleave, ns_per_call, pin, unpin};
use crate::report::{Bar, Row, median};

const ROUNDS: usize = 15;
const CALLS: u32 = 1_000;
const ALIKE: &str = "bare AEAD, same datagrams";

/// Content, path MTU, datagrams.
const CASES: [(usize, usize, usize); 4] = [(5_120, 1_500, 4), (4_232, 1_500, 3), (5_120, 9_000, 1), (4_232, 9_000, 1)];

fn projection_row(algorithm: Algorithm, cipher: &str, (bytes, mtu, pieces): (usize, usize, usize)) -> Row {
    let mut ours = Sealing::new(algorithm, bytes, mtu);
    let mut bare = Sealing::new(algorithm, bytes, mtu);
    let pairs = interleave(
        ROUNDS,
        || ns_per_call(CALLS, || assert!(black_box(ours.projection()).is_ok(), "it fits the path")),
        || ns_per_call(CALLS, || assert!(black_box(bare.raw_alike(pieces)) > bytes, "sealed")),
    );
    let mut beside = |pieces: usize| -> f64 {
        let runs = (0..7).map(|_| ns_per_call(CALLS, || assert!(black_box(bare.raw(pieces)) > bytes, "sealed")));
        median(runs.collect())
    };
    let (cut, whole) = (beside(pieces), beside(1));
    let bar = if algorithm == Algorithm::Aes128Gcm || mtu == 1_500 { Bar::AtMost(1.2) } else { Bar::None };
    let name = format!("link seals a projection, {cipher}, {bytes} B over MTU {mtu}");
    let row = Row::against(name, "ns", &pairs, ALIKE, bar);
    let ours_ns = row.value;
    row.note(format!(
        "{pieces} datagram(s); content alone, no associated data: in pieces {cut:.0} ns ({:.2}x), whole {whole:.0} ns ({:.2}x)",
        ours_ns / cut,
        ours_ns / whole
    ))
}

fn message_row(algorithm: Algorithm, cipher: &str) -> Row {
    let mut ours = Sealing::new(algorithm, 64, 1_500);
    let mut bare = Sealing::new(algorithm, 64, 1_500);
    let pairs = interleave(
        ROUNDS,
        || ns_per_call(CALLS, || assert!(black_box(ours.message()).is_ok(), "it fits the path")),
        || ns_per_call(CALLS, || assert!(black_box(bare.raw_alike(1)) > 64, "sealed")),
    );
    let name = format!("link seals a message, {cipher}, 64 B");
    Row::against(name, "ns", &pairs, ALIKE, Bar::None)
        .note("one of 31 sessions is looked up, header and counter are written; the bare one seals 20 B more")
}

/// All rows of this section.
pub fn rows() -> Vec<Row> {
    pin(0);
    let mut rows = Vec::new();
    for (algorithm, cipher) in
        [(Algorithm::Aes128Gcm, "AES-128-GCM"), (Algorithm::ChaCha20Poly1305, "ChaCha20-Poly1305")]
    {
        rows.extend(CASES.map(|case| projection_row(algorithm, cipher, case)));
        rows.push(message_row(algorithm, cipher));
    }
    unpin();
    rows
}
