//! One torus with its braid and its side of the exchange with each other one.

use std::collections::VecDeque;

use ekk::hash::mix;
use link::SendError;
use torus::braid::{Braid, Decision, Link, Own};
use torus::memory::Carver;
use torus::message::{Kind, Message, RECORD_BYTES};
use torus::projection::native::{Facts, Projection};
use torus::relay::{Relay, encode};
use torus::{Cell, Input, MAX_TORI, Torus, workload};

use super::{BATCH, Book, Ledger, RING, SMALL, Sabotage, TURN_NS, Tori, braid_config};
use crate::peer::SESSION;
use crate::peer::rider::{Line, STREAM};

/// Records in one command.
const RECORDS_MAX: usize = 12;
/// Cells of the cycle each torus works on.
const CYCLE: u32 = 64;
/// Hands are shaken anew with a peer that was not heard of for so long, ns.
const SILENT_NS: u64 = 1_000_000_000;

/// Another torus as seen from here.
#[derive(Debug, Default)]
struct Peer {
    /// Boot of its node's link; 0 = never met.
    boot: u64,
    /// Projections that came: its life line.
    beats: u64,
    heard_ns: u64,
    /// Handed over to it and not confirmed by a projection of it; the first `ahead` of them are on the link.
    ring: VecDeque<Message>,
    ahead: usize,
    /// Came from it and not applied yet, also of an earlier boot.
    inbox: VecDeque<Message>,
    /// Number of the last that came in this boot.
    last_seq: u64,
    /// The projection that waits longest for the messages it counts, the newest, and the one that may be looked at.
    held: Option<Box<Projection>>,
    newest: Option<Box<Projection>>,
    shown: Option<Box<Projection>>,
}

/// A torus in its place.
#[derive(Debug)]
pub struct Seat<'m> {
    node: u32,
    boot: u64,
    torus: Torus<'m, Relay<'m>>,
    braid: Braid,
    links: [Link; MAX_TORI],
    projection: Box<Projection>,
    peers: Vec<Peer>,
    turn_ns: u64,
    sent_seq: u64,
}

impl<'m> Seat<'m> {
    /// A torus without work; `None` when the memory does not do.
    pub(super) fn new(memory: &'m mut [u8], (node, boot): (u32, u64), tori: u8, now_ns: u64) -> Option<Self> {
        let mut carver = Carver::new(memory);
        let mut relay = Relay::new(&SMALL, &mut carver).ok()?;
        workload::cycle(&mut relay, CYCLE, 3).ok()?;
        let torus = Torus::new(&SMALL, &mut carver, relay, None).ok()?;
        Some(Self {
            node,
            boot,
            torus,
            braid: Braid::new(braid_config(), node as u8, boot, tori).ok()?,
            links: [Link::default(); MAX_TORI],
            projection: Box::new(Projection::new(node as u8, tori, boot)),
            peers: (0..tori).map(|_| Peer { heard_ns: now_ns, ..Peer::default() }).collect(),
            turn_ns: now_ns,
            sent_seq: 0,
        })
    }

    /// Puts tokens in; returns how many there was room for.
    pub(super) fn inject(&mut self, tokens: u32) -> u64 {
        let put = |torus: &mut Torus<'m, Relay<'m>>, token| {
            let cell = Cell::wrapped(token % CYCLE);
            torus.apply(&Input::Inject { dst: cell, src: cell, payload: encode(1), count: 1 }).accepted
        };
        (0..tokens).map(|token| put(&mut self.torus, token)).sum()
    }

    /// Another boot of a peer is another torus: what the earlier one did not confirm is in doubt (`decisions:CLU-12`).
    pub(super) fn session(&mut self, tori: &mut Tori<'_>, peer: u32, boot: u64, now_ns: u64) {
        let Some(at) = self.peers.get_mut(peer as usize).filter(|at| at.boot != boot) else { return };
        let inbox = std::mem::take(&mut at.inbox);
        let before = std::mem::replace(at, Peer { boot, heard_ns: now_ns, inbox, ..Peer::default() });
        self.links[peer as usize] = Link { boot, ..Link::default() };
        tori.ledger.in_doubt += before.ahead as u64;
        for (at, message) in before.ring.into_iter().enumerate() {
            // What never left is simply taken back.
            let redo = tori.work.redo || at >= before.ahead;
            if redo && tori.spoils(Sabotage::Forget) {
                tori.ledger.redone += 1;
            } else if redo && self.torus.admission_room() > 0 {
                self.torus.apply(&Input::Admit { from: peer as u8, token: message.token });
                tori.ledger.redone += 1;
            } else {
                tori.ledger.dropped += 1;
            }
        }
        self.write_down(&mut tori.ledger);
    }

