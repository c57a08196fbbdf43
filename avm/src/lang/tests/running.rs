use proptest::prelude::*;

use super::examples::{EXAMPLES, load};
use super::fuzz::statement;
use super::{Source, build, verified};
use crate::lang::Program;
use crate::nondet::builtin::BuiltinSolver;
use crate::value::Val;
use crate::vm::solo::Solo;
use crate::vm::{Config, Start};

fn solo(program: Program) -> Solo {
    let config = Config { grant_unsafe: true, heap_bytes: 64 << 20, fuel: 50_000_000, ..Config::default() };
    let mut solo = Solo::new(config, Box::new(BuiltinSolver));
    for module in &program.uses {
        let module = verified(Program { module: module.clone(), uses: Vec::new(), ..program.clone() });
        solo.load(&module).unwrap_or_else(|error| panic!("{error}"));
    }
    solo.load(&verified(program)).unwrap_or_else(|error| panic!("{error}"));
    solo
}

fn program(source: Source) -> Program {
    build(&[source], &load).unwrap_or_else(|remarks| panic!("{remarks}"))
}

/// Result of an entry, as text; errors with their name and the lines they come from.
fn result(solo: &mut Solo, module: &str, entry: &str) -> String {
    let start = Start { input: Val::text("main"), ..Start::new(module, entry) };
    let finished = solo.run(&start).unwrap_or_else(|error| panic!("{module}#{entry}: {error}"));
    match finished.result {
        Ok(value) => value.to_string(),
        Err(failure) => {
            let stack: Vec<String> = failure.stack.iter().map(|entry| format!("{entry:?}")).collect();
            format!("{}: {} {}", failure.error.name(), failure.error, stack.join(" < "))
        }
    }
}

/// Runs `main` of a text.
fn run(text: &str) -> String {
    let mut solo = solo(program(Source::new("m.avm", text)));
    result(&mut solo, "m", "main")
}

fn main_of(body: &str) -> String {
    run(&format!("module m\nfn main() {{\n{body}\n}}\n"))
}

