//! The CAs this node trusts, and what it makes of a peer's certificate or card (`decisions:CLU-8`, `decisions:CLU-19`).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ekk::id::NodeId;
use ekk::membership::record::card_bytes;
use ekk::sign::Signature;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{CertificateError, RootCertStore};

use super::card::is_signed_by;
use super::names::{self, Subject};
use super::revoked::{self, List, Revoked};
use super::{Certificate, IdentityError};

/// Most CAs trusted at once: one, and another while it replaces the first, with room for a mishap.
pub const MAX_ANCHORS: usize = 4;

/// Why a peer is not let in. In declaration order, as counters and codes count them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refused {
    /// Signed by a CA that is not trusted here.
    WrongCa,
    /// The certificate, the card or the CA has ended.
    Ended,
    /// The certificate is not yet good: a clock is wrong.
    NotYet,
    /// Revoked.
    Revoked,
    /// Not a certificate of a node, or a forged one.
    Malformed,
    /// Another cluster.
    WrongCluster,
    /// Not the node that was dialled.
    NotExpected,
    /// Two live boots use one certificate.
    Duplicate,
    /// No version is spoken by both.
    Version,
    /// The hello is not one, or contradicts the certificate.
    Hello,
    /// Removed, quarantined or left in this incarnation.
    Gone,
    /// Too many handshakes or connections at once.
    Busy,
}

impl Refused {
    /// Every reason, in order.
    pub const ALL: [Self; 12] = [
        Self::WrongCa,
        Self::Ended,
        Self::NotYet,
        Self::Revoked,
        Self::Malformed,
        Self::WrongCluster,
        Self::NotExpected,
        Self::Duplicate,
        Self::Version,
        Self::Hello,
        Self::Gone,
        Self::Busy,
    ];

    /// Stable word for counters.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::WrongCa => "wrong-ca",
            Self::Ended => "certificate-ended",
            Self::NotYet => "certificate-not-yet-good",
            Self::Revoked => "revoked",
            Self::Malformed => "malformed-certificate",
            Self::WrongCluster => "wrong-cluster",
            Self::NotExpected => "not-the-node-dialled",
            Self::Duplicate => "duplicate-identity",
            Self::Version => "no-common-version",
            Self::Hello => "bad-hello",
            Self::Gone => "removed",
            Self::Busy => "busy",
        }
    }

    /// What the side that refuses says of the other, with the remedy.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::WrongCa => {
                "its certificate is from a CA that is not trusted here: compare `trefoil ca show` of both, or add its CA to identity.ca"
            }
            Self::Ended => "its certificate has ended: issue a new one with `trefoil ca issue NODE --id ID --renew`",
            Self::NotYet => "its certificate is not yet good: compare the clocks of the two hosts",
            Self::Revoked => "its certificate is revoked: issue a new one for a host that is trusted",
            Self::Malformed => {
                "its certificate is not that of a node of Trefoil: use the files `trefoil ca issue` wrote"
            }
            Self::WrongCluster => "it belongs to another cluster: check addresses in [[peer]] and cluster.seeds",
            Self::NotExpected => {
                "another node answers at that address than the one dialled: correct the [[peer]] table"
            }
            Self::Duplicate => {
                "two live processes use one certificate: stop one of them, and give it a certificate of its own"
            }
            Self::Version => "no version is spoken by both: upgrade the older program",
            Self::Hello => "its hello contradicts its certificate or cannot be read: run the same program on both",
            Self::Gone => "it was removed in this incarnation: it returns with a higher one, or after `trefoil forget`",
            Self::Busy => "too many handshakes at once: it tries again by itself",
        }
    }

    /// What the side that is refused says, with the remedy.
    #[must_use]
    pub const fn told(self) -> &'static str {
        match self {
            Self::WrongCa => {
                "it does not trust the CA of this node: compare `trefoil ca show` of both, or add this CA to its identity.ca"
            }
            Self::Ended => {
                "the certificate of this node has ended, or the clocks differ: `trefoil ca issue NODE --id ID --renew`"
            }
            Self::NotYet => "the certificate of this node is not yet good there: compare the clocks of the two hosts",
            Self::Revoked => "the certificate of this node is revoked: ask who runs the CA",
            Self::Malformed => {
                "it takes the certificate of this node for no certificate of a node: issue it with `trefoil ca issue`"
            }
            Self::WrongCluster => "it belongs to another cluster: check addresses in [[peer]] and cluster.seeds",
            Self::NotExpected => "it dialled another node than this one: its [[peer]] table is wrong",
            Self::Duplicate => "another live process uses the certificate of this node: stop one of the two",
            Self::Version => "no version is spoken by both: upgrade the older program",
            Self::Hello => "it cannot read this node's hello: run the same program on both",
            Self::Gone => "this node was removed in this incarnation there; it returns with a higher one",
            Self::Busy => "it has too many handshakes or connections; this node tries again by itself",
        }
    }

    /// Code the connection is closed with, so that the other side can tell.
    #[must_use]
    pub const fn code(self) -> u32 {
        0x7EF0 + self as u32
    }

    /// The reason behind a code.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| u64::from(reason.code()) == code)
    }

    /// The reason behind a TLS alert; certificates are judged within the handshake.
    #[must_use]
    pub const fn from_alert(alert: u8) -> Option<Self> {
        match alert {
            48 => Some(Self::WrongCa),
            49 => Some(Self::WrongCluster),
            45 => Some(Self::Ended),
            44 => Some(Self::Revoked),
            // 42 bad, 43 unsupported, 46 unknown, 51 decrypt error, 116 certificate required
            42 | 43 | 46 | 51 | 116 => Some(Self::Malformed),
            _ => None,
        }
    }

    /// Whether another try can help before a person changes something.
    #[must_use]
    pub const fn is_hopeless(self) -> bool {
        !matches!(self, Self::Busy | Self::NotYet | Self::Gone)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.word(), self.text())
    }
}

