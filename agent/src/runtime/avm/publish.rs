//! What the status page shows of the AVM: gathered by a thread of its own a few times a second, never by a torus.

use std::collections::BTreeMap;

use control::api::Refusal;
use control::avm::{AvmSnapshot, Capacity, HEAD_ROWS, LaneSnapshot, Listing};

use super::machine::Tally;
use super::manager::Manager;
use super::reactor::Counts;
use super::view;

/// Said on every page and at every start.
pub const IN_MEMORY: &str =
    "AVM state is in memory only: objects and executions are gone when the node ends (there is no journal yet)";

/// What one torus tells.
struct Told {
    rows: Vec<view::Row>,
    objects: Vec<avm::vm::ObjectSummary>,
    decisions: Vec<(avm::id::ExecutionId, avm::vm::Decision)>,
    object_count: u64,
    live_bytes: u64,
    tally: Tally,
    counts: Counts,
    open_questions: u64,
}

impl Manager {
    fn told(&self, at: usize) -> Result<Told, Refusal> {
        let first = avm::id::ObjectId::new(0, self.leads[at].id, 0);
        self.on(at, move |avm| {
            let machine = avm.machine();
            let lane = &machine.lane;
            let rows = super::requests::rows(machine);
            let mut decisions = Vec::new();
            for row in rows.iter().rev().filter(|row| row.summary.committed + row.summary.refused > 0) {
                decisions.extend(lane.decisions(row.summary.id).into_iter().map(|decided| (row.summary.id, decided)));
                if decisions.len() >= HEAD_ROWS {
                    break;
                }
            }
            Told {
                decisions,
                objects: lane.objects(first, HEAD_ROWS),
                object_count: lane.object_count(),
                live_bytes: 8 * lane.live_words() as u64,
                tally: machine.tally,
                counts: avm.counts(),
                open_questions: rows
                    .iter()
                    .filter(|row| row.summary.status == avm::vm::Status::Suspended(avm::vm::Why::Solving))
                    .count() as u64,
                rows,
            }
        })
    }

    /// Everything the page shows.
    ///
    /// # Errors
    /// A torus that does not answer.
    pub fn snapshot(&self) -> Result<AvmSnapshot, Refusal> {
        let mut shown =
            AvmSnapshot { at_ns: self.clock.now_ns(), notes: vec![IN_MEMORY.to_owned()], ..Default::default() };
        let (mut executions, mut objects, mut transactions) = (Vec::new(), Vec::new(), Vec::new());
        let (mut execution_count, mut asked) = (0, 0);
        let mut running: BTreeMap<String, u64> = BTreeMap::new();
        for (at, lead) in self.leads.iter().enumerate() {
            let told = self.told(at)?;
            let machine = self.config.machines.get(at).map_or("", String::as_str);
            self.add_lane(&mut shown, at, &told);
            asked += told.open_questions;
            execution_count += told.rows.len() as u64;
            for row in &told.rows {
                let module = row.summary.program.rsplit_once('.').map_or("", |(module, _)| module);
                *running.entry(module.to_owned()).or_default() += u64::from(!row.info.over);
            }
            executions.extend(told.rows.iter().take(HEAD_ROWS).map(|row| view::execution(row, &lead.name, machine)));
            objects.extend(told.objects.iter().map(|object| view::object(object, &lead.name)));
            transactions.extend(told.rows.iter().filter_map(|row| view::open(&row.summary, &lead.name)));
            let decided = told.decisions.iter().map(|(execution, one)| view::decision(*execution, one, &lead.name));
            transactions.extend(decided);
        }
        executions.truncate(HEAD_ROWS);
        let open = shown.totals.open;
        shown.executions = Listing::head(executions, execution_count);
        let count = shown.totals.objects;
        objects.truncate(HEAD_ROWS);
        shown.objects = Listing::head(objects, count);
        let remembered = transactions.len() as u64;
        transactions.truncate(HEAD_ROWS);
        shown.transactions = Listing::head(transactions, remembered.max(open));
        shown.programs = self.program_rows(&running);
        shown.solver = self.pool.snapshot(asked);
        shown.totals.aborts_unknown = shown.solver.unknown;
        Ok(shown)
    }

    fn add_lane(&self, shown: &mut AvmSnapshot, at: usize, told: &Told) {
        let lead = &self.leads[at];
        let totals = &mut shown.totals;
        let mut lane = LaneSnapshot {
            torus: lead.name.clone(),
            id: u32::from(lead.id),
            objects: told.object_count,
            quanta: told.counts.quanta,
            operations: told.tally.operations,
            moved_in: told.counts.moved_in,
            moved_out: told.counts.moved_out,
            heap_bytes: told.live_bytes,
            heap_limit_bytes: self.config.heap_bytes as u64,
            ..LaneSnapshot::default()
        };
        for row in &told.rows {
            let summary = &row.summary;
            lane.operations += summary.operations;
            match summary.status {
                avm::vm::Status::Running => lane.running += 1,
                avm::vm::Status::Suspended(why) => {
                    lane.suspended += 1;
                    totals.suspended_by_hand += u64::from(why == avm::vm::Why::Asked);
                }
                avm::vm::Status::Terminated if summary.failed => totals.failed += 1,
                avm::vm::Status::Terminated => totals.ended += 1,
            }
            totals.open += u64::from(!summary.transactions.is_empty());
            totals.commits += summary.committed;
            totals.aborts_conflict += summary.refused;
            totals.aborts_program += summary.aborted;
            totals.trace_entries += summary.events;
        }
        totals.commits += told.tally.commits;
        totals.aborts_conflict += told.tally.refused;
        totals.aborts_program += told.tally.aborted;
        let unsatisfiable = told
            .decisions
            .iter()
            .filter(|(_, decided)| matches!(decided.refused, Some(avm::vm::Refused::Unsatisfiable { .. })));
        let unsatisfiable = unsatisfiable.count() as u64;
        totals.aborts_unsatisfiable += unsatisfiable;
        totals.aborts_conflict = totals.aborts_conflict.saturating_sub(unsatisfiable);
        totals.aborts = totals.aborts_conflict + totals.aborts_unsatisfiable + totals.aborts_program;
        totals.running += lane.running;
        totals.suspended += lane.suspended;
        totals.started += told.tally.started;
        totals.failures += told.tally.failures;
        totals.failed_unix_ns = totals.failed_unix_ns.max(told.tally.failed_unix_ns);
        totals.objects += lane.objects;
        totals.operations += lane.operations;
        totals.moves += lane.moved_out;
        let capacity = |name: &str, used: u64, limit: u64, unit: &str, hits: u64| Capacity {
            name: name.to_owned(),
            torus: lead.name.clone(),
            used,
            limit,
            unit: unit.to_owned(),
            hits,
            last_hit: String::new(),
        };
        shown.capacities.push(capacity("heap", lane.heap_bytes, lane.heap_limit_bytes, "bytes", 0));
        let executions = told.rows.len() as u64;
        let most = u64::from(self.config.executions);
        shown.capacities.push(capacity("executions", executions, most, "", told.tally.full));
        shown.capacities.push(capacity("objects", told.object_count, self.config.objects, "", 0));
        shown.lanes.push(lane);
    }
}
