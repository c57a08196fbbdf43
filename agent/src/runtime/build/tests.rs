//! Every key of a configuration acts: changing it changes what the libraries are told, or it is named here with the place that
//! reads it. A key that is accepted and ignored fails.

use std::path::Path;

use serde_json::Value;

use super::*;

const BASE: &str = r#"
[region]
path = "/dev/shm/trefoil-keys-a"
[braid]
tori = 3
[[torus]]
[torus.capacities]
events = 512
admission = 64
[torus.workload]
kind = "random-graph"
nodes = 20
edges = 40
tokens = 5
"#;

/// As [`BASE`], for the keys of the cluster: with tori on other nodes the region is private.
const CLUSTER: &str = r#"
[braid]
tori = 3
[cluster]
id = 1
listen = "127.0.0.1:7946"
founders = [1, 2, 3]
[cluster.rsepx]
listen = "127.0.0.1:7950"
peer = "127.0.0.1:7951"
torus = "C"
[[peer]]
id = 2
address = "127.0.0.1:7957"
[[remote]]
torus = "B"
id = 1
node = 2
[[remote]]
torus = "C"
id = 2
node = 0
[[torus]]
name = "A"
id = 0
[torus.workload]
kind = "cycle"
"#;

/// Keys that cannot be changed alone: what is replaced in [`CLUSTER`].
const TOGETHER: &[(&str, &[(&str, &str)])] = &[
    (
        "remote.id",
        &[("id = 1\nnode", "id = 9\nnode"), ("id = 2\nnode", "id = 1\nnode"), ("id = 9\nnode", "id = 2\nnode")],
    ),
    (
        "cluster.rsepx.torus",
        &[
            ("torus = \"C\"\n[[peer]]", "torus = \"B\"\n[[peer]]"),
            ("node = 2", "node = 9"),
            ("node = 0", "node = 2"),
            ("node = 9", "node = 0"),
        ],
    ),
];

