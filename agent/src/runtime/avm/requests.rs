//! What may be asked of the AVM over the control socket, carried out ([`control::avm::ask`]).

use std::cmp::Ordering;
use std::time::{Duration, Instant};

use avm::Val;
use avm::event::TraceLevel;
use avm::id::{ExecutionId, ObjectId, TxId};
use avm::lang::Source;
use avm::trace;
use avm::vm::{Composition, Input, Segment, Start};
use control::api::{Refusal, RefusalKind};
use control::avm::{
    AvmReply, AvmRequest, ExecutionDetail, ExecutionSnapshot, ExecutionState, Listing, ObjectSnapshot, PAGE_ROWS,
    ProgramSnapshot, Query, StartRequest, TransactionSnapshot, ask,
};

use super::machine::{LaneMachine, Notes, Owner};
use super::manager::{Manager, Order, lock, may, refuse};
use super::quotas::Places;
use super::view::{self, Row, Stretch};
use super::{paging, parts};

/// How long a call or a composition is waited for; then its execution goes on by itself.
const WAIT: Duration = Duration::from_secs(4);
/// Between two looks at it.
const LOOK: Duration = Duration::from_micros(500);

/// Entries of a trace that one job copies.
const ENTRIES: usize = 1024;

/// Everything about one execution, from its torus.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) row: Row,
    pub(super) trace: Vec<avm::LogEntry>,
    pub(super) gap: u64,
    /// Timestamp from which on the trace is provisional.
    pub(super) decided: u64,
    pub(super) decisions: Vec<avm::vm::Decision>,
    pub(super) children: Vec<ExecutionId>,
    pub(super) notes: Notes,
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|error: T::Err| refuse(error.to_string()))
}

/// What was carried out failed: the program's own error and stack.
fn failed(failure: &avm::vm::Failure) -> Refusal {
    Refusal::new(view::failure_text(failure)).of(RefusalKind::Failed)
}

fn values(texts: &[String]) -> Result<Vec<Val>, Refusal> {
    texts.iter().map(|text| parse(text)).collect()
}

impl Manager {
    /// Carries out a request of a user.
    ///
    /// # Errors
    /// [`Refusal`] says what was wrong; nothing was changed then, unless it says so.
    pub fn request(&self, uid: u32, request: &AvmRequest) -> Result<AvmReply, Refusal> {
        match request {
            AvmRequest::Load { sources } => {
                let sources: Vec<Source> = sources.iter().map(|file| Source::new(&file.name, &file.text)).collect();
                self.load(&sources, Some(uid))?;
                self.programs()
            }
            AvmRequest::Programs {} => self.programs(),
            AvmRequest::Start(asked) => self.start_request(uid, asked),
            AvmRequest::Ps { query } => Ok(AvmReply::Executions(self.executions(query)?)),
            AvmRequest::Show { id } => self.show(id),
            AvmRequest::Suspend { id } => self.hold(uid, id, true),
            AvmRequest::Resume { id } => self.hold(uid, id, false),
            AvmRequest::Kill { id } => self.kill(uid, id),
            AvmRequest::Call { object, message, authority } => {
                self.about(uid, object, (super::helper::CALL, parse(message)?), authority.as_deref())
            }
            AvmRequest::Upgrade { object, behaviour, authority } => {
                self.about(uid, object, (super::helper::UPGRADE, Val::text(behaviour)), authority.as_deref())
            }
            AvmRequest::Send { object, message } => self.send(object, message),
            AvmRequest::Trace { id, from, count, object, event, since, width } => {
                if !event.is_empty() && !trace::Query::EVENTS.iter().any(|known| known.eq_ignore_ascii_case(event)) {
                    let known = trace::Query::EVENTS.join(", ");
                    return Err(refuse(format!("event is {event:?}, expected one of {known}")));
                }
                let query = trace::Query {
                    object: if object.is_empty() { None } else { Some(parse(object)?) },
                    event: Some(event.clone()).filter(|event| !event.is_empty()),
                    since: Some(*since).filter(|since| *since > 0),
                    ..trace::Query::default()
                };
                let count = if *count == 0 { PAGE_ROWS } else { (*count).min(PAGE_ROWS) } as usize;
                let stretch = Stretch { from: *from, count, query };
                self.trace(parse(id)?, &stretch, *width)
            }
            AvmRequest::Objects { query } => Ok(AvmReply::Objects(self.objects(query)?)),
            AvmRequest::Tx { query } => Ok(AvmReply::Transactions(self.transactions(query)?)),
            AvmRequest::Solver {} => self.solver(),
            AvmRequest::Constraints { id, smtlib } => self.constraints(id, *smtlib),
            AvmRequest::Compose { segments, parallel } => self.compose(uid, segments, *parallel),
        }
    }

