//! Evidence and what it does: quarantine, equivocation, and what is no evidence.

use std::vec::Vec;

use super::super::evidence::{Unsound, WITNESSES_MAX};
use super::*;

/// `ekk:D-26`: evidence travels, is checked by each voter, the suspect has no word, and the decision acts. Without evidence the
/// operator is asked.
#[test]
fn d26_a_quarantine_needs_evidence_and_acts() {
    let ids = [1, 2, 3, 4];
    let listed: Vec<NodeId> = ids.iter().map(|raw| id(*raw)).collect();
    let rules = product_rules().with_voters(&listed);
    let mut net = Net::new(rules, &ids);
    let suspect = id(4);
    let some = BallotKey { proposer: id(1), boot_inc: 1, number: 50 };
    let word = |vote| {
        let text = wire::vote_text(1, some, 7, suspect, vote);
        Witness::new(&text, mac(suspect, &text))
    };
    let evidence = Evidence::equivocation(suspect, word(Vote::Yes), word(Vote::No));
    let name = net.nodes.get_mut(&1).unwrap().submit_evidence(&evidence);
    let mut proposal = Proposal::new(Kind::Quarantine, Scope::Cluster, 4, Threshold::TwoThirds);
    proposal.evidence = name;
    let key = net.propose(1, proposal).unwrap();
    assert_eq!(net.nodes[&1].ballots().next().unwrap().voters, [id(1), id(2), id(3)]);
    net.settle(&mut Rng::new(3), 0, 0, Time::from_ms(2_000));
    for me in ids {
        let node = net.nodes.get_mut(&me).unwrap();
        assert_eq!(node.outcome(key), Some(Outcome::Approved), "node {me}");
        assert_eq!(node.take_act(), Some((Kind::Quarantine, suspect)), "node {me}");
        assert_eq!(node.take_act(), None);
    }
    // Without evidence nobody agrees by itself.
    proposal.evidence = 0;
    let key = net.propose(1, proposal).unwrap();
    net.settle(&mut Rng::new(3), 0, 0, net.now.after(Span::from_ms(500)));
    assert_eq!(net.nodes[&2].ballots().find(|view| view.key == key).unwrap().own, OwnVote::Ask);
    let mut out = Out::default();
    let now = net.now;
    let node = net.nodes.get_mut(&2).unwrap();
    node.vote(now, being(2), &[], key, Vote::Yes, &mut Keys(id(2)), &mut out).unwrap();
    assert_eq!(node.vote(now, being(2), &[], key, Vote::No, &mut Keys(id(2)), &mut out), Err(Refused::Given));
    net.collect(2, out);
    net.settle(&mut Rng::new(3), 0, 0, now.after(Span::from_ms(300)));
    assert_eq!(net.nodes[&1].outcome(key), None, "two of a list of four are no majority");
    let (mut out, now) = (Out::default(), net.now);
    net.nodes.get_mut(&3).unwrap().vote(now, being(3), &[], key, Vote::Yes, &mut Keys(id(3)), &mut out).unwrap();
    net.collect(3, out);
    net.settle(&mut Rng::new(3), 0, 0, now.after(Span::from_ms(300)));
    assert_eq!(net.nodes[&1].outcome(key), Some(Outcome::Approved));
    // The evidence has to be about the node the ballot names, and has to be there.
    proposal.evidence = name;
    proposal.value = 3;
    assert_eq!(net.propose(1, proposal), Err(Refused::Evidence(Unsound::Suspect)));
    proposal.evidence = 99;
    assert_eq!(net.propose(1, proposal), Err(Refused::Evidence(Unsound::Missing)));
    proposal.value = 1;
    assert_eq!(net.propose(1, proposal), Err(Refused::Suspect));
}

