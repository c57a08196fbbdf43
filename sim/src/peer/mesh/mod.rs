//! This project's node: the whole of `ekk` with its codec, as the agent's link thread drives it (`decisions:CLU-15`, `mesh`).
//!
//! What the agent adds around the node is here in its simplest form: a directory of members folded from the events
//! (`decisions:CLU-3`), answers to what the node asks of it, and a snapshot from the reliable plane for who joins, which comes from
//! any member that can be reached. Records live in one table for all nodes: a node's newest record is its own, and only its
//! signature is trusted.

mod crypto;
mod evil;
mod layout;

use std::rc::Rc;

use ekk::consensus::{Proposal, Scope, Threshold};
use ekk::hash::{Digest, mix};
use ekk::id::{Identity, NodeId};
use ekk::membership::evidence::Certificate;
use ekk::membership::quorum;
use ekk::membership::record::{MemberRecord, Name, Zone};
use ekk::node::{Formation, Founders, NodeConfig, NodeWith};
use ekk::profile::Preset;
use ekk::sink::{Class, Event, Sink};
use ekk::time::Time;
use ekk::wire::v1::Reader;

pub use self::crypto::CLUSTER_ID;
use self::crypto::{Keys, Signer};
use self::layout::{Layout, RINGS};
use super::{Boot, Outbox, Protocol, Seen, View, class_index};
use crate::random::{Random, Stream};
use crate::scenario::{Behaviour, Kind, Scenario, Start};

/// IPv4 and UDP headers, the link's frame header and its tag, bytes.
const OVERHEAD: usize = 28 + 24 + 16;
/// Up to so many members everybody knows everybody from the start.
const SMALL: u32 = 32;
/// Members handed over in one snapshot, beside the nearest.
const SNAPSHOT: usize = 64;
/// Between two tries to get a snapshot, ns.
const SNAPSHOT_RETRY_NS: u64 = 500_000_000;
/// After the first snapshot it is fetched again after these times, ns.
const REFRESH_NS: [u64; 2] = [3_000_000_000, 10_000_000_000];
/// The time own start-up takes, ns.
const START_UP_NS: u64 = 50_000_000;
/// A request to the directory or the reliable plane takes so long, ns.
const ASK_NS: u64 = 2_000_000;
/// Neighbours wanted.
pub const K: usize = 7;

/// A node as an agent runs it, with less room for tombstones and remembered news, so that ten thousand fit into memory; the
/// certificates kept are as many, for they are what repairs lost news.
type Node = NodeWith<512, 1_024, 16>;

/// What a member is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Later {
    LocalDone,
    Snapshot,
    Record(u32),
    Candidates,
}

/// One simulated node: the real thing, its keys and its directory.
pub struct Member {
    node: Node,
    signer: Signer,
    index: u32,
    /// Members known, a bit each; the directory of `decisions:CLU-3`.
    directory: Vec<u64>,
    known: u32,
    later: Vec<(u64, Later)>,
    now_ns: u64,
    random: Random,
    /// Snapshots fetched again.
    refreshed: usize,
    /// A datagram heard lately, for one who plays it again.
    heard: Vec<u8>,
}

/// This project's nodes for all members of a run.
pub struct Mesh {
    config: NodeConfig,
    keys: Keys,
    nodes: u32,
    zones: u8,
    seed: u64,
    founders: u32,
    layout: Rc<Layout>,
    records: Vec<MemberRecord>,
    /// Incarnation a node would start with next, as it has it on its disk.
    kept: Vec<u32>,
    /// Directory and formation of every node that is up and formed, for snapshots.
    up: Vec<bool>,
    formed: Vec<Option<Formation>>,
    directories: Vec<Vec<u64>>,
    dropped: u64,
    /// Bounds of the thresholds, when the scenario has others than the node.
    thresholds: Option<(u16, u16)>,
    /// Somebody in the scenario plays datagrams again.
    has_noise: bool,
}

