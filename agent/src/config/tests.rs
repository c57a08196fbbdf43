//! What a configuration may say, what is refused and in which words.

use proptest::prelude::*;

use super::*;

const WRONG: &str = r#"
[node]
nmae = "x"
group = "no-such-group"
waiting = "spinn"
log = "agent=loudly"
name = ""
[region]
ring_records = 1000
[braid]
gain = 0.9
interval_ticks = 50
tori = "three"
colour = 3
cap = 4096
lower_percent = 7
floor_us = nan
[[torus]]
name = "A"
core = -1
[torus.capacities]
admission = 9000
[torus.workload]
kind = "events-file"
file = "nope.csv"
nodes = 5
pace_ticks_per_s = "fast"
[[torus]]
name = "A"
id = 0
[torus.workload]
kind = "cylce"
tokens = 3
[[torus]]
id = 7
[torus.workload]
kind = "random-graph"
edges = 9000
tokens = 8000
"#;

/// All problems come at once, in file order, each with line, key, value, what is allowed and the remedy.
#[test]
fn every_problem_is_reported_at_once() {
    insta::assert_snapshot!(parse(WRONG).expect_err("it is all wrong").to_string());
}

#[test]
fn broken_syntax_names_the_line_and_the_rest_is_still_checked() {
    let problems = parse("[braid]\ngain = = 3\ninterval_ticks = 7\n[[torus]]\n").expect_err("wrong");
    insta::assert_snapshot!(problems.to_string());
}

#[test]
fn the_smallest_file_is_one_torus_and_its_defaults_are_documented() {
    let config = parse("[braid]\ntori = 1\n[[torus]]\n").expect("valid");
    assert_eq!(config.tori[0].name, "A");
    assert_eq!(config.tori[0].workload.kind, WorkloadKind::Idle);
    assert_eq!(config.braid.floor, Duration::from_micros(500));
    assert_eq!(config.node.others, Others::ReadOnly);
    let shown = effective("[braid]\ntori = 1\n[[torus]]\ncore = 0\n", None).expect("valid");
    insta::assert_snapshot!(shown);
}

/// What `show` prints is itself a valid file that leads to the same configuration.
#[test]
fn the_shown_configuration_means_the_same() {
    let text = "[node]\nruntime_dir = \"/tmp/x\"\n[braid]\ntori = 2\ngain = 0.5\n[[torus]]\nname = \"left\"\n[torus.workload]\n\
                kind = \"cycle\"\nnodes = 5\npace_ticks_per_s = 2.5\n[[torus]]\nid = 1\n";
    let first = parse(text).expect("valid");
    let again = effective(text, None).expect("valid");
    assert!(again.contains("gain = 0.5") && again.contains("pace_ticks_per_s = 2.5"), "{again}");
    assert_eq!(first.tori[0].workload.pace_ticks_per_s, Some(2.5));
    let again = parse(&again).expect("what is shown is a valid file");
    assert_eq!(Config { text: String::new(), ..first }, Config { text: String::new(), ..again });
}

