//! What must hold, one invariant a file. An invariant is told everything the nodes tell, sees all nodes once a second and at the
//! end, and says what went against it; the run stops there and prints the line that repeats it.

mod ballots;
mod certificates;
mod detection;
mod finality;
mod formation;
mod healing;
mod neighbours;
mod removals;
mod traffic;
mod watches;

use std::fmt;

use crate::measure::Measure;
use crate::network::Network;
use crate::peer::{Seen, View};
use crate::scenario::Scenario;

/// Whether nodes are up, and honest.
pub trait Standing {
    /// Its process lives.
    fn is_up(&self, node: u32) -> bool;
    /// It has behaved badly on purpose.
    fn misbehaves(&self, node: u32) -> bool;
}

/// What an invariant sees.
pub struct Facts<'a> {
    /// Virtual time, ns.
    pub now_ns: u64,
    /// Nodes.
    pub nodes: u32,
    /// The scenario.
    pub scenario: &'a Scenario,
    /// Heartbeat period, ns.
    pub period_ns: u64,
    /// What each node shows, `None` when it is down; empty between samples.
    pub views: &'a [Option<View>],
    /// What was measured.
    pub measure: &'a Measure,
    /// The network.
    pub network: &'a Network,
    /// Who is up, and honest.
    pub standing: &'a dyn Standing,
}

impl Facts<'_> {
    /// The nodes that are up, with what they show.
    pub fn living(&self) -> impl Iterator<Item = (u32, &View)> {
        self.views.iter().enumerate().filter_map(|(node, view)| view.as_ref().map(|view| (node as u32, view)))
    }
}

/// Something that must hold.
pub trait Invariant {
    /// Name, with the id of the requirement.
    fn name(&self) -> &'static str;

    /// A node told something.
    ///
    /// # Errors
    /// What went against it.
    fn seen(&mut self, _facts: &Facts<'_>, _node: u32, _seen: &Seen) -> Result<(), String> {
        Ok(())
    }

    /// All nodes are looked at.
    ///
    /// # Errors
    /// What went against it.
    fn sample(&mut self, _facts: &Facts<'_>) -> Result<(), String> {
        Ok(())
    }

    /// The run is over.
    ///
    /// # Errors
    /// What went against it.
    fn finish(&mut self, _facts: &Facts<'_>) -> Result<(), String> {
        Ok(())
    }
}

/// What went against an invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant.
    pub invariant: &'static str,
    /// When, ns.
    pub at_ns: u64,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:.3} s: {}", self.invariant, self.at_ns as f64 / 1e9, self.what)
    }
}

/// The invariants of a run.
#[derive(Default)]
pub struct Checks(Vec<Box<dyn Invariant>>);

impl Checks {
    /// None: for a peer that promises other things.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// All of them.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![
            Box::new(removals::Removals),
            Box::new(certificates::Certificates),
            Box::new(finality::Finality::default()),
            Box::new(watches::Watches),
            Box::new(neighbours::Neighbours),
            Box::new(ballots::Ballots::default()),
            Box::new(formation::OneFormation::default()),
            Box::new(detection::Detection),
            Box::new(healing::Healing),
            Box::new(traffic::Traffic::default()),
        ])
    }

    /// One of them, by the beginning of its name; for tests that show that it can fail.
    #[must_use]
    pub fn only(name: &str) -> Self {
        let Self(mut all) = Self::all();
        all.retain(|invariant| invariant.name().starts_with(name));
        Self(all)
    }

    /// Names of all.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|invariant| invariant.name()).collect()
    }

    fn first(
        &mut self,
        facts: &Facts<'_>,
        mut ask: impl FnMut(&mut dyn Invariant) -> Result<(), String>,
    ) -> Option<Violation> {
        let violation = |invariant: &mut Box<dyn Invariant>| {
            let what = ask(invariant.as_mut()).err()?;
            Some(Violation { invariant: invariant.name(), at_ns: facts.now_ns, what })
        };
        self.0.iter_mut().find_map(violation)
    }

    /// A node told something.
    pub fn seen(&mut self, facts: &Facts<'_>, node: u32, seen: &Seen) -> Option<Violation> {
        self.first(facts, |invariant| invariant.seen(facts, node, seen))
    }

    /// All nodes are looked at.
    pub fn sample(&mut self, facts: &Facts<'_>) -> Option<Violation> {
        self.first(facts, |invariant| invariant.sample(facts))
    }

    /// The run is over.
    pub fn finish(&mut self, facts: &Facts<'_>) -> Option<Violation> {
        self.first(facts, |invariant| invariant.finish(facts))
    }
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
