//! The execution manager (`avm:11`): what the control side asks of the tori that run programs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use avm::Val;
use avm::id::ExecutionId;
use avm::lang::Source;
use avm::vm::{LoadError, Start};
use control::api::{Refusal, RefusalKind};
use shm_transport::region::Region;

use super::desk::Job;
use super::errands::{self, Errand, Patience};
use super::loading::Loaded;
use super::machine::{LaneMachine, Owner};
use super::parts::{self, Parts};
use super::ports::Ports;
use super::programs;
use super::quotas::{Places, Quotas};
use super::reactor::Avm;
use super::solver::Pool;
use crate::config::{self, Config, WorkloadKind};
use crate::runtime::clock::Clock;
use crate::runtime::ring::{Sender, ring};

/// Jobs that may wait for one torus.
const JOBS: usize = 64;
/// Executions started by one job: a batch stays bounded.
const STARTS: u32 = 256;

/// The way to one torus.
pub(super) struct Lead {
    /// Name of the torus.
    pub(super) name: String,
    /// Braid id.
    pub(super) id: u8,
    pub(super) jobs: Mutex<Sender<Job>>,
}

/// The manager.
pub struct Manager {
    pub(super) config: config::Avm,
    pub(super) leads: Vec<Lead>,
    pub(super) programs: Mutex<BTreeMap<String, Loaded>>,
    pub(super) pool: Pool,
    pub(super) clock: Clock,
    /// Held while programs are loaded.
    pub(super) loading: Mutex<()>,
    /// The module of the node is loaded.
    pub(super) helped: AtomicBool,
    /// User the node runs as: what the configuration loads and starts is his.
    pub(super) own_uid: u32,
    quotas: Quotas,
    region: Arc<Region>,
    seeds: AtomicU64,
}

impl std::fmt::Debug for Manager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Manager").field("tori", &self.leads.len()).finish_non_exhaustive()
    }
}

/// Refuses in words.
pub(super) fn refuse(error: impl Into<String>) -> Refusal {
    Refusal::new(error)
}

/// Refuses a program in words.
pub(super) fn refuse_program(error: impl Into<String>) -> Refusal {
    Refusal::new(error).of(RefusalKind::Program)
}

