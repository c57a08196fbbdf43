//! The status page as other processes see it: mapped read-only, believed nothing (`decisions:NODE-15`).

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use control::avm::AvmPage;
use control::cluster::ClusterPage;
use control::page::{
    EventsPage, FILE_NAME, HostPage, MAX_TORI, NodePage, SLOT_AVM, SLOT_CLUSTER, SLOT_EVENTS, SLOT_HOST, SLOT_NODE,
    SLOT_TORUS, TorusPage, VERSION,
};
use control::snapshot::{PageError, check_node};
use control::{Snapshot, SourceError, StatusSource};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Gid, Group};
use shm_transport::board::{BoardError, BoardReader};
use shm_transport::slot::Read;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

/// A slot that is overwritten faster than it can be read is tried so often, each time with the tries of the slot itself.
const TRIES: usize = 8;

/// Snapshots from the page of an agent. Attaches by itself, and again when the agent was restarted.
#[derive(Debug)]
pub struct PageSource {
    path: PathBuf,
    board: Option<BoardReader>,
    buffer: Vec<u64>,
}

impl PageSource {
    /// The page in a runtime folder; nothing is opened before the first poll.
    #[must_use]
    pub fn new(runtime_dir: &Path) -> Self {
        Self { path: runtime_dir.join(FILE_NAME), board: None, buffer: Vec::new() }
    }

    /// Where the page is looked for.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn open(&self) -> Result<BoardReader, SourceError> {
        BoardReader::open(&self.path).map_err(|error| self.explain(&error))
    }

    fn explain(&self, error: &BoardError) -> SourceError {
        let path = self.path.display().to_string();
        match error {
            BoardError::File { source, .. } if source.kind() == ErrorKind::NotFound => SourceError::NoAgent { path },
            BoardError::File { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
                SourceError::Denied { path, group: group_of(&self.path) }
            }
            BoardError::Version { found, .. } => {
                SourceError::Version { path, found: u32::try_from(*found).unwrap_or(u32::MAX), expected: VERSION }
            }
            other => SourceError::Damaged { path, what: other.to_string() },
        }
    }

    fn damaged(&self, what: impl Into<String>) -> SourceError {
        SourceError::Damaged { path: self.path.display().to_string(), what: what.into() }
    }

    /// The newest record of a slot; `None` = never written.
    fn record<T: FromBytes + IntoBytes>(
        &mut self,
        board: &BoardReader,
        slot: usize,
        what: &str,
    ) -> Result<Option<Box<T>>, SourceError> {
        let words = board.payload_words(slot).unwrap_or(0);
        if words * 8 < size_of::<T>() {
            return Err(self.damaged(format!(
                "the {what} record has {} bytes, expected {}",
                words * 8,
                size_of::<T>()
            )));
        }
        self.buffer.resize(words.max(self.buffer.len()), 0);
        for _ in 0..TRIES {
            match board.read(slot, &mut self.buffer).map_err(|error| self.explain(&error))? {
                Read::Fresh { words, .. } if words * 8 >= size_of::<T>() => {
                    // A box filled in place: a torus record is too large for some stacks.
                    let mut record = T::new_box_zeroed().map_err(|_| self.damaged("no memory to read it"))?;
                    record.as_mut_bytes().copy_from_slice(&self.buffer.as_bytes()[..size_of::<T>()]);
                    return Ok(Some(record));
                }
                Read::Fresh { words, .. } => {
                    return Err(self.damaged(format!(
                        "the {what} record has {} bytes, expected {}",
                        words * 8,
                        size_of::<T>()
                    )));
                }
                Read::Empty | Read::Unchanged => return Ok(None),
                Read::Busy => {}
                Read::Damaged(damage) => return Err(self.damaged(format!("{what}: {damage}"))),
            }
        }
        Err(self.damaged(format!("the {what} record changes faster than it can be read")))
    }

    fn snapshot(&mut self, board: &BoardReader) -> Result<Snapshot, SourceError> {
        let path = self.path.display().to_string();
        let Some(node) = self.record::<NodePage>(board, SLOT_NODE, "node")? else {
            return Err(self.damaged("the agent has not written it yet; try again in a moment"));
        };
        let explain = |error: PageError| match error {
            PageError::Version { found } => SourceError::Version { path: path.clone(), found, expected: VERSION },
            other => SourceError::Damaged { path: path.clone(), what: other.to_string() },
        };
        let count = check_node(&node).map_err(&explain)?.min(MAX_TORI);
        let host = self.record::<HostPage>(board, SLOT_HOST, "host")?.unwrap_or_default();
        let events = match self.record::<EventsPage>(board, SLOT_EVENTS, "events")? {
            Some(events) => events,
            None => EventsPage::new_box_zeroed().map_err(|_| self.damaged("no memory to read it"))?,
        };
        let mut tori = Vec::with_capacity(count);
        for at in 0..count {
            tori.extend(self.record::<TorusPage>(board, SLOT_TORUS + at, "torus")?);
        }
        let tori: Vec<&TorusPage> = tori.iter().map(|torus| &**torus).collect();
        let cluster = self.record::<ClusterPage>(board, SLOT_CLUSTER, "cluster")?;
        let avm = self.record::<AvmPage>(board, SLOT_AVM, "AVM")?;
        let snapshot = Snapshot::from_pages(&node, &host, &tori, &events, now_ns()).map_err(&explain)?;
        Ok(snapshot.with_cluster(cluster.as_deref()).with_avm(avm.as_deref()))
    }
}

