//! Variables whose values stand in requirements (`decisions:AVM-20`): `valueOf` gives a value that is decided at the outermost commit,
//! after the choices. It goes through arithmetic, comparisons and lists as the value of a choice does, but the way of the program
//! cannot go by it: that is an error of its own, for a variable that is to be looked at is labelled.
//!
//! In the runs of the search such a value is the first that is left of the domain. When the best resolution wants another the
//! transaction runs once more with what it wants; so the observable run has seen the values that were decided on.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::convert::from_val;
use super::exec::{Exec, Fault, Posted, Term};
use super::loaded::Code;
use super::word::{Node, T_VAR, VARIABLE, Value};
use super::world::{Did, World};
use crate::error::{FdError, NondetError, ProgramError, TxError};
use crate::fd::Constraint;
use crate::id::VarId;
use crate::nondet::{Asserted, Expr, FdPart};
use crate::value::{Kind, Val};

/// What a requirement is called that an operation states for itself.
const DEFINED: &str = "an operation on variables has a result";

/// Variables of a transaction whose values were asked for.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Their values in this run.
    pub(super) now: BTreeMap<VarId, Val>,
    /// What they are to be in this run; without: the first value left.
    pub(super) plan: BTreeMap<VarId, Val>,
    /// An operation of this run had no result, and something stands in its place: the run cannot be the observable one.
    pub(super) guessed: bool,
    /// The newest requirement was stated by an operation: its place is still to be put in.
    unplaced: bool,
    /// The variable by whose value the program wanted to go.
    read: Option<VarId>,
}

impl Standing {
    pub(super) const fn new() -> Self {
        Self { now: BTreeMap::new(), plan: BTreeMap::new(), guessed: false, unplaced: false, read: None }
    }

    /// Nothing was asked for; what was decided is `plan`.
    pub(super) fn begin(&mut self, plan: BTreeMap<VarId, Val>) {
        *self = Self { plan, ..Self::new() };
    }
}

/// Keeps the places of those constraints that are left, in their order.
pub(super) fn keep_places(places: &mut Vec<Posted>, before: &[Constraint], left: &[Constraint]) {
    let mut old = before.iter().zip(std::mem::take(places));
    places.extend(left.iter().map(|constraint| old.find(|(had, _)| *had == constraint).and_then(|(_, place)| place)));
}

impl World {
    /// valueOf: the value with every variable in it as its value (ours, `decisions:AVM-20`).
    pub(super) fn value_of(&mut self, code: &Code, x: &mut Exec, value: Value) -> Result<Did, Fault> {
        if value.flags() & VARIABLE == 0 {
            return Ok(Did::Value(self.heap.retain(value)));
        }
        if x.tx.explicit() {
            self.need_base(code, x);
        }
        Ok(Did::Value(self.with_values(x, value)?))
    }

    fn with_values(&mut self, x: &mut Exec, value: Value) -> Result<Value, Fault> {
        if value.tag() == T_VAR {
            return self.standing_value(x, VarId(value.bits32()));
        }
        if value.flags() & VARIABLE == 0 || value.is_node(Node::Closure) {
            return Ok(self.heap.retain(value));
        }
        if value.is_deferred() {
            // Which variable it is depends on choices.
            let now = self.settle(x, value);
            return self.with_values(x, now);
        }
        let children: Vec<Value> = self.heap.children(value).collect();
        let mut made = Vec::with_capacity(children.len());
        for child in children {
            match self.with_values(x, child) {
                Ok(child) => made.push(child),
                Err(fault) => {
                    made.into_iter().for_each(|child| self.heap.release(child));
                    return Err(fault);
                }
            }
        }
        Ok(self.heap.node_of(value.node_kind(), &made)?)
    }

    fn standing_value(&mut self, x: &mut Exec, var: VarId) -> Result<Value, Fault> {
        let fd = self.fd(x)?;
        if !fd.known(var) {
            return Err(FdError::UnknownVar(var).into());
        }
        if let Some(value) = fd.value(var).cloned() {
            return Ok(from_val(&mut self.heap, &mut self.names, &value)?);
        }
        let (mut kinds, mut low, mut high) = (None, i128::MAX, i128::MIN);
        let mut one_kind = true;
        let (mut first, mut planned) = (None, None);
        let plan = x.tx.standing.plan.get(&var).cloned();
        let Some(fd) = &x.fd else { return Err(FdError::UnknownVar(var).into()) };
        for value in fd.domain(var) {
            one_kind &= kinds.is_none_or(|kind| kind == value.kind());
            kinds = Some(value.kind());
            if let Val::Int(number) = value {
                (low, high) = (low.min(*number), high.max(*number));
            }
            first = first.or_else(|| Some(value.clone()));
            planned = planned.or_else(|| plan.as_ref().filter(|plan| *plan == value).cloned());
        }
        if !x.tx.explicit() {
            return Err(TxError::NoActiveTx.into());
        }
        if !self.config.choices {
            let what = "values that are decided at commit are switched off here";
            return Err(NondetError::NotImplemented(what.to_owned()).into());
        }
        let found = planned.or(first).unwrap_or(Val::Nothing);
        let now = x.tx.standing.now.entry(var).or_insert(found).clone();
        let now = from_val(&mut self.heap, &mut self.names, &now)?;
        let kind = kinds.filter(|_| one_kind);
        let (low, high) = if kind == Some(Kind::Int) { (low, high) } else { (0, 0) };
        self.defer(x, now, Term { expr: Expr::var(var.0), kind, low, high, open: true })
    }

