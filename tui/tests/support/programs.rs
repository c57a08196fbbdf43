//! Programs of the made-up node. Test data only.
#![allow(dead_code, reason = "each test file uses its part")]

use control::Snapshot;
use control::avm::*;

use super::{Console, NOON_NS, POLL_NS};
use tui::theme::Colours;
use tui::update::Event;

const SECOND: u64 = 1_000_000_000;

/// Twelve executions in all states, objects, transactions with every cause, a solver at work.
pub fn programs(polls: u64) -> Box<AvmSnapshot> {
    let now = NOON_NS + polls * POLL_NS;
    Box::new(AvmSnapshot {
        at_ns: 1_000_000_000_000 + polls * POLL_NS,
        totals: Totals {
            running: 7,
            suspended: 3,
            suspended_by_hand: 1,
            ended: 1,
            failed: 1,
            started: 12,
            failures: 1,
            failed_unix_ns: NOON_NS - 700 * SECOND,
            objects: 6,
            open: 1,
            commits: polls * 240 + polls / 5 * 7,
            aborts: polls * 4,
            aborts_conflict: polls * 3,
            aborts_unsatisfiable: polls,
            operations: polls * 2_480_000,
            moves: polls / 5 * 3,
            trace_entries: polls * 2_000,
            ..Totals::default()
        },
        capacities: vec![
            capacity("heap", "A", 41 << 20, 64 << 20, "bytes"),
            capacity("heap", "B", 40 << 20, 64 << 20, "bytes"),
            capacity("executions", "", 12, 10_000, ""),
            Capacity {
                hits: 3,
                last_hit: "x4: ErrProgramMailbox".into(),
                ..capacity("mailboxes", "C", 120, 1_000, "")
            },
            capacity("solver queue", "", 2, 64, ""),
        ],
        lanes: (0..3).map(|id| lane(id, polls)).collect(),
        programs: vec![],
        executions: Listing::head((0..12).map(|at| execution(at, now)).collect(), 12),
        objects: Listing::head((0..6).map(|at| object(at, now)).collect(), 6),
        transactions: Listing::head(transactions(now), 5),
        solver: solver(polls, now),
        notes: vec!["state is in memory only".into()],
        details: Details::default(),
    })
}

fn capacity(name: &str, torus: &str, used: u64, limit: u64, unit: &str) -> Capacity {
    Capacity { name: name.into(), torus: torus.into(), used, limit, unit: unit.into(), ..Capacity::default() }
}

fn lane(id: u32, polls: u64) -> LaneSnapshot {
    // A skewed start that levels out.
    let share = [9_u64, 2, 1][id as usize];
    let level = share.saturating_sub(polls / 20).max(4).min(share.max(4));
    LaneSnapshot {
        torus: char::from(b'A' + id as u8).to_string(),
        id,
        running: level - 1,
        suspended: 1,
        objects: 2,
        heap_bytes: 41 << 20,
        heap_limit_bytes: 64 << 20,
        ..LaneSnapshot::default()
    }
}

pub fn execution(at: u64, now: u64) -> ExecutionSnapshot {
    let (state, why) = match at {
        3 => (ExecutionState::Suspended, "by hand"),
        4 => (ExecutionState::Suspended, "waits for a message"),
        5 => (ExecutionState::Suspended, "waits for o3 on torus B"),
        7 => (ExecutionState::Failed, "ErrObjectNotFound o99: object o99 does not exist (bank.avm:31)"),
        8 => (ExecutionState::Ended, "[true, 70, 30]"),
        _ => (ExecutionState::Running, ""),
    };
    ExecutionSnapshot {
        id: format!("x{at}"),
        program: ["bank#transfer", "queens#search", "market#intent"][at as usize % 3].into(),
        state,
        why: why.into(),
        waits_for: if at == 5 { "o3".into() } else { String::new() },
        since_unix_ns: now - (5 + at * 3) * SECOND,
        started_unix_ns: now - 90 * SECOND,
        fuel: 1_000 + at * at * 41_000,
        fuel_limit: 100_000_000,
        memory_bytes: 24_000 + at * 9_000,
        memory_limit_bytes: 16 << 20,
        torus: char::from(b'A' + (at % 3) as u8).to_string(),
        moves: (at % 4) as u32,
        pinned: at == 2,
        machine: "m1".into(),
        transaction: if at == 5 { "t40".into() } else { String::new() },
        depth: u32::from(at == 5),
        parent: if at > 9 { "x0".into() } else { String::new() },
        commits: at * 7,
        aborts: at,
        trace_entries: at * 11,
    }
}

