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

/// What a `choose` has to choose from.
enum Options {
    /// These.
    Fixed(Vec<String>),
    /// The elements of a list that an earlier choice has given, at most so many.
    Of(usize, usize),
}

impl Options {
    const fn most(&self) -> usize {
        match self {
            Self::Fixed(options) => options.len(),
            Self::Of(_, most) => *most,
        }
    }

    /// The choice, or one alternative of it; where there is none of that number the run says that it is not one.
    fn written(&self, pick: Option<usize>) -> String {
        match (self, pick) {
            (Self::Fixed(options), None) => format!("choose [{}]", options.join(", ")),
            (Self::Fixed(options), Some(pick)) => format!("same({})", options[pick]),
            (Self::Of(var, _), None) => format!("choose v{var}"),
            (Self::Of(var, _), Some(0)) => format!("choose v{var}"),
            (Self::Of(var, _), Some(pick)) => format!("nth(v{var}, {pick})"),
        }
    }
}

fn numbers(random: &mut Random, count: u64) -> Options {
    Options::Fixed((0..count).map(|_| random.below(6).to_string()).collect())
}

/// A choice of three.
fn chosen(random: &mut Random, var: usize, choices: &mut Vec<Options>) -> String {
    choices.push(numbers(random, 3));
    format!("let v{var} = CHOOSE{}", choices.len() - 1)
}

/// A choice over kinds, given to an object that states what it takes; or a choice of a list, and one out of it.
fn mixed(random: &mut Random, var: usize, choices: &mut Vec<Options>) -> String {
    let (a, b) = (random.below(6), random.below(6));
    let kinds = ["\"a\"".to_owned(), format!("{a}"), format!("{b}"), "nothing".to_owned()];
    let lists = ["[]".to_owned(), format!("[{a}]"), format!("[{a}, {b}]")];
    let at = random.below(5).saturating_sub(2) as usize;
    if random.below(2) == 0 {
        choices.push(Options::Fixed(kinds[at..].iter().take(2 + at % 2).cloned().collect()));
        let message =
            if random.below(2) == 0 { format!("[\"deposit\", v{var}]") } else { format!("[\"deposit\", v{var} + 1]") };
        let wanted = if random.below(3) == 0 { String::new() } else { format!("\nREQUIRE(v{var} == {a})") };
        return format!("let v{var} = CHOOSE{}{wanted}\nlet r{var} = call o {message}", choices.len() - 1);
    }
    choices.push(Options::Fixed(vec![lists[at].clone(), lists[(at + 1) % 3].clone()]));
    choices.push(Options::Of(var, 2));
    let filled = if random.below(2) == 0 { String::new() } else { format!("\nREQUIRE(v{var} != [])") };
    let n = choices.len();
    format!("let v{var} = CHOOSE{}{filled}\nlet r{var} = CHOOSE{}\nREQUIRE(r{var} != {a})", n - 2, n - 1)
}

/// A statement; `CHOOSE k [..]` and `REQUIRE (..)` are written out later.
fn statement(random: &mut Random, vars: usize, choices: &mut Vec<Options>) -> String {
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
        let some = 1 + random.below(2);
        choices.push(numbers(random, some));
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
fn written(statements: &[String], choices: &[Options], picks: Option<&[usize]>, commit: bool) -> String {
    let mut body = String::new();
    for statement in statements {
        let mut text = statement.clone();
        for (at, options) in choices.iter().enumerate().rev() {
            text = text.replace(&format!("CHOOSE{at}"), &options.written(picks.map(|picks| picks[at])));
        }
        for line in text.lines() {
            body += &match (line.strip_prefix("REQUIRE(").and_then(|line| line.strip_suffix(')')), picks) {
                (Some(cond), Some(_)) => format!("if !({cond}) {{ note \"bad\" }}\n"),
                (Some(cond), None) => format!("require {cond}\n"),
                (None, _) => format!("{line}\n"),
            };
        }
    }
    let end = if commit { "commitTx(t)" } else { "ended(t)" };
    let all = (0..statements.len()).map(|at| format!("v{at}")).collect::<Vec<_>>().join(", ");
    format!(
        "fn same(v) {{ v }}\nfn nth(l: list, n: int) {{\nif n < len(l) {{ return l[n] }}\nnote \"bad\"\nchoose l\n}}\nfn ended(t) -> bool {{\nabortTx(t)\nfalse\n}}\nfn main() -> list {{\nlet o = create acc at %c1\nlet m = 2\nlet t = beginTx()\n\
         {body}let done = {end}\n[{all}, done, o.balance()]\n}}"
    )
}

fn without_notes(trace: &str) -> String {
    trace.lines().filter(|line| !line.starts_with("NOTE")).collect::<Vec<_>>().join("\n")
}

/// What the resolutions say, tried in order.
fn expected(statements: &[String], choices: &[Options]) -> (String, String) {
    let mut picks = vec![0; choices.len()];
    loop {
        let (result, trace) = run_with(&written(statements, choices, Some(&picks), true), config(), &main());
        if !trace.contains("NOTE") {
            return (result, trace);
        }
        let Some(at) = (0..picks.len()).rev().find(|at| picks[*at] + 1 < choices[*at].most()) else {
            let first = written(statements, choices, Some(&vec![0; choices.len()]), false);
            let (result, trace) = run_with(&first, config(), &main());
            return (result, without_notes(&trace));
        };
        picks[at] += 1;
        picks[at + 1..].fill(0);
    }
}

/// Programs of these seeds commit their first valid resolution; how many ended false, true, in an error.
fn check(seeds: std::ops::Range<u64>, kinds: bool) -> [u32; 3] {
    let mut outcomes = [0; 3];
    for seed in seeds {
        let mut random = Random(seed);
        let mut choices = Vec::new();
        let first = if kinds { 1 } else { 3 };
        let mut statements: Vec<String> = (0..first).map(|at| chosen(&mut random, at, &mut choices)).collect();
        let more = if kinds { 1 + random.below(3) } else { 2 + random.below(6) };
        let some = first..first + more as usize;
        statements.extend(some.map(|at| statement(&mut random, at, &mut choices)));
        let vars = statements.len() as u64;
        if kinds {
            let at = statements.len();
            statements.push(mixed(&mut random, at, &mut choices));
        } else {
            let (a, b, sum) = (random.below(vars), random.below(vars), random.below(10));
            statements.push(format!("REQUIRE(v{a} + v{b} == {sum})\nlet v{vars} = 0"));
        }
        if choices.iter().map(Options::most).product::<usize>() > 60 {
            continue;
        }
        let program = written(&statements, &choices, None, true);
        let found = run_with(&program, config(), &main());
        let expected = expected(&statements, &choices);
        assert_eq!(found, expected, "seed {seed}\n{program}");
        let kind = if found.0.starts_with("Err") { 2 } else { usize::from(found.0.contains("true")) };
        outcomes[kind] += 1;
    }
    outcomes
}

// avm:R1, decisions:AVM-3
#[test]
fn random_programs_commit_their_first_valid_resolution() {
    let outcomes = check(0..120, false);
    assert!(outcomes[0] >= 5 && outcomes[1] >= 5, "both ends are met: {outcomes:?}");
}

// avm:9.2, decisions:AVM-4: what fails at the border of an object, or for want of alternatives, fails under some choices only.
#[test]
fn random_programs_of_several_kinds_commit_their_first_valid_resolution() {
    let outcomes = check(1000..1120, true);
    assert!(outcomes.iter().all(|outcome| *outcome >= 5), "all ends are met: {outcomes:?}");
}