impl Mesh {
    /// Nodes for `scenario`.
    ///
    /// # Errors
    /// What the configuration of a node refuses.
    pub fn new(scenario: &Scenario, nodes: u32, seed: u64, late: &[u32]) -> Result<Self, String> {
        let founders = u32::from(scenario.founders).min(nodes);
        let ids: Vec<NodeId> = (0..founders).map(id).collect();
        let founding = Founders::new(&ids).map_err(|error| error.to_string())?;
        let config = configure(scenario, founding);
        config.check().map_err(|error| error.to_string())?;
        let layout = Layout::new(nodes, seed, &|node| !late.contains(&node));
        let keys = Keys(mix(seed ^ 0x6b65_7973));
        let mut mesh = Self {
            config,
            keys,
            nodes,
            zones: scenario.zones,
            seed,
            founders,
            layout: Rc::new(layout),
            records: Vec::new(),
            kept: vec![1; nodes as usize],
            up: vec![false; nodes as usize],
            formed: vec![None; nodes as usize],
            directories: vec![Vec::new(); nodes as usize],
            dropped: 0,
            thresholds: scenario.tuning.bounds(),
            has_noise: scenario.faults.iter().any(|fault| fault.kind == Kind::Byzantine(Behaviour::Noise)),
        };
        mesh.records = (0..nodes).map(|node| mesh.record(node, 1)).collect();
        if scenario.start == Start::Warm {
            for node in (0..nodes).filter(|node| !late.contains(node)) {
                mesh.up[node as usize] = true;
            }
        }
        Ok(mesh)
    }

    fn record(&self, node: u32, boot_inc: u32) -> MemberRecord {
        let mut record = MemberRecord::bare(Identity { id: id(node), boot_inc, life: 0 });
        record.name = Name::new(&format!("n{}", node + 1)).unwrap_or_default();
        record.zone = Zone::new(&format!("z{}", node % u32::from(self.zones))).unwrap_or_default();
        record.position = self.layout.positions[node as usize];
        record.address[..4].copy_from_slice(&(node + 1).to_be_bytes());
        self.keys.certify(&mut record);
        record
    }

    /// What the directory of a node is asked, or what its start-up brings.
    fn later(&mut self, member: &mut Member, what: Later, out: &mut Outbox) {
        match what {
            Later::LocalDone => {
                let now = Time(member.now_ns);
                Self::with(member, out, |node, signer, sink| {
                    // A node that has adopted meanwhile has nothing left to say.
                    let _ = node.local_done(now, signer, sink);
                });
            }
            Later::Snapshot => self.snapshot(member, out),
            Later::Record(other) => {
                let known = member.node.formation().copied().filter(|_| member.has(other));
                if let (Some(formation), Some(record)) = (known, self.records.get(other as usize).copied()) {
                    let now = Time(member.now_ns);
                    Self::with(member, out, |node, signer, sink| {
                        // The formation is its own: nothing to refuse.
                        let _ = node.adopt(now, &mut std::iter::once(record), formation, signer, sink);
                    });
                }
            }
            Later::Candidates => self.offer(member),
        }
    }

    /// Offers the nearest members the directory knows.
    fn offer(&self, member: &mut Member) {
        let now = Time(member.now_ns);
        let layout = Rc::clone(&self.layout);
        for &other in layout.nearest(member.index) {
            if member.has(other) {
                let _ = member.node.offer(now, &self.records[other as usize]);
            }
        }
    }

