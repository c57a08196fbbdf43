//! The programs of a node as the control side sees to them: loaded and started with the node, shown on its page.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use control::avm::AvmPage;

use crate::runtime::NodeHandle;
use crate::runtime::avm::publish::IN_MEMORY;
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
        while !stopped.load(Ordering::Acquire) {
            publish(&theirs);
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

/// A torus that does not answer leaves the last record standing: its age tells.
fn publish(handle: &NodeHandle) {
    let Some(manager) = handle.avm() else { return };
    if let Ok(snapshot) = manager.snapshot()
        && let Some(page) = AvmPage::new(&snapshot)
    {
        handle.publish_avm(&page);
    }
}
