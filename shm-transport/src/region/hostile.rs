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

#[cfg(test)]
mod tests {
    use super::super::layout::{Geometry, Header, Layout};
    use super::*;
    use std::sync::atomic::Ordering;

    /// A region over plain memory: what miri can run.
    fn plain(geometry: Geometry, epoch: u64) -> Vec<AtomicU64> {
        let layout = Layout::new(geometry).expect("in range");
        let words: Vec<AtomicU64> = (0..layout.total_bytes() / 8).map(|_| AtomicU64::new(u64::MAX)).collect();
        Header::write(&words, layout, epoch).expect("it fits");
        words
    }

    #[test]
    fn m7_a_fresh_region_over_plain_memory_is_driven() {
        // rse:M7, rse:M1: the whole of a region without a mapping, so that miri sees every access.
        let geometry = Geometry { tori: 2, payload_bytes: 16, slots: 2, ring_records: 2, inject_records: 2 };
        let words = plain(geometry, 9);
        let header = Header::read(&words).expect("sound");
        assert_eq!((header.epoch, header.layout.geometry()), (9, geometry));
        assert!(header.fits(words.len() * 8).is_ok() && header.fits(words.len() * 8 - 8).is_err());
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
        assert!(fuzz_region(&bytes) > 10);
    }

    #[test]
    fn m1_no_two_parts_of_a_region_overlap() {
        // rse:M1: every part of every torus and pair writes its own words: marked in turn, none is marked twice.
        let geometry = Geometry { tori: 3, payload_bytes: 24, slots: 4, ring_records: 2, inject_records: 4 };
        let words = plain(geometry, 1);
        let layout = Layout::new(geometry).expect("in range");
        let mut spans = vec![(0, super::super::layout::HEADER_WORDS)];
        for a in 0..3 {
            spans.extend([layout.line(a), layout.waiter(a), layout.link(a), layout.injection(a)]);
            spans.extend((0..3).map(|b| layout.ack(a, b)));
            spans.extend((0..3).filter(|b| *b != a).map(|b| layout.ring(a, b)));
        }
        spans.sort_unstable();
        assert!(spans.windows(2).all(|pair| pair[0].0 + pair[0].1 == pair[1].0), "gap or overlap: {spans:?}");
        let (first, count) = spans[spans.len() - 1];
        assert_eq!(first + count, words.len());
        assert!(spans.iter().all(|(first, _)| first % crate::words::APART_WORDS == 0), "128 bytes apart");
    }

    #[test]
    fn regions_are_shared_and_sides_move_between_threads() {
        fn shared<T: Send + Sync>() {}
        fn moved<T: Send>() {}
        shared::<super::super::Region>();
        moved::<Side<'static>>();
        moved::<crate::board::BoardWriter<'static>>();
        shared::<crate::board::Board>();
    }
}
