//! Join, leave, refute, return; alone and healed (`membership:MB-6`, `membership:MB-10` to `membership:MB-14`).

use super::config::LINKS_TARGET;
use super::evidence::{Certificate, Statement};
use super::memory::{Gone, JUMP_MAX};
use super::record::MemberRecord;
use super::{Io, Membership, Refused};
use crate::id::{Identity, NodeId};
use crate::sign::{Crypto, Verdict};
use crate::sink::{Event, Sink};
use crate::time::{Span, Time};
use crate::wire::v1::membership::{Cause, Message, News, NewsKind, RING_EXTRA};

/// A life may rise by this much at the word of somebody else.
const LIFE_JUMP_MAX: u16 = 1_024;
/// Between two probes of the removed: one of them may be alive beyond a healed partition.
const PROBE_PERIODS: u64 = 16;
/// Longest pause between two attempts of a lonely node.
const ALONE_PERIODS_MAX: u64 = 64;
/// Tombstones are looked at for their age this often.
const EXPIRE_PERIODS: u64 = 600;
/// Two later beings of this node within this time, none of them its own doing, are another node with its certificate.
pub(super) const RIVAL_PERIODS: u64 = 100;
/// An earlier being that speaks longer than this beside a later one is no straggler.
pub(super) const RIVAL_GRACE_PERIODS: u64 = 10;
/// Longest pause between two refutations, or two returns, of a node that others cannot hear.
const PACE_PERIODS_MAX: u64 = 600;
/// Bytes of a signed farewell.
const LEAVE_DOMAIN: &[u8] = b"trefoil leave 1\0";

/// Where this node stands among the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Standing {
    pub(super) visible: bool,
    left: bool,
    alone: bool,
    /// Since when, and whether the caller was told: a start, or a moment without a beat, is no news.
    alone_since: Time,
    alone_told: bool,
    /// Watched peers and silent ones at the last tick.
    watched: u32,
    silent: u32,
    retry: Time,
    pause_periods: u64,
    /// Which of the seeds, passive members and tombstones comes next.
    turn: u32,
    probe: Time,
    probed: u32,
    expire: Time,
    /// Refutations of statements, and returns above what others know.
    refutations: Pace,
    returns: Pace,
    pub(super) rival: Option<(Identity, Time)>,
    pub(super) rival_told: bool,
}

/// How often this node may insist that it lives. The first time counts at once; each that follows soon doubles the pause:
/// whom others cannot hear does not become audible by insisting, and each time costs everybody a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Pace {
    last: Option<Time>,
    /// Pause after `last`, periods: 2 (the refutation window) to [`PACE_PERIODS_MAX`].
    pause: u64,
}

impl Pace {
    fn is_due(&self, now: Time, period: Span) -> bool {
        self.last.is_none_or(|last| now.since(last) >= period.times(self.pause))
    }

    fn take(&mut self, now: Time, period: Span) {
        let calm = period.times(self.pause.saturating_add(PACE_PERIODS_MAX / 2));
        let again = self.last.is_some_and(|last| now.since(last) < calm);
        self.pause = if again { (self.pause * 2).min(PACE_PERIODS_MAX) } else { 2 };
        self.last = Some(now);
    }
}

impl Standing {
    pub(super) const fn make_visible(&mut self) {
        self.visible = true;
    }

    pub(super) const fn has_left(&self) -> bool {
        self.left
    }

    pub(super) const fn observe(&mut self, watched: usize, silent: usize) {
        self.watched = watched as u32;
        self.silent = silent as u32;
    }
}

pub(super) fn leave_bytes(cluster_id: u64, identity: &Identity) -> [u8; 34] {
    let mut bytes = [0; 34];
    let mut writer = crate::wire::v1::Writer::new(&mut bytes);
    // 16 + 8 + 10 bytes.
    let _ = writer
        .put(LEAVE_DOMAIN)
        .and_then(|()| writer.u64(cluster_id))
        .and_then(|()| super::record::encode_identity(identity, &mut writer));
    bytes
}

impl<const TOMBS: usize, const SEEN: usize, const VERDICTS: usize> Membership<TOMBS, SEEN, VERDICTS> {
    /// Leaves for good in this incarnation, at once (`membership:MB-11`): hand work over first. Nothing is sent or taken after.
    pub fn leave(&mut self, now: Time, crypto: &mut impl Crypto, sink: &mut impl Sink) {
        let _ = now;
        let identity = self.me.identity;
        let signature = crypto.sign(&leave_bytes(self.config.cluster_id, &identity));
        let message = Message::Left { identity, signature };
        let news = News { kind: NewsKind::Left, identity, digest: 0 };
        self.flood(None, &message, news, sink);
        self.life.left = true;
    }

    /// Whether this node has left.
    #[must_use]
    pub const fn has_left(&self) -> bool {
        self.life.left
    }

    /// Whether every watch link is silent or gone (`membership:MB-13`).
    #[must_use]
    pub const fn is_alone(&self) -> bool {
        self.life.alone
    }

