//! Figures of shared memory between two processes: round trips, streams, the newest value under a flat-out writer.
//!
//! The parent runs on core 0, a child (this binary again) on core 1; a new child serves every measurement, so that links are
//! interleaved round by round. All payload words are written by the sender and read by the receiver.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use shm_transport::backing::{Pages, SharedWords};

use crate::links::ours::{LatestRecv, LatestSend, StreamRecv, StreamSend, latest_words, stream_words};
use crate::links::raw::{RingRecv, RingSend, SeqlockRecv, SeqlockSend, ring_words, seqlock_words};
use crate::links::{Recv, Send, halves};
use crate::measure::{Mode, alternate, percentile, pin, unpin};
use crate::report::{Bar, Row, median};

/// A payload of one cache line.
const SMALL: usize = 8;
/// A projection of ours, whole words.
const PROJECTION: usize = torus::projection::native::SIZE.div_ceil(8);
/// First word that ends a child.
const STOP: u64 = u64::MAX;
const ROUNDS: usize = 5;

/// The links that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    RawRing,
    RawSeqlock,
    Stream,
    Latest,
    Iceoryx,
}

impl Link {
    const fn name(self) -> &'static str {
        match self {
            Self::RawRing => "raw-ring",
            Self::RawSeqlock => "raw-seqlock",
            Self::Stream => "stream",
            Self::Latest => "latest",
            Self::Iceoryx => "iceoryx2",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::RawRing, Self::RawSeqlock, Self::Stream, Self::Latest, Self::Iceoryx]
            .into_iter()
            .find(|link| link.name() == name)
    }

    fn words(self, payload: usize) -> usize {
        match self {
            Self::RawRing => ring_words(payload),
            Self::RawSeqlock => seqlock_words(payload),
            Self::Stream => stream_words(payload),
            Self::Latest => latest_words(payload),
            Self::Iceoryx => 0,
        }
    }
}

/// What a child does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Job {
    /// Answers every payload with the same payload.
    Echo,
    /// Answers every payload with one word.
    Ack,
    /// Sends without pause.
    Flood,
}

impl Job {
    const fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Ack => "ack",
            Self::Flood => "flood",
        }
    }
}

/// Word of the header line: the child is ready; word 1: stop.
const HEADER: usize = 32;

struct Peer {
    shared: SharedWords,
    path: PathBuf,
    child: Child,
    payload: usize,
}

impl Peer {
    fn start(link: Link, job: Job, payload: usize) -> Self {
        let path = PathBuf::from(format!("/dev/shm/trefoil-bench-{}", std::process::id()));
        // A leftover of a killed run with the same process id is not worth an error.
        let _ = std::fs::remove_file(&path);
        let words = HEADER + 2 * link.words(payload).next_multiple_of(16);
        let shared = SharedWords::create(&path, words * 8, Pages::Base).expect("a file in /dev/shm");
        let binary = std::env::current_exe().expect("the path of this binary");
        let child = Command::new(binary)
            .args(["--child", link.name(), job.name(), &payload.to_string()])
            .arg(&path)
            .stdin(Stdio::null())
            .spawn()
            .expect("this binary starts again");
        Self { shared, path, child, payload }
    }

    fn wait_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.shared.words()[0].load(Ordering::Acquire) == 0 {
            assert!(Instant::now() < deadline, "the child did not come up within 20 s");
            std::thread::yield_now();
        }
    }

    fn directions(&self) -> (&[AtomicU64], &[AtomicU64]) {
        halves(&self.shared.words()[HEADER..])
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.shared.words()[1].store(STOP, Ordering::Release);
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(1));
        }
        // Both fail only when the child has gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The child's side: `--child LINK JOB PAYLOAD_WORDS PATH`.
pub fn child(args: &[String]) {
    let [link, job, payload, path] = args else { panic!("--child LINK JOB PAYLOAD_WORDS PATH") };
    let link = Link::parse(link).expect("a link name");
    let payload: usize = payload.parse().expect("payload words");
    let shared = SharedWords::open(path.as_ref()).expect("the parent's file");
    pin(1);
    let words = shared.words();
    let (there, back) = halves(&words[HEADER..]);
    let job = match job.as_str() {
        "ack" => Job::Ack,
        "flood" => Job::Flood,
        _ => Job::Echo,
    };
    let service = path.replace('/', "_");
    match link {
        Link::RawRing => serve(job, words, RingRecv::new(there, payload), RingSend::new(back, payload), payload),
        Link::RawSeqlock => serve(job, words, SeqlockRecv::new(there), SeqlockSend::new(back), payload),
        Link::Stream => serve(job, words, StreamRecv::new(there, payload), StreamSend::new(back, payload), payload),
        Link::Latest => serve(job, words, LatestRecv::new(there, payload), LatestSend::new(back, payload), payload),
        Link::Iceoryx => serve_iceoryx(job, words, &service, payload),
    }
}

