//! `trefoil leave`: work is handed over first, within a bound, then the others are told.

use control::api::{Refusal, Reply};
use ekk::sign::Crypto;
use ekk::time::Time;

use super::engine::Engine;
use crate::cluster::mirror::Mirrors;
use crate::runtime::events::Severity;

/// How long work may take to be handed over.
const BOUND_S: u64 = 10;
/// For so long nothing may be left on the node: what others sent before they heard of the leave is on its way for less.
const EMPTY_NS: u64 = 300_000_000;

/// A leave under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaving {
    until_ns: u64,
    /// Events on the local tori as the control thread told last, since the leave began.
    pending: Option<u64>,
    empty_since_ns: Option<u64>,
}

impl Leaving {
    pub(super) const fn new(now_ns: u64) -> Self {
        Self { until_ns: now_ns.saturating_add(BOUND_S * 1_000_000_000), pending: None, empty_since_ns: None }
    }

    /// What is left on the node, once it is time to go.
    fn judge(&mut self, now_ns: u64, under_way: u64) -> Option<u64> {
        let rest = self.pending.map(|pending| pending.saturating_add(under_way));
        self.empty_since_ns = (rest == Some(0)).then(|| self.empty_since_ns.unwrap_or(now_ns));
        let empty = self.empty_since_ns.is_some_and(|since| now_ns.saturating_sub(since) >= EMPTY_NS);
        (empty || now_ns >= self.until_ns).then(|| rest.unwrap_or(under_way))
    }
}

impl<C: Crypto> Engine<'_, C> {
    /// Begins a leave; it ends at once when there is nobody who could take the work.
    pub(super) fn begin_leave(&mut self, now_ns: u64) -> Result<Reply, Refusal> {
        let last = "final for this start of the node; it returns when it is started again";
        let takers = self.mirrors.as_ref().is_some_and(|mirrors| mirrors.views().any(|view| view.live));
        let message = if takers {
            self.node.drain(true);
            self.leaving = Some(self.leaving.unwrap_or(Leaving::new(now_ns)));
            let text = format!("leaving, as asked: work is handed over first, at most {BOUND_S} s");
            self.tell.say(Severity::Notice, text);
            format!("handing work over, at most {BOUND_S} s, then leaving: {last}; drain off calls it off")
        } else {
            self.leave_now(now_ns);
            self.tell.say(Severity::Notice, "leaving the cluster, as asked".to_owned());
            format!("leaving: {last}")
        };
        Ok(Reply { message, count: 0 })
    }

    /// Draining was ended by hand: who wants to go on here does not leave.
    pub(super) fn call_off_leave(&mut self) {
        if self.leaving.take().is_some() {
            self.tell.say(Severity::Notice, "the leave is called off".to_owned());
        }
    }

    /// What is on the local tori.
    pub(super) fn hear_pending(&mut self, events: u64) {
        if let Some(leaving) = &mut self.leaving {
            leaving.pending = Some(events);
        }
    }

    /// Leaves when the work is gone, or when that took too long.
    pub(super) fn judge_leave(&mut self, now_ns: u64) {
        let Some(leaving) = &mut self.leaving else { return };
        let under_way = self.mirrors.as_mut().map_or(0, Mirrors::under_way);
        let Some(rest) = leaving.judge(now_ns, under_way) else { return };
        self.leaving = None;
        match rest {
            0 => self.tell.say(Severity::Notice, "leaving the cluster: all work was handed over".to_owned()),
            _ => {
                let text = format!("leaving the cluster: {rest} events were not handed over within {BOUND_S} s");
                self.tell.say(Severity::Warning, text);
            }
        }
        self.leave_now(now_ns);
    }

    fn leave_now(&mut self, now_ns: u64) {
        self.node.leave(Time(now_ns), &mut self.crypto, &mut self.outbox);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    /// `membership:MB-11`: it goes when nothing is left for a while, never before it was told, and after the bound in any case,
    /// with what is left.
    #[test]
    fn a_leave_waits_for_the_work_and_not_for_ever() {
        let mut leaving = Leaving::new(5 * S);
        assert_eq!(leaving.judge(6 * S, 0), None, "nothing is known of the tori yet");
        leaving.pending = Some(3);
        assert_eq!(leaving.judge(7 * S, 2), None);
        leaving.pending = Some(0);
        assert_eq!(leaving.judge(8 * S, 2), None, "two are under way");
        assert_eq!(leaving.judge(8 * S + 1, 0), None);
        leaving.pending = Some(1);
        assert_eq!(leaving.judge(9 * S, 0), None, "one came that had been sent before");
        leaving.pending = Some(0);
        assert_eq!(leaving.judge(10 * S, 0), None);
        assert_eq!(leaving.judge(10 * S + EMPTY_NS, 0), Some(0));

        let mut stuck = Leaving::new(5 * S);
        stuck.pending = Some(40);
        assert_eq!((stuck.judge(15 * S - 1, 2), stuck.judge(15 * S, 2)), (None, Some(42)));
        assert_eq!(Leaving::new(0).judge(BOUND_S * S, 0), Some(0), "tori that say nothing hold nobody up");
    }
}
