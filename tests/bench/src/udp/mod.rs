//! Datagrams: ours on io_uring and on plain sockets against std sockets, `sendmmsg`/`recvmmsg` and tokio, on loopback and between two
//! network namespaces; a projection over MTU 1500 as segments of one send against IP fragmentation by the kernel, in the same
//! loop; and what 64 links cost one thread. Client on core 0, server on core 1.

mod ends;
mod many;
mod net;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use self::ends::{End, Manner, Waiting, Way, open};
use self::net::Place;
use crate::measure::{Mode, percentile, pin, unpin};
use crate::report::{Bar, Row, median};

const ROUNDS: usize = 5;
/// Length of one measurement.
const WINDOW: Duration = Duration::from_millis(60);
const PROJECTION: usize = torus::projection::native::SIZE;
const SEED_PROJECTION: usize = 4_232;

/// p50 and p99 of round trips, us.
type Trips = (f64, f64);

/// Runs `serve` on side 1 and `drive` on side 0, connected to each other.
fn pair<T>(
    place: &Place,
    manner: Manner,
    serve: impl FnOnce(&mut dyn End) + Send,
    drive: impl FnOnce(&mut dyn End) -> T + Send,
) -> Result<T, String>
where
    T: Send,
{
    std::thread::scope(|scope| {
        let (tell_client, hear_server) = channel::<SocketAddr>();
        let (tell_server, hear_client) = channel::<SocketAddr>();
        scope.spawn(move || {
            pin(1);
            place.enter(1);
            let Ok(mut end) = open(manner, (place.address(1), 0).into()) else { return };
            let told = tell_client.send(end.address());
            if let (Ok(()), Ok(to)) = (told, hear_client.recv()) {
                end.connect(to);
                serve(&mut *end);
            }
        });
        let client = scope.spawn(move || {
            pin(0);
            place.enter(0);
            let mut end = open(manner, (place.address(0), 0).into())?;
            // The other side reports nothing itself: what it cannot open, this side could not either.
            let to = hear_server.recv().map_err(|_| "the other side did not open its socket".to_owned())?;
            end.connect(to);
            tell_server.send(end.address()).map_err(|_| "the other side is gone".to_owned())?;
            Ok(drive(&mut *end))
        });
        client.join().unwrap_or_else(|_| Err("the client panicked".to_owned()))
    })
}

/// Receives until `length` bytes came; false = some are lost.
fn whole(end: &mut dyn End, length: usize) -> bool {
    let mut came = 0;
    while came < length {
        match end.receive() {
            0 => return false,
            more => came += more,
        }
    }
    true
}

fn round_trips(place: &Place, manner: Manner, length: usize) -> Result<Trips, String> {
    let stop = &AtomicBool::new(false);
    let payload = &vec![7; length];
    let serve = |end: &mut dyn End| {
        while !stop.load(Ordering::Relaxed) {
            if whole(end, length) {
                end.send(payload, 1);
            }
        }
    };
    let drive = |end: &mut dyn End| {
        let (mut taken, start) = (Vec::with_capacity(20_000), Instant::now());
        while start.elapsed() < WINDOW {
            let sent = Instant::now();
            end.send(payload, 1);
            if whole(end, length) {
                taken.push(sent.elapsed().as_nanos() as u64);
            }
        }
        stop.store(true, Ordering::Relaxed);
        taken.drain(..taken.len() / 20);
        taken
    };
    let mut taken = pair(place, manner, serve, drive)?;
    if taken.is_empty() {
        return Err("nothing came back".to_owned());
    }
    Ok((percentile(&mut taken, 50.0) / 1e3, percentile(&mut taken, 99.0) / 1e3))
}

/// Messages a second that arrive while the other side sends without pause.
fn flow(place: &Place, manner: Manner, length: usize) -> Result<f64, String> {
    let stop = &AtomicBool::new(false);
    let payload = &vec![7; length];
    let serve = |end: &mut dyn End| {
        while !stop.load(Ordering::Relaxed) {
            end.send(payload, 32);
        }
    };
    let drive = |end: &mut dyn End| {
        let (mut came, start) = (0, Instant::now());
        while start.elapsed() < WINDOW {
            came += end.receive();
        }
        let rate = (came / length) as f64 / start.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        rate
    };
    pair(place, manner, serve, drive)
}

/// All `manners` in turn, round by round, after one pass to warm up.
fn rounds<T>(manners: &[Manner], mut run: impl FnMut(Manner) -> Result<T, String>) -> Result<Vec<Vec<T>>, String> {
    let mut found: Vec<Vec<T>> = manners.iter().map(|_| Vec::new()).collect();
    for round in 0..=ROUNDS {
        for turn in 0..manners.len() {
            // Whoever goes first, a drift of the machine favours nobody.
            let at = (turn + round) % manners.len();
            let value = run(manners[at])?;
            if round > 0 {
                found[at].push(value);
            }
        }
    }
    Ok(found)
}

fn manner(way: Way, waiting: Waiting) -> Manner {
    Manner { way, waiting, segment: None }
}

fn against(name: String, ours: &[Trips], peer: &[Trips], peer_name: &str, bar: Bar) -> Row {
    let pairs: Vec<(f64, f64)> = ours.iter().zip(peer).map(|(ours, peer)| (ours.0, peer.0)).collect();
    let p99 = |trips: &[Trips]| median(trips.iter().map(|trip| trip.1).collect());
    Row::against(name, "us", &pairs, peer_name, bar).note(format!(
        "p99 {:.1} us, peer's {:.1} us",
        p99(ours),
        p99(peer)
    ))
}

