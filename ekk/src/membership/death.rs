//! From silence to removal: statements, vetoes, the refutation window, certificates and the safety valve
//! (`membership:MB-4`, `membership:MB-5`, `decisions:CLU-14`).

use super::case::{CASES_MAX, Case, Suspicion, SuspicionEvent};
use super::evidence::{CERTIFICATE_BYTES_MAX, Certificate, Proof, Statement, Unproven};
use super::memory::{Gone, Tomb};
use super::view::Removal;
use super::{Io, Membership, Refused};
use crate::id::{Identity, NodeId};
use crate::sign::{Crypto, Signature, Verdict};
use crate::sink::{Event, Sink};
use crate::time::Time;
use crate::wire::v1::Writer;
use crate::wire::v1::membership::{Cause, Message, News, NewsKind};

/// Between two statements about one subject.
const RESTATE_PERIODS: u64 = 4;
/// A veto counts until it would have been repeated: statements that call it forth come every [`RESTATE_PERIODS`].
const VETO_PERIODS: u64 = 6;
/// Who heard the subject within this many heartbeats vetoes; later is no news to somebody who counts silence. At 50 % loss
/// somebody of eight always heard it so lately, at 95 % seldom (`decisions:CLU-16`).
const VETO_MISSED_MAX: u32 = 4;
/// Heartbeats missed from which a link is shown as suspect.
pub(super) const SUSPECT_MISSED: u32 = 3;
/// A veto that nobody confirms is overruled after this many thresholds.
const LONE_VETO_THRESHOLDS: u64 = 10;
/// A statement or veto may be this many heartbeats ahead of what this node expects.
const AHEAD_MAX: u32 = 32;
/// Length of the window of the safety valve: one minute at 100 ms.
const VALVE_PERIODS: u64 = 600;
/// Part of the known members that may be removed in one window, percent.
const VALVE_PERCENT: u32 = 15;
/// Removals that are always allowed in one window: 15 % of few is nobody, and there the quorum is most of the cluster.
const VALVE_FLOOR: u32 = 2;

/// The safety valve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Valve {
    window: Time,
    removed: u32,
    /// Members known when the window began.
    base: u32,
    /// Since when removals are stopped.
    pub shut: Option<Time>,
    /// When a removal was last refused.
    refused: Time,
}

impl Valve {
    const fn limit(&self) -> u32 {
        let part = (self.base as u64 * VALVE_PERCENT as u64 / 100) as u32;
        if part < VALVE_FLOOR { VALVE_FLOOR } else { part }
    }
}

impl<const TOMBS: usize, const SEEN: usize, const VERDICTS: usize> Membership<TOMBS, SEEN, VERDICTS> {
    /// Other bounds of the thresholds than 4 and 16 heartbeats (`membership:MB-4`): equal ones fix them, for measurements. What is
    /// below 4 counts as 4, the least that a statement may name.
    pub fn set_threshold_bounds(&mut self, least: u16, most: u16) {
        let least = least.max(super::heard::T_MIN);
        self.bounds = (least, most.max(least));
    }

    /// Opens the safety valve: an operator has looked (`decisions:CLU-14`).
    pub fn resume_removals(&mut self, now: Time) {
        self.valve = Valve { window: now, removed: 0, base: self.known, shut: None, refused: now };
    }

    /// Signs what this node has to say about silent peers, and moves all cases on.
    pub(super) fn tick_cases<C: Crypto, S: Sink>(&mut self, now: Time, io: &mut Io<'_, C, S>) {
        let period = self.config.timing.period;
        let factor = self.doubt.factor();
        for slot in 0..super::config::LINKS_MAX {
            let Some(link) = self.links.at(slot) else { continue };
            let threshold = link.heard.threshold_within(self.bounds, factor);
            if link.is_live() && link.heard.is_silent(now, period, threshold) {
                self.state_silence(now, slot, threshold, io);
            }
        }
        for slot in 0..if self.cases.is_empty() { 0 } else { CASES_MAX } {
            self.tick_case(now, slot, io);
        }
    }