#[cfg(feature = "iceoryx2")]
fn serve_iceoryx(job: Job, words: &[AtomicU64], service: &str, payload: usize) {
    use crate::links::iceoryx::{IceRecv, IceSend};
    let recv = IceRecv::new(&format!("{service}-there"));
    let send = IceSend::new(&format!("{service}-back"), payload);
    serve(job, words, recv, send, payload);
}

#[cfg(not(feature = "iceoryx2"))]
fn serve_iceoryx(_: Job, _: &[AtomicU64], _: &str, _: usize) {
    unreachable!("the parent asks for iceoryx2 only when it is built in");
}

fn serve(job: Job, words: &[AtomicU64], mut recv: impl Recv, mut send: impl Send, payload: usize) {
    let stopped = || words[1].load(Ordering::Relaxed) == STOP;
    let mut buffer = vec![0; payload];
    words[0].store(1, Ordering::Release);
    match job {
        Job::Flood => {
            while words[2].load(Ordering::Acquire) == 0 && !stopped() {
                std::hint::spin_loop();
            }
            let mut count = 0;
            while !stopped() {
                count += 1;
                buffer.fill(count);
                send.send(&buffer);
            }
        }
        Job::Echo | Job::Ack => loop {
            if recv.recv(&mut buffer) {
                if job == Job::Echo {
                    send.send(&buffer);
                } else {
                    words[16].store(buffer[0] ^ buffer[payload - 1] ^ buffer[0], Ordering::Release);
                }
            } else if stopped() {
                return;
            } else {
                std::hint::spin_loop();
            }
        },
    }
}

/// Median and 99th percentile of `trips` round trips, ns.
fn round_trips(peer: &Peer, mut send: impl Send, mut recv: impl Recv, trips: u64) -> (f64, f64) {
    let mut buffer = vec![0; peer.payload];
    let mut taken = Vec::with_capacity(trips as usize);
    for trip in 1..=trips {
        let mut message = trip;
        buffer.fill_with(|| {
            message = message.wrapping_add(0x9e37);
            message
        });
        let last = buffer[peer.payload - 1];
        let start = Instant::now();
        send.send(&buffer);
        while !recv.recv(&mut buffer) {
            std::hint::spin_loop();
        }
        taken.push(start.elapsed().as_nanos() as u64);
        assert_eq!(buffer[peer.payload - 1], last, "the echo is the payload");
    }
    let mut kept = taken.split_off(trips as usize / 20);
    (percentile(&mut kept, 50.0), percentile(&mut kept, 99.0))
}

fn rtt(link: Link, payload: usize, trips: u64) -> (f64, f64) {
    let peer = Peer::start(link, Job::Echo, payload);
    let (there, back) = peer.directions();
    pin(0);
    let taken = match link {
        Link::RawRing => {
            let ends = (RingSend::new(there, payload), RingRecv::new(back, payload));
            peer.wait_ready();
            round_trips(&peer, ends.0, ends.1, trips)
        }
        Link::RawSeqlock => {
            let ends = (SeqlockSend::new(there), SeqlockRecv::new(back));
            peer.wait_ready();
            round_trips(&peer, ends.0, ends.1, trips)
        }
        Link::Stream => {
            let ends = (StreamSend::new(there, payload), StreamRecv::new(back, payload));
            peer.wait_ready();
            round_trips(&peer, ends.0, ends.1, trips)
        }
        Link::Latest => {
            let ends = (LatestSend::new(there, payload), LatestRecv::new(back, payload));
            peer.wait_ready();
            round_trips(&peer, ends.0, ends.1, trips)
        }
        Link::Iceoryx => rtt_iceoryx(&peer, trips),
    };
    unpin();
    taken
}

#[cfg(feature = "iceoryx2")]
fn ice_ends(peer: &Peer) -> (crate::links::iceoryx::IceSend, crate::links::iceoryx::IceRecv) {
    use crate::links::iceoryx::{IceRecv, IceSend};
    let service = peer.path.display().to_string().replace('/', "_");
    let recv = IceRecv::new(&format!("{service}-back"));
    let send = IceSend::new(&format!("{service}-there"), peer.payload);
    peer.wait_ready();
    assert!(send.connected(), "iceoryx2 connects both processes");
    (send, recv)
}

