//! How a process ends when something is wrong: a torus that hangs, one that panics, a recording that cannot be written, a signal
//! while the node still starts. The real binary each time, by its exit code, what it printed, and the page it left.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use control::snapshot::{PeerState, Phase, TorusState};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use trefoil_tests::harness::node::{Node, THREE_TORI, config, said, trefoil};
use trefoil_tests::harness::{Scratch, binary, guard, hang, tied, until};

const LIMIT: Duration = Duration::from_secs(600);
/// A stop must end by itself even when everything hangs: without a bound it would wait for ever. That the bounds of its parts are
/// below the unit's `TimeoutStopSec` is held where they are defined; what a busy machine adds to them is not what is tested.
const STOP_BOUND: Duration = Duration::from_secs(60);

fn ended_within_the_bound(node: &mut Node) -> (Option<i32>, String) {
    let asked = Instant::now();
    let status = node.end();
    let took = asked.elapsed();
    let text = node.printed();
    assert!(took < STOP_BOUND, "{took:?}:\n{text}");
    (status.code(), text)
}

/// A pipe that somebody has open and nobody reads, as a disk that does not answer.
fn pipe(scratch: &Scratch) -> (PathBuf, File) {
    let path = scratch.join("pipe");
    nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    let held = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    (path, held)
}

// rse:B7: the stop is bounded although a torus hangs: it is given up with the counters of its last page, the others end in order,
// the exit code and the page say that it failed.
#[test]
fn rse_b7_a_stop_is_bounded_when_a_torus_hangs() {
    let _guard = guard("rse_b7_a_stop_is_bounded_when_a_torus_hangs", LIMIT);
    let scratch = Scratch::new("hung");
    let mut node = Node::start(&scratch, "n", THREE_TORI, &[]);
    let tid = node.wait("B to execute", |snapshot| snapshot.tori[1].executed > 50).tori[1].tid;
    let _held = hang::hang(i32::try_from(tid).unwrap());
    node.signal(Signal::SIGTERM);
    let (code, text) = ended_within_the_bound(&mut node);
    assert_eq!(code, Some(1), "{text}");
    let line = text.lines().find(|line| line.trim_start().starts_with("B: FAILED")).unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains("did not stop within") && !line.contains("executed 0,"), "{line}");
    for name in ["A", "C"] {
        assert!(text.contains(&format!("{name}: ended; executed")), "{text}");
    }
    let page = node.status().unwrap();
    assert_eq!(page.node.phase, Phase::Failed);
    let states: Vec<TorusState> = page.tori.iter().map(|torus| torus.state).collect();
    assert_eq!(states, [TorusState::Stopped, TorusState::Failed, TorusState::Stopped]);
    assert!(page.tori[1].reason.contains("did not stop"), "{}", page.tori[1].reason);
    assert!(page.events.iter().all(|event| event.at_unix_ns <= page.node.now_unix_ns), "{:?}", page.events);
}

// rse:B7: a second signal does not wait as long: less than the patience of the first, which is a second for the tori and two more for
// the recorder, here both hanging.
#[test]
fn rse_b7_a_second_signal_is_obeyed_at_once() {
    let _guard = guard("rse_b7_a_second_signal_is_obeyed_at_once", LIMIT);
    let scratch = Scratch::new("twice");
    let (path, _pipe) = pipe(&scratch);
    let rest = format!("{THREE_TORI}[record]\nring_entries = 256\n");
    let mut node = Node::start(&scratch, "n", &rest, &["--record", &path.display().to_string()]);
    let full = |torus: &control::snapshot::TorusSnapshot| torus.recorder_stalls > 100;
    let stalled = node.wait("a torus to stall", |snapshot| snapshot.tori.iter().any(full));
    let _held = hang::hang(i32::try_from(stalled.tori[2].tid).unwrap());
    node.signal(Signal::SIGTERM);
    node.wait("the page to say so", |snapshot| snapshot.node.phase != Phase::Running);
    node.signal(Signal::SIGTERM);
    let (code, text) = ended_within_the_bound(&mut node);
    assert_eq!(code, Some(1), "{text}");
    let gave_up =
        text.lines().find(|line| line.trim_start().starts_with("C: FAILED")).unwrap_or_else(|| panic!("{text}"));
    let after_ms: u64 =
        gave_up.split("within ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().parse().unwrap();
    // What the node says it waited; a node that did not hear the second signal says 1000 or more.
    assert!(after_ms < 1000, "{gave_up}");
}

// decisions:NODE-20: a panic of one torus thread ends the process with exit code 1; the page is kept and says which and why, the
// others end in order. The panic is put in by an environment variable that only builds with debug assertions look at.
#[test]
fn node_20_a_panic_of_a_torus_is_an_exit_code() {
    let _guard = guard("node_20_a_panic_of_a_torus_is_an_exit_code", LIMIT);
    let scratch = Scratch::new("panic");
    let file = config(&scratch, "n", THREE_TORI);
    let output = trefoil_tests::harness::node::run(
        tied(binary()).args(["run", "--config"]).arg(&file).env("TREFOIL_FAULT", "panic:B after 1s"),
    );
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("B: FAILED: panic"), "{text}");
    assert!(text.contains("A: ended; executed") && text.contains("C: ended; executed"), "{text}");
    let runtime = scratch.join("run-n").display().to_string();
    let page = said(&trefoil(&["status", "--json", "--runtime-dir", &runtime]));
    assert!(page.contains("panic: asked to, by a test"), "{page}");
}