    /// Signs a statement about the peer in a slot and sends it to the co-watchers and to the peer (`membership:MB-4`).
    fn state_silence<C: Crypto, S: Sink>(&mut self, now: Time, slot: usize, threshold: u16, io: &mut Io<'_, C, S>) {
        let Some(link) = self.links.at(slot).copied() else { return };
        let me = self.me.identity.id;
        let subject = link.identity;
        if self.doubt.muted() || self.is_maintained(now, subject.id) {
            return;
        }
        // Who is not named in the subject's set has no voice; a set that never came is a link that was never agreed.
        let Some(set) = link.set.filter(|set| set.contains(me)) else { return };
        let restate = self.periods(RESTATE_PERIODS);
        let Some(case) = self.case_for(now, subject, set) else { return };
        if case.spoke.is_some_and(|spoke| now.since(spoke) < restate) {
            return;
        }
        case.spoke = Some(now);
        let mut statement = Statement {
            subject,
            watcher: me,
            last_sequence: link.heard.sequence,
            age_us: link.heard.age(now).as_us(),
            missed: u16::try_from(link.heard.missed(now, self.config.timing.period)).unwrap_or(u16::MAX),
            threshold,
            doubt: self.doubt.factor(),
            signature: Signature::EMPTY,
        };
        statement.sign(self.config.cluster_id, io.crypto);
        if let Some(case) = self.cases.get_mut(subject.id) {
            case.certificate.add(statement);
        }
        self.counters.statements = self.counters.statements.saturating_add(1);
        let message = Message::Silence(statement);
        for &watcher in set.ids().iter().filter(|&&watcher| watcher != me) {
            self.say(watcher, &message, io.sink);
        }
        self.say(subject.id, &message, io.sink);
    }

    /// The case of a subject, opened if need be.
    fn case_for(&mut self, now: Time, subject: Identity, set: super::evidence::WatchSet) -> Option<&mut Case> {
        if self.cases.get(subject.id).is_some_and(|case| case.subject() != subject) {
            self.cases.close(subject.id);
        }
        if self.cases.get(subject.id).is_none() {
            let case = Case::new(Certificate::new(subject, set), now);
            if self.cases.open(case).is_none() {
                self.counters.cases_full = self.counters.cases_full.saturating_add(1);
            }
        }
        self.cases.get_mut(subject.id)
    }

    fn tick_case<C: Crypto, S: Sink>(&mut self, now: Time, slot: usize, io: &mut Io<'_, C, S>) {
        let tombs = &self.tombs;
        let Some(case) = self.cases.at_mut(slot) else { return };
        let subject = case.subject();
        let Some(link) = self.links.get(subject.id).filter(|link| link.identity == subject) else {
            self.cases.close(subject.id);
            return;
        };
        case.certificate.prune();
        let proof = case.certificate.count(|id| tombs.get(id).is_some());
        let stands = proof.quorum > 0 && proof.stated >= proof.quorum;
        let veto_span = self.config.timing.period.times(VETO_PERIODS);
        let vetoes = case.vetoes.iter().flatten().filter(|veto| now.since(veto.at) < veto_span).count();
        let lone_span = self.config.timing.period.times(LONE_VETO_THRESHOLDS * u64::from(link.heard.threshold(16)));
        if !stands || vetoes > 1 {
            case.lone_since = None;
        } else if vetoes == 1 {
            case.lone_since.get_or_insert(now);
        }
        let overruled = vetoes == 1 && case.lone_since.is_some_and(|since| now.since(since) >= lone_span);
        if !stands || (vetoes > 0 && !overruled) {
            case.quorum_at = None;
            case.step(SuspicionEvent::QuorumFell);
        } else {
            case.step(SuspicionEvent::QuorumStands);
            let since = *case.quorum_at.get_or_insert(now);
            if now.since(since) >= self.config.timing.refutation {
                case.step(SuspicionEvent::WindowPassed);
            }
        }
        if case.suspicion == Suspicion::Condemned && self.valve.shut.is_none() {
            let certificate = case.certificate;
            let _ = self.on_certificate(now, None, &certificate, io);
        }
    }

    /// A co-watcher, or a watcher of this node, states silence.
    pub(super) fn on_silence<C: Crypto, S: Sink>(
        &mut self,
        now: Time,
        from: NodeId,
        statement: &Statement,
        io: &mut Io<'_, C, S>,
    ) -> Result<(), Refused> {
        if statement.watcher != from {
            return Err(Refused::Stranger);
        }
        let subject = statement.subject;
        if subject.id == self.me.identity.id {
            return self.on_silence_about_me(now, statement, io);
        }
        let period = self.config.timing.period;
        let Some(link) = self.links.get(subject.id) else { return Err(Refused::Unwanted) };
        if link.identity != subject {
            if link.identity.newer_than(&subject)
                && let Some(record) = link.record.filter(|record| record.identity == link.identity)
            {
                self.say(from, &Message::Record { cause: Cause::Direct, record }, io.sink);
            }
            return Err(Refused::Stale);
        }
        let Some(set) = link.set.filter(|set| set.contains(from)) else { return Err(Refused::Stranger) };
        let heard = link.heard;
        let missed = heard.missed(now, period);
        let newer = heard.sequence.wrapping_sub(statement.last_sequence).cast_signed() > 0;
        if link.is_live() && newer && missed < VETO_MISSED_MAX {
            let (last_sequence, age_us) = (heard.sequence, heard.age(now).as_us());
            self.counters.vetoes = self.counters.vetoes.saturating_add(1);
            self.say(from, &Message::Fresh { subject, last_sequence, age_us }, io.sink);
            return Ok(());
        }
        let expected = heard.sequence.wrapping_add(missed);
        if heard.any() && statement.expected_sequence().wrapping_sub(expected).cast_signed().unsigned_abs() > AHEAD_MAX
        {
            return Err(Refused::Rule);
        }
        if self.is_maintained(now, subject.id) {
            return Err(Refused::Rule);
        }
        match statement.verify(self.config.cluster_id, io.crypto) {
            Verdict::Good => {}
            Verdict::Bad => return Err(Refused::BadSignature),
            Verdict::UnknownKey => {
                self.want_record(from, from, io);
                return Err(Refused::UnknownKey);
            }
        }
        let case = self.case_for(now, subject, set).ok_or(Refused::Full)?;
        case.certificate.add(*statement);
        case.step(SuspicionEvent::Statement);
        if let Some(at) = case.certificate.set.index(from) {
            // Who states silence does not veto any more.
            case.vetoes[at] = None;
        }
        Ok(())
    }

