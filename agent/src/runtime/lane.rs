//! The loop of a torus thread (`rse:T5`): no system call (spinning), no allocation, no lock (`decisions:NODE-14`).
//!
//! One turn: commands, injections, messages of other tori, arrivals, a bounded batch, an exchange when one is due, the status
//! page when its time has come. What enters the torus enters by [`Inputs`]. Nothing here waits for another thread: a full ring
//! keeps work where it is, a slow reader of a slot is not noticed, and commands, notices and records go through rings of one
//! producer and one consumer each ([`super::ring`]). The one exception is asked for: a recording that must be whole
//! (`record.on_full = "stall"`) holds the torus up while its ring is full.

use std::sync::atomic::Ordering;

use shm_transport::mpsc::{self, Stuck};
use shm_transport::region::{INJECT_WORDS, Side};
use shm_transport::wake;
use torus::{Input, Mode, Ran, Reactor, Stop, Torus};

use super::aside::Aside;
use super::braiding::Braiding;
use super::clock::Clock;
use super::events::Happening;
use super::exchange::ExchangeStats;
use super::inject;
use super::inputs::Inputs;
use super::notices::Notices;
use super::pace::Pace;
use super::pinning::Waiting;
use super::ring::Receiver;
use super::seed::Seed;
use super::shared::{Command, NodeShared, State, Ticket, TorusShared};
use super::status::Status;

/// Injection records taken in one turn.
const INJECTIONS: u32 = 64;
/// Messages of one peer admitted in one turn.
const ADMISSIONS: u64 = 256;
/// Arrivals fed in one turn.
const ARRIVALS: u32 = 256;
/// Heartbeats are at least this far apart, ns.
const BEAT_NS: u64 = 1_000_000;
/// How long a claimed injection record may stay unwritten before it is given up, ns.
const PATIENCE_NS: u64 = 100_000_000;
/// Longest sleep of an adaptive loop, ns: well below the period of liveness, so that a sleeper is never taken for dead.
const SLEEP_NS: u64 = 20_000_000;

/// What the loop needs, put together by [`super::thread`].
pub struct Lane<'a, R> {
    pub(super) torus: Torus<'a, R>,
    pub(super) side: Side<'a>,
    pub(super) waiter: wake::Waiter<'a>,
    pub(super) injections: mpsc::Receiver<'a>,
    pub(super) inputs: Inputs,
    pub(super) braiding: Braiding<'a>,
    pub(super) seed: Option<Seed<'a, R>>,
    pub(super) aside: Option<Box<dyn Aside<R> + 'a>>,
    pub(super) status: Status<'a>,
    pub(super) stats: ExchangeStats,
    pub(super) notices: Notices<'a>,
    pub(super) commands: Receiver<Ticket>,
    pub(super) shared: &'a TorusShared,
    pub(super) node: &'a NodeShared,
    pub(super) clock: Clock,
    pub(super) pace: Option<Pace>,
    pub(super) lookahead_ticks: u64,
    /// Events its own work may have waiting: queue capacity without the share of admissions.
    pub(super) own_limit: u64,
    pub(super) waiting: Waiting,
    pub(super) next_arrival: Option<u64>,
    pub(super) bad_injections: u64,
    pub(super) damaged_ns: Option<u64>,
    pub(super) beat_ns: u64,
    pub(super) overflowed: bool,
}

