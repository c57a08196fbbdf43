//! Choices that are decided at commit (`avm:9`, `decisions:AVM-3`, `decisions:AVM-4`): the instructions, the runs of a transaction,
//! the questions to the solver. Runs other than the observable one leave nothing: trace, counters and ids are those of its base.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::config::{Decision, Output, Refused, Why};
use super::exec::{Checkpoint, Exec, Fault, arithmetic};
use super::heap::Heap;
use super::loaded::Code;
use super::trace::TraceMark;
use super::transact::Committed;
use super::tx::{Begun, Mark};
use super::word::{NOTHING, Node, Value};
use super::world::{Did, Flow, World};
use crate::code::Place;
use crate::error::{NondetError, ProgramError, TxError};
use crate::id::{ChoiceId, VarId};
use crate::nondet::{Answer, Asserted, Choice, Explorer, Expr, Next, Objective, Outcome, Run, Soft, Verdict};
use crate::value::Val;

/// Bytes that a node of an alternative takes beside the heap.
const OPTION: u64 = 2 * size_of::<Val>() as u64;

/// Where runs of the transaction begin: its first `choose` or `label`; what comes before is the same in all of them.
#[derive(Debug)]
pub(super) struct Base {
    checkpoint: Checkpoint,
    mark: Mark,
    begun: Vec<Begun>,
    trace: TraceMark,
    finished: (usize, u64, u64),
    ids: usize,
    staged: usize,
    random: u64,
    segments: (usize, usize),
}

/// Where the search stands.
#[derive(Debug)]
enum Phase {
    /// A run is on its way.
    Running,
    /// The solver was asked.
    Asked,
    /// It has answered.
    Answered(Outcome),
    /// The run on its way is the observable one.
    Final(Verdict),
}

/// The search for the first valid resolution.
#[derive(Debug)]
pub(super) struct Exploring {
    explorer: Explorer,
    phase: Phase,
    /// Values of the variables in the best resolution, once it is known.
    vars: BTreeMap<VarId, Val>,
}

impl Exploring {
    /// Values of the variables that were decided on.
    pub(super) const fn vars(&self) -> &BTreeMap<VarId, Val> {
        &self.vars
    }

    /// Runs so far.
    pub(super) fn runs(&self) -> u32 {
        self.explorer.runs() as u32
    }

    /// Whether the run on its way is the observable one.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self.phase, Phase::Final(_))
    }

    /// Whether the run on its way has the best resolution.
    pub(super) const fn is_resolved(&self) -> bool {
        matches!(self.phase, Phase::Final(Verdict::First(_) | Verdict::Observable(_)))
    }

    /// The answer of the solver; whether it was waited for.
    pub(super) fn answer(&mut self, outcome: Outcome) -> bool {
        let asked = matches!(self.phase, Phase::Asked);
        if asked {
            self.phase = Phase::Answered(outcome);
        }
        asked
    }
}

impl Base {
    pub(super) fn release(self, heap: &mut Heap) {
        Exec::discard(heap, self.checkpoint);
    }
}

/// What a requirement is called.
pub(super) fn asserted_name(asserted: &Asserted, at: usize) -> String {
    match (&asserted.name, &asserted.place) {
        (Some(name), _) => name.to_string(),
        (None, Some((file, place))) => format!("{file}:{}:{}", place.line, place.column),
        (None, None) => format!("requirement {at}"),
    }
}

/// What was decided before.
fn verdict_of(decision: &Decision) -> Verdict {
    match &decision.refused {
        Some(Refused::Unsatisfiable { core, names, places }) => {
            let beside = names.iter().zip(places).skip(core.len()).map(|(name, place)| Asserted {
                expr: Expr::Const(Val::Bool(true)),
                name: Some(name.as_str().into()),
                place: read_place(place),
            });
            Verdict::None { core: core.clone(), beside: beside.collect(), cut: false }
        }
        Some(Refused::Changed { .. } | Refused::Updated { .. } | Refused::Dropped { .. }) | None => {
            let vars = decision.vars.iter().cloned().collect();
            Verdict::First(Answer { choices: decision.choices.clone(), vars })
        }
    }
}

/// A place as [`shown_place`] shows it.
fn read_place(text: &str) -> Option<(Arc<str>, Place)> {
    let mut parts = text.rsplitn(3, ':');
    let (column, line) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some((parts.next()?.into(), Place { file: 0, line, column }))
}

