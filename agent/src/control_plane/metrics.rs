//! A snapshot as OpenMetrics text.

use std::sync::atomic::AtomicU64;

use control::Snapshot;
use control::snapshot::{QuantityKind, TorusSnapshot};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

type Labels = Vec<(&'static str, String)>;
type Total = Family<Labels, Counter<u64, AtomicU64>>;
type Level = Family<Labels, Gauge<f64, AtomicU64>>;
type Count = (&'static str, &'static str, fn(&TorusSnapshot) -> u64);

const COUNTERS: &[Count] = &[
    ("events_executed", "Events executed since boot", |torus| torus.executed),
    ("events_generated", "Events made by reactions", |torus| torus.generated),
    ("events_injected", "Events injected from outside", |torus| torus.injected),
    ("events_injected_corrective", "Corrective events", |torus| torus.injected_corrective),
    ("events_rejected", "Events refused because something was full", |torus| torus.rejected),
    ("events_handed_out", "Events given to other tori", |torus| torus.handed_out),
    ("events_handed_in", "Events taken from other tori", |torus| torus.handed_in),
    ("events_lost", "Events lost with a dead boot", |torus| torus.lost),
    ("braid_exchanges", "Exchanges done", |torus| torus.exchanges),
    ("braid_applied", "Projections of peers applied", |torus| torus.applied),
    ("braid_missed", "Sequences of peers never seen", |torus| torus.missed),
    ("braid_refused", "Projections refused", |torus| torus.refused),
    ("braid_conservation_breaks", "Conservation breaks", |torus| torus.conservation_breaks),
    ("recorder_stalls", "Times the recorder ring was full", |torus| torus.recorder_stalls),
];

const GAUGES: &[Count] = &[
    ("clock_ticks", "Logical time, private to the torus", |torus| torus.clock_ticks),
    ("events_pending", "Events in the queue", |torus| torus.pending),
    ("events_capacity", "Most events the queue holds", |torus| torus.capacity),
    ("events_high_water", "Most events the queue ever held", |torus| torus.high_water),
    ("load_runnable", "Work that could run now, events", |torus| torus.load_runnable),
    ("braid_interval_ticks", "Ticks between exchanges", |torus| u64::from(torus.interval_ticks)),
    ("braid_exchange_p50_ns", "Median duration of an exchange", |torus| torus.exchange_p50_ns),
    ("braid_exchange_p99_ns", "99th percentile of the duration of an exchange", |torus| torus.exchange_p99_ns),
    ("braid_overhead_ppm", "Time in exchanges per time running", |torus| torus.exchange_overhead_ppm),
    ("memory_used_bytes", "Private memory in use", |torus| torus.memory_used_bytes),
    ("processes", "Processes in the torus", |torus| u64::from(torus.processes)),
    ("edges", "Edges in the torus", |torus| u64::from(torus.edges)),
];

/// The snapshot as OpenMetrics text. A sensor that is absent has no line.
#[must_use]
pub fn text(snapshot: &Snapshot) -> String {
    let mut registry = Registry::with_prefix("trefoil");
    for (name, help, value) in COUNTERS {
        let family = Total::default();
        registry.register(format!("torus_{name}"), *help, family.clone());
        for torus in &snapshot.tori {
            family.get_or_create(&labels(torus)).inc_by(value(torus));
        }
    }
    for (name, help, value) in GAUGES {
        let family = Level::default();
        registry.register(format!("torus_{name}"), *help, family.clone());
        for torus in &snapshot.tori {
            family.get_or_create(&labels(torus)).set(value(torus) as f64);
        }
    }
    by_kind(&mut registry, snapshot);
    host(&mut registry, snapshot);
    let mut out = String::new();
    // Writing to a text does not fail.
    let _ = encode(&mut out, &registry);
    out
}

fn labels(torus: &TorusSnapshot) -> Labels {
    vec![("torus", torus.name.clone())]
}

fn by_kind(registry: &mut Registry, snapshot: &Snapshot) {
    let (violations, corrections) = (Total::default(), Total::default());
    registry.register("torus_braid_violations", "Violations by kind", violations.clone());
    registry.register("torus_braid_corrections", "Corrections by kind", corrections.clone());
    for torus in &snapshot.tori {
        for (at, kind) in QuantityKind::ALL.into_iter().enumerate() {
            let mut labels = labels(torus);
            labels.push(("kind", kind.name().to_owned()));
            violations.get_or_create(&labels).inc_by(torus.violations[at]);
            corrections.get_or_create(&labels).inc_by(torus.corrections[at]);
        }
    }
}

fn host(registry: &mut Registry, snapshot: &Snapshot) {
    let host = &snapshot.host;
    let levels = [
        ("host_cpu_percent", "Busy share of all CPUs", host.cpu_percent),
        ("host_psi_cpu_percent", "Pressure stall, CPU", host.psi_cpu_percent),
        ("host_psi_memory_percent", "Pressure stall, memory", host.psi_memory_percent),
        ("host_psi_io_percent", "Pressure stall, I/O", host.psi_io_percent),
        ("host_temperature_celsius", "Hottest thermal zone", host.temperature_c),
        ("host_power_watts", "Power drawn", host.power_w),
        ("host_memory_available_bytes", "Memory available", host.memory_available_bytes),
        ("host_hugepages_total", "2 MiB pages in the pool", host.hugepages_total),
        ("host_hugepages_free", "2 MiB pages free", host.hugepages_free),
        ("agent_resident_bytes", "Resident memory of the agent", Some(host.resident_bytes as f64)),
        ("agent_cpu_seconds", "CPU time of the agent", Some(host.process_cpu_ns as f64 / 1e9)),
        ("node_heartbeat_age_seconds", "Age of the status page", Some(snapshot.silent_for().as_secs_f64())),
    ];
    for (name, help, value) in levels {
        if let Some(value) = value {
            let gauge = Gauge::<f64, AtomicU64>::default();
            gauge.set(value);
            registry.register(name, help, gauge);
        }
    }
}
