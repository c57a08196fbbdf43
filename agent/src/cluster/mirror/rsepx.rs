//! A peer that speaks only the frames of the seed: its projections in one named slot, nothing else (`decisions:CLU-17`).
//!
//! Frames come in datagrams of their own port, from one configured address, and nothing about them is authenticated: off unless
//! configured, shown as unauthenticated. Such a torus can be looked at, and seen to live; it takes no work (no room, another
//! graph), hands none over, and no message goes to it. Arrivals are acknowledged as the seed does.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use link::rsepx::{Station, TORI, Times};
use shm_transport::liveness;
use shm_transport::region::{Region, Side};
use torus::projection::native::Projection;
use torus::projection::seed_v1::SeedProjection;

use super::{MirrorView, Tell};
use crate::cluster::settings::Rsepx;
use crate::runtime::events::Severity;

/// A seed peer that was silent for so long may count from the start again, ns.
const RESTART_NS: u64 = 3_000_000_000;

/// Frames taken in one turn.
const FRAMES: usize = 64;
/// Longer datagrams are no frames.
const FRAME_BYTES: usize = 2_048;

/// The carrier and the slot it feeds.
pub struct Carrier<'r> {
    region: &'r Region,
    settings: Rsepx,
    socket: UdpSocket,
    station: Station,
    side: Option<Side<'r>>,
    projection: Box<Projection>,
    frame: Box<[u8; FRAME_BYTES]>,
    applied: u64,
    missed: u64,
    refused: u64,
    last_seq: u64,
    newest_ns: u64,
    complained: bool,
}

impl std::fmt::Debug for Carrier<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Carrier")
            .field("station", &self.station)
            .field("applied", &self.applied)
            .finish_non_exhaustive()
    }
}