    /// States that a condition must hold for an operation to have a result: on the path of the run, or where it depends on variables
    /// as a requirement, for the way of the run does not go by them (`decisions:AVM-4`).
    pub(super) fn guard(x: &mut Exec, expr: &Arc<Expr>, open: bool) {
        if !open {
            return Self::condition(x, expr);
        }
        let again = x.tx.requires.last().is_some_and(|last| last.expr == **expr);
        if !again && !matches!(&**expr, Expr::Const(Val::Bool(true))) {
            let (expr, name) = (Expr::clone(expr), Some(Arc::from(DEFINED)));
            let certain = x.certain();
            x.tx.require(Asserted { expr, name, place: None }, certain);
            x.tx.standing.unplaced = true;
        }
    }

    /// Whether something stands for a result that an operation on variables does not have under the values of this run: not when
    /// these are the values that were decided on.
    pub(super) fn guess(x: &mut Exec, open: bool) -> bool {
        let guesses = open && !x.exploring.as_ref().is_some_and(|exploring| exploring.is_resolved());
        x.tx.standing.guessed |= guesses;
        guesses
    }

    /// The program goes by the value of a term with variables: they are not decided.
    #[cold]
    pub(super) fn goes_by(x: &mut Exec, term: &Term) {
        x.tx.standing.read = x.tx.standing.read.or_else(|| term.expr.vars().first().copied());
    }

    /// Whether the program went by a value that is decided at commit.
    pub(super) fn undecided_way(x: &mut Exec) -> Result<(), Fault> {
        match x.tx.standing.read.take() {
            None => Ok(()),
            Some(var) => {
                let what = format!("going by the value of v{}, which is decided at commit (label it before),", var.0);
                Err(TxError::InvalidDuringTx(what).into())
            }
        }
    }

    /// After an operation: what it stated gets its place, and the program has not gone by what is not decided.
    #[inline]
    pub(super) fn settle_standing(code: &Code, x: &mut Exec) -> Result<(), Fault> {
        if x.tx.standing.unplaced {
            x.tx.standing.unplaced = false;
            let place = Self::place_of(code, x);
            let stated = x.tx.requires.iter_mut().rev().take_while(|one| one.place.is_none());
            stated.filter(|one| one.name.as_deref() == Some(DEFINED)).for_each(|one| one.place.clone_from(&place));
        }
        Self::undecided_way(x)
    }

    /// A requirement or a wish speaks of variables that there are.
    pub(super) fn known_vars(x: &Exec, expr: &Expr) -> Result<(), Fault> {
        if x.tx.standing.now.is_empty() {
            return Ok(());
        }
        let known = |var: &VarId| x.fd.as_ref().is_some_and(|fd| fd.known(*var));
        match expr.vars().into_iter().find(|var| !known(var)) {
            None => Ok(()),
            Some(var) => Err(FdError::UnknownVar(var).into()),
        }
    }

    /// The variables that stand in the transaction, and all that is tied to them.
    pub(super) fn fd_part(x: &Exec) -> FdPart {
        let Some(fd) = x.fd.as_ref().filter(|_| !x.tx.standing.now.is_empty()) else { return FdPart::default() };
        let part = fd.part(x.tx.standing.now.keys().copied());
        let constraint = |number: &u32| fd.constraints()[*number as usize].clone();
        let place = |number: &u32| x.posted.get(*number as usize).cloned().flatten();
        FdPart {
            vars: part.vars,
            constraints: part.constraints.iter().map(constraint).collect(),
            places: part.constraints.iter().map(place).collect(),
            refutations: part.refutations,
        }
    }

    /// Whether a run with these values would be another than the present one.
    pub(super) fn stands_otherwise(x: &Exec, vars: &BTreeMap<VarId, Val>) -> bool {
        let differs = |(var, now): (&VarId, &Val)| vars.get(var).is_some_and(|value| value != now);
        x.tx.standing.guessed || x.tx.standing.now.iter().any(differs)
    }

    /// The run commits: its variables get the values that were decided on.
    pub(super) fn fix_vars(&mut self, x: &mut Exec) -> Result<(), Fault> {
        let vars = x.exploring.as_ref().map(|exploring| exploring.vars().clone()).unwrap_or_default();
        for (var, value) in vars {
            let Some(fd) = x.fd.as_mut().filter(|fd| fd.known(var)) else { continue };
            match fd.try_assign(var, &value) {
                Ok(changed) => self.log_narrowed(x, &changed, None),
                Err(_) => {
                    let what = format!("the value {value} that was decided on does not fit v{}", var.0);
                    return Err(ProgramError::SolverUnknown(what).into());
                }
            }
        }
        Ok(())
    }

    /// Values decided on, ascending by variable.
    pub(super) fn witness(x: &Exec) -> Vec<(VarId, Val)> {
        let vars = x.exploring.as_ref().map(|exploring| exploring.vars());
        vars.into_iter().flatten().map(|(var, value)| (*var, value.clone())).collect()
    }

    /// What a member of a core is called, and where it stands: a requirement, or a constraint.
    pub(super) fn core_member(x: &Exec, at: u32) -> Option<(String, String)> {
        use super::choose::{asserted_name, shown_place};
        let requires = &x.tx.requires;
        if let Some(asserted) = requires.get(at as usize) {
            return Some((asserted_name(asserted, at as usize), shown_place(asserted.place.as_ref())));
        }
        let part = Self::fd_part(x);
        let at = at as usize - requires.len();
        let place = part.places.get(at).and_then(Option::as_ref);
        Some((format!("post {}", part.constraints.get(at)?), shown_place(place)))
    }
}
