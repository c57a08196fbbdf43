//! What torus threads report, and how it becomes a line a person reads.
//!
//! A torus thread sends a [`Notice`], a plain value, into a bounded channel: no text, no allocation, never waiting; a full
//! channel is counted. The control thread makes the text with its reason, folds repetitions into one line a second, limits
//! the rate, and writes the [`EventsPage`] and the log.

use std::fmt::Write as _;

use control::page::{EVENTS, EventRecord, EventsPage, Text};
use torus::braid::conserve::{Bound, Break};
use torus::braid::{Cause, Change, IntervalChange, IntervalReason};
use zerocopy::FromZeros;

use super::seed::SeedEvent;

/// Something that happened on a torus thread. Plain numbers; the text is made by the control thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// Work went to another torus.
    HandedOver {
        /// To.
        to: u8,
        /// Events.
        count: u32,
        /// Own load when it was decided.
        own: u64,
        /// The peer's load when it was decided.
        peer: u64,
        /// Threshold that was passed.
        cause: Cause,
    },
    /// The braid interval changed.
    Interval {
        /// What changed.
        change: IntervalChange,
        /// Violation rate above which it shrinks, parts per million.
        above_ppm: u32,
        /// Violation rate below which it grows, parts per million.
        below_ppm: u32,
    },
    /// The life of a peer, or of all of them.
    Change(Change),
    /// Messages of a pair do not add up.
    Broken(Break),
    /// Events were refused because something was full.
    Rejected {
        /// Since the last notice.
        more: u64,
        /// Since boot.
        total: u64,
    },
    /// Events are gone with a dead boot.
    Lost {
        /// Whose.
        peer: u8,
        /// Events.
        count: u64,
        /// Events that the dead boot had not read: they wait in the ring for the next one.
        left: u64,
    },
    /// Projections of a peer were refused by integrity or parsing.
    Refused {
        /// Whose.
        peer: u8,
        /// Since the last notice.
        more: u64,
    },
    /// Ring records of a peer did not parse.
    BadMessage {
        /// Whose.
        peer: u8,
        /// Since the last notice.
        more: u64,
    },
    /// Projections of a peer that are whole and not taken: of another boot than its life line tells, or out of order.
    Outdated {
        /// Whose.
        peer: u8,
        /// Since the last notice.
        more: u64,
    },
    /// A peer refuses this torus's projections.
    RefusedBy {
        /// Who refuses.
        peer: u8,
        /// Since the last notice.
        more: u64,
    },
    /// A peer went in order.
    Left {
        /// The peer.
        peer: u8,
        /// Its boot.
        boot: u64,
        /// Messages it never confirmed: in doubt until it returns.
        unconfirmed: u64,
    },
    /// The process of a peer is gone.
    Killed {
        /// The peer.
        peer: u8,
        /// Its boot.
        boot: u64,
        /// Messages it never confirmed: in doubt until it returns.
        unconfirmed: u64,
    },
    /// The counts of a ring contradict each other.
    RingDamaged {
        /// Torus at the other end; this torus itself for its injection ring.
        peer: u8,
    },
    /// This side set a damaged ring right.
    RingRepaired {
        /// Torus at the other end; this torus itself for its injection ring.
        peer: u8,
    },
    /// Injection records that were malformed or never finished.
    BadInjection {
        /// Since the last notice.
        more: u64,
    },
    /// Events taken out for a peer that its ring did not take; counted as lost.
    Unsent {
        /// For whom.
        peer: u8,
        /// Events.
        count: u64,
    },
    /// Paused by hand.
    Paused,
    /// Goes on.
    Resumed,
    /// The torus stopped executing because its queue overflowed and its policy says stop.
    Overflow,
    /// The recorder could not keep up and the recording is no longer whole.
    RecordingBroken,
    /// In the seed region.
    Seed(SeedEvent),
}

/// A happening with its place and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    /// Torus id.
    pub torus: u8,
    /// Unix time, ns.
    pub at_unix_ns: u64,
    /// What.
    pub what: Happening,
}

