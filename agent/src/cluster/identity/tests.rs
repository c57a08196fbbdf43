//! Identities as an operator makes, loses, mixes up and revokes them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use ekk::sign::{Crypto, Verdict};

use super::authority::{Authority, CA_KEY, REVOKED};
use super::load::{Being, address_bytes, address_of, ending};
use super::testing::{Folder, TestCa, certificate, node, order};
use super::trust::Role;
use super::*;

const DAY_S: u64 = 86_400;

fn being(boot_inc: u32) -> Being<'static> {
    let address = address_bytes("10.0.0.1:7946".parse().expect("an address"));
    Being { boot_inc, life: 0, zone: "r1", position: [1, -2, 3], address, flags: 0 }
}

fn refusal<T: std::fmt::Debug>(result: Result<T, IdentityError>, words: &[&str]) {
    let text = result.expect_err("refused").to_string();
    for word in words.iter().chain(&["remedy:"]) {
        assert!(text.contains(word), "{word:?} not in: {text}");
    }
}

/// Private files are closed from their first moment, nothing is written over, and a key others can read is refused.
#[test]
fn keys_are_private_and_never_overwritten() {
    let ca = TestCa::new("demo");
    ca.issue(1);
    for (name, mode) in [("ca.key", 0o600), ("node-1.key", 0o600), ("ca.crt", 0o644), ("node-1.crt", 0o644)] {
        let found = fs::metadata(ca.dir().join(name)).expect("there").permissions().mode() & 0o777;
        assert_eq!(found, mode, "{name}: {found:o}");
    }
    let key = fs::read(ca.dir().join(CA_KEY)).expect("read");
    refusal(Authority::init(ca.dir(), "demo", 9, None), &["ca.key", "--out"]);
    assert_eq!(fs::read(ca.dir().join(CA_KEY)).expect("read"), key);
    let path = ca.dir().join("node-1.key");
    for mode in [0o640, 0o604, 0o620] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("changed");
        let mode = format!("{mode:04o}");
        refusal(Identity::load(&ca.files(1), 1, unix_now_s()), &["node-1.key", &mode, "mode 0600", "chmod 600"]);
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).expect("changed");
    Identity::load(&ca.files(1), 1, unix_now_s()).expect("0400 is fine");
}

/// An id or a name is given once, unless it is a renewal or the key was revoked; nothing is left behind by a refusal.
#[test]
fn ids_and_names_are_issued_once() {
    let ca = TestCa::new("demo");
    ca.issue(1);
    let elsewhere = Folder::new("out");
    refusal(ca.authority.issue(&order(1), &elsewhere.0), &["id 1", "n1", "--renew"]);
    let renamed = authority::Order { name: "n1".to_owned(), ..order(2) };
    refusal(ca.authority.issue(&renamed, &elsewhere.0), &["n1", "node 1"]);
    let renewal = authority::Order { renew: true, ..order(1) };
    refusal(ca.authority.issue(&renewal, ca.dir()), &["node-1.crt", "nothing is written over"]);
    assert_eq!(fs::read_dir(&elsewhere.0).expect("listed").count(), 0, "nothing is left behind");
    ca.authority.issue(&renewal, &elsewhere.0).expect("a renewal");
    assert_eq!(ca.authority.revoke(node(1), None).expect("revoked").len(), 2, "the old key and the new one");
    assert_eq!(ca.authority.revoke(node(1), None).expect("again").len(), 0);
    let third = Folder::new("out");
    ca.authority.issue(&order(1), &third.0).expect("revoked, so it may be issued anew");
    refusal(ca.authority.revoke(node(9), None), &["node 9"]);
    for name in ["", "-a", "a-", "A", "n 1", "n/1", "a.b", "abcdefghijklmnopqrstuvwxy"] {
        refusal(ca.authority.issue(&authority::Order { name: name.to_owned(), ..order(3) }, &third.0), &["a-z"]);
    }
}

/// What belongs together is accepted; every file mixed up with that of another node is refused by name.
#[test]
fn files_must_belong_together() {
    let (ca, other) = (TestCa::new("demo"), TestCa::new("demo"));
    let (one, two) = (ca.identity(1), ca.identity(2));
    other.issue(1);
    assert_eq!((one.id().get(), one.name(), two.id().get()), (1, "n1", 2));
    assert_ne!(one.public_key(), two.public_key());
    let now = unix_now_s();
    let files = ca.files(1);
    refusal(Identity::load(&files, 2, now), &["node-1.crt", "node 1", "cluster.id"]);
    let mixed = IdentityFilesOf { key: Some("node-2.key"), ..IdentityFilesOf::default() };
    refusal(mixed.load(&ca, 1), &["node-2.key", "the key of another certificate"]);
    let mixed = IdentityFilesOf { card: Some("node-2.card"), ..IdentityFilesOf::default() };
    refusal(mixed.load(&ca, 1), &["node-2.card", "card of node 2"]);
    let mixed = IdentityFilesOf { certificate: Some("ca.crt"), ..IdentityFilesOf::default() };
    refusal(mixed.load(&ca, 1), &["ca.crt", "trefoil://demo/ca/"]);
    let mixed = IdentityFilesOf { ca: Some("node-1.crt"), ..IdentityFilesOf::default() };
    refusal(mixed.load(&ca, 1), &["node-1.crt", "certificate of a CA"]);
    let mut foreign = ca.files(1);
    foreign.ca = vec![other.certificate_path()];
    refusal(Identity::load(&foreign, 1, now), &["node-1.crt", "signed by"]);
    foreign.ca = vec![ca.certificate_path(), other.certificate_path()];
    refusal(Identity::load(&foreign, 1, now), &["of one cluster", "--replaces"]);
    let card = fs::read_to_string(&files.card).expect("read");
    fs::write(&files.card, card.replace("ends_unix_s = ", "ends_unix_s = 9")).expect("written");
    refusal(Identity::load(&files, 1, now), &["node-1.card", "changed"]);
}