/// A place in the program: `file:line:column`; empty when it is not known.
pub(super) fn shown_place(place: Option<&(Arc<str>, Place)>) -> String {
    place.map(|(file, place)| format!("{file}:{}:{}", place.line, place.column)).unwrap_or_default()
}

impl World {
    /// Takes the base of the transaction where there is none yet; the instruction under way is done again from there.
    pub(super) fn need_base(&mut self, code: &Code, x: &mut Exec) {
        if x.base.is_some() {
            return;
        }
        let begun = x.tx.begun.clone();
        let fd = x.fd.as_ref().map(|fd| fd.mark());
        let mark = x.tx.mark(fd);
        let pc = x.frame().pc - 1;
        let checkpoint = x.checkpoint(code, &mut self.heap, pc);
        x.base = Some(Box::new(Base {
            checkpoint,
            mark,
            begun,
            trace: x.trace.mark(),
            finished: x.finished_mark(),
            ids: x.tx.ids_used,
            staged: x.tx.staged.len(),
            random: x.random,
            segments: x.segments.as_ref().map_or((0, 0), |segments| segments.position()),
        }));
    }

    pub(super) fn place_of(code: &Code, x: &Exec) -> Option<(Arc<str>, Place)> {
        let frame = x.frame();
        let (_, file, place) = code.place(frame.func, frame.pc.saturating_sub(1));
        file.zip(place)
    }

    /// choose and chooseWeighted (`avm:9.1`).
    pub(super) fn choose(&mut self, code: &Code, x: &mut Exec, options: Value, weighted: bool) -> Result<Did, Fault> {
        if x.tx.explicit() {
            if !self.config.choices {
                return Err(NondetError::NotImplemented("choices are switched off here".to_owned()).into());
            }
            // Before anything is settled: conditions of the path belong to the run.
            self.need_base(code, x);
        }
        let list = self.settle_deep(x, options)?;
        let made = self.make_choice(code, x, list, weighted);
        self.heap.release(list);
        Ok(Did::Value(made?))
    }

    fn make_choice(&mut self, code: &Code, x: &mut Exec, list: Value, weighted: bool) -> Result<Value, Fault> {
        self.no_function(list)?;
        let mut options = self.elements(x, list)?;
        if options.is_empty() {
            return Err(NondetError::NoAlternatives.into());
        }
        let mut weights = None;
        if weighted {
            let mut all = Vec::with_capacity(options.len());
            for option in &mut options {
                let pair = self.settled_node(x, *option, Node::Pair, "a pair of alternative and weight")?;
                let weight = self.number_arg(x, self.heap.child(pair, 1))?;
                all.push(i64::try_from(weight).map_err(|_| arithmetic("the weight is out of range"))?);
                *option = self.heap.child(pair, 0);
            }
            weights = Some(all);
        }
        if !x.tx.explicit() {
            return Ok(self.heap.retain(options[0]));
        }
        let id = x.tx.choices.len();
        let pick = x.tx.plan.get(id).map_or(0, |pick| *pick as usize).min(options.len() - 1);
        self.charge(x, OPTION * u64::from(self.heap.size(list)))?;
        let vals: Vec<Val> = options.iter().map(|option| self.val(*option)).collect();
        let now = self.heap.retain(options[pick]);
        let value = self.choice(x, id as u32, &vals, now)?;
        let place = Self::place_of(code, x);
        x.tx.choices.push(Choice { id: ChoiceId(id as u32), options: vals, weights, place });
        Ok(value)
    }

    /// require (`avm:9.1`).
    pub(super) fn require(&mut self, code: &Code, x: &mut Exec, cond: Value, name: Value) -> Result<Did, Fault> {
        if !x.tx.explicit() {
            return Err(TxError::NoActiveTx.into());
        }
        let expr = self.condition_of(x, cond)?;
        Self::known_vars(x, &expr)?;
        let name = self.settle(x, name);
        let name = if name == NOTHING { None } else { Some(self.text_arg(x, name)?) };
        let place = Self::place_of(code, x);
        let certain = x.certain();
        x.tx.require(Asserted { expr, name, place }, certain);
        Ok(Did::Value(NOTHING))
    }

