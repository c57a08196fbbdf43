//! The solver pool: threads `solver-N` that answer what executions ask at commit (`decisions:AVM-10`).
//!
//! A torus puts a question into its ring and goes on; the execution that asked waits. A thread takes the oldest question of the
//! next torus that has one, answers it and puts the answer into the ring back. A watchdog beside each thread interrupts Z3 when a
//! question takes longer than its limit, again and again until it ends: an interrupt that comes between two checks is lost. A
//! question that panics is answered "unknown", and its thread is replaced, for the state of Z3 may be damaged; so is the thread of
//! one that used up the memory of the solver, for it gives that back only then.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use avm::id::{ExecutionId, TxId};
use avm::nondet::builtin::BuiltinSolver;
use avm::nondet::{Ir, Limits, Outcome, Solver};
use control::avm::{QuestionSnapshot, SolverSnapshot};
use control::page::BUCKETS;
use shm_transport::region::Region;

use crate::config::avm::{Solver as Settings, SolverKind};
use crate::runtime::clock::Clock;
use crate::runtime::ring::{Gather, Receiver, Sender, ring};

/// Longest sleep of a thread without questions; a torus that asks wakes it.
const NAP: Duration = Duration::from_millis(20);
/// Between two interrupts of a question that is over its time.
const AGAIN: Duration = Duration::from_millis(5);
/// Answered questions that are remembered.
const REMEMBERED: usize = 64;
/// Questions that wait and are shown.
const QUEUED: usize = 16;
/// How long a stop waits for a question to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a torus asks.
#[derive(Debug)]
pub struct Question {
    /// Torus, in the order of the pool.
    pub torus: usize,
    /// Who waits for it, and in which transaction.
    pub execution: ExecutionId,
    /// See `execution`.
    pub transaction: Option<TxId>,
    /// The question.
    pub ir: Box<Ir>,
    /// What it may cost.
    pub limits: Limits,
    /// When it was asked.
    pub asked_ns: u64,
}

/// What it is told.
#[derive(Debug)]
pub struct Solved {
    /// Who waits for it.
    pub execution: ExecutionId,
    /// The answer.
    pub outcome: Outcome,
    /// Time it took, ns.
    pub took_ns: u64,
}

/// An execution that waits for the solver, its transaction, and since when, Unix ns.
pub type Asking = (ExecutionId, Option<TxId>, u64);

/// The ends of one torus.
#[derive(Debug)]
pub struct Asker {
    questions: Sender<Question>,
    solved: Receiver<Solved>,
    bell: Arc<Bell>,
    torus: usize,
    /// Questions asked and not answered yet.
    open: usize,
    most: usize,
}

impl Asker {
    /// Asks; gives the question back when as many are open as may be.
    ///
    /// # Errors
    /// The question.
    pub fn ask(
        &mut self,
        (execution, transaction): (ExecutionId, Option<TxId>),
        ir: Box<Ir>,
        limits: Limits,
        now_ns: u64,
    ) -> Result<(), (Box<Ir>, Limits)> {
        if self.open >= self.most {
            return Err((ir, limits));
        }
        let question = Question { torus: self.torus, execution, transaction, ir, limits, asked_ns: now_ns };
        match self.questions.try_send(question) {
            Ok(()) => {
                self.open += 1;
                self.bell.ring();
                Ok(())
            }
            Err(back) => {
                let Question { ir, limits, .. } = back.into_inner();
                Err((ir, limits))
            }
        }
    }

    /// The next answer.
    pub fn answer(&mut self) -> Option<Solved> {
        let solved = self.solved.try_recv().ok()?;
        self.open -= 1;
        Some(solved)
    }

    /// Whether an answer waits.
    #[must_use]
    pub fn waiting(&self) -> bool {
        !self.solved.is_empty()
    }

    /// Questions asked and not answered yet.
    #[must_use]
    pub const fn open(&self) -> usize {
        self.open
    }
}

/// Wakes threads that sleep; a torus never waits here: a lock that is taken means somebody is awake.
#[derive(Debug, Default)]
struct Bell {
    sleeping: AtomicUsize,
    sleepers: Mutex<Vec<Thread>>,
}

impl Bell {
    fn ring(&self) {
        if self.sleeping.load(Ordering::SeqCst) > 0
            && let Ok(mut sleepers) = self.sleepers.try_lock()
            && let Some(thread) = sleepers.pop()
        {
            thread.unpark();
        }
    }