    /// Members and formation from somebody who has formed; tried again until somebody answers.
    fn snapshot(&mut self, member: &mut Member, out: &mut Outbox) {
        let formed =
            |node: &u32| *node != member.index && self.up[*node as usize] && self.formed[*node as usize].is_some();
        // Seeds first, then anybody whose address was ever known.
        let seeds: Vec<u32> = (0..self.founders).filter(formed).collect();
        let any = (0..8).map(|_| member.random.below(u64::from(self.nodes)) as u32).find(formed);
        let from = seeds.get(member.random.below(seeds.len() as u64) as usize).copied().or(any);
        let Some((from, formation)) =
            from.and_then(|from| self.formed[from as usize].map(|formation| (from, formation)))
        else {
            let retry_ns = SNAPSHOT_RETRY_NS + member.random.below(SNAPSHOT_RETRY_NS);
            member.later.push((member.now_ns + retry_ns, Later::Snapshot));
            return;
        };
        let directory = self.directories[from as usize].clone();
        let has = |node: u32| directory.get(node as usize / 64).is_some_and(|word| word >> (node % 64) & 1 == 1);
        let nearest = self.layout.nearest(member.index).iter().copied().filter(|&other| has(other)).take(16);
        // What this node has removed itself stays removed, whatever the other has not heard yet.
        let removed = |other: u32| {
            let known = member.node.membership().known(id(other));
            known.is_some_and(|(known, live)| !live && known.rank() >= self.records[other as usize].identity.rank())
        };
        let all: Vec<u32> =
            (0..self.nodes).filter(|&other| has(other) && other != member.index && !removed(other)).collect();
        let step = (all.len() / SNAPSHOT).max(1);
        let some = all.iter().copied().skip(member.random.below(step as u64) as usize).step_by(step);
        // Who came back in a later life than the one removed here.
        let back = all
            .iter()
            .copied()
            .filter(|&other| member.node.membership().known(id(other)).is_some_and(|(_, live)| !live));
        let mut given: Vec<u32> = nearest.chain(some).chain(back).collect();
        given.sort_unstable();
        given.dedup();
        let records: Vec<MemberRecord> = given.into_iter().map(|other| self.records[other as usize]).collect();
        for other in all {
            let record = &self.records[other as usize];
            member.set(other, true);
            // The directory is where the agent checks cards: it knows the keys of all it holds.
            let _ = ekk::sign::Crypto::admit(&mut member.signer, record);
            out.seen.push(Seen::Joined { subject: other, rank: record.identity.rank() });
        }
        // News that passed before the first watch links lived are in no heartbeat any more: the directory is compared again.
        if let Some(wait_ns) = REFRESH_NS.get(member.refreshed) {
            member.refreshed += 1;
            member.later.push((member.now_ns + wait_ns, Later::Snapshot));
        }
        let (now, known) = (Time(member.now_ns), member.known);
        // The nearest first: who is elected stays for its residence.
        self.offer(member);
        Self::with(member, out, |node, signer, sink| {
            node.set_known(known);
            let taken = node.adopt(now, &mut records.into_iter(), formation, signer, sink);
            debug_assert_eq!(taken, Ok(()), "all nodes have one configuration");
        });
    }

