//! Entries for fuzzing: whatever the bytes, nothing panics, and what is verified keeps its bounds. The fuzzer and the replay of
//! its corpus call these; so do the tests here.

mod generate;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::code::{ContentHash, Module, Verified, cfg, codec, disasm, verify};
use crate::nondet::builtin::BuiltinSolver;
use crate::nondet::{Ir, Limits, Outcome, Solver};
use crate::trace;
use crate::value::Val;
use crate::vm::solo::Solo;
use crate::vm::{Config, Start};

/// Operations an execution may take.
const FUEL: u64 = 20_000;

/// Answers nothing: what is verified must bear that.
struct Unknowing;

impl Solver for Unknowing {
    fn solve(&mut self, _: &Ir, _: &Limits) -> Outcome {
        Outcome::Unknown("the fuzzer does not solve".to_owned())
    }
}

/// Bytes as an encoded module, as they come and under a right head; what decodes is encoded again, shown, verified and run.
///
/// # Panics
/// When a module does not come back as it was, or the machine does not keep its bounds: that is what a fuzzer looks for.
#[must_use]
pub fn fuzz_module(bytes: &[u8]) -> u64 {
    let mut sealed = codec::MAGIC.to_vec();
    sealed.extend(codec::VERSION.to_le_bytes());
    let body = bytes.get(codec::HEAD_BYTES..).filter(|_| bytes.starts_with(&codec::MAGIC)).unwrap_or(bytes);
    sealed.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    sealed.extend(ContentHash::of(body).0);
    sealed.extend(body);
    let value = u64::from(codec::value_from_bytes(bytes).is_ok());
    [bytes, &sealed].into_iter().filter_map(|bytes| codec::from_bytes(bytes).ok()).map(module).sum::<u64>() + value
}

/// Bytes as a module in JSON, and as a value in JSON.
///
/// # Panics
/// As [`fuzz_module`].
#[must_use]
pub fn fuzz_json(bytes: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    let mut taken = codec::from_json(text).map(module).unwrap_or(0);
    if let Ok(json) = serde_json::from_str(text)
        && let Ok(value) = trace::value_from_json(&json)
    {
        let mut again = String::new();
        trace::value_json(&mut again, &value);
        let again = serde_json::from_str(&again).expect("what is written is JSON");
        assert_eq!(trace::value_from_json(&again), Ok(value), "a value comes back");
        taken += 1;
    }
    taken
}

/// Bytes as the choices of a generator of modules that the verifier must accept; they are run.
///
/// # Panics
/// As [`fuzz_module`], or when the verifier refuses.
#[must_use]
pub fn fuzz_program(bytes: &[u8]) -> u64 {
    let made = generate::module(bytes);
    match verify(made) {
        Ok(verified) => 1 + run(&verified),
        Err(errors) => panic!("the verifier refuses what was made to be accepted: {}", errors[0]),
    }
}

fn module(module: Module) -> u64 {
    if let Ok(bytes) = codec::to_bytes(&module) {
        assert_eq!(codec::from_bytes(&bytes).as_ref(), Ok(&module), "a module comes back");
    }
    assert!(!disasm(&module).is_empty() && !cfg::mermaid_all(&module).is_empty());
    match verify(module) {
        Ok(verified) => 2 + run(&verified),
        Err(errors) => {
            assert!(errors.iter().all(|error| !error.to_string().is_empty()));
            1
        }
    }
}

/// Runs every entry, without answers to its questions and with them; the number of executions that ended with a value.
fn run(verified: &Verified) -> u64 {
    let answered = run_with(verified, Box::new(BuiltinSolver));
    run_with(verified, Box::new(Unknowing)).max(answered)
}

/// Runs every entry with little of everything; the number of executions that ended with a value.
fn run_with(verified: &Verified, solver: Box<dyn Solver>) -> u64 {
    let config = Config {
        heap_bytes: 4 << 20,
        executions: 16,
        objects: 64,
        call_depth: 64,
        memory_bytes: 1 << 20,
        trace_bytes: 1 << 16,
        machines: ["m0", "m1"].map(Into::into).to_vec(),
        controllers: ["c0", "c1"].map(Into::into).to_vec(),
        grant_unsafe: true,
        runs: 16,
        solver: Limits { steps: 2_000, nodes: 2_000, ..Limits::default() },
        ..Config::default()
    };
    let mut solo = Solo::new(config, solver);
    if solo.load(verified).is_err() {
        return 0;
    }
    let module: Arc<Module> = verified.module().clone();
    let mut ended = 0;
    for entry in module.entries.iter().take(4) {
        let arity = usize::from(module.functions[usize::from(entry.function)].arity);
        let args = vec![Val::Nothing; arity];
        let start = Start { args, fuel: Some(FUEL), ..Start::new(&module.name, &entry.name) };
        let Ok(finished) = solo.run(&start) else { continue };
        ended += u64::from(finished.result.is_ok());
        let stamps = finished.trace.iter().map(|entry| entry.timestamp);
        assert!(stamps.eq(0..finished.trace.len() as u64), "timestamps have no gaps (avm:6)");
        assert!(!trace::chart(&finished.trace, &trace::Chart::default()).is_empty());
    }
    ended
}
