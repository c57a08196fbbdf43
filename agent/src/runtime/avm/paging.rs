//! Lists of what is on the tori, gathered page by page: a torus makes so many rows between two events and no more, whatever there is
//! on it and whoever asks.

use avm::id::{ExecutionId, ObjectId};
use avm::vm::{ExecutionSummary, ObjectSummary};
use control::api::Refusal;
use control::avm::{ExecutionSnapshot, Listing, ObjectSnapshot, Query, ask};

use super::machine::LaneMachine;
use super::manager::Manager;
use super::requests::{execution_order, listing, object_order};
use super::view::{self, Row};

/// Rows of one job.
pub(super) const ROWS: usize = 256;
/// Most objects of one torus that are sorted or looked through.
const OBJECTS: u64 = 100_000;
/// Largest result that is copied for a row, nodes.
const RESULT: u32 = 4096;

/// A row of an execution; a result that is too large for one is told by its size.
pub(super) fn row(machine: &LaneMachine, summary: ExecutionSummary) -> Row {
    let info = machine.info.get(&summary.id).cloned().unwrap_or_default();
    let nodes = machine.lane.result_nodes(summary.id);
    let result = if nodes > RESULT {
        Some(Ok(avm::Val::text(&format!("(a value of {nodes} nodes)"))))
    } else {
        machine.result(summary.id)
    };
    Row { summary, info, result }
}

/// Up to `most` rows from an execution on.
pub(super) fn rows(machine: &LaneMachine, from: ExecutionId, most: usize) -> Vec<Row> {
    machine.lane.executions_from(from, most).into_iter().map(|summary| row(machine, summary)).collect()
}

/// Whether the rows stand in the order in which they are asked for, all of them.
fn natural(query: &Query) -> bool {
    query.filter.is_empty() && query.sort.is_empty() && !query.descending
}

/// Of a list over several tori, of which one has `count` rows after `before` others: how many of its rows come before those that are
/// wanted, and how many are wanted.
fn share(query: &Query, before: u64, count: u64) -> (u64, u64) {
    let (first, end) = (query.from, query.from.saturating_add(query.rows() as u64));
    let skip = first.saturating_sub(before).min(count);
    (skip, end.saturating_sub(before).min(count).saturating_sub(skip))
}

