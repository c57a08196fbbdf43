//! Members interned to dense indexes, sets of them as bitmaps; fixed capacity, no allocation.

use crate::id::NodeId;

/// Members a word of a bitmap holds; the capacity of a machine is a multiple of it.
pub const WORD: usize = 64;

/// A set of dense indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Set<const W: usize>([u64; W]);

impl<const W: usize> Set<W> {
    pub(super) const EMPTY: Set<W> = Set([0; W]);

    #[inline]
    pub(super) fn has(&self, index: usize) -> bool {
        self.0.get(index / WORD).is_some_and(|word| word >> (index % WORD) & 1 == 1)
    }

    #[inline]
    pub(super) fn put(&mut self, index: usize) {
        if let Some(word) = self.0.get_mut(index / WORD) {
            *word |= 1 << (index % WORD);
        }
    }

    #[inline]
    pub(super) fn take(&mut self, index: usize) {
        if let Some(word) = self.0.get_mut(index / WORD) {
            *word &= !(1 << (index % WORD));
        }
    }
}

/// A list of ids in the order they came.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Roll<const W: usize> {
    ids: [[NodeId; WORD]; W],
    count: u16,
}

impl<const W: usize> Roll<W> {
    pub(super) const CAPACITY: usize = W * WORD;

    pub(super) const fn new() -> Roll<W> {
        Roll { ids: [[NodeId::NONE; WORD]; W], count: 0 }
    }

    #[inline]
    pub(super) fn list(&self) -> &[NodeId] {
        &self.ids.as_flattened()[..usize::from(self.count)]
    }

    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.count as usize
    }

    /// False when the roll is full.
    #[inline]
    pub(super) fn push(&mut self, id: NodeId) -> bool {
        match self.ids.as_flattened_mut().get_mut(usize::from(self.count)) {
            Some(slot) => {
                *slot = id;
                self.count += 1;
                true
            }
            None => false,
        }
    }

    /// Where the id stands first. Whole blocks are compared at once: the compiler makes vector code of it.
    #[inline]
    pub(super) fn find(&self, id: NodeId) -> Option<usize> {
        const BLOCK: usize = 16;
        let list = self.list();
        let (blocks, tail) = list.as_chunks::<BLOCK>();
        for (at, block) in blocks.iter().enumerate() {
            let mut hits = 0_u32;
            for (bit, &there) in block.iter().enumerate() {
                hits |= u32::from(there.get() == id.get()) << bit;
            }
            if hits != 0 {
                return Some(at * BLOCK + hits.trailing_zeros() as usize);
            }
        }
        tail.iter().position(|&there| there == id).map(|at| blocks.len() * BLOCK + at)
    }

    /// Takes the id out and closes the gap; the order of the others stays.
    pub(super) fn remove(&mut self, id: NodeId) {
        if let Some(at) = self.find(id) {
            let count = usize::from(self.count);
            let ids = self.ids.as_flattened_mut();
            ids.copy_within(at + 1..count, at);
            ids[count - 1] = NodeId::NONE;
            self.count -= 1;
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Roll::new();
    }

    /// Orders the list by id: for states that are compared without their history.
    pub(super) fn sort(&mut self) {
        let count = usize::from(self.count);
        self.ids.as_flattened_mut()[..count].sort_unstable();
    }
}