#[test]
fn files_are_relative_to_the_configuration() {
    let dir = std::env::temp_dir().join(format!("trefoil-config-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("data")).expect("temporary folder");
    std::fs::write(dir.join("data/e.csv"), "time,dst,src,payload\n").expect("written");
    let file = dir.join("c.toml");
    let text = "[braid]\ntori = 1\n[[torus]]\n[torus.workload]\nkind = \"events-file\"\nfile = \"data/e.csv\"\n";
    std::fs::write(&file, text).expect("written");
    let config = load(&file).expect("valid");
    let WorkloadKind::EventsFile { file: events, .. } = &config.tori[0].workload.kind else { panic!("wrong kind") };
    assert_eq!(events, &dir.join("data/e.csv"));
    // A folder opens but cannot be read as a file; a missing file does not open.
    std::fs::write(&file, text.replace("data/e.csv", "data")).expect("written");
    assert!(load(&file).expect_err("a folder").to_string().contains("not a regular file"));
    std::fs::remove_dir_all(&dir).expect("removed");
    let gone = load(&file).expect_err("gone").to_string();
    assert!(gone.contains("No such file") && gone.contains("configs/demo.toml"), "{gone}");
}

#[test]
fn duplicates_and_shared_cores_are_seen() {
    let text = "[resources]\ncores = \"strict\"\n[braid]\ntori = 2\n[[torus]]\ncore = 1\n[[torus]]\ncore = 1\n";
    let problems = parse(text).expect_err("shared core");
    assert_eq!(problems.list.len(), 1, "{problems}");
    assert_eq!((problems.list[0].key.as_str(), problems.list[0].line), ("torus[1].core", Some(8)));
    assert!(parse(&text.replace("strict", "degrade")).is_ok());
}

/// One torus, a relay, of a braid of three: the other two places of a seed region are not ours to fill.
#[test]
fn a_seed_region_takes_one_relay_of_three() {
    let one = "[region]\nseed_v1 = \"/dev/shm/x\"\n[braid]\ntori = 3\n[[torus]]\nid = 2\n";
    let config = parse(one).expect("valid: no region.path needed");
    assert_eq!(config.region.seed_v1.as_deref(), Some(Path::new("/dev/shm/x")));
    let keys = |text: &str| {
        let problems = parse(text).expect_err("refused").list;
        assert!(problems.iter().all(|problem| problem.remedy.contains("leave region.seed_v1 out")), "{problems:?}");
        problems.into_iter().map(|problem| problem.key).collect::<Vec<String>>()
    };
    assert_eq!(keys(&one.replace("tori = 3", "tori = 4")), ["braid.tori"]);
    assert_eq!(keys(&format!("{one}[torus.workload]\nkind = \"firehose\"\n")), ["torus[0].workload.kind"]);
    assert_eq!(keys(&format!("{one}[[torus]]\nid = 1\n")), ["region.seed_v1"]);
    assert_eq!(keys(&one.replace("[braid]", "path = \"/dev/shm/x\"\n[braid]")), ["region.seed_v1"]);
}

/// The files that are delivered are valid.
#[test]
fn delivered_configurations_are_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    for name in [
        "demo.toml",
        "node.toml",
        "seed-v1.toml",
        "three-processes/a.toml",
        "three-processes/b.toml",
        "three-processes/c.toml",
    ] {
        if let Err(problems) = load(&root.join(name)) {
            panic!("{problems}");
        }
    }
}

#[test]
fn the_schema_documents_every_key() {
    let schema = json_schema();
    let mut checked = 0;
    let definitions = schema["$defs"].as_object().expect("definitions").values().chain(std::iter::once(&schema));
    for (key, property) in definitions.filter_map(|one| one["properties"].as_object()).flatten() {
        assert!(property["description"].is_string(), "{key} has no documentation");
        checked += 1;
    }
    assert!(checked > 50, "{checked}");
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| format!("{n:?}").to_lowercase()),
        "[a-z-]{0,12}".prop_map(|s| format!("\"{s}\"")),
        Just("[]".to_owned()),
        Just("{a = 1}".to_owned()),
        Just("[[[[[[[[[[[]]]]]]]]]]]".to_owned()),
        Just("true".to_owned()),
        Just("1979-05-27T07:32:00Z".to_owned()),
        Just("0xffff_ffff".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Any text: no panic.
    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC{0,200}") {
        let _ = parse(&text);
    }

    /// Any value at a known key: no panic, and either accepted or reported.
    #[test]
    fn any_value_at_any_key_is_parsed_or_refused(
        table in prop_oneof![Just("node"), Just("region"), Just("braid"), Just("braid.tolerance"), Just("record"),
                             Just("resources"), Just("[torus]"), Just("torus.workload"), Just("torus.capacities")],
        key in prop_oneof![Just("name"), Just("tori"), Just("gain"), Just("ring_records"), Just("id"), Just("core"),
                           Just("kind"), Just("file"), Just("events"), Just("width"), Just("pace_ticks_per_s"),
                           Just("runtime_dir"), Just("log"), Just("seed"), Just("nodes"), Just("workload")],
        value in value(),
    ) {
        let text = format!("[{table}]\n{key} = {value}\n");
        if let Err(problems) = parse(&text) {
            prop_assert!(!problems.list.is_empty());
            let _ = problems.to_string();
        }
    }
}

