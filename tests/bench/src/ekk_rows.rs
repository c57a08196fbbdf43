//! Operations of `ekk` against the seed's published figures (`ekk` section 14), in instructions: those do not depend on the load of
//! the machine. Callgrind runs `ekk/examples/count.rs` twice with different repetitions; start-up and set-up cancel out in the
//! difference. The selection of seven of ten thousand is timed.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ekk::id::{Identity, NodeId};
use ekk::profile::{Preset, Timing};
use ekk::time::{Span, Time};
use ekk::topology::{self, Candidate, Metric, Topology};

use crate::ballots;
use crate::measure::{ns_per_call, pin, unpin};
use crate::report::{Bar, Row};

const PEER: &str = "seed, published count";
const THIRD: Bar = Bar::AtMost(1.0 / 3.0);
const SMALL: u64 = 200;
const LARGE: u64 = 4_200;

/// What is counted of the example.
struct Counted {
    name: &'static str,
    operation: &'static str,
    seed: f64,
    bar: Bar,
}

/// A row, the operation of the example, the seed's instructions, the bar.
const fn row(name: &'static str, operation: &'static str, seed: f64, bar: Bar) -> Counted {
    Counted { name, operation, seed, bar }
}

const COUNTED: [Counted; 16] = [
    row("ekk election of 254, logical distance", "elect-254-logical", 216_000.0, THIRD),
    row("ekk election of 254, physical distance", "elect-254-physical", 232_000.0, THIRD),
    row("ekk election of 62, logical distance", "elect-62-logical", 17_900.0, Bar::None),
    row("ekk election of 62, physical distance", "elect-62-physical", 26_000.0, Bar::None),
    row("ekk discovery of a known, worse node, 62 known", "discover-worse-62", 242.0, Bar::None),
    row("ekk heartbeat round of 254 each, with the tick", "heartbeats-254", 211_000.0, THIRD),
    row("ekk heartbeat round of 62 each, with the tick", "heartbeats-62", 15_800.0, Bar::None),
    row("ekk heartbeat round of 7 each, with the tick", "heartbeats-7", 671.0, Bar::None),
    row("ekk heartbeat tick alone, 254 each", "heartbeat-tick-254", 4_867.0, Bar::None),
    row("ekk heartbeat tick alone, 62 each", "heartbeat-tick-62", 1_219.0, Bar::None),
    row("ekk field publish", "field-publish", 164.0, Bar::None),
    row("ekk field sample, age 0", "field-sample", 195.0, Bar::None),
    row("ekk field sample, aged with decay", "field-sample-aged", 232.0, Bar::None),
    row("ekk decay factor alone", "decay", 52.0, Bar::None),
    row("ekk sample 7 neighbours and gradient vector", "aggregate-7", 2_987.0, Bar::None),
    row("ekk gradient vector alone, 6 components", "gradient", 102.0, Bar::None),
];

/// Where the programs that are counted lie.
struct Counter {
    example: PathBuf,
    myself: PathBuf,
}

impl Counter {
    fn new() -> Result<Self, String> {
        has_valgrind()?;
        let myself = myself()?;
        let example = myself.with_file_name("examples").join("count");
        if !example.exists() {
            return Err("build it with: cargo build --release -p trefoil-ekk --example count".to_owned());
        }
        Ok(Self { example, myself })
    }

    /// Instructions of one repetition.
    fn one(&self, operation: &str, times: (u64, u64)) -> Result<f64, String> {
        difference(&self.example, &[], &[operation], times)
    }
}

fn has_valgrind() -> Result<(), String> {
    let found = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    found.then_some(()).ok_or_else(|| "needs valgrind: scripts/deps bench".to_owned())
}

fn myself() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("the path of this binary: {error}"))
}

/// Instructions of one repetition of `trefoil-bench OPERATION REPETITIONS`.
pub fn instructions_of_this(operation: &str, times: (u64, u64)) -> Result<f64, String> {
    has_valgrind()?;
    difference(&myself()?, &[], &[operation], times)
}

/// Instructions of one repetition of `program arguments... REPETITIONS`.
fn difference(program: &Path, options: &[&str], arguments: &[&str], (few, many): (u64, u64)) -> Result<f64, String> {
    // Counts do not disturb each other: both at once.
    let (small, large) = std::thread::scope(|scope| {
        let large = scope.spawn(|| instructions(program, options, arguments, many));
        let small = instructions(program, options, arguments, few);
        (small, large.join().unwrap_or_else(|_| Err("the counting thread panicked".to_owned())))
    });
    Ok(large?.saturating_sub(small?) as f64 / (many - few) as f64)
}

