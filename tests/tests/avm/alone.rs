//! Programs without an agent.

use trefoil_tests::harness::{Scratch, guard};

use crate::{LIMIT, avm, word};

const OPTIONS: &str = r#"module opts

fn roll(x: int) -> list {
    note x
    [x, random(1000000), now()]
}

fn main(x: any) -> any { x }

fn far() -> bool { atomic %elsewhere { } }

fn spin() -> int {
    let mut n = 0
    while true { n += 1 }
    n
}
"#;

// decisions:AVM-23b: an argument is a value of the language; one that is none is refused with its place and what to write.
#[test]
fn arguments_are_values_of_the_language() {
    let _guard = guard("arguments_are_values_of_the_language", LIMIT);
    let scratch = Scratch::new("avm-arguments");
    let file = word(&scratch.file("opts.avm", OPTIONS));
    let number = scratch.file("i.avm", "module i\n\nfn main(x: int) -> int { x + 1 }\n");
    avm(&["run", &word(&number), "--arg", "5"]).with(0, &["result: 6"]);
    for value in ["5", "-5", "true", "nothing", "\"a b\"", "[1, [\"a\", (1, 2)]]", "{a: 1}", "just 3", "@m1", "%c1"] {
        avm(&["run", &file, "--arg", value]).with(0, &[&format!("result: {value}\n")]);
    }
    avm(&["run", &file, "--arg", "abc"])
        .with(2, &["--arg <VALUE>", "value \"abc\"", "character 1", "texts are quoted"]);
    avm(&["run", &file, "--arg", "[1, "])
        .with(2, &["value \"[1, \"", "character", "write values as the language does"]);
    avm(&["run", &file]).with(2, &["entry main takes 1 arguments, 0 were given; give each with --arg VALUE"]);
    avm(&["run", &file, "--entry", "spin", "--arg", "1"]).with(2, &["entry spin takes 0 arguments, 1 were given"]);
    avm(&["run", &word(&number), "--arg", "\"a\""]).with(1, &["number", "found text", "i.avm:3:"]);
}

// decisions:AVM-23d: the same seed, time and arguments give the same run, bit for bit; another seed gives another.
#[test]
fn the_same_seed_gives_the_same_run() {
    let _guard = guard("the_same_seed_gives_the_same_run", LIMIT);
    let scratch = Scratch::new("avm-seed");
    let file = word(&scratch.file("opts.avm", OPTIONS));
    let run = |seed: &str| {
        let words = ["run", &file, "--entry", "roll", "--arg", "5", "--now", "1234", "--json", "--seed", seed];
        avm(&words).with(0, &[]).json()
    };
    let (one, other) = (run("7"), run("8"));
    assert_eq!(one, run("7"));
    assert_ne!(one["result"], other["result"]);
    assert_eq!((&one["seed"], &one["now_ns"]), (&7.into(), &1234.into()));
    assert_eq!((&one["notes"], &one["notes_total"], &one["error"]), (&[5].into(), &1.into(), &serde_json::Value::Null));
    assert!(one["trace_hash"].as_str().is_some_and(|hash| hash.len() >= 16), "{one}");
    let shown = avm(&["run", &file, "--entry", "roll", "--arg", "5", "--now", "1234", "--seed", "7"]);
    shown.with(0, &["5\nresult: [5, ", ", 1234]"]);
    avm(&["run", &file, "--seed", "x"]).with(2, &["--seed", "'x'", "expected a whole number"]);
}

// decisions:AVM-23: each option of `run` does what its help says.
#[test]
fn every_option_of_run_acts() {
    let _guard = guard("every_option_of_run_acts", LIMIT);
    let scratch = Scratch::new("avm-options");
    let file = word(&scratch.file("opts.avm", OPTIONS));
    avm(&["run", &file, "--entry", "spin", "--fuel", "5000"])
        .with(1, &["ErrProgramFuel", "5000", "in opts.spin", "opts.avm:14:"]);
    avm(&["run", &file, "--entry", "far"]).with(0, &["result: true"]);
    avm(&["run", &file, "--entry", "far", "--controller", "bank"]).with(1, &["ErrControllerUnreachable", "elsewhere"]);
    avm(&["run", &file, "--entry", "none"]).with(2, &["no entry none; it has: far, main, roll, spin"]);
    avm(&["run", &file, "--arg", "1", "--json", "--trace"]).with(2, &["cannot be used with"]);
    let ping = word(&trefoil_tests::tidy::root().join("avm/examples/ping_pong.avm"));
    avm(&["run", &ping, "--trace"]).with(0, &["ObjectCreated(o0, ping_pong.pong)", "result: "]);
    let counter = word(&trefoil_tests::tidy::root().join("avm/examples/counter.avm"));
    let (plain, all) = (avm(&["run", &counter, "--trace"]), avm(&["run", &counter, "--trace", "--extended"]));
    assert!(all.out.contains("StateUpdated") && !plain.out.contains("StateUpdated"), "{all:?}");
    let chart = avm(&["run", &ping, "--chart"]).with(0, &["result: "]);
    assert!(chart.out.lines().count() > 10 && chart.out.contains('│'), "{chart:?}");
    let seer =
        word(&scratch.file("seer.avm", "module seer\n\nunsafe\n\nfn main() -> bool { reflect(self()) != nothing }\n"));
    avm(&["run", &seer]).with(5, &["program seer says `unsafe`", "grant it with --unsafe"]);
    avm(&["run", &seer, "--unsafe"]).with(0, &["result: "]);
    let moves = "module moves\n\nfn main() -> bool {\n    teleport(@m2)\n    true\n}\n";
    let moves = word(&scratch.file("moves.avm", moves));
    avm(&["run", &moves]).with(0, &["result: true"]);
    avm(&["run", &moves, "--machine", "m3"]).with(1, &["ErrMachineUnreachable", "m2"]);
}