/// A file of a cluster; `{}` is where a test adds keys of `[cluster]`.
const CLUSTER: &str = "
[cluster]
id = 1
founders = [1, 2, 3]
listen = \"10.0.0.1:7946\"
{}
[[peer]]
id = 2
address = \"n2.lab:7947\"
[[remote]]
torus = \"B\"
id = 1
node = 2
[[remote]]
torus = \"C\"
id = 2
node = 3
[[torus]]
name = \"A\"
";

#[test]
fn a_cluster_is_read_with_its_defaults() {
    let config = parse(&CLUSTER.replace("{}", "zone = \"rack1\"")).expect("fine");
    let cluster = config.cluster.expect("a cluster");
    assert_eq!(cluster.zone, "rack1");
    assert_eq!(cluster.reliable.to_string(), "10.0.0.1:7947");
    assert_eq!(cluster.advertise.map(|at| at.to_string()).as_deref(), Some("10.0.0.1:7946"));
    assert_eq!(cluster.voters, [1, 2, 3], "the founders vote when nothing else is said");
    assert_eq!(cluster.peers[0].address, "n2.lab:7947");
    assert_eq!(
        cluster.remotes.iter().map(|remote| (remote.id, remote.node)).collect::<Vec<_>>(),
        [(1, Some(2)), (2, Some(3))]
    );
    assert!(cluster.identity.key.ends_with("node-1.key"));
    assert!(parse("[[torus]]\n[braid]\ntori = 1\n").expect("fine").cluster.is_none());
}

#[test]
fn every_problem_of_a_cluster_is_reported_at_once() {
    let text = CLUSTER
        .replace("{}", "listne = 1\nposition = [1, 2]\nseeds = [\"nowhere\"]\nreliable = \"10.0.0.1:7946\"")
        .replace("founders = [1, 2, 3]", "founders = [1, 1, \"x\"]")
        .replace("node = 3", "node = 1")
        .replace("address = \"n2.lab:7947\"", "")
        .replace("id = 1\nnode = 2", "id = 0\nnode = 2");
    let problems = parse(&text).expect_err("many problems");
    insta::assert_snapshot!(problems.to_string());
}

#[test]
fn peers_and_remotes_without_a_cluster_are_refused() {
    let text = "[[peer]]\nid = 2\naddress = \"a:1\"\n[[torus]]\n[braid]\ntori = 1\n";
    let problems = parse(text).expect_err("no cluster");
    assert_eq!(problems.list.len(), 1);
    assert_eq!(problems.list[0].key, "peer");
}

/// The table of the AVM with the kind that reads it.
fn with_avm(table: &str) -> String {
    format!("[braid]\ntori = 1\n{table}\n[[torus]]\n[torus.workload]\nkind = \"avm\"\n")
}

