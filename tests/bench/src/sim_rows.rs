//! The simulator: how fast it is, and what its own reports say of the claims of `decisions:CLU-16`, ours and foca through the same
//! scenarios. Latencies are virtual time: the same seed gives the same, whatever the machine does. Only the speed is measured.

use std::time::Instant;

use sim::Scenario;
use sim::report::{Comparison, Report};
use sim::run::{self, Options};
use sim::scenario::Expect;

use crate::ekk_rows;
use crate::report::{Bar, Row, Verdict, median};

const SEED: u64 = 7;
/// Nodes of the runs beside foca.
const COMPARED: u32 = 200;

fn scenario(text: &str) -> Scenario {
    Scenario::parse(text).expect("the simulator's tests run the scenarios of the repository")
}

/// Runs ours; the report and seconds of wall time.
fn ours(scenario: &Scenario, nodes: u32, seconds: u64) -> Result<(Report, f64), String> {
    let options = Options { nodes: Some(nodes), seed: SEED, until_ns: Some(seconds * 1_000_000_000) };
    let start = Instant::now();
    let report = run::trefoil(scenario, &options, &mut |_| true).map_err(|error| error.to_string())?;
    let taken_s = start.elapsed().as_secs_f64();
    match &report.violation {
        Some(what) => Err(format!("a check failed after {:.1} s: {what}", report.virtual_s)),
        None => Ok((report, taken_s)),
    }
}

/// Crashes under loss, as many among a hundred nodes as among ten thousand.
const CRASHES: &str = "about = \"10 % loss, ten crashes\"\nnodes = 10000\nuntil_s = 6\n[network]\nloss = 0.1\n\
                       [[fault]]\nkind = \"crash\"\nat_s = 3\ncount = 10\n";

fn large_rows() -> Vec<Row> {
    let scenario = scenario(CRASHES);
    let (report, taken_s) = match ours(&scenario, 10_000, 6) {
        Ok(run) => run,
        Err(why) => return vec![Row::absent("sim of 10,000 nodes", "", why)],
    };
    let speed = report.node_ticks as f64 / taken_s;
    let p99_ms = report.detection.p99_ms.unwrap_or(f64::INFINITY);
    let false_removals = vec![report.false_removals as f64];
    let known = format!("{} of {} crashes known to 99 %", report.detected, report.crashes);
    let mut rows = vec![
        Row::alone("sim node-ticks, 10,000 nodes", "/s", vec![speed], Bar::None)
            .note(format!("{taken_s:.1} s for 6 s of virtual time; {} B of memory a node", report.bytes_per_node)),
        Row::alone("sim detection p99, 10,000 nodes, 10 % loss", "ms", vec![p99_ms], Bar::ValueAtMost(1_500.0))
            .note(known),
        Row::alone("sim false removals, 10,000 nodes, 10 % loss", "removals", false_removals, Bar::ValueAtMost(0.0)),
    ];
    let name = "sim coordination bytes a node and second, 10,000 nodes";
    rows.push(match ours(&scenario, 100, 6) {
        Ok((small, _)) => {
            let pair = (report.coordination_bytes_per_node_s, small.coordination_bytes_per_node_s);
            Row::against(name, "B", &[pair], "ours, 100 nodes", Bar::AtMost(1.1))
                .note("10 crashes in 6 s and 10 % loss in both; hand-shakes apart")
        }
        Err(why) => Row::absent(name, "", why),
    });
    rows
}

fn speed_row() -> Row {
    let name = "sim multiple of real time, 1,000 nodes";
    let quiet = Scenario::quiet(1_000, 10);
    let runs: Result<Vec<(Report, f64)>, String> = (0..5).map(|_| ours(&quiet, 1_000, 10)).collect();
    match runs {
        Ok(runs) => {
            let times = runs.iter().map(|(report, taken_s)| report.virtual_s / taken_s).collect();
            let tick_ns = runs.iter().map(|(report, taken_s)| taken_s * 1e9 / report.node_ticks as f64).collect();
            Row::alone(name, "x", times, Bar::None).note(format!(
                "aim 100 x; {:.0} ns a node-tick with its share of the network and the checks",
                median(tick_ns)
            ))
        }
        Err(why) => Row::absent(name, "", why),
    }
}

const COUNTED_NODES: u32 = 200;

