//! Operations of the machine against the reference figures, scaled to this machine at this moment.

use avm::event::TraceLevel;
use avm::nondet::builtin::BuiltinSolver;
use avm::vm::Config;
use avm::vm::solo::Solo;

use super::peers::calibration;
use super::{figures, solo, timed};
use crate::measure::{interleave, pin, unpin};
use crate::report::{Bar, Row};

const ROUNDS: usize = 7;

fn lane(trace: TraceLevel, code: &avm::code::Verified) -> Solo {
    solo(Config { trace, ..Config::default() }, Box::new(BuiltinSolver), code)
}

/// What a reference figure is held to (`decisions:AVM-22`).
const FIVE: Bar = Bar::AtLeast(5.0);

/// Operations of the reference figures: entry and arguments, operations a run, the reference in millions a second.
fn operations(code: &avm::code::Verified) -> Vec<Row> {
    let row =
        |name: &str, run: (&str, &[i64], f64), reference: f64, bar| against_reference(code, name, run, reference, bar);
    let row = &row;
    vec![
        row("avm self", ("own", &[1_000_000], 1e6), 15.0, Bar::None),
        row("avm setState and getState", ("state", &[500_000], 1e6), 8.3, FIVE),
        row("avm call echo", ("echoes", &[300_000], 3e5), 3.6, FIVE),
        row("avm call inc", ("increments", &[300_000], 3e5), 1.4, FIVE),
        row("avm ping-pong, 10 rounds", ("ping_pong", &[20_000, 10], 2e5), 0.383, FIVE),
        row("avm ping-pong, 1000 rounds", ("ping_pong", &[200, 1000], 2e5), 0.0091, FIVE),
        row("avm createObj", ("creates", &[100_000], 1e5), 0.61, Bar::None),
        row("avm callPure", ("pures", &[300_000], 3e5), 8.4, Bar::None),
        row("avm begin, setState, commit", ("commits", &[200_000], 2e5), 1.6, Bar::None),
    ]
}

/// Rows of the machine.
pub fn rows() -> Vec<Row> {
    pin(0);
    let code = figures();
    let mut rows = operations(&code);
    rows.push(store_size(&code));
    rows.push(traced(&code));
    rows.push(nested(&code));
    rows.push(empty_objects(&code));
    #[cfg(feature = "avm-peers")]
    rows.extend(interpreters(&code));
    unpin();
    rows
}

fn against_reference(
    code: &avm::code::Verified,
    name: &str,
    (entry, args, operations): (&str, &[i64], f64),
    reference: f64,
    bar: Bar,
) -> Row {
    let ours = || {
        let mut solo = lane(TraceLevel::Off, code);
        let (taken, _) = timed(&mut solo, "figures", entry, args);
        operations / taken / 1e6
    };
    let pairs = interleave(ROUNDS, ours, || reference * calibration());
    Row::against(name, "M/s", &pairs, "reference figure, scaled by the calibration loop", bar)
        .note("trace off; the reference ran on another machine: its figure times how much faster a loop of known cost is here")
}

fn store_size(code: &avm::code::Verified) -> Row {
    let with = |objects: i64| {
        let mut solo = lane(TraceLevel::Off, code);
        timed(&mut solo, "figures", "creates", &[objects]);
        solo
    };
    let (mut large, mut small) = (with(1_000_000), with(100));
    let rate = |solo: &mut Solo| 2e5 / timed(solo, "figures", "commits", &[200_000]).0 / 1e6;
    let pairs = interleave(ROUNDS, || rate(&mut large), || rate(&mut small));
    Row::against("avm transactions with 10^6 objects in the store", "M/s", &pairs, "with 10^2", Bar::AtLeast(0.8))
}

fn traced(code: &avm::code::Verified) -> Row {
    let ns = |trace| {
        let mut solo = lane(trace, code);
        timed(&mut solo, "figures", "ping_pong", &[2000, 10]).0 * 1e9 / 2e4
    };
    let pairs = interleave(ROUNDS * 3, || ns(TraceLevel::Default), || ns(TraceLevel::Off));
    Row::against("avm ping-pong with its trace kept", "ns", &pairs, "trace off", Bar::AtMost(1.15))
}

fn nested(code: &avm::code::Verified) -> Row {
    let rate = |levels: i64, times: usize| {
        let mut solo = lane(TraceLevel::Off, code);
        let taken: f64 = (0..times).map(|_| timed(&mut solo, "figures", "nested", &[levels]).0).sum();
        levels as f64 * times as f64 / taken / 1e6
    };
    let pairs = interleave(ROUNDS, || rate(99_000, 2), || rate(10, 20_000));
    Row::against("avm nested calls, 99 000 deep", "M/s", &pairs, "10 deep", Bar::None)
        .note("the depth is bounded by configuration, 100 000 by default, not by the stack of the host")
}

fn empty_objects(code: &avm::code::Verified) -> Row {
    const OBJECTS: i64 = 1_000_000;
    let bytes = || {
        let mut solo = lane(TraceLevel::Off, code);
        timed(&mut solo, "figures", "creates", &[1]);
        let before = resident_bytes();
        timed(&mut solo, "figures", "creates", &[OBJECTS]);
        (resident_bytes() - before) / OBJECTS as f64
    };
    Row::alone("avm bytes of an empty object", "B", (0..3).map(|_| bytes()).collect(), Bar::ValueAtMost(120.0))
        .note("growth of the resident memory of the process over 10^6 objects")
}

/// Resident memory of this process, bytes.
fn resident_bytes() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<f64>().ok()).unwrap_or(0.0) * 4096.0
}

#[cfg(feature = "avm-peers")]
fn interpreters(code: &avm::code::Verified) -> Vec<Row> {
    const TURNS: i64 = 300_000;
    let mut solo = lane(TraceLevel::Off, code);
    let mut ns = |entry: &str| timed(&mut solo, "figures", entry, &[TURNS]).0 * 1e9 / TURNS as f64;
    let loops = interleave(ROUNDS, || ns("counting"), || super::peers::rhai_loop_ns(TURNS));
    let calls = interleave(ROUNDS, || ns("functions"), || super::peers::rhai_call_ns(TURNS));
    vec![
        Row::against("avm turn of a counting loop", "ns", &loops, "rhai", Bar::None),
        Row::against("avm function call", "ns", &calls, "rhai", Bar::None),
    ]
}