#[cfg(feature = "iceoryx2")]
fn rtt_iceoryx(peer: &Peer, trips: u64) -> (f64, f64) {
    let (send, recv) = ice_ends(peer);
    round_trips(peer, send, recv, trips)
}

#[cfg(not(feature = "iceoryx2"))]
fn rtt_iceoryx(_: &Peer, _: u64) -> (f64, f64) {
    unreachable!("asked for only when it is built in")
}

/// Publish a projection, wait for one acknowledging word: median and 99th percentile, ns.
fn publish_to_ack(link: Link, trips: u64) -> (f64, f64) {
    let peer = Peer::start(link, Job::Ack, PROJECTION);
    let (there, _) = peer.directions();
    pin(0);
    let mut send: Box<dyn Send> = match link {
        Link::Latest => Box::new(LatestSend::new(there, PROJECTION)),
        _ => Box::new(RingSend::new(there, PROJECTION)),
    };
    peer.wait_ready();
    let ack = &peer.shared.words()[16];
    let mut buffer = vec![0; PROJECTION];
    let mut taken = Vec::with_capacity(trips as usize);
    for trip in 1..=trips {
        buffer.fill(trip);
        let start = Instant::now();
        send.send(&buffer);
        while ack.load(Ordering::Acquire) != trip {
            std::hint::spin_loop();
        }
        taken.push(start.elapsed().as_nanos() as u64);
    }
    unpin();
    let mut kept = taken.split_off(trips as usize / 20);
    (percentile(&mut kept, 50.0), percentile(&mut kept, 99.0))
}

/// Payloads a second that arrive while the child sends without pause.
fn flow(link: Link, payload: usize) -> Flow {
    let peer = Peer::start(link, Job::Flood, payload);
    let (_, back) = peer.directions();
    pin(0);
    let taken = match link {
        Link::RawRing => drink(&peer, &mut RingRecv::new(back, payload)),
        Link::RawSeqlock => drink(&peer, &mut SeqlockRecv::new(back)),
        Link::Stream => drink(&peer, &mut StreamRecv::new(back, payload)),
        Link::Latest => {
            let mut recv = LatestRecv::new(back, payload);
            let per_second = drink(&peer, &mut recv).per_second;
            Flow { per_second, worst_tries: recv.worst_tries, busy: recv.busy }
        }
        Link::Iceoryx => flow_iceoryx(&peer),
    };
    unpin();
    taken
}

#[cfg(feature = "iceoryx2")]
fn flow_iceoryx(peer: &Peer) -> Flow {
    let (_send, mut recv) = ice_ends(peer);
    drink(peer, &mut recv)
}

#[cfg(not(feature = "iceoryx2"))]
fn flow_iceoryx(_: &Peer) -> Flow {
    unreachable!("asked for only when it is built in")
}

#[derive(Debug, Clone, Copy)]
struct Flow {
    per_second: f64,
    worst_tries: u32,
    busy: u64,
}

fn drink(peer: &Peer, recv: &mut impl Recv) -> Flow {
    peer.wait_ready();
    peer.shared.words()[2].store(1, Ordering::Release);
    let mut buffer = vec![0; peer.payload];
    let mut run = |length: Duration| {
        let (start, mut count) = (Instant::now(), 0u64);
        loop {
            for _ in 0..64 {
                if recv.recv(&mut buffer) {
                    count += 1;
                    assert!(buffer[0] == buffer[peer.payload - 1], "a torn payload was accepted");
                }
            }
            if start.elapsed() >= length {
                return count as f64 / start.elapsed().as_secs_f64();
            }
        }
    };
    run(Duration::from_millis(20));
    let per_second = run(Duration::from_millis(200));
    Flow { per_second, worst_tries: 0, busy: 0 }
}

/// Interleaves two measurements; every measurement warms up by itself.
fn pairs<T>(ours: impl FnMut() -> T, peer: impl FnMut() -> T) -> Vec<(T, T)> {
    alternate(ROUNDS, ours, peer)
}

fn trip_rows(rows: &mut Vec<Row>, link: Link, peer: Link, payload: usize, name: &str, bar: Bar) {
    let taken = pairs(|| rtt(link, payload, 60_000), || rtt(peer, payload, 60_000));
    let p50: Vec<_> = taken.iter().map(|(a, b)| (a.0, b.0)).collect();
    let p99: Vec<_> = taken.iter().map(|(a, b)| (a.1, b.1)).collect();
    rows.push(Row::against(format!("shm {name} round trip p50"), "ns", &p50, peer.name(), bar));
    rows.push(Row::against(format!("shm {name} round trip p99"), "ns", &p99, peer.name(), Bar::None));
}

