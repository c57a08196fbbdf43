//! Bare shared words in a named file, for programs that lay links into memory themselves (benchmarks, testbeds).

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::atomic::AtomicU64;

use super::{Backing, MapError, Mapping, Pages};

/// A file mapped as words by every process that opens it.
#[derive(Debug)]
pub struct SharedWords {
    mapping: Mapping,
}

impl SharedWords {
    /// Makes a zeroed file of at least `bytes` that must not exist yet, and maps it.
    ///
    /// # Errors
    /// [`MapError`] when the file exists, cannot be made or cannot be mapped.
    pub fn create(path: &Path, bytes: usize, asked: Pages) -> Result<Self, MapError> {
        let made = OpenOptions::new().read(true).write(true).create_new(true).open(path);
        let file = made.map_err(|source| MapError::Refused { bytes, source })?;
        Ok(Self { mapping: Mapping::file(file, path, bytes, asked, true, false)? })
    }

    /// Maps the whole of an existing file.
    ///
    /// # Errors
    /// [`MapError`] when it cannot be opened or mapped.
    pub fn open(path: &Path) -> Result<Self, MapError> {
        let open = || -> std::io::Result<(File, usize)> {
            let file = OpenOptions::new().read(true).write(true).open(path)?;
            let bytes = usize::try_from(file.metadata()?.len()).map_err(std::io::Error::other)?;
            Ok((file, bytes))
        };
        let (file, bytes) = open().map_err(|source| MapError::Refused { bytes: 0, source })?;
        Ok(Self { mapping: Mapping::file(file, path, bytes, Pages::Base, false, false)? })
    }

    /// The words.
    #[must_use]
    pub fn words(&self) -> &[AtomicU64] {
        self.mapping.words()
    }

    /// What the mapping got and why.
    #[must_use]
    pub fn backing(&self) -> &Backing {
        self.mapping.backing()
    }
}
