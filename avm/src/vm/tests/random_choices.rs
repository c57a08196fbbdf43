//! Random programs with choices against the meaning of `avm:9.2`: every resolution is run as a program of its own.

use super::{config, main, run_with};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ bits >> 31) % bound
    }
}

/// A choice of three.
fn chosen(random: &mut Random, var: usize, choices: &mut Vec<Vec<i64>>) -> String {
    choices.push((0..3).map(|_| random.below(6) as i64).collect());
    format!("let v{var} = CHOOSE{}", choices.len() - 1)
}

/// A statement; `CHOOSE k [..]` and `REQUIRE (..)` are written out later.
fn statement(random: &mut Random, vars: usize, choices: &mut Vec<Vec<i64>>) -> String {
    let var = |random: &mut Random| {
        if vars == 0 || random.below(4) == 0 {
            format!("{}", random.below(5))
        } else {
            format!("v{}", random.below(vars as u64))
        }
    };
    let term = |random: &mut Random| {
        let op = ["+", "-", "*", "+", "-", "+", "/", "%"][random.below(8) as usize];
        if matches!(op, "/" | "%") && random.below(3) > 0 {
            return var(random);
        }
        let (a, b) = (var(random), if vars > 0 { format!("v{}", random.below(vars as u64)) } else { "m".to_owned() });
        format!("({a} {op} {b})")
    };
    let cond = |random: &mut Random| {
        let op = ["==", "!=", "<", "<=", ">", ">="][random.below(6) as usize];
        let one = format!("{} {op} {}", term(random), var(random));
        match random.below(4) {
            0 => format!("({one} || {} != {})", var(random), var(random)),
            1 => format!("(!({one}) && {} < 9)", term(random)),
            _ => one,
        }
    };
    let mut choose = |random: &mut Random| {
        let options: Vec<i64> = (0..1 + random.below(2)).map(|_| random.below(6) as i64).collect();
        choices.push(options);
        format!("CHOOSE{}", choices.len() - 1)
    };
    match random.below(10) {
        0..=2 => format!("let v{vars} = {}", choose(random)),
        3 => format!("let v{vars} = if {} {{ {} }} else {{ {} }}", cond(random), choose(random), var(random)),
        4 => format!("let v{vars} = max({}, {})", term(random), var(random)),
        5 if random.below(2) == 0 => format!("let v{vars} = {}", term(random)),
        5 => format!("let v{vars} = if {} {{ {} }} else {{ {} }}", cond(random), choose(random), choose(random)),
        6 => format!("o.deposit({})\nlet v{vars} = o.balance()", var(random)),
        7 => format!("let v{vars} = if {} {{ m + 1 }} else {{ m - 1 }}", cond(random)),
        _ => format!("REQUIRE({})\nlet v{vars} = {}", cond(random), var(random)),
    }
}

/// The program with its choices, or with one option of each and requirements that only tell when they are false.
fn written(statements: &[String], choices: &[Vec<i64>], picks: Option<&[usize]>, commit: bool) -> String {
    let mut body = String::new();
    for statement in statements {
        let mut text = statement.clone();
        for (at, options) in choices.iter().enumerate().rev() {
            let with = match picks {
                Some(picks) => options[picks[at]].to_string(),
                None => format!("choose {options:?}"),
            };
            text = text.replace(&format!("CHOOSE{at}"), &with);
        }
        if let Some((cond, rest)) = text.strip_prefix("REQUIRE(").and_then(|text| text.split_once(")\n")) {
            text = match picks {
                Some(_) => format!("if !({cond}) {{ note \"bad\" }}\n{rest}"),
                None => format!("require {cond}\n{rest}"),
            };
        }
        body += &text;
        body.push('\n');
    }
    let end = if commit { "commitTx(t)" } else { "ended(t)" };
    let all = (0..statements.len()).map(|at| format!("v{at}")).collect::<Vec<_>>().join(", ");
    format!(
        "fn ended(t) -> bool {{\nabortTx(t)\nfalse\n}}\nfn main() -> list {{\nlet o = create acc at %c1\nlet m = 2\nlet t = beginTx()\n\
         {body}let done = {end}\n[{all}, done, o.balance()]\n}}"
    )
}

fn without_notes(trace: &str) -> String {
    trace.lines().filter(|line| !line.starts_with("NOTE")).collect::<Vec<_>>().join("\n")
}

/// What the resolutions say, tried in order.
fn expected(statements: &[String], choices: &[Vec<i64>]) -> (String, String) {
    let mut picks = vec![0; choices.len()];
    loop {
        let (result, trace) = run_with(&written(statements, choices, Some(&picks), true), config(), &main());
        if !trace.contains("NOTE") {
            return (result, trace);
        }
        let Some(at) = (0..picks.len()).rev().find(|at| picks[*at] + 1 < choices[*at].len()) else {
            let first = written(statements, choices, Some(&vec![0; choices.len()]), false);
            let (result, trace) = run_with(&first, config(), &main());
            return (result, without_notes(&trace));
        };
        picks[at] += 1;
        picks[at + 1..].fill(0);
    }
}

// avm:R1, decisions:AVM-3
#[test]
fn random_programs_commit_their_first_valid_resolution() {
    let mut outcomes = [0; 3];
    for seed in 0..120 {
        let mut random = Random(seed);
        let mut choices = Vec::new();
        let mut statements: Vec<String> = (0..3).map(|at| chosen(&mut random, at, &mut choices)).collect();
        let some = 3..5 + random.below(6) as usize;
        statements.extend(some.map(|at| statement(&mut random, at, &mut choices)));
        let vars = statements.len() as u64;
        let (a, b, sum) = (random.below(vars), random.below(vars), random.below(10));
        statements.push(format!("REQUIRE(v{a} + v{b} == {sum})\nlet v{vars} = 0"));
        if choices.iter().map(Vec::len).product::<usize>() > 60 {
            continue;
        }
        let program = written(&statements, &choices, None, true);
        let found = run_with(&program, config(), &main());
        let expected = expected(&statements, &choices);
        assert_eq!(found, expected, "seed {seed}\n{program}");
        let kind = if found.0.starts_with("Err") { 2 } else { usize::from(found.0.contains("true")) };
        outcomes[kind] += 1;
    }
    assert!(outcomes[0] >= 5 && outcomes[1] >= 5, "both ends are met: {outcomes:?}");
}
