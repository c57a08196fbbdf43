//! From the cluster part of a configuration to two running planes, and what the control thread does for them from time to time.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use control::api::{Refusal, Reply, Request};
use control::cluster::ClusterPage;
use control::{ClusterSnapshot, Snapshot};
use ekk::id::NodeId;
use ekk::node::{Founders, NodeConfig};
use ekk::profile::Preset;
use ekk::topology::Metric;
use shm_transport::liveness::boot_id;
use shm_transport::region::Region;
use shm_transport::udp::{Doorbell, Mode, UdpOptions};
use tokio::sync::oneshot;

use super::bridge::{self, LinkSender, ToLink};
use super::identity::load::Being;
use super::identity::{Identity, IdentityError, unix_now_s};
use super::link::{self, LinkError, LinkHandle, Setup, Teller};
use super::names::{self, Asking, Resolved};
use super::reliable::keys::{has_aes, suites};
use super::reliable::{Reliable, ReliableError, Settings as ReliableSettings};
use super::settings::{InDoubt, Remote, Rsepx, Settings};
use super::state::{Keeper, StateError, StateFile};
use crate::config::cluster::{Cluster, Io, Metric as Nearness, OnDeadline, Preset as Periods, Quorum, StartTori};
use crate::runtime::clock::Clock;

/// How long a request to the cluster may take.
const ANSWER: Duration = Duration::from_millis(500);
/// How long a stop waits for a disk that has not yet taken what outlives the process.
const STATE: Duration = Duration::from_secs(1);
/// How often a waiting request looks for its answer.
const LOOK: Duration = Duration::from_millis(2);

