//! Programs on the tori of the node (`decisions:AVM-17`): compiled and verified once, prepared on every torus, and only then
//! published on each, so that a torus that refuses leaves all of them as they were.

use std::collections::BTreeMap;

use avm::code::Verified;
use avm::lang::Source;
use control::api::Refusal;

use super::errands::{Errand, Patience};
use super::manager::{Manager, lock, refuse, refuse_load, refuse_program};
use super::{helper, programs};
use crate::config;

/// Loaded versions of each program of a quota: the code of older ones stays, for objects and executions that were made with it.
const VERSIONS: u32 = 16;

/// A loaded program.
pub(super) struct Loaded {
    pub(super) verified: Verified,
    pub(super) loaded_unix_ns: u64,
    /// User that loaded it first; `None` = the configuration.
    pub(super) owner: Option<u32>,
    /// Versions of it that were loaded.
    pub(super) versions: u32,
    source: Source,
}

/// Why a user may not load a program; `None` when he may.
fn objection(
    programs: &BTreeMap<String, Loaded>,
    program: &programs::Program,
    (user, rights): (u32, config::avm::Rights),
    own_uid: u32,
) -> Option<Refusal> {
    if program.all().any(|module| module.module().needs_unsafe) && !rights.grant_unsafe {
        let what = "this program says `unsafe` and you may not load such programs";
        return Some(refuse_program(format!("{what}; remove it, or grant it: [[avm.identity]] grant_unsafe = true")));
    }
    let known = |module: &Verified| programs.get(&*module.module().name);
    let changed: Vec<&Verified> = program
        .all()
        .filter(|module| known(module).is_none_or(|known| known.verified.hash() != module.hash()))
        .collect();
    let foreign =
        |module: &&&Verified| known(module).is_some_and(|known| user != 0 && known.owner.unwrap_or(own_uid) != user);
    if let Some(module) = changed.iter().find(foreign) {
        let name = &module.module().name;
        return Some(refuse(format!("program {name} was loaded by somebody else; give yours another name")));
    }
    let fresh = changed.iter().filter(|module| known(module).is_none()).count() as u64;
    let mine = || programs.values().filter(|loaded| loaded.owner == Some(user));
    let (have, most) = (mine().count() as u64, u64::from(rights.programs));
    if have + fresh > most {
        return Some(refuse(format!("you have {have} programs loaded of {most}: avm.quota_programs")));
    }
    let versions: u64 = mine().map(|loaded| u64::from(loaded.versions)).sum();
    let all = most * u64::from(VERSIONS);
    (user != 0 && versions + changed.len() as u64 > all).then(|| {
        let each = format!("{VERSIONS} for each of avm.quota_programs");
        refuse(format!("you have loaded {versions} versions of programs of {all}, {each}"))
    })
}

impl Manager {
    /// Compiles, verifies and loads a program on every torus. A module that is loaded already, the very same, is left as it is.
    ///
    /// # Errors
    /// Remarks on the sources, a quota, a program of somebody else, or a torus that refuses.
    pub fn load(&self, sources: &[Source], owner: Option<u32>) -> Result<Vec<String>, Refusal> {
        // One at a time: all tori get the versions of a program in the same order.
        let _one = lock(&self.loading);
        let known = |name: &str| lock(&self.programs).get(name).map(|program| program.source.clone());
        let program = programs::compile(sources, &known, false).map_err(refuse_program)?;
        if let Some(user) = owner {
            let about = (user, self.config.rights(user));
            if let Some(why) = objection(&lock(&self.programs), &program, about, self.own_uid) {
                return Err(why);
            }
        }
        let mut names = Vec::new();
        let mut changed = Vec::new();
        for verified in program.all() {
            let name = verified.module().name.to_string();
            if name == helper::MODULE {
                // The compiler says so; a module of other make is stopped here.
                let what = format!("the module name {name} belongs to the node, which makes calls of people by it");
                return Err(refuse(format!("{what}; give the module another name")));
            }
            let same = lock(&self.programs).get(&name).is_some_and(|known| known.verified.hash() == verified.hash());
            if !same {
                changed.push(verified.clone());
            }
            names.push(name);
        }
        self.spread(&changed)?;
        for verified in changed {
            let name = verified.module().name.to_string();
            let source = sources.iter().find(|source| programs::stem(&source.name) == name).or(sources.first());
            let mut programs = lock(&self.programs);
            let before = programs.get(&name);
            let loaded = Loaded {
                verified,
                loaded_unix_ns: self.unix_ns(),
                owner: before.map_or(owner, |before| before.owner),
                versions: before.map_or(0, |before| before.versions) + 1,
                source: source.cloned().unwrap_or_else(|| Source::new(&name, "")),
            };
            programs.insert(name, loaded);
        }
        Ok(names)
    }

    /// Prepares modules on every torus, then publishes them on every torus.
    pub(super) fn spread(&self, modules: &[Verified]) -> Result<(), Refusal> {
        let mut prepared = Vec::new();
        for at in 0..self.leads.len() {
            let theirs = modules.to_vec();
            let done = self.on(at, move |avm| {
                let lane = &mut avm.machine_mut().lane;
                theirs.iter().map(|module| lane.prepare(module)).collect::<Result<Vec<_>, _>>()
            })?;
            prepared.push(done.map_err(|error| refuse_load(&error))?);
        }
        for (at, prepared) in prepared.into_iter().enumerate() {
            let publish = move |avm: &mut super::reactor::Avm<super::machine::LaneMachine>| {
                prepared.into_iter().for_each(|one| avm.machine_mut().lane.publish(one));
            };
            match self.errand(at, Patience::SURE, publish) {
                Errand::Done(()) => {}
                // It is under way to the torus, and nothing can refuse it there.
                Errand::Unknown(why) => tracing::warn!("a program is loaded; {}", why.error),
                Errand::NotDone(why) if at == 0 => return Err(why),
                Errand::NotDone(why) => {
                    let some = "it is loaded on the tori before; load it again";
                    return Err(refuse(format!("{}; {some}", why.error)));
                }
            }
        }
        Ok(())
    }
}
