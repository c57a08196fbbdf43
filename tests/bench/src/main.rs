//! `make bench`: every figure the project promises, ours and the peer side by side in one run.
//!
//! `trefoil-bench [--only SECTION,...] [--json FILE] [--trefoil BINARY]` prints one table and writes
//! one JSON list. Figures are medians of at least five interleaved rounds on pinned threads; the machine's mode stands above
//! them, because two virtual CPUs may share a core from one minute to the next. Nothing fails by a figure: a missed bar is shown.

mod agent;
mod avm_rows;
mod ballots;
mod bootstrap_rows;
mod braid;
mod ekk_rows;
mod inject;
mod link_rows;
mod links;
mod measure;
mod projection;
mod report;
mod seed;
mod shm;
mod sim_rows;
mod torus_rows;
mod udp;

use std::path::PathBuf;
use std::process::ExitCode;

use measure::{Mode, machine_mode};
use report::{Row, Verdict, table, write_json};

/// What bootstrap steps allocate is counted.
#[global_allocator]
static ALLOCATOR: shm_transport::counting::CountingAllocator = shm_transport::counting::CountingAllocator;

const SECTIONS: [&str; 12] =
    ["torus", "projection", "shm", "inject", "braid", "agent", "ekk", "bootstrap", "udp", "link", "sim", "avm"];

struct Options {
    only: Vec<String>,
    json: PathBuf,
    trefoil: Option<PathBuf>,
}

fn options(args: &[String]) -> Result<Options, String> {
    let mut options = Options { only: Vec::new(), json: PathBuf::from("target/bench.json"), trefoil: None };
    let mut rest = args.iter();
    while let Some(flag) = rest.next() {
        let mut value = || rest.next().cloned().ok_or_else(|| format!("{flag} wants a value"));
        match flag.as_str() {
            "--only" => options.only = value()?.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            "--json" => options.json = value()?.into(),
            "--trefoil" => options.trefoil = Some(value()?.into()),
            other => return Err(format!("unknown flag {other}; known: --only, --json, --trefoil")),
        }
    }
    match options.only.iter().find(|name| !SECTIONS.contains(&name.as_str())) {
        Some(name) => Err(format!("--only {name}: no such section; known: {}", SECTIONS.join(", "))),
        None => Ok(options),
    }
}

fn describe(mode: Mode, rtt_ns: f64) -> String {
    match mode {
        Mode::OneCore => "one core".to_owned(),
        Mode::Siblings => format!("cores 0 and 1 behave as siblings of one core (word round trip {rtt_ns:.0} ns)"),
        Mode::Separate => format!("cores 0 and 1 are separate (word round trip {rtt_ns:.0} ns)"),
    }
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]
fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // This binary again, as the other side of a measurement or under callgrind.
    let helper: Option<fn(&[String])> = match args.first().map(String::as_str) {
        Some("--child") => Some(shm::child),
        Some("--count-ballots") => Some(ekk_rows::count_ballots),
        Some("--count-sim") => Some(sim_rows::count_sim),
        _ => None,
    };
    if let Some(helper) = helper {
        helper(&args[1..]);
        return ExitCode::SUCCESS;
    }
    let options = match options(&args) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("trefoil-bench: {problem}");
            return ExitCode::from(2);
        }
    };
    let mut rows: Vec<Row> = Vec::new();
    let mut modes = Vec::new();
    for section in SECTIONS {
        if !options.only.is_empty() && !options.only.iter().any(|name| name == section) {
            continue;
        }
        let (mode, rtt_ns) = machine_mode();
        let mode_text = describe(mode, rtt_ns);
        eprintln!("{section}: {mode_text}");
        let section_rows = match section {
            "torus" => torus_rows::rows(),
            "projection" => projection::rows(),
            "shm" => shm::rows(mode),
            "inject" => inject::rows(mode),
            "braid" => braid::rows(),
            "ekk" => ekk_rows::rows(),
            "bootstrap" => bootstrap_rows::rows(),
            "udp" => udp::rows(mode),
            "link" => link_rows::rows(),
            "sim" => sim_rows::rows(),
            "avm" => avm_rows::rows(),
            _ => agent::rows(options.trefoil.as_deref()),
        };
        rows.extend(section_rows);
        modes.push(format!("{section}: {mode_text}"));
    }
    print!("{}", table(&rows, &modes.join("; ")));
    if let Err(error) = write_json(&rows, &options.json) {
        eprintln!("trefoil-bench: {}: {error}", options.json.display());
        return ExitCode::FAILURE;
    }
    let missed = rows.iter().filter(|row| row.ok == Verdict::Missed).count();
    println!("{} figures, {missed} bars missed; {}", rows.len(), options.json.display());
    ExitCode::SUCCESS
}
