//! Program files: what is wrong with them, the one form, their tests, what they ask the solver.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;

use trefoil_tests::harness::node::{said, trefoil};
use trefoil_tests::harness::{Scratch, guard};

use crate::{LIMIT, avm, word};

const BROKEN: &str = "module broken\n\nfn main() -> int {\n    let a = b\n    nope(a)\n}\n";

// decisions:AVM-17: all that is wrong is said at once, each with its place and what to do; warnings are no errors.
#[test]
fn check_says_all_that_is_wrong() {
    let _guard = guard("check_says_all_that_is_wrong", LIMIT);
    let scratch = Scratch::new("avm-check");
    let broken = word(&scratch.file("broken.avm", BROKEN));
    let good = word(&scratch.file("good.avm", "module good\n\nfn main() -> int { 1 }\n"));
    avm(&["check", &good]).with(0, &["good.avm: nothing wrong"]);
    let all = ["broken.avm:4:13", "broken.avm:5:5", "nope", "1 program has errors"];
    avm(&["check", &good, &broken]).with(5, &all);
    let json = avm(&["check", &broken, "--json"]).with(5, &[]).json();
    let remarks = json[0].as_array().cloned().unwrap_or_default();
    assert!(remarks.len() >= 2 && remarks.iter().all(|remark| remark["severity"] == "error"), "{json}");
    for command in ["run", "test", "constraints", "disasm", "cfg", "bench"] {
        avm(&[command, &broken]).with(5, &["broken.avm:4:13"]);
    }
}

// decisions:AVM-23: a file that is no program is refused with its name, the reason and what to name instead.
#[test]
fn what_is_no_program_is_refused_in_words() {
    let _guard = guard("what_is_no_program_is_refused_in_words", LIMIT);
    let scratch = Scratch::new("avm-no-program");
    let missing = word(&scratch.join("none.avm"));
    let folder = word(scratch.path());
    let binary = scratch.join("binary.avm");
    std::fs::write(&binary, [0x7f, b'E', b'L', b'F', 0, 0xff, 0xfe]).unwrap();
    let large = scratch.join("large.avm");
    File::create(&large).unwrap().set_len(100 << 20).unwrap();
    let empty = word(&scratch.file("empty.avm", ""));
    for command in ["run", "check", "fmt", "test", "disasm", "load"] {
        let said = avm(&[command, &missing]).with(2, &["none.avm", "name an .avm file"]);
        assert!(said.err.to_lowercase().contains("no such file"), "{said:?}");
        avm(&[command, &folder]).with(2, &["is a folder", "name an .avm file"]);
        avm(&[command, &word(&large)]).with(2, &["104857600 bytes", "at most 1048576"]);
        avm(&[command, &word(&binary)]).with(2, &["binary.avm", "UTF-8"]);
    }
    avm(&["run", &empty]).with(5, &["empty.avm:1:1", "module"]);
    if !nix::unistd::geteuid().is_root() {
        let closed = scratch.file("closed.avm", "module closed\n");
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o0)).unwrap();
        avm(&["run", &word(&closed)]).with(2, &["closed.avm", "ermission denied"]);
    }
}

