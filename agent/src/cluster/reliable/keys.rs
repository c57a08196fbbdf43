//! Keys of the fast plane: out of the TLS session, so that whoever was not in the handshake cannot have them.

use quinn::Connection;

use super::hello::{SUITE_AES, SUITE_CHACHA};
use crate::cluster::bridge::{KEY_BYTES, Keys, Suite};
use crate::config::cluster::Cipher;

const LABEL: &[u8] = b"trefoil fast plane 1";

/// One end of a session, as keys depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Number of the node.
    pub node: u32,
    /// Boot id of its fast plane.
    pub boot_id: u64,
}

/// What the exporter is asked with: epoch, both boots in the order of the numbers, and who sends.
#[must_use]
pub fn context(epoch: u32, from: End, to: End) -> [u8; 21] {
    let upward = from.node < to.node;
    let (low, high) = if upward { (from, to) } else { (to, from) };
    let mut bytes = [0; 21];
    bytes[..4].copy_from_slice(&epoch.to_le_bytes());
    bytes[4..12].copy_from_slice(&low.boot_id.to_le_bytes());
    bytes[12..20].copy_from_slice(&high.boot_id.to_le_bytes());
    bytes[20] = u8::from(upward);
    bytes
}

/// The keys of an epoch; `None` if the TLS session does not give any, which it does once it stands.
#[must_use]
pub fn export(connection: &Connection, suite: Suite, epoch: u32, me: End, peer: End) -> Option<Keys> {
    let take = |from, to| {
        let mut key = [0; KEY_BYTES];
        connection.export_keying_material(&mut key, LABEL, &context(epoch, from, to)).ok().map(|()| key)
    };
    Some(Keys { suite, send: take(me, peer)?, receive: take(peer, me)? })
}

/// What this host takes, bits, for a wish in the configuration.
#[must_use]
pub fn suites(wish: Cipher, has_aes: bool) -> u8 {
    match wish {
        Cipher::Aes128Gcm => SUITE_AES,
        Cipher::ChaCha20Poly1305 => SUITE_CHACHA,
        Cipher::Auto if has_aes => SUITE_AES | SUITE_CHACHA,
        Cipher::Auto => SUITE_CHACHA,
    }
}

/// Whether this processor has AES instructions.
#[must_use]
pub fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    false
}

/// The cipher both take, AES first.
#[must_use]
pub fn common(ours: u8, theirs: u8) -> Option<Suite> {
    match ours & theirs {
        both if both & SUITE_AES != 0 => Some(Suite::Aes128Gcm),
        both if both & SUITE_CHACHA != 0 => Some(Suite::ChaCha20Poly1305),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ends ask the exporter the same for one direction, and never the same for two directions, epochs or boots.
    #[test]
    fn contexts_are_agreed_and_differ() {
        let (a, b) = (End { node: 1, boot_id: 11 }, End { node: 2, boot_id: 22 });
        assert_eq!(context(1, a, b), context(1, a, b));
        let all = [
            context(1, a, b),
            context(1, b, a),
            context(2, a, b),
            context(1, End { boot_id: 12, ..a }, b),
            context(1, a, End { boot_id: 23, ..b }),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(all[..at].iter().all(|other| other != one), "{at}");
        }
    }

    #[test]
    fn ciphers_are_agreed() {
        let auto = suites(Cipher::Auto, true);
        assert_eq!(common(auto, auto), Some(Suite::Aes128Gcm));
        assert_eq!(common(auto, suites(Cipher::Auto, false)), Some(Suite::ChaCha20Poly1305));
        assert_eq!(common(suites(Cipher::Aes128Gcm, false), suites(Cipher::ChaCha20Poly1305, true)), None);
    }
}
