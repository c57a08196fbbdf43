//! What several tests need: huge pages for a while, and skips that are seen.

use nix::fcntl::{Flock, FlockArg};
use shm_transport::backing::HugePages;
use std::fs::{self, File};

const POOL: &str = "/proc/sys/vm/nr_hugepages";

/// Prints why a test cannot run here; fails instead where skips are not allowed (decisions:NODE-19).
#[allow(dead_code, reason = "not every test that includes this module skips")]
pub fn skip(reason: &str) {
    println!("SKIPPED: {reason}");
    assert!(std::env::var("TREFOIL_NO_SKIP").as_deref() != Ok("1"), "skipped where skips are failures: {reason}");
}

/// Huge pages added to the pool for the life of this value. Tests of this crate take turns by a file lock; others may
/// take pages at the same time, so only what was added is taken back, and what is available is never taken for granted.
pub struct Reserved {
    pages: u64,
    _turn: Flock<File>,
}

impl Reserved {
    /// Makes `pages` available in the pool; `None` when that is not allowed or not possible here.
    pub fn new(pages: u64) -> Option<Self> {
        let lock = File::create(std::env::temp_dir().join("trefoil-test-hugepages.lock")).ok()?;
        let turn = Flock::lock(lock, FlockArg::LockExclusive).ok()?;
        let before = HugePages::read()?;
        fs::write(POOL, (before.total + pages).to_string()).ok()?;
        let reserved = Self { pages, _turn: turn };
        (HugePages::read()?.available() >= pages).then_some(reserved)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(now) = HugePages::read() {
            let _ = fs::write(POOL, now.total.saturating_sub(self.pages).to_string());
        }
    }
}

/// Tries `attempt` with `pages` reserved until it gets them; somebody else may be faster now and then. `false` =
/// skipped.
#[allow(dead_code, reason = "not every test that includes this module tries")]
pub fn with_huge_pages(pages: u64, mut attempt: impl FnMut() -> bool) -> bool {
    for _ in 0..20 {
        let Some(_reserved) = Reserved::new(pages) else {
            skip("no huge pages can be reserved (not root, or no memory)");
            return false;
        };
        if attempt() {
            return true;
        }
    }
    skip("the huge pages reserved were taken by somebody else, again and again");
    false
}
