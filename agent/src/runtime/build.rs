//! From a checked configuration to what the libraries take: capacities, braid rules, reactors, sources.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shm_transport::backing;
use torus::braid::{BraidConfig, Rule};
use torus::compute::Compute;
use torus::memory::Carver;
use torus::projection::native::GAIN_LIMIT_PPM;
use torus::relay::{Relay, encode};
use torus::workload::{self, Source};
use torus::{Capacities, Cell, Event, Input, OnOverflow, Reactor, Torus};

use crate::config::{self, WorkloadKind};

/// Ticks ahead of the clock that arrivals of a workload without a file are fed.
const LOOKAHEAD_TICKS: u64 = 16;

/// What a torus runs, with the data it needs: shared between tori that read the same file.
#[derive(Debug, Clone)]
pub struct Work {
    kind: WorkloadKind,
    load: bool,
    delay_ticks: u64,
    adaptive_delay: bool,
    events: Arc<[Event]>,
}

/// An event file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Not readable.
    #[error("events file {path}: {source}; name a readable file")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not in order.
    #[error("events file {path}: {source}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: workload::EventsError,
    },
}

/// Reads the event files of all tori, each file once.
///
/// # Errors
/// [`FileError`] for the first file that cannot be used.
pub fn works(config: &config::Config) -> Result<Vec<Work>, FileError> {
    let mut files: BTreeMap<(PathBuf, u32), Arc<[Event]>> = BTreeMap::new();
    let mut works = Vec::with_capacity(config.tori.len());
    for torus in &config.tori {
        let events = match &torus.workload.kind {
            WorkloadKind::EventsFile { file, shift_x, .. } => {
                let key = (file.clone(), *shift_x);
                if let Some(events) = files.get(&key) {
                    Arc::clone(events)
                } else {
                    let events: Arc<[Event]> = shifted(read_events(file)?, *shift_x).into();
                    files.insert(key, Arc::clone(&events));
                    events
                }
            }
            WorkloadKind::Firehose { nodes, tokens } => firehose_events(*nodes, *tokens).into(),
            _ => Arc::from([]),
        };
        works.push(Work {
            kind: torus.workload.kind.clone(),
            load: torus.workload.load,
            delay_ticks: u64::from(torus.workload.delay_ticks.get()),
            adaptive_delay: torus.workload.adaptive_delay,
            events,
        });
    }
    Ok(works)
}

fn read_events(path: &Path) -> Result<Vec<Event>, FileError> {
    let read = |source| FileError::Read { path: path.to_owned(), source };
    let bytes = std::fs::read(path).map_err(read)?;
    workload::parse_events(&bytes).map_err(|source| FileError::Content { path: path.to_owned(), source })
}

/// Moves events along x, around the lattice, and puts them into canonical order again.
fn shifted(mut events: Vec<Event>, shift_x: u32) -> Vec<Event> {
    let moved = |cell: u32| (cell + shift_x * torus::FACE as u32) % torus::CELLS as u32;
    for event in &mut events {
        (event.dst, event.src) = (moved(event.dst), moved(event.src));
    }
    events.sort_unstable();
    events
}

fn rows(nodes: u32) -> u32 {
    nodes.div_ceil(10).clamp(1, 1024)
}

/// One round of the firehose: `tokens` events at x = 0, spread over the rows. The source repeats it each tick.
fn firehose_events(nodes: u32, tokens: u32) -> Vec<Event> {
    let inputs = workload::firehose_round(rows(nodes), 1);
    let cells: Vec<Cell> = inputs
        .filter_map(|input| match input {
            Input::Inject { dst, .. } => Some(dst),
            _ => None,
        })
        .collect();
    let event = |cell: Cell| Event { time: 0, dst: cell.get(), src: cell.get(), payload: encode(1) };
    let mut events: Vec<Event> = cells.iter().cycle().take(tokens as usize).map(|&cell| event(cell)).collect();
    events.sort_unstable();
    events
}

impl Work {
    /// Whether the compute reactor runs it; everything else is the relay's.
    #[must_use]
    pub fn is_compute(&self) -> bool {
        matches!(self.kind, WorkloadKind::Firehose { .. })
    }

    /// Whether it runs programs.
    #[must_use]
    pub fn is_avm(&self) -> bool {
        self.kind == WorkloadKind::Avm
    }