/// Severity of a line; the codes of `control::page::EventRecord::severity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// As it should be.
    Info = 0,
    /// Worth a look.
    Notice = 1,
    /// Degraded.
    Warning = 2,
    /// Failed.
    Error = 3,
}

impl Happening {
    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::HandedOver { .. } | Self::Interval { .. } => Severity::Info,
            Self::Change(Change::Failed { .. })
            | Self::Killed { .. }
            | Self::Unsent { .. }
            | Self::Broken(_)
            | Self::Overflow
            | Self::RecordingBroken => Severity::Error,
            Self::RingDamaged { .. } | Self::RefusedBy { .. } | Self::BadInjection { .. } => Severity::Warning,
            Self::Left { .. } | Self::Outdated { .. } | Self::RingRepaired { .. } => Severity::Notice,
            Self::Change(Change::Suspected { .. } | Change::Alone) => Severity::Warning,
            Self::Seed(event) if event.is_warning() => Severity::Warning,
            Self::Change(_) | Self::Seed(_) | Self::Paused | Self::Resumed => Severity::Notice,
            Self::Rejected { .. } | Self::Lost { .. } | Self::Refused { .. } | Self::BadMessage { .. } => {
                Severity::Warning
            }
        }
    }

    /// Notices of one kind about one thing share a line when they come faster than one a second.
    fn folds_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::HandedOver { to, .. }, Self::HandedOver { to: other, .. }) => to == other,
            (Self::Refused { peer, .. }, Self::Refused { peer: other, .. })
            | (Self::BadMessage { peer, .. }, Self::BadMessage { peer: other, .. })
            | (Self::Outdated { peer, .. }, Self::Outdated { peer: other, .. })
            | (Self::RefusedBy { peer, .. }, Self::RefusedBy { peer: other, .. })
            | (Self::Lost { peer, .. }, Self::Lost { peer: other, .. })
            | (Self::Broken(Break { peer, .. }), Self::Broken(Break { peer: other, .. })) => peer == other,
            (Self::Rejected { .. }, Self::Rejected { .. })
            | (Self::BadInjection { .. }, Self::BadInjection { .. })
            | (Self::Interval { .. }, Self::Interval { .. }) => true,
            _ => false,
        }
    }

    /// Adds a later one of the same kind: amounts add up, levels are the newest.
    fn fold(&mut self, later: Self) {
        match (self, later) {
            (this @ Self::HandedOver { .. }, Self::HandedOver { to, count: more, own, peer, cause }) => {
                let count = if let Self::HandedOver { count, .. } = this { *count } else { 0 };
                *this = Self::HandedOver { to, count: count.saturating_add(more), own, peer, cause };
            }
            (Self::Lost { count, left, .. }, Self::Lost { count: more, left: again, .. }) => {
                (*count, *left) = (count.saturating_add(more), left.saturating_add(again));
            }
            (Self::Refused { more, .. }, Self::Refused { more: again, .. })
            | (Self::BadMessage { more, .. }, Self::BadMessage { more: again, .. })
            | (Self::Outdated { more, .. }, Self::Outdated { more: again, .. })
            | (Self::RefusedBy { more, .. }, Self::RefusedBy { more: again, .. })
            | (Self::BadInjection { more }, Self::BadInjection { more: again }) => *more = more.saturating_add(again),
            (Self::Rejected { more, total }, Self::Rejected { more: again, total: now }) => {
                (*more, *total) = (more.saturating_add(again), now);
            }
            (Self::Interval { change, .. }, Self::Interval { change: later, .. }) => {
                *change = IntervalChange { from: change.from, ..later };
            }
            (this, later) => *this = later,
        }
    }
}

/// Lines kept for one second to fold repetitions into.
const OPEN: usize = 64;
/// How long a line stays open, ns.
const FOLD_NS: u64 = 1_000_000_000;
/// Lines a second, and in a burst, that all tori together may write; the rest is counted. Errors are never kept out.
const RATE_PER_S: u32 = 20;

