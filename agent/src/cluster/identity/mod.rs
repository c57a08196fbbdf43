//! Who may join, and who says so: the cluster's CA, node certificates, member cards, keys, signatures.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`names`] | names of clusters and nodes, the URI in a certificate, numbers derived from keys |
//! | [`files`] | files created once, keys nobody else can read |
//! | [`authority`] | the CA: `trefoil ca init`, `issue`, `revoke` |
//! | [`certificate`] | a certificate read into what this program needs of it |
//! | [`card`] | the member card: the CA's short word for one key of one node |
//! | [`revoked`] | the list of keys that are no longer good |
//! | [`trust`] | the CAs this node trusts, and what it makes of a peer's certificate |
//! | [`crypto`] | [`ekk::sign::Crypto`]: Ed25519, and the keys of the members |
//! | [`load`] | everything above read and checked against each other when an agent starts |
//!
//! A node's identity is one Ed25519 key. The certificate binds it to a number for TLS; the card binds it to the same number in
//! 64 bytes, so that it fits into a member record, which anybody can check who has the CA's certificate (`decisions:CLU-8`).

pub mod authority;
pub mod card;
pub mod certificate;
pub mod crypto;
pub mod files;
pub mod load;
pub mod names;
pub mod revoked;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod trust;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

pub use authority::Authority;
pub use card::Card;
pub use certificate::Certificate;
pub use crypto::MemberCrypto;
pub use load::Identity;
pub use trust::{Refused, Trust};

/// Why an identity cannot be made or used. Nothing was changed unless the variant says so.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The system refuses a file.
    #[error("{}: {error}\n    remedy:   {remedy}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
        /// What to do.
        remedy: String,
    },
    /// A file, or a value given, is not what it should be.
    #[error("{place}: {found}\n    expected: {expected}\n    remedy:   {remedy}")]
    Wrong {
        /// File, or what was given.
        place: String,
        /// What is there.
        found: String,
        /// What would be accepted.
        expected: String,
        /// What to do.
        remedy: String,
    },
    /// The system gives no random bytes, or a library refuses what it made itself.
    #[error("{0}; this is a fault of the system or of this program")]
    Broken(String),
}

impl IdentityError {
    pub(crate) fn file(path: &Path, error: std::io::Error, remedy: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), error, remedy: remedy.into() }
    }

    pub(crate) fn wrong(
        place: impl ToString,
        found: impl Into<String>,
        expected: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::Wrong { place: place.to_string(), found: found.into(), expected: expected.into(), remedy: remedy.into() }
    }

    pub(crate) fn in_file(
        path: &Path,
        found: impl Into<String>,
        expected: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::wrong(path.display(), found, expected, remedy)
    }
}

/// The wall clock, Unix s; certificates are about nothing finer.
#[must_use]
pub fn unix_now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
