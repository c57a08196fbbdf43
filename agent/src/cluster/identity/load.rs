//! Everything an agent needs to prove who it is, read and checked against each other.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use ekk::id::NodeId;
use ekk::membership::record::{MemberRecord, Name, Zone};
use ring::signature::{Ed25519KeyPair, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::names::{self, Subject};
use super::trust::Role;
use super::{Card, Certificate, IdentityError, MemberCrypto, Refused, Trust, authority, files};
use crate::config::cluster::IdentityFiles;

const DAY_S: u64 = 86_400;
/// Days before the end from which on a warning is given.
pub const WARN_DAYS: u64 = 30;
/// Days before the end from which on the warning is urgent.
pub const URGENT_DAYS: u64 = 7;

/// Who this node is.
#[derive(Debug)]
pub struct Identity {
    /// Whom it trusts.
    pub trust: Arc<Trust>,
    /// Its certificate.
    pub certificate: Certificate,
    /// Its card.
    pub card: Card,
    id: NodeId,
    key: PrivatePkcs8KeyDer<'static>,
    signer: Arc<Ed25519KeyPair>,
}

/// What one run of a node says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Being<'a> {
    /// Boot incarnation.
    pub boot_inc: u32,
    /// Life.
    pub life: u16,
    /// Zone.
    pub zone: &'a str,
    /// Position.
    pub position: [i16; 3],
    /// Address of the fast plane, see [`address_bytes`].
    pub address: [u8; 18],
    /// Flags.
    pub flags: u8,
}

/// An address as a member record carries it: IPv6 or mapped IPv4, then the port, little-endian.
#[must_use]
pub fn address_bytes(address: SocketAddr) -> [u8; 18] {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    let mut bytes = [0; 18];
    bytes[..16].copy_from_slice(&ip.octets());
    bytes[16..].copy_from_slice(&address.port().to_le_bytes());
    bytes
}

/// The address in a member record; `None` while the member does not know its own.
#[must_use]
pub fn address_of(bytes: &[u8; 18]) -> Option<SocketAddr> {
    let (ip, port) = bytes.split_at(16);
    let ip = Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?).to_canonical();
    let port = u16::from_le_bytes(port.try_into().ok()?);
    (port != 0 && !ip.is_unspecified()).then(|| SocketAddr::new(ip, port))
}

impl Identity {
    /// Reads the files of the node with this number.
    ///
    /// # Errors
    /// [`IdentityError`] with the file that is wrong; files that are each good and do not belong together are refused too.
    pub fn load(files: &IdentityFiles, id: u32, now_unix_s: u64) -> Result<Self, IdentityError> {
        let trust = Arc::new(Trust::load(&files.ca, files.revoked.as_deref(), now_unix_s)?);
        let certificate = Certificate::read(&files.certificate)?;
        let node = check_certificate(&files.certificate, &certificate, &trust, id, now_unix_s)?;
        let (key, signer) = read_key(&files.key, &certificate, &files.certificate)?;
        let card = Card::read(&files.card)?;
        check_card(&files.card, &card, &certificate, &trust, now_unix_s)?;
        Ok(Self { trust, certificate, card, id: node, key, signer })
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.certificate.name
    }

    /// Its public key.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.certificate.public_key
    }

    /// Its private key, for TLS.
    #[must_use]
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key.clone_key())
    }

    /// Signs and checks for the `ekk` node; one for each thread that does.
    #[must_use]
    pub fn crypto(&self, now_unix_s: u64) -> MemberCrypto {
        MemberCrypto::new(self.id, Arc::clone(&self.signer), Arc::clone(&self.trust), now_unix_s)
    }

    /// The member record of one run of this node, signed. `address` is as in [`MemberRecord::address`].
    /// A zone that does not fit is left out; the configuration refuses it long before.
    #[must_use]
    pub fn record(&self, being: Being<'_>) -> MemberRecord {
        let mut record = MemberRecord {
            name: Name::new(self.name()).unwrap_or_default(),
            zone: Zone::new(being.zone).unwrap_or_default(),
            position: being.position,
            address: being.address,
            flags: being.flags,
            public_key: self.public_key(),
            card_ends_unix_s: self.card.ends_unix_s,
            ca_id: self.card.ca_id,
            card: self.card.signature,
            ..MemberRecord::bare(ekk::id::Identity { id: self.id, boot_inc: being.boot_inc, life: being.life })
        };
        let signature = self.signer.sign(&record.signed_bytes());
        record.signature.0.copy_from_slice(signature.as_ref());
        record
    }

    /// When the first of certificate and card ends, Unix s.
    #[must_use]
    pub fn ends_unix_s(&self) -> u64 {
        self.certificate.ends_unix_s.min(self.card.ends_unix_s)
    }

    /// What is to be said about the end of the certificate; empty while it is far.
    #[must_use]
    pub fn warning(&self, now_unix_s: u64) -> String {
        ending(self.ends_unix_s(), now_unix_s, self.name(), self.id)
    }
}

