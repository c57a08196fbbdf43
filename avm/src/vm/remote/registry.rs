//! Pure functions over all tori of a node (`avm:4.6`, `decisions:AVM-9`). The least torus keeps the registry in order: an update says
//! which version it is of, and of two updates of one version the first wins and the other has lost the race. What wins is laid down
//! on every torus first; from then on whoever asks for the name waits there. When all have it, it is shown everywhere and its maker
//! goes on: nobody sees an old version after somebody has seen the new one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::config::{Status, Why};
use super::super::exec::Exec;
use super::super::heap::{Heap, MAX_DEPTH};
use super::super::lane::Lane;
use super::super::loaded::Code;
use super::super::saved::{Modules, Plain, value};
use super::super::word::{NOTHING, Value};
use super::super::world::{Flow, World};
use super::{About, Key};
use crate::code::ContentHash;
use crate::error::{AvmError, ProgramError, PureError};

/// A function as it travels: nothing in it depends on the tables of a lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Modules its code is of.
    pub(in crate::vm) modules: Vec<ContentHash>,
    pub(in crate::vm) plain: Plain,
}

/// What is said about the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Registry {
    /// To the keeper: the function is to be that of the name.
    Update {
        /// Who asks.
        key: Key,
        /// Name.
        name: Arc<str>,
        /// Version it is made of; none: the name is new.
        base: Option<u64>,
        /// The function.
        function: Function,
    },
    /// From the keeper: to be laid down.
    Lay {
        /// Name.
        name: Arc<str>,
        /// Its version.
        version: u64,
        /// The function.
        function: Function,
    },
    /// To the keeper: it is laid down, or cannot be.
    Laid {
        /// Name.
        name: Arc<str>,
        /// Whether it is.
        taken: bool,
    },
    /// From the keeper: what is laid down is shown, or forgotten.
    Show {
        /// Name.
        name: Arc<str>,
        /// Whether it is shown.
        keep: bool,
    },
    /// From the keeper to who asked: why it is refused, if it is.
    Updated {
        /// Who asked.
        key: Key,
        /// Why not.
        refused: Option<AvmError>,
    },
}

/// An update that the keeper brings to all.
#[derive(Debug)]
struct Round {
    from: u8,
    key: Key,
    /// Tori that have not answered.
    waiting: BTreeSet<u8>,
    /// Some torus cannot take it.
    refused: bool,
}

/// What a lane knows of updates on their way.
#[derive(Debug, Default)]
pub(in crate::vm) struct Updates {
    /// Laid down and not shown: version and function.
    laid: BTreeMap<Arc<str>, (u64, Value)>,
    rounds: BTreeMap<Arc<str>, Round>,
    /// What the keeper says to executions of its own.
    answers: Vec<(Key, Option<AvmError>)>,
}

/// Updates of an execution that are decided and not in force yet.
#[derive(Debug, Default)]
pub(in crate::vm) struct Registering {
    /// Name, function and version of those that were not asked for.
    left: VecDeque<(Arc<str>, Value, u64)>,
    /// Number of the question under way.
    attempt: Option<u64>,
    answer: Option<Option<AvmError>>,
}

impl Registering {
    /// Gives back what it holds.
    pub(in crate::vm) fn release(self, heap: &mut Heap) {
        self.left.into_iter().for_each(|(_, function, _)| heap.release(function));
    }
}

/// Why an update of a version is refused where this is the actual one.
fn lost(name: &str, base: Option<u64>, actual: Option<u64>) -> AvmError {
    match (base, actual) {
        (Some(base), Some(actual)) => PureError::VersionConflict(name.to_owned(), base, actual).into(),
        (Some(_), None) => PureError::FunctionNotFound(name.to_owned()).into(),
        (None, _) => PureError::FunctionAlreadyRegistered(name.to_owned()).into(),
    }
}

impl Updates {
    /// Whether what a name stands for changes now.
    pub(in crate::vm) fn holds(&self, name: &str) -> bool {
        !self.laid.is_empty() && self.laid.contains_key(name)
    }

    /// Updates on their way.
    pub(in crate::vm) fn open(&self) -> usize {
        self.laid.len() + self.rounds.len()
    }
}

