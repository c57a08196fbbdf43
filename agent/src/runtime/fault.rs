//! A fault put in on purpose, so that tests see what the real binary does then: `TREFOIL_FAULT="panic:NAME after SECONDSs"` in
//! the environment makes the thread of torus `NAME` panic so long after the start. Only in builds with debug assertions; a
//! release build does not look.

use std::time::Duration;

/// Name of the variable.
pub const VARIABLE: &str = "TREFOIL_FAULT";

/// A torus that is to panic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its name.
    pub torus: String,
    /// How long after the start.
    pub after: Duration,
}

impl Fault {
    /// What the environment asks for; nothing in a release build.
    #[must_use]
    pub fn from_env() -> Option<Self> {
        if cfg!(debug_assertions) { std::env::var(VARIABLE).ok().and_then(|text| Self::parse(&text)) } else { None }
    }

    fn parse(text: &str) -> Option<Self> {
        let (torus, after) = text.strip_prefix("panic:")?.split_once(" after ")?;
        let seconds = after.strip_suffix('s')?.parse().ok()?;
        Some(Self { torus: torus.to_owned(), after: Duration::from_secs(seconds) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_one_kind_of_sentence() {
        let fault = Fault { torus: "B".to_owned(), after: Duration::from_secs(2) };
        assert_eq!(Fault::parse("panic:B after 2s"), Some(fault));
        for text in ["", "panic:B", "panic:B after 2", "hang:B after 2s", "panic:B after -1s"] {
            assert_eq!(Fault::parse(text), None, "{text}");
        }
    }
}
