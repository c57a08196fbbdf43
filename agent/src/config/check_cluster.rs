//! What the keys of the cluster say to each other.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::check::{Checker, quoted};
use super::cluster::{Cluster, IdentityFiles, Link, Peer, Remote, Rsepx, Votes};
use super::raw::RawConfig;
use super::raw_cluster::{RawCluster, RawRsepx};

impl Checker<'_> {
    /// The cluster, `None` when the file has none or when something about it is wrong.
    pub(super) fn cluster(&mut self, raw: &RawConfig) -> Option<Cluster> {
        let Some(cluster) = &raw.cluster else {
            for (key, given) in [("peer", raw.peer.len()), ("remote", raw.remote.len())] {
                if given > 0 {
                    let expected = "a [cluster] table beside it";
                    self.refuse(key, format!("{given} tables"), expected, "add [cluster], or remove them");
                }
            }
            return None;
        };
        let founders = self.numbers("cluster.founders", &cluster.founders);
        let voters = match &cluster.voters {
            Some(voters) => self.numbers("cluster.voters", voters),
            None => founders.clone(),
        };
        if cluster.seeds.is_empty() && raw.peer.is_empty() && founders != [cluster.id] {
            let remedy = "add a [[peer]] table for each founder, or seeds = [\"host:7947\"]";
            self.refuse("cluster.seeds", "[]", "an address of at least one other member", remedy);
        }
        for (at, seed) in cluster.seeds.iter().enumerate() {
            self.host_port(&format!("cluster.seeds[{at}]"), seed);
        }
        let listen = self.address("cluster.listen", &cluster.listen);
        let reliable = match &cluster.reliable {
            Some(text) => self.address("cluster.reliable", text),
            None => listen.map(|at| SocketAddr::new(at.ip(), at.port().wrapping_add(1).max(1))),
        };
        if listen.is_some() && listen == reliable {
            let remedy = "give the reliable plane another port, usually one higher";
            self.refuse("cluster.reliable", quoted(&cluster.listen), "another port than cluster.listen", remedy);
        }
        let advertise = match &cluster.advertise {
            Some(text) => self.address("cluster.advertise", text),
            None => listen.filter(|at| !at.ip().is_unspecified()),
        };
        let peers = self.peers(raw, cluster);
        let remotes = self.remotes(raw, cluster);
        let rsepx = cluster.rsepx.as_ref().and_then(|rsepx| self.rsepx(rsepx, &remotes));
        Some(Cluster {
            id: cluster.id,
            zone: cluster.zone.clone(),
            preset: cluster.preset,
            listen: listen?,
            reliable: reliable?,
            advertise,
            founders,
            seeds: cluster.seeds.clone(),
            peers,
            quorum: cluster.quorum,
            deadline: Duration::from_secs(cluster.deadline_s.into()),
            on_deadline: cluster.on_deadline,
            epoch: cluster.epoch,
            start: cluster.start,
            metric: cluster.metric,
            position: cluster.position,
            neighbours: cluster.neighbours,
            voters,
            in_doubt: cluster.in_doubt,
            identity: self.identity(cluster),
            link: link(cluster),
            votes: votes(cluster),
            remotes,
            rsepx,
        })
    }

    /// Ascending, each once.
    fn numbers(&mut self, key: &str, given: &[u32]) -> Vec<u32> {
        let mut sorted = given.to_vec();
        sorted.sort_unstable();
        if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            self.refuse(key, twice[0], "each number once", "remove the second one");
        }
        sorted.dedup();
        sorted
    }

    fn address(&mut self, key: &str, text: &str) -> Option<SocketAddr> {
        match text.parse::<SocketAddr>() {
            Ok(address) if address.port() != 0 => Some(address),
            _ => {
                let remedy = "write an address and a port, such as \"10.0.0.1:7946\" or \"[fd00::1]:7946\"";
                self.refuse(key, quoted(text), "ADDRESS:PORT, the port not 0", remedy);
                None
            }
        }
    }

    fn host_port(&mut self, key: &str, text: &str) {
        let fine = text
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0));
        if !fine {
            let remedy = "write \"10.0.0.2:7947\" or \"n2.lab:7947\": the reliable plane of the other node";
            self.refuse(key, quoted(text), "HOST:PORT", remedy);
        }
    }

    fn peers(&mut self, raw: &RawConfig, cluster: &RawCluster) -> Vec<Peer> {
        let mut peers: Vec<Peer> = Vec::with_capacity(raw.peer.len());
        for (at, peer) in raw.peer.iter().enumerate() {
            self.host_port(&format!("peer[{at}].address"), &peer.address);
            if peer.id == cluster.id {
                let remedy = "remove it: it is this node itself (cluster.id)";
                self.refuse(&format!("peer[{at}].id"), peer.id, "another node", remedy);
            }
            if let Some(first) = peers.iter().position(|known| known.id == peer.id) {
                let expected = format!("a number of its own; peer[{first}] has it");
                self.refuse(&format!("peer[{at}].id"), peer.id, expected, "one [[peer]] table a node");
            }
            peers.push(Peer { id: peer.id, name: peer.name.clone(), address: peer.address.clone() });
        }
        peers
    }

    fn remotes(&mut self, raw: &RawConfig, cluster: &RawCluster) -> Vec<Remote> {
        let mut remotes: Vec<Remote> = Vec::with_capacity(raw.remote.len());
        let local: Vec<(String, u32)> = raw
            .torus
            .iter()
            .enumerate()
            .map(|(at, torus)| (super::check::name_of(at, torus), torus.id.unwrap_or(at as u32)))
            .collect();
        for (at, remote) in raw.remote.iter().enumerate() {
            let taken = |name: &str, id: u32| {
                local.iter().any(|(other, number)| other == name || *number == id)
                    || raw.remote[..at].iter().any(|other| other.torus == name || other.id == id)
            };
            if taken(&remote.torus, remote.id) {
                let expected = "a name and an id that no other torus of this file has";
                self.refuse(&format!("remote[{at}].id"), remote.id, expected, "number the tori of a braid from 0");
            }
            if remote.id >= raw.braid.tori {
                let expected = format!("less than braid.tori ({})", raw.braid.tori);
                self.refuse(
                    &format!("remote[{at}].id"),
                    remote.id,
                    expected,
                    "number tori from 0, or raise braid.tori",
                );
            }
            if remote.node == cluster.id {
                let remedy = "write it as a [[torus]], or name the node that runs it";
                self.refuse(&format!("remote[{at}].node"), remote.node, "another node", remedy);
            }
            let served = cluster.rsepx.as_ref().is_some_and(|rsepx| rsepx.torus == remote.torus);
            if (remote.node == 0) != served {
                let expected = "0 for the torus of [cluster.rsepx], and for no other";
                self.refuse(&format!("remote[{at}].node"), remote.node, expected, "name the node that runs it");
            }
            let node = (remote.node != 0).then_some(remote.node);
            let id = u8::try_from(remote.id).unwrap_or(u8::MAX);
            remotes.push(Remote { torus: remote.torus.clone(), id, node });
        }
        if !raw.remote.is_empty() && raw.region.path.is_some() {
            let expected = "absent: with tori on other nodes the region is private to this process";
            let path = raw.region.path.as_deref().unwrap_or_default();
            self.refuse("region.path", quoted(path), expected, "remove it, or the [[remote]] tables");
        }
        remotes
    }

    fn rsepx(&mut self, raw: &RawRsepx, remotes: &[Remote]) -> Option<Rsepx> {
        let listen = self.address("cluster.rsepx.listen", &raw.listen);
        let peer = self.address("cluster.rsepx.peer", &raw.peer);
        let torus = remotes.iter().find(|remote| remote.torus == raw.torus).map(|remote| remote.id);
        if torus.is_none() {
            let remedy = format!("add [[remote]] torus = \"{}\", id = 2, node = 0", raw.torus);
            self.refuse("cluster.rsepx.torus", quoted(&raw.torus), "the name of a [[remote]] torus", remedy);
        }
        Some(Rsepx { listen: listen?, peer: peer?, torus: torus? })
    }

    fn identity(&self, cluster: &RawCluster) -> IdentityFiles {
        let raw = &cluster.identity;
        let folder: PathBuf = match &raw.dir {
            Some(dir) => self.folder.join(dir),
            None => super::first_of("CREDENTIALS_DIRECTORY").unwrap_or_else(|| self.folder.clone()),
        };
        let own = |name: &Option<String>, ending: &str| {
            folder.join(name.clone().unwrap_or_else(|| format!("node-{}.{ending}", cluster.id)))
        };
        IdentityFiles {
            ca: raw.ca.iter().map(|name| folder.join(name)).collect(),
            certificate: own(&raw.certificate, "crt"),
            key: own(&raw.key, "key"),
            card: own(&raw.card, "card"),
            revoked: raw.revoked.as_ref().map(|name| folder.join(name)),
        }
    }
}

fn link(cluster: &RawCluster) -> Link {
    let raw = &cluster.link;
    Link {
        io: raw.io,
        core: raw.core,
        mtu: raw.mtu,
        projections_per_s: raw.projections_per_s,
        bandwidth_bytes_per_s: (raw.bandwidth_bytes_per_s > 0).then_some(raw.bandwidth_bytes_per_s),
        dscp: raw.dscp,
        zero_copy: raw.zero_copy,
        sq_poll: raw.sq_poll,
        cipher: raw.cipher,
        rekey: Duration::from_secs(raw.rekey_s.into()),
        handshakes_per_s: raw.handshakes_per_s,
    }
}

fn votes(cluster: &RawCluster) -> Votes {
    let raw = &cluster.votes;
    Votes {
        mode: raw.mode,
        power_limit: raw.power_limit,
        shutdown: raw.shutdown,
        reformation: raw.reformation,
        quarantine: raw.quarantine,
        custom: raw.custom,
        open: Duration::from_secs(raw.open_s.into()),
    }
}
