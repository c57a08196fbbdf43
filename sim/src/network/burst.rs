//! Loss in bursts (Gilbert-Elliott): a link is good or bad, and changes with each datagram it carries.

use crate::random::{Chance, Random};

/// Loss in bursts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Burst {
    /// Good to bad, for each datagram.
    enter: Chance,
    /// Bad to good, for each datagram.
    leave: Chance,
}

impl Burst {
    /// Loses the share `mean` (less than 1) of all datagrams in bursts of `length` (at least 1) on average.
    #[must_use]
    pub fn new(mean: f64, length: f64) -> Self {
        let leave = 1.0 / length.max(1.0);
        Self { enter: Chance::new(leave * mean / (1.0 - mean).max(f64::EPSILON)), leave: Chance::new(leave) }
    }
}

/// Which directed links are bad: a short sorted list a sender.
#[derive(Debug, Clone)]
pub(super) struct Links(Vec<Vec<(u32, bool)>>);

impl Links {
    pub(super) fn new(nodes: usize) -> Self {
        Self(vec![Vec::new(); nodes])
    }

    /// One more datagram from `from` to `to`: is it lost?
    pub(super) fn is_lost(&mut self, from: u32, to: u32, burst: Burst, random: &mut Random) -> bool {
        let links = &mut self.0[from as usize];
        let at = match links.binary_search_by_key(&to, |link| link.0) {
            Ok(at) => at,
            Err(at) => {
                links.insert(at, (to, false));
                at
            }
        };
        let bad = &mut links[at].1;
        if random.happens(if *bad { burst.leave } else { burst.enter }) {
            *bad = !*bad;
        }
        *bad
    }
}
