//! What may be written on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::{ca, cluster, units};

/// Trefoil, a node agent: pinned tori in a braid over shared memory.
#[derive(Debug, Parser)]
#[command(
    name = "trefoil",
    version,
    propagate_version = true,
    max_term_width = 110,
    after_help = "\
Examples:
  trefoil run --config configs/demo.toml --console    start a node and watch it
  trefoil status --watch                              one table a second
  trefoil inject A 17 --payload 5 --count 100         put events into torus A
  trefoil torus pause A && trefoil torus step A       stop a torus and execute one event
  trefoil config check configs/node.toml              all problems of a configuration at once

Exit codes:
  0  done
  1  failed
  2  the command line or the configuration is wrong
  3  no agent, or it does not answer
  4  the agent refused; nothing was changed
  5  a program is refused: it does not compile, or asks for what is not granted"
)]
pub(super) struct Arguments {
    /// Folder of the agent's socket and status page [default: $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR/trefoil or
    /// /tmp/trefoil-UID; else /run/trefoil if an agent is there].
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) runtime_dir: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Start a node and stay until it is stopped (Ctrl-C, SIGTERM, `trefoil stop`).
    Run(Run),
    /// Show how the node is.
    Status(Status),
    /// Watch and steer the node in a terminal.
    Console(Console),
    /// Put events into a torus.
    Inject(Inject),
    /// Steer a torus.
    #[command(subcommand)]
    Torus(Torus),
    /// Stop the node in order.
    Stop,
    /// Show the last events.
    Events(cluster::Events),
    /// Show neighbours, watch links, sessions and fields of the cluster.
    Mesh(cluster::Mesh),
    /// Show what is known of a node, and why it was removed if it was.
    Why(cluster::Why),
    /// Show whether the cluster is formed, or whom it waits for and why.
    Bootstrap(cluster::Bootstrap),
    /// Open a ballot.
    Propose(cluster::Propose),
    /// Show ballots, or answer one.
    Ballots(cluster::Ballots),
    /// Leave the cluster in order; final for this start of the node.
    Leave,
    /// Send work away: the load field says no, neighbours take over.
    Drain(cluster::Drain),
    /// Let nobody remove a node for a time.
    Maintenance(cluster::Maintenance),
    /// Drop the record of a removed node.
    Forget(cluster::Forget),
    /// Decide about a node that asks to found the cluster with us.
    Join(cluster::Join),
    /// Make certificates: the authority of a cluster and its nodes.
    #[command(subcommand)]
    Ca(ca::Ca),
    /// Look at configurations.
    #[command(subcommand)]
    Config(Config),
    /// Replay a recording of `run --record` and compare the digests.
    Replay(Replay),
    /// Programs: check, run and test them here; load, start and watch them on a node.
    Avm(super::avm::Avm),
    /// Run a cluster of the real code under virtual time from one seed.
    Sim(super::sim::Sim),
    /// Measure this program against its peers.
    Bench(Bench),
}

#[derive(Debug, Args)]
pub(super) struct Run {
    /// Configuration file.
    #[arg(long, short, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// Stop after so long: 500ms, 10s, 2m.
    #[arg(long = "for", value_name = "TIME", value_parser = units::duration)]
    pub(super) limit: Option<Duration>,
    /// Record everything that enters a torus into this file, for `trefoil replay`.
    #[arg(long, value_name = "FILE")]
    pub(super) record: Option<PathBuf>,
    /// Open the console on the node; leaving it stops the node. Without a terminal: a status table each second.
    #[arg(long)]
    pub(super) console: bool,
}

#[derive(Debug, Args)]
pub(super) struct Status {
    /// Everything, as JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// Again each second, until Ctrl-C.
    #[arg(long, short)]
    pub(super) watch: bool,
}

