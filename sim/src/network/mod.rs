//! The network: what becomes of a datagram from one node to another.
//!
//! Order of the checks: partition, flapping, one-way loss, shared uplink, independent loss, burst loss; then delay, jitter,
//! reordering, duplication. Each draws from one stream, so a run repeats exactly.

mod burst;
mod uplink;

pub use burst::Burst;
use burst::Links;
pub use uplink::Uplink;

use crate::random::{Chance, Random, Stream};

/// How the network is when nothing special happens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    /// Least time a datagram takes, ns.
    pub delay_ns: u64,
    /// Added: uniform between 0 and this, ns.
    pub jitter_ns: u64,
    /// Added between nodes of different zones, ns.
    pub zone_delay_ns: u64,
    /// Independent loss.
    pub loss: Chance,
    /// Loss in bursts, on each directed link on its own; `None` = none.
    pub burst: Option<Burst>,
    /// Datagrams that come twice.
    pub duplicate: Chance,
    /// Datagrams that are overtaken.
    pub reorder: Chance,
    /// How much later an overtaken one comes, ns.
    pub reorder_ns: u64,
    /// What a node can send, bytes a second; `None` = any amount.
    pub bandwidth: Option<u64>,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            delay_ns: 200_000,
            jitter_ns: 100_000,
            zone_delay_ns: 0,
            loss: Chance::NEVER,
            burst: None,
            duplicate: Chance::NEVER,
            reorder: Chance::NEVER,
            reorder_ns: 0,
            bandwidth: None,
        }
    }
}

/// Why a datagram did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Lost {
    /// The two are on different sides.
    Partition,
    /// The link was down at that moment.
    Flapping,
    /// One direction of one of the nodes.
    OneWay,
    /// The shared uplink was full or down.
    Uplink,
    /// Independent loss.
    Random,
    /// A burst on that link.
    Burst,
    /// More than the node can send.
    Bandwidth,
}

/// Number of [`Lost`] reasons.
pub const LOST: usize = 7;
/// Their names, in order.
pub const LOST_NAMES: [&str; LOST] = ["partition", "flapping", "one-way", "uplink", "random", "burst", "bandwidth"];

/// Arrival times of a datagram, ns: none, one or two copies.
pub type Arrivals = [Option<u64>; 2];

/// Longest time a datagram waits for bandwidth before it is dropped, ns.
const QUEUE_MAX_NS: u64 = 200_000_000;

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Port {
    side: u8,
    zone: u8,
    inbound: Chance,
    outbound: Chance,
    /// Index + 1 of the uplink, 0 = none.
    uplink: u8,
    flap: Option<Flap>,
    busy_until_ns: u64,
}

/// A node whose links go down again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flap {
    /// From one failure to the next, ns.
    pub period_ns: u64,
    /// Of that, down, ns.
    pub down_ns: u64,
    /// Shift, ns.
    pub phase_ns: u64,
}

/// The network of a run. Nodes are indices 0..n.
#[derive(Debug, Clone)]
pub struct Network {
    conditions: Conditions,
    ports: Vec<Port>,
    uplinks: Vec<Uplink>,
    links: Links,
    random: Random,
    lost: [u64; LOST],
    carried: u64,
}

impl Network {
    /// A network of `nodes` nodes; node i is in zone i mod `zones`.
    #[must_use]
    pub fn new(nodes: usize, zones: u8, conditions: Conditions, seed: u64) -> Self {
        let zone = |node: usize| (node % usize::from(zones.max(1))) as u8;
        Self {
            conditions,
            ports: (0..nodes).map(|node| Port { zone: zone(node), ..Port::default() }).collect(),
            uplinks: Vec::new(),
            links: Links::new(nodes),
            random: Random::new(seed, Stream::Network, 0),
            lost: [0; LOST],
            carried: 0,
        }
    }

    /// The conditions, to be changed.
    pub const fn conditions_mut(&mut self) -> &mut Conditions {
        &mut self.conditions
    }

    /// The conditions.
    #[must_use]
    pub const fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// Puts a node on a side; only nodes of one side reach each other.
    pub fn set_side(&mut self, node: u32, side: u8) {
        self.ports[node as usize].side = side;
    }

    /// Sets what a node loses in each direction.
    pub fn set_one_way(&mut self, node: u32, inbound: Chance, outbound: Chance) {
        let port = &mut self.ports[node as usize];
        (port.inbound, port.outbound) = (inbound, outbound);
    }

    /// Sets or ends the flapping of a node.
    pub fn set_flap(&mut self, node: u32, flap: Option<Flap>) {
        self.ports[node as usize].flap = flap;
    }

    /// Puts nodes behind an uplink of their own, shared by all of them. At most 255 uplinks; further ones change nothing.
    pub fn add_uplink(&mut self, nodes: &[u32], uplink: Uplink) {
        if self.uplinks.len() < usize::from(u8::MAX) {
            self.uplinks.push(uplink);
            for &node in nodes {
                self.ports[node as usize].uplink = self.uplinks.len() as u8;
            }
        }
    }

    /// Takes nodes from behind their uplinks.
    pub fn remove_uplinks(&mut self, nodes: &[u32]) {
        nodes.iter().for_each(|&node| self.ports[node as usize].uplink = 0);
    }

