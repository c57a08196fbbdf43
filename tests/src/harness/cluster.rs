//! A cluster of real processes, each on a host of its own in a [`Lab`]: certificates, configurations, what the members see.

use std::path::PathBuf;
use std::time::Duration;

use control::cluster::{ClusterSnapshot, Health};

use super::lab::{Host, Lab};
use super::node::{Node, config, said, trefoil};
use super::{Scratch, binary};

/// Longest a cluster may take to become what a test waits for; a hang guard, not a promise.
pub const LONG: Duration = Duration::from_secs(150);

/// The hosts, the CA and the folder of one cluster under test.
#[derive(Debug)]
pub struct Cluster {
    hosts: Vec<Host>,
    /// The Ethernet.
    pub lab: Lab,
    /// Its folder: `ca/` and what the nodes have.
    pub scratch: Scratch,
    founders: u32,
}

impl Cluster {
    /// Hosts 1 to `count`, all of them founders, with a certificate each from one CA.
    ///
    /// # Panics
    /// When something cannot be made.
    #[must_use]
    pub fn new(test: &str, count: u32, mtu: u32) -> Self {
        let scratch = Scratch::new(test);
        let lab = Lab::new(mtu);
        let hosts = (1..=count).map(|id| lab.host(u8::try_from(id).expect("few hosts"))).collect();
        let cluster = Self { hosts, lab, scratch, founders: count };
        cluster.authority("ca");
        for id in 1..=count {
            cluster.issue("ca", id);
        }
        cluster
    }

    /// Makes a CA in the folder of that name.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn authority(&self, folder: &str) {
        let out = self.scratch.join(folder).display().to_string();
        std::fs::create_dir_all(&out).unwrap_or_else(|error| panic!("{out}: {error}"));
        let made = trefoil(&["ca", "init", "--cluster", "lab", "--out", &out]);
        assert!(made.status.success(), "{}", said(&made));
    }

    /// A certificate from the CA in that folder for a node.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn issue(&self, folder: &str, id: u32) {
        let folder = self.scratch.join(folder).display().to_string();
        let (name, zone, id) = (format!("n{id}"), format!("rack{id}"), id.to_string());
        let made = trefoil(&["ca", "issue", &name, "--id", &id, "--zone", &zone, "--ca", &folder]);
        assert!(made.status.success(), "{}", said(&made));
    }

    /// The host of a node.
    #[must_use]
    pub fn host(&self, id: u32) -> &Host {
        &self.hosts[id as usize - 1]
    }

    /// How a node of this cluster is configured to begin with.
    #[must_use]
    pub fn plan(&self, id: u32) -> Plan {
        Plan {
            id,
            founders: (1..=self.founders).collect(),
            cluster: String::new(),
            ca: self.scratch.join("ca"),
            peers: (1..=self.founders)
                .filter(|peer| *peer != id)
                .map(|peer| (peer, format!("{}:7947", self.host(peer).address)))
                .collect(),
            tori: id <= 3,
        }
    }

    /// Starts a node on its host; waits until it runs, not until it is formed.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start(&self, plan: &Plan) -> Node {
        let node = self.launch(plan);
        node.ready();
        node
    }

    /// Starts a node on its host and does not wait.
    #[must_use]
    pub fn launch(&self, plan: &Plan) -> Node {
        self.launch_on(self.host(plan.id), &format!("n{}", plan.id), plan)
    }

    /// Starts a node on some host, with folders of the given name.
    #[must_use]
    pub fn launch_on(&self, host: &Host, name: &str, plan: &Plan) -> Node {
        let config = config(&self.scratch, name, &plan.text(host));
        Node::launch_by(host.command(binary()), &self.scratch, name, &config, &[])
    }

    /// Starts all of them and waits until each is formed and hears each other.
    ///
    /// # Panics
    /// When they do not form.
    #[must_use]
    pub fn form(&self, change: impl Fn(&mut Plan)) -> Vec<Node> {
        let plans = (1..=self.founders).map(|id| {
            let mut plan = self.plan(id);
            change(&mut plan);
            plan
        });
        let nodes: Vec<Node> = plans.map(|plan| self.launch(&plan)).collect();
        for node in &nodes {
            formed(node, self.founders);
        }
        nodes
    }
}