#[test]
fn all_tests_of_all_examples_pass() {
    let mut failed = Vec::new();
    for (name, _) in EXAMPLES {
        let program = program(load(name).expect("it is listed"));
        let tests: Vec<_> = program.module.tests.iter().map(|test| test.name.clone()).collect();
        for test in tests {
            let mut solo = solo(program.clone());
            let found = result(&mut solo, name, &test);
            if found != "nothing" {
                failed.push(format!("{name} {test:?}: {found}"));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn statements_and_loops() {
    assert_eq!(main_of("let mut s = 0\nfor i in 1..4 { s += i }\ns"), "10");
    assert_eq!(main_of("let mut s = []\nfor x in [3, 1, 2] { if x == 1 { continue }\ns = push(s, x) }\ns"), "[3, 2]");
    assert_eq!(main_of("let mut i = 0\nwhile true { i += 1\nif i > 5 { break } }\ni"), "6");
    assert_eq!(main_of("let mut i = 5\ni = if i > 3 { i - 1 } else { 0 }\ni"), "4");
    assert_eq!(main_of("let mut b = true\nb = false || b\nb"), "true");
    assert_eq!(main_of("let (a, [b, ..c]) = (1, [2, 3, 4])\n[c, b, a]"), "[[3, 4], 2, 1]");
    assert_eq!(main_of("let [a] = [1, 2]\na").split(':').next(), Some("ErrProgramMatch"));
    assert_eq!(main_of("[1..3, 9, ..[7, 8], 0..<2]"), "[1, 2, 3, 9, 7, 8, 0, 1]");
    let long = (0..150).map(|i| format!("{i} + len(args())")).collect::<Vec<_>>().join(", ");
    assert_eq!(main_of(&format!("sum([{long}])")), "11175");
    assert_eq!(main_of("let x = 7\n[x / 2, x % 4, -x / 2, -x % 4, x * x - 1]"), "[3, 3, -4, 1, 48]");
    assert_eq!(main_of("\"abcdef\"[1..2] ++ \"abcdef\"[4..<5]"), "\"bce\"");
}

#[test]
fn matches() {
    let words = "let word = |v| match v {\n nothing => \"none\"\n just 3 => \"three\"\n just n if n > 5 => \"big\"\n\
        just _ => \"some\"\n deposit(n, _) => \"deposit \" ++ text(n)\n [] => \"empty\"\n [x, ..r] => text([r, x])\n\
        {a: (p, q), b} => text([q, p, b])\n\
        s: text => s\n 1 | 2 => \"small\"\n true => \"yes\"\n _ => \"other\" }\n";
    let values = "[nothing, just 3, just 9, just 4, [\"deposit\", 5, 6], [], [1, 2, 3], {a: (1, 2), b: 3}, \"t\", 2, true, 0x00]";
    assert_eq!(
        main_of(&format!("{words}map({values}, word)")),
        r#"["none", "three", "big", "some", "deposit 5", "empty", "[[2, 3], 1]", "[2, 1, 3]", "t", "small", "yes", "other"]"#
    );
}

#[test]
fn closures_and_forms() {
    assert_eq!(main_of("let k = 10\nlet f = |x| x + k\nlet g = |h| h(h(1))\ng(f)"), "21");
    assert_eq!(main_of("let add = |a| |b| a + b\nlet three = add(3)\n[three(4), (add(1))(2)]"), "[7, 3]");
    assert_eq!(main_of("fold(1..5, 1, |p, x| p * x)"), "120");
    assert_eq!(
        main_of("[any([1, 2], |x| x > 1), any([], |x| x), all([1, 2], |x| x > 1), all([], |x| x)]"),
        "[true, false, false, true]"
    );
    assert_eq!(main_of("map([[1, 2], [3]], |row| map(row, |x| [len(row), x]))"), "[[[2, 1], [2, 2]], [[1, 3]]]");
    assert_eq!(main_of("map([-1, 2], abs)"), "[1, 2]");
    let double = "module m\nfn double(x) { 2 * x }\nfn pick(f) { f }\n\
        fn main() { [map([1, 2], double), filter(1..6, |x| x % 2 == 0), (pick(double))(4)] }\n";
    assert_eq!(run(double), "[[2, 4], [2, 4, 6], 8]");
}

#[test]
fn a_million_calls_in_the_last_place() {
    let text = "module m\nfn down(n: int, sum: int) -> int {\nif n == 0 { return sum }\n\
        match n % 2 { 0 => down(n - 1, sum + 1)\n _ => down(n - 1, sum) }\n}\nfn main() { down(1000000, 0) }\n";
    assert_eq!(run(text), "500000");
}

// decisions:AVM-17
#[test]
fn behaviours() {
    let text = "module m
behaviour b {
    state n = 0, log = [], owner = sender
    on add(x: int) -> int { n += x; log = push(log, x); n }
    on add(x: int, y: int) -> int { n = n + x + y; n }
    on quiet(x) { log = [x, ..log] }
    on get() { [n, log, owner == root] }
    on maybe(x: int) { if x > 0 { x } else { decline } }
    on none() { if n > 100 { n } }
    on loop_() { for i in 1..3 { n += i }; n }
    on again(o) { n += 1; let before = n; if before < 3 { o.again(o) }; [before, n] }
    on no() { reject }
}
behaviour any_message {
    on put(x: int) { [\"put\", x] }
    on message m { [\"other\", m] }
}
fn main() {
    let o = create b
    let a = create any_message
    [o.add(2), o.add(3, 4), o.quiet(9), o.get(), o.maybe(1), o.maybe(0), o.none(), o.loop_(), o.again(o), o.get()[0],
        a.put(1), a.put(\"x\"), a.other(), call a 5, call a []]
}
fn refused() { let o = create b; call o [\"add\", \"x\"] }
fn unknown() { tell(create b, [\"sub\"]) }
fn tell(o, message) { call o message }
fn rejected() { let o = create b; o.no() }
";
    let mut solo = solo(program(Source::new("m.avm", text)));
    assert_eq!(
        result(&mut solo, "m", "main"),
        concat!(
            r#"[2, 9, nothing, [9, [9, 2], true], 1, nothing, nothing, 15, [16, 16], 16, ["put", 1], "#,
            r#"["other", ["put", "x"]], ["other", ["other"]], ["other", 5], ["other", []]]"#
        )
    );
    for (entry, error) in
        [("refused", "ErrInvalidInput"), ("unknown", "ErrInvalidInput"), ("rejected", "ErrObjectRejectedCall")]
    {
        assert_eq!(result(&mut solo, "m", entry).split(':').next(), Some(error), "{entry}");
    }
}

#[test]
fn a_state_that_others_change_is_read_again() {
    let text = "module m
behaviour b {
    state n = 0
    on bump() { n += 1 }
    on twice(o) { let before = n; o.bump(); o.bump(); [before, n, map(1..2, |_| { o.bump(); n })] }
}
fn main() { let o = create b; o.twice(o) }
";
    assert_eq!(run(text), "[0, 2, [3, 4]]");
}

// decisions:AVM-17
#[test]
fn transactions() {
    assert_eq!(
        main_of("let mut n = 0\nlet done = retry 3 atomic { n += 1\nif n < 3 { abort } }\n[n, done]"),
        "[3, true]"
    );
    assert_eq!(main_of("let mut n = 0\nlet done = retry 2 atomic { n += 1\nabort }\n[n, done]"), "[3, false]");
    assert_eq!(
        main_of("let mut x = 0\nlet done = atomic { x = choose [1, 2, 3]\nrequire x > 5 }\n[x, done]"),
        "[1, false]"
    );
    let choose = "let mut xs = []\nlet done = atomic {\nlet x = choose 1..4\nlet y = choose 1..4\n\
        require x + y == 6\nrequire x < y\nxs = [x, y] }\n[xs, done]";
    assert_eq!(main_of(choose), "[[2, 4], true]");
    let weighted = "let mut x = 0\nlet done = atomic { x = chooseWeighted([(\"a\", 1), (\"b\", 3)]) }\n[x, done]";
    assert_eq!(main_of(weighted), "[\"b\", true]");
    let prefer = "let mut x = 0\nlet done = atomic {\nx = choose 1..5\nprefer x > 3 weight 2 }\n[x, done]";
    assert_eq!(main_of(prefer), "[4, true]");
}

#[test]
fn constraints() {
    let post = |constraint: &str| {
        main_of(&format!(
            "var x in 1..5\nvar y in 1..5\nvar z in 1..5\nlet ok = post {constraint}\n[ok, domainOf(x), domainOf(y), domainOf(z)]"
        ))
    };
    let all = "[1, 2, 3, 4, 5]";
    assert_eq!(post("x + 2 <= y"), format!("[true, [1, 2, 3], [3, 4, 5], {all}]"));
    assert_eq!(post("x >= y + 3"), format!("[true, [4, 5], [1, 2], {all}]"));
    assert_eq!(post("x > y + 2"), format!("[true, [4, 5], [1, 2], {all}]"));
    assert_eq!(post("x < y - 2"), format!("[true, [1, 2], [4, 5], {all}]"));
    assert_eq!(post("x == y - 4"), format!("[true, [1], [5], {all}]"));
    assert_eq!(post("3 <= x"), format!("[true, [3, 4, 5], {all}, {all}]"));
    assert_eq!(post("x != 3"), format!("[true, [1, 2, 4, 5], {all}, {all}]"));
    assert_eq!(post("x + 1 == 3"), format!("[true, [2], {all}, {all}]"));
    assert_eq!(post("x > 9"), format!("[false, {all}, {all}, {all}]"));
    assert_eq!(post("sum([x, 2 * y, -z]) >= 13"), format!("[true, [4, 5], [5], [1, 2]]"));
    assert_eq!(post("sum([x, y, z]) == 3"), "[true, [1], [1], [1]]");
    assert_eq!(post("sum(map([x, y], |v| v)) > 9"), format!("[true, [5], [5], {all}]"));
    assert_eq!(post("table([x, y], [[1, 2], [3, 4]])"), format!("[true, [1, 3], [2, 4], {all}]"));
    assert_eq!(post("element([7, 3, 9, 4], x, y)"), format!("[true, [1, 3], [3, 4], {all}]"));
    assert_eq!(main_of("var x in 1..3\nlet k = 2\nlet ok = post x == k\n[ok, label x]"), "[true, 2]");
    assert_eq!(
        main_of("var x in 1..2\nvar y in 1..2\nlet ok = post x != y\n[ok, solve [x, y], solveAll [x, y]]"),
        "[true, [1, 2], [[1, 2], [2, 1]]]"
    );
}

#[test]
fn failures_name_their_lines() {
    let found = main_of("let xs = [1]\nassert len(xs) == 2");
    assert!(found.starts_with("ErrProgramRaised"), "{found}");
    assert!(
        found.contains("assertion failed: len(xs) == 2, left: 1, right: 2") && found.contains("line: 4"),
        "{found}"
    );
}

#[test]
fn machine_instructions_pin_a_function() {
    let text = "module m\nfn main() { other() }\nfn other() { fetch(self) }\nfn free() { 1 }\n";
    let module = program(Source::new("m.avm", text)).module;
    let pinned: Vec<(&str, bool)> =
        module.functions.iter().map(|function| (&*function.name, function.pinned)).collect();
    assert_eq!(pinned, [("free", false), ("main", true), ("other", true)]);
}

/// Trace of `main` of an example, one entry a line.
fn trace(name: &str) -> String {
    let mut solo = solo(program(load(name).expect("it is listed")));
    let finished = solo.run(&Start::new(name, "main")).unwrap_or_else(|error| panic!("{error}"));
    finished.trace.iter().map(|entry| format!("{entry}\n")).collect()
}

#[test]
fn four_queens_by_hand_leave_the_specified_trace() {
    let short: Vec<String> = trace("n_queens_narrow")
        .lines()
        .map(|line| {
            let word = line.split("Transaction").nth(1).unwrap_or(line);
            let (what, tx) = word.split_once('(').unwrap_or((word, ""));
            format!("T{} {}", &what[..1], tx.split(')').next().unwrap_or(tx))
        })
        .collect();
    let wanted = "TS t0, TS t1, TA t1, TS t2, TS t3, TA t3, TS t4, TA t4, TA t2, TS t5, TS t6, TS t7, TC t7, TC t6, TC t5, TC t0";
    assert_eq!(short.join(", "), wanted);
}

#[test]
fn ping_pong_leaves_the_specified_trace() {
    insta::assert_snapshot!(trace("ping_pong"), @r#"
    [0] TransactionStarted(t0) @-
    [1] ObjectCreated(o0, ping_pong.pong) @-
    [2] ObjectCreated(o1, ping_pong.ping) @-
    [3] TransactionCommitted(t0) @-
    [4] ObjectCalled(o0, ["pong", 5, o1, 5]) -> "pong-done" @-
    [5] ObjectCalled(o1, ["ping", 4, o0, 5]) -> "ping-continue" @-
    [6] ObjectCalled(o0, ["pong", 3, o1, 5]) -> "pong-continue" @-
    [7] ObjectCalled(o1, ["ping", 2, o0, 5]) -> "ping-continue" @-
    [8] ObjectCalled(o0, ["pong", 1, o1, 5]) -> "pong-continue" @-
    [9] ObjectCalled(o1, ["ping", 0, o0, 5]) -> "ping-continue" @-
    "#);
}

#[test]
fn a_match_of_intents_leaves_the_specified_trace() {
    insta::assert_snapshot!(trace("escrow"), @r#"
    [0] ObjectCreated(o0, escrow.escrow) @-
    [1] TransactionStarted(t0) @-
    [2] ObjectCalled(o0, ["offer", "alice", "A", 2, "B", 3]) -> "waiting" @c1
    [3] ObjectCalled(o0, ["offer", "bob", "B", 3, "A", 2]) -> "matched" @c1
    [4] TransactionCommitted(t0) @c1
    [5] ObjectCalled(o0, ["trade"]) -> [["alice", "A", 2], ["bob", "B", 3]] @-
    "#);
}

#[test]
fn bytecode_of_a_handler() {
    let text =
        "module m\nbehaviour counter {\n    state n = 0\n    on inc() -> int {\n        n += 1\n        n\n    }\n}\n";
    let module = program(Source::new("m.avm", text)).module;
    insta::assert_snapshot!(crate::code::disasm(&module), @r#"
    module m
    file 0 m.avm
    constant k0 "inc"
    behaviour counter = counter
      takes ["inc"]

    function 0 counter: 0 parameters, 7 registers
       0  r0 = instr getState()                                              ; 2:11
       1  r1 = length-is r0, 0                                               ; 2:11
       2  jump-if-not r1 to 7                                                ; 2:11
       3  r1 = 0                                                             ; 3:15
       4  r0 = list [r1]                                                     ; 2:11
       5  r1 = r0                                                            ; 2:11
       6  r1 = instr setState(r1)                                            ; 2:11
       7  r1 = instr input()                                                 ; 2:11
       8  r2 = r1[0]                                                         ; 2:11
       9  r3 = "inc"                                                         ; 4:8
      10  r3 = equal r2, r3                                                  ; 4:8
      11  jump-if-not r3 to 20                                               ; 4:8
      12  r6 = r0[0]                                                         ; 5:9
      13  r5 = add r6, 1                                                     ; 5:9
      14  r0 = list [r5]                                                     ; 5:9
      15  r3 = r0                                                            ; 5:9
      16  r3 = instr setState(r3)                                            ; 5:9
      17  r3 = r0[0]                                                         ; 6:9
      18  r4 = list [r3]                                                     ; 6:9
      19  return r4                                                          ; 6:9
      20  r2 = instr reject()                                                ; 2:11
      21  return r2                                                          ; 2:11
    "#);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// Programs that make no sense end all the same, with a value or a named error, and leave the machine whole.
    #[test]
    fn programs_from_templates_end(body in prop::collection::vec(statement(), 1..4)) {
        let lines: String = body.iter().map(|one| format!("let _ = {one}\n")).collect();
        let text = format!(
            "module m\nfn f(x, y) {{\nvar q in 1..3\n{lines}q }}\nfn main() {{ f(create b, [1, 2]) }}\n\
             fn again() {{ let o = create b; o.put(o, 1) }}\n\
             behaviour b {{ state x = 0, y = []\non put(q, r: int) {{\n{lines}x = y\n}}\n}}\nfn one() {{ 1 }}"
        );
        if let Ok(program) = build(&[Source::new("m.avm", &text)], &load) {
            let mut solo = solo(program);
            for entry in ["main", "again"] {
                let start = Start { fuel: Some(20_000), ..Start::new("m", entry) };
                prop_assert!(solo.run(&start).is_ok(), "{entry}");
            }
            prop_assert_eq!(result(&mut solo, "m", "one"), "1");
        }
    }
}
