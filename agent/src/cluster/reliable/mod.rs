//! The reliable plane: QUIC between nodes, mutual TLS, keys of the fast plane, snapshots, ordered streams.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`settings`] | what it is told at its start |
//! | [`hello`], [`frames`] | what two nodes say to each other on the control stream |
//! | [`keys`] | keys of the fast plane from the TLS exporter, cipher suites |
//! | `tls` | certificates judged within the handshake |
//! | `handshake` | from a first packet to two hellos that agree |
//! | `admit`, `table` | which of two connections is kept; restarts and duplicates (`decisions:CLU-7`) |
//! | `serve` | one connection from hello to end; key epochs |
//! | `dials` | whom to dial and when: back-off, cap |
//! | `plane` | the one task that owns the table of connections |
//! | [`snapshot`] | members and formation for a joiner (`membership:MB-9`, `membership:MB-10`) |
//! | [`streams`] | ordered streams by name |
//! | [`board`] | what is shown |
//!
//! It runs on the control thread's runtime. All judgement of who may come in is made before anything else is read.

mod admit;
pub mod board;
mod dials;
mod failure;
pub mod frames;
mod handshake;
pub mod hello;
pub mod keys;
mod plane;
mod serve;
pub mod settings;
mod shared;
pub mod snapshot;
pub mod streams;
mod table;
#[cfg(test)]
mod tests;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;

use quinn::{Endpoint, EndpointConfig, TokioRuntime};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

pub use self::board::{Board, Counters, PeerView, View};
use self::plane::{EVENTS, Plane};
pub use self::settings::{Settings, Times};
use self::shared::Shared;
pub use self::streams::{PairStream, StreamError};
use self::tls::Tls;
use super::bridge::ReliableEnd;
use super::identity::IdentityError;

/// Streams of one service that wait to be taken.
const STREAMS_WAITING: usize = 16;

/// Why the reliable plane does not start.
#[derive(Debug, thiserror::Error)]
pub enum ReliableError {
    /// The address cannot be had.
    #[error("cluster.reliable = {address}: {error}; choose a free port, or an address of this host")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// The identity does not do for TLS.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// The reliable plane of this node. Dropping it closes all connections, with words.
#[derive(Debug)]
pub struct Reliable {
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Reliable {
    /// Starts it on a runtime. Nothing is dialled or taken before the link thread said where the fast plane listens.
    ///
    /// # Errors
    /// [`ReliableError`].
    pub fn spawn(settings: Settings, end: ReliableEnd, runtime: &Handle) -> Result<Self, ReliableError> {
        let _inside = runtime.enter();
        let tls = Tls::new(&settings.identity, settings.clock, settings.times.idle)?;
        let address = settings.listen;
        let failed = |error| ReliableError::Listen { address, error };
        let socket = std::net::UdpSocket::bind(address).map_err(failed)?;
        let usual = tls.server(&tls::Found::default());
        let usual = usual.map_err(|error| failed(std::io::Error::other(error.to_string())))?;
        let endpoint =
            Endpoint::new(EndpointConfig::default(), Some(usual), socket, Arc::new(TokioRuntime)).map_err(failed)?;
        let shared = Arc::new(Shared::new(settings, tls, endpoint, end.to_link.clone()));
        let plane = Plane::new(Arc::clone(&shared), end, mpsc::channel(EVENTS));
        let (stop, stopped) = oneshot::channel();
        let task = runtime.spawn(plane.run(stopped));
        Ok(Self { shared, stop: Some(stop), task })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.shared.endpoint.local_addr().ok()
    }

    /// What it shows.
    #[must_use]
    pub fn view(&self) -> View {
        self.shared.board.view()
    }

    /// Tells the formation this node belongs to, for hellos to come.
    pub fn set_formation(&self, formation: u64) {
        self.shared.set_formation(formation);
    }

    /// Goes over to another address of this host; connections move with it.
    ///
    /// # Errors
    /// [`ReliableError::Listen`]; the former address stays in use.
    pub fn rebind(&self, address: SocketAddr) -> Result<(), ReliableError> {
        let failed = |error| ReliableError::Listen { address, error };
        let socket = std::net::UdpSocket::bind(address).map_err(failed)?;
        self.shared.endpoint.rebind(socket).map_err(failed)
    }

    /// Opens an ordered stream to a service of a peer.
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn open(&self, peer: u32, service: &str) -> Result<PairStream, StreamError> {
        let connection = self.shared.live(peer).ok_or(StreamError::NotConnected(peer))?;
        streams::open(&connection, peer, service).await
    }

    /// Offers a service: streams of that name that peers open. `None` when there are too many services.
    #[must_use]
    pub fn serve(&self, service: &str) -> Option<mpsc::Receiver<PairStream>> {
        let (to, from) = mpsc::channel(STREAMS_WAITING);
        self.shared.serve(service, to).then_some(from)
    }

    /// Closes all connections and waits until that is said.
    pub async fn stop(mut self) {
        self.stop.take();
        let _ = (&mut self.task).await;
    }
}