/// The warning about a certificate that ends.
#[must_use]
pub fn ending(ends_unix_s: u64, now_unix_s: u64, name: &str, id: NodeId) -> String {
    let day = names::day(ends_unix_s);
    let remedy = format!("trefoil ca issue {name} --id {id} --renew --out DIR, copy the files, restart");
    match ends_unix_s.saturating_sub(now_unix_s) {
        0 => format!("the certificate ended on {day}: no node lets this one in; {remedy}"),
        left if left < URGENT_DAYS * DAY_S => {
            let hours = left / 3_600;
            format!("URGENT: the certificate ends on {day}, in {} d {} h: {remedy}", hours / 24, hours % 24)
        }
        left if left < WARN_DAYS * DAY_S => {
            format!("the certificate ends on {day}, in {} days: {remedy}", left / DAY_S)
        }
        _ => String::new(),
    }
}

fn check_certificate(
    path: &Path,
    certificate: &Certificate,
    trust: &Trust,
    id: u32,
    now_unix_s: u64,
) -> Result<NodeId, IdentityError> {
    let Subject::Node { id: node, .. } = certificate.subject else {
        let found = format!("the certificate of {}", certificate.subject.uri());
        return Err(IdentityError::in_file(path, found, "the certificate of a node", "name the file node-ID.crt"));
    };
    if node.get() != id {
        let found = format!("the certificate of node {node} ({})", certificate.name);
        let expected = format!("the certificate of node {id} (cluster.id)");
        let remedy = "name the right file in cluster.identity, or correct cluster.id";
        return Err(IdentityError::in_file(path, found, expected, remedy));
    }
    // Both ends: the node dials and is dialled.
    let judged = trust
        .check_peer(&certificate.der, Role::Client, now_unix_s)
        .and_then(|_| trust.check_peer(&certificate.der, Role::Server, now_unix_s));
    let Err(reason) = judged else { return Ok(node) };
    let renew = format!("trefoil ca issue {} --id {id} --renew", certificate.name);
    let (found, expected, remedy) = match reason {
        Refused::Ended => {
            (format!("it ended on {}", names::day(certificate.ends_unix_s)), "a certificate that is still good", renew)
        }
        Refused::NotYet => {
            let found = format!("good only from {} on", names::day(certificate.begins_unix_s));
            (found, "a certificate that is good now", "set the clock of this host".to_owned())
        }
        Refused::Revoked => ("it is revoked".to_owned(), "a certificate that is good", renew),
        _ => {
            let cas: Vec<&str> = trust.anchors().iter().map(|anchor| anchor.name.as_str()).collect();
            let found = format!("signed by {:?}", certificate.issuer);
            let expected = format!("signed by a CA of identity.ca: {}", cas.join(", "));
            return Err(IdentityError::in_file(
                path,
                found,
                expected,
                "name the ca.crt that was beside the CA's key at the issue",
            ));
        }
    };
    Err(IdentityError::in_file(path, found, expected, remedy))
}

fn read_key(
    path: &Path,
    certificate: &Certificate,
    certificate_path: &Path,
) -> Result<(PrivatePkcs8KeyDer<'static>, Arc<Ed25519KeyPair>), IdentityError> {
    let pem = files::read_secret(path)?;
    let expected = format!("the Ed25519 private key of {}, PEM", certificate_path.display());
    let remedy = "name the .key file that was issued together with the certificate";
    let key = PrivatePkcs8KeyDer::from_pem_slice(&pem)
        .map_err(|_| IdentityError::in_file(path, "no private key in PKCS #8", expected.as_str(), remedy))?;
    let signer = authority::signer(key.secret_pkcs8_der())
        .map_err(|_| IdentityError::in_file(path, "not an Ed25519 key", expected.as_str(), remedy))?;
    if signer.public_key().as_ref() != certificate.public_key {
        return Err(IdentityError::in_file(path, "the key of another certificate", expected, remedy));
    }
    Ok((key, Arc::new(signer)))
}

fn check_card(
    path: &Path,
    card: &Card,
    certificate: &Certificate,
    trust: &Trust,
    now_unix_s: u64,
) -> Result<(), IdentityError> {
    let remedy = "name the .card file that was issued together with the certificate";
    let same = Some(card.node) == certificate.node()
        && card.public_key == certificate.public_key
        && card.cluster_id == trust.cluster_id();
    if !same {
        let found = format!(
            "the card of node {} of cluster {}, key {}..",
            card.node,
            card.cluster,
            names::hex(&card.public_key[..4])
        );
        let expected = format!("the card of {}", certificate.subject.uri());
        return Err(IdentityError::in_file(path, found, expected, remedy));
    }
    let parts = (card.node, &card.public_key, card.ends_unix_s);
    trust.check_card(card.ca_id, parts, &card.signature, now_unix_s).map_err(|reason| {
        let found = match reason {
            Refused::Ended => format!("it ended on {}", names::day(card.ends_unix_s)),
            Refused::WrongCa => format!("signed by CA {:016x}, which is not in identity.ca", card.ca_id),
            Refused::Revoked => "it is revoked".to_owned(),
            _ => "its signature is not good: the file was changed".to_owned(),
        };
        IdentityError::in_file(path, found, "a card a trusted CA signed, still good", remedy)
    })
}
