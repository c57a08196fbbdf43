//! Entries for fuzzing: bytes in, a number out that grows with what was taken. Whatever the bytes, they return.

use super::builtin::BuiltinSolver;
use super::ir::{Ir, Limits, Outcome, Solver};
use super::{json, smtlib};

/// Little work for each input.
const LIMITS: Limits = Limits { steps: 20_000, nodes: 5_000, memory_bytes: 1 << 24, core: 8 };

/// What is read as a question is written and read again the same, and an answer to it is one.
///
/// # Panics
/// When that does not hold.
#[must_use]
pub fn fuzz_json(bytes: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    let Ok(ir) = json::from_json(text, &LIMITS) else { return 0 };
    // Sharing is lost in nothing, so the limit that was kept is kept again.
    let again = json::from_json(&json::to_json(&ir), &LIMITS);
    assert!(again.as_ref() == Ok(&ir), "a question that was read is written as it is");
    1 + answered(&ir)
}

/// What is read as a question answers the same when it is written and read again.
///
/// # Panics
/// When that does not hold.
#[must_use]
pub fn fuzz_smtlib(bytes: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    let Ok(ir) = smtlib::read(text, &LIMITS) else { return 0 };
    let taken = 1 + answered(&ir);
    let roomy = Limits { nodes: 500_000, ..LIMITS };
    if let Ok(written) = smtlib::write(&ir, &roomy) {
        let again = smtlib::read(&written, &roomy);
        let again = again.unwrap_or_else(|error| panic!("what was written is read: {error}"));
        let plenty = Limits { steps: 2_000_000, ..roomy };
        let answers = (BuiltinSolver.solve(&ir, &LIMITS), BuiltinSolver.solve(&again, &plenty));
        if let (Outcome::Sat(one), Outcome::Sat(two)) = &answers {
            assert!(one == two, "written and read again it answers the same");
        }
        let opposite = matches!(answers, (Outcome::Sat(_), Outcome::Unsat(_)) | (Outcome::Unsat(_), Outcome::Sat(_)));
        assert!(!opposite, "written and read again it decides the same");
    }
    taken
}

fn answered(ir: &Ir) -> u64 {
    match BuiltinSolver.solve(ir, &LIMITS) {
        Outcome::Sat(answer) => {
            assert!(ir.admits(&answer), "an answer is a resolution of its question");
            1
        }
        Outcome::Unsat(_) | Outcome::Unknown(_) => 0,
    }
}
