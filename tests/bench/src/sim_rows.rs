//! The simulator: how fast it is, and what its own reports say of the claims of `decisions:CLU-16`, ours and foca through the same
//! scenarios. Latencies are virtual time: the same seed gives the same, whatever the machine does. Only the speed is measured.

use std::time::Instant;

use sim::Scenario;
use sim::report::{Comparison, Report};
use sim::run::{self, Options};
use sim::scenario::Expect;

use crate::ekk_rows;
use crate::report::{Bar, Row, Verdict};

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

/// Speed at a thousand nodes and the cost of ten thousand.
fn large_rows() -> Vec<Row> {
    let ten = scenario(include_str!("../../../configs/sim/ten_thousand.toml"));
    let mut rows = match ours(&ten, 10_000, 20) {
        Ok((report, taken_s)) => {
            let speed = report.node_ticks as f64 / taken_s;
            let p99_ms = report.detection.p99_ms.unwrap_or(f64::INFINITY);
            let says = format!(
                "20 s of virtual time, 10 % loss, {} of {} crashes known to 99 %, {:.0} B of memory a node",
                report.detected, report.crashes, report.bytes_per_node as f64
            );
            vec![
                Row::alone("sim node-ticks, 10,000 nodes", "/s", vec![speed], Bar::None).note(says),
                Row::alone("sim detection p99, 10,000 nodes, 10 % loss", "ms", vec![p99_ms], Bar::ValueAtMost(1_500.0)),
                Row::alone(
                    "sim false removals, 10,000 nodes, 10 % loss",
                    "removals",
                    vec![report.false_removals as f64],
                    Bar::ValueAtMost(0.0),
                ),
            ]
        }
        Err(why) => vec![Row::absent("sim node-ticks, 10,000 nodes", "", why)],
    };
    let quiet = Scenario::quiet(1_000, 20);
    let speeds: Result<Vec<(Report, f64)>, String> = (0..3).map(|_| ours(&quiet, 1_000, 20)).collect();
    rows.push(match speeds {
        Ok(runs) => {
            let times = runs.iter().map(|(report, taken_s)| report.virtual_s / taken_s).collect();
            let tick_ns: Vec<f64> = runs.iter().map(|(report, s)| s * 1e9 / report.node_ticks as f64).collect();
            Row::alone("sim multiple of real time, 1,000 nodes", "x", times, Bar::None).note(format!(
                "aim 100x; {:.0} ns a node-tick with its share of the network and the checks",
                crate::report::median(tick_ns)
            ))
        }
        Err(why) => Row::absent("sim multiple of real time, 1,000 nodes", "", why),
    });
    rows.push(instruction_row());
    rows
}

const COUNTED_NODES: u32 = 500;

fn instruction_row() -> Row {
    let ticks =
        |seconds| ours(&Scenario::quiet(COUNTED_NODES, seconds), COUNTED_NODES, seconds).map(|run| run.0.node_ticks);
    let found =
        ekk_rows::instructions_of_this("--count-sim", (2, 6)).and_then(|second| Ok((second, ticks(6)? - ticks(2)?)));
    match found {
        Ok((second, ticks)) => {
            Row::alone("sim instructions a node-tick, 500 nodes", "instr", vec![second * 4.0 / ticks as f64], Bar::None)
                .note("the node, its messages through codec, tag and replay window, the network, the checks")
        }
        Err(why) => Row::absent("sim instructions a node-tick, 500 nodes", "", why),
    }
}

/// `--count-sim SECONDS`: what callgrind counts.
pub fn count_sim(arguments: &[String]) {
    let seconds = arguments.first().and_then(|count| count.parse().ok()).unwrap_or(1);
    ours(&Scenario::quiet(COUNTED_NODES, seconds), COUNTED_NODES, seconds).expect("nothing happens");
}

/// The same events a second in a hundred nodes and in ten thousand.
fn bytes_row() -> Row {
    let few = "nodes = 100\nuntil_s = 20\nabout = \"four crashes\"\n[network]\nloss = 0.02\n\
               [[fault]]\nkind = \"crash\"\nat_s = 8\ncount = 4\n";
    let few = scenario(few);
    let both = ours(&few, 100, 20).and_then(|small| Ok((small.0, ours(&few, 10_000, 20)?.0)));
    match both {
        Ok((small, large)) => {
            let pair = (large.coordination_bytes_per_node_s, small.coordination_bytes_per_node_s);
            Row::against(
                "sim coordination bytes a node and second",
                "B",
                &[pair],
                "ours at 100 nodes",
                Bar::AtMost(1.1),
            )
            .note("10,000 nodes against 100, 4 crashes in 20 s each, 2 % loss; hand-shakes apart")
        }
        Err(why) => Row::absent("sim coordination bytes a node and second", "", why),
    }
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

fn comparison_rows(name: &str, Comparison { ours, lan, matched, speed, .. }: &Comparison) -> Vec<Row> {
    let mut rows = Vec::new();
    let bytes = format!(
        "{COMPARED} nodes; bytes a node and second: ours {:.0}, foca LAN {:.0}, matched {:.0} (periods / {speed:.1})",
        ours.bytes_per_node_s, lan.bytes_per_node_s, matched.bytes_per_node_s
    );
    if let Some(our_ms) = ours.detection.p50_ms {
        let mut against = |name: String, peer: &str, report: &Report, bar: Bar| match report.detection.p50_ms {
            Some(their_ms) => rows.push(Row::against(name, "ms", &[(our_ms, their_ms)], peer, bar).note(bytes.clone())),
            None => rows.push(Row::absent(name, peer, format!("foca did not detect; ours {our_ms:.0} ms; {bytes}"))),
        };
        let lan_bar = Bar::AtMost(1.0 / 5.0);
        let name_lan = format!("sim detection p50, {name}");
        against(name_lan, "foca, LAN preset", lan, lan_bar);
        against(format!("sim detection p50, {name}, matched bytes"), "foca, matched bytes", matched, Bar::AtMost(2.0));
    }
    rows.push(mistakes(name, ours, matched).note(format!("in {:.1} node-hours; {bytes}", ours.node_hours)));
    rows
}

/// Fewer is promised, not as many.
fn mistakes(name: &str, ours: &Report, matched: &Report) -> Row {
    let pair = (ours.false_removals as f64, matched.false_removals as f64);
    let name = format!("sim false removals, {name}, matched bytes");
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
    rows.push(bytes_row());
    rows.extend(compared("10 % loss", include_str!("../../../configs/sim/loss10.toml")));
    rows.extend(compared("bursts", include_str!("../../../configs/sim/burst.toml")));
    rows.extend(compared("one-way loss", include_str!("../../../configs/sim/one_way.toml")));
    rows
}