    /// prefer: a soft requirement.
    pub(super) fn prefer(&mut self, x: &mut Exec, cond: Value, weight: Value) -> Result<Did, Fault> {
        if !x.tx.explicit() {
            return Err(TxError::NoActiveTx.into());
        }
        let weight = self.number_arg(x, weight)?;
        let Some(weight) = i64::try_from(weight).ok().filter(|weight| *weight > 0) else {
            return Err(arithmetic("prefer needs a weight from 1"));
        };
        let expr = self.condition_of(x, cond)?;
        Self::known_vars(x, &expr)?;
        x.tx.prefers.push(Soft { expr, weight });
        Ok(Did::Value(NOTHING))
    }

    fn run_of(x: &Exec, left_early: bool) -> Run {
        Run {
            choices: x.tx.choices.clone(),
            path: x.tx.path.clone(),
            requires: x.tx.requires.clone(),
            required_at: x.tx.required_at.clone(),
            prefers: x.tx.prefers.clone(),
            fd: Self::fd_part(x),
            msc: x.tx.orders.iter().filter_map(|order| order.shown.clone()).collect(),
            left_early,
        }
    }

    /// Whether the run of all first options is valid as it stands, so that nobody has to be asked.
    fn plainly_valid(x: &Exec) -> bool {
        let plain = |expr: &Expr| *expr == Expr::Const(Val::Bool(true));
        x.exploring.is_none()
            && x.tx.prefers.is_empty()
            && x.tx.standing.now.is_empty()
            && x.tx.choices.iter().all(|choice| choice.weights.is_none())
            && x.tx.requires.iter().all(|asserted| plain(&asserted.expr))
    }

    /// The outermost commit has choices to decide. None: the run is the observable one and may be applied.
    pub(super) fn explore_commit(&mut self, code: &Code, x: &mut Exec) -> Result<Option<Committed>, Fault> {
        if Self::plainly_valid(x) && !self.may_weigh(code, x) {
            return Ok(None);
        }
        if let Some(flow) = self.explore(code, x, false)? {
            return Ok(Some(Committed::Later(flow)));
        }
        match x.exploring.as_ref().map(|exploring| &exploring.phase) {
            Some(Phase::Final(Verdict::None { core, beside, cut })) => {
                let first = core.iter().filter_map(|at| Self::core_member(x, *at));
                let other = |one: &Asserted| (asserted_name(one, x.tx.requires.len()), shown_place(one.place.as_ref()));
                let more = cut.then(|| ("others".to_owned(), String::new()));
                let (names, places) = first.chain(beside.iter().map(other)).chain(more).unzip();
                Ok(Some(Committed::No(Refused::Unsatisfiable { core: core.clone(), names, places })))
            }
            Some(Phase::Final(Verdict::Unknown(reason))) => Err(ProgramError::SolverUnknown(reason.clone()).into()),
            Some(Phase::Final(Verdict::Observable(_))) => {
                Err(ProgramError::SolverUnknown("the observable run did not leave where it had left".to_owned()).into())
            }
            _ => {
                self.fix_vars(x)?;
                Ok(None)
            }
        }
    }

    /// The outermost transaction is left by error, abort or the end of the program. None: that is the observable run.
    pub(super) fn leave_early(&mut self, code: &Code, x: &mut Exec) -> Result<Option<Flow>, Fault> {
        if !x.tx.orders.is_empty() {
            self.state_orders(x);
        }
        let all_true = x.tx.requires.iter().all(|asserted| asserted.expr == Expr::Const(Val::Bool(true)));
        if x.exploring.is_none() && all_true && Self::plainly_valid(x) {
            return Ok(None);
        }
        let flow = self.explore(code, x, true)?;
        if flow.is_none()
            && let Some(Phase::Final(Verdict::Unknown(reason))) = x.exploring.as_ref().map(|exploring| &exploring.phase)
        {
            return Err(ProgramError::SolverUnknown(reason.clone()).into());
        }
        Ok(flow)
    }

