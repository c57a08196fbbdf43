//! Places for datagrams that wait to be sent: payload, address, segment size and the kernel's header of each, at fixed addresses.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ptr;

use memmap2::MmapMut;
use nix::libc;

use super::Counters;
use super::wire::{Family, NAME_BYTES, SEGMENT_BYTES, put_address, put_segment};

/// Bytes of one place: eight segments of a projection, or one jumbo frame, with room to spare.
pub(super) const PLACE_BYTES: usize = 16 * 1024;
/// The kernel takes at most so many segments in one send (UDP_MAX_SEGMENTS of older kernels).
const SEGMENTS_MAX: usize = 64;

/// Everything the kernel follows while it sends one place; boxed, so that it does not move.
struct Head {
    header: libc::msghdr,
    bytes: libc::iovec,
    name: [u8; NAME_BYTES],
    control: [u8; SEGMENT_BYTES],
    datagrams: u32,
}

/// The places. One is free, queued, or with the kernel.
pub(super) struct Places {
    heads: Box<[Head]>,
    memory: MmapMut,
    free: Vec<u16>,
    queued: VecDeque<u16>,
    family: Family,
    /// Whether the kernel makes the segments.
    gso: bool,
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Places").field("free", &self.free.len()).field("queued", &self.queued.len()).finish()
    }
}

impl Places {
    pub(super) fn new(count: u16, family: Family, gso: bool) -> std::io::Result<Self> {
        let mut memory = MmapMut::map_anon(usize::from(count) * PLACE_BYTES)?;
        let base = memory.as_mut_ptr();
        let mut heads: Box<[Head]> = (0..usize::from(count))
            .map(|at| Head {
                header: empty_header(),
                bytes: libc::iovec { iov_base: base.wrapping_add(at * PLACE_BYTES).cast(), iov_len: 0 },
                name: [0; NAME_BYTES],
                control: [0; SEGMENT_BYTES],
                datagrams: 0,
            })
            .collect();
        for head in &mut heads {
            head.header.msg_name = (&raw mut head.name).cast();
            head.header.msg_iov = &raw mut head.bytes;
            head.header.msg_iovlen = 1;
            head.header.msg_control = (&raw mut head.control).cast();
        }
        let queued = VecDeque::with_capacity(usize::from(count));
        Ok(Self { heads, memory, free: (0..count).rev().collect(), queued, family, gso })
    }

    pub(super) fn gso(&self) -> bool {
        self.gso
    }

    /// The kernel makes no segments here: from now on each datagram goes alone.
    pub(super) fn stop_gso(&mut self) {
        self.gso = false;
    }

    pub(super) fn has_free(&self, count: usize) -> bool {
        self.free.len() >= count
    }

    /// Places that one [`Places::queue`] takes.
    pub(super) fn needed(&self, length: usize, segment: Option<u16>) -> usize {
        match segment {
            Some(size) if !self.together(length, size) => length.div_ceil(usize::from(size.max(1))).max(1),
            _ => 1,
        }
    }

    fn together(&self, length: usize, size: u16) -> bool {
        self.gso && length <= PLACE_BYTES && length.div_ceil(usize::from(size.max(1))) <= SEGMENTS_MAX
    }

    /// Copies a datagram, or several of `segment` bytes, into places that are free. `false` = counted and not queued.
    pub(super) fn queue(
        &mut self,
        to: &SocketAddr,
        bytes: &[u8],
        segment: Option<u16>,
        counters: &mut Counters,
    ) -> bool {
        let segment = segment.filter(|size| *size > 0 && usize::from(*size) < bytes.len());
        let longest = segment.map_or(bytes.len(), usize::from);
        if longest > PLACE_BYTES {
            counters.too_long += 1;
            return false;
        }
        if !self.has_free(self.needed(bytes.len(), segment)) {
            counters.queue_full += 1;
            return false;
        }
        match segment {
            Some(size) if !self.together(bytes.len(), size) => {
                let mut pieces = bytes.chunks(usize::from(size));
                pieces.all(|piece| self.put(to, piece, None, counters))
            }
            segment => self.put(to, bytes, segment, counters),
        }
    }

    fn put(&mut self, to: &SocketAddr, bytes: &[u8], segment: Option<u16>, counters: &mut Counters) -> bool {
        let Some(at) = self.free.pop() else { return false };
        let head = &mut self.heads[usize::from(at)];
        let Some(length) = put_address(to, self.family, &mut head.name) else {
            self.free.push(at);
            counters.send_failed += 1;
            counters.send_errno = libc::EAFNOSUPPORT;
            return false;
        };
        let from = usize::from(at) * PLACE_BYTES;
        self.memory[from..from + bytes.len()].copy_from_slice(bytes);
        head.header.msg_namelen = length;
        head.bytes.iov_len = bytes.len();
        head.header.msg_controllen = if segment.is_some() { SEGMENT_BYTES } else { 0 };
        head.control = put_segment(segment.unwrap_or(0));
        head.datagrams = segment.map_or(1, |size| bytes.len().div_ceil(usize::from(size)) as u32);
        self.queued.push_back(at);
        true
    }

    /// The longest waiting place, now with the kernel until [`Places::done`].
    pub(super) fn take(&mut self) -> Option<u16> {
        self.queued.pop_front()
    }

    /// Puts a place back to the front: it could not be handed over.
    pub(super) fn untake(&mut self, at: u16) {
        self.queued.push_front(at);
    }

    pub(super) fn queued(&self) -> usize {
        self.queued.len()
    }

    /// What the kernel follows to send a place; valid as long as these places live.
    pub(super) fn header(&self, at: u16) -> *const libc::msghdr {
        &raw const self.heads[usize::from(at)].header
    }

    /// Counts how a send ended: bytes sent, or a negative error number. The place is not free yet.
    pub(super) fn ended(&mut self, at: u16, result: i64, counters: &mut Counters) {
        let Some(head) = self.heads.get(usize::from(at)) else { return };
        if result >= 0 {
            counters.sent += u64::from(head.datagrams);
            counters.sent_bytes += result as u64;
            return;
        }
        counters.send_failed += 1;
        counters.send_errno = -result as i32;
        let segmented = head.header.msg_controllen != 0;
        // EIO: the device sums no checksums for segments. EINVAL, EMSGSIZE: a segment is longer than the path takes.
        if segmented && matches!(counters.send_errno, libc::EIO | libc::EINVAL | libc::EMSGSIZE) {
            self.gso = false;
        }
    }

    /// The kernel no longer looks at a place.
    pub(super) fn done(&mut self, at: u16) {
        debug_assert!(self.free.len() < self.heads.len(), "each place is freed once");
        self.free.push(at);
    }
}

pub(super) const fn empty_header() -> libc::msghdr {
    libc::msghdr {
        msg_name: ptr::null_mut(),
        msg_namelen: 0,
        msg_iov: ptr::null_mut(),
        msg_iovlen: 0,
        msg_control: ptr::null_mut(),
        msg_controllen: 0,
        msg_flags: 0,
    }
}