impl StatusSource for PageSource {
    fn poll(&mut self) -> Result<Snapshot, SourceError> {
        // A page that was replaced belongs to a newer agent; one that was removed to an agent that ended.
        let board = match self.board.take() {
            Some(board) if board.check().is_ok() => board,
            _ => self.open()?,
        };
        let snapshot = self.snapshot(&board);
        self.board = Some(board);
        snapshot
    }

    /// By its name too: its number may have been given to another process since. A dead one nobody waited for is dead.
    fn process_alive(&self, pid: u32) -> Option<bool> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let (head, tail) = stat.rsplit_once(')').unwrap_or_default();
        Some(head.contains("(trefoil") && !tail.trim_start().starts_with(['Z', 'X']))
    }
}

fn now_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(0, |time| (time.tv_sec() as u64).saturating_mul(1_000_000_000) + time.tv_nsec() as u64)
}

/// Name of the group a file belongs to, as far as it can be found out.
fn group_of(path: &Path) -> String {
    use std::os::unix::fs::MetadataExt;
    let gid = std::fs::metadata(path).map(|meta| meta.gid());
    let name = gid.ok().and_then(|gid| Group::from_gid(Gid::from_raw(gid)).ok().flatten()).map(|group| group.name);
    name.unwrap_or_else(|| "trefoil".to_owned())
}

#[cfg(test)]
mod tests {
    use control::page::{MAGIC, Text};
    use shm_transport::board::Board;

    use super::*;

    fn links() -> Vec<(u32, u32)> {
        let tori = [(size_of::<TorusPage>() as u32, 8); 2];
        let mut links = vec![
            (size_of::<NodePage>() as u32, 8),
            (size_of::<HostPage>() as u32, 8),
            (size_of::<EventsPage>() as u32, 8),
            (size_of::<ClusterPage>() as u32, 8),
            (size_of::<AvmPage>() as u32, 8),
        ];
        links.extend(tori);
        links
    }

    fn folder(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("trefoil-page-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("temporary folder");
        dir
    }

    fn publish<T: IntoBytes + zerocopy::Immutable>(board: &Board, slot: usize, record: &T) {
        let mut words = vec![0u64; size_of::<T>().div_ceil(8)];
        words.as_mut_bytes()[..size_of::<T>()].copy_from_slice(record.as_bytes());
        board.writer(slot).expect("a slot").publish(1, &words);
    }

    fn node() -> NodePage {
        NodePage { magic: MAGIC, version: VERSION, tori: 2, name: Text::new("n1"), ..NodePage::default() }
    }

    /// `decisions:NODE-15`: what was written is read, and each way of not reading it has its own error.
    #[test]
    fn a_page_is_read_and_every_failure_is_told_apart() {
        let dir = folder("read");
        let mut source = PageSource::new(&dir);
        assert!(matches!(source.poll(), Err(SourceError::NoAgent { .. })));
        let board = Board::create(source.path(), 0o644, None, &links()).expect("created");
        let waiting = source.poll().expect_err("empty").to_string();
        assert!(waiting.contains("not written it yet"), "{waiting}");
        publish(&board, SLOT_NODE, &node());
        publish(&board, SLOT_TORUS, &TorusPage { executed: 5, ..TorusPage::default() });
        publish(&board, SLOT_TORUS + 1, &TorusPage { executed: 6, ..TorusPage::default() });
        let snapshot = source.poll().expect("read");
        assert_eq!(snapshot.node.name, "n1");
        assert_eq!(snapshot.tori.iter().map(|torus| torus.executed).collect::<Vec<_>>(), [5, 6]);
        assert_eq!(source.poll().expect("read again").tori.len(), 2);

        publish(&board, SLOT_NODE, &NodePage { version: 9, ..node() });
        assert!(matches!(source.poll(), Err(SourceError::Version { found: 9, expected: VERSION, .. })));
        publish(&board, SLOT_NODE, &NodePage { magic: 1, ..node() });
        assert!(matches!(source.poll(), Err(SourceError::Damaged { .. })));

        // A newer agent put its page in place: the source attaches to it by itself.
        let newer = Board::create(source.path(), 0o644, None, &links()).expect("replaced");
        publish(&newer, SLOT_NODE, &NodePage { tori: 0, ..node() });
        assert_eq!(source.poll().expect("attached again").tori.len(), 0);
        std::fs::write(source.path(), "not a page").expect("written");
        assert!(source.poll().is_err());
        std::fs::remove_dir_all(&dir).expect("removed");
    }
}