fn instruction_row() -> Row {
    let ticks =
        |seconds| ours(&Scenario::quiet(COUNTED_NODES, seconds), COUNTED_NODES, seconds).map(|run| run.0.node_ticks);
    let found =
        ekk_rows::instructions_of_this("--count-sim", (1, 3)).and_then(|second| Ok((second, ticks(3)? - ticks(1)?)));
    match found {
        Ok((second, ticks)) => {
            Row::alone("sim instructions a node-tick, 200 nodes", "instr", vec![second * 2.0 / ticks as f64], Bar::None)
                .note("the node, its messages through codec, tag and replay window, the network, the checks")
        }
        Err(why) => Row::absent("sim instructions a node-tick, 200 nodes", "", why),
    }
}

/// `--count-sim SECONDS`: what callgrind counts.
pub fn count_sim(arguments: &[String]) {
    let seconds = arguments.first().and_then(|count| count.parse().ok()).unwrap_or(1);
    ours(&Scenario::quiet(COUNTED_NODES, seconds), COUNTED_NODES, seconds).expect("nothing happens");
}

fn compared(name: &str, text: &str) -> Vec<Row> {
    let mut scenario = scenario(text);
    scenario.expect = Expect::default();
    let options = Options { nodes: Some(COMPARED), seed: SEED, until_ns: None };
    match run::compare(&scenario, &options, &mut |_| true) {
        Ok(comparison) => comparison_rows(name, &comparison),
        Err(why) => vec![Row::absent(format!("sim beside foca, {name}"), "foca", why.to_string())],
    }
}

fn comparison_rows(scenario: &str, Comparison { ours, lan, matched, speed, claims }: &Comparison) -> Vec<Row> {
    // What the simulator's report says of the match: which bytes, how near.
    let claim = claims.iter().find(|claim| claim.claim.contains("bytes matched"));
    let says = claim.map_or_else(String::new, |claim| format!("; {}: {}", claim.claim, claim.because));
    let bytes = format!(
        "{COMPARED} nodes; all bytes a node and second: ours {:.0}, foca LAN {:.0}, matched {:.0} (periods / {speed:.1}){says}",
        ours.bytes_per_node_s, lan.bytes_per_node_s, matched.bytes_per_node_s
    );
    let mut rows = Vec::new();
    let mut detection = |name: String, peer: &str, theirs: &Report, bar: Bar| {
        rows.push(match (ours.detection.p50_ms, theirs.detection.p50_ms) {
            (Some(our_ms), Some(their_ms)) => {
                Row::against(name, "ms", &[(our_ms, their_ms)], peer, bar).note(bytes.clone())
            }
            (our_ms, _) => Row::absent(name, peer, format!("no detection on one side; ours {our_ms:?} ms; {bytes}")),
        });
    };
    if ours.crashes > 0 {
        let name = format!("sim detection p50, {scenario}");
        detection(name, "foca, LAN preset", lan, Bar::AtMost(1.0 / 5.0));
        let name = format!("sim detection p50, {scenario}, matched bytes");
        detection(name, "foca, matched bytes", matched, Bar::AtMost(2.0));
    }
    rows.push(mistakes(scenario, ours, matched).note(format!("in {:.1} node-hours; {bytes}", ours.node_hours)));
    rows
}

/// Fewer is promised, not as many.
fn mistakes(scenario: &str, ours: &Report, matched: &Report) -> Row {
    let pair = (ours.false_removals as f64, matched.false_removals as f64);
    let name = format!("sim false removals, {scenario}, matched bytes");
    let mut row = Row::against(name, "removals", &[pair], "foca, matched bytes", Bar::None);
    (row.bar, row.ratio) = ("fewer".to_owned(), row.ratio.filter(|ratio| ratio.is_finite()));
    row.ok = match pair {
        (our, their) if our < their => Verdict::Met,
        // Where neither makes a mistake nothing tells them apart.
        (0.0, _) => Verdict::NotMeasurable,
        _ => Verdict::Missed,
    };
    row
}

/// All rows of this section.
pub fn rows() -> Vec<Row> {
    let mut rows = large_rows();
    rows.push(speed_row());
    rows.push(instruction_row());
    rows.extend(compared("10 % loss", include_str!("../../../configs/sim/loss10.toml")));
    rows.extend(compared("bursts", include_str!("../../../configs/sim/burst.toml")));
    rows.extend(compared("one-way loss", include_str!("../../../configs/sim/one_way.toml")));
    rows
}
