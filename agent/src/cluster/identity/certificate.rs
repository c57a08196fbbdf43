//! A certificate read into what this program needs of it.

use std::path::Path;

use ekk::id::NodeId;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::names::{self, Subject};
use super::{IdentityError, files};

/// Object identifier of Ed25519 keys (RFC 8410).
const ED25519: &str = "1.3.101.112";

/// A certificate of a node or of a CA of this program. Whether anybody trusts it is for [`super::Trust`] to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// As it came.
    pub der: CertificateDer<'static>,
    /// From its one URI.
    pub subject: Subject,
    /// Common name: that of the node.
    pub name: String,
    /// Common name of who signed.
    pub issuer: String,
    /// Ed25519 key.
    pub public_key: [u8; 32],
    /// From when it is good, Unix s.
    pub begins_unix_s: u64,
    /// Until when it is good, Unix s.
    pub ends_unix_s: u64,
}

impl Certificate {
    /// Reads DER.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn from_der(der: &[u8]) -> Result<Self, String> {
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| "not an X.509 certificate")?;
        if !rest.is_empty() {
            return Err("bytes behind the certificate".to_owned());
        }
        let key = &parsed.tbs_certificate.subject_pki;
        if key.algorithm.algorithm.to_id_string() != ED25519 {
            return Err("its key is not Ed25519".to_owned());
        }
        let public_key = key.subject_public_key.data.as_ref().try_into().map_err(|_| "its key has not 32 bytes")?;
        let is_ca = parsed.is_ca();
        let subject = subject(&parsed)?;
        if is_ca != matches!(subject, Subject::Ca { .. }) {
            return Err("it says in one place that it is a CA and in another that it is not".to_owned());
        }
        let validity = parsed.validity();
        let common_name = |name: &x509_parser::x509::X509Name<'_>| {
            name.iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or_default().to_owned()
        };
        Ok(Self {
            subject,
            name: common_name(parsed.subject()),
            issuer: common_name(parsed.issuer()),
            public_key,
            begins_unix_s: u64::try_from(validity.not_before.timestamp()).unwrap_or(0),
            ends_unix_s: u64::try_from(validity.not_after.timestamp()).unwrap_or(0),
            der: CertificateDer::from(der.to_vec()),
        })
    }

    /// Reads a PEM file that holds exactly one certificate.
    ///
    /// # Errors
    /// [`IdentityError`] with the file.
    pub fn read(path: &Path) -> Result<Self, IdentityError> {
        let bytes = files::read(path)?;
        Self::from_pem(&bytes).map_err(|found| {
            let remedy = "name a .crt file that `trefoil ca init` or `trefoil ca issue` wrote";
            IdentityError::in_file(path, found, "one certificate of Trefoil, PEM", remedy)
        })
    }

    /// Reads PEM text that holds exactly one certificate.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn from_pem(text: &[u8]) -> Result<Self, String> {
        let mut all = CertificateDer::pem_slice_iter(text);
        let der = all.next().ok_or("no certificate in it")?.map_err(|_| "not PEM")?;
        if all.next().is_some() {
            return Err("more than one certificate in it".to_owned());
        }
        Self::from_der(&der)
    }

    /// The node, unless it is a CA's.
    #[must_use]
    pub fn node(&self) -> Option<NodeId> {
        match self.subject {
            Subject::Node { id, .. } => Some(id),
            Subject::Ca { .. } => None,
        }
    }

    /// SHA-256 of it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        names::fingerprint(&self.der)
    }
}

/// The one URI of a certificate; other kinds of names are nothing to us, a second URI would make it two nodes.
fn subject(parsed: &X509Certificate<'_>) -> Result<Subject, String> {
    let names = parsed.subject_alternative_name().map_err(|_| "its names cannot be read")?;
    let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
    let mut uris = names.iter().filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None });
    match (uris.next(), uris.next()) {
        (Some(uri), None) => {
            Subject::parse(uri).ok_or_else(|| format!("its URI {uri:?} is not trefoil://CLUSTER/node/ID"))
        }
        (None, _) => Err("it has no URI trefoil://CLUSTER/node/ID".to_owned()),
        (Some(_), Some(_)) => Err("it has more than one URI".to_owned()),
    }
}

/// Entry for fuzzing: hostile DER and PEM never panic.
pub fn fuzz_certificate(bytes: &[u8]) -> u64 {
    u64::from(Certificate::from_der(bytes).is_ok()) + u64::from(Certificate::from_pem(bytes).is_ok())
}