impl<'r> Carrier<'r> {
    /// Listens. Nothing stands in the region before the first projection.
    ///
    /// # Errors
    /// The socket.
    pub fn open(region: &'r Region, settings: &Rsepx) -> io::Result<Self> {
        let socket = UdpSocket::bind(settings.listen)?;
        socket.set_nonblocking(true)?;
        let tori = region.geometry().tori;
        Ok(Self {
            region,
            settings: settings.clone(),
            socket,
            // The seed knows tori 0 to 2; this node stands for the one after the peer's.
            station: Station::new((settings.torus + 1) % TORI, Times::default()),
            side: None,
            projection: Box::new(Projection::new(settings.torus.min(tori.saturating_sub(1)), tori, 1)),
            frame: Box::new([0; FRAME_BYTES]),
            applied: 0,
            missed: 0,
            refused: 0,
            last_seq: 0,
            newest_ns: 0,
            complained: false,
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Takes the frames that are there.
    pub fn turn(&mut self, now_ns: u64, tell: &mut Tell<'_>) {
        for _ in 0..FRAMES {
            let Ok((length, from)) = self.socket.recv_from(&mut self.frame[..]) else { return };
            if from != self.settings.peer {
                self.refused += 1;
                continue;
            }
            let (socket, peer, wanted) = (&self.socket, self.settings.peer, self.settings.torus);
            let mut arrived = None;
            let deliver = |torus: u8, seq, payload: &[u8; link::rsepx::PAYLOAD_BYTES]| {
                arrived =
                    (torus == wanted % TORI).then(|| SeedProjection::decode(payload).ok()).flatten().map(|p| (seq, p));
            };
            // An acknowledgement that is not sent now is asked for again.
            let send = |_, bytes: &[u8]| drop(socket.send_to(bytes, peer));
            // Why a frame had no effect is counted in the station.
            let _ = self.station.receive(now_ns, &self.frame[..length], deliver, send);
            if let Some((seq, projection)) = arrived {
                self.apply(seq, &projection, now_ns, tell);
            }
        }
    }

    fn apply(&mut self, seq: u64, seed: &SeedProjection, now_ns: u64, tell: &mut Tell<'_>) {
        if seq <= self.last_seq {
            // A seed node counts from 1 at each boot and does not say that it booted; its silence does.
            if now_ns.saturating_sub(self.newest_ns) < RESTART_NS {
                self.refused += 1;
                return;
            }
            self.last_seq = 0;
        }
        if self.side.is_none() {
            let claimed = liveness::boot_id().map_err(|error| error.to_string()).and_then(|boot| {
                self.region.claim(self.settings.torus, boot, std::process::id()).map_err(|error| error.to_string())
            });
            match claimed {
                Ok(side) => {
                    self.projection.boot = side.boot();
                    let text = format!(
                        "torus {} of {} is seen by seed frames: UNAUTHENTICATED",
                        self.settings.name, self.settings.peer
                    );
                    tell(Severity::Warning, text);
                    self.side = Some(side);
                }
                Err(error) => {
                    if !std::mem::replace(&mut self.complained, true) {
                        tell(Severity::Warning, format!("torus {} cannot stand here: {error}", self.settings.name));
                    }
                    return;
                }
            }
        }
        let Some(side) = &mut self.side else { return };
        let into = &mut self.projection;
        (into.seq, into.heartbeat_ns) = (into.seq + 1, now_ns);
        let pending = u64::from(seed.pending_events);
        (into.counters.executed, into.counters.pending) = (seed.total_events, pending);
        // The seed counts no arrivals: what was executed and what waits has come from somewhere.
        into.counters.injected = seed.total_events.saturating_add(pending);
        into.counters.clock = seed.current_time;
        into.load.pending = pending;
        for (face, cell) in into.faces.iter_mut().zip(seed.boundary) {
            *face = cell as u16;
        }
        into.seal();
        side.publish(now_ns, into.words());
        let _ = side.beat(now_ns);
        self.missed += if self.last_seq == 0 { 0 } else { seq.saturating_sub(self.last_seq + 1) };
        (self.last_seq, self.newest_ns) = (seq, now_ns);
        self.applied += 1;
    }

    /// What can be shown of it.
    #[must_use]
    pub fn view(&self) -> MirrorView {
        MirrorView {
            name: self.settings.name.clone(),
            torus: self.settings.torus,
            node: 0,
            live: self.side.is_some(),
            applied: self.applied,
            missed: self.missed,
            refused: self.refused,
            sent: self.station.counts().acked,
            coalesced: 0,
            in_doubt: 0,
            newest_ns: self.newest_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::{Duration, Instant};

    use super::*;
    use shm_transport::backing::Pages;
    use shm_transport::region::Geometry;
    use shm_transport::slot::Read;
    use torus::projection::native::WORDS;

    // decisions:CLU-17: projections of the one configured address land in the named slot; a stranger's and a repeated one do not.
    #[test]
    fn seed_frames_feed_one_slot() {
        let payload_bytes = size_of::<Projection>() as u32;
        let geometry = Geometry { tori: 3, payload_bytes, slots: 8, ring_records: 16, inject_records: 8 };
        let region = Region::private(geometry, Pages::Base).expect("a region");
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (seed, stranger) = (UdpSocket::bind(local).expect("loopback"), UdpSocket::bind(local).expect("loopback"));
        seed.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        let peer = seed.local_addr().expect("bound");
        let settings = Rsepx { listen: local, peer, torus: 2, name: "old".to_owned() };
        let mut carrier = Carrier::open(&region, &settings).expect("loopback");
        let to = carrier.local_addr().expect("bound");
        let mut station = Station::new(2, Times::default());
        let mut projection = SeedProjection { torus_id: 2, total_events: 50, pending_events: 7, ..Default::default() };
        projection.seal();
        let mut payload = [0; link::rsepx::PAYLOAD_BYTES];
        projection.encode(&mut payload);
        station.publish(0, 1, 4, &payload, 0);
        let mut said = Vec::new();
        let begun = Instant::now();
        // A stranger first: the same frames.
        station.clone_frames(|frame| drop(stranger.send_to(frame, to)));
        while carrier.view().refused < 5 && begun.elapsed() < Duration::from_secs(10) {
            carrier.turn(5, &mut |_, text| said.push(text));
        }
        assert_eq!((carrier.view().applied, carrier.view().live), (0, false));
        station.publish(0, 1, 4, &payload, 0);
        station.poll(0, |_, frame| drop(seed.send_to(frame, to)));
        while carrier.view().applied == 0 && begun.elapsed() < Duration::from_secs(10) {
            carrier.turn(6, &mut |_, text| said.push(text));
        }
        let mut words = vec![0; WORDS];
        let mut reader = region.view().reader(2).expect("it exists");
        assert!(matches!(reader.read(&mut words), Read::Fresh { .. }));
        let read = Projection::parse_words(&words).expect("whole");
        assert_eq!((read.torus, read.load.pending, read.counters.executed, read.room), (2, 7, 50, 0));
        assert!(read.counters.conserved());
        assert!(said.iter().any(|text| text.contains("UNAUTHENTICATED")), "{said:?}");
        let mut again = |carrier: &mut Carrier<'_>, now_ns: u64, done: &dyn Fn(&Carrier<'_>) -> bool| {
            // Other content each time: a whole repetition is answered by the station itself.
            projection.total_events += 1;
            projection.seal();
            projection.encode(&mut payload);
            let mut restarted = Station::new(2, Times::default());
            restarted.publish(0, 1, 4, &payload, 0);
            restarted.poll(0, |_, frame| drop(seed.send_to(frame, to)));
            while !done(carrier) && begun.elapsed() < Duration::from_secs(10) {
                carrier.turn(now_ns, &mut |_, _| {});
            }
        };
        let refused = carrier.view().refused;
        again(&mut carrier, 1_000, &|carrier| carrier.view().refused > refused);
        assert_eq!((carrier.view().refused, carrier.view().applied), (refused + 1, 1), "an old number is a repetition");
        again(&mut carrier, RESTART_NS + 1_000, &|carrier| carrier.view().applied > 1);
        assert_eq!(carrier.view().applied, 2, "after a silence it is a peer that booted");
        let mut ack = [0; 2_048];
        let (length, _) = seed.recv_from(&mut ack).expect("an acknowledgement");
        assert!(station.receive(7, &ack[..length], |_, _, _| {}, |_, _| {}).is_ok());
        assert!(!station.is_open(), "acknowledged");
        // The same once more is applied no second time.
        station.publish(8, 1, 4, &payload, 0);
        station.poll(8, |_, frame| drop(seed.send_to(frame, to)));
        for _ in 0..50 {
            carrier.turn(9, &mut |_, text| said.push(text));
        }
        assert_eq!(carrier.view().applied, 2);
    }

    trait Frames {
        fn clone_frames(&mut self, send: impl FnMut(&[u8]));
    }

    impl Frames for Station {
        /// The frames of what is on its way.
        fn clone_frames(&mut self, mut send: impl FnMut(&[u8])) {
            self.poll(0, |_, frame| send(frame));
        }
    }
}
