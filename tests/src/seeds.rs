//! The well-formed (and a few nearly well-formed) inputs from which the fuzz corpus begins: one list, written to
//! `tests/fuzz/corpus` by `TREFOIL_WRITE_CORPUS=1 cargo test -p trefoil-tests --test fuzz_corpus`.

mod cluster;

use std::fs;

use control::Snapshot;
use control::api::{Refusal, Reply, Request};
use control::page::{EventsPage, HostPage, MAGIC, NodePage, Text, TorusPage, VERSION};
use shm_transport::backing::Pages;
use shm_transport::region::{Geometry, Options, Region};
use torus::message::{Kind, Message};
use torus::projection::native::Projection;
use torus::projection::seed_v1::{self, SeedProjection};
use torus::record::{End, Entry, Header, Record, Start};
use torus::{Cell, Correction, Input, Mode, Token};
use xxhash_rust::xxh3::xxh3_64;
use zerocopy::IntoBytes;

use crate::harness::Scratch;
use crate::tidy::root;

/// A corpus file: target, name, content.
pub type Seed = (&'static str, String, Vec<u8>);

/// Every seed; the same each time.
#[must_use]
pub fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (name, bytes) in regions() {
        seeds.push(("region", name, bytes));
    }
    let mut projection = Projection::new(1, 3, 0xb007);
    projection.seq = 7;
    projection.round = 9;
    projection.seal();
    seeds.push(("projection", "sealed".to_owned(), projection.as_bytes().to_vec()));
    seeds.push(("projection", "short".to_owned(), projection.as_bytes()[..64].to_vec()));
    seeds.push(("seed_projection", "f0".to_owned(), f0().to_vec()));
    seeds.push(("message", "token".to_owned(), token().encode().to_vec()));
    seeds.push(("record", "whole".to_owned(), recording()));
    seeds.push(("record", "cut-off".to_owned(), recording()[..200].to_vec()));
    seeds.extend(events());
    seeds.push(("snapshots", "two".to_owned(), snapshots()));
    seeds.extend(configs());
    seeds.extend(requests());
    seeds.push(("status_page", "two-tori".to_owned(), status_page()));
    seeds.push(("status_page", "node-only".to_owned(), node_page().as_bytes().to_vec()));
    seeds.extend(cluster::all());
    seeds
}

/// Fresh regions of two geometries, with the random epoch made constant.
fn regions() -> Vec<(String, Vec<u8>)> {
    let scratch = Scratch::new("region-seed");
    let make = |name: &str, tori: u8, payload_bytes: u32| {
        let geometry = Geometry { tori, payload_bytes, slots: 2, ring_records: 2, inject_records: 2 };
        let path = scratch.join(name);
        let options = Options { pages: Pages::Base, ..Options::new(geometry) };
        let region = Region::open(&path, &options).unwrap_or_else(|error| panic!("{error}"));
        drop(region);
        let mut bytes = fs::read(&path).unwrap();
        // Word 8 is the epoch, word 9 the checksum of words 1 to 8.
        bytes[64..72].copy_from_slice(&42_u64.to_le_bytes());
        let checksum = xxh3_64(&bytes[8..72]);
        bytes[72..80].copy_from_slice(&checksum.to_le_bytes());
        (name.to_owned(), bytes)
    };
    vec![make("one", 1, 8), make("two", 2, 8)]
}

/// The seed's vector F0 (rse.md section 10, vector 10).
fn f0() -> [u8; seed_v1::SIZE] {
    let mut constraints = [0; 16];
    constraints[..5].copy_from_slice(&[5000, 16, 24, 1000, 3]);
    constraints[15] = -7;
    let mut projection = SeedProjection {
        torus_id: 0,
        timestamp: 1000,
        total_events: 5000,
        current_time: 1000,
        active_processes: 16,
        pending_events: 3,
        edge_count: 24,
        boundary: core::array::from_fn(|i| u32::try_from(i % 256).expect("below 256")),
        constraints,
        state_hash: 0,
    };
    projection.seal();
    let mut bytes = [0; seed_v1::SIZE];
    projection.encode(&mut bytes);
    bytes
}

fn token() -> Message {
    let token = Token { delay_ticks: 3, dst: Cell::at(1, 2, 3), src: Cell::at(31, 0, 0), payload: 0x8000_0005 };
    Message { kind: Kind::Token, from: 1, boot: 0xb007, seq: 5, token }
}

/// A recording with every kind of input.
fn recording() -> Vec<u8> {
    let cell = Cell::at(4, 5, 6);
    let token = Token { delay_ticks: 9, dst: cell, src: cell, payload: 1 };
    let inputs = [
        Input::Inject { dst: cell, src: cell, payload: 7, count: 2 },
        Input::InjectAt { time: 5, dst: cell, src: cell, payload: 7 },
        Input::Admit { from: 2, token },
        Input::Feed { count: 10 },
        Input::Horizon { time: 100 },
        Input::HandOver { to: 1, count: 3 },
        Input::Lost { peer: 1, count: 4 },
        Input::Batch { events: 256 },
        Input::Interval { ticks: 1000 },
        Input::Mode(Mode::Ring),
        Input::Pause,
        Input::Step { count: 1 },
        Input::Resume,
        Input::Corrective(Correction { cell, amount: -3 }),
    ];
    let text = "[[torus]]\nname = \"A\"\n".to_owned();
    let mut bytes = Header { text, starts: vec![Start { torus: 0, digest: 11 }] }.encode();
    let mut index = 0;
    let mut push = |record: Record| {
        bytes.extend_from_slice(&record.encode(index));
        index += 1;
    };
    for (ordinal, input) in (1..).zip(inputs) {
        push(Record::Entry(Entry { torus: 0, executed: 3, ordinal, input }));
    }
    push(Record::End(End { torus: 0, executed: 40, digest: 12 }));
    bytes
}

