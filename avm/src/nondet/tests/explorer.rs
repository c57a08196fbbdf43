//! The search against the enumeration of all resolutions, on random programs that branch, require, prefer, nest and fail.

use std::sync::Arc;

use super::{Everything, Random};
use crate::id::ChoiceId;
use crate::nondet::{Answer, Asserted, Choice, Explorer, Expr, Limits, Next, Objective, Run, Soft, Solver, Verdict};
use crate::value::Val;

/// A statement of the little language of this test.
#[derive(Debug, Clone)]
enum Stmt {
    /// A new value, one of these, maybe with weights.
    Choose(Vec<i64>, Option<Vec<i64>>),
    /// A new value computed of two earlier ones.
    Compute(char, usize, usize),
    Require(Cond),
    Prefer(Cond, i64),
    If(Cond, Vec<Stmt>, Vec<Stmt>),
    /// Goes on by the value itself, as a table index does: its number becomes a condition of the path.
    Concretise(usize),
    /// An inner transaction: commits or aborts.
    Inner(Vec<Stmt>, bool),
    /// Ends the transaction by an error.
    Leave,
}

#[derive(Debug, Clone)]
struct Cond(char, usize, i64);

/// What a run did, concretely.
#[derive(Default)]
struct Done {
    run: Run,
    picks: Vec<u32>,
    truths: Vec<bool>,
    soft: i128,
    weight: i128,
    values: Vec<(i128, Arc<Expr>)>,
    inner: usize,
    wanted: Vec<u32>,
}

impl Done {
    fn value(&self, at: usize) -> (i128, Arc<Expr>) {
        match self.values.len() {
            0 => (0, Expr::constant(0)),
            n => self.values[at % n].clone(),
        }
    }

    fn cond(&self, cond: &Cond) -> (bool, Arc<Expr>) {
        let (value, expr) = self.value(cond.1);
        let with = Expr::constant(cond.2);
        match cond.0 {
            '<' => (value < i128::from(cond.2), Expr::less(&expr, &with)),
            '=' => (value == i128::from(cond.2), Expr::equal(&expr, &with)),
            '!' => (value != i128::from(cond.2), Expr::unequal(&expr, &with)),
            _ => (value >= i128::from(cond.2), Expr::at_least(&expr, &with)),
        }
    }

    fn guard(&mut self, condition: &Arc<Expr>) {
        let made = self.run.choices.len() as u32;
        self.run.path.push((made, Expr::clone(condition)));
    }

    /// False: left early.
    fn block(&mut self, stmts: &[Stmt]) -> bool {
        stmts.iter().all(|stmt| self.step(stmt))
    }

    fn step(&mut self, stmt: &Stmt) -> bool {
        match stmt {
            Stmt::Choose(options, weights) => {
                let id = self.run.choices.len() as u32;
                let pick = self.wanted.get(id as usize).copied().unwrap_or(0);
                self.picks.push(pick);
                self.weight += weights.as_ref().map_or(0, |weights| i128::from(weights[pick as usize]));
                self.values.push((i128::from(options[pick as usize]), Expr::choice(id)));
                let options = options.iter().map(|n| Val::from(*n)).collect();
                self.run.choices.push(Choice { id: ChoiceId(id), options, weights: weights.clone(), place: None });
            }
            Stmt::Compute(op, a, b) => {
                let ((x, a), (y, b)) = (self.value(*a), self.value(*b));
                let (number, expr) = match op {
                    '+' => (Some(x + y), Expr::plus(&a, &b)),
                    '*' => (Some(x * y), Expr::times(&a, &b)),
                    _ => ((y != 0).then(|| x.div_euclid(y)), Expr::quotient(&a, &b)),
                };
                // Divisors here are not negative, where both roundings are one.
                let defined = Expr::defined(&expr);
                let Some(number) = number.filter(|n| Val::int(*n).is_some()) else {
                    self.guard(&Expr::not(&defined));
                    return false;
                };
                self.guard(&defined);
                self.values.push((number, expr));
            }
            Stmt::Require(cond) => {
                let (truth, expr) = self.cond(cond);
                self.truths.push(truth);
                let expr = Expr::clone(&expr);
                self.run.requires.push(Asserted { expr, name: None, place: None });
                self.run.required_at.push(if self.inner == 0 { self.run.path.len() as u32 } else { u32::MAX });
            }
            Stmt::Prefer(cond, weight) => {
                let (truth, expr) = self.cond(cond);
                self.soft += if truth { i128::from(*weight) } else { 0 };
                self.run.prefers.push(Soft { expr: Expr::clone(&expr), weight: *weight });
            }
            Stmt::If(cond, yes, no) => {
                let (truth, expr) = self.cond(cond);
                self.guard(&if truth { expr } else { Expr::not(&expr) });
                return self.block(if truth { yes } else { no });
            }
            Stmt::Concretise(at) => {
                let (value, expr) = self.value(*at);
                self.guard(&Expr::equal(&expr, &Arc::new(Expr::Const(Val::Int(value)))));
                let count = self.values.len().max(1);
                if let Some(slot) = self.values.get_mut(*at % count) {
                    slot.1 = Arc::new(Expr::Const(Val::Int(value)));
                }
            }
            Stmt::Inner(body, commits) => return self.nested(body, *commits),
            Stmt::Leave => return false,
        }
        true
    }