    fn with<T>(
        member: &mut Member,
        out: &mut Outbox,
        act: impl FnOnce(&mut Node, &mut Signer, &mut Collect<'_>) -> T,
    ) -> T {
        let mut collect = Collect { out, wants: Vec::new(), known: Vec::new() };
        let result = act(&mut member.node, &mut member.signer, &mut collect);
        let Collect { wants, known, .. } = collect;
        for (subject, is_member) in known {
            member.set(subject, is_member);
        }
        for want in wants {
            if !member.later.iter().any(|later| later.1 == want) {
                // More news at once than slots carry: once it is quiet, the list is compared with somebody's.
                let wait_ns = if want == Later::Snapshot { REFRESH_NS[0] } else { ASK_NS };
                member.later.push((member.now_ns + wait_ns, want));
            }
        }
        result
    }

    /// After each step: the directory's size to the node, certificates checked, the newest record to the table.
    fn settle(&mut self, member: &mut Member, before: u32, out: &mut Outbox) {
        if member.known != before {
            member.node.set_known(member.known);
            self.directories[member.index as usize].clone_from(&member.directory);
        }
        let me = member.node.me();
        let index = member.index as usize;
        if self.records[index].identity != me.identity {
            self.records[index] = *me;
            self.kept[index] = self.kept[index].max(me.identity.boot_inc);
        }
        if self.formed[index].is_none() {
            self.formed[index] = member.node.formation().copied();
            self.directories[index].clone_from(&member.directory);
        }
        out.seen.retain(|seen| !matches!(seen, Seen::Joined { subject, .. } if *subject == member.index));
    }
}

/// `Ok` when a certificate holds by rules of its own, written apart from those of the node.
fn judge(certificate: &[u8], subject: u32, gone: &dyn Fn(u32) -> bool, keys: Keys, nodes: u32) -> Result<(), String> {
    let read = Certificate::decode(&mut Reader::new(certificate)).map_err(|error| format!("unreadable: {error:?}"))?;
    let mut anybody = Signer::new(keys, id(subject), nodes, true);
    if read.set.subject.id != id(subject) || read.subject.id != id(subject) {
        return Err("it is about somebody else".to_owned());
    }
    if !read.set.verify(CLUSTER_ID, &mut anybody).is_good() {
        return Err("the watch set is not signed by its subject".to_owned());
    }
    let mut watchers: Vec<NodeId> = Vec::new();
    for statement in read.statements() {
        let watcher = statement.watcher;
        if watchers.contains(&watcher) || !read.set.contains(watcher) || watcher == id(subject) {
            return Err(format!("the statement of node {watcher} does not count"));
        }
        if !statement.verify(CLUSTER_ID, &mut anybody).is_good() {
            return Err(format!("the statement of node {watcher} is not signed by it"));
        }
        watchers.push(watcher);
    }
    let silent = |watcher: &&NodeId| gone(watcher.get() - 1) && !watchers.contains(watcher);
    let live = read.set.ids().len() - read.set.ids().iter().filter(silent).count();
    match quorum(live) {
        Some(quorum) if watchers.len() >= quorum => Ok(()),
        needed => Err(format!("{} statements of {live} living watchers, needed {needed:?}", watchers.len())),
    }
}

fn configure(scenario: &Scenario, founders: Founders) -> NodeConfig {
    let preset: Preset = scenario.preset;
    NodeConfig::new(CLUSTER_ID, preset, founders)
}

/// Id of a node: indices count from 0, ids from 1.
fn id(node: u32) -> NodeId {
    NodeId::from_raw(node + 1)
}

impl Member {
    fn has(&self, node: u32) -> bool {
        self.directory.get(node as usize / 64).is_some_and(|word| word >> (node % 64) & 1 == 1)
    }

    fn set(&mut self, node: u32, is_member: bool) {
        let Some(word) = self.directory.get_mut(node as usize / 64) else { return };
        let bit = 1 << (node % 64);
        let was = *word & bit != 0;
        match (was, is_member) {
            (false, true) => {
                *word |= bit;
                self.known += 1;
            }
            (true, false) => {
                *word &= !bit;
                self.known -= 1;
            }
            _ => {}
        }
    }

    /// The node itself.
    #[must_use]
    pub const fn node(&self) -> &Node {
        &self.node
    }
}

/// Takes what the node does.
struct Collect<'a> {
    out: &'a mut Outbox,
    wants: Vec<Later>,
    known: Vec<(u32, bool)>,
}

impl Sink for Collect<'_> {
    fn send(&mut self, to: NodeId, class: Class, bytes: &[u8]) {
        if to.is_node() {
            self.out.send(to.get() - 1, class_index(class), bytes);
        }
    }

    fn event(&mut self, event: &Event<'_>) {
        let index = |identity: &Identity| identity.id.get().wrapping_sub(1);
        let seen = &mut self.out.seen;
        match event {
            Event::Joined(record) => {
                let (subject, rank) = (index(&record.identity), record.identity.rank());
                self.known.push((subject, true));
                seen.push(Seen::Joined { subject, rank });
            }
            Event::Dead { identity, certificate } => {
                self.known.push((index(identity), false));
                self.out.certificates.push(certificate.to_vec());
                seen.push(Seen::Removed { subject: index(identity), rank: identity.rank(), proof: Ok(()) });
            }
            Event::Left(identity) => {
                self.known.push((index(identity), false));
                seen.push(Seen::Left { subject: index(identity) });
            }
            Event::Returned(identity) => {
                self.known.push((index(identity), true));
                seen.push(Seen::Returned { subject: index(identity), rank: identity.rank() });
            }
            Event::Undone(identity) => {
                self.known.push((index(identity), true));
                seen.push(Seen::Undone { subject: index(identity), rank: identity.rank() });
            }
            Event::Refuted(identity) => seen.push(Seen::Refuted { subject: index(identity) }),
            Event::Formed { digest, .. } | Event::Adopted { digest, .. } => {
                seen.push(Seen::Formed { formation: *digest });
                self.wants.push(Later::Candidates);
            }
            Event::BallotDecided { proposer, ballot, result } => {
                seen.push(Seen::Decided { ballot: (proposer.get(), *ballot), result: *result });
            }
            Event::ValveShut { .. } => seen.push(Seen::ValveShut),
            Event::Alone => seen.push(Seen::Alone),
            Event::HealReport { .. } => {
                seen.push(Seen::Healed);
                self.wants.push(Later::Snapshot);
            }
            Event::NeedCandidates => self.wants.push(Later::Candidates),
            Event::NeedRecord(other) => self.wants.push(Later::Record(other.get().wrapping_sub(1))),
            Event::NeedSession { id, .. } => self.out.wishes.push(id.get().wrapping_sub(1)),
            _ => {}
        }
    }
}

