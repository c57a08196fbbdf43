use std::vec::Vec;

use proptest::prelude::*;

use super::*;

fn id() -> impl Strategy<Value = u8> {
    1_u8..255
}

fn state() -> impl Strategy<Value = ModuleState> {
    (0_usize..7).prop_map(|i| ModuleState::ALL[i])
}

fn message() -> impl Strategy<Value = Message> {
    let kind = prop_oneof![0_u8..5, 16_u8..20].prop_map(|raw| ProposalKind::from_raw(raw).expect("in range"));
    let heartbeat =
        (id(), any::<[u8; 5]>(), state()).prop_map(|(sender, [sequence, tracked, load, thermal, flags], state)| {
            Message::Heartbeat { sender, sequence, state, tracked, load, thermal, flags }
        });
    let discovery = (id(), any::<[i16; 3]>(), any::<u8>(), state(), any::<u16>()).prop_map(
        |(sender, position, neighbours, state, sequence)| Message::Discovery {
            sender,
            position,
            neighbours,
            state,
            sequence,
        },
    );
    let proposal =
        (id(), 1_u16.., kind, any::<u32>(), 1..=65_536).prop_map(|(proposer, ballot, kind, data, threshold)| {
            Message::Proposal { proposer, ballot, kind, data, threshold: Q16(threshold) }
        });
    let vote = (id(), id(), 1_u16.., 0_usize..4, any::<u32>()).prop_map(|(voter, proposer, ballot, vote, stamp)| {
        Message::Vote { voter, proposer, ballot, vote: Vote::ALL[vote], stamp }
    });
    let inhibit = (id(), 1_u16.., any::<u32>()).prop_map(|(proposer, ballot, stamp)| Message::Inhibit {
        proposer,
        ballot,
        stamp,
    });
    let quarantine = (id(), 1_u16.., id(), 1_u8..5, any::<[u8; 4]>(), 1_u8..4).prop_map(
        |(proposer, ballot, suspect, evidence, digest, witnesses)| Message::Quarantine {
            proposer,
            ballot,
            suspect,
            evidence,
            digest,
            witnesses,
        },
    );
    prop_oneof![heartbeat, discovery, proposal, vote, inhibit, quarantine]
}

fn sender(message: &Message) -> u8 {
    match *message {
        Message::Heartbeat { sender, .. } | Message::Discovery { sender, .. } => sender,
        Message::Proposal { proposer, .. }
        | Message::Inhibit { proposer, .. }
        | Message::Quarantine { proposer, .. } => proposer,
        Message::Vote { voter, .. } => voter,
    }
}

fn encoded(message: &Message) -> (Envelope, Vec<u8>) {
    let mut bytes = [0; ENCODED_MAX];
    let length = message.encode(&mut bytes).expect("long enough");
    (Envelope { sender: sender(message), kind: message.kind() }, bytes[..length].to_vec())
}

/// The table of section 9, byte by byte.
#[test]
fn messages_have_the_bytes_of_the_table() {
    let table: [(Message, &[u8]); 6] = [
        (
            Message::Heartbeat {
                sender: 9,
                sequence: 200,
                state: ModuleState::Active,
                tracked: 7,
                load: 0,
                thermal: 0,
                flags: 0,
            },
            &[1, 9, 200, 2, 7, 0, 0, 0],
        ),
        (
            Message::Discovery {
                sender: 9,
                position: [1, -2, 300],
                neighbours: 4,
                state: ModuleState::Active,
                sequence: 0x0102,
            },
            &[2, 9, 1, 0, 0xFE, 0xFF, 0x2C, 1, 4, 2, 2, 1],
        ),
        (
            Message::Proposal {
                proposer: 5,
                ballot: 0x0304,
                kind: ProposalKind::Custom(3),
                data: 42,
                threshold: Q16(43_908),
            },
            &[4, 5, 4, 3, 19, 42, 0, 0, 0, 0x84, 0xAB, 0, 0],
        ),
        (
            Message::Vote { voter: 8, proposer: 5, ballot: 1, vote: Vote::No, stamp: 0x0102_0304 },
            &[5, 8, 5, 1, 0, 2, 4, 3, 2, 1],
        ),
        (Message::Inhibit { proposer: 5, ballot: 258, stamp: 7 }, &[6, 5, 2, 1, 7, 0, 0, 0]),
        (
            Message::Quarantine { proposer: 5, ballot: 1, suspect: 3, evidence: 2, digest: [9, 8, 7, 6], witnesses: 3 },
            &[4, 5, 1, 0, 3, 2, 9, 8, 7, 6, 3, 0],
        ),
    ];
    for (message, bytes) in table {
        let (envelope, written) = encoded(&message);
        assert_eq!(written, bytes, "{message:?}");
        assert_eq!(Message::decode(envelope, bytes), Ok(message));
        assert_eq!(message.encode(&mut [0; 7]), None, "too short a buffer");
    }
}

