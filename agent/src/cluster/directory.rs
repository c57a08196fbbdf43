//! Who is and was a member, as this node knows it (`decisions:CLU-3`): folded from what `ekk` tells, with a bound.
//!
//! `ekk` keeps what a node needs to watch and to be watched; this is for people (`mesh`, `why`), for snapshots given to
//! newcomers, and for candidates when the neighbourhood runs short.

use std::collections::{BTreeMap, VecDeque};

use ekk::id::Identity;
use ekk::membership::record::MemberRecord;

/// Members remembered at most; beyond it the one gone longest makes room, and without such a one newcomers are not taken.
pub const MAX_MEMBERS: usize = 16_384;
/// Removals remembered with their certificates.
pub const MAX_REMOVALS: usize = 64;

/// What a member is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Standing {
    /// Takes part.
    Live,
    /// Removed by a certificate.
    Removed,
    /// Left by its own word.
    Left,
}

/// One member: 24 bytes and its record.
#[derive(Debug, Clone)]
struct Member {
    boot_inc: u32,
    since_unix_s: u32,
    life: u16,
    standing: Standing,
    record: Option<Box<MemberRecord>>,
}

const _: () = assert!(size_of::<Member>() <= 24);

/// One end of a member, remembered with its reason (`membership:MB-15`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// Who.
    pub identity: Identity,
    /// As shown: `dead`, `left`, `forgotten`, `quarantined`, `undone`.
    pub kind: &'static str,
    /// When, Unix ns.
    pub at_unix_ns: u64,
    /// The death certificate as it travelled; empty where there is none.
    pub certificate: Vec<u8>,
}

/// How many members are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Live ones.
    pub live: u32,
    /// Removed and remembered.
    pub removed: u32,
    /// Left and remembered.
    pub left: u32,
}

/// All members known.
#[derive(Debug, Default)]
pub struct Directory {
    members: BTreeMap<u32, Member>,
    removals: VecDeque<Removal>,
    totals: Totals,
    refused: u64,
}

impl Directory {
    /// Nobody known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A member takes part; an older being than the one known changes nothing. Whether anything changed.
    pub fn joined(&mut self, record: &MemberRecord, unix_ns: u64) -> bool {
        let identity = record.identity;
        if let Some(known) = self.members.get_mut(&identity.id.get()) {
            let (old, new) = ((known.boot_inc, known.life), (identity.boot_inc, identity.life));
            // A removed being does not come back as itself: only a later one does (`decisions:CLU-7`).
            if new < old || (new == old && known.standing != Standing::Live) {
                return false;
            }
            if new == old && known.record.as_deref() == Some(record) {
                return false;
            }
        } else if self.members.len() >= MAX_MEMBERS && !self.make_room() {
            self.refused += 1;
            return false;
        }
        let since_unix_s = (unix_ns / 1_000_000_000) as u32;
        let known = self.members.entry(identity.id.get()).or_insert(Member {
            boot_inc: 0,
            since_unix_s,
            life: 0,
            standing: Standing::Left,
            record: None,
        });
        if known.record.is_some() || known.boot_inc != 0 || known.life != 0 {
            count(&mut self.totals, known.standing, -1);
        }
        if known.standing != Standing::Live || known.boot_inc != identity.boot_inc {
            known.since_unix_s = since_unix_s;
        }
        (known.boot_inc, known.life, known.standing) = (identity.boot_inc, identity.life, Standing::Live);
        known.record = Some(Box::new(*record));
        count(&mut self.totals, Standing::Live, 1);
        true
    }

    /// A member is out; `certificate` is why, if it was removed.
    pub fn ended(&mut self, identity: Identity, standing: Standing, certificate: &[u8], unix_ns: u64) {
        let kind = if standing == Standing::Left { "left" } else { "dead" };
        self.remember(Removal { identity, kind, at_unix_ns: unix_ns, certificate: certificate.to_vec() });
        let Some(known) = self.members.get_mut(&identity.id.get()) else { return };
        if (known.boot_inc, known.life) > (identity.boot_inc, identity.life) {
            return;
        }
        count(&mut self.totals, known.standing, -1);
        (known.boot_inc, known.life, known.standing) = (identity.boot_inc, identity.life, standing);
        known.since_unix_s = (unix_ns / 1_000_000_000) as u32;
        count(&mut self.totals, standing, 1);
    }

    /// Writes down an end that is no death: `undone`, `quarantined`.
    pub fn remember(&mut self, removal: Removal) {
        if self.removals.len() == MAX_REMOVALS {
            self.removals.pop_front();
        }
        self.removals.push_back(removal);
    }

    /// Drops all memory of one that does not take part. False when it is unknown or takes part.
    pub fn forget(&mut self, id: u32) -> bool {
        match self.members.get(&id) {
            Some(known) if known.standing != Standing::Live => {
                count(&mut self.totals, known.standing, -1);
                self.members.remove(&id);
                true
            }
            _ => false,
        }
    }

    fn make_room(&mut self) -> bool {
        let gone = self.members.iter().filter(|(_, member)| member.standing != Standing::Live);
        let oldest = gone.min_by_key(|(_, member)| member.since_unix_s).map(|(id, _)| *id);
        oldest.is_some_and(|id| self.forget(id))
    }

    /// The number of a node given by number or name, live ones first.
    #[must_use]
    pub fn find(&self, name_or_number: &str) -> Option<u32> {
        let number = name_or_number.strip_prefix('n').unwrap_or(name_or_number);
        if let Some(id) = number.parse().ok().filter(|id| self.members.contains_key(id)) {
            return Some(id);
        }
        let named = |live: bool| {
            let mut all = self.members.iter().filter(move |(_, member)| (member.standing == Standing::Live) == live);
            all.find(|(_, member)| member.record.as_ref().is_some_and(|record| record.name.as_str() == name_or_number))
        };
        named(true).or_else(|| named(false)).map(|(id, _)| *id)
    }