/// Another value for each key, TOML. Keys of a workload are tried with the kind before the colon.
const CHANGES: &[(&str, &str)] = &[
    ("node.name", "\"other\""),
    ("node.runtime_dir", "\"/tmp/other\""),
    ("node.state_dir", "\"/tmp/other\""),
    ("node.group", "\"root\""),
    ("node.others", "\"refuse\""),
    ("node.waiting", "\"spin\""),
    ("node.log", "\"warn\""),
    ("node.log_lines_per_s", "7"),
    ("resources.cores", "\"strict\""),
    ("resources.hugepages", "\"strict\""),
    ("resources.mlock", "\"strict\""),
    ("resources.numa", "\"strict\""),
    ("region.path", "\"/dev/shm/trefoil-keys-b\""),
    ("region.seed_v1", "\"/dev/shm/trefoil-keys-seed\""),
    ("region.pages", "\"base\""),
    ("region.ring_records", "2048"),
    ("region.inject_records", "2048"),
    ("braid.mode", "\"ring\""),
    ("braid.tori", "4"),
    ("braid.interval_ticks", "777"),
    ("braid.adaptive", "false"),
    ("braid.floor_us", "777"),
    ("braid.gain", "0.2"),
    ("braid.dead_band", "0.5"),
    ("braid.cap", "77"),
    ("braid.min_source", "7"),
    ("braid.liveness_ms", "77"),
    ("braid.suspect_after", "7"),
    ("braid.window_rounds", "64"),
    ("braid.upper_percent", "7.0"),
    ("braid.lower_percent", "1.0"),
    ("braid.shrink", "0.5"),
    ("braid.grow", "2.0"),
    ("braid.rate_gain", "0.25"),
    ("braid.tolerance.load", "77"),
    ("braid.tolerance.face", "77"),
    ("braid.tolerance.rate_percent", "7.0"),
    ("braid.tolerance.rounds", "77"),
    ("cluster.id", "4"),
    ("cluster.zone", "\"rack9\""),
    ("cluster.preset", "\"wan\""),
    ("cluster.listen", "\"127.0.0.1:8946\""),
    ("cluster.reliable", "\"127.0.0.1:8947\""),
    ("cluster.advertise", "\"127.0.0.2:7946\""),
    ("cluster.founders", "[1, 2]"),
    ("cluster.seeds", "[\"127.0.0.3:7947\"]"),
    ("cluster.quorum", "\"all\""),
    ("cluster.deadline_s", "7"),
    ("cluster.on_deadline", "\"give-up\""),
    ("cluster.epoch", "7"),
    ("cluster.start", "\"at-once\""),
    ("cluster.metric", "\"rtt\""),
    ("cluster.position", "[1, 2, 3]"),
    ("cluster.neighbours", "5"),
    ("cluster.voters", "[1, 2]"),
    ("cluster.in_doubt", "\"drop\""),
    ("cluster.identity.dir", "\"other\""),
    ("cluster.identity.ca", "[\"other.crt\"]"),
    ("cluster.identity.certificate", "\"other.crt\""),
    ("cluster.identity.key", "\"other.key\""),
    ("cluster.identity.card", "\"other.card\""),
    ("cluster.identity.revoked", "\"revoked.list\""),
    ("cluster.link.io", "\"sockets\""),
    ("cluster.link.core", "1"),
    ("cluster.link.mtu", "1400"),
    ("cluster.link.projections_per_s", "77"),
    ("cluster.link.bandwidth_bytes_per_s", "77777"),
    ("cluster.link.dscp", "7"),
    ("cluster.link.zero_copy", "true"),
    ("cluster.link.sq_poll", "true"),
    ("cluster.link.cipher", "\"chacha20-poly1305\""),
    ("cluster.link.rekey_s", "77"),
    ("cluster.link.handshakes_per_s", "7"),
    ("cluster.votes.mode", "\"no\""),
    ("cluster.votes.power_limit", "\"no\""),
    ("cluster.votes.shutdown", "\"yes\""),
    ("cluster.votes.reformation", "\"no\""),
    ("cluster.votes.quarantine", "\"no\""),
    ("cluster.votes.custom", "\"no\""),
    ("cluster.votes.open_s", "7"),
    ("cluster.rsepx.listen", "\"127.0.0.1:8950\""),
    ("cluster.rsepx.peer", "\"127.0.0.1:8951\""),
    ("cluster.rsepx.torus", "\"B\""),
    ("peer.id", "3"),
    ("peer.name", "\"other\""),
    ("peer.address", "\"127.0.0.1:8957\""),
    ("remote.torus", "\"E\""),
    ("remote.id", "2"),
    ("remote.node", "3"),
    ("record.on_full", "\"break\""),
    ("record.ring_entries", "128"),
    ("torus.name", "\"other\""),
    ("torus.id", "1"),
    ("torus.core", "0"),
    ("torus.capacities.events", "1024"),
    ("torus.capacities.edges", "1024"),
    ("torus.capacities.processes", "1024"),
    ("torus.capacities.processes_per_cell", "7"),
    ("torus.capacities.admission", "77"),
    ("torus.workload.kind", "\"firehose\""),
    ("torus.workload.load", "false"),
    ("torus.workload.pace_ticks_per_s", "7.0"),
    ("torus.workload.batch", "77"),
    ("torus.workload.on_overflow", "\"stop\""),
    ("torus.workload.delay_ticks", "7"),
    ("torus.workload.adaptive_delay", "false"),
    ("torus.workload.nodes", "21"),
    ("torus.workload.edges", "41"),
    ("torus.workload.tokens", "6"),
    ("torus.workload.seed", "7"),
    ("grid:torus.workload.width", "7"),
    ("grid:torus.workload.height", "7"),
    ("events-file:torus.workload.file", "\"b.csv\""),
    ("events-file:torus.workload.repeat", "false"),
    ("events-file:torus.workload.lookahead_ticks", "7"),
    ("events-file:torus.workload.shift_x", "7"),
];

