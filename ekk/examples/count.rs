//! One operation of `ekk`, repeated: `count OPERATION REPETITIONS`. Without arguments it says which operations there are.
//!
//! Instructions an operation are the difference of two runs under `valgrind --tool=callgrind` with different repetitions, divided
//! by the difference of the repetitions: start-up and set-up cancel out.

use std::hint::black_box;
use std::process::ExitCode;

use ekk::field::{COMPONENTS, Region, Rules, gradients};
use ekk::fixed::{Curve, Decay, Q16};
use ekk::heartbeat::{self, Health, Heartbeat};
use ekk::id::{Identity, NodeId};
use ekk::membership::MemberRecord;
use ekk::node::{Founders, NodeConfig, SmallNode};
use ekk::profile::{Preset, Timing};
use ekk::sign::{Crypto, Signature, Verdict};
use ekk::sink::Nowhere;
use ekk::task::{TaskEnd, TaskId, TaskSpec};
use ekk::time::{Span, Time};
use ekk::topology::{self, Candidate, Metric, Topology};
use ekk::wire::v0;
use ekk::wire::v1::field::{FIELD_BYTES_MAX, FieldBody, NEIGHBOURS_MAX};

const TIMING: Timing = Timing::preset(Preset::Lan);
const START: Time = Time::from_ms(1_000_000);

