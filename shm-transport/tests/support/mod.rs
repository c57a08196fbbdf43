//! What several tests need: huge pages for a while, and skips that are seen.

use shm_transport::backing::HugePages;
use std::fs;

const POOL: &str = "/proc/sys/vm/nr_hugepages";

/// Prints why a test cannot run here; fails instead where skips are not allowed (decisions:NODE-19).
pub fn skip(reason: &str) {
    println!("SKIPPED: {reason}");
    assert!(std::env::var("TREFOIL_NO_SKIP").as_deref() != Ok("1"), "skipped where skips are failures: {reason}");
}

/// Huge pages added to the pool for the life of this value. Other tests do the same at the same time, so only what was added
/// is taken back, and what is available is never taken for granted.
pub struct Reserved(u64);

impl Reserved {
    /// Adds `pages` to the pool; `None` when that is not allowed or not possible here.
    pub fn new(pages: u64) -> Option<Self> {
        let before = HugePages::read()?;
        fs::write(POOL, (before.total + pages).to_string()).ok()?;
        let reserved = Self(pages);
        (HugePages::read()?.available() >= pages).then_some(reserved)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(now) = HugePages::read() {
            let _ = fs::write(POOL, now.total.saturating_sub(self.0).to_string());
        }
    }
}
