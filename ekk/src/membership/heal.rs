//! What operators and healed partitions change: maintenance (`decisions:CLU-19`) and the heal report (`membership:MB-14`).

use super::{Io, Membership, Refused};
use crate::id::NodeId;
use crate::sign::{Crypto, Signature, Verdict};
use crate::sink::{Event, Sink};
use crate::time::{Span, Time};
use crate::wire::v1::membership::{Message, News, NewsKind, Notice};

/// Longest maintenance: a day.
pub const MAINTENANCE_MAX: Span = Span::from_s(24 * 3_600);
/// A heal is over when nothing was undone for this long.
const QUIET_PERIODS: u64 = 50;
/// Nodes named on each side of a report; more are counted.
pub const NAMED_MAX: usize = 16;

/// What a healed partition undid (`membership:MB-14`), as far as this node saw it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Heal {
    /// First and last removal undone.
    pub since: Time,
    /// The last one.
    pub until: Time,
    /// Removed on this node's side and back, and how many.
    pub ours: [NodeId; NAMED_MAX],
    /// How many of these.
    pub ours_count: u32,
    /// Removed by the other side while they lived here, and back.
    pub theirs: [NodeId; NAMED_MAX],
    /// How many of these.
    pub theirs_count: u32,
    /// Still removed here when the report was written.
    pub still_removed: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Healing {
    open: Option<Heal>,
    last: Option<Heal>,
    /// Number of the last notice issued here.
    notice: u32,
}

impl Healing {
    /// A removal was undone: ours, or one of the other side.
    pub(super) fn note(&mut self, now: Time, node: NodeId, ours: bool) {
        let heal = self.open.get_or_insert(Heal { since: now, ..Heal::default() });
        heal.until = now;
        let (names, count) =
            if ours { (&mut heal.ours, &mut heal.ours_count) } else { (&mut heal.theirs, &mut heal.theirs_count) };
        if let Some(slot) = names.get_mut(*count as usize) {
            *slot = node;
        }
        *count = count.saturating_add(1);
    }
}

impl<const TOMBS: usize, const SEEN: usize, const VERDICTS: usize> Membership<TOMBS, SEEN, VERDICTS> {
    /// The last heal report.
    #[must_use]
    pub const fn last_heal(&self) -> Option<Heal> {
        self.heal.last
    }

    pub(super) fn tick_heal<C: Crypto, S: Sink>(&mut self, now: Time, io: &mut Io<'_, C, S>) {
        let quiet = self.periods(QUIET_PERIODS);
        let Some(heal) = self.heal.open.as_mut().filter(|heal| now.since(heal.until) >= quiet) else { return };
        heal.still_removed = self.tombs.iter().filter(|tomb| tomb.gone == super::memory::Gone::Dead).count() as u32;
        io.sink.event(&Event::HealReport { undone: heal.ours_count, removed_there: heal.theirs_count });
        self.heal.last = self.heal.open.take();
    }

    /// This node states no silence about `node` nor accepts its removal before `until`; at most 16 nodes. For the whole
    /// cluster say [`Membership::announce_maintenance`].
    pub fn maintenance(&mut self, node: NodeId, until: Time) {
        match self.maintenance.find_mut(|listed| listed.0 == node) {
            Some(listed) => listed.1 = until,
            None => self.maintenance.push((node, until)),
        }
    }

    /// Nobody in the cluster states silence about `node` nor accepts its removal for `span`, a day at most; zero ends it
    /// (`decisions:CLU-19`). The notice is signed by this node and told to everybody.
    pub fn announce_maintenance(
        &mut self,
        now: Time,
        node: NodeId,
        span: Span,
        crypto: &mut impl Crypto,
        sink: &mut impl Sink,
    ) {
        // Notices of one issuer grow; those of different issuers about one node are ordered by time as well as can be.
        let number = ((now.0 / 1_000_000_000) as u32).max(self.heal.notice.saturating_add(1));
        self.heal.notice = number;
        let span_ms = u32::try_from(span.0.min(MAINTENANCE_MAX.0) / 1_000_000).unwrap_or(u32::MAX);
        let issuer = self.me.identity.id;
        let mut notice = Notice { subject: node, issuer, number, span_ms, signature: Signature::EMPTY };
        notice.signature = crypto.sign(&notice.signed_bytes(self.config.cluster_id));
        self.take_notice(now, None, &notice, &mut Io { crypto, sink });
    }

    pub(super) fn on_maintenance<C: Crypto, S: Sink>(
        &mut self,
        now: Time,
        from: NodeId,
        notice: &Notice,
        io: &mut Io<'_, C, S>,
    ) -> Result<(), Refused> {
        if self.seen.has(NewsKind::Maintenance as u8, &notice.identity()) {
            return Err(Refused::Unwanted);
        }
        if Span::from_ms(u64::from(notice.span_ms)) > MAINTENANCE_MAX {
            return Err(Refused::Rule);
        }
        match io.crypto.verify(notice.issuer, &notice.signed_bytes(self.config.cluster_id), &notice.signature) {
            Verdict::Good => {}
            Verdict::Bad => return Err(Refused::BadSignature),
            Verdict::UnknownKey => {
                self.want_record(from, notice.issuer, io);
                return Err(Refused::UnknownKey);
            }
        }
        self.take_notice(now, Some(from), notice, io);
        Ok(())
    }

    fn take_notice<C: Crypto, S: Sink>(
        &mut self,
        now: Time,
        from: Option<NodeId>,
        notice: &Notice,
        io: &mut Io<'_, C, S>,
    ) {
        let until = now.after(Span::from_ms(u64::from(notice.span_ms)));
        self.maintenance(notice.subject, until);
        self.seen.insert(NewsKind::Maintenance as u8, &notice.identity());
        self.notices.push(*notice);
        let news = News { kind: NewsKind::Maintenance, identity: notice.identity(), digest: notice.issuer.get() };
        self.flood(from, &Message::Maintenance(*notice), news, io.sink);
        if notice.subject != self.me.identity.id {
            self.cases.close(notice.subject);
        }
    }

    /// Nodes under maintenance as known here, and until when.
    pub fn maintained(&self, now: Time) -> impl Iterator<Item = (NodeId, Time)> + '_ {
        self.maintenance.iter().copied().filter(move |listed| now < listed.1)
    }
}
