//! The member card: the CA's word, in 64 bytes, that a key is that of a node until a day (`decisions:CLU-6`, `decisions:CLU-8`).

use std::path::Path;

use ekk::id::NodeId;
use ekk::membership::record::card_bytes;
use ekk::sign::Signature;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::names::{hex, unhex};
use super::{IdentityError, files};

/// A card and what is written beside it for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Name of the cluster.
    pub cluster: String,
    /// Number of the cluster.
    pub cluster_id: u64,
    /// Number of the node.
    pub node: NodeId,
    /// Name of the node; not signed here, the certificate has it too.
    pub name: String,
    /// Zone given at the issue, a default for the configuration; not signed.
    pub zone: String,
    /// The node's key.
    pub public_key: [u8; 32],
    /// When the card ends, Unix s.
    pub ends_unix_s: u64,
    /// The CA that signed.
    pub ca_id: u64,
    /// Its signature over [`card_bytes`].
    pub signature: Signature,
}

/// Whether `key` made `signature` over `message`.
#[must_use]
pub fn is_signed_by(key: &[u8; 32], message: &[u8], signature: &Signature) -> bool {
    UnparsedPublicKey::new(&ED25519, key).verify(message, &signature.0).is_ok()
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CardFile {
    cluster: String,
    cluster_id: String,
    node: u32,
    name: String,
    zone: String,
    public_key: String,
    ends_unix_s: u64,
    ca_id: String,
    signature: String,
}

impl Card {
    /// As it stands in a file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let file = CardFile {
            cluster: self.cluster.clone(),
            cluster_id: format!("{:016x}", self.cluster_id),
            node: self.node.get(),
            name: self.name.clone(),
            zone: self.zone.clone(),
            public_key: hex(&self.public_key),
            ends_unix_s: self.ends_unix_s,
            ca_id: format!("{:016x}", self.ca_id),
            signature: hex(&self.signature.0),
        };
        let body = toml::to_string(&file).expect("text and numbers are TOML");
        format!(
            "# Member card of node {} in cluster {}; not secret. `trefoil ca show` explains it.\n{body}",
            file.node, file.cluster
        )
    }

    /// Reads the text of a card; says nothing about the signature.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn from_text(text: &str) -> Result<Self, String> {
        let file: CardFile = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        let number = |key: &str, text: &str| {
            unhex::<8>(text).map(u64::from_be_bytes).ok_or_else(|| format!("{key} is not 16 hexadecimal digits"))
        };
        Ok(Self {
            cluster_id: number("cluster_id", &file.cluster_id)?,
            node: NodeId::new(file.node).ok_or("node is not 1..=4294967294")?,
            public_key: unhex(&file.public_key).ok_or("public_key is not 64 hexadecimal digits")?,
            ca_id: number("ca_id", &file.ca_id)?,
            signature: Signature(unhex(&file.signature).ok_or("signature is not 128 hexadecimal digits")?),
            cluster: file.cluster,
            name: file.name,
            zone: file.zone,
            ends_unix_s: file.ends_unix_s,
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`IdentityError`] with the file.
    pub fn read(path: &Path) -> Result<Self, IdentityError> {
        let bytes = files::read(path)?;
        let text = String::from_utf8_lossy(&bytes);
        Self::from_text(&text).map_err(|found| {
            let remedy = "name the .card file that `trefoil ca issue` wrote beside the certificate";
            IdentityError::in_file(path, found, "a member card", remedy)
        })
    }

    /// Whether the CA with this key signed the card.
    #[must_use]
    pub fn is_signed_by(&self, ca_key: &[u8; 32]) -> bool {
        let message = card_bytes(self.cluster_id, self.node, &self.public_key, self.ends_unix_s);
        is_signed_by(ca_key, &message, &self.signature)
    }
}

/// Entry for fuzzing: hostile text never panics, and what reads is written and read again the same.
pub fn fuzz_card(bytes: &[u8]) -> u64 {
    let Ok(card) = Card::from_text(&String::from_utf8_lossy(bytes)) else { return 0 };
    assert_eq!(Card::from_text(&card.to_text()).as_ref(), Ok(&card), "a card goes both ways");
    1
}