#[derive(Debug)]
struct Open {
    first: Notice,
    folded: u32,
}

/// The event log of the control thread.
#[derive(Debug)]
pub struct EventLog {
    page: Box<EventsPage>,
    names: Vec<String>,
    open: Vec<Open>,
    second: u64,
    lines: u32,
}

impl EventLog {
    /// `names[id]` is what torus `id` is called.
    ///
    /// # Panics
    /// When 64 KiB cannot be had.
    #[must_use]
    pub fn new(names: Vec<String>) -> Self {
        let page = EventsPage::new_box_zeroed().expect("the page is 64 KiB; without that no thread starts either");
        Self { page, names, open: Vec::with_capacity(OPEN), second: 0, lines: 0 }
    }

    /// The page as it is now.
    #[must_use]
    pub fn page(&self) -> &EventsPage {
        &self.page
    }

    /// Takes a notice: folds it into an open line, or opens one. `now_ns` is any clock that moves with `at_unix_ns`.
    pub fn take(&mut self, notice: Notice) {
        let same = |open: &&mut Open| open.first.torus == notice.torus && open.first.what.folds_with(&notice.what);
        if let Some(open) = self.open.iter_mut().find(same) {
            open.first.what.fold(notice.what);
            open.folded += 1;
            return;
        }
        // The first of a kind is shown at once; what follows within the second becomes the next line.
        self.line(&notice, 0);
        if notice.what.folds_with(&notice.what) && self.open.len() < OPEN {
            let mut empty = notice;
            empty.what = emptied(notice.what);
            self.open.push(Open { first: empty, folded: 0 });
        }
    }

    /// Closes the lines that were open for a second, at the end all of them. Returns whether the page changed.
    pub fn tick(&mut self, now_unix_ns: u64, end: bool) -> bool {
        let before = (self.page.newest, self.page.suppressed);
        let mut at = 0;
        while at < self.open.len() {
            if !end && now_unix_ns.saturating_sub(self.open[at].first.at_unix_ns) < FOLD_NS {
                at += 1;
                continue;
            }
            if self.open[at].folded == 0 {
                self.open.swap_remove(at);
                continue;
            }
            let open = &mut self.open[at];
            let (mut notice, folded) = (open.first, open.folded);
            notice.at_unix_ns = now_unix_ns;
            open.first.at_unix_ns = now_unix_ns;
            open.first.what = emptied(notice.what);
            open.folded = 0;
            self.line(&notice, folded);
            at += 1;
        }
        before != (self.page.newest, self.page.suppressed)
    }

    /// Counts notices that found the channel full.
    pub fn suppressed(&mut self, more: u64) {
        self.page.suppressed = self.page.suppressed.saturating_add(more);
    }

    /// A line about the node itself; never rate-limited, there are few.
    pub fn node(&mut self, at_unix_ns: u64, severity: Severity, text: &str) {
        self.write(at_unix_ns, severity, 255, text);
    }

    /// A line about one torus in the control thread's own words.
    pub fn about(&mut self, at_unix_ns: u64, severity: Severity, torus: u8, text: &str) {
        self.write(at_unix_ns, severity, u32::from(torus), text);
    }

    fn line(&mut self, notice: &Notice, folded: u32) {
        let severity = notice.what.severity();
        let second = notice.at_unix_ns / 1_000_000_000;
        if second != self.second {
            (self.second, self.lines) = (second, 0);
        }
        self.lines += 1;
        if self.lines > RATE_PER_S && severity != Severity::Error {
            self.page.suppressed += 1;
            return;
        }
        let mut text = self.text(notice);
        if folded > 1 {
            let _ = write!(text, " ({folded} times)");
        }
        self.write(notice.at_unix_ns, severity, u32::from(notice.torus), &text);
    }

