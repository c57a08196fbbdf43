//! What may be written after `trefoil avm`.

use std::path::PathBuf;

use avm::Val;
use clap::{Args, Subcommand, ValueEnum};
use control::avm::{Query, Segment};

#[derive(Debug, Args)]
#[command(after_help = "\
Alone, without an agent (one torus in this process, state gone at its end):
  trefoil avm run avm/examples/ping_pong.avm --chart   run a program, see its calls
  trefoil avm test bank.avm                            run the tests in a file
  trefoil avm check bank.avm                           all that is wrong with it, at once

On a running node (trefoil run --config configs/avm.toml):
  trefoil avm load bank.avm                            compile it and load it on every torus
  trefoil avm start 'bank#main' 5 '\"alice\"'            start an entry with arguments
  trefoil avm ps --filter running                      see what runs, and where
  trefoil avm compose 'a#offer(5)' 'b#take'            two programs, one commit

Exit codes:
  0  done
  1  the program failed (its error and stack are on standard error), or a test of it did
  2  the command line is wrong
  3  no agent, or it does not answer
  4  the agent refused; nothing was changed
  5  the program is refused: it does not compile, or asks for what is not granted")]
pub(crate) struct Avm {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check programs: everything that is wrong with them, each with its place and what to do.
    Check(Files),
    /// Write programs in the one form (in place).
    Fmt(Fmt),
    /// Run a program here, without an agent.
    Run(Run),
    /// Run the tests that stand in program files.
    Test(Test),
    /// Show what a program, run here, or an execution of a node asks the solver.
    Constraints(Constraints),
    /// Show the bytecode of a program.
    Disasm(One),
    /// Show the control flow of a program as Mermaid.
    Cfg(Cfg),
    /// Load programs into the node.
    Load(Load),
    /// Show the loaded programs.
    Programs(Json),
    /// Start an entry of a loaded program.
    Start(Start),
    /// Show executions.
    Ps(List),
    /// Show one execution (x7), object (o3) or transaction (t4).
    Show(Id),
    /// Hold an execution at the end of its instruction.
    Suspend(Id),
    /// Let a held execution go on.
    Resume(Id),
    /// End an execution and those it started; their open transactions abort.
    Kill(Id),
    /// Call an object and show its output.
    Call(Call),
    /// Put a message into the mailbox of an object.
    Send(Send),
    /// Show the trace of an execution.
    Trace(Trace),
    /// Show objects.
    Objects(List),
    /// Show transactions: open ones, then those that were decided, with why not.
    Tx(List),
    /// Show the solver pool.
    Solver(Json),
    /// Run entries of several programs as one commit: all of it, or nothing.
    Compose(Compose),
    /// Run a program here many times and show how fast it is.
    Bench(Bench),
}

#[derive(Debug, Args)]
pub(super) struct Files {
    /// Program files.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Remarks as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// Program file.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Fmt {
    /// Program files.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Change nothing; exit code 1 when a file is not in the one form.
    #[arg(long)]
    pub(super) check: bool,
}

/// Who answers questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Solver {
    /// The solver Z3.
    Z3,
    /// The complete search that is built in.
    BuiltIn,
}

/// How a program is run here.
#[derive(Debug, Args)]
pub(super) struct How {
    /// Seed of its random numbers: the same seed, the same run.
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    pub(super) seed: u64,
    #[command(flatten)]
    pub(super) bounds: Bounds,
    /// Time `now` gives it, Unix ns [default: the time].
    #[arg(long, value_name = "NS")]
    pub(super) now: Option<u64>,
    /// Grant what programs that say `unsafe` need.
    #[arg(long = "unsafe")]
    pub(super) grant_unsafe: bool,
    /// Who decides choices [default: z3, where built in].
    #[arg(long, value_enum)]
    pub(super) solver: Option<Solver>,
    /// Controllers that can be reached, by name; all when none is named.
    #[arg(long = "controller", value_name = "NAME")]
    pub(super) controllers: Vec<String>,
    /// Machines that can be reached beside the first, m1; all when none is named.
    #[arg(long = "machine", value_name = "NAME")]
    pub(super) machines: Vec<String>,
}