impl Manager {
    /// Rows of all executions of a torus, made by `make` from up to [`ROWS`] of them at a time.
    fn pages<T: Send + 'static>(
        &self,
        at: usize,
        make: fn(&LaneMachine, ExecutionSummary) -> T,
    ) -> Result<Vec<T>, Refusal> {
        let (mut all, mut from) = (Vec::new(), ExecutionId(0));
        loop {
            let (rows, last) = self.on(at, move |avm| {
                let machine = avm.machine();
                let found = machine.lane.executions_from(from, ROWS);
                let last = found.last().map(|summary| summary.id);
                (found.into_iter().map(|summary| make(machine, summary)).collect::<Vec<T>>(), last)
            })?;
            let full = rows.len() == ROWS;
            all.extend(rows);
            match last {
                Some(last) if full => from = ExecutionId(last.0.saturating_add(1)),
                _ => return Ok(all),
            }
        }
    }

    /// Executions of all tori as a list of what was asked for.
    pub(super) fn executions(&self, query: &Query) -> Result<Listing<ExecutionSnapshot>, Refusal> {
        let (mut all, mut before) = (Vec::new(), 0);
        for at in 0..self.leads.len() {
            let rows = if natural(query) {
                let count = self.on(at, |avm| avm.machine().info.len() as u64)?;
                let (skip, take) = share(query, before, count);
                before += count;
                self.some_rows(at, skip, take)?
            } else {
                self.pages(at, row)?
            };
            all.extend(rows.iter().map(|row| self.execution_row(row, at)));
        }
        if natural(query) {
            return Ok(page(query, all, before));
        }
        listing(all, query, &ask::EXECUTION_COLUMNS, execution_order, |row| {
            format!("{} {} {:?} {} {} {}", row.id, row.program, row.state, row.why, row.torus, row.transaction)
        })
    }

    /// `take` rows of a torus behind the first `skip`.
    fn some_rows(&self, at: usize, skip: u64, take: u64) -> Result<Vec<Row>, Refusal> {
        let mut rows = Vec::new();
        while (rows.len() as u64) < take {
            let first = skip + rows.len() as u64;
            let most = (take - rows.len() as u64).min(ROWS as u64);
            let more = self.on(at, move |avm| {
                let machine = avm.machine();
                let from = machine.lane.execution_at(first).unwrap_or(ExecutionId(u64::MAX));
                self::rows(machine, from, most as usize)
            })?;
            if more.is_empty() {
                break;
            }
            rows.extend(more);
        }
        Ok(rows)
    }

    /// Objects of all tori as a list of what was asked for. The total is that of all; where it has to look through them it looks at
    /// the first of each torus.
    pub(super) fn objects(&self, query: &Query) -> Result<Listing<ObjectSnapshot>, Refusal> {
        let (mut all, mut total) = (Vec::new(), 0);
        for (at, lead) in self.leads.iter().enumerate() {
            let count = self.on(at, |avm| avm.machine().lane.object_count())?;
            let (skip, take) = if natural(query) { share(query, total, count) } else { (0, count.min(OBJECTS)) };
            total += count;
            let found = self.some_objects(at, skip, take)?;
            all.extend(found.iter().map(|summary| view::object(summary, &lead.name)));
        }
        if natural(query) {
            return Ok(page(query, all, total));
        }
        let list = listing(all, query, &ask::OBJECT_COLUMNS, object_order, |row| {
            format!("{} {} {} {} {} {}", row.id, row.behaviour, row.controller, row.torus, row.machine, row.last_writer)
        })?;
        Ok(Listing { total, ..list })
    }

    fn some_objects(&self, at: usize, skip: u64, take: u64) -> Result<Vec<ObjectSummary>, Refusal> {
        let mut found: Vec<ObjectSummary> = Vec::new();
        let mut from = ObjectId::new(0, self.leads[at].id, 0);
        let mut left = skip;
        // What comes before the wanted rows is walked over in pieces too.
        while left > 0 {
            let step = left.min(64 * ROWS as u64);
            let last = self.on(at, move |avm| avm.machine().lane.object_after(from, step))?;
            let Some(last) = last else { return Ok(found) };
            from = last;
            left -= step;
        }
        while (found.len() as u64) < take {
            let most = (take - found.len() as u64).min(ROWS as u64) as usize;
            let more = self.on(at, move |avm| avm.machine().lane.objects(from, most))?;
            let Some(last) = more.last().map(|summary| summary.id) else { break };
            from = ObjectId(last.0.saturating_add(1));
            found.extend(more);
        }
        Ok(found)
    }
}

/// A page of rows that stand in their natural order.
fn page<T>(query: &Query, rows: Vec<T>, total: u64) -> Listing<T> {
    Listing { query: query.clone(), matching: total, total, from: query.from.min(total), rows }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_a_list_over_several_tori_is_in_one_page() {
        let counts = [700_u64, 0, 40, 1000];
        let mut seen = vec![Vec::new(); counts.len()];
        let mut from = 0;
        while from < counts.iter().sum() {
            let query = Query { from, count: 300, ..Query::default() };
            let (mut before, mut rows) = (0, 0);
            for (at, count) in counts.iter().enumerate() {
                let (skip, take) = share(&query, before, *count);
                seen[at].extend(skip..skip + take);
                (before, rows) = (before + count, rows + take);
            }
            assert_eq!(rows, 300.min(1740 - from));
            from += rows;
        }
        for (count, seen) in counts.iter().zip(seen) {
            assert_eq!(seen, (0..*count).collect::<Vec<_>>());
        }
        assert!(natural(&Query::default()) && !natural(&Query { descending: true, ..Query::default() }));
    }
}
