//! One process from start to end: a run for a time, a stop by signal, steering, a second agent, recording and replay.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use control::snapshot::{Phase, TorusSnapshot, TorusState};
use nix::sys::signal::Signal;
use trefoil_tests::harness::node::{Node, PATIENCE, THREE_TORI, config, run, said, trefoil};
use trefoil_tests::harness::{Scratch, guard, lacks, lane, skipped, tied, until};

const LIMIT: Duration = Duration::from_secs(600);

// Aim: `run --for` ends by itself with exit code 0 and its final counters, which conserve events (rse:T4). Method: the real binary.
#[test]
fn a_run_for_a_time_ends_with_its_counters() {
    let _guard = guard("a_run_for_a_time_ends_with_its_counters", LIMIT);
    let scratch = Scratch::new("for");
    let file = config(&scratch, "n", THREE_TORI);
    let output = trefoil(&["run", "--config", &file.display().to_string(), "--for", "2s"]);
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    for word in ["executed", "pending", "A", "B", "C"] {
        assert!(text.contains(word), "no {word} in the final counters:\n{text}");
    }
}

// decisions:NODE-20, rse:B8: the demonstration starts skewed, all load on A, and levels out: B and C reach three quarters of A's pending
// events with nothing of their own, all of it handed over. The Makefile's recipe without a terminal: a table each second.
#[test]
fn the_demo_without_a_terminal_prints_tables_and_levels() {
    let _lane = lane();
    let _guard = guard("the_demo_without_a_terminal_prints_tables_and_levels", LIMIT);
    let scratch = Scratch::new("demo");
    let mut node = Node::launch_demo(&scratch);
    node.ready();
    // About ten seconds by its configuration; a busy machine may take longer.
    let level = node.wait_for("B and C to rise to three quarters of A", Duration::from_secs(300), |snapshot| {
        let [a, b, c] = snapshot.tori.as_slice() else { return false };
        a.pending > 1000 && b.pending * 4 >= a.pending * 3 && c.pending * 4 >= a.pending * 3
    });
    let [a, b, c] = level.tori.as_slice() else { panic!("three tori: {level:?}") };
    for own in [b, c] {
        assert_eq!(own.injected, 0, "{} has no flights of its own", own.name);
        assert!(own.handed_in >= own.pending / 2 && own.handed_in > 500, "{}: {own:?}", own.name);
    }
    assert!(a.handed_out > 1000 && a.injected > a.pending, "{a:?}");
    for torus in &level.tori {
        assert!(torus.conserved() && torus.lost == 0 && torus.conservation_breaks == 0, "{torus:?}");
    }
    let rows = |name: &str| node.printed().lines().filter(|line| line.split_whitespace().next() == Some(name)).count();
    until("three tables", PATIENCE, || ["A", "B", "C"].iter().all(|name| rows(name) >= 3).then_some(()));
    node.signal(Signal::SIGTERM);
    let status = node.end();
    assert_eq!(status.code(), Some(0), "{}", node.printed());
}

/// The number after `word` in the line of final counters of one torus.
fn counter(printed: &str, torus: &str, word: &str) -> u64 {
    let line = printed.lines().find(|line| line.trim_start().starts_with(&format!("{torus}: ")));
    let line = line.unwrap_or_else(|| panic!("no final counters of {torus}:\n{printed}"));
    let (_, after) = line.split_once(&format!("{word} ")).unwrap_or_else(|| panic!("no {word}: {line}"));
    // Digits stand in groups of three.
    let digits: String = after.chars().take_while(|&letter| letter != ',').filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("{word}: {line}"))
}

