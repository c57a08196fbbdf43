//! Certificates: what proves a death, and that nothing else does.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

mod membership_net;

use ekk::hash::Rng;
use ekk::id::NodeId;
use ekk::membership::evidence::{
    CERTIFICATE_BYTES_MAX, Certificate, Proof, SPREAD_MAX, Statement, Unproven, WatchSet, fuzz_certificate,
};
use ekk::membership::record::fuzz_record;
use ekk::sign::Signature;
use ekk::wire::v1::membership::{Heartbeat, Message, fuzz_membership};
use ekk::wire::v1::{Reader, WireError, Writer};
use membership_net::*;

const SUBJECT: u32 = 99;

fn keys(me: u32) -> Keys {
    Keys { me, ..Keys::default() }
}

fn watch_set(watchers: u32) -> WatchSet {
    let mut set = WatchSet::empty(identity(SUBJECT, 3, 1), 7);
    for watcher in 1..=watchers {
        assert!(set.add(id(watcher)));
    }
    set.sign(CLUSTER, &mut keys(SUBJECT));
    set
}

fn statement(watcher: u32, last_sequence: u32, missed: u16) -> Statement {
    let mut statement = Statement {
        subject: identity(SUBJECT, 3, 1),
        watcher: id(watcher),
        last_sequence,
        age_us: u64::from(missed) * 100_000,
        missed,
        threshold: 6,
        doubt: 16,
        signature: Signature::EMPTY,
    };
    statement.sign(CLUSTER, &mut keys(watcher));
    statement
}

fn certificate(watchers: u32, statements: u32) -> Certificate {
    let mut certificate = Certificate::new(identity(SUBJECT, 3, 1), watch_set(watchers));
    for watcher in 1..=statements {
        assert!(certificate.add(statement(watcher, 1_000 - watcher, 6 + watcher as u16)));
    }
    certificate
}

fn verify(certificate: &Certificate) -> Result<Proof, Unproven> {
    certificate.verify(CLUSTER, |_| false, &mut keys(1))
}

fn bytes_of(certificate: &Certificate) -> Vec<u8> {
    let mut buffer = [0; CERTIFICATE_BYTES_MAX];
    let mut writer = Writer::new(&mut buffer);
    certificate.encode(&mut writer).unwrap();
    writer.done().to_vec()
}

/// membership:MB-5 decisions:CLU-6: five of eight prove it, four do not; watchers that are gone are not waited for.
#[test]
fn a_quorum_of_statements_is_a_proof() {
    assert_eq!(verify(&certificate(8, 5)), Ok(Proof { stated: 5, quorum: 5, live: 8 }));
    assert!(matches!(verify(&certificate(8, 4)), Err(Unproven::NoQuorum(_))));
    let gone = |watcher: NodeId| watcher.get() > 5;
    let proof = certificate(8, 4).verify(CLUSTER, gone, &mut keys(1));
    assert_eq!(proof, Ok(Proof { stated: 4, quorum: 4, live: 5 }), "three watchers are gone");
    let gone = |watcher: NodeId| watcher.get() <= 2;
    let proof = certificate(8, 5).verify(CLUSTER, gone, &mut keys(1));
    assert_eq!(proof, Ok(Proof { stated: 5, quorum: 5, live: 8 }), "who signed before it went counts");
    assert!(matches!(verify(&certificate(1, 1)), Err(Unproven::NoQuorum(_))), "a single watcher never removes");
    assert!(verify(&certificate(12, 7)).is_ok());
    assert!(matches!(verify(&certificate(12, 6)), Err(Unproven::NoQuorum(_))));
}

/// membership:MB-5: any change of any byte is refused at decoding or by a signature.
#[test]
fn no_byte_of_a_certificate_can_be_changed() {
    let good = certificate(8, 5);
    let bytes = bytes_of(&good);
    assert_eq!(Certificate::decode(&mut Reader::new(&bytes)), Ok(good));
    for at in 0..bytes.len() {
        assert!(Certificate::decode(&mut Reader::new(&bytes[..at])).is_err(), "cut at {at}");
        let mut other = bytes.clone();
        other[at] ^= 1 << (at % 8);
        if let Ok(decoded) = Certificate::decode(&mut Reader::new(&other)) {
            assert!(verify(&decoded).is_err(), "byte {at}");
        }
    }
    let other_cluster = good.verify(CLUSTER + 1, |_| false, &mut keys(1));
    assert!(matches!(other_cluster, Err(Unproven::BadSignature(_))), "signatures name the cluster");
}

/// membership:MB-4: genuine statements of different times, collected by a replayer, prove nothing together.
#[test]
fn statements_of_different_times_prove_nothing() {
    let mut certificate = certificate(8, 4);
    certificate.add(statement(5, 994 + SPREAD_MAX, 12));
    assert!(verify(&certificate).is_ok(), "within the spread");
    certificate.add(statement(5, 995 + SPREAD_MAX, 12));
    assert_eq!(verify(&certificate), Err(Unproven::Spread));
    certificate.prune();
    assert_eq!(certificate.statements().count(), 1, "the newest stays");
}

