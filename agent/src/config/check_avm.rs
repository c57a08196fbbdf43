//! What the keys of the AVM say to each other.

use std::time::Duration;

use avm::event::TraceLevel;
use avm::vm::Capability;

use super::avm::{Avm, Rights, Solver, Start};
use super::check::{Checker, name_of, quoted};
use super::raw::{Kind, RawConfig};
use super::raw_avm::{RawAvm, RawTrace, SolverKind};

impl Checker<'_> {
    /// The AVM, `None` when no torus runs programs.
    pub(super) fn avm(&mut self, raw: &RawConfig) -> Option<Avm> {
        let tori: Vec<(usize, String)> = raw
            .torus
            .iter()
            .enumerate()
            .filter(|(_, torus)| torus.workload.kind == Kind::Avm)
            .map(|(at, torus)| (at, name_of(at, torus)))
            .collect();
        if tori.is_empty() {
            if raw.avm.is_some() {
                let expected = "a torus that runs programs: workload.kind = \"avm\"";
                self.refuse("avm", "(no torus)", expected, "give a [[torus]] that kind, or remove [avm]");
            }
            return None;
        }
        let default = RawAvm::default();
        let avm = raw.avm.as_ref().unwrap_or(&default);
        self.avm_room(raw, avm, &tori);
        let everybody =
            Rights { grant_unsafe: avm.grant_unsafe, executions: avm.quota_executions, programs: avm.quota_programs };
        Some(Avm {
            load: self.avm_files(avm),
            machines: self.avm_machines(avm, &tori),
            controllers: avm.controllers.clone(),
            denied: self.avm_denied(avm),
            sealed_machines: self.avm_sealed(avm, &tori),
            heap_bytes: (avm.heap_mib as usize) << 20,
            executions: avm.executions,
            remember: avm.remember.min(avm.executions),
            objects: avm.objects,
            call_depth: avm.call_depth,
            quantum_ops: avm.quantum_ops,
            fuel: if avm.fuel == 0 { u64::MAX } else { avm.fuel },
            memory_bytes: u64::from(avm.memory_mib) << 20,
            mailbox: avm.mailbox,
            versions: avm.versions,
            history: avm.history,
            transactions: avm.transactions,
            trace: match avm.trace {
                RawTrace::Off => TraceLevel::Off,
                RawTrace::Default => TraceLevel::Default,
                RawTrace::Extended => TraceLevel::Extended,
            },
            trace_bytes: u64::from(avm.trace_kib) << 10,
            everybody,
            identities: self.avm_identities(avm, everybody),
            solver: self.avm_solver(avm),
            start: self.avm_starts(avm, &tori),
        })
    }

    /// Every execution that can go on has a token in the queue of its torus.
    fn avm_room(&mut self, raw: &RawConfig, avm: &RawAvm, tori: &[(usize, String)]) {
        for (at, _) in tori {
            let capacities = &raw.torus[*at].capacities;
            let room = capacities.events.saturating_sub(capacities.admission);
            if avm.executions > room {
                let needed = avm.executions.saturating_add(capacities.admission).next_power_of_two();
                let expected =
                    format!("at least avm.executions ({}) + admission ({})", avm.executions, capacities.admission);
                let remedy = format!("write events = {needed}, or lower avm.executions");
                self.refuse(&format!("torus[{at}].capacities.events"), capacities.events, expected, remedy);
            }
        }
    }

    fn avm_files(&mut self, avm: &RawAvm) -> Vec<std::path::PathBuf> {
        let mut files = Vec::new();
        for (at, name) in avm.load.iter().enumerate() {
            let path = self.folder.join(name);
            match std::fs::metadata(&path) {
                Ok(meta) if meta.is_file() => files.push(path),
                found => {
                    let value = found.map_or_else(|error| error.to_string(), |_| "not a regular file".to_owned());
                    let value = format!("{}: {value}", path.display());
                    let remedy = "name an existing .avm file, relative to this configuration file";
                    self.refuse(&format!("avm.load[{at}]"), value, "a readable program file", remedy);
                }
            }
        }
        files
    }

    fn avm_machines(&mut self, avm: &RawAvm, tori: &[(usize, String)]) -> Vec<String> {
        let Some(machines) = &avm.machines else { return tori.iter().map(|(_, name)| name.clone()).collect() };
        if machines.len() != tori.len() {
            let expected = format!("{} names, one for each torus that runs programs", tori.len());
            let remedy = "name as many, or leave it out";
            self.refuse("avm.machines", format!("{} names", machines.len()), expected, remedy);
        }
        for (at, name) in machines.iter().enumerate() {
            if machines[..at].contains(name) {
                let remedy = "give each machine its own name";
                self.refuse(&format!("avm.machines[{at}]"), quoted(name), "a name of its own", remedy);
            }
        }
        machines.clone()
    }

    fn avm_denied(&mut self, avm: &RawAvm) -> Vec<Capability> {
        let mut denied = Vec::new();
        for (at, capability) in avm.denied.iter().map(|named| named.capability()).enumerate() {
            if denied.contains(&capability) {
                let key = format!("avm.denied[{at}]");
                self.refuse(&key, quoted(capability.name()), "each capability once", "remove it here");
            } else {
                denied.push(capability);
            }
        }
        denied
    }

    fn avm_sealed(&mut self, avm: &RawAvm, tori: &[(usize, String)]) -> Vec<String> {
        let known = avm.machines.clone().unwrap_or_else(|| tori.iter().map(|(_, name)| name.clone()).collect());
        for (at, name) in avm.sealed_machines.iter().enumerate() {
            let key = format!("avm.sealed_machines[{at}]");
            if !known.contains(name) {
                let expected = format!("a machine of this node: {}", known.join(", "));
                self.refuse(&key, quoted(name), expected, "name one of them, or remove it");
            } else if avm.sealed_machines[..at].contains(name) {
                self.refuse(&key, quoted(name), "each machine once", "remove it here");
            }
        }
        avm.sealed_machines.clone()
    }

    fn avm_identities(&mut self, avm: &RawAvm, everybody: Rights) -> Vec<(u32, Rights)> {
        let mut identities: Vec<(u32, Rights)> = Vec::new();
        for (at, identity) in avm.identity.iter().enumerate() {
            let key = format!("avm.identity[{at}].user");
            let named = nix::unistd::User::from_name(&identity.user).ok().flatten().map(|user| user.uid.as_raw());
            let Some(uid) = identity.user.parse::<u32>().ok().or(named) else {
                let remedy = "name an existing user, or its number";
                self.refuse(&key, quoted(&identity.user), "a user of this host, or a number", remedy);
                continue;
            };
            if identities.iter().any(|(known, _)| *known == uid) {
                self.refuse(&key, quoted(&identity.user), "a user that has no table yet", "put both tables into one");
            }
            let rights = Rights {
                grant_unsafe: identity.grant_unsafe.unwrap_or(everybody.grant_unsafe),
                executions: identity.executions.unwrap_or(everybody.executions),
                programs: identity.programs.unwrap_or(everybody.programs),
            };
            identities.push((uid, rights));
        }
        identities
    }

    fn avm_solver(&mut self, avm: &RawAvm) -> Solver {
        let solver = &avm.solver;
        if solver.kind == SolverKind::Z3 && !cfg!(feature = "z3") {
            let expected = "\"built-in\": this trefoil was built without Z3";
            self.refuse("avm.solver.kind", quoted("z3"), expected, "write \"built-in\", or build with the feature z3");
        }
        Solver {
            kind: solver.kind,
            threads: solver.threads,
            queue: solver.queue,
            timeout: Duration::from_millis(solver.timeout_ms),
            steps: solver.steps,
            nodes: solver.nodes,
            memory_bytes: u64::from(solver.memory_mib) << 20,
        }
    }

    fn avm_starts(&mut self, avm: &RawAvm, tori: &[(usize, String)]) -> Vec<Start> {
        let mut starts = Vec::new();
        let names: Vec<&str> = tori.iter().map(|(_, name)| name.as_str()).collect();
        let mut each: Vec<u64> = vec![0; tori.len()];
        for (at, start) in avm.start.iter().enumerate() {
            if start.program.is_empty() {
                let remedy = "write program = \"NAME\", the name of a file of avm.load without .avm";
                self.refuse(&format!("avm.start[{at}].program"), "(absent)", "the name of a program", remedy);
            }
            let place = match &start.torus {
                None => Some(0),
                Some(torus) => names.iter().position(|name| name == torus),
            };
            match place {
                Some(place) => each[place] += u64::from(start.count),
                None => {
                    let expected = format!("a torus that runs programs: {}", names.join(", "));
                    let value = quoted(start.torus.as_deref().unwrap_or_default());
                    self.refuse(
                        &format!("avm.start[{at}].torus"),
                        value,
                        expected,
                        "name one of them, or leave it out",
                    );
                }
            }
            starts.push(Start {
                program: start.program.clone(),
                entry: start.entry.clone(),
                arguments: start.arguments.clone(),
                count: start.count,
                torus: start.torus.clone(),
                seed: start.seed,
            });
        }
        if let Some(most) = each.iter().max().filter(|most| **most > u64::from(avm.executions)) {
            let expected = format!("at most avm.executions ({}) on one torus", avm.executions);
            self.refuse("avm.start", format!("{most} executions"), expected, "lower count or raise avm.executions");
        }
        starts
    }
}
