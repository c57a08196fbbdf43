//! Any bytes as a region: every reader and every writer is driven over them (`rse:M7`).

use super::side::Side;
use super::view::View;
use super::{INJECT_WORDS, RECORD_WORDS};
use std::sync::atomic::AtomicU64;

/// Bytes beyond this are ignored: a fuzzer needs small regions, and a header may promise terabytes.
const BYTES_MAX: usize = 1 << 20;
/// Steps of each reader.
const STEPS: usize = 40;

/// Takes `bytes` for a region and uses all of it. Must return for every input; what it returns counts what was taken,
/// so that a test can tell driving from refusing.
#[doc(hidden)]
pub fn fuzz_region(bytes: &[u8]) -> u64 {
    let bytes = &bytes[..bytes.len().min(BYTES_MAX)];
    let words: Vec<AtomicU64> = bytes
        .chunks_exact(8)
        .map(|chunk| AtomicU64::new(chunk.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))))
        .collect();
    let Ok(view) = View::new(&words) else { return 0 };
    let mut taken = 1;
    taken += view.lines().filter(|line| line.is_occupied()).count() as u64;
    taken += view.all_unread().count() as u64;
    for torus in 0..view.tori() {
        taken += drive_readers(&view, torus);
        taken += drive_side(view, torus);
    }
    taken
}

fn drive_readers(view: &View<'_>, torus: u8) -> u64 {
    let mut taken = 0;
    let mut out = vec![0u64; view.layout().geometry().payload_words()];
    if let Some(mut reader) = view.reader(torus) {
        for _ in 0..STEPS {
            taken += u64::from(matches!(reader.read(&mut out), crate::slot::Read::Fresh { .. }));
        }
    }
    if let Some(injector) = view.injector(torus) {
        for _ in 0..4 {
            taken += u64::from(injector.send(&[7; INJECT_WORDS]).is_ok());
        }
    }
    for writer in 0..view.tori() {
        taken += u64::from(view.ack(torus, writer).is_some_and(|ack| ack.seq != 0));
    }
    taken
}

/// Takes the torus as a boot would, on whatever the bytes hold, and uses every part of its side.
fn drive_side(view: View<'_>, torus: u8) -> u64 {
    let line = view.line(torus);
    let seen = line.view();
    if !line.take(&seen, 0x5eed, crate::liveness::Process::default()) {
        return 0;
    }
    let mut side = Side::new(view, torus, 0x5eed, seen);
    let payload = vec![3u64; view.layout().geometry().payload_words()];
    let mut taken = u64::from(side.beat(1).is_ok());
    taken += side.publish(2, &payload).min(1);
    for peer in (0..view.tori()).filter(|peer| *peer != torus) {
        let _ = side.ack(peer, 1, 2);
        let _ = side.nack(peer, 3);
        taken += u64::from(side.acked_by(peer).is_ok_and(|ack| ack.boot != 0));
        if let Ok((mut sender, _)) = side.sender(peer) {
            for _ in 0..STEPS {
                taken += u64::from(sender.send(&[1; RECORD_WORDS]).is_ok());
            }
        }
        if let Ok((mut receiver, _)) = side.receiver(peer) {
            let mut record = [0u64; RECORD_WORDS];
            for _ in 0..STEPS {
                taken += u64::from(matches!(receiver.recv(&mut record), Ok(true)));
            }
        }
    }
    if let Ok((mut injections, _)) = side.injections() {
        let mut record = [0u64; INJECT_WORDS];
        for step in 0..STEPS as u64 {
            taken += u64::from(matches!(injections.recv(&mut record), Ok(true)));
            let _ = injections.skip_stuck(step, 3);
        }
    }
    side.retire();
    taken
}
