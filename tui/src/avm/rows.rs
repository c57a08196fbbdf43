//! The rows of a list as it is shown: from the record when that holds all of them, else from the agent's answer, else from the
//! head the record holds, which then says so.

use std::cmp::Ordering;

use control::avm::{
    AvmSnapshot, ExecutionSnapshot, ExecutionState, Listing, ObjectSnapshot, TransactionSnapshot, TransactionState,
};

use super::{List, avm_of};
use crate::state::State;
use crate::target::Screen;

/// Something that stands in a list.
pub trait Listed: Sized {
    /// The screen of the list.
    const SCREEN: Screen;
    /// Its id.
    fn id(&self) -> &str;
    /// True when one of its words holds `wanted`, which is in small letters.
    fn holds(&self, wanted: &str) -> bool;
    /// Order by a column.
    fn compare(&self, other: &Self, column: &str) -> Ordering;
    /// The head in the record.
    fn head(avm: &AvmSnapshot) -> &Listing<Self>;
    /// The agent's answer.
    fn answer(avm: &AvmSnapshot) -> Option<&Listing<Self>>;
}

/// A list as it is shown.
#[derive(Debug)]
pub struct Shown<'s, T> {
    /// The rows that are here.
    pub rows: Vec<&'s T>,
    /// Number of the first of them, from 0.
    pub from: u64,
    /// Rows that pass the filter.
    pub matching: u64,
    /// Rows there are.
    pub total: u64,
    /// True when filter and order saw only the head of the list.
    pub partial: bool,
}

impl<T> Shown<'_, T> {
    /// The row at a place; `None` when it is not here yet.
    #[must_use]
    pub fn row(&self, at: u64) -> Option<&T> {
        let index = usize::try_from(at.checked_sub(self.from)?).ok()?;
        self.rows.get(index).copied()
    }
}

/// The list of a screen as it is shown now.
#[must_use]
pub fn shown<T: Listed>(state: &State) -> Option<Shown<'_, T>> {
    let (avm, list) = (avm_of(state)?, state.avm.list(T::SCREEN)?);
    let head = T::head(avm);
    let sort = list.sort(T::SCREEN);
    let answers = |answer: &&Listing<T>| {
        let query = &answer.query;
        query.sort == sort && query.descending == list.descending && query.filter == list.filter
    };
    if let Some(answer) = T::answer(avm).filter(answers).filter(|_| !head.whole()) {
        let rows = answer.rows.iter().collect();
        let (from, matching, total) = (answer.from, answer.matching, answer.total);
        return Some(Shown { rows, from, matching, total, partial: false });
    }
    if list.filter.is_empty() && sort.is_empty() {
        let rows = head.rows.iter().collect();
        return Some(Shown { rows, from: 0, matching: head.matching, total: head.total, partial: false });
    }
    let rows = arranged(&head.rows, list, sort);
    Some(Shown { from: 0, matching: rows.len() as u64, total: head.total, partial: !head.whole(), rows })
}

fn arranged<'s, T: Listed>(rows: &'s [T], list: &List, sort: &str) -> Vec<&'s T> {
    let wanted = list.filter.to_lowercase();
    let mut rows: Vec<&T> = rows.iter().filter(|row| wanted.is_empty() || row.holds(&wanted)).collect();
    if !sort.is_empty() {
        rows.sort_by(|a, b| {
            let order = a.compare(b, sort);
            if list.descending { order.reverse() } else { order }
        });
    }
    rows
}

/// What is known of an execution, wherever.
#[must_use]
pub fn execution<'s>(state: &'s State, id: &str) -> Option<&'s ExecutionSnapshot> {
    let avm = avm_of(state)?;
    let open = avm.details.execution.as_ref().map(|detail| &detail.row);
    let answered = avm.details.executions.iter().flat_map(|listing| &listing.rows);
    avm.executions.rows.iter().chain(open).chain(answered).find(|row| row.id == id)
}

/// What is known of an object, wherever.
#[must_use]
pub fn object<'s>(state: &'s State, id: &str) -> Option<&'s ObjectSnapshot> {
    let avm = avm_of(state)?;
    let open = avm.details.object.as_ref().map(|detail| &detail.row);
    let answered = avm.details.objects.iter().flat_map(|listing| &listing.rows);
    avm.objects.rows.iter().chain(open).chain(answered).find(|row| row.id == id)
}

/// What is known of a transaction, the fullest first.
#[must_use]
pub fn transaction<'s>(state: &'s State, id: &str) -> Option<&'s TransactionSnapshot> {
    let avm = avm_of(state)?;
    let open = avm.details.transaction.as_deref();
    let answered = avm.details.transactions.iter().flat_map(|listing| &listing.rows);
    open.into_iter().chain(&avm.transactions.rows).chain(answered).find(|row| row.id == id)
}

/// The numbers of an id: node, torus, counter. What is no id comes last.
fn numbers(id: &str) -> (u64, u64, u64) {
    let parts: Option<Vec<u64>> = id.get(1..).and_then(|rest| rest.split('.').map(|part| part.parse().ok()).collect());
    match parts.as_deref() {
        Some([counter]) => (0, 0, *counter),
        Some([node, torus, counter]) => (*node, *torus, *counter),
        _ => (u64::MAX, 0, 0),
    }
}

