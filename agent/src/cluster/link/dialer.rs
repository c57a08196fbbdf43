//! Which sessions are wanted, and what waits for them: on demand, a few a second, with patience (`decisions:CLU-5`).

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::cluster::bridge::{Target, Why};

/// Nodes that may be wanted at once.
const WANTED_MAX: usize = 256;
/// Messages held for sessions that are not up yet, all nodes together, and for one node.
const HELD_MAX: usize = 128;
const HELD_PER_NODE: usize = 4;
/// Bytes of a held message: `ekk` sends no longer ones.
const MESSAGE_BYTES: usize = 1_400;
/// How long a message waits for its session, ns.
const HELD_NS: u64 = 2_000_000_000;
/// Patience between two dials of one node, doubled each time, ns.
const FIRST_NS: u64 = 250_000_000;
const LAST_NS: u64 = 5_000_000_000;
/// After a refusal that only a person can lift, ns.
const HOPELESS_NS: u64 = 30_000_000_000;

#[derive(Debug, Clone, Copy)]
struct Dial {
    why: Why,
    /// Wanted until then; a session that nobody asks for any longer is not dialled again.
    until_ns: u64,
    next_ns: u64,
    patience_ns: u64,
}

#[derive(Debug, Clone, Copy)]
struct Seed {
    address: SocketAddr,
    next_ns: u64,
    patience_ns: u64,
}

#[derive(Debug)]
struct Held {
    to: u32,
    length: usize,
    at_ns: u64,
    bytes: [u8; MESSAGE_BYTES],
}

/// Wanted sessions.
#[derive(Debug)]
pub(super) struct Dialer {
    wanted: BTreeMap<u32, Dial>,
    seeds: Vec<Seed>,
    held: Vec<Held>,
    per_s: u32,
    tokens_milli: u64,
    filled_ns: u64,
    /// Messages that found no place, or waited too long.
    pub(super) dropped: u64,
    /// Dials begun.
    pub(super) dials: u64,
}

impl Dialer {
    pub(super) fn new(seeds: &[SocketAddr], per_s: u32) -> Self {
        let seeds = seeds.iter().map(|&address| Seed { address, next_ns: 0, patience_ns: FIRST_NS }).collect();
        let tokens_milli = u64::from(per_s) * 1_000;
        let held = Vec::with_capacity(HELD_MAX);
        Self { wanted: BTreeMap::new(), seeds, held, per_s, tokens_milli, filled_ns: 0, dropped: 0, dials: 0 }
    }

    /// One more seed.
    pub(super) fn seed(&mut self, address: SocketAddr) {
        self.seeds.push(Seed { address, next_ns: 0, patience_ns: FIRST_NS });
    }

    /// A session with `peer` is wanted for the next `for_ns`.
    pub(super) fn want(&mut self, peer: u32, why: Why, now_ns: u64, for_ns: u64) {
        if let Some(dial) = self.wanted.get_mut(&peer) {
            dial.until_ns = dial.until_ns.max(now_ns.saturating_add(for_ns));
            if why != Why::Message {
                dial.why = why;
            }
        } else if self.wanted.len() < WANTED_MAX {
            let until_ns = now_ns.saturating_add(for_ns);
            self.wanted.insert(peer, Dial { why, until_ns, next_ns: now_ns, patience_ns: FIRST_NS });
        }
    }

    /// Why a session with `peer` is wanted, if it is.
    pub(super) fn why(&self, peer: u32) -> Option<Why> {
        self.wanted.get(&peer).map(|dial| dial.why)
    }

    /// Keeps a message until the session is up.
    pub(super) fn hold(&mut self, to: u32, bytes: &[u8], now_ns: u64) {
        let mine = self.held.iter().filter(|held| held.to == to).count();
        if mine == HELD_PER_NODE || self.held.len() == HELD_MAX || bytes.len() > MESSAGE_BYTES {
            self.dropped += 1;
            return;
        }
        let mut held = Held { to, length: bytes.len(), at_ns: now_ns, bytes: [0; MESSAGE_BYTES] };
        held.bytes[..bytes.len()].copy_from_slice(bytes);
        self.held.push(held);
    }

    /// The session is up: gives what waited for it to `send`, oldest first.
    pub(super) fn connected(&mut self, peer: u32, mut send: impl FnMut(&[u8])) {
        self.wanted.remove(&peer);
        self.held.retain(|held| {
            if held.to == peer {
                send(&held.bytes[..held.length]);
            }
            held.to != peer
        });
    }

    /// A dial came to nothing.
    pub(super) fn failed(&mut self, target: Target, hopeless: bool, now_ns: u64) {
        if !hopeless {
            return;
        }
        match target {
            Target::Node { id, .. } => {
                if let Some(dial) = self.wanted.get_mut(&id) {
                    dial.next_ns = now_ns.saturating_add(HOPELESS_NS);
                }
            }
            Target::Seed { address } => {
                for seed in self.seeds.iter_mut().filter(|seed| seed.address == address) {
                    seed.next_ns = now_ns.saturating_add(HOPELESS_NS);
                }
            }
        }
    }

