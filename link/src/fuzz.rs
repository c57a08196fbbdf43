//! Any bytes against an endpoint.

use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use crate::aead::{Aead, Plain, SessionKeys};
use crate::config::Config;
use crate::deliver::Deliver;
use crate::endpoint::{Endpoint, KeptFor, PeerInfo};
use crate::frame::{Binding, Header, Kind, header_bytes, nonce, overhead_bytes};

struct Count(u64);

impl Deliver for Count {
    fn ekk(&mut self, _: u32, _: &[u8]) {
        self.0 += 1;
    }

    fn projection(&mut self, _: u32, _: u8, _: u64, _: u64, _: &[u8]) {
        self.0 += 1;
    }

    fn command(&mut self, _: u32, _: u8, seq: u64, _: &[u8]) -> bool {
        self.0 += 1;
        !seq.is_multiple_of(3)
    }
}

/// Takes datagrams of any content: as they come, where nothing may change, and as the content of a frame that is sealed
/// rightly, so that everything behind the tag is reached too. Returns how many were taken.
///
/// # Panics
/// A rule is broken: an unproven datagram changed the state.
#[must_use]
pub fn fuzz_frame(bytes: &[u8]) -> u64 {
    const CLUSTER: u64 = 1;
    let key = || SessionKeys { send: Plain::new(1), receive: Plain::new(2) };
    let config = Config { max_sessions: 1, max_parked: 0, max_edges: 2, ..Config::new(CLUSTER, 1, 11) };
    let Ok(mut end) = Endpoint::new(config) else { return 0 };
    let from = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1));
    let peer = PeerInfo { id: 2, boot_id: 12, epoch: 1, wire_version: 2, address: None, kept_for: KeptFor::RECENT };
    let mut count = Count(0);
    let installed = end.install(0, peer, key());
    assert!(installed.is_ok(), "an empty table takes a session");
    let _ = end.send_command(0, 2, 0, b"open");
    end.poll(0, |_, _, _| {});
    let before = end.state_hash();
    let proven = end.receive(1, from, &mut bytes.to_vec(), &mut count).map_err(|reason| reason.is_unproven());
    assert!(proven != Err(true) || end.state_hash() == before, "an unproven datagram changed the state");
    let binding = Binding::new(CLUSTER, (2, 12), (1, 11), 1);
    let (mut rest, mut sequence) = (bytes, 1);
    // Pieces: kind and version, length, content.
    while let [what, length, after @ ..] = rest {
        let (content, later) = after.split_at(usize::from(*length).min(after.len()));
        rest = later;
        sequence += 1;
        let version = 1 + (what >> 7);
        let kind = Kind::ALL[usize::from(what & 127) % Kind::ALL.len()];
        let (cluster, boots) = (crate::frame::fold_cluster(CLUSTER), crate::frame::fold_boots(12, 11));
        let header = Header { version, kind, epoch: 1, phase: *what, sender: 2, cluster, boots, sequence, round: 7 };
        let mut frame = vec![0; overhead_bytes(version) + content.len()];
        let (at, end_of) = (header.encode(&mut frame), header_bytes(version) + content.len());
        frame[at..end_of].copy_from_slice(content);
        let associated = binding.associated(&frame[..at]);
        let tag = Plain::new(2).seal(&nonce(sequence), associated.bytes(), &mut frame[at..end_of]);
        frame[end_of..].copy_from_slice(&tag);
        count.0 += u64::from(end.receive(sequence, from, &mut frame, &mut count).is_ok());
        end.poll_deliver(sequence, &mut count);
        end.poll(sequence, |_, _, _| {});
    }
    end.poll(u64::MAX, |_, _, _| {});
    count.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::fuzz_frame;
    use crate::command::{Ack, Command};
    use crate::frame::Kind;
    use crate::projection::Segment;

    fn piece(kind: Kind, content: &[&[u8]]) -> Vec<u8> {
        let content = content.concat();
        [&[128 | (kind as u8 - 1), content.len() as u8], &content[..]].concat()
    }

    fn good() -> Vec<u8> {
        let part = [7; 50];
        let segment = |index| Segment { edge: 1, index, count: 2, total: 100, boot: 3, seq: 4, bytes: &part }.head();
        let command = Command { generation: 1, unsettled: false, stream: 1, seq: 1, bytes: b"abc" }.head();
        let ack = Ack { generation: 1, lost: false, taken: 1, arrived: 0 }.encode();
        [
            piece(Kind::Ekk, &[b"hello"]),
            piece(Kind::Projection, &[&segment(0), &part]),
            piece(Kind::Projection, &[&segment(1), &part]),
            piece(Kind::Command, &[&command, b"abc"]),
            piece(Kind::Ack, &[&ack]),
            piece(Kind::Ping, &[&[0; 8]]),
            piece(Kind::Heartbeat, &[&[1; 8]]),
        ]
        .concat()
    }

    #[test]
    fn the_entry_reaches_what_is_behind_the_tag() {
        // Seven taken; message, projection and command delivered.
        assert_eq!(fuzz_frame(&good()), 10);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = fuzz_frame(&bytes);
        }

        #[test]
        fn near_misses_are_survived(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
            let mut bytes = good();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let _ = fuzz_frame(&bytes);
        }
    }
}
