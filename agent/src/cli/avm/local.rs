//! Commands that need no agent.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Instant;

use avm::event::TraceLevel;
use avm::lang;
use avm::vm::Why;
use avm::{Val, trace};

use super::args::{Bench, Cfg, Constraints, Entry, Files, Fmt, How, One, Run, Test};
use super::drive::{Drive, End, QUESTIONS, Told};
use crate::cli::{Failure, out};
use crate::runtime::avm::programs::{self, Program};
use crate::runtime::avm::view;

/// Said before a program runs here.
const IN_MEMORY: &str = "state is in memory only: objects are gone when this program ends";

fn refused(text: impl ToString) -> Failure {
    Failure { code: 5, text: text.to_string() }
}

fn colour() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none()
}

/// Compiles a file; warnings go to standard error.
fn compile(file: &Path) -> Result<Program, Failure> {
    let source = programs::read(file).map_err(Failure::usage)?;
    let program = programs::compile(&[source], &programs::beside(file), colour()).map_err(refused)?;
    if !program.warnings.is_empty() {
        out::note(program.warnings.trim_end());
    }
    Ok(program)
}

pub(super) fn check(files: &Files) -> Result<(), Failure> {
    let (mut wrong, mut said) = (0, Vec::new());
    for file in &files.files {
        let source = programs::read(file).map_err(Failure::usage)?;
        let remarks = lang::check(&[source], &programs::beside(file));
        if files.json {
            said.push(remarks.to_json());
        } else if remarks.is_empty() {
            out::line(&format!("{}: nothing wrong", file.display()));
        } else {
            out::note(remarks.render(colour()).trim_end());
        }
        wrong += u32::from(remarks.has_errors());
    }
    if files.json {
        out::line(&serde_json::Value::Array(said).to_string());
    }
    match wrong {
        0 => Ok(()),
        1 => Err(refused("1 program has errors")),
        many => Err(refused(format!("{many} programs have errors"))),
    }
}

pub(super) fn fmt(fmt: &Fmt) -> Result<(), Failure> {
    let mut other = 0;
    for file in &fmt.files {
        let source = programs::read(file).map_err(Failure::usage)?;
        let formatted = lang::format_source(&source).map_err(|remarks| refused(remarks.render(colour())))?;
        if *formatted == *source.text {
            continue;
        }
        other += 1;
        if fmt.check {
            out::line(&format!("{}: not in the one form; write it with: trefoil avm fmt", file.display()));
        } else {
            std::fs::write(file, formatted).map_err(|error| Failure::failed(format!("{}: {error}", file.display())))?;
            out::line(&format!("{}: written", file.display()));
        }
    }
    match other {
        1 if fmt.check => Err(Failure::failed("1 file is not in the one form")),
        2.. if fmt.check => Err(Failure::failed(format!("{other} files are not in the one form"))),
        _ => Ok(()),
    }
}

fn ready(program: &Program, how: &How) -> Result<Drive, Failure> {
    let mut drive = Drive::new(how)?;
    program.all().try_for_each(|module| drive.load(module))?;
    Ok(drive)
}

/// A note or a result for a person: a text without its quotes.
fn plain(value: &Val) -> String {
    match value {
        Val::Text(text) => text.to_string(),
        other => other.to_string(),
    }
}

pub(super) fn run(run: &Run) -> Result<(), Failure> {
    let program = compile(&run.file)?;
    let mut drive = ready(&program, &run.how)?;
    if !run.json {
        out::note(IN_MEMORY);
    }
    let level = if run.extended { TraceLevel::Extended } else { TraceLevel::Default };
    let start = drive.order(&run.how, &program.main.module().name, &run.call, level);
    if run.json {
        let mut notes = Notes::default();
        let end = drive.run(&start, &mut |told| notes.take(told))?;
        return as_json(&end, &start, &notes);
    }
    let end = drive.run(&start, &mut |told| match told {
        Told::Note(value) => out::line(&plain(&value)),
        Told::Lost(count) => out::note(&lost(count)),
    })?;
    if run.trace {
        end.trace.iter().for_each(|entry| out::line(&entry.to_string()));
    }
    if run.chart {
        let notes = end.decisions.iter().filter_map(|decision| Some((decision.tx, trace::reason(decision)?))).collect();
        let chart = trace::Chart { width: width(), notes, lost: end.gap, ..trace::Chart::default() };
        out::text(&trace::chart(&end.trace, &chart));
    }
    for decision in &end.decisions {
        if let Some(why) = view::why_not(decision) {
            out::note(&format!("transaction {} was not committed: {why}", decision.tx));
        }
    }
    match &end.result {
        Ok(value) => {
            out::line(&format!("result: {value}"));
            Ok(())
        }
        Err(failure) => Err(Failure::failed(explain(&end, failure))),
    }
}