    fn sleep(&self, look: impl FnOnce() -> bool) {
        lock(&self.sleepers).push(std::thread::current());
        self.sleeping.fetch_add(1, Ordering::SeqCst);
        if !look() {
            std::thread::park_timeout(NAP);
        }
        self.sleeping.fetch_sub(1, Ordering::SeqCst);
        let me = std::thread::current().id();
        lock(&self.sleepers).retain(|thread| thread.id() != me);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The pool.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    questions: Mutex<Gather<Question>>,
    answers: Vec<Mutex<Sender<Solved>>>,
    bell: Arc<Bell>,
    stop: AtomicBool,
    /// What each thread works at.
    desks: Vec<Desk>,
    stats: Mutex<Stats>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// To wake a torus that waits for an answer: its region and braid ids.
    region: Option<(Arc<Region>, Vec<u8>)>,
    clock: Clock,
}

/// What a thread works at, for its watchdog.
#[derive(Debug, Default)]
struct Desk {
    since: Mutex<Option<Instant>>,
    changed: Condvar,
    over: AtomicBool,
}

#[derive(Debug, Default)]
struct Stats {
    sat: u64,
    unsat: u64,
    unknown: u64,
    restarts: u64,
    restart_reason: String,
    times: [u64; BUCKETS],
    running: Vec<QuestionSnapshot>,
    recent: VecDeque<QuestionSnapshot>,
}

impl Pool {
    /// Starts the threads for `tori` tori; returns the ends of each torus.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        settings: Settings,
        tori: usize,
        region: Option<(Arc<Region>, Vec<u8>)>,
        clock: Clock,
    ) -> std::io::Result<(Self, Vec<Asker>)> {
        #[cfg(feature = "z3")]
        if settings.kind == SolverKind::Z3 {
            avm::nondet::z3::bound_memory(settings.memory_bytes);
        }
        let most = settings.queue as usize;
        let bell = Arc::new(Bell::default());
        let (mut askers, mut takers, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        for torus in 0..tori {
            let (questions, taker) = ring(most);
            let (answer, solved) = ring(most);
            takers.push(taker);
            answers.push(Mutex::new(answer));
            askers.push(Asker { questions, solved, bell: Arc::clone(&bell), torus, open: 0, most });
        }
        let shared = Arc::new(Shared {
            settings,
            questions: Mutex::new(Gather::new(takers)),
            answers,
            bell,
            stop: AtomicBool::new(false),
            desks: (0..settings.threads.max(1)).map(|_| Desk::default()).collect(),
            stats: Mutex::new(Stats::default()),
            threads: Mutex::new(Vec::new()),
            region,
            clock,
        });
        let pool = Self { shared };
        for at in 0..settings.threads as usize {
            spawn(&pool.shared, at)?;
        }
        Ok((pool, askers))
    }

    /// What the pool does and did. `asked` executions of the tori wait for an answer; `asking` are the first of them.
    #[must_use]
    pub fn snapshot(&self, asked: u64, asking: &[Asking]) -> SolverSnapshot {
        let now_unix_ns = self.shared.clock.unix_ns(self.shared.clock.now_ns());
        let stats = lock(&self.shared.stats);
        let mut questions = stats.running.clone();
        for question in &mut questions {
            let waited = question.asked_unix_ns.saturating_add(question.waited_ns);
            question.took_ns = now_unix_ns.saturating_sub(waited);
        }
        let oldest = questions.iter().max_by_key(|question| question.took_ns).cloned().unwrap_or_default();
        let busy = questions.len() as u32;
        let waits = |asking: &&Asking| {
            let execution = asking.0.to_string();
            questions.iter().all(|running| running.execution != execution)
        };
        let mut waiting: Vec<&Asking> = asking.iter().filter(waits).collect();
        waiting.sort_unstable_by_key(|(execution, _, since)| (*since, *execution));
        let age = |since: u64| now_unix_ns.saturating_sub(since);
        let oldest_queued_ns = waiting.first().map_or(0, |(_, _, since)| age(*since));
        let queued = asked.saturating_sub(u64::from(busy));
        let queue = waiting.iter().take(QUEUED).map(|(execution, transaction, since)| QuestionSnapshot {
            execution: execution.to_string(),
            transaction: transaction.map(|tx| tx.to_string()).unwrap_or_default(),
            outcome: "queued".to_owned(),
            waited_ns: age(*since),
            asked_unix_ns: *since,
            ..QuestionSnapshot::default()
        });
        questions.extend(queue);
        questions.extend(stats.recent.iter().cloned());
        SolverSnapshot {
            name: name(self.shared.settings.kind).to_owned(),
            workers: self.shared.settings.threads,
            busy,
            queued,
            queue_limit: u64::from(self.shared.settings.queue) * self.shared.answers.len() as u64,
            oldest_queued_ns,
            oldest_running_ns: oldest.took_ns,
            oldest_running: oldest.execution,
            limit_ns: self.shared.settings.timeout.as_nanos() as u64,
            sat: stats.sat,
            unsat: stats.unsat,
            unknown: stats.unknown,
            restarts: stats.restarts,
            restart_reason: stats.restart_reason.clone(),
            times_ns: stats.times.to_vec(),
            p50_ns: quantile(&stats.times, 50),
            p99_ns: quantile(&stats.times, 99),
            questions,
        }
    }
}

impl Drop for Pool {
    /// Ends the threads; one whose question does not end in time goes with the process.
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        lock(&self.shared.bell.sleepers).drain(..).for_each(|thread| thread.unpark());
        self.shared.desks.iter().for_each(|desk| desk.changed.notify_all());
        let deadline = Instant::now() + PATIENCE;
        for thread in std::mem::take(&mut *lock(&self.shared.threads)) {
            while !thread.is_finished() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(1));
            }
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
    }
}