    fn programs(&self) -> Result<AvmReply, Refusal> {
        let mut running: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
        for at in 0..self.leads.len() {
            for (module, alive) in self.census(at)?.alive {
                *running.entry(module.to_string()).or_default() += alive;
            }
        }
        Ok(AvmReply::Programs(self.program_rows(&running)))
    }

    pub(super) fn program_rows(&self, running: &std::collections::BTreeMap<String, u64>) -> Vec<ProgramSnapshot> {
        let programs = lock(&self.programs);
        let row = |(name, loaded): (&String, &super::loading::Loaded)| {
            let module = loaded.verified.module();
            ProgramSnapshot {
                name: name.clone(),
                hash: loaded.verified.hash().to_string(),
                entries: module.entries.iter().map(|entry| entry.name.to_string()).collect(),
                behaviours: module.behaviours.iter().map(|behaviour| behaviour.name.to_string()).collect(),
                loaded_unix_ns: loaded.loaded_unix_ns,
                executions: running.get(name).copied().unwrap_or(0),
                capability: module.needs_unsafe,
            }
        };
        programs.iter().map(row).collect()
    }

    fn start_request(&self, uid: u32, asked: &StartRequest) -> Result<AvmReply, Refusal> {
        let trace = match asked.trace.as_deref() {
            None => None,
            Some("off") => Some(TraceLevel::Off),
            Some("default") => Some(TraceLevel::Default),
            Some("extended") => Some(TraceLevel::Extended),
            Some(other) => return Err(refuse(format!("trace is {other:?}, expected off, default or extended"))),
        };
        if let Some(bytes) = asked.memory_bytes.filter(|bytes| *bytes > self.config.memory_bytes) {
            let most = self.config.memory_bytes;
            return Err(refuse(format!("memory is {bytes} bytes, expected at most {most}: avm.memory_mib")));
        }
        let start = Start {
            args: values(&asked.arguments)?,
            seed: asked.seed.unwrap_or_else(|| self.draw()),
            now_ns: self.unix_ns(),
            trace,
            fuel: asked.fuel,
            memory_bytes: asked.memory_bytes,
            authority: asked.authority.as_deref().map(Into::into),
            blocking: asked.blocking,
            parent: asked.parent.as_deref().map(parse).transpose()?,
            ..Start::new(&asked.program, &asked.entry)
        };
        let (torus, deadline_ticks) = (asked.torus.clone(), asked.deadline);
        let ids = self.order(&Order { start, count: asked.count, torus, owner: Some(uid), deadline_ticks })?;
        Ok(AvmReply::Started(ids.iter().take(PAGE_ROWS as usize).map(ToString::to_string).collect()))
    }

    pub(super) fn whole(&self, execution: ExecutionId) -> Result<(usize, Whole), Refusal> {
        let at = self.find(execution)?;
        let mut trace: Vec<avm::LogEntry> = Vec::new();
        loop {
            let from = trace.last().map_or(0, |last| last.timestamp + 1);
            let page = self.on(at, move |avm| avm.machine().lane.trace_page(execution, from, ENTRIES))?;
            let full = page.len() == ENTRIES;
            trace.extend(page);
            if !full {
                break;
            }
        }
        let whole = self.on(at, move |avm| {
            let machine = avm.machine();
            Some(Whole {
                row: paging::row(machine, machine.lane.summary(execution)?),
                trace,
                gap: machine.lane.trace_gap(execution),
                decided: machine.lane.trace_decided(execution),
                decisions: machine.lane.decisions(execution),
                children: machine.lane.children(execution),
                notes: machine.notes(execution),
            })
        })?;
        let gone = || refuse(format!("execution {execution} moves between tori; try again"));
        whole.map(|whole| (at, whole)).ok_or_else(gone)
    }