// decisions:AVM-23a: all notes come out, those of a long loop too; those that cannot are said to be lost.
#[test]
fn notes_come_out_and_lost_ones_are_told() {
    let _guard = guard("notes_come_out_and_lost_ones_are_told", LIMIT);
    let scratch = Scratch::new("avm-notes");
    let loud = "module loud\n\nfn main() -> int {\n    for i in 0..<600000 { note i }\n    5\n}\n\nfn held() -> int {\n    \
                let _ = atomic { for i in 0..<5000 { note i } }\n    5\n}\n";
    let file = word(&scratch.file("loud.avm", loud));
    let said = avm(&["run", &file]).with(0, &["\nresult: 5\n", "state is in memory only"]);
    assert_eq!(said.out.lines().count(), 600_001, "{}", said.err);
    assert!(said.out.starts_with("0\n1\n2\n"));
    let held = avm(&["run", &file, "--entry", "held"]).with(0, &["904 notes are lost"]);
    assert_eq!(held.out.lines().count(), 4097, "{}", held.err);
}

const TIMES: &str = r#"module times

fn main() -> list {
    let before = now()
    sleep(40)
    let mut n = 0
    let done = retry 3 atomic { n += 1; if n < 3 { abort } }
    [now() - before, n, done]
}

fn never() -> bool { retry 2 atomic { abort } }

fn wait() { receive() }
"#;

// decisions:AVM-23e, decisions:AVM-23f: a sleep passes time that the program sees; `retry` tries again until it is committed.
#[test]
fn time_passes_and_retry_tries_again() {
    let _guard = guard("time_passes_and_retry_tries_again", LIMIT);
    let scratch = Scratch::new("avm-times");
    let file = word(&scratch.file("times.avm", TIMES));
    avm(&["run", &file]).with(0, &["result: [40, 3, true]"]);
    avm(&["run", &file, "--entry", "never"]).with(0, &["result: false"]);
    avm(&["run", &file, "--entry", "wait"]).with(0, &["result: nothing"]);
}

const FAILS: &str = r#"module fails

behaviour box {
    state held = 0
    on put(n: int) -> int {
        held += n
        held / 0
    }
}

fn deeper(b: object) -> int { b.put(1) }

fn main() -> int { 1 + deeper(create box) }

fn picks() -> bool {
    atomic {
        let x = choose 1..3
        require x > 2 as "more than two"
        require x < 2 as "less than two"
    }
}
"#;

// decisions:AVM-23i: a failure is printed with its name and the calls it happened in, innermost first, each with file and line.
#[test]
fn a_failure_tells_the_calls_it_happened_in() {
    let _guard = guard("a_failure_tells_the_calls_it_happened_in", LIMIT);
    let scratch = Scratch::new("avm-stack");
    let file = word(&scratch.file("fails.avm", FAILS));
    let said = avm(&["run", &file]).with(1, &["ErrProgramArithmetic", "division by zero"]);
    let at = |word: &str| said.err.find(word).unwrap_or_else(|| panic!("no {word}: {said:?}"));
    let places = [at("fails.avm:7:"), at("fails.avm:11:"), at("fails.avm:13:")];
    assert!(places.is_sorted(), "innermost first: {said:?}");
    let json = avm(&["run", &file, "--json"]).with(1, &[]).json();
    assert_eq!((&json["result"], &json["error"]["name"]), (&serde_json::Value::Null, &"ErrProgramArithmetic".into()));
    assert!(json["error"]["stack"][0]["place"].as_str().is_some_and(|place| place.contains("fails.avm:7:")), "{json}");
}

// decisions:AVM-23j: a commit that was false says why, with the names and the places of the requirements.
#[test]
fn a_commit_that_was_false_says_why() {
    let _guard = guard("a_commit_that_was_false_says_why", LIMIT);
    let scratch = Scratch::new("avm-why");
    let file = word(&scratch.file("fails.avm", FAILS));
    for solver in ["z3", "built-in"] {
        let said = avm(&["run", &file, "--entry", "picks", "--solver", solver]);
        let said = said.with(0, &["result: false", "no choice satisfies all of"]);
        for (name, line) in [("more than two", 18), ("less than two", 19)] {
            let shown = format!("{name} ({file}:{line}:9)");
            assert!(said.err.contains(&shown), "no {shown}: {said:?}");
        }
    }
}
