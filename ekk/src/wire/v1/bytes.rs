//! Reading and writing little-endian bytes with every step checked: used by all bodies of version 1.

use super::WireError;

/// Reads from the front; never panics.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from their start.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    /// What has not been read.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.left
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`WireError::Short`].
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let (head, tail) = self.left.split_at_checked(count).ok_or(WireError::Short)?;
        self.left = tail;
        Ok(head)
    }

    /// The next bytes as an array.
    ///
    /// # Errors
    /// [`WireError::Short`].
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (head, tail) = self.left.split_first_chunk::<N>().ok_or(WireError::Short)?;
        self.left = tail;
        Ok(*head)
    }

    /// One byte.
    ///
    /// # Errors
    /// [`WireError::Short`].
    pub fn u8(&mut self) -> Result<u8, WireError> {
        Ok(self.array::<1>()?[0])
    }

    /// Two bytes.
    ///
    /// # Errors
    /// [`WireError::Short`].
    pub fn u16(&mut self) -> Result<u16, WireError> {
        self.array().map(u16::from_le_bytes)
    }

    /// Two bytes, signed.
    ///
    /// # Errors
    /// [`WireError::Short`].
    pub fn i16(&mut self) -> Result<i16, WireError> {
        self.array().map(i16::from_le_bytes)
    }

    /// Four bytes.
    ///
    /// # Errors
    /// [`WireError::Short`].
    pub fn u32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_le_bytes)
    }

    /// Four bytes, signed.
    ///
    /// # Errors
    /// [`WireError::Short`].
    pub fn i32(&mut self) -> Result<i32, WireError> {
        self.array().map(i32::from_le_bytes)
    }

    /// Eight bytes.
    ///
    /// # Errors
    /// [`WireError::Short`].
    pub fn u64(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_le_bytes)
    }

    /// The end of the body.
    ///
    /// # Errors
    /// [`WireError::Long`] when bytes are left.
    pub const fn done(&self) -> Result<(), WireError> {
        if self.left.is_empty() { Ok(()) } else { Err(WireError::Long) }
    }
}

/// Writes to the front of a caller's buffer; never panics, never allocates.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    at: usize,
}

impl<'a> Writer<'a> {
    /// Writes into `buffer` from its start.
    #[must_use]
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, at: 0 }
    }

    /// Bytes written.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.at
    }

    /// True before the first byte.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.at == 0
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// [`WireError::Long`] when the buffer is full; nothing is written then.
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let end = self.at + bytes.len();
        self.buffer.get_mut(self.at..end).ok_or(WireError::Long)?.copy_from_slice(bytes);
        self.at = end;
        Ok(())
    }

    /// Appends one byte.
    ///
    /// # Errors
    /// As [`Writer::put`].
    pub fn u8(&mut self, value: u8) -> Result<(), WireError> {
        self.put(&[value])
    }

    /// Appends two bytes.
    ///
    /// # Errors
    /// As [`Writer::put`].
    pub fn u16(&mut self, value: u16) -> Result<(), WireError> {
        self.put(&value.to_le_bytes())
    }

    /// Appends two bytes, signed.
    ///
    /// # Errors
    /// As [`Writer::put`].
    pub fn i16(&mut self, value: i16) -> Result<(), WireError> {
        self.put(&value.to_le_bytes())
    }

    /// Appends four bytes.
    ///
    /// # Errors
    /// As [`Writer::put`].
    pub fn u32(&mut self, value: u32) -> Result<(), WireError> {
        self.put(&value.to_le_bytes())
    }

    /// Appends four bytes, signed.
    ///
    /// # Errors
    /// As [`Writer::put`].
    pub fn i32(&mut self, value: i32) -> Result<(), WireError> {
        self.put(&value.to_le_bytes())
    }

    /// Appends eight bytes.
    ///
    /// # Errors
    /// As [`Writer::put`].
    pub fn u64(&mut self, value: u64) -> Result<(), WireError> {
        self.put(&value.to_le_bytes())
    }

    /// The message written so far.
    #[must_use]
    pub fn done(self) -> &'a [u8] {
        self.buffer.split_at(self.at).0
    }
}
