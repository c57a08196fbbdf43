//! What the tests of a live node share.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use agent::config::Config;
use agent::runtime::{Node, NodeHandle, Options};
use control::api::{Refusal, Reply, Request};
use control::snapshot::{PeerState, TorusSnapshot};

/// Longest any condition may take: a hang guard, not a promise of speed.
const GUARD: Duration = Duration::from_secs(60);

/// A folder that goes away with the test.
pub struct TempDir(PathBuf);

impl TempDir {
    /// Makes one.
    pub fn new(name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("trefoil-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder in the temporary folder");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The tables every configuration starts with.
pub fn head(dir: &TempDir) -> String {
    let dir = dir.path().display();
    format!(
        "[node]\nname = \"test\"\nruntime_dir = \"{dir}/run\"\nstate_dir = \"{dir}/state\"\nwaiting = \"adaptive\"\n\
         [resources]\nmlock = \"off\"\n[region]\npages = \"base\"\n"
    )
}

/// Checks a configuration.
pub fn config(text: &str) -> Config {
    agent::config::parse(text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

/// Starts a node without recording.
pub fn start(config: Config) -> Node {
    Node::start(config, Options::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// The tori as the status page shows them.
pub fn tori(handle: &NodeHandle) -> Vec<TorusSnapshot> {
    handle.snapshot().map(|snapshot| snapshot.tori).unwrap_or_default()
}

/// Whether every torus of the node sees every other one alive.
pub fn all_alive(handle: &NodeHandle) -> bool {
    let tori = tori(handle);
    let sees_all = |torus: &TorusSnapshot| {
        torus.peers.iter().filter(|peer| peer.state == PeerState::Alive).count() + 1 == tori.len()
    };
    !tori.is_empty() && tori.iter().all(sees_all)
}

/// Texts of the event log, oldest first.
pub fn events(handle: &NodeHandle) -> Vec<String> {
    let snapshot = handle.snapshot();
    snapshot.map(|snapshot| snapshot.events.into_iter().map(|event| event.text).collect()).unwrap_or_default()
}

/// Carries a request out, given as JSON.
pub fn try_ask(handle: &NodeHandle, json: &str) -> Result<Reply, Refusal> {
    let request: Request = serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"));
    handle.request(&request)
}

/// Carries a request out that must not be refused.
pub fn ask(handle: &NodeHandle, json: &str) -> Reply {
    try_ask(handle, json).unwrap_or_else(|refusal| panic!("{json}: {}", refusal.error))
}

/// Waits for a condition; panics when it does not come true within the hang guard.
pub fn guard(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + GUARD;
    while !holds() {
        assert!(Instant::now() < deadline, "did not happen: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Says that a test could not run here; under `TREFOIL_NO_SKIP=1` that is a failure.
pub fn skip(reason: &str) {
    use std::io::Write as _;
    // Not `println!`: a skip must be seen without `--nocapture` as well.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {reason}");
    assert!(std::env::var("TREFOIL_NO_SKIP").as_deref() != Ok("1"), "skips are failures here: {reason}");
}
