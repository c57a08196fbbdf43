//! Tests of the machine, and what they share: programs of the language, a solver that tries everything, traces in short form.

use super::solo::{Finished, Solo};
use super::{Config, Lane, Start};
use crate::Val;
use crate::code::{Verified, verify};
use crate::event::{Event, FailedOn, LogEntry};
use crate::lang::{Source, build};
use crate::nondet::tests::Everything;

mod anomalies;
mod bounds;
mod choices;
mod composed;
mod compositions;
mod domains;
mod examples;
mod heap;
mod machine;
mod notes;
mod order;
mod queue;
mod quick;
mod random_choices;
mod random_standing;
mod registry;
mod reload;
mod replays;
mod saved;
mod scopes;
mod settled;
mod standing;
mod timed;
mod transactions;
mod upgrade;
mod vectors;
mod vectors_errors;
mod weights;

/// Behaviours of `avm:14`.
pub(super) const KIT: &str = r#"
module kit

behaviour ctr {
    state n = 0
    on inc() -> int {
        n += 1
        n
    }
    on get() -> int { n }
}
behaviour echo { on message m { m } }
behaviour empty { on message m { decline } }
behaviour who { on message m { [sender, self] } }
behaviour relay {
    on message m {
        let [o, x] = m
        call o x
    }
}
behaviour boom {
    on message m {
        setState([9])
        call m "gone"
    }
}
behaviour mach { on message m { getCurrentMachine() } }
behaviour acc {
    state balance = 0
    on deposit(n: int) -> text {
        balance += n
        "ok"
    }
    on withdraw(n: int) -> text {
        if n > balance {
            return "insufficient"
        }
        balance -= n
        "ok"
    }
    on balance() -> int { balance }
}
behaviour ping {
    on message m { play("ping", "pong", m) }
}
behaviour pong {
    on message m { play("pong", "ping", m) }
}
fn play(role: text, other: text, m: list) -> text {
    let [_, count, partner, most] = m
    if count < most {
        let next = if m[0] == "Ping" { "Pong" } else { "Ping" }
        call partner [next, count + 1, self, most]
        role ++ "-continue"
    } else {
        role ++ "-done"
    }
}
behaviour board {
    state ships = []
    on ship(x: int, y: int, length: int) -> list {
        ships = [[x, y, length], ..ships]
        [x, y, length]
    }
    on coord(x: int, y: int) -> list {
        if any(ships, |s| s[0] == x && s[1] <= y && y < s[1] + s[2]) {
            [x, y]
        } else {
            decline
        }
    }
}
pure add(a: int, b: int) -> int { a + b }
"#;

/// Compiles and verifies a source.
pub(super) fn compiled(text: &str) -> Verified {
    let program = build(&[Source::new("test.avm", text)], &|_| None).unwrap_or_else(|remarks| panic!("{remarks}"));
    verify(program.module).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// The configuration of `avm:14`: machines m1 and m2, controllers c1 to c3, everything else is unreachable.
pub(super) fn config() -> Config {
    Config {
        machine: "m1".into(),
        machines: vec!["m1".into(), "m2".into()],
        controllers: vec!["c1".into(), "c2".into(), "c3".into()],
        heap_bytes: 16 << 20,
        grant_unsafe: true,
        ..Config::default()
    }
}

/// A lane that has loaded the kit with these functions.
pub(super) fn solo(functions: &str) -> Solo {
    solo_with(config(), functions)
}

pub(super) fn solo_with(config: Config, functions: &str) -> Solo {
    let mut solo = Solo::new(config, Box::new(Everything));
    solo.load(&compiled(&format!("{KIT}\n{functions}"))).unwrap_or_else(|error| panic!("{error}"));
    solo
}

/// Starts the entry `main` of the kit with input "main".
pub(super) fn main() -> Start {
    Start { input: Val::text("main"), ..Start::new("kit", "main") }
}

/// Runs `main`, checks that no value is left behind, and gives result and trace in short form.
pub(super) fn run(functions: &str) -> (String, String) {
    run_with(functions, config(), &main())
}

pub(super) fn run_with(functions: &str, config: Config, start: &Start) -> (String, String) {
    let mut solo = solo_with(config, functions);
    let finished = solo.run(start).unwrap_or_else(|error| panic!("{error}"));
    close(solo.lane);
    short(&finished)
}

/// Every reference was given back.
pub(super) fn close(lane: Lane) {
    assert_eq!(lane.close(), 0, "values are left behind");
}

/// Result and trace in short form; timestamps are checked.
pub(super) fn short(finished: &Finished) -> (String, String) {
    let result = match &finished.result {
        Ok(value) => value.to_string(),
        Err(failure) => format!("{} {}", failure.error.name(), failure.error),
    };
    for (at, entry) in finished.trace.iter().enumerate() {
        assert_eq!(entry.timestamp, at as u64);
    }
    (result, trace(&finished.trace))
}

pub(super) fn trace(entries: &[LogEntry]) -> String {
    entries.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn list(vals: &[Val]) -> String {
    vals.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// `CALL o0 ["inc"] -> 1 @c1`.
fn line(entry: &LogEntry) -> String {
    let text = match &entry.event {
        Event::ObjectCreated(o, _) => format!("OC {o}"),
        Event::ObjectDestroyed(o) => format!("OD {o}"),
        Event::ObjectCalled(o, input, None) => format!("CALL {o} {input}"),
        Event::ObjectCalled(o, input, Some(output)) => format!("CALL {o} {input} -> {output}"),
        Event::MessageReceived(o, message) => format!("MR {} {message}", Val::Object(*o)),
        Event::ObjectUpgraded(o, from, to) => format!("OU {o} {from} {to}"),
        Event::ObjectMoved(o, from, to) => format!("OM {o} {from} {to}"),
        Event::ExecutionMoved(from, to) => format!("EM {from} {to}"),
        Event::ObjectFetched(o, machine) => format!("OF {o} {machine}"),
        Event::ObjectTransferred(o, from, to) => format!("OT {o} {from} {to}"),
        Event::ObjectFrozen(o, controller) => format!("OZ {o} {controller}"),
        Event::FunctionUpdated(name) => format!("FU {name}"),
        Event::TransactionStarted(t) => format!("TS {t}"),
        Event::TransactionCommitted(t) => format!("TC {t}"),
        Event::TransactionAborted(t) => format!("TA {t}"),
        Event::ErrorOccurred(error) => format!("ERR {}", error.name()),
        Event::StateUpdated(o) => format!("SU {}", Val::Object(*o)),
        Event::FunctionRegistered(name) => format!("FR {name}"),
        Event::VarCreated(v, domain) => format!("VC v{} {{{}}}", v.0, list(domain)),
        Event::ConstraintPosted(constraint) => format!("CP {constraint}"),
        Event::DomainNarrowed(v, domain) => format!("DN v{} {{{}}}", v.0, list(domain)),
        Event::Labeled(v, value) => format!("LB v{} {value}", v.0),
        Event::ConstraintFailure(FailedOn::Var(v)) => format!("CF v{}", v.0),
        Event::ConstraintFailure(FailedOn::Constraint(constraint)) => format!("CF {constraint}"),
        Event::Noted(value) => format!("NOTE {value}"),
    };
    match &entry.controller {
        Some(controller) => format!("{text} @{controller}"),
        None => text,
    }
}