    /// Makes the compute reactor.
    ///
    /// # Errors
    /// A sentence: memory or parameters that do not fit.
    pub fn compute<'m>(&self, carver: &mut Carver<'m>) -> Result<Compute<'m>, String> {
        let mut compute = Compute::new(carver).map_err(|error| error.to_string())?;
        if let WorkloadKind::Firehose { nodes, .. } = self.kind {
            workload::firehose(&mut compute, rows(nodes)).map_err(|error| error.to_string())?;
        }
        Ok(compute)
    }

    /// Makes the relay with its graph.
    ///
    /// # Errors
    /// A sentence: memory or parameters that do not fit.
    pub fn relay<'m>(&self, capacities: &Capacities, carver: &mut Carver<'m>) -> Result<Relay<'m>, String> {
        let mut relay = Relay::new(capacities, carver).map_err(|error| error.to_string())?;
        let delay = self.delay_ticks;
        let built = match &self.kind {
            WorkloadKind::Idle | WorkloadKind::Avm | WorkloadKind::Firehose { .. } => Ok(()),
            WorkloadKind::Cycle { nodes, .. } => workload::cycle(&mut relay, *nodes, delay),
            WorkloadKind::Grid { width, height, .. } => workload::grid(&mut relay, *width, *height, delay),
            WorkloadKind::RandomGraph { nodes, edges, seed, .. } => {
                workload::random_graph(&mut relay, *nodes, *edges, delay, *seed).map(|_| ())
            }
            WorkloadKind::EventsFile { .. } => workload::routes(&mut relay, &self.events, delay).map(|_| ()),
        };
        built.map_err(|error| error.to_string())?;
        Ok(if self.adaptive_delay { relay } else { relay.with_fixed_delays() })
    }

    /// Where arrivals come from while the torus runs.
    #[must_use]
    pub fn source(&self) -> Option<Source> {
        let repeats = match self.kind {
            WorkloadKind::EventsFile { repeat, .. } => (!repeat).then_some(0),
            WorkloadKind::Firehose { .. } => None,
            _ => return None,
        };
        self.load.then(|| Source::new(Arc::clone(&self.events), repeats))
    }

    /// The inputs a torus starts with: its tokens, if it starts with the load. They are recorded like all others.
    #[must_use]
    pub fn opening(&self, own: &config::Torus) -> Vec<Input> {
        let mut inputs = vec![Input::Batch { events: own.workload.batch.get() }];
        if !self.load {
            return inputs;
        }
        let line = |count: u32| (0..count).map(|cell| Cell::at(0, 0, 0).get() + cell).filter_map(Cell::new);
        match self.kind {
            WorkloadKind::Cycle { nodes, tokens } => {
                inputs.extend(workload::tokens(&line(nodes).collect::<Vec<Cell>>(), tokens));
            }
            WorkloadKind::Grid { tokens, .. } => inputs.extend(workload::tokens(&[Cell::at(0, 0, 0)], tokens)),
            WorkloadKind::RandomGraph { nodes, seed, tokens, .. } => {
                inputs.extend(workload::tokens(&random_cells(nodes, seed), tokens));
            }
            WorkloadKind::Idle
            | WorkloadKind::Avm
            | WorkloadKind::Firehose { .. }
            | WorkloadKind::EventsFile { .. } => {}
        }
        inputs
    }

    /// One line for the status page.
    #[must_use]
    pub fn title(&self) -> String {
        let load = if self.load { "" } else { ", starts empty" };
        match &self.kind {
            WorkloadKind::Idle => "idle".to_owned(),
            WorkloadKind::Avm => format!("programs{load}"),
            WorkloadKind::Cycle { nodes, tokens } => format!("cycle of {nodes} cells, {tokens} tokens{load}"),
            WorkloadKind::Grid { width, height, tokens } => format!("grid {width} x {height}, {tokens} tokens{load}"),
            WorkloadKind::RandomGraph { nodes, edges, tokens, seed } => {
                format!("random graph {nodes} cells, {edges} edges, seed {seed}, {tokens} tokens{load}")
            }
            WorkloadKind::Firehose { tokens, .. } => format!("firehose, {tokens} events a tick{load}"),
            WorkloadKind::EventsFile { file, repeat, .. } => {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                let repeat = if *repeat { ", repeated" } else { "" };
                format!("{} events of {name}{repeat}{load}", self.events.len())
            }
        }
    }
}