impl Protocol for Mesh {
    type Member = Member;

    fn boot(&mut self, node: u32, boot: Boot, now_ns: u64, out: &mut Outbox) -> Member {
        let index = node as usize;
        match boot {
            Boot::Warm | Boot::Fresh => {}
            Boot::Kept => self.kept[index] += 1,
            Boot::Lost => self.kept[index] = 1,
        }
        let record = self.record(node, self.kept[index]);
        self.records[index] = record;
        self.up[index] = true;
        self.formed[index] = None;
        let seed = Random::new(self.seed, Stream::Node, u64::from(node) << 32 | u64::from(self.kept[index])).next();
        let inner = Node::new(self.config, record, seed).expect("the configuration was checked in Mesh::new");
        let mut inner = inner;
        if let Some((least, most)) = self.thresholds {
            inner.set_threshold_bounds(least, most);
        }
        let mut member = Member {
            node: inner,
            signer: Signer::new(self.keys, id(node), self.nodes, boot == Boot::Warm),
            index: node,
            directory: vec![0; (self.nodes as usize).div_ceil(64)],
            known: 0,
            later: Vec::new(),
            now_ns,
            random: Random::new(seed, Stream::Node, 1),
            refreshed: 0,
            heard: Vec::new(),
        };
        member.set(node, true);
        let now = Time(now_ns);
        Self::with(&mut member, out, |node, _, sink| node.start(now, sink));
        if boot == Boot::Warm {
            self.warm(&mut member, out);
        } else {
            member.later.push((now_ns + START_UP_NS, Later::LocalDone));
            member.later.push((now_ns + START_UP_NS + ASK_NS, Later::Snapshot));
        }
        self.settle(&mut member, 0, out);
        member
    }

    fn receive(&mut self, member: &mut Member, now_ns: u64, from: u32, bytes: &[u8], out: &mut Outbox) {
        member.now_ns = now_ns;
        if self.has_noise && member.random.below(64) == 0 {
            member.heard = bytes.to_vec();
        }
        let before = member.known;
        let taken =
            Self::with(member, out, |node, signer, sink| node.receive(Time(now_ns), id(from), bytes, signer, sink));
        self.dropped += u64::from(taken.is_err());
        self.judge_removals(member, out);
        self.settle(member, before, out);
    }

    fn tick(&mut self, member: &mut Member, now_ns: u64, out: &mut Outbox) {
        member.now_ns = now_ns;
        let before = member.known;
        while let Some(at) = member.later.iter().position(|later| later.0 <= now_ns) {
            let (_, what) = member.later.swap_remove(at);
            self.later(member, what, out);
        }
        if member.node.next_tick().0 <= now_ns {
            Self::with(member, out, |node, signer, sink| node.tick(Time(now_ns), signer, sink));
        }
        self.judge_removals(member, out);
        self.settle(member, before, out);
    }

