//! The caller's buffer for sealed datagrams.

use core::net::SocketAddr;
use std::fmt;

/// Bytes an [`Out`] holds: eight segments of a projection over the largest path.
pub const OUT_BYTES: usize = 16 * 1024;

/// One or more sealed datagrams for one peer, back to back; all but the last have [`Out::segment_bytes`] bytes, so that one
/// UDP_SEGMENT send takes them all. Made once, used for every send.
pub struct Out {
    pub(crate) bytes: Box<[u8]>,
    pub(crate) used: usize,
    pub(crate) segment: usize,
    pub(crate) address: Option<SocketAddr>,
}

impl Out {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self { bytes: vec![0; OUT_BYTES].into_boxed_slice(), used: 0, segment: 0, address: None }
    }

    /// All datagrams, back to back.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.used]
    }

    /// Size of each datagram but the last when there are several; `None` when there is one or none.
    #[must_use]
    pub fn segment_bytes(&self) -> Option<usize> {
        (self.segment > 0 && self.segment < self.used).then_some(self.segment)
    }

    /// The datagrams one by one.
    pub fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes().chunks(self.segment.max(1))
    }

    /// Where they go; `None` when the session has no address yet.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    pub(crate) fn clear(&mut self) {
        self.used = 0;
        self.segment = 0;
        self.address = None;
    }
}

impl Default for Out {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Out({} bytes, segments of {}, to {:?})", self.used, self.segment, self.address)
    }
}
