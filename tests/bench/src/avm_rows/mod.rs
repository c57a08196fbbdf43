//! The AVM: the operations of the reference figures (avm.md section 15), transactions against the size of the store, traces,
//! finite domains against Gecode and pumpkin-solver, choices against Z3 itself.

mod machine;
mod peers;
mod solving;

use std::time::Instant;

use avm::Val;
use avm::code::{Verified, verify};
use avm::lang::{Source, compile};
use avm::nondet::Solver;
use avm::vm::solo::Solo;
use avm::vm::{Config, Start};

use crate::report::Row;

/// All rows.
pub fn rows() -> Vec<Row> {
    let mut rows = machine::rows();
    rows.extend(solving::rows());
    rows
}

fn module(name: &str, text: &str) -> Verified {
    let compiled = compile(&[Source::new(name, text)], &|_| None).unwrap_or_else(|problems| panic!("{problems}"));
    verify(compiled).unwrap_or_else(|problems| panic!("{name}: {problems:?}"))
}

fn figures() -> Verified {
    module("figures.avm", include_str!("figures.avm"))
}

fn solo(config: Config, solver: Box<dyn Solver>, code: &Verified) -> Solo {
    let mut solo = Solo::new(config, solver);
    solo.load(code).expect("it fits");
    solo
}

/// Runs an entry to its end; seconds, and its value. Reading the trace out is not part of it.
fn timed(solo: &mut Solo, name: &str, entry: &str, args: &[i64]) -> (f64, Val) {
    let mut start = Start::new(name, entry);
    start.args = args.iter().map(|number| Val::from(*number)).collect();
    let begun = Instant::now();
    let execution = solo.lane.start(&start).expect("it starts");
    while solo.step(execution) == Some(false) {}
    let taken = begun.elapsed().as_secs_f64();
    let result = solo.lane.result(execution).expect("it is over");
    solo.lane.forget(execution);
    (taken, result.unwrap_or_else(|failure| panic!("{entry}: {}", failure.error)))
}