fn trip_rows(place: &Place, length: usize) -> Vec<Row> {
    let (spin, sleep) = (Waiting::Spin, Waiting::Sleep);
    let manners = [
        manner(Way::Ring, spin),
        manner(Way::Plain, spin),
        manner(Way::Std, spin),
        manner(Way::Ring, sleep),
        manner(Way::Plain, sleep),
        manner(Way::Std, sleep),
        manner(Way::Tokio, sleep),
    ];
    let name = |what: &str| format!("udp RTT p50, {}, {length} B, {what}", place.name);
    match rounds(&manners, |manner| round_trips(place, manner, length)) {
        Ok(all) => vec![
            against(name("io_uring spinning"), &all[0], &all[2], "std sockets spinning", Bar::AtMost(2.0)),
            against(name("sockets spinning"), &all[1], &all[2], "std sockets spinning", Bar::None),
            against(name("io_uring waiting"), &all[3], &all[5], "std sockets waiting", Bar::None),
            against(name("sockets waiting"), &all[4], &all[5], "std sockets waiting", Bar::None),
            against(name("io_uring waiting"), &all[3], &all[6], "tokio", Bar::None),
        ],
        Err(why) => vec![Row::absent(name("all ways"), "std sockets, tokio", why)],
    }
}

fn flow_rows(place: &Place, length: usize) -> Vec<Row> {
    let ways = [Way::Ring, Way::Plain, Way::Std, Way::Many, Way::Tokio];
    let name = |what: &str| format!("udp flow, {}, {length} B, {what}", place.name);
    let found = rounds(&ways.map(|way| manner(way, Waiting::Sleep)), |manner| flow(place, manner, length));
    match found {
        Ok(all) => {
            let pairs = |ours: usize, peer: usize| -> Vec<(f64, f64)> {
                all[ours].iter().copied().zip(all[peer].iter().copied()).collect()
            };
            let mut rows = vec![Row::against(name("sockets"), "msg/s", &pairs(1, 2), Way::Std.name(), Bar::None)];
            rows.extend(
                (2..5)
                    .map(|peer| Row::against(name("io_uring"), "msg/s", &pairs(0, peer), ways[peer].name(), Bar::None)),
            );
            rows
        }
        Err(why) => vec![Row::absent(name("all ways"), "std sockets, sendmmsg/recvmmsg, tokio", why)],
    }
}

/// A projection over MTU 1500: the same loop, with segments and without.
fn segment_rows(place: &Place, length: usize) -> Vec<Row> {
    let segment = Some(length.div_ceil(length.div_ceil(1_420)) as u16);
    let mut rows = Vec::new();
    for way in [Way::Plain, Way::Ring] {
        let (cut, one) = (Manner { segment, ..manner(way, Waiting::Spin) }, manner(way, Waiting::Spin));
        let mode = way.name();
        let name = format!("udp projection of {length} B over MTU 1500, segments, {mode} spinning");
        let std = manner(Way::Std, Waiting::Spin);
        rows.push(match rounds(&[cut, one, std], |manner| round_trips(place, manner, length)) {
            Ok(all) => {
                let mut row = against(name, &all[0], &all[1], "the same, IP fragmentation", Bar::AtMost(0.65));
                let std_us = median(all[2].iter().map(|trip| trip.0).collect());
                row.note = format!("RTT p50; {}; std sockets spinning, fragmented: {std_us:.1} us", row.note);
                row
            }
            Err(why) => Row::absent(name, "IP fragmentation", why),
        });
    }
    let cut = Manner { segment, ..manner(Way::Ring, Waiting::Sleep) };
    let name = format!("udp flow of projections of {length} B over MTU 1500, segments, io_uring");
    let found = rounds(&[cut, manner(Way::Std, Waiting::Sleep)], |manner| flow(place, manner, length));
    rows.push(match found {
        Ok(all) => {
            let pairs: Vec<(f64, f64)> = all[0].iter().copied().zip(all[1].iter().copied()).collect();
            Row::against(name, "msg/s", &pairs, "std sockets, fragmented", Bar::None).note("unsealed")
        }
        Err(why) => Row::absent(name, "std sockets, fragmented", why),
    });
    rows
}

/// All rows of this section.
pub fn rows(mode: Mode) -> Vec<Row> {
    if mode == Mode::OneCore {
        return vec![Row::absent("udp between two threads", "", "one core")];
    }
    let mut rows = Vec::new();
    for place in [Ok(Place::loopback()), Place::veth("veth 9000", 9_000)] {
        match place {
            Ok(place) => {
                for length in [64, PROJECTION] {
                    rows.extend(trip_rows(&place, length));
                    rows.extend(flow_rows(&place, length));
                }
            }
            Err(why) => rows.push(Row::absent("udp over veth", "", why)),
        }
    }
    match Place::veth("veth 1500", 1_500) {
        Ok(place) => {
            rows.extend([PROJECTION, SEED_PROJECTION].into_iter().flat_map(|length| segment_rows(&place, length)))
        }
        Err(why) => rows.push(Row::absent("udp projection over MTU 1500, segments", "IP fragmentation", why)),
    }
    rows.extend(many::rows());
    unpin();
    rows
}
