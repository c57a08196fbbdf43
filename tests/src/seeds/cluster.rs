//! Seeds of what travels between nodes, of the files of an identity, of scenarios and of the cluster's part of the page.

use std::fs;

use agent::cluster::mirror::wire;
use agent::cluster::reliable::frames::Frame;
use agent::cluster::reliable::hello::{Fast, Hello};
use control::cluster::CLUSTER_BYTES;
use ekk::bootstrap::Stamp;
use ekk::consensus::{BallotKey, Vote};
use ekk::id::{Identity, NodeId};
use ekk::membership::evidence::{CERTIFICATE_BYTES_MAX, Certificate, Statement, WatchSet};
use ekk::membership::record::MemberRecord;
use ekk::sign::Signature;
use ekk::wire::v0;
use ekk::wire::v1::bootstrap::{self, BOOTSTRAP_BYTES_MAX, Say};
use ekk::wire::v1::consensus::{Answer, VOTE, encode_answer};
use ekk::wire::v1::membership::{Heartbeat, Message};
use ekk::wire::v1::{Header, Kind, MESSAGE_BYTES_MAX, Writer};

use super::Seed;
use crate::tidy::root;

/// Every seed of the cluster; the same each time.
pub(super) fn all() -> Vec<Seed> {
    let mut seeds = ekk();
    seeds.extend(link());
    seeds.extend(identity());
    for name in ["partition.toml", "loss10.toml", "byzantine.toml", "ballots.toml"] {
        let path = root().join("configs/sim").join(name);
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        seeds.push(("scenario", name.to_owned(), bytes));
    }
    seeds.push(("cluster_page", "three-nodes".to_owned(), page()));
    seeds
}

fn id(number: u32) -> NodeId {
    NodeId::new(number).expect("not zero")
}

fn being(number: u32) -> Identity {
    Identity { id: id(number), boot_inc: 3, life: 1 }
}

fn ekk() -> Vec<Seed> {
    let seed = |target: &'static str, name: &str, bytes: Vec<u8>| (target, name.to_owned(), bytes);
    let mut seeds = Vec::new();
    let beat = v0::Message::Heartbeat {
        sender: 3,
        sequence: 9,
        state: v0::ModuleState::Active,
        tracked: 7,
        load: 0,
        thermal: 0,
        flags: 0,
    };
    let mut buffer = [0; v0::ENCODED_MAX];
    let length = beat.encode(&mut buffer).expect("it fits");
    seeds.push(seed("ekk_v0", "heartbeat", [&[3, beat.kind()], &buffer[..length]].concat()));

    let stamp = Stamp { version: 1, cluster_id: 7, founders: 8, policy: 9, epoch: 1, boot_inc: 3 };
    for (name, say) in [("ping", Say::Ping), ("ready", Say::Ready { asking: true }), ("ask", Say::Ask)] {
        let mut buffer = [0; BOOTSTRAP_BYTES_MAX];
        let bytes = bootstrap::encode(&mut buffer, being(2), 5, &stamp, say).expect("it fits");
        seeds.push(seed("ekk_bootstrap", name, bytes.to_vec()));
    }

    let record = MemberRecord::bare(being(4));
    let heartbeat = Heartbeat {
        state: 2,
        doubt: 16,
        muted: false,
        degree: 8,
        roles: 3,
        set_digest: 4,
        held_digest: 5,
        news: [None; ekk::membership::config::NEWS_SLOTS],
        set: Some(set()),
    };
    let body = written(|writer| heartbeat.encode(writer).is_ok());
    seeds.push(seed("ekk_membership", "heartbeat", [vec![Kind::HEARTBEAT.0], body].concat()));
    let messages = [
        ("take", Message::WatchTake { roles: 3, member: record }),
        ("silence", Message::Silence(statement(1))),
        ("fresh", Message::Fresh { subject: being(4), last_sequence: 9, age_us: 7 }),
        ("certificate", Message::Certificate(certificate())),
    ];
    let mut script = vec![0];
    for (name, message) in messages {
        let body = written(|writer| message.encode(writer).is_ok());
        seeds.push(seed("ekk_membership", name, [vec![message.kind().0], body.clone()].concat()));
        script.extend([body.len().min(255) as u8, 2, 1]);
        script.extend(body);
    }
    seeds.push(seed("ekk_node", "script", script));
    seeds.push(seed("ekk_record", "bare", record.to_bytes().to_vec()));
    let mut buffer = [0; CERTIFICATE_BYTES_MAX];
    let mut writer = Writer::new(&mut buffer);
    certificate().encode(&mut writer).expect("it fits");
    seeds.push(seed("ekk_certificate", "five-of-eight", writer.done().to_vec()));

    let header = Header { kind: VOTE, sender: being(2), sequence: 6 };
    let key = BallotKey { proposer: id(4), boot_inc: 3, number: 1 };
    let mut buffer = [0; MESSAGE_BYTES_MAX];
    let answer = Answer::Vote(Vote::Yes, Signature([5; 64]));
    let length = encode_answer(&mut buffer, &header, key, &answer).expect("it fits");
    seeds.push(seed("ekk_consensus", "vote", buffer[..length].to_vec()));
    seeds
}

