//! Link threads on loopback with plain keys: a test stands in for the reliable plane.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use control::api::{Refusal, Reply, Request};
use control::cluster::MeshState;
use ekk::id::{Identity, NodeId};
use ekk::membership::record::Name;
use ekk::node::{Founders, NodeConfig};
use ekk::profile::Preset;
use ekk::sign::{Signature, Verdict};
use shm_transport::udp::{Mode, UdpOptions};

use super::*;
use crate::cluster::bridge::{self, Keys, ReliableEnd, SessionUp, Suite, Target, ToReliable};
use crate::cluster::settings::InDoubt;

/// Longest any of these tests waits for something that must happen.
pub(super) const GUARD: Duration = Duration::from_secs(40);

/// Believes everybody: who may be a member is not what these tests are about.
struct Trusting;

impl Crypto for Trusting {
    fn sign(&mut self, _message: &[u8]) -> Signature {
        Signature([1; 64])
    }

    fn verify(&mut self, _signer: NodeId, _message: &[u8], _signature: &Signature) -> Verdict {
        Verdict::Good
    }

    fn admit(&mut self, _record: &MemberRecord) -> Verdict {
        Verdict::Good
    }
}

/// One node: its thread and the reliable plane's end of its bridge.
pub(super) struct One {
    pub(super) id: u32,
    pub(super) boot_id: u64,
    pub(super) handle: LinkHandle,
    end: ReliableEnd,
    record: MemberRecord,
    pub(super) lines: Arc<Mutex<Vec<String>>>,
    lives: bool,
}

/// Nodes that can reach each other.
pub(super) struct Net {
    pub(super) nodes: Vec<One>,
    /// Pairs that have a session, lower number first.
    up: BTreeSet<(u32, u32)>,
    epoch: u32,
    refused: u64,
    /// Seeds that were dialled, and by whom.
    seeds: BTreeSet<(u32, SocketAddr)>,
}

pub(super) fn settings(id: u32, founders: &[u32], boot_id: u64) -> Settings {
    let ids: Vec<NodeId> = founders.iter().map(|id| NodeId::new(*id).expect("a node")).collect();
    let mut me = MemberRecord::bare(Identity { id: NodeId::new(id).expect("a node"), boot_inc: 1, life: 0 });
    me.name = Name::new(&format!("node-{id}")).expect("short");
    me.position = [id as i16, 0, 0];
    // Nobody listens there: this test hands sessions out.
    me.address = address_bytes(([127, 0, 0, 1], 1_000 + id as u16).into());
    Settings {
        cluster: "test".to_owned(),
        preset: "fast",
        node: NodeConfig::new(7, Preset::Fast, Founders::new(&ids).expect("founders")),
        me,
        boot_id,
        seed: u64::from(id),
        udp: UdpOptions { mode: Mode::Auto, ..UdpOptions::new((Ipv4Addr::LOCALHOST, 0).into()) },
        core: None,
        mtu_bytes: 1_500,
        bandwidth_bytes_per_s: 0,
        projections_per_s: 1_000,
        rekey_ns: 3_600_000_000_000,
        handshakes_per_s: 50,
        peers: founders
            .iter()
            .map(|&id| crate::cluster::settings::Peer { id, address: ([127, 0, 0, 1], 1_000 + id as u16).into() })
            .collect(),
        names: BTreeMap::new(),
        seeds: Vec::new(),
        remotes: Vec::new(),
        in_doubt: InDoubt::Redo,
        open_ns: 10_000_000_000,
        deadline_ns: 0,
        rsepx: None,
    }
}

impl Net {
    pub(super) fn new() -> Self {
        Self { nodes: Vec::new(), up: BTreeSet::new(), epoch: 0, refused: 0, seeds: BTreeSet::new() }
    }

    pub(super) fn add(&mut self, settings: Settings, region: Option<Arc<Region>>) {
        let doorbell = Arc::new(Doorbell::new());
        let (link_end, end) = bridge::pair(Arc::clone(&doorbell));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (kept, id, boot_id, record) =
            (Arc::clone(&lines), settings.me.identity.id.get(), settings.boot_id, settings.me);
        let tell = Teller::new(move |_, text| kept.lock().expect("not poisoned").push(text));
        let sender = end.to_link.clone();
        let (clock, cancel) = (Clock::new(), Arc::default());
        let setup = Setup { settings, crypto: Trusting, bridge: link_end, doorbell, region, tell, clock, cancel };
        let handle = spawn(setup, sender).expect("loopback");
        self.nodes.push(One { id, boot_id, handle, end, record, lines, lives: true });
    }

    /// What the reliable plane would do.
    pub(super) fn pump(&mut self) {
        for at in 0..self.nodes.len() {
            while let Ok(message) = self.nodes[at].end.from_link.try_recv() {
                match message {
                    ToReliable::Connect { target: Target::Node { id, .. }, .. } => self.connect(self.nodes[at].id, id),
                    ToReliable::Connect { target: Target::Seed { address }, .. } => {
                        self.seeds.insert((self.nodes[at].id, address));
                    }
                    ToReliable::WantSnapshot { peer } => self.snapshot(at, peer),
                    ToReliable::OwnRecord { record } => {
                        self.nodes[at].record = super::hear::record(&record).expect("a record");
                    }
                    _ => {}
                }
            }
        }
    }

