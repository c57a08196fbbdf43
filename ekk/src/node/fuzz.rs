//! Hostile bytes as messages: whatever arrives, a node neither panics nor leaves its rules.

use super::{Founders, NodeConfig, SmallNode};
use crate::fixed::Q16;
use crate::id::{Identity, NodeId};
use crate::membership::MemberRecord;
use crate::profile::{Preset, Profile};
use crate::sign::{Crypto, Signature, Verdict};
use crate::sink::Nowhere;
use crate::time::{Span, Time};

/// Every signature is good: hostile bytes get as far as they can.
struct Trusting;

impl Crypto for Trusting {
    fn sign(&mut self, _: &[u8]) -> Signature {
        Signature::EMPTY
    }

    fn verify(&mut self, _: NodeId, _: &[u8], _: &Signature) -> Verdict {
        Verdict::Good
    }

    fn admit(&mut self, _: &MemberRecord) -> Verdict {
        Verdict::Good
    }
}

fn member(raw: u32) -> MemberRecord {
    MemberRecord::bare(Identity { id: NodeId::from_raw(raw), boot_inc: 1, life: 0 })
}

/// Reads a script from `bytes`: for each message a length, a sender and flags, then its bytes. With the first flag the header is
/// made right, so that the body is reached; with the second a tick comes first.
///
/// # Panics
/// When the node breaks one of its rules: that is what a fuzzer looks for.
pub fn fuzz_node(bytes: &[u8]) {
    let ids = [NodeId::from_raw(1), NodeId::from_raw(2), NodeId::from_raw(3)];
    let Ok(founders) = Founders::new(&ids) else { return };
    let (profile, bytes) = match bytes.split_first() {
        Some((&first, rest)) if first & 0x80 != 0 => (Profile::Seed, rest),
        _ => (Profile::Product, bytes),
    };
    let config = NodeConfig { profile, ..NodeConfig::new(7, Preset::Fast, founders) };
    let Ok(mut node) = SmallNode::new(config, member(1), 1) else { return };
    let mut now = Time::from_ms(1);
    node.start(now, &mut Nowhere);
    let mut others = [member(2), member(3)].into_iter();
    // Half of the scripts run before the cluster has formed.
    if bytes.len() % 2 == 0 {
        let _ = node.adopt(now, &mut others, config.formation(1), &mut Trusting, &mut Nowhere);
    }
    node.set_component(0, Q16::ONE);
    let mut rest = bytes;
    while let [length, sender, flags, tail @ ..] = rest {
        let length = usize::from(*length).min(tail.len());
        let (body, next) = tail.split_at(length);
        rest = next;
        let from = u32::from(sender % 6);
        let mut message = [0; 272];
        let message = &mut message[..length];
        message.copy_from_slice(body);
        if flags & 1 != 0 && length >= 16 && profile == Profile::Product {
            message[0] = 1;
            message[2..6].copy_from_slice(&from.to_le_bytes());
            message[6..10].copy_from_slice(&1_u32.to_le_bytes());
        }
        if flags & 2 != 0 {
            now = now.after(Span::from_us(u64::from(flags >> 2) * 1_000));
            let _ = node.tick(now, &mut Trusting, &mut Nowhere);
        }
        let total = node.drops().total();
        let taken = node.receive(now, NodeId::from_raw(from), message, &mut Trusting, &mut Nowhere);
        assert_eq!(node.drops().total(), total + u64::from(taken.is_err()), "each refusal is counted once");
    }
    let near = node.neighbours(now).count();
    assert!(near <= usize::from(node.config().k), "never more neighbours than wanted");
    assert!(node.neighbours(now).all(|neighbour| neighbour.id != node.identity().id), "never its own neighbour");
}
