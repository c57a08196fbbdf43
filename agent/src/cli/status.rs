//! `trefoil status`.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use control::snapshot::Phase;
use control::{Snapshot, StatusSource};

use super::args::Status;
use super::{Failure, out, table};
use crate::status_source::PageSource;

/// Between two looks at the page, for a rate.
const RATE: Duration = Duration::from_millis(400);
/// A page older than this, of a process that cannot be seen, is the page of a dead agent.
const SILENT: Duration = Duration::from_millis(1_000);
/// Between two tables.
const WATCH: Duration = Duration::from_secs(1);

pub(super) fn status(arguments: &Status, runtime_dir: &Path) -> Result<(), Failure> {
    let mut source = PageSource::new(runtime_dir);
    if arguments.watch {
        return watch(arguments.json, &mut source);
    }
    let before = source.poll()?;
    if arguments.json {
        out::line(&json(&before)?);
        return living(&before, &source);
    }
    std::thread::sleep(RATE);
    let now = source.poll()?;
    out::text(&table::table(&now, Some(&before)));
    living(&now, &source)
}

/// The last page of an agent outlives it: what it says is shown, and that nobody is there any more is said by the exit code.
fn living(now: &Snapshot, source: &dyn StatusSource) -> Result<(), Failure> {
    let pid = now.node.pid;
    let ended = matches!(now.node.phase, Phase::Stopped | Phase::Failed);
    // Another process namespace hides a living agent; its page goes on moving.
    let gone = now.silent_for() > SILENT && source.process_alive(pid) == Some(false);
    if !ended && !gone {
        return Ok(());
    }
    let how = if ended { "has ended" } else { "is gone without having stopped" };
    Err(Failure { code: 3, text: format!("the agent (pid {pid}) {how}; start it again with: trefoil run") })
}

/// One table, for a program that has no terminal for a console.
pub(super) fn once(source: &mut dyn StatusSource, before: Option<&Snapshot>) -> Result<Snapshot, Failure> {
    let now = source.poll()?;
    out::text(&table::table(&now, before));
    Ok(now)
}

fn watch(as_json: bool, source: &mut dyn StatusSource) -> Result<(), Failure> {
    let clear = std::io::stdout().is_terminal() && !as_json;
    let mut before: Option<Snapshot> = None;
    loop {
        let now = match source.poll() {
            Ok(now) => now,
            // An agent that was there once may come back; one that never was is an error.
            Err(error) if before.is_some() => {
                out::note(&format!("{error}; trying again"));
                std::thread::sleep(WATCH);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if as_json {
            out::line(&serde_json::to_string(&now).map_err(Failure::failed)?);
        } else {
            let shown = table::table(&now, before.as_ref());
            out::text(&if clear { format!("\x1b[H\x1b[2J{shown}") } else { format!("{shown}\n") });
        }
        before = Some(now);
        std::thread::sleep(WATCH);
    }
}

fn json(snapshot: &Snapshot) -> Result<String, Failure> {
    serde_json::to_string_pretty(snapshot).map_err(Failure::failed)
}
