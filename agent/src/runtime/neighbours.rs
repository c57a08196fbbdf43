//! What the keeper knows of the region from the outside: whether the processes of the other tori are there, and whether the file
//! under the region is whole. Both are system calls, so no torus thread asks; the answers wait in [`NodeShared::gone`].

use std::sync::Arc;
use std::sync::atomic::Ordering;

use shm_transport::liveness::{Existence, Watch};
use shm_transport::region::{Region, State};

use super::shared::NodeShared;

/// Watches over the holders of a region's tori. Without a region it sees nothing.
#[derive(Debug, Default)]
pub struct Neighbours {
    region: Option<Arc<Region>>,
    /// By braid id: the boot that was looked at, and the watch on its process if it can be watched.
    watches: Vec<(u64, Option<Watch>)>,
    damaged: bool,
}

impl Neighbours {
    /// Of a region.
    #[must_use]
    pub fn new(region: &Arc<Region>) -> Self {
        let tori = usize::from(region.geometry().tori);
        Self { region: Some(Arc::clone(region)), watches: (0..tori).map(|_| (0, None)).collect(), damaged: false }
    }

    /// Looks at every holder once: a descriptor is opened for each new boot of another process of this host, and polled from
    /// then on. A boot whose process is gone is told to the tori (`rse:M3`).
    pub fn look(&mut self, shared: &NodeShared) {
        if self.damaged {
            return;
        }
        let Some(region) = &self.region else { return };
        for ((watched, watch), (torus, gone)) in self.watches.iter_mut().zip((0u8..).zip(&shared.gone)) {
            let Some(line) = region.line(torus).filter(|line| line.state == State::Held) else { continue };
            if line.boot != *watched {
                (*watched, *watch) = (line.boot, None);
                let foreign = line.process.pid != std::process::id();
                // Unknown: another kernel or pid namespace; there only the heartbeat tells.
                if foreign && line.existence() != Existence::Unknown {
                    match Watch::new(line.process) {
                        Ok(new) => *watch = Some(new),
                        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                            gone.store(line.boot, Ordering::Release);
                        }
                        Err(_) => {}
                    }
                }
            }
            if watch.as_ref().is_some_and(|watch| watch.gone(0).unwrap_or(false)) {
                gone.store(line.boot, Ordering::Release);
                *watch = None;
            }
        }
    }

    /// Why the region must not be used any more, once. A file that was cut short or replaced is told here; touching what was
    /// cut off is a SIGBUS, which no look can prevent once it has happened.
    pub fn damage(&mut self) -> Option<String> {
        if self.damaged {
            return None;
        }
        let error = self.region.as_ref()?.verify().err()?;
        self.damaged = true;
        Some(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm_transport::backing::Pages;
    use shm_transport::region::{Geometry, Options};

    fn region(path: &std::path::Path) -> Arc<Region> {
        let geometry = Geometry { tori: 2, payload_bytes: 64, slots: 8, ring_records: 2, inject_records: 2 };
        let options = Options { pages: Pages::Base, ..Options::new(geometry) };
        Arc::new(Region::open(path, &options).expect("a region").0)
    }

    // rse:M3: a killed process is known by its descriptor, without waiting for heartbeats to stay away.
    #[test]
    fn a_killed_holder_is_told_under_its_boot() {
        let path = std::env::temp_dir().join(format!("trefoil-neighbours-{}", std::process::id()));
        let region = region(&path);
        let mut child = std::process::Command::new("sleep").arg("600").spawn().expect("sleep");
        let _side = region.claim(1, 77, child.id()).expect("free");
        let _own = region.claim(0, 78, std::process::id()).expect("free");
        let (shared, mut neighbours) = (NodeShared::new(1), Neighbours::new(&region));
        let gone = |at: usize| shared.gone[at].load(Ordering::Acquire);
        neighbours.look(&shared);
        assert_eq!((gone(0), gone(1)), (0, 0));
        child.kill().expect("a child of ours");
        child.wait().expect("a child of ours");
        neighbours.look(&shared);
        assert_eq!((gone(0), gone(1)), (0, 77));
        assert_eq!(neighbours.damage(), None);
        let _ = std::fs::remove_file(&path);
        let why = neighbours.damage().expect("the file is gone");
        assert!(why.contains("trefoil-neighbours"), "{why}");
        assert_eq!(neighbours.damage(), None, "said once");
    }
}
