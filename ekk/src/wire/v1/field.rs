//! Field messages: six components and the sender's neighbours, and the leases by which they are sent (`ekk:D-30`).
//!
//! ```text
//! FIELD        flags u8 (bit 0: draining) . state u8 . capabilities u16 . 6 x i32 components . n u8 (0..=15) . n x u32 neighbour ids
//! SUBSCRIBE    lease u32, ms (1..=3 600 000)
//! UNSUBSCRIBE  -
//! SHUTDOWN     -
//! ```

use super::{Header, Kind, Reader, WireError};
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
    pub components: [i32; COMPONENTS],
    /// Its neighbours, nearest first; [`NodeId::NONE`] after the last.
    pub neighbours: [NodeId; NEIGHBOURS_MAX],
}

impl FieldBody {
    /// Reads a body to its end.
    ///
    /// # Errors
    /// Names what is wrong; nothing is returned in part.
    pub fn decode(mut reader: Reader<'_>) -> Result<Self, WireError> {
        let flags = reader.u8()?;
        if flags & !DRAINING != 0 {
            return Err(WireError::Value("flags"));
        }
        let state = reader.u8()?;
        if state > 6 {
            return Err(WireError::Value("state"));
        }
        let capabilities = reader.u16()?;
        let mut components = [0; COMPONENTS];
        for component in &mut components {
            *component = reader.i32()?;
        }
        let count = usize::from(reader.u8()?);
        let mut neighbours = [NodeId::NONE; NEIGHBOURS_MAX];
        for slot in neighbours.get_mut(..count).ok_or(WireError::Value("neighbours"))? {
            *slot = NodeId::new(reader.u32()?).ok_or(WireError::Value("neighbour"))?;
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
        writer.u8(if self.draining { DRAINING } else { 0 })?;
        writer.u8(self.state)?;
        writer.u16(self.capabilities)?;
        for component in self.components {
            writer.i32(component)?;
        }
        let count = self.neighbours.iter().take_while(|id| id.is_node()).count();
        writer.u8(count as u8)?;
        for id in &self.neighbours[..count] {
            writer.u32(id.get())?;
        }
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