    fn write(&mut self, at_unix_ns: u64, severity: Severity, torus: u32, text: &str) {
        match severity {
            Severity::Info | Severity::Notice => tracing::info!(target: "trefoil::events", torus, "{text}"),
            Severity::Warning => tracing::warn!(target: "trefoil::events", torus, "{text}"),
            Severity::Error => tracing::error!(target: "trefoil::events", torus, "{text}"),
        }
        let number = self.page.newest + 1;
        self.page.ring[(number % EVENTS as u64) as usize] =
            EventRecord { number, at_unix_ns, severity: severity as u32, torus, text: Text::new(text) };
        self.page.newest = number;
    }

    /// What torus `id` is called.
    #[must_use]
    pub fn name(&self, id: u8) -> &str {
        self.names.get(usize::from(id)).map_or("?", String::as_str)
    }

    fn text(&self, notice: &Notice) -> String {
        let own = self.name(notice.torus);
        match notice.what {
            Happening::HandedOver { to, count, own: load, peer, cause } => {
                let (count, load, peer) = (grouped(u64::from(count)), grouped(load), grouped(peer));
                let why = match cause {
                    Cause::Total => "more work in all",
                    Cause::Ready => "more work that is ready",
                    Cause::Slack => "more ready work than is suspended",
                };
                format!("{own}→{} handed over {count} events: load {load} vs {peer}, {why}", self.name(to))
            }
            Happening::Interval { change, above_ppm, below_ppm } => {
                let (from, to) = (grouped(u64::from(change.from)), grouped(u64::from(change.to)));
                let rate = percent(change.rate_ppm);
                match change.reason {
                    IntervalReason::Violations => {
                        format!("{own} interval {from} → {to}: violation rate {rate} > {}", percent(above_ppm))
                    }
                    IntervalReason::Quiet => {
                        format!("{own} interval {from} → {to}: violation rate {rate} < {}", percent(below_ppm))
                    }
                    IntervalReason::Hand => format!("{own} interval {from} → {to}: set by hand"),
                }
            }
            Happening::Change(change) => self.change_text(own, change),
            Happening::Seed(event) => event.text(own, |id| self.name(id)),
            Happening::Broken(broken) => self.broken_text(own, broken),
            Happening::Rejected { more, total } => {
                format!("{own} refused {} events, {} since boot: queue full", grouped(more), grouped(total))
            }
            Happening::Lost { peer, count, left } => {
                let (peer, count, left) = (self.name(peer), grouped(count), grouped(left));
                format!(
                    "{own} counts {count} events to {peer} as lost with its old boot; {left} unread ones went to the new"
                )
            }
            _ => self.other_text(own, notice.torus, notice.what),
        }
    }

    fn change_text(&self, own: &str, change: Change) -> String {
        match change {
            Change::Joined { peer, boot } => format!("{own} sees {} (boot {boot:016x})", self.name(peer)),
            Change::Suspected { peer, missed } => {
                format!("{own} suspects {}: heartbeat still for {missed} liveness periods", self.name(peer))
            }
            Change::Recovered { peer } => format!("{own} sees {} alive again, same boot", self.name(peer)),
            Change::Failed { peer, boot, votes: 0, unconfirmed, .. } => {
                let (peer, unconfirmed) = (self.name(peer), grouped(unconfirmed));
                format!(
                    "{own}: {peer} is gone, its place was given up (boot {boot:016x}); {unconfirmed} events in doubt"
                )
            }
            Change::Failed { peer, boot, votes, voters, unconfirmed } => {
                let (peer, unconfirmed) = (self.name(peer), grouped(unconfirmed));
                format!(
                    "{own}: {peer} failed, {votes} of {voters} agree (boot {boot:016x}); {unconfirmed} events in doubt"
                )
            }
            Change::Returned { peer, boot, previous } => {
                format!("{} returned with new boot {boot:016x} (was {previous:016x}), says {own}", self.name(peer))
            }
            Change::Alone => format!("{own} is alone: no live peer; it goes on, and judges and moves nothing"),
            Change::Company => format!("{own} has live peers"),
        }
    }