    /// Somebody heard the subject later than this node, or heard it again.
    pub(super) fn on_fresh(
        &mut self,
        now: Time,
        from: NodeId,
        subject: &Identity,
        last_sequence: u32,
        age_us: u64,
    ) -> Result<(), Refused> {
        let period = self.config.timing.period;
        let Some(link) = self.links.get(subject.id) else { return Err(Refused::Unwanted) };
        let heard = link.heard;
        let Some(case) = self.cases.get_mut(subject.id) else { return Err(Refused::Unwanted) };
        if case.subject() != *subject {
            return Err(Refused::Stale);
        }
        let Some(at) = case.certificate.set.index(from) else { return Err(Refused::Stranger) };
        let ahead = last_sequence.wrapping_sub(heard.sequence).cast_signed();
        let possible = i64::from(heard.missed(now, period)) + i64::from(AHEAD_MAX);
        if ahead < 0 || i64::from(ahead) > possible {
            return Err(Refused::OldSequence);
        }
        if age_us > period.times(u64::from(VETO_MISSED_MAX)).as_us() {
            return Err(Refused::Stale);
        }
        case.certificate.withdraw(from);
        case.vetoes[at] = Some(super::case::Veto { sequence: last_sequence, at: now });
        Ok(())
    }

    /// The subject of a case lives: whoever stated the contrary is told.
    pub(super) fn on_life<C: Crypto, S: Sink>(&mut self, now: Time, peer: NodeId, io: &mut Io<'_, C, S>) {
        let Some(case) = self.cases.get_mut(peer) else { return };
        case.step(SuspicionEvent::Life);
        let case = *case;
        self.cases.close(peer);
        let Some(link) = self.links.get(peer) else { return };
        let fresh = Message::Fresh {
            subject: case.subject(),
            last_sequence: link.heard.sequence,
            age_us: link.heard.age(now).as_us(),
        };
        let me = self.me.identity.id;
        for &watcher in case.certificate.set.ids().iter().filter(|&&watcher| watcher != me) {
            // All co-watchers if they hold our statement, else those whose statements we hold.
            if case.spoke.is_some() || case.certificate.statement_of(watcher).is_some() {
                self.say(watcher, &fresh, io.sink);
            }
        }
    }

    /// A later life of the subject of a case: it refuted, and who called it silent doubts itself (`membership:MB-6`).
    pub(super) fn on_refutation<C: Crypto, S: Sink>(&mut self, peer: NodeId, io: &mut Io<'_, C, S>) {
        if let Some(case) = self.cases.close(peer) {
            if case.spoke.is_some() {
                self.doubt.refuted();
            }
            io.sink.event(&Event::Refuted(case.subject()));
        }
    }

    /// A removal: made here (`from` is `None`) or told by somebody.
    pub(super) fn on_certificate<C: Crypto, S: Sink>(
        &mut self,
        now: Time,
        from: Option<NodeId>,
        certificate: &Certificate,
        io: &mut Io<'_, C, S>,
    ) -> Result<(), Refused> {
        let subject = certificate.subject;
        if subject.id == self.me.identity.id {
            return self.on_certificate_about_me(now, certificate, io);
        }
        // The table of members: a certificate is good in every state, for a being later than the tombstone.
        let buried = self.tombs.get(subject.id).is_some_and(|tomb| tomb.identity.rank() >= subject.rank());
        if buried || (from.is_some() && self.seen.has(NewsKind::Dead as u8, &subject)) {
            return Err(Refused::Unwanted);
        }
        self.check_certificate_is_current(now, from, certificate, io)?;
        if self.is_maintained(now, subject.id) {
            return Err(Refused::Rule);
        }
        if self.valve.shut.is_some() {
            self.valve.refused = now;
            return Err(Refused::Rule);
        }
        let tombs = &self.tombs;
        let proof = match certificate.verify(self.config.cluster_id, |id| tombs.get(id).is_some(), io.crypto) {
            Ok(proof) => proof,
            Err(Unproven::UnknownKey(id)) => {
                self.want_record(from.unwrap_or(id), id, io);
                return Err(Refused::UnknownKey);
            }
            Err(Unproven::BadSignature(_)) => return Err(Refused::BadSignature),
            Err(_) => return Err(Refused::Rule),
        };
        self.open_valve_window(now);
        if self.valve.removed >= self.valve.limit() {
            self.valve.shut = Some(now);
            self.valve.refused = now;
            io.sink.event(&Event::ValveShut { removed: self.valve.removed, known: self.known });
            return Err(Refused::Rule);
        }
        self.valve.removed += 1;
        self.bury(now, from, certificate, proof, io);
        Ok(())
    }

