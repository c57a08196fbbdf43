//! Convergence as `decisions:NODE-4` states it, on numbers instead of events: the real braid and the real projections move
//! pieces of work between counters. The same with events is in [`crate::lockstep`].

use proptest::prelude::*;

use super::{Braid, BraidConfig, Decision, Kind, Link, Own, Rule};
use crate::projection::native::{Facts, Projection};
use crate::{Counters, FACES, Load, MAX_TORI, Mode};

const NO_FACES: [u16; FACES] = [0; FACES];

/// When what one torus does is seen by the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// One after the other; a message sent is there at once, a projection is up to one round old.
    Sequential,
    /// All decide on the projections of the round before, then all messages arrive, then all publish.
    Together,
    /// As `Together`, but messages arrive a round later, so that what a projection shows is a full round behind its effects.
    Late,
}

/// N tori reduced to the numbers the braid sees.
struct Numbers {
    order: Order,
    loads: Vec<u64>,
    braids: Vec<Braid>,
    links: Vec<[Link; MAX_TORI]>,
    published: Vec<Projection>,
    under_way: Vec<(usize, usize, u64)>,
    arriving: Vec<(usize, usize, u64)>,
    given: Vec<u64>,
    taken: Vec<u64>,
}

impl Numbers {
    fn new(loads: &[u64], order: Order, config: BraidConfig) -> Self {
        let n = loads.len();
        let boot = |id: usize| id as u64 + 100;
        let make = |id: usize| {
            let mut braid = Braid::new(config, id as u8, boot(id), n as u8).expect("in range");
            for (counter, peer) in [0, 1].into_iter().flat_map(|c| (0..n).map(move |peer| (c, peer))) {
                braid.heard(peer as u8, boot(peer), counter, 0);
            }
            braid
        };
        let link =
            |to: usize| Link { boot: if to < n { boot(to) } else { 0 }, credit: u64::MAX - 1, ..Link::default() };
        let mut numbers = Self {
            order,
            loads: loads.to_vec(),
            braids: (0..n).map(make).collect(),
            links: vec![core::array::from_fn(link); n],
            published: (0..n).map(|id| Projection::new(id as u8, n as u8, boot(id))).collect(),
            under_way: Vec::new(),
            arriving: Vec::new(),
            given: vec![0; n],
            taken: vec![0; n],
        };
        (0..n).for_each(|id| numbers.publish(id));
        numbers
    }

