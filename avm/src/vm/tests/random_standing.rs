//! Random programs with choices and variables in requirements against their meaning (`decisions:AVM-20`): every combination of options
//! and values, tried in order by a program without either. Each solver decides the same.

use super::{KIT, compiled, config, main};
use crate::Val;
use crate::nondet::Solver;
use crate::nondet::builtin::BuiltinSolver;
use crate::nondet::tests::{Everything, Random, deep};
use crate::vm::Start;
use crate::vm::solo::Solo;

struct Program {
    /// Options of each choice.
    choices: Vec<Vec<i64>>,
    /// Values of each variable.
    domains: Vec<Vec<i64>>,
    /// Statements: `REQUIRE cond`, `POST constraint`, `PREFER cond weight k`.
    statements: Vec<String>,
}

/// Numbers, each once.
fn numbers(random: &mut Random, most: u64) -> Vec<i64> {
    let mut all: Vec<i64> = (0..1 + random.below(most)).map(|_| random.below(7) as i64 - 1).collect();
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|number| seen.insert(*number));
    all
}

impl Program {
    fn random(seed: u64) -> Self {
        let random = &mut Random(seed);
        let choices = (0..random.below(3)).map(|_| numbers(random, 3)).collect();
        let domains = (0..1 + random.below(3)).map(|_| numbers(random, 5)).collect();
        let mut program = Self { choices, domains, statements: Vec::new() };
        for _ in 0..2 + random.below(4) {
            let statement = match random.below(6) {
                0 if program.domains.len() > 1 => {
                    let (x, y) =
                        (random.below(program.domains.len() as u64), random.below(program.domains.len() as u64));
                    let op = random.pick(&["<", "<=", "!=", "==", ">="]);
                    format!("POST q{x} {op} q{y} + {}", random.below(3) as i64 - 1)
                }
                1 => format!("POST q{} {} {}", 0, random.pick(&["<=", "!=", ">"]), random.below(5)),
                2 => format!("PREFER {} weight {}", program.condition(random, 1), 1 + random.below(3)),
                _ => format!("REQUIRE {}", program.condition(random, 2)),
            };
            program.statements.push(statement);
        }
        program
    }

    fn name(&self, random: &mut Random) -> String {
        let at = random.below((self.choices.len() + self.domains.len()) as u64) as usize;
        if at < self.choices.len() { format!("c{at}") } else { format!("q{}", at - self.choices.len()) }
    }

    fn term(&self, random: &mut Random, depth: u32) -> String {
        if depth == 0 || random.chance(40) {
            return if random.chance(25) { random.below(6).to_string() } else { self.name(random) };
        }
        let (a, b) = (self.term(random, depth - 1), self.term(random, depth - 1));
        match random.below(7) {
            0 => format!("max({a}, {b})"),
            1 => format!("abs({a} - {b})"),
            2 => format!("(if {} {{ {a} }} else {{ {b} }})", self.condition(random, depth - 1)),
            3 => format!("same({a})"),
            op => format!("({a} {} {b})", ["+", "-", "*"][op as usize - 4]),
        }
    }

    fn condition(&self, random: &mut Random, depth: u32) -> String {
        let (a, b) = (self.term(random, depth), self.term(random, 1));
        match random.below(if depth == 0 { 6 } else { 12 }) {
            6 => format!("({} && {})", self.condition(random, depth - 1), self.condition(random, depth - 1)),
            7 => format!("({} || {})", self.condition(random, depth - 1), self.condition(random, depth - 1)),
            8 => format!("distinct([{a}, {b}, {}])", self.name(random)),
            9 => format!("contains([{a}, 3, 5], {b})"),
            10 => format!("any([{a}, {b}], |v| v == {} || v > 4)", self.name(random)),
            11 => format!("near({a}, {b})"),
            op => format!("{a} {} {b}", ["==", "!=", "<", "<=", ">", ">="][op as usize]),
        }
    }

