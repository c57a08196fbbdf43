//! Key epochs of a session: at most two are accepted, one is used for sending.

use crate::aead::{Aead, Forged, SessionKeys, TAG_BYTES};
use crate::config::Config;
use crate::frame::{Associated, Binding, nonce};
use crate::window::Window;

/// Words of the replay window: 961 sequence numbers are told apart.
pub(crate) const WINDOW_WORDS: usize = 16;

/// Place of a datagram in the order in which its sender sealed: number of the keys as installed here, then sequence.
pub(crate) type Position = (u32, u64);

/// What two equal keys have in common and others have not: the tag of nothing under the one nonce that no frame uses.
type Fingerprint = [u8; TAG_BYTES];

/// Keys remembered by fingerprint.
const REMEMBERED: usize = 8;

/// Keys of one epoch with the counter and the window that belong to them and to nothing else.
#[derive(Debug, Hash)]
pub(crate) struct Key<A> {
    pub(crate) epoch: u32,
    /// Number of these keys as installed here: epochs may begin again with a new connection, this does not.
    pub(crate) turn: u32,
    next_send: u64,
    pub(crate) window: Window<WINDOW_WORDS>,
    pub(crate) binding_out: Binding,
    pub(crate) binding_in: Binding,
    keys: SessionKeys<A>,
}

impl<A: Aead> Key<A> {
    pub(crate) fn new(epoch: u32, binding_out: Binding, binding_in: Binding, keys: SessionKeys<A>) -> Self {
        Self { epoch, turn: 0, next_send: 1, window: Window::new(), binding_out, binding_in, keys }
    }

    /// The next sequence number; it is never handed out again. `None` when the key is used up.
    pub(crate) fn next_sequence(&mut self, frames_max: u64) -> Option<u64> {
        if self.next_send > frames_max {
            return None;
        }
        let sequence = self.next_send;
        self.next_send += 1;
        Some(sequence)
    }

    pub(crate) fn frames_sent(&self) -> u64 {
        self.next_send - 1
    }

    pub(crate) fn seal(&self, sequence: u64, associated: &Associated, bytes: &mut [u8]) -> [u8; 16] {
        self.keys.send.seal(&nonce(sequence), associated.bytes(), bytes)
    }

    pub(crate) fn open(&self, sequence: u64, associated: &Associated, bytes: &mut [u8]) -> Result<usize, Forged> {
        self.keys.receive.open(&nonce(sequence), associated.bytes(), bytes)
    }
}

/// The keys of a session.
#[derive(Debug, Hash)]
pub(crate) struct Keys<A> {
    newer: Option<Key<A>>,
    older: Option<Key<A>>,
    /// While there are two: when to send under the newer one, whatever the peer does.
    switch_at_ns: u64,
    /// When sending went over to the newer one.
    switched_at_ns: Option<u64>,
    /// Frames taken under the newer one.
    opened_newer: u64,
    /// Number of the newest keys.
    turn: u32,
    used: [Option<Fingerprint>; REMEMBERED],
}

impl<A: Aead> Keys<A> {
    pub(crate) fn none() -> Self {
        Self {
            newer: None,
            older: None,
            switch_at_ns: 0,
            switched_at_ns: None,
            opened_newer: 0,
            turn: 0,
            used: [None; REMEMBERED],
        }
    }

    /// The session ends; which keys were used stays known.
    pub(crate) fn clear(&mut self) {
        (self.newer, self.older) = (None, None);
    }

    /// Another boot.
    pub(crate) fn reset(&mut self) {
        *self = Self::none();
    }

    /// True when one of these keys was in use before.
    pub(crate) fn knows(&self, keys: &SessionKeys<A>) -> bool {
        [&keys.send, &keys.receive].into_iter().any(|key| self.used.contains(&Some(fingerprint(key))))
    }

    /// Number of the newest keys.
    pub(crate) fn turn(&self) -> u32 {
        self.turn
    }

    pub(crate) fn is_some(&self) -> bool {
        self.newer.is_some()
    }

    /// Adds keys of a later epoch; the oldest of three goes.
    pub(crate) fn add(&mut self, now_ns: u64, mut key: Key<A>, config: &Config) {
        self.turn += 1;
        key.turn = self.turn;
        self.used.rotate_right(2);
        self.used[0] = Some(fingerprint(&key.keys.send));
        self.used[1] = Some(fingerprint(&key.keys.receive));
        // Two epochs with one byte could not be told apart: then the new one holds alone.
        let byte = key.epoch.to_le_bytes()[0];
        self.older = self.newer.take().filter(|older| older.epoch.to_le_bytes()[0] != byte);
        self.newer = Some(key);
        self.switch_at_ns = now_ns.saturating_add(config.epoch_switch_ns);
        self.switched_at_ns = None;
        self.opened_newer = 0;
    }

    /// The key that frames go out under.
    pub(crate) fn sending(&mut self, now_ns: u64) -> Option<&mut Key<A>> {
        if self.older.is_some() && self.switched_at_ns.is_none() && now_ns >= self.switch_at_ns {
            self.switched_at_ns = Some(now_ns);
        }
        if self.switched_at_ns.is_none() && self.older.is_some() { self.older.as_mut() } else { self.newer.as_mut() }
    }

    /// The same for showing.
    pub(crate) fn shown(&self) -> Option<&Key<A>> {
        if self.switched_at_ns.is_none() && self.older.is_some() { self.older.as_ref() } else { self.newer.as_ref() }
    }

    /// The accepted key whose epoch ends with this byte.
    pub(crate) fn receiving(&self, now_ns: u64, epoch: u8, config: &Config) -> Option<&Key<A>> {
        let with = |key: &&Key<A>| key.epoch.to_le_bytes()[0] == epoch;
        let newer = self.newer.as_ref().filter(with);
        newer.or_else(|| self.older.as_ref().filter(with).filter(|_| !self.is_over(now_ns, config)))
    }

    /// Takes a proven sequence number; returns by how much the highest of its key grew.
    pub(crate) fn take(&mut self, now_ns: u64, position: Position, config: &Config) -> u64 {
        if let Some(older) = self.older.as_mut().filter(|older| older.turn == position.0) {
            return older.window.take(position.1);
        }
        let Some(newer) = self.newer.as_mut().filter(|newer| newer.turn == position.0) else { return 0 };
        let grown = newer.window.take(position.1);
        if self.older.is_some() {
            // The peer has the new keys: no reason to wait any longer.
            self.switched_at_ns.get_or_insert(now_ns);
            self.opened_newer += 1;
            self.expire(now_ns, config);
        }
        grown
    }

    /// Drops the old key when its time or its count is over.
    pub(crate) fn expire(&mut self, now_ns: u64, config: &Config) {
        if self.is_over(now_ns, config) {
            self.older = None;
        }
    }

    /// When something changes by itself, ns.
    pub(crate) fn deadline_ns(&self, config: &Config) -> Option<u64> {
        self.older.as_ref()?;
        Some(match self.switched_at_ns {
            None => self.switch_at_ns,
            Some(switched) => switched.saturating_add(config.epoch_keep_ns),
        })
    }

    fn is_over(&self, now_ns: u64, config: &Config) -> bool {
        self.opened_newer >= config.epoch_keep_frames
            || self.switched_at_ns.is_some_and(|switched| now_ns >= switched.saturating_add(config.epoch_keep_ns))
    }
}

fn fingerprint<A: Aead>(key: &A) -> Fingerprint {
    key.seal(&nonce(0), b"fingerprint", &mut [])
}