    /// The record of a member.
    #[must_use]
    pub fn record(&self, id: u32) -> Option<&MemberRecord> {
        self.members.get(&id)?.record.as_deref()
    }

    /// Name of a member; empty while unknown.
    #[must_use]
    pub fn name(&self, id: u32) -> &str {
        self.record(id).map_or("", |record| record.name.as_str())
    }

    /// What a member is now.
    #[must_use]
    pub fn standing(&self, id: u32) -> Option<Standing> {
        self.members.get(&id).map(|member| member.standing)
    }

    /// Records of all that take part, ascending.
    pub fn live(&self) -> impl Iterator<Item = &MemberRecord> {
        let live = self.members.values().filter(|member| member.standing == Standing::Live);
        live.filter_map(|member| member.record.as_deref())
    }

    /// The `most` live members nearest to `position` by (distance, id), without `me`: candidates for neighbourhood.
    #[must_use]
    pub fn nearest(&self, me: u32, position: [i16; 3], most: usize) -> Vec<&MemberRecord> {
        let mut all: Vec<&MemberRecord> = self.live().filter(|record| record.identity.id.get() != me).collect();
        let distance = |record: &MemberRecord| -> u64 {
            let axes = record.position.iter().zip(position);
            axes.map(|(&there, here)| (i64::from(there) - i64::from(here)).pow(2) as u64).sum()
        };
        all.sort_by_key(|record| (distance(record), record.identity.id));
        all.truncate(most);
        all
    }

    /// Ends of members, newest first.
    pub fn removals(&self) -> impl Iterator<Item = &Removal> {
        self.removals.iter().rev()
    }

    /// How many are known.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Members not taken because everything is full of live ones.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

fn count(totals: &mut Totals, standing: Standing, by: i32) {
    let of = match standing {
        Standing::Live => &mut totals.live,
        Standing::Removed => &mut totals.removed,
        Standing::Left => &mut totals.left,
    };
    *of = of.saturating_add_signed(by);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ekk::id::NodeId;
    use ekk::membership::record::Name;

    const S: u64 = 1_000_000_000;

    fn record(id: u32, boot_inc: u32, life: u16) -> MemberRecord {
        let id = NodeId::new(id).expect("a node");
        let mut record = MemberRecord::bare(Identity { id, boot_inc, life });
        record.name = Name::new(&format!("node-{id}")).expect("short");
        record.position = [id.get() as i16, 0, 0];
        record
    }

    // decisions:CLU-7: a removed being stays removed; a later one takes its place.
    #[test]
    fn beings_follow_each_other() {
        let mut directory = Directory::new();
        assert!(directory.joined(&record(3, 1, 0), S));
        assert!(!directory.joined(&record(3, 1, 0), 2 * S), "known");
        directory.ended(record(3, 1, 0).identity, Standing::Removed, &[1, 2], 3 * S);
        assert_eq!(directory.totals(), Totals { live: 0, removed: 1, left: 0 });
        assert!(!directory.joined(&record(3, 1, 0), 4 * S), "dead is final");
        assert!(directory.joined(&record(3, 1, 1), 5 * S));
        assert_eq!(directory.totals(), Totals { live: 1, removed: 0, left: 0 });
        directory.ended(record(3, 1, 0).identity, Standing::Removed, &[], 6 * S);
        assert_eq!(directory.standing(3), Some(Standing::Live), "the end of an earlier being");
        directory.ended(record(3, 1, 1).identity, Standing::Left, &[], 7 * S);
        assert_eq!(directory.totals(), Totals { live: 0, removed: 0, left: 1 });
        let kinds: Vec<(&str, usize)> = directory.removals().map(|end| (end.kind, end.certificate.len())).collect();
        assert_eq!(kinds, [("left", 0), ("dead", 0), ("dead", 2)]);
        assert!(directory.forget(3) && !directory.forget(3));
        assert_eq!(directory.totals(), Totals::default());
    }

    // decisions:CLU-3: bounded; who is gone longest makes room, live ones never do.
    #[test]
    fn a_full_directory_forgets_who_is_gone_longest() {
        let mut directory = Directory::new();
        for id in 1..=MAX_MEMBERS as u32 {
            assert!(directory.joined(&record(id, 1, 0), S));
        }
        assert!(!directory.joined(&record(99_999, 1, 0), S));
        assert_eq!(directory.refused(), 1);
        directory.ended(record(7, 1, 0).identity, Standing::Removed, &[], 9 * S);
        directory.ended(record(5, 1, 0).identity, Standing::Removed, &[], 8 * S);
        assert!(directory.joined(&record(99_999, 1, 0), S));
        assert_eq!((directory.standing(5), directory.standing(7)), (None, Some(Standing::Removed)));
        assert_eq!(directory.totals(), Totals { live: MAX_MEMBERS as u32 - 1, removed: 1, left: 0 });
    }

    #[test]
    fn members_are_found_and_ordered() {
        let mut directory = Directory::new();
        for id in [9, 2, 5, 7] {
            directory.joined(&record(id, 1, 0), S);
        }
        assert_eq!((directory.find("5"), directory.find("n5"), directory.find("node-9")), (Some(5), Some(5), Some(9)));
        assert_eq!((directory.find("6"), directory.find("nobody")), (None, None));
        let near: Vec<u32> = directory.nearest(5, [6, 0, 0], 2).iter().map(|record| record.identity.id.get()).collect();
        assert_eq!(near, [7, 9]);
    }
}