/// What is said of notes that are lost.
fn lost(count: u64) -> String {
    format!("{count} notes are lost: of one transaction at most 4096 are kept until it is decided")
}

/// Notes for a machine to read: the last of them.
#[derive(Default)]
struct Notes {
    last: VecDeque<Val>,
    total: u64,
}

impl Notes {
    /// Most that are kept.
    const MOST: usize = 10_000;

    fn take(&mut self, told: Told) {
        match told {
            Told::Note(value) => {
                self.total += 1;
                self.last.push_back(value);
                if self.last.len() > Self::MOST {
                    self.last.pop_front();
                }
            }
            Told::Lost(count) => self.total += count,
        }
    }
}

fn explain(end: &End, failure: &avm::vm::Failure) -> String {
    match end.stuck {
        Some(Why::Receiving) => "the program waits for a message, and nobody is here to send one; start it on a node: \
                                 trefoil avm load, trefoil avm start --blocking"
            .to_owned(),
        _ => view::failure_text(failure),
    }
}

pub(super) fn width() -> usize {
    crossterm_width().unwrap_or(100)
}

/// Columns of the terminal, as the shell tells.
fn crossterm_width() -> Option<usize> {
    std::env::var("COLUMNS").ok()?.parse().ok().filter(|columns| *columns >= 40)
}

fn as_json(end: &End, start: &avm::vm::Start, notes: &Notes) -> Result<(), Failure> {
    let hash = trace::trace_hash(&end.trace, end.gap);
    let trace: serde_json::Value = serde_json::from_str(&trace::to_json(&end.trace)).unwrap_or_default();
    let value_json = |value: &Val| {
        let mut text = String::new();
        trace::value_json(&mut text, value);
        serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default()
    };
    let decisions: Vec<serde_json::Value> = end
        .decisions
        .iter()
        .map(|decision| {
            serde_json::json!({
                "transaction": decision.tx.to_string(), "committed": decision.refused.is_none(),
                "choices": decision.choices, "runs": decision.runs, "why": view::why_not(decision),
            })
        })
        .collect();
    let (result, error) = match &end.result {
        Ok(value) => (value_json(value), serde_json::Value::Null),
        Err(failure) => {
            let text = serde_json::json!({
                "name": failure.error.name(), "message": failure.error.to_string(),
                "stack": view::frames(failure),
            });
            (serde_json::Value::Null, text)
        }
    };
    let all = serde_json::json!({
        "program": format!("{}#{}", start.module, start.entry), "seed": start.seed, "now_ns": start.now_ns,
        "result": result, "error": error, "notes": notes.last.iter().map(value_json).collect::<Vec<_>>(),
        "notes_total": notes.total, "operations": end.operations, "trace": trace, "trace_gap": end.gap,
        "trace_hash": hash.semantic.to_string(), "trace_hash_full": hash.full.to_string(), "transactions": decisions,
    });
    out::line(&all.to_string());
    match &end.result {
        Ok(_) => Ok(()),
        Err(failure) => Err(Failure::failed(explain(end, failure))),
    }
}

/// Runs the tests that stand in files (`decisions:AVM-23h`).
pub(super) fn test(test: &Test) -> Result<(), Failure> {
    let (mut passed, mut failed) = (0, 0);
    let mut others = Vec::new();
    for file in &test.files {
        let program = compile(file)?;
        let module = program.main.module();
        let wanted = |name: &str| test.name.as_deref().is_none_or(|part| name.contains(part));
        others.extend(module.tests.iter().map(|entry| entry.name.to_string()).filter(|name| !wanted(name)));
        for entry in module.tests.iter().filter(|entry| wanted(&entry.name)) {
            // Each has a lane of its own: no test sees what another left.
            let mut drive = ready(&program, &test.how)?;
            let from = Entry { entry: entry.name.to_string(), arguments: Vec::new() };
            let start = drive.order(&test.how, &module.name, &from, TraceLevel::Off);
            let end = drive.run(&start, &mut |_| ())?;
            match &end.result {
                Ok(_) => {
                    passed += 1;
                    out::line(&format!("{}: {} ... ok", module.name, entry.name));
                }
                Err(failure) => {
                    failed += 1;
                    out::line(&format!("{}: {} ... FAILED", module.name, entry.name));
                    out::note(&explain(&end, failure));
                }
            }
        }
    }
    if let (Some(part), 0) = (&test.name, passed + failed) {
        return Err(Failure::usage(format!("--name {part}: no test is called so; there are: {}", others.join(", "))));
    }
    out::line(&format!("{passed} passed, {failed} failed"));
    match failed {
        0 => Ok(()),
        1 => Err(Failure::failed("1 test failed")),
        many => Err(Failure::failed(format!("{many} tests failed"))),
    }
}

