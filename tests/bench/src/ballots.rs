//! Whole ballots of eight voters, from the proposal to the free slot, repeated.

use std::hint::black_box;

use ekk::consensus::{Consensus, Kind, Outcome, Proposal, Rules, Scope, Threshold, Vote};
use ekk::id::{Identity, NodeId};
use ekk::membership::MemberRecord;
use ekk::profile::{Preset, Profile, Timing};
use ekk::sign::{Crypto, Signature, Verdict};
use ekk::sink::Nowhere;
use ekk::time::{Span, Time};
use ekk::wire::v1::Header;
use ekk::wire::v1::consensus::{Answer, VOTE, encode_answer};

/// Signs nothing and believes everything: what is counted is the ballot.
struct NoKeys;

impl Crypto for NoKeys {
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

fn being(raw: u32) -> Identity {
    Identity { id: NodeId::from_raw(raw), boot_inc: 1, life: 0 }
}

/// Opens `count` ballots one after the other, each approved by five of eight.
pub fn run(count: u64) {
    let rules = Rules::new(Profile::Product, 1, Timing::preset(Preset::Lan), 7);
    let me = being(1);
    let mut machine = Consensus::new(rules, me.id, 1);
    machine.set_electorate((2..=8).map(NodeId::from_raw));
    machine.set_known(8);
    let mut now = Time::from_ms(1_000_000);
    for round in 0..count {
        let proposal = Proposal::new(Kind::Custom(0), Scope::Local, round as u32, Threshold::MoreThanHalf);
        let key = machine.propose(now, me, &[], proposal, &mut NoKeys, &mut Nowhere).expect("a slot is free");
        for voter in 2..=6 {
            let mut buffer = [0; 256];
            let header = Header { kind: VOTE, sender: being(voter), sequence: 0 };
            let answer = Answer::Vote(Vote::Yes, Signature::EMPTY);
            let length = encode_answer(&mut buffer, &header, key, &answer).expect("a vote is shorter");
            let (header, body) = Header::decode(&buffer[..length]).expect("what was encoded");
            // The fifth yes may come after the decision.
            let _ = black_box(machine.receive(now, me, &header, body, &[], &mut NoKeys, &mut Nowhere));
        }
        now = now.after(Span::from_ms(1_000));
        machine.tick(now, me, &[], &mut NoKeys, &mut Nowhere);
        assert_eq!(machine.read(key), Some(Outcome::Approved), "five of eight said yes");
    }
}