    /// Whether this node announced itself: at least half of its watch links live (`membership:MB-10`).
    #[must_use]
    pub const fn is_visible(&self) -> bool {
        self.life.visible
    }

    /// Drops all memory of a node that is gone (`decisions:CLU-19`), so that it returns as a new member; false when nothing
    /// was known. The verdict stays.
    pub fn forget(&mut self, node: NodeId) -> bool {
        let Some(tomb) = self.tombs.remove(node) else { return false };
        self.seen.remove(NewsKind::Dead as u8, &tomb.identity);
        true
    }

    /// The own record changes (address, position, flags): it is signed with a higher life and told to everybody.
    pub fn update_me(
        &mut self,
        now: Time,
        change: impl FnOnce(&mut MemberRecord),
        crypto: &mut impl Crypto,
        sink: &mut impl Sink,
    ) {
        let identity = self.me.identity;
        change(&mut self.me);
        self.me.identity = identity;
        let io = &mut Io { crypto, sink };
        self.live_on(now, identity.life.saturating_add(1), identity.boot_inc, Cause::Changed, io);
    }

    /// Joins, loneliness, probes of the removed, ages.
    pub(super) fn tick_life<C: Crypto, S: Sink>(&mut self, now: Time, io: &mut Io<'_, C, S>) {
        let wanted = LINKS_TARGET.min(self.others()).div_ceil(2).max(1);
        if !self.life.visible && self.links.live() >= wanted {
            self.life.visible = true;
            let message = Message::Record { cause: Cause::Joined, record: self.me };
            self.seen.insert(NewsKind::Record as u8, &self.me.identity);
            self.flood(None, &message, Self::record_news(&self.me), io.sink);
        }
        self.tick_alone(now, io);
        if now >= self.life.probe {
            // The larger the cluster, the more ask: together they ask a dead host a few times a second, however many they are.
            let asking = u64::from(self.known).div_ceil(8).max(1);
            let jitter = Span(self.rng.below(self.periods(asking).0.max(1)));
            self.life.probe = now.after(self.periods(PROBE_PERIODS.saturating_mul(asking))).after(jitter);
            self.probe_one(io);
        }
        if now >= self.life.expire {
            self.life.expire = now.after(self.periods(EXPIRE_PERIODS));
            self.tombs.expire(now);
        }
    }

    /// A node without links tries its seeds, founders and last known members for ever, with pauses that grow
    /// (`membership:MB-13`).
    fn tick_alone<C: Crypto, S: Sink>(&mut self, now: Time, io: &mut Io<'_, C, S>) {
        let alone = self.life.watched == self.life.silent;
        if !alone {
            self.life.alone = false;
            self.life.alone_told = false;
            self.life.pause_periods = 0;
            return;
        }
        if !self.life.alone {
            self.life.alone = true;
            self.life.pause_periods = 0;
            self.life.retry = now;
            self.life.alone_since = now;
        }
        let lasts = now.since(self.life.alone_since) >= self.config.timing.tau;
        if lasts && !core::mem::replace(&mut self.life.alone_told, true) {
            io.sink.event(&Event::Alone);
        }
        if now < self.life.retry {
            return;
        }
        self.life.pause_periods = (self.life.pause_periods * 2).clamp(2, ALONE_PERIODS_MAX);
        let period = self.config.timing.period;
        let jitter = Span(self.rng.below(period.0.max(1)));
        self.life.retry = now.after(period.times(self.life.pause_periods)).after(jitter);
        let turn = self.life.turn;
        self.life.turn = turn.wrapping_add(1);
        let Some(target) = self.last_resort(turn) else { return };
        self.say(target, &Message::WatchAsk { ring: RING_EXTRA, hops: 0, origin: self.me }, io.sink);
    }

    /// Seeds, passive members and the dead in turn.
    fn last_resort(&self, turn: u32) -> Option<NodeId> {
        let me = self.me.identity.id;
        let seeds = || self.seeds.iter().copied();
        let passive = || self.passive.iter().map(|known| known.identity.id);
        let dead = || self.tombs.iter().filter(|tomb| tomb.gone == Gone::Dead).map(|tomb| tomb.identity.id);
        let all = || seeds().chain(passive()).chain(dead()).filter(|id| id.is_node() && *id != me);
        let count = all().count();
        all().nth(turn as usize % count.max(1))
    }

    /// Asks one of the dead whether it lives: after a partition the two sides find each other so (`membership:MB-14`).
    fn probe_one<C: Crypto, S: Sink>(&mut self, io: &mut Io<'_, C, S>) {
        let Some((at, tomb)) = self.tombs.from(self.life.probed as usize) else { return };
        self.life.probed = at as u32 + 1;
        if tomb.gone == Gone::Dead {
            self.say(tomb.identity.id, &Message::YouAre { known: tomb.identity }, io.sink);
        }
    }

