//! Finite domains inside the machine: the instructions, choice points of `label`, dead ends, refutations (`avm:8`).

use super::convert::{from_val, kind};
use super::exec::{Checkpoint, Exec, Fault, type_error};
use super::heap::Heap;
use super::loaded::Code;
use super::trace::What;
use super::tx::{Begun, Mark, Mode};
use super::word::{NOTHING, Node, T_VAR, Value};
use super::world::{Did, Flow, World};
use crate::error::{FdError, ProgramError, ReifyError};
use crate::event::{Event, FailedOn, TraceLevel};
use crate::fd::{self, Constraint, Label, Refusal, Store};
use crate::id::VarId;
use crate::value::Val;

/// A `label` with values left: where to go back to (`avm:8.3`).
#[derive(Debug)]
pub(super) struct Point {
    pub(super) checkpoint: Checkpoint,
    /// Transactions open around it; less when inner ones have committed.
    pub(super) depth: usize,
    mark: Mark,
    begun: Vec<Begun>,
    label: Label,
    dst: u8,
    bytes: u64,
}

impl Exec {
    fn push_point(&mut self, point: Point) {
        self.point_bytes += point.bytes;
        self.points.push(point);
    }

    fn pop_point(&mut self) -> Option<Point> {
        let point = self.points.pop()?;
        self.point_bytes -= point.bytes;
        Some(point)
    }

    /// Choice points of transactions deeper than `depth` are gone; none is at depth 0.
    pub(super) fn drop_points(&mut self, heap: &mut Heap, depth: usize) {
        while self.points.last().is_some_and(|point| point.depth > depth) {
            if let Some(point) = self.pop_point() {
                Self::discard(heap, point.checkpoint);
            }
        }
    }
}

/// Values and constraints that an explanation names.
const EXPLAINED: usize = 8;
/// Variables and constraints of one execution.
const LIMITS: fn() -> fd::Limits = fd::Limits::default;

/// Memory of a label, bytes.
fn label_bytes(label: &Label) -> u64 {
    size_of::<Label>() as u64 + size_of::<Val>() as u64 * label.held() as u64
}

fn refused(refusal: Refusal, var: VarId) -> Fault {
    match refusal {
        Refusal::UnknownVar(var) => FdError::UnknownVar(var).into(),
        Refusal::EmptyDomain | Refusal::Inconsistent(_) => FdError::EmptyDomain(var, String::new()).into(),
        Refusal::Limit(fd::Limit::Arithmetic) => ProgramError::Arithmetic(fd::Limit::Arithmetic.to_string()).into(),
        Refusal::Limit(fd::Limit::Refutations) => ProgramError::Memory(u64::from(LIMITS().refutations)).into(),
        Refusal::Limit(_) => ProgramError::Memory(u64::from(LIMITS().values)).into(),
        Refusal::Malformed(text) => ProgramError::Type(text).into(),
    }
}