// decisions:NODE-2, rse:B7: a writer that does not get on stalls the tori; they go on beating, and a stop is bounded and says
// that the recording is not whole.
#[test]
fn node_2_a_stalled_recording_does_not_hold_up_the_stop() {
    let _guard = guard("node_2_a_stalled_recording_does_not_hold_up_the_stop", LIMIT);
    let scratch = Scratch::new("stall");
    let (path, _held) = pipe(&scratch);
    let rest = format!("{THREE_TORI}[record]\nring_entries = 256\n");
    let mut node = Node::start(&scratch, "n", &rest, &["--record", &path.display().to_string()]);
    let full = |torus: &control::snapshot::TorusSnapshot| torus.recorder_stalls > 100;
    let stalled = node.wait("a torus to stall", |snapshot| snapshot.tori.iter().any(full));
    node.wait("stalled tori to show signs of life", |snapshot| {
        snapshot.tori.iter().zip(&stalled.tori).all(|(now, then)| now.heartbeat_ns > then.heartbeat_ns + 1_500_000_000)
    });
    let page = node.status().unwrap();
    assert!(!page.events.iter().any(|event| event.text.contains("hangs")), "{:?}", page.events);
    // On a busy machine one may be late for once; who stalls and goes on beating is not given up.
    node.wait("stalled tori to be taken for alive", |snapshot| {
        let mut peers = snapshot.tori.iter().flat_map(|torus| &torus.peers);
        peers.all(|peer| peer.state == PeerState::Alive)
    });
    node.signal(Signal::SIGTERM);
    let (code, text) = ended_within_the_bound(&mut node);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("the recording is not whole"), "{text}");
}

// decisions:NODE-2: a gap (record.on_full = "break") and a failed write are said while the node runs, flagged on the page of every
// torus that is concerned, and are an exit code.
#[test]
fn node_2_a_broken_recording_is_said_at_once_and_is_an_exit_code() {
    let _guard = guard("node_2_a_broken_recording_is_said_at_once_and_is_an_exit_code", LIMIT);
    let cases = [("break", "is broken", "the recording is not whole"), ("stall", "recording failed", "writing failed")];
    for (on_full, said_at_once, said_last) in cases {
        let scratch = Scratch::new(on_full);
        let (path, held) = pipe(&scratch);
        let rest = format!("{THREE_TORI}[record]\nring_entries = 256\non_full = \"{on_full}\"\n");
        let mut node = Node::start(&scratch, "n", &rest, &["--record", &path.display().to_string()]);
        let held = (on_full == "break").then_some(held);
        let page = node.wait("it to be said", |snapshot| {
            snapshot.events.iter().any(|event| event.text.contains(said_at_once))
                && snapshot.tori.iter().all(|torus| torus.recording_broken)
        });
        assert_eq!(page.node.phase, Phase::Running, "while it runs");
        // What was read before does not matter: nothing reads on.
        node.signal(Signal::SIGTERM);
        let (code, text) = ended_within_the_bound(&mut node);
        assert_eq!(code, Some(1), "{on_full}: {text}");
        assert!(text.contains(said_last), "{on_full}: {text}");
        drop(held);
    }
}

// A recording that exists is not overwritten; the failed start is on the page with its reason.
#[test]
fn an_existing_recording_is_refused_and_the_page_says_why() {
    let _guard = guard("an_existing_recording_is_refused_and_the_page_says_why", LIMIT);
    let scratch = Scratch::new("exists");
    let file = config(&scratch, "n", THREE_TORI);
    let old = scratch.file("old.record", "precious");
    let (old_name, file) = (old.display().to_string(), file.display().to_string());
    let output = trefoil(&["run", "--config", &file, "--for", "1s", "--record", &old_name]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("there is a file already"), "{text}");
    assert_eq!(std::fs::read_to_string(&old).unwrap(), "precious");
    let runtime = scratch.join("run-n").display().to_string();
    let page = said(&trefoil(&["status", "--json", "--runtime-dir", &runtime]));
    assert!(page.contains("there is a file already"), "{page}");
}

// rse:B7: a signal is heard while the node still starts, even when the start hangs in the system (here: opening a pipe that nobody
// has open at the other end).
#[test]
fn rse_b7_a_signal_during_the_start_is_honoured() {
    let _guard = guard("rse_b7_a_signal_during_the_start_is_honoured", LIMIT);
    let scratch = Scratch::new("early");
    let (path, held) = pipe(&scratch);
    drop(held);
    let file = config(&scratch, "n", THREE_TORI);
    let mut node = Node::launch(&scratch, "n", &file, &["--record", &path.display().to_string()]);
    let starting = until("the page to say so", LIMIT, || node.status());
    assert_eq!(starting.node.phase, Phase::Starting);
    node.signal(Signal::SIGTERM);
    let (code, text) = ended_within_the_bound(&mut node);
    assert_eq!(code, Some(0), "nothing failed, it never ran: {text}");
}
