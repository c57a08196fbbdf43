//! Datagrams for many peers over one socket, by one io_uring where the kernel has one, else by `recvmmsg` and `sendmmsg`.
//!
//! One [`Udp`] belongs to one thread, which also opens it: the ring is single-issuer with deferred task work, so completions are
//! made when that thread asks for them. Receiving, sending, the doorbell and the timeout share one wait (`rse:U5`).
//! Neither receiving nor queueing a datagram allocates; all memory is taken by [`Udp::open`].

#[allow(unsafe_code)]
mod buffers;
mod doorbell;
mod places;
#[allow(unsafe_code)]
mod plain;
#[allow(unsafe_code)]
mod ring;
mod socket;
#[cfg(test)]
mod tests;
mod wire;

pub use doorbell::Doorbell;

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Arc;

use self::buffers::Buffers;
use self::places::Places;
use self::plain::Plain;
use self::ring::Ring;

/// Bytes of a receive buffer when datagrams may come joined: the largest UDP payload and its head, whole pages. Only the pages
/// that a datagram fills are touched, so the part in use stays as small as the traffic is (a projection: 5 KiB of each).
const JOINED_BYTES: usize = 17 * 4096;
const JOINED_COUNT: u16 = 32;
/// Bytes of a receive buffer when each datagram comes alone over MTU 1500.
const SINGLE_BYTES: usize = 2048;
const SINGLE_COUNT: u16 = 64;
const QUEUE: u16 = 64;

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