    fn next_ns(&self, member: &Member) -> u64 {
        let later = member.later.iter().map(|later| later.0).min().unwrap_or(u64::MAX);
        later.min(member.node.next_tick().0)
    }

    fn view(&self, member: &Member) -> View {
        let now = Time(member.now_ns);
        let index = |id: NodeId| id.get().wrapping_sub(1);
        View {
            neighbours: member.node.neighbours(now).map(|neighbour| index(neighbour.id)).collect(),
            watches: member.node.watches(now).map(|watch| index(watch.identity.id)).collect(),
            formation: member.node.formation().map(|formation| formation.digest),
            is_active: member.node.state() == ekk::node::State::Active,
            rank: member.node.identity().rank(),
            doubt_permille: u32::from(member.node.membership().doubt().0) * 1_000 / 16,
        }
    }

    fn rank(&self, member: &Member) -> u64 {
        member.node.identity().rank()
    }

    fn digest(&self, member: &Member) -> u64 {
        Digest::of(&member.node)
    }

    fn leave(&mut self, member: &mut Member, now_ns: u64, out: &mut Outbox) {
        member.now_ns = now_ns;
        Self::with(member, out, |node, signer, sink| node.leave(Time(now_ns), signer, sink));
    }

    fn propose(&mut self, member: &mut Member, cluster: bool, now_ns: u64, out: &mut Outbox) {
        member.now_ns = now_ns;
        let scope = if cluster { Scope::Cluster } else { Scope::Local };
        let proposal = Proposal::new(ekk::consensus::Kind::Mode, scope, 1, Threshold::MoreThanHalf);
        // A refusal is no fault of the run: the node may not have formed or may have too many ballots.
        let _ = Self::with(member, out, |node, signer, sink| node.propose(Time(now_ns), proposal, signer, sink));
    }

    fn misbehave(&mut self, member: &mut Member, behaviour: Behaviour, now_ns: u64, out: &mut Outbox) {
        member.now_ns = now_ns;
        self.act_evil(member, behaviour, out);
    }

    fn session(&mut self, member: &mut Member, peer: u32, up: bool, now_ns: u64, out: &mut Outbox) {
        member.now_ns = now_ns;
        let now = Time(now_ns);
        Self::with(member, out, |node, _, sink| {
            if up { node.session_up(now, id(peer), sink) } else { node.session_down(now, id(peer), sink) }
        });
    }

    fn stopped(&mut self, node: u32) {
        self.up[node as usize] = false;
        self.formed[node as usize] = None;
    }

    fn overhead(&self) -> usize {
        OVERHEAD
    }

    fn sessions(&self) -> bool {
        true
    }

    fn warm_sessions(&self, node: u32) -> Vec<u32> {
        let rings = (0..RINGS).filter_map(|ring| self.layout.around(ring, node));
        let mut peers: Vec<u32> = rings.flat_map(|(previous, next)| [previous, next]).collect();
        // Sessions are mutual: also with those whose neighbour this node is.
        let near = |node: u32| &self.layout.nearest(node)[..K.min(self.layout.nearest(node).len())];
        peers.extend(near(node).iter().filter(|&&other| near(other).contains(&node)));
        peers.retain(|&peer| peer != node);
        peers.sort_unstable();
        peers.dedup();
        peers
    }

    fn nearest(&self, node: u32) -> &[u32] {
        self.layout.nearest(node)
    }
}

impl Mesh {
    fn judge_removals(&self, member: &Member, out: &mut Outbox) {
        if out.certificates.is_empty() {
            return;
        }
        let certificates = std::mem::take(&mut out.certificates);
        let mut certificates = certificates.iter();
        for seen in &mut out.seen {
            if let (Seen::Removed { subject, proof, .. }, Some(certificate)) = (seen, certificates.next()) {
                *proof = judge(certificate, *subject, &|node| !member.has(node), self.keys, self.nodes);
            }
        }
    }