/// A lane does not take a program.
pub(super) fn refuse_load(error: &LoadError) -> Refusal {
    let kind = if matches!(error, LoadError::Memory(_)) { RefusalKind::Refused } else { RefusalKind::Program };
    Refusal::new(error.to_string()).of(kind)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is to be started, in words of the socket.
#[derive(Debug, Clone)]
pub struct Order {
    /// What and how.
    pub start: Start,
    /// How many; each has the next seed.
    pub count: u32,
    /// Torus, by name; `None` = the least loaded.
    pub torus: Option<String>,
    /// User that starts it; `None` = the configuration.
    pub owner: Option<u32>,
    /// Ended after so many ticks of its torus.
    pub deadline_ticks: Option<u64>,
}

/// Whether a user may hold, end or change what another owns: his own, and root everything. What the configuration owns (`None`)
/// belongs to the user the node runs as.
#[must_use]
pub(super) fn may(user: u32, owner: Option<u32>, own_uid: u32) -> bool {
    user == 0 || owner.unwrap_or(own_uid) == user
}

impl Manager {
    /// Starts the solver pool and makes the parts of the tori that run programs, by their place in the configuration; `None` when
    /// none does. `home` names this process among those of the braid.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        config: &Config,
        region: &Arc<Region>,
        clock: Clock,
        home: u64,
    ) -> std::io::Result<Option<(Self, BTreeMap<usize, Parts>)>> {
        let Some(avm) = &config.avm else { return Ok(None) };
        let tori: Vec<(usize, &config::Torus)> =
            config.tori.iter().enumerate().filter(|(_, torus)| torus.workload.kind == WorkloadKind::Avm).collect();
        let ids: Vec<u8> = tori.iter().map(|(_, torus)| torus.id).collect();
        let (pool, askers) = Pool::start(avm.solver, tori.len(), Some((Arc::clone(region), ids.clone())), clock)?;
        let capacity = config.region.ring_records as usize;
        let (parcels, envelopes) = (Ports::mesh(&ids, capacity), Ports::mesh(&ids, capacity));
        let (mut leads, mut all) = (Vec::new(), BTreeMap::new());
        let each = tori.iter().zip(askers).zip(parcels.into_iter().zip(envelopes)).enumerate();
        for (at, (((place, torus), asker), (parcels, envelopes))) in each {
            let (jobs, taken) = ring(JOBS);
            leads.push(Lead { name: torus.name.clone(), id: torus.id, jobs: Mutex::new(jobs) });
            let own_limit = torus.capacities.events.saturating_sub(torus.capacities.admission);
            let places = torus.capacities.events.saturating_add(avm.remember);
            let parts = Parts {
                config: parts::lane_config(avm, at, &ids, places),
                name: torus.name.clone(),
                remember: avm.remember as usize,
                parcels,
                envelopes,
                jobs: taken,
                asker,
                own_limit: u64::from(own_limit),
                home,
                bell: bell(Arc::clone(region)),
            };
            all.insert(*place, parts);
        }
        let manager = Self {
            config: avm.clone(),
            leads,
            programs: Mutex::new(BTreeMap::new()),
            pool,
            clock,
            loading: Mutex::new(()),
            helped: AtomicBool::new(false),
            own_uid: nix::unistd::geteuid().as_raw(),
            quotas: Quotas::default(),
            region: Arc::clone(region),
            seeds: AtomicU64::new(home),
        };
        Ok(Some((manager, all)))
    }

    /// Unix time, ns.
    pub(super) fn unix_ns(&self) -> u64 {
        self.clock.unix_ns(self.clock.now_ns())
    }

    /// Has a torus do something between two events and waits, bounded, for what comes of it.
    ///
    /// # Errors
    /// The torus does not answer in time, or has ended; the sentence says whether it may still be done.
    pub(super) fn on<T: Send + 'static>(
        &self,
        at: usize,
        job: impl FnOnce(&mut Avm<LaneMachine>) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        match self.errand(at, Patience::USUAL, job) {
            Errand::Done(value) => Ok(value),
            Errand::NotDone(why) | Errand::Unknown(why) => Err(why),
        }
    }

    pub(super) fn errand<T: Send + 'static>(
        &self,
        at: usize,
        patience: Patience,
        job: impl FnOnce(&mut Avm<LaneMachine>) -> T + Send + 'static,
    ) -> Errand<T> {
        let lead = &self.leads[at];
        let wake = || {
            if let Some(waker) = self.region.waker(lead.id) {
                waker.wake();
            }
        };
        errands::run(lead, wake, patience, job)
    }

    /// The torus an execution is on, tried again while it is on its way between two.
    pub(super) fn find(&self, execution: ExecutionId) -> Result<usize, Refusal> {
        for attempt in 0..20 {
            if attempt > 0 {
                std::thread::sleep(Duration::from_millis(2));
            }
            for at in 0..self.leads.len() {
                if self.on(at, move |avm| avm.machine().lane.status(execution).is_some())? {
                    return Ok(at);
                }
            }
        }
        Err(refuse(format!("execution {execution} is not here, or is forgotten: trefoil avm ps")))
    }

    /// Starts executions; their ids, of many the first ones. A child starts where its parent is.
    ///
    /// # Errors
    /// A quota, a lane that is full, or no such program, entry, torus or parent. Those started before stay.
    pub fn order(&self, order: &Order) -> Result<Vec<ExecutionId>, Refusal> {
        let at = match order.start.parent {
            None => self.place(order.torus.as_deref())?,
            Some(parent) => self.place_of_child(parent, order.torus.as_deref())?,
        };
        let mut places = self.places(order.owner, order.count.max(1))?;
        let mut started = Vec::new();
        let mut left = order.count.max(1);
        let mut order = order.clone();
        order.start.fuel = order.start.fuel.map(|fuel| fuel.min(self.config.fuel));
        while left > 0 {
            let batch = left.min(STARTS);
            let part = places.as_mut().map(|places| places.split(batch));
            let (theirs, most, own_uid) = (order.clone(), self.config.executions, self.own_uid);
            let ids = self.on(at, move |avm| start_some(avm, &theirs, batch, most, own_uid, part));
            let ids = ids.map_err(|refusal| some_started(started.len(), order.count, &refusal.error))?;
            match ids {
                (ids, None) => started.extend(ids),
                (ids, Some(why)) => {
                    started.extend(ids);
                    return Err(some_started(started.len(), order.count, &why));
                }
            }
            order.start.seed = order.start.seed.wrapping_add(u64::from(batch));
            left -= batch;
        }
        Ok(started)
    }

    fn place_of_child(&self, parent: ExecutionId, torus: Option<&str>) -> Result<usize, Refusal> {
        let at = self.find(parent)?;
        let name = &self.leads[at].name;
        if torus.is_some_and(|torus| torus != name) {
            return Err(refuse(format!("{parent} is on torus {name}, and a child starts where its parent is")));
        }
        Ok(at)
    }

    /// Takes places in the quota of a user; the configuration has none.
    pub(super) fn places(&self, owner: Option<u32>, count: u32) -> Result<Option<Places>, Refusal> {
        let Some(uid) = owner else { return Ok(None) };
        let most = self.config.rights(uid).executions;
        let full = |have: u64| {
            refuse(format!(
                "you have {have} executions that have not ended, of {most}: avm.quota_executions, or kill some"
            ))
        };
        self.quotas.take(uid, count, most).map(Some).map_err(full)
    }

    /// Place of a torus by name; without a name the least loaded.
    pub(super) fn place(&self, torus: Option<&str>) -> Result<usize, Refusal> {
        if let Some(name) = torus {
            let names: Vec<&str> = self.leads.iter().map(|lead| lead.name.as_str()).collect();
            return names.iter().position(|known| *known == name).ok_or_else(|| {
                refuse(format!("torus {name:?} runs no programs; those that do: {}", names.join(", ")))
            });
        }
        let mut least = (u64::MAX, 0);
        for at in 0..self.leads.len() {
            let load = self.on(at, |avm| avm.movable())?;
            least = least.min((load, at));
        }
        Ok(least.1)
    }

    /// A seed nobody has had.
    pub(super) fn draw(&self) -> u64 {
        let number = self.seeds.fetch_add(1, Ordering::Relaxed);
        (number ^ self.clock.now_ns()).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    /// Loads and starts what the configuration says. Called once the tori run.
    ///
    /// # Errors
    /// The first file or start that cannot be carried out, in words.
    pub fn open(&self) -> Result<Vec<String>, String> {
        let mut said = Vec::new();
        for path in &self.config.load {
            let mut sources = vec![programs::read(path)?];
            sources.extend(self.imports(path, &sources[0]));
            let names =
                self.load(&sources, None).map_err(|refusal| format!("{}: {}", path.display(), refusal.error))?;
            said.push(format!("loaded {} from {}", names.join(", "), path.display()));
        }
        for (at, start) in self.config.start.iter().enumerate() {
            let fail = |why: String| format!("avm.start[{at}] ({}#{}): {why}", start.program, start.entry);
            let mut args = Vec::new();
            for text in &start.arguments {
                args.push(text.parse::<Val>().map_err(|error| fail(error.to_string()))?);
            }
            let seed = start.seed.unwrap_or_else(|| self.draw());
            let asked = Start { args, seed, now_ns: self.unix_ns(), ..Start::new(&start.program, &start.entry) };
            let torus = Some(start.torus.clone().unwrap_or_else(|| self.leads[0].name.clone()));
            let order = Order { start: asked, count: start.count, torus, owner: None, deadline_ticks: None };
            let ids = self.order(&order).map_err(|refusal| fail(refusal.error))?;
            said.push(format!("started {} executions of {}#{}", ids.len(), start.program, start.entry));
        }
        Ok(said)
    }

    /// Sources beside a file that it may use: the compiler asks for those it needs.
    fn imports(&self, path: &std::path::Path, first: &Source) -> Vec<Source> {
        let found = std::cell::RefCell::new(Vec::new());
        let loader = programs::beside(path);
        let noting = |name: &str| {
            let source = loader(name)?;
            found.borrow_mut().push(source.clone());
            Some(source)
        };
        // What is wrong with them is said when they are loaded.
        let _ = avm::lang::build(std::slice::from_ref(first), &noting);
        found.into_inner()
    }
}