// rse:B7: the stop is bounded and idempotent; final counters are printed, those of the status page, conserved one by one and over all
// tori; the region is left consistent: a second node lives in the same file without complaint.
#[test]
fn rse_b7_a_signal_stops_the_node_in_order() {
    let _guard = guard("rse_b7_a_signal_stops_the_node_in_order", LIMIT);
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let scratch = Scratch::new("signal");
        let region = scratch.join("region");
        let more = format!("[region]\npath = \"{}\"\npages = \"base\"\n[braid]", region.display());
        let text = THREE_TORI.replace("[braid]", &more);
        let mut node = Node::start(&scratch, "n", &text, &[]);
        node.wait("hand-overs", |snapshot| snapshot.tori.iter().skip(1).all(|torus| torus.handed_in > 0));
        node.signal(signal);
        let status = node.end();
        let printed = node.printed();
        assert_eq!(status.code(), Some(0), "{signal}:\n{printed}");
        let last = node.status().unwrap_or_else(|| panic!("the page is gone:\n{printed}"));
        assert_eq!(last.node.phase, Phase::Stopped);
        for torus in &last.tori {
            assert!(torus.conserved(), "{}: {torus:?}", torus.name);
            for (word, value) in
                [("executed", torus.executed), ("pending", torus.pending), ("handed in", torus.handed_in)]
            {
                assert_eq!(counter(&printed, &torus.name, word), value, "{word} of {}:\n{printed}", torus.name);
            }
        }
        let sum = |count: fn(&TorusSnapshot) -> u64| last.tori.iter().map(count).sum::<u64>();
        let (out, taken) = (sum(|torus| torus.handed_out), sum(|torus| torus.handed_in + torus.lost));
        assert!(out >= taken && out > 0, "handed out {out}, taken or lost {taken}");

        let mut second = Node::start(&scratch, "again", &text, &[]);
        let told = second.wait("the region to be greeted", |snapshot| {
            snapshot.events.iter().any(|event| event.text.contains(&region.display().to_string()))
        });
        let greeting = told.events.iter().find(|event| event.text.contains("region")).unwrap();
        let left = format!(" and {} unread messages", out - taken);
        assert!(greeting.text.contains(&left), "expected {left:?}: {}", greeting.text);
        second.wait("work in it", |snapshot| snapshot.tori.iter().skip(1).all(|torus| torus.handed_in > 0));
        assert!(second.status().unwrap().tori.iter().all(|torus| torus.conserved() && torus.conservation_breaks == 0));
        second.signal(signal);
        assert_eq!(second.end().code(), Some(0), "{}", second.printed());
    }
}

// rse:B7: a second signal while the first is being obeyed changes nothing for the worse: the process ends, with its counters.
#[test]
fn rse_b7_two_signals_stop_once() {
    let _guard = guard("rse_b7_two_signals_stop_once", LIMIT);
    let scratch = Scratch::new("twice");
    let mut node = Node::start(&scratch, "n", THREE_TORI, &[]);
    node.signal(Signal::SIGTERM);
    node.signal(Signal::SIGTERM);
    let status = node.end();
    let printed = node.printed();
    assert_eq!(status.signal(), None, "killed by the signal:\n{printed}");
    assert!(status.success() || status.code() == Some(1), "{status}:\n{printed}");
}

// decisions:NODE-20 and the one-agent rule: the second is refused with the pid of the first, which goes on.
#[test]
fn a_second_agent_on_the_same_state_is_refused_with_the_pid() {
    let _guard = guard("a_second_agent_on_the_same_state_is_refused_with_the_pid", LIMIT);
    let scratch = Scratch::new("second");
    let node = Node::start(&scratch, "n", THREE_TORI, &[]);
    let output = trefoil(&["run", "--config", &node.config.display().to_string(), "--for", "1s"]);
    let text = said(&output);
    assert!(!output.status.success(), "{text}");
    assert!(text.contains(&node.pid().to_string()), "the holder's pid {} is not named:\n{text}", node.pid());
    let before = node.status().unwrap().tori[0].executed;
    node.wait("the first to go on", |snapshot| snapshot.tori[0].executed > before);
}