/// What of a program file is started.
#[derive(Debug, Args)]
pub(super) struct Entry {
    /// Entry to start.
    #[arg(long, default_value = "main")]
    pub(super) entry: String,
    /// An argument, as the language writes values: 5, '"text"', '[1, 2]'. Once for each.
    #[arg(long = "arg", value_name = "VALUE", allow_hyphen_values = true)]
    pub(super) arguments: Vec<Val>,
}

/// What one execution may use, here and on a node.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Bounds {
    /// Operations it may use.
    #[arg(long, value_name = "OPERATIONS")]
    pub(super) fuel: Option<u64>,
    /// Memory it may use: bytes, or with a unit, 64KiB, 8MiB.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(super) memory: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct Run {
    /// Program file.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) call: Entry,
    /// Show the trace.
    #[arg(long)]
    pub(super) trace: bool,
    /// All events in the trace: states, domains, labels too.
    #[arg(long)]
    pub(super) extended: bool,
    /// Show the trace as a sequence chart.
    #[arg(long)]
    pub(super) chart: bool,
    /// Everything, as JSON.
    #[arg(long, conflicts_with_all = ["trace", "chart"])]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) how: How,
}

#[derive(Debug, Args)]
pub(super) struct Test {
    /// Program files.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Only tests whose name contains this.
    #[arg(long, value_name = "TEXT")]
    pub(super) name: Option<String>,
    #[command(flatten)]
    pub(super) how: How,
}

#[derive(Debug, Args)]
pub(super) struct Constraints {
    /// Program file, or execution of the node (x7).
    #[arg(value_name = "FILE|ID")]
    pub(super) what: String,
    #[command(flatten)]
    pub(super) call: Entry,
    /// SMT-LIB 2 instead of JSON.
    #[arg(long)]
    pub(super) smtlib: bool,
    #[command(flatten)]
    pub(super) how: How,
}

#[derive(Debug, Args)]
pub(super) struct Cfg {
    /// Program file.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Only this function.
    #[arg(long, value_name = "NAME")]
    pub(super) function: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Load {
    /// Program files; what they import is found beside them.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
}

/// How the answer is shown.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Json {
    /// As JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Start {
    /// Program and entry: bank#main.
    #[arg(value_name = "PROGRAM#ENTRY")]
    pub(super) what: String,
    /// Arguments, as the language writes values.
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    pub(super) arguments: Vec<String>,
    /// How many equal executions; each has the next seed.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) count: u32,
    /// Torus it starts on, by name [default: the least loaded].
    #[arg(long)]
    pub(super) torus: Option<String>,
    /// Seed of its random numbers [default: drawn, see `show`].
    #[arg(long)]
    pub(super) seed: Option<u64>,
    /// What its trace holds.
    #[arg(long, value_parser = ["off", "default", "extended"])]
    pub(super) trace: Option<String>,
    #[command(flatten)]
    pub(super) bounds: Bounds,
    /// Controller whose authority it has.
    #[arg(long)]
    pub(super) authority: Option<String>,
    /// Wait in `receive` instead of getting `nothing`.
    #[arg(long)]
    pub(super) blocking: bool,
    /// Start as a child of this execution (x7): on the same torus, and ended with it at the latest.
    #[arg(long, value_name = "ID")]
    pub(super) parent: Option<String>,
    /// End it after so many ticks of its torus.
    #[arg(long, value_name = "TICKS")]
    pub(super) deadline: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only rows that contain this in any word.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(super) filter: String,
    /// Column to sort by.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(super) sort: String,
    /// Largest first.
    #[arg(long)]
    pub(super) descending: bool,
    /// First row, from 0.
    #[arg(long, default_value_t = 0)]
    pub(super) from: u64,
    /// How many rows.
    #[arg(long, default_value_t = 50)]
    pub(super) count: u32,
    #[command(flatten)]
    pub(super) json: Json,
}

