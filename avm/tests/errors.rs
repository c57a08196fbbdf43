//! Every error a program can fail with (`avm:5`, `decisions:AVM-22`): who triggers it, and that it does.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

use std::collections::BTreeSet;

use avm::AvmError;
use avm::code::{MessageShape, Shape, verify};
use avm::dsl::*;
use avm::id::{ExecutionId, ObjectId, TxId, VarId};
use avm::nondet::{Ir, Limits, Outcome, Solver};
use avm::program;
use avm::value::{Kind, Val};
use avm::vm::solo::Solo;
use avm::vm::{Capability, Config, Damage, LoadError, Quantum, Start};

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
    /// A host, with a question that insists on an answer.
    Host(fn() -> AvmError),
    /// A program, after damage that was done to the store; in a whole store it ends well.
    Damaged(fn(ObjectId) -> Damage, fn(&Code) -> Code),
}

use Trigger::{Damaged, Host, Program as P};

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
        .behaviour("purse", |b| {
            b.on("take", 1, |parts| {
                let left = get_state().first_or(10) - parts[0].clone();
                left.bind(|left| when(left.less(0), raise("empty"), set_state(list([left])).then(left)))
            })
        })
        .function("bad", 1, |_| value(1) / 0)
        .function("yes", 1, |_| value(true))
        .function("both", 2, |_| value(true))
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
    ("ErrObjectAlreadyExists", Damaged(|_| Damage::IdCounter(0), |_| create("ctr", "c1"))),
    (
        "ErrInvalidInput",
        P(|| fails(create("strict", nothing()).bind(|o| call(o, list([value("inc"), value("text")]))))),
    ),
    ("ErrObjectRejectedCall", P(|| fails(create("picky", nothing()).bind(|o| call(o, list(["any"])))))),
    ("ErrMetadataCorruption", Damaged(Damage::LoseMetadata, |o| destroy(o))),
    ("ErrBehaviourNotFound", P(|| fails(create("nowhere", nothing())))),
    (
        "ErrContextUnavailable",
        P(|| {
            let shallow = Config { call_depth: 20, ..config() };
            fails_on(shallow, &Start::new("m", "main"), create("deep", nothing()).bind(|o| call(o, list(["go"]))))
        }),
    ),
    ("ErrMetadataNotFound", Host(|| Solo::new(config(), Box::new(Unknowing)).lane.meta(ObjectId(0)).unwrap_err())),
    (
        "ErrMetadataInconsistent",
        Damaged(|object| Damage::Misfile { object, says: ObjectId(7) }, |_| scry_meta(function("yes"))),
    ),
    ("ErrStoreCorruption", Damaged(Damage::LosePage, |_| scry_meta(function("yes")))),
    (
        "ErrScryPredicateFailed",
        P(|| fails(create("ctr", nothing()).then(scry_meta(closure("bad", Vec::<Code>::new()))))),
    ),
    ("ErrReflectionDenied", P(|| fails_on(blind(), &Start::new("m", "main"), reflect(obj(0))))),
    (
        "ErrReifyContextFailed",
        Host(|| {
            let (mut solo, execution) = at_note(note("here"));
            solo.lane.context(execution).unwrap();
            while solo.lane.quantum(execution) != Quantum::Ended {}
            solo.lane.context(execution).unwrap_err()
        }),
    ),
    (
        "ErrNoTransactionToReify",
        Host(|| {
            let (solo, execution) = at_note(note("here"));
            solo.lane.tx_state(execution).unwrap_err()
        }),
    ),
    ("ErrTxStateAccessDenied", P(|| fails_on(blind(), &Start::new("m", "main"), reify_tx_state()))),
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
    (
        "ErrInvalidMachineTransfer",
        P(|| {
            let sealed = Config { sealed_machines: vec!["m2".into()], ..config() };
            fails_on(sealed, &Start::new("m", "main"), create("ctr", "c1").bind(|o| move_object(o, "m2")))
        }),
    ),
    (
        "ErrTeleportDuringTx",
        Host(|| {
            let (solo, execution) = at_note(begin_tx("c1").then(note("here")));
            solo.lane.export(execution).unwrap_err()
        }),
    ),
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
    ("ErrFreezeFailed", P(|| fails(torn()))),
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
    (
        "ErrProgramCapability",
        P(|| {
            let denied = Config { denied: vec![Capability::Clock], ..config() };
            fails_on(denied, &Start::new("m", "main"), now())
        }),
    ),
    ("ErrProgramDeadline", Host(deadline)),
    ("ErrProgramRaised", P(|| fails(raise("enough")))),
    ("ErrProgramConflict", P(met)),
    (
        "ErrProgramTerminated",
        Host(|| {
            let (mut solo, execution) = at_note(note("here"));
            assert!(solo.lane.terminate(execution));
            solo.lane.result(execution).unwrap().unwrap_err().error
        }),
    ),
];

