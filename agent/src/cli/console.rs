//! `trefoil console`.

use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use control::page::FILE_NAME;
use control::{Snapshot, SourceError, StatusSource, Steering};
use nix::unistd::{Uid, User, getegid, geteuid, getgroups};
use tokio::signal::unix::{SignalKind, signal};

use super::args::{Console, Frame, Screen};
use super::{Failure, out, status};
use crate::control_plane::Client;
use crate::status_source::PageSource;

pub(super) fn console(arguments: &Console, runtime_dir: &Path) -> Result<(), Failure> {
    if let Some(format) = arguments.frame {
        return frame(arguments, format, runtime_dir);
    }
    if !has_terminal() {
        out::note("no terminal for a console; here is the status once (trefoil status --watch repeats it)");
        if arguments.open.is_some() {
            return Err(Failure::usage("a recording needs a terminal, or --frame text"));
        }
        return status::once(&mut PageSource::new(runtime_dir), None).map(|_| ());
    }
    let options = tui::Options {
        record: arguments.record.clone(),
        label: runtime_dir.display().to_string(),
        read_only: read_only(runtime_dir),
        screen: screen(arguments.screen),
        stop: Some(stop_on_sigterm().map_err(|error| Failure::failed(format!("signals: {error}")))?),
        ..tui::Options::default()
    };
    let end = match &arguments.open {
        Some(file) => tui::run_recording(tui::open_recording(file).map_err(Failure::failed)?, options),
        None => tui::run(source(runtime_dir), Box::new(Client::new(runtime_dir)), options),
    };
    end.map(|_| ()).map_err(Failure::failed)
}

/// Where the console looks. In a debug build `TREFOIL_FAULT=console-panic` breaks it after some looks, so that a test can see that a
/// panic gives the terminal back; a release build does not know the variable.
fn source(runtime_dir: &Path) -> Box<dyn StatusSource> {
    let source = PageSource::new(runtime_dir);
    if cfg!(debug_assertions) && std::env::var_os("TREFOIL_FAULT").is_some_and(|fault| fault == "console-panic") {
        return Box::new(Breaking { source, looks: 5 });
    }
    Box::new(source)
}

/// A source that panics when its looks are used up.
struct Breaking {
    source: PageSource,
    looks: u32,
}

impl StatusSource for Breaking {
    fn poll(&mut self) -> Result<Snapshot, SourceError> {
        assert!(self.looks > 0, "TREFOIL_FAULT=console-panic");
        self.looks -= 1;
        self.source.poll()
    }
}

/// Why this user may only look, as far as the owner and group of the status page tell; the agent itself decides each request.
fn read_only(runtime_dir: &Path) -> Option<String> {
    let page = std::fs::metadata(runtime_dir.join(FILE_NAME)).ok()?;
    let me = geteuid().as_raw();
    let member = || getgroups().unwrap_or_default().iter().any(|group| group.as_raw() == page.gid());
    if me == 0 || me == page.uid() || getegid().as_raw() == page.gid() || member() {
        return None;
    }
    let owner = User::from_uid(Uid::from_raw(page.uid())).ok().flatten();
    let owner = owner.map_or_else(|| format!("user {}", page.uid()), |user| user.name);
    Some(format!("run the console as {owner}, or join the group of the agent (node.group)"))
}

/// Set when the process is told to end: the console then gives the terminal back as it was. A closed terminal (SIGHUP) ends
/// the process at once, there is nothing left to give back.
fn stop_on_sigterm() -> std::io::Result<Arc<AtomicBool>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut terminate = {
        let _inside = runtime.enter();
        signal(SignalKind::terminate())?
    };
    let stop = Arc::new(AtomicBool::new(false));
    let told = stop.clone();
    // Not joined: it waits for a signal that may never come.
    std::thread::Builder::new().name("console-signals".to_owned()).spawn(move || {
        runtime.block_on(terminate.recv());
        told.store(true, Ordering::Relaxed);
    })?;
    Ok(stop)
}

/// Whether a console can be opened: it needs to read keys and to draw.
pub(super) fn has_terminal() -> bool {
    let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && !dumb
}

fn frame(arguments: &Console, format: Frame, runtime_dir: &Path) -> Result<(), Failure> {
    let mut snapshots = match &arguments.open {
        Some(file) => tui::open_recording(file).map_err(Failure::failed)?.snapshots,
        None => {
            // Two looks, so that there are rates.
            let mut source = PageSource::new(runtime_dir);
            let first = source.poll()?;
            std::thread::sleep(Duration::from_secs(1));
            vec![first, source.poll()?]
        }
    };
    let format = match format {
        Frame::Text => tui::Format::Text,
        Frame::Json => tui::Format::Json,
    };
    let screen = screen(arguments.screen);
    let of = match &arguments.of {
        Some(id) => Some(tui::target::Id::new(id).filter(|id| id.target().is_some()).ok_or_else(|| {
            Failure::usage(format!("--of {id}: no id; an execution is x7, an object o3, a transaction t4"))
        })?),
        None => None,
    };
    let options = tui::FrameOptions { size: arguments.size, screen, of, ..tui::FrameOptions::default() };
    if arguments.open.is_none() {
        // What the record has no room for is asked of the agent; a picture without it says why.
        let asked = tui::frame_wants(&snapshots, &options).map(|request| Client::new(runtime_dir).avm(&request));
        if let (Some(answer), Some(avm)) = (asked, snapshots.last_mut().and_then(|last| last.avm.as_deref_mut())) {
            match answer {
                Ok(reply) => avm.details.take(reply),
                Err(error) => avm.details.missing = error.to_string(),
            }
        }
    }
    let text = tui::frame(&snapshots, format, &options);
    out::text(text.trim_end_matches('\n'));
    out::line("");
    Ok(())
}

const fn screen(screen: Screen) -> tui::target::Screen {
    match screen {
        Screen::Overview => tui::target::Screen::Overview,
        Screen::Torus => tui::target::Screen::Torus,
        Screen::Mesh => tui::target::Screen::Mesh,
        Screen::Fields => tui::target::Screen::Fields,
        Screen::Ballots => tui::target::Screen::Ballots,
        Screen::Executions => tui::target::Screen::Executions,
        Screen::Objects => tui::target::Screen::Objects,
        Screen::Transactions => tui::target::Screen::Transactions,
        Screen::Trace => tui::target::Screen::Trace,
        Screen::Solver => tui::target::Screen::Solver,
        Screen::Bootstrap => tui::target::Screen::Bootstrap,
        Screen::Host => tui::target::Screen::Host,
        Screen::Events => tui::target::Screen::Events,
    }
}