fn instructions(program: &Path, options: &[&str], arguments: &[&str], times: u64) -> Result<u64, String> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(options)
        .arg(program)
        .args(arguments)
        .arg(times.to_string())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let last = said.lines().last().unwrap_or_default();
        return Err(format!("{} {}: {}: {last}", program.display(), arguments.join(" "), output.status));
    }
    let collected = said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    collected.ok_or_else(|| "callgrind said no number of instructions".to_owned())
}

/// Repetitions to compare: fewer of what is long.
fn times(seed_instructions: f64) -> (u64, u64) {
    if seed_instructions > 10_000.0 { (20, 220) } else { (SMALL, LARGE) }
}

fn counted_rows(counter: &Counter) -> Vec<Row> {
    let mut rows = tick_rows(counter);
    for Counted { name, operation, seed, bar } in COUNTED {
        rows.push(match counter.one(operation, times(seed)) {
            Ok(count) => Row::against(name, "instr", &[(count, seed)], PEER, bar),
            Err(why) => Row::absent(name, PEER, why),
        });
    }
    rows.push(match difference(&counter.myself, &[], &["--count-ballots"], (SMALL, LARGE)) {
        Ok(count) => Row::against("ekk ballot of 8 voters, to approved", "instr", &[(count, 1_223.0)], PEER, Bar::None)
            .note("ours with the votes' codec, signed texts without the signatures, and the slot's end; the seed's in memory"),
        Err(why) => Row::absent("ekk ballot of 8 voters, to approved", PEER, why),
    });
    rows
}

fn tick_rows(counter: &Counter) -> Vec<Row> {
    let name = "ekk full tick, 7 alive neighbours, 1 task";
    // Only what happens inside the tick is collected; the example receives the neighbours' fields outside of it.
    let alone = difference(&counter.example, &["--toggle-collect=*one_tick*"], &["full-tick-7"], (SMALL, LARGE));
    let mut rows = vec![match alone {
        Ok(count) => Row::against(name, "instr", &[(count, 3_743.0)], PEER, THIRD).note(
            "mean over ticks with and without something to send: watching, election, health, gradients, tasks, field",
        ),
        Err(why) => Row::absent(name, PEER, why),
    }];
    let name = "ekk full tick and receipt from 7 neighbours";
    rows.push(match counter.one("full-tick-7", (SMALL, LARGE)) {
        Ok(count) => Row::against(name, "instr", &[(count, 6_471.0)], PEER, Bar::None).note(
            "ours: 7 fields each second tick, with their encoding and decoding; the seed: 7 heartbeats each tick",
        ),
        Err(why) => Row::absent(name, PEER, why),
    });
    rows
}

const KNOWN: usize = 10_000;

/// Ten thousand candidates in a cube.
fn crowd() -> Box<Topology<7, KNOWN, 32_768, 0>> {
    let timing = Timing::preset(Preset::Lan);
    let config =
        topology::Config { metric: Metric::Physical, residence: Span::ZERO, ..topology::Config::product(&timing) };
    let me = NodeId::from_raw(1_000_000);
    let mut topology = Box::new(Topology::new(config, me, [0; 3]).expect("the defaults are valid"));
    for id in 1..=KNOWN as u32 {
        let at = |factor: u32| (id.wrapping_mul(factor) % 20_000) as i16 - 10_000;
        let being = Identity { id: NodeId::from_raw(id), boot_inc: 1, life: 0 };
        let position = [at(7_919), at(104_729), at(1_299_709)];
        topology.offer(Time::from_ms(1), &Candidate::vouched(being, position)).expect("there is room for all");
    }
    topology
}

fn selection_rows() -> Vec<Row> {
    pin(0);
    let now = Time::from_ms(1_000);
    let mut topology = crowd();
    let from_known = |_| {
        ns_per_call(50, || {
            black_box(black_box(&mut topology).elect(now));
        }) / 1e3
    };
    let known: Vec<f64> = (0..7).map(from_known).collect();
    let mut side = 0;
    let anew = |_| {
        ns_per_call(50, || {
            side ^= 1;
            black_box(topology.moved(now, black_box([side, 0, 0])));
        }) / 1e3
    };
    let anew: Vec<f64> = (0..7).map(anew).collect();
    unpin();
    let bar = Bar::ValueAtMost(100.0);
    vec![
        Row::alone("ekk selection of 7 from 10,000, distances known", "us", known, bar),
        Row::alone("ekk selection of 7 from 10,000, every distance anew", "us", anew, bar),
    ]
}

/// All rows of this section.
pub fn rows() -> Vec<Row> {
    let mut rows = match Counter::new() {
        Ok(counter) => counted_rows(&counter),
        Err(why) => vec![Row::absent("ekk operations in instructions", PEER, why)],
    };
    rows.extend(selection_rows());
    rows
}

/// `--count-ballots REPETITIONS`: what callgrind counts.
pub fn count_ballots(arguments: &[String]) {
    ballots::run(arguments.first().and_then(|count| count.parse().ok()).unwrap_or(0));
}
