//! Commands that ask a running node (`decisions:AVM-23g`).

use std::path::Path;

use avm::lang;
use control::Steering;
use control::avm::{
    AvmReply, AvmRequest, ExecutionDetail, ExecutionSnapshot, ExecutionState, Listing, ObjectDetail, ObjectSnapshot,
    ProgramSnapshot, SolverSnapshot, Source, StartRequest, TraceSnapshot, TransactionSnapshot, TransactionState,
};
use serde::Serialize;

use super::args::{Command, Json, Load, Start, Trace, Upgrade, named};
use crate::cli::table::grouped;
use crate::cli::{Failure, out, units};
use crate::control_plane::Client;
use crate::runtime::avm::programs;

fn ask(request: &AvmRequest, runtime_dir: &Path) -> Result<AvmReply, Failure> {
    Client::new(runtime_dir).avm(request).map_err(Failure::from)
}

pub(super) fn load(load: &Load, runtime_dir: &Path) -> Result<(), Failure> {
    for file in &load.files {
        let first = programs::read(file).map_err(Failure::usage)?;
        let mut sources = vec![first.clone()];
        let found = std::cell::RefCell::new(Vec::new());
        let loader = programs::beside(file);
        let noting = |name: &str| {
            let source = loader(name)?;
            found.borrow_mut().push(source.clone());
            Some(source)
        };
        // Said here, with the paths of the caller; what is good is compiled again by the node.
        let remarks = lang::check(std::slice::from_ref(&first), &noting);
        if remarks.has_errors() {
            return Err(Failure { code: 5, text: remarks.render(false) });
        }
        sources.append(&mut found.into_inner());
        let sources = sources.iter().map(|file| Source { name: file.name.to_string(), text: file.text.to_string() });
        ask(&AvmRequest::Load { sources: sources.collect() }, runtime_dir)?;
        out::line(&format!("{}: loaded on every torus; state is in memory only", file.display()));
    }
    Ok(())
}

fn start(start: Start) -> Result<StartRequest, Failure> {
    let (program, entry) = named(&start.what).map_err(Failure::usage)?;
    Ok(StartRequest {
        program,
        entry,
        arguments: start.arguments,
        count: start.count,
        torus: start.torus,
        seed: start.seed,
        trace: start.trace,
        fuel: start.bounds.fuel,
        memory_bytes: start.bounds.memory,
        authority: start.authority,
        blocking: start.blocking,
        parent: start.parent,
        deadline: start.deadline,
    })
}

/// What is asked, and whether the answer is wanted as JSON.
fn request(command: Command) -> Result<(AvmRequest, bool), Failure> {
    let plain = Json { json: false };
    let (request, json) = match command {
        Command::Programs(json) => (AvmRequest::Programs {}, json),
        Command::Start(arguments) => (AvmRequest::Start(start(arguments)?), plain),
        Command::Ps(list) => (AvmRequest::Ps { query: list.query() }, list.json),
        Command::Show(id) => (AvmRequest::Show { id: id.id }, id.json),
        Command::Suspend(id) => (AvmRequest::Suspend { id: id.id }, id.json),
        Command::Resume(id) => (AvmRequest::Resume { id: id.id }, id.json),
        Command::Kill(id) => (AvmRequest::Kill { id: id.id }, id.json),
        Command::Call(call) => {
            let (object, message, authority) = (call.send.object, call.send.message, call.authority);
            (AvmRequest::Call { object, message, authority }, plain)
        }
        Command::Upgrade(Upgrade { object, behaviour, authority }) => {
            (AvmRequest::Upgrade { object, behaviour, authority }, plain)
        }
        Command::Send(send) => (AvmRequest::Send { object: send.object, message: send.message }, plain),
        Command::Objects(list) => (AvmRequest::Objects { query: list.query() }, list.json),
        Command::Tx(list) => (AvmRequest::Tx { query: list.query() }, list.json),
        Command::Solver(json) => (AvmRequest::Solver {}, json),
        Command::Constraints(asked) => (AvmRequest::Constraints { id: asked.what, smtlib: asked.smtlib }, plain),
        Command::Compose(compose) => {
            let (segments, parallel) = (compose.parts, compose.parallel);
            (AvmRequest::Compose { segments, parallel }, compose.json)
        }
        _ => return Err(Failure::failed("this command needs no agent; this is a bug")),
    };
    Ok((request, json.json))
}