/// Which end the peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It was dialled.
    Server,
    /// It dialled.
    Client,
}

/// A peer that proved who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// Number, from the URI and nothing else.
    pub id: NodeId,
    /// Its key.
    pub public_key: [u8; 32],
    /// When its certificate ends, Unix s.
    pub ends_unix_s: u64,
}

/// What this node trusts.
#[derive(Debug)]
pub struct Trust {
    cluster: String,
    cluster_id: u64,
    anchors: Vec<Certificate>,
    roots: Arc<RootCertStore>,
    clients: Arc<dyn ClientCertVerifier>,
    provider: Arc<CryptoProvider>,
    list: Option<PathBuf>,
    revoked: RwLock<Arc<Revoked>>,
}

impl Trust {
    /// Reads CA certificates and, if there is one, the revocation list.
    ///
    /// # Errors
    /// [`IdentityError`] with the file that is wrong.
    pub fn load(cas: &[PathBuf], list: Option<&Path>, now_unix_s: u64) -> Result<Self, IdentityError> {
        let mut anchors = Vec::new();
        for path in cas.iter().take(MAX_ANCHORS + 1) {
            let certificate = Certificate::read(path)?;
            check_anchor(path, &certificate, anchors.first(), now_unix_s)?;
            anchors.push(certificate);
        }
        if anchors.is_empty() || anchors.len() > MAX_ANCHORS {
            let expected = format!("1 to {MAX_ANCHORS} CA certificates");
            let found = format!("{} given", cas.len());
            return Err(IdentityError::wrong("identity.ca", found, expected, "name the ca.crt of the cluster"));
        }
        let trust = Self::of(anchors, list.map(Path::to_owned))?;
        trust.reload()?;
        Ok(trust)
    }

    fn of(anchors: Vec<Certificate>, list: Option<PathBuf>) -> Result<Self, IdentityError> {
        let broken = |error: &dyn fmt::Display| IdentityError::Broken(format!("CA certificate: {error}"));
        let Some(Subject::Ca { cluster, cluster_id }) = anchors.first().map(|anchor| anchor.subject.clone()) else {
            return Err(broken(&"none, or not one"));
        };
        let mut roots = RootCertStore::empty();
        for anchor in &anchors {
            roots.add(anchor.der.clone()).map_err(|error| broken(&error))?;
        }
        let roots = Arc::new(roots);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .build()
            .map_err(|error| broken(&error))?;
        let revoked = RwLock::default();
        Ok(Self { cluster, cluster_id, anchors, roots, clients, provider, list, revoked })
    }

    /// Name of the cluster.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// Number of the cluster.
    #[must_use]
    pub fn cluster_id(&self) -> u64 {
        self.cluster_id
    }

    /// The CAs.
    #[must_use]
    pub fn anchors(&self) -> &[Certificate] {
        &self.anchors
    }

    /// The cryptography in use: ring's.
    #[must_use]
    pub fn provider(&self) -> &Arc<CryptoProvider> {
        &self.provider
    }

