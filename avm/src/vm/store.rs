//! The objects of a lane, with versions: a transaction reads as of its begin, which costs nothing; a commit costs what it touched
//! (`avm:2`, `avm:7.3`). Older versions are kept while somebody here reads them, the newest of them a while longer where other
//! tori read, and never more than a bound of each object.

use std::collections::{BTreeMap, VecDeque};

pub use damage::Damage;

use super::heap::Heap;
use super::past::Past;
use super::word::Value;
use crate::id::{ExecutionId, ObjectId, TxId};

mod damage;

/// Slots of one page.
const PAGE: usize = 256;
const NONE: u32 = u32::MAX;
/// Bits of the counter of a writer, and the largest.
const COUNTER: u32 = 24;
const WRITERS: u32 = (1 << COUNTER) - 1;
/// Versions that linger on a lane, for each older version an object may keep.
const LINGER: usize = 256;

/// An object at one version. Names are numbers, 0 for none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Version {
    pub(super) state: Value,
    /// Stamp of the commit that made it; 0: never.
    pub(super) stamp: u64,
    pub(super) behaviour: u32,
    pub(super) machine: u32,
    pub(super) creating: u32,
    pub(super) current: u32,
    pub(super) exists: bool,
    /// Metadata was lost: only after a damaged restore.
    pub(super) damaged: bool,
}

pub(super) const ABSENT: Version = Version {
    state: super::word::EMPTY,
    stamp: 0,
    behaviour: 0,
    machine: 0,
    creating: 0,
    current: 0,
    exists: false,
    damaged: false,
};

#[derive(Debug, Clone, Copy)]
struct Slot {
    now: Version,
    older: u32,
    /// Torus and counter of the execution that wrote it last; it is of this node.
    writer: u32,
}

#[derive(Debug, Clone, Copy)]
struct Old {
    version: Version,
    older: u32,
}

const _: () = assert!(size_of::<Slot>() <= 56, "an object is to take no more than 120 bytes");

#[derive(Debug)]
struct Page {
    slots: [Slot; PAGE],
    /// Objects that exist.
    live: u32,
    /// Objects that were made.
    made: u32,
}

/// Where an object is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found {
    /// Here, at a version; absent ones too.
    Here(Version),
    /// The version that is asked for is no longer kept.
    Evicted,
    /// On this torus (`decisions:AVM-2`).
    Elsewhere(u8),
}

/// A replica of an object on a machine (`avm:10.4`).
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) state: Value,
    /// Messages it has taken, in order.
    pub(super) inputs: Vec<Value>,
    /// Changes whenever the messages do.
    pub(super) stamp: u64,
}

#[derive(Debug)]
pub(super) struct Store {
    node: u16,
    torus: u8,
    /// Both, as ids of objects made here begin.
    home: u64,
    pages: Vec<Option<Box<Page>>>,
    /// Pages whose objects are all gone, to be given back once no snapshot is open.
    empty: Vec<u32>,
    old: Vec<Old>,
    free_old: u32,
    /// Objects with older versions, by the stamp that superseded them.
    superseded: VecDeque<(u64, ObjectId)>,
    /// Stamps of open snapshots.
    open: Vec<u64>,
    /// Stamp of the newest commit.
    pub(super) clock: u64,
    pub(super) count: u64,
    next: u64,
    most_versions: u32,
    /// Older versions that are kept though nobody here reads them: who reads on another torus opens no snapshot here.
    linger: usize,
    /// Newest commit when pages were given back: what their objects were before is no longer known.
    dropped: u64,
    pub(super) mailboxes: BTreeMap<ObjectId, VecDeque<Value>>,
    pub(super) replicas: BTreeMap<(ObjectId, u32), Replica>,
    replica_stamps: u64,
    /// Objects whose metadata says that it is another's: only in a damaged store.
    misfiled: BTreeMap<ObjectId, ObjectId>,
    /// The last changes, where they are remembered.
    pub(super) past: Option<Box<Past>>,
}

const EMPTY_SLOT: Slot = Slot { now: ABSENT, older: NONE, writer: NONE };

