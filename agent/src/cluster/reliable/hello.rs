//! The first message of each side on the control stream: what TLS does not say.

use std::net::SocketAddr;

use ekk::id::NodeId;
use ekk::membership::record::MemberRecord;
use ekk::wire::v1::Reader;

use crate::cluster::identity::load::{address_bytes, address_of};

/// Longest hello, bytes.
pub const HELLO_BYTES_MAX: usize = 1024;
/// Longest member record, bytes; today's has fewer.
pub const RECORD_BYTES_MAX: usize = 512;
const MAGIC: [u8; 4] = *b"TFH1";

/// AES-128-GCM is welcome.
pub const SUITE_AES: u8 = 1;
/// ChaCha20-Poly1305 is welcome.
pub const SUITE_CHACHA: u8 = 2;

/// What a side says of itself. Numbers are little-endian, in the order of the fields; bytes behind the last one are left to
/// later versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Lowest version of the fast plane's frames it speaks.
    pub lowest: u8,
    /// Highest.
    pub highest: u8,
    /// Ciphers it takes, bits.
    pub suites: u8,
    /// Cluster.
    pub cluster_id: u64,
    /// Number; must be that of the certificate.
    pub node: u32,
    /// Boot id of its fast plane.
    pub boot_id: u64,
    /// Boot incarnation; must be that of the record.
    pub boot_inc: u32,
    /// Highest key epoch it used with the peer's boot before; 0 = none, or it does not know yet who the peer is.
    pub epoch: u32,
    /// Its fast plane: the port, and an address when it knows the one others use.
    pub fast: Fast,
    /// Digest of founders and policy (`bootstrap`), so that a difference shows before anything else fails.
    pub digest: u64,
    /// Formation it belongs to, 0 = none yet.
    pub formation: u64,
    /// Its member record, encoded.
    pub record: Vec<u8>,
}

/// Where a fast plane is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fast {
    /// At an address others use.
    At(SocketAddr),
    /// At this port of whatever address the peer is seen to have.
    Port(u16),
}

impl Fast {
    /// As the peer reaches it.
    #[must_use]
    pub fn seen_from(self, peer: SocketAddr) -> SocketAddr {
        match self {
            Self::At(address) => address,
            Self::Port(port) => SocketAddr::new(peer.ip().to_canonical(), port),
        }
    }

    fn bytes(self) -> [u8; 18] {
        match self {
            Self::At(address) => address_bytes(address),
            Self::Port(port) => {
                let mut bytes = [0; 18];
                bytes[16..].copy_from_slice(&port.to_le_bytes());
                bytes
            }
        }
    }

    fn of(bytes: &[u8; 18]) -> Self {
        address_of(bytes).map_or(Self::Port(u16::from_le_bytes([bytes[16], bytes[17]])), Self::At)
    }
}

/// Why bytes are no hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// Too short.
    #[error("it ends too early")]
    Short,
    /// Not one.
    #[error("it does not begin as one")]
    Magic,
    /// A field has a value it cannot have.
    #[error("its {0} cannot be")]
    Value(&'static str),
}

impl Hello {
    /// As sent.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.record.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[self.lowest, self.highest, self.suites]);
        out.extend_from_slice(&self.cluster_id.to_le_bytes());
        out.extend_from_slice(&self.node.to_le_bytes());
        out.extend_from_slice(&self.boot_id.to_le_bytes());
        out.extend_from_slice(&self.boot_inc.to_le_bytes());
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&self.fast.bytes());
        out.extend_from_slice(&self.digest.to_le_bytes());
        out.extend_from_slice(&self.formation.to_le_bytes());
        let length = u16::try_from(self.record.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&self.record);
        out
    }

    /// Reads hostile bytes.
    ///
    /// # Errors
    /// [`HelloError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, HelloError> {
        let mut cursor = Cursor(bytes);
        if cursor.array()? != MAGIC {
            return Err(HelloError::Magic);
        }
        let [lowest, highest, suites] = cursor.array()?;
        let hello = Self {
            lowest,
            highest,
            suites,
            cluster_id: u64::from_le_bytes(cursor.array()?),
            node: u32::from_le_bytes(cursor.array()?),
            boot_id: u64::from_le_bytes(cursor.array()?),
            boot_inc: u32::from_le_bytes(cursor.array()?),
            epoch: u32::from_le_bytes(cursor.array()?),
            fast: Fast::of(&cursor.array()?),
            digest: u64::from_le_bytes(cursor.array()?),
            formation: u64::from_le_bytes(cursor.array()?),
            record: {
                let length = usize::from(u16::from_le_bytes(cursor.array()?));
                if length > RECORD_BYTES_MAX {
                    return Err(HelloError::Value("record"));
                }
                cursor.take(length)?.to_vec()
            },
        };
        if hello.lowest > hello.highest {
            return Err(HelloError::Value("version range"));
        }
        if NodeId::new(hello.node).is_none() {
            return Err(HelloError::Value("node"));
        }
        if matches!(hello.fast, Fast::Port(0)) {
            return Err(HelloError::Value("port"));
        }
        Ok(hello)
    }

    /// The member record in it.
    ///
    /// # Errors
    /// [`HelloError::Value`].
    pub fn member(&self) -> Result<MemberRecord, HelloError> {
        let mut reader = Reader::new(&self.record);
        MemberRecord::decode(&mut reader).map_err(|_| HelloError::Value("record"))
    }
}

