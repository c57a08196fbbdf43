//! From applied projections to a decision.

use super::Braid;
use super::conserve;
use super::decision::{Decision, HandOver, Kind, MAX_CHANGES, Own};
use super::level;
use super::peer::{Await, Peer, PeerState};
use crate::projection::native::KINDS;
use crate::{MAX_TORI, Mode};

/// Least share of a batch the throttle leaves, per mille.
const THROTTLE_LEAST: u32 = 100;
/// Share of a batch the throttle gives back each round without violation, per mille.
const THROTTLE_STEP: u32 = 50;

impl Braid {
    /// Ends the exchange: advances the Lamport round, evaluates the constraints of every projection applied since the last one,
    /// corrects within bounds, adapts the interval and reports what happened to peers.
    pub fn decide(&mut self, own: &Own<'_>, now_ns: u64) -> Decision {
        self.round = self.round.max(self.highest_seen) + 1;
        self.totals.exchanges += 1;
        let mut decision = Decision {
            round: self.round,
            applied: 0,
            evaluated: [0; KINDS],
            violations: [0; KINDS],
            corrections: [0; KINDS],
            hand_over: None,
            throttle_permille: self.throttle_permille,
            interval: None,
            face_spread: None,
            broken: None,
            lost: core::mem::replace(&mut self.lost, [0; MAX_TORI]),
            alone: self.alone,
            changes: core::mem::replace(&mut self.changes, [None; MAX_CHANGES]),
        };
        self.changed = 0;
        let mut rate_violated = None;
        for id in 0..self.tori {
            self.settle(id, own);
            if !core::mem::take(&mut self.peers[usize::from(id)].fresh) {
                continue;
            }
            decision.applied |= 1 << id;
            self.totals.applied += 1;
            self.peers[usize::from(id)].applied_seq = self.peers[usize::from(id)].seen_seq;
            self.load(id, own, &mut decision);
            self.face(id, own, now_ns, &mut decision);
            rate_violated = self.rate(id, own, now_ns, &mut decision).or(rate_violated);
            self.lag(id, &mut decision);
            self.conservation(id, own, &mut decision);
        }
        self.throttle(rate_violated, &mut decision);
        for id in 0..usize::from(self.tori) {
            self.peers[id].received_before = own.links[id].received;
        }
        if let Some(given) = decision.hand_over {
            decision.corrections[Kind::Load as usize] += 1;
            self.peers[usize::from(given.to)].awaits = Await::Sent;
        }
        let sum = |counts: &[u32; KINDS]| counts.iter().sum::<u32>();
        let (violations, evaluated) = (sum(&decision.violations), sum(&decision.evaluated));
        decision.interval = self.interval.round(violations, evaluated, &self.config);
        self.totals.evaluated += u64::from(evaluated);
        for kind in 0..KINDS {
            self.totals.violations[kind] += u64::from(decision.violations[kind]);
            self.totals.corrections[kind] += u64::from(decision.corrections[kind]);
        }
        self.plan();
        decision
    }

    /// Tori that count for the effective gain: all that were ever met and have not failed.
    fn partners(&self) -> u32 {
        self.bits(|peer| !matches!(peer.state, PeerState::Absent | PeerState::Failed)).count_ones() + 1
    }

    /// Looks whether what was handed over is confirmed (`decisions:NODE-4`).
    fn settle(&mut self, id: u8, own: &Own<'_>) {
        let (boot, peer) = (self.boot, &mut self.peers[usize::from(id)]);
        peer.keep(&own.links[usize::from(id)]);
        if peer.awaits == Await::Sent {
            peer.awaits = Await::Received(peer.link.sent);
        }
        let confirmed = if peer.seen.account.boot == boot { peer.seen.account.received } else { 0 };
        if matches!(peer.awaits, Await::Received(sent) if confirmed >= sent) {
            peer.awaits = Await::Nothing;
        }
    }

    /// Load: the loaded side hands over, at most to one peer a round (`rse:B8`).
    fn load(&mut self, id: u8, own: &Own<'_>, decision: &mut Decision) {
        let rule = &self.config.rules[Kind::Load as usize];
        let peer = &self.peers[usize::from(id)];
        let stated = &peer.seen.expectations[Kind::Load as usize];
        if rule.tolerance == u64::MAX || stated.tolerance == u64::MAX {
            return;
        }
        let partners = self.partners();
        // N - 1 givers of whole pieces that do not know of each other cannot level less than N - 1 (see the tests of `level`).
        let tolerance = rule.tolerance.max(stated.tolerance).max(u64::from(partners) - 1);
        let (mine, theirs) = (own.facts.load, peer.seen.load);
        decision.evaluated(Kind::Load, mine.total().abs_diff(theirs.total()) > tolerance);
        let band = tolerance.max(rule.dead_band).max(stated.dead_band);
        let Some((cause, difference)) = level::trigger(&mine, &theirs, band, self.config.blocked_margin) else {
            return;
        };
        if !self.may_give(peer, id, own) {
            return;
        }
        let link = &own.links[usize::from(id)];
        let gain_ppm = level::effective_gain_ppm(rule.gain_ppm.min(stated.gain_ppm), partners);
        let bounds = rule.cap.min(stated.cap).min(link.credit).min(peer.seen.room).min(u64::from(u32::MAX));
        // Bounded by u32::MAX above.
        let amount = if self.config.whole { level::amount_whole } else { level::amount };
        let count = amount(difference, gain_ppm).min(bounds) as u32;
        let step = mine.total().saturating_sub(theirs.total());
        let span = self.highest_load(mine.total()).saturating_sub(theirs.total());
        let unseen = amount(span.max(step), gain_ppm);
        if count == 0 || !level::clear_of_rivals(step, count.into(), unseen, self.rivals(partners)) {
            return;
        }
        if decision.hand_over.is_some_and(|chosen| chosen.difference >= difference) {
            return;
        }
        let (boot, seq, checksum) = (peer.boot, peer.seen_seq, peer.seen.checksum);
        decision.hand_over = Some(HandOver { to: id, count, cause, difference, boot, seq, checksum });
    }