    fn nested(&mut self, body: &[Stmt], commits: bool) -> bool {
        let before = self.run.requires.len();
        self.inner += 1;
        let stays = self.block(body);
        self.inner -= 1;
        if stays && !commits {
            self.run.requires.truncate(before);
            self.run.required_at.truncate(before);
            self.truths.truncate(before);
        } else if stays && self.inner == 0 {
            let now = self.run.path.len() as u32;
            self.run.required_at[before..].fill(now);
        }
        stays
    }

    fn of(program: &[Stmt], wanted: &[u32]) -> Self {
        let mut done = Self { wanted: wanted.to_vec(), ..Self::default() };
        done.run.left_early = !done.block(program);
        done
    }
}

fn condition(random: &mut Random) -> Cond {
    Cond(*random.pick(&['<', '=', '!', '>']), random.below(6) as usize, random.below(7) as i64)
}

fn program(random: &mut Random, depth: u32, weighted: bool) -> Vec<Stmt> {
    let mut block = Vec::new();
    for _ in 0..1 + random.below(if depth == 0 { 5 } else { 3 }) {
        let stmt = match random.below(16) {
            0..=4 => {
                let options: Vec<i64> = (0..1 + random.below(4)).map(|_| random.below(6) as i64).collect();
                let weights = (weighted && random.chance(40))
                    .then(|| options.iter().map(|_| random.below(5) as i64 - 1).collect());
                Stmt::Choose(options, weights)
            }
            5..=6 => Stmt::Compute(*random.pick(&['+', '*', '/']), random.below(6) as usize, random.below(6) as usize),
            7..=9 => Stmt::Require(condition(random)),
            10 if weighted => Stmt::Prefer(condition(random), 1 + random.below(4) as i64),
            10..=12 if depth < 3 => {
                let cond = condition(random);
                Stmt::If(cond, program(random, depth + 1, weighted), program(random, depth + 1, weighted))
            }
            13 => Stmt::Concretise(random.below(6) as usize),
            14 if depth < 2 => Stmt::Inner(program(random, depth + 1, weighted), random.chance(60)),
            15 if depth > 0 => Stmt::Leave,
            _ => Stmt::Require(condition(random)),
        };
        block.push(stmt);
    }
    block
}

/// First valid resolution by trying all, with whether it leaves early.
fn enumerate(program: &[Stmt], weighted: bool) -> Option<(Vec<u32>, bool)> {
    let mut best: Option<((i128, i128), Vec<u32>, bool)> = None;
    let mut wanted = Vec::new();
    loop {
        let done = Done::of(program, &wanted);
        if done.truths.iter().all(|truth| *truth) {
            if !weighted {
                return Some((done.picks, done.run.left_early));
            }
            let score = (done.soft, done.weight);
            if best.as_ref().is_none_or(|(have, ..)| score > *have) {
                best = Some((score, done.picks.clone(), done.run.left_early));
            }
        }
        let last = |at: &usize| done.picks[*at] as usize + 1 < done.run.choices[*at].options.len();
        let Some(at) = (0..done.picks.len()).rev().find(last) else {
            return best.map(|(_, picks, left)| (picks, left));
        };
        wanted = done.picks[..=at].to_vec();
        wanted[at] += 1;
    }
}

/// The verdict and the number of runs.
fn explore(program: &[Stmt], weighted: bool) -> (Verdict, usize) {
    let objective = if weighted { Objective::MaxWeight } else { Objective::LexFirst };
    let mut explorer = Explorer::new(Done::of(program, &[]).run, objective);
    loop {
        match explorer.next() {
            Next::Solve(ir) => explorer.solved(Everything.solve(&ir, &Limits::default())),
            Next::Run(wanted) => explorer.ran(Done::of(program, &wanted).run),
            Next::Done(verdict) => return (verdict, explorer.runs()),
        }
    }
}

fn compare(program: &[Stmt], weighted: bool) {
    let (verdict, _) = explore(program, weighted);
    let expected = enumerate(program, weighted);
    let found = match &verdict {
        Verdict::First(answer) => Some((answer.choices.clone(), false)),
        Verdict::Observable(answer) => Some((answer.choices.clone(), true)),
        Verdict::None { .. } => None,
        Verdict::Unknown(reason) => panic!("{reason}: {program:#?}"),
    };
    assert_eq!(found, expected, "{verdict:?} of {program:#?}");
}

