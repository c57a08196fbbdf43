//! `trefoil sim`: the cluster under virtual time.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use sim::run::{self, Options};
use sim::{Fidelity, Scenario};

use super::{Failure, out, units};

/// Largest scenario file read; what is longer is refused by the reader with its own words.
const READ_MAX: u64 = 1 << 20;

#[derive(Debug, Args)]
pub(super) struct Sim {
    /// Scenario, such as configs/sim/partition.toml.
    #[arg(value_name = "FILE")]
    file: std::path::PathBuf,
    /// Nodes instead of the scenario's.
    #[arg(long, value_name = "COUNT")]
    nodes: Option<u32>,
    /// Seed of everything; the same seed gives the same run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Stop at this moment of virtual time: 500ms, 10s, 2m.
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    until: Option<Duration>,
    /// Run this peer through the same scenario too and print both side by side.
    #[arg(long, value_enum)]
    peer: Option<Peer>,
    /// Also print the table of thresholds: how fast and how wrong they are under the scenario's loss.
    #[arg(long)]
    thresholds: bool,
    /// Everything, as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Peer {
    /// SWIM, by the crate of that name: its LAN preset, and with as many bytes as ours.
    Foca,
}

pub(super) fn sim(command: &Sim) -> Result<(), Failure> {
    let scenario = read(&command.file)?;
    let until_ns = command.until.map(|until| u64::try_from(until.as_nanos()).unwrap_or(u64::MAX));
    let options = Options { nodes: command.nodes, seed: command.seed, until_ns };
    let file = command.file.display().to_string();
    if scenario.fidelity != Fidelity::Mesh && (command.peer.is_some() || command.thresholds) {
        return Err(Failure::usage("--peer and --thresholds compare coordination: use a scenario of fidelity mesh"));
    }
    let (text, json, failed) = match command.peer {
        None => alone(&scenario, &options, &file)?,
        Some(Peer::Foca) => {
            let compared = run::compare(&scenario, &options, &mut |_| true).map_err(Failure::usage)?;
            let failed = (!compared.holds()).then(|| compared.ours.reproduce(&file));
            (format!("{}\n{}", compared.ours.text(), compared.text()), json_of(&compared)?, failed)
        }
    };
    out::text(if command.json { &json } else { &text });
    if command.thresholds {
        let table = run::thresholds(&scenario, &options).map_err(Failure::usage)?;
        out::text(&if command.json { json_of(&table)? } else { table.text() });
    }
    match failed {
        None => Ok(()),
        Some(line) => Err(Failure::failed(format!("a check failed; this repeats it:\n  {line}"))),
    }
}

fn alone(scenario: &Scenario, options: &Options, file: &str) -> Result<(String, String, Option<String>), Failure> {
    let start = Instant::now();
    let mut report = run::trefoil(scenario, options, &mut |_| true).map_err(Failure::usage)?;
    report.set_wall_s(start.elapsed().as_secs_f64());
    let failed = report.violation.is_some().then(|| report.reproduce(file));
    Ok((report.text(), format!("{}\n", report.json()), failed))
}

fn json_of(value: &impl serde::Serialize) -> Result<String, Failure> {
    let mut text = serde_json::to_string_pretty(value).map_err(Failure::failed)?;
    let _ = writeln!(text);
    Ok(text)
}

fn read(path: &Path) -> Result<Scenario, Failure> {
    let shown = path.display();
    let found = std::fs::metadata(path).map_err(|error| Failure::usage(format!("{shown}: {error}")))?;
    if !found.is_file() || found.len() > READ_MAX {
        return Err(Failure::usage(format!("{shown}: not a file of at most {READ_MAX} bytes: name a scenario")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| Failure::usage(format!("{shown}: {error}")))?;
    Scenario::parse(&text).map_err(|problems| Failure::usage(format!("{shown}:\n{problems}")))
}
