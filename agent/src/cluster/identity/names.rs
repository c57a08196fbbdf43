//! Names of clusters and nodes, the URI in a certificate, and the numbers derived from keys.

use std::fmt::Write;

use ekk::id::NodeId;
use ring::digest::{SHA256, digest};

use super::IdentityError;

/// Longest name of a cluster, bytes.
pub const CLUSTER_NAME_MAX: usize = 32;
/// Longest name of a node, bytes; it must fit into a member record.
pub const NODE_NAME_MAX: usize = 24;
/// Longest name of a zone, bytes; it must fit into a member record.
pub const ZONE_MAX: usize = 16;

const SCHEME: &str = "trefoil://";

/// What the URI of a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A node: `trefoil://CLUSTER/node/ID`.
    Node {
        /// Name of the cluster.
        cluster: String,
        /// Number of the node.
        id: NodeId,
    },
    /// A CA: `trefoil://CLUSTER/ca/CLUSTER-ID`.
    Ca {
        /// Name of the cluster.
        cluster: String,
        /// Number of the cluster, which all its CAs share.
        cluster_id: u64,
    },
}

impl Subject {
    /// Reads a URI; `None` for whatever [`Subject::uri`] would not have written, letter by letter.
    #[must_use]
    pub fn parse(uri: &str) -> Option<Self> {
        let mut parts = uri.strip_prefix(SCHEME)?.split('/');
        let (cluster, kind, number) = (parts.next()?, parts.next()?, parts.next()?);
        let cluster = cluster.to_owned();
        let subject = match kind {
            "node" => Self::Node { cluster, id: NodeId::new(number.parse().ok()?)? },
            "ca" => Self::Ca { cluster, cluster_id: u64::from_str_radix(number, 16).ok()? },
            _ => return None,
        };
        let sound = parts.next().is_none() && is_name(subject.cluster(), CLUSTER_NAME_MAX) && subject.uri() == uri;
        sound.then_some(subject)
    }

    /// As it stands in a certificate.
    #[must_use]
    pub fn uri(&self) -> String {
        match self {
            Self::Node { cluster, id } => format!("{SCHEME}{cluster}/node/{}", id.get()),
            Self::Ca { cluster, cluster_id } => format!("{SCHEME}{cluster}/ca/{cluster_id:016x}"),
        }
    }

    /// Name of the cluster.
    #[must_use]
    pub fn cluster(&self) -> &str {
        match self {
            Self::Node { cluster, .. } | Self::Ca { cluster, .. } => cluster,
        }
    }
}

/// Whether a name is fit for URIs, DNS names and file names alike.
#[must_use]
pub fn is_name(name: &str, max: usize) -> bool {
    let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=max).contains(&name.len()) && name.bytes().all(fine) && !name.starts_with('-') && !name.ends_with('-')
}

/// Checks a name given by a person.
///
/// # Errors
/// [`IdentityError::Wrong`] with what a name may be.
pub fn check_name(place: &str, name: &str, max: usize) -> Result<(), IdentityError> {
    if is_name(name, max) {
        return Ok(());
    }
    let expected = format!("1 to {max} of a-z, 0-9 and -, not beginning or ending with -");
    Err(IdentityError::wrong(place, format!("{name:?}"), expected, "choose a name such as \"rack-7\""))
}

/// The number of a cluster: from its name and the key of its first CA. Later CAs of the cluster take it over.
#[must_use]
pub fn cluster_id(name: &str, first_key: &[u8; 32]) -> u64 {
    let mut input = b"trefoil cluster 1\0".to_vec();
    input.extend_from_slice(name.as_bytes());
    input.push(0);
    input.extend_from_slice(first_key);
    // Zero is kept for "no cluster".
    first_eight(&input).max(1)
}

/// The number of a CA: from its key.
#[must_use]
pub fn ca_id(key: &[u8; 32]) -> u64 {
    first_eight(key)
}

fn first_eight(bytes: &[u8]) -> u64 {
    let hash = digest(&SHA256, bytes);
    u64::from_le_bytes(hash.as_ref()[..8].try_into().expect("a SHA-256 has 32 bytes"))
}

/// SHA-256 of a certificate, as other tools print it.
#[must_use]
pub fn fingerprint(der: &[u8]) -> String {
    let hash = digest(&SHA256, der);
    let pairs: Vec<String> = hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Exactly `N` bytes of lower-case hexadecimal.
#[must_use]
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

/// A day, for people: `2027-11-21`.
#[must_use]
pub fn day(unix_s: u64) -> String {
    // Howard Hinnant's days-to-civil, for days after the epoch.
    let days = i64::try_from(unix_s / 86_400).unwrap_or(i64::MAX / 2) + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_written_is_read() {
        let node = Subject::Node { cluster: "demo-1".to_owned(), id: NodeId::new(7).expect("a node") };
        assert_eq!(node.uri(), "trefoil://demo-1/node/7");
        assert_eq!(Subject::parse(&node.uri()), Some(node));
        let ca = Subject::Ca { cluster: "demo-1".to_owned(), cluster_id: 0xAB };
        assert_eq!(Subject::parse(&ca.uri()), Some(ca));
        for wrong in [
            "",
            "trefoil://",
            "trefoil://demo",
            "trefoil://demo/node/",
            "trefoil://demo/node/0",
            "trefoil://demo/node/4294967295",
            "trefoil://demo/node/07",
            "trefoil://demo/node/+7",
            "trefoil://demo/node/7/",
            "trefoil://demo/node/7?x",
            "Trefoil://demo/node/7",
            "trefoil://Demo/node/7",
            "trefoil://-demo/node/7",
            "trefoil:///node/7",
            "trefoil://demo/ca/AB",
            "trefoil://demo/host/7",
            "trefoil://demo-but-much-longer-than-any-name-may-be/node/7",
        ] {
            assert_eq!(Subject::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn hexadecimal_goes_both_ways() {
        assert_eq!(hex(&[0, 0x1f, 0xab]), "001fab");
        assert_eq!(unhex::<3>("001fab"), Some([0, 0x1f, 0xab]));
        assert_eq!(unhex::<3>("001fa"), None);
        assert_eq!(unhex::<3>("001fAB"), None, "one spelling only");
        assert_eq!(unhex::<1>("é"), None);
    }

    #[test]
    fn days_are_civil() {
        let known = [(0, "1970-01-01"), (951_782_400, "2000-02-29"), (1_795_132_800, "2026-11-20")];
        for (unix_s, text) in known {
            assert_eq!(day(unix_s), text);
            assert_eq!(day(unix_s + 86_399), text);
        }
        assert_eq!(day(4_107_542_400), "2100-03-01");
    }

    /// The number of a cluster depends on its name and on the key, and never says "none".
    #[test]
    fn clusters_of_one_name_differ() {
        assert_ne!(cluster_id("demo", &[1; 32]), cluster_id("demo", &[2; 32]));
        assert_ne!(cluster_id("demo", &[1; 32]), cluster_id("demp", &[1; 32]));
        assert_ne!(ca_id(&[1; 32]), ca_id(&[2; 32]));
    }
}
