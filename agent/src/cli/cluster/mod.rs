//! Commands about the cluster: `mesh`, `why`, `bootstrap`, `propose`, `ballots`, `leave`, `drain`, `maintenance`, `forget`,
//! `join`, `events`.

mod events;
mod tables;
#[cfg(test)]
mod tests;
mod why;

use std::path::Path;
use std::time::Duration;

use clap::{Args, Subcommand};
use control::api::Request;
use control::{ClusterSnapshot, Snapshot, StatusSource};

use super::steer::ask;
use super::{Failure, out, units};
use crate::status_source::PageSource;

#[derive(Debug, Args)]
pub(super) struct Mesh {
    /// The cluster's part of the status, as JSON.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<MeshCommand>,
}

#[derive(Debug, Subcommand)]
enum MeshCommand {
    /// Open the safety valve after a look: silent nodes are removed again.
    Resume,
}

#[derive(Debug, Args)]
pub(super) struct Bootstrap {
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Propose {
    /// What is decided.
    #[arg(value_parser = ["mode", "power-limit", "shutdown", "reformation", "quarantine", "rehabilitation", "custom0", "custom1", "custom2", "custom3"])]
    kind: String,
    /// What about it: a mode number, watts, or the number of the node to quarantine.
    #[arg(required_if_eq_any([
        ("kind", "mode"),
        ("kind", "power-limit"),
        ("kind", "quarantine"),
        ("kind", "rehabilitation"),
    ]))]
    value: Option<u32>,
    /// Who votes: the neighbours, or the configured voters of the cluster [default: local; quarantine: cluster].
    #[arg(long, value_parser = ["local", "cluster"])]
    scope: Option<String>,
    /// How many must say yes.
    #[arg(long, value_parser = ["more-than-half", "two-thirds", "all"], default_value = "more-than-half")]
    threshold: String,
}

#[derive(Debug, Args)]
pub(super) struct Ballots {
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<BallotCommand>,
}