/// One file of a node replaced by another of the same folder.
#[derive(Default)]
struct IdentityFilesOf {
    ca: Option<&'static str>,
    certificate: Option<&'static str>,
    key: Option<&'static str>,
    card: Option<&'static str>,
}

impl IdentityFilesOf {
    fn load(&self, ca: &TestCa, id: u32) -> Result<Identity, IdentityError> {
        let mut files = ca.files(id);
        let place = |name: Option<&str>, path: &mut std::path::PathBuf| {
            if let Some(name) = name {
                *path = ca.dir().join(name);
            }
        };
        place(self.ca, &mut files.ca[0]);
        place(self.certificate, &mut files.certificate);
        place(self.key, &mut files.key);
        place(self.card, &mut files.card);
        Identity::load(&files, id, unix_now_s())
    }
}

/// A certificate warns from thirty days before its end on, urgently in the last week, and is refused once it ended.
#[test]
fn the_end_is_announced() {
    let ca = TestCa::new("demo");
    let identity = ca.identity(1);
    let ends = identity.ends_unix_s();
    assert_eq!(identity.warning(ends - 31 * DAY_S), "");
    assert!(identity.warning(ends - 29 * DAY_S).contains("in 29 days"));
    let urgent = identity.warning(ends - 7 * DAY_S + 1);
    assert!(urgent.starts_with("URGENT") && urgent.contains("6 d 23 h") && urgent.contains("--renew"), "{urgent}");
    assert!(ending(ends, ends, "n1", node(1)).contains("ended"));
    refusal(Identity::load(&ca.files(1), 1, ends + 1), &["node-1.crt", "ended on", "ca issue n1 --id 1 --renew"]);
    refusal(Identity::load(&ca.files(1), 1, ends + 101 * DAY_S), &["ca.crt", "ended on"]);
    refusal(Identity::load(&ca.files(1), 1, 1_000_000_000), &["node-1.crt", "good only from", "clock"]);
}

/// `decisions:CLU-19`: two CAs of one cluster are trusted at once, and a key either of them revoked is good nowhere.
#[test]
fn two_authorities_and_revocation() {
    let old = TestCa::new("demo");
    let new = old.successor("demo");
    assert_eq!(old.authority.cluster_id(), new.authority.cluster_id());
    let (first, second) = (certificate(&old.issue(1)), certificate(&new.issue(2)));
    let now = unix_now_s();
    let cas = [old.certificate_path(), new.certificate_path()];
    let both = Trust::load(&cas, None, now).expect("two CAs");
    let alone = Trust::load(&cas[1..], None, now).expect("one CA");
    for role in [Role::Client, Role::Server] {
        assert_eq!(both.check_peer(&first.der, role, now).map(|peer| peer.id), Ok(node(1)));
        assert_eq!(both.check_peer(&second.der, role, now).map(|peer| peer.id), Ok(node(2)));
        assert_eq!(alone.check_peer(&first.der, role, now), Err(Refused::WrongCa));
        assert_eq!(both.check_peer(&second.der, role, now + 101 * DAY_S), Err(Refused::Ended));
        assert_eq!(both.check_peer(&second.der, role, now - 2 * 3_600), Err(Refused::NotYet));
        assert!(both.check_peer(&old.authority.certificate().der, role, now).is_err(), "a CA is no node");
    }
    // The new CA revokes a key the old one issued; lists of two CAs may stand in one file.
    new.authority.revoke(node(1), Some(first.public_key)).expect("revoked");
    old.issue(3);
    old.authority.revoke(node(3), None).expect("revoked");
    let file = old.dir().join("all.list");
    let text: Vec<String> =
        [&old, &new].iter().map(|ca| fs::read_to_string(ca.dir().join(REVOKED)).expect("a list")).collect();
    fs::write(&file, text.concat()).expect("written");
    let trust = Trust::load(&cas, Some(&file), now).expect("with lists");
    assert_eq!(trust.revoked().len(), 2);
    assert_eq!(trust.check_peer(&first.der, Role::Client, now), Err(Refused::Revoked));
    assert!(trust.check_peer(&second.der, Role::Client, now).is_ok());
    // A list that was changed, or put back, is refused, and what was known stays in force.
    fs::write(&file, text[1].replace("node = 1", "node = 2")).expect("written");
    refusal(trust.reload(), &["all.list", "not good"]);
    fs::write(&file, &text[0]).expect("written");
    refusal(trust.reload(), &["older"]);
    assert_eq!(trust.revoked().len(), 2);
    new.authority.revoke(node(2), Some(second.public_key)).expect("revoked");
    fs::write(&file, text[0].clone() + &fs::read_to_string(new.dir().join(REVOKED)).expect("read")).expect("written");
    assert!(trust.reload().expect("newer"));
    assert_eq!(trust.check_peer(&second.der, Role::Client, now), Err(Refused::Revoked));
    assert!(Trust::load(&cas[..1], Some(&file), now).is_err(), "a list of a CA that is not trusted");
}