    /// Ends everything but the plain delay: the network of the liveness phase.
    pub fn calm(&mut self) {
        let Conditions { delay_ns, jitter_ns, zone_delay_ns, bandwidth, .. } = self.conditions;
        self.conditions = Conditions { delay_ns, jitter_ns, zone_delay_ns, bandwidth, ..Conditions::default() };
        for port in &mut self.ports {
            *port = Port { zone: port.zone, busy_until_ns: port.busy_until_ns, ..Port::default() };
        }
    }

    /// Whether a datagram has any chance to get from one node to the other: same side, no direction dead.
    #[must_use]
    pub fn reaches(&self, from: u32, to: u32) -> bool {
        let (a, b) = (&self.ports[from as usize], &self.ports[to as usize]);
        a.side == b.side && a.outbound < Chance::ALWAYS && b.inbound < Chance::ALWAYS
    }

    /// Side of a node.
    #[must_use]
    pub fn side(&self, node: u32) -> u8 {
        self.ports[node as usize].side
    }

    /// Losses of a node: inbound and outbound.
    #[must_use]
    pub fn one_way(&self, node: u32) -> (Chance, Chance) {
        let port = &self.ports[node as usize];
        (port.inbound, port.outbound)
    }

    /// Zone of a node.
    #[must_use]
    pub fn zone(&self, node: u32) -> u8 {
        self.ports[node as usize].zone
    }

    /// Datagrams lost, by [`Lost`].
    #[must_use]
    pub const fn lost(&self) -> &[u64; LOST] {
        &self.lost
    }

    /// Datagrams that were to be carried.
    #[must_use]
    pub const fn carried(&self) -> u64 {
        self.carried
    }

    /// Sends a datagram of `bytes` bytes at `now_ns`: when it arrives, once, twice or not at all.
    pub fn carry(&mut self, now_ns: u64, from: u32, to: u32, bytes: usize) -> Arrivals {
        self.carried += 1;
        let leaves_ns = match self.leave(now_ns, from, to, bytes) {
            Ok(leaves_ns) => leaves_ns,
            Err(why) => {
                self.lost[why as usize] += 1;
                return [None, None];
            }
        };
        let first = self.arrival(leaves_ns, from, to);
        let again = self.random.happens(self.conditions.duplicate).then(|| self.arrival(leaves_ns, from, to));
        [Some(first), again]
    }

    fn leave(&mut self, now_ns: u64, from: u32, to: u32, bytes: usize) -> Result<u64, Lost> {
        let (a, b) = (self.ports[from as usize], self.ports[to as usize]);
        if a.side != b.side {
            return Err(Lost::Partition);
        }
        if [a.flap, b.flap].into_iter().flatten().any(|flap| flap.is_down(now_ns)) {
            return Err(Lost::Flapping);
        }
        if self.random.happens(a.outbound) || self.random.happens(b.inbound) {
            return Err(Lost::OneWay);
        }
        let mut leaves_ns = self.through_port(now_ns, from, bytes)?;
        if a.uplink != b.uplink {
            for uplink in [a.uplink, b.uplink].into_iter().filter(|&uplink| uplink > 0) {
                let uplink = &mut self.uplinks[usize::from(uplink) - 1];
                leaves_ns = uplink.pass(leaves_ns, bytes, &mut self.random).ok_or(Lost::Uplink)?;
            }
        }
        if self.random.happens(self.conditions.loss) {
            return Err(Lost::Random);
        }
        match self.conditions.burst {
            Some(burst) if self.links.is_lost(from, to, burst, &mut self.random) => Err(Lost::Burst),
            _ => Ok(leaves_ns),
        }
    }

    fn through_port(&mut self, now_ns: u64, from: u32, bytes: usize) -> Result<u64, Lost> {
        let Some(bandwidth) = self.conditions.bandwidth else { return Ok(now_ns) };
        let port = &mut self.ports[from as usize];
        let start_ns = port.busy_until_ns.max(now_ns);
        if start_ns - now_ns > QUEUE_MAX_NS {
            return Err(Lost::Bandwidth);
        }
        port.busy_until_ns = start_ns + transfer_ns(bytes, bandwidth);
        Ok(port.busy_until_ns)
    }

    fn arrival(&mut self, leaves_ns: u64, from: u32, to: u32) -> u64 {
        let Conditions { delay_ns, jitter_ns, zone_delay_ns, reorder, reorder_ns, .. } = self.conditions;
        let across = self.ports[from as usize].zone != self.ports[to as usize].zone;
        let late = if self.random.happens(reorder) { reorder_ns } else { 0 };
        let jitter = if jitter_ns == 0 { 0 } else { self.random.below(jitter_ns + 1) };
        leaves_ns + delay_ns + jitter + late + if across { zone_delay_ns } else { 0 }
    }
}

impl Flap {
    const fn is_down(self, now_ns: u64) -> bool {
        (now_ns + self.phase_ns) % self.period_ns < self.down_ns
    }
}

/// Time `bytes` take at `bytes_per_s`, ns.
const fn transfer_ns(bytes: usize, bytes_per_s: u64) -> u64 {
    (bytes as u64 * 1_000_000_000).div_ceil(bytes_per_s)
}

#[cfg(test)]
mod tests;