/// A node that denies reflection.
fn blind() -> Config {
    Config { denied: vec![Capability::Reflect], ..config() }
}

/// The rest of a call, behind a transaction it has committed, reads what another execution changes before the call is over.
fn met() -> AvmError {
    let module = kit(Program::new("m"))
        .behaviour("tail", |b| {
            b.on("go", 1, |parts| {
                let spin = for_each(builtin(avm::code::Builtin::Range, [0, 4_000]), |n| n + 1);
                begin_tx(nothing()).bind(|t| commit_tx(t)).then(call(&parts[0], inc())).then(note("read")).then(spin)
            })
        })
        .entry("start", 0, |_| create("tail", nothing()))
        .entry("make", 0, |_| create("ctr", "c1"))
        .entry("go", 2, |args| call(&args[0], list([value("go"), args[1].clone()])))
        .entry("write", 1, |args| call(&args[0], inc()))
        .build()
        .unwrap();
    let mut solo = Solo::new(Config { quantum_ops: 8, ..config() }, Box::new(Unknowing));
    solo.load(&module).unwrap();
    let mut made = |entry| solo.run(&Start::new("m", entry)).unwrap().result.unwrap();
    let (tail, other) = (made("start"), made("make"));
    let go = solo.lane.start(&Start { args: vec![tail, other.clone()], ..Start::new("m", "go") }).unwrap();
    let write = solo.lane.start(&Start { args: vec![other], ..Start::new("m", "write") }).unwrap();
    while !solo.lane.trace(go).iter().any(|entry| matches!(entry.event, avm::Event::Noted(_))) {
        assert_eq!(solo.lane.quantum(go), Quantum::Yielded);
    }
    while solo.lane.quantum(write) != Quantum::Ended {
        assert_eq!(solo.lane.quantum(go), Quantum::Yielded, "the other execution gets its turn");
    }
    solo.finish(go).result.unwrap_err().error
}

fn function(name: &str) -> Code {
    closure(name, Vec::<Code>::new())
}

/// A purse of ten is emptied on a replica and at home: the replica's message fails when it is taken again.
fn torn() -> Code {
    create("purse", "c1").bind(|o| {
        let take = || call(o, list([value("take"), value(8)]));
        teleport("m2").then(fetch(o)).then(take()).then(teleport("m0")).then(take()).then(freeze(o))
    })
}

/// An execution that has come to the note "here".
fn at_note(body: Code) -> (Solo, ExecutionId) {
    let module = kit(Program::new("m").needs_unsafe()).entry("main", 0, |_| body.then(value(1) + 1)).build().unwrap();
    let mut solo = Solo::new(Config { quantum_ops: 1, ..config() }, Box::new(Unknowing));
    solo.load(&module).unwrap();
    let execution = solo.lane.start(&Start { input: Val::text("in"), ..Start::new("m", "main") }).unwrap();
    let here = avm::Event::Noted(Val::text("here"));
    while !solo.lane.trace(execution).iter().any(|entry| entry.event == here) {
        assert_eq!(solo.lane.quantum(execution), Quantum::Yielded);
    }
    (solo, execution)
}

/// An object is made, damage is done, the program that is given the object runs.
fn damaged(damage: fn(ObjectId) -> Damage, body: fn(&Code) -> Code) -> AvmError {
    let module = kit(Program::new("m").needs_unsafe())
        .entry("make", 0, |_| create("ctr", "c1"))
        .entry("main", 1, |args| body(&args[0]))
        .build()
        .unwrap();
    let run = |damaged: bool| {
        let mut solo = Solo::new(config(), Box::new(Unknowing));
        solo.load(&module).unwrap();
        let made = solo.run(&Start::new("m", "make")).unwrap().result.unwrap();
        let Val::Object(object) = made else { panic!("{made}") };
        solo.lane.check_store().unwrap();
        if damaged {
            assert!(solo.lane.damage(damage(object)));
            solo.lane.check_store().unwrap_err();
        }
        let finished = solo.run(&Start { args: vec![made], ..Start::new("m", "main") }).unwrap();
        assert_eq!(solo.lane.close(), 0, "values are left behind");
        finished
    };
    run(false).result.unwrap();
    let finished = run(true);
    let error = finished.result.unwrap_err().error;
    assert!(finished.trace.iter().any(|entry| entry.event == avm::Event::ErrorOccurred(error.clone())));
    error
}

