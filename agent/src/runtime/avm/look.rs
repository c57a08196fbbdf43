//! Looking at objects and transactions: lists, one of them, and where a trace stands.

use avm::id::{ExecutionId, ObjectId, TxId};
use avm::trace;
use avm::vm::{Decided, ExecutionSummary, Sets};
use control::api::Refusal;
use control::avm::{
    AvmReply, ExecutionSnapshot, Listing, ObjectDetail, Query, TraceSnapshot, TransactionSnapshot, ask,
};

use super::machine::{Asked, LaneMachine};
use super::manager::{Manager, refuse};
use super::requests::{listing, transaction_order};
use super::solver::Asking;
use super::view::{self, Row, Stretch};

/// Executions of one torus that are looked through for an open transaction.
const EXECUTIONS: usize = 16_384;
/// Open transactions of one torus in a list.
const OPEN: usize = 1024;
/// Executions of one torus that wait for the solver and are told of.
const ASKING: usize = 64;
/// Versions of an object that are shown.
const VERSIONS: usize = 32;
/// Messages of a mailbox that are shown.
const MESSAGES: usize = 32;
/// Objects of a set of an open transaction that are shown.
const SET: usize = 64;
/// Nodes of the largest state that is shown.
const STATE_NODES: u32 = 4096;

/// A remembered transaction, and what it asked the solver.
pub(super) type Known = (Decided, Option<Asked>);

/// The newest decided transactions of a torus, newest first.
pub(super) fn newest(machine: &LaneMachine, most: usize) -> Vec<Known> {
    let mut all: Vec<&Decided> = machine.lane.decided().collect();
    all.sort_unstable_by_key(|decided| std::cmp::Reverse((decided.sets.ended_ns, decided.decision.tx)));
    all.truncate(most);
    all.into_iter().map(|decided| (decided.clone(), machine.asked(decided.decision.tx))).collect()
}

/// Decided transactions of several tori, the newest first.
pub(super) fn newest_first(rows: &mut [TransactionSnapshot]) {
    rows.sort_by_key(|row| std::cmp::Reverse((row.ended_unix_ns, row.id.parse::<TxId>().ok())));
}

/// An open transaction: its execution, what it has touched, what it asked the solver.
pub(super) type Begun = (ExecutionSummary, Sets, Option<Asked>);

/// Open transactions, with what they have touched.
pub(super) fn begun(machine: &LaneMachine, open: Vec<ExecutionSummary>) -> Vec<Begun> {
    let with = |summary: ExecutionSummary| {
        let sets = machine.lane.open_sets(summary.id, control::avm::ROW_ITEMS)?;
        let asked = summary.transactions.first().and_then(|tx| machine.asked(*tx));
        Some((summary, sets, asked))
    };
    open.into_iter().filter_map(with).collect()
}

/// The first executions of a torus that wait for the solver.
pub(super) fn asking(machine: &LaneMachine) -> Vec<Asking> {
    let since = |execution| machine.info.get(&execution).map_or(0, |info| info.since_unix_ns);
    let first = machine.lane.solving(ASKING, EXECUTIONS);
    first.into_iter().map(|(execution, tx)| (execution, tx, since(execution))).collect()
}

impl Manager {
    /// An execution of the torus at a place, as a row.
    pub(super) fn execution_row(&self, row: &Row, at: usize) -> ExecutionSnapshot {
        let machine = self.config.machines.get(at).map_or("", String::as_str);
        let home = |torus: u8| self.leads.iter().find(|lead| lead.id == torus).map(|lead| lead.name.clone());
        view::execution(row, &self.leads[at].name, machine, &home)
    }

    pub(super) fn transactions(&self, query: &Query) -> Result<Listing<TransactionSnapshot>, Refusal> {
        let (mut all, mut ended) = (Vec::new(), Vec::new());
        for (at, lead) in self.leads.iter().enumerate() {
            let open = self.on(at, |avm| {
                let machine = avm.machine();
                begun(machine, machine.lane.open(OPEN, EXECUTIONS))
            })?;
            all.extend(open.iter().map(|begun| view::open(begun, &lead.name)));
            let known = self.on(at, |avm| newest(avm.machine(), usize::MAX))?;
            ended.extend(known.iter().map(|known| view::decided(known, &lead.name)));
        }
        newest_first(&mut ended);
        all.extend(ended);
        listing(all, query, &ask::TRANSACTION_COLUMNS, transaction_order, |row| {
            format!("{} {} {:?} {} {} {}", row.id, row.execution, row.state, row.cause, row.why, row.controller)
        })
    }

    /// One transaction, with its sets and the values it wrote, as far as those versions are kept.
    pub(super) fn show_transaction(&self, id: TxId) -> Result<TransactionSnapshot, Refusal> {
        for (at, lead) in self.leads.iter().enumerate() {
            let found = self.on(at, move |avm| {
                let machine = avm.machine();
                let known = machine.lane.decided().find(|decided| decided.decision.tx == id).cloned();
                if let Some(decided) = known {
                    let segments = machine.segments(decided.execution);
                    let written = written(machine, &decided.sets);
                    return Some((Ok((decided, machine.asked(id))), written, segments));
                }
                let mut open = machine.lane.open(usize::MAX, EXECUTIONS).into_iter();
                let summary = open.find(|summary| summary.transactions.first() == Some(&id))?;
                let sets = machine.lane.open_sets(summary.id, SET)?;
                let segments = machine.segments(summary.id);
                Some((Err((summary, sets, machine.asked(id))), Vec::new(), segments))
            })?;
            let Some((found, written, segments)) = found else { continue };
            let mut shown = match &found {
                Ok(known) => view::decided(known, &lead.name),
                Err(begun) => view::open(begun, &lead.name),
            };
            for (write, value) in shown.write_set.iter_mut().zip(written) {
                write.value = value;
            }
            shown.segments = segments;
            return Ok(shown);
        }
        Err(refuse(format!("transaction {id} is not open and not remembered: trefoil avm tx")))
    }