type Operation = (&'static str, fn(u64));

/// The operations by name; each does it that many times.
const OPERATIONS: [Operation; 23] = [
    ("field-publish", field_publish),
    ("field-sample", |n| field_sample(n, Span::ZERO)),
    ("field-sample-aged", |n| field_sample(n, Span::from_ms(700))),
    ("decay", decay),
    ("aggregate-7", aggregate),
    ("gradient", gradient),
    ("elect-62-logical", |n| elect::<62, 128>(n, Metric::Logical)),
    ("elect-62-physical", |n| elect::<62, 128>(n, Metric::Physical)),
    ("elect-254-logical", |n| elect::<254, 512>(n, Metric::Logical)),
    ("elect-254-physical", |n| elect::<254, 512>(n, Metric::Physical)),
    ("elect-10000-physical", |n| elect::<10_000, 32_768>(n, Metric::Physical)),
    ("select-254", select::<254, 512>),
    ("select-10000", select::<10_000, 32_768>),
    ("discover-worse-62", |n| discover_worse::<62, 128>(n)),
    ("discover-all-254", |n| discover_all::<254, 512>(n)),
    ("heartbeats-7", |n| heartbeats::<7, 16>(n)),
    ("heartbeats-62", |n| heartbeats::<62, 128>(n)),
    ("heartbeats-254", |n| heartbeats::<254, 512>(n)),
    ("heartbeat-tick-62", |n| heartbeat_tick::<62, 128>(n)),
    ("heartbeat-tick-254", |n| heartbeat_tick::<254, 512>(n)),
    ("decode-v0", decode),
    ("full-tick-7", |n| full_tick(n, 1)),
    ("full-tick-7-heard-twice", |n| full_tick(n, 2)),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let operation = arguments.next().unwrap_or_default();
    let count = arguments.next().and_then(|count| count.parse().ok());
    let Some((_, run)) = OPERATIONS.iter().find(|(name, _)| *name == operation) else {
        return complain("usage: count OPERATION REPETITIONS\noperations:", &OPERATIONS.map(|(name, _)| name));
    };
    let Some(count) = count else { return complain("the repetitions are no number", &[]) };
    run(count);
    ExitCode::SUCCESS
}

fn complain(what: &str, names: &[&str]) -> ExitCode {
    use std::io::Write;
    let mut err = std::io::stderr();
    // There is nobody left to tell when this fails.
    let _ = writeln!(err, "{what}");
    for name in names {
        let _ = writeln!(err, "  {name}");
    }
    ExitCode::FAILURE
}

fn node(raw: u32) -> NodeId {
    NodeId::from_raw(raw)
}

fn being(raw: u32) -> Identity {
    Identity { id: node(raw), boot_inc: 1, life: 0 }
}

fn region() -> Region<16> {
    let mut region = Region::new(Rules::product(&TIMING));
    for id in 1..=7 {
        let at = START.before(Span::from_ms(100 * u64::from(id)));
        region.publish(at, node(id), &[Q16(id as i32 * 10_000); COMPONENTS], 1).unwrap_or_default();
    }
    region
}

fn field_publish(n: u64) {
    let mut region = region();
    for i in 0..n {
        let _ = black_box(region.publish(black_box(START), node(3), &[Q16(i as i32); COMPONENTS], i as u32));
    }
}

fn field_sample(n: u64, age: Span) {
    let mut region = region();
    region.publish(START.before(age), node(3), &[Q16::ONE; COMPONENTS], 1).unwrap_or_default();
    for _ in 0..n {
        let _ = black_box(region.sample(black_box(START), node(3)));
    }
}

fn decay(n: u64) {
    let curve = black_box(Curve::new(Decay::Exp, TIMING.tau));
    for i in 0..n {
        black_box(curve.factor(Span(i * 1_000)));
    }
}

fn neighbours() -> Topology<7, 64, 128, 0> {
    let mut topology = topology_of::<64, 128>(7, Metric::Physical);
    for id in 1..=7 {
        topology.set_health(node(id), Health::Alive);
    }
    topology
}

fn topology_of<const N: usize, const CELLS: usize>(count: u32, metric: Metric) -> Topology<7, N, CELLS, 0> {
    let config = topology::Config { metric, residence: Span::ZERO, ..topology::Config::product(&TIMING) };
    let mut topology = Topology::new(config, node(1_000_000), [0; 3]).expect("the defaults are valid");
    for i in 1..=count {
        let id = i * 7_919 % (count + 1) + 1;
        let id = if id > count { i } else { id };
        let _ = topology.offer(START, &candidate(id));
    }
    topology
}

fn candidate(id: u32) -> Candidate {
    let at = |factor: u32| (id.wrapping_mul(factor) % 2_000) as i16 - 1_000;
    Candidate::vouched(being(id), [at(7_919), at(104_729), at(1_299_709)])
}

fn aggregate(n: u64) {
    let (region, topology) = (region(), neighbours());
    let own = [Q16(1); COMPONENTS];
    for _ in 0..n {
        let aggregate = region.aggregate(black_box(START), black_box(topology.list()));
        black_box(gradients(black_box(&own), &aggregate));
    }
}

fn gradient(n: u64) {
    let aggregate = black_box(region().aggregate(START, neighbours().list()));
    for i in 0..n {
        black_box(gradients(&black_box([Q16(i as i32); COMPONENTS]), &aggregate));
    }
}

fn elect<const N: usize, const CELLS: usize>(n: u64, metric: Metric) {
    let mut topology = Box::new(topology_of::<N, CELLS>(N as u32, metric));
    let mut side = 0;
    for _ in 0..n {
        // Every distance is computed anew, as in an election of the seed.
        side ^= 1;
        black_box(topology.moved(START, black_box([side, 0, 0])));
    }
}

/// The election alone, from distances that are known.
fn select<const N: usize, const CELLS: usize>(n: u64) {
    let mut topology = Box::new(topology_of::<N, CELLS>(N as u32, Metric::Physical));
    for _ in 0..n {
        black_box(black_box(&mut topology).elect(START));
    }
}

fn discover_worse<const N: usize, const CELLS: usize>(n: u64) {
    let mut topology = topology_of::<N, CELLS>(N as u32, Metric::Physical);
    let far = Candidate::vouched(being(62), [30_000; 3]);
    for _ in 0..n {
        let _ = black_box(topology.offer(START, black_box(&far)));
    }
}

fn discover_all<const N: usize, const CELLS: usize>(n: u64) {
    for _ in 0..n {
        black_box(topology_of::<N, CELLS>(N as u32, Metric::Logical));
    }
}

fn watch<const N: usize, const CELLS: usize>() -> Heartbeat<N, CELLS> {
    let config = heartbeat::Config::product(&TIMING);
    let mut watch = Heartbeat::new(config, node(1_000_000)).expect("the defaults are valid");
    for id in 1..=N as u32 {
        watch.add(START, being(id)).unwrap_or_default();
        watch.received(START, &being(id), 1);
    }
    watch
}

fn heartbeats<const N: usize, const CELLS: usize>(n: u64) {
    let mut watch = watch::<N, CELLS>();
    for round in 1..=n {
        let now = START.after(TIMING.period.times(round));
        for id in 1..=N as u32 {
            black_box(watch.received(now, &being(id), round as u32 + 1));
        }
        black_box(watch.tick(now, &mut |transition| {
            black_box(transition);
        }));
    }
}

fn heartbeat_tick<const N: usize, const CELLS: usize>(n: u64) {
    let mut watch = watch::<N, CELLS>();
    for i in 0..n {
        // Within the period after the heartbeats: what a tick costs when nobody is late.
        let now = START.after(Span(i % TIMING.period.0));
        black_box(watch.tick(now, &mut |transition| {
            black_box(transition);
        }));
    }
}

fn decode(n: u64) {
    let bytes = [1, 9, 200, 2, 7, 0, 0, 0];
    for _ in 0..n {
        let _ = black_box(v0::Message::decode(v0::Envelope { sender: 9, kind: 1 }, black_box(&bytes)));
    }
}

/// A tick of a node with seven living neighbours and one task, and the receipt of their fields, which come each second period.
/// The tick alone is counted with `--toggle-collect='*one_tick*'`; the difference to `full-tick-7-heard-twice` is the receipts.
fn full_tick(n: u64, heard: u32) {
    let ids: Vec<NodeId> = (1..=8).map(NodeId::from_raw).collect();
    let Ok(founders) = Founders::new(&ids) else { return };
    let record = |id: u32| {
        let mut record = MemberRecord::bare(being(id));
        record.position = [id as i16, 0, 0];
        record
    };
    let Ok(mut node) = SmallNode::new(NodeConfig::new(1, Preset::Lan, founders), record(1), 1) else { return };
    node.start(START, &mut Nowhere);
    node.set_known(8);
    for id in 2..=8 {
        let _ = node.offer(START, &record(id));
    }
    let spec = TaskSpec { period: TIMING.period, ..TaskSpec::new("task", 1) };
    let task = node.add_task(START, spec).unwrap_or(TaskId(0));
    node.tick(START, &mut NoKeys, &mut Nowhere);
    let mut neighbours = [NodeId::NONE; NEIGHBOURS_MAX];
    neighbours[..7].copy_from_slice(&ids[..7]);
    for round in 1..=n {
        let now = START.after(TIMING.period.times(round));
        for (id, again) in (2..=8).flat_map(|id| (0..heard).map(move |again| (id, again))).filter(|_| round % 2 == 1) {
            let components = [Q16(round as i32 & 0xffff); COMPONENTS];
            let body = FieldBody { draining: false, state: 2, capabilities: 0, components, neighbours };
            let mut buffer = [0; FIELD_BYTES_MAX];
            if let Ok(message) = body.encode(being(id), 2 * round as u32 + again, &mut buffer) {
                let _ = black_box(node.receive(now, NodeId::from_raw(id), message, &mut NoKeys, &mut Nowhere));
            }
        }
        one_tick(&mut node, now);
        let _ = node.task_done(task, Span::from_us(1), TaskEnd::Done);
    }
}

#[inline(never)]
fn one_tick(node: &mut SmallNode, now: Time) {
    black_box(node.tick(now, &mut NoKeys, &mut Nowhere));
}

/// Signs nothing and believes everything: signatures are counted elsewhere.
struct NoKeys;

impl Crypto for NoKeys {
    fn sign(&mut self, _: &[u8]) -> Signature {
        Signature::EMPTY
    }

    fn verify(&mut self, _: NodeId, _: &[u8], _: &Signature) -> Verdict {
        Verdict::Good
    }

    fn admit(&mut self, _: &MemberRecord) -> Verdict {
        Verdict::Good
    }
}