    /// Dials who is due; `seeds` = whether seeds are asked, too. `address` knows where a node's reliable plane is.
    pub(super) fn turn(
        &mut self,
        now_ns: u64,
        seeds: bool,
        address: impl Fn(u32) -> Option<SocketAddr>,
        connected: impl Fn(u32) -> bool,
        mut dial: impl FnMut(Target, Why) -> bool,
    ) {
        let before = self.held.len();
        self.held.retain(|held| now_ns.saturating_sub(held.at_ns) < HELD_NS);
        self.dropped += (before - self.held.len()) as u64;
        self.wanted.retain(|peer, wanted| wanted.until_ns > now_ns && !connected(*peer));
        let full = u64::from(self.per_s) * 1_000;
        let passed_us = now_ns.saturating_sub(self.filled_ns) / 1_000;
        self.tokens_milli = full.min(self.tokens_milli + passed_us.saturating_mul(u64::from(self.per_s)) / 1_000);
        self.filled_ns = now_ns;
        let mut tokens = self.tokens_milli / 1_000;
        for (&id, wanted) in self.wanted.iter_mut().filter(|(_, wanted)| wanted.next_ns <= now_ns) {
            let Some(address) = address(id) else { continue };
            if tokens == 0 || !dial(Target::Node { id, address }, wanted.why) {
                break;
            }
            tokens -= 1;
            self.tokens_milli -= 1_000;
            self.dials += 1;
            wanted.next_ns = now_ns.saturating_add(wanted.patience_ns);
            wanted.patience_ns = (wanted.patience_ns * 2).min(LAST_NS);
        }
        for seed in self.seeds.iter_mut().filter(|seed| seeds && seed.next_ns <= now_ns) {
            if tokens == 0 || !dial(Target::Seed { address: seed.address }, Why::Bootstrap) {
                break;
            }
            tokens -= 1;
            self.tokens_milli -= 1_000;
            self.dials += 1;
            seed.next_ns = now_ns.saturating_add(seed.patience_ns);
            seed.patience_ns = (seed.patience_ns * 2).min(LAST_NS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn somewhere(id: u32) -> Option<SocketAddr> {
        Some(([127, 0, 0, 1], id as u16).into())
    }

    fn dials(dialer: &mut Dialer, now_ns: u64, up: &[u32]) -> Vec<u32> {
        let mut dialled = Vec::new();
        dialer.turn(
            now_ns,
            true,
            somewhere,
            |peer| up.contains(&peer),
            |target, _| {
                dialled.push(match target {
                    Target::Node { id, .. } => id,
                    Target::Seed { address } => 1_000_000 + u32::from(address.port()),
                });
                true
            },
        );
        dialled
    }

    // decisions:CLU-5: so many a second and no more, each again after a patience that grows, until it is up or no longer wanted.
    #[test]
    fn dials_are_capped_and_patient() {
        let mut dialer = Dialer::new(&[([127, 0, 0, 1], 9).into()], 4);
        for peer in 1..=6 {
            dialer.want(peer, Why::Watch, 0, 60_000 * MS);
        }
        assert_eq!(dials(&mut dialer, 0, &[]), [1, 2, 3, 4]);
        assert!(dials(&mut dialer, MS, &[]).is_empty());
        assert_eq!(dials(&mut dialer, 251 * MS, &[]), [1], "one token in a quarter of a second");
        assert_eq!(dials(&mut dialer, 2_000 * MS, &[1, 2, 3]), [4, 5, 6, 1_000_009]);
        dialer.failed(Target::Node { id: 4, address: ([127, 0, 0, 1], 4).into() }, true, 2_000 * MS);
        assert_eq!(dials(&mut dialer, 4_000 * MS, &[1, 2, 3]), [5, 6, 1_000_009]);
        assert_eq!((dialer.why(4), dialer.why(1)), (Some(Why::Watch), None));
        assert_eq!(dials(&mut dialer, 61_000 * MS, &[]), [1_000_009], "nobody is wanted any longer");
    }

    #[test]
    fn messages_wait_for_their_session_and_not_for_ever() {
        let mut dialer = Dialer::new(&[], 4);
        for at in 0..6u8 {
            dialer.hold(7, &[at], 0);
        }
        dialer.hold(8, &[9], 0);
        dialer.hold(8, &[0; 1_401], 0);
        let mut sent = Vec::new();
        dialer.connected(7, |bytes| sent.push(bytes[0]));
        assert_eq!((sent, dialer.dropped), (vec![0, 1, 2, 3], 3));
        dialer.turn(HELD_NS, false, somewhere, |_| false, |_, _| true);
        dialer.connected(8, |_| panic!("it waited too long"));
        assert_eq!(dialer.dropped, 4);
    }
}