    pub(super) fn projection(&mut self, peer: u32, boot: u64, bytes: &[u8], now_ns: u64) {
        let tori = self.peers.len() as u8;
        let Some(at) = self.peers.get_mut(peer as usize).filter(|at| at.boot == boot) else { return };
        let words: Vec<u64> =
            bytes.chunks_exact(8).map(|chunk| u64::from_ne_bytes(std::array::from_fn(|i| chunk[i]))).collect();
        let Ok(projection) = Projection::parse_words(&words) else { return };
        if u32::from(projection.torus) == peer && projection.boot == boot && projection.tori == tori {
            at.newest = Some(Box::new(*projection));
            at.beats += 1;
            at.heard_ns = now_ns;
            self.settle(peer as usize);
        }
    }

    /// Shows what need not wait any longer: all messages a projection counts as sent have come.
    fn settle(&mut self, peer: usize) {
        let (boot, me, at) = (self.boot, self.node as usize, &mut self.peers[peer]);
        loop {
            if at.held.is_none() {
                at.held = at.newest.take();
            }
            let Some(held) = at.held.take() else { return };
            let account = held.accounts[me];
            if account.boot == boot && account.sent > at.last_seq {
                at.held = Some(held);
                return;
            }
            if account.boot == boot {
                while at.ahead > 0 && at.ring.front().is_some_and(|message| message.seq <= account.received) {
                    at.ring.pop_front();
                    at.ahead -= 1;
                }
            }
            at.shown = Some(held);
        }
    }

    /// Records of a peer: each must be the next of its boot.
    pub(super) fn command(&mut self, ledger: &mut Ledger, peer: u32, bytes: &[u8]) {
        let Some(at) = self.peers.get_mut(peer as usize) else { return };
        for record in bytes.chunks(RECORD_BYTES) {
            let message = <&[u8; RECORD_BYTES]>::try_from(record).ok().and_then(|record| Message::parse(record).ok());
            match message {
                Some(message) if message.boot == at.boot && message.seq == at.last_seq + 1 => {
                    at.last_seq = message.seq;
                    at.inbox.push_back(message);
                }
                _ => ledger.wrong += 1,
            }
        }
        self.settle(peer as usize);
    }

    fn admit(&mut self, tori: &mut Tori<'_>) {
        for (peer, at) in self.peers.iter_mut().enumerate() {
            while self.torus.admission_room() > 1 {
                let Some(message) = at.inbox.pop_front() else { break };
                let times = 1 + u32::from(tori.spoils(Sabotage::Double)) - u32::from(tori.spoils(Sabotage::Lose));
                for _ in 0..times {
                    self.torus.apply(&Input::Admit { from: peer as u8, token: message.token });
                }
                tori.ledger.flow(message.boot, self.boot).taken += 1;
                // Of an earlier boot of the peer nobody counts any more.
                self.links[peer].received += u64::from(message.boot == at.boot);
            }
        }
    }

    /// Inputs, a batch, an exchange when one is due, and what goes out.
    pub(super) fn turn(&mut self, tori: &mut Tori<'_>, line: &mut Line<'_>) {
        let now_ns = line.now_ns;
        self.turn_ns = now_ns + TURN_NS;
        for (peer, at) in self.peers.iter().enumerate().filter(|(_, at)| at.boot != 0) {
            self.braid.heard(peer as u8, at.boot, at.beats, now_ns);
        }
        self.admit(tori);
        self.torus.run(BATCH);
        if self.braid.due(self.torus.counters().executed, now_ns) {
            self.exchange(tori, now_ns);
            self.project(&mut tori.ledger, line);
        }
        self.forward(line);
        for (peer, at) in self.peers.iter_mut().enumerate().filter(|(peer, _)| *peer != self.node as usize) {
            let silent = now_ns.saturating_sub(at.heard_ns) >= SILENT_NS;
            if silent || !line.endpoint.has_session(peer as u32 + 1) {
                at.heard_ns = if silent { now_ns } else { at.heard_ns };
                line.greet.push(peer as u32);
            }
        }
        self.write_down(&mut tori.ledger);
    }