/// Two different signed votes of one voter become evidence by themselves.
#[test]
fn an_equivocating_voter_is_caught() {
    let mut proposer = machine(product_rules(), 5, &[1, 2, 3]);
    let (key, _) = open(&mut proposer, Time::ZERO, local(Kind::Mode, 1, Threshold::All)).unwrap();
    let content =
        proposer.ballots().next().map(|view| view.proposal.digest(key, electorate_digest(view.voters))).unwrap();
    let signed = |vote| wire::Answer::Vote(vote, mac(id(1), &wire::vote_text(1, key, content, id(1), vote)));
    give(&mut proposer, Time::ZERO, 1, key, signed(Vote::Yes)).unwrap();
    assert_eq!(give(&mut proposer, Time::ZERO, 1, key, signed(Vote::No)), Err(Ignored::Duplicate));
    let evidence = proposer.newest_evidence().unwrap();
    assert_eq!(evidence.verify(1, id(1), id(5), 2, &mut Keys(id(9))), Ok(()));
    assert_eq!((proposer.tallies().equivocations, tally(&proposer, key)), (1, (2, 2)), "the first word counts");
    let forged = wire::Answer::Vote(Vote::No, Signature::EMPTY);
    give(&mut proposer, Time::ZERO, 2, key, forged).unwrap_err();
    assert_eq!(proposer.tallies().equivocations, 1);
}

/// `ekk:N13`: what is no evidence, in the seed's form and in ours.
#[test]
fn n13_what_is_no_evidence() {
    let seed = |kind: u8, suspect: u8, witnesses: [u8; 3], count: u8, data: [u64; 3]| {
        let mut bytes = [0; 40];
        (bytes[0], bytes[1], bytes[5]) = (kind, suspect, count);
        bytes[2..5].copy_from_slice(&witnesses);
        for (at, word) in data.iter().enumerate() {
            bytes[6 + at * 8..14 + at * 8].copy_from_slice(&word.to_le_bytes());
        }
        seed_verify(&bytes)
    };
    let hashes = |a: u64, b: u64| [a << 32, a >> 32 | b << 32, b >> 32];
    assert!(seed(1, 9, [1, 2, 3], 3, hashes(7, 8)));
    assert!(!seed(1, 9, [1, 2, 3], 3, hashes(7, 7)), "equal hashes");
    assert!(seed(3, 9, [1, 0, 0], 1, [100, 151, 50]) && !seed(3, 9, [1, 0, 0], 1, [100, 150, 50]), "the bound itself");
    assert!(!seed(2, 9, [1, 2, 3], 3, [1, 2, 3]), "an authenticator nobody can check");
    assert!(!seed(1, 9, [9, 2, 3], 3, hashes(7, 8)), "the suspect as witness");
    assert!(!seed(1, 9, [1, 2, 3], 0, hashes(7, 8)), "no witness");
    assert!(!seed(1, 9, [1, 1, 3], 3, hashes(7, 8)), "one witness twice");
    assert!(!seed(1, 9, [1, 2, 3], 4, hashes(7, 8)), "more witnesses than places");
    // Ours: signed, distinct, enough.
    let statement = Statement::Transition(2, 5, !(1 << 21));
    let stated = |who: &[u32]| {
        let mut witnesses = [(NodeId::NONE, Signature::EMPTY); WITNESSES_MAX];
        for (at, raw) in who.iter().enumerate() {
            witnesses[at] = (id(*raw), mac(id(*raw), &statement.text(1, id(9))));
        }
        Evidence::Stated { suspect: id(9), statement, witnesses, count: who.len() as u8 }
    };
    let check = |evidence: &Evidence| evidence.verify(1, id(9), id(1), 2, &mut Keys(id(50)));
    assert_eq!(check(&stated(&[2, 3])), Ok(()));
    assert_eq!(check(&stated(&[2])), Err(Unsound::TooFew { have: 1, need: 2 }));
    assert_eq!(check(&stated(&[2, 2])), Err(Unsound::Witness(id(2))));
    assert_eq!(check(&stated(&[2, 9])), Err(Unsound::Witness(id(9))));
    assert_eq!(check(&stated(&[2, 1])), Err(Unsound::Witness(id(1))), "the proposer");
    assert_eq!(
        stated(&[2, 3]).verify(2, id(9), id(1), 2, &mut Keys(id(50))),
        Err(Unsound::Signature(id(2))),
        "another cluster"
    );
    let mut buffer = [0; wire::EVIDENCE_BYTES_MAX];
    let n = stated(&[2, 3, 4, 5, 6, 7, 8, 10]).encode(&mut buffer).unwrap();
    assert_eq!(Evidence::decode(&buffer[..n]), Ok(stated(&[2, 3, 4, 5, 6, 7, 8, 10])));
    for cut in 0..n {
        assert!(Evidence::decode(&buffer[..cut]).is_err());
    }
}