    fn show(&self, id: &str) -> Result<AvmReply, Refusal> {
        match id.chars().next() {
            Some('x') => Ok(AvmReply::Execution(Box::new(self.show_execution(parse(id)?)?))),
            Some('o') => Ok(AvmReply::Object(Box::new(self.show_object(parse(id)?)?))),
            Some('t') => Ok(AvmReply::Transaction(Box::new(self.show_transaction(parse(id)?)?))),
            _ => Err(refuse(format!("{id:?} is no id: an execution is x7, an object o3, a transaction t4"))),
        }
    }

    fn show_execution(&self, execution: ExecutionId) -> Result<ExecutionDetail, Refusal> {
        let (at, whole) = self.whole(execution)?;
        let (result, error, stack) = match &whole.row.result {
            None => Default::default(),
            Some(Ok(value)) => (value.to_string(), String::new(), Vec::new()),
            Some(Err(failure)) => (String::new(), view::failure_text(failure), view::frames(failure)),
        };
        Ok(ExecutionDetail {
            row: self.execution_row(&whole.row, at),
            arguments: whole.row.info.arguments.clone(),
            result,
            error,
            stack,
            children: whole.children.iter().map(ToString::to_string).collect(),
            seed: whole.row.info.seed,
            deadline_ticks: whole.row.info.deadline_ticks,
            trace_hash: trace::trace_hash(&whole.trace, whole.gap).semantic.to_string(),
            trace_level: view::level(whole.row.summary.trace).to_owned(),
            moved: whole.row.info.moved.iter().cloned().collect(),
            notes: whole.notes.last.into(),
            notes_total: whole.notes.total,
        })
    }

    /// Has the torus of an execution do something with it that its owner may.
    fn as_owner(
        &self,
        uid: u32,
        execution: ExecutionId,
        what: impl Fn(&mut LaneMachine) -> bool + Send + 'static,
    ) -> Result<bool, Refusal> {
        let (at, own_uid) = (self.find(execution)?, self.own_uid);
        let done = self.on(at, move |avm| {
            let machine = avm.machine_mut();
            match machine.info.get(&execution) {
                Some(info) if !may(uid, info.owner, own_uid) => Err(info.owner.unwrap_or(own_uid)),
                _ => Ok(what(machine)),
            }
        })?;
        done.map_err(|owner| {
            refuse(format!("{execution} belongs to user {owner}: only that user and root suspend, resume or kill it"))
        })
    }

    fn hold(&self, uid: u32, id: &str, hold: bool) -> Result<AvmReply, Refusal> {
        let execution: ExecutionId = parse(id)?;
        let done = self.as_owner(uid, execution, move |machine| {
            if hold { machine.lane.suspend(execution) } else { machine.lane.resume(execution) }
        })?;
        match (done, hold) {
            (true, true) => Ok(AvmReply::Done(format!("{execution} is held at the end of its instruction"))),
            (true, false) => Ok(AvmReply::Done(format!("{execution} goes on"))),
            (false, true) => Err(refuse(format!("{execution} is over, or held already: trefoil avm show {execution}"))),
            (false, false) => Err(refuse(format!("{execution} is not held: trefoil avm show {execution}"))),
        }
    }

    fn kill(&self, uid: u32, id: &str) -> Result<AvmReply, Refusal> {
        let execution: ExecutionId = parse(id)?;
        if self.as_owner(uid, execution, move |machine| machine.terminate(execution))? {
            Ok(AvmReply::Done(format!("{execution} is ended; its open transactions are aborted")))
        } else {
            Err(refuse(format!("{execution} is over already: trefoil avm show {execution}")))
        }
    }

