//! From TOML to a [`Scenario`].

use std::ops::RangeInclusive;

use ekk::profile::Preset;
use toml::de::DeTable;

use super::reader::{Collector, Problems, TEXT_MAX, Table};
use super::{Behaviour, Expect, Fault, Fidelity, Kind, NODES_MAX, Scenario, Start, Tuning, Who, Work};
use crate::network::{Burst, Conditions, Flap};
use crate::random::Chance;

/// Longest run, seconds of virtual time.
const SECONDS_MAX: f64 = 400_000.0;
/// Most faults of a scenario.
const FAULTS_MAX: usize = 64;
const SHARE: RangeInclusive<f64> = 0.0..=1.0;
const SECONDS: RangeInclusive<f64> = 0.0..=SECONDS_MAX;

pub(super) fn parse(text: &str) -> Result<Scenario, Problems> {
    let mut problems = Collector::new(text);
    if text.len() > TEXT_MAX {
        let value = format!("{} bytes", text.len());
        problems.add(0, "the file", &value, &format!("at most {TEXT_MAX} bytes"), "name a scenario");
        return problems.finish().map(|()| Scenario::quiet(1, 1));
    }
    let table = match DeTable::parse(text) {
        Ok(table) => Table::new("", 0, table.into_inner()),
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            problems.add(at, "the file", error.message(), "TOML", "mend the syntax there");
            return problems.finish().map(|()| Scenario::quiet(1, 1));
        }
    };
    let scenario = scenario(table, &mut problems);
    problems.finish().map(|()| scenario)
}

/// Reads any bytes as a scenario; never panics.
pub fn fuzz_scenario(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Scenario::parse(text);
    }
}

