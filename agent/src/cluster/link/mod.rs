//! The link thread: owns the socket of the fast plane, the sessions, the `ekk` node, the remote tori and the directory.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`engine`] | the loop |
//! | [`hear`] | what comes over the bridge, and what `ekk` tells |
//! | [`ballots`], [`policies`] | ballots, and how this node answers them by itself |
//! | [`requests`], [`leaving`] | what an operator may ask; a leave, which takes its time |
//! | [`outbox`] | what `ekk` wants done, until it can be |
//! | [`dialer`] | sessions on demand |
//! | [`show`] | the snapshot for whoever watches |

mod ballots;
mod dialer;
mod engine;
mod hear;
mod leaving;
mod outbox;
mod policies;
mod requests;
mod show;

#[cfg(test)]
mod braid_tests;
#[cfg(test)]
mod tests;

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use control::cluster::ClusterSnapshot;
use ekk::membership::record::MemberRecord;
use ekk::node::Node;
use ekk::sign::Crypto;
use link::{Config, Endpoint, Out};
use shm_transport::region::Region;
use shm_transport::udp::{Doorbell, Udp, UdpError, UdpOptions};

pub use self::policies::policies;

use self::dialer::Dialer;
use self::engine::Engine;
use self::outbox::Outbox;
use self::show::Shown;
use super::bridge::{LinkEnd, LinkSender, ToLink};
use super::directory::Directory;
use super::mirror::Mirrors;
use super::mirror::rsepx::Carrier;
use super::settings::Settings;
use crate::runtime::clock::Clock;
use crate::runtime::events::Severity;
use crate::runtime::pinning;

/// How long a stop waits for the thread, and how often it looks.
const STOP: std::time::Duration = std::time::Duration::from_secs(1);
const LOOK: std::time::Duration = std::time::Duration::from_millis(2);
/// How long a start waits for its address. The kernel takes the ring of a killed process apart in the background, some time
/// after the process is gone; until then the ring holds the socket, and a node that is started again at once meets its own past.
/// It waits for grace periods of RCU, usually some ms; on a host that is short of cores they have taken 20 s.
const ADDRESS: std::time::Duration = std::time::Duration::from_secs(60);
/// Stack of the thread: the node's tables are values, and large ones.
const STACK_BYTES: usize = 16 << 20;

/// What the link thread shares with the rest of the node.
#[derive(Debug, Default)]
pub struct LinkShared {
    snapshot: Mutex<Option<Arc<ClusterSnapshot>>>,
    /// The cluster is formed, or this node has adopted its formation.
    pub formed: AtomicBool,
    /// The thread shall end, even when no message reaches it: 0 = go on, 1 = stop, 2 = leave, then stop.
    pub stop: AtomicU8,
    /// CLOCK_MONOTONIC when the loop last came round, ns.
    pub beat_ns: AtomicU64,
}

impl LinkShared {
    /// The newest snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Option<Arc<ClusterSnapshot>> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn publish(&self, snapshot: ClusterSnapshot) {
        *self.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(snapshot));
    }
}

/// Writes lines into the node's event log.
pub struct Teller {
    say: Box<dyn FnMut(Severity, String) + Send>,
}

impl Teller {
    /// By a function, normally [`crate::runtime::keeper::Inbox::line`] with torus 255.
    pub fn new(say: impl FnMut(Severity, String) + Send + 'static) -> Self {
        Self { say: Box::new(say) }
    }

    /// Says it.
    pub fn say(&mut self, severity: Severity, text: String) {
        (self.say)(severity, text);
    }
}

impl std::fmt::Debug for Teller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Teller")
    }
}