fn events() -> Vec<Seed> {
    let file = |name: &str, text: &str| ("events_file", name.to_owned(), text.as_bytes().to_vec());
    vec![
        file("minutes.csv", "time_min,dst,src,payload\n315,7867,9970,11\n329,7867,9970,20\n340,8843,9983,-33\n"),
        file("plain.csv", "time,dst,src,payload\n0,0,0,-2147483648\n18446744073709551615,32767,32767,2147483647\n"),
        file("unsorted.csv", "time,dst,src,payload\n5,1,1,1\n4,1,1,1\n"),
        file("quoted.csv", "time,dst,src,payload\n\"1\",\"2\",\"3\",\"4\"\n"),
        file("cell.csv", "time,dst,src,payload\n1,32768,0,0\n"),
    ]
}

/// Two snapshots a second apart, as the console records them.
fn snapshots() -> Vec<u8> {
    let mut bytes = Vec::new();
    for second in 1..=2 {
        let node = NodePage { heartbeat_ns: second * 1_000_000_000, ..node_page() };
        let torus = TorusPage {
            id: 0,
            state: 1,
            core: -1,
            executed: second * 10,
            injected: second * 10,
            ..TorusPage::default()
        };
        let (host, events) = (HostPage::default(), EventsPage::default());
        let snapshot =
            Snapshot::from_pages(&node, &host, &[&torus], &events, node.heartbeat_ns).expect("the page is ours");
        bytes.extend(serde_json::to_vec(&snapshot).expect("a snapshot is plain data"));
        bytes.push(b'\n');
    }
    bytes
}

/// The configurations of the repository, and one with every kind of mistake.
fn configs() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for name in ["demo.toml", "node.toml", "three-hosts/n1.toml", "three-hosts/n2.toml", "three-hosts/n3.toml"] {
        let path = root().join("configs").join(name);
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        seeds.push(("config", name.replace('/', "-"), bytes));
    }
    let wrong = "[node]\nname = \"\"\nunknown = 1\n[braid]\ntori = 99\ngain = \"much\"\n[[torus]]\nid = 77\n[torus.workload]\nkind = \"none\"\n";
    seeds.push(("config", "wrong.toml".to_owned(), wrong.as_bytes().to_vec()));
    seeds.push(("config", "broken.toml".to_owned(), b"[node\nname = \x22".to_vec()));
    seeds
}

fn requests() -> Vec<Seed> {
    let torus = "A".to_owned();
    let requests = [
        ("inject", Request::Inject { torus: torus.clone(), dst: 32_767, src: 0, payload: -1, count: 3 }),
        ("pause", Request::Pause { torus: torus.clone() }),
        ("step", Request::Step { torus: torus.clone(), count: 2 }),
        ("interval", Request::Interval { torus, ticks: Some(500) }),
        ("mode", Request::Mode { mode: "ring".to_owned() }),
        ("stop", Request::Stop {}),
    ];
    let json = |value: Result<Vec<u8>, _>| value.unwrap_or_else(|error: serde_json::Error| panic!("{error}"));
    let mut seeds: Vec<Seed> = requests
        .into_iter()
        .map(|(name, request)| ("request", name.to_owned(), json(serde_json::to_vec(&request))))
        .collect();
    let reply = Reply { message: "done".to_owned(), count: 3 };
    let refusal = Refusal::new("no torus Z; there are A, B, C");
    seeds.push(("request", "reply".to_owned(), json(serde_json::to_vec(&reply))));
    seeds.push(("request", "refusal".to_owned(), json(serde_json::to_vec(&refusal))));
    seeds.push(("request", "unknown".to_owned(), br#"{"do":"explode","torus":null}"#.to_vec()));
    seeds
}

fn node_page() -> NodePage {
    NodePage {
        magic: MAGIC,
        version: VERSION,
        pid: 1,
        tori: 2,
        phase: 1,
        name: Text::new("seed"),
        ..NodePage::default()
    }
}

fn status_page() -> Vec<u8> {
    let mut events = EventsPage { newest: 1, ..EventsPage::default() };
    events.ring[1].number = 1;
    events.ring[1].text = Text::new("torus A started");
    let torus = |id: u32| TorusPage { id, state: 1, core: -1, executed: 10, injected: 10, ..TorusPage::default() };
    let mut bytes = node_page().as_bytes().to_vec();
    bytes.extend_from_slice(HostPage::default().as_bytes());
    bytes.extend_from_slice(events.as_bytes());
    bytes.extend_from_slice(torus(0).as_bytes());
    bytes.extend_from_slice(torus(1).as_bytes());
    bytes
}