fn ns(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

fn us(microseconds: f64) -> u64 {
    (microseconds * 1e3) as u64
}

fn scenario(mut table: Table<'_>, problems: &mut Collector<'_>) -> Scenario {
    let mut scenario = Scenario::quiet(100, 30);
    if let Some(about) = table.text("about", 400, problems) {
        scenario.about = about;
    }
    let fidelities = [("mesh", Fidelity::Mesh), ("link", Fidelity::Link), ("braid", Fidelity::Braid)];
    scenario.fidelity = table.word("fidelity", &fidelities, problems).unwrap_or(Fidelity::Mesh);
    let most = i64::from(scenario.nodes_max());
    let nodes = table.whole("nodes", 1..=most, problems);
    scenario.nodes = nodes.map_or(most.min(100) as u32, |nodes| nodes as u32);
    let presets = [("fast", Preset::Fast), ("lan", Preset::Lan), ("wan", Preset::Wan)];
    scenario.preset = table.word("preset", &presets, problems).unwrap_or_default();
    let starts = [("warm", Start::Warm), ("cold", Start::Cold)];
    scenario.start = table.word("start", &starts, problems).unwrap_or(Start::Warm);
    scenario.founders = table.whole("founders", 1..=64, problems).unwrap_or(3) as u8;
    scenario.zones = table.whole("zones", 1..=64, problems).unwrap_or(4) as u8;
    scenario.until_ns = table.number("until_s", 0.1..=SECONDS_MAX, problems).map_or(scenario.until_ns, ns);
    scenario.calm_ns = table.number("calm_s", SECONDS, problems).map_or(scenario.until_ns, ns).min(scenario.until_ns);
    if let Some(part) = table.table("network", problems) {
        scenario.network = conditions(part, problems);
    }
    if let Some(part) = table.table("node", problems) {
        scenario.tuning = tuning(part, problems);
    }
    if let Some(part) = table.table("expect", problems) {
        scenario.expect = expect(part, problems);
    }
    if let Some(part) = table.table("work", problems) {
        scenario.work = work(part, problems);
    }
    for part in table.tables("fault", FAULTS_MAX, problems) {
        scenario.faults.extend(fault(part, &scenario, problems));
    }
    table.finish(problems);
    scenario
}

fn conditions(mut table: Table<'_>, problems: &mut Collector<'_>) -> Conditions {
    let plain = Conditions::default();
    let mut micro =
        |table: &mut Table<'_>, key, plain| table.number(key, 0.0..=10_000_000.0, problems).map_or(plain, us);
    let delay_ns = micro(&mut table, "delay_us", plain.delay_ns);
    let jitter_ns = micro(&mut table, "jitter_us", plain.jitter_ns);
    let zone_delay_ns = micro(&mut table, "zone_delay_us", plain.zone_delay_ns);
    let reorder_ns = micro(&mut table, "reorder_us", 5_000_000);
    let mut chance = |table: &mut Table<'_>, key| table.number(key, SHARE, problems).map_or(Chance::NEVER, Chance::new);
    let (loss, duplicate, reorder) =
        (chance(&mut table, "loss"), chance(&mut table, "duplicate"), chance(&mut table, "reorder"));
    let bandwidth = table.number("bandwidth_kb_s", 1.0..=1e7, problems).map(|kb| (kb * 1e3) as u64);
    let burst = table.table("burst", problems).map(|mut part| {
        let burst = mean_and_length(&mut part, problems);
        part.finish(problems);
        burst
    });
    table.finish(problems);
    Conditions { delay_ns, jitter_ns, zone_delay_ns, loss, burst, duplicate, reorder, reorder_ns, bandwidth }
}

fn mean_and_length(table: &mut Table<'_>, problems: &mut Collector<'_>) -> Burst {
    let mean = table.number("mean", 0.0..=0.9, problems).unwrap_or(0.1);
    Burst::new(mean, table.number("length", 1.0..=1_000.0, problems).unwrap_or(3.0))
}

fn tuning(mut table: Table<'_>, problems: &mut Collector<'_>) -> Tuning {
    let mut small = |table: &mut Table<'_>, key, range| table.whole(key, range, problems).map(|number| number as u8);
    let threshold = small(&mut table, "threshold", 4..=64);
    let threshold_min = small(&mut table, "threshold_min", 4..=16);
    table.finish(problems);
    Tuning { threshold, threshold_min }
}

fn expect(mut table: Table<'_>, problems: &mut Collector<'_>) -> Expect {
    let mut count =
        |table: &mut Table<'_>, key| table.whole(key, 0..=i64::from(u32::MAX), problems).map(|number| number as u64);
    let false_removals = count(&mut table, "false_removals");
    let detect_p99_ms = count(&mut table, "detect_p99_ms");
    let mut flag = |table: &mut Table<'_>, key| table.flag(key, problems);
    let all_detected = flag(&mut table, "all_detected").unwrap_or(false);
    let formed = flag(&mut table, "formed").unwrap_or(false);
    let healed = flag(&mut table, "healed").unwrap_or(false);
    let one_way_removed = flag(&mut table, "one_way_removed");
    let wrong_neighbours = table.number("wrong_neighbours", 0.0..=7.0, problems);
    let packets_per_s = table.number("packets_per_s", 0.0..=1e9, problems);
    table.finish(problems);
    Expect {
        false_removals,
        detect_p99_ms,
        all_detected,
        formed,
        healed,
        wrong_neighbours,
        one_way_removed,
        packets_per_s,
    }
}

fn work(mut table: Table<'_>, problems: &mut Collector<'_>) -> Work {
    let plain = Work::default();
    let tokens = table.whole("tokens", 0..=100_000, problems).map_or(plain.tokens, |tokens| tokens as u32);
    let tori = table.whole("tori", 1..=16, problems).map_or(plain.tori, |tori| tori as u8);
    let policies = [("redo", true), ("drop", false)];
    let redo = table.word("in_doubt", &policies, problems).unwrap_or(plain.redo);
    table.finish(problems);
    Work { tokens, tori, redo }
}

fn who(table: &mut Table<'_>, problems: &mut Collector<'_>) -> Option<Who> {
    let at = table.at();
    let share = table.number("share", SHARE, problems).map(Who::Share);
    let count = table.whole("count", 1..=i64::from(NODES_MAX), problems).map(|count| Who::Count(count as u32));
    let node = table.whole("node", 1..=i64::from(NODES_MAX), problems).map(|node| Who::Node(node as u32));
    let zone = table.whole("zone", 0..=63, problems).map(|zone| Who::Zone(zone as u8));
    let given: Vec<Who> = [share, count, node, zone].into_iter().flatten().collect();
    if given.len() > 1 {
        let name = table.name("share");
        problems.add(at, &name, "given twice", "one of share, count, node, zone", "keep one of them");
    }
    given.first().copied()
}

fn fault(mut table: Table<'_>, scenario: &Scenario, problems: &mut Collector<'_>) -> Option<Fault> {
    let at_ns = table.number("at_s", SECONDS, problems).map_or(0, ns);
    let until_ns = table.number("for_s", SECONDS, problems).map_or(u64::MAX, |length| at_ns.saturating_add(ns(length)));
    let who = who(&mut table, problems);
    if !table.has("kind") {
        table.missing("kind", "what happens, such as \"crash\"", problems);
    }
    let names: Vec<(&str, usize)> = KINDS.iter().enumerate().map(|(index, kind)| (kind.0, index)).collect();
    let kind = table.word("kind", &names, problems).and_then(|index| KINDS[index].1(&mut table, problems));
    let at = table.at();
    if let Some(Who::Zone(zone)) = who.filter(|who| matches!(who, Who::Zone(zone) if *zone >= scenario.zones)) {
        let expected = format!("less than zones = {}", scenario.zones);
        problems.add(at, &table.name("zone"), &zone.to_string(), &expected, "name a zone that exists");
    }
    if at_ns > scenario.until_ns {
        let expected = format!("at most until_s = {}", scenario.until_ns / 1_000_000_000);
        problems.add(at, &table.name("at_s"), "after the end", &expected, "let it begin earlier");
    }
    table.finish(problems);
    Some(Fault { at_ns, until_ns, who: who.unwrap_or(Who::Count(1)), kind: kind? })
}

type ReadKind = fn(&mut Table<'_>, &mut Collector<'_>) -> Option<Kind>;

/// Every kind of fault with what reads the rest of its table.
const KINDS: [(&str, ReadKind); 17] = [
    ("crash", |table, problems| {
        let restart_ns = table.number("restart_s", SECONDS, problems).map(ns);
        Some(Kind::Crash { restart_ns, keep_state: table.flag("keep_state", problems).unwrap_or(true) })
    }),
    ("leave", |_, _| Some(Kind::Leave)),
    ("stall", |_, _| Some(Kind::Stall)),
    ("slow", |table, problems| {
        Some(Kind::Slow(table.number("delay_ms", 0.0..=60_000.0, problems).map_or(50_000_000, |ms| us(ms * 1e3))))
    }),
    ("clock_jump", |table, problems| {
        let by = table.number("by_ms", -1e9..=1e9, problems).unwrap_or(1_000.0);
        Some(Kind::ClockJump((by * 1e6) as i64))
    }),
    ("clock_drift", |table, problems| {
        Some(Kind::ClockDrift(table.whole("ppm", -500_000..=500_000, problems).unwrap_or(200) as i32))
    }),
    ("loss", |table, problems| Some(Kind::Loss(Chance::new(table.number("loss", SHARE, problems).unwrap_or(0.1))))),
    ("burst", |table, problems| Some(Kind::Burst(mean_and_length(table, problems)))),
    ("one_way", |table, problems| {
        let mut chance = |key| table.number(key, SHARE, problems).map_or(Chance::NEVER, Chance::new);
        Some(Kind::OneWay { inbound: chance("inbound"), outbound: chance("outbound") })
    }),
    ("partition", |_, _| Some(Kind::Partition)),
    ("flap", |table, problems| {
        let period_ns = table.number("period_ms", 1.0..=1e6, problems).map_or(1_000_000_000, |ms| us(ms * 1e3));
        let down_ns = table.number("down_ms", 0.0..=1e6, problems).map_or(200_000_000, |ms| us(ms * 1e3));
        Some(Kind::Flap(Flap { period_ns, down_ns, phase_ns: 0 }))
    }),
    ("uplink", |table, problems| {
        let loss = table.number("loss", 0.0..=0.9, problems).unwrap_or(0.0);
        let outage_ns = table.number("outage_ms", 1.0..=1e6, problems).map_or(300_000_000, |ms| us(ms * 1e3));
        let bandwidth = table.number("bandwidth_kb_s", 1.0..=1e7, problems).map(|kb| (kb * 1e3) as u64);
        Some(Kind::Uplink { loss, outage_ns, bandwidth })
    }),
    ("byzantine", |table, problems| {
        let behaviours = [
            ("equivocate", Behaviour::Equivocate),
            ("slander", Behaviour::Slander),
            ("forge", Behaviour::Forge),
            ("noise", Behaviour::Noise),
        ];
        Some(Kind::Byzantine(table.word("behaviour", &behaviours, problems).unwrap_or(Behaviour::Slander)))
    }),
    ("churn", |table, problems| {
        let every_ns = table.number("every_s", 0.001..=1e5, problems).map_or(1_000_000_000, ns);
        let down_ns = table.number("down_s", 0.0..=1e5, problems).map_or(10_000_000_000, ns);
        Some(Kind::Churn { every_ns, down_ns })
    }),
    ("late", |_, _| Some(Kind::Late)),
    ("ballot", |table, problems| {
        let cluster = table.word("scope", &[("local", false), ("cluster", true)], problems).unwrap_or(false);
        Some(Kind::Ballot { cluster })
    }),
    ("upgrade", |table, problems| {
        Some(Kind::Upgrade { every_ns: table.number("every_s", 0.01..=1e5, problems).map_or(1_000_000_000, ns) })
    }),
];
