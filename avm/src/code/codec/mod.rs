//! Modules and values as bytes and as JSON.
//!
//! Binary: `TAVM`, version (u16), length of the body (u32), SHA-256 of the body, body; numbers of the head little-endian. The
//! body is canonical: a module has one encoding, and its content hash is that of the body without file names and places.
//! Operations are encoded by `postcard`, everything that nests is read with a bounded depth, and no more is set aside than the
//! bytes that are there can fill.

mod read;
#[cfg(test)]
pub(crate) mod tests;
mod write;

use thiserror::Error;

use super::hash::ContentHash;
use super::verify::{shallow, value_fault};
use super::{Module, limits};
use crate::value::Val;
use read::Reader;
use write::Writer;

/// First bytes of an encoded module.
pub const MAGIC: [u8; 4] = *b"TAVM";
/// Version of the encoding, raised with every change of operations, instructions or values.
pub const VERSION: u16 = 1;
/// Bytes before the body.
pub const HEAD_BYTES: usize = 4 + 2 + 4 + 32;

/// Why bytes are not a module or value, or a module cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum CodecError {
    #[error("not a module: it does not begin with 'TAVM'")]
    Magic,
    #[error("version {found} of the encoding: this build reads version {expected}; compile the source again")]
    Version { found: u16, expected: u16 },
    #[error("{found} bytes: expected {expected}")]
    Length { found: usize, expected: usize },
    #[error("the bytes are damaged: they do not match their hash")]
    Damaged,
    #[error("more than {most} {what}")]
    TooMuch { what: &'static str, most: usize },
    #[error("a value that the machine does not make: {0}")]
    Value(&'static str),
    #[error("byte {at}: expected {expected}")]
    Malformed { at: usize, expected: &'static str },
    #[error("JSON: {0}")]
    Json(String),
}

/// A module as bytes.
///
/// # Errors
/// [`CodecError::TooMuch`] when it nests deeper or is larger than what [`from_bytes`] reads.
pub fn to_bytes(module: &Module) -> Result<Vec<u8>, CodecError> {
    let body = body(module, true)?;
    let mut out = Vec::with_capacity(HEAD_BYTES + body.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    let length = u32::try_from(body.len()).map_err(|_| too_long())?;
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&ContentHash::of(&body).0);
    out.extend_from_slice(&body);
    Ok(out)
}

/// A module from bytes; nothing is known of it before `code::verify` has seen it.
///
/// # Errors
/// [`CodecError`] names what is wrong.
pub fn from_bytes(bytes: &[u8]) -> Result<Module, CodecError> {
    if bytes.len() > limits::MODULE_BYTES {
        return Err(too_long());
    }
    if bytes.get(..4) != Some(&MAGIC) {
        return Err(CodecError::Magic);
    }
    let Some((head, body)) = bytes.split_at_checked(HEAD_BYTES) else {
        return Err(CodecError::Length { found: bytes.len(), expected: HEAD_BYTES });
    };
    let found = u16::from_le_bytes([head[4], head[5]]);
    if found != VERSION {
        return Err(CodecError::Version { found, expected: VERSION });
    }
    let length = u32::from_le_bytes([head[6], head[7], head[8], head[9]]) as usize;
    if body.len() != length {
        return Err(CodecError::Length { found: body.len(), expected: length });
    }
    if ContentHash::of(body).0 != head[10..] {
        return Err(CodecError::Damaged);
    }
    let mut reader = Reader::new(body);
    let module = reader.module()?;
    reader.end()?;
    Ok(module)
}

/// A module as JSON, indented.
///
/// # Errors
/// [`CodecError::TooMuch`] when it nests deeper than what [`from_json`] reads.
pub fn to_json(module: &Module) -> Result<String, CodecError> {
    bounded(module)?;
    serde_json::to_string_pretty(module).map_err(|error| CodecError::Json(error.to_string()))
}

/// A module from JSON; nothing is known of it before `code::verify` has seen it.
///
/// # Errors
/// [`CodecError`] names what is wrong, with line and column.
pub fn from_json(text: &str) -> Result<Module, CodecError> {
    if text.len() > JSON_BYTES {
        return Err(CodecError::TooMuch { what: "bytes of JSON", most: JSON_BYTES });
    }
    // serde_json stops at 128 levels by itself, which is within the bound of the host stack.
    let module: Module = serde_json::from_str(text).map_err(|error| CodecError::Json(error.to_string()))?;
    bounded(&module)?;
    Ok(module)
}

/// Most bytes of a module as JSON.
pub const JSON_BYTES: usize = 4 * limits::MODULE_BYTES;

/// A value as bytes, canonical: equal values have equal bytes.
///
/// # Errors
/// [`CodecError::Value`] when it nests deeper than 48 levels.
pub fn value_to_bytes(value: &Val) -> Result<Vec<u8>, CodecError> {
    bounded_value(value, &mut { limits::VALUES })?;
    let mut writer = Writer::default();
    writer.value(value);
    Ok(writer.out)
}

/// A value from bytes.
///
/// # Errors
/// [`CodecError`] names what is wrong.
pub fn value_from_bytes(bytes: &[u8]) -> Result<Val, CodecError> {
    let mut reader = Reader::new(bytes);
    let value = reader.value(limits::VALUE_DEPTH)?;
    reader.end()?;
    Ok(value)
}

/// The bytes a content hash is taken of: the body without file names and places.
pub(super) fn canonical(module: &Module) -> Result<Vec<u8>, CodecError> {
    body(module, false)
}

fn body(module: &Module, with_places: bool) -> Result<Vec<u8>, CodecError> {
    bounded(module)?;
    let mut writer = Writer::default();
    writer.module(module, with_places);
    if writer.out.len() > limits::MODULE_BYTES - HEAD_BYTES { Err(too_long()) } else { Ok(writer.out) }
}

const fn too_long() -> CodecError {
    CodecError::TooMuch { what: "bytes", most: limits::MODULE_BYTES }
}

/// Whether everything that nests is within the bounds of the readers.
fn bounded(module: &Module) -> Result<(), CodecError> {
    let mut left = limits::VALUES;
    module.constants.iter().try_for_each(|constant| bounded_value(constant, &mut left))?;
    let parts = module.behaviours.iter().flat_map(|behaviour| behaviour.messages.iter().flatten());
    if parts.flat_map(|message| &message.parts).any(|part| !shallow(part, limits::SHAPE_DEPTH)) {
        return Err(CodecError::TooMuch { what: "levels of a message shape", most: limits::SHAPE_DEPTH });
    }
    Ok(())
}

fn bounded_value(value: &Val, left: &mut usize) -> Result<(), CodecError> {
    value_fault(value, limits::VALUE_DEPTH, left).map_err(CodecError::Value)
}
