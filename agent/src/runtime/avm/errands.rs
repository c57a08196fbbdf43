//! Jobs of the control side for a torus, and the wait for them.
//!
//! A job is done between two events of the torus. Whoever asked waits so long; then either the torus has not begun it, and it never
//! will: both look at the same word before. Or it has begun, and nobody can say before it ends whether it is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use control::api::Refusal;

use super::desk::Job;
use super::machine::LaneMachine;
use super::manager::{Lead, lock, refuse};
use super::reactor::Avm;
use crate::runtime::ring::ring;

/// How often the wait looks.
const LOOK: Duration = Duration::from_micros(100);

/// Nobody has begun it.
const WAITS: u8 = 0;
/// The torus has begun it.
const BEGUN: u8 = 1;
/// Nobody waits for it any more.
const GIVEN_UP: u8 = 2;

/// How long is waited.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For the torus to begin.
    pub(super) begin: Duration,
    /// After that, for what it has begun.
    pub(super) end: Duration,
    /// False: the torus does it whenever it comes to it, also when nobody waits any more.
    pub(super) give_up: bool,
}

impl Patience {
    /// For what people wait for.
    pub(super) const USUAL: Self =
        Self { begin: Duration::from_millis(500), end: Duration::from_secs(2), give_up: true };
    /// For what has to be done on every torus once it is done on one.
    pub(super) const SURE: Self = Self { give_up: false, ..Self::USUAL };
}

/// What came of a job.
#[derive(Debug)]
pub(super) enum Errand<T> {
    /// It was done.
    Done(T),
    /// It was not begun and never will be, and why.
    NotDone(Refusal),
    /// It is or will be done; nobody knows when.
    Unknown(Refusal),
}

/// The torus will not do it, unless it has begun.
fn give_up(stage: &AtomicU8) -> bool {
    stage.compare_exchange(WAITS, GIVEN_UP, Ordering::SeqCst, Ordering::SeqCst).is_ok()
}

/// Has a torus do something between two events; `wake` wakes it.
pub(super) fn run<T: Send + 'static>(
    lead: &Lead,
    wake: impl Fn(),
    patience: Patience,
    job: impl FnOnce(&mut Avm<LaneMachine>) -> T + Send + 'static,
) -> Errand<T> {
    let (mut answer, mut taken) = ring(1);
    let stage = Arc::new(AtomicU8::new(WAITS));
    let theirs = Arc::clone(&stage);
    let mut body: Job = Box::new(move |avm| {
        if theirs.compare_exchange(WAITS, BEGUN, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            // Whoever asked may have gone.
            let _ = answer.try_send(job(avm));
        }
    });
    let name = &lead.name;
    let started = Instant::now();
    while let Err(back) = lock(&lead.jobs).try_send(body) {
        body = back.into_inner();
        if patience.give_up || started.elapsed() > patience.begin {
            return Errand::NotDone(refuse(format!("torus {name} has many jobs to do; try again in a moment")));
        }
        std::thread::sleep(LOOK);
    }
    wake();
    loop {
        let waited = started.elapsed();
        match taken.try_recv() {
            Ok(value) => return Errand::Done(value),
            Err(crossbeam_channel::TryRecvError::Disconnected) => {
                return Errand::NotDone(refuse(format!("torus {name} has ended; start the node again")));
            }
            Err(_) if patience.give_up && waited > patience.begin && give_up(&stage) => {
                let ms = patience.begin.as_millis();
                return Errand::NotDone(refuse(format!(
                    "torus {name} did not answer within {ms} ms and will not do it: trefoil status"
                )));
            }
            Err(_) if waited > patience.begin + patience.end => {
                let ms = waited.as_millis();
                return Errand::Unknown(refuse(format!(
                    "torus {name} has not ended within {ms} ms what was asked of it; whether it is done is not known: trefoil avm ps"
                )));
            }
            Err(_) => {}
        }
        std::thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicU32;

    use avm::vm::{Config, Lane};

    use super::super::ports::Ports;
    use super::*;
    use crate::runtime::ring::Receiver;

    fn lead() -> (Lead, Receiver<Job>) {
        let (jobs, taken) = ring(1);
        (Lead { name: "A".to_owned(), id: 0, jobs: Mutex::new(jobs) }, taken)
    }

    fn avm() -> Avm<LaneMachine> {
        let lane = Lane::new(Config { heap_bytes: 1 << 20, executions: 8, ..Config::default() });
        Avm::new(LaneMachine::new(lane, "A", 8), Ports::none(), 8, 7)
    }

    const SHORT: Patience = Patience { begin: Duration::ZERO, end: Duration::ZERO, give_up: true };

    fn count(counter: &Arc<AtomicU32>) -> impl FnOnce(&mut Avm<LaneMachine>) -> u32 + Send + 'static {
        let counter = Arc::clone(counter);
        move |_| counter.fetch_add(1, Ordering::SeqCst)
    }

    // What is refused because the torus did not come to it is not done later.
    #[test]
    fn a_job_that_was_given_up_is_never_done() {
        let (lead, mut taken) = lead();
        let counter = Arc::new(AtomicU32::new(0));
        let outcome = run(&lead, || (), SHORT, count(&counter));
        assert!(matches!(&outcome, Errand::NotDone(why) if why.error.contains("will not do it")), "{outcome:?}");
        let outcome = run(&lead, || (), SHORT, count(&counter));
        assert!(matches!(&outcome, Errand::NotDone(why) if why.error.contains("many jobs")), "{outcome:?}");
        taken.try_recv().expect("it stands in the ring")(&mut avm());
        assert_eq!(counter.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_job_that_has_to_be_done_is_done_when_nobody_waits_any_more() {
        let (lead, mut taken) = lead();
        let counter = Arc::new(AtomicU32::new(0));
        let outcome = run(&lead, || (), Patience { give_up: false, ..SHORT }, count(&counter));
        assert!(matches!(&outcome, Errand::Unknown(why) if why.error.contains("not known")), "{outcome:?}");
        taken.try_recv().expect("it stands in the ring")(&mut avm());
        assert_eq!(counter.load(Ordering::SeqCst), 1);
    }

    // A job that is being done when patience ends is waited for, and of one that takes too long nobody says that it was not done.
    #[test]
    fn a_job_that_has_begun_is_done_or_unknown() {
        let (lead, mut taken) = lead();
        let (mut begun, begins) = ring(1);
        let begins = Mutex::new(begins);
        let (mut go, mut goes) = ring::<()>(1);
        let slow = move |_: &mut Avm<LaneMachine>| {
            let _ = begun.try_send(());
            while goes.try_recv() == Err(crossbeam_channel::TryRecvError::Empty) {
                std::thread::yield_now();
            }
        };
        std::thread::scope(|scope| {
            let torus = scope.spawn(move || {
                let mut machine = avm();
                loop {
                    if let Ok(job) = taken.try_recv() {
                        return job(&mut machine);
                    }
                    std::thread::yield_now();
                }
            });
            let until_begun = || {
                while begins.lock().expect("no panic").try_recv().is_err() {
                    std::thread::yield_now();
                }
            };
            let outcome = run(&lead, until_begun, SHORT, slow);
            assert!(matches!(&outcome, Errand::Unknown(why) if why.error.contains("not known")), "{outcome:?}");
            let _ = go.try_send(());
            drop(go);
            torus.join().expect("no panic");
        });
    }
}
