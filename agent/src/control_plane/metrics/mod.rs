//! A snapshot as OpenMetrics text.

mod avm;
mod cluster;

use std::sync::atomic::AtomicU64;

use control::Snapshot;
use control::snapshot::{PeerState, QuantityKind, TorusSnapshot, TorusState};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

type Labels = Vec<(&'static str, String)>;
type Total = Family<Labels, Counter<u64, AtomicU64>>;
type Level = Family<Labels, Gauge<f64, AtomicU64>>;
type Flag = (&'static str, &'static str, fn(&TorusSnapshot) -> bool);
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
    by_peer(&mut registry, snapshot);
    states(&mut registry, snapshot);
    host(&mut registry, snapshot);
    if let Some(cluster) = &snapshot.cluster {
        cluster::register(&mut registry, cluster);
    }
    if let Some(avm) = &snapshot.avm {
        avm::register(&mut registry, avm);
    }
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

fn by_peer(registry: &mut Registry, snapshot: &Snapshot) {
    let (sent, received, applied) = (Total::default(), Total::default(), Total::default());
    let (state, age) = (Level::default(), Level::default());
    registry.register("torus_peer_sent", "Events sent to a peer", sent.clone());
    registry.register("torus_peer_received", "Events received from a peer", received.clone());
    registry.register("torus_peer_applied_sequence", "Last sequence of a peer that was applied", applied.clone());
    registry.register("torus_peer_state", "1 for the state a peer is in", state.clone());
    registry.register("torus_peer_age_seconds", "Since a peer was last seen moving", age.clone());
    for torus in &snapshot.tori {
        for peer in torus.peers.iter().filter(|peer| peer.id != torus.id && peer.state != PeerState::Absent) {
            let mut labels = labels(torus);
            labels.push(("peer", peer.id.to_string()));
            sent.get_or_create(&labels).inc_by(peer.sent);
            received.get_or_create(&labels).inc_by(peer.received);
            applied.get_or_create(&labels).inc_by(peer.applied_seq);
            age.get_or_create(&labels).set(peer.age_ns as f64 / 1e9);
            labels.push(("state", format!("{:?}", peer.state).to_lowercase()));
            state.get_or_create(&labels).set(1.0);
        }
    }
}

/// What is on or off, and what the log left out.
fn states(registry: &mut Registry, snapshot: &Snapshot) {
    let flags: [Flag; 4] = [
        ("recording", "1 while inputs are recorded", |torus| torus.recording),
        ("recording_broken", "1 when the recording is not whole", |torus| torus.recording_broken),
        ("failed", "1 when the torus has failed", |torus| torus.state == TorusState::Failed),
        ("paused", "1 while the torus is paused", |torus| torus.state == TorusState::Paused),
    ];
    for (name, help, value) in flags {
        let family = Level::default();
        registry.register(format!("torus_{name}"), help, family.clone());
        for torus in &snapshot.tori {
            family.get_or_create(&labels(torus)).set(f64::from(u8::from(value(torus))));
        }
    }
    let suppressed = Counter::<u64, AtomicU64>::default();
    suppressed.inc_by(snapshot.events_suppressed);
    registry.register("node_events_suppressed", "Event lines left out because there were too many", suppressed);
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

#[cfg(test)]
mod tests {
    use control::page::{EventsPage, HostPage, MAGIC, NodePage, PeerPage, Text, TorusPage, VERSION};

    use super::*;

    /// Peers, the state of the recorder and what the log left out are in the text, each under its torus.
    #[test]
    fn peers_the_recorder_and_the_log_are_measured() {
        let node = NodePage { magic: MAGIC, version: VERSION, tori: 1, ..NodePage::default() };
        let mut torus = TorusPage { name: Text::new("A"), flags: 1 << 3 | 1 << 4, ..TorusPage::default() };
        torus.peers[1] = PeerPage { state: 1, sent: 5, received: 6, ..PeerPage::default() };
        let events = EventsPage { suppressed: 9, ..EventsPage::default() };
        let snapshot = Snapshot::from_pages(&node, &HostPage::default(), &[&torus], &events, 1).expect("sound");
        let text = text(&snapshot);
        for line in [
            "trefoil_torus_peer_sent_total{torus=\"A\",peer=\"1\"} 5",
            "trefoil_torus_peer_received_total{torus=\"A\",peer=\"1\"} 6",
            "trefoil_torus_peer_state{torus=\"A\",peer=\"1\",state=\"alive\"} 1",
            "trefoil_torus_recording_broken{torus=\"A\"} 1",
            "trefoil_torus_paused{torus=\"A\"} 0",
            "trefoil_node_events_suppressed_total 9",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }

    /// A node in a cluster measures it too; one that stands alone has no such line.
    #[test]
    fn the_cluster_is_measured() {
        let node = NodePage { magic: MAGIC, version: VERSION, ..NodePage::default() };
        let mut snapshot =
            Snapshot::from_pages(&node, &HostPage::default(), &[], &EventsPage::default(), 1).expect("sound");
        assert!(!text(&snapshot).contains("cluster"));
        let sample = include_str!("../../../../control/samples/cluster.json");
        snapshot.cluster = Some(serde_json::from_str(sample).expect("a snapshot"));
        let text = text(&snapshot);
        for line in [
            "trefoil_cluster_formed 1",
            "trefoil_cluster_members_known 9",
            "trefoil_link_datagrams_dropped_total{reason=\"replayed\"} 4",
            "trefoil_watch_missed_heartbeats{peer=\"3\"} 4",
            "trefoil_link_loss_ratio{peer=\"3\"} 0.021",
            "trefoil_field_gradient{component=\"load\"} -0.02",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains("trefoil_field_gradient{component=\"power\"}"), "no signal, no line");
    }
}
