//! What all tasks of the reliable plane share.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use quinn::{Connection, Endpoint};
use tokio::sync::{Semaphore, mpsc};

use super::board::Board;
use super::hello::{Fast, Hello};
use super::keys::End;
use super::settings::Settings;
use super::streams::PairStream;
use super::tls::Tls;
use crate::cluster::bridge::LinkSender;

/// Boots of peers whose highest key epoch is remembered; the link remembers fewer.
const FLOORS_MAX: usize = 1_024;
/// Snapshots given at once; others wait.
const SNAPSHOTS_MAX: usize = 4;
/// Services of streams.
const SERVICES_MAX: usize = 16;

/// What changes while the node runs.
#[derive(Debug)]
struct Own {
    record: Vec<u8>,
    fast: Option<Fast>,
    formation: u64,
}

/// What all tasks of the reliable plane share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) tls: Tls,
    pub(super) endpoint: Endpoint,
    pub(super) board: Board,
    pub(super) to_link: LinkSender,
    pub(super) snapshots: Semaphore,
    own: Mutex<Own>,
    floors: Mutex<BTreeMap<(u32, u64), u32>>,
    live: Mutex<BTreeMap<u32, Connection>>,
    services: Mutex<BTreeMap<String, mpsc::Sender<PairStream>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(settings: Settings, tls: Tls, endpoint: Endpoint, to_link: LinkSender) -> Self {
        let own = Own { record: settings.record.clone(), fast: settings.advertise.map(Fast::At), formation: 0 };
        Self {
            settings,
            tls,
            endpoint,
            board: Board::default(),
            to_link,
            snapshots: Semaphore::new(SNAPSHOTS_MAX),
            own: Mutex::new(own),
            floors: Mutex::default(),
            live: Mutex::default(),
            services: Mutex::default(),
        }
    }

    pub(super) fn me(&self) -> End {
        self.settings.end()
    }

    /// This node's hello; `epoch` is the highest used with the peer before.
    pub(super) fn hello(&self, epoch: u32) -> Hello {
        let settings = &self.settings;
        let own = lock(&self.own);
        Hello {
            lowest: settings.versions.0,
            highest: settings.versions.1,
            suites: settings.suites,
            cluster_id: settings.identity.trust.cluster_id(),
            node: settings.identity.id().get(),
            boot_id: settings.boot_id,
            boot_inc: settings.boot_inc,
            epoch,
            // Nothing is dialled or taken before the fast plane listens.
            fast: own.fast.unwrap_or(Fast::Port(1)),
            digest: settings.digest,
            formation: own.formation,
            record: own.record.clone(),
        }
    }

    pub(super) fn set_record(&self, record: Vec<u8>) {
        lock(&self.own).record = record;
    }

    pub(super) fn set_formation(&self, formation: u64) {
        lock(&self.own).formation = formation;
    }

    /// Where the fast plane listens; what is configured for others to use stays.
    pub(super) fn set_listening(&self, address: std::net::SocketAddr) {
        let seen = if address.ip().is_unspecified() { Fast::Port(address.port()) } else { Fast::At(address) };
        let advertised = self.settings.advertise.map(Fast::At);
        lock(&self.own).fast = Some(advertised.unwrap_or(seen));
    }

    pub(super) fn is_listening(&self) -> bool {
        lock(&self.own).fast.is_some()
    }

    /// The highest epoch used with a boot of a peer.
    pub(super) fn floor(&self, peer: End) -> u32 {
        lock(&self.floors).get(&(peer.node, peer.boot_id)).copied().unwrap_or(0)
    }

    pub(super) fn raise_floor(&self, peer: End, epoch: u32) {
        let mut floors = lock(&self.floors);
        // Boots that are over go first; which of them hardly matters.
        if floors.len() >= FLOORS_MAX && !floors.contains_key(&(peer.node, peer.boot_id)) {
            let live = lock(&self.live);
            let old = floors.keys().find(|(node, _)| !live.contains_key(node)).copied();
            drop(live);
            if let Some(old) = old.or_else(|| floors.keys().next().copied()) {
                floors.remove(&old);
            }
        }
        let floor = floors.entry((peer.node, peer.boot_id)).or_default();
        *floor = epoch.max(*floor);
    }

    pub(super) fn set_live(&self, peer: u32, connection: Option<Connection>) {
        let mut live = lock(&self.live);
        match connection {
            Some(connection) => live.insert(peer, connection),
            None => live.remove(&peer),
        };
    }

    pub(super) fn live(&self, peer: u32) -> Option<Connection> {
        lock(&self.live).get(&peer).cloned()
    }

    /// Names a service; `false` when there are too many.
    pub(super) fn serve(&self, name: &str, to: mpsc::Sender<PairStream>) -> bool {
        let mut services = lock(&self.services);
        let room = services.len() < SERVICES_MAX || services.contains_key(name);
        if room {
            services.insert(name.to_owned(), to);
        }
        room
    }

    pub(super) fn service(&self, name: &str) -> Option<mpsc::Sender<PairStream>> {
        lock(&self.services).get(name).cloned()
    }
}