impl UdpError {
    /// Whether somebody else holds the address; it may be free a moment later.
    #[must_use]
    pub fn is_address_in_use(&self) -> bool {
        matches!(self, Self::Socket { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse)
    }
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

/// The socket of one thread, which opens, uses and drops it: it is not [`Send`].
#[derive(Debug)]
pub struct Udp {
    way: Way,
    reason: String,
    address: SocketAddr,
    counters: Counters,
    one_thread: PhantomData<*const ()>,
}

#[derive(Debug)]
enum Way {
    Ring(Box<Ring>),
    Plain(Box<Plain>),
}

impl Udp {
    /// Opens it on the calling thread. `doorbell` ends a [`Udp::wait`].
    ///
    /// # Errors
    /// [`UdpError`].
    pub fn open(options: &UdpOptions, doorbell: Arc<Doorbell>) -> Result<Self, UdpError> {
        let power = |given: u16, default: u16| match given {
            0 => default,
            given => given.clamp(8, 1024).next_power_of_two(),
        };
        let (bytes, count) = if options.gro { (JOINED_BYTES, JOINED_COUNT) } else { (SINGLE_BYTES, SINGLE_COUNT) };
        let (count, queue) = (power(options.buffers, count), power(options.queue, QUEUE));
        let probed = match options.mode {
            Mode::Sockets => Err(String::new()),
            Mode::Auto | Mode::IoUring => ring::probe(options, (u32::from(queue) + 4).next_power_of_two()),
        };
        let failed = |what| move |source| UdpError::Socket { bind: options.bind, what, source };
        let memory = "cannot take its memory";
        let (socket, family) = socket::open(options, probed.is_ok())?;
        let address = socket.local_addr().map_err(failed("cannot tell its address"))?;
        let places = Places::new(queue, family, options.gso).map_err(failed(memory))?;
        let (way, reason) = match probed {
            Ok(ring) => {
                let buffers = Buffers::new(count, bytes).map_err(failed(memory))?;
                let ring = Ring::new(ring, socket, doorbell, buffers, places, options.send_zc);
                (
                    Way::Ring(Box::new(ring.map_err(failed("cannot set up its io_uring; set link.io = \"sockets\""))?)),
                    String::new(),
                )
            }
            Err(reason) if options.mode == Mode::IoUring => return Err(UdpError::Refused { reason }),
            Err(reason) => {
                let plain = Plain::new(socket, doorbell, places, bytes).map_err(failed(memory))?;
                (Way::Plain(Box::new(plain)), reason)
            }
        };
        Ok(Self { way, reason, address, counters: Counters::default(), one_thread: PhantomData })
    }

    /// How datagrams are moved: never [`Mode::Auto`].
    #[must_use]
    pub fn mode(&self) -> Mode {
        match self.way {
            Way::Ring(_) => Mode::IoUring,
            Way::Plain(_) => Mode::Sockets,
        }
    }

    /// Why it is not the ring; empty when it is, or when plain sockets were asked for.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Whether the kernel cuts segments; it stops for good when it refused to.
    #[must_use]
    pub fn gso(&mut self) -> bool {
        self.places().gso()
    }

    /// From now on each datagram goes alone.
    pub fn stop_gso(&mut self) {
        self.places().stop_gso();
    }

    fn places(&mut self) -> &mut Places {
        match &mut self.way {
            Way::Ring(ring) => ring.places(),
            Way::Plain(plain) => plain.places(),
        }
    }

    /// Sends what is queued and sleeps until something came, the doorbell rang or `timeout_ns` have passed (`u64::MAX` = no
    /// limit). Returns at once when the doorbell was rung since [`Doorbell::answer`]. May return early.
    pub fn wait(&mut self, timeout_ns: u64) {
        match &mut self.way {
            Way::Ring(ring) => ring.wait(timeout_ns, &mut self.counters),
            Way::Plain(plain) => plain.wait(timeout_ns, &mut self.counters),
        }
    }

    /// Gives every datagram that is there to `take`, whole and alone, until `limit` of them are passed (those that came joined
    /// in one buffer stay together); returns how many. The ring makes no system call when nothing came.
    pub fn receive(&mut self, limit: usize, take: &mut dyn FnMut(SocketAddr, &mut [u8])) -> usize {
        match &mut self.way {
            Way::Ring(ring) => ring.receive(limit, &mut self.counters, take),
            Way::Plain(plain) => plain.receive(limit, &mut self.counters, take),
        }
    }

    /// Queues one datagram, or several of `segment` bytes each (the last may be shorter) as one send. `false` = not queued, or
    /// not all of it, and counted. They leave with [`Udp::flush`] or [`Udp::wait`].
    pub fn queue(&mut self, to: SocketAddr, bytes: &[u8], segment: Option<u16>) -> bool {
        let counters = &mut self.counters;
        let needed = match &mut self.way {
            Way::Ring(ring) => ring.places().needed(bytes.len(), segment),
            Way::Plain(plain) => plain.places().needed(bytes.len(), segment),
        };
        match &mut self.way {
            Way::Ring(ring) => {
                if !ring.places().has_free(needed) {
                    ring.make_room(needed, counters);
                }
                ring.places().queue(&to, bytes, segment, counters)
            }
            Way::Plain(plain) => {
                if !plain.places().has_free(needed) {
                    plain.flush(counters);
                }
                plain.places().queue(&to, bytes, segment, counters)
            }
        }
    }

    /// Hands everything queued to the kernel.
    pub fn flush(&mut self) {
        match &mut self.way {
            Way::Ring(ring) => ring.flush(&mut self.counters),
            Way::Plain(plain) => plain.flush(&mut self.counters),
        }
    }

    /// What was moved so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

/// Gives the datagrams of one buffer to `take`, one by one.
fn deliver(
    from: SocketAddr,
    bytes: &mut [u8],
    segment: Option<usize>,
    counters: &mut Counters,
    take: &mut dyn FnMut(SocketAddr, &mut [u8]),
) -> usize {
    counters.received_bytes += bytes.len() as u64;
    let mut taken = 0;
    // A datagram of no bytes is one, too: `chunks_mut` would give none.
    let size = segment.unwrap_or(bytes.len()).max(1);
    for datagram in bytes.chunks_mut(size) {
        take(from, datagram);
        taken += 1;
    }
    counters.received += taken as u64;
    taken
}