#[test]
fn equals_the_enumeration_of_all_resolutions() {
    let (mut kinds, mut longest) = ([0u32; 3], 0);
    for seed in 0..super::deep(10_000) {
        let program = program(&mut Random(seed), 0, false);
        compare(&program, false);
        let (verdict, runs) = explore(&program, false);
        longest = longest.max(runs);
        kinds[match verdict {
            Verdict::First(_) => 0,
            Verdict::Observable(_) => 1,
            _ => 2,
        }] += 1;
    }
    // The programs are of every kind and need more than their first run.
    assert!(kinds.iter().all(|n| *n > 300) && longest > 5, "{kinds:?} {longest}");
}

#[test]
fn equals_the_enumeration_with_weights() {
    for seed in 0..super::deep(4_000) {
        compare(&program(&mut Random(1_000_000 + seed), 0, true), true);
    }
}

fn choose(options: &[i64]) -> Stmt {
    Stmt::Choose(options.to_vec(), None)
}

#[test]
fn a_straight_transaction_takes_one_question() {
    let program =
        [choose(&[1, 2, 3, 4]), choose(&[1, 2, 3, 4]), Stmt::Compute('+', 0, 1), Stmt::Require(Cond('=', 2, 6))];
    let mut explorer = Explorer::new(Done::of(&program, &[]).run, Objective::LexFirst);
    let Next::Solve(ir) = explorer.next() else { panic!("a question comes first") };
    assert!(ir.path.is_empty(), "sums of small numbers are always defined");
    explorer.solved(Everything.solve(&ir, &Limits::default()));
    let answer = Answer { choices: vec![1, 3], ..Answer::default() };
    assert_eq!(explorer.next(), Next::Done(Verdict::First(answer)));
    assert_eq!(explorer.rerun(&Verdict::None { core: vec![], beside: vec![], cut: false }), None);
}

#[test]
fn none_names_the_requirements_of_the_first_run_and_those_of_the_others() {
    let program = [
        choose(&[1, 2, 3]),
        Stmt::Require(Cond('!', 0, 9)),
        Stmt::Require(Cond('>', 0, 6)),
        Stmt::If(Cond('<', 0, 2), vec![], vec![Stmt::Require(Cond('=', 0, 0))]),
    ];
    assert_eq!(explore(&program, false).0, Verdict::None { core: vec![1], beside: vec![], cut: false });
    let program = [
        choose(&[1, 2, 3]),
        Stmt::Require(Cond('!', 0, 9)),
        Stmt::If(Cond('<', 0, 2), vec![Stmt::Require(Cond('=', 0, 5))], vec![Stmt::Require(Cond('=', 0, 7))]),
    ];
    let Verdict::None { core, beside, cut } = explore(&program, false).0 else { panic!("it is satisfied") };
    assert_eq!((core, beside.len(), cut), (vec![1], 1, false));
    assert!(format!("{:?}", beside[0].expr).contains('7'), "{beside:?}");
}

#[test]
fn requirements_that_stay_spare_runs() {
    // Every value goes its own way; the requirement before excludes all but the last.
    let options: Vec<i64> = (0..50).collect();
    let program = [choose(&options), Stmt::Require(Cond('>', 0, 49)), Stmt::Concretise(0)];
    let (verdict, runs) = explore(&program, false);
    assert!(matches!(verdict, Verdict::First(answer) if answer.choices == [49]));
    assert_eq!(runs, 2);
}

#[test]
fn conditions_on_one_choice_need_no_questions() {
    let same = || Stmt::If(Cond('=', 0, 1), vec![], vec![]);
    let opposite = Stmt::If(Cond('!', 0, 1), vec![], vec![]);
    let program = [choose(&[1, 2, 3]), same(), opposite, same(), Stmt::Require(Cond('>', 0, 3))];
    let mut explorer = Explorer::new(Done::of(&program, &[]).run, Objective::LexFirst);
    let mut questions = 0;
    let verdict = loop {
        match explorer.next() {
            Next::Solve(ir) => {
                questions += 1;
                explorer.solved(Everything.solve(&ir, &Limits::default()));
            }
            Next::Run(wanted) => explorer.ran(Done::of(&program, &wanted).run),
            Next::Done(verdict) => break verdict,
        }
    };
    assert!(matches!(verdict, Verdict::First(answer) if answer.choices == [2]));
    // The first way, what lies beside it, the second way.
    assert_eq!((questions, explorer.runs()), (3, 2));
}

#[test]
fn too_many_runs_are_unknown() {
    let options: Vec<i64> = (0..50).collect();
    let program = [choose(&options), Stmt::Concretise(0), Stmt::Require(Cond('>', 0, 49))];
    let mut explorer = Explorer::new(Done::of(&program, &[]).run, Objective::LexFirst).with_max_runs(10);
    let verdict = loop {
        match explorer.next() {
            Next::Solve(ir) => explorer.solved(Everything.solve(&ir, &Limits::default())),
            Next::Run(wanted) => explorer.ran(Done::of(&program, &wanted).run),
            Next::Done(verdict) => break verdict,
        }
    };
    assert!(matches!(verdict, Verdict::Unknown(reason) if reason.contains("10 ways")));
}
