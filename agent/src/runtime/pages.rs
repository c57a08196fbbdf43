//! The status page of the node on its board (`decisions:NODE-15`): who writes which link, and the node's own way to read it.

use std::path::Path;

use control::Snapshot;
use control::avm::AvmPage;
use control::cluster::ClusterPage;
use control::page::{
    EventsPage, HostPage, MAX_TORI, NodePage, SLOT_AVM, SLOT_CLUSTER, SLOT_EVENTS, SLOT_HOST, SLOT_NODE, SLOT_TORUS,
    TorusPage,
};
use shm_transport::board::{Board, BoardError, BoardReader, BoardWriter};
use shm_transport::slot::Read;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Versions of a record kept beside the newest one, so that a slow reader is not overtaken.
const SLOTS: u32 = 8;
/// The log is large and written at most ten times a second.
const EVENT_SLOTS: u32 = 4;

/// Rounds of reading a record that is being written.
const TRIES: u32 = 16;

/// The links of the status page for a node of `tori` tori: (payload bytes, slots).
#[must_use]
pub fn links(tori: usize) -> Vec<(u32, u32)> {
    let mut links = vec![
        (size_of::<NodePage>() as u32, SLOTS),
        (size_of::<HostPage>() as u32, SLOTS),
        (size_of::<EventsPage>() as u32, EVENT_SLOTS),
        (size_of::<ClusterPage>() as u32, EVENT_SLOTS),
        (size_of::<AvmPage>() as u32, EVENT_SLOTS),
    ];
    links.extend(std::iter::repeat_n((size_of::<TorusPage>() as u32, SLOTS), tori.min(MAX_TORI)));
    links
}

/// A record as words.
fn words<T: IntoBytes + Immutable>(page: &T) -> &[u64] {
    <[u64]>::ref_from_bytes(page.as_bytes())
        .expect("the records are 8-byte aligned and a whole number of words: see below")
}

const _: () = assert!(align_of::<NodePage>() == 8 && size_of::<NodePage>().is_multiple_of(8));
const _: () = assert!(align_of::<HostPage>() == 8 && size_of::<HostPage>().is_multiple_of(8));
const _: () = assert!(align_of::<EventsPage>() == 8 && size_of::<EventsPage>().is_multiple_of(8));
const _: () = assert!(align_of::<ClusterPage>() == 8 && size_of::<ClusterPage>().is_multiple_of(8));
const _: () = assert!(align_of::<AvmPage>() == 8 && size_of::<AvmPage>().is_multiple_of(8));
const _: () = assert!(align_of::<TorusPage>() == 8 && size_of::<TorusPage>().is_multiple_of(8));

/// The board of the node.
#[derive(Debug)]
pub struct Pages {
    board: Board,
    reader: BoardReader,
    tori: usize,
}

impl Pages {
    /// Makes the page file. `mode` and `group` are its access control.
    ///
    /// # Errors
    /// As [`Board::create`] and [`BoardReader::open`].
    pub fn create(path: &Path, mode: u32, group: Option<u32>, tori: usize) -> Result<Self, BoardError> {
        let board = Board::create(path, mode, group, &links(tori))?;
        let reader = BoardReader::open(path)?;
        Ok(Self { board, reader, tori })
    }

    /// Writes the node's record and moves the heartbeat of the page.
    pub fn write_node(&self, now_ns: u64, page: &NodePage) {
        self.write(SLOT_NODE, now_ns, words(page));
        self.board.beat(now_ns);
    }

    /// Writes the host's record.
    pub fn write_host(&self, now_ns: u64, page: &HostPage) {
        self.write(SLOT_HOST, now_ns, words(page));
    }

    /// Writes the event log.
    pub fn write_events(&self, now_ns: u64, page: &EventsPage) {
        self.write(SLOT_EVENTS, now_ns, words(page));
    }

    /// Writes the cluster's record.
    pub fn write_cluster(&self, now_ns: u64, page: &ClusterPage) {
        self.write(SLOT_CLUSTER, now_ns, words(page));
    }

    /// Writes the AVM's record.
    pub fn write_avm(&self, now_ns: u64, page: &AvmPage) {
        self.write(SLOT_AVM, now_ns, words(page));
    }

    fn write(&self, link: usize, now_ns: u64, words: &[u64]) {
        if let Ok(mut writer) = self.board.writer(link) {
            writer.publish(now_ns, words);
        }
    }

    /// The writer of a torus's record, for its own thread.
    ///
    /// # Errors
    /// When there is no such torus.
    pub fn torus_writer(&self, index: usize) -> Result<TorusWriter<'_>, BoardError> {
        Ok(TorusWriter { writer: self.board.writer(SLOT_TORUS + index)? })
    }

    /// The newest record of a torus; zero when it wrote none.
    #[must_use]
    pub fn torus(&self, index: usize) -> Box<TorusPage> {
        self.read(SLOT_TORUS + index)
    }

    /// Changes the last record of a torus whose thread has ended.
    pub fn amend_torus(&self, index: usize, now_ns: u64, change: impl FnOnce(&mut TorusPage)) {
        let mut page = self.read::<TorusPage>(SLOT_TORUS + index);
        change(&mut page);
        self.write(SLOT_TORUS + index, now_ns, words(&*page));
    }

    /// The page as a watcher would see it now; `None` while the node's record is not there.
    #[must_use]
    pub fn snapshot(&self, now_ns: u64) -> Option<Snapshot> {
        let (node, host) = (self.read::<NodePage>(SLOT_NODE), self.read::<HostPage>(SLOT_HOST));
        let events = self.read::<EventsPage>(SLOT_EVENTS);
        let tori: Vec<Box<TorusPage>> = (0..self.tori).map(|at| self.read(SLOT_TORUS + at)).collect();
        let tori: Vec<&TorusPage> = tori.iter().map(Box::as_ref).collect();
        let cluster = self.read::<ClusterPage>(SLOT_CLUSTER);
        let avm = self.read::<AvmPage>(SLOT_AVM);
        let snapshot = Snapshot::from_pages(&node, &host, &tori, &events, now_ns).ok()?;
        Some(snapshot.with_cluster(Some(&cluster)).with_avm(Some(&avm)))
    }

    /// The newest record of a link; zero when there is none.
    fn read<T: FromBytes + IntoBytes + KnownLayout>(&self, link: usize) -> Box<T> {
        let mut words = vec![0u64; size_of::<T>() / 8];
        let mut fresh = false;
        for _ in 0..TRIES {
            match self.reader.read(link, &mut words) {
                Ok(Read::Fresh { .. }) => fresh = true,
                // Overtaken by a writer, each time anew: once more.
                Ok(Read::Busy) => continue,
                _ => {}
            }
            break;
        }
        let mut page = T::new_box_zeroed().expect("a page is at most 64 KiB");
        if fresh {
            page.as_mut_bytes().copy_from_slice(words.as_bytes());
        }
        page
    }
}

/// Writes the record of one torus: no system call, no allocation.
#[derive(Debug)]
pub struct TorusWriter<'b> {
    writer: BoardWriter<'b>,
}

impl TorusWriter<'_> {
    /// Writes it.
    pub fn write(&mut self, now_ns: u64, page: &TorusPage) {
        self.writer.publish(now_ns, words(page));
    }
}
