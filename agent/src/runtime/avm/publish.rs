//! What the status page shows of the AVM: gathered by a thread of its own a few times a second. A torus
//! counts and makes the first rows in jobs that are bounded, whatever there is on it.

use std::collections::BTreeMap;

use avm::id::ExecutionId;
use avm::vm::Census;
use control::api::Refusal;
use control::avm::{AvmSnapshot, Capacity, HEAD_ROWS, LaneSnapshot, Listing, Totals};

use super::machine::Tally;
use super::manager::Manager;
use super::reactor::Counts;
use super::view;

/// Name of the capacity that counts messages which found no place.
pub const MAILBOXES: &str = "mailboxes";

/// Said on every page and at every start (`decisions:AVM-23l`).
pub const IN_MEMORY: &str =
    "AVM state is in memory only: objects and executions are gone when the node ends (there is no journal yet)";

/// Executions that one job counts: no row is made of them.
const COUNTED: usize = 4096;

/// What one torus tells.
struct Told {
    census: Census,
    /// The first executions.
    rows: Vec<view::Row>,
    /// Executions in a transaction, the newest first.
    begun: Vec<super::look::Begun>,
    /// Transactions that were decided, the newest first, and how many are remembered.
    decided: Vec<super::look::Known>,
    remembered: u64,
    asking: Vec<super::solver::Asking>,
    objects: Vec<avm::vm::ObjectSummary>,
    object_count: u64,
    live_bytes: u64,
    lost: u64,
    tally: Tally,
    counts: Counts,
}

impl Manager {
    /// Executions of a torus, counted piece by piece: each job is bounded.
    pub(super) fn census(&self, at: usize) -> Result<Census, Refusal> {
        let (mut all, mut from) = (Census::default(), Some(ExecutionId(0)));
        while let Some(first) = from {
            let (part, next) = self.on(at, move |avm| avm.machine().lane.census(first, COUNTED))?;
            all.add(&part);
            from = next;
        }
        Ok(all)
    }

    fn told(&self, at: usize) -> Result<Told, Refusal> {
        let first = avm::id::ObjectId::new(0, self.leads[at].id, 0);
        let census = self.census(at)?;
        self.on(at, move |avm| {
            let machine = avm.machine();
            let lane = &machine.lane;
            Told {
                rows: super::paging::rows(machine, ExecutionId(0), HEAD_ROWS),
                begun: super::look::begun(machine, lane.open(HEAD_ROWS, COUNTED)),
                decided: super::look::newest(machine, HEAD_ROWS),
                remembered: lane.decided().count() as u64,
                asking: super::look::asking(machine),
                objects: lane.objects(first, HEAD_ROWS),
                object_count: lane.object_count(),
                live_bytes: 8 * lane.live_words() as u64,
                lost: lane.lost_envelopes(),
                tally: machine.tally,
                counts: avm.counts(),
                census,
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
        let (mut executions, mut objects, mut begun, mut decided) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut execution_count, mut remembered, mut asked, mut asking) = (0, 0, 0, Vec::new());
        let mut running: BTreeMap<String, u64> = BTreeMap::new();
        for (at, lead) in self.leads.iter().enumerate() {
            let told = self.told(at)?;
            self.add_lane(&mut shown, at, &told);
            asked += told.census.solving;
            asking.extend_from_slice(&told.asking);
            remembered += told.remembered;
            execution_count += told.census.executions;
            for (module, alive) in &told.census.alive {
                *running.entry(module.to_string()).or_default() += alive;
            }
            executions.extend(told.rows.iter().map(|row| self.execution_row(row, at)));
            objects.extend(told.objects.iter().map(|object| view::object(object, &lead.name)));
            begun.extend(told.begun.iter().map(|open| view::open(open, &lead.name)));
            decided.extend(told.decided.iter().map(|known| view::decided(known, &lead.name)));
        }
        executions.truncate(HEAD_ROWS);
        let open = shown.totals.open;
        shown.executions = Listing::head(executions, execution_count);
        let count = shown.totals.objects;
        objects.truncate(HEAD_ROWS);
        shown.objects = Listing::head(objects, count);
        super::look::newest_first(&mut decided);
        begun.append(&mut decided);
        begun.truncate(HEAD_ROWS);
        shown.transactions = Listing::head(begun, remembered + open);
        shown.programs = self.program_rows(&running);
        shown.totals.split_aborts();
        shown.solver = self.pool.snapshot(asked, &asking);
        shown.capacities.push(Capacity {
            name: "solver queue".to_owned(),
            used: shown.solver.queued,
            limit: shown.solver.queue_limit,
            ..Capacity::default()
        });
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
            lost: told.lost,
            heap_bytes: told.live_bytes,
            heap_limit_bytes: self.config.heap_bytes as u64,
            ..LaneSnapshot::default()
        };
        let census = &told.census;
        lane.operations += census.operations;
        lane.running = census.running;
        lane.suspended = census.suspended;
        add_counts(totals, told);
        let tally = &told.tally;
        if lane.lost > 0 {
            let (torus, lost) = (&lane.torus, lane.lost);
            shown.notes.push(format!("{lost} messages of {torus} were lost: they went to tori that are not reached"));
        }
        totals.running += lane.running;
        totals.suspended += lane.suspended;
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
        shown.capacities.push(capacity("heap", lane.heap_bytes, lane.heap_limit_bytes, "bytes", tally.out_of_memory));
        if let (Some(heap), Some(execution)) = (shown.capacities.last_mut(), tally.last_out_of_memory) {
            heap.last_hit = format!("{execution}: ErrProgramMemory");
        }
        let executions = census.executions;
        let most = u64::from(self.config.executions);
        shown.capacities.push(capacity("executions", executions, most, "", told.tally.full));
        shown.capacities.push(capacity("objects", told.object_count, self.config.objects, "", 0));
        // Of mailboxes only what they refused is known here: messages of other tori.
        let mailbox = u64::from(self.config.mailbox);
        shown.capacities.push(capacity(MAILBOXES, 0, mailbox, "messages", told.tally.lost_messages));
        shown.lanes.push(lane);
    }
}

/// What the executions of a torus have counted: those that are here still, and those that are gone.
fn add_counts(totals: &mut Totals, told: &Told) {
    let (census, tally) = (&told.census, &told.tally);
    totals.suspended_by_hand += census.by_hand;
    totals.failed += census.failed;
    totals.ended += census.ended;
    totals.open += census.open;
    totals.commits += census.committed + tally.commits;
    totals.aborts_conflict += census.refused + tally.refused;
    totals.aborts_program += census.aborted + tally.aborted;
    totals.aborts_unsatisfiable += census.unsatisfiable + tally.unsatisfiable;
    totals.aborts_unknown += census.undecided + tally.undecided;
    totals.aborts_error += census.errors + tally.errors;
    totals.trace_entries += census.events + tally.events;
    totals.trace_dropped += census.lost + tally.lost;
    totals.started += tally.started;
    totals.failures += tally.failures;
    totals.failed_unix_ns = totals.failed_unix_ns.max(tally.failed_unix_ns);
}