/// Wakes tori of a region.
fn bell(region: Arc<Region>) -> super::desk::Bell {
    Box::new(move |to| {
        if let Some(waker) = region.waker(to) {
            waker.wake();
        }
    })
}

/// Starts some executions of an order on its torus; why not all of them.
fn start_some(
    avm: &mut Avm<LaneMachine>,
    order: &Order,
    count: u32,
    most: u32,
    own_uid: u32,
    mut places: Option<Places>,
) -> (Vec<ExecutionId>, Option<String>) {
    let mut ids = Vec::new();
    if let (Some(parent), Some(user)) = (order.start.parent, order.owner) {
        let owner = avm.machine().info.get(&parent).map(|info| info.owner);
        if owner.is_some_and(|owner| !may(user, owner, own_uid)) {
            return (ids, Some(format!("{parent} is an execution of somebody else: it gets no children of yours")));
        }
    }
    for number in 0..count {
        let start = Start { seed: order.start.seed.wrapping_add(u64::from(number)), ..order.start.clone() };
        if let Err(why) = avm.machine_mut().room(most) {
            return (ids, Some(why));
        }
        let owner = Owner { user: order.owner, place: places.as_mut().and_then(Places::one) };
        match avm.machine_mut().start(&start, owner) {
            Ok(id) => {
                if let Some(ticks) = order.deadline_ticks {
                    avm.machine_mut().set_deadline(id, ticks);
                    avm.set_deadline(id, ticks);
                }
                avm.wake(id);
                ids.push(id);
            }
            Err(error) => return (ids, Some(error.to_string())),
        }
    }
    (ids, None)
}

fn some_started(started: usize, count: u32, why: &str) -> Refusal {
    refuse(match started {
        0 => why.to_owned(),
        some => format!("{some} of {count} were started, then: {why}"),
    })
}

#[cfg(test)]
#[path = "manager_tests.rs"]
mod tests;