/// Keys that act on the system, not on a value that can be looked at here: text that stands in the sources outside `config`.
const READ_AT: &[(&str, &str)] = &[
    ("node.name", "node.name"),
    ("node.runtime_dir", "node.runtime_dir"),
    ("node.state_dir", "node.state_dir"),
    ("node.group", "node.group"),
    ("node.others", "node.others"),
    ("node.waiting", "config.node.waiting"),
    ("node.log", "config.node.log"),
    ("node.log_lines_per_s", "config.node.log_lines_per_s"),
    ("resources.cores", "resources.cores == Policy::Strict"),
    ("resources.hugepages", "note(resources.hugepages"),
    ("resources.mlock", "note(resources.mlock"),
    ("resources.numa", "note(resources.numa"),
    ("region.path", "config.region.path"),
    ("region.seed_v1", "region.seed_v1"),
    ("region.inject_records", "config.region.inject_records"),
    ("braid.tori", "config.braid.tori"),
    ("cluster.id", "Identity::load(&cluster.identity, cluster.id"),
    ("cluster.zone", "zone: &cluster.zone"),
    ("cluster.preset", "match cluster.preset"),
    ("cluster.listen", "UdpOptions::new(cluster.listen)"),
    ("cluster.reliable", "ReliableSettings::new(cluster.reliable"),
    ("cluster.advertise", "reliable.advertise = cluster.advertise"),
    ("cluster.founders", "set(&cluster.founders)"),
    ("cluster.seeds", "cluster.seeds.iter()"),
    ("cluster.quorum", "match cluster.quorum"),
    ("cluster.deadline_s", "cluster.deadline.as_nanos()"),
    ("cluster.on_deadline", "on_deadline: cluster.on_deadline"),
    ("cluster.epoch", "formed.max(cluster.epoch"),
    ("cluster.start", "cluster.start == StartTori::Formed"),
    ("cluster.metric", "match cluster.metric"),
    ("cluster.position", "position: cluster.position"),
    ("cluster.neighbours", "try_from(cluster.neighbours)"),
    ("cluster.voters", "set(&cluster.voters)"),
    ("cluster.in_doubt", "match cluster.in_doubt"),
    // The folder is part of each of the paths below.
    ("cluster.identity.dir", "Identity::load(&cluster.identity"),
    ("cluster.identity.ca", "Trust::load(&files.ca"),
    ("cluster.identity.certificate", "Certificate::read(&files.certificate)"),
    ("cluster.identity.key", "read_key(&files.key"),
    ("cluster.identity.card", "Card::read(&files.card)"),
    ("cluster.identity.revoked", "files.revoked.as_deref()"),
    ("cluster.link.io", "match link.io"),
    ("cluster.link.core", "core: link.core"),
    ("cluster.link.mtu", "link.mtu as usize"),
    ("cluster.link.projections_per_s", "projections_per_s: link.projections_per_s"),
    ("cluster.link.bandwidth_bytes_per_s", "link.bandwidth_bytes_per_s.unwrap_or"),
    ("cluster.link.dscp", "dscp: link.dscp"),
    ("cluster.link.zero_copy", "send_zc: link.zero_copy"),
    ("cluster.link.sq_poll", "sqpoll: link.sq_poll"),
    ("cluster.link.cipher", "suites(cluster.link.cipher"),
    ("cluster.link.rekey_s", "reliable.rekey = cluster.link.rekey"),
    ("cluster.link.handshakes_per_s", "reliable.handshakes_per_s = cluster.link.handshakes_per_s"),
    ("cluster.votes.mode", "of(votes.mode)"),
    ("cluster.votes.power_limit", "of(votes.power_limit)"),
    ("cluster.votes.shutdown", "of(votes.shutdown)"),
    ("cluster.votes.reformation", "of(votes.reformation)"),
    ("cluster.votes.quarantine", "of(votes.quarantine)"),
    ("cluster.votes.custom", "of(votes.custom)"),
    ("cluster.votes.open_s", "cluster.votes.open.as_nanos()"),
    ("cluster.rsepx.listen", "listen: rsepx.listen"),
    ("cluster.rsepx.peer", "peer: rsepx.peer"),
    ("cluster.rsepx.torus", "torus: rsepx.torus"),
    ("peer.id", "peer: Some(peer.id)"),
    ("peer.name", "peer.name.clone()"),
    ("peer.address", "text: peer.address.clone()"),
    ("remote.torus", "name: remote.torus.clone()"),
    ("remote.id", "torus: remote.id"),
    ("remote.node", "node: remote.node?"),
    ("record.on_full", "config.record.on_full"),
    ("record.ring_entries", "config.record.ring_entries"),
    ("torus.name", "torus.name"),
    ("torus.id", "own.id"),
    ("torus.core", "torus.core"),
    ("torus.workload.pace_ticks_per_s", "own.workload.pace_ticks_per_s"),
    ("torus.workload.on_overflow", "match own.workload.on_overflow"),
];

