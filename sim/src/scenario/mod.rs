//! What is simulated: a scenario, read from TOML. Every problem of a file is told at once, with line, key, value, what is
//! allowed and the remedy; unknown keys are refused.

mod fault;
mod parse;
mod reader;
#[cfg(test)]
mod tests;

use ekk::profile::Preset;

pub use self::fault::{Behaviour, Fault, Kind, Who};
pub use self::parse::fuzz_scenario;
pub use self::reader::{Problem, Problems, TEXT_MAX};
use crate::network::Conditions;

/// Most nodes of a `mesh` run.
pub const NODES_MAX: u32 = 20_000;
/// Most nodes of a `link` run (`decisions:CLU-15`).
pub const LINK_NODES_MAX: u32 = 64;
/// Most nodes of a `braid` run (`decisions:CLU-15`).
pub const BRAID_NODES_MAX: u32 = 16;

/// How much of the agent takes part (`decisions:CLU-15`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fidelity {
    /// The coordination of all nodes with its codec and the replay window, a cheap tag of the same length instead of encryption.
    Mesh,
    /// Whole link endpoints with real encryption and commands.
    Link,
    /// Small tori in a braid over the link.
    Braid,
}

/// How the cluster begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Formed, with watch rings and neighbours laid.
    Warm,
    /// Nothing: founders form by bootstrap, others join.
    Cold,
}

/// A scenario.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Scenario {
    /// What it shows, one sentence.
    pub about: String,
    /// How much takes part.
    pub fidelity: Fidelity,
    /// Nodes, unless the caller says otherwise.
    pub nodes: u32,
    /// Period of the nodes.
    pub preset: Preset,
    /// How it begins.
    pub start: Start,
    /// Founding nodes of a cold start.
    pub founders: u8,
    /// Failure domains.
    pub zones: u8,
    /// Length of the run, ns.
    pub until_ns: u64,
    /// From here on nothing fails any more: the liveness phase. At most `until_ns`.
    pub calm_ns: u64,
    /// The network.
    pub network: Conditions,
    /// What differs from the nodes' own defaults.
    pub tuning: Tuning,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// What must come of it.
    pub expect: Expect,
    /// Work of the tori, in a `braid` run.
    pub work: Work,
}

/// What differs from the nodes' own defaults.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tuning {
    /// Missed heartbeats after which a watcher speaks, fixed instead of adapted per subject.
    pub threshold: Option<u8>,
    /// Least missed heartbeats of the adaptive threshold.
    pub threshold_min: Option<u8>,
}

impl Tuning {
    /// Least and greatest threshold, when they differ from the node's own.
    #[must_use]
    pub fn bounds(&self) -> Option<(u16, u16)> {
        let (least, most) = (ekk::membership::heard::T_MIN, ekk::membership::heard::T_MAX);
        match (self.threshold, self.threshold_min) {
            (Some(fixed), _) => Some((fixed.into(), fixed.into())),
            (None, Some(from)) => Some((u16::from(from).max(least), most)),
            (None, None) => None,
        }
    }
}

/// What must come of a run; what is not given is not asked.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Expect {
    /// Most members removed that were alive and reachable.
    pub false_removals: Option<u64>,
    /// Most milliseconds until 99 % of the living know of a crash, at the 99th percentile of crashes.
    pub detect_p99_ms: Option<u64>,
    /// Every crash is known to all living nodes of its side at the end.
    pub all_detected: bool,
    /// Every node has formed or adopted at the end.
    pub formed: bool,
    /// Everybody alive is a member everywhere at the end.
    pub healed: bool,
    /// Most wrong neighbours a node at the end, on average.
    pub wrong_neighbours: Option<f64>,
    /// The nodes with one-way loss are removed (true) or are not (false).
    pub one_way_removed: Option<bool>,
    /// Most packets a node and second once calm, everything counted.
    pub packets_per_s: Option<f64>,
}

/// Work of the tori in a `braid` run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Tokens put into the first torus at the start.
    pub tokens: u32,
    /// Tori in the braid, one on each of the first nodes.
    pub tori: u8,
    /// Hand-overs in doubt are done again instead of dropped (`decisions:CLU-12`).
    pub redo: bool,
}

impl Default for Work {
    fn default() -> Self {
        Self { tokens: 2_000, tori: 3, redo: true }
    }
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// [`Problems`]: everything that is wrong with it; nothing was taken.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        parse::parse(text)
    }

    /// A scenario of `nodes` nodes and `seconds` of virtual time in which nothing happens.
    #[must_use]
    pub fn quiet(nodes: u32, seconds: u64) -> Self {
        let until_ns = seconds.saturating_mul(1_000_000_000);
        Self {
            about: "nothing happens".to_owned(),
            fidelity: Fidelity::Mesh,
            nodes,
            preset: Preset::Lan,
            start: Start::Warm,
            founders: 3,
            zones: 4,
            until_ns,
            calm_ns: until_ns,
            network: Conditions::default(),
            tuning: Tuning::default(),
            faults: Vec::new(),
            expect: Expect::default(),
            work: Work::default(),
        }
    }

    /// Most nodes this scenario may have.
    #[must_use]
    pub const fn nodes_max(&self) -> u32 {
        match self.fidelity {
            Fidelity::Mesh => NODES_MAX,
            Fidelity::Link => LINK_NODES_MAX,
            Fidelity::Braid => BRAID_NODES_MAX,
        }
    }
}
