//! `trefoil avm`: programs, alone or on a running node. What is absent, a debugger and a language server, `docs/avm.md` lists
//! (`decisions:AVM-23n`).

mod args;
mod drive;
mod local;
mod remote;
mod solver;

use std::path::{Path, PathBuf};

use super::Failure;
pub(super) use args::Avm;
use args::Command;

/// Carries out a command; only those that ask a node look for its folder.
pub(super) fn avm(avm: Avm, runtime_dir: impl FnOnce() -> Result<PathBuf, Failure>) -> Result<(), Failure> {
    match avm.command {
        Command::Check(files) => local::check(&files),
        Command::Fmt(fmt) => local::fmt(&fmt),
        Command::Run(run) => local::run(&run),
        Command::Test(test) => local::test(&test),
        Command::Constraints(asked) if solver::is_question(&asked.what) => solver::answer(&asked),
        Command::Constraints(asked) if !is_execution(&asked.what) => local::constraints(&asked),
        Command::Disasm(one) => local::disasm(&one),
        Command::Cfg(cfg) => local::cfg(&cfg),
        Command::Bench(bench) => local::bench(&bench),
        asking => remote::command(asking, &runtime_dir()?),
    }
}

/// An id, and no file of that name.
fn is_execution(what: &str) -> bool {
    what.parse::<avm::id::ExecutionId>().is_ok() && !Path::new(what).exists()
}