/// `decisions:CLU-6`, `decisions:CLU-8`: whoever has the CA's certificate can check a member record, and whatever is changed in
/// it shows.
#[test]
fn records_certify_themselves() {
    let (ca, other) = (TestCa::new("demo"), TestCa::new("demo"));
    let (one, two, foreign) = (ca.identity(1), ca.identity(2), other.identity(3));
    let now = unix_now_s();
    let mut crypto = one.crypto(now);
    let mut theirs = two.crypto(now);
    let signature = theirs.sign(b"silent");
    assert_eq!(crypto.verify(node(2), b"silent", &signature), Verdict::UnknownKey);
    let record = two.record(being(5));
    assert_eq!(crypto.admit(&record), Verdict::Good);
    assert_eq!(crypto.verify(node(2), b"silent", &signature), Verdict::Good);
    assert_eq!(crypto.verify(node(2), b"silenT", &signature), Verdict::Bad);
    assert_eq!(crypto.verify(node(1), b"silent", &signature), Verdict::Bad, "one's own key is known, and another");
    assert_eq!(crypto.admit(&foreign.record(being(1))), Verdict::Bad, "another CA");
    let mut changed = record;
    changed.identity.boot_inc += 1;
    assert_eq!(crypto.admit(&changed), Verdict::Bad, "not what the member signed");
    let mut stolen = one.record(being(1));
    stolen.identity.id = node(2);
    assert_eq!(crypto.admit(&stolen), Verdict::Bad, "the card is for another number");
    let mut longer = record;
    longer.card_ends_unix_s += 1;
    assert_eq!(crypto.admit(&longer), Verdict::Bad);
    assert_eq!(crypto.counters().cards_refused, 3);
    crypto.set_time(two.ends_unix_s());
    assert_eq!(crypto.verify(node(2), b"silent", &signature), Verdict::Bad, "the card has ended");
    assert_eq!(crypto.admit(&record), Verdict::Bad);
}

/// After a renewal the key of the later incarnation counts, even if a record of the earlier one arrives late.
#[test]
fn a_late_record_does_not_bring_back_an_old_key() {
    let ca = TestCa::new("demo");
    let old = ca.identity(1);
    let out = Folder::new("out");
    ca.authority.issue(&authority::Order { renew: true, ..order(1) }, &out.0).expect("renewed");
    let mut files = ca.files(1);
    for path in [&mut files.certificate, &mut files.key, &mut files.card] {
        *path = out.0.join(path.file_name().expect("a name"));
    }
    let new = Identity::load(&files, 1, unix_now_s()).expect("loaded");
    let mut crypto = ca.identity(2).crypto(unix_now_s());
    assert_eq!(crypto.admit(&new.record(being(8))), Verdict::Good);
    assert_eq!(crypto.admit(&old.record(being(7))), Verdict::Good, "it is a true record");
    let signature = new.crypto(0).sign(b"x");
    assert_eq!(crypto.verify(node(1), b"x", &signature), Verdict::Good);
    crypto.forget(node(1));
    assert_eq!(crypto.verify(node(1), b"x", &signature), Verdict::UnknownKey);
}

#[test]
fn addresses_go_both_ways() {
    for text in ["10.0.0.1:7946", "[fd00::1]:7"] {
        let address = text.parse().expect("an address");
        assert_eq!(address_of(&address_bytes(address)), Some(address));
    }
    assert_eq!(address_of(&[0; 18]), None);
    assert_eq!(address_of(&address_bytes("0.0.0.0:7946".parse().expect("an address"))), None);
}

/// Text of others, cut and flipped anywhere, is refused or read, and never more.
#[test]
fn hostile_files_are_refused() {
    let ca = TestCa::new("demo");
    let issued = ca.issue(1);
    ca.authority.revoke(node(1), None).expect("revoked");
    let der = certificate(&issued).der.to_vec();
    let card = fs::read(&issued.files[2]).expect("read");
    let list = fs::read(ca.dir().join(REVOKED)).expect("read");
    assert_eq!((card::fuzz_card(&card), revoked::fuzz_revoked(&list), certificate::fuzz_certificate(&der)), (1, 2, 1));
    for (bytes, entry) in [
        (card, card::fuzz_card as fn(&[u8]) -> u64),
        (list, revoked::fuzz_revoked),
        (der, certificate::fuzz_certificate),
    ] {
        for at in 0..bytes.len() {
            entry(&bytes[..at]);
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x41;
            entry(&flipped);
        }
    }
}
