//! The solver Z3 (`decisions:AVM-10`): a context and an engine that are kept, each question between push and pop.
//!
//! Only the verdict, the values and the core are used, and those are the same whatever way the engine takes: the least position of
//! each slot is asked for one after the other, and the core is reduced in program order. Resources are bounded by the engine's own
//! count of work, not by time; an agent that wants a bound in time interrupts it ([`Z3Solver::watched`]).

mod encode;
mod lit;
mod term;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use z3::ast::{Bool, Int};
use z3::{Context, ContextHandle, Params, SatResult, Solver as Engine};

use super::builtin::answer;
use super::builtin::problem::{Problem, Slot, everything};
use super::builtin::state::{State, Stop};
use super::core;
use super::ir::{Ir, Limits, Objective, Outcome, Solver};
use encode::Encoding;
use lit::Lit;

/// Steps of filtering before a question goes to the engine.
const FILTERING: u64 = 1_000_000;
/// How the reason begins when a question is given up for the memory of [`bound_memory`].
pub const OUT_OF_MEMORY: &str = "Z3 holds more memory than it may";
/// Most checks of the engine for one question.
const MAX_CHECKS: u32 = 100_000;

/// Z3, kept ready. Belongs to the thread that made it. When a call panics, throw it away with its thread: the context may be
/// damaged.
pub struct Z3Solver {
    engine: Engine,
    /// Constants by slot and position, made once.
    constants: Vec<Vec<Bool>>,
    guards: Vec<Bool>,
    rlimit: Option<u32>,
    interrupted: Arc<AtomicBool>,
}

/// Interrupts the engine from another thread.
pub struct Interrupt<'a> {
    handle: ContextHandle<'a>,
    called: Arc<AtomicBool>,
}

impl Interrupt<'_> {
    /// Interrupts what the engine does now; the question under way, or the next one, is unknown.
    pub fn interrupt(&self) {
        // Before the engine hears of it, so that no answer can slip through between.
        self.called.store(true, Ordering::SeqCst);
        self.handle.interrupt();
    }
}

/// Bounds the memory of all engines of this process together, as Z3 counts it, to so many bytes, at most 4 GiB. An engine looks
/// while it searches and gives a question up beyond the bound ([`OUT_OF_MEMORY`]); what it holds it gives back only when its context
/// ends, so whoever asks replaces its thread then. It is Z3's high watermark, not its hard limit: beyond that one it throws wherever
/// it is, which may end the process.
pub fn bound_memory(bytes: u64) {
    // Z3 takes bytes here, in 32 bits, whatever some of its versions say: as mebibytes every question would be beyond it.
    z3::set_global_param("memory_high_watermark", &bytes.clamp(1, u64::from(u32::MAX)).to_string());
}

/// Why no verdict was reached.
struct Stopped(String);

impl Default for Z3Solver {
    fn default() -> Self {
        Self::new()
    }
}

impl Z3Solver {
    /// Makes the engine in this thread's context; takes some ten milliseconds.
    #[must_use]
    pub fn new() -> Self {
        Self {
            engine: Engine::new(),
            constants: Vec::new(),
            guards: Vec::new(),
            rlimit: None,
            interrupted: Arc::default(),
        }
    }

