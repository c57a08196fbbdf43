//! One side of an exchange of datagrams, by each way there is.

use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg, setsockopt, sockopt};
use shm_transport::udp::{Doorbell, Mode, Udp, UdpOptions};

/// Longest wait for a datagram.
const PATIENCE: Duration = Duration::from_millis(20);
const BATCH: usize = 32;
const BUFFER: usize = 9_000;

/// How datagrams are moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// `shm_transport::udp` on io_uring.
    Ring,
    /// `shm_transport::udp` on plain sockets.
    Plain,
    /// `std::net::UdpSocket`.
    Std,
    /// `sendmmsg` and `recvmmsg`, 32 at once.
    Many,
    /// `tokio::net::UdpSocket`, one thread.
    Tokio,
}

impl Way {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ring => "io_uring",
            Self::Plain => "sockets",
            Self::Std => "std sockets",
            Self::Many => "sendmmsg/recvmmsg",
            Self::Tokio => "tokio",
        }
    }
}

/// How the receiver passes the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    Spin,
    Sleep,
}

/// What is exchanged.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    pub way: Way,
    pub waiting: Waiting,
    /// Cut into segments of so many bytes, one send.
    pub segment: Option<u16>,
}

pub trait End {
    /// Hands `times` messages to the kernel.
    fn send(&mut self, bytes: &[u8], times: usize);
    /// Bytes that came; 0 after some patience.
    fn receive(&mut self) -> usize;
    fn address(&self) -> SocketAddr;
    fn connect(&mut self, to: SocketAddr);
}

/// Opens it on the calling thread, in its namespace.
pub fn open(manner: Manner, bind: SocketAddr) -> Result<Box<dyn End>, String> {
    let io = |error: std::io::Error| format!("{bind}: {error}");
    let socket = || -> Result<UdpSocket, String> {
        let socket = UdpSocket::bind(bind).map_err(io)?;
        // Without the right to more, less.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &(8 << 20));
        socket.set_read_timeout(Some(PATIENCE)).map_err(io)?;
        socket.set_nonblocking(manner.waiting == Waiting::Spin).map_err(io)?;
        Ok(socket)
    };
    Ok(match manner.way {
        Way::Ring | Way::Plain => {
            let mode = if manner.way == Way::Ring { Mode::IoUring } else { Mode::Sockets };
            let options = UdpOptions { mode, ..UdpOptions::new(bind) };
            let udp = Udp::open(&options, Arc::new(Doorbell::new())).map_err(|error| error.to_string())?;
            Box::new(Ours { udp, manner, to: bind })
        }
        Way::Std => Box::new(Std { socket: socket()?, waiting: manner.waiting, buffer: vec![0; BUFFER] }),
        Way::Many => Box::new(Many { socket: socket()?, buffers: vec![[0; BUFFER]; BATCH] }),
        Way::Tokio => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(io)?;
            let socket = socket()?;
            socket.set_nonblocking(true).map_err(io)?;
            let socket = runtime.block_on(async { tokio::net::UdpSocket::from_std(socket) }).map_err(io)?;
            Box::new(Tokio { runtime, socket, buffer: vec![0; BUFFER] })
        }
    })
}

/// Asks again and again until something came or the patience ends.
fn spin(mut ask: impl FnMut() -> usize) -> usize {
    let start = Instant::now();
    loop {
        for _ in 0..64 {
            let came = ask();
            if came > 0 {
                return came;
            }
        }
        if start.elapsed() > PATIENCE {
            return 0;
        }
    }
}

struct Ours {
    udp: Udp,
    manner: Manner,
    to: SocketAddr,
}

impl End for Ours {
    fn send(&mut self, bytes: &[u8], times: usize) {
        for _ in 0..times {
            self.udp.queue(self.to, bytes, self.manner.segment);
        }
        self.udp.flush();
    }

    fn receive(&mut self) -> usize {
        let Self { udp, manner, .. } = self;
        let mut ask = || {
            let mut came = 0;
            udp.receive(64, &mut |_, bytes| came += bytes.len());
            came
        };
        match manner.waiting {
            Waiting::Spin => spin(ask),
            Waiting::Sleep => {
                let came = ask();
                if came > 0 {
                    return came;
                }
                let start = Instant::now();
                while start.elapsed() < PATIENCE {
                    udp.wait(PATIENCE.as_nanos() as u64);
                    let mut came = 0;
                    udp.receive(64, &mut |_, bytes| came += bytes.len());
                    if came > 0 {
                        return came;
                    }
                }
                0
            }
        }
    }

    fn address(&self) -> SocketAddr {
        self.udp.local_addr()
    }

    fn connect(&mut self, to: SocketAddr) {
        self.to = to;
    }
}

fn connect(socket: &UdpSocket, to: SocketAddr) {
    socket.connect(to).expect("a UDP socket connects to any address it has a route to");
}

fn own(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("it is bound")
}

struct Std {
    socket: UdpSocket,
    waiting: Waiting,
    buffer: Vec<u8>,
}

impl End for Std {
    fn send(&mut self, bytes: &[u8], times: usize) {
        for _ in 0..times {
            // A full buffer while spinning: the datagram is lost, as on a wire.
            let _ = self.socket.send(bytes);
        }
    }

    fn receive(&mut self) -> usize {
        let Self { socket, waiting, buffer } = self;
        match waiting {
            Waiting::Spin => spin(|| socket.recv(buffer).unwrap_or(0)),
            Waiting::Sleep => socket.recv(buffer).unwrap_or(0),
        }
    }

    fn address(&self) -> SocketAddr {
        own(&self.socket)
    }

    fn connect(&mut self, to: SocketAddr) {
        connect(&self.socket, to);
    }
}

struct Many {
    socket: UdpSocket,
    buffers: Vec<[u8; BUFFER]>,
}

impl End for Many {
    fn send(&mut self, bytes: &[u8], times: usize) {
        let slices = vec![[IoSlice::new(bytes)]; times];
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(times, None);
        let addresses = vec![None; times];
        let _ = sendmmsg(self.socket.as_raw_fd(), &mut headers, slices.iter(), addresses, [], MsgFlags::empty());
    }

    fn receive(&mut self) -> usize {
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
        let mut slices: Vec<[IoSliceMut<'_>; 1]> =
            self.buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let flags = MsgFlags::MSG_WAITFORONE;
        recvmmsg(self.socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None)
            .map_or(0, |came| came.map(|one| one.bytes).sum())
    }

    fn address(&self) -> SocketAddr {
        own(&self.socket)
    }

    fn connect(&mut self, to: SocketAddr) {
        connect(&self.socket, to);
    }
}

struct Tokio {
    runtime: tokio::runtime::Runtime,
    socket: tokio::net::UdpSocket,
    buffer: Vec<u8>,
}

impl End for Tokio {
    fn send(&mut self, bytes: &[u8], times: usize) {
        self.runtime.block_on(async {
            for _ in 0..times {
                let _ = self.socket.send(bytes).await;
            }
        });
    }

    fn receive(&mut self) -> usize {
        let Self { runtime, socket, buffer } = self;
        runtime.block_on(async {
            if let Ok(came) = socket.try_recv(buffer) {
                return came;
            }
            tokio::time::timeout(PATIENCE, socket.recv(buffer)).await.map_or(0, |came| came.unwrap_or(0))
        })
    }

    fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("it is bound")
    }

    fn connect(&mut self, to: SocketAddr) {
        self.runtime.block_on(self.socket.connect(to)).expect("a UDP socket connects to any address it has a route to");
    }
}
