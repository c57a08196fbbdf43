//! The election: one pass for the k least, then as many replacements as residence and margin allow.

use super::candidates::{distance_of, id_of};
use super::{Neighbour, Topology};
use crate::field::distance_weight;
use crate::heartbeat::Health;
use crate::id::NodeId;
use crate::time::Time;

/// The `K` least words of `words`, ascending; a word that does not beat the worst of the list so far costs one comparison.
#[inline]
pub(super) fn least<const K: usize>(words: &[u64], wanted: usize) -> ([u64; K], usize) {
    let mut best = [u64::MAX; K];
    let wanted = wanted.min(K);
    let Some(last) = wanted.checked_sub(1) else { return (best, 0) };
    let mut worst = u64::MAX;
    for &word in words {
        if word >= worst {
            continue;
        }
        let mut at = last;
        while at > 0 && best[at - 1] > word {
            best[at] = best[at - 1];
            at -= 1;
        }
        best[at] = word;
        worst = best[last];
    }
    (best, words.len().min(wanted))
}

impl<const K: usize, const N: usize, const CELLS: usize, const TOMBS: usize> Topology<K, N, CELLS, TOMBS> {
    /// Elects anew from all candidates, as far as residence and margin allow. True when the list of neighbours is another one.
    ///
    /// With neither residence nor margin the result is exactly the k least by (distance, id). With them, an incumbent is replaced
    /// only after its residence time and only by a challenger that is nearer by more than the margin; free places are filled at
    /// once, so a loss is always repaired immediately (`ekk:D-13`).
    pub fn elect(&mut self, now: Time) -> bool {
        let (best, found) = least::<K>(self.candidates.keys(), self.wanted());
        self.held_until = Time::NEVER;
        let chosen =
            if self.config.residence.0 == 0 && self.config.margin == 0 { best } else { self.damped(now, &best, found) };
        self.install(now, &chosen, found)
    }

    /// The list that residence and margin allow on the way to `best`.
    fn damped(&mut self, now: Time, best: &[u64; K], found: usize) -> [u64; K] {
        let mut chosen = [u64::MAX; K];
        let mut count = 0;
        let mut since = [Time::ZERO; K];
        for neighbour in &self.neighbours[..usize::from(self.count)] {
            // Distances may have moved since the last election.
            let Some(word) = self.candidates.key_of(neighbour.id) else { continue };
            (chosen[count], since[count]) = (word, neighbour.since);
            count += 1;
        }
        let incumbents = count;
        for &challenger in &best[..found] {
            if chosen[..incumbents].contains(&challenger) {
                continue;
            }
            if count < found {
                (chosen[count], since[count]) = (challenger, now);
                count += 1;
                continue;
            }
            match self.replaceable(now, challenger, &chosen, &since) {
                Some(place) => (chosen[place], since[place]) = (challenger, now),
                None => continue,
            }
        }
        chosen[..count].sort_unstable();
        chosen
    }

    /// The farthest incumbent that `challenger` may replace; notes when to try again if only time is missing.
    fn replaceable(&mut self, now: Time, challenger: u64, chosen: &[u64; K], since: &[Time; K]) -> Option<usize> {
        let margin = u64::from(self.config.margin) << 32;
        let mut place = None;
        for (at, &word) in chosen.iter().enumerate() {
            if word == u64::MAX || challenger.saturating_add(margin) >= word {
                continue;
            }
            let free_at = since[at].after(self.config.residence);
            if free_at > now {
                self.held_until = self.held_until.min(free_at);
            } else if place.is_none_or(|best: usize| chosen[best] < word) {
                place = Some(at);
            }
        }
        place
    }

    /// Makes `chosen` the list; survivors keep what is known of them.
    fn install(&mut self, now: Time, chosen: &[u64; K], count: usize) -> bool {
        let before = usize::from(self.count);
        let same_place = |(at, &word): (usize, &u64)| {
            let neighbour = &self.neighbours[at];
            neighbour.id == id_of(word) && neighbour.distance == distance_of(word)
        };
        if count == before && chosen[..count].iter().enumerate().all(same_place) {
            return false;
        }
        let old = self.neighbours;
        let mut changed = count != before;
        for (at, slot) in self.neighbours.iter_mut().enumerate() {
            if at >= count {
                *slot = Neighbour::default();
                continue;
            }
            let (id, distance) = (id_of(chosen[at]), distance_of(chosen[at]));
            changed |= old[at].id != id;
            let kept = old[..before].iter().find(|neighbour| neighbour.id == id);
            *slot = kept.copied().unwrap_or_else(|| newcomer(id, now));
            if kept.is_none() || slot.distance != distance {
                slot.distance = distance;
                slot.weight = distance_weight(distance);
            }
        }
        self.count = count as u8;
        if changed {
            self.note_change(now);
        }
        changed
    }
}

fn newcomer(id: NodeId, now: Time) -> Neighbour {
    Neighbour { id, health: Health::Unknown, distance: 0, weight: 0, since: now }
}
