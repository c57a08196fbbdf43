//! What a torus that runs programs is made from; the thread of the torus puts it together, so that its memory is near.

use avm::vm::{Config, Envelope, Lane};

use super::desk::{Bell, Desk, Job};
use super::machine::{LaneMachine, Parcel};
use super::ports::Ports;
use super::reactor::Avm;
use super::solver::Asker;
use crate::config;
use crate::runtime::clock::Clock;
use crate::runtime::ring::Receiver;

/// Made by [`super::manager::Manager::start`], one for each torus that runs programs.
pub struct Parts {
    pub(super) config: Config,
    pub(super) name: String,
    pub(super) remember: usize,
    pub(super) parcels: Ports<Parcel>,
    pub(super) envelopes: Ports<Envelope>,
    pub(super) jobs: Receiver<Job>,
    pub(super) asker: Asker,
    pub(super) own_limit: u64,
    pub(super) home: u64,
    pub(super) bell: Bell,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Parts {
    /// Takes the memory and puts reactor and desk together.
    #[must_use]
    pub fn build(self, clock: Clock) -> (Avm<LaneMachine>, Desk) {
        let machine = LaneMachine::new(Lane::new(self.config), &self.name, self.remember);
        let avm = Avm::new(machine, self.parcels, self.own_limit, self.home);
        (avm, Desk::new(self.jobs, self.asker, self.envelopes, clock, self.own_limit, self.bell))
    }
}

/// How the lane of a torus is made; `at` is its place among those that run programs, `ids` are all of those.
#[must_use]
pub fn lane_config(avm: &config::Avm, at: usize, ids: &[u8], places: u32) -> Config {
    let id = ids[at];
    let machines = avm.machines.iter().map(|name| name.as_str().into()).collect();
    Config {
        node: 0,
        torus: id,
        homes: ids.to_vec(),
        machine: avm.machines.get(at).map_or("m0", String::as_str).into(),
        machines,
        // Who names the controllers that are there says that others may be lost: their objects are not available (`avm:3`).
        multi_controller: !avm.controllers.is_empty(),
        controllers: avm.controllers.iter().map(|name| name.as_str().into()).collect(),
        heap_bytes: avm.heap_bytes,
        // Those that come from other tori must find a place: starts are held to `avm.executions` by the manager.
        executions: places,
        objects: avm.objects,
        call_depth: avm.call_depth,
        quantum_ops: avm.quantum_ops,
        fuel: avm.fuel,
        memory_bytes: avm.memory_bytes,
        trace: avm.trace,
        trace_bytes: avm.trace_bytes,
        grant_unsafe: avm.any_unsafe(),
        denied: avm.denied.clone(),
        sealed_machines: avm.sealed_machines.iter().map(|name| name.as_str().into()).collect(),
        mailbox: avm.mailbox,
        versions: avm.versions,
        history: avm.history,
        transactions: avm.transactions,
        solver: limits(avm),
        ..Config::default()
    }
}

/// What a question may cost.
#[must_use]
pub fn limits(avm: &config::Avm) -> avm::nondet::Limits {
    avm::nondet::Limits {
        steps: avm.solver.steps,
        nodes: avm.solver.nodes,
        memory_bytes: avm.solver.memory_bytes,
        ..avm::nondet::Limits::default()
    }
}