    fn exchange(&mut self, tori: &mut Tori<'_>, now_ns: u64) {
        for source in self.braid.sources() {
            if let Some(shown) = &self.peers[usize::from(source)].shown {
                self.braid.observe(source, shown, now_ns);
            }
        }
        for (link, at) in self.links.iter_mut().zip(&self.peers) {
            link.credit = RING.saturating_sub(at.ring.len() as u64);
            link.drained = at.inbox.is_empty();
        }
        let decision = self.with_own(|braid, _, own| braid.decide(own, now_ns));
        tori.ledger.breaks += u64::from(decision.broken.is_some());
        for (peer, &count) in decision.lost.iter().enumerate().filter(|(_, count)| **count > 0) {
            self.torus.apply(&Input::Lost { peer: peer as u8, count });
        }
        if tori.sabotage != Sabotage::Idle {
            self.hand_over(&mut tori.ledger, &decision);
        }
    }

    fn hand_over(&mut self, ledger: &mut Ledger, decision: &Decision) {
        let Some(given) = decision.hand_over else { return };
        let (from, boot, link) = (self.node as u8, self.boot, &mut self.links[usize::from(given.to)]);
        let ring = &mut self.peers[usize::from(given.to)].ring;
        self.torus.hand_over(given.to, given.count, &mut |token| {
            link.sent += 1;
            ring.push_back(Message { kind: Kind::Token, from, boot, seq: link.sent, token });
        });
        ledger.flow(boot, link.boot).sent = link.sent;
    }

    fn project(&mut self, ledger: &mut Ledger, line: &mut Line<'_>) {
        self.with_own(|braid, projection, own| braid.project(projection, own, line.now_ns));
        let bytes: Vec<u8> = self.projection.words().iter().flat_map(|word| word.to_ne_bytes()).collect();
        self.sent_seq += 1;
        for peer in (0..self.peers.len() as u32).filter(|&peer| peer != self.node) {
            let (edge, seq) = (self.node as u8, self.sent_seq);
            let sealed =
                line.endpoint.seal_projection(line.now_ns, peer + 1, edge, self.boot, seq, &bytes, line.buffer);
            match sealed {
                Ok(_) => {
                    ledger.projections += 1;
                    line.buffer.datagrams().for_each(|datagram| line.out.send(peer, SESSION, datagram));
                }
                Err(SendError::Coalesced { .. }) => ledger.coalesced += 1,
                // No session yet: the next one will do.
                Err(_) => {}
            }
        }
    }

    /// Gives the link what was handed over, as far as its window goes.
    fn forward(&mut self, line: &mut Line<'_>) {
        for (peer, at) in self.peers.iter_mut().enumerate() {
            while at.ahead < at.ring.len() {
                let records: Vec<[u8; RECORD_BYTES]> =
                    at.ring.iter().skip(at.ahead).take(RECORDS_MAX).map(Message::encode).collect();
                let sent = line.endpoint.send_command(line.now_ns, peer as u32 + 1, STREAM, records.as_flattened());
                if sent.is_err() {
                    break;
                }
                at.ahead += records.len();
            }
        }
    }

    fn with_own<T>(&mut self, run: impl FnOnce(&mut Braid, &mut Projection, &Own<'_>) -> T) -> T {
        let counters = self.torus.counters();
        let facts = Facts {
            counters: &counters,
            faces: self.torus.faces(),
            load: self.torus.load(),
            room: self.torus.admission_room(),
            state_digest: self.torus.digest(),
            graph_digest: 0,
            coupled: false,
            cpu_permille: 0,
            health: 0,
        };
        run(&mut self.braid, &mut self.projection, &Own { facts, links: &self.links })
    }

    pub(super) fn write_down(&self, ledger: &mut Ledger) {
        let (counters, load, round) = (self.torus.counters(), self.torus.load().total(), self.braid.round());
        ledger.books.insert(self.boot, Book { node: self.node, counters, load, round, is_alive: true });
    }

    pub(super) const fn next_ns(&self) -> u64 {
        self.turn_ns
    }

    pub(super) fn digest(&self) -> u64 {
        let link = |link: &Link| mix(link.sent ^ link.received << 32 ^ link.boot);
        let links = self.links.iter().fold(0, |sum, next| mix(sum ^ link(next)));
        mix(self.torus.digest() ^ self.braid.round() << 40 ^ links)
    }
}