    /// An entry of the node's own module about one object, at its home; waits, bounded, for what comes of it.
    fn about(
        &self,
        uid: u32,
        object: &str,
        (entry, argument): (&str, Val),
        authority: Option<&str>,
    ) -> Result<AvmReply, Refusal> {
        let object: ObjectId = parse(object)?;
        let at = self.home_of(object)?;
        self.helper()?;
        let start = Start {
            args: vec![Val::Object(object), argument],
            seed: self.draw(),
            now_ns: self.unix_ns(),
            authority: authority.map(Into::into),
            ..Start::new(super::helper::MODULE, entry)
        };
        let torus = Some(self.leads[at].name.clone());
        let ids = self.order(&Order { start, count: 1, torus, owner: Some(uid), deadline_ticks: None })?;
        let Some(execution) = ids.first().copied() else { return Err(refuse("nothing was started")) };
        match self.wait(execution)? {
            None => Ok(AvmReply::Done(format!("{execution} goes on: trefoil avm show {execution}"))),
            Some(Ok(Val::Nothing)) => Ok(AvmReply::Output(None)),
            Some(Ok(value)) => Ok(AvmReply::Output(Some(value.to_string()))),
            Some(Err(failure)) => Err(failed(&failure)),
        }
    }

    fn solver(&self) -> Result<AvmReply, Refusal> {
        let (mut asked, mut asking) = (0, Vec::new());
        for at in 0..self.leads.len() {
            asked += self.census(at)?.solving;
            asking.extend(self.on(at, |avm| super::look::asking(avm.machine()))?);
        }
        Ok(AvmReply::Solver(Box::new(self.pool.snapshot(asked, &asking))))
    }

    /// Waits, bounded, for the end of an execution.
    fn wait(&self, execution: ExecutionId) -> Result<Option<Result<Val, avm::vm::Failure>>, Refusal> {
        let deadline = Instant::now() + WAIT;
        while Instant::now() < deadline {
            for at in 0..self.leads.len() {
                if let Some(result) = self.on(at, move |avm| avm.machine().result(execution))? {
                    return Ok(Some(result));
                }
            }
            std::thread::sleep(LOOK);
        }
        Ok(None)
    }

    fn send(&self, object: &str, message: &str) -> Result<AvmReply, Refusal> {
        let (object, message): (ObjectId, Val) = (parse(object)?, parse(message)?);
        let at = self.home_of(object)?;
        let sent = self.on(at, move |avm| avm.machine_mut().lane.input(Input::Message { to: object, message }))?;
        sent.map_err(|error| refuse(error.to_string()))?;
        Ok(AvmReply::Done(format!("in the mailbox of {object}")))
    }

    fn constraints(&self, id: &str, smtlib: bool) -> Result<AvmReply, Refusal> {
        let execution: ExecutionId = parse(id)?;
        let at = self.find(execution)?;
        let ir = self.on(at, move |avm| avm.machine().question(execution).cloned())?;
        let none = || refuse(format!("{execution} has asked the solver nothing that is remembered"));
        let ir = ir.ok_or_else(none)?;
        if smtlib {
            let text = avm::nondet::smtlib::write(&ir, &parts::limits(&self.config));
            return text.map(AvmReply::Text).map_err(|error| refuse(error.to_string()));
        }
        Ok(AvmReply::Text(view::question(&ir)))
    }

    fn compose(&self, uid: u32, parts: &[ask::Segment], parallel: bool) -> Result<AvmReply, Refusal> {
        let mut segments = Vec::new();
        for part in parts {
            let (module, entry) = (part.program.as_str().into(), part.entry.as_str().into());
            segments.push(Segment { module, entry, args: values(&part.arguments)? });
        }
        let how = if parallel { Composition::Parallel } else { Composition::Sequential };
        let common = Start { seed: self.draw(), now_ns: self.unix_ns(), ..Start::new("", "") };
        let at = self.place(None)?;
        let (mut places, most) = (self.places(Some(uid), 1)?, self.config.executions);
        let started = self.on(at, move |avm| {
            avm.machine_mut().room(most)?;
            let owner = Owner { user: Some(uid), place: places.as_mut().and_then(Places::one) };
            let started = avm.machine_mut().compose(&segments, how, &common, owner);
            let execution = started.map_err(|error| error.to_string())?;
            avm.wake(execution);
            Ok(execution)
        })?;
        let execution = started.map_err(|why: String| refuse(why))?;
        let Some(result) = self.wait(execution)? else {
            return Ok(AvmReply::Done(format!("{execution} goes on: trefoil avm show {execution}")));
        };
        let value = result.map_err(|failure| failed(&failure))?;
        let (committed, results) = match value {
            Val::Pair(both) => match *both {
                (Val::Bool(committed), Val::List(results)) => (committed, results),
                other => return Err(refuse(format!("composition answered {}", Val::Pair(Box::new(other))))),
            },
            other => return Err(refuse(format!("composition answered {other}"))),
        };
        let mut transaction = self.composed(execution)?;
        transaction.segments = parts.iter().map(|part| format!("{}#{}", part.program, part.entry)).collect();
        let results = results.iter().map(Val::to_string).collect();
        Ok(AvmReply::Composed { committed, transaction: Box::new(transaction), results })
    }
}

