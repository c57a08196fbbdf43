//! Every error a program can fail with (`avm:5`, `decisions:AVM-22`): who triggers it, and that it does.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

use std::collections::BTreeSet;

use avm::AvmError;
use avm::code::{MessageShape, Shape, verify};
use avm::dsl::*;
use avm::id::{ObjectId, TxId, VarId};
use avm::nondet::{Ir, Limits, Outcome, Solver};
use avm::program;
use avm::value::{Kind, Val};
use avm::vm::solo::Solo;
use avm::vm::{Config, LoadError, Quantum, Start};

/// A solver that knows nothing.
struct Unknowing;

impl Solver for Unknowing {
    fn solve(&mut self, _: &Ir, _: &Limits) -> Outcome {
        Outcome::Unknown("it does not want to".into())
    }
}

/// Who brings an error about.
enum Trigger {
    /// A program, on a node that grants what it asks for.
    Program(fn() -> AvmError),
    /// What would raise it is refused before it runs; the message of the refusal.
    Refused(fn() -> String),
    /// Nothing does: it is declared for a part that is not there, or answered in another way. Why.
    Nothing(&'static str),
}

use Trigger::{Nothing, Program as P, Refused};

fn config() -> Config {
    Config {
        heap_bytes: 16 << 20,
        machines: ["m0", "m2"].map(Into::into).to_vec(),
        controllers: ["c1", "c2", "c3"].map(Into::into).to_vec(),
        grant_unsafe: true,
        ..Config::default()
    }
}

/// Behaviours that programs use.
fn kit(program: Program) -> Program {
    let inc = |_: &[Code]| {
        program! {
            let more <- get_state().first_or(0) + 1;
            set_state(list([more]));
            more
        }
    };
    let strict = vec![MessageShape { tag: "inc".into(), parts: vec![Shape::Is(Kind::Int)] }];
    program
        .behaviour("ctr", |b| b.on("inc", 0, inc))
        .behaviour("strict", |b| b.takes(strict).on("inc", 1, |parts| parts[0].clone()))
        .behaviour("picky", |b| b.on("any", 0, |_| reject()))
        .behaviour("deep", |b| b.on("go", 0, |_| call(this(), list(["go"]))))
        .function("id", 1, |args| args[0].clone())
        .function("bad", 1, |_| value(1) / 0)
}

/// The error that a program ends with.
fn fails_on(config: Config, start: &Start, body: Code) -> AvmError {
    let module = kit(Program::new("m").needs_unsafe()).entry("main", 0, |_| body).build().unwrap();
    let mut solo = Solo::new(config, Box::new(Unknowing));
    solo.load(&module).unwrap();
    let finished = solo.run(start).unwrap();
    let error = finished.result.expect_err("the program ends with an error").error;
    let logged = finished.trace.iter().any(|entry| entry.event == avm::Event::ErrorOccurred(error.clone()));
    assert!(logged, "{} stands in the trace (avm:7.5)", error.name());
    error
}

fn fails(body: Code) -> AvmError {
    fails_on(config(), &Start::new("m", "main"), body)
}

fn inc() -> Code {
    list(["inc"])
}

fn obj(n: u64) -> Code {
    value(ObjectId(n))
}

const TABLE: &[(&str, Trigger)] = &[
    ("ErrObjectNotFound", P(|| fails(call(obj(99), inc())))),
    (
        "ErrObjectAlreadyDestroyed",
        P(|| fails(create("ctr", "c1").bind(|o| begin_tx("c1").then(destroy(o)).then(destroy(o))))),
    ),
    ("ErrObjectAlreadyExists", Nothing("ids are never given out twice, and no damaged store can be restored yet")),
    (
        "ErrInvalidInput",
        P(|| fails(create("strict", nothing()).bind(|o| call(o, list([value("inc"), value("text")]))))),
    ),
    ("ErrObjectRejectedCall", P(|| fails(create("picky", nothing()).bind(|o| call(o, list(["any"])))))),
    ("ErrMetadataCorruption", Nothing("needs a damaged store, and none can be restored yet")),
    ("ErrBehaviourNotFound", P(|| fails(create("nowhere", nothing())))),
    (
        "ErrContextUnavailable",
        P(|| {
            let shallow = Config { call_depth: 20, ..config() };
            fails_on(shallow, &Start::new("m", "main"), create("deep", nothing()).bind(|o| call(o, list(["go"]))))
        }),
    ),
    ("ErrMetadataNotFound", Nothing("reflect answers nothing; no host API insists")),
    ("ErrMetadataInconsistent", Nothing("needs a damaged store, and none can be restored yet")),
    ("ErrStoreCorruption", Nothing("needs a damaged store, and none can be restored yet")),
    (
        "ErrScryPredicateFailed",
        P(|| fails(create("ctr", nothing()).then(scry_meta(closure("bad", Vec::<Code>::new()))))),
    ),
    ("ErrReflectionDenied", Refused(|| refused(reflect(obj(0))))),
    ("ErrReifyContextFailed", Nothing("code always runs in a frame")),
    ("ErrNoTransactionToReify", Nothing("reifyTxState answers nothing outside a transaction; no host API insists")),
    ("ErrTxStateAccessDenied", Refused(|| refused(reify_tx_state()))),
    (
        "ErrConstraintStoreUnavailable",
        P(|| fails_on(Config { fd: false, ..config() }, &Start::new("m", "main"), reify_constraints())),
    ),
    ("ErrTxConflict", P(|| fails(begin_tx(nothing()).bind(|t| begin_tx(nothing()).then(commit_tx(t)))))),
    ("ErrTxNotFound", P(|| fails(begin_tx(nothing()).then(commit_tx(value(TxId(77))))))),
    ("ErrTxAlreadyCommitted", P(|| fails(begin_tx(nothing()).bind(|t| commit_tx(t).then(commit_tx(t)))))),
    ("ErrTxAlreadyAborted", P(|| fails(begin_tx(nothing()).bind(|t| abort_tx(t).then(commit_tx(t)))))),
    ("ErrNoActiveTx", P(|| fails(require(true, nothing())))),
    ("ErrInvalidDuringTx", P(|| fails(begin_tx(nothing()).then(teleport("m2"))))),
    ("ErrFunctionNotFound", P(|| fails(update_pure("nope", closure("id", Vec::<Code>::new()), nothing())))),
    (
        "ErrFunctionAlreadyRegistered",
        P(|| {
            let f = || closure("id", Vec::<Code>::new());
            fails(register_pure("p", f()).then(register_pure("p", f())))
        }),
    ),
    (
        "ErrVersionConflict",
        P(|| {
            let f = || closure("id", Vec::<Code>::new());
            fails(register_pure("p", f()).then(update_pure("p", f(), just(5))))
        }),
    ),
    ("ErrMachineUnreachable", P(|| fails(teleport("dead")))),
    ("ErrInvalidMachineTransfer", Nothing("no policy of the platform refuses a move yet")),
    ("ErrTeleportDuringTx", Nothing("reserved for the migration API of R4, which is not there")),
    ("ErrControllerUnreachable", P(|| fails(begin_tx("dead")))),
    (
        "ErrUnauthorizedTransfer",
        P(|| {
            let start = Start { authority: Some("c2".into()), ..Start::new("m", "main") };
            fails_on(config(), &start, create("ctr", "c1").bind(|o| transfer_object(o, "c3")))
        }),
    ),
    ("ErrCrossControllerTx", P(|| fails(create("ctr", "c2").bind(|o| begin_tx("c1").then(call(o, inc())))))),
    (
        "ErrObjectNotAvailable",
        P(|| {
            let several = Config { multi_controller: true, ..config() };
            fails_on(
                several,
                &Start::new("m", "main"),
                create("ctr", "dead").bind(|o| begin_tx(nothing()).then(call(o, inc()))),
            )
        }),
    ),
    (
        "ErrObjectNotConsistent",
        P(|| {
            let several = Config { multi_controller: true, ..config() };
            let body = create("ctr", "c1").bind(|o| {
                teleport("m2").then(fetch(o)).then(call(o, inc())).then(begin_tx(nothing())).then(call(o, inc()))
            });
            fails_on(several, &Start::new("m", "main"), body)
        }),
    ),
    ("ErrFreezeFailed", Nothing("replaying logged inputs always gives a state: nothing is irreconcilable")),
    ("ErrObjectHasNoController", P(|| fails(create("ctr", nothing()).bind(|o| destroy(o))))),
    (
        "ErrNotImplemented",
        P(|| fails_on(Config { fd: false, ..config() }, &Start::new("m", "main"), new_var(list([1])))),
    ),
    ("ErrEmptyDomain", P(|| fails(new_var(list(Vec::<Code>::new()))))),
    ("ErrUnknownVar", P(|| fails(label(value(VarId(9)))))),
    ("ErrNoAlternatives", P(|| fails(begin_tx(nothing()).then(choose(list(Vec::<Code>::new())))))),
    ("ErrProgramArithmetic", P(|| fails(value(1) / 0))),
    ("ErrProgramMatch", P(|| fails(no_match(5)))),
    ("ErrProgramType", P(|| fails(value(1) + "text"))),
    (
        "ErrProgramFuel",
        P(|| {
            let start = Start { fuel: Some(1000), ..Start::new("m", "main") };
            fails_on(config(), &start, for_each(avm::dsl::builtin(avm::code::Builtin::Range, [0, 100_000]), |n| n + 1))
        }),
    ),
    (
        "ErrProgramMemory",
        P(|| {
            let small = Config { memory_bytes: 1 << 16, ..config() };
            let range = avm::dsl::builtin(avm::code::Builtin::Range, [0, 100_000]);
            fails_on(small, &Start::new("m", "main"), range)
        }),
    ),
    (
        "ErrProgramSolverUnknown",
        P(|| {
            fails(
                begin_tx(nothing())
                    .bind(|t| choose(list([1, 2, 3])).bind(|x| require(x.more(1), nothing()).then(commit_tx(t)))),
            )
        }),
    ),
    ("ErrProgramSnapshotEvicted", P(evicted)),
    ("ErrProgramCapability", Nothing("the one capability is 'unsafe', which is refused when a module is loaded")),
    ("ErrProgramRaised", P(|| fails(raise("enough")))),
];

/// The verifier refuses an unsafe instruction in a safe program, and the lane an unsafe program that is not granted (`avm:1`).
fn refused(body: Code) -> String {
    let safe = Program::new("m").entry("main", 0, |_| body.clone()).module().unwrap();
    let errors = verify(safe).unwrap_err();
    let granted = Program::new("m").needs_unsafe().entry("main", 0, |_| body).build().unwrap();
    let mut solo = Solo::new(Config { grant_unsafe: false, ..config() }, Box::new(Unknowing));
    assert!(matches!(solo.load(&granted), Err(LoadError::UnsafeRefused(_))));
    errors[0].to_string()
}

/// A transaction begins, others write an object more often than versions are kept, then the transaction reads it.
fn evicted() -> AvmError {
    let module = kit(Program::new("m").needs_unsafe())
        .entry("old", 1, |args| begin_tx(nothing()).then(note("begun")).then(call(&args[0], inc())))
        .entry("make", 0, |_| create("ctr", "c1"))
        .entry("write", 1, |args| for_each(builtin(avm::code::Builtin::Range, [0, 50]), |_| call(&args[0], inc())))
        .build()
        .unwrap();
    let few = Config { versions: 2, quantum_ops: 1, ..config() };
    let mut solo = Solo::new(few, Box::new(Unknowing));
    solo.load(&module).unwrap();
    let made = solo.run(&Start::new("m", "make")).unwrap().result.unwrap();
    let with = |entry| Start { args: vec![made.clone()], ..Start::new("m", entry) };
    let old = solo.lane.start(&with("old")).unwrap();
    while !solo.lane.trace(old).iter().any(|entry| matches!(entry.event, avm::Event::Noted(_))) {
        assert_eq!(solo.lane.quantum(old), Quantum::Yielded);
    }
    solo.run(&with("write")).unwrap().result.unwrap();
    solo.finish(old).result.unwrap_err().error
}

// decisions:AVM-15, avm:A21
#[test]
fn every_error_has_its_trigger() {
    for (name, trigger) in TABLE {
        match trigger {
            P(run) => assert_eq!(run().name(), *name),
            Refused(run) => {
                let refusal = run();
                assert!(refusal.contains("is an unsafe instruction"), "{name}: {refusal}");
            }
            Nothing(why) => assert!(!why.is_empty()),
        }
    }
}

// The table is complete: names are taken from where they are given.
#[test]
fn the_table_knows_every_error() {
    let source = include_str!("../src/error.rs");
    let declared: BTreeSet<&str> =
        source.split('"').filter(|part| part.starts_with("Err") && part.chars().all(char::is_alphanumeric)).collect();
    let known: BTreeSet<&str> = TABLE.iter().map(|(name, _)| *name).collect();
    assert!(declared.len() > 45, "{declared:?}");
    assert_eq!(declared, known);
    assert_eq!(TABLE.len(), known.len(), "one row each");
}

// avm:12: full payloads.
#[test]
fn errors_carry_what_they_are_about() {
    let error = fails(create("ctr", "c2").bind(|o| begin_tx("c1").then(call(o, inc()))));
    assert_eq!(error.to_string(), "object o0 belongs to controller c2, the transaction to another");
    assert_eq!(fails(call(obj(99), inc())).to_string(), "object o99 does not exist");
    assert_eq!(fails(no_match(list([1, 2]))).to_string(), "no arm matches [1, 2]");
    let _: Val = 5.to_val();
}