pub(super) fn constraints(asked: &Constraints) -> Result<(), Failure> {
    let program = compile(Path::new(&asked.what))?;
    let mut drive = ready(&program, &asked.how)?.keeping_questions();
    let module = &program.main.module().name;
    let start = drive.order(&asked.how, module, &asked.call, TraceLevel::Off);
    let end = drive.run(&start, &mut |_| ())?;
    match (asked.question.map(u64::from), drive.asked) {
        (None, 0) => out::note("the program asked the solver nothing: no commit of it had choices"),
        (Some(number), many) if number > many.min(QUESTIONS as u64) => {
            let kept = many.min(QUESTIONS as u64);
            return Err(Failure::usage(format!(
                "--question {number}: the program asked {many}, of which {kept} are kept"
            )));
        }
        (None, many) if many > QUESTIONS as u64 => {
            out::note(&format!("the program asked {many} questions; these are the first {QUESTIONS}"));
        }
        _ => {}
    }
    let wanted = |at: usize| asked.question.is_none_or(|number| number as usize == at + 1);
    for (_, ir) in drive.questions.iter().enumerate().filter(|(at, _)| wanted(*at)) {
        if asked.smtlib {
            let text = avm::nondet::smtlib::write(ir, &avm::nondet::Limits::default()).map_err(Failure::failed)?;
            out::text(&text);
        } else {
            out::line(&view::question(ir));
        }
    }
    match &end.result {
        Ok(_) => Ok(()),
        Err(failure) => Err(Failure::failed(explain(&end, failure))),
    }
}

pub(super) fn disasm(one: &One) -> Result<(), Failure> {
    let program = compile(&one.file)?;
    out::text(&avm::code::disasm(program.main.module()));
    Ok(())
}

pub(super) fn cfg(cfg: &Cfg) -> Result<(), Failure> {
    let program = compile(&cfg.file)?;
    let module = program.main.module();
    let Some(name) = &cfg.function else {
        out::text(&avm::code::cfg::mermaid_all(module));
        return Ok(());
    };
    match module.functions.iter().position(|function| *function.name == **name) {
        Some(at) => {
            out::text(&avm::code::cfg::mermaid(module, at as u16));
            Ok(())
        }
        None => {
            let names: Vec<&str> = module.functions.iter().map(|function| &*function.name).collect();
            Err(Failure::usage(format!("no function {name}; there are: {}", names.join(", "))))
        }
    }
}

pub(super) fn bench(bench: &Bench) -> Result<(), Failure> {
    let program = compile(&bench.file)?;
    let mut drive = ready(&program, &bench.how)?;
    let start = drive.order(&bench.how, &program.main.module().name, &bench.call, TraceLevel::Off);
    let (mut times, mut operations) = (Vec::with_capacity(bench.times as usize), 0);
    for _ in 0..bench.times {
        let began = Instant::now();
        let end = drive.run(&start, &mut |_| ())?;
        times.push(began.elapsed());
        operations += end.operations;
        if let Err(failure) = &end.result {
            return Err(Failure::failed(explain(&end, failure)));
        }
    }
    times.sort_unstable();
    let total: std::time::Duration = times.iter().sum();
    let nanoseconds = |at: usize| crate::cli::units::nanoseconds(times[at].as_nanos() as u64);
    let rate = operations as f64 / total.as_secs_f64().max(1e-9) / 1e6;
    out::line(&format!(
        "{} runs: fastest {}, median {}, slowest {}; {} operations a run, {rate:.1} million a second",
        times.len(),
        nanoseconds(0),
        nanoseconds(times.len() / 2),
        nanoseconds(times.len() - 1),
        operations / u64::from(bench.times),
    ));
    Ok(())
}
