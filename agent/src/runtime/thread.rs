//! A torus thread from its first instruction to its last: pinned, memory taken, torus built, place in the region claimed, gate,
//! loop, end. Everything that can fail fails before the gate opens, and whatever happens after it is caught and said.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use control::page::Text;
use crossbeam_channel::Sender;
use shm_transport::arena::Arena;
use shm_transport::backing::Backing;
use shm_transport::region::{LineView, Region};
use shm_transport::seed_v1::SeedRegion;
use torus::lockstep::seed_projection;
use torus::memory::Carver;
use torus::relay::Relay;
use torus::{Counters, Reactor};

use crate::config;

use super::aside::Aside;
use super::avm::parts::Parts;
use super::braiding::Braiding;
use super::build::{self, Work};
use super::clock::Clock;
use super::events::Notice;
use super::exchange::ExchangeStats;
use super::inputs::Inputs;
use super::lane::Lane;
use super::notices::Notices;
use super::pace::Pace;
use super::pages::Pages;
use super::pinning::{Place, Waiting, pin_current_thread};
use super::record::Recorder;
use super::ring;
use super::seed::{Project, Seed};
use super::shared::{Ended, Gate, NodeShared, State, Ticket};
use super::status::{About, Status};

/// Everything a torus thread is given.
pub struct Setup {
    pub(super) index: usize,
    pub(super) config: Arc<config::Config>,
    pub(super) work: Work,
    pub(super) boot: u64,
    pub(super) place: Place,
    pub(super) waiting: Waiting,
    pub(super) region: Arc<Region>,
    pub(super) seed: Option<Arc<SeedRegion>>,
    pub(super) pages: Arc<Pages>,
    pub(super) node: Arc<NodeShared>,
    pub(super) commands: ring::Receiver<Ticket>,
    pub(super) notices: ring::Sender<Notice>,
    pub(super) recorder: Option<Recorder>,
    pub(super) ready: Sender<Ready>,
    pub(super) clock: Clock,
    /// What a torus that runs programs is made from.
    pub(super) avm: Option<Parts>,
}

/// What a torus thread reports before the gate.
#[derive(Debug)]
pub struct Ready {
    /// Which torus, in configuration order.
    pub index: usize,
    /// Where it stands, or why it cannot run.
    pub result: Result<Standing, String>,
}

/// A torus that stands ready.
#[derive(Debug)]
pub struct Standing {
    /// State digest before the first input, for the header of a recording.
    pub digest: u64,
    /// What its memory is made of.
    pub backing: Backing,
    /// Who held its place in the region before.
    pub predecessor: LineView,
    /// Why it is not pinned although it should be.
    pub unpinned: Option<String>,
    /// Messages that earlier boots left unread, by peer.
    pub unread: Vec<(u8, u64)>,
}

/// The body of the thread. Never unwinds.
pub fn main(setup: Setup) {
    let (node, pages, index, clock) = (Arc::clone(&setup.node), Arc::clone(&setup.pages), setup.index, setup.clock);
    let ready = setup.ready.clone();
    let ended = match catch_unwind(AssertUnwindSafe(|| start(setup))) {
        Ok(Ok(ended)) => ended,
        Ok(Err(why)) => {
            let _ = ready.try_send(Ready { index, result: Err(why.clone()) });
            failure(why)
        }
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            let why = format!("panic: {text}");
            let _ = ready.try_send(Ready { index, result: Err(why.clone()) });
            failure(why)
        }
    };
    if let Some(why) = &ended.failed {
        pages.amend_torus(index, clock.now_ns(), |page| {
            page.state = State::Failed as u32;
            page.reason = Text::new(why);
        });
    }
    node.tori[index].end(ended);
}

fn failure(why: String) -> Ended {
    Ended { counters: Counters::default(), digest: 0, failed: Some(why) }
}

