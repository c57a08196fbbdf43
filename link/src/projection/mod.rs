//! Projections: latest value, at most once, never repeated (`rse:U1`, `rse:U4`, `decisions:CLU-11`).
//!
//! | offset | bytes | field of a segment |
//! |---:|---:|---|
//! | 0 | 1 | edge |
//! | 1 | 1 | low half: index, high half: segments - 1 |
//! | 2 | 2 | bytes of the projection |
//! | 4 | 8 | boot |
//! | 12 | 8 | sequence |
//! | 20 | | bytes |
//!
//! All segments but the last have the same size, so a segment says by itself where its bytes belong. At an MTU of 1500 over IPv4
//! a segment takes 1 412 bytes: three of them carry 4 232 bytes.

mod edge;
mod reassembly;

pub(crate) use edge::Edge;
pub(crate) use reassembly::Pool;

use crate::frame::{overhead_bytes, u16_at, u64_at};

/// Most segments of a projection.
pub const SEGMENTS_MAX: usize = 8;
/// Bytes before the bytes of a segment.
pub(crate) const SEGMENT_HEADER_BYTES: usize = 20;

/// Bytes of a block of AES.
const BLOCK_BYTES: usize = 16;

/// A segment as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment<'a> {
    pub(crate) edge: u8,
    pub(crate) index: u8,
    pub(crate) count: u8,
    pub(crate) total: u16,
    pub(crate) boot: u64,
    pub(crate) seq: u64,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Segment<'a> {
    /// The fields before the bytes.
    pub(crate) fn head(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut out = [0; SEGMENT_HEADER_BYTES];
        out[0] = self.edge;
        out[1] = self.index | (self.count - 1) << 4;
        out[2..4].copy_from_slice(&self.total.to_le_bytes());
        out[4..12].copy_from_slice(&self.boot.to_le_bytes());
        out[12..].copy_from_slice(&self.seq.to_le_bytes());
        out
    }

    /// `None` when the content is no segment.
    pub(crate) fn parse(content: &'a [u8]) -> Option<Self> {
        if content.len() < SEGMENT_HEADER_BYTES {
            return None;
        }
        let (head, bytes) = content.split_at(SEGMENT_HEADER_BYTES);
        let segment = Self {
            edge: head[0],
            index: head[1] & 15,
            count: (head[1] >> 4) + 1,
            total: u16_at(head, 2),
            boot: u64_at(head, 4),
            seq: u64_at(head, 12),
            bytes,
        };
        let sound = usize::from(segment.count) <= SEGMENTS_MAX && segment.index < segment.count && segment.seq > 0;
        (sound && segment.chunk().is_some()).then_some(segment)
    }

    /// Size of all segments but the last; `None` when the sizes do not fit each other.
    pub(crate) fn chunk(&self) -> Option<usize> {
        let (total, length, count) = (usize::from(self.total), self.bytes.len(), usize::from(self.count));
        if count == 1 {
            return (length == total).then_some(total);
        }
        let chunk = if self.index + 1 < self.count {
            length
        } else {
            let before = total.checked_sub(length)?;
            if length == 0 || before % (count - 1) != 0 {
                return None;
            }
            before / (count - 1)
        };
        (chunk > 0 && chunk * (count - 1) < total && total <= chunk * count).then_some(chunk)
    }
}

/// Bytes of a UDP datagram over a path; `v6` also stands for "not known".
pub(crate) fn datagram_bytes(mtu_bytes: usize, v6: bool) -> usize {
    mtu_bytes.saturating_sub(if v6 { 48 } else { 28 })
}

/// How a projection of `total` bytes is cut for datagrams of `datagram` bytes: (segments, bytes of each but the last).
///
/// # Errors
/// Bytes that would fit, when these do not.
pub(crate) fn cut(total: usize, datagram: usize, version: u8) -> Result<(usize, usize), usize> {
    let room = datagram.saturating_sub(overhead_bytes(version) + SEGMENT_HEADER_BYTES);
    if room == 0 || total > room * SEGMENTS_MAX {
        return Err(room * SEGMENTS_MAX);
    }
    let count = total.div_ceil(room).max(1);
    let least = total.div_ceil(count);
    // Whole cipher blocks are sealed faster, so a segment is filled up to the next one where that leaves the last one something.
    let filled = ((least + SEGMENT_HEADER_BYTES).next_multiple_of(BLOCK_BYTES) - SEGMENT_HEADER_BYTES).min(room);
    Ok((count, if count > 1 && filled * (count - 1) < total { filled } else { least }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]
    use proptest::prelude::*;

    use super::{SEGMENTS_MAX, Segment, cut, datagram_bytes};

    // rse:U1: three segments carry the seed's and the bench's projection at an MTU of 1500, one does over jumbo frames.
    #[test]
    fn segments_by_path() {
        for (bytes, mtu, v6, count) in [
            (4_216, 1_500, false, 3),
            (4_232, 1_500, false, 3),
            (5_120, 1_500, false, 4),
            (5_120, 1_400, false, 4),
            (4_232, 1_400, false, 4),
            (5_120, 9_000, false, 1),
            (8_192, 1_500, true, 6),
            (8_192, 1_280, true, 7),
            (0, 1_500, false, 1),
        ] {
            let (found, chunk) = cut(bytes, datagram_bytes(mtu, v6), 2).unwrap();
            assert_eq!(found, count, "{bytes} bytes at {mtu}");
            assert!(chunk * found >= bytes && chunk + 60 <= mtu - 28);
        }
        assert_eq!(cut(8_192, datagram_bytes(576, false), 2), Err(488 * SEGMENTS_MAX));
    }

    proptest! {
        // rse:U1: what is cut is described by each segment alone.
        #[test]
        fn segments_describe_themselves(total in 1_usize..8_192, datagram in 600_usize..9_000, boot: u64, seq in 1_u64.., edge: u8) {
            if let Ok((count, chunk)) = cut(total, datagram, 1) {
                let bytes: Vec<u8> = (0..total).map(|at| at as u8).collect();
                prop_assert_eq!(bytes.chunks(chunk).count(), count);
                for (index, part) in bytes.chunks(chunk).enumerate() {
                    let segment = Segment { edge, index: index as u8, count: count as u8, total: total as u16, boot, seq, bytes: part };
                    let sent = [&segment.head()[..], part].concat();
                    let parsed = Segment::parse(&sent).unwrap();
                    prop_assert_eq!(parsed, segment);
                    prop_assert_eq!(parsed.chunk(), Some(chunk));
                }
            }
        }

        #[test]
        fn no_segment_reaches_beyond_its_projection(content in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(segment) = Segment::parse(&content) {
                let end = segment.chunk().unwrap() * usize::from(segment.index) + segment.bytes.len();
                prop_assert!(end <= usize::from(segment.total));
            }
        }
    }
}