    fn at(&self, id: u32) -> Option<usize> {
        self.nodes.iter().position(|node| node.id == id && node.lives)
    }

    fn connect(&mut self, one: u32, other: u32) {
        let pair = (one.min(other), one.max(other));
        let (Some(low), Some(high)) = (self.at(pair.0), self.at(pair.1)) else {
            self.refused += 1;
            return;
        };
        if !self.up.insert(pair) {
            return;
        }
        self.epoch += 1;
        let secret = |direction: u8| {
            let mut key = [direction; 32];
            key[..4].copy_from_slice(&self.epoch.to_le_bytes());
            (key[4], key[5]) = (pair.0 as u8, pair.1 as u8);
            key
        };
        for (own, peer, send, receive) in [(low, high, 1, 2), (high, low, 2, 1)] {
            let keys = Keys { suite: Suite::Aes128Gcm, send: secret(send), receive: secret(receive) };
            let there = &self.nodes[peer];
            let up = SessionUp {
                peer: there.id,
                boot_id: there.boot_id,
                boot_inc: there.record.identity.boot_inc,
                address: Some(there.handle.address()),
                record: there.record.to_bytes().to_vec(),
                epoch: self.epoch,
                keys,
                version: 1,
            };
            let _ = self.nodes[own].end.to_link.send(ToLink::SessionUp(Box::new(up)));
        }
    }