/// Name of a solver.
#[must_use]
pub const fn name(kind: SolverKind) -> &'static str {
    match kind {
        SolverKind::Z3 => "z3",
        SolverKind::BuiltIn => "built-in",
    }
}

/// Upper end of the bucket in which the share lies.
fn quantile(times: &[u64; BUCKETS], percent: u64) -> u64 {
    let total: u64 = times.iter().sum();
    let wanted = (total * percent).div_ceil(100).max(1);
    let mut seen = 0;
    let found = times.iter().position(|count| {
        seen += count;
        seen >= wanted
    });
    if total == 0 { 0 } else { 2_u64 << found.unwrap_or(BUCKETS - 1).min(62) }
}

fn spawn(shared: &Arc<Shared>, at: usize) -> std::io::Result<()> {
    let theirs = Arc::clone(shared);
    let body = move || work(&theirs, at);
    let thread = std::thread::Builder::new().name(format!("solver-{at}")).spawn(body)?;
    lock(&shared.threads).push(thread);
    Ok(())
}

/// The life of a thread.
fn work(shared: &Arc<Shared>, at: usize) {
    let damaged = match shared.settings.kind {
        #[cfg(feature = "z3")]
        SolverKind::Z3 => avm::nondet::z3::Z3Solver::new().watched(|solver, handle| {
            std::thread::scope(|scope| {
                let desk = &shared.desks[at];
                desk.over.store(false, Ordering::SeqCst);
                let dog = std::thread::Builder::new().name(format!("watchdog-{at}"));
                let dog = dog.spawn_scoped(scope, || watch(desk, shared.settings.timeout, || handle.interrupt()));
                let damaged = match dog {
                    Ok(_) => serve(shared, at, solver),
                    Err(error) => serve_unwatched(shared, at, &error),
                };
                desk.over.store(true, Ordering::SeqCst);
                desk.changed.notify_all();
                damaged
            })
        }),
        _ => serve(shared, at, &mut BuiltinSolver),
    };
    if damaged && !shared.stop.load(Ordering::SeqCst) && spawn(shared, at).is_err() {
        tracing::error!("solver-{at}: the system gives no thread to replace it; choices wait for the others");
    }
}

/// A solver that nobody watches would have no limit of time, so it is asked nothing.
struct Unwatched(String);

impl Solver for Unwatched {
    fn solve(&mut self, _ir: &Ir, _limits: &Limits) -> Outcome {
        Outcome::Unknown(self.0.clone())
    }
}

/// The system gives no thread to watch the solver: the next question is answered with that, and the thread is to be replaced, which
/// tries again. True unless the pool ends.
fn serve_unwatched(shared: &Arc<Shared>, at: usize, error: &std::io::Error) -> bool {
    let why = format!("the system gives no thread to watch solver-{at}: {error}; check ulimit -u");
    tracing::error!("{why}");
    {
        let mut stats = lock(&shared.stats);
        stats.restarts += 1;
        stats.restart_reason = why.clone();
    }
    loop {
        if shared.stop.load(Ordering::SeqCst) {
            return false;
        }
        let taken = lock(&shared.questions).try_recv();
        if let Ok(question) = taken {
            answer(shared, at, &mut Unwatched(why), question);
            return true;
        }
        shared.bell.sleep(|| shared.stop.load(Ordering::SeqCst) || lock(&shared.questions).waiting());
    }
}

