//! What may be written after `trefoil avm`.

use std::path::PathBuf;

use avm::Val;
use avm::value::ValError;
use clap::builder::PossibleValuesParser;
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
  1  the program failed (its error and stack are on standard error), a test of it did, a composition was not
     committed, a file is not in the one form (fmt --check), or a question was not decided
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
    /// Show what a program, run here, or an execution of a node asks the solver; or answer such a question.
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
    /// Give a living object another behaviour, or the newest text of its own; its state stays.
    Upgrade(Upgrade),
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

/// Who decides choices here.
#[derive(Debug, Args)]
pub(super) struct Who {
    /// Who decides choices [default: z3, where built in].
    #[arg(long, value_enum)]
    pub(super) solver: Option<Solver>,
    /// Longest time Z3 may take for one question, ms; then it is not decided.
    #[arg(long, default_value_t = 10_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) solver_timeout: u64,
}

/// How a program is run here.
#[derive(Debug, Args)]
pub(super) struct How {
    /// Seed of its random numbers: the same seed, the same run.
    #[arg(long, default_value_t = 0, value_name = "NUMBER", value_parser = number)]
    pub(super) seed: u64,
    #[command(flatten)]
    pub(super) bounds: Bounds,
    /// Time `now` gives it, Unix ns [default: the time].
    #[arg(long, value_name = "NS", value_parser = number)]
    pub(super) now: Option<u64>,
    /// Grant what programs that say `unsafe` need.
    #[arg(long = "unsafe")]
    pub(super) grant_unsafe: bool,
    #[command(flatten)]
    pub(super) who: Who,
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
    /// An argument, as the language writes values: 5, '"text"', '[1, 2]'. Once for each parameter.
    #[arg(long = "arg", value_name = "VALUE", allow_negative_numbers = true, value_parser = value)]
    pub(super) arguments: Vec<Val>,
}