/// Where the keys of `[avm]` are tried.
const PROGRAM_KEYS: &str = include_str!("../../config/tests.rs");

/// Paths of all keys of the schema that hold a value.
fn keys(schema: &Value, node: &Value, path: &str, out: &mut Vec<String>) {
    let mut node = node;
    if let Some(name) = node["$ref"].as_str() {
        node = &schema["$defs"][name.trim_start_matches("#/$defs/")];
    }
    // An optional table is itself or null.
    let given = |choice: &&Value| choice["type"] != "null";
    let optional = node["anyOf"].as_array().filter(|all| all.iter().any(|choice| !given(&choice)));
    if let Some(choice) = optional.and_then(|all| all.iter().find(given)) {
        return keys(schema, choice, path, out);
    }
    if !node["items"].is_null() && !node["items"]["$ref"].is_null() {
        return keys(schema, &node["items"], path, out);
    }
    match node["properties"].as_object() {
        Some(properties) => {
            for (key, property) in properties {
                keys(schema, property, &format!("{path}.{key}"), out);
            }
        }
        None => out.push(path.trim_start_matches('.').to_owned()),
    }
}

/// The configuration of `BASE`, or of `CLUSTER`, with one key changed and the kind of the workload as the key needs it.
fn changed(folder: &Path, in_cluster: bool, kind: Option<&str>, change: Option<(&str, &str)>) -> config::Config {
    let path = change.map_or("", |(path, _)| path);
    let together = TOGETHER.iter().find(|(key, _)| *key == path).map(|(_, replaced)| *replaced);
    let base = if in_cluster { CLUSTER } else { BASE };
    let base = together.unwrap_or_default().iter().fold(base.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    let mut tree: toml::Table = base.parse().expect("TOML");
    let mut set = |path: &str, value: toml::Value| {
        let (tables, key) = path.rsplit_once('.').expect("a table and a key");
        let mut table = &mut tree;
        for name in tables.split('.') {
            let inner = table.entry(name).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            table = match inner {
                toml::Value::Array(tori) => tori[0].as_table_mut().expect("a table"),
                inner => inner.as_table_mut().expect("a table"),
            };
        }
        table.insert(key.to_owned(), value);
    };
    let value = |text: &str| format!("v = {text}").parse::<toml::Table>().expect("TOML")["v"].clone();
    if let Some(kind) = kind {
        let mut workload = toml::Table::new();
        workload.insert("kind".to_owned(), toml::Value::from(kind));
        if kind == "events-file" {
            workload.insert("file".to_owned(), toml::Value::from("a.csv"));
        }
        set("torus.workload", toml::Value::Table(workload));
    }
    if let Some((path, text)) = change.filter(|_| together.is_none()) {
        if path == "torus.workload.kind" {
            set("torus.workload", toml::Value::Table(toml::Table::new()));
        }
        set(path, value(text));
    }
    let text = tree.to_string();
    config::parse_as(&text, &folder.join("keys.toml")).unwrap_or_else(|problems| panic!("{change:?}: {problems}"))
}

/// What the libraries are told, and what the torus does with it.
fn told(config: &config::Config) -> String {
    let (own, works) = (&config.tori[0], works(config).expect("readable"));
    let work = &works[0];
    let bounds = capacities(own);
    let mut bytes = vec![0; bounds.bytes()];
    let mut carver = Carver::new(&mut bytes);
    let ran = if work.is_compute() {
        let compute = work.compute(&mut carver).expect("fits");
        ran(own, work, &mut carver, compute)
    } else {
        let relay = work.relay(&bounds, &mut carver).expect("fits");
        ran(own, work, &mut carver, relay)
    };
    let ahead = lookahead_ticks(own);
    format!("{:?} {bounds:?} {ahead} {:?} {:?} {ran}", braid(config), pages(config.region.pages), work.opening(own))
}

fn ran<'m, R: Reactor>(own: &config::Torus, work: &Work, carver: &mut Carver<'m>, reactor: R) -> String {
    let mut torus = super::torus(own, carver, reactor, work.source()).expect("fits");
    for input in work.opening(own) {
        torus.apply(&input);
    }
    // More than the file holds, so that its repetition shows.
    torus.apply(&Input::Feed { count: 3 });
    torus.run(50);
    format!("{:?} {:x} {:x}", torus.counters(), torus.digest(), torus.reactor().graph_digest())
}

