//! Graphs for the relay, processes for the compute variant, and the events that start them.

use crate::compute::Compute;
use crate::relay::{EdgeError, Relay, SpawnError, encode};
use crate::workload::Rng;
use crate::{CELLS, Cell, Event, Input, SIDE};

/// A workload's graph cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// A parameter is out of range.
    #[error("{name} is {value}, expected {min} to {max}")]
    Range {
        /// The parameter.
        name: &'static str,
        /// What was given.
        value: u64,
        /// Least allowed.
        min: u64,
        /// Greatest allowed.
        max: u64,
    },
    /// The edge table is full.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// A process table is full.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
}

fn check(name: &'static str, value: u64, min: u64, max: u64) -> Result<(), GraphError> {
    if value < min || value > max { Err(GraphError::Range { name, value, min, max }) } else { Ok(()) }
}

/// Cells 0 .. `nodes` in a closed cycle, every edge with the same initial delay.
///
/// # Errors
/// [`GraphError`] when `nodes` is not 1 to 32768 or the edges do not fit.
pub fn cycle(relay: &mut Relay<'_>, nodes: u32, delay_ticks: u64) -> Result<(), GraphError> {
    check("nodes", u64::from(nodes), 1, CELLS as u64)?;
    for from in 0..nodes {
        relay.connect(Cell::wrapped(from), Cell::wrapped((from + 1) % nodes), delay_ticks)?;
    }
    Ok(())
}

/// The cells (x, y, 0) of a `width` x `height` grid: a process in each, an edge right (x + 1) and one down (y + 1), none off the grid.
///
/// # Errors
/// [`GraphError`] when a side is not 1 to 32 or tables are too small.
pub fn grid(relay: &mut Relay<'_>, width: u32, height: u32, delay_ticks: u64) -> Result<(), GraphError> {
    check("width", u64::from(width), 1, u64::from(SIDE))?;
    check("height", u64::from(height), 1, u64::from(SIDE))?;
    let at = |x: u32, y: u32| Cell::at(i64::from(x), i64::from(y), 0);
    for x in 0..width {
        for y in 0..height {
            relay.spawn(at(x, y))?;
            if x + 1 < width {
                relay.connect(at(x, y), at(x + 1, y), delay_ticks)?;
            }
            if y + 1 < height {
                relay.connect(at(x, y), at(x, y + 1), delay_ticks)?;
            }
        }
    }
    Ok(())
}

/// `edges` distinct edges between `nodes` random cells, delays 1 to `delay_max_ticks`, all from `seed`. The first `nodes` edges close
/// a cycle through all of them, so that no event dies for want of an edge.
///
/// # Errors
/// [`GraphError`] when `nodes` is not 1 to 32768, `edges` not `nodes` to half of nodes squared (or `nodes`), or tables are too small.
pub fn random_graph(
    relay: &mut Relay<'_>,
    nodes: u32,
    edges: u32,
    delay_max_ticks: u64,
    seed: u64,
) -> Result<Vec<Cell>, GraphError> {
    let (wide, most) = (u64::from(nodes), u64::from(nodes) * u64::from(nodes) / 2);
    check("nodes", wide, 1, CELLS as u64)?;
    check("edges", u64::from(edges), wide, most.max(wide))?;
    let mut rng = Rng::new(seed);
    let mut cells: Vec<Cell> = (0..CELLS as u32).map(Cell::wrapped).collect();
    for at in 0..nodes as usize {
        let other = at + rng.below((CELLS - at) as u64) as usize;
        cells.swap(at, other);
    }
    cells.truncate(nodes as usize);
    let delay = |rng: &mut Rng| 1 + rng.below(delay_max_ticks.max(1));
    for at in 0..cells.len() {
        let delay = delay(&mut rng);
        relay.connect(cells[at], cells[(at + 1) % cells.len()], delay)?;
    }
    let mut made = nodes;
    while made < edges {
        let from = cells[rng.below(wide) as usize];
        let to = cells[rng.below(wide) as usize];
        let delay = delay(&mut rng);
        if relay.edges_of(from).all(|edge| edge.to != to) {
            relay.connect(from, to, delay)?;
            made += 1;
        }
    }
    Ok(cells)
}

/// What [`routes`] built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Routes {
    /// Return legs.
    pub edges: u32,
    /// Cells with a process: every arrival cell, as far as the table goes.
    pub processes: u32,
}

/// The graph of an event file: from each arrival cell (dst) a return leg to each origin cell (src) seen with it, in order of first
/// appearance, and a process in each arrival cell. Arrival cells lead to origins and origins nowhere unless they are arrivals too, so
/// a closed set of airports sends its traffic round and round while a one-way set lets it die after one leg.
///
/// # Errors
/// [`GraphError`] when tables are too small.
pub fn routes(relay: &mut Relay<'_>, events: &[Event], delay_ticks: u64) -> Result<Routes, GraphError> {
    let mut built = Routes::default();
    for event in events {
        let (from, to) = (event.cell(), Cell::wrapped(event.src));
        if relay.processes_in(from) == 0 {
            relay.spawn(from)?;
            built.processes += 1;
        }
        if relay.edges_of(from).all(|edge| edge.to != to) {
            relay.connect(from, to, delay_ticks)?;
            built.edges += 1;
        }
    }
    Ok(built)
}

/// The inputs that put `count` events onto `cells`, one after the other and round again, payload 1 (so that delays shorten).
pub fn tokens(cells: &[Cell], count: u32) -> impl Iterator<Item = Input> {
    let places = cells.iter().cycle().take(if cells.is_empty() { 0 } else { count as usize });
    places.map(|&cell| Input::Inject { dst: cell, src: cell, payload: encode(1), count: 1 })
}

/// Processes of the compute variant on the rows x = 0 .. 9 for the first `rows` pairs (y, z).
///
/// # Errors
/// [`GraphError`] when `rows` is not 1 to 1024.
pub fn firehose(compute: &mut Compute<'_>, rows: u32) -> Result<(), GraphError> {
    check("rows", u64::from(rows), 1, u64::from(SIDE * SIDE))?;
    for row in 0..rows {
        for x in 0..10 {
            compute.spawn(Cell::at(x, i64::from(row / SIDE), i64::from(row % SIDE)));
        }
    }
    Ok(())
}

/// The inputs of one round of the firehose: one event at x = 0 of each row, each of which makes ten (rse section 3.7).
pub fn firehose_round(rows: u32, value: i32) -> impl Iterator<Item = Input> {
    (0..rows.min(SIDE * SIDE)).map(move |row| {
        let cell = Cell::at(0, i64::from(row / SIDE), i64::from(row % SIDE));
        Input::Inject { dst: cell, src: cell, payload: encode(value), count: 1 }
    })
}
