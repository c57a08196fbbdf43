//! `trefoil avm` as a person types it: the real binary, its exit codes, what it prints and where.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

#[path = "avm/alone.rs"]
mod alone;
#[path = "avm/files.rs"]
mod files;
#[path = "avm/node.rs"]
mod node;

use std::path::Path;
use std::process::Output;
use std::time::Duration;

/// Longest one test may take on a busy machine; a hang guard, not a promise.
const LIMIT: Duration = Duration::from_secs(600);

/// What a command said, and its exit code.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn new(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// It ended with this exit code and said all of these, wherever.
    #[track_caller]
    fn with(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        for word in words {
            assert!(self.out.contains(word) || self.err.contains(word), "no {word:?}: {self:#?}");
        }
        self
    }

    /// Its standard output as JSON.
    #[track_caller]
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// `trefoil avm` with these words behind it.
fn avm(words: &[&str]) -> Said {
    let all: Vec<&str> = std::iter::once("avm").chain(words.iter().copied()).collect();
    Said::new(&trefoil_tests::harness::node::trefoil(&all))
}

/// The path of a file as a word.
fn word(path: &Path) -> String {
    path.display().to_string()
}