    /// Goes on with the search at the end of a run. None: this run is the observable one.
    fn explore(&mut self, code: &Code, x: &mut Exec, left_early: bool) -> Result<Option<Flow>, Fault> {
        let running = x.exploring.as_ref().is_none_or(|exploring| matches!(exploring.phase, Phase::Running));
        if running {
            // The search keeps what it is told.
            let bytes = x.tx.run_bytes() + x.term_bytes();
            self.heap.room(bytes)?;
            x.tx.explored += bytes;
        }
        let Some(mut exploring) = x.exploring.take() else {
            let first = Self::run_of(x, left_early);
            // A run beside this one may be the one that states a preference.
            let objective = if self.may_weigh(code, x) { Objective::MaxWeight } else { Objective::LexFirst };
            let explorer = Explorer::new(first, objective).with_max_runs(self.config.runs);
            let exploring = Box::new(Exploring { explorer, phase: Phase::Running, vars: BTreeMap::new() });
            return Ok(match x.known.front().filter(|_| !left_early).map(verdict_of) {
                Some(verdict) => self.conclude(code, x, exploring, verdict),
                None => self.explore_on(code, x, exploring),
            });
        };
        match std::mem::replace(&mut exploring.phase, Phase::Running) {
            Phase::Running => exploring.explorer.ran(Self::run_of(x, left_early)),
            Phase::Answered(outcome) => exploring.explorer.solved(outcome),
            Phase::Asked => {
                exploring.phase = Phase::Asked;
                x.exploring = Some(exploring);
                return Ok(Some(Self::park(x, Why::Solving)));
            }
            Phase::Final(verdict) => {
                exploring.phase = Phase::Final(verdict);
                x.exploring = Some(exploring);
                return Ok(None);
            }
        }
        Ok(self.explore_on(code, x, exploring))
    }

    fn explore_on(&mut self, code: &Code, x: &mut Exec, mut exploring: Box<Exploring>) -> Option<Flow> {
        match exploring.explorer.next() {
            Next::Solve(ir) => {
                let limits = self.config.solver;
                self.outputs.push(Output::Solve { execution: x.id, ir: Box::new(ir), limits });
                exploring.phase = Phase::Asked;
                x.exploring = Some(exploring);
                Some(Self::park(x, Why::Solving))
            }
            Next::Run(plan) => {
                exploring.phase = Phase::Running;
                x.exploring = Some(exploring);
                Some(self.run_again(code, x, plan, BTreeMap::new()))
            }
            Next::Done(verdict) => self.conclude(code, x, exploring, verdict),
        }
    }

    /// The search has ended: the run on its way is the observable one, or is made once more.
    fn conclude(&mut self, code: &Code, x: &mut Exec, mut exploring: Box<Exploring>, verdict: Verdict) -> Option<Flow> {
        let mut otherwise = false;
        if let Verdict::First(answer) | Verdict::Observable(answer) = &verdict {
            exploring.vars.clone_from(&answer.vars);
            otherwise = Self::stands_otherwise(x, &answer.vars);
        }
        let same = || otherwise.then(|| exploring.explorer.current().to_vec());
        let rerun = exploring.explorer.rerun(&verdict).or_else(same);
        let vars = exploring.vars.clone();
        exploring.phase = Phase::Final(verdict);
        x.exploring = Some(exploring);
        rerun.map(|plan| self.run_again(code, x, plan, vars))
    }

    /// Back to the base, with these options and values of variables.
    fn run_again(&mut self, code: &Code, x: &mut Exec, plan: Vec<u32>, vars: BTreeMap<VarId, Val>) -> Flow {
        let Some(base) = x.base.take() else {
            // Without choices there is one run only.
            return Flow::Next;
        };
        x.drop_points(&mut self.heap, 0);
        let back = x.tx.undo(&mut self.heap, &base.mark);
        self.put_back(x, back);
        x.tx.begun.clone_from(&base.begun);
        x.tx.choices.clear();
        x.tx.path.clear();
        x.tx.weight = 0;
        x.tx.plan = plan;
        x.tx.standing.begin(vars);
        x.tx.orders.iter_mut().for_each(|order| order.shown = None);
        self.drop_staged(x, base.staged);
        x.tx.ids_used = base.ids;
        x.trace.rewind(&mut self.heap, base.trace);
        x.finished_rewind(base.finished);
        x.random = base.random;
        x.pures = 0;
        x.restore(code, &mut self.heap, &base.checkpoint);
        match (&mut x.fd, &base.mark.fd) {
            (Some(fd), Some(mark)) => {
                fd.undo_to(mark);
            }
            _ => x.fd = None,
        }
        x.terms.clear();
        if let Some(segments) = &mut x.segments {
            let dropped = segments.go_back(base.segments);
            dropped.into_iter().for_each(|value| self.heap.release(value));
        }
        x.base = Some(base);
        Flow::Next
    }
}