/// The sources outside `config`, without tests.
fn sources(folder: &Path, out: &mut String) {
    for entry in std::fs::read_dir(folder).expect("readable").flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() && name != "config" {
            sources(&path, out);
        } else if name.ends_with(".rs") && !name.contains("tests") {
            let text = std::fs::read_to_string(&path).expect("readable");
            out.push_str(text.split("#[cfg(test)]").next().unwrap_or_default());
        }
    }
}

#[test]
fn every_key_of_the_configuration_acts() {
    let folder = std::env::temp_dir().join(format!("trefoil-keys-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("temporary folder");
    std::fs::write(folder.join("a.csv"), "time,dst,src,payload\n1,2,3,4\n2,3,2,4\n").expect("written");
    std::fs::write(folder.join("b.csv"), "time,dst,src,payload\n1,2,3,5\n2,3,2,4\n").expect("written");
    let mut code = String::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut code);
    let schema = config::json_schema();
    let mut known = Vec::new();
    keys(&schema, &schema, "", &mut known);
    assert!(known.len() > 105, "{known:?}");
    // Programs are made from a table of their own, whose keys are tried there.
    let (programs, known): (Vec<String>, Vec<String>) = known.into_iter().partition(|key| key.starts_with("avm."));
    assert!(programs.len() > 30, "{programs:?}");
    for key in programs {
        let name = key.rsplit('.').next().unwrap_or_default();
        assert!(PROGRAM_KEYS.contains(&format!("{name} =")), "{key} is new: try it in every_key_of_the_avm_acts");
    }
    for key in known {
        let found = CHANGES.iter().find(|(path, _)| path.rsplit(':').next() == Some(&key));
        let (path, value) = found.unwrap_or_else(|| panic!("{key} is new: give it another value in CHANGES"));
        let kind = path.split_once(':').map(|(kind, _)| kind);
        let in_cluster = ["cluster.", "peer.", "remote."].iter().any(|table| key.starts_with(table));
        let before = changed(&folder, in_cluster, kind, None);
        let after = changed(&folder, in_cluster, kind, Some((&key, value)));
        let same_text = config::Config { text: before.text.clone(), ..after.clone() };
        assert_ne!(before, same_text, "{key} = {value} is lost between the file and the checked configuration");
        match READ_AT.iter().find(|(path, _)| *path == key) {
            Some((_, text)) => assert!(code.contains(text), "{key}: nothing reads {text}"),
            None => assert_ne!(told(&before), told(&after), "{key} = {value} changes nothing: it is ignored"),
        }
    }
    std::fs::remove_dir_all(&folder).expect("removed");
}
