//! Which of two connections of the same two nodes is kept; what two boots on one certificate are.

use std::net::SocketAddr;

/// A connection, as the decision sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Side {
    /// Boot id of the peer.
    pub(super) boot_id: u64,
    /// Boot incarnation of the peer.
    pub(super) boot_inc: u32,
    /// True when this node dialled.
    pub(super) dialled: bool,
    /// Address of the peer.
    pub(super) address: SocketAddr,
}

/// What becomes of a connection that just said hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is kept; one that was there goes.
    Take,
    /// It waits for the own dial, which has precedence.
    Hold,
    /// The one that is there is asked whether it lives: if so it stays, otherwise the new one is kept.
    Probe,
}

/// Decides; both ends come to the same, because the one dialled by the lower number has precedence.
pub(super) fn decide(present: Option<Side>, fresh: Side, me: u32, peer: u32, dialling: bool) -> Decision {
    let has_precedence = |side: &Side| side.dialled == (me < peer);
    let Some(present) = present else {
        return if dialling && !fresh.dialled && !has_precedence(&fresh) { Decision::Hold } else { Decision::Take };
    };
    if present.boot_id == fresh.boot_id {
        // A peer dials anew only when it has lost what there was.
        let again = present.dialled == fresh.dialled;
        return if again || has_precedence(&fresh) { Decision::Take } else { Decision::Probe };
    }
    // A later boot behind the very same socket: the former one is gone, or it could not have bound the port.
    let restarted = fresh.boot_inc > present.boot_inc && fresh.address == present.address;
    if restarted { Decision::Take } else { Decision::Probe }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(boot_id: u64, dialled: bool) -> Side {
        let address = "10.0.0.1:1".parse().expect("an address");
        Side { boot_id, boot_inc: boot_id as u32, dialled, address }
    }

    /// Whatever the order in which the two ends see two dials of the same moment, they keep the same connection.
    #[test]
    fn both_ends_keep_the_connection_the_lower_dialled() {
        // The lower end, 1: its own dial is kept over the one that came in.
        assert_eq!(decide(None, side(7, false), 1, 2, true), Decision::Hold);
        assert_eq!(decide(None, side(7, true), 1, 2, true), Decision::Take);
        assert_eq!(decide(Some(side(7, false)), side(7, true), 1, 2, false), Decision::Take);
        assert_eq!(decide(Some(side(7, true)), side(7, false), 1, 2, false), Decision::Probe);
        // The higher end, 2: the one that came in is kept over its own.
        assert_eq!(decide(None, side(7, false), 2, 1, true), Decision::Take);
        assert_eq!(decide(Some(side(7, true)), side(7, false), 2, 1, false), Decision::Take);
        assert_eq!(decide(Some(side(7, false)), side(7, true), 2, 1, false), Decision::Probe);
    }

    #[test]
    fn a_peer_that_dials_again_has_lost_the_former() {
        for dialled in [true, false] {
            assert_eq!(decide(Some(side(7, dialled)), side(7, dialled), 1, 2, false), Decision::Take);
            assert_eq!(decide(Some(side(7, dialled)), side(7, dialled), 2, 1, false), Decision::Take);
        }
    }

    /// `decisions:CLU-7`: another boot is a restart only where that is certain; otherwise the former one is asked.
    #[test]
    fn another_boot_is_a_restart_or_is_asked_about() {
        let (old, new) = (side(7, false), side(8, false));
        assert_eq!(decide(Some(old), new, 1, 2, false), Decision::Take);
        assert_eq!(decide(Some(new), old, 1, 2, false), Decision::Probe, "an earlier incarnation");
        let twin = Side { boot_id: 9, ..old };
        assert_eq!(decide(Some(old), twin, 1, 2, false), Decision::Probe, "the same incarnation twice");
        let elsewhere = Side { address: "10.0.0.2:1".parse().expect("an address"), ..new };
        assert_eq!(decide(Some(old), elsewhere, 1, 2, false), Decision::Probe);
    }
}
