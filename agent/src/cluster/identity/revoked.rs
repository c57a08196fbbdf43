//! The revocation list: keys that are no longer good, signed by a CA (`decisions:CLU-19`).
//!
//! A file holds one list for each CA that revoked something, so that the files of two CAs can simply be put one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ekk::id::NodeId;
use ekk::sign::Signature;
use serde::{Deserialize, Serialize};

use super::card::is_signed_by;
use super::names::{hex, unhex};
use super::{IdentityError, files};

/// Most entries of one list.
pub const MAX_ENTRIES: usize = 4096;
/// Most lists in a file: as many as CAs can be trusted.
pub const MAX_LISTS: usize = 4;

const DOMAIN: &[u8] = b"trefoil revoked 1\0";

/// One key that is no longer good.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The node it was issued to.
    pub node: NodeId,
    /// The key.
    pub public_key: [u8; 32],
    /// When it was revoked, Unix s.
    pub at_unix_s: u64,
}

/// What one CA revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Number of the cluster.
    pub cluster_id: u64,
    /// The CA.
    pub ca_id: u64,
    /// Grows by one with each change.
    pub number: u64,
    /// The keys.
    pub entries: Vec<Entry>,
    /// The CA's signature over [`List::signed_bytes`].
    pub signature: Signature,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListsFile {
    #[serde(default)]
    list: Vec<ListFile>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListFile {
    cluster_id: String,
    ca_id: String,
    number: u64,
    signature: String,
    #[serde(default)]
    revoked: Vec<EntryFile>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryFile {
    node: u32,
    public_key: String,
    at_unix_s: u64,
}

impl List {
    /// What the CA signs.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = DOMAIN.to_vec();
        bytes.extend_from_slice(&self.cluster_id.to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&(self.entries.len() as u64).to_le_bytes());
        for entry in &self.entries {
            bytes.extend_from_slice(&entry.node.get().to_le_bytes());
            bytes.extend_from_slice(&entry.public_key);
            bytes.extend_from_slice(&entry.at_unix_s.to_le_bytes());
        }
        bytes
    }

    /// Whether the CA with this key signed the list.
    #[must_use]
    pub fn is_signed_by(&self, ca_key: &[u8; 32]) -> bool {
        is_signed_by(ca_key, &self.signed_bytes(), &self.signature)
    }

    fn to_file(&self) -> ListFile {
        ListFile {
            cluster_id: format!("{:016x}", self.cluster_id),
            ca_id: format!("{:016x}", self.ca_id),
            number: self.number,
            signature: hex(&self.signature.0),
            revoked: self
                .entries
                .iter()
                .map(|entry| EntryFile {
                    node: entry.node.get(),
                    public_key: hex(&entry.public_key),
                    at_unix_s: entry.at_unix_s,
                })
                .collect(),
        }
    }

    fn from_file(file: &ListFile) -> Result<Self, String> {
        let number = |key: &str, text: &str| {
            unhex::<8>(text).map(u64::from_be_bytes).ok_or_else(|| format!("{key} is not 16 hexadecimal digits"))
        };
        if file.revoked.len() > MAX_ENTRIES {
            return Err(format!("{} entries, at most {MAX_ENTRIES}", file.revoked.len()));
        }
        let entry = |entry: &EntryFile| {
            Ok::<_, String>(Entry {
                node: NodeId::new(entry.node).ok_or("node is not 1..=4294967294")?,
                public_key: unhex(&entry.public_key).ok_or("public_key is not 64 hexadecimal digits")?,
                at_unix_s: entry.at_unix_s,
            })
        };
        Ok(Self {
            cluster_id: number("cluster_id", &file.cluster_id)?,
            ca_id: number("ca_id", &file.ca_id)?,
            number: file.number,
            entries: file.revoked.iter().map(entry).collect::<Result<_, _>>()?,
            signature: Signature(unhex(&file.signature).ok_or("signature is not 128 hexadecimal digits")?),
        })
    }
}

/// The text of a file of lists.
#[must_use]
pub fn to_text(lists: &[List]) -> String {
    let file = ListsFile { list: lists.iter().map(List::to_file).collect() };
    let body = toml::to_string(&file).expect("text and numbers are TOML");
    format!(
        "# Revoked keys, signed by the CA. Put this file beside every node's certificate: identity.revoked.\n{body}"
    )
}

/// Reads the text of a file of lists; says nothing about the signatures.
///
/// # Errors
/// What is wrong, in words.
pub fn from_text(text: &str) -> Result<Vec<List>, String> {
    let file: ListsFile = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    if file.list.len() > MAX_LISTS {
        return Err(format!("{} lists, at most {MAX_LISTS}", file.list.len()));
    }
    file.list.iter().map(List::from_file).collect()
}

/// Reads a file of lists.
///
/// # Errors
/// [`IdentityError`] with the file.
pub fn read(path: &Path) -> Result<Vec<List>, IdentityError> {
    let bytes = files::read(path)?;
    from_text(&String::from_utf8_lossy(&bytes)).map_err(|found| {
        let remedy = "copy the file that `trefoil ca revoke` wrote";
        IdentityError::in_file(path, found, "revocation lists", remedy)
    })
}

/// All keys that are no longer good, whichever trusted CA said so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revoked {
    keys: BTreeSet<[u8; 32]>,
    numbers: BTreeMap<u64, u64>,
}

impl Revoked {
    /// Takes lists whose signatures the caller checked.
    #[must_use]
    pub fn of(lists: &[List]) -> Self {
        let keys = lists.iter().flat_map(|list| list.entries.iter().map(|entry| entry.public_key)).collect();
        let mut numbers = BTreeMap::new();
        for list in lists {
            let number: &mut u64 = numbers.entry(list.ca_id).or_default();
            *number = list.number.max(*number);
        }
        Self { keys, numbers }
    }

    /// Whether a key was revoked.
    #[must_use]
    pub fn has(&self, public_key: &[u8; 32]) -> bool {
        self.keys.contains(public_key)
    }

    /// How many keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether nothing was revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The CA whose list here is older than in `other`, if any: an old file was put back.
    #[must_use]
    pub fn older_than(&self, other: &Self) -> Option<u64> {
        let older = |(ca, number): (&u64, &u64)| (self.numbers.get(ca).copied().unwrap_or(0) < *number).then_some(*ca);
        other.numbers.iter().find_map(older)
    }
}

/// Entry for fuzzing: hostile text never panics, and what reads is written and read again the same.
pub fn fuzz_revoked(bytes: &[u8]) -> u64 {
    let Ok(lists) = from_text(&String::from_utf8_lossy(bytes)) else { return 0 };
    assert_eq!(from_text(&to_text(&lists)).as_ref(), Ok(&lists), "lists go both ways");
    1 + lists.len() as u64
}