    /// A certificate of an earlier being, or of a peer that this node hears, is not accepted; its subject is told of it.
    fn check_certificate_is_current<C: Crypto, S: Sink>(
        &mut self,
        now: Time,
        from: Option<NodeId>,
        certificate: &Certificate,
        io: &mut Io<'_, C, S>,
    ) -> Result<(), Refused> {
        let subject = certificate.subject;
        let known = self.passive.get(subject.id).map(|known| known.identity);
        let Some(link) = self.links.get(subject.id) else {
            return if known.is_some_and(|known| known.newer_than(&subject)) { Err(Refused::Stale) } else { Ok(()) };
        };
        if link.identity.newer_than(&subject) {
            if let (Some(from), Some(record)) = (from, link.record) {
                self.say(from, &Message::Record { cause: Cause::Direct, record }, io.sink);
            }
            return Err(Refused::Stale);
        }
        let heard_now = link.is_live() && link.heard.missed(now, self.config.timing.period) < VETO_MISSED_MAX;
        if from.is_some() && heard_now {
            self.counters.vetoes = self.counters.vetoes.saturating_add(1);
            self.say(subject.id, &Message::Certificate(*certificate), io.sink);
            return Err(Refused::Rule);
        }
        Ok(())
    }

    /// Accepts a removal: remember it, tell everybody, replace the link.
    fn bury<C: Crypto, S: Sink>(
        &mut self,
        now: Time,
        from: Option<NodeId>,
        certificate: &Certificate,
        proof: Proof,
        io: &mut Io<'_, C, S>,
    ) {
        let subject = certificate.subject;
        let case = self.cases.get_mut(subject.id).map(|case| {
            case.step(SuspicionEvent::Accepted);
            *case
        });
        if from.is_none() {
            self.counters.certificates = self.counters.certificates.saturating_add(1);
        }
        self.counters.removed = self.counters.removed.saturating_add(1);
        if self.tombs.get(subject.id).is_none() {
            self.known = self.known.saturating_sub(1).max(1);
        }
        self.passive.remove(subject.id);
        self.tombs.insert(Tomb { identity: subject, at: now, gone: Gone::Dead });
        self.seen.insert(NewsKind::Dead as u8, &subject);
        self.verdicts.push(Removal {
            certificate: *certificate,
            proof,
            told_by: from,
            opened: case.map(|case| case.opened),
            quorum_at: case.and_then(|case| case.quorum_at),
            removed_at: now,
            undone_at: None,
        });
        let mut buffer = [0; CERTIFICATE_BYTES_MAX];
        let mut writer = Writer::new(&mut buffer);
        if certificate.encode(&mut writer).is_ok() {
            io.sink.event(&Event::Dead { identity: subject, certificate: writer.done() });
        }
        // The subject's own link is among those told, so that a subject that lives can answer.
        let news = News { kind: NewsKind::Dead, identity: subject, digest: 0 };
        self.flood(from, &Message::Certificate(*certificate), news, io.sink);
        self.remove_link(now, subject.id, io);
    }

    fn open_valve_window(&mut self, now: Time) {
        if self.valve.base == 0 || now.since(self.valve.window).0 >= self.periods(VALVE_PERIODS).0 {
            self.valve.window = now;
            self.valve.removed = 0;
            self.valve.base = self.known;
        }
    }

    /// A shut valve opens by itself only when a whole window has brought no further removal to refuse.
    pub(super) fn tick_valve(&mut self, now: Time) {
        if self.valve.shut.is_none() {
            return;
        }
        let condemned = (0..CASES_MAX)
            .filter_map(|slot| self.cases.at(slot))
            .any(|case| matches!(case.suspicion, Suspicion::Condemned | Suspicion::Quorum));
        if condemned {
            self.valve.refused = now;
        } else if now.since(self.valve.refused).0 >= self.periods(VALVE_PERIODS).0 {
            self.resume_removals(now);
        }
    }
}
