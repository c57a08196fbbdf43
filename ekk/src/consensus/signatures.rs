//! Signatures of yes votes, kept until the ballot is reclaimed: together they prove an approval to anybody.

use crate::id::NodeId;
use crate::sign::Signature;

/// Signatures kept at once, over all own ballots: more than the majority of the largest electorate. Beyond it votes still count,
/// and the decision says that it carries no proof.
pub const SIGNATURES_MAX: usize = 40;

/// One signed yes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Signed {
    slot: u8,
    pub(super) voter: NodeId,
    pub(super) signature: Signature,
}

/// The signatures of all own ballots.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Signatures {
    all: [Signed; SIGNATURES_MAX],
    count: u8,
}

impl Signatures {
    pub(super) const fn new() -> Self {
        let none = Signed { slot: 0, voter: NodeId::NONE, signature: Signature::EMPTY };
        Self { all: [none; SIGNATURES_MAX], count: 0 }
    }

    /// Keeps one; false when there is no room.
    pub(super) fn keep(&mut self, slot: u8, voter: NodeId, signature: Signature) -> bool {
        let Some(place) = self.all.get_mut(usize::from(self.count)) else { return false };
        *place = Signed { slot, voter, signature };
        self.count += 1;
        true
    }

    /// Those of one ballot.
    pub(super) fn of(&self, slot: u8) -> impl Iterator<Item = &Signed> + Clone {
        self.all[..usize::from(self.count)].iter().filter(move |signed| signed.slot == slot)
    }

    /// Forgets those of one ballot.
    pub(super) fn forget(&mut self, slot: u8) {
        let mut kept = 0;
        for at in 0..usize::from(self.count) {
            if self.all[at].slot != slot {
                self.all[kept] = self.all[at];
                kept += 1;
            }
        }
        self.all[kept..usize::from(self.count)].fill(Signed::default());
        self.count = kept as u8;
    }
}
