//! How two nodes agree that they begin anew: a pairing.
//!
//! The counts of a pair of tori (`decisions:NODE-8`) begin where both ends of its rings attached. Across hosts the two ends of a
//! ring are attached by two processes, so these must agree on one beginning, and on a new one after either has given the other
//! up. Each side draws an epoch; a pairing is the two epochs together, and stands once each side has seen its own epoch come
//! back. Whatever was sent in another pairing is refused.

/// One side of a pairing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pairing {
    own: u64,
    /// The peer's epoch as it last said; 0 = never.
    seen: u64,
    /// The peer's epoch in the pairing that stands; 0 = none stands.
    with: u64,
}

/// What a greeting did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Heard {
    /// Nothing new.
    Nothing,
    /// A pairing stands.
    Paired,
    /// The pairing that stood is over: the peer began anew.
    Over,
}

/// Mixes 64 bits (the finalizer of splitmix64): a bijection.
pub(super) const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl Pairing {
    /// Begins with a drawn epoch.
    #[must_use]
    pub const fn new(epoch: u64) -> Self {
        Self { own: if epoch == 0 { 1 } else { epoch }, seen: 0, with: 0 }
    }

    /// Begins anew: no pairing stands, and the peer will hear of it. What it said of itself stays.
    pub const fn begin_anew(&mut self) {
        let next = mix(self.own ^ 0x9e37_79b9_7f4a_7c15);
        *self = Self { seen: self.seen, ..Self::new(next) };
    }

    /// The process of the peer is another one.
    pub const fn forget_peer(&mut self) {
        self.begin_anew();
        self.seen = 0;
    }

    /// What to greet with: the own epoch, and the peer's as heard.
    #[must_use]
    pub const fn greeting(&self) -> (u64, u64) {
        (self.own, self.seen)
    }

    /// The peer greeted with its epoch and what it heard of ours.
    pub const fn hear(&mut self, theirs: u64, echo: u64) -> Heard {
        if theirs == 0 {
            return Heard::Nothing;
        }
        self.seen = theirs;
        if self.with != 0 && self.with != theirs {
            self.begin_anew();
            return Heard::Over;
        }
        if self.with == 0 && echo == self.own {
            self.with = theirs;
            return Heard::Paired;
        }
        Heard::Nothing
    }

    /// Number of the pairing that stands, the same on both sides; `first` = this node has the lower number.
    #[must_use]
    pub const fn pair(&self, first: bool) -> Option<u64> {
        if self.with == 0 {
            return None;
        }
        let (low, high) = if first { (self.own, self.with) } else { (self.with, self.own) };
        let pair = mix(mix(low).wrapping_add(high));
        Some(if pair == 0 { 1 } else { pair })
    }
}

/// The boot id under which a torus stands in the region of the other host: each pairing is a boot of its own.
#[must_use]
pub const fn boot_in(pair: u64, boot: u64) -> u64 {
    let mixed = mix(boot ^ pair.rotate_left(17));
    if mixed == 0 { 1 } else { mixed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    /// Two sides and the greetings under way, in order, as commands carry them.
    struct Two {
        sides: [Pairing; 2],
        last: [Option<(u64, u64)>; 2],
        way: [VecDeque<(u64, u64)>; 2],
    }

    impl Two {
        fn new(epochs: [u64; 2]) -> Self {
            Self { sides: epochs.map(Pairing::new), last: [None; 2], way: Default::default() }
        }

        fn speak(&mut self, side: usize) {
            let greeting = self.sides[side].greeting();
            if self.last[side] != Some(greeting) {
                self.last[side] = Some(greeting);
                self.way[side].push_back(greeting);
            }
        }

        fn deliver(&mut self, from: usize) -> Option<Heard> {
            let (theirs, echo) = self.way[from].pop_front()?;
            Some(self.sides[1 - from].hear(theirs, echo))
        }

        /// Until nobody has anything to say; the number of greetings it took.
        fn settle(&mut self) -> u32 {
            let mut greetings = 0;
            loop {
                (0..2).for_each(|side| self.speak(side));
                let heard = [self.deliver(0), self.deliver(1)];
                greetings += heard.iter().flatten().count() as u32;
                if heard == [None, None] {
                    return greetings;
                }
            }
        }
    }

    #[test]
    fn two_sides_pair_with_four_greetings() {
        let mut two = Two::new([7, 9]);
        assert_eq!(two.settle(), 4);
        let pair = two.sides[0].pair(true).expect("they paired");
        assert_eq!(two.sides[1].pair(false), Some(pair));
        assert_ne!(boot_in(pair, 5), boot_in(pair, 6));
        assert_ne!(boot_in(pair, 5), boot_in(pair + 1, 5));
    }

    #[test]
    fn when_one_begins_anew_both_do() {
        let mut two = Two::new([7, 9]);
        two.settle();
        let before = two.sides[0].pair(true);
        two.sides[0].begin_anew();
        assert_eq!(two.sides[0].pair(true), None);
        two.speak(0);
        assert_eq!(two.deliver(0), Some(Heard::Over));
        two.settle();
        let after = two.sides[0].pair(true);
        assert!(after.is_some() && after != before && after == two.sides[1].pair(false));
    }

    proptest! {
        // However often either side begins anew and whatever is still under way then, the two end up in one pairing, which is
        // none of those before.
        #[test]
        fn they_always_settle(epochs: [u64; 2], steps in prop::collection::vec((0usize..4, 0usize..2), 0..60)) {
            let mut two = Two::new(epochs);
            let mut pairs = Vec::new();
            for (what, side) in steps {
                match what {
                    0 => two.sides[side].begin_anew(),
                    1 => two.speak(side),
                    _ => drop(two.deliver(side)),
                }
                pairs.extend(two.sides[0].pair(true));
                pairs.extend(two.sides[1].pair(false));
            }
            two.sides[0].begin_anew();
            prop_assert!(two.settle() < 20);
            let pair = two.sides[0].pair(true);
            prop_assert!(pair.is_some());
            prop_assert_eq!(pair, two.sides[1].pair(false));
            prop_assert!(!pairs.contains(&pair.expect("checked")));
        }
    }
}