impl Store {
    /// `shared`: executions of other tori read here too.
    pub(super) fn new(node: u16, torus: u8, most_versions: u32, history: u32, shared: bool) -> Self {
        Self {
            node,
            torus,
            home: ObjectId::new(node, torus, 0).0 >> 40,
            pages: Vec::new(),
            empty: Vec::new(),
            old: Vec::new(),
            free_old: NONE,
            superseded: VecDeque::new(),
            open: Vec::new(),
            clock: 0,
            count: 0,
            next: 0,
            most_versions: most_versions.max(1),
            linger: if shared { LINGER * most_versions.saturating_sub(1) as usize } else { 0 },
            dropped: 0,
            mailboxes: BTreeMap::new(),
            replicas: BTreeMap::new(),
            replica_stamps: 0,
            misfiled: BTreeMap::new(),
            past: Past::new(history),
        }
    }

    /// An id that was never given out.
    pub(super) fn fresh(&mut self) -> ObjectId {
        self.next += 1;
        ObjectId::new(self.node, self.torus, self.next - 1)
    }

    /// First id that was not given out.
    pub(super) const fn unused(&self) -> u64 {
        self.next
    }

    #[inline]
    fn slot(&self, id: ObjectId) -> Option<&Slot> {
        let counter = id.counter() as usize;
        self.pages.get(counter / PAGE)?.as_ref().map(|page| &page.slots[counter % PAGE])
    }

    #[inline(always)]
    pub(super) fn is_here(&self, id: ObjectId) -> bool {
        id.0 >> 40 == self.home
    }

    /// The object as of a stamp: the one way to a stored object.
    #[inline]
    pub(super) fn find(&self, id: ObjectId, stamp: u64) -> Found {
        if !self.is_here(id) {
            return if id == crate::id::ROOT || id.node() != self.node {
                Found::Here(ABSENT)
            } else {
                Found::Elsewhere(id.torus())
            };
        }
        let Some(slot) = self.slot(id) else {
            let known = stamp >= self.dropped || id.counter() >= self.next;
            return if known { Found::Here(ABSENT) } else { Found::Evicted };
        };
        if slot.now.stamp <= stamp {
            return Found::Here(slot.now);
        }
        let mut at = slot.older;
        while at != NONE {
            let old = &self.old[at as usize];
            if old.version.stamp <= stamp {
                return Found::Here(old.version);
            }
            at = old.older;
        }
        Found::Evicted
    }

    /// The newest version of an object of this lane.
    #[inline(always)]
    pub(super) fn here(&self, id: ObjectId) -> Option<&Version> {
        if self.is_here(id) { self.slot(id).map(|slot| &slot.now) } else { None }
    }

    /// Gives an object that is there another state at the stamp of now; takes over its reference.
    #[inline]
    pub(super) fn renew(&mut self, heap: &mut Heap, id: ObjectId, state: Value, by: ExecutionId) {
        let stamp = self.clock;
        // What is remembered of changes is remembered in one place; what lingers for other tori has no gaps.
        let alone = self.open.is_empty() && self.linger == 0 && self.past.is_none();
        let writer = self.compact(by);
        let Some(slot) = self.slot_mut(id) else { return };
        if alone {
            let before = std::mem::replace(&mut slot.now.state, state);
            slot.now.stamp = stamp;
            slot.writer = writer;
            heap.release(before);
        } else {
            let version = Version { state, stamp, ..slot.now };
            self.put(heap, id, version, (by, None));
        }
    }

    /// The newest version.
    pub(super) fn newest(&self, id: ObjectId) -> Version {
        if !self.is_here(id) {
            return ABSENT;
        }
        self.slot(id).map_or(ABSENT, |slot| slot.now)
    }

    /// A stamp for what a replica has taken.
    pub(super) fn replica_stamp(&mut self) -> u64 {
        self.replica_stamps += 1;
        self.replica_stamps
    }

    /// Replicas of an object.
    pub(super) fn replicas_of(&self, id: ObjectId) -> impl Iterator<Item = (u32, &Replica)> {
        self.replicas.range((id, 0)..=(id, u32::MAX)).map(|((_, machine), replica)| (*machine, replica))
    }