impl World {
    /// Other tori of the node.
    fn others(&self) -> impl Iterator<Item = u8> + '_ {
        self.config.homes.iter().copied().filter(|torus| *torus != self.config.torus)
    }

    /// Whether the registry is that of several tori.
    pub(in crate::vm) fn shared(&self) -> bool {
        self.others().next().is_some()
    }

    /// Updates whose run is decided: they come into force on all tori before the next operation of the execution.
    pub(in crate::vm) fn register(&mut self, x: &mut Exec, updates: Vec<(Arc<str>, Value, u64)>) {
        x.registering = Some(Box::new(Registering { left: updates.into(), ..Registering::default() }));
        x.spare += x.left;
        x.left = 0;
    }

    /// Asks for the updates of an execution one after the other; none when all are in force.
    pub(in crate::vm) fn go_on_registering(&mut self, code: &Code, x: &mut Exec) -> Option<Flow> {
        let mut registering = x.registering.take()?;
        match registering.answer.take() {
            Some(Some(refused)) => {
                registering.left.drain(..).for_each(|(_, function, _)| self.heap.release(function));
                return match self.fail(code, x, Box::new(refused)) {
                    Flow::Next => None,
                    flow => Some(flow),
                };
            }
            None if registering.attempt.is_some() => {
                x.registering = Some(registering);
                return Some(Flow::Park(Why::Elsewhere));
            }
            Some(None) | None => {}
        }
        let (name, function, version) = registering.left.pop_front()?;
        let key = self.ask_update(code, x, (name, function, version));
        registering.attempt = Some(key.attempt);
        x.registering = Some(registering);
        Some(Flow::Park(Why::Elsewhere))
    }

    fn ask_update(&mut self, code: &Code, x: &Exec, (name, function, version): (Arc<str>, Value, u64)) -> Key {
        self.remotes.attempts += 1;
        let key = Key { execution: x.id, attempt: self.remotes.attempts };
        let shipped = self.ship_function(code, function);
        self.heap.release(function);
        let keeper = self.config.homes.iter().copied().min().unwrap_or(self.config.torus);
        let base = version.checked_sub(1);
        if keeper == self.config.torus {
            self.begin_round(code, keeper, key, (name, base, shipped));
        } else {
            self.say(keeper, About::Registry(Registry::Update { key, name, base, function: shipped }));
        }
        key
    }

    /// An execution is over: what it has decided comes into force all the same, and nobody waits for it.
    pub(in crate::vm) fn leave_registering(&mut self, code: &Code, x: &mut Exec) {
        let Some(mut registering) = x.registering.take() else { return };
        while let Some(update) = registering.left.pop_front() {
            self.ask_update(code, x, update);
        }
    }

    /// The keeper's side, and that of every torus that is told.
    fn registry(&mut self, code: &Code, from: u8, what: Registry) {
        match what {
            Registry::Update { key, name, base, function } => self.begin_round(code, from, key, (name, base, function)),
            Registry::Lay { name, version, function } => {
                let taken = self.lay(code, &name, version, &function);
                self.say(from, About::Registry(Registry::Laid { name, taken }));
            }
            Registry::Laid { name, taken } => {
                if let Some(round) = self.remotes.updates.rounds.get_mut(&name) {
                    round.refused |= !taken;
                    round.waiting.remove(&from);
                    self.end_round(&name);
                }
            }
            Registry::Show { name, keep } => self.shown(name, keep),
            Registry::Updated { .. } => {}
        }
    }

    fn lay(&mut self, code: &Code, name: &Arc<str>, version: u64, function: &Function) -> bool {
        let Some(function) = self.unship_function(code, function) else { return false };
        self.recent = [(NOTHING, NOTHING); 16];
        if let Some((_, before)) = self.remotes.updates.laid.insert(name.clone(), (version, function)) {
            self.heap.release(before);
        }
        true
    }

    fn shown(&mut self, name: Arc<str>, keep: bool) {
        if let Some((version, function)) = self.remotes.updates.laid.remove(&name) {
            if keep {
                // Modules loaded since have taken versions of their own.
                let next = self.pures.get(&name).map_or(0, |pure| pure.version + 1);
                self.put_pure(name, function, version.max(next));
            } else {
                self.heap.release(function);
            }
        }
        self.remotes.stirred = true;
    }

    fn begin_round(
        &mut self,
        code: &Code,
        from: u8,
        key: Key,
        (name, base, function): (Arc<str>, Option<u64>, Function),
    ) {
        let under_way = self.remotes.updates.laid.get(&name).map(|(version, _)| *version);
        let actual = under_way.or_else(|| self.pures.get(&name).map(|pure| pure.version));
        let version = base.map_or(0, |base| base + 1);
        if under_way.is_some() || actual != base || !self.lay(code, &name, version, &function) {
            let refused =
                if under_way.is_some() || actual != base { lost(&name, base, actual) } else { not_here(&name) };
            return self.answer_update(from, key, Some(refused));
        }
        let waiting: BTreeSet<u8> = self.others().collect();
        for torus in waiting.iter().copied() {
            let lay = Registry::Lay { name: name.clone(), version, function: function.clone() };
            self.say(torus, About::Registry(lay));
        }
        self.remotes.updates.rounds.insert(name.clone(), Round { from, key, waiting, refused: false });
        self.end_round(&name);
    }

    /// All have answered: it is shown everywhere, and who asked is told behind that.
    fn end_round(&mut self, name: &Arc<str>) {
        if self.remotes.updates.rounds.get(name).is_none_or(|round| !round.waiting.is_empty()) {
            return;
        }
        let Some(round) = self.remotes.updates.rounds.remove(name) else { return };
        let all: Vec<u8> = self.others().collect();
        for torus in all {
            self.say(torus, About::Registry(Registry::Show { name: name.clone(), keep: !round.refused }));
        }
        self.shown(name.clone(), !round.refused);
        let refused = round.refused.then(|| not_here(name));
        self.answer_update(round.from, round.key, refused);
    }

    fn answer_update(&mut self, to: u8, key: Key, refused: Option<AvmError>) {
        if to == self.config.torus {
            self.remotes.updates.answers.push((key, refused));
            self.remotes.stirred = true;
        } else {
            self.say(to, About::Registry(Registry::Updated { key, refused }));
        }
    }

    fn ship_function(&self, code: &Code, function: Value) -> Function {
        let mut modules = Modules::new(code);
        let plain = modules.plain(self, function);
        Function { modules: modules.hashes(), plain }
    }

    /// None when a module of it is not here, or the heap is full.
    fn unship_function(&mut self, code: &Code, function: &Function) -> Option<Value> {
        let number = |hash: &ContentHash| code.modules.iter().rposition(|loaded| loaded.hash == *hash);
        let numbers = function.modules.iter().map(|hash| number(hash).map(|at| at as u32));
        let numbers: Vec<u32> = numbers.collect::<Option<_>>()?;
        self.heap.allow(usize::MAX);
        value(self, code, &numbers, &function.plain, MAX_DEPTH).ok()
    }

    /// Gives back what is on its way.
    pub(super) fn forget_updates(&mut self) {
        for (_, (_, function)) in std::mem::take(&mut self.remotes.updates.laid) {
            self.heap.release(function);
        }
    }
}

fn not_here(name: &str) -> AvmError {
    let text = format!("pure function {name} is not changed: its module is not loaded on every torus of the node");
    ProgramError::Raised(text).into()
}

impl Lane {
    /// Something about the registry.
    pub(super) fn registry(&mut self, from: u8, what: Registry) {
        match what {
            Registry::Updated { key, refused } => self.updated(key, refused),
            what => self.world.registry(&self.code, from, what),
        }
    }

    /// What the keeper has said to executions of this lane, when it is the keeper.
    pub(super) fn take_answers(&mut self) {
        for (key, refused) in std::mem::take(&mut self.world.remotes.updates.answers) {
            self.updated(key, refused);
        }
    }

    fn updated(&mut self, key: Key, refused: Option<AvmError>) {
        let Some(x) = self.execs.get_mut(&key.execution) else { return };
        let waits = x.status == Status::Suspended(Why::Elsewhere);
        let Some(registering) = x.registering.as_mut().filter(|own| own.attempt == Some(key.attempt)) else { return };
        registering.answer = Some(refused);
        registering.attempt = None;
        if waits {
            self.ready(key.execution);
        }
    }
}
