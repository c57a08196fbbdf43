//! `trefoil run`: a node in the foreground, with or without a console on it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use control::Snapshot;

use super::args::Run;
use super::console::has_terminal;
use super::table::grouped;
use super::{Failure, out, status, units};
use crate::config::{self, Config};
use crate::control_plane::{self, Client, Plan, RunError, Switch};
use crate::logging;
use crate::runtime::{Final, Options};
use crate::status_source::PageSource;

/// How often the main thread looks whether the node has ended.
const LOOK: Duration = Duration::from_millis(50);
/// How long the console may take to leave after the node has ended.
const GRACE: Duration = Duration::from_secs(3);
/// Between two status tables.
const TABLE: Duration = Duration::from_secs(1);

type Control = JoinHandle<Result<Final, RunError>>;

pub(super) fn run(arguments: Run, runtime_dir: Option<PathBuf>) -> Result<(), Failure> {
    let mut config = config::load(&arguments.config).map_err(Failure::usage)?;
    if let Some(dir) = runtime_dir {
        redirect(&mut config, dir);
    }
    let runtime_dir = config.node.runtime_dir.clone();
    let on_screen = arguments.console && has_terminal();
    // Log lines would tear the console's picture apart; the event log is on its screen.
    if !on_screen {
        logging::start(&config.node.log, config.node.log_lines_per_s.get());
    }
    let plan =
        Plan { config, options: Options { record: arguments.record, ..Options::default() }, limit: arguments.limit };
    let switch = Arc::new(Switch::default());
    let control = start(plan, switch.clone())?;
    if arguments.console && await_ready(&control, &switch) {
        if on_screen {
            console(&control, &switch, &runtime_dir)?;
        } else {
            tables(&control, &runtime_dir);
        }
    }
    let end = control.join().map_err(|_| Failure::failed("the control thread panicked; this is a bug"))?;
    let end = end.map_err(Failure::failed)?;
    out::text(&summary(&end));
    if let Some(why) = &end.recording {
        return Err(Failure::failed(format!("the recording is not whole: {why}")));
    }
    if end.failed() { Err(Failure::failed("a torus failed")) } else { Ok(()) }
}

fn redirect(config: &mut Config, dir: PathBuf) {
    // The state folder follows when it was only the default below the runtime folder.
    if config.node.state_dir == config.node.runtime_dir.join("state") {
        config.node.state_dir = dir.join("state");
    }
    config.node.runtime_dir = dir;
}

fn start(plan: Plan, switch: Arc<Switch>) -> Result<Control, Failure> {
    let control = Builder::new().name("control".to_owned()).spawn(move || control_plane::run(plan, &switch));
    control.map_err(|error| Failure::failed(format!("cannot start the control thread: {error}; check ulimit -u")))
}

fn await_ready(control: &Control, switch: &Switch) -> bool {
    while !control.is_finished() {
        if switch.ready.load(Ordering::Acquire) {
            return true;
        }
        std::thread::sleep(LOOK);
    }
    false
}

/// The console on the node of this process; leaving it stops the node (`decisions:NODE-20`).
fn console(control: &Control, switch: &Arc<Switch>, runtime_dir: &Path) -> Result<(), Failure> {
    let over = Arc::new(AtomicBool::new(false));
    let options = tui::Options {
        stop_node_on_quit: true,
        label: runtime_dir.display().to_string(),
        stop: Some(over.clone()),
        ..tui::Options::default()
    };
    let (source, client) = (PageSource::new(runtime_dir), Client::new(runtime_dir));
    let done = AtomicBool::new(false);
    let end = std::thread::scope(|scope| {
        // A node that ends by itself takes its console with it.
        let done = &done;
        scope.spawn(move || {
            while !done.load(Ordering::Acquire) {
                if control.is_finished() {
                    over.store(true, Ordering::Release);
                    leave_a_dead_terminal(done);
                    return;
                }
                std::thread::sleep(LOOK);
            }
        });
        let end = tui::run(Box::new(source), Box::new(client), options);
        done.store(true, Ordering::Release);
        end
    });
    match end {
        Ok(tui::Exit::Quit) => {
            out::note("the node goes on; Ctrl-C or `trefoil stop` ends it");
        }
        Ok(tui::Exit::QuitAndStop | tui::Exit::Stopped) => switch.stop.store(true, Ordering::Release),
        Err(error) => {
            switch.stop.store(true, Ordering::Release);
            return Err(Failure::failed(error));
        }
    }
    Ok(())
}

/// The console leaves as soon as it is told, unless its terminal is gone: crossterm then reads the end of it for ever. The node
/// has ended by now, so nothing is lost by ending the process.
fn leave_a_dead_terminal(done: &AtomicBool) {
    let start = Instant::now();
    while !done.load(Ordering::Acquire) {
        if start.elapsed() > GRACE {
            std::process::exit(1);
        }
        std::thread::sleep(LOOK);
    }
}

/// A status table each second until the node ends.
fn tables(control: &Control, runtime_dir: &Path) {
    let mut source = PageSource::new(runtime_dir);
    let mut before: Option<Snapshot> = None;
    let mut next = Instant::now();
    while !control.is_finished() {
        if Instant::now() >= next {
            next += TABLE;
            match status::once(&mut source, before.as_ref()) {
                Ok(now) => before = Some(now),
                Err(failure) => out::note(&failure.text),
            }
            out::line("");
        }
        std::thread::sleep(LOOK);
    }
}

/// Final counters, one line a torus.
fn summary(end: &Final) -> String {
    let mut out =
        format!("stopped in {}\n", units::nanoseconds(u64::try_from(end.took.as_nanos()).unwrap_or(u64::MAX)));
    for torus in &end.tori {
        let counters = &torus.counters;
        let how = torus.failed.as_ref().map_or_else(|| "ended".to_owned(), |why| format!("FAILED: {why}"));
        out.push_str(&format!(
            "  {}: {how}; executed {}, pending {}, rejected {}, handed out {}, handed in {}, lost {}, digest {:016x}\n",
            torus.name,
            grouped(counters.executed),
            grouped(counters.pending),
            grouped(counters.rejected),
            grouped(counters.handed_out),
            grouped(counters.handed_in),
            grouped(counters.lost),
            torus.digest,
        ));
    }
    out
}
