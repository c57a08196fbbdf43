//! Which resolution to run next (`decisions:AVM-3`, `decisions:AVM-4`): the search for the first valid resolution of a program whose
//! later choices and requirements depend on earlier ones.
//!
//! A run is concolic: it went one way through the program and says under which conditions (its path). All resolutions that satisfy
//! the path run alike, so one question to the solver decides them all. What is left is cut into *frontiers*: the same conditions up
//! to one that is excluded. The least candidate of each frontier, asked of the solver, bounds what lies in it; the least of all is
//! run next, until none can come before the best one found. The regions are disjoint and cover everything, so the result is the
//! first valid resolution in the order of `avm:9.2`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::bounds;
use super::ir::{Answer, Asserted, Choice, Expr, FdPart, Ir, Objective, Ordering, Outcome, Soft};
use crate::value::Val;

/// Most runs of one search when nothing else is said.
pub const MAX_RUNS: u32 = 10_000;
/// Most requirements of other ways a verdict names.
pub const MOST_BESIDE: usize = 32;

/// What one execution of the transaction met, from the outermost begin to its end.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// Every `choose` in order of execution; ids equal positions.
    pub choices: Vec<Choice>,
    /// Conditions that held and on which the way of this run depends, in order, each with the number of choices made before it.
    /// They speak of those choices only, never of variables. Emit the definedness of an operation before what uses its result.
    pub path: Vec<(u32, Expr)>,
    /// What is required at the end, in order of execution.
    pub requires: Vec<Asserted>,
    /// For each of `requires` the length of `path` when it became certain to stay, that is when it stood in the outermost frame
    /// (at once, or at the inner commit). Lets the search leave out what these already exclude. Empty: not known.
    pub required_at: Vec<u32>,
    /// Soft requirements.
    pub prefers: Vec<Soft>,
    /// Variables that stand in requirements, with their constraints.
    pub fd: FdPart,
    /// Orders of calls that this run keeps.
    pub msc: Vec<Ordering>,
    /// The run ended the transaction by error, abort or end of the program, and not by its commit: `requires` are those made until
    /// then.
    pub left_early: bool,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Ask a solver, then call [`Explorer::solved`].
    Solve(Ir),
    /// Run the transaction from its begin with these option indices, the first option from there on; then call
    /// [`Explorer::ran`].
    Run(Vec<u32>),
    /// Nothing more.
    Done(Verdict),
}

/// How the search ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The first valid resolution commits.
    First(Answer),
    /// No resolution is valid: the observable run is that of all first options, and its commit answers false.
    None {
        /// Indices into the requirements of the run of all first options: those that together exclude it and all that run alike.
        core: Vec<u32>,
        /// Requirements that exclude the other ways and are not among those, each once, in the order they were found. A way is
        /// excluded by those of them that it meets: together with the core they leave nothing.
        beside: Vec<Asserted>,
        /// There are more than [`MOST_BESIDE`] of them; the others are left out.
        cut: bool,
    },
    /// The first valid resolution leaves the transaction before its commit: its run is the observable one.
    Observable(Answer),
    /// Not decided, and why.
    Unknown(String),
}

/// A region not yet run: the first `at` conditions of the path of `run` hold, and none of `excluded` does.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Frontier {
    run: usize,
    at: usize,
    excluded: Vec<Arc<Expr>>,
    /// Every resolution in it is at least this (missing choices: first option; no zeros at the end).
    least: Vec<u32>,
    /// `least` is the beginning of a resolution that is in it.
    exact: bool,
}

/// Heap entry: the least first, then the one found first.
type Entry = Reverse<(Vec<u32>, u64, u32)>;

/// What was asked of the solver or of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    Nothing,
    /// The best of the region of a run.
    Region(usize),
    /// The least of a frontier.
    Least(u32),
    /// A run for a frontier.
    Run(u32),
}

/// The best resolution so far.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Best {
    score: (i128, i128),
    answer: Answer,
    left_early: bool,
}

/// The search, as a value: it asks by [`Explorer::next`] and is told by [`Explorer::solved`] and [`Explorer::ran`].
#[derive(Debug, Clone)]
pub struct Explorer {
    objective: Objective,
    max_runs: u32,
    runs: Vec<Run>,
    frontiers: Vec<Frontier>,
    waiting: BinaryHeap<Entry>,
    sequence: u64,
    best: Option<Best>,
    core: Vec<u32>,
    beside: Vec<Asserted>,
    cut: bool,
    current: Vec<u32>,
    asked: Asked,
    todo: Option<usize>,
    failed: Option<String>,
}