    /// A member of a formed cluster that has always been there.
    fn warm(&mut self, member: &mut Member, out: &mut Outbox) {
        let node = member.index;
        for other in 0..self.nodes {
            if self.layout.around(0, other).is_some() {
                member.set(other, true);
            }
        }
        let rings: Vec<(u8, NodeId, NodeId)> = (0..RINGS)
            .filter_map(|ring| self.layout.around(ring, node).map(|(a, b)| (ring as u8, id(a), id(b))))
            .collect();
        let mut peers: Vec<u32> = rings.iter().flat_map(|&(_, a, b)| [a.get() - 1, b.get() - 1]).collect();
        if self.nodes <= SMALL {
            peers.extend((0..self.nodes).filter(|&other| member.has(other)));
        }
        peers.retain(|&other| other != node);
        peers.sort_unstable();
        peers.dedup();
        let records: Vec<MemberRecord> = peers.into_iter().map(|other| self.records[other as usize]).collect();
        let (now, formation, known) = (Time(member.now_ns), member.node.config().formation(1), member.known);
        // The nearest first: who is elected stays for its residence.
        self.offer(member);
        Self::with(member, out, |node, signer, sink| {
            node.set_known(known);
            let taken = node.adopt(now, &mut records.into_iter(), formation, signer, sink);
            debug_assert_eq!(taken, Ok(()), "all nodes have one configuration");
            node.link_rings(now, &rings, signer);
        });
        out.seen.clear();
    }
}

#[cfg(test)]
mod tests {
    use ekk::membership::evidence::{Statement, WatchSet};
    use ekk::sign::Signature;
    use ekk::wire::v1::Writer;

    use super::*;

    /// A certificate about node 1 (index 0) with these watchers' statements, signed by those who are named in `signed`.
    fn certificate(stating: &[u32], signed: &[u32]) -> Vec<u8> {
        let keys = Keys(3);
        let subject = Identity { id: id(0), boot_inc: 1, life: 0 };
        let mut set = WatchSet::empty(subject, 1);
        (1..9).for_each(|watcher| assert!(set.add(id(watcher))));
        set.sign(CLUSTER_ID, &mut Signer::new(keys, id(0), 20, true));
        let mut certificate = Certificate::new(subject, set);
        for &watcher in stating {
            let mut statement = Statement {
                subject,
                watcher: id(watcher),
                last_sequence: 10,
                age_us: 700_000,
                missed: 7,
                threshold: 6,
                doubt: 16,
                signature: Signature::EMPTY,
            };
            let signer = if signed.contains(&watcher) { watcher } else { 15 };
            statement.sign(CLUSTER_ID, &mut Signer::new(keys, id(signer), 20, true));
            certificate.add(statement);
        }
        let mut bytes = [0; 1_400];
        let mut writer = Writer::new(&mut bytes);
        certificate.encode(&mut writer).expect("it fits");
        let length = writer.len();
        bytes[..length].to_vec()
    }

    /// `membership:MB-5`: five of eight, each signed by its watcher, about this subject; nothing less.
    #[test]
    fn certificates_are_judged_apart_from_the_node_mb_5() {
        let judged = |bytes: &[u8], subject| judge(bytes, subject, &|_| false, Keys(3), 20);
        assert_eq!(judged(&certificate(&[1, 2, 3, 4, 5], &[1, 2, 3, 4, 5]), 0), Ok(()));
        assert!(
            judged(&certificate(&[1, 2, 3, 4], &[1, 2, 3, 4]), 0).is_err_and(|why| why.contains("4 statements of 8"))
        );
        let forged = judged(&certificate(&[1, 2, 3, 4, 5], &[1, 2, 3, 4]), 0);
        assert!(forged.is_err_and(|why| why.contains("node 6 is not signed")));
        let outsider = judged(&certificate(&[1, 2, 3, 4, 12], &[1, 2, 3, 4, 12]), 0);
        assert!(outsider.is_err(), "not in the watch set");
        assert!(judged(&certificate(&[1, 2, 3, 4, 5], &[1, 2, 3, 4, 5]), 7).is_err(), "about somebody else");
        assert!(judged(&[7; 40], 0).is_err_and(|why| why.contains("unreadable")));
    }
}