/// What the verifier says of an unsafe instruction in a safe program; the lane refuses an unsafe program that is not granted
/// (`avm:1`).
fn refused(body: Code) -> String {
    let safe = kit(Program::new("m")).entry("main", 0, |_| body.clone()).module().unwrap();
    let errors = verify(safe).unwrap_err();
    let granted = kit(Program::new("m").needs_unsafe()).entry("main", 0, |_| body).build().unwrap();
    let mut solo = Solo::new(Config { grant_unsafe: false, ..config() }, Box::new(Unknowing));
    assert!(matches!(solo.load(&granted), Err(LoadError::UnsafeRefused(_))));
    errors[0].to_string()
}

/// A transaction begins, others write an object more often than versions are kept, then the transaction reads it.
fn deadline() -> AvmError {
    let module = kit(Program::new("m")).entry("main", 0, |_| sleep(1000)).build().unwrap();
    let mut solo = Solo::new(config(), Box::new(Unknowing));
    solo.load(&module).unwrap();
    let execution = solo.lane.start(&Start::new("m", "main")).unwrap();
    solo.lane.quantum(execution);
    assert!(solo.lane.expire(execution, 10));
    solo.lane.result(execution).unwrap().unwrap_err().error
}

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
            P(run) | Host(run) => assert_eq!(run().name(), *name),
            Damaged(damage, body) => assert_eq!(damaged(*damage, *body).name(), *name),
        }
    }
}

// avm:1
#[test]
fn unsafe_instructions_are_refused_before_they_run() {
    for body in [reflect(obj(0)), scry_meta(function("yes")), reify_tx_state(), register_pure("p", function("id"))] {
        let refusal = refused(body);
        assert!(refusal.contains("is an unsafe instruction"), "{refusal}");
    }
}

