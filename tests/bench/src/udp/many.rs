//! CPU a message of one thread that serves one link or 64: it sleeps until something came, opens, answers and seals. As many messages
//! are on their way at once either way, so that nobody gains by larger batches.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use link::aead::{Algorithm, KEY_BYTES, RingAead, SessionKeys};
use link::{Config, Deliver, Endpoint, KeptFor, Kind, Out, PeerInfo};
use nix::time::{ClockId, clock_gettime};
use shm_transport::udp::{Doorbell, Udp, UdpOptions};

use crate::measure::{interleave, pin, unpin};
use crate::report::{Bar, Row};

const LINKS: usize = 64;
const SERVER: u32 = 1;
const MESSAGE: [u8; 64] = [7; 64];
/// Times that all messages on their way are answered.
const VOLLEYS: usize = 150;

fn key(byte: u8) -> RingAead {
    RingAead::new(Algorithm::Aes128Gcm, &[byte; KEY_BYTES])
}

fn peer(id: u32, address: Option<SocketAddr>) -> PeerInfo {
    PeerInfo { id, boot_id: u64::from(id), epoch: 1, wire_version: 2, address, kept_for: KeptFor::NEIGHBOUR }
}

fn endpoint(me: u32) -> Endpoint<RingAead> {
    let config =
        Config { max_sessions: 128, ping_interval_ns: 0, heartbeat_interval_ns: 0, ..Config::new(1, me, me.into()) };
    Endpoint::new(config).expect("limits in range")
}

/// Who said something.
#[derive(Default)]
struct Heard(Vec<u32>);

impl Deliver for Heard {
    fn ekk(&mut self, peer: u32, _: &[u8]) {
        self.0.push(peer);
    }

    fn projection(&mut self, _: u32, _: u8, _: u64, _: u64, _: &[u8]) {}

    fn command(&mut self, _: u32, _: u8, _: u64, _: &[u8]) -> bool {
        true
    }
}

fn cpu_ns() -> f64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every Linux has it");
    time.tv_sec() as f64 * 1e9 + time.tv_nsec() as f64
}

/// A client of the server: a socket and an endpoint of its own.
struct Client {
    socket: UdpSocket,
    end: Endpoint<RingAead>,
}

fn clients() -> Vec<Client> {
    (0..LINKS)
        .map(|at| {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has ports");
            socket.set_read_timeout(Some(Duration::from_millis(100))).expect("not zero");
            Client { socket, end: endpoint(at as u32 + 2) }
        })
        .collect()
}

/// CPU of the serving thread a message, ns.
fn serve(links: usize, in_flight: usize) -> f64 {
    let mut clients = clients();
    let addresses: Vec<SocketAddr> = clients.iter().filter_map(|client| client.socket.local_addr().ok()).collect();
    let stop = &AtomicBool::new(false);
    let (tell, hear) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let server = scope.spawn(move || {
            pin(1);
            let mut udp =
                Udp::open(&UdpOptions::new(([127, 0, 0, 1], 0).into()), Arc::new(Doorbell::new())).expect("a port");
            let mut end = endpoint(SERVER);
            for (at, &address) in addresses.iter().enumerate() {
                let keys = SessionKeys { send: key(100 + at as u8), receive: key(at as u8) };
                end.install(0, peer(at as u32 + 2, Some(address)), keys).expect("fresh keys for a new peer");
            }
            tell.send(udp.local_addr()).expect("the clients wait for it");
            answer(&mut udp, &mut end, stop)
        });
        pin(0);
        let server_address: SocketAddr = hear.recv().expect("the server opens its port");
        for (at, client) in clients.iter_mut().enumerate() {
            let keys = SessionKeys { send: key(at as u8), receive: key(100 + at as u8) };
            client.end.install(0, peer(SERVER, Some(server_address)), keys).expect("fresh keys for a new peer");
        }
        let mut out = Out::new();
        let mut buffer = [0; 2_048];
        for _ in 0..VOLLEYS * LINKS / in_flight {
            for at in 0..in_flight {
                let client = &mut clients[at % links];
                client.end.seal(1, SERVER, Kind::Ekk, &MESSAGE, &mut out).expect("there is a session");
                // What is lost is not answered; the figure is a message that was.
                let _ = client.socket.send_to(out.bytes(), server_address);
            }
            for at in 0..in_flight {
                let _ = clients[at % links].socket.recv(&mut buffer);
            }
        }
        stop.store(true, Ordering::Relaxed);
        unpin();
        server.join().expect("the server does not panic")
    })
}

fn answer(udp: &mut Udp, end: &mut Endpoint<RingAead>, stop: &AtomicBool) -> f64 {
    let (mut heard, mut out, mut messages) = (Heard::default(), Out::new(), 0);
    let (start, cpu) = (Instant::now(), cpu_ns());
    while !stop.load(Ordering::Relaxed) {
        udp.wait(10_000_000);
        let now_ns = start.elapsed().as_nanos() as u64;
        udp.receive(256, &mut |from, bytes| {
            // What does not open is not answered.
            let _ = end.receive(now_ns, from, bytes, &mut heard);
        });
        for peer in heard.0.drain(..) {
            messages += 1;
            if end.seal(now_ns, peer, Kind::Ekk, &MESSAGE, &mut out).is_ok()
                && let Some(to) = out.address()
            {
                udp.queue(to, out.bytes(), None);
            }
        }
    }
    (cpu_ns() - cpu) / f64::from(messages.max(1))
}

/// All rows of this part.
pub fn rows() -> Vec<Row> {
    let alike = interleave(7, || serve(LINKS, LINKS), || serve(1, LINKS));
    let sparse = interleave(5, || serve(LINKS, LINKS), || serve(1, 1));
    vec![
        Row::against(
            "udp CPU a message, 64 links on one thread",
            "ns",
            &alike,
            "one link, 64 on their way",
            Bar::AtMost(1.05),
        )
        .note("receive, open, seal, send; as many on their way either way; 5 % for what the machine adds"),
        Row::against(
            "udp CPU a message, 64 links, one each",
            "ns",
            &sparse,
            "one link, one on its way",
            Bar::AtMost(1.0),
        ),
    ]
}