/// Why a node does not become part of its cluster. Nothing is left running.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// Certificates, keys or cards.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The state folder.
    #[error(transparent)]
    State(#[from] StateError),
    /// The fast plane.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The reliable plane.
    #[error(transparent)]
    Reliable(#[from] ReliableError),
    /// The founders of the file are none.
    #[error("cluster.founders: {0}")]
    Founders(String),
    /// No thread.
    #[error("start of the cluster: {0}")]
    Thread(std::io::Error),
    /// The system has no random number for us.
    #[error("boot id: {0}; the host is short of resources")]
    Random(std::io::Error),
}

/// A node's part in its cluster. Dropping it ends both planes, without a word to the others.
#[derive(Debug)]
pub struct Running {
    link: LinkHandle,
    _asking: Option<Asking>,
    reliable: Reliable,
    state: Keeper,
    waits: bool,
    on_deadline: OnDeadline,
    shown: Option<Arc<ClusterSnapshot>>,
    identity: Arc<Identity>,
    certificate_at: Option<std::time::Instant>,
}

/// How often the end of the certificate is looked at.
const CERTIFICATE: Duration = Duration::from_secs(60);

/// What the node around the cluster brings along.
pub struct Around {
    /// The region of the braid; `None` = no remote tori.
    pub region: Option<Arc<Region>>,
    /// The node's log.
    pub tell: Teller,
    /// The node's clock.
    pub clock: Clock,
    /// Folder of what outlives the process.
    pub state_dir: PathBuf,
    /// Set when the start is called off.
    pub cancel: Arc<AtomicBool>,
}

/// Starts both planes; waits for the disk, and for an address that is still in use. `runtime` is that of the control thread.
///
/// # Errors
/// [`ClusterError`].
pub fn start(cluster: &Cluster, around: Around, runtime: &tokio::runtime::Handle) -> Result<Running, ClusterError> {
    let now_s = unix_now_s();
    let identity = Arc::new(Identity::load(&cluster.identity, cluster.id, now_s)?);
    let mut state = StateFile::open(&around.state_dir)?;
    let boot_inc = state.next_incarnation()?;
    let fast_boot = boot_id().map_err(ClusterError::Random)?;
    let mut named = names::resolve(cluster, names::lookup);
    let unresolved = std::mem::take(&mut named.unresolved);
    let node = node_config(cluster, &identity, state.kept().epoch)?;
    let reached = cluster.advertise.map(|at| SocketAddr::new(at.ip(), cluster.reliable.port()));
    let being = Being {
        boot_inc,
        life: 0,
        zone: &cluster.zone,
        position: cluster.position,
        address: reached.map_or([0; 18], super::identity::load::address_bytes),
        flags: 0,
    };
    let me = identity.record(being);
    let settings = link_settings(cluster, &identity, node, me, fast_boot, named);
    let mut reliable =
        ReliableSettings::new(cluster.reliable, Arc::clone(&identity), fast_boot, boot_inc, encoded(&me));
    reliable.advertise = cluster.advertise;
    reliable.suites = suites(cluster.link.cipher, has_aes());
    reliable.rekey = cluster.link.rekey;
    reliable.handshakes_per_s = cluster.link.handshakes_per_s;
    let doorbell = Arc::new(Doorbell::new());
    let (link_end, reliable_end) = bridge::pair(Arc::clone(&doorbell));
    let sender = reliable_end.to_link.clone();
    let setup = Setup {
        settings,
        crypto: identity.crypto(now_s),
        bridge: link_end,
        doorbell,
        region: around.region,
        tell: around.tell,
        clock: around.clock,
        cancel: around.cancel,
    };
    let state = Keeper::start(state)?;
    let link = link::spawn(setup, sender)?;
    let reliable = Reliable::spawn(reliable, reliable_end, runtime)?;
    // The tori stand ready by now: that is what a founder has to have done.
    let _ = link.sender().send(ToLink::LocalDone);
    let asking = Asking::start(unresolved, link.sender().clone()).map_err(ClusterError::Thread)?;
    Ok(Running {
        _asking: asking,
        link,
        reliable,
        state,
        waits: cluster.start == StartTori::Formed,
        on_deadline: cluster.on_deadline,
        shown: None,
        identity,
        certificate_at: None,
    })
}

fn encoded(record: &ekk::membership::record::MemberRecord) -> Vec<u8> {
    record.to_bytes().to_vec()
}

/// `formed` is the epoch of the formation this node belonged to last, 0 = none: after a full stop the next one is formed.
fn node_config(cluster: &Cluster, identity: &Identity, formed: u64) -> Result<NodeConfig, ClusterError> {
    let ids = |list: &[u32]| list.iter().copied().filter_map(NodeId::new).collect::<Vec<_>>();
    let set = |list: &[u32]| Founders::new(&ids(list)).map_err(|error| ClusterError::Founders(error.to_string()));
    let founders = set(&cluster.founders)?;
    let preset = match cluster.preset {
        Periods::Fast => Preset::Fast,
        Periods::Lan => Preset::Lan,
        Periods::Wan => Preset::Wan,
    };
    let count = cluster.founders.len();
    let quorum = match cluster.quorum {
        Quorum::Majority => count / 2 + 1,
        Quorum::TwoThirds => 2 * count / 3 + 1,
        Quorum::All => count,
    };
    let mut node = NodeConfig::new(identity.trust.cluster_id(), preset, founders);
    node.metric = match cluster.metric {
        Nearness::Logical => Metric::Logical,
        Nearness::Physical => Metric::Physical,
        Nearness::Rtt => Metric::Rtt,
    };
    node.k = u8::try_from(cluster.neighbours).unwrap_or(7);
    node.neighbours_min = node.neighbours_min.min(node.k);
    node.quorum = u8::try_from(quorum.min(count)).unwrap_or(u8::MAX);
    node.voters = set(&cluster.voters)?;
    node.policies = super::link::policies(&cluster.votes);
    let before = formed.max(cluster.epoch.saturating_sub(1));
    node.record = (before > 0).then(|| node.formation(before));
    Ok(node)
}

fn link_settings(
    cluster: &Cluster,
    identity: &Identity,
    node: NodeConfig,
    me: ekk::membership::record::MemberRecord,
    boot_id: u64,
    named: Resolved,
) -> Settings {
    let link = &cluster.link;
    let name_of = |torus: u8| {
        let named = cluster.remotes.iter().find(|remote| remote.id == torus);
        named.map(|remote| remote.torus.clone()).unwrap_or_default()
    };
    Settings {
        cluster: identity.trust.cluster().to_owned(),
        preset: match cluster.preset {
            Periods::Fast => "fast",
            Periods::Lan => "lan",
            Periods::Wan => "wan",
        },
        node,
        me,
        boot_id,
        seed: boot_id ^ u64::from(cluster.id),
        udp: UdpOptions {
            mode: match link.io {
                Io::Auto => Mode::Auto,
                Io::IoUring => Mode::IoUring,
                Io::Sockets => Mode::Sockets,
            },
            sqpoll: link.sq_poll,
            send_zc: link.zero_copy,
            dscp: link.dscp,
            ..UdpOptions::new(cluster.listen)
        },
        core: link.core,
        mtu_bytes: link.mtu as usize,
        bandwidth_bytes_per_s: link.bandwidth_bytes_per_s.unwrap_or(0),
        projections_per_s: link.projections_per_s,
        rekey_ns: u64::try_from(link.rekey.as_nanos()).unwrap_or(u64::MAX),
        handshakes_per_s: link.handshakes_per_s,
        peers: named.peers,
        names: cluster.peers.iter().filter_map(|peer| Some((peer.id, peer.name.clone()?))).collect(),
        seeds: named.seeds,
        remotes: cluster
            .remotes
            .iter()
            .filter_map(|remote| Some(Remote { name: remote.torus.clone(), torus: remote.id, node: remote.node? }))
            .collect(),
        in_doubt: match cluster.in_doubt {
            crate::config::cluster::InDoubt::Redo => InDoubt::Redo,
            crate::config::cluster::InDoubt::Drop => InDoubt::Drop,
        },
        open_ns: u64::try_from(cluster.votes.open.as_nanos()).unwrap_or(u64::MAX),
        deadline_ns: u64::try_from(cluster.deadline.as_nanos()).unwrap_or(u64::MAX),
        rsepx: cluster.rsepx.as_ref().map(|rsepx| Rsepx {
            listen: rsepx.listen,
            peer: rsepx.peer,
            torus: rsepx.torus,
            name: name_of(rsepx.torus),
        }),
    }
}

/// What is new about the cluster.
#[derive(Debug, Default)]
pub struct News {
    /// A record for the status page.
    pub page: Option<Box<ClusterPage>>,
    /// The tori may start now.
    pub open: bool,
    /// They may, although the cluster did not form in time.
    pub overdue: bool,
    /// Draining began or ended.
    pub drain: Option<bool>,
    /// The node must stop, and why.
    pub give_up: Option<String>,
}

impl Running {
    /// A way to ask it.
    #[must_use]
    pub fn desk(&self) -> Desk {
        Desk { link: self.link.sender().clone() }
    }

    /// Whether the tori wait for the cluster to be formed.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.waits
    }

    /// Where both planes listen: fast, reliable.
    #[must_use]
    pub fn addresses(&self) -> (SocketAddr, Option<SocketAddr>) {
        (self.link.address(), self.reliable.local_addr())
    }

    /// Why the node must stop, if the link thread has ended by itself.
    #[must_use]
    pub fn broken(&self) -> Option<&'static str> {
        self.link.is_finished().then_some("the link thread has ended: this is a bug; see the log")
    }

    /// Looks after what is due: the page, what outlives the process, the end of the certificate. `pending` = events on the tori.
    pub fn tick(&mut self, pending: impl FnOnce() -> Option<u64>) -> News {
        let mut news = News::default();
        self.watch_certificate();
        let Some(shown) = self.link.shared().snapshot() else { return news };
        if let Some(events) = shown.draining.then(pending).flatten() {
            let _ = self.link.sender().send(ToLink::Pending { events });
        }
        if self.shown.as_ref().is_some_and(|last| Arc::ptr_eq(last, &shown)) {
            return news;
        }
        self.state.keep(shown.boot_inc, shown.bootstrap.epoch, shown.bootstrap.formation);
        let before = self.shown.as_ref().is_some_and(|last| last.draining);
        news.drain = (before != shown.draining).then_some(shown.draining);
        self.reliable.set_formation(shown.bootstrap.formation);
        news.page = ClusterPage::new(&shown);
        let overdue = shown.bootstrap.overdue && !formed(&shown);
        if self.waits && (formed(&shown) || (overdue && self.on_deadline == OnDeadline::FailOpen)) {
            (self.waits, news.open, news.overdue) = (false, true, overdue);
        }
        if overdue && self.on_deadline == OnDeadline::GiveUp {
            let first = shown.bootstrap.waiting.first().map_or("", |waiting| waiting.text.as_str());
            news.give_up =
                Some(format!("the cluster did not form in time (cluster.on_deadline = \"give-up\"): {first}"));
        }
        self.shown = Some(shown);
        news
    }

    /// Sensors become field components.
    pub fn feed(&self, now: &Snapshot) {
        for (index, ppm) in components(now) {
            let _ = self.link.sender().send(ToLink::Component { index, ppm });
        }
    }

    fn watch_certificate(&mut self) {
        if self.certificate_at.is_some_and(|at| at.elapsed() < CERTIFICATE) {
            return;
        }
        self.certificate_at = Some(std::time::Instant::now());
        let warning = self.identity.warning(unix_now_s());
        let ends_unix_s = self.identity.ends_unix_s();
        let _ = self.link.sender().send(ToLink::Certificate { ends_unix_s, warning });
    }

    /// Ends both planes; `leave` tells the others that this node goes for good.
    pub fn stop(mut self, leave: bool) {
        self.link.stop(leave);
        self.state.stop(STATE);
    }
}

