//! Field messages: six components and the sender's neighbours, and the leases by which they are sent (`ekk:D-30`).
//!
//! ```text
//! FIELD        flags u8 (bit 0: draining) . state u8 . capabilities u16 . 6 x i32 components . n u8 (0..=15) . n x u32 neighbour ids
//! SUBSCRIBE    lease u32, ms (1..=3 600 000)
//! UNSUBSCRIBE  -
//! SHUTDOWN     -
//! ```

use super::{Header, Kind, Reader, WireError};
use crate::fixed::Q16;
use crate::id::{Identity, NodeId};

/// Components of a field (`ekk` section 2).
pub const COMPONENTS: usize = 6;
/// Most neighbours named in a message.
pub const NEIGHBOURS_MAX: usize = 15;
/// Longest field message.
pub const FIELD_BYTES_MAX: usize = super::HEADER_BYTES + 4 + 4 * COMPONENTS + 1 + 4 * NEIGHBOURS_MAX;
/// A subscription, header included.
pub const SUBSCRIBE_BYTES: usize = super::HEADER_BYTES + 4;
/// Longest lease that can be asked for.
pub const LEASE_MS_MAX: u32 = 3_600_000;

const DRAINING: u8 = 1;
/// The body up to the neighbours.
const FIXED_BYTES: usize = 4 + 4 * COMPONENTS + 1;

/// What a node publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FieldBody {
    /// It takes no more work.
    pub draining: bool,
    /// Number of its state (`ekk` section 2), 0..=6.
    pub state: u8,
    /// What it can do.
    pub capabilities: u16,
    /// Q16.16 components.
    pub components: [Q16; COMPONENTS],
    /// Its neighbours, nearest first; [`NodeId::NONE`] after the last.
    pub neighbours: [NodeId; NEIGHBOURS_MAX],
}

impl FieldBody {
    /// Reads a body to its end.
    ///
    /// # Errors
    /// Names what is wrong; nothing is returned in part.
    pub fn decode(mut reader: Reader<'_>) -> Result<Self, WireError> {
        // One check of the length for the fixed part: a node reads seven of these each second period.
        let [flags, state, c0, c1, values @ .., count] = reader.array::<FIXED_BYTES>()?;
        if flags & !DRAINING != 0 {
            return Err(WireError::Value("flags"));
        }
        if state > 6 {
            return Err(WireError::Value("state"));
        }
        let capabilities = u16::from_le_bytes([c0, c1]);
        let mut components = [Q16::ZERO; COMPONENTS];
        for (component, bytes) in components.iter_mut().zip(values.as_chunks::<4>().0) {
            *component = Q16(i32::from_le_bytes(*bytes));
        }
        let count = usize::from(count);
        if count > NEIGHBOURS_MAX {
            return Err(WireError::Value("neighbours"));
        }
        let mut neighbours = [NodeId::NONE; NEIGHBOURS_MAX];
        for (slot, bytes) in neighbours.iter_mut().zip(reader.take(4 * count)?.as_chunks::<4>().0) {
            *slot = NodeId::new(u32::from_le_bytes(*bytes)).ok_or(WireError::Value("neighbour"))?;
        }
        reader.done()?;
        Ok(Self { draining: flags & DRAINING != 0, state, capabilities, components, neighbours })
    }

    /// Writes the message.
    ///
    /// # Errors
    /// [`WireError::Long`] when the buffer has fewer than [`FIELD_BYTES_MAX`] bytes.
    pub fn encode<'a>(&self, sender: Identity, sequence: u32, buffer: &'a mut [u8]) -> Result<&'a [u8], WireError> {
        let mut writer = Header { kind: Kind::FIELD, sender, sequence }.begin(buffer)?;
        let count = self.neighbours.iter().take_while(|id| id.is_node()).count();
        let mut fixed = [0; FIXED_BYTES];
        fixed[0] = if self.draining { DRAINING } else { 0 };
        fixed[1] = self.state;
        fixed[2..4].copy_from_slice(&self.capabilities.to_le_bytes());
        for (bytes, component) in fixed[4..].as_chunks_mut::<4>().0.iter_mut().zip(self.components) {
            *bytes = component.0.to_le_bytes();
        }
        fixed[FIXED_BYTES - 1] = count as u8;
        writer.put(&fixed)?;
        let mut ids = [0; 4 * NEIGHBOURS_MAX];
        for (bytes, id) in ids.as_chunks_mut::<4>().0.iter_mut().zip(&self.neighbours[..count]) {
            *bytes = id.get().to_le_bytes();
        }
        writer.put(&ids[..4 * count])?;
        Ok(writer.done())
    }
}

/// Writes a subscription.
///
/// # Errors
/// [`WireError::Long`] when the buffer has fewer than [`SUBSCRIBE_BYTES`] bytes.
pub fn encode_subscribe(sender: Identity, sequence: u32, lease_ms: u32, buffer: &mut [u8]) -> Result<&[u8], WireError> {
    let mut writer = Header { kind: Kind::SUBSCRIBE, sender, sequence }.begin(buffer)?;
    writer.u32(lease_ms)?;
    Ok(writer.done())
}

/// Reads the lease of a subscription, ms.
///
/// # Errors
/// Names what is wrong.
pub fn decode_subscribe(mut reader: Reader<'_>) -> Result<u32, WireError> {
    let lease_ms = reader.u32()?;
    reader.done()?;
    if lease_ms == 0 || lease_ms > LEASE_MS_MAX {
        return Err(WireError::Value("lease"));
    }
    Ok(lease_ms)
}