/// Filters, sorts and cuts a list.
pub(super) fn listing<T: Clone>(
    mut all: Vec<T>,
    query: &Query,
    columns: &[&str],
    order: impl Fn(&T, &T, &str) -> Ordering,
    words: impl Fn(&T) -> String,
) -> Result<Listing<T>, Refusal> {
    let total = all.len() as u64;
    if !query.filter.is_empty() {
        let wanted = query.filter.to_lowercase();
        all.retain(|row| words(row).to_lowercase().contains(&wanted));
    }
    if !query.sort.is_empty() {
        if !columns.contains(&query.sort.as_str()) {
            let known = columns.join(", ");
            return Err(refuse(format!("sort is {:?}, expected one of {known}", query.sort)));
        }
        all.sort_by(|one, other| order(one, other, &query.sort));
    }
    if query.descending {
        all.reverse();
    }
    let matching = all.len() as u64;
    let from = query.from.min(matching);
    let rows = all.into_iter().skip(from as usize).take(query.rows()).collect();
    Ok(Listing { query: query.clone(), matching, total, from, rows })
}

pub(super) fn execution_order(one: &ExecutionSnapshot, other: &ExecutionSnapshot, column: &str) -> Ordering {
    let state = |row: &ExecutionSnapshot| match row.state {
        ExecutionState::Running => 0,
        ExecutionState::Suspended => 1,
        ExecutionState::Failed => 2,
        ExecutionState::Terminated => 3,
        ExecutionState::Ended => 4,
        ExecutionState::Unknown => 5,
    };
    match column {
        "program" => one.program.cmp(&other.program),
        "state" => state(one).cmp(&state(other)),
        "fuel" => one.fuel.cmp(&other.fuel),
        "memory" => one.memory_bytes.cmp(&other.memory_bytes),
        "torus" => one.torus.cmp(&other.torus),
        "moves" => one.moves.cmp(&other.moves),
        "since" => one.since_unix_ns.cmp(&other.since_unix_ns),
        "aborts" => one.aborts.cmp(&other.aborts),
        _ => one.id.parse::<ExecutionId>().ok().cmp(&other.id.parse().ok()),
    }
}

pub(super) fn object_order(one: &ObjectSnapshot, other: &ObjectSnapshot, column: &str) -> Ordering {
    match column {
        "behaviour" => one.behaviour.cmp(&other.behaviour),
        "controller" => one.controller.cmp(&other.controller),
        "version" => one.version.cmp(&other.version),
        "torus" => one.torus.cmp(&other.torus),
        "mailbox" => one.mailbox.cmp(&other.mailbox),
        "bytes" => one.state_bytes.cmp(&other.state_bytes),
        "changed" => one.changed_unix_ns.cmp(&other.changed_unix_ns),
        _ => one.id.parse::<ObjectId>().ok().cmp(&other.id.parse().ok()),
    }
}

pub(super) fn transaction_order(one: &TransactionSnapshot, other: &TransactionSnapshot, column: &str) -> Ordering {
    match column {
        "execution" => one.execution.parse::<ExecutionId>().ok().cmp(&other.execution.parse().ok()),
        "state" => (one.state as u8).cmp(&(other.state as u8)),
        "reads" => one.reads.cmp(&other.reads),
        "writes" => one.writes.cmp(&other.writes),
        "solver" => one.solver_ns.cmp(&other.solver_ns),
        "runs" => one.runs.cmp(&other.runs),
        "began" => one.began_unix_ns.cmp(&other.began_unix_ns),
        _ => one.id.parse::<TxId>().ok().cmp(&other.id.parse().ok()),
    }
}