pub(super) fn command(command: Command, runtime_dir: &Path) -> Result<(), Failure> {
    let (request, json) = match command {
        Command::Load(files) => return load(&files, runtime_dir),
        Command::Trace(trace) => return traced(&trace, runtime_dir),
        other => request(other)?,
    };
    let reply = ask(&request, runtime_dir)?;
    match (&request, &reply) {
        _ if json => as_json(&reply)?,
        // Of many only the first are named; who is not refused has started them all.
        (AvmRequest::Start(start), AvmReply::Started(ids)) if start.count > 1 => {
            let first = ids.first().map_or("", String::as_str);
            out::line(&format!("{} started, the first is {first}", grouped(u64::from(start.count))));
        }
        _ => show(&reply),
    }
    verdict(&reply)
}

/// Whether what was asked for came about, however it was shown.
fn verdict(reply: &AvmReply) -> Result<(), Failure> {
    match reply {
        AvmReply::Composed { committed: false, transaction, .. } => {
            Err(Failure::failed(format!("not committed: {}", transaction.why)))
        }
        _ => Ok(()),
    }
}

fn as_json(reply: &impl Serialize) -> Result<(), Failure> {
    out::line(&serde_json::to_string_pretty(reply).map_err(Failure::failed)?);
    Ok(())
}

fn show(reply: &AvmReply) {
    match reply {
        AvmReply::Done(line) => out::line(line),
        AvmReply::Text(text) => out::line(text.trim_end()),
        AvmReply::Programs(programs) => show_programs(programs),
        AvmReply::Started(ids) => ids.iter().for_each(|id| out::line(id)),
        AvmReply::Executions(listing) => show_executions(listing),
        AvmReply::Objects(listing) => show_objects(listing),
        AvmReply::Transactions(listing) => show_transactions(listing),
        AvmReply::Execution(detail) => show_execution(detail),
        AvmReply::Object(detail) => show_object(detail),
        AvmReply::Transaction(row) => show_transaction(row),
        AvmReply::Trace(trace) => show_trace(trace),
        AvmReply::Solver(solver) => show_solver(solver),
        AvmReply::Output(output) => out::line(output.as_deref().unwrap_or("nothing")),
        AvmReply::Composed { committed, transaction, results } => {
            for (segment, result) in transaction.segments.iter().zip(results) {
                out::line(&format!("{segment}: {result}"));
            }
            if *committed {
                out::line("committed");
            } else {
                show_transaction(transaction);
            }
        }
    }
}

/// Columns as wide as their widest cell.
fn table(head: &[&str], rows: &[Vec<String>]) {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.len()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let last = cells.len().saturating_sub(1);
        let mut out = String::new();
        for (at, (cell, width)) in cells.into_iter().zip(&widths).enumerate() {
            out.push_str(cell);
            if at < last {
                out.push_str(&" ".repeat(width + 2 - cell.chars().count()));
            }
        }
        out
    };
    out::line(&line(head.to_vec()));
    rows.iter().for_each(|row| out::line(&line(row.iter().map(String::as_str).collect())));
}

fn more<T>(listing: &Listing<T>) {
    if !listing.whole() {
        let (from, shown) = (listing.from, listing.rows.len() as u64);
        let last = from + shown;
        out::note(&format!(
            "rows {from} to {last} of {} that match, {} in all: --from {last}",
            listing.matching, listing.total
        ));
    }
}

fn show_programs(programs: &[ProgramSnapshot]) {
    let rows: Vec<Vec<String>> = programs
        .iter()
        .map(|program| {
            let capability = if program.capability { "unsafe" } else { "" };
            vec![
                program.name.clone(),
                program.hash.chars().take(12).collect(),
                program.executions.to_string(),
                capability.to_owned(),
                program.entries.join(", "),
            ]
        })
        .collect();
    table(&["PROGRAM", "HASH", "RUNNING", "NEEDS", "ENTRIES"], &rows);
}

fn state(state: ExecutionState) -> &'static str {
    match state {
        ExecutionState::Running => "running",
        ExecutionState::Suspended => "suspended",
        ExecutionState::Ended => "ended",
        ExecutionState::Failed => "failed",
        ExecutionState::Terminated => "terminated",
        ExecutionState::Unknown => "unknown",
    }
}