/// Every check by name; the one that refuses is counted, and only that one (ekk:P19, ekk:D-21).
#[test]
fn what_is_no_message_is_refused_by_name() {
    let beat = [1, 9, 0, 2, 0, 0, 0, 0];
    let proposal = [4, 9, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
    let vote = [5, 9, 5, 1, 0, 1, 0, 0, 0, 0];
    let with = |bytes: &[u8], at: usize, value: u8| {
        let mut changed = bytes.to_vec();
        changed[at] = value;
        changed
    };
    let cases = [
        (9, 1, beat[..7].to_vec(), Refused::Length),
        (9, 1, with(&beat, 0, 2), Refused::Kind),
        (8, 1, beat.to_vec(), Refused::Identity),
        (0, 1, with(&beat, 1, 0), Refused::Id),
        (255, 1, with(&beat, 1, 255), Refused::Id),
        (9, 1, with(&beat, 3, 7), Refused::Number),
        (9, 4, with(&proposal, 4, 5), Refused::Number),
        (9, 4, with(&proposal, 9, 0), Refused::Threshold),
        (9, 4, with(&proposal, 11, 1), Refused::Threshold),
        (9, 4, with(&proposal, 12, 0x80), Refused::Threshold),
        (9, 4, with(&proposal, 2, 0), Refused::Ballot),
        (9, 5, with(&vote, 5, 4), Refused::Number),
        (9, 5, with(&vote, 2, 0), Refused::Id),
        (8, 5, vote.to_vec(), Refused::Identity),
        (9, 3, beat.to_vec(), Refused::Unused),
        (9, 8, beat.to_vec(), Refused::Unused),
        (9, 0x80, beat.to_vec(), Refused::Application),
        (9, 9, beat.to_vec(), Refused::Unknown),
    ];
    for (sender, kind, bytes, reason) in cases {
        let mut counted = Counted::default();
        assert_eq!(counted.decode(Envelope { sender, kind }, &bytes), Err(reason), "{kind} {bytes:?}");
        assert_eq!(counted.count(reason), 1);
        assert_eq!(counted.refused.iter().sum::<u32>(), 1);
        assert!(!reason.text().is_empty());
    }
}

proptest! {
    /// ekk:P19: what was written is read again; cut short, too long, of another kind or of another sender it is refused.
    #[test]
    fn p19_round_trip(message in message(), longer in 0_u8..4, other in id()) {
        let (envelope, bytes) = encoded(&message);
        prop_assert_eq!(Message::decode(envelope, &bytes), Ok(message));
        for length in 0..bytes.len() {
            // Twelve bytes of a proposal may be read as one of quarantine, never as the proposal.
            prop_assert_ne!(Message::decode(envelope, &bytes[..length]), Ok(message));
            if length != 12 {
                prop_assert_eq!(Message::decode(envelope, &bytes[..length]), Err(Refused::Length));
            }
        }
        let mut extended = bytes.clone();
        extended.extend(std::iter::repeat_n(0, usize::from(longer) + 2));
        prop_assert_eq!(Message::decode(envelope, &extended), Err(Refused::Length));
        if other != envelope.sender && !matches!(message, Message::Inhibit { .. }) {
            prop_assert_eq!(Message::decode(Envelope { sender: other, ..envelope }, &bytes), Err(Refused::Identity));
        }
        let mut relabelled = bytes;
        relabelled[0] ^= 8;
        prop_assert_eq!(Message::decode(envelope, &relabelled), Err(Refused::Kind));
    }

    /// ekk:P19: arbitrary bytes never panic, and what is read from them writes back.
    #[test]
    fn p19_arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..66), kind in 0_u8..10) {
        fuzz_v0(&bytes);
        if let [_, rest @ ..] = bytes.as_slice() {
            let mut shaped = std::vec![rest.first().copied().unwrap_or(1), kind];
            shaped.extend_from_slice(rest);
            fuzz_v0(&shaped);
        }
    }
}
