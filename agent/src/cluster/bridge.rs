//! The bridge between the link thread and the reliable plane (control thread): two bounded channels and a doorbell.
//!
//! The link thread never waits for the other side: what does not fit is counted ([`LinkEnd::refused`]) and asked for again when
//! its time comes. The reliable plane rings the doorbell after each message, so that a link thread asleep in its ring comes round.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use control::api::{Refusal, Reply, Request};
use crossbeam_channel::{Receiver, Sender, TrySendError};
use shm_transport::udp::Doorbell;
use tokio::sync::{mpsc, oneshot};

/// Messages that may wait in either direction.
pub const CAPACITY: usize = 256;
/// Bytes of exported key material for each direction; the cipher takes what it needs from the front.
pub const KEY_BYTES: usize = 32;

/// Cipher of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// AES-128-GCM.
    Aes128Gcm,
    /// ChaCha20-Poly1305, where a side has no AES instructions.
    ChaCha20Poly1305,
}

/// Keys of one direction each, from the TLS exporter. Not printable, and not comparable in variable time.
#[derive(Clone)]
pub struct Keys {
    /// Cipher.
    pub suite: Suite,
    /// Seals what this node sends.
    pub send: [u8; KEY_BYTES],
    /// Opens what the peer sent.
    pub receive: [u8; KEY_BYTES],
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("suite", &self.suite).finish_non_exhaustive()
    }
}

/// A peer proved who it is, and both sides hold the keys of a new session.
#[derive(Debug, Clone)]
pub struct SessionUp {
    /// Number of the peer, from its certificate.
    pub peer: u32,
    /// Boot id of its fast plane: random, new at each start of its process.
    pub boot_id: u64,
    /// Its boot incarnation (`decisions:CLU-7`).
    pub boot_inc: u32,
    /// Its fast plane as this node reaches it: host of the QUIC connection or what it advertises, port from its hello.
    pub address: Option<SocketAddr>,
    /// Its member record, as it came; parsed and checked by whoever uses it.
    pub record: Vec<u8>,
    /// Key epoch, from 1 in each session.
    pub epoch: u32,
    /// The keys.
    pub keys: Keys,
    /// Highest version of the fast plane's frames that both speak.
    pub version: u8,
}

/// What the reliable plane and the control side tell the link thread.
#[derive(Debug)]
pub enum ToLink {
    /// Install a session.
    SessionUp(Box<SessionUp>),
    /// Install the next key epoch of a session; the previous one stays valid for a while.
    Rekey {
        /// The peer.
        peer: u32,
        /// Boot id the session has.
        boot_id: u64,
        /// The new epoch.
        epoch: u32,
        /// Its keys.
        keys: Keys,
    },
    /// The connection under a session ended.
    SessionDown {
        /// The peer.
        peer: u32,
        /// Boot id the session had.
        boot_id: u64,
        /// Why, for people.
        why: String,
    },
    /// A dial asked for by [`ToReliable::Connect`] came to nothing.
    ConnectFailed {
        /// What was dialled.
        target: Target,
        /// Why, with the remedy, for people.
        why: String,
        /// True when another try cannot help before somebody changes something: wrong CA, revoked, config mismatch.
        hopeless: bool,
    },
    /// What a peer answered to [`ToReliable::WantSnapshot`].
    Snapshot {
        /// The peer.
        from: u32,
        /// Its snapshot.
        snapshot: Snapshot,
    },
    /// A peer asks for ours.
    GiveSnapshot {
        /// Where it goes.
        reply: oneshot::Sender<Snapshot>,
    },
    /// Two live boots use one certificate (`decisions:CLU-7`): what was seen, for people.
    DuplicateIdentity {
        /// The number they share.
        peer: u32,
        /// What was seen.
        text: String,
    },
    /// How long the own certificate lasts.
    Certificate {
        /// When it ends, Unix s.
        ends_unix_s: u64,
        /// Warning, empty when there is none.
        warning: String,
    },
    /// An operator's request.
    Ask {
        /// A cluster variant.
        request: Request,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<Reply, Refusal>>,
    },
    /// Value of a component of the own field, from a sensor; index in the order of [`control::cluster::COMPONENTS`].
    Component {
        /// Index.
        index: u8,
        /// Value, parts per million of full scale.
        ppm: u32,
    },
    /// Own start-up work is done (`bootstrap` step of that name).
    LocalDone,
    /// A name of the file that led nowhere at the start.
    Resolved {
        /// The node; `None` = a seed.
        peer: Option<u32>,
        /// The name.
        name: String,
        /// Where it leads.
        address: SocketAddr,
    },
    /// Events that wait on the local tori, told while the node drains.
    Pending {
        /// How many.
        events: u64,
    },
    /// End the thread; a node that is a member says good-bye first if `leave` is set.
    Stop {
        /// Leave in order.
        leave: bool,
    },
}

/// Members as one node knows them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The formation record, encoded; empty while the node is not formed.
    pub formation: Vec<u8>,
    /// Member records, encoded, at most [`crate::cluster::directory::MAX_MEMBERS`].
    pub records: Vec<Vec<u8>>,
}

/// Whom to dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// A node by number, at the address of its reliable plane.
    Node {
        /// Number.
        id: u32,
        /// Address.
        address: SocketAddr,
    },
    /// Whoever answers at an address.
    Seed {
        /// Address.
        address: SocketAddr,
    },
}