/// Everything a link thread is given.
pub struct Setup<C> {
    /// What it shall do.
    pub settings: Settings,
    /// Signs and verifies.
    pub crypto: C,
    /// Its end of the bridge.
    pub bridge: LinkEnd,
    /// The doorbell the bridge was made with.
    pub doorbell: Arc<Doorbell>,
    /// The region of the braid; `None` = nothing to mirror.
    pub region: Option<Arc<Region>>,
    /// The node's log.
    pub tell: Teller,
    /// The node's clock.
    pub clock: Clock,
    /// The start is called off: an address in use is not waited for any longer.
    pub cancel: Arc<AtomicBool>,
}

/// Why there is no link thread.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The socket.
    #[error(transparent)]
    Udp(#[from] UdpError),
    /// Settings of the link.
    #[error("cluster.link: {0}")]
    Link(#[from] link::ConfigError),
    /// Settings of the node.
    #[error("cluster: {0}")]
    Node(String),
    /// The socket for frames of the seed.
    #[error("cluster.rsepx.listen: {0}; is the address ours and the port free?")]
    Rsepx(std::io::Error),
    /// No thread.
    #[error("link thread: {0}; the host is short of resources")]
    Thread(std::io::Error),
}

/// A running link thread. Dropping it stops it, without a word to the others.
#[derive(Debug)]
pub struct LinkHandle {
    sender: LinkSender,
    shared: Arc<LinkShared>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl LinkHandle {
    /// What it shares.
    #[must_use]
    pub fn shared(&self) -> &Arc<LinkShared> {
        &self.shared
    }

    /// Where the fast plane listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A way to it.
    #[must_use]
    pub fn sender(&self) -> &LinkSender {
        &self.sender
    }

    /// Whether the thread has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Stops it and waits; `leave` = the others are told that this node leaves for good.
    /// A thread that does not come round within a second is left behind; it ends with the process.
    pub fn stop(&mut self, leave: bool) {
        self.shared.stop.store(if leave { 2 } else { 1 }, Ordering::Release);
        // A full bridge loses the message, not the word above; the doorbell rings either way.
        let _ = self.sender.send(ToLink::Stop { leave });
        let Some(thread) = self.thread.take() else { return };
        let start = std::time::Instant::now();
        while !thread.is_finished() && start.elapsed() < STOP {
            std::thread::sleep(LOOK);
        }
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}

impl Drop for LinkHandle {
    fn drop(&mut self) {
        self.stop(false);
    }
}

/// Starts the thread; returns when its socket is open, or why it does not run. `sender` = a way over the bridge to it.
///
/// # Errors
/// [`LinkError`]; nothing is left running.
pub fn spawn<C: Crypto + Send + 'static>(setup: Setup<C>, sender: LinkSender) -> Result<LinkHandle, LinkError> {
    let shared = Arc::new(LinkShared::default());
    let (ready, opened) = crossbeam_channel::bounded(1);
    let for_thread = Arc::clone(&shared);
    let body = move || {
        if let Some(core) = setup.settings.core {
            // Not pinned is only slower.
            let _ = pinning::pin_current_thread(&[core]);
        }
        let region = setup.region.clone();
        match engine(setup, region.as_deref(), for_thread) {
            Ok(mut engine) => {
                let _ = ready.send(Ok(engine.udp.local_addr()));
                engine.run();
            }
            Err(error) => drop(ready.send(Err(error))),
        }
    };
    let thread = std::thread::Builder::new().name("link".to_owned()).stack_size(STACK_BYTES).spawn(body);
    let thread = thread.map_err(LinkError::Thread)?;
    match opened.recv() {
        Ok(Ok(address)) => Ok(LinkHandle { sender, shared, address, thread: Some(thread) }),
        Ok(Err(error)) => {
            let _ = thread.join();
            Err(error)
        }
        Err(_) => Err(LinkError::Thread(std::io::Error::other("it ended before it began"))),
    }
}

/// Everything the thread owns, made on the thread: the ring belongs to whoever opens it.
fn engine<C: Crypto>(
    setup: Setup<C>,
    region: Option<&Region>,
    shared: Arc<LinkShared>,
) -> Result<Box<Engine<'_, C>>, LinkError> {
    let Setup { settings, crypto, bridge, doorbell, mut tell, clock, cancel, .. } = setup;
    let me = settings.me.identity.id.get();
    let udp = open(&settings.udp, &doorbell, &mut tell, &cancel)?;
    let interval_ns = 1_000_000_000 / u64::from(settings.projections_per_s.max(1));
    let config = Config {
        max_edges: torus::MAX_TORI,
        // A turn that comes a little early shall not lose its projection to the cap.
        projection_interval_ns: interval_ns - interval_ns / 20,
        bandwidth_bytes_per_s: settings.bandwidth_bytes_per_s,
        mtu_bytes: settings.mtu_bytes,
        ..Config::new(settings.node.cluster_id, me, settings.boot_id)
    };
    let node =
        Node::new(settings.node, settings.me, settings.seed).map_err(|error| LinkError::Node(error.to_string()))?;
    let mirrors = region.map(|region| Mirrors::new(region, me, &settings.remotes, settings.in_doubt, settings.boot_id));
    let rsepx = match (region, &settings.rsepx) {
        (Some(region), Some(peer)) => Some(Carrier::open(region, peer).map_err(LinkError::Rsepx)?),
        _ => None,
    };
    Ok(Box::new(Engine {
        rsepx,
        clock,
        udp,
        doorbell,
        endpoint: Endpoint::new(config)?,
        node,
        crypto,
        bridge,
        outbox: Outbox::new(),
        out: Out::new(),
        directory: Directory::new(),
        dialer: Dialer::new(&settings.seeds, settings.handshakes_per_s),
        mirrors: mirrors.filter(|mirrors| !mirrors.is_empty()),
        tell,
        shared,
        shown: Shown::default(),
        started_ns: 0,
        overdue: false,
        stopping: false,
        sessions_ns: 0,
        show_ns: 0,
        mirrors_ns: 0,
        joining: None,
        found: Vec::new(),
        leaving: None,
        compare_ns: [u64::MAX; 2],
        unaddressed: 0,
        settings: Arc::new(settings),
    }))
}

/// Opens the socket of the fast plane; waits for an address that is in use, says so, and gives up in the end.
fn open(
    options: &UdpOptions,
    doorbell: &Arc<Doorbell>,
    tell: &mut Teller,
    cancel: &AtomicBool,
) -> Result<Udp, UdpError> {
    let (start, mut said) = (std::time::Instant::now(), false);
    loop {
        let error = match Udp::open(options, Arc::clone(doorbell)) {
            Ok(udp) => return Ok(udp),
            Err(error) => error,
        };
        if !error.is_address_in_use() || start.elapsed() > ADDRESS || cancel.load(Ordering::Acquire) {
            return Err(error);
        }
        if !said {
            let text = format!("{} is still in use: waiting at most {} s for it", options.bind, ADDRESS.as_secs());
            tell.say(Severity::Warning, text);
            said = true;
        }
        std::thread::sleep(LOOK);
    }
}

/// Where the reliable plane of a member is; `None` when its record does not say.
#[must_use]
pub fn address_of(record: &MemberRecord) -> Option<SocketAddr> {
    let (ip, port) = record.address.split_at(16);
    let ip: [u8; 16] = ip.try_into().ok()?;
    let port = u16::from_le_bytes(port.try_into().ok()?);
    let ip = Ipv6Addr::from(ip).to_canonical();
    (port != 0 && !ip.is_unspecified()).then_some(SocketAddr::new(ip, port))
}

/// An address as a record carries it.
#[must_use]
pub fn address_bytes(address: SocketAddr) -> [u8; 18] {
    let ip = match address.ip() {
        std::net::IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        std::net::IpAddr::V6(v6) => v6,
    };
    let mut bytes = [0; 18];
    bytes[..16].copy_from_slice(&ip.octets());
    bytes[16..].copy_from_slice(&address.port().to_le_bytes());
    bytes
}