    fn with_own<T>(&mut self, id: usize, run: impl FnOnce(&mut Braid, &mut Projection, &Own<'_>) -> T) -> T {
        let load = self.loads[id];
        let injected = load + self.given[id] - self.taken[id];
        let (handed_out, handed_in) = (self.given[id], self.taken[id]);
        let counters = Counters { injected, pending: load, handed_out, handed_in, ..Counters::default() };
        let facts = Facts {
            counters: &counters,
            faces: &NO_FACES,
            load: Load { pending: load, ..Load::default() },
            room: u64::MAX,
            state_digest: 0,
            graph_digest: 7,
            coupled: false,
            cpu_permille: 0,
            health: 0,
        };
        run(&mut self.braids[id], &mut self.published[id], &Own { facts, links: &self.links[id] })
    }

    fn publish(&mut self, id: usize) {
        self.with_own(id, |braid, projection, own| braid.project(projection, own, 0));
    }

    fn exchange(&mut self, id: usize, published: &[Projection]) -> Decision {
        for source in self.braids[id].sources().collect::<Vec<_>>() {
            assert!(self.braids[id].observe(source, &published[usize::from(source)], 0) != super::Verdict::Unproven);
        }
        let decision = self.with_own(id, |braid, _, own| braid.decide(own, 0));
        assert_eq!(decision.broken, None);
        if let Some(given) = decision.hand_over {
            let (to, count) = (usize::from(given.to), u64::from(given.count));
            self.loads[id] -= count;
            self.given[id] += count;
            self.links[id][to].sent += count;
            self.under_way.push((id, to, count));
        }
        decision
    }

    fn deliver(&mut self, messages: Vec<(usize, usize, u64)>) {
        for (from, to, count) in messages {
            self.loads[to] += count;
            self.taken[to] += count;
            self.links[to][from].received += count;
        }
    }

    /// One exchange of every torus; returns how many handed over.
    fn round(&mut self) -> u32 {
        let n = self.loads.len();
        let mut moves = 0;
        if self.order == Order::Sequential {
            for id in 0..n {
                let published = self.published.clone();
                moves += u32::from(self.exchange(id, &published).hand_over.is_some());
                let sent = core::mem::take(&mut self.under_way);
                self.deliver(sent);
                self.publish(id);
            }
            return moves;
        }
        let published = self.published.clone();
        for id in 0..n {
            moves += u32::from(self.exchange(id, &published).hand_over.is_some());
        }
        let sent = core::mem::take(&mut self.under_way);
        let arrived = if self.order == Order::Late { core::mem::replace(&mut self.arriving, sent) } else { sent };
        self.deliver(arrived);
        (0..n).for_each(|id| self.publish(id));
        moves
    }

    fn spread(&self) -> u64 {
        self.loads.iter().max().unwrap_or(&0) - self.loads.iter().min().unwrap_or(&0)
    }
}

fn config(mode: Mode, tolerance: u64) -> BraidConfig {
    let mut config = BraidConfig { mode, min_source: 0, ring_capacity: u64::MAX, ..BraidConfig::default() };
    config.rules[Kind::Load as usize] = Rule { tolerance, dead_band: 0, gain_ppm: 500_000, cap: u64::MAX };
    config
}

/// How often a difference goes from beyond `tolerance` on one side to beyond it on the other.
fn swings(differences: &[i64], tolerance: i64) -> usize {
    let beyond: Vec<i64> = differences.iter().copied().filter(|difference| difference.abs() > tolerance).collect();
    beyond.windows(2).filter(|pair| pair[0].signum() != pair[1].signum()).count()
}

fn history(numbers: &mut Numbers, rounds: usize) -> Vec<i64> {
    let difference = |loads: &[u64]| loads[0] as i64 - loads[1] as i64;
    let mut history = vec![difference(&numbers.loads)];
    for _ in 0..rounds {
        numbers.round();
        history.push(difference(&numbers.loads));
    }
    history
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// `rse:B2`, `decisions:NODE-4`: two tori with any offset up to 2^10 x tolerance are within tolerance after at most ten
    /// rounds of one-round-old data, the difference never grows, never swings over, and stays.
    #[test]
    fn two_tori_converge_in_ten_rounds_b2(
        tolerance in 3_u64..200, share in 0.0..=1.0_f64, base in 0_u64..5_000, loaded in 0..2_usize, together: bool,
    ) {
        let offset = (share * (1 << 10) as f64 * tolerance as f64) as u64;
        let mut loads = [base; 2];
        loads[loaded] += offset;
        let order = if together { Order::Together } else { Order::Sequential };
        let mut numbers = Numbers::new(&loads, order, config(Mode::Ring, tolerance));
        let history = history(&mut numbers, 30);
        prop_assert!(history[10].unsigned_abs() <= tolerance, "{history:?}");
        prop_assert!(history.windows(2).all(|pair| pair[1].abs() <= pair[0].abs()), "{history:?}");
        prop_assert!(history.iter().all(|d| d.signum() * history[0].signum() >= 0), "swung over: {history:?}");
        prop_assert_eq!(numbers.round(), 0, "still moving: {:?}", history);
    }

    /// `decisions:NODE-4`: when messages take a further round, the loaded side waits for the echo: half as fast, as steady.
    #[test]
    fn late_messages_halve_the_speed_and_nothing_else_b2(tolerance in 3_u64..100, factor in 1_u64..=1024) {
        let mut numbers = Numbers::new(&[tolerance * factor, 0], Order::Late, config(Mode::Ring, tolerance));
        let history = history(&mut numbers, 30);
        prop_assert!(history[21].unsigned_abs() <= tolerance, "{history:?}");
        prop_assert_eq!(swings(&history, 0), 0);
        prop_assert!(history.windows(2).all(|pair| pair[1].abs() <= pair[0].abs()), "{history:?}");
    }

    /// `decisions:NODE-4`: for any number of tori, any loads, both modes and any age of the data, max - min never grows, nothing
    /// is lost, and it comes to rest within what whole pieces allow.
    #[test]
    fn the_spread_never_grows_b2(
        loads in proptest::collection::vec(0_u64..100_000, 3..=16), ring: bool, order in 0..3_u8, whole: bool,
    ) {
        let mode = if ring { Mode::Ring } else { Mode::Rotate };
        let order = [Order::Sequential, Order::Together, Order::Late][usize::from(order)];
        let mut numbers = Numbers::new(&loads, order, BraidConfig { whole, ..config(mode, 3) });
        let total: u64 = loads.iter().sum();
        let mut spread = numbers.spread();
        for round in 0..400 {
            numbers.round();
            let now = numbers.spread();
            prop_assert!(now <= spread, "round {round}: {spread} -> {now}: {:?}", numbers.loads);
            spread = now;
            let moving: u64 = numbers.arriving.iter().map(|message| message.2).sum();
            prop_assert_eq!(numbers.loads.iter().sum::<u64>() + moving, total);
        }
    }
}

/// `rse:B2`: three tori, all load on one, default settings but the cap: level to within the tolerance, in either mode.
#[test]
fn three_tori_level_out_b2() {
    for (mode, order) in [Mode::Rotate, Mode::Ring]
        .into_iter()
        .flat_map(|mode| [Order::Sequential, Order::Together, Order::Late].map(|order| (mode, order)))
    {
        let mut numbers = Numbers::new(&[3_000, 0, 0], order, config(mode, 3));
        let rounds = (0..200).take_while(|_| numbers.round() > 0 || numbers.spread() > 6).count();
        assert!(numbers.spread() <= 6, "{mode:?} {order:?}: {:?} after {rounds}", numbers.loads);
    }
}

/// `rse:B2`: at most one correction a round, never above the cap, and none at all below the minimum at the source (`rse:B8`).
#[test]
fn corrections_are_capped_b2_b8() {
    let mut capped = config(Mode::Ring, 3);
    capped.rules[Kind::Load as usize].cap = 10;
    let mut numbers = Numbers::new(&[1_000, 0], Order::Together, capped);
    numbers.round();
    assert_eq!(numbers.loads, [990, 10]);
    let few = BraidConfig { min_source: 5, ..config(Mode::Ring, 0) };
    assert_eq!(Numbers::new(&[4, 0], Order::Together, few).round(), 0);
    assert_eq!(Numbers::new(&[5, 0], Order::Together, few).round(), 1);
}

/// The harness can see what it looks for: the rule that `decisions:NODE-4` forbids (both sides correct half of the difference
/// they saw a round ago) swings for ever under the same measure that finds no swing in ours.
#[test]
fn the_naive_rule_oscillates_and_is_seen() {
    let (mut loads, mut seen) = ([1_024_i64, 0], [1_024_i64, 0]);
    let mut history = vec![];
    for _ in 0..40 {
        history.push(loads[0] - loads[1]);
        let before = loads;
        loads = [loads[0] - (seen[0] - seen[1]) / 2, loads[1] - (seen[1] - seen[0]) / 2];
        seen = before;
    }
    assert!(swings(&history, 64) >= 6, "{history:?}");
    assert!(history[34..].iter().any(|difference| difference.abs() >= 1_024), "undamped: {history:?}");

    // Eight tori, each correcting half of its difference to each other one, diverge.
    let mut loads: [i64; 8] = core::array::from_fn(|i| 64 * i as i64);
    let spread = |loads: &[i64; 8]| loads.iter().max().unwrap_or(&0) - loads.iter().min().unwrap_or(&0);
    let start = spread(&loads);
    for _ in 0..5 {
        let seen = loads;
        for (id, load) in loads.iter_mut().enumerate() {
            *load -= seen.iter().map(|other| (seen[id] - other) / 2).sum::<i64>();
        }
    }
    assert!(spread(&loads) > 100 * start);
}
