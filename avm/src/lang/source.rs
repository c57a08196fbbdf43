//! Sources and places in them.

use std::sync::Arc;

use super::{Code, Diagnostic, Diagnostics};

/// Longest source, bytes.
pub const MAX_SOURCE: usize = 1 << 20;

/// One source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name, for messages.
    pub name: Arc<str>,
    /// Its text.
    pub text: Arc<str>,
}

impl Source {
    /// A source from text.
    #[must_use]
    pub fn new(name: &str, text: &str) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// A source from the bytes of a file.
    ///
    /// # Errors
    /// `E001` when they are not UTF-8.
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self, Diagnostics> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(name, text)),
            Err(error) => {
                let good = String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default());
                let source = Self::new(name, &good);
                let at = Span::new(good.len(), good.len());
                let diagnostic = Diagnostic::new(Code::NotUtf8, at, "the file is not UTF-8 from here on")
                    .help("save it as UTF-8; any other bytes are written as `0x..` literals");
                Err(Diagnostics::of(vec![source], vec![diagnostic]))
            }
        }
    }

    /// Line from 1 and column in characters from 1 of a byte offset.
    #[must_use]
    pub fn line_column(&self, offset: usize) -> (u32, u32) {
        let before = self.text.get(..floor(&self.text, offset)).unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        (line as u32 + 1, column as u32 + 1)
    }
}

/// The nearest border of a character at or before an offset.
pub(super) fn floor(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// A stretch of one source, in bytes. Any two are equal, so that trees compare by what they say and not by where it stands.
#[derive(Debug, Clone, Copy, Default)]
pub struct Span {
    /// Index of the source.
    pub file: u16,
    /// First byte.
    pub start: u32,
    /// Byte after the last.
    pub end: u32,
}

impl PartialEq for Span {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Span {}

impl Span {
    /// From one byte to before another, in the first source.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        Self { file: 0, start: start as u32, end: end as u32 }
    }

    /// From the start of this to the end of another.
    #[must_use]
    pub const fn to(self, other: Self) -> Self {
        Self { file: self.file, start: self.start, end: if other.end > self.end { other.end } else { self.end } }
    }
}
