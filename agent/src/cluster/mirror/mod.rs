//! Tori of other nodes as sides of the local region, so that a braid across hosts is the same code as in one process.
//!
//! The link thread claims the place of a remote torus and acts for it: publishes its projections, moves its life line while they
//! come, passes messages in both directions (exactly once: they travel as commands), and gives the place back when the node is
//! dead. What makes it "the same" is kept here:
//!
//! - a projection is published only when the messages it counts as sent are in our rings;
//! - a message leaves the ring of its sender only when the receiver's projection counts it as received, so a ring across hosts
//!   holds what is under way, its capacity is the credit, and what a dead peer left in doubt is still there
//!   (`decisions:CLU-12`);
//! - counts begin anew on both hosts at once, see [`pairing`].

mod live;
pub mod pairing;
pub mod rsepx;
pub mod wire;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use link::{Aead, Endpoint, Out, SendError};
use shm_transport::region::{Region, State};
use shm_transport::slot::{Read, SlotReader};
use torus::projection::native::WORDS;
use zerocopy::IntoBytes;

use self::live::Live;
use self::pairing::{Heard, Pairing};
use self::wire::{Command, Told};
use super::settings::{InDoubt, Remote};
use crate::runtime::events::Severity;

/// How often the boots of the local tori are looked at, ns.
const BOOTS_NS: u64 = 20_000_000;
/// How long a claim that failed waits for its next try, ns.
const CLAIM_RETRY_NS: u64 = 1_000_000_000;

/// A torus of this host, read for the others.
#[derive(Debug)]
struct Local<'r> {
    id: u8,
    reader: SlotReader<'r>,
}

/// A remote torus, standing or not.
#[derive(Debug)]
struct Mirror<'r> {
    id: u8,
    name: String,
    live: Option<Live<'r>>,
    applied: u64,
    missed: u64,
    refused: u64,
    in_doubt: u64,
    last_seq: u64,
    newest_ns: u64,
}

/// A node that runs remote tori.
#[derive(Debug)]
struct Host<'r> {
    node: u32,
    pairing: Pairing,
    /// Boot id of its link; 0 = no session.
    boot_id: u64,
    greeted: Option<(u64, u64)>,
    /// Its tori as it told them, and ours as we told them.
    theirs: Vec<Told>,
    ours: Vec<Told>,
    mirrors: Vec<Mirror<'r>>,
    /// Projections sent in this pairing, for each local torus: the sequence on the link.
    sent_seq: Vec<u64>,
    sent: u64,
    coalesced: u64,
    claim_ns: u64,
    complained: String,
}

/// What can be shown of one remote torus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorView {
    /// Name.
    pub name: String,
    /// Index in the braid.
    pub torus: u8,
    /// Its node.
    pub node: u32,
    /// It stands in the local region.
    pub live: bool,
    /// Projections applied.
    pub applied: u64,
    /// Projections missed.
    pub missed: u64,
    /// Projections that were none of it.
    pub refused: u64,
    /// Projections of ours sent to its node.
    pub sent: u64,
    /// Projections of ours left out because of the cap.
    pub coalesced: u64,
    /// Hand-overs that came into doubt.
    pub in_doubt: u64,
    /// When the newest projection came, ns; 0 = never.
    pub newest_ns: u64,
}

/// Says something to people.
pub type Tell<'t> = dyn FnMut(Severity, String) + 't;

/// Takes sealed datagrams: where to, bytes, size of each but the last when they are several.
pub type Send<'t> = dyn FnMut(SocketAddr, &[u8], Option<u16>) + 't;

/// All mirrors of a node.
#[derive(Debug)]
pub struct Mirrors<'r> {
    region: &'r Region,
    me: u32,
    policy: InDoubt,
    locals: Vec<Local<'r>>,
    hosts: Vec<Host<'r>>,
    /// Boots of the local tori, and when they are looked at again.
    boots: Option<Vec<Told>>,
    boots_ns: u64,
    words: Box<[u64; WORDS]>,
    command: Box<[u8; wire::BYTES_MAX]>,
    unknown: u64,
}

