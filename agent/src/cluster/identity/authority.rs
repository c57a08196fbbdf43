//! The CA: a folder with a key, a certificate, the list of what was issued and the list of what was revoked.
//!
//! It is needed to issue and to revoke and for nothing else; keep it on a machine that runs no node.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ekk::id::NodeId;
use ekk::membership::record::card_bytes;
use ekk::sign::Signature;
use nix::fcntl::{Flock, FlockArg};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, SanType,
};
use ring::signature::Ed25519KeyPair;

use super::card::Card;
use super::names::{self, CLUSTER_NAME_MAX, NODE_NAME_MAX, Subject, ZONE_MAX, hex, unhex};
use super::revoked::{Entry, List, MAX_ENTRIES};
use super::{Certificate, IdentityError, files, revoked, unix_now_s};

/// File of the CA's certificate.
pub const CA_CERTIFICATE: &str = "ca.crt";
/// File of the CA's private key.
pub const CA_KEY: &str = "ca.key";
/// File that says what was issued, one line each.
pub const ISSUED: &str = "issued.list";
/// File of the revocation list.
pub const REVOKED: &str = "revoked.list";
/// Most certificates a CA issues, renewals included; the list of them stays small enough to be read whole.
pub const MAX_ISSUED: usize = 16_384;
/// Certificates are good from so long before now, because clocks differ.
const BACKDATED_S: u64 = 3_600;
const DAY_S: u64 = 86_400;
const ISSUED_HEAD: &str = "# trefoil issued 1: node name public-key ends-unix-s\n";

/// A CA with its private key.
#[derive(Debug)]
pub struct Authority {
    dir: PathBuf,
    certificate: Certificate,
    cluster: String,
    cluster_id: u64,
    key: KeyPair,
    signer: Ed25519KeyPair,
}

/// What is to be issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Name of the node.
    pub name: String,
    /// Its number.
    pub id: NodeId,
    /// Its zone, may be empty.
    pub zone: String,
    /// How long the certificate is good.
    pub days: u32,
    /// Whether it may replace a certificate of the same node that is still good.
    pub renew: bool,
}

/// What was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Certificate, key, card.
    pub files: [PathBuf; 3],
    /// When it ends, Unix s.
    pub ends_unix_s: u64,
    /// True when it ends with the CA and not after the days asked for.
    pub shortened: bool,
}

/// A line of the issued list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    node: NodeId,
    name: String,
    public_key: [u8; 32],
    ends_unix_s: u64,
}

fn broken(error: impl std::fmt::Display) -> IdentityError {
    IdentityError::Broken(error.to_string())
}

fn random_key() -> Result<KeyPair, IdentityError> {
    KeyPair::generate_for(&PKCS_ED25519).map_err(broken)
}

/// The signing half of a key in PKCS #8.
pub(crate) fn signer(pkcs8: &[u8]) -> Result<Ed25519KeyPair, IdentityError> {
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map_err(broken)
}

fn public_key(key: &KeyPair) -> Result<[u8; 32], IdentityError> {
    key.public_key_raw().try_into().map_err(|_| broken("an Ed25519 key without 32 bytes"))
}

