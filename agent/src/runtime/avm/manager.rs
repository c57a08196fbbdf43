//! The execution manager (`avm:11`): what the control side asks of the tori that run programs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use avm::Val;
use avm::code::Verified;
use avm::id::ExecutionId;
use avm::lang::Source;
use avm::vm::Start;
use control::api::Refusal;
use shm_transport::region::Region;

use super::desk::Job;
use super::machine::LaneMachine;
use super::parts::{self, Parts};
use super::ports::Ports;
use super::programs;
use super::reactor::Avm;
use super::solver::Pool;
use crate::config::{self, Config, WorkloadKind};
use crate::runtime::clock::Clock;
use crate::runtime::ring::{Sender, ring};

/// Longest wait for a torus to have done a job.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often the wait looks.
const LOOK: Duration = Duration::from_micros(100);
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
    jobs: Mutex<Sender<Job>>,
}

/// A loaded program.
pub(super) struct Loaded {
    pub(super) verified: Verified,
    pub(super) loaded_unix_ns: u64,
    /// User that loaded it; `None` = the configuration.
    pub(super) owner: Option<u32>,
    source: Source,
}

/// The manager.
pub struct Manager {
    pub(super) config: config::Avm,
    pub(super) leads: Vec<Lead>,
    pub(super) programs: Mutex<BTreeMap<String, Loaded>>,
    pub(super) pool: Pool,
    pub(super) clock: Clock,
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
    Refusal { error: error.into(), read_only: false }
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
            };
            all.insert(*place, parts);
        }
        let manager = Self {
            config: avm.clone(),
            leads,
            programs: Mutex::new(BTreeMap::new()),
            pool,
            clock,
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
    /// The torus does not answer in time, or has ended.
    pub(super) fn on<T: Send + 'static>(
        &self,
        at: usize,
        job: impl FnOnce(&mut Avm<LaneMachine>) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let lead = &self.leads[at];
        let (mut answer, mut taken) = ring(1);
        let body: Job = Box::new(move |avm| {
            // Whoever asked may have gone.
            let _ = answer.try_send(job(avm));
        });
        let busy = || refuse(format!("torus {} has many jobs to do; try again in a moment", lead.name));
        lock(&lead.jobs).try_send(body).map_err(|_| busy())?;
        if let Some(waker) = self.region.waker(lead.id) {
            waker.wake();
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            match taken.try_recv() {
                Ok(value) => return Ok(value),
                Err(crossbeam_channel::TryRecvError::Disconnected) => {
                    return Err(refuse(format!("torus {} has ended; start the node again", lead.name)));
                }
                Err(_) if Instant::now() > deadline => {
                    let ms = PATIENCE.as_millis();
                    let name = &lead.name;
                    return Err(refuse(format!("torus {name} did not answer within {ms} ms: trefoil status")));
                }
                Err(_) => std::thread::sleep(LOOK),
            }
        }
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

    /// Compiles, verifies and loads a program on every torus.
    ///
    /// # Errors
    /// Remarks on the sources, a quota, or a torus that refuses.
    pub fn load(&self, sources: &[Source], owner: Option<u32>) -> Result<Vec<String>, Refusal> {
        let known = |name: &str| lock(&self.programs).get(name).map(|program| program.source.clone());
        let program = programs::compile(sources, &known, false).map_err(refuse)?;
        let rights = owner.map(|uid| self.config.rights(uid));
        if let Some(rights) = rights {
            self.may_load(&program, owner, rights)?;
        }
        let mut names = Vec::new();
        for verified in program.all() {
            let name = verified.module().name.to_string();
            for at in 0..self.leads.len() {
                let theirs = verified.clone();
                self.on(at, move |avm| avm.machine_mut().lane.load(&theirs))?
                    .map_err(|error| refuse(error.to_string()))?;
            }
            let source = sources.iter().find(|source| programs::stem(&source.name) == name).or(sources.first());
            let loaded = Loaded {
                verified: verified.clone(),
                loaded_unix_ns: self.unix_ns(),
                owner,
                source: source.cloned().unwrap_or_else(|| Source::new(&name, "")),
            };
            lock(&self.programs).insert(name.clone(), loaded);
            names.push(name);
        }
        Ok(names)
    }

    fn may_load(
        &self,
        program: &programs::Program,
        owner: Option<u32>,
        rights: config::avm::Rights,
    ) -> Result<(), Refusal> {
        if program.all().any(|module| module.module().needs_unsafe) && !rights.grant_unsafe {
            let what = "this program says `unsafe` and you may not load such programs";
            return Err(refuse(format!("{what}; remove it, or grant it: [[avm.identity]] grant_unsafe = true")));
        }
        let programs = lock(&self.programs);
        let fresh = program.all().filter(|module| !programs.contains_key(&*module.module().name)).count();
        let have = programs.values().filter(|loaded| loaded.owner == owner).count();
        if have + fresh > rights.programs as usize {
            let most = rights.programs;
            return Err(refuse(format!("you have {have} programs loaded of {most}: avm.quota_programs")));
        }
        let foreign = program.all().find(|module| {
            programs
                .get(&*module.module().name)
                .is_some_and(|known| known.owner != owner && known.verified.hash() != module.hash() && owner != Some(0))
        });
        match foreign {
            Some(module) => {
                let name = &module.module().name;
                Err(refuse(format!("program {name} was loaded by somebody else; give yours another name")))
            }
            None => Ok(()),
        }
    }

    /// Starts executions; their ids, of many the first ones.
    ///
    /// # Errors
    /// A quota, a lane that is full, or no such program, entry or torus. Those started before stay.
    pub fn order(&self, order: &Order) -> Result<Vec<ExecutionId>, Refusal> {
        let at = self.place(order.torus.as_deref())?;
        self.may_start(order)?;
        let mut started = Vec::new();
        let mut left = order.count.max(1);
        let mut seed = order.start.seed;
        while left > 0 {
            let batch = left.min(STARTS);
            let (start, owner, most) = (order.start.clone(), order.owner, self.config.executions);
            let ids = self.on(at, move |avm| {
                let mut ids = Vec::new();
                for number in 0..batch {
                    let one = Start { seed: seed.wrapping_add(u64::from(number)), ..start.clone() };
                    let alive = avm.machine().info.values().len() as u64;
                    if alive >= u64::from(most) + avm.machine().remembered() {
                        return Err((ids, format!("{most} executions are on this torus (avm.executions)")));
                    }
                    match avm.machine_mut().start(&one, owner) {
                        Ok(id) => {
                            avm.wake(id);
                            ids.push(id);
                        }
                        Err(error) => return Err((ids, error.to_string())),
                    }
                }
                Ok(ids)
            })?;
            match ids {
                Ok(ids) => started.extend(ids),
                Err((ids, why)) => {
                    started.extend(ids);
                    return Err(refuse(match started.len() {
                        0 => why,
                        some => format!("{some} of {} were started, then: {why}", order.count),
                    }));
                }
            }
            seed = seed.wrapping_add(u64::from(batch));
            left -= batch;
        }
        Ok(started)
    }

    fn may_start(&self, order: &Order) -> Result<(), Refusal> {
        let Some(uid) = order.owner else { return Ok(()) };
        let most = u64::from(self.config.rights(uid).executions);
        let mut alive = 0;
        for at in 0..self.leads.len() {
            alive += self.on(at, move |avm| avm.machine().alive(Some(uid)))?;
        }
        if alive + u64::from(order.count) > most {
            return Err(refuse(format!(
                "you have {alive} executions that have not ended, of {most}: avm.quota_executions, or kill some"
            )));
        }
        Ok(())
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
            let asked =
                Start { args, seed: start.seed, now_ns: self.unix_ns(), ..Start::new(&start.program, &start.entry) };
            let torus = Some(start.torus.clone().unwrap_or_else(|| self.leads[0].name.clone()));
            let order = Order { start: asked, count: start.count, torus, owner: None };
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