    fn broken_text(&self, own: &str, broken: Break) -> String {
        let (peer, sent, received) = (self.name(broken.peer), grouped(broken.sent), grouped(broken.received));
        match broken.bound {
            Bound::ReceivedMoreThanSent => {
                format!("conservation broken: {peer} received {received} events of {own}, which sent {sent}")
            }
            Bound::BeyondRing => {
                format!(
                    "conservation broken: {peer} sent {own} {sent} events, {received} came: more than the ring holds"
                )
            }
            Bound::LostOnTheWay => {
                format!("conservation broken: {peer} sent {own} {sent} events, {received} came, the ring is empty")
            }
            Bound::Unbalanced => format!("conservation broken: the counters of {peer} do not balance, says {own}"),
        }
    }

    fn ring(&self, own: u8, peer: u8) -> String {
        if own == peer { "injection ring".to_owned() } else { format!("ring shared with {}", self.name(peer)) }
    }

    fn other_text(&self, own: &str, id: u8, what: Happening) -> String {
        match what {
            Happening::Refused { peer, more } => {
                format!("{own} refused {} projections of {}: integrity or layout", grouped(more), self.name(peer))
            }
            Happening::BadMessage { peer, more } => {
                format!("{own} dropped {} ring records of {}: they do not parse", grouped(more), self.name(peer))
            }
            Happening::Outdated { peer, more } => {
                let (more, peer) = (grouped(more), self.name(peer));
                format!("{own} passed over {more} projections of {peer}: of another boot, or out of order")
            }
            Happening::RefusedBy { peer, more } => {
                let (more, peer) = (grouped(more), self.name(peer));
                format!("{peer} refuses the projections of {own} ({more}): compare the versions of both agents")
            }
            Happening::RingDamaged { peer } => {
                format!(
                    "{own}: the {} is damaged, nothing goes through it; it is set right in 0.1 s",
                    self.ring(id, peer)
                )
            }
            Happening::RingRepaired { peer } => {
                format!(
                    "{own} set the {} right; what was in it is lost. Look for who else writes to the region",
                    self.ring(id, peer)
                )
            }
            Happening::BadInjection { more } => {
                format!("{own} dropped {} injection records: malformed, or their writer died", grouped(more))
            }
            Happening::Unsent { peer, count } => {
                format!("{own} lost {} events for {}: their ring is damaged", grouped(count), self.name(peer))
            }
            Happening::Left { peer, boot, unconfirmed } => {
                let (peer, unconfirmed) = (self.name(peer), grouped(unconfirmed));
                format!("{own}: {peer} left in order (boot {boot:016x}); {unconfirmed} events wait for its return")
            }
            Happening::Killed { peer, boot, unconfirmed } => {
                let (peer, unconfirmed) = (self.name(peer), grouped(unconfirmed));
                format!("{own}: {peer} failed, its process is gone (boot {boot:016x}); {unconfirmed} events in doubt")
            }
            Happening::Paused => format!("{own} paused by hand; heartbeat and watchdog go on"),
            Happening::Resumed => format!("{own} goes on"),
            Happening::Overflow => format!(
                "{own} stopped executing: queue full and on_overflow is stop; raise capacities.events, or: trefoil torus resume {own}"
            ),
            Happening::RecordingBroken => {
                format!(
                    "recording of {own} is broken: the writer could not keep up (record.on_full = break); raise record.ring_entries"
                )
            }
            _ => String::new(),
        }
    }
}