/// Interrupts what takes too long until it ends.
fn watch(desk: &Desk, limit: Duration, interrupt: impl Fn()) {
    let mut since = lock(&desk.since);
    while !desk.over.load(Ordering::SeqCst) {
        let wait = match *since {
            None => Duration::from_secs(1),
            Some(started) => match limit.checked_sub(started.elapsed()) {
                Some(left) if !left.is_zero() => left,
                _ => {
                    interrupt();
                    AGAIN
                }
            },
        };
        since = desk.changed.wait_timeout(since, wait).unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// Answers questions until the pool ends; true when the solver may be damaged.
fn serve(shared: &Arc<Shared>, at: usize, solver: &mut dyn Solver) -> bool {
    while !shared.stop.load(Ordering::SeqCst) {
        let taken = lock(&shared.questions).try_recv();
        let Ok(question) = taken else {
            shared.bell.sleep(|| shared.stop.load(Ordering::SeqCst) || lock(&shared.questions).waiting());
            continue;
        };
        // What was sent while nobody slept rang no bell: another thread may take the next.
        shared.bell.ring();
        if answer(shared, at, solver, question) {
            return true;
        }
    }
    false
}

fn answer(shared: &Shared, at: usize, solver: &mut dyn Solver, question: Question) -> bool {
    let started_ns = shared.clock.now_ns();
    let shown = QuestionSnapshot {
        execution: question.execution.to_string(),
        transaction: question.transaction.map(|tx| tx.to_string()).unwrap_or_default(),
        outcome: "running".to_owned(),
        choices: question.ir.choices.len() as u32,
        requires: question.ir.requires.len() as u32,
        variables: question.ir.fd.vars.len() as u32,
        nodes: question.ir.size(),
        waited_ns: started_ns.saturating_sub(question.asked_ns),
        asked_unix_ns: shared.clock.unix_ns(question.asked_ns),
        ..QuestionSnapshot::default()
    };
    lock(&shared.stats).running.push(shown.clone());
    let desk = &shared.desks[at];
    *lock(&desk.since) = Some(Instant::now());
    desk.changed.notify_all();
    let result = catch_unwind(AssertUnwindSafe(|| solver.solve(&question.ir, &question.limits)));
    *lock(&desk.since) = None;
    let took_ns = shared.clock.now_ns().saturating_sub(started_ns);
    let (outcome, damaged) = match result {
        Ok(Outcome::Unknown(why)) if took_ns >= shared.settings.timeout.as_nanos() as u64 => {
            let limit_ms = shared.settings.timeout.as_millis();
            (Outcome::Unknown(format!("interrupted after {limit_ms} ms (avm.solver.timeout_ms): {why}")), false)
        }
        Ok(Outcome::Unknown(why)) if out_of_memory(&why) => {
            let limit = shared.settings.memory_bytes >> 20;
            (Outcome::Unknown(format!("more than {limit} MiB of memory (avm.solver.memory_mib): {why}")), true)
        }
        Ok(outcome) => (outcome, false),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            (Outcome::Unknown(format!("the solver failed: {text}")), true)
        }
    };
    note(shared, &shown, &outcome, took_ns, damaged);
    let solved = Solved { execution: question.execution, outcome, took_ns };
    // There is room: a torus has no more questions open than the ring holds.
    let _ = lock(&shared.answers[question.torus]).try_send(solved);
    if let Some((region, ids)) = &shared.region
        && let Some(waker) = region.waker(ids[question.torus])
    {
        waker.wake();
    }
    damaged
}

/// Whether a question was given up for the memory of the solver: its thread goes, and with it what it holds.
#[cfg(feature = "z3")]
fn out_of_memory(why: &str) -> bool {
    why.starts_with(avm::nondet::z3::OUT_OF_MEMORY)
}

/// The built-in search is bounded by nodes and steps.
#[cfg(not(feature = "z3"))]
const fn out_of_memory(_why: &str) -> bool {
    false
}

fn note(shared: &Shared, shown: &QuestionSnapshot, outcome: &Outcome, took_ns: u64, damaged: bool) {
    let mut stats = lock(&shared.stats);
    if let Some(place) = stats.running.iter().position(|running| running == shown) {
        stats.running.swap_remove(place);
    }
    let (word, reason) = match outcome {
        Outcome::Sat(_) => {
            stats.sat += 1;
            ("sat", String::new())
        }
        Outcome::Unsat(core) => {
            stats.unsat += 1;
            ("unsat", format!("{} requirements cannot hold together", core.len()))
        }
        Outcome::Unknown(why) => {
            stats.unknown += 1;
            ("unknown", why.clone())
        }
    };
    if damaged {
        stats.restarts += 1;
        stats.restart_reason = reason.clone();
    }
    let bucket = (took_ns.max(1).ilog2() as usize).min(BUCKETS - 1);
    stats.times[bucket] += 1;
    let row = QuestionSnapshot { outcome: word.to_owned(), reason, took_ns, ..shown.clone() };
    stats.recent.push_front(row);
    stats.recent.truncate(REMEMBERED);
}

#[cfg(test)]
#[path = "solver_tests.rs"]
mod tests;