    /// The keys that are no longer good.
    #[must_use]
    pub fn revoked(&self) -> Arc<Revoked> {
        Arc::clone(&self.revoked.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the revocation list again; `true` when it changed. Cheap enough to be done every few seconds.
    ///
    /// # Errors
    /// [`IdentityError`]; what was known before stays in force then, so that a damaged file lets nobody in.
    pub fn reload(&self) -> Result<bool, IdentityError> {
        let Some(path) = &self.list else { return Ok(false) };
        let lists = revoked::read(path)?;
        for list in &lists {
            self.check_list(path, list)?;
        }
        let fresh = Revoked::of(&lists);
        let known = self.revoked();
        if let Some(ca) = fresh.older_than(&known) {
            let found = format!("the list of CA {ca:016x} is older than the one in force");
            let expected = "a number at least as high as before";
            return Err(IdentityError::in_file(path, found, expected, "copy the newest list; restart to insist"));
        }
        let changed = *known != fresh;
        *self.revoked.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(changed)
    }

    fn check_list(&self, path: &Path, list: &List) -> Result<(), IdentityError> {
        let signer = self.anchors.iter().find(|anchor| names::ca_id(&anchor.public_key) == list.ca_id);
        let fine = signer.is_some_and(|anchor| list.is_signed_by(&anchor.public_key));
        if fine && list.cluster_id == self.cluster_id {
            return Ok(());
        }
        let found = if signer.is_none() {
            format!("a list of CA {:016x}, which is not in identity.ca", list.ca_id)
        } else {
            format!("a list of CA {:016x} whose signature is not good", list.ca_id)
        };
        let remedy = "copy the file `trefoil ca revoke` wrote, unchanged";
        Err(IdentityError::in_file(path, found, "lists signed by the cluster's CAs", remedy))
    }

    /// Judges the certificate a peer shows.
    ///
    /// # Errors
    /// [`Refused`] with the first reason found.
    pub fn check_peer(&self, der: &CertificateDer<'_>, role: Role, now_unix_s: u64) -> Result<Proven, Refused> {
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now_unix_s));
        match role {
            Role::Client => self.clients.verify_client_cert(der, &[], now).map(|_| ()),
            Role::Server => ParsedCertificate::try_from(der).and_then(|parsed| {
                let algorithms = self.provider.signature_verification_algorithms.all;
                verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, &[], now, algorithms)
            }),
        }
        .map_err(|error| reason(&error))?;
        let certificate = Certificate::from_der(der).map_err(|_| Refused::Malformed)?;
        let Subject::Node { cluster, id } = &certificate.subject else { return Err(Refused::Malformed) };
        if *cluster != self.cluster {
            return Err(Refused::WrongCluster);
        }
        if self.revoked().has(&certificate.public_key) {
            return Err(Refused::Revoked);
        }
        Ok(Proven { id: *id, public_key: certificate.public_key, ends_unix_s: certificate.ends_unix_s })
    }

    /// Judges a member card, given by its parts.
    ///
    /// # Errors
    /// [`Refused`] with the first reason found.
    pub fn check_card(
        &self,
        ca_id: u64,
        (node, public_key, ends_unix_s): (NodeId, &[u8; 32], u64),
        signature: &Signature,
        now_unix_s: u64,
    ) -> Result<(), Refused> {
        if self.revoked().has(public_key) {
            return Err(Refused::Revoked);
        }
        let anchor = self.anchors.iter().find(|anchor| names::ca_id(&anchor.public_key) == ca_id);
        let anchor = anchor.ok_or(Refused::WrongCa)?;
        let message = card_bytes(self.cluster_id, node, public_key, ends_unix_s);
        if !is_signed_by(&anchor.public_key, &message, signature) {
            return Err(Refused::Malformed);
        }
        let ended = now_unix_s >= ends_unix_s.min(anchor.ends_unix_s);
        if ended { Err(Refused::Ended) } else { Ok(()) }
    }
}

fn check_anchor(
    path: &Path,
    certificate: &Certificate,
    first: Option<&Certificate>,
    now_unix_s: u64,
) -> Result<(), IdentityError> {
    let Subject::Ca { .. } = certificate.subject else {
        let found = format!("the certificate of {}", certificate.subject.uri());
        return Err(IdentityError::in_file(path, found, "the certificate of a CA", "name the ca.crt of the cluster"));
    };
    if certificate.ends_unix_s <= now_unix_s {
        let found = format!("a CA that ended on {}", names::day(certificate.ends_unix_s));
        let remedy = "take it out of identity.ca; make a new CA with `trefoil ca init --replaces`";
        return Err(IdentityError::in_file(path, found, "a CA that is still good", remedy));
    }
    if let Some(first) = first.filter(|first| first.subject != certificate.subject) {
        let found = format!("a CA of {}", certificate.subject.uri());
        let expected = format!("a CA of {}, as the first one named", first.subject.uri());
        let remedy = "all CAs named must be of one cluster; a successor is made with `trefoil ca init --replaces`";
        return Err(IdentityError::in_file(path, found, expected, remedy));
    }
    Ok(())
}

fn reason(error: &rustls::Error) -> Refused {
    match error {
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Refused::WrongCa,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Refused::Ended,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Refused::NotYet,
            CertificateError::Revoked => Refused::Revoked,
            _ => Refused::Malformed,
        },
        _ => Refused::Malformed,
    }
}