pub fn object(at: u64, now: u64) -> ObjectSnapshot {
    ObjectSnapshot {
        id: format!("o{at}"),
        behaviour: ["bank.account", "market.escrow"][at as usize % 2].into(),
        machine: "m1".into(),
        controller: if at == 4 { String::new() } else { "c1".into() },
        creating_controller: if at == 4 { String::new() } else { "c1".into() },
        version: at * 17 + 1,
        torus: char::from(b'A' + (at % 3) as u8).to_string(),
        mailbox: (at == 3).into(),
        state_bytes: 96 + at * 1_000,
        last_writer: format!("x{at}"),
        changed_unix_ns: now - (1 + at * 4) * SECOND,
        intent: if at == 3 { "t40".into() } else { String::new() },
        replicas: 0,
    }
}

pub fn transactions(now: u64) -> Vec<TransactionSnapshot> {
    let row = |id: &str, execution: &str, state, age: u64| TransactionSnapshot {
        id: id.into(),
        execution: execution.into(),
        state,
        controller: "c1".into(),
        began_unix_ns: now - age * SECOND,
        ended_unix_ns: if state == TransactionState::Open { 0 } else { now - age * SECOND + 11_000 },
        reads: 2,
        writes: 2,
        runs: 1,
        tori: vec!["A".into(), "B".into()],
        read_set: vec![
            ReadSnapshot { object: "o1".into(), version: Some(18) },
            ReadSnapshot { object: "o3".into(), version: None },
        ],
        write_set: vec![WriteSnapshot { object: "o1".into(), what: "state".into(), value: "[70]".into() }],
        ..TransactionSnapshot::default()
    };
    let conflict = ConflictSnapshot {
        object: "o1".into(),
        changed_by: "x9".into(),
        transaction: "t38".into(),
        read: Some(17),
        found: Some(18),
    };
    let core = [("enough", "b >= 20", "bank.avm:12"), ("", "amount + b == 0", "bank.avm:14")];
    let core = core.map(|(name, text, place)| RequirementSnapshot {
        name: name.into(),
        text: text.into(),
        place: place.into(),
    });
    vec![
        row("t40", "x5", TransactionState::Open, 4),
        TransactionSnapshot {
            cause: "conflict".into(),
            why: "object o1 changed by execution x9".into(),
            conflicts: vec![conflict],
            ..row("t39", "x0", TransactionState::Aborted, 6)
        },
        row("t38", "x9", TransactionState::Committed, 7),
        TransactionSnapshot {
            cause: "unsatisfiable".into(),
            why: "no resolution satisfies 'enough' (bank.avm:12) and bank.avm:14 together".into(),
            core: core.to_vec(),
            choices: vec!["amount = 20 (2 of 3), bank.avm:9".into()],
            solver_ns: Some(430_000),
            questions: 1,
            runs: 3,
            ..row("t37", "x2", TransactionState::Aborted, 12)
        },
        TransactionSnapshot {
            solver_ns: Some(510_000),
            questions: 1,
            runs: 2,
            segments: vec!["alice#offer(5)".into(), "bob#offer(4)".into()],
            ..row("t36", "x2", TransactionState::Committed, 30)
        },
    ]
}

fn solver(polls: u64, now: u64) -> SolverSnapshot {
    let question = |execution: &str, transaction: &str, outcome: &str, reason: &str, took_ns| QuestionSnapshot {
        execution: execution.into(),
        transaction: transaction.into(),
        outcome: outcome.into(),
        reason: reason.into(),
        choices: 2,
        requires: 3,
        variables: 0,
        nodes: 41,
        waited_ns: 12_000,
        took_ns,
        asked_unix_ns: now - 12 * SECOND,
    };
    let mut times = vec![0; 32];
    (times[18], times[19], times[20], times[23]) = (40, 210, 31, 1);
    SolverSnapshot {
        name: "z3 4.8.12".into(),
        workers: 2,
        busy: 1,
        queued: 2,
        queue_limit: 64,
        oldest_queued_ns: 1_200_000,
        oldest_running_ns: 41_000_000,
        oldest_running: "x5".into(),
        limit_ns: 2 * SECOND,
        sat: polls * 3,
        unsat: polls,
        unknown: 0,
        restarts: 0,
        restart_reason: String::new(),
        times_ns: times,
        p50_ns: 470_000,
        p99_ns: 1_900_000,
        questions: vec![
            question("x5", "t40", "running", "", 41_000_000),
            question("x2", "t37", "unsat", "enough, bank.avm:14", 430_000),
            question("x2", "t36", "sat", "", 510_000),
        ],
    }
}