    /// The highest load this torus knows of, its own included.
    fn highest_load(&self, own: u64) -> u64 {
        let live = self.peers.iter().filter(|peer| peer.state.is_live());
        live.map(|peer| peer.seen.load.total()).fold(own, u64::max)
    }

    /// Others that may give to the same peer in the same round: in a ring only the successor reads a projection.
    fn rivals(&self, partners: u32) -> u64 {
        if self.config.mode == Mode::Ring { 0 } else { u64::from(partners.saturating_sub(2)) }
    }

    fn may_give(&self, peer: &Peer, id: u8, own: &Own<'_>) -> bool {
        let link = &own.links[usize::from(id)];
        let enough = own.facts.load.total() >= self.config.min_source;
        let same_graph = own.facts.graph_digest == peer.seen.graph_digest;
        let settled = peer.awaits == Await::Nothing;
        // Hysteresis of one round: what came from there in the last round does not go straight back.
        let not_just_received = link.received == peer.received_before;
        enough && same_graph && settled && not_just_received && peer.state.is_live() && link.boot == peer.boot
    }

    fn face(&mut self, id: u8, own: &Own<'_>, now_ns: u64, decision: &mut Decision) {
        let tolerance = self.config.rules[Kind::Face as usize].tolerance;
        let seen = &self.peers[usize::from(id)].seen;
        if tolerance == u64::MAX || !own.facts.coupled || !seen.coupled {
            return;
        }
        let mut worst = None;
        for pair in self.pairs.iter_mut().filter(|pair| pair.peer == id) {
            if let Some(reading) = pair.compare(now_ns, own.facts.faces, tolerance) {
                worst = worst.max(Some((reading.spread, reading.cells_out)));
            }
        }
        if let Some((spread, cells_out)) = worst {
            decision.face_spread = decision.face_spread.max(Some(spread));
            decision.evaluated(Kind::Face, cells_out > 0);
        }
    }

    /// Rates since the last comparison, each by its owner's own time. Returns how far this torus is too fast, per mille.
    fn rate(&mut self, id: u8, own: &Own<'_>, now_ns: u64, decision: &mut Decision) -> Option<u32> {
        let rule = self.config.rules[Kind::Rate as usize];
        let peer = &mut self.peers[usize::from(id)];
        let now = [peer.seen.counters.executed, peer.seen.heartbeat_ns, own.facts.counters.executed, now_ns];
        let base = peer.rate_base.replace(now)?;
        let per_second = |events: usize, time: usize| {
            let (events, ns) = (now[events].saturating_sub(base[events]), now[time].saturating_sub(base[time]));
            events.saturating_mul(1_000_000_000).checked_div(ns)
        };
        let (theirs, mine) = (per_second(0, 1)?, per_second(2, 3)?);
        let faster = mine.max(theirs);
        if rule.tolerance == u64::MAX || faster == 0 {
            return None;
        }
        let permille = (u128::from(mine.abs_diff(theirs)) * 1_000 / u128::from(faster)) as u64;
        let violated = permille > rule.tolerance && mine.abs_diff(theirs) > rule.dead_band;
        decision.evaluated(Kind::Rate, violated);
        (violated && mine > theirs).then_some(permille as u32)
    }

    /// A smaller batch for the faster side, given back in steps (`decisions:NODE-3`: corrections may shape rate).
    fn throttle(&mut self, too_fast_permille: Option<u32>, decision: &mut Decision) {
        let gain_ppm = u64::from(self.config.rules[Kind::Rate as usize].gain_ppm);
        self.throttle_permille = match too_fast_permille {
            Some(permille) if gain_ppm > 0 => {
                let less = (u64::from(permille) * gain_ppm).div_ceil(2_000_000) as u32;
                decision.corrections[Kind::Rate as usize] += 1;
                self.throttle_permille.saturating_sub(less).max(THROTTLE_LEAST)
            }
            _ => (self.throttle_permille + THROTTLE_STEP).min(1_000),
        };
        decision.throttle_permille = self.throttle_permille;
    }

    fn lag(&mut self, id: u8, decision: &mut Decision) {
        let tolerance = self.config.rules[Kind::Round as usize].tolerance;
        if tolerance != u64::MAX {
            let behind = decision.round.abs_diff(self.peers[usize::from(id)].seen.round);
            decision.evaluated(Kind::Round, behind > tolerance);
        }
    }

    fn conservation(&mut self, id: u8, own: &Own<'_>, decision: &mut Decision) {
        if self.config.rules[Kind::Conservation as usize].tolerance == u64::MAX {
            return;
        }
        let (boot, capacity) = (self.boot, self.config.ring_capacity);
        let (peer, link) = (&mut self.peers[usize::from(id)], &own.links[usize::from(id)]);
        let account = peer.seen.account;
        let same_boots = account.boot == boot && link.boot == peer.boot;
        let late = if same_boots { peer.emptied.read(id, account.received) } else { None };
        let broken = conserve::own_balance(id, &peer.seen.counters)
            .or_else(|| conserve::pair(id, boot, peer.boot, link, &account, capacity))
            .or(late);
        if same_boots && link.credit >= capacity {
            peer.emptied.look(link.sent);
        }
        decision.evaluated(Kind::Conservation, broken.is_some());
        decision.broken = decision.broken.or(broken);
    }
}