/// How one node is configured.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Number.
    pub id: u32,
    /// The founders it is told.
    pub founders: Vec<u32>,
    /// Further lines of `[cluster]`.
    pub cluster: String,
    /// Folder of its identity.
    pub ca: PathBuf,
    /// Where the reliable planes of the others are.
    pub peers: Vec<(u32, String)>,
    /// Whether it holds a torus of the braid of nodes 1 to 3.
    pub tori: bool,
}

impl Plan {
    fn text(&self, host: &Host) -> String {
        let (id, ca, founders) = (self.id, self.ca.display(), &self.founders);
        let braid = if self.tori { 3 } else { 1 };
        let mut text = format!(
            "[node]\nwaiting = \"adaptive\"\n[region]\npages = \"base\"\n[braid]\ntori = {braid}\nfloor_us = 20000\n\
             [cluster]\nid = {id}\nzone = \"rack{id}\"\nlisten = \"{}:7946\"\nfounders = {founders:?}\n{}\n\
             [cluster.identity]\ndir = \"{ca}\"\n",
            host.address, self.cluster
        );
        for (peer, address) in &self.peers {
            text.push_str(&format!("[[peer]]\nid = {peer}\nname = \"n{peer}\"\naddress = \"{address}\"\n"));
        }
        if !self.tori {
            text.push_str("[[torus]]\nname = \"idle\"\n[torus.workload]\nkind = \"idle\"\n");
            return text;
        }
        let name = |id: u32| ["A", "B", "C"][id as usize - 1];
        for other in (1..=3).filter(|other| *other != id) {
            text.push_str(&format!("[[remote]]\ntorus = \"{}\"\nid = {}\nnode = {other}\n", name(other), other - 1));
        }
        text.push_str(&format!(
            "[[torus]]\nname = \"{}\"\nid = {}\n[torus.workload]\nkind = \"cycle\"\nnodes = 500\ntokens = 900\nload = {}\n\
             pace_ticks_per_s = 1000\n",
            name(id),
            id - 1,
            id == 1
        ));
        text
    }
}

/// What a node says of its cluster.
///
/// # Panics
/// When it says nothing.
#[must_use]
pub fn seen(node: &Node) -> ClusterSnapshot {
    let snapshot = node.status().unwrap_or_else(|| panic!("no status; it printed:\n{}", node.printed()));
    *snapshot.cluster.expect("it is in a cluster")
}

/// Waits until the node's view of its cluster is as wanted, and returns it.
///
/// # Panics
/// After [`LONG`], with what it printed.
pub fn sees(node: &Node, what: &str, wanted: impl Fn(&ClusterSnapshot) -> bool) -> ClusterSnapshot {
    let snapshot = node.wait_for(what, LONG, |snapshot| snapshot.cluster.as_ref().is_some_and(|view| wanted(view)));
    *snapshot.cluster.expect("just seen")
}

/// Waits until the node is formed, knows `count` members, at most 9 (who watch each other), and hears them.
///
/// # Panics
/// After [`LONG`], with what it printed.
pub fn formed(node: &Node, count: u32) -> ClusterSnapshot {
    sees(node, &format!("{count} members, formed, all heard"), |view| {
        view.bootstrap.formation != 0
            && view.members.known == count
            && view.watches.len() as u32 == count - 1
            && view.watches.iter().all(|watch| watch.health == Health::Alive)
    })
}

/// Health of a watched node; `None` when it is not watched.
#[must_use]
pub fn health(view: &ClusterSnapshot, id: u32) -> Option<Health> {
    view.watches.iter().find(|watch| watch.id == id).map(|watch| watch.health)
}