impl Explorer {
    /// A search that starts from the run of all first options. `objective` is [`Objective::MaxWeight`] when the program holds a
    /// `prefer` or a weighted `choose` anywhere: then every region has to be looked at. A run that shows weights makes it so too.
    #[must_use]
    pub fn new(first: Run, objective: Objective) -> Self {
        let mut explorer = Self {
            objective,
            max_runs: MAX_RUNS,
            runs: Vec::new(),
            frontiers: Vec::new(),
            waiting: BinaryHeap::new(),
            sequence: 0,
            best: None,
            core: Vec::new(),
            beside: Vec::new(),
            cut: false,
            current: Vec::new(),
            asked: Asked::Nothing,
            todo: None,
            failed: None,
        };
        explorer.take_run(first, 0, &[]);
        explorer
    }

    /// Bounds the number of runs, the first included; more is [`Verdict::Unknown`].
    #[must_use]
    pub const fn with_max_runs(mut self, runs: u32) -> Self {
        self.max_runs = runs;
        self
    }

    /// Option indices of the latest run, one for each of its choices. When it is not the resolution of the verdict (for
    /// [`Verdict::None`]: all zeros), run once more with that.
    #[must_use]
    pub fn current(&self) -> &[u32] {
        &self.current
    }

    /// Option indices with which the observable run is to be made when it is not the latest one.
    #[must_use]
    pub fn rerun(&self, verdict: &Verdict) -> Option<Vec<u32>> {
        let wanted = match verdict {
            Verdict::First(answer) | Verdict::Observable(answer) => trimmed(&answer.choices),
            Verdict::None { .. } | Verdict::Unknown(_) => Vec::new(),
        };
        (trimmed(&self.current) != wanted).then_some(wanted)
    }