// decisions:NODE-20: pause keeps the heartbeat; a step executes exactly the events asked for; resume goes on.
#[test]
fn a_torus_is_paused_stepped_and_resumed() {
    let _guard = guard("a_torus_is_paused_stepped_and_resumed", LIMIT);
    let scratch = Scratch::new("pause");
    let node = Node::start(&scratch, "n", THREE_TORI, &[]);
    let ok = |arguments: &[&str]| {
        let output = node.ask(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    };
    ok(&["torus", "pause", "A"]);
    let paused = node.wait("A to pause", |snapshot| snapshot.tori[0].state == TorusState::Paused);
    let later = node.wait("the heartbeat of A", |snapshot| {
        snapshot.tori[0].heartbeat_ns > paused.tori[0].heartbeat_ns + 300_000_000
    });
    assert_eq!(later.tori[0].executed, paused.tori[0].executed, "a paused torus executes nothing");
    ok(&["torus", "step", "A", "--count", "3"]);
    let stepped = node.wait("three steps", |snapshot| snapshot.tori[0].executed == paused.tori[0].executed + 3);
    assert!(stepped.tori[0].stepped.is_some());
    ok(&["torus", "resume", "A"]);
    node.wait("A to go on", |snapshot| snapshot.tori[0].executed > stepped.tori[0].executed + 10);
    ok(&["torus", "interval", "A", "500"]);
    node.wait("the interval", |snapshot| snapshot.tori[0].interval_ticks == 500 && snapshot.tori[0].interval_fixed);
}

// rse:T4, rse:T5: what is injected from outside is counted by the torus, and the identity holds in what is exported.
#[test]
fn injected_events_arrive_and_are_conserved() {
    let _guard = guard("injected_events_arrive_and_are_conserved", LIMIT);
    let scratch = Scratch::new("inject");
    let idle = "[node]\nwaiting = \"adaptive\"\n[braid]\ntori = 1\n[[torus]]\nname = \"A\"\n[torus.workload]\nkind = \"idle\"\n";
    let node = Node::start(&scratch, "n", idle, &[]);
    let output = node.ask(&["inject", "A", "5", "--payload", "7", "--count", "100"]);
    assert!(output.status.success(), "{}", said(&output));
    let snapshot =
        node.wait("100 events", |snapshot| snapshot.tori[0].injected == 100 && snapshot.tori[0].executed == 100);
    assert!(snapshot.tori[0].conserved());
    let refused = node.ask(&["inject", "Z", "5"]);
    assert!(!refused.status.success());
    assert!(said(&refused).contains('Z'), "{}", said(&refused));
}

// Aim: one of the promises of the name: load that starts on one torus is shared by the braid (rse:B8, decisions:NODE-7), nothing
// lost (decisions:NODE-8). Method: counters of the status page, sums over tori.
#[test]
fn load_levels_over_the_braid_and_nothing_is_lost() {
    let _guard = guard("load_levels_over_the_braid_and_nothing_is_lost", LIMIT);
    let scratch = Scratch::new("level");
    let node = Node::start(&scratch, "n", THREE_TORI, &[]);
    let level = node.wait("B and C to take their share", |snapshot| {
        let pending: Vec<u64> = snapshot.tori.iter().map(|torus| torus.pending).collect();
        pending.iter().all(|&own| own * 3 > 500)
    });
    for torus in &level.tori {
        assert!(torus.conserved(), "{}: {torus:?}", torus.name);
        assert_eq!(torus.lost, 0, "{}", torus.name);
        assert_eq!(torus.conservation_breaks, 0, "{}", torus.name);
    }
}

// decisions:NODE-2, decisions:NODE-12: a recorded run replays to the same digests; a recording with a changed byte does not.
#[test]
fn node_2_a_recording_replays_to_the_same_digests() {
    let _lane = lane();
    let _guard = guard("node_2_a_recording_replays_to_the_same_digests", LIMIT);
    let scratch = Scratch::new("record");
    let file = config(&scratch, "n", THREE_TORI);
    let recording = scratch.join("run.record");
    let name = recording.display().to_string();
    let output = trefoil(&["run", "--config", &file.display().to_string(), "--for", "2s", "--record", &name]);
    assert!(output.status.success(), "{}", said(&output));
    let replayed = trefoil(&["replay", &name]);
    assert!(replayed.status.success(), "{}", said(&replayed));
    let mut bytes = std::fs::read(&recording).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 0x10;
    std::fs::write(&recording, bytes).unwrap();
    let damaged = trefoil(&["replay", &name]);
    assert!(!damaged.status.success(), "a changed byte went unnoticed: {}", said(&damaged));
}

// decisions:NODE-14, rse:T5: a spinning torus makes no system call. Method: strace on its thread for a second.
#[test]
fn node_14_a_spinning_torus_makes_no_system_call() {
    let name = "node_14_a_spinning_torus_makes_no_system_call";
    if skipped(name, lacks(&["strace", "timeout"])) {
        return;
    }
    let _lane = lane();
    let _guard = guard("node_14_a_spinning_torus_makes_no_system_call", LIMIT);
    let scratch = Scratch::new("spin");
    let spin = "[node]\nwaiting = \"spin\"\n[braid]\ntori = 1\n[[torus]]\nname = \"A\"\n[torus.workload]\nkind = \"firehose\"\n";
    let node = Node::start(&scratch, "n", spin, &[]);
    let tid = node.wait("some events", |snapshot| snapshot.tori[0].executed > 1000).tori[0].tid.to_string();
    let before = node.status().unwrap().tori[0].executed;
    let trace = scratch.join("strace.out");
    let output = run(tied("timeout".as_ref()).args(["--signal=INT", "1", "strace", "-p", &tid, "-o"]).arg(&trace));
    let calls = std::fs::read_to_string(&trace).unwrap_or_else(|error| panic!("{error}: {}", said(&output)));
    let calls: Vec<&str> = calls.lines().filter(|line| line.contains('(')).collect();
    assert!(calls.is_empty(), "system calls of a spinning torus: {calls:?}");
    assert!(said(&output).contains("attached"), "strace saw nothing: {}", said(&output));
    assert!(node.wait("progress", |snapshot| snapshot.tori[0].executed > before).tori[0].executed > before);
}