impl List {
    pub(super) fn query(&self) -> Query {
        Query {
            from: self.from,
            count: self.count,
            sort: self.sort.clone(),
            descending: self.descending,
            filter: self.filter.clone(),
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Id {
    /// The id.
    #[arg(value_name = "ID")]
    pub(super) id: String,
    #[command(flatten)]
    pub(super) json: Json,
}

/// A message and whom it is for.
#[derive(Debug, Args)]
pub(super) struct Send {
    /// The object: o7.
    #[arg(value_name = "OBJECT")]
    pub(super) object: String,
    /// The message: '["deposit", 5]'.
    #[arg(value_name = "MESSAGE", allow_hyphen_values = true)]
    pub(super) message: String,
}

#[derive(Debug, Args)]
pub(super) struct Call {
    #[command(flatten)]
    pub(super) send: Send,
    /// Controller whose authority the call has.
    #[arg(long)]
    pub(super) authority: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Trace {
    /// The execution: x7.
    #[arg(value_name = "ID")]
    pub(super) id: String,
    /// Only entries about this object.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(super) object: String,
    /// Only entries of this event: ObjectCalled, TransactionAborted, Noted, ...
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(super) event: String,
    /// Only entries from this timestamp on.
    #[arg(long, default_value_t = 0)]
    pub(super) since: u64,
    /// First entry [default: so that the newest are in it].
    #[arg(long)]
    pub(super) from: Option<u64>,
    /// How many entries.
    #[arg(long, default_value_t = 200)]
    pub(super) count: u32,
    /// As a sequence chart.
    #[arg(long)]
    pub(super) chart: bool,
    #[command(flatten)]
    pub(super) json: Json,
}

#[derive(Debug, Args)]
pub(super) struct Compose {
    /// Parts, each with its arguments: 'bank#transfer(5, "alice")'.
    #[arg(required = true, value_name = "PROGRAM#ENTRY", value_parser = segment)]
    pub(super) parts: Vec<Segment>,
    /// All on one snapshot, and refused when they touch the same, instead of one after the other.
    #[arg(long)]
    pub(super) parallel: bool,
    #[command(flatten)]
    pub(super) json: Json,
}

#[derive(Debug, Args)]
pub(super) struct Bench {
    /// Program file.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) call: Entry,
    /// How often.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) times: u32,
    #[command(flatten)]
    pub(super) how: How,
}

/// Bytes of `65536`, `65_536`, `64KiB`, `8MiB` or `1GiB`.
fn bytes(text: &str) -> Result<u64, String> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let (number, shift) =
        units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift))).unwrap_or((text, 0));
    let number = number.trim_end().replace('_', "").parse::<u64>().ok().filter(|number| *number > 0);
    number
        .and_then(|number| number.checked_shl(shift).filter(|bytes| bytes >> shift == number))
        .ok_or_else(|| format!("{text:?}: expected a number of bytes, 64KiB, 8MiB or 1GiB"))
}

/// Program and entry of `bank#main`.
pub(super) fn named(text: &str) -> Result<(String, String), String> {
    match text.split_once('#') {
        Some((program, entry)) if !program.is_empty() && !entry.is_empty() => {
            Ok((program.to_owned(), entry.to_owned()))
        }
        _ => Err(format!("{text:?}: expected PROGRAM#ENTRY, for example bank#main")),
    }
}

/// A part of a composition: `A#f`, or `A#f(5, "x")`.
fn segment(text: &str) -> Result<Segment, String> {
    let (head, arguments) = match text.split_once('(') {
        None => (text, Vec::new()),
        Some((head, rest)) => {
            let inside = rest.strip_suffix(')').ok_or_else(|| format!("{text:?}: the ) is missing at its end"))?;
            let values = format!("[{inside}]").parse::<Val>().map_err(|error| error.to_string())?;
            let Val::List(values) = values else { return Err(format!("{text:?}: no list of arguments")) };
            (head, values.iter().map(Val::to_string).collect())
        }
    };
    let (program, entry) = named(head)?;
    Ok(Segment { program, entry, arguments })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_of_memory_are_read_with_their_units() {
        for (text, wanted) in [("7", 7), ("65_536", 65_536), ("64KiB", 65_536), ("8MiB", 8 << 20), ("1GiB", 1 << 30)] {
            assert_eq!(bytes(text), Ok(wanted), "{text}");
        }
        for wrong in ["", "0", "-1", "8MB", "KiB", "99999999999GiB", "1.5MiB"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn parts_are_read_with_their_arguments() {
        let part = segment("bank#move(5, [\"a\", (1, 2)])").expect("valid");
        assert_eq!((part.program.as_str(), part.entry.as_str()), ("bank", "move"));
        assert_eq!(part.arguments, ["5", "[\"a\", (1, 2)]"]);
        assert_eq!(segment("a#f").expect("valid").arguments, Vec::<String>::new());
        for wrong in ["a", "#f", "a#", "a#f(5", "a#f(inc)"] {
            assert!(segment(wrong).is_err(), "{wrong}");
        }
    }
}