// avm:4.10: one name for both families; this is the other.
#[test]
fn choices_that_are_switched_off_say_so() {
    let off = || Config { choices: false, ..config() };
    let error = fails_on(off(), &Start::new("m", "main"), begin_tx(nothing()).then(choose(list([1, 2]))));
    assert_eq!((error.name(), matches!(error, AvmError::Nondet(_))), ("ErrNotImplemented", true));
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

// decisions:AVM-15: what is denied fails with its name, what is not denied does not.
#[test]
fn a_denied_capability_stops_its_instructions_and_no_others() {
    use Capability::{Clock, Machines, Random, Reflect, Registry, Send};
    let made = |then: fn(&Code) -> Code| create("ctr", "c1").bind(then);
    let instructions = [
        (Clock, now()),
        (Clock, sleep(1)),
        (Random, random(5)),
        (Send, made(|o| send(o, "hello"))),
        (Reflect, made(|o| reflect(o))),
        (Reflect, scry_meta(function("yes"))),
        (Reflect, scry_deep(function("both"))),
        (Registry, register_pure("p", function("id"))),
        (Registry, update_pure("known", function("id"), nothing())),
        (Machines, teleport("m2")),
        (Machines, made(|o| move_object(o, "m2"))),
        (Machines, made(|o| fetch(o))),
    ];
    for (capability, body) in instructions {
        let module = kit(Program::new("m").needs_unsafe())
            .pure("known", 1, |args| args[0].clone())
            .entry("main", 0, |_| body)
            .build()
            .unwrap();
        let run = |denied: Vec<Capability>| {
            let mut solo = Solo::new(Config { denied, ..config() }, Box::new(Unknowing));
            solo.load(&module).unwrap();
            solo.run(&Start::new("m", "main")).unwrap().result
        };
        let error = run(vec![capability]).unwrap_err().error;
        match capability {
            Reflect => assert_eq!(error.name(), "ErrReflectionDenied"),
            other => assert_eq!(error.to_string(), format!("capability {} is not granted", other.name())),
        }
        run(Capability::ALL.into_iter().filter(|other| *other != capability).collect()).unwrap();
    }
}

// avm:4.3: each kind of damage is found, by name; calls do not reach an object without metadata.
#[test]
fn damage_is_found_by_the_check_of_the_store() {
    let module = kit(Program::new("m").needs_unsafe())
        .entry("make", 0, |_| create("ctr", "c1").bind(|o| call(o, inc()).then(o)))
        .entry("use", 1, |args| call(&args[0], inc()))
        .entry("lose", 1, |args| destroy(&args[0]))
        .build()
        .unwrap();
    let lane = |damage: Option<Damage>| {
        let mut solo = Solo::new(config(), Box::new(Unknowing));
        solo.load(&module).unwrap();
        let made: Vec<Val> = (0..300).map(|_| solo.run(&Start::new("m", "make")).unwrap().result.unwrap()).collect();
        for gone in [3, 299] {
            let start = Start { args: vec![made[gone].clone()], ..Start::new("m", "lose") };
            solo.run(&start).unwrap().result.unwrap();
        }
        if let Some(damage) = damage {
            assert!(solo.lane.damage(damage));
        }
        solo
    };
    lane(None).lane.check_store().unwrap();
    let found = [
        (Damage::LoseMetadata(ObjectId(1)), "object o1 has a behaviour and no metadata: the store is damaged"),
        (
            Damage::Misfile { object: ObjectId(2), says: ObjectId(9) },
            "metadata under o2 is inconsistent: it says that it is of o9",
        ),
        (Damage::IdCounter(5), "the store is damaged: object o5 is there, and ids from 5 on are given out"),
        (Damage::LosePage(ObjectId(256)), "the store is damaged: 298 objects are counted and 255 are there"),
    ];
    for (damage, says) in found {
        assert_eq!(lane(Some(damage)).lane.check_store().unwrap_err().to_string(), says);
    }
    let mut solo = lane(Some(Damage::LoseMetadata(ObjectId(1))));
    assert_eq!(solo.lane.meta(ObjectId(1)).unwrap_err().name(), "ErrMetadataNotFound");
    assert_eq!(solo.lane.meta(ObjectId(2)).unwrap().controller, Some("c1".into()));
    let call = Start { args: vec![Val::Object(ObjectId(1))], ..Start::new("m", "use") };
    assert_eq!(solo.run(&call).unwrap().result.unwrap_err().error.name(), "ErrObjectNotFound");
    let nowhere = [Damage::LoseMetadata(ObjectId(3)), Damage::IdCounter(300), Damage::LosePage(ObjectId(5000))];
    nowhere.into_iter().for_each(|damage| assert!(!solo.lane.damage(damage), "{damage:?}"));
}

// avm:4.4: what a program can reify, its host can too.
#[test]
fn a_host_sees_context_and_transaction() {
    let body = create("ctr", "c1").bind(|o| begin_tx("c1").then(call(o, inc())).then(note("here")));
    let (solo, execution) = at_note(body);
    let context = solo.lane.context(execution).unwrap();
    assert_eq!((context.object, context.input, context.sender), (avm::id::ROOT, Val::text("in"), None));
    assert_eq!((context.machine, context.controller), ("m0".into(), Some("c1".into())));
    let tx = solo.lane.tx_state(execution).unwrap();
    assert_eq!(tx.writes, [(ObjectId(0), Val::List(vec![Val::text("inc")]))]);
    assert_eq!((tx.creates, tx.destroys, tx.observed), (vec![], vec![], vec![ObjectId(0)]));
}

// avm:10.4: a replay that fails is heard, and whoever takes the place of the failed execution is too.
#[test]
fn a_failed_replay_silences_nobody() {
    let module =
        kit(Program::new("m")).entry("main", 0, |_| torn()).entry("say", 0, |_| note("hello")).build().unwrap();
    let mut solo = Solo::new(config(), Box::new(Unknowing));
    solo.load(&module).unwrap();
    let failed = solo.run(&Start::new("m", "main")).unwrap();
    assert!(matches!(failed.trace.last().unwrap().event, avm::Event::ErrorOccurred(_)));
    assert_eq!(solo.run(&Start::new("m", "say")).unwrap().trace.len(), 1);
    assert_eq!(solo.lane.close(), 0, "values are left behind");
}