fn written(write: impl FnOnce(&mut Writer<'_>) -> bool) -> Vec<u8> {
    let mut buffer = [0; MESSAGE_BYTES_MAX];
    let mut writer = Writer::new(&mut buffer);
    assert!(write(&mut writer), "it fits");
    writer.done().to_vec()
}

fn set() -> WatchSet {
    let mut set = WatchSet::empty(being(9), 7);
    for watcher in 1..=8 {
        assert!(set.add(id(watcher)));
    }
    set
}

fn statement(watcher: u32) -> Statement {
    Statement {
        subject: being(9),
        watcher: id(watcher),
        last_sequence: 1_000,
        age_us: 700_000,
        missed: 7,
        threshold: 6,
        doubt: 16,
        signature: Signature([7; 64]),
    }
}

fn certificate() -> Certificate {
    let mut certificate = Certificate::new(being(9), set());
    for watcher in 1..=5 {
        assert!(certificate.add(statement(watcher)));
    }
    certificate
}

fn link() -> Vec<Seed> {
    let mut greeting = [0; wire::BYTES_MAX];
    let length = wire::put_greeting(3, (7, 8), &[(0, 11), (1, 12)], &mut greeting);
    let hello = Hello {
        lowest: 1,
        highest: 2,
        suites: 3,
        cluster_id: 7,
        node: 4,
        boot_id: 5,
        boot_inc: 3,
        epoch: 0,
        fast: Fast::Port(7946),
        digest: 8,
        formation: 9,
        record: MemberRecord::bare(being(4)).to_bytes().to_vec(),
    };
    let bytes = hello.encode();
    let frames = [Frame::Hello(Box::new(hello)), Frame::Begin { epoch: 1 }, Frame::Ping { number: 2 }];
    let stream: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
    // Content of a frame: a ping; the entry seals it rightly.
    let frame: Vec<u8> = (0..64).collect();
    vec![
        ("mirror_command", "greeting".to_owned(), greeting[..length].to_vec()),
        ("reliable", "hello".to_owned(), bytes),
        ("reliable", "stream".to_owned(), stream),
        ("link_frame", "content".to_owned(), frame),
        ("link_rsepx", "announcement".to_owned(), rsepx()),
    ]
}

/// What a station says when it has something new, as the entry takes it: each frame after its length.
fn rsepx() -> Vec<u8> {
    use ::link::rsepx::{PAYLOAD_BYTES, Station, Times};
    let mut station = Station::new(1, Times::default());
    station.publish(0, 7, 1, &[5; PAYLOAD_BYTES], 0b101);
    let mut bytes = Vec::new();
    station.poll(0, |_, frame| {
        let length = frame.len().div_ceil(8);
        bytes.push(u8::try_from(length).unwrap_or(u8::MAX));
        bytes.extend_from_slice(frame);
        bytes.resize(bytes.len() + length * 8 - frame.len(), 0);
    });
    bytes
}

/// A certificate, a card and a revocation list as `trefoil ca` writes them. What they are signed with was thrown away.
fn identity() -> Vec<Seed> {
    let text = |target, name: &str, text: &str| (target, name.to_owned(), text.as_bytes().to_vec());
    vec![
        text("certificate", "node-1.crt", include_str!("node-1.crt")),
        text("certificate", "ca.crt", include_str!("ca.crt")),
        text("identity", "node-1.card", include_str!("node-1.card")),
        text("identity", "revoked.list", include_str!("revoked.list")),
    ]
}

fn page() -> Vec<u8> {
    let json = include_str!("cluster.json").trim_end().as_bytes();
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(json);
    bytes.resize(8 + CLUSTER_BYTES, 0);
    // What is zero at the end is missing in the file: an entry takes it for zero.
    bytes.truncate(8 + json.len());
    bytes
}