    /// Number of runs so far.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// What to do next. Asking twice gives the same.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Next {
        if let Some(reason) = &self.failed {
            return Next::Done(Verdict::Unknown(reason.clone()));
        }
        match self.asked {
            Asked::Region(run) => return Next::Solve(self.region(run)),
            Asked::Least(frontier) => return Next::Solve(self.frontier(frontier)),
            Asked::Run(frontier) => return Next::Run(self.frontiers[frontier as usize].least.clone()),
            Asked::Nothing => {}
        }
        if let Some(run) = self.todo.take() {
            self.asked = Asked::Region(run);
            return self.next();
        }
        let Some(Reverse((least, _, frontier))) = self.waiting.pop() else { return Next::Done(self.verdict()) };
        let beaten = |best: &Best| self.objective == Objective::LexFirst && least >= trimmed(&best.answer.choices);
        if self.best.as_ref().is_some_and(beaten) {
            self.waiting.clear();
            return Next::Done(self.verdict());
        }
        if !self.frontiers[frontier as usize].exact {
            self.asked = Asked::Least(frontier);
        } else if self.runs.len() >= self.max_runs as usize {
            self.failed = Some(format!("more than {} ways through the transaction", self.max_runs));
        } else {
            self.asked = Asked::Run(frontier);
        }
        self.next()
    }

    /// Takes the answer to the question last given out.
    pub fn solved(&mut self, outcome: Outcome) {
        match (std::mem::replace(&mut self.asked, Asked::Nothing), outcome) {
            (Asked::Region(_) | Asked::Least(_), Outcome::Unknown(reason)) => self.failed = Some(reason),
            (Asked::Region(run), Outcome::Sat(answer)) => {
                let score = self.score(run, &answer);
                let better = self.best.as_ref().is_none_or(|best| {
                    (Reverse(score), trimmed(&answer.choices)) < (Reverse(best.score), trimmed(&best.answer.choices))
                });
                if better {
                    self.best = Some(Best { score, answer, left_early: self.runs[run].left_early });
                }
            }
            (Asked::Region(0), Outcome::Unsat(core)) => self.core = core,
            (Asked::Region(run), Outcome::Unsat(core)) => self.blame(run, core),
            (Asked::Least(at), Outcome::Sat(answer)) => {
                let frontier = &mut self.frontiers[at as usize];
                frontier.least = trimmed(&answer.choices);
                frontier.exact = true;
                self.wait(at);
            }
            (Asked::Least(at), Outcome::Unsat(core)) => {
                // Of the requirements that were certain to stay: they took part in the question.
                let certain: Vec<u32> = self.certain(at).map(|(at, _)| at as u32).collect();
                let core = core.iter().filter_map(|at| certain.get(*at as usize).copied()).collect();
                self.blame(self.frontiers[at as usize].run, core);
            }
            (asked, _) => self.failed = Some(format!("an answer came where none was asked for ({asked:?})")),
        }
    }

    /// Takes the run last asked for.
    pub fn ran(&mut self, run: Run) {
        let Asked::Run(frontier) = std::mem::replace(&mut self.asked, Asked::Nothing) else {
            self.failed = Some("a run came where none was asked for".to_owned());
            return;
        };
        let Frontier { at, excluded, least, .. } = self.frontiers[frontier as usize].clone();
        self.current = least;
        self.take_run(run, at, &excluded);
    }

    /// Keeps a run and cuts what lies beside it: positions from `from` on, where at `from` the conditions `excluded` were excluded
    /// before.
    fn take_run(&mut self, mut run: Run, from: usize, excluded: &[Arc<Expr>]) {
        if let Some(reason) = misfit(&run) {
            self.failed = Some(reason.to_owned());
            return;
        }
        keep_deciding(&mut run);
        if !excluded.is_empty() && run.path.len() <= from {
            self.failed = Some("a run did not repeat the conditions of the run before it".to_owned());
            return;
        }
        if run.choices.iter().any(|choice| choice.weights.is_some()) || !run.prefers.is_empty() {
            self.objective = Objective::MaxWeight;
        }
        self.current.resize(run.choices.len(), 0);
        let at_run = self.runs.len();
        // The run was made with the least resolution of its region, of which all that lies beside its conditions is a part.
        let least = trimmed(&self.current);
        let mut left = run.choices.clone();
        run.path[..from].iter().for_each(|(_, condition)| bounds::keep_options(&mut left, condition));
        for at in from..run.path.len() {
            let (made, condition) = &run.path[at];
            let mut excluded = if at == from { excluded.to_vec() } else { Vec::new() };
            excluded.push(Arc::new(condition.clone()));
            let frontier = Frontier { run: at_run, at, excluded, least: least.clone(), exact: false };
            if bounds::may_hold(&left[..*made as usize], &frontier.negations()) {
                self.frontiers.push(frontier);
                self.wait((self.frontiers.len() - 1) as u32);
            }
            bounds::keep_options(&mut left, condition);
        }
        self.todo = Some(at_run);
        self.runs.push(run);
    }

    fn wait(&mut self, frontier: u32) {
        self.sequence += 1;
        let least = self.frontiers[frontier as usize].least.clone();
        self.waiting.push(Reverse((least, self.sequence, frontier)));
    }

    fn score(&self, run: usize, answer: &Answer) -> (i128, i128) {
        match self.objective {
            Objective::LexFirst => (0, 0),
            Objective::MaxWeight => self.region(run).score(answer),
        }
    }

    /// Question: the best resolution among those that run like this run.
    fn region(&self, run: usize) -> Ir {
        let run = &self.runs[run];
        Ir {
            choices: run.choices.clone(),
            path: run.path.iter().map(|(_, condition)| condition.clone()).collect(),
            requires: run.requires.clone(),
            prefers: run.prefers.clone(),
            fd: run.fd.clone(),
            msc: run.msc.clone(),
            objective: self.objective,
        }
    }

    /// Requirements of the run beside which a frontier lies that hold in it too, and their positions.
    fn certain(&self, at: u32) -> impl Iterator<Item = (usize, &Asserted)> {
        let frontier = &self.frontiers[at as usize];
        let run = &self.runs[frontier.run];
        let made = run.path[frontier.at].0 as usize;
        let stay = move |at: usize| run.required_at.get(at).is_some_and(|from| *from as usize <= frontier.at);
        let all = run.requires.iter().enumerate().filter(move |(at, _)| stay(*at));
        all.filter(move |(_, asserted)| speaks_of_choices(&asserted.expr, made))
    }

    /// Member of the core of a run: a requirement, or a constraint under the name that says it.
    fn member(&self, run: usize, at: usize) -> Option<Asserted> {
        let run = &self.runs[run];
        if let Some(asserted) = run.requires.get(at) {
            return Some(asserted.clone());
        }
        let at = at - run.requires.len();
        let name = Some(format!("post {}", run.fd.constraints.get(at)?).into());
        Some(Asserted { expr: Expr::Const(Val::Bool(true)), name, place: run.fd.places.get(at).cloned().flatten() })
    }

    /// Remembers what excludes another way than the first.
    fn blame(&mut self, run: usize, core: Vec<u32>) {
        for at in core {
            let Some(found) = self.member(run, at as usize) else { continue };
            let mut first = self.core.iter().filter_map(|at| self.member(0, *at as usize));
            let known = first.any(|other| same(&other, &found)) || self.beside.iter().any(|other| same(other, &found));
            if !known && self.beside.len() >= MOST_BESIDE {
                self.cut = true;
            } else if !known {
                self.beside.push(found);
            }
        }
    }

    /// Question: the least beginning of a resolution in this frontier.
    fn frontier(&self, at: u32) -> Ir {
        let frontier = &self.frontiers[at as usize];
        let run = &self.runs[frontier.run];
        let made = run.path[frontier.at].0 as usize;
        let kept = run.path[..frontier.at].iter().map(|(_, condition)| condition.clone());
        Ir {
            choices: run.choices[..made].iter().map(|choice| Choice { weights: None, ..choice.clone() }).collect(),
            path: kept.chain(frontier.negations()).collect(),
            requires: self.certain(at).map(|(_, asserted)| asserted.clone()).collect(),
            ..Ir::default()
        }
    }

    fn verdict(&self) -> Verdict {
        match &self.best {
            None => Verdict::None { core: self.core.clone(), beside: self.beside.clone(), cut: self.cut },
            Some(best) if best.left_early => Verdict::Observable(best.answer.clone()),
            Some(best) => Verdict::First(best.answer.clone()),
        }
    }
}