/// All rows of this section.
pub fn rows(mode: Mode) -> Vec<Row> {
    if mode == Mode::OneCore {
        return vec![Row::absent(
            "shm between two processes",
            "",
            "one core: two spinning processes cannot be measured",
        )];
    }
    let mut rows = Vec::new();
    trip_rows(&mut rows, Link::Latest, Link::RawRing, PROJECTION, "projection (latest)", Bar::AtMost(1.10));
    trip_rows(&mut rows, Link::Stream, Link::RawRing, PROJECTION, "projection (stream)", Bar::AtMost(1.10));
    trip_rows(&mut rows, Link::Latest, Link::RawSeqlock, PROJECTION, "projection (latest)", Bar::None);
    trip_rows(&mut rows, Link::Stream, Link::RawRing, SMALL, "64 B (stream)", Bar::AtMost(1.15));
    trip_rows(&mut rows, Link::Latest, Link::RawRing, SMALL, "64 B (latest)", Bar::None);
    let acks = pairs(|| publish_to_ack(Link::Latest, 60_000), || publish_to_ack(Link::RawRing, 60_000));
    let p50: Vec<_> = acks.iter().map(|(a, b)| (a.0, b.0)).collect();
    let p99: Vec<_> = acks.iter().map(|(a, b)| (a.1, b.1)).collect();
    rows.push(Row::against("shm projection publish to ack p50", "ns", &p50, "raw-ring", Bar::None));
    rows.push(Row::against("shm projection publish to ack p99", "ns", &p99, "raw-ring", Bar::None));
    for (payload, name) in [(PROJECTION, "projection"), (SMALL, "64 B")] {
        let taken = pairs(|| flow(Link::Stream, payload).per_second, || flow(Link::RawRing, payload).per_second);
        let bar = if payload == PROJECTION { Bar::AtLeast(0.9) } else { Bar::None };
        rows.push(Row::against(format!("shm {name} stream"), "msg/s", &taken, "raw-ring", bar));
    }
    rows.extend(latest_rows());
    rows.extend(iceoryx_rows());
    rows
}

fn latest_rows() -> Vec<Row> {
    let taken = pairs(|| flow(Link::Latest, PROJECTION), || flow(Link::RawRing, PROJECTION));
    let rates: Vec<_> = taken.iter().map(|(a, b)| (a.per_second, b.per_second)).collect();
    let worst = taken.iter().map(|(a, _)| f64::from(a.worst_tries)).fold(0.0, f64::max);
    let busy = median(taken.iter().map(|(a, _)| a.busy as f64).collect());
    let seqlock: Vec<f64> = (0..ROUNDS).map(|_| flow(Link::RawSeqlock, PROJECTION).per_second).collect();
    let name = "shm newest value under a flat-out writer";
    vec![
        Row::against(name, "/s", &rates, "raw-ring stream", Bar::AtLeast(0.25))
            .note(format!("distinct values; reads that gave up after 8 tries: {busy:.0} in 0.2 s (median)")),
        Row::alone("shm worst tries of one accepted read", "tries", vec![worst], Bar::ValueAtMost(8.0)),
        Row::alone("shm newest value, plain one-slot seqlock", "/s", seqlock, Bar::None),
    ]
}

fn iceoryx_rows() -> Vec<Row> {
    if !cfg!(feature = "iceoryx2") {
        return vec![Row::absent(
            "shm against iceoryx2",
            "iceoryx2",
            "built without it: make bench builds with --features iceoryx2",
        )];
    }
    let mut rows = Vec::new();
    trip_rows(&mut rows, Link::Latest, Link::Iceoryx, PROJECTION, "projection (latest)", Bar::AtMost(1.0));
    trip_rows(&mut rows, Link::Stream, Link::Iceoryx, SMALL, "64 B (stream)", Bar::AtMost(1.0));
    for (payload, name) in [(PROJECTION, "projection"), (SMALL, "64 B")] {
        let taken = pairs(|| flow(Link::Stream, payload).per_second, || flow(Link::Iceoryx, payload).per_second);
        rows.push(Row::against(format!("shm {name} stream"), "msg/s", &taken, "iceoryx2", Bar::AtLeast(1.0)));
    }
    rows
}