/// Writes a message without a body.
///
/// # Errors
/// [`WireError::Long`] when the buffer cannot hold a header.
pub fn encode_bare(kind: Kind, sender: Identity, sequence: u32, buffer: &mut [u8]) -> Result<&[u8], WireError> {
    Ok(Header { kind, sender, sequence }.begin(buffer)?.done())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn identity(id: u32) -> Identity {
        Identity { id: NodeId::new(id).unwrap(), boot_inc: 3, life: 2 }
    }

    fn body(count: usize) -> FieldBody {
        let mut neighbours = [NodeId::NONE; NEIGHBOURS_MAX];
        for (at, slot) in neighbours.iter_mut().take(count).enumerate() {
            *slot = NodeId::new(at as u32 + 7).unwrap();
        }
        FieldBody { draining: true, state: 2, capabilities: 0xabcd, components: [Q16(-5); 6], neighbours }
    }

    /// The layout, byte by byte: another program can be written from the table above.
    #[test]
    fn a_field_message_has_the_layout_of_its_table() {
        let mut buffer = [0; FIELD_BYTES_MAX];
        let message = body(1).encode(identity(0x0102_0304), 0x0a0b_0c0d, &mut buffer).unwrap();
        let mut expected = std::vec![1, 0x30, 4, 3, 2, 1, 3, 0, 0, 0, 2, 0, 0x0d, 0x0c, 0x0b, 0x0a, 1, 2, 0xcd, 0xab];
        for _ in 0..6 {
            expected.extend([0xfb, 0xff, 0xff, 0xff]);
        }
        expected.extend([1, 7, 0, 0, 0]);
        assert_eq!(message, expected);
    }

    proptest! {
        /// ekk:P19: what is written is read, and every shorter or longer form is refused.
        #[test]
        fn field_messages_round_trip(count in 0..=NEIGHBOURS_MAX, cut in 0_usize..FIELD_BYTES_MAX, sequence: u32) {
            let mut buffer = [0; FIELD_BYTES_MAX];
            let message = body(count).encode(identity(9), sequence, &mut buffer).unwrap();
            let (header, reader) = Header::decode(message).unwrap();
            prop_assert_eq!(header, Header { kind: Kind::FIELD, sender: identity(9), sequence });
            prop_assert_eq!(FieldBody::decode(reader).unwrap(), body(count));
            let read = |bytes: &[u8]| Header::decode(bytes).and_then(|(_, reader)| FieldBody::decode(reader));
            if cut < message.len() {
                prop_assert_eq!(read(&message[..cut]), Err(WireError::Short));
            }
            let mut longer = message.to_vec();
            longer.push(0);
            prop_assert_eq!(read(&longer), Err(WireError::Long));
        }

        /// ekk:P19: arbitrary bytes never panic, and what is accepted says the same when written again.
        #[test]
        fn arbitrary_bytes_are_refused_or_understood(bytes in proptest::collection::vec(any::<u8>(), 0..150)) {
            let mut bytes = bytes;
            if bytes.len() > 17 {
                bytes[..2].copy_from_slice(&[1, 0x30]);
                bytes[16] &= 1;
            }
            if let Ok((header, reader)) = Header::decode(&bytes) && let Ok(body) = FieldBody::decode(reader) {
                let mut buffer = [0; FIELD_BYTES_MAX];
                prop_assert_eq!(body.encode(header.sender, header.sequence, &mut buffer).unwrap(), &bytes[..]);
            }
        }
    }

    /// A subscription for no time or for ever is none.
    #[test]
    fn leases_have_a_range() {
        let mut buffer = [0; SUBSCRIBE_BYTES];
        for (lease, good) in [(0, false), (1, true), (LEASE_MS_MAX, true), (LEASE_MS_MAX + 1, false)] {
            let message = encode_subscribe(identity(4), 1, lease, &mut buffer).unwrap();
            let (_, reader) = Header::decode(message).unwrap();
            assert_eq!(decode_subscribe(reader).is_ok(), good, "{lease} ms");
        }
        let bare = encode_bare(Kind::SHUTDOWN, identity(4), 2, &mut buffer).unwrap();
        assert_eq!(Header::decode(bare).unwrap().0.kind, Kind::SHUTDOWN);
        assert!(decode_subscribe(Header::decode(bare).unwrap().1).is_err());
    }

    /// Wrong versions, kinds and senders are named.
    #[test]
    fn headers_say_what_is_wrong() {
        let mut buffer = [0; SUBSCRIBE_BYTES];
        encode_subscribe(identity(4), 1, 5, &mut buffer).unwrap();
        let with = |at: usize, value: u8| {
            let mut bytes = buffer;
            bytes[at] = value;
            Header::decode(&bytes).map(|_| ())
        };
        assert_eq!(with(0, 2), Err(WireError::Version(2)));
        assert_eq!(with(1, 0x60), Err(WireError::Kind(0x60)));
        assert_eq!(with(2, 0), Err(WireError::Sender));
        assert_eq!(Header::decode(&[1; 1_401]).map(|_| ()), Err(WireError::Long));
        assert_eq!(Header::decode(&buffer[..15]).map(|_| ()), Err(WireError::Short));
    }
}