    /// Runs `body` with a handle by which another thread can interrupt the engine. A question during which that happened is
    /// unknown, whatever the engine says: an interrupt also ends the taking in of constraints, and one that got lost would make an
    /// answer that is none. Whoever watches repeats the interrupt until `body` has come back, for one that comes between two checks
    /// is lost. The engine is made anew after an interrupt.
    pub fn watched<R>(&mut self, body: impl FnOnce(&mut Self, &Interrupt<'_>) -> R) -> R {
        let context = Context::thread_local();
        let interrupt = Interrupt { handle: context.handle(), called: Arc::clone(&self.interrupted) };
        body(self, &interrupt)
    }

    fn limit(&mut self, limits: &Limits) {
        let rlimit = u32::try_from(limits.steps / 5).unwrap_or(u32::MAX).max(1);
        if self.rlimit != Some(rlimit) {
            let mut params = Params::new();
            params.set_u32("rlimit", rlimit);
            self.engine.set_params(&params);
            self.rlimit = Some(rlimit);
        }
    }

    /// Literal of each position of each slot that is there; a slot with one position is decided.
    fn literals(&mut self, problem: &Problem, is_there: impl Fn(Slot, u32) -> bool) -> Vec<Vec<Lit>> {
        let mut all = Vec::with_capacity(problem.values.len());
        for (slot, values) in problem.values.iter().enumerate() {
            if self.constants.len() <= slot {
                self.constants.push(Vec::new());
            }
            let known = &mut self.constants[slot];
            for at in known.len()..values.len() {
                known.push(Bool::new_const(format!("p{slot}.{at}")));
            }
            let live = (0..values.len() as u32).filter(|at| is_there(slot as Slot, *at)).count();
            let lit = |(at, constant): (usize, &Bool)| match is_there(slot as Slot, at as u32) {
                false => Lit::False,
                true if live == 1 => Lit::True,
                true => Lit::Is(constant.clone()),
            };
            all.push(known[..values.len()].iter().enumerate().map(lit).collect());
        }
        all
    }

    fn guards(&mut self, count: usize) -> Vec<Bool> {
        for at in self.guards.len()..count {
            self.guards.push(Bool::new_const(format!("r{at}")));
        }
        self.guards[..count].to_vec()
    }

    /// The best resolution, or none. What filtering takes away is not given to the engine.
    fn best(&mut self, ir: &Ir) -> Result<Option<Outcome>, Stopped> {
        let problem = Problem::new(ir, &everything(ir), ir.objective == Objective::MaxWeight);
        let mut state = State::new(&problem, FILTERING);
        if let Err(Stop::Fails(_)) = state.propagate() {
            return Ok(None);
        }
        let lits = self.literals(&problem, |slot, at| state.has(slot, at));
        let mut encoding = Encoding::new(&problem, &lits);
        encoding.domains(&self.engine);
        for con in &problem.cons {
            encoding.constrain(&self.engine, con, None);
        }
        let mut question = Question { engine: &self.engine, lits: &lits, checks: 0 };
        let weights: Vec<(&Lit, i128)> = lits
            .iter()
            .zip(&problem.weights)
            .flat_map(|(lits, weights)| lits.iter().zip(weights.iter().copied()))
            .filter(|(_, weight)| *weight != 0)
            .collect();
        if problem.wishes.is_empty() && weights.is_empty() {
            // Often the least position of each slot will do.
            let (picks, assumed) = question.lowest();
            if question.check(&assumed)? {
                return Ok(Some(Outcome::Sat(answer(ir, &problem, &picks))));
            }
        }
        if !question.check(&[])? {
            return Ok(None);
        }
        // The model goes with the first assertion after the check.
        let mut have = question.picks()?;
        if !problem.wishes.is_empty() {
            let wishes: Vec<Lit> = problem.wishes.iter().map(|wish| encoding.wish(&wish.local.nodes)).collect();
            let parts: Vec<(&Lit, i128)> =
                wishes.iter().zip(&problem.wishes).map(|(lit, wish)| (lit, wish.weight)).collect();
            have = question.maximise(&parts, have, |picks| problem.score(picks).0)?;
        }
        if !weights.is_empty() {
            have = question.maximise(&weights, have, |picks| problem.score(picks).1)?;
        }
        let picks = question.least(have)?;
        Ok(Some(Outcome::Sat(answer(ir, &problem, &picks))))
    }

    /// The canonical core of a question that has no resolution: each requirement and each constraint behind a guard of its own.
    fn core(&mut self, ir: &Ir, limits: &Limits) -> Result<Outcome, Stopped> {
        let all = everything(ir);
        let problem = Problem::new(ir, &all, false);
        let lits = self.literals(&problem, |_, _| true);
        let guards = self.guards(all.len());
        let mut encoding = Encoding::new(&problem, &lits);
        encoding.domains(&self.engine);
        for con in &problem.cons {
            encoding.constrain(&self.engine, con, con.of.map(|at| &guards[at as usize]));
        }
        let mut question = Question { engine: &self.engine, lits: &lits, checks: 0 };
        if question.check(&guards)? {
            return Err(Stopped("filtering and Z3 do not agree".to_owned()));
        }
        Ok(Outcome::Unsat(question.core(ir.requires.len(), &guards, limits)))
    }

    /// Runs something between push and pop.
    fn within<R>(&mut self, body: impl FnOnce(&mut Self) -> R) -> R {
        self.engine.push();
        let result = body(self);
        self.engine.pop(1);
        result
    }
}

impl Solver for Z3Solver {
    fn solve(&mut self, ir: &Ir, limits: &Limits) -> Outcome {
        if let Err(error) = ir.check(limits) {
            return Outcome::Unknown(error.to_string());
        }
        if ir.fd.vars.iter().any(|(_, domain)| domain.is_empty()) {
            return Outcome::Unsat(Vec::new());
        }
        self.limit(limits);
        let outcome = match self.within(|solver| solver.best(ir)) {
            Ok(Some(outcome)) => Ok(outcome),
            Ok(None) => self.within(|solver| solver.core(ir, limits)),
            Err(stopped) => Err(stopped),
        };
        if self.interrupted.swap(false, Ordering::SeqCst) {
            self.engine = Engine::new();
            self.rlimit = None;
            return Outcome::Unknown("Z3 was interrupted".to_owned());
        }
        match outcome {
            Ok(Outcome::Sat(answer)) if !ir.admits(&answer) => {
                Outcome::Unknown("Z3 gave an answer that does not keep what is required".to_owned())
            }
            Ok(outcome) => outcome,
            Err(Stopped(reason)) => Outcome::Unknown(reason),
        }
    }
}

/// A question that is in the engine.
struct Question<'a> {
    engine: &'a Engine,
    lits: &'a [Vec<Lit>],
    checks: u32,
}

