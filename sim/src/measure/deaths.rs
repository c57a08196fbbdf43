//! Crashes and how fast they are known.

use super::Values;

/// One crash that nobody has come back from yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Death {
    subject: u32,
    at_ns: u64,
    /// Living nodes that must know: 99 % of them.
    needed: u32,
    all: u32,
    known: u32,
    first_ns: Option<u64>,
    most_ns: Option<u64>,
}

/// All crashes of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deaths {
    open: Vec<Death>,
    /// From the crash until 99 % of the living knew, ns.
    pub latency: Values,
    /// From the crash until the first knew, ns.
    pub first: Values,
    /// From the first who knew to 99 %, ns.
    pub spread: Values,
    /// Crashes in all.
    pub crashes: u64,
    /// Crashes whose node was back before 99 % knew.
    pub returned_before: u64,
    /// Crashes that 99 % knew of.
    pub detected: u64,
}

impl Deaths {
    /// A node crashed while `living` others lived, `unreachable` of which cannot hear of it for other reasons.
    pub fn crashed(&mut self, subject: u32, at_ns: u64, living: u32) {
        self.crashes += 1;
        let needed = (u64::from(living) * 99).div_ceil(100) as u32;
        let death = Death { subject, at_ns, needed, all: living, known: 0, first_ns: None, most_ns: None };
        self.open.push(death);
    }

    /// One of those who were to know has crashed itself; `knew` = it did know of the death of `subject`.
    pub fn observer_crashed(&mut self, mut knew: impl FnMut(u32) -> bool, now_ns: u64) {
        for death in &mut self.open {
            death.all = death.all.saturating_sub(1);
            death.needed = (u64::from(death.all) * 99).div_ceil(100) as u32;
            if knew(death.subject) {
                death.known = death.known.saturating_sub(1);
            }
        }
        self.settle(now_ns);
    }

    /// A living node learnt of the death of `subject`.
    pub fn learnt(&mut self, subject: u32, now_ns: u64) {
        if let Some(death) = self.open.iter_mut().find(|death| death.subject == subject) {
            death.known += 1;
            death.first_ns.get_or_insert(now_ns);
        }
        self.settle(now_ns);
    }

    fn settle(&mut self, now_ns: u64) {
        for death in self.open.iter_mut().filter(|death| death.most_ns.is_none()) {
            if death.known >= death.needed
                && let Some(first_ns) = death.first_ns
            {
                death.most_ns = Some(now_ns);
                self.detected += 1;
                self.latency.add(now_ns - death.at_ns);
                self.first.add(first_ns - death.at_ns);
                self.spread.add(now_ns - first_ns);
            }
        }
    }

    /// A crashed node is back.
    pub fn returned(&mut self, subject: u32) {
        let before = self.open.len();
        let unknown = self.open.iter().filter(|death| death.subject == subject && death.most_ns.is_none()).count();
        self.open.retain(|death| death.subject != subject);
        if before > self.open.len() {
            self.returned_before += unknown as u64;
        }
    }

    /// Crashes that still stand: who, and whether 99 % know.
    pub fn standing(&self) -> impl Iterator<Item = (u32, u64, bool)> {
        self.open.iter().map(|death| (death.subject, death.at_ns, death.most_ns.is_some()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_is_until_ninety_nine_percent_know() {
        let mut deaths = Deaths::default();
        deaths.crashed(7, 1_000, 200);
        for at in 0..197 {
            deaths.learnt(7, 2_000 + at);
        }
        assert_eq!((deaths.detected, deaths.latency.count()), (0, 0));
        deaths.learnt(7, 5_000);
        assert_eq!((deaths.detected, deaths.latency.p50()), (1, Some(4_000)));
        assert_eq!((deaths.first.p50(), deaths.spread.p50()), (Some(1_000), Some(3_000)));
        deaths.learnt(7, 9_000);
        assert_eq!(deaths.detected, 1, "counted once");
    }

    #[test]
    fn the_return_before_it_is_known_is_counted_apart() {
        let mut deaths = Deaths::default();
        deaths.crashed(7, 0, 10);
        deaths.returned(7);
        assert_eq!((deaths.returned_before, deaths.detected, deaths.standing().count()), (1, 0, 0));
    }

    #[test]
    fn those_who_crash_need_not_know() {
        let mut deaths = Deaths::default();
        deaths.crashed(7, 0, 2);
        deaths.learnt(7, 10);
        deaths.observer_crashed(|_| false, 20);
        assert_eq!(deaths.latency.p50(), Some(20), "the one that is left knows");
    }
}