/// Why a session is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// A founder or seed, to form or join.
    Bootstrap,
    /// A watch link.
    Watch,
    /// A neighbour, or a candidate for one.
    Neighbour,
    /// The node of a remote torus.
    Braid,
    /// A message waits for it.
    Message,
}

impl Why {
    /// As shown.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Bootstrap => "bootstrap",
            Self::Watch => "watch",
            Self::Neighbour => "neighbour",
            Self::Braid => "braid",
            Self::Message => "recent",
        }
    }
}

/// What the link thread asks of the reliable plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToReliable {
    /// Dial, prove, exchange hellos, derive keys; answered by [`ToLink::SessionUp`] or [`ToLink::ConnectFailed`]. A session that
    /// is up already is answered at once by the same message with the same epoch.
    Connect {
        /// Whom.
        target: Target,
        /// Why.
        why: Why,
    },
    /// Close the connection under a session that the link gave up.
    Disconnect {
        /// The peer.
        peer: u32,
        /// Why, for people.
        why: &'static str,
    },
    /// Agree on the next key epoch; answered by [`ToLink::Rekey`].
    Rotate {
        /// The peer.
        peer: u32,
    },
    /// Ask the peer for its members and formation.
    WantSnapshot {
        /// The peer.
        peer: u32,
    },
    /// The own member record changed (life, address, flags): hellos carry it from now on.
    OwnRecord {
        /// Encoded.
        record: Vec<u8>,
    },
    /// Where the fast plane listens, known once its socket is bound.
    Listening {
        /// Address.
        address: SocketAddr,
    },
    /// A node was removed, quarantined or left: its connection shall not be taken up again in that incarnation.
    Gone {
        /// The node.
        peer: u32,
        /// Highest incarnation that is over.
        boot_inc: u32,
    },
}

/// The link thread's end.
#[derive(Debug)]
pub struct LinkEnd {
    to: mpsc::Sender<ToReliable>,
    from: Receiver<ToLink>,
    refused: u64,
}

impl LinkEnd {
    /// Sends without waiting; `false` when the other side is full or gone, which is counted.
    pub fn send(&mut self, message: ToReliable) -> bool {
        let sent = self.to.try_send(message).is_ok();
        self.refused += u64::from(!sent);
        sent
    }

    /// The next message, if one waits.
    pub fn take(&mut self) -> Option<ToLink> {
        self.from.try_recv().ok()
    }

    /// Messages that found the channel full, or nobody there.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

/// Sends to the link thread; any number of them, on any thread.
#[derive(Debug, Clone)]
pub struct LinkSender {
    to: Sender<ToLink>,
    doorbell: Arc<Doorbell>,
}

/// The link thread did not take a message; the message comes back.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// It is far behind.
    #[error("the link thread is behind: {CAPACITY} messages wait for it; try again")]
    Full(Box<ToLink>),
    /// It ended.
    #[error("the link thread has ended")]
    Gone(Box<ToLink>),
}

impl LinkSender {
    /// Sends and rings.
    ///
    /// # Errors
    /// [`NotTaken`] gives the message back.
    pub fn send(&self, message: ToLink) -> Result<(), NotTaken> {
        let sent = self.to.try_send(message);
        self.doorbell.ring();
        sent.map_err(|error| match error {
            TrySendError::Full(message) => NotTaken::Full(Box::new(message)),
            TrySendError::Disconnected(message) => NotTaken::Gone(Box::new(message)),
        })
    }
}

/// The reliable plane's end.
#[derive(Debug)]
pub struct ReliableEnd {
    /// To the link thread; clone it for whoever else has something to say.
    pub to_link: LinkSender,
    /// What the link thread asks; `None` from `recv` = it ended.
    pub from_link: mpsc::Receiver<ToReliable>,
}

/// Both ends. The doorbell is the one the link thread's `Udp` is opened with.
#[must_use]
pub fn pair(doorbell: Arc<Doorbell>) -> (LinkEnd, ReliableEnd) {
    let (to, from_link) = mpsc::channel(CAPACITY);
    let (to_link, from) = crossbeam_channel::bounded(CAPACITY);
    let to_link = LinkSender { to: to_link, doorbell };
    (LinkEnd { to, from, refused: 0 }, ReliableEnd { to_link, from_link })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_bridge_refuses_and_counts() {
        let doorbell = Arc::new(Doorbell::new());
        let (mut link, mut reliable) = pair(doorbell);
        for peer in 0..CAPACITY as u32 {
            assert!(link.send(ToReliable::Rotate { peer }));
            reliable.to_link.send(ToLink::LocalDone).expect("there is room");
        }
        assert!(!link.send(ToReliable::Rotate { peer: 0 }));
        assert_eq!(link.refused(), 1);
        assert!(matches!(reliable.to_link.send(ToLink::LocalDone), Err(NotTaken::Full(_))));
        assert!(matches!(link.take(), Some(ToLink::LocalDone)));
        assert_eq!(reliable.from_link.try_recv(), Ok(ToReliable::Rotate { peer: 0 }));
    }

    #[test]
    fn keys_are_not_printed() {
        let keys = Keys { suite: Suite::Aes128Gcm, send: [0xAB; KEY_BYTES], receive: [0xCD; KEY_BYTES] };
        let text = format!("{keys:?}").to_lowercase();
        assert!(!text.contains("ab") && !text.contains("171") && !text.contains("205"), "{text}");
    }
}
