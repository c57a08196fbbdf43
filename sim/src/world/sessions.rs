//! Sessions between nodes, as the link keeps them (`decisions:CLU-5`): at most 32 a node, the least recently used goes; a
//! datagram to somebody without one waits for a hand-shake; a datagram is taken at most once (the replay window of `link`).

use link::window::{Verdict, Window};

/// Most sessions of a node.
pub const SESSIONS_MAX: usize = 32;
/// Most datagrams that wait for one hand-shake.
pub const HELD_MAX: usize = 4;
/// Hand-shakes a node begins a second.
pub const HANDSHAKES_PER_S: u32 = 64;
/// The three flights of a QUIC hand-shake with certificates: datagrams and bytes of each. Those after a lost one are not sent.
pub const FLIGHTS: [(u64, u64); 3] = [(1, 1_250), (3, 2_700), (1, 1_250)];
/// First wait before a hand-shake is tried again, ns; doubled each time.
pub const RETRY_NS: u64 = 300_000_000;
/// Tries of a hand-shake before what waits for it is dropped.
pub const TRIES_MAX: u8 = 4;

/// One side of a session.
#[derive(Debug, Clone)]
struct Session {
    peer: u32,
    /// Number of the hand-shake that agreed the keys, the same on both sides.
    key: u64,
    used_ns: u64,
    sent: u64,
    window: Window<4>,
}

/// The sessions of one node.
#[derive(Debug, Clone, Default)]
pub struct Sessions {
    list: Vec<Session>,
    budget: u32,
    budget_from_ns: u64,
}

/// What became of a datagram at its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// New.
    Fresh,
    /// Seen before, or too old to know.
    Replayed,
    /// No session, or other keys.
    NoSession,
}

impl Sessions {
    /// Number of sessions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// True without any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The keys shared with a peer.
    #[must_use]
    pub fn key(&self, peer: u32) -> Option<u64> {
        self.list.iter().find(|session| session.peer == peer).map(|session| session.key)
    }

    /// Sequence number of the next datagram to `peer`, with the keys it is sealed by; `None` without a session.
    pub fn next_sequence(&mut self, peer: u32, now_ns: u64) -> Option<(u64, u64)> {
        let session = self.list.iter_mut().find(|session| session.peer == peer)?;
        session.used_ns = now_ns;
        session.sent += 1;
        Some((session.sent, session.key))
    }

    /// A datagram with `sequence` came from `peer`, sealed by `key`.
    pub fn take(&mut self, peer: u32, key: u64, sequence: u64, now_ns: u64) -> Taken {
        let found = self.list.iter_mut().find(|session| session.peer == peer && session.key == key);
        let Some(session) = found else { return Taken::NoSession };
        if session.window.check(sequence) != Verdict::Fresh {
            return Taken::Replayed;
        }
        session.window.take(sequence);
        session.used_ns = now_ns;
        Taken::Fresh
    }

    /// Installs a session; returns the peer whose session had to go for it.
    pub fn install(&mut self, peer: u32, key: u64, now_ns: u64) -> Option<u32> {
        self.remove(peer);
        let gone = (self.list.len() >= SESSIONS_MAX).then(|| {
            let oldest =
                self.list.iter().enumerate().min_by_key(|(_, session)| session.used_ns).map_or(0, |(at, _)| at);
            self.list.swap_remove(oldest).peer
        });
        self.list.push(Session { peer, key, used_ns: now_ns, sent: 0, window: Window::new() });
        gone
    }

    /// Ends the session with `peer`.
    pub fn remove(&mut self, peer: u32) {
        self.list.retain(|session| session.peer != peer);
    }

    /// Whether one more hand-shake may begin; counts it.
    pub fn may_shake(&mut self, now_ns: u64) -> bool {
        if now_ns.saturating_sub(self.budget_from_ns) >= 1_000_000_000 {
            (self.budget, self.budget_from_ns) = (0, now_ns);
        }
        self.budget += 1;
        self.budget <= HANDSHAKES_PER_S
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut sessions = Sessions::default();
        for peer in 0..SESSIONS_MAX as u32 {
            assert_eq!(sessions.install(peer, 1, u64::from(peer)), None);
        }
        assert_eq!(sessions.next_sequence(0, 1_000), Some((1, 1)));
        assert_eq!(sessions.install(99, 1, 1_001), Some(1), "0 was used since");
        assert!(sessions.key(0) == Some(1) && sessions.key(1).is_none() && sessions.len() == SESSIONS_MAX);
    }

    #[test]
    fn a_datagram_is_taken_once_and_by_the_right_keys() {
        let mut sessions = Sessions::default();
        sessions.install(5, 2, 0);
        assert_eq!(sessions.take(5, 2, 1, 0), Taken::Fresh);
        assert_eq!(sessions.take(5, 2, 1, 0), Taken::Replayed);
        assert_eq!(sessions.take(5, 1, 2, 0), Taken::NoSession, "earlier keys");
        assert_eq!(sessions.take(6, 2, 2, 0), Taken::NoSession);
        sessions.install(5, 3, 0);
        assert_eq!(sessions.take(5, 3, 1, 0), Taken::Fresh, "new keys count from the start");
    }

    #[test]
    fn handshakes_are_capped_each_second() {
        let mut sessions = Sessions::default();
        let begun = (0..200).filter(|_| sessions.may_shake(5_000_000_000)).count();
        assert_eq!(begun, HANDSHAKES_PER_S as usize);
        assert!(sessions.may_shake(6_000_000_000));
    }
}