    /// The object at exactly this version, while it is kept.
    pub(super) fn version(&self, id: ObjectId, stamp: u64) -> Option<Version> {
        match self.find(id, stamp) {
            Found::Here(version) if version.stamp == stamp => Some(version),
            _ => None,
        }
    }

    /// Execution that wrote it last.
    pub(super) fn writer(&self, id: ObjectId) -> Option<ExecutionId> {
        let writer = self.slot(id).map(|slot| slot.writer).filter(|writer| *writer != NONE)?;
        Some(ExecutionId::new(self.node, (writer >> COUNTER) as u8, u64::from(writer & WRITERS)))
    }

    /// An execution in the room a slot has; those beyond the first 16 million of a torus have none.
    fn compact(&self, by: ExecutionId) -> u32 {
        if by.node() == self.node && by.counter() < u64::from(WRITERS) {
            u32::from(by.torus()) << COUNTER | by.counter() as u32
        } else {
            NONE
        }
    }

    /// Opens a snapshot of now.
    #[inline]
    pub(super) fn begin(&mut self) -> u64 {
        self.open.push(self.clock);
        self.clock
    }

    /// Opens a snapshot that was taken before: its owner gives way while it reads.
    pub(super) fn keep(&mut self, stamp: u64) {
        self.open.push(stamp);
    }

    /// Closes a snapshot.
    #[inline]
    pub(super) fn end(&mut self, heap: &mut Heap, stamp: u64) {
        if let Some(at) = self.open.iter().rposition(|open| *open == stamp) {
            self.open.swap_remove(at);
        }
        self.tidy(heap);
    }

    /// Older versions that nobody reads any more go, and pages whose objects are gone.
    #[inline]
    pub(super) fn tidy(&mut self, heap: &mut Heap) {
        if self.superseded.len() > self.linger {
            self.prune(heap);
        }
        if !self.empty.is_empty() && self.open.is_empty() {
            self.give_back(heap);
        }
    }

    /// Pages whose objects are gone.
    #[cold]
    fn give_back(&mut self, heap: &mut Heap) {
        for page in std::mem::take(&mut self.empty) {
            for at in 0..PAGE {
                let counter = (page as usize * PAGE + at) as u64;
                self.cut(heap, ObjectId::new(self.node, self.torus, counter), |_, _| true);
            }
            self.pages[page as usize] = None;
        }
        self.dropped = self.clock;
    }

    #[cold]
    fn prune(&mut self, heap: &mut Heap) {
        let oldest = self.open.iter().copied().min().unwrap_or(u64::MAX);
        while let Some((stamp, id)) = self.superseded.front().copied() {
            if stamp > oldest || self.superseded.len() <= self.linger {
                break;
            }
            self.superseded.pop_front();
            self.cut(heap, id, |_, version| version.stamp <= stamp);
        }
    }

    /// Drops what is older than the first version that satisfies `last`.
    fn cut(&mut self, heap: &mut Heap, id: ObjectId, last: impl Fn(u32, &Version) -> bool) {
        let Some(slot) = self.slot(id) else { return };
        let mut keep = !last(0, &slot.now);
        let mut at = slot.older;
        let mut before = NONE;
        let mut kept = 0;
        while at != NONE {
            let old = self.old[at as usize];
            if keep {
                kept += 1;
                keep = !last(kept, &old.version);
                before = at;
            } else {
                self.unlink(id, before);
                heap.release(old.version.state);
                self.old[at as usize].older = self.free_old;
                self.free_old = at;
            }
            at = old.older;
        }
    }

    /// Makes the version before which older ones were cut the last.
    fn unlink(&mut self, id: ObjectId, before: u32) {
        if before != NONE {
            self.old[before as usize].older = NONE;
        } else if let Some(slot) = self.slot_mut(id) {
            slot.older = NONE;
        }
    }

    fn slot_mut(&mut self, id: ObjectId) -> Option<&mut Slot> {
        let counter = id.counter() as usize;
        self.pages.get_mut(counter / PAGE)?.as_mut().map(|page| &mut page.slots[counter % PAGE])
    }