    /// The transaction of a composition that is over.
    pub(super) fn composed(&self, execution: ExecutionId) -> Result<TransactionSnapshot, Refusal> {
        let at = self.find(execution)?;
        let torus = &self.leads[at].name;
        let (known, last) = self.on(at, move |avm| {
            let machine = avm.machine();
            let own = machine.lane.decided().filter(|decided| decided.execution == execution).last().cloned();
            let known = own.map(|decided| (machine.asked(decided.decision.tx), decided));
            (known.map(|(asked, decided)| (decided, asked)), machine.lane.decisions(execution).pop())
        })?;
        // Where none are remembered, what is known of those not committed will do.
        let last = last.map(|decision| (Decided { execution, decision, sets: Sets::default() }, None));
        let unknown = || TransactionSnapshot { execution: execution.to_string(), ..TransactionSnapshot::default() };
        Ok(known.or(last).map_or_else(unknown, |known| view::decided(&known, torus)))
    }

    pub(super) fn show_object(&self, object: ObjectId) -> Result<ObjectDetail, Refusal> {
        let at = self.home_of(object)?;
        let found = self.on(at, move |avm| {
            let lane = &avm.machine().lane;
            let summary = lane.objects(object, 1).into_iter().find(|summary| summary.id == object);
            let small = summary.as_ref().is_some_and(|summary| summary.state_nodes <= STATE_NODES);
            let state = if small { lane.state(object) } else { None };
            (
                summary,
                state,
                lane.behaviour_hash(object),
                lane.history(object, VERSIONS),
                lane.messages(object, MESSAGES),
            )
        })?;
        let (summary, state, hash, history, messages) = found;
        let history: Vec<_> = history.iter().map(view::version).collect();
        let Some(summary) = summary else {
            // One that was destroyed is still known by its last versions.
            let ended = history.first().map(|last| format!(" ({} by {})", last.what, last.execution));
            let ended = ended.unwrap_or_default();
            return Err(refuse(format!("object {object} is not here{ended}: trefoil avm objects")));
        };
        let large = || format!("{} values, too many to be shown", summary.state_nodes);
        Ok(ObjectDetail {
            row: view::object(&summary, &self.leads[at].name),
            state: state.map_or_else(large, |state| view::short(&state.to_string())),
            behaviour_hash: hash.map(|hash| hash.to_string()).unwrap_or_default(),
            history,
            messages: messages.iter().map(|message| view::short(&message.to_string())).collect(),
        })
    }

    /// The torus an object lives on: the one that made it.
    pub(super) fn home_of(&self, object: ObjectId) -> Result<usize, Refusal> {
        let found = self.leads.iter().position(|lead| lead.id == object.torus());
        found.ok_or_else(|| refuse(format!("object {object} belongs to no torus of this node")))
    }

    /// The trace of an execution: rows, those of an undecided transaction marked, or a chart of so many columns.
    pub(super) fn trace(&self, execution: ExecutionId, want: &Stretch, width: u32) -> Result<AvmReply, Refusal> {
        let (at, whole) = self.whole(execution)?;
        let dropped = self.on(at, move |avm| {
            let lane = &avm.machine().lane;
            let own = lane.decided().filter(|known| known.execution == execution && known.decision.refused.is_some());
            own.map(|known| known.decision.clone()).collect::<Vec<_>>()
        })?;
        let decisions = || whole.decisions.iter().chain(&dropped);
        if width > 0 {
            let notes = decisions().filter_map(|decision| Some((decision.tx, trace::reason(decision)?))).collect();
            let entries = view::cut(&whole.trace, want);
            let lost = whole.gap + entries.before;
            let chart = trace::Chart { width: width as usize, notes, lost, ..trace::Chart::default() };
            return Ok(AvmReply::Text(trace::chart(&entries.entries, &chart)));
        }
        let row = self.execution_row(&whole.row, at);
        let mut snapshot: TraceSnapshot =
            view::stretch(execution, &row.program, (&whole.trace[..], whole.gap), want, &self.leads[at].name);
        snapshot.level = view::level(whole.row.summary.trace).to_owned();
        for entry in &mut snapshot.entries {
            entry.provisional = entry.timestamp >= whole.decided;
            let transaction = entry.event.starts_with("Transaction").then(|| entry.text.clone());
            if let Some(decision) = decisions().find(|decision| Some(decision.tx.to_string()) == transaction) {
                entry.note = view::why_not(decision).unwrap_or_default();
            }
        }
        Ok(AvmReply::Trace(Box::new(snapshot)))
    }
}

/// The values a transaction wrote, in the order of its write set; empty where the version is no longer kept.
fn written(machine: &LaneMachine, sets: &Sets) -> Vec<String> {
    let value = |object: ObjectId| machine.lane.state_at(object, sets.version?);
    let text = |object| value(object).map(|value| view::short(&value.to_string())).unwrap_or_default();
    sets.writes.iter().map(|(object, _)| text(*object)).collect()
}