impl<R: Reactor> Lane<'_, R> {
    /// Runs until the node stops.
    ///
    /// # Errors
    /// Why the torus must not go on, as a sentence: its place in the region belongs to somebody else.
    pub fn run(&mut self) -> Result<(), String> {
        let mut now_ns = self.clock.now_ns();
        while !self.node.stop.load(Ordering::Relaxed) {
            self.beat(now_ns)?;
            if self.inputs.crowded() {
                self.stand_still(now_ns);
                now_ns = self.clock.now_ns();
                continue;
            }
            let mut worked = self.take_commands(now_ns);
            worked |= self.take_injections(now_ns);
            worked |= self.admit();
            if let Some(aside) = &mut self.aside {
                worked |= aside.turn(&mut self.torus, &mut self.inputs, now_ns);
            }
            worked |= self.feed(now_ns);
            let ran = self.batch(&mut now_ns);
            worked |= ran.executed > 0;
            worked |= self.braiding.turn(
                &mut self.torus,
                &mut self.side,
                &mut self.inputs,
                &mut self.stats,
                &mut self.notices,
                now_ns,
                self.node,
            );
            if let Some(seed) = &mut self.seed {
                seed.turn(&self.torus, self.stats.exchanges(), &mut self.notices, now_ns);
            }
            self.publish_status(now_ns, &ran, worked);
            if !worked {
                self.wait(now_ns, &ran);
            }
            now_ns = self.clock.now_ns();
        }
        Ok(())
    }

    /// Signs of life: for the watchdog each turn, for the peers each millisecond.
    fn beat(&mut self, now_ns: u64) -> Result<(), String> {
        self.shared.beat_ns.store(now_ns, Ordering::Relaxed);
        if now_ns.saturating_sub(self.beat_ns) >= BEAT_NS {
            self.beat_ns = now_ns;
            self.side.beat(now_ns).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// The recording must be whole and its writer is behind: the torus lives and says so, and takes nothing in.
    #[cold]
    fn stand_still(&mut self, now_ns: u64) {
        let ran = Ran { executed: 0, stopped: Stop::Horizon };
        self.publish_status(now_ns, &ran, false);
        std::thread::sleep(super::record::NAP);
    }

    fn take_commands(&mut self, now_ns: u64) -> bool {
        let mut worked = false;
        while let Ok(ticket) = self.commands.try_recv() {
            worked = true;
            let count = self.command(ticket.command, now_ns);
            self.shared.done_count.store(count, Ordering::Relaxed);
            self.shared.done.store(ticket.number, Ordering::Release);
        }
        worked
    }

    fn command(&mut self, command: Command, now_ns: u64) -> u64 {
        match command {
            Command::Pause => {
                if let Some(pace) = &mut self.pace {
                    pace.pause(now_ns);
                }
                self.notices.say(now_ns, Happening::Paused);
                self.inputs.apply(&mut self.torus, Input::Pause).accepted
            }
            Command::Resume => {
                if let Some(pace) = &mut self.pace {
                    pace.resume(now_ns);
                }
                self.overflowed = false;
                self.notices.say(now_ns, Happening::Resumed);
                self.inputs.apply(&mut self.torus, Input::Resume).accepted
            }
            Command::Step { count } => self.step(count),
            Command::Interval { ticks } => {
                if let Some(ticks) = ticks {
                    self.inputs.apply(&mut self.torus, Input::Interval { ticks });
                }
                self.braiding.set_interval(ticks);
                0
            }
            Command::Mode(mode) => self.set_mode(mode),
            Command::Panic => panic!("asked to, by a test"),
        }
    }

    fn set_mode(&mut self, mode: Mode) -> u64 {
        self.braiding.set_mode(mode);
        self.inputs.apply(&mut self.torus, Input::Mode(mode)).accepted
    }

    /// Steps one by one, so that the page can show the last event; each is an input of its own in the recording. A step is an
    /// order by hand: it lifts the pace's horizon as far as it needs, and puts it back.
    fn step(&mut self, count: u32) -> u64 {
        let horizon = self.torus.settings().horizon;
        let mut lifted = horizon;
        let mut done = 0;
        while done < u64::from(count) {
            let Some(next) = self.torus.next_time() else { break };
            if next > lifted {
                lifted = next;
                self.inputs.apply(&mut self.torus, Input::Horizon { time: next });
            }
            let Some(stepped) = self.inputs.step(&mut self.torus) else { break };
            self.status.stepped(&stepped);
            done += 1;
        }
        if lifted != horizon {
            self.inputs.apply(&mut self.torus, Input::Horizon { time: horizon });
        }
        done
    }

    fn take_injections(&mut self, now_ns: u64) -> bool {
        let mut words = [0; INJECT_WORDS];
        for taken in 0..INJECTIONS {
            if self.inputs.room() == 0 {
                return taken > 0;
            }
            let received = self.injections.recv(&mut words);
            if received != Ok(true) {
                let looked = received.and_then(|_| self.injections.skip_stuck(now_ns, PATIENCE_NS));
                self.watch_injections(looked, now_ns);
                return taken > 0;
            }
            match inject::parse(&words) {
                Some(input) => {
                    self.inputs.apply(&mut self.torus, input);
                }
                None => self.bad_injections += 1,
            }
        }
        true
    }

    /// A dead writer leaves a place that is given up in time; a hostile one, or damage, words that no sender leaves. The ring is
    /// set right when they stay (`rse:M7`): it must not be wedged for ever, nor in silence.
    fn watch_injections(&mut self, looked: Result<Stuck, mpsc::Damaged>, now_ns: u64) {
        let torus = self.notices.torus;
        match looked {
            Ok(stuck) => {
                self.bad_injections += u64::from(stuck == Stuck::Abandoned);
                self.damaged_ns = None;
            }
            Err(_) => {
                let since_ns = *self.damaged_ns.get_or_insert(now_ns);
                if since_ns == now_ns {
                    self.notices.say(now_ns, Happening::RingDamaged { peer: torus });
                }
                if now_ns.saturating_sub(since_ns) >= PATIENCE_NS {
                    self.damaged_ns = None;
                    self.bad_injections += self.injections.repair();
                    self.notices.say(now_ns, Happening::RingRepaired { peer: torus });
                }
            }
        }
    }

    /// Admits what other tori handed over, as far as there is room; the rest stays in its ring (`decisions:NODE-5`).
    fn admit(&mut self) -> bool {
        let mut admitted = false;
        for peer in 0..self.side.view().tori() {
            let room = self.torus.admission_room().min(ADMISSIONS).min(self.inputs.room());
            if room == 0 {
                break;
            }
            admitted |= self.braiding.receive(peer, room, &mut self.torus, &mut self.inputs);
        }
        admitted
    }

    /// Moves the horizon of paced work, and feeds arrivals that come within reach of it.
    fn feed(&mut self, now_ns: u64) -> bool {
        let mut reach = self.torus.counters().clock.saturating_add(self.lookahead_ticks);
        if let Some(pace) = &mut self.pace {
            if let Some(time) = pace.horizon(now_ns) {
                self.inputs.apply(&mut self.torus, Input::Horizon { time });
            }
            reach = self.torus.settings().horizon.saturating_add(self.lookahead_ticks);
        }
        let Some(next) = self.next_arrival else { return false };
        let pending = self.torus.load().pending;
        let idle = self.pace.is_none() && pending == 0;
        if pending >= self.own_limit || self.torus.settings().paused || (next > reach && !idle) {
            return false;
        }
        let room = (self.own_limit - pending).min(u64::from(ARRIVALS)) as u32;
        let fed = self.inputs.apply(&mut self.torus, Input::Feed { count: room });
        self.next_arrival = self.torus.source().and_then(torus::workload::Source::next_time);
        fed.accepted > 0
    }

    fn batch(&mut self, now_ns: &mut u64) -> Ran {
        let ran = self.torus.run(u64::from(self.torus.settings().batch_events));
        if ran.executed > 0 {
            let after_ns = self.clock.now_ns();
            self.stats.batch(ran.executed, after_ns.saturating_sub(*now_ns));
            *now_ns = after_ns;
        }
        if ran.stopped == Stop::Overflow && !std::mem::replace(&mut self.overflowed, true) {
            self.notices.say(*now_ns, Happening::Overflow);
        }
        ran
    }

    fn publish_status(&mut self, now_ns: u64, ran: &Ran, worked: bool) {
        if !self.status.due(now_ns) {
            return;
        }
        let state = match ran.stopped {
            Stop::Paused => State::Paused,
            Stop::Overflow => State::Waiting,
            _ if worked => State::Run,
            _ => State::Waiting,
        };
        self.shared.state.store(state as u32, Ordering::Relaxed);
        self.shared.allocations.store(shm_transport::counting::allocations(), Ordering::Relaxed);
        self.shared.wakes.store(self.braiding.wakes(), Ordering::Relaxed);
        if let Some(seed) = &self.seed {
            self.status.seed(seed.page());
        }
        let reason =
            if ran.stopped == Stop::Overflow { "queue full; raise capacities.events or: torus resume" } else { "" };
        self.status.write(state, reason, now_ns, self.shared, &self.torus, &self.braiding, &self.stats, &self.inputs);
        let more = std::mem::take(&mut self.bad_injections);
        if more > 0 {
            self.notices.say(now_ns, Happening::BadInjection { more });
        }
        self.status.report(now_ns, &self.inputs, &mut self.notices);
    }

    /// Nothing to do: spin once, or sleep until woken or the next thing is due.
    fn wait(&mut self, now_ns: u64, ran: &Ran) {
        if self.waiting == Waiting::Spin {
            std::hint::spin_loop();
            return;
        }
        let mut sleep_ns = self.braiding.until_due_ns(now_ns).min(SLEEP_NS);
        if let (Some(pace), Stop::Horizon) = (&self.pace, ran.stopped) {
            sleep_ns = sleep_ns.min(self.torus.next_time().map_or(SLEEP_NS, |time| pace.until_ns(time, now_ns)));
        }
        sleep_ns = self.seed.as_ref().map_or(sleep_ns, |seed| sleep_ns.min(seed.sleep_ns()));
        let aside = &self.aside;
        let (commands, injections, braiding) = (&self.commands, &self.injections, &mut self.braiding);
        let stop = &self.node.stop;
        // What cannot be admitted is nothing to wake up for.
        let room = self.torus.admission_room() > 0;
        self.waiter.wait(wake::SPINS, sleep_ns.max(1), || {
            !commands.is_empty()
                || injections.backlog() > 0
                || aside.as_ref().is_some_and(|aside| aside.waiting())
                || (room && braiding.waiting())
                || stop.load(Ordering::Relaxed)
        });
    }

    /// The last page, in its final state.
    pub fn finish(&mut self, state: State, reason: &str) {
        let now_ns = self.clock.now_ns();
        self.status.write(state, reason, now_ns, self.shared, &self.torus, &self.braiding, &self.stats, &self.inputs);
    }
}