    /// Makes a version the newest; takes over the reference of its state. The writer's own snapshot is closed before.
    pub(super) fn put(&mut self, heap: &mut Heap, id: ObjectId, version: Version, by: (ExecutionId, Option<TxId>)) {
        let writer = self.compact(by.0);
        let counter = id.counter() as usize;
        if counter / PAGE >= self.pages.len() {
            self.pages.resize_with(counter / PAGE + 1, || None);
        }
        let fresh = || Box::new(Page { slots: [EMPTY_SLOT; PAGE], live: 0, made: 0 });
        let page = self.pages[counter / PAGE].get_or_insert_with(fresh);
        let slot = &mut page.slots[counter % PAGE];
        let before = slot.now;
        match (before.exists, version.exists) {
            (false, true) => {
                self.count += 1;
                page.live += 1;
                page.made += 1;
            }
            (true, false) => {
                self.count -= 1;
                page.live -= 1;
                if page.live == 0 && page.made as usize == PAGE {
                    self.empty.push((counter / PAGE) as u32);
                }
            }
            _ => {}
        }
        slot.now = version;
        slot.writer = writer;
        if let Some(past) = &mut self.past {
            past.note(id, &before, &version, by.0, by.1);
        }
        if self.open.is_empty() && self.linger == 0 {
            heap.release(before.state);
            return;
        }
        let old = Old { version: before, older: slot.older };
        if self.free_old == NONE {
            slot.older = self.old.len() as u32;
            self.old.push(old);
        } else {
            slot.older = self.free_old;
            let at = self.free_old as usize;
            self.free_old = self.old[at].older;
            self.old[at] = old;
        }
        self.superseded.push_back((version.stamp, id));
        let most = self.most_versions;
        self.cut(heap, id, |kept, _| kept >= most);
    }

    /// Existing objects from an id on, ascending.
    pub(super) fn from(&self, first: u64) -> impl Iterator<Item = (ObjectId, Version)> + '_ {
        let start = first as usize / PAGE;
        self.pages.iter().enumerate().skip(start).flat_map(move |(page, slots)| {
            let slots = slots.as_ref().map(|page| &page.slots[..]).unwrap_or_default();
            slots.iter().enumerate().filter_map(move |(at, slot)| {
                let counter = (page * PAGE + at) as u64;
                (slot.now.exists && counter >= first).then(|| (ObjectId::new(self.node, self.torus, counter), slot.now))
            })
        })
    }

    /// The first existing object from an id on.
    pub(super) fn first_from(&self, first: u64) -> Option<(ObjectId, Version)> {
        let mut counter = first as usize;
        loop {
            let page = self.pages.get(counter / PAGE)?.as_ref();
            let found = page.and_then(|page| page.slots[counter % PAGE..].iter().position(|slot| slot.now.exists));
            if let (Some(page), Some(at)) = (page, found) {
                let version = page.slots[counter % PAGE + at].now;
                return Some((ObjectId::new(self.node, self.torus, (counter + at) as u64), version));
            }
            counter = (counter / PAGE + 1) * PAGE;
        }
    }

    /// Gives back everything.
    pub(super) fn clear(&mut self, heap: &mut Heap) {
        for page in self.pages.drain(..).flatten() {
            page.slots.iter().for_each(|slot| heap.release(slot.now.state));
        }
        let free: std::collections::BTreeSet<u32> =
            std::iter::successors(Some(self.free_old), |at| self.old.get(*at as usize).map(|old| old.older)).collect();
        for (at, old) in self.old.drain(..).enumerate() {
            if !free.contains(&(at as u32)) {
                heap.release(old.version.state);
            }
        }
        self.free_old = NONE;
        std::mem::take(&mut self.mailboxes).into_values().flatten().for_each(|value| heap.release(value));
        for replica in std::mem::take(&mut self.replicas).into_values() {
            heap.release(replica.state);
            replica.inputs.into_iter().for_each(|value| heap.release(value));
        }
    }
}