impl<'r> Mirrors<'r> {
    /// Mirrors for the remote tori of a braid in `region`. `seed` must differ from boot to boot.
    #[must_use]
    pub fn new(region: &'r Region, me: u32, remotes: &[Remote], policy: InDoubt, seed: u64) -> Self {
        let tori = region.geometry().tori;
        let is_remote = |id: u8| remotes.iter().any(|remote| remote.torus == id);
        let locals: Vec<Local<'r>> = (0..tori)
            .filter(|id| !is_remote(*id))
            .filter_map(|id| Some(Local { id, reader: region.view().reader(id)? }))
            .collect();
        let mut hosts: Vec<Host<'r>> = Vec::new();
        for remote in remotes.iter().filter(|remote| remote.torus < tori && remote.node != me) {
            let at = hosts.iter().position(|host| host.node == remote.node).unwrap_or_else(|| {
                hosts.push(Host::new(remote.node, pairing::mix(seed ^ u64::from(remote.node)), locals.len()));
                hosts.len() - 1
            });
            hosts[at].mirrors.push(Mirror::new(remote));
        }
        let words = Box::new([0; WORDS]);
        let command = Box::new([0; wire::BYTES_MAX]);
        Self { region, me, policy, locals, hosts, boots: None, boots_ns: 0, words, command, unknown: 0 }
    }