#[derive(Debug, Args)]
pub(super) struct Console {
    /// Print one frame instead of opening the terminal.
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(super) frame: Option<Frame>,
    /// Screen of the frame, or the one the console opens on.
    #[arg(long, value_enum, default_value = "overview")]
    pub(super) screen: Screen,
    /// What the frame is about: an execution (x7), an object (o3) or a transaction (t4); of the trace its execution.
    #[arg(long, value_name = "ID", requires = "frame", conflicts_with = "open")]
    pub(super) of: Option<String>,
    /// Columns and rows of the frame.
    #[arg(long, value_name = "COLUMNSxROWS", default_value = "100x30", value_parser = size, requires = "frame")]
    pub(super) size: (u16, u16),
    /// Show a recording of the console instead of a live node.
    #[arg(long, value_name = "FILE")]
    pub(super) open: Option<PathBuf>,
    /// Write every snapshot seen to this file, for `--open`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["frame", "open"])]
    pub(super) record: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Frame {
    /// What the console shows, as text.
    Text,
    /// What the console derives, as JSON.
    Json,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Screen {
    /// All tori.
    Overview,
    /// The first torus.
    Torus,
    /// The mesh of the cluster.
    Mesh,
    /// Fields and gradients.
    Fields,
    /// Ballots.
    Ballots,
    /// Programs that run.
    Executions,
    /// Objects of programs.
    Objects,
    /// Transactions of programs.
    Transactions,
    /// What an execution did, as a sequence chart.
    Trace,
    /// The solver, and how full everything bounded is.
    Solver,
    /// Whether the cluster is formed.
    Bootstrap,
    /// The host.
    Host,
    /// The event log.
    Events,
}

#[derive(Debug, Args)]
pub(super) struct Inject {
    /// Torus, by name.
    pub(super) torus: String,
    /// Destination cell, 0..32767.
    #[arg(value_parser = clap::value_parser!(u32).range(0..32_768))]
    pub(super) dst: u32,
    /// Source cell the events carry, 0..32767.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..32_768))]
    pub(super) src: u32,
    /// Payload.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub(super) payload: i64,
    /// How many equal events.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) count: u32,
}

#[derive(Debug, Subcommand)]
pub(super) enum Torus {
    /// Stop executing events; heartbeat and braid go on.
    Pause {
        /// Torus, by name.
        torus: String,
    },
    /// Execute events again.
    Resume {
        /// Torus, by name.
        torus: String,
    },
    /// Execute some events of a paused torus.
    Step {
        /// Torus, by name.
        torus: String,
        /// How many.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        count: u32,
    },
    /// Set the braid interval.
    Interval {
        /// Torus, by name.
        torus: String,
        /// Ticks, 100..10000, or `adaptive` for the rule.
        #[arg(value_parser = interval, value_name = "TICKS|adaptive")]
        ticks: Interval,
    },
    /// Set which projections all tori apply.
    Mode {
        /// `rotate` or `ring`.
        #[arg(value_parser = ["rotate", "ring"])]
        mode: String,
    },
}

/// Ticks, or the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interval(pub(super) Option<u32>);

#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Check a configuration: all problems at once.
    Check(File),
    /// Show the effective configuration, with what is from the file and what is default.
    Show(File),
    /// Print the JSON schema, for editors.
    Schema,
}

#[derive(Debug, Args)]
pub(super) struct File {
    /// Configuration file.
    #[arg(value_name = "FILE", required_unless_present = "config", conflicts_with = "config")]
    file: Option<PathBuf>,
    /// The same, as `run` takes it.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl File {
    pub(super) fn path(&self) -> Option<&PathBuf> {
        self.file.as_ref().or(self.config.as_ref())
    }
}

#[derive(Debug, Args)]
pub(super) struct Replay {
    /// Recording made by `trefoil run --record`.
    pub(super) file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Bench {
    /// What the benchmark is to be told, such as `--only torus`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    pub(super) arguments: Vec<String>,
}

fn interval(text: &str) -> Result<Interval, String> {
    if text == "adaptive" {
        return Ok(Interval(None));
    }
    match text.parse() {
        Ok(ticks @ 100..=10_000) => Ok(Interval(Some(ticks))),
        _ => Err("expected 100..10000, or `adaptive`".to_owned()),
    }
}

fn size(text: &str) -> Result<(u16, u16), String> {
    let parse = || {
        let (columns, rows) = text.split_once('x')?;
        Some((columns.parse().ok()?, rows.parse().ok()?))
    };
    match parse() {
        Some((columns @ 20..=500, rows @ 5..=200)) => Ok((columns, rows)),
        _ => Err("expected COLUMNSxROWS such as 100x30, 20x5 to 500x200".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_its_help_is_pinned() {
        Arguments::command().debug_assert();
        insta::assert_snapshot!(Arguments::command().term_width(100).render_help());
    }

    #[test]
    fn what_users_write_is_understood() {
        let ok =
            |line: &str| Arguments::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
        ok("trefoil run --config x.toml --for 10s --console");
        ok("trefoil --runtime-dir /run/x status --json --watch");
        ok("trefoil status --runtime-dir /run/x");
        ok("trefoil torus interval A adaptive");
        ok("trefoil config check x.toml");
        ok("trefoil config check --config x.toml");
        ok("trefoil bench --only torus");
        let Command::Inject(inject) = ok("trefoil inject A 17 --payload -5 --count 3").command else {
            panic!("inject")
        };
        assert_eq!((inject.dst, inject.payload, inject.count), (17, -5, 3));
        for wrong in [
            "trefoil run",
            "trefoil inject A 32768",
            "trefoil torus interval A 99",
            "trefoil run --config x --for 0s",
            "trefoil torus mode braid",
            "trefoil config check",
            "trefoil console --frame text --size 3x3",
            "trefoil frobnicate",
        ] {
            let error = Arguments::try_parse_from(wrong.split(' ')).expect_err(wrong);
            assert_eq!(error.exit_code(), 2, "{wrong}");
        }
    }
}