/// The cells of a random graph, found by building its cells again from the seed.
fn random_cells(nodes: u32, seed: u64) -> Vec<Cell> {
    let capacities = Capacities { events: 64, edges: nodes.max(1), admission: 0, ..Capacities::default() };
    let mut bytes = vec![0; capacities.bytes()];
    let mut carver = Carver::new(&mut bytes);
    let relay = Relay::new(&capacities, &mut carver);
    relay.ok().and_then(|mut relay| workload::random_graph(&mut relay, nodes, nodes, 1, seed).ok()).unwrap_or_default()
}

/// Makes the torus of a configuration.
///
/// # Errors
/// A sentence: memory that does not fit.
pub fn torus<'m, R: Reactor>(
    own: &config::Torus,
    carver: &mut Carver<'m>,
    reactor: R,
    source: Option<Source>,
) -> Result<Torus<'m, R>, String> {
    let policy = match own.workload.on_overflow {
        config::OnOverflow::Reject => OnOverflow::Reject,
        config::OnOverflow::Stop => OnOverflow::Stop,
    };
    let torus = Torus::new(&capacities(own), carver, reactor, source).map_err(|error| error.to_string())?;
    Ok(torus.with_overflow(policy))
}

/// Bounds of a torus.
#[must_use]
pub fn capacities(own: &config::Torus) -> Capacities {
    let given = &own.capacities;
    Capacities {
        events: given.events,
        edges: given.edges,
        processes: given.processes,
        processes_per_cell: given.processes_per_cell,
        admission: given.admission,
    }
}

/// Kind of pages.
#[must_use]
pub fn pages(pages: config::Pages) -> backing::Pages {
    match pages {
        config::Pages::Huge => backing::Pages::Huge,
        config::Pages::Transparent => backing::Pages::Transparent,
        config::Pages::Base => backing::Pages::Base,
    }
}

/// How far ahead arrivals are fed, ticks.
#[must_use]
pub fn lookahead_ticks(own: &config::Torus) -> u64 {
    match own.workload.kind {
        WorkloadKind::EventsFile { lookahead_ticks, .. } => lookahead_ticks,
        _ => LOOKAHEAD_TICKS,
    }
}

/// Braid mode.
#[must_use]
pub fn mode(mode: config::Mode) -> torus::Mode {
    match mode {
        config::Mode::Rotate => torus::Mode::Rotate,
        config::Mode::Ring => torus::Mode::Ring,
    }
}

/// The rules of the braid.
#[must_use]
pub fn braid(config: &config::Config) -> BraidConfig {
    let given = &config.braid;
    let ppm = |share: f64| (share * 1_000_000.0).round().clamp(0.0, 1_000_000.0) as u32;
    let percent = |percent: f64| ppm(percent / 100.0);
    let band = (given.tolerance.load as f64 * given.dead_band).round() as u64;
    let defaults = BraidConfig::default();
    let mut rules = [Rule::observed(0); torus::braid::KINDS];
    rules[torus::braid::Kind::Load as usize] = Rule {
        tolerance: given.tolerance.load,
        dead_band: band,
        gain_ppm: ppm(given.gain).min(GAIN_LIMIT_PPM),
        cap: u64::from(given.cap),
    };
    rules[torus::braid::Kind::Face as usize] = Rule::observed(given.tolerance.face);
    let rate = torus::braid::Kind::Rate as usize;
    rules[rate] = Rule {
        tolerance: (given.tolerance.rate_percent * 10.0).round() as u64,
        gain_ppm: ppm(given.rate_gain).min(GAIN_LIMIT_PPM),
        ..defaults.rules[rate]
    };
    rules[torus::braid::Kind::Round as usize] = Rule::observed(given.tolerance.rounds);
    let floor_ns = given.floor.as_nanos() as u64;
    BraidConfig {
        mode: mode(given.mode),
        interval_ticks: given.interval_ticks,
        floor_ns,
        idle_ns: defaults.idle_ns.max(floor_ns),
        rules,
        min_source: u64::from(given.min_source),
        liveness_ns: given.liveness.as_nanos() as u64,
        suspect_after: given.suspect_after,
        window: given.window_rounds,
        adaptive: given.adaptive,
        shrink_ppm: ppm(given.shrink),
        grow_ppm: (given.grow * 1_000_000.0).round() as u32,
        shrink_above_ppm: percent(given.upper_percent),
        grow_below_ppm: percent(given.lower_percent),
        // Executions are few and heavy beside events: a braid of programs levels as fast as it safely can (`decisions:AVM-16`).
        whole: config.avm.is_some(),
        ring_capacity: u64::from(config.region.ring_records),
        ..defaults
    }
}

#[cfg(test)]
mod tests;