impl World {
    /// The store of an execution; made when it is first asked for.
    pub(super) fn fd<'a>(&self, x: &'a mut Exec) -> Result<&'a mut Store, Fault> {
        if !self.config.fd {
            return Err(FdError::NotImplemented("finite domains are switched off here".to_owned()).into());
        }
        Ok(x.fd.get_or_insert_with(|| Box::new(Store::new(LIMITS()))))
    }

    fn var_arg(&mut self, x: &mut Exec, value: Value) -> Result<VarId, Fault> {
        let value = self.settle(x, value);
        if value.tag() != T_VAR {
            return Err(type_error("a variable", kind(&self.heap, value)));
        }
        let var = VarId(value.bits32());
        if self.fd(x)?.known(var) { Ok(var) } else { Err(FdError::UnknownVar(var).into()) }
    }

    /// Values of a list, as owned ones.
    fn vals_arg(&mut self, x: &mut Exec, list: Value) -> Result<Vec<Val>, Fault> {
        let plain = self.settle_deep(x, list)?;
        self.room_for(plain)?;
        let vals = if plain.is_list() {
            Ok(self.heap.children(plain).map(|value| self.val(value)).collect())
        } else {
            Err(type_error("a list", kind(&self.heap, plain)))
        };
        self.heap.release(plain);
        vals
    }

    /// Whether the quota has room for a value beside the heap; gives it back when it has not.
    fn room_for(&mut self, plain: Value) -> Result<(), Fault> {
        let room = self.heap.room(size_of::<Val>() as u64 * u64::from(self.heap.size(plain)));
        if room.is_err() {
            self.heap.release(plain);
        }
        Ok(room?)
    }

    /// Does something to the store and charges what that takes.
    fn charged<T>(&mut self, x: &mut Exec, change: impl FnOnce(&mut Store) -> T) -> Result<T, Fault> {
        let fd = self.fd(x)?;
        let before = fd.bytes();
        let done = change(fd);
        let more = fd.bytes().saturating_sub(before);
        self.heap.charge(more)?;
        Ok(done)
    }

    fn extended(x: &Exec) -> bool {
        x.trace.level == TraceLevel::Extended
    }

    /// newVar (`avm:8.2`).
    pub(super) fn new_var(&mut self, x: &mut Exec, domain: Value) -> Result<Did, Fault> {
        let vals = self.vals_arg(x, domain)?;
        let next = self.fd(x)?.next_var();
        let made = self.charged(x, |fd| fd.new_var(&vals))?;
        let var = made.map_err(|refusal| refused(refusal, next))?;
        if Self::extended(x) {
            let domain = Self::domain(x, var);
            self.log_wide(x, || Event::VarCreated(var, domain));
        }
        Ok(Did::Value(Value::word32(T_VAR, var.0)))
    }

    fn domain(x: &Exec, var: VarId) -> Vec<Val> {
        x.fd.as_ref().map(|fd| fd.domain(var).cloned().collect()).unwrap_or_default()
    }

    pub(super) fn log_narrowed(&mut self, x: &mut Exec, changed: &[VarId], but: Option<VarId>) {
        if !Self::extended(x) {
            return;
        }
        for var in changed.iter().copied().filter(|var| Some(*var) != but) {
            let domain = Self::domain(x, var);
            self.log_wide(x, || Event::DomainNarrowed(var, domain));
        }
    }

    fn log_failure(&mut self, x: &mut Exec, on: FailedOn) {
        if Self::extended(x) {
            self.log_wide(x, || Event::ConstraintFailure(on));
        }
    }

    /// narrow (`avm:8.2`).
    pub(super) fn narrow(&mut self, x: &mut Exec, var: Value, domain: Value) -> Result<Did, Fault> {
        let var = self.var_arg(x, var)?;
        let vals = self.vals_arg(x, domain)?;
        let done = self.charged(x, |fd| fd.narrow(var, &vals))?;
        self.narrowed(x, done, var, FailedOn::Var(var), |_, _| {})
    }

    /// post (`avm:8.2`).
    pub(super) fn post(&mut self, code: &Code, x: &mut Exec, constraint: Value) -> Result<Did, Fault> {
        let plain = self.settle_deep(x, constraint)?;
        self.room_for(plain)?;
        let val = self.val(plain);
        self.heap.release(plain);
        let constraint = Constraint::from_val(&val).map_err(ProgramError::Type)?;
        let first = constraint.vars().first().copied().unwrap_or(VarId(0));
        let posted = constraint.clone();
        let done = self.charged(x, |fd| fd.post(posted))?;
        self.narrowed(x, done, first, FailedOn::Constraint(constraint.clone()), |world, x| {
            let place = Self::place_of(code, x);
            let at = x.fd.as_ref().map_or(0, |fd| fd.constraints().len().saturating_sub(1));
            x.posted.resize(at, None);
            x.posted.push(place);
            if Self::extended(x) {
                world.log_wide(x, || Event::ConstraintPosted(constraint));
            }
        })
    }

    fn narrowed(
        &mut self,
        x: &mut Exec,
        done: Result<fd::Changes, Refusal>,
        var: VarId,
        on: FailedOn,
        posted: impl FnOnce(&mut Self, &mut Exec),
    ) -> Result<Did, Fault> {
        match done {
            Ok(changed) => {
                posted(self, x);
                self.log_narrowed(x, &changed, None);
                Ok(Did::Value(Value::bool(true)))
            }
            Err(Refusal::Inconsistent(_)) => {
                self.log_failure(x, on);
                Ok(Did::Value(Value::bool(false)))
            }
            Err(refusal) => Err(refused(refusal, var)),
        }
    }

    /// What is left of a domain.
    pub(super) fn domain_of(&mut self, x: &mut Exec, var: Value) -> Result<Did, Fault> {
        let var = self.var_arg(x, var)?;
        let domain = Val::List(Self::domain(x, var));
        Ok(Did::Value(from_val(&mut self.heap, &mut self.names, &domain)?))
    }

    /// label (`avm:8.3`).
    pub(super) fn label(&mut self, code: &Code, x: &mut Exec, var: Value, dst: u8) -> Result<Did, Fault> {
        let var = self.var_arg(x, var)?;
        if x.tx.mode == Mode::Explicit {
            self.need_base(code, x);
        }
        Self::remembers_refutations(x)?;
        let fd = self.fd(x)?;
        let before = fd.mark();
        let mut label = fd.label(var).map_err(|refusal| refused(refusal, var))?;
        let Some(changed) = fd.label_next(&mut label) else {
            self.log_failure(x, FailedOn::Var(var));
            if x.tx.mode == Mode::Explicit {
                return self.dead_end(code, x, var);
            }
            return Err(FdError::EmptyDomain(var, Self::why_empty(x, var)).into());
        };
        if x.tx.mode == Mode::Explicit && label.has_more() {
            let pc = x.frame().pc;
            let begun = x.tx.begun.clone();
            let mark = x.tx.mark(Some(before));
            let checkpoint = x.checkpoint(code, &mut self.heap, pc);
            let depth = begun.len();
            let decided: u64 = begun.iter().flat_map(|begun| &begun.decisions).map(label_bytes).sum();
            let bytes = Exec::checkpoint_bytes(&checkpoint) + decided + label_bytes(&label);
            x.push_point(Point { checkpoint, depth, mark, begun, label: label.clone(), dst, bytes });
            self.heap.charge(bytes)?;
        }
        Ok(Did::Value(self.labeled(x, label, &changed)?))
    }

    /// The value of a label that went well.
    fn labeled(&mut self, x: &mut Exec, label: Label, changed: &[VarId]) -> Result<Value, Fault> {
        let var = label.var();
        let val = label.value().cloned().unwrap_or(Val::Nothing);
        if Self::extended(x) {
            let logged = val.clone();
            self.log_wide(x, || Event::Labeled(var, logged));
            self.log_narrowed(x, changed, Some(var));
        }
        let bytes = label_bytes(&label);
        if let Some(decisions) = x.innermost_decisions() {
            decisions.push(label);
            x.tx.labels += bytes;
            self.heap.charge(bytes)?;
        }
        Ok(from_val(&mut self.heap, &mut self.names, &val)?)
    }

    /// A label found no value: back to the latest choice point with values left (`avm:8.3`).
    fn dead_end(&mut self, code: &Code, x: &mut Exec, var: VarId) -> Result<Did, Fault> {
        let mut last = var;
        loop {
            let Some(mut point) = x.pop_point() else {
                return Err(FdError::EmptyDomain(last, Self::why_empty(x, last)).into());
            };
            if !point.label.has_more() {
                Exec::discard(&mut self.heap, point.checkpoint);
                continue;
            }
            self.go_back(code, x, &point);
            let changed = x.fd.as_mut().and_then(|fd| fd.label_next(&mut point.label));
            let Some(changed) = changed else {
                last = point.label.var();
                self.log_failure(x, FailedOn::Var(last));
                Exec::discard(&mut self.heap, point.checkpoint);
                continue;
            };
            let (label, dst) = (point.label.clone(), point.dst);
            if point.label.has_more() {
                x.push_point(point);
            } else {
                Exec::discard(&mut self.heap, point.checkpoint);
            }
            let value = self.labeled(x, label, &changed)?;
            x.set(&mut self.heap, dst, value);
            return Ok(Did::Switched);
        }
    }

    /// The constraints that leave a variable without a value, in words.
    fn why_empty(x: &mut Exec, var: VarId) -> String {
        let domain = Self::domain(x, var);
        let Some(fd) = &mut x.fd else { return String::new() };
        let mut words: Vec<String> = Vec::new();
        for value in domain.iter().take(EXPLAINED) {
            match fd.explain(&fd::Attempt::Assign(var, value)) {
                Some(explanation) => words.extend(explanation.names),
                None => words.push(format!("{value} is refuted")),
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        words.retain(|word| seen.insert(word.clone()));
        words.truncate(EXPLAINED);
        words.join(", ")
    }

    /// Everything but trace, event counter and ids is as it was at the point.
    fn go_back(&mut self, code: &Code, x: &mut Exec, point: &Point) {
        for at in (0..x.tx.begun.len()).rev() {
            let id = x.tx.begun[at].id;
            if !point.begun.iter().any(|begun| begun.id == id) {
                self.log(x, What::Aborted, id.0, NOTHING, NOTHING);
                x.finish(id, false);
            }
        }
        let back = x.tx.undo(&mut self.heap, &point.mark);
        self.put_back(x, back);
        x.tx.begun.clone_from(&point.begun);
        x.restore(code, &mut self.heap, &point.checkpoint);
        if let (Some(fd), Some(mark)) = (&mut x.fd, &point.mark.fd) {
            let next = fd.next_var();
            fd.undo_to(mark);
            fd.skip_ids(next);
        }
    }

    /// What an aborted transaction refutes in the scope around it (`avm:8.4`).
    pub(super) fn refute(x: &mut Exec, decisions: &[Label]) {
        if let Some(fd) = &mut x.fd
            && !decisions.is_empty()
        {
            x.refutations_full |= fd.refute_frame(decisions).is_err();
        }
    }

    /// Fails when the store could not remember which ways were tried: who goes on might walk the same ones for ever.
    pub(super) fn remembers_refutations(x: &Exec) -> Result<(), Fault> {
        if x.refutations_full { Err(refused(Refusal::Limit(fd::Limit::Refutations), VarId(0))) } else { Ok(()) }
    }

    /// reifyConstraints (`avm:4.4`).
    pub(super) fn reify_constraints(&mut self, x: &mut Exec) -> Result<Did, Fault> {
        if !self.config.fd {
            return Err(ReifyError::ConstraintStoreUnavailable.into());
        }
        let (vars, constraints) = match &x.fd {
            Some(fd) => (fd.vars().to_vec(), fd.constraints().len()),
            None => (Vec::new(), 0),
        };
        let rows = vars.iter().map(|var| Val::pair(Val::Var(*var), Val::List(Self::domain(x, *var)))).collect();
        let rows = from_val(&mut self.heap, &mut self.names, &Val::List(rows))?;
        let count = self.heap.number(constraints as i128)?;
        Ok(Did::Value(self.heap.node_of(Node::Pair, &[rows, count])?))
    }

    /// solve and solveAll: a search of bounded steps, taken up again in every quantum.
    pub(super) fn solve(&mut self, x: &mut Exec, vars: Value, most: Value, first: bool) -> Result<Did, Fault> {
        use super::native::Native;
        if !matches!(x.natives.last(), Some(Native::Search(searching)) if searching.depth == x.frames.len()) {
            let searching = self.new_search(x, vars, most, first)?;
            x.natives.push(Native::Search(Box::new(searching)));
        }
        let Some(Native::Search(mut searching)) = x.natives.pop() else { return Ok(Did::Value(NOTHING)) };
        let steps = u64::from(x.left / 4).max(16);
        let room = self.heap.left();
        let fd = self.fd(x)?;
        let done = searching.go_on(fd, steps, room)?;
        x.left /= 2;
        match done {
            None => {
                x.natives.push(Native::Search(searching));
                if let Some(frame) = x.frames.last_mut() {
                    frame.pc -= 1;
                }
                x.left = 0;
                Ok(Did::Flow(Flow::Yield))
            }
            Some(val) => Ok(Did::Value(from_val(&mut self.heap, &mut self.names, &val)?)),
        }
    }

    fn new_search(
        &mut self,
        x: &mut Exec,
        vars: Value,
        most: Value,
        first: bool,
    ) -> Result<super::search::Searching, Fault> {
        let mut all = Vec::new();
        for var in self.elements(x, vars)? {
            all.push(self.var_arg(x, var)?);
        }
        let most = self.settle(x, most);
        let most = if most == NOTHING { u64::MAX } else { u64::try_from(self.number_arg(x, most)?).unwrap_or(0) };
        let depth = x.frames.len();
        let fd = self.fd(x)?;
        super::search::Searching::new(fd, &all, if first { None } else { Some(most) }, depth)
            .map_err(|refusal| refused(refusal, VarId(0)))
    }
}