#[derive(Debug, Subcommand)]
enum BallotCommand {
    /// Answer a ballot that policy leaves to the operator.
    Vote {
        /// Proposer, as `trefoil ballots` shows it.
        proposer: u32,
        /// Number, as `trefoil ballots` shows it.
        number: u64,
        /// The answer; a vote is final.
        #[arg(value_parser = ["yes", "no", "abstain"])]
        vote: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Why {
    /// Node, by name or number.
    node: String,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Drain {
    /// Whether to drain.
    #[arg(value_parser = ["on", "off"], default_value = "on")]
    state: String,
}

#[derive(Debug, Args)]
pub(super) struct Maintenance {
    /// Node, by name or number.
    node: String,
    /// For how long: 10m, 1h; `end` ends it.
    time: String,
}

#[derive(Debug, Args)]
pub(super) struct Forget {
    /// Node, by name or number.
    node: String,
}

#[derive(Debug, Args)]
pub(super) struct Join {
    /// The answer.
    #[arg(value_parser = ["grant", "refuse"])]
    answer: String,
    /// Number of the node that asks.
    node: u32,
}

#[derive(Debug, Args)]
pub(super) struct Events {
    /// Go on with what happens, until Ctrl-C.
    #[arg(long, short)]
    follow: bool,
    /// As JSON, one line an event.
    #[arg(long)]
    json: bool,
}

pub(super) fn mesh(mesh: &Mesh, runtime_dir: &Path) -> Result<(), Failure> {
    if let Some(MeshCommand::Resume) = mesh.command {
        return ask(&Request::ResumeRemovals {}, runtime_dir);
    }
    let (_, cluster) = look(runtime_dir)?;
    if mesh.json {
        return json(&cluster);
    }
    out::text(&tables::mesh(&cluster));
    Ok(())
}

pub(super) fn bootstrap(bootstrap: &Bootstrap, runtime_dir: &Path) -> Result<(), Failure> {
    let (_, cluster) = look(runtime_dir)?;
    if bootstrap.json {
        return json(&cluster.bootstrap);
    }
    out::text(&tables::bootstrap(&cluster));
    Ok(())
}

pub(super) fn propose(propose: Propose, runtime_dir: &Path) -> Result<(), Failure> {
    let of_a_node = matches!(propose.kind.as_str(), "quarantine" | "rehabilitation");
    let natural = if of_a_node { "cluster" } else { "local" };
    let scope = propose.scope.unwrap_or_else(|| natural.to_owned());
    if of_a_node && scope == "local" {
        return Err(Failure::usage("a quarantine and its end bind the whole cluster: leave --scope local out"));
    }
    let request =
        Request::Propose { kind: propose.kind, value: propose.value.unwrap_or(0), scope, threshold: propose.threshold };
    ask(&request, runtime_dir)
}

pub(super) fn ballots(ballots: Ballots, runtime_dir: &Path) -> Result<(), Failure> {
    if let Some(BallotCommand::Vote { proposer, number, vote }) = ballots.command {
        return ask(&Request::Vote { proposer, number, vote }, runtime_dir);
    }
    let (_, cluster) = look(runtime_dir)?;
    if ballots.json {
        return json(&cluster.ballots);
    }
    out::text(&tables::ballots(&cluster));
    Ok(())
}

pub(super) fn why(arguments: &Why, runtime_dir: &Path) -> Result<(), Failure> {
    let (snapshot, cluster) = look(runtime_dir)?;
    if arguments.json {
        return json(&why::facts(&cluster, &arguments.node).ok_or_else(|| why::nobody(&cluster, &arguments.node))?);
    }
    out::text(&why::why(&snapshot, &cluster, &arguments.node)?);
    Ok(())
}

pub(super) fn leave(runtime_dir: &Path) -> Result<(), Failure> {
    ask(&Request::Leave {}, runtime_dir)
}

pub(super) fn drain(drain: &Drain, runtime_dir: &Path) -> Result<(), Failure> {
    ask(&Request::Drain { on: drain.state == "on" }, runtime_dir)
}

pub(super) fn maintenance(maintenance: Maintenance, runtime_dir: &Path) -> Result<(), Failure> {
    let span = match maintenance.time.as_str() {
        "end" | "0" | "0s" => Duration::ZERO,
        time => units::duration(time).map_err(Failure::usage)?,
    };
    let seconds = u32::try_from(span.as_secs()).map_err(|_| Failure::usage("at most 136 years"))?;
    if seconds == 0 && !span.is_zero() {
        return Err(Failure::usage("at least one second, or `end`"));
    }
    ask(&Request::Maintenance { node: maintenance.node, seconds }, runtime_dir)
}

pub(super) fn forget(forget: Forget, runtime_dir: &Path) -> Result<(), Failure> {
    ask(&Request::Forget { node: forget.node }, runtime_dir)
}

pub(super) fn join(join: &Join, runtime_dir: &Path) -> Result<(), Failure> {
    ask(&Request::Join { node: join.node, grant: join.answer == "grant" }, runtime_dir)
}

pub(super) fn events(arguments: &Events, runtime_dir: &Path) -> Result<(), Failure> {
    events::events(&mut PageSource::new(runtime_dir), arguments.follow, arguments.json)
}

/// The page and its cluster.
fn look(runtime_dir: &Path) -> Result<(Snapshot, ClusterSnapshot), Failure> {
    let mut snapshot = PageSource::new(runtime_dir).poll()?;
    let Some(cluster) = snapshot.cluster.take() else {
        let node = super::table::clean(&snapshot.node.name);
        return Err(Failure::failed(format!(
            "node {node} belongs to no cluster; add [cluster] to its configuration (configs/three-hosts shows one)"
        )));
    };
    Ok((snapshot, *cluster))
}

fn json(value: &impl serde::Serialize) -> Result<(), Failure> {
    out::line(&serde_json::to_string_pretty(value).map_err(Failure::failed)?);
    Ok(())
}