/// decisions:CLU-6: a watcher counts once whatever it signs, strangers and the subject never.
#[test]
fn each_watcher_counts_once_and_strangers_never() {
    let mut equivocal = certificate(8, 4);
    assert!(equivocal.add(statement(4, 990, 20)), "a later statement replaces the earlier");
    assert_eq!(equivocal.statements().count(), 4);
    assert!(!equivocal.add(statement(9, 990, 16)), "not in the set");
    let mut unsound = statement(5, 990, 16);
    unsound.missed = 5;
    assert!(!equivocal.add(unsound), "fewer misses than its own threshold");
    let mut other_life = statement(5, 990, 16);
    other_life.subject.life = 0;
    assert!(!equivocal.add(other_life));
    let mut set = watch_set(2);
    assert!(!set.add(id(SUBJECT)), "membership:MB-3: nobody watches itself");
    assert!(!set.add(id(2)), "once");
    let mut bytes = bytes_of(&certificate(8, 5));
    let start = bytes.len() - 2 * 85;
    let (first, second) = (bytes[start..start + 85].to_vec(), bytes.len() - 85);
    bytes[second..].copy_from_slice(&first);
    assert_eq!(Certificate::decode(&mut Reader::new(&bytes)), Err(WireError::Value("statements")), "the same twice");
}

#[test]
fn sets_of_other_beings_and_unknown_keys() {
    let mut certificate = certificate(8, 5);
    let mut later = certificate.set;
    later.subject.life = 2;
    later.sign(CLUSTER, &mut keys(SUBJECT));
    certificate.set = later;
    assert_eq!(verify(&certificate), Err(Unproven::OtherSubject), "a set of a later life");
    later.subject.life = 0;
    later.sign(CLUSTER, &mut keys(SUBJECT));
    certificate.set = later;
    assert!(verify(&certificate).is_ok(), "a set holds for later lives of its incarnation");
    certificate.set.sign(CLUSTER, &mut keys(1));
    assert_eq!(verify(&certificate), Err(Unproven::BadSignature(id(SUBJECT))), "signed by another");
    let known = Some((1..=4).chain([SUBJECT]).collect());
    let outcome = self::certificate(8, 5).verify(CLUSTER, |_| false, &mut Keys { me: 1, known, verified: 0 });
    assert_eq!(outcome, Err(Unproven::UnknownKey(id(5))));
}

/// Hostile bytes never panic, and forgers do not make us check signatures before the cheap rules are met.
#[test]
fn hostile_bytes_are_only_refused() {
    let mut rng = Rng::new(5);
    let seeds = [bytes_of(&certificate(8, 5)), signed_record(5, 1, 0, "z").to_bytes().to_vec()];
    for round in 0..20_000_usize {
        let mut bytes = seeds[round % 2].clone();
        for _ in 0..rng.below(4) {
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] = rng.next_u32() as u8;
        }
        bytes.truncate(rng.below(bytes.len() as u64 + 8) as usize);
        fuzz_certificate(&bytes);
        fuzz_record(&bytes);
        for kind in [0x01, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b] {
            bytes.insert(0, kind);
            fuzz_membership(&bytes);
            bytes.remove(0);
        }
    }
    let mut forger = keys(1);
    let mut thin = certificate(8, 5);
    thin.withdraw(id(1));
    assert!(thin.verify(CLUSTER, |_| false, &mut forger).is_err());
    assert_eq!(forger.verified, 0);
}

/// membership:MB-9 decisions:CLU-3: every message fits a datagram; there is no message that holds a list of members.
#[test]
fn the_longest_messages_fit() {
    let mut buffer = [0; 1_400];
    let mut full = Certificate::new(identity(SUBJECT, 3, 1), watch_set(12));
    (1..=12).for_each(|watcher| assert!(full.add(statement(watcher, 1_000, 6))));
    let mut writer = Writer::new(&mut buffer[16..]);
    Message::Certificate(full).encode(&mut writer).unwrap();
    assert_eq!(writer.len(), CERTIFICATE_BYTES_MAX);
    let beat = Heartbeat {
        state: 2,
        doubt: 16,
        muted: false,
        degree: 8,
        roles: 3,
        set_digest: 4,
        held_digest: 5,
        news: [None; 4],
        set: None,
    };
    let mut writer = Writer::new(&mut buffer[16..]);
    beat.encode(&mut writer).unwrap();
    assert_eq!(writer.len() + 16, 90, "an idle heartbeat, header included");
    assert_eq!(Heartbeat::decode(Reader::new(writer.done())), Ok(beat));
}