fn start(mut setup: Setup) -> Result<Ended, String> {
    let config = Arc::clone(&setup.config);
    let own = &config.tori[setup.index];
    setup.node.tori[setup.index].tid.store(nix::unistd::gettid().as_raw() as u32, Ordering::Release);
    let pinned = pin_current_thread(&setup.place.core.into_iter().collect::<Vec<u32>>());
    let unpinned = pinned.err().map(|error| format!("torus {}: pinning failed: {error}", own.name));
    let capacities = build::capacities(own);
    let pages = build::pages(config.region.pages);
    let lock = config.resources.mlock != config::Policy::Off;
    let mut arena = Arena::new(capacities.bytes(), pages, lock).map_err(|error| error.to_string())?;
    let backing = arena.backing().clone();
    let mut carver = Carver::new(&mut arena);
    if let Some(parts) = setup.avm.take() {
        let (reactor, desk) = parts.build(setup.clock);
        run(setup, &mut carver, reactor, backing, unpinned, None, Some(Box::new(desk)))
    } else if setup.work.is_compute() {
        let reactor = setup.work.compute(&mut carver)?;
        run(setup, &mut carver, reactor, backing, unpinned, None, None)
    } else {
        let reactor = setup.work.relay(&capacities, &mut carver)?;
        run(setup, &mut carver, reactor, backing, unpinned, Some(seed_projection as Project<Relay<'_>>), None)
    }
}

fn run<'m, R: Reactor>(
    setup: Setup,
    carver: &mut Carver<'m>,
    reactor: R,
    backing: Backing,
    unpinned: Option<String>,
    project: Option<Project<R>>,
    aside: Option<Box<dyn Aside<R>>>,
) -> Result<Ended, String> {
    let config = &*setup.config;
    let own = &config.tori[setup.index];
    let mut torus = build::torus(own, carver, reactor, setup.work.source())?;
    let used_bytes = carver.used();
    let mut side = setup.region.claim(own.id, setup.boot, std::process::id()).map_err(|error| error.to_string())?;
    let shared = &setup.node.tori[setup.index];
    let now_ns = setup.clock.now_ns();
    let (injections, _) = side.injections().map_err(|error| error.to_string())?;
    let waiter = side.waiter();
    let (braiding, unread) = Braiding::new(config, own, &mut side, &torus, now_ns, setup.clock)?;
    let seed_region = setup.seed.clone();
    let seed = seed_of(&setup, seed_region.as_deref(), project)?;
    let status = status_of(&setup, &setup.pages, &backing, used_bytes)?;
    let standing = Standing {
        digest: torus.digest(),
        backing: backing.clone(),
        predecessor: *side.predecessor(),
        unpinned,
        unread,
    };
    // The channel holds one report of each torus.
    let _ = setup.ready.try_send(Ready { index: setup.index, result: Ok(standing) });
    if !passed(&setup.node) {
        side.retire();
        return Ok(Ended { counters: torus.counters(), digest: torus.digest(), failed: None });
    }
    let mut inputs = Inputs::new(setup.recorder);
    for input in setup.work.opening(own) {
        inputs.apply(&mut torus, input);
    }
    let start_ns = setup.clock.now_ns();
    let mut lane = Lane {
        next_arrival: torus.source().and_then(torus::workload::Source::next_time).filter(|_| own.workload.load),
        own_limit: u64::from(own.capacities.events.saturating_sub(own.capacities.admission)),
        lookahead_ticks: build::lookahead_ticks(own),
        pace: own.workload.pace_ticks_per_s.map(|ticks_per_s| Pace::new(ticks_per_s, start_ns)),
        torus,
        side,
        waiter,
        injections,
        inputs,
        braiding,
        seed,
        aside,
        status,
        stats: ExchangeStats::new(start_ns),
        notices: Notices { torus: own.id, sender: setup.notices, dropped: &shared.notices_dropped, clock: setup.clock },
        commands: setup.commands,
        shared,
        node: &setup.node,
        clock: setup.clock,
        waiting: setup.waiting,
        bad_injections: 0,
        damaged_ns: None,
        beat_ns: 0,
        overflowed: false,
    };
    let outcome = lane.run();
    finish(lane, outcome)
}

/// Its place in the seed region, if it stands in one.
fn seed_of<'a, R: Reactor>(
    setup: &Setup,
    region: Option<&'a SeedRegion>,
    project: Option<Project<R>>,
) -> Result<Option<Seed<'a, R>>, String> {
    let (Some(region), Some(project)) = (region, project) else { return Ok(None) };
    let config = &*setup.config;
    let path = config.region.seed_v1.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    Seed::join(region.words(), config.tori[setup.index].id, &path, project).map(Some)
}

/// The page of the torus, with everything in it that does not change.
fn status_of<'a>(setup: &Setup, pages: &'a Pages, backing: &Backing, used_bytes: usize) -> Result<Status<'a>, String> {
    let config = &*setup.config;
    let about = About {
        config: &config.tori[setup.index],
        boot: setup.boot,
        place: setup.place,
        backing,
        used_bytes,
        workload: setup.work.title(),
        floor_ns: config.braid.floor.as_nanos() as u64,
        face_tolerance: config.braid.tolerance.face,
    };
    let writer = pages.torus_writer(setup.index).map_err(|error| error.to_string())?;
    let tid = setup.node.tori[setup.index].tid.load(Ordering::Relaxed);
    Ok(Status::new(&about, writer, tid, setup.clock))
}

/// Waits for the gate; `false` when the node does not start after all.
fn passed(node: &NodeShared) -> bool {
    loop {
        match node.gate() {
            Gate::Open => return true,
            Gate::Abort => return false,
            Gate::Closed => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// The end in order: last page, recording closed, place in the region given back.
fn finish<R: Reactor>(mut lane: Lane<'_, R>, outcome: Result<(), String>) -> Result<Ended, String> {
    let (counters, digest) = (lane.torus.counters(), lane.torus.digest());
    if let Some(recorder) = lane.inputs.recorder_mut() {
        recorder.close(counters.executed, digest);
    }
    match outcome {
        Ok(()) => {
            lane.finish(State::Stopped, "");
            lane.side.retire();
            Ok(Ended { counters, digest, failed: None })
        }
        Err(why) => {
            lane.finish(State::Failed, &why);
            Ok(Ended { counters, digest, failed: Some(why) })
        }
    }
}
