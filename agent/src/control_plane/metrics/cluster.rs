//! The cluster's part of the metrics.

use std::sync::atomic::AtomicU64;

use control::ClusterSnapshot;
use control::cluster::{COMPONENTS, Health};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{Level, Total};

type Single = (&'static str, &'static str, fn(&ClusterSnapshot) -> f64);

const LEVELS: &[Single] = &[
    ("formed", "1 when the cluster is formed here", |cluster| flag(cluster.bootstrap.waiting.is_empty())),
    ("members_known", "Members known, this node included", |cluster| f64::from(cluster.members.known)),
    ("members_removed", "Members removed and remembered", |cluster| f64::from(cluster.members.removed)),
    ("doubt", "Factor on own thresholds, 1 to 8", |cluster| cluster.doubt),
    ("muted", "1 while own silence statements are muted", |cluster| flag(cluster.muted)),
    ("alone", "1 while no link to anybody lives", |cluster| flag(cluster.alone)),
    ("draining", "1 while the node drains", |cluster| flag(cluster.draining)),
    ("removals_stopped", "1 while the safety valve is shut", |cluster| flag(!cluster.valve.is_empty())),
    ("duplicate_identity", "1 when two live boots use one certificate", |cluster| {
        flag(!cluster.duplicate_identity.is_empty())
    }),
    ("coordination_bytes_per_second", "Coordination bytes sent a second, projections apart", |cluster| {
        cluster.plane.coordination_bytes_per_s as f64
    }),
    ("certificate_ends_unix_seconds", "When the node's certificate ends", |cluster| {
        cluster.plane.certificate_ends_unix_s as f64
    }),
    ("ballots_open", "Ballots open", |cluster| {
        cluster.ballots.iter().filter(|ballot| ballot.result == "open").count() as f64
    }),
];

const fn flag(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}

/// Registers everything a cluster says.
pub(super) fn register(registry: &mut Registry, cluster: &ClusterSnapshot) {
    for (name, help, value) in LEVELS {
        let gauge = Gauge::<f64, AtomicU64>::default();
        gauge.set(value(cluster));
        registry.register(format!("cluster_{name}"), *help, gauge);
    }
    let plane = &cluster.plane;
    let totals = [
        ("datagrams_sent", "Datagrams sent", plane.sent),
        ("datagrams_received", "Datagrams received", plane.received),
        ("datagram_bytes_sent", "Bytes sent in datagrams", plane.sent_bytes),
        ("datagram_bytes_received", "Bytes received in datagrams", plane.received_bytes),
    ];
    for (name, help, value) in totals {
        let counter = Counter::<u64, AtomicU64>::default();
        counter.inc_by(value);
        registry.register(format!("link_{name}"), help, counter);
    }
    let dropped = Total::default();
    registry.register("link_datagrams_dropped", "Datagrams dropped, by reason", dropped.clone());
    for (reason, count) in &plane.dropped {
        dropped.get_or_create(&vec![("reason", reason.clone())]).inc_by(*count);
    }
    peers(registry, cluster);
    fields(registry, cluster);
}

fn peers(registry: &mut Registry, cluster: &ClusterSnapshot) {
    let mut level = |name: &str, help: &str| {
        let family = Level::default();
        registry.register(name, help, family.clone());
        family
    };
    let missed = level("watch_missed_heartbeats", "Heartbeats missed in a row");
    let phi = level("watch_phi", "Suspicion of a watched peer");
    let alive = level("watch_alive", "1 when a watched peer is heard in time");
    let rtt = level("link_rtt_p99_seconds", "Round trip, 99th percentile");
    let loss = level("link_loss_ratio", "Share of datagrams never seen");
    for watch in &cluster.watches {
        let labels = vec![("peer", watch.id.to_string())];
        missed.get_or_create(&labels).set(f64::from(watch.missed));
        phi.get_or_create(&labels).set(watch.phi);
        alive.get_or_create(&labels).set(flag(watch.health == Health::Alive));
    }
    for session in &cluster.sessions {
        let labels = vec![("peer", session.id.to_string())];
        rtt.get_or_create(&labels).set(session.rtt_p99_ns as f64 / 1e9);
        loss.get_or_create(&labels).set(f64::from(session.loss_ppm) / 1e6);
    }
}

/// A gradient without a signal has no line.
fn fields(registry: &mut Registry, cluster: &ClusterSnapshot) {
    let (own, gradient) = (Level::default(), Level::default());
    registry.register("field_own", "Own field", own.clone());
    registry.register("field_gradient", "Neighbours' aggregate minus own", gradient.clone());
    for (at, name) in COMPONENTS.into_iter().enumerate() {
        let labels = vec![("component", name.to_owned())];
        own.get_or_create(&labels).set(cluster.fields.own[at]);
        if let Some(value) = cluster.fields.gradients[at] {
            gradient.get_or_create(&labels).set(value);
        }
    }
}