/// The same happening with its amounts at zero, ready to fold later ones into.
fn emptied(mut what: Happening) -> Happening {
    match &mut what {
        Happening::HandedOver { count, .. } => *count = 0,
        Happening::Refused { more, .. }
        | Happening::BadMessage { more, .. }
        | Happening::Outdated { more, .. }
        | Happening::RefusedBy { more, .. }
        | Happening::BadInjection { more }
        | Happening::Rejected { more, .. } => *more = 0,
        Happening::Lost { count, left, .. } => (*count, *left) = (0, 0),
        Happening::Interval { change, .. } => change.from = change.to,
        _ => {}
    }
    what
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

fn percent(ppm: u32) -> String {
    format!("{:.1} %", f64::from(ppm) / 10_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn log() -> EventLog {
        EventLog::new(vec!["A".to_owned(), "B".to_owned(), "C".to_owned()])
    }

    fn notice(at_unix_ns: u64, what: Happening) -> Notice {
        Notice { torus: 0, at_unix_ns, what }
    }

    fn texts(log: &EventLog) -> Vec<String> {
        (1..=log.page().newest).map(|n| log.page().ring[(n % 256) as usize].text.as_str().to_owned()).collect()
    }

    #[test]
    fn a_line_says_what_and_why() {
        let mut log = log();
        log.take(notice(SECOND, Happening::HandedOver { to: 1, count: 12, own: 812, peer: 204, cause: Cause::Total }));
        let change = IntervalChange { from: 1200, to: 1440, rate_ppm: 12_000, reason: IntervalReason::Quiet };
        log.take(notice(SECOND, Happening::Interval { change, above_ppm: 50_000, below_ppm: 25_000 }));
        log.take(notice(SECOND, Happening::Change(Change::Suspected { peer: 2, missed: 3 })));
        assert_eq!(
            texts(&log),
            [
                "A→B handed over 12 events: load 812 vs 204, more work in all",
                "A interval 1 200 → 1 440: violation rate 1.2 % < 2.5 %",
                "A suspects C: heartbeat still for 3 liveness periods",
            ]
        );
    }

    // decisions:NODE-20: repetitions become one line a second with the amounts added up.
    #[test]
    fn repetitions_fold_into_one_line_a_second() {
        let mut log = log();
        for at in 0..1_000u64 {
            let count = Happening::HandedOver { to: 1, count: 3, own: 1_000 - at, peer: at, cause: Cause::Ready };
            log.take(notice(SECOND + at, count));
        }
        assert_eq!(log.page().newest, 1);
        assert!(log.tick(2 * SECOND + 1, false));
        assert_eq!(texts(&log)[1], "A→B handed over 2 997 events: load 1 vs 999, more work that is ready (999 times)");
        assert!(!log.tick(2 * SECOND + 2, false));
    }

    #[test]
    fn folded_losses_add_up_whole() {
        let mut log = log();
        for _ in 0..3 {
            log.take(notice(SECOND, Happening::Lost { peer: 1, count: 5, left: 2 }));
        }
        log.tick(2 * SECOND, false);
        assert_eq!(
            texts(&log)[1],
            "A counts 10 events to B as lost with its old boot; 4 unread ones went to the new (2 times)"
        );
    }

    // A peer that leaves in order is no failure; one whose process is gone is.
    #[test]
    fn leaving_is_told_from_failing() {
        let mut log = log();
        let left = Happening::Left { peer: 1, boot: 7, unconfirmed: 0 };
        let killed = Happening::Killed { peer: 2, boot: 8, unconfirmed: 3 };
        assert_eq!((left.severity(), killed.severity()), (Severity::Notice, Severity::Error));
        log.take(notice(SECOND, left));
        log.take(notice(SECOND, killed));
        assert_eq!(
            texts(&log),
            [
                "A: B left in order (boot 0000000000000007); 0 events wait for its return",
                "A: C failed, its process is gone (boot 0000000000000008); 3 events in doubt",
            ]
        );
    }

    // decisions:NODE-20: the log is rate-limited, what is kept out is counted, errors are never kept out.
    #[test]
    fn a_flood_is_limited_and_counted_but_errors_pass() {
        let mut log = log();
        for _ in 0..100 {
            log.take(notice(SECOND, Happening::Paused));
        }
        assert_eq!((log.page().newest, log.page().suppressed), (20, 80));
        log.take(notice(SECOND, Happening::RecordingBroken));
        assert_eq!(log.page().newest, 21);
    }
}
