//! The programs of a node as the control side sees to them: loaded and started with the node, shown on its page.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use control::avm::{AvmPage, AvmSnapshot};

use crate::runtime::NodeHandle;
use crate::runtime::avm::publish::{IN_MEMORY, MAILBOXES};
use crate::runtime::events::Severity;

/// Between two records of the page.
const PERIOD: Duration = Duration::from_millis(500);
/// How often the thread looks whether it shall end.
const LOOK: Duration = Duration::from_millis(20);

/// The thread that writes the record; ends when this is dropped.
pub(super) struct Shown {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Loads and starts what the configuration says, and shows what there is from then on. With `hold` the tori do not run yet: then
/// that is done once they do, and what is wrong is said in the log.
///
/// # Errors
/// A program that cannot be loaded or started, in words.
pub(super) fn open(handle: &NodeHandle, hold: bool) -> Result<Option<Shown>, String> {
    let Some(manager) = handle.avm() else { return Ok(None) };
    let inbox = handle.inbox();
    inbox.line(Severity::Notice, u8::MAX, IN_MEMORY.to_owned());
    tracing::info!("{IN_MEMORY}");
    if !hold {
        say(handle, manager.open()?);
    }
    let (stop, theirs) = (Arc::new(AtomicBool::new(false)), handle.clone());
    let stopped = Arc::clone(&stop);
    let body = move || {
        if hold {
            open_late(&theirs, &stopped);
        }
        let mut told = BTreeMap::new();
        while !stopped.load(Ordering::Acquire) {
            publish(&theirs, &mut told);
            let mut waited = Duration::ZERO;
            while waited < PERIOD && !stopped.load(Ordering::Acquire) {
                std::thread::sleep(LOOK);
                waited += LOOK;
            }
        }
    };
    let thread = std::thread::Builder::new().name("avm".to_owned()).spawn(body);
    let thread = thread.map_err(|error| format!("thread that shows programs: {error}; check ulimit -u"))?;
    Ok(Some(Shown { stop, thread: Some(thread) }))
}

fn say(handle: &NodeHandle, lines: Vec<String>) {
    for line in lines {
        tracing::info!("{line}");
        handle.inbox().line(Severity::Notice, u8::MAX, line);
    }
}

fn open_late(handle: &NodeHandle, stop: &AtomicBool) {
    let Some(manager) = handle.avm() else { return };
    while !handle.gate_is_open() {
        if stop.load(Ordering::Acquire) {
            return;
        }
        std::thread::sleep(LOOK);
    }
    match manager.open() {
        Ok(lines) => say(handle, lines),
        Err(why) => {
            tracing::error!("{why}");
            handle.inbox().line(Severity::Error, u8::MAX, why);
        }
    }
}

/// A torus that does not answer leaves the last record standing: its age tells. `told` remembers what was lost and said.
fn publish(handle: &NodeHandle, told: &mut BTreeMap<String, u64>) {
    let Some(manager) = handle.avm() else { return };
    if let Ok(snapshot) = manager.snapshot() {
        for line in lost(&snapshot, told) {
            handle.inbox().line(Severity::Warning, u8::MAX, line);
        }
        if let Some(page) = AvmPage::new(&snapshot) {
            handle.publish_avm(&page);
        }
    }
}

/// Says of each torus how many messages have found no mailbox since it was said last (`decisions:AVM-13`).
fn lost(snapshot: &AvmSnapshot, told: &mut BTreeMap<String, u64>) -> Vec<String> {
    let mut lines = Vec::new();
    for bound in snapshot.capacities.iter().filter(|bound| bound.name == MAILBOXES) {
        let before = told.insert(bound.torus.clone(), bound.hits).unwrap_or(0);
        let more = bound.hits.saturating_sub(before);
        if more > 0 {
            let torus = &bound.torus;
            lines.push(format!(
                "{more} messages of other tori for mailboxes on torus {torus} that are full or gone were dropped: avm.mailbox"
            ));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use control::avm::Capacity;

    use super::*;

    // decisions:AVM-13: a message is never dropped in silence, and not told of twice.
    #[test]
    fn lost_messages_are_told_once() {
        let bound = |torus: &str, hits| Capacity {
            name: MAILBOXES.to_owned(),
            torus: torus.to_owned(),
            used: 0,
            limit: 8,
            unit: "messages".to_owned(),
            hits,
            last_hit: String::new(),
        };
        let shown = |a, b| AvmSnapshot { capacities: vec![bound("A", a), bound("B", b)], ..AvmSnapshot::default() };
        let mut told = BTreeMap::new();
        assert!(lost(&shown(0, 0), &mut told).is_empty());
        assert!(lost(&shown(0, 3), &mut told)[0].starts_with("3 messages of other tori for mailboxes on torus B"));
        assert!(lost(&shown(0, 3), &mut told).is_empty());
        assert_eq!(lost(&shown(1, 4), &mut told).len(), 2);
    }
}
