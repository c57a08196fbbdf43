//! What the tests of the bootstrap share.
#![allow(dead_code, reason = "each test binary uses a part")]

use ekk::bootstrap::Output;
use ekk::id::NodeId;

/// An id, zero included: the seed's vectors use it.
pub const fn id(raw: u32) -> NodeId {
    NodeId::from_raw(raw)
}

/// An output in the words of the specification, without its peer.
pub fn short(output: &Output) -> String {
    match output {
        Output::Late(count) => format!("late({count})"),
        Output::LateAgain(count) => format!("late-again({count})"),
        other => {
            let mut text = String::new();
            for c in format!("{other:?}").chars().take_while(|&c| c != '(') {
                if c.is_ascii_uppercase() && !text.is_empty() {
                    text.push('-');
                }
                text.push(c.to_ascii_lowercase());
            }
            text
        }
    }
}
