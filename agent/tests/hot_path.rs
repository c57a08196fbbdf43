//! The loop of a torus thread allocates nothing and, spinning, enters the kernel never (`rse:T5`, `decisions:NODE-14`).
//!
//! Method: this process has a counting allocator; each torus thread reports its own count on its status page's cadence. System
//! calls are counted from outside by strace, attached to the thread ids, for more than a second. Both while events execute,
//! projections are exchanged, work is handed over, status pages are written, inputs are recorded and notices are sent by both
//! tori: all of these are asserted to have gone on.

mod common;

use std::process::Command;

use agent::runtime::{Node, NodeHandle, Options};
use common::{TempDir, config, guard, tori};
use control::snapshot::TorusSnapshot;

#[global_allocator]
static ALLOCATOR: shm_transport::counting::CountingAllocator = shm_transport::counting::CountingAllocator;

/// Two tori that hand work to and fro: one is fed by a file of events, both run the same routes.
fn busy(dir: &TempDir, waiting: &str) -> String {
    let file = dir.path().join("events.csv");
    let rows: String = (0..2_000u32).map(|at| format!("{at},{},{},1\n", at % 40, 1_000 + at % 7)).collect();
    std::fs::write(&file, format!("time_min,dst,src,payload\n{rows}")).expect("the folder can be written");
    let torus = |name: &str, load: bool| {
        format!(
            "[[torus]]\nname = \"{name}\"\n[torus.workload]\nkind = \"events-file\"\nfile = \"{}\"\nload = {load}\n\
             repeat = true\nlookahead_ticks = 600\nbatch = 64\npace_ticks_per_s = 200000\n",
            file.display()
        )
    };
    let head = common::head(dir).replace("waiting = \"adaptive\"", &format!("waiting = \"{waiting}\""));
    format!(
        "{head}[braid]\ntori = 2\ninterval_ticks = 100\nfloor_us = 200\n[braid.tolerance]\nload = 8\n{}{}",
        torus("A", true),
        torus("B", false)
    )
}

/// Starts the two with a recording of everything.
fn recorded(dir: &TempDir, waiting: &str) -> Node {
    let options = Options { record: Some(dir.path().join("recording")), ..Options::default() };
    Node::start(config(&busy(dir, waiting)), options).unwrap_or_else(|error| panic!("{error}"))
}

/// Commands that each make a torus say something, to both tori at once.
fn pressure(handle: &NodeHandle) {
    std::thread::scope(|scope| {
        for torus in ["A", "B"] {
            scope.spawn(move || {
                for _ in 0..50 {
                    common::ask(handle, &format!(r#"{{"do":"resume","torus":"{torus}"}}"#));
                }
            });
        }
    });
}

/// What must have gone on while it was counted.
fn grown(before: &[TorusSnapshot], after: &[TorusSnapshot], least: u64) -> bool {
    let pairs = || before.iter().zip(after);
    before.len() == 2
        && after.len() == 2
        && pairs().all(|(b, a)| a.recorded_inputs > b.recorded_inputs && a.recorder_stalls == 0)
        && pairs().all(|(b, a)| a.executed > b.executed + least && a.exchanges > b.exchanges + 20)
        && pairs().any(|(b, a)| a.handed_out > b.handed_out)
        && pairs().any(|(b, a)| a.handed_in > b.handed_in)
        && pairs().all(|(b, a)| a.heartbeat_ns > b.heartbeat_ns + 300_000_000)
}

fn warm(handle: &NodeHandle) -> Vec<TorusSnapshot> {
    guard("the braid has warmed up", || {
        let tori = tori(handle);
        tori.len() == 2
            && tori.iter().all(|torus| torus.exchanges > 50)
            && tori.iter().any(|torus| torus.handed_out > 0)
    });
    tori(handle)
}

// rse:T5, rse:T7, decisions:NODE-14: no allocation on a torus thread after warm-up.
#[test]
fn a_torus_thread_allocates_nothing() {
    let dir = TempDir::new("allocations");
    let mut node = recorded(&dir, "adaptive");
    let handle = node.handle();
    let before = warm(&handle);
    let counts = || handle.probes().iter().map(|probe| probe.allocations).collect::<Vec<u64>>();
    let first = counts();
    assert!(first.iter().all(|count| *count > 0), "the allocator counts: building a torus allocates");
    common::ask(&handle, r#"{"do":"inject","torus":"B","dst":7,"payload":3,"count":5}"#);
    common::ask(&handle, r#"{"do":"interval","torus":"A","ticks":200}"#);
    common::ask(&handle, r#"{"do":"pause","torus":"B"}"#);
    common::ask(&handle, r#"{"do":"step","torus":"B","count":2}"#);
    common::ask(&handle, r#"{"do":"resume","torus":"B"}"#);
    pressure(&handle);
    guard("events, exchanges, hand-overs and pages go on", || grown(&before, &tori(&handle), 1_000));
    assert_eq!(counts(), first, "allocations of each torus thread");
    // decisions:NODE-14: at most one wake per hand-over, and hand-overs only at exchanges.
    let exchanges = tori(&handle).iter().map(|torus| torus.exchanges).sum::<u64>();
    assert!(handle.probes().iter().map(|probe| probe.wakes).sum::<u64>() <= exchanges);
    assert!(!node.stop().failed());
}

// rse:T5, decisions:NODE-14: a spinning torus thread makes no system call at all for more than a second.
#[test]
fn a_spinning_torus_thread_makes_no_system_call() {
    let dir = TempDir::new("syscalls");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores < 2 {
        return common::skip("two spinning threads need two cores");
    }
    if Command::new("strace").arg("-V").output().is_err() {
        return common::skip("strace is not installed; make deps installs it");
    }
    let mut node = recorded(&dir, "spin");
    let handle = node.handle();
    assert!(handle.snapshot().expect("a page").node.spin, "the node really spins: {:?}", common::events(&handle));
    let before = warm(&handle);
    let report = dir.path().join("strace");
    let mut strace = Command::new("strace");
    strace.args(["-qq", "-o"]).arg(&report);
    for probe in handle.probes() {
        strace.arg("-p").arg(probe.tid.to_string());
    }
    let mut strace = strace.spawn().expect("it was there a moment ago");
    guard("strace is attached", || {
        let traced = |tid: u32| {
            let status = std::fs::read_to_string(format!("/proc/self/task/{tid}/status")).unwrap_or_default();
            status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
        };
        strace.try_wait().ok().flatten().is_some() || handle.probes().iter().all(|probe| traced(probe.tid))
    });
    if let Some(status) = strace.try_wait().expect("a child of ours") {
        return common::skip(&format!("strace may not attach here ({status}); allow ptrace"));
    }
    let began = std::time::Instant::now();
    guard("more than a second passes and the work goes on", || {
        pressure(&handle);
        began.elapsed().as_millis() > 1_200 && grown(&before, &tori(&handle), 1_000)
    });
    let _ = Command::new("kill").args(["-INT", &strace.id().to_string()]).status();
    let _ = strace.wait();
    let calls = std::fs::read_to_string(&report).unwrap_or_default();
    assert_eq!(calls.trim(), "", "system calls of spinning torus threads");
    assert!(!node.stop().failed());
}
