//! Conservation of messages (`rse:B3`, `decisions:NODE-8`): what can be said about a pair of tori at any moment.
//!
//! A counter in a projection is older than the reader's own. So each side can check one bound, always true of a pair that loses
//! and invents nothing:
//!
//! - the *sender* reads the receiver's count first, its own second: `received <= sent`;
//! - the *receiver* reads the sender's count first, its own second: `sent - received <= ring capacity`;
//! - the receiver that found the ring empty in between: `received >= sent`;
//! - the sender that found its ring empty, by the second projection after that: the same ([`Emptied`]; in mode `ring` the
//!   receiver does not read the sender's projection).
//!
//! The first and either of the last two together are equality once nothing moves. Beside the pair, each projection must balance
//! in itself (`rse:T4`); summed over all tori that is the identity of the whole braid.

use super::decision::Link;
use crate::Counters;
use crate::projection::native::Account;

/// Which bound was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The peer received more than was sent to it.
    ReceivedMoreThanSent,
    /// More is under way than the ring can hold.
    BeyondRing,
    /// The ring is empty and something sent never arrived.
    LostOnTheWay,
    /// The peer's own counters do not balance.
    Unbalanced,
}

/// A break of conservation: something was lost or invented between two tori.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Break {
    /// The peer.
    pub peer: u8,
    /// Which bound.
    pub bound: Bound,
    /// Messages sent, as known here.
    pub sent: u64,
    /// Messages received, as known here.
    pub received: u64,
}

/// Checks a pair: `link` is the reader's own and current, `account` what the peer's projection says about the reader.
/// `None` = holds, or the two do not speak of the same boots yet.
#[must_use]
pub fn pair(peer: u8, own_boot: u64, peer_boot: u64, link: &Link, account: &Account, capacity: u64) -> Option<Break> {
    let found = |bound, sent, received| Some(Break { peer, bound, sent, received });
    if account.boot != own_boot || link.boot != peer_boot {
        return None;
    }
    if account.received > link.sent {
        return found(Bound::ReceivedMoreThanSent, link.sent, account.received);
    }
    let under_way = account.sent.saturating_sub(link.received);
    if under_way > capacity {
        return found(Bound::BeyondRing, account.sent, link.received);
    }
    if link.drained && under_way > 0 {
        return found(Bound::LostOnTheWay, account.sent, link.received);
    }
    None
}

/// What a sender had sent when it found its ring empty: all of it has been taken out, so the second projection read after that
/// must count it as received. (The first one read may have been published before the ring was looked at; the second was
/// published after the first was read.)
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Emptied {
    mark: Option<(u64, bool)>,
}

impl Emptied {
    /// The ring to the peer was looked at and is empty, `sent` messages went through it.
    pub fn look(&mut self, sent: u64) {
        self.mark.get_or_insert((sent, false));
    }

    /// A projection of the peer that says `received` was read.
    pub fn read(&mut self, peer: u8, received: u64) -> Option<Break> {
        let (sent, second) = self.mark?;
        self.mark = (!second).then_some((sent, true));
        (second && received < sent).then_some(Break { peer, bound: Bound::LostOnTheWay, sent, received })
    }
}

/// Checks that a peer's counters balance in themselves.
#[must_use]
pub fn own_balance(peer: u8, counters: &Counters) -> Option<Break> {
    let unbalanced = Break { peer, bound: Bound::Unbalanced, sent: counters.handed_out, received: counters.handed_in };
    (!counters.conserved()).then_some(unbalanced)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: u64 = 11;
    const PEER: u64 = 22;

    fn check(link: (u64, u64, bool), account: (u64, u64)) -> Option<Bound> {
        let link = Link { boot: PEER, sent: link.0, received: link.1, drained: link.2, credit: 0 };
        let account = Account { boot: ME, sent: account.0, received: account.1, applied_seq: 0 };
        pair(1, ME, PEER, &link, &account, 64).map(|found| found.bound)
    }

    /// `rse:B3`: every bound holds at its edge and breaks one beyond.
    #[test]
    fn bounds_at_their_edges_b3() {
        assert_eq!(check((10, 0, false), (0, 10)), None);
        assert_eq!(check((10, 0, false), (0, 11)), Some(Bound::ReceivedMoreThanSent));
        assert_eq!(check((1_000_000, 0, false), (0, 10)), None, "a stale count of the receiver is no upper bound");
        assert_eq!(check((0, 36, false), (100, 0)), None);
        assert_eq!(check((0, 35, false), (100, 0)), Some(Bound::BeyondRing));
        assert_eq!(check((0, 100, true), (100, 0)), None);
        assert_eq!(check((0, 99, true), (100, 0)), Some(Bound::LostOnTheWay));
        assert_eq!(check((0, 120, true), (100, 0)), None, "more may have come since");
    }

    /// `rse:B3`: the sender waits for the second projection after it saw its ring empty, and judges what was sent by then.
    #[test]
    fn an_emptied_ring_is_accounted_for_b3() {
        let mut emptied = Emptied::default();
        assert_eq!(emptied.read(1, 0), None);
        emptied.look(10);
        emptied.look(15);
        assert_eq!((emptied.read(1, 3), emptied.read(1, 10)), (None, None));
        emptied.look(15);
        assert_eq!(emptied.read(1, 14), None);
        assert_eq!(emptied.read(1, 14).map(|found| (found.bound, found.sent)), Some((Bound::LostOnTheWay, 15)));
        assert_eq!(emptied.read(1, 14), None, "said once for each look");
    }

    /// Counters about other boots are not compared.
    #[test]
    fn other_boots_say_nothing_b3() {
        let link = Link { boot: PEER, sent: 0, ..Link::default() };
        let account = Account { boot: ME + 1, received: 5, ..Account::default() };
        assert_eq!(pair(1, ME, PEER, &link, &account, 64), None);
        let account = Account { boot: ME, received: 5, ..Account::default() };
        assert!(pair(1, ME, PEER, &link, &account, 64).is_some());
        assert_eq!(pair(1, ME, PEER + 1, &link, &account, 64), None);
    }

    /// `rse:T4` of a peer, checked by a reader (`rse:B3`).
    #[test]
    fn a_peer_that_does_not_balance_is_seen_b3() {
        let counters = Counters { injected: 5, executed: 3, pending: 2, ..Counters::default() };
        assert_eq!(own_balance(2, &counters), None);
        let dropped = Counters { pending: 1, ..counters };
        assert_eq!(own_balance(2, &dropped).map(|found| found.bound), Some(Bound::Unbalanced));
    }
}