fn show_executions(listing: &Listing<ExecutionSnapshot>) {
    let row = |row: &ExecutionSnapshot| {
        let pinned = if row.pinned { " pinned" } else { "" };
        vec![
            row.id.clone(),
            row.program.clone(),
            state(row.state).to_owned(),
            format!("{}{pinned}", row.torus),
            row.moves.to_string(),
            grouped(row.fuel),
            units::bytes(row.memory_bytes as f64),
            row.why.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = listing.rows.iter().map(row).collect();
    table(&["ID", "PROGRAM", "STATE", "TORUS", "MOVES", "FUEL", "MEMORY", "WHY"], &rows);
    more(listing);
}

fn show_objects(listing: &Listing<ObjectSnapshot>) {
    let row = |row: &ObjectSnapshot| {
        vec![
            row.id.clone(),
            row.behaviour.clone(),
            row.torus.clone(),
            row.machine.clone(),
            if row.controller.is_empty() { "-".to_owned() } else { row.controller.clone() },
            row.version.to_string(),
            row.mailbox.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = listing.rows.iter().map(row).collect();
    table(&["ID", "BEHAVIOUR", "TORUS", "MACHINE", "CONTROLLER", "VERSION", "MAILBOX"], &rows);
    more(listing);
}

fn transaction_state(state: TransactionState) -> &'static str {
    match state {
        TransactionState::Open => "open",
        TransactionState::Deciding => "deciding",
        TransactionState::Committed => "committed",
        TransactionState::Aborted => "aborted",
        TransactionState::Unknown => "unknown",
    }
}

fn show_transactions(listing: &Listing<TransactionSnapshot>) {
    let row = |row: &TransactionSnapshot| {
        vec![
            row.id.clone(),
            row.execution.clone(),
            transaction_state(row.state).to_owned(),
            row.cause.clone(),
            row.runs.to_string(),
            row.why.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = listing.rows.iter().map(row).collect();
    table(&["ID", "EXECUTION", "STATE", "CAUSE", "RUNS", "WHY"], &rows);
    more(listing);
}

fn show_transaction(row: &TransactionSnapshot) {
    let id = if row.id.is_empty() { "the transaction" } else { &row.id };
    out::line(&format!("{id} of {}: {}", row.execution, transaction_state(row.state)));
    let line = |name: &str, value: &str| {
        if !value.is_empty() {
            out::line(&format!("  {name:<12} {value}"));
        }
    };
    line("why", &row.why);
    line("controller", &row.controller);
    line("segments", &row.segments.join(", "));
    if let Some(ns) = row.solver_ns {
        let (questions, runs) = (row.questions, row.runs);
        line("solver", &format!("{}, {questions} questions, {runs} runs", units::nanoseconds(ns)));
    }
    row.choices.iter().for_each(|choice| line("chosen", choice));
    row.core.iter().for_each(|require| line("requires", format!("{} {}", require.name, require.place).trim()));
    let version = |version: Option<u64>| version.map_or_else(|| "absent".to_owned(), |version| version.to_string());
    for conflict in &row.conflicts {
        let by = if conflict.changed_by.is_empty() { "nobody known any more" } else { &conflict.changed_by };
        let (read, found) = (version(conflict.read), version(conflict.found));
        line("conflict", &format!("{}: version {read} read, {found} found, changed by {by}", conflict.object));
    }
    for read in &row.read_set {
        line("read", &format!("{} version {}", read.object, version(read.version)));
    }
    for write in &row.write_set {
        line("wrote", format!("{} {} {}", write.object, write.what, write.value).trim_end());
    }
    let (reads, writes) = (row.reads - row.read_set.len() as u64, row.writes - row.write_set.len() as u64);
    if reads + writes > 0 {
        line("more", &format!("{reads} read, {writes} written"));
    }
}

fn show_execution(detail: &ExecutionDetail) {
    let row = &detail.row;
    out::line(&format!("{}  {}  {}", row.id, row.program, state(row.state)));
    let pinned = if row.pinned { ", bound to its machine" } else { "" };
    let rows = [
        ("why", row.why.clone()),
        ("result", detail.result.clone()),
        ("arguments", detail.arguments.join(", ")),
        ("seed", detail.seed.to_string()),
        (
            "deadline",
            if detail.deadline_ticks == 0 { String::new() } else { format!("{} ticks", detail.deadline_ticks) },
        ),
        ("parent", row.parent.clone()),
        ("torus", format!("{}{pinned}", row.torus)),
        ("moved", detail.moved.join(", ")),
        ("operations", grouped(row.fuel)),
        (
            "memory",
            format!("{} of {}", units::bytes(row.memory_bytes as f64), units::bytes(row.memory_limit_bytes as f64)),
        ),
        ("waits for", row.waits_for.clone()),
        ("transaction", row.transaction.clone()),
        ("commits", format!("{} ({} aborted)", row.commits, row.aborts)),
        ("children", detail.children.join(", ")),
        ("trace", format!("{}, {} entries, hash {}", detail.trace_level, row.trace_entries, detail.trace_hash)),
    ];
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        out::line(&format!("  {name:<12} {value}"));
    }
    let kept = detail.notes.len() as u64;
    if detail.notes_total > kept {
        let (total, gone) = (grouped(detail.notes_total), grouped(detail.notes_total - kept));
        out::line(&format!("  {:<12} {total} in all, {gone} are no longer kept; the last:", "notes"));
    }
    detail.notes.iter().for_each(|note| out::line(&format!("  {:<12} {note}", "note")));
    if !detail.error.is_empty() {
        out::line(&format!("  error        {}", detail.error.replace('\n', "\n               ")));
    }
}

fn show_object(detail: &ObjectDetail) {
    let row = &detail.row;
    out::line(&format!("{}  {}", row.id, row.behaviour));
    let rows = [
        ("state", detail.state.clone()),
        ("torus", row.torus.clone()),
        ("machine", row.machine.clone()),
        ("controller", row.controller.clone()),
        ("created by", row.creating_controller.clone()),
        ("version", row.version.to_string()),
        ("written by", row.last_writer.clone()),
        ("intent of", row.intent.clone()),
        ("mailbox", row.mailbox.to_string()),
        ("behaviour", detail.behaviour_hash.clone()),
    ];
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        out::line(&format!("  {name:<12} {value}"));
    }
    for version in &detail.history {
        let tx = if version.transaction.is_empty() { String::new() } else { format!(" in {}", version.transaction) };
        let words = format!("{}: {} by {}{tx} {}", version.version, version.what, version.execution, version.value);
        out::line(&format!("  {:<12} {}", "version", words.trim_end()));
    }
    detail.messages.iter().for_each(|message| out::line(&format!("  {:<12} {message}", "message")));
}

fn traced(asked: &Trace, runtime_dir: &Path) -> Result<(), Failure> {
    let request = AvmRequest::Trace {
        id: asked.id.clone(),
        from: asked.from,
        count: asked.count,
        object: asked.object.clone(),
        event: asked.event.clone().unwrap_or_default(),
        since: asked.since,
        width: if asked.chart { super::local::width() as u32 } else { 0 },
    };
    let reply = ask(&request, runtime_dir)?;
    if asked.json.json {
        return as_json(&reply);
    }
    show(&reply);
    Ok(())
}

fn show_trace(trace: &TraceSnapshot) {
    for entry in &trace.entries {
        let output = entry.output.as_ref().map_or_else(String::new, |output| format!(" -> {output}"));
        // Other events name their object in their text.
        let to = if entry.event == "ObjectCalled" { format!(" {}", entry.to) } else { String::new() };
        let controller = if entry.controller.is_empty() { "-" } else { &entry.controller };
        let note = if entry.note.is_empty() { String::new() } else { format!("  ({})", entry.note) };
        let provisional = if entry.provisional { " provisional" } else { "" };
        out::line(&format!(
            "[{}] {}{to} {}{output} @{controller}{note}{provisional}",
            entry.timestamp, entry.event, entry.text
        ));
    }
    let last = trace.from + trace.entries.len() as u64;
    let lost = if trace.dropped > 0 { format!(", {} did not fit the trace", trace.dropped) } else { String::new() };
    out::note(&format!("entries {} to {last} of {}{lost}; hash {}", trace.from, trace.total, trace.hash));
}

fn show_solver(solver: &SolverSnapshot) {
    out::line(&format!("{}: {} threads, {} busy, {} queued", solver.name, solver.workers, solver.busy, solver.queued));
    out::line(&format!("  answers   {} sat, {} unsat, {} unknown", solver.sat, solver.unsat, solver.unknown));
    let (p50, p99) = (units::nanoseconds(solver.p50_ns), units::nanoseconds(solver.p99_ns));
    out::line(&format!(
        "  time      half within {p50}, 99 of 100 within {p99}, limit {}",
        units::nanoseconds(solver.limit_ns)
    ));
    if solver.restarts > 0 {
        out::line(&format!("  restarts  {}: {}", solver.restarts, solver.restart_reason));
    }
    let row = |question: &control::avm::QuestionSnapshot| {
        vec![
            question.execution.clone(),
            question.outcome.clone(),
            question.choices.to_string(),
            question.requires.to_string(),
            units::nanoseconds(question.took_ns),
            question.reason.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = solver.questions.iter().map(row).collect();
    table(&["EXECUTION", "OUTCOME", "CHOICES", "REQUIRES", "TOOK", "REASON"], &rows);
}