fn any(words: &[&str], wanted: &str) -> bool {
    words.iter().any(|word| word.to_lowercase().contains(wanted))
}

/// The word of a state.
#[must_use]
pub const fn execution_word(state: ExecutionState) -> &'static str {
    match state {
        ExecutionState::Running => "running",
        ExecutionState::Suspended => "suspended",
        ExecutionState::Ended => "ended",
        ExecutionState::Failed => "failed",
        ExecutionState::Terminated => "terminated",
        ExecutionState::Unknown => "unknown",
    }
}

/// The word of a state.
#[must_use]
pub const fn transaction_word(state: TransactionState) -> &'static str {
    match state {
        TransactionState::Open => "open",
        TransactionState::Deciding => "deciding",
        TransactionState::Committed => "committed",
        TransactionState::Aborted => "aborted",
        TransactionState::Unknown => "unknown",
    }
}

impl Listed for ExecutionSnapshot {
    const SCREEN: Screen = Screen::Executions;

    fn id(&self) -> &str {
        &self.id
    }

    fn holds(&self, wanted: &str) -> bool {
        let state = execution_word(self.state);
        any(&[&self.id, &self.program, state, &self.torus, &self.why, &self.transaction, &self.parent], wanted)
    }

    fn compare(&self, other: &Self, column: &str) -> Ordering {
        match column {
            "program" => self.program.cmp(&other.program),
            "state" => execution_word(self.state).cmp(execution_word(other.state)),
            "fuel" => self.fuel.cmp(&other.fuel),
            "memory" => self.memory_bytes.cmp(&other.memory_bytes),
            "torus" => self.torus.cmp(&other.torus),
            "moves" => self.moves.cmp(&other.moves),
            "since" => self.since_unix_ns.cmp(&other.since_unix_ns),
            "aborts" => self.aborts.cmp(&other.aborts),
            _ => numbers(&self.id).cmp(&numbers(&other.id)),
        }
    }

    fn head(avm: &AvmSnapshot) -> &Listing<Self> {
        &avm.executions
    }

    fn answer(avm: &AvmSnapshot) -> Option<&Listing<Self>> {
        avm.details.executions.as_ref()
    }
}

impl Listed for ObjectSnapshot {
    const SCREEN: Screen = Screen::Objects;

    fn id(&self) -> &str {
        &self.id
    }

    fn holds(&self, wanted: &str) -> bool {
        any(&[&self.id, &self.behaviour, &self.controller, &self.machine, &self.torus, &self.last_writer], wanted)
    }

    fn compare(&self, other: &Self, column: &str) -> Ordering {
        match column {
            "behaviour" => self.behaviour.cmp(&other.behaviour),
            "controller" => self.controller.cmp(&other.controller),
            "version" => self.version.cmp(&other.version),
            "torus" => self.torus.cmp(&other.torus),
            "mailbox" => self.mailbox.cmp(&other.mailbox),
            "bytes" => self.state_bytes.cmp(&other.state_bytes),
            "changed" => self.changed_unix_ns.cmp(&other.changed_unix_ns),
            _ => numbers(&self.id).cmp(&numbers(&other.id)),
        }
    }

    fn head(avm: &AvmSnapshot) -> &Listing<Self> {
        &avm.objects
    }

    fn answer(avm: &AvmSnapshot) -> Option<&Listing<Self>> {
        avm.details.objects.as_ref()
    }
}

impl Listed for TransactionSnapshot {
    const SCREEN: Screen = Screen::Transactions;

    fn id(&self) -> &str {
        &self.id
    }

    fn holds(&self, wanted: &str) -> bool {
        let state = transaction_word(self.state);
        any(&[&self.id, &self.execution, state, &self.cause, &self.why, &self.controller], wanted)
    }

    fn compare(&self, other: &Self, column: &str) -> Ordering {
        match column {
            "execution" => numbers(&self.execution).cmp(&numbers(&other.execution)),
            "state" => transaction_word(self.state).cmp(transaction_word(other.state)),
            "reads" => self.reads.cmp(&other.reads),
            "writes" => self.writes.cmp(&other.writes),
            "solver" => self.solver_ns.cmp(&other.solver_ns),
            "runs" => self.runs.cmp(&other.runs),
            "began" => self.began_unix_ns.cmp(&other.began_unix_ns),
            _ => numbers(&self.id).cmp(&numbers(&other.id)),
        }
    }

    fn head(avm: &AvmSnapshot) -> &Listing<Self> {
        &avm.transactions
    }

    fn answer(avm: &AvmSnapshot) -> Option<&Listing<Self>> {
        avm.details.transactions.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ordered_as_numbers_not_as_words() {
        let mut ids = ["x10", "x9", "x1.0.2", "x0.1.5", "?"];
        ids.sort_by_key(|id| numbers(id));
        assert_eq!(ids, ["x9", "x10", "x0.1.5", "x1.0.2", "?"]);
    }
}