// decisions:AVM-23: every key of the AVM acts on what the node is made from.
#[test]
fn every_key_of_the_avm_acts() {
    let before = parse(&with_avm("[avm]")).expect("valid").avm.expect("a torus runs programs");
    assert_eq!(parse(&with_avm("")).expect("valid").avm, Some(before.clone()), "the table may be left out");
    assert_eq!((before.machines.as_slice(), before.fuel), (["A".to_owned()].as_slice(), u64::MAX));
    let keys = [
        "machines = [\"left\"]",
        "controllers = [\"c1\"]",
        "denied = [\"clock\", \"machines\"]",
        "sealed_machines = [\"A\"]",
        "heap_mib = 3",
        "executions = 7",
        "remember = 5",
        "objects = 9",
        "call_depth = 99",
        "quantum_ops = 77",
        "fuel = 5",
        "memory_mib = 2",
        "mailbox = 8",
        "versions = 3",
        "history = 7",
        "transactions = 4",
        "trace = \"extended\"",
        "trace_kib = 4",
        "grant_unsafe = true",
        "quota_executions = 6",
        "quota_programs = 2",
        "solver.kind = \"built-in\"",
        "solver.threads = 3",
        "solver.queue = 11",
        "solver.timeout_ms = 20",
        "solver.steps = 2000",
        "solver.nodes = 99",
        "solver.memory_mib = 32",
        "identity = [{ user = \"12\", programs = 0 }]",
        "start = [{ program = \"p\", count = 3 }]",
        "start = [{ program = \"p\", arguments = [\"5\"], seed = 4 }]",
    ];
    for key in keys {
        let after = parse(&with_avm(&format!("[avm]\n{key}"))).unwrap_or_else(|problems| panic!("{key}: {problems}"));
        // Without Z3 the built-in search is what there is.
        let same = after.avm.as_ref() == Some(&before);
        assert!(!same || (key.contains("built-in") && !cfg!(feature = "z3")), "{key} changes nothing");
    }
    let rights = parse(&with_avm("[avm]\nidentity = [{ user = \"12\", grant_unsafe = true }]")).expect("valid");
    let avm = rights.avm.expect("a torus runs programs");
    assert!(avm.rights(12).grant_unsafe && !avm.rights(13).grant_unsafe && avm.any_unsafe());
}

#[test]
fn what_the_avm_cannot_do_is_refused_with_the_remedy() {
    let problem = |table: &str| parse(&with_avm(table)).expect_err(table).to_string();
    assert!(problem("[avm]\nexecutions = 8000").contains("lower avm.executions"));
    assert!(problem("[avm]\nmachines = [\"a\", \"b\"]").contains("one for each torus"));
    assert!(problem("[avm]\nload = [\"gone.avm\"]").contains("gone.avm"));
    assert!(problem("[avm]\nstart = [{ program = \"p\", torus = \"Z\" }]").contains("a torus that runs programs: A"));
    assert!(problem("[avm]\nstart = [{ entry = \"f\" }]").contains("the name of a program"));
    assert!(problem("[avm]\nidentity = [{ user = \"nobody-has-this-name\" }]").contains("a user of this host"));
    assert!(problem("[avm]\nidentity = [{ user = \"1\" }, { user = \"1\" }]").contains("no table yet"));
    let denied = problem("[avm]\ndenied = [\"clock\", \"time\"]");
    assert!(denied.contains("denied") && denied.contains("time") && denied.contains("registry"), "{denied}");
    let twice = problem("[avm]\ndenied = [\"send\", \"send\"]");
    assert!(twice.contains("avm.denied[1]") && twice.contains("each capability once"), "{twice}");
    let sealed = problem("[avm]\nsealed_machines = [\"B\"]");
    assert!(sealed.contains("avm.sealed_machines[0]") && sealed.contains("a machine of this node: A"), "{sealed}");
    assert!(problem("[avm]\nsealed_machines = [\"A\", \"A\"]").contains("each machine once"));
    let idle = parse("[avm]\n[braid]\ntori = 1\n[[torus]]\n").expect_err("nobody runs programs").to_string();
    assert!(idle.contains("kind = \"avm\""), "{idle}");
}

/// The demonstration of programs is a valid file.
#[test]
fn the_demonstration_of_programs_is_valid() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/avm.toml"));
    let config = load(path).unwrap_or_else(|problems| panic!("{problems}"));
    let avm = config.avm.expect("it runs programs");
    assert_eq!((avm.start[0].count, avm.load.len(), config.tori.len()), (10_000, 6, 3));
    assert!(avm.load[0].ends_with("programs/work.avm"));
}
