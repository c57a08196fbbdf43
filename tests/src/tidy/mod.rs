//! The rules of the house that can be checked by reading the source, so that they are a test and not a review remark.
//!
//! [`source`] tells code from comments and strings, [`tree`] finds every file and whether it is reachable from a crate root,
//! [`rules`] are the checks of single files, [`ratchet`] the lengths, [`requirements`] ties requirement ids to code and tests,
//! [`licences`] holds dependencies against `deny.toml`. Every rule is a function from text to findings, so that each is
//! itself tested on small good and bad inputs.

pub mod licences;
pub mod ratchet;
pub mod requirements;
pub mod rules;
pub mod source;
pub mod tree;

use std::fmt;
use std::path::PathBuf;

/// Something a rule objects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// File, relative to the root of the repository.
    pub path: String,
    /// Line, from 1; 0 when the finding is about the whole file.
    pub line: usize,
    /// What is wrong and what to do instead.
    pub what: String,
}

impl Finding {
    /// A finding at a line.
    #[must_use]
    pub fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// The root of the repository.
#[must_use]
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests crate lies one below the root").to_owned()
}

/// Fails the calling test with all findings, one a line.
///
/// # Panics
/// When there are findings.
pub fn none(findings: &[Finding]) {
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} findings:\n{}", lines.len(), lines.join("\n"));
}