    fn snapshot(&mut self, at: usize, peer: u32) {
        let Some(from) = self.at(peer) else { return };
        let (reply, mut answer) = tokio::sync::oneshot::channel();
        let _ = self.nodes[from].end.to_link.send(ToLink::GiveSnapshot { reply });
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(2) {
            if let Ok(snapshot) = answer.try_recv() {
                let _ = self.nodes[at].end.to_link.send(ToLink::Snapshot { from: peer, snapshot });
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Kills a node without a word; its threads end, nobody is told.
    pub(super) fn kill(&mut self, id: u32) {
        if let Some(at) = self.at(id) {
            self.nodes[at].lives = false;
            self.nodes[at].handle.stop(false);
            self.up.retain(|(low, high)| *low != id && *high != id);
        }
    }

    /// Every living node is done with its start-up work: the founders form.
    pub(super) fn form(&mut self) {
        for node in self.nodes.iter().filter(|node| node.lives) {
            let _ = node.end.to_link.send(ToLink::LocalDone);
        }
    }

    pub(super) fn see(&self, id: u32) -> Arc<ClusterSnapshot> {
        let node = self.nodes.iter().rev().find(|node| node.id == id).expect("it exists");
        node.handle.shared().snapshot().unwrap_or_else(|| panic!("n{id} shows nothing yet"))
    }

    pub(super) fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        while begun.elapsed() < GUARD {
            self.pump();
            if self.nodes.iter().all(|node| node.handle.shared().snapshot().is_some()) && done(self) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        for node in &self.nodes {
            let lines = node.lines.lock().expect("not poisoned");
            let snapshot = node.handle.shared().snapshot();
            eprint_lines(node.id, &lines, snapshot.as_deref());
        }
        panic!("{what}: not within {GUARD:?}");
    }

    pub(super) fn ask(&self, id: u32, request: Request) -> Result<Reply, Refusal> {
        let at = self.at(id).expect("it lives");
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.nodes[at].end.to_link.send(ToLink::Ask { request, reply }).expect("it takes requests");
        answer.blocking_recv().expect("it answers")
    }

    pub(super) fn said(&self, id: u32, words: &str) -> bool {
        let all = self.nodes.iter().filter(|node| node.id == id);
        all.flat_map(|node| node.lines.lock().expect("not poisoned").clone()).any(|line| line.contains(words))
    }
}

#[allow(clippy::print_stderr)]
fn eprint_lines(id: u32, lines: &[String], snapshot: Option<&ClusterSnapshot>) {
    eprintln!("n{id}: {lines:#?}\n{snapshot:#?}");
}

// Two nodes find each other, form, and watch each other; what is shown is filled from what lives.
#[test]
fn two_nodes_form_and_show_each_other() {
    let mut net = Net::new();
    net.add(settings(1, &[1, 2], 11), None);
    net.add(settings(2, &[1, 2], 22), None);
    net.until("sessions", |net| net.see(1).sessions.len() == 1 && net.see(2).sessions.len() == 1);
    net.form();
    net.until("watch links", |net| {
        (1..=2).all(|id| net.see(id).watches.iter().any(|watch| watch.health == control::cluster::Health::Alive))
    });
    net.until("neighbours", |net| (1..=2).all(|id| net.see(id).neighbours.len() == 1));
    net.until("round-trip times", |net| net.see(1).sessions[0].rtt_p50_ns > 0);
    net.until("the formation", |net| (1..=2).all(|id| net.see(id).bootstrap.label == "formed"));
    let see = net.see(1);
    assert!(see.bootstrap.waiting.is_empty() && see.bootstrap.formation != 0, "{:?}", see.bootstrap);
    assert_eq!(see.bootstrap.formation, net.see(2).bootstrap.formation);
    assert_eq!((see.node_id, see.members.known, see.neighbours[0].id), (1, 2, 2));
    assert_eq!((see.sessions[0].name.as_str(), see.watches[0].name.as_str()), ("node-2", "node-2"));
    assert!(matches!(see.state, MeshState::Active | MeshState::Degraded), "{:?}", see.state);
    assert!(see.plane.received > 0 && see.plane.sent_bytes > 0, "{:?}", see.plane);
    assert!(net.said(1, "the link listens on 127.0.0.1:"));
    assert!(net.said(2, "session with node-1 (n1)"));
}

// What an operator asks is answered, also when it is refused; drain and maintenance show.
#[test]
fn requests_are_answered() {
    let mut net = Net::new();
    net.add(settings(1, &[1, 2], 11), None);
    net.add(settings(2, &[1, 2], 22), None);
    net.form();
    net.until("members", |net| net.see(1).members.known == 2);
    assert_eq!(net.ask(1, Request::Drain { on: true }).expect("done").message, "draining: the load field says no");
    let kept = net.ask(1, Request::Maintenance { node: "node-2".to_owned(), seconds: 600 }).expect("done");
    assert!(kept.message.contains("node-2 (n2)"), "{}", kept.message);
    let refused = net.ask(1, Request::Forget { node: "2".to_owned() }).expect_err("it lives");
    assert!(refused.error.contains("takes part"), "{}", refused.error);
    let refused = net.ask(1, Request::Maintenance { node: "nobody".to_owned(), seconds: 1 }).expect_err("unknown");
    assert!(refused.error.contains("no node nobody"), "{}", refused.error);
    // The whole cluster is told, and every node shows it.
    let noted = |net: &Net, id| net.see(id).notes.iter().any(|note| note.contains("maintenance node-2 (n2)"));
    net.until("notes", |net| net.see(1).draining && noted(net, 1) && noted(net, 2));
    assert!(net.ask(1, Request::Maintenance { node: "2".to_owned(), seconds: 0 }).is_ok());
    net.until("the end of it", |net| !noted(net, 1) && !noted(net, 2));
}

// A node that dies is removed by the others, with the reason kept; one that comes back as a later being is a member again.
#[test]
fn the_dead_are_removed_and_the_returned_are_members() {
    let mut net = Net::new();
    let all = [1, 2, 3, 4];
    for id in all {
        net.add(settings(id, &all, 10 * u64::from(id)), None);
    }
    net.form();
    net.until("members", |net| all.iter().all(|id| net.see(*id).members.known == 4 && net.see(*id).watches.len() == 3));
    net.kill(4);
    net.until("the removal", |net| [1, 2, 3].iter().all(|id| net.see(*id).members.removed == 1));
    let see = net.see(1);
    assert_eq!((see.removals[0].id, see.removals[0].kind.as_str()), (4, "dead"));
    assert!(net.said(2, "node-4 (n4) was removed as dead"));
    let mut again = settings(4, &all, 44);
    again.me.identity.boot_inc = 2;
    net.add(again, None);
    net.until("the return", |net| [1, 2, 3].iter().all(|id| net.see(*id).members.known == 4));
}

// A peer whose name is resolved later, and a seed, are dialled from then on.
#[test]
fn a_name_resolved_later_is_dialled() {
    let mut net = Net::new();
    for id in [1, 2] {
        let mut settings = settings(id, &[id], u64::from(id));
        settings.peers.clear();
        net.add(settings, None);
    }
    net.until("nobody to be known", |net| net.see(1).sessions.is_empty() && net.see(2).sessions.is_empty());
    let address = net.nodes[1].handle.address();
    for (peer, name) in [(Some(2), "two:7947"), (None, "seed:7947")] {
        let resolved = ToLink::Resolved { peer, name: name.to_owned(), address };
        net.nodes[0].end.to_link.send(resolved).expect("it takes news");
    }
    net.until("a session", |net| net.see(1).sessions.len() == 1);
    assert!(net.seeds.contains(&(1, address)), "{:?}", net.seeds);
    assert!(net.said(1, &format!("two:7947 is {address}: dialled from now on")));
}

// A node that is started again at once may find its address still in use by its former self: it says so and waits.
#[test]
fn an_address_in_use_is_waited_for() {
    let former = std::net::UdpSocket::bind((Ipv4Addr::new(127, 0, 77, 2), 0)).expect("loopback");
    let address = former.local_addr().expect("bound");
    let free = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        drop(former);
    });
    let mut net = Net::new();
    let mut settings = settings(1, &[1, 2], 11);
    settings.udp.bind = address;
    net.add(settings, None);
    free.join().expect("it ended");
    assert_eq!(net.nodes[0].handle.address(), address);
    assert!(net.said(1, &format!("{address} is still in use: waiting at most 60 s")));
}