/// The trace of a transfer inside a transaction, and of a relay that calls on.
pub fn trace() -> Box<TraceSnapshot> {
    let entry = |timestamp: u64, event: &str, to: &str, text: &str, output: Option<&str>, note: &str| TraceEntry {
        timestamp,
        event: event.into(),
        from: "main".into(),
        to: to.into(),
        text: text.into(),
        output: output.map(Into::into),
        transaction: if event.starts_with("Transaction") { "t4".into() } else { String::new() },
        controller: if (1..6).contains(&timestamp) { "c1".into() } else { String::new() },
        place: format!("bank.avm:{}", 10 + timestamp),
        note: note.into(),
        torus: "A".into(),
        clock: vec![("main".into(), timestamp), ("o0".into(), timestamp / 2)],
        ..TraceEntry::default()
    };
    let entries = vec![
        entry(0, "TransactionStarted", "", "", None, ""),
        entry(1, "ObjectCalled", "o0", "withdraw 30", Some("ok"), ""),
        TraceEntry { from: "o1".into(), depth: 1, ..entry(2, "ObjectCalled", "o2", "log 30", None, "") },
        entry(3, "ObjectCalled", "o1", "deposit 30", Some("ok"), ""),
        entry(4, "TransactionCommitted", "", "", None, "2 objects, 0 conflicts, 11 us, solver: not asked"),
        entry(5, "Noted", "", "\"transfer done\"", None, ""),
        entry(6, "TransactionStarted", "", "", None, ""),
        TraceEntry { provisional: true, ..entry(7, "ObjectCalled", "o0", "withdraw 500", Some("insufficient"), "") },
        entry(8, "TransactionAborted", "", "", None, "require enough: b >= 20 (bank.avm:12)"),
    ];
    let lifelines = [("main", ""), ("o0", "account"), ("o1", "account"), ("o2", "escrow")];
    Box::new(TraceSnapshot {
        execution: "x0".into(),
        program: "bank#transfer".into(),
        total: entries.len() as u64,
        from: 0,
        dropped: 0,
        level: "default".into(),
        hash: "5f3a90c2".into(),
        lifelines: lifelines.map(|(id, name)| LifelineSnapshot { id: id.into(), name: name.into() }).to_vec(),
        lifelines_left_out: 0,
        entries,
    })
}

/// All that is known of an execution.
pub fn execution_detail(at: u64) -> Box<ExecutionDetail> {
    let frame = |function: &str, object: &str, place: &str| FrameSnapshot {
        function: function.into(),
        object: object.into(),
        place: place.into(),
    };
    Box::new(ExecutionDetail {
        row: execution(at, NOON_NS),
        deadline_ticks: 0,
        arguments: vec!["o1".into(), "o3".into(), "30".into()],
        result: String::new(),
        error: String::new(),
        stack: vec![frame("deposit", "o3", "bank.avm:21"), frame("transfer", "", "bank.avm:44")],
        children: vec!["x10".into(), "x11".into()],
        seed: 9,
        trace_hash: "5f3a90c2".into(),
        trace_level: "default".into(),
        moved: vec!["A → B: load 71 vs 52".into()],
        notes: vec!["\"first transfer\"".into()],
        notes_total: 1,
    })
}

/// All that is known of an object.
pub fn object_detail(at: u64) -> Box<ObjectDetail> {
    let version = |version: u64, execution: &str, transaction: &str, value: &str| VersionSnapshot {
        version,
        execution: execution.into(),
        transaction: transaction.into(),
        at_unix_ns: NOON_NS - (60 - version) * SECOND,
        what: if version == 1 { "created".into() } else { "state".into() },
        value: value.into(),
    };
    Box::new(ObjectDetail {
        row: object(at, NOON_NS),
        state: "[70]".into(),
        behaviour_hash: "ab12cd34".into(),
        history: vec![version(18, "x9", "t38", "[70]"), version(17, "x0", "", "[100]"), version(1, "x0", "t1", "")],
        messages: vec!["[\"inc\"]".into()],
    })
}

impl Console {
    /// A node that runs programs, after thirty polls.
    pub fn of_programs(columns: u16, rows: u16) -> Self {
        let mut console = Self::empty(columns, rows, Colours::None);
        console.run(30, |_| {});
        console
    }

    /// Sees the next polls of a node that runs programs, each changed by `change`.
    pub fn run(&mut self, polls: u64, change: impl Fn(&mut AvmSnapshot)) {
        for _ in 0..polls {
            let at = self.polls() + 1;
            self.poll(1, |node: &mut Snapshot| {
                let mut avm = programs(at);
                change(&mut avm);
                node.avm = Some(avm);
            });
        }
    }

    /// The agent answers a question of a screen.
    pub fn answer(&mut self, reply: AvmReply) {
        self.event(Event::Details(Box::new(Ok(reply))));
    }
}