    /// Nodes that sessions must be kept with.
    pub fn nodes(&self) -> impl Iterator<Item = u32> + '_ {
        self.hosts.iter().map(|host| host.node)
    }

    /// There is nothing to mirror.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// A session with a node is up. Another boot of its link is another process: everything begins anew.
    pub fn session_up(&mut self, node: u32, boot_id: u64, tell: &mut Tell<'_>) {
        let policy = self.policy;
        let Some(host) = self.hosts.iter_mut().find(|host| host.node == node) else { return };
        if host.boot_id != boot_id {
            host.end(policy, "it was started again", false, tell);
            host.pairing.forget_peer();
            host.boot_id = boot_id;
            host.greeted = None;
        }
    }

    /// A node is dead, or left in order: its tori are given up.
    pub fn gone(&mut self, node: u32, why: &str, in_order: bool, tell: &mut Tell<'_>) {
        let policy = self.policy;
        if let Some(host) = self.hosts.iter_mut().find(|host| host.node == node) {
            host.end(policy, why, in_order, tell);
            host.pairing.begin_anew();
        }
    }

    /// Ends everything in order.
    pub fn finish(&mut self, tell: &mut Tell<'_>) {
        for host in &mut self.hosts {
            host.end(self.policy, "this node stops", true, tell);
        }
    }

    /// A projection of a remote torus came (at most once for each pairing and sequence: the link's word).
    pub fn projection(&mut self, node: u32, edge: u8, pair: u64, seq: u64, bytes: &[u8], now_ns: u64) {
        let first = self.me < node;
        let host = self.hosts.iter_mut().find(|host| host.node == node && host.pairing.pair(first) == Some(pair));
        let mirror = host.and_then(|host| host.mirrors.iter_mut().find(|mirror| mirror.id == edge));
        let Some((mirror, live)) = mirror.and_then(Mirror::standing) else {
            self.unknown += 1;
            return;
        };
        if live.import(bytes, now_ns) {
            *mirror.applied += 1;
            *mirror.missed += if *mirror.last_seq == 0 { 0 } else { seq.saturating_sub(*mirror.last_seq + 1) };
            (*mirror.last_seq, *mirror.newest_ns) = (seq, now_ns);
        } else {
            *mirror.refused += 1;
        }
    }

    /// A command of a node came, exactly once and in order. `false` = no room for it yet.
    pub fn command(&mut self, node: u32, bytes: &[u8], now_ns: u64, tell: &mut Tell<'_>) -> bool {
        let (first, tori, policy) = (self.me < node, self.region.geometry().tori, self.policy);
        let host = self.hosts.iter_mut().find(|host| host.node == node);
        let (Some(host), Some(command)) = (host, Command::parse(bytes)) else {
            self.unknown += 1;
            return true;
        };
        match command {
            Command::Greeting { tori: other, .. } if other != tori => {
                let text = format!("n{node} braids {other} tori, this node {tori}: set braid.tori to the same number");
                host.complain(text, tell);
                true
            }
            Command::Greeting { own, echo, told, .. } => {
                let told: Vec<Told> = wire::told(told).collect();
                let changed = host.theirs != told && host.pairing.pair(first).is_some();
                host.theirs = told;
                if host.pairing.hear(own, echo) == Heard::Over || changed {
                    host.end(policy, "it began anew", false, tell);
                }
                true
            }
            Command::Messages { from, to, pair, records } => {
                if host.pairing.pair(first) != Some(pair) {
                    self.unknown += 1;
                    return true;
                }
                match host.mirrors.iter_mut().find(|mirror| mirror.id == from).and_then(|mirror| mirror.live.as_mut()) {
                    Some(live) => live.admit(to, records, now_ns),
                    // Paired and not standing yet: its turn claims it.
                    None => false,
                }
            }
        }
    }

    /// One turn: greets, claims, passes messages on, sends projections that are new. `send` takes sealed datagrams.
    pub fn turn<A: Aead>(
        &mut self,
        now_ns: u64,
        endpoint: &mut Endpoint<A>,
        out: &mut Out,
        send: &mut Send<'_>,
        tell: &mut Tell<'_>,
    ) {
        if now_ns >= self.boots_ns {
            self.boots = self.look_at_boots();
            self.boots_ns = now_ns.saturating_add(BOOTS_NS);
        }
        for host in &mut self.hosts {
            if host.boot_id == 0 || !endpoint.has_session(host.node) {
                continue;
            }
            host.meet(self.region, self.me, &self.boots, self.policy, now_ns, tell);
            host.greet(self.region.geometry().tori, now_ns, endpoint, &mut self.command);
            let node = host.node;
            for live in host.mirrors.iter_mut().filter_map(|mirror| mirror.live.as_mut()) {
                live.settle(now_ns);
                let mut pass = |bytes: &[u8]| endpoint.send_command(now_ns, node, wire::STREAM, bytes).is_ok();
                live.forward(&mut self.command, &mut pass);
            }
        }
        self.send_projections(now_ns, endpoint, out, send);
    }

    /// Boots of the local tori; `None` until all of them stand.
    fn look_at_boots(&self) -> Option<Vec<Told>> {
        let boot = |local: &Local<'r>| {
            let line = self.region.line(local.id).filter(|line| line.state == State::Held && line.heartbeat > 0)?;
            Some((local.id, line.boot))
        };
        self.locals.iter().map(boot).collect()
    }

    fn send_projections<A: Aead>(
        &mut self,
        now_ns: u64,
        endpoint: &mut Endpoint<A>,
        out: &mut Out,
        send: &mut Send<'_>,
    ) {
        for (at, local) in self.locals.iter_mut().enumerate() {
            let before = local.reader.seen().1;
            let Read::Fresh { seq, words, .. } = local.reader.read(&mut self.words[..]) else { continue };
            let skipped = if before == 0 { 0 } else { seq.saturating_sub(before + 1) };
            for host in &mut self.hosts {
                let Some(pair) = host.pairing.pair(self.me < host.node) else { continue };
                host.coalesced += skipped;
                let (next, bytes) = (host.sent_seq[at] + 1, self.words[..words].as_bytes());
                match endpoint.seal_projection(now_ns, host.node, local.id, pair, next, bytes, out) {
                    Ok(_) => {
                        host.sent_seq[at] = next;
                        host.sent += 1;
                        if let Some(address) = out.address() {
                            let segment = out.segment_bytes().and_then(|bytes| u16::try_from(bytes).ok());
                            send(address, out.bytes(), segment);
                        }
                    }
                    Err(SendError::Coalesced { .. }) => host.coalesced += 1,
                    // No session, over the cap, keys used up: counted by the endpoint; the next one will do.
                    Err(_) => {}
                }
            }
        }
    }

    /// What stands, to be shown.
    pub fn views(&self) -> impl Iterator<Item = MirrorView> + '_ {
        let of_host = |host: &'_ Host<'r>| {
            let (node, sent, coalesced) = (host.node, host.sent, host.coalesced);
            let view = move |mirror: &Mirror<'r>| MirrorView {
                name: mirror.name.clone(),
                torus: mirror.id,
                node,
                live: mirror.live.is_some(),
                applied: mirror.applied,
                missed: mirror.missed,
                refused: mirror.refused,
                sent,
                coalesced,
                in_doubt: mirror.in_doubt,
                newest_ns: mirror.newest_ns,
            };
            host.mirrors.iter().map(view).collect::<Vec<MirrorView>>()
        };
        self.hosts.iter().flat_map(of_host)
    }

    /// Messages of local tori that no remote one has confirmed yet.
    pub fn under_way(&mut self) -> u64 {
        let mirrors = self.hosts.iter_mut().flat_map(|host| &mut host.mirrors);
        let lives = mirrors.filter_map(|mirror| mirror.live.as_mut());
        lives.map(Live::under_way).sum()
    }

    /// Projections and commands that belonged to nothing here.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.unknown
    }
}

impl Mirror<'_> {
    fn new(remote: &Remote) -> Self {
        Self {
            id: remote.torus,
            name: remote.name.clone(),
            live: None,
            applied: 0,
            missed: 0,
            refused: 0,
            in_doubt: 0,
            last_seq: 0,
            newest_ns: 0,
        }
    }
}

