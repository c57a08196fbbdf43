//! What a reader has applied: at most once by (boot, sequence), gaps counted, over any number of polls (`rse:M3`,
//! `rse:M4`).

use super::layout::MAX_TORI;

/// What a new key is to a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// Not seen before; `missed` publications lie between it and the one before.
    Fresh {
        /// Publications never seen, within one boot.
        missed: u64,
    },
    /// The first of a new boot.
    NewBoot,
    /// This key, or one behind it, was applied before: to be ignored.
    Duplicate,
}

/// The receipts of one reader for all its peers.
#[derive(Debug, Clone, Default)]
pub struct Receipts {
    last: [(u64, u64); MAX_TORI as usize],
    received: u16,
    missed: u64,
    duplicates: u64,
}

impl Receipts {
    /// Nothing received yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Judges a publication and remembers it. A peer outside the braid counts as a duplicate: it is never applied.
    pub fn note(&mut self, peer: u8, boot: u64, seq: u64) -> Noted {
        let Some(last) = self.last.get_mut(usize::from(peer)) else {
            self.duplicates += 1;
            return Noted::Duplicate;
        };
        let noted = match *last {
            (known, _) if known != boot => Noted::NewBoot,
            (_, newest) if seq > newest => Noted::Fresh { missed: seq - newest - 1 },
            _ => {
                self.duplicates += 1;
                return Noted::Duplicate;
            }
        };
        if let Noted::Fresh { missed } = noted {
            self.missed = self.missed.saturating_add(missed);
        }
        *last = (boot, seq);
        self.received |= 1 << peer;
        noted
    }

    /// Peers from which something was received since [`Receipts::begin_round`], as a bitmap by torus id.
    #[must_use]
    pub fn received(&self) -> u16 {
        self.received
    }

    /// Starts collecting the bitmap anew; keys and counts stay.
    pub fn begin_round(&mut self) {
        self.received = 0;
    }

    /// Publications never seen, over all peers.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// Publications refused because they were applied before.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m4_each_key_is_applied_once_and_gaps_are_counted() {
        // rse:M4, rse:M3: polls at any time and in any order add up to one bitmap; a replay of an old key is nothing
        // new.
        let mut receipts = Receipts::new();
        assert_eq!(receipts.note(1, 7, 10), Noted::NewBoot);
        assert_eq!(receipts.note(1, 7, 10), Noted::Duplicate);
        assert_eq!(receipts.note(1, 7, 11), Noted::Fresh { missed: 0 });
        assert_eq!(receipts.note(1, 7, 15), Noted::Fresh { missed: 3 });
        assert_eq!(receipts.note(1, 7, 12), Noted::Duplicate);
        assert_eq!(receipts.received(), 0b10);
        assert_eq!(receipts.note(2, 9, 1), Noted::NewBoot);
        assert_eq!(receipts.received(), 0b110);
        assert_eq!(receipts.note(1, 8, 3), Noted::NewBoot, "a new boot may start anywhere");
        assert_eq!((receipts.missed(), receipts.duplicates()), (3, 2));
        receipts.begin_round();
        assert_eq!(receipts.received(), 0);
        assert_eq!(receipts.note(16, 1, 1), Noted::Duplicate, "no such peer");
    }
}