    /// The program itself, or one that is given options and values and says what is not kept.
    fn text(&self, given: bool) -> String {
        let mut body = String::new();
        for (at, options) in self.choices.iter().enumerate() {
            body +=
                &if given { format!("let c{at} = picks[{at}]\n") } else { format!("let c{at} = choose {options:?}\n") };
        }
        for (at, domain) in self.domains.iter().enumerate() {
            let index = self.choices.len() + at;
            body += &if given { format!("let q{at} = picks[{index}]\n") } else { format!("var q{at} in {domain:?}\n") };
        }
        for statement in &self.statements {
            body += &match statement.split_once(' ').unwrap_or_default() {
                ("POST", constraint) if !given => format!("assert post {constraint}\n"),
                ("PREFER", wish) if !given => format!("prefer {wish}\n"),
                ("PREFER", wish) => {
                    let (condition, weight) = wish.rsplit_once(" weight ").unwrap_or_default();
                    format!("if {condition} {{ worth += {weight} }}\n")
                }
                ("REQUIRE", condition) if !given => format!("require {condition}\n"),
                (_, condition) => format!("if !({condition}) {{ kept = false }}\n"),
            };
        }
        let names: Vec<String> = (0..self.choices.len()).map(|at| format!("c{at}")).collect();
        let values = (0..self.domains.len()).map(|at| if given { format!("q{at}") } else { format!("w{at}") });
        let all = names.into_iter().chain(values).collect::<Vec<_>>().join(", ");
        let helpers =
            "pure same(a: any) -> any { a }\npure near(a: int, b: int) -> bool { a == b || a - b == 1 && a > 0 }";
        if given {
            return format!(
                "{helpers}\nfn main(picks: list) -> list {{\nlet mut kept = true\nlet mut worth = 0 * len(picks)\n{body}worth += 0\nkept = kept && true\n[kept, worth, [{all}]]\n}}"
            );
        }
        let asked: String = (0..self.domains.len()).map(|at| format!("let w{at} = valueOf(q{at})\n")).collect();
        format!(
            "{helpers}\nfn main() -> list {{\nlet t = beginTx()\n{body}{asked}let done = commitTx(t)\n[done, [{all}]]\n}}"
        )
    }

    /// The first combination that keeps everything, of those worth the most.
    fn expected(&self) -> Option<String> {
        let mut solo = super::solo(&self.text(true));
        let all: Vec<&Vec<i64>> = self.choices.iter().chain(&self.domains).collect();
        let mut picks = vec![0usize; all.len()];
        let mut best: Option<(i128, String)> = None;
        loop {
            let values: Vec<Val> = picks.iter().zip(&all).map(|(at, values)| values[*at].into()).collect();
            let start = Start { args: vec![Val::List(values)], ..main() };
            let result = solo.run(&start).unwrap_or_else(|error| panic!("{error}")).result;
            let Ok(Val::List(parts)) = &result else { panic!("{result:?}\n{}", self.text(true)) };
            if let [Val::Bool(true), Val::Int(worth), values] = &parts[..]
                && best.as_ref().is_none_or(|(have, _)| worth > have)
            {
                best = Some((*worth, values.to_string()));
            }
            let Some(at) = (0..picks.len()).rev().find(|at| picks[*at] + 1 < all[*at].len()) else {
                super::close(solo.lane);
                return best.map(|(_, values)| values);
            };
            picks[at] += 1;
            picks[at + 1..].fill(0);
        }
    }
}

fn found(text: &str, solver: Box<dyn Solver>) -> String {
    let mut solo = Solo::new(config(), solver);
    solo.load(&compiled(&format!("{KIT}\n{text}"))).unwrap_or_else(|error| panic!("{error}"));
    let finished = solo.run(&main()).unwrap_or_else(|error| panic!("{error}"));
    super::close(solo.lane);
    super::short(&finished).0
}

/// Tens of thousands of combinations in all.
// decisions:AVM-20
#[test]
fn random_programs_commit_the_first_values_that_keep_everything() {
    let mut outcomes = [0; 3];
    for seed in 0..deep(300) {
        let program = Program::random(seed);
        let text = program.text(false);
        let one = found(&text, Box::new(Everything));
        if one.starts_with("ErrProgramRaised") {
            // A constraint was not consistent with those before it.
            outcomes[2] += 1;
            continue;
        }
        match program.expected() {
            Some(values) => assert_eq!(one, format!("[true, {values}]"), "seed {seed}\n{text}"),
            None => assert!(one.starts_with("[false, "), "seed {seed}: {one}\n{text}"),
        }
        outcomes[usize::from(one.starts_with("[true"))] += 1;
        assert_eq!(found(&text, Box::new(BuiltinSolver)), one, "seed {seed}\n{text}");
        #[cfg(feature = "z3")]
        assert_eq!(found(&text, Box::new(crate::nondet::z3::Z3Solver::new())), one, "seed {seed}\n{text}");
    }
    assert!(outcomes[0] > 30 && outcomes[1] > 60 && outcomes[2] < outcomes[0] + outcomes[1], "{outcomes:?}");
}