impl Question<'_> {
    /// Whether it can be satisfied with these assumed.
    fn check(&mut self, assumed: &[Bool]) -> Result<bool, Stopped> {
        self.checks += 1;
        if self.checks > MAX_CHECKS {
            return Err(Stopped(format!("more than {MAX_CHECKS} checks")));
        }
        let result = if assumed.is_empty() { self.engine.check() } else { self.engine.check_assumptions(assumed) };
        match result {
            SatResult::Sat => Ok(true),
            SatResult::Unsat => Ok(false),
            SatResult::Unknown => {
                let reason = self.engine.get_reason_unknown().unwrap_or_default();
                if ["memout", "max. memory", "out of memory"].iter().any(|said| reason.contains(said)) {
                    return Err(Stopped(format!("{OUT_OF_MEMORY} ({reason})")));
                }
                Err(Stopped(format!("Z3 gave up: {reason}")))
            }
        }
    }

    /// The least position of each slot, and what has to be assumed for it.
    fn lowest(&self) -> (Vec<u32>, Vec<Bool>) {
        let lowest = |lits: &Vec<Lit>| lits.iter().position(|lit| !lit.is_false()).unwrap_or(0);
        let picks: Vec<u32> = self.lits.iter().map(|lits| lowest(lits) as u32).collect();
        let literal = |(lits, at): (&Vec<Lit>, &u32)| match lits.get(*at as usize) {
            Some(Lit::Is(literal)) => Some(literal.clone()),
            _ => None,
        };
        let assumed = self.lits.iter().zip(&picks).filter_map(literal).collect();
        (picks, assumed)
    }

    /// Position of each slot in the model of the last check.
    fn picks(&self) -> Result<Vec<u32>, Stopped> {
        let model = self.engine.get_model().ok_or_else(|| Stopped("Z3 has no model".to_owned()))?;
        let holds = |lit: &Lit| match lit {
            Lit::True => true,
            Lit::False => false,
            Lit::Is(literal) => model.eval(literal, true).and_then(|value| value.as_bool()) == Some(true),
        };
        let pick = |lits: &Vec<Lit>| lits.iter().position(holds).map(|at| at as u32);
        let picks: Option<Vec<u32>> = self.lits.iter().map(pick).collect();
        picks.ok_or_else(|| Stopped("Z3 gave a model without a pick".to_owned()))
    }

    fn core(&mut self, requires: usize, guards: &[Bool], limits: &Limits) -> Vec<u32> {
        let found = |engine: &Engine| -> Vec<u32> {
            let core = engine.get_unsat_core();
            (0..guards.len() as u32).filter(|at| core.contains(&guards[*at as usize])).collect()
        };
        let mut known = vec![found(self.engine)];
        core::of_both(requires, guards.len() - requires, limits.core, |kept| {
            if known.iter().any(|core| core.iter().all(|at| kept.contains(at))) {
                return Some(true);
            }
            let assumed: Vec<Bool> = kept.iter().map(|at| guards[*at as usize].clone()).collect();
            match self.check(&assumed) {
                Ok(true) => Some(false),
                Ok(false) => {
                    known.push(if assumed.is_empty() { Vec::new() } else { found(self.engine) });
                    Some(true)
                }
                Err(_) => None,
            }
        })
    }

    /// Raises a sum of weights to its maximum, fixes it there, and gives picks that have it.
    fn maximise(
        &mut self,
        parts: &[(&Lit, i128)],
        mut have: Vec<u32>,
        worth: impl Fn(&[u32]) -> i128,
    ) -> Result<Vec<u32>, Stopped> {
        let nought = Int::from_i64(0);
        let terms: Vec<Int> = parts.iter().map(|(lit, weight)| lit.pick(&Int::from_i128(*weight), &nought)).collect();
        let sum = Int::add(&terms.iter().collect::<Vec<_>>());
        let mut low = worth(&have);
        let mut high: i128 = parts.iter().map(|(_, weight)| (*weight).max(0)).sum();
        while low < high {
            let middle = low + (high - low + 1) / 2;
            self.engine.push();
            self.engine.assert(sum.ge(Int::from_i128(middle)));
            let better = self.check(&[]);
            if matches!(better, Ok(true)) {
                have = self.picks()?;
                low = worth(&have).max(middle);
            } else {
                high = middle - 1;
            }
            self.engine.pop(1);
            better?;
        }
        self.engine.assert(sum.ge(Int::from_i128(low)));
        Ok(have)
    }

    /// The least positions, slot after slot, from picks that are possible.
    fn least(&mut self, mut have: Vec<u32>) -> Result<Vec<u32>, Stopped> {
        for slot in 0..self.lits.len() as Slot {
            let lits = &self.lits[slot as usize];
            let mut low = lits.iter().position(|lit| !lit.is_false()).unwrap_or(0) as u32;
            while low < have[slot as usize] {
                // The least is in low..=have; try the lower half.
                let middle = (low + have[slot as usize] - 1) / 2;
                let above = lits[middle as usize + 1..].iter().filter(|lit| !lit.is_false());
                let none: Vec<Bool> = above.map(|lit| lit.not().formula()).collect();
                if self.check(&none)? {
                    have = self.picks()?;
                } else {
                    low = middle + 1;
                }
            }
            if let Lit::Is(literal) = &lits[have[slot as usize] as usize] {
                self.engine.assert(literal);
            }
        }
        Ok(have)
    }
}