/// What one execution may use, here and on a node.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Bounds {
    /// Operations it may use.
    #[arg(long, value_name = "OPERATIONS", value_parser = number)]
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
    /// Program file: it is run, and what it asks is shown. Execution of the node (x7): its last question. A question that was
    /// written by this command (.smt2, .json): it is answered, sat with the first valid resolution, unsat with the
    /// requirements that exclude each other, or unknown (exit code 1).
    #[arg(value_name = "FILE|ID")]
    pub(super) what: String,
    /// Of a program only this question, from 1.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) question: Option<u32>,
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
    /// Arguments, as the language writes values; options stand before or behind them, and -- before a value that begins
    /// with a dash and is no number.
    #[arg(value_name = "VALUE", allow_negative_numbers = true, value_parser = written)]
    pub(super) arguments: Vec<String>,
    /// How many equal executions; each has the next seed.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) count: u32,
    /// Torus it starts on, by name [default: the least loaded].
    #[arg(long)]
    pub(super) torus: Option<String>,
    /// Seed of its random numbers [default: drawn, see `show`].
    #[arg(long, value_name = "NUMBER", value_parser = number)]
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
    #[arg(long, value_name = "TICKS", value_parser = number)]
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
    #[arg(value_name = "MESSAGE", allow_negative_numbers = true, value_parser = written)]
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
pub(super) struct Upgrade {
    /// The object: o7.
    #[arg(value_name = "OBJECT")]
    pub(super) object: String,
    /// The behaviour: MODULE.BEHAVIOUR, as it was loaded last.
    #[arg(value_name = "BEHAVIOUR")]
    pub(super) behaviour: String,
    /// Controller whose authority it has.
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
    /// Only entries of this event.
    #[arg(long, value_parser = PossibleValuesParser::new(avm::trace::Query::EVENTS), ignore_case = true)]
    pub(super) event: Option<String>,
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

/// A value as the language writes it (`decisions:AVM-23b`). Named at each argument: left to itself, clap takes the text for a
/// value.
fn value(text: &str) -> Result<Val, ValError> {
    text.parse()
}

/// The text of a value, once it is known to be one: the node reads it again.
fn written(text: &str) -> Result<String, ValError> {
    value(text).map(|_| text.to_owned())
}

/// A whole number; as in programs, `_` may stand between digits.
fn number(text: &str) -> Result<u64, String> {
    let digits = text.replace('_', "");
    digits.parse().map_err(|_| format!("expected a whole number from 0 to {}", u64::MAX))
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

    /// `trefoil avm` with these words behind it.
    fn read(words: &[&str]) -> Result<Command, String> {
        #[derive(Debug, clap::Parser)]
        struct Alone {
            #[command(flatten)]
            avm: Avm,
        }
        let all = std::iter::once(&"avm").chain(words);
        let read = <Alone as clap::Parser>::try_parse_from(all);
        read.map(|alone| alone.avm.command).map_err(|error| error.to_string())
    }

    // decisions:AVM-23: arguments are values of the language, not texts.
    #[test]
    fn arguments_are_values() {
        let given = |words: &[&str]| match read(&[&["run", "f.avm"], words].concat()) {
            Ok(Command::Run(run)) => Ok(run.call.arguments),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        };
        let list = Val::List(vec![Val::Int(1), Val::Text("a".into())]);
        let one = |text: &str| given(&["--arg", text]).map(|all| all[0].clone());
        assert_eq!(one("5"), Ok(Val::Int(5)));
        assert_eq!(one("-5"), Ok(Val::Int(-5)));
        assert_eq!(one("[1, \"a\"]"), Ok(list));
        assert_eq!(one("\"a\""), Ok(Val::Text("a".into())));
        assert_eq!(given(&["--arg=1", "--arg", "true"]), Ok(vec![Val::Int(1), Val::Bool(true)]));
        let wrong = one("abc").expect_err("it is no value");
        for part in ["--arg <VALUE>", "value \"abc\"", "texts are quoted", "at character 1", "\"text\", [1, 2]"] {
            assert!(wrong.contains(part), "no {part}: {wrong}");
        }
        assert!(given(&["--arg", "--trace"]).is_err(), "an option is no value");
    }

    // decisions:AVM-23: options are options wherever they stand; a negative number is a value.
    #[test]
    fn options_behind_values_are_options() {
        let Ok(Command::Start(start)) = read(&["start", "sl#ticker", "o0", "-5", "--torus", "A", "--count", "2"])
        else {
            panic!("it is a start");
        };
        assert_eq!(
            (start.arguments, start.torus.as_deref(), start.count),
            (vec!["o0".into(), "-5".into()], Some("A"), 2)
        );
        let Ok(Command::Start(start)) = read(&["start", "--torus", "A", "a#f", "--", "-1_000"]) else {
            panic!("it is a start")
        };
        assert_eq!(start.arguments, ["-1_000"]);
        let refused = read(&["start", "a#f", "--turos", "A"]).expect_err("no such option");
        assert!(refused.contains("'--turos'") && refused.contains("'--torus'"), "{refused}");
        let Ok(Command::Call(call)) = read(&["call", "o7", "-5", "--authority", "bank"]) else {
            panic!("it is a call")
        };
        assert_eq!((call.send.message.as_str(), call.authority.as_deref()), ("-5", Some("bank")));
        assert!(read(&["send", "o7", "put"]).expect_err("no value").contains("texts are quoted"));
    }

    #[test]
    fn a_trace_is_asked_for_events_there_are() {
        let Ok(Command::Trace(trace)) = read(&["trace", "x7", "--event", "noted"]) else { panic!("it is a trace") };
        assert!(trace.event.is_some_and(|event| event.eq_ignore_ascii_case("Noted")));
        let refused = read(&["trace", "x7", "--event", "Nonsense"]).expect_err("no such event");
        assert!(refused.contains("ObjectCalled") && refused.contains("TransactionAborted"), "{refused}");
    }

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