// decisions:AVM-17: `fmt` writes the one form; `--check` changes nothing and says which files are not in it.
#[test]
fn fmt_writes_the_one_form() {
    let _guard = guard("fmt_writes_the_one_form", LIMIT);
    let scratch = Scratch::new("avm-fmt");
    let text = "module m\nfn   main()->int{1+2}\n";
    let path = scratch.file("m.avm", text);
    let file = word(&path);
    avm(&["fmt", "--check", &file]).with(1, &["m.avm: not in the one form", "trefoil avm fmt", "1 file is not"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    avm(&["fmt", &file]).with(0, &["m.avm: written"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "module m\nfn main() -> int { 1 + 2 }\n");
    assert_eq!(avm(&["fmt", "--check", &file]).with(0, &[]).out, "");
    let broken = word(&scratch.file("b.avm", "module b\nfn main( {\n"));
    avm(&["fmt", &broken]).with(5, &["b.avm:2:"]);
}

// decisions:AVM-23h: tests stand in program files; each runs alone, a failing one tells both sides and its place.
#[test]
fn tests_in_files_are_run() {
    let _guard = guard("tests_in_files_are_run", LIMIT);
    let scratch = Scratch::new("avm-test");
    let text = "module t\n\nfn two() -> int { 2 }\n\ntest \"adds\" { assert two() + 1 == 3 }\n\ntest \"is wrong\" {\n    \
                assert two() == 3\n}\n";
    let file = word(&scratch.file("t.avm", text));
    let all = ["t: adds ... ok", "t: is wrong ... FAILED", "1 passed, 1 failed", "1 test failed", "t.avm:8:", "2", "3"];
    avm(&["test", &file]).with(1, &all);
    avm(&["test", &file, "--name", "adds"]).with(0, &["1 passed, 0 failed"]);
    avm(&["test", &file, "--name", "zz"]).with(2, &["--name zz: no test is called so; there are: adds, is wrong"]);
}

const PICKS: &str = r#"module picks

fn pick(least: int) -> list {
    let mut got = 0
    let done = atomic {
        let x = choose [1, 2, 3]
        let y = choose [10, 20]
        require x >= least as "enough"
        require x * 10 == y as "ten times"
        got = x
    }
    [done, got]
}
"#;

// avm:R1, decisions:AVM-10: questions go out as JSON and SMT-LIB and come back: both solvers answer both forms as the run did.
#[test]
fn questions_go_out_and_come_back() {
    let _guard = guard("questions_go_out_and_come_back", LIMIT);
    let scratch = Scratch::new("avm-questions");
    let file = word(&scratch.file("picks.avm", PICKS));
    for (least, result) in [("2", "[true, 2]"), ("3", "[false, 1]")] {
        let words = ["--entry", "pick", "--arg", least];
        avm(&[&["run", &file], &words[..]].concat()).with(0, &[&format!("result: {result}")]);
        let json = avm(&[&["constraints", &file, "--question", "1"], &words[..]].concat()).with(0, &["\"ten times\""]);
        let smt = avm(&[&["constraints", &file, "--smtlib"], &words[..]].concat())
            .with(0, &["(declare-const", "(check-sat)"]);
        for (name, text) in [("q.json", &json.out), ("q.smt2", &smt.out)] {
            let question = word(&scratch.file(name, text));
            for solver in ["z3", "built-in"] {
                let said = avm(&["constraints", &question, "--solver", solver]).with(0, &[]);
                if least == "2" {
                    assert!(said.out.starts_with("sat\n"), "{said:?}");
                    said.with(0, &["choice 0: option 1, ", "choice 1: option 1, "]);
                } else {
                    assert!(said.out.starts_with("unsat\n") && said.out.lines().count() == 3, "{name}: {said:?}");
                    said.with(0, &["requirement 0", "requirement 1"]);
                }
            }
        }
        let question = word(&scratch.join("q.json"));
        let values = ["choice 0: option 1, 2 (", "choice 1: option 1, 20 (", "picks.avm:7:17)"];
        let core = ["requirement 0, enough (", "picks.avm:8:9)", "requirement 1, ten times ("];
        avm(&["constraints", &question]).with(0, if least == "2" { &values } else { &core });
    }
    avm(&["constraints", &file, "--entry", "pick", "--arg", "2", "--question", "9"])
        .with(2, &["--question 9: the program asked 1, of which 1 are kept"]);
}

#[test]
fn a_question_that_cannot_be_read_says_where() {
    let _guard = guard("a_question_that_cannot_be_read_says_where", LIMIT);
    let scratch = Scratch::new("avm-unread");
    let bad = word(&scratch.file("bad.smt2", "(declare-const c0 Int)\n(push 1)\n"));
    avm(&["constraints", &bad]).with(2, &["bad.smt2: line 2, column 1", "'push'"]);
    let bad = word(&scratch.file("bad.json", "{\"choices\":[{\"id\":0}]}"));
    avm(&["constraints", &bad]).with(2, &["bad.json: choices[0]"]);
    avm(&["constraints", &word(&scratch.join("none.smt2"))]).with(2, &["none.smt2", "name a program, or a question"]);
    avm(&["constraints", &bad, "--smtlib"]).with(2, &["leave --smtlib out"]);
}

// decisions:AVM-10: Z3 is interrupted when a question takes too long, and that is not "no".
#[test]
fn a_question_that_takes_too_long_is_not_decided() {
    let _guard = guard("a_question_that_takes_too_long_is_not_decided", LIMIT);
    let scratch = Scratch::new("avm-late");
    // Eleven pigeons for ten holes: every solver has to try a great many.
    let mut text = String::from("module holes\n\nfn main() -> bool {\n    atomic {\n");
    (0..11).for_each(|at| text += &format!("        let p{at} = choose 1..10\n"));
    for one in 0..11 {
        (0..one).for_each(|other| text += &format!("        require p{other} != p{one}\n"));
    }
    text += "    }\n}\n";
    let file = word(&scratch.file("holes.avm", &text));
    let late = avm(&["run", &file, "--solver", "z3", "--solver-timeout", "1"]);
    late.with(1, &["ErrProgramSolverUnknown", "interrupted after 1 ms (--solver-timeout"]);
    avm(&["run", &file, "--solver-timeout", "0"]).with(2, &["--solver-timeout"]);
}

#[test]
fn bytecode_flow_and_speed_are_shown() {
    let _guard = guard("bytecode_flow_and_speed_are_shown", LIMIT);
    let scratch = Scratch::new("avm-shown");
    let file = word(&scratch.file("picks.avm", PICKS));
    avm(&["disasm", &file]).with(0, &["pick"]);
    avm(&["cfg", &file]).with(0, &["graph TD"]);
    avm(&["cfg", &file, "--function", "nope"]).with(2, &["no function nope; there are: pick"]);
    let words = ["bench", &file, "--entry", "pick", "--arg", "2", "--times", "3"];
    avm(&words).with(0, &["3 runs: fastest", "operations a run", "million a second"]);
}

// decisions:AVM-23c, decisions:AVM-23n: every command has a help that says what it takes; the codes of its end stand in the first of them.
#[test]
fn every_command_has_a_help() {
    let help = said(&trefoil(&["avm", "--help"]));
    let codes = [
        "0  done",
        "1  the program failed",
        "2  the command line",
        "3  no agent",
        "4  the agent refused",
        "5  the program is refused",
    ];
    codes.iter().for_each(|code| assert!(help.contains(code), "no {code:?}: {help}"));
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        // Further lines of a description stand further in.
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.len() >= 23, "{commands:?}");
    for command in commands.into_iter().filter(|command| *command != "help") {
        let said = avm(&[command, "--help"]).with(0, &["Usage: ", &format!("avm {command}")]);
        assert_eq!(said.err, "");
    }
    let docs = std::fs::read_to_string(trefoil_tests::tidy::root().join("docs/avm.md")).unwrap();
    assert!(docs.contains("A debugger and a language server"), "what is absent is listed");
}
