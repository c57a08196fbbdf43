//! What a torus knows of the seed region it stands in: the record of the page, and its owned form.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::page::Text;

/// Places of a seed region.
pub const PLACES: usize = 3;

/// A torus in a seed region (rse-v1-region section 4). All zero: it stands in none.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SeedPage {
    /// 1 when the torus stands in a seed region.
    pub present: u32,
    /// Bit t: torus t acked the present projection.
    pub acked: u32,
    /// State of the slot of each torus: 0 absent or itself, 1 stale, 2 unsound, 3 delivered, 4 one-shot peer, done.
    pub peers: [u32; PLACES],
    /// Cells of the face x = 0 in which the last delivered projection differs from the torus's own.
    pub differing: u32,
    /// Sequence number of the last publication.
    pub seq: u64,
    /// Publications, repetitions included.
    pub published: u64,
    /// Projections of peers delivered, each (sequence, hash) once.
    pub delivered: u64,
    /// Looks at a slot that changed or did not check out: not acked, tried again.
    pub unsound: u64,
    /// Slots given up after a whole window of such looks.
    pub given_up: u64,
    /// Acks that came later than 100 ms after the slot was first seen ready.
    pub late_acks: u64,
    /// Delivered projections that the seed's rule calls inconsistent (rse.md section 6.1); nothing is done about them.
    pub inconsistent: u64,
    /// Projections of this torus that both peers acked, both peers' having been delivered.
    pub rounds: u64,
    /// The file.
    pub path: Text<120>,
}

const _: () = assert!(core::mem::size_of::<SeedPage>() == 216);

/// What a slot of a seed region is to a torus. None of these is a sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SeedPeerState {
    /// Never ready.
    Absent,
    /// Holds what an earlier run left.
    Stale,
    /// Changed and does not check out.
    Unsound,
    /// Its projection was delivered; its window may be open.
    Delivered,
    /// Its projection was delivered; its window is over: a one-shot peer, done.
    Done,
    /// The page holds a value this program does not know.
    Unknown,
}

impl SeedPeerState {
    /// The words shown to people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Stale => "stale",
            Self::Unsound => "unsound",
            Self::Delivered => "delivered",
            Self::Done => "one-shot peer, done",
            Self::Unknown => "unknown",
        }
    }
}

/// A torus in a seed region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "fields are those of SeedPage, documented there")]
pub struct SeedSnapshot {
    pub path: String,
    pub seq: u64,
    pub published: u64,
    pub delivered: u64,
    pub unsound: u64,
    pub given_up: u64,
    pub late_acks: u64,
    pub inconsistent: u64,
    pub differing: u32,
    pub rounds: u64,
    pub peers: Vec<SeedPeerSnapshot>,
}

/// One of the two other places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeedPeerSnapshot {
    /// Torus id.
    pub id: u32,
    /// What its slot is.
    pub state: SeedPeerState,
    /// Whether it acked the present projection.
    pub acked: bool,
}

/// The owned form; `None` when torus `me` stands in no seed region.
pub(crate) fn seed_of(me: u32, page: &SeedPage) -> Option<SeedSnapshot> {
    let peer = |id: u32, code: u32| SeedPeerSnapshot {
        id,
        state: match code {
            0 => SeedPeerState::Absent,
            1 => SeedPeerState::Stale,
            2 => SeedPeerState::Unsound,
            3 => SeedPeerState::Delivered,
            4 => SeedPeerState::Done,
            _ => SeedPeerState::Unknown,
        },
        acked: page.acked & (1 << id) != 0,
    };
    (page.present == 1).then(|| SeedSnapshot {
        path: page.path.as_str().to_owned(),
        seq: page.seq,
        published: page.published,
        delivered: page.delivered,
        unsound: page.unsound,
        given_up: page.given_up,
        late_acks: page.late_acks,
        inconsistent: page.inconsistent,
        differing: page.differing,
        rounds: page.rounds,
        peers: (0u32..).zip(page.peers).filter(|(id, _)| *id != me).map(|(id, code)| peer(id, code)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_without_a_seed_region_has_none_and_strange_codes_are_unknown() {
        assert_eq!(seed_of(0, &SeedPage::default()), None);
        let page = SeedPage { present: 1, acked: 0b100, peers: [9, 77, 4], ..SeedPage::default() };
        let seed = seed_of(0, &page).expect("present");
        let told: Vec<(u32, SeedPeerState, bool)> = seed.peers.iter().map(|p| (p.id, p.state, p.acked)).collect();
        assert_eq!(told, [(1, SeedPeerState::Unknown, false), (2, SeedPeerState::Done, true)]);
    }
}