    /// A watcher of this node states silence about it: refute, at most once per refutation window (`membership:MB-6`).
    pub(super) fn on_silence_about_me<C: Crypto, S: Sink>(
        &mut self,
        now: Time,
        statement: &Statement,
        io: &mut Io<'_, C, S>,
    ) -> Result<(), Refused> {
        let watcher = statement.watcher;
        let me = self.me.identity;
        if me.newer_than(&statement.subject) {
            self.say(watcher, &Message::Record { cause: Cause::Direct, record: self.me }, io.sink);
            return Ok(());
        }
        if !self.set.contains(watcher) && self.links.get(watcher).is_none() {
            self.say(watcher, &Message::WatchDrop, io.sink);
            return Err(Refused::Stranger);
        }
        if statement.subject != me {
            return Err(Refused::Stale);
        }
        match statement.verify(self.config.cluster_id, io.crypto) {
            Verdict::Good => {}
            Verdict::Bad => return Err(Refused::BadSignature),
            Verdict::UnknownKey => return Err(Refused::UnknownKey),
        }
        let period = self.config.timing.period;
        if !self.life.refutations.is_due(now, period) {
            return Err(Refused::RateLimited);
        }
        self.life.refutations.take(now, period);
        self.counters.refuted = self.counters.refuted.saturating_add(1);
        self.live_on(now, me.life.saturating_add(1), me.boot_inc, Cause::Direct, io);
        Ok(())
    }

    /// A good certificate about this node: it lives, and says so to everybody.
    pub(super) fn on_certificate_about_me<C: Crypto, S: Sink>(
        &mut self,
        now: Time,
        certificate: &Certificate,
        io: &mut Io<'_, C, S>,
    ) -> Result<(), Refused> {
        let subject = certificate.subject;
        if self.me.identity.newer_than(&subject) {
            return Err(Refused::Stale);
        }
        let tombs = &self.tombs;
        if certificate.verify(self.config.cluster_id, |id| tombs.get(id).is_some(), io.crypto).is_err() {
            return Err(Refused::Rule);
        }
        self.return_above(now, &subject, io)
    }

    /// Somebody knows this node as a later being, or as one that is over: return above it (`decisions:CLU-7`).
    pub(super) fn on_you_are<C: Crypto, S: Sink>(
        &mut self,
        now: Time,
        from: NodeId,
        known: &Identity,
        io: &mut Io<'_, C, S>,
    ) -> Result<(), Refused> {
        if known.id != self.me.identity.id {
            return Err(Refused::Unwanted);
        }
        if self.me.identity.newer_than(known) {
            self.say(from, &Message::Record { cause: Cause::Direct, record: self.me }, io.sink);
            return Ok(());
        }
        self.return_above(now, known, io)
    }

    pub(super) fn return_above<C: Crypto, S: Sink>(
        &mut self,
        now: Time,
        known: &Identity,
        io: &mut Io<'_, C, S>,
    ) -> Result<(), Refused> {
        let me = self.me.identity;
        let period = self.config.timing.period;
        if !self.life.returns.is_due(now, period) {
            return Err(Refused::RateLimited);
        }
        if known.boot_inc == me.boot_inc {
            if known.life - me.life > LIFE_JUMP_MAX || known.life == u16::MAX {
                self.counters.jumps_refused = self.counters.jumps_refused.saturating_add(1);
                return Err(Refused::Rule);
            }
            self.life.returns.take(now, period);
            self.live_on(now, known.life + 1, me.boot_inc, Cause::Undone, io);
            return Ok(());
        }
        if known.boot_inc - me.boot_inc > JUMP_MAX || known.boot_inc == u32::MAX {
            self.counters.jumps_refused = self.counters.jumps_refused.saturating_add(1);
            return Err(Refused::Rule);
        }
        // Once is a restart that lost its count; twice in a short time is somebody else with the same certificate.
        if self.life.returns.last.is_some_and(|last| now.since(last) < self.periods(RIVAL_PERIODS)) {
            io.sink.event(&Event::DuplicateIdentity(*known));
        }
        self.life.returns.take(now, period);
        self.live_on(now, 0, known.boot_inc + 1, Cause::Joined, io);
        Ok(())
    }

    /// This node lives on as a later being: signs its record and its watch set anew and says so, to its watch links or to
    /// everybody.
    fn live_on<C: Crypto, S: Sink>(
        &mut self,
        _now: Time,
        life: u16,
        boot_inc: u32,
        cause: Cause,
        io: &mut Io<'_, C, S>,
    ) {
        self.me.identity.life = life;
        self.me.identity.boot_inc = boot_inc;
        self.me.signature = io.crypto.sign(&self.me.signed_bytes());
        self.set_dirty = true;
        self.sign_set(io);
        let message = Message::Record { cause, record: self.me };
        if cause.is_for_all() {
            self.seen.insert(NewsKind::Record as u8, &self.me.identity);
            self.flood(None, &message, Self::record_news(&self.me), io.sink);
        } else {
            for link in self.links.iter() {
                self.say(link.peer(), &message, io.sink);
            }
        }
    }
}