/// Reads from the front of a slice.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], HelloError> {
        let (front, rest) = self.0.split_at_checked(count).ok_or(HelloError::Short)?;
        self.0 = rest;
        Ok(front)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], HelloError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }
}

/// Entry for fuzzing: hostile bytes never panic, and what reads is written and read again the same.
pub fn fuzz_hello(bytes: &[u8]) -> u64 {
    let Ok(hello) = Hello::decode(bytes) else { return 0 };
    let again = hello.encode();
    assert!(again.len() <= HELLO_BYTES_MAX, "a hello fits into its frame");
    assert_eq!(Hello::decode(&again).as_ref(), Ok(&hello), "a hello goes both ways");
    1 + u64::from(hello.member().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn hello() -> Hello {
        Hello {
            lowest: 1,
            highest: 2,
            suites: SUITE_AES,
            cluster_id: 3,
            node: 4,
            boot_id: 5,
            boot_inc: 6,
            epoch: 7,
            fast: Fast::Port(7946),
            digest: 8,
            formation: 9,
            record: vec![1; 20],
        }
    }

    #[test]
    fn a_hello_goes_both_ways_and_later_versions_may_add() {
        let hello = hello();
        let mut bytes = hello.encode();
        assert_eq!(Hello::decode(&bytes), Ok(hello.clone()));
        bytes.extend_from_slice(b"from the future");
        assert_eq!(Hello::decode(&bytes), Ok(hello.clone()));
        let at = Hello { fast: Fast::At("[fd00::1]:9".parse().expect("an address")), ..hello };
        assert_eq!(Hello::decode(&at.encode()), Ok(at));
    }

    #[test]
    fn hostile_hellos_are_refused() {
        let bytes = hello().encode();
        for length in 0..bytes.len() {
            assert_eq!(Hello::decode(&bytes[..length]), Err(HelloError::Short), "{length}");
        }
        let refused = |change: fn(&mut Hello)| {
            let mut hello = hello();
            change(&mut hello);
            Hello::decode(&hello.encode())
        };
        assert_eq!(refused(|hello| hello.lowest = 3), Err(HelloError::Value("version range")));
        assert_eq!(refused(|hello| hello.node = 0), Err(HelloError::Value("node")));
        assert_eq!(refused(|hello| hello.node = u32::MAX), Err(HelloError::Value("node")));
        assert_eq!(refused(|hello| hello.fast = Fast::Port(0)), Err(HelloError::Value("port")));
        assert_eq!(refused(|hello| hello.record = vec![0; 513]), Err(HelloError::Value("record")));
        assert_eq!(hello().member(), Err(HelloError::Value("record")));
        for at in 0..bytes.len() {
            for flip in [1, 0x80, 0xFF] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                fuzz_hello(&changed);
            }
        }
    }

    #[test]
    fn a_port_goes_with_the_address_seen() {
        let seen = "[::ffff:10.0.0.9]:1".parse().expect("an address");
        assert_eq!(Fast::Port(7).seen_from(seen), "10.0.0.9:7".parse().expect("an address"));
        let own = "10.9.9.9:7".parse().expect("an address");
        assert_eq!(Fast::At(own).seen_from(seen), own);
    }
}