fn formed(cluster: &ClusterSnapshot) -> bool {
    cluster.bootstrap.formation != 0 || cluster.bootstrap.label == "formed"
}

/// Components that sensors give: index and parts per million of full scale. Load is the fullest queue, thermal the hottest zone
/// against 100 C, power against 1 kW; what is absent says nothing.
fn components(now: &Snapshot) -> Vec<(u8, u32)> {
    let share = |value: f64| (value.clamp(0.0, 1.0) * 1e6) as u32;
    let load = now
        .tori
        .iter()
        .filter(|torus| torus.capacity > 0)
        .map(|torus| torus.pending as f64 / torus.capacity as f64)
        .fold(0.0, f64::max);
    let mut out = vec![(0, share(load))];
    out.extend(now.host.temperature_c.map(|celsius| (1, share(celsius / 100.0))));
    out.extend(now.host.power_w.map(|watts| (2, share(watts / 1_000.0))));
    out
}

/// Takes requests to the cluster.
#[derive(Debug, Clone)]
pub struct Desk {
    link: LinkSender,
}

impl Desk {
    /// Whether a request is for the cluster.
    #[must_use]
    pub fn is_for_it(request: &Request) -> bool {
        matches!(
            request,
            Request::Propose { .. }
                | Request::Vote { .. }
                | Request::Leave {}
                | Request::Drain { .. }
                | Request::Maintenance { .. }
                | Request::Forget { .. }
                | Request::Join { .. }
                | Request::ResumeRemovals {}
        )
    }

    /// Carries a request out; waits at most half a second.
    ///
    /// # Errors
    /// [`Refusal`] says what was wrong.
    pub fn ask(&self, request: &Request) -> Result<Reply, Refusal> {
        let refuse = |error: String| Refusal::new(error);
        let (reply, mut answer) = oneshot::channel();
        let message = ToLink::Ask { request: request.clone(), reply };
        self.link.send(message).map_err(|error| refuse(error.to_string()))?;
        let start = std::time::Instant::now();
        loop {
            match answer.try_recv() {
                Ok(answer) => return answer,
                Err(oneshot::error::TryRecvError::Closed) => {
                    return Err(refuse("the link thread has ended; see the log: trefoil events".to_owned()));
                }
                Err(oneshot::error::TryRecvError::Empty) if start.elapsed() < ANSWER => std::thread::sleep(LOOK),
                Err(oneshot::error::TryRecvError::Empty) => {
                    let error = "the link thread did not answer within 500 ms; it may still do what was asked";
                    return Err(refuse(error.to_owned()));
                }
            }
        }
    }
}