impl Frontier {
    fn negations(&self) -> Vec<Expr> {
        self.excluded.iter().map(|condition| Expr::clone(&Expr::excluded(condition))).collect()
    }
}

/// Option indices without the zeros at the end: missing ones are first options.
fn trimmed(indices: &[u32]) -> Vec<u32> {
    let used = indices.iter().rposition(|index| *index != 0).map_or(0, |last| last + 1);
    indices[..used].to_vec()
}

/// Whether an expression speaks of the first `made` choices alone.
fn speaks_of_choices(expr: &Expr, made: usize) -> bool {
    let mut flat = super::flat::Flat::default();
    flat.add(expr);
    flat.nodes.iter().all(|node| match node {
        super::flat::Node::Choice(id) => (id.0 as usize) < made,
        super::flat::Node::Table(ids, _) => ids.iter().all(|id| (id.0 as usize) < made),
        super::flat::Node::Fd(_) => false,
        _ => true,
    })
}

/// Whether two requirements are one of the program, met on two ways.
fn same(one: &Asserted, two: &Asserted) -> bool {
    let told = one.name.is_some() || one.place.is_some();
    one.name == two.name && one.place == two.place && (told || one.expr == two.expr)
}

/// What is wrong with a run, if anything is.
fn misfit(run: &Run) -> Option<&'static str> {
    if run.choices.iter().enumerate().any(|(at, choice)| choice.id.0 as usize != at || choice.options.is_empty()) {
        return Some("the choices of a run are not numbered in order, or one has no options");
    }
    if run.path.windows(2).any(|pair| pair[0].0 > pair[1].0) {
        return Some("the conditions of a run are not in order of its choices");
    }
    let fits = |(made, condition): &(u32, Expr)| {
        (*made as usize) <= run.choices.len() && speaks_of_choices(condition, *made as usize)
    };
    if !run.path.iter().all(fits) {
        return Some("a condition of a run speaks of a variable, or of a choice made later");
    }
    None
}

/// Drops the conditions that always hold, whatever is chosen and given the conditions before them: nothing lies beside them. The
/// rest keeps its order, so two runs with the same beginning still have the same conditions there.
fn keep_deciding(run: &mut Run) {
    let path = std::mem::take(&mut run.path);
    let mut kept_before = Vec::with_capacity(path.len() + 1);
    let mut left = run.choices.clone();
    for (made, condition) in path {
        kept_before.push(run.path.len() as u32);
        let always = matches!(condition, Expr::Const(Val::Bool(true)))
            || bounds::always_holds(&left[..made as usize], &condition);
        if !always {
            bounds::keep_options(&mut left, &condition);
            run.path.push((made, condition));
        }
    }
    let all = run.path.len() as u32;
    for at in &mut run.required_at {
        *at = kept_before.get(*at as usize).copied().unwrap_or(all);
    }
}
