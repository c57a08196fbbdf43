//! The programs' part of the metrics.

use std::sync::atomic::AtomicU64;

use control::AvmSnapshot;
use control::avm::LaneSnapshot;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{Level, Total};

type Single = (&'static str, &'static str, fn(&AvmSnapshot) -> u64);
type Lane = (&'static str, &'static str, fn(&LaneSnapshot) -> u64);

const LEVELS: &[Single] = &[
    ("programs", "Programs loaded", |avm| avm.programs.len() as u64),
    ("transactions_open", "Transactions open", |avm| avm.totals.open),
    ("solver_busy", "Threads that solve now", |avm| u64::from(avm.solver.busy)),
    ("solver_queued", "Questions that wait for the solver", |avm| avm.solver.queued),
    ("solver_p50_ns", "Median time of a question, ns", |avm| avm.solver.p50_ns),
    ("solver_p99_ns", "99th percentile of the time of a question, ns", |avm| avm.solver.p99_ns),
];

const TOTALS: &[Single] = &[
    ("executions_started", "Executions started", |avm| avm.totals.started),
    ("executions_failed", "Executions that failed", |avm| avm.totals.failures),
    ("solver_sat", "Questions answered yes", |avm| avm.solver.sat),
    ("solver_unsat", "Questions answered no", |avm| avm.solver.unsat),
    ("solver_unknown", "Questions not decided", |avm| avm.solver.unknown),
    ("solver_restarts", "Solver threads replaced", |avm| avm.solver.restarts),
];

const LANE_LEVELS: &[Lane] = &[
    ("executions_running", "Executions that can go on", |lane| lane.running),
    ("executions_suspended", "Executions that wait", |lane| lane.suspended),
    ("objects", "Objects", |lane| lane.objects),
    ("heap_bytes", "Heap in use", |lane| lane.heap_bytes),
    ("heap_limit_bytes", "Heap taken at start", |lane| lane.heap_limit_bytes),
];

const LANE_TOTALS: &[Lane] = &[
    ("quanta", "Quanta executed", |lane| lane.quanta),
    ("executions_moved_in", "Executions that came from other tori", |lane| lane.moved_in),
    ("executions_moved_out", "Executions given to other tori", |lane| lane.moved_out),
    ("messages_lost", "Messages to tori that were not reached", |lane| lane.lost),
];

/// Registers everything the programs say.
pub(super) fn register(registry: &mut Registry, avm: &AvmSnapshot) {
    for (name, help, value) in LEVELS {
        let gauge = Gauge::<f64, AtomicU64>::default();
        gauge.set(value(avm) as f64);
        registry.register(format!("avm_{name}"), *help, gauge);
    }
    for (name, help, value) in TOTALS {
        let counter = Counter::<u64, AtomicU64>::default();
        counter.inc_by(value(avm));
        registry.register(format!("avm_{name}"), *help, counter);
    }
    let labels = |lane: &LaneSnapshot| vec![("torus", lane.torus.clone())];
    for (name, help, value) in LANE_LEVELS {
        let family = Level::default();
        registry.register(format!("avm_{name}"), *help, family.clone());
        for lane in &avm.lanes {
            family.get_or_create(&labels(lane)).set(value(lane) as f64);
        }
    }
    for (name, help, value) in LANE_TOTALS {
        let family = Total::default();
        registry.register(format!("avm_{name}"), *help, family.clone());
        for lane in &avm.lanes {
            family.get_or_create(&labels(lane)).inc_by(value(lane));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_by_torus() {
        let lane = LaneSnapshot { torus: "A".to_owned(), running: 7, moved_out: 3, ..LaneSnapshot::default() };
        let mut avm = AvmSnapshot { lanes: vec![lane], ..AvmSnapshot::default() };
        avm.totals.started = 9;
        let mut registry = Registry::with_prefix("trefoil");
        register(&mut registry, &avm);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("a text takes it");
        for line in [
            "trefoil_avm_executions_running{torus=\"A\"} 7.0",
            "trefoil_avm_executions_moved_out_total{torus=\"A\"} 3",
            "trefoil_avm_executions_started_total 9",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
