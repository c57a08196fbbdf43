//! Receive buffers that the kernel picks from: a provided buffer ring and the memory it points into.

use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;
use memmap2::MmapMut;

/// The only group of a ring.
pub(super) const GROUP: u16 = 0;

/// `count` buffers of `bytes` each. A buffer belongs to the kernel from [`Buffers::give`] until a completion names it.
#[derive(Debug)]
pub(super) struct Buffers {
    entries: MmapMut,
    memory: MmapMut,
    count: u16,
    bytes: usize,
    tail: u16,
}

impl Buffers {
    /// Takes the memory; nothing is registered yet. `count` is a power of two.
    pub(super) fn new(count: u16, bytes: usize) -> io::Result<Self> {
        debug_assert!(count.is_power_of_two());
        let entries = MmapMut::map_anon(usize::from(count) * size_of::<BufRingEntry>())?;
        let memory = MmapMut::map_anon(usize::from(count) * bytes)?;
        Ok(Self { entries, memory, count, bytes, tail: 0 })
    }

    /// Registers the ring of buffers and gives all of them to the kernel.
    pub(super) fn register(&mut self, ring: &IoUring) -> io::Result<()> {
        let address = self.entries.as_ptr() as u64;
        // SAFETY: the entries are page-aligned memory of `count` entries; `super::ring::Ring` unregisters them (by closing the
        // ring) before they are unmapped. Test: udp::tests::segments_arrive_as_datagrams.
        unsafe { ring.submitter().register_buf_ring_with_flags(address, self.count, GROUP, 0)? };
        for id in 0..self.count {
            self.put(id);
        }
        self.publish();
        Ok(())
    }

    /// Gives a buffer back to the kernel.
    pub(super) fn give(&mut self, id: u16) {
        self.put(id);
        self.publish();
    }

    fn put(&mut self, id: u16) {
        let at = usize::from(self.tail & (self.count - 1));
        let start = usize::from(id) * self.bytes;
        assert!(start + self.bytes <= self.memory.len(), "the kernel names only buffers that it was given");
        let address = self.memory.as_ptr() as u64 + start as u64;
        let entries = self.entries.as_mut_ptr().cast::<BufRingEntry>();
        // SAFETY: `at` is below `count`, the mapping holds `count` entries and is page-aligned. The kernel reads an entry only
        // after the tail has passed it, and never writes one. The fields set leave out the tail, which lies in entry 0.
        // Test: udp::tests::more_than_all_buffers_pass.
        let entry = unsafe { &mut *entries.add(at) };
        entry.set_addr(address);
        entry.set_len(self.bytes as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
    }

    fn publish(&self) {
        let entries = self.entries.as_ptr().cast::<BufRingEntry>();
        // SAFETY: the address of the first entry of a mapped ring; the tail is an aligned u16 that the kernel reads with
        // acquire, and only this side writes. Test: udp::tests::more_than_all_buffers_pass.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(entries).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }

    /// The first `length` bytes of a buffer that a completion named and that was not given back.
    pub(super) fn filled(&mut self, id: u16, length: usize) -> Option<&mut [u8]> {
        let start = usize::from(id).checked_mul(self.bytes)?;
        self.memory.get_mut(start..start + length.min(self.bytes))
    }

    pub(super) fn count(&self) -> u16 {
        self.count
    }
}
