//! `trefoil ca` as a stranger types it.

use clap::Parser;

use super::super::args::{Arguments, Command};
use super::*;
use crate::cluster::identity::testing::Folder;
use crate::cluster::identity::{Identity, load};
use crate::config::cluster::IdentityFiles;

/// What a command line says; `@` stands for the folder of the test.
fn say(folder: &Folder, line: &str) -> Result<String, String> {
    let line = line.replace('@', &folder.0.display().to_string());
    let arguments = Arguments::try_parse_from(line.split(' ')).map_err(|error| error.to_string())?;
    let Command::Ca(command) = arguments.command else { panic!("{line}") };
    run(command).map_err(|failure| failure.text)
}

fn ok(folder: &Folder, line: &str) -> String {
    say(folder, line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn no(folder: &Folder, line: &str, words: &[&str]) {
    let text = say(folder, line).expect_err(line);
    for word in words {
        assert!(text.contains(word), "{line}: {word:?} not in: {text}");
    }
}

/// From nothing to a node that loads, a renewal, a successor and a revocation; each answer names what comes next.
#[test]
fn the_life_of_an_authority() {
    let folder = Folder::new("cli");
    let said = ok(&folder, "trefoil ca init --cluster demo --out @/ca");
    assert!(said.contains("ca.crt") && said.contains("secret") && said.contains("Next: trefoil ca issue"), "{said}");
    let said = ok(&folder, "trefoil ca issue n1 --id 1 --zone rack-7 --ca @/ca --out @/n1");
    assert!(said.contains("node-1.key  secret"), "{said}");
    ok(&folder, "trefoil ca issue n2 --id 2 --ca @/ca --days 9000");
    let file = |name: &str| folder.0.join(name);
    let files = IdentityFiles {
        ca: vec![file("ca/ca.crt")],
        certificate: file("n1/node-1.crt"),
        key: file("n1/node-1.key"),
        card: file("n1/node-1.card"),
        revoked: None,
    };
    let identity = Identity::load(&files, 1, unix_now_s()).expect("what was issued loads");
    assert_eq!((identity.name(), identity.card.zone.as_str()), ("n1", "rack-7"));
    assert_eq!(load::ending(identity.ends_unix_s(), unix_now_s(), "n1", identity.id()), "");

    let shown = ok(&folder, "trefoil ca show @/n1/node-1.crt");
    let print = identity.certificate.fingerprint();
    for word in ["node 1 (n1)", "demo", "trefoil CA demo", "days left", &print] {
        assert!(shown.contains(word), "{word:?} not in: {shown}");
    }
    assert!(ok(&folder, "trefoil ca show @/n1/node-1.card").contains("rack-7"));
    assert!(ok(&folder, "trefoil ca show @/ca/ca.crt").contains("CA "));
    assert!(ok(&folder, "trefoil ca issue n3 --id 3 --ca @/ca --days 30").contains("node-3.crt"));
    let short = ok(&folder, "trefoil ca issue n4 --id 4 --ca @/ca --days 3");
    assert!(short.contains("Node 4"), "{short}");
    assert!(ok(&folder, "trefoil ca show @/ca/node-4.crt").contains("URGENT"));

    ok(&folder, "trefoil ca issue n1 --id 1 --renew --ca @/ca --out @/n1-new");
    let said = ok(&folder, "trefoil ca init --cluster demo --out @/ca2 --replaces @/ca/ca.crt");
    assert!(said.contains("name both in cluster.identity.ca"), "{said}");
    let said = ok(&folder, "trefoil ca revoke @/n1/node-1.crt --ca @/ca");
    assert!(said.contains("Revoked: node 1") && said.contains("cluster.identity.revoked"), "{said}");
    assert!(ok(&folder, "trefoil ca revoke @/n1/node-1.card --ca @/ca").contains("revoked before"));
    assert!(ok(&folder, "trefoil ca revoke 2 --ca @/ca").contains("Revoked: node 2"));
    let shown = ok(&folder, "trefoil ca show @/ca/revoked.list");
    assert!(shown.contains("revocation list 2") && shown.contains("node 1") && shown.contains("node 2"), "{shown}");
}

/// What a stranger does wrong is named, with what to do instead; nothing is written over.
#[test]
fn mistakes_are_explained() {
    let folder = Folder::new("cli");
    no(&folder, "trefoil ca issue n1 --id 1 --ca @", &["ca.crt", "trefoil ca init"]);
    no(&folder, "trefoil ca init --cluster Demo! --out @", &["Demo!", "a-z", "remedy"]);
    ok(&folder, "trefoil ca init --cluster demo --out @");
    no(&folder, "trefoil ca init --cluster demo --out @", &["ca.key", "nothing is written over"]);
    no(&folder, "trefoil ca issue n1 --id 0 --ca @", &["0", "1..=4294967294"]);
    no(&folder, "trefoil ca issue n1 --ca @", &["--id"]);
    ok(&folder, "trefoil ca issue n1 --id 1 --ca @");
    no(&folder, "trefoil ca issue other --id 1 --ca @", &["id 1 was issued to n1", "--renew"]);
    no(&folder, "trefoil ca issue n1 --id 2 --ca @", &["n1", "another name"]);
    no(&folder, "trefoil ca issue n2 --id 2 --zone a-zone-with-a-long-name --ca @", &["--zone", "16 bytes"]);
    no(&folder, "trefoil ca init --cluster other --out @/new --replaces @/ca.crt", &["--replaces", "cluster other"]);
    no(&folder, "trefoil ca show @/node-1.key", &["a private key", ".crt"]);
    no(&folder, "trefoil ca show @/issued.list", &["no certificate in it"]);
    no(&folder, "trefoil ca show @/nothing", &["nothing", "remedy"]);
    no(&folder, "trefoil ca revoke 7 --ca @", &["node 7", ".crt"]);
    no(&folder, "trefoil ca revoke @/ca.crt --ca @", &["of a CA", "identity.ca"]);
    no(&folder, "trefoil ca revoke @/issued.list --ca @", &["neither", ".card"]);
    ok(&folder, "trefoil ca init --cluster second --out @/second");
    ok(&folder, "trefoil ca issue s1 --id 1 --ca @/second");
    no(&folder, "trefoil ca revoke @/second/node-1.crt --ca @", &["cluster second", "cluster demo"]);
}