impl<'r> Mirror<'r> {
    /// The counts and the standing part, apart.
    fn standing(&mut self) -> Option<(Counts<'_>, &mut Live<'r>)> {
        let counts = Counts {
            applied: &mut self.applied,
            missed: &mut self.missed,
            refused: &mut self.refused,
            last_seq: &mut self.last_seq,
            newest_ns: &mut self.newest_ns,
        };
        self.live.as_mut().map(|live| (counts, live))
    }
}

struct Counts<'m> {
    applied: &'m mut u64,
    missed: &'m mut u64,
    refused: &'m mut u64,
    last_seq: &'m mut u64,
    newest_ns: &'m mut u64,
}

impl<'r> Host<'r> {
    fn new(node: u32, epoch: u64, locals: usize) -> Self {
        Self {
            node,
            pairing: Pairing::new(epoch),
            boot_id: 0,
            greeted: None,
            theirs: Vec::new(),
            ours: Vec::new(),
            mirrors: Vec::new(),
            sent_seq: vec![0; locals],
            sent: 0,
            coalesced: 0,
            claim_ns: 0,
            complained: String::new(),
        }
    }

    fn complain(&mut self, text: String, tell: &mut Tell<'_>) {
        if self.complained != text {
            tell(Severity::Warning, text.clone());
            self.complained = text;
        }
    }

    /// Gives up all its tori.
    fn end(&mut self, policy: InDoubt, why: &str, in_order: bool, tell: &mut Tell<'_>) {
        for mirror in &mut self.mirrors {
            let Some(live) = mirror.live.take() else { continue };
            let ended = live.end(policy, in_order);
            mirror.in_doubt += ended.in_doubt;
            mirror.last_seq = 0;
            let (name, node) = (&mirror.name, self.node);
            let text = match ended.in_doubt {
                0 => format!("torus {name} of n{node} is given up: {why}"),
                doubt => format!(
                    "torus {name} of n{node} is given up: {why}; {doubt} hand-overs in doubt: {} taken back, {} dropped",
                    ended.taken_back, ended.dropped
                ),
            };
            tell(Severity::Warning, text);
        }
        self.sent_seq.fill(0);
    }

    /// Claims its tori once paired; begins anew when the local tori are others than those it was told.
    fn meet(
        &mut self,
        region: &'r Region,
        me: u32,
        boots: &Option<Vec<Told>>,
        policy: InDoubt,
        now_ns: u64,
        tell: &mut Tell<'_>,
    ) {
        let Some(boots) = boots else { return };
        if self.ours != *boots {
            if !self.ours.is_empty() {
                self.end(policy, "a torus of this host was started again", false, tell);
                self.pairing.begin_anew();
            }
            self.ours.clone_from(boots);
        }
        let Some(pair) = self.pairing.pair(me < self.node) else { return };
        if now_ns < self.claim_ns {
            return;
        }
        let node = self.node;
        let mut failed = None;
        for mirror in &mut self.mirrors {
            let told = self.theirs.iter().find(|(id, _)| *id == mirror.id);
            if mirror.live.as_ref().map(Live::told) == told.map(|(_, boot)| *boot) {
                continue;
            }
            let Some(&told) = told else {
                failed = Some(format!("n{node} runs no torus {} ({}); correct [[remote]]", mirror.id, mirror.name));
                continue;
            };
            match Live::claim(region, told, pair, &self.ours) {
                Ok(live) => {
                    mirror.live = Some(live);
                    tell(Severity::Info, format!("torus {} of n{node} joins the braid", mirror.name));
                }
                Err(error) => failed = Some(format!("torus {} of n{node} cannot stand here: {error}", mirror.name)),
            }
        }
        if let Some(text) = failed {
            self.claim_ns = now_ns + CLAIM_RETRY_NS;
            self.complain(text, tell);
        }
    }

    /// Greets when it has something new to say.
    fn greet<A: Aead>(
        &mut self,
        tori: u8,
        now_ns: u64,
        endpoint: &mut Endpoint<A>,
        command: &mut [u8; wire::BYTES_MAX],
    ) {
        let greeting = self.pairing.greeting();
        if self.ours.is_empty() || self.greeted == Some(greeting) {
            return;
        }
        let length = wire::put_greeting(tori, greeting, &self.ours, command);
        if endpoint.send_command(now_ns, self.node, wire::STREAM, &command[..length]).is_ok() {
            self.greeted = Some(greeting);
        }
    }
}