fn params(
    name: &str,
    subject: &Subject,
    begins_unix_s: u64,
    ends_unix_s: u64,
) -> Result<CertificateParams, IdentityError> {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = epoch + Duration::from_secs(begins_unix_s);
    params.not_after = epoch + Duration::from_secs(ends_unix_s);
    params.subject_alt_names = vec![SanType::URI(subject.uri().try_into().map_err(broken)?)];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn ca_params(
    cluster: &str,
    cluster_id: u64,
    key: &[u8; 32],
    (begins, ends): (u64, u64),
) -> Result<CertificateParams, IdentityError> {
    // The number in the name tells two CAs of one cluster apart.
    let name = format!("trefoil CA {cluster} {:016x}", names::ca_id(key));
    let subject = Subject::Ca { cluster: cluster.to_owned(), cluster_id };
    let mut params = params(&name, &subject, begins, ends)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

impl Authority {
    /// Makes a CA in a folder. `replaces` is the CA of the same cluster that the new one is to succeed.
    ///
    /// # Errors
    /// [`IdentityError`]; a CA that is there already is left alone.
    pub fn init(dir: &Path, cluster: &str, days: u32, replaces: Option<&Certificate>) -> Result<Self, IdentityError> {
        names::check_name("--cluster", cluster, CLUSTER_NAME_MAX)?;
        let key = random_key()?;
        let public = public_key(&key)?;
        let cluster_id = match replaces.map(|old| (&old.subject, old)) {
            None => names::cluster_id(cluster, &public),
            Some((Subject::Ca { cluster: theirs, cluster_id }, _)) if theirs == cluster => *cluster_id,
            Some((subject, _)) => {
                let expected = format!("the certificate of a CA of cluster {cluster}");
                return Err(IdentityError::wrong("--replaces", subject.uri(), expected, "name the old ca.crt"));
            }
        };
        let now = unix_now_s();
        let validity = (now.saturating_sub(BACKDATED_S), now + u64::from(days) * DAY_S);
        let certificate = ca_params(cluster, cluster_id, &public, validity)?.self_signed(&key).map_err(broken)?;
        files::folder(dir)?;
        // The key first: whoever comes second finds it and stops before anything is changed.
        files::create(&dir.join(CA_KEY), files::SECRET, key.serialize_pem().as_bytes())?;
        files::create(&dir.join(CA_CERTIFICATE), files::PUBLIC, certificate.pem().as_bytes())?;
        files::create(&dir.join(ISSUED), files::SECRET, ISSUED_HEAD.as_bytes())?;
        Self::open(dir)
    }

    /// Opens the CA in a folder.
    ///
    /// # Errors
    /// [`IdentityError`] with the file that is wrong.
    pub fn open(dir: &Path) -> Result<Self, IdentityError> {
        let (crt, key_path) = (dir.join(CA_CERTIFICATE), dir.join(CA_KEY));
        let certificate = Certificate::read(&crt)?;
        let Subject::Ca { cluster, cluster_id } = certificate.subject.clone() else {
            let found = format!("the certificate of {}", certificate.subject.uri());
            return Err(IdentityError::in_file(
                &crt,
                found,
                "the certificate of a CA",
                "name the CA's folder: --ca DIR",
            ));
        };
        let pem = files::read_secret(&key_path)?;
        let key = KeyPair::from_pem(&String::from_utf8_lossy(&pem)).map_err(|error| {
            let remedy = "restore ca.key from where it was kept; without it the CA cannot sign";
            IdentityError::in_file(&key_path, error.to_string(), "an Ed25519 private key, PEM", remedy)
        })?;
        if key.public_key_raw() != certificate.public_key {
            let found = "the key of another certificate";
            let expected = format!("the key of {}", crt.display());
            return Err(IdentityError::in_file(&key_path, found, expected, "put the two files of one CA together"));
        }
        let signer = signer(key.serialized_der())?;
        Ok(Self { dir: dir.to_owned(), certificate, cluster, cluster_id, key, signer })
    }

    /// Its certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Number of the cluster.
    #[must_use]
    pub fn cluster_id(&self) -> u64 {
        self.cluster_id
    }

    fn sign(&self, message: &[u8]) -> Signature {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(self.signer.sign(message).as_ref());
        Signature(bytes)
    }

    /// Issues certificate, key and card of a node into a folder.
    ///
    /// # Errors
    /// [`IdentityError`]; no file of the order is left behind then.
    pub fn issue(&self, order: &Order, out: &Path) -> Result<Issued, IdentityError> {
        names::check_name("NODE", &order.name, NODE_NAME_MAX)?;
        if order.zone.len() > ZONE_MAX {
            let expected = format!("at most {ZONE_MAX} bytes");
            return Err(IdentityError::wrong("--zone", format!("{:?}", order.zone), expected, "shorten it"));
        }
        let now = unix_now_s();
        if self.certificate.ends_unix_s <= now {
            let found = format!("the CA ended on {}", names::day(self.certificate.ends_unix_s));
            let remedy = "make its successor: trefoil ca init --cluster NAME --replaces OLD/ca.crt --out NEW";
            return Err(IdentityError::in_file(
                &self.dir.join(CA_CERTIFICATE),
                found,
                "a CA that is still good",
                remedy,
            ));
        }
        let (mut list, lines) = self.issued()?;
        self.check_order(order, &lines, now)?;
        let wanted = now + u64::from(order.days) * DAY_S;
        let ends_unix_s = wanted.min(self.certificate.ends_unix_s);
        let key = random_key()?;
        let public = public_key(&key)?;
        let certificate = self.certify(order, &key, (now.saturating_sub(BACKDATED_S), ends_unix_s))?;
        let card = self.card(order, public, ends_unix_s);
        files::folder(out)?;
        let path = |ending: &str| out.join(format!("node-{}.{ending}", order.id.get()));
        let parts = [
            (path("crt"), files::PUBLIC, certificate.into_bytes()),
            (path("key"), files::SECRET, key.serialize_pem().into_bytes()),
            (path("card"), files::PUBLIC, card.to_text().into_bytes()),
        ];
        let mut made: Vec<&Path> = Vec::new();
        let line = format!("{} {} {} {ends_unix_s}\n", order.id.get(), order.name, hex(&public));
        let mut write = || {
            for (path, mode, content) in &parts {
                files::create(path, *mode, content)?;
                made.push(path);
            }
            let written = list.write_all(line.as_bytes()).and_then(|()| list.sync_all());
            written.map_err(|error| IdentityError::file(&self.dir.join(ISSUED), error, "make room on the disk"))
        };
        let written = write();
        if written.is_err() {
            for path in made {
                let _ = std::fs::remove_file(path);
            }
        }
        written?;
        let files = parts.map(|(path, ..)| path);
        Ok(Issued { files, ends_unix_s, shortened: ends_unix_s < wanted })
    }

    fn certify(&self, order: &Order, key: &KeyPair, validity: (u64, u64)) -> Result<String, IdentityError> {
        let subject = Subject::Node { cluster: self.cluster.clone(), id: order.id };
        let mut node = params(&order.name, &subject, validity.0, validity.1)?;
        let dns = format!("{}.{}.trefoil", order.name, self.cluster);
        node.subject_alt_names.push(SanType::DnsName(dns.try_into().map_err(broken)?));
        node.is_ca = IsCa::ExplicitNoCa;
        node.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        node.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let own = (self.certificate.begins_unix_s, self.certificate.ends_unix_s);
        let issuer_params = ca_params(&self.cluster, self.cluster_id, &self.certificate.public_key, own)?;
        let issuer = Issuer::from_params(&issuer_params, &self.key);
        Ok(node.signed_by(key, &issuer).map_err(broken)?.pem())
    }

    fn card(&self, order: &Order, public_key: [u8; 32], ends_unix_s: u64) -> Card {
        Card {
            cluster: self.cluster.clone(),
            cluster_id: self.cluster_id,
            node: order.id,
            name: order.name.clone(),
            zone: order.zone.clone(),
            public_key,
            ends_unix_s,
            ca_id: names::ca_id(&self.certificate.public_key),
            signature: self.sign(&card_bytes(self.cluster_id, order.id, &public_key, ends_unix_s)),
        }
    }

    /// Whether the order may be carried out beside what was issued before.
    fn check_order(&self, order: &Order, lines: &[Line], now: u64) -> Result<(), IdentityError> {
        let list = self.dir.join(ISSUED);
        let revoked = revoked::Revoked::of(&self.lists()?);
        let good = |line: &&Line| line.ends_unix_s > now && !revoked.has(&line.public_key);
        if lines.len() >= MAX_ISSUED {
            let expected = format!("less than {MAX_ISSUED} certificates from one CA");
            let remedy = "make a successor: trefoil ca init --replaces";
            return Err(IdentityError::in_file(&list, format!("{} lines", lines.len()), expected, remedy));
        }
        if let Some(other) = lines.iter().filter(good).find(|line| line.name == order.name && line.node != order.id) {
            let found = format!("the name {} was issued to node {}", order.name, other.node);
            return Err(IdentityError::in_file(&list, found, "a name of its own for each node", "choose another name"));
        }
        let same = lines.iter().filter(good).find(|line| line.node == order.id);
        match same {
            Some(line) if !order.renew || line.name != order.name => {
                let ends = names::day(line.ends_unix_s);
                let found = format!("id {} was issued to {}, good until {ends}", order.id, line.name);
                let remedy = format!(
                    "choose another --id; or for a new certificate of the same node: trefoil ca issue {} --id {} --renew; or revoke it first",
                    line.name, order.id
                );
                Err(IdentityError::in_file(&list, found, "an id that no other node has", remedy))
            }
            _ => Ok(()),
        }
    }

    /// Revokes the keys of a node, or one key of it, and writes the list. Returns what was added.
    ///
    /// # Errors
    /// [`IdentityError`]; the list in force stands then.
    pub fn revoke(&self, node: NodeId, only: Option<[u8; 32]>) -> Result<Vec<Entry>, IdentityError> {
        let (_lock, lines) = self.issued()?;
        let ca_id = names::ca_id(&self.certificate.public_key);
        let mut lists = self.lists()?;
        let known = revoked::Revoked::of(&lists);
        let at_unix_s = unix_now_s();
        let keys: Vec<[u8; 32]> = match only {
            Some(key) => vec![key],
            None => lines.iter().filter(|line| line.node == node).map(|line| line.public_key).collect(),
        };
        if keys.is_empty() {
            let expected = "the id of a node this CA issued, or a certificate or card";
            let place = self.dir.join(ISSUED);
            let found = format!("nothing was issued to node {node}");
            return Err(IdentityError::in_file(&place, found, expected, "name the .crt file of the node instead"));
        }
        let fresh = keys.into_iter().filter(|key| !known.has(key));
        let added: Vec<Entry> = fresh.map(|public_key| Entry { node, public_key, at_unix_s }).collect();
        if added.is_empty() {
            return Ok(added);
        }
        let at = lists.iter().position(|list| list.ca_id == ca_id).unwrap_or_else(|| {
            let (cluster_id, signature) = (self.cluster_id, Signature::EMPTY);
            lists.push(List { cluster_id, ca_id, number: 0, entries: Vec::new(), signature });
            lists.len() - 1
        });
        let list = &mut lists[at];
        list.entries.extend(added.iter().cloned());
        list.number += 1;
        if list.entries.len() > MAX_ENTRIES {
            let found = format!("{} revoked keys", list.entries.len());
            let remedy = "make a successor with `trefoil ca init --replaces` and take this CA out of identity.ca";
            let expected = format!("at most {MAX_ENTRIES}");
            return Err(IdentityError::in_file(&self.dir.join(REVOKED), found, expected, remedy));
        }
        list.signature = self.sign(&list.signed_bytes());
        files::replace(&self.dir.join(REVOKED), files::PUBLIC, revoked::to_text(&lists).as_bytes())?;
        Ok(added)
    }

    /// What was revoked; the CA's own list must be its own.
    fn lists(&self) -> Result<Vec<List>, IdentityError> {
        let path = self.dir.join(REVOKED);
        if !path.exists() {
            return Ok(Vec::new());
        }
        let lists = revoked::read(&path)?;
        let ca_id = names::ca_id(&self.certificate.public_key);
        let forged = |list: &List| list.ca_id == ca_id && !list.is_signed_by(&self.certificate.public_key);
        if lists.iter().any(forged) {
            let found = "a list whose signature is not good";
            let remedy = "restore the file from where it was kept";
            return Err(IdentityError::in_file(&path, found, "a list this CA signed", remedy));
        }
        Ok(lists)
    }

    /// What was issued, and the list, locked and open for appending.
    fn issued(&self) -> Result<(Flock<std::fs::File>, Vec<Line>), IdentityError> {
        let path = self.dir.join(ISSUED);
        let fail = |error| {
            IdentityError::file(&path, error, "restore it from where it was kept: without it ids could be issued twice")
        };
        let file = OpenOptions::new().read(true).append(true).open(&path).map_err(fail)?;
        let mut file =
            Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| fail(std::io::Error::from(error)))?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(fail)?;
        let mut lines = Vec::new();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
            lines.push(Line::parse(line).ok_or_else(|| {
                let found = format!("line {}: {line:?}", at + 1);
                IdentityError::in_file(&path, found, "NODE NAME KEY END", "restore it from where it was kept")
            })?);
        }
        Ok((file, lines))
    }
}

impl Line {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let node = NodeId::new(words.next()?.parse().ok()?)?;
        let name = words.next()?.to_owned();
        let public_key = unhex(words.next()?)?;
        let ends_unix_s = words.next()?.parse().ok()?;
        words.next().is_none().then_some(Self { node, name, public_key, ends_unix_s })
    }
}
