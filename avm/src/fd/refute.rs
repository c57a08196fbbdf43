//! Combinations that are refuted (`avm:8.4`), undone with their scope.

use crate::fixed::FixedMap;

/// A variable's slot and a place in its domain.
pub(super) type Pick = (u32, u32);

/// Combinations in order; a combination that was forgotten can be remembered again.
#[derive(Debug, Clone, Default)]
pub(super) struct Refutations {
    combos: Vec<Combo>,
    /// Combinations that hold a pick, oldest first.
    holding: FixedMap<Pick, Vec<u32>>,
    /// First combination of each range that was forgotten, in order of forgetting.
    forgotten: Vec<u32>,
}

#[derive(Debug, Clone)]
struct Combo {
    picks: Vec<Pick>,
    /// Which forgetting took it, from 1; 0 while it counts.
    gone: u32,
}

impl Refutations {
    /// Combinations held and ranges forgotten: what [`Self::undo`] goes back to.
    pub(super) fn lengths(&self) -> (u32, u32) {
        (self.combos.len() as u32, self.forgotten.len() as u32)
    }

    pub(super) fn push(&mut self, picks: Vec<Pick>) {
        let number = self.combos.len() as u32;
        for pick in &picks {
            self.holding.entry(*pick).or_default().push(number);
        }
        self.combos.push(Combo { picks, gone: 0 });
    }

    /// Forgets the combinations from `first` on.
    pub(super) fn forget(&mut self, first: u32) {
        self.forgotten.push(first);
        let number = self.forgotten.len() as u32;
        for combo in self.combos.iter_mut().skip(first as usize).filter(|combo| combo.gone == 0) {
            combo.gone = number;
        }
    }

    pub(super) fn undo(&mut self, (count, forgotten): (u32, u32)) {
        while self.combos.len() > count as usize {
            let Some(combo) = self.combos.pop() else { break };
            for pick in &combo.picks {
                if let Some(list) = self.holding.get_mut(pick) {
                    list.pop();
                    if list.is_empty() {
                        self.holding.remove(pick);
                    }
                }
            }
        }
        while self.forgotten.len() > forgotten as usize {
            let number = self.forgotten.len() as u32;
            let Some(first) = self.forgotten.pop() else { break };
            for combo in self.combos.iter_mut().skip(first as usize).filter(|combo| combo.gone == number) {
                combo.gone = 0;
            }
        }
    }

    /// Whether a combination with this pick stands whose other picks are `now` so.
    pub(super) fn refuted(&self, pick: Pick, now: impl Fn(Pick) -> bool) -> bool {
        let standing = self.holding.get(&pick).into_iter().flatten().map(|number| &self.combos[*number as usize]);
        standing
            .filter(|combo| combo.gone == 0)
            .any(|combo| combo.picks.iter().all(|other| other.0 == pick.0 && other.1 == pick.1 || now(*other)))
    }

    /// The combinations that count, oldest first.
    pub(super) fn standing(&self) -> impl Iterator<Item = &[Pick]> + '_ {
        self.combos.iter().filter(|combo| combo.gone == 0).map(|combo| &*combo.picks)
    }
}
