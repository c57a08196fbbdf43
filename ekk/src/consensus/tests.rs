//! Ballots over a small made-up network: vectors, defects, properties.

mod evidence;

use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::evidence::{Evidence, Statement, Witness, seed_verify};
use super::*;
use crate::hash::{Rng, digest};
use crate::membership::record::MemberRecord;
use crate::sign::{Signature, Verdict};
use crate::sink::Event;

/// Signs with a keyed digest: good enough for machines that do not know how it is made.
#[derive(Clone)]
struct Keys(NodeId);

fn mac(signer: NodeId, message: &[u8]) -> Signature {
    let mut out = [0; 64];
    let word = digest(message) ^ u64::from(signer.get()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    out[..8].copy_from_slice(&word.to_le_bytes());
    out[8..12].copy_from_slice(&signer.get().to_le_bytes());
    Signature(out)
}

impl Crypto for Keys {
    fn sign(&mut self, message: &[u8]) -> Signature {
        mac(self.0, message)
    }

    fn verify(&mut self, signer: NodeId, message: &[u8], signature: &Signature) -> Verdict {
        if mac(signer, message) == *signature { Verdict::Good } else { Verdict::Bad }
    }

    fn admit(&mut self, _record: &MemberRecord) -> Verdict {
        Verdict::Good
    }
}

#[derive(Default)]
struct Out {
    sent: Vec<(NodeId, Vec<u8>)>,
    decided: Vec<(u32, u32, u8)>,
}

impl Sink for Out {
    fn send(&mut self, to: NodeId, class: Class, bytes: &[u8]) {
        assert_eq!(class, Class::Ballot);
        self.sent.push((to, bytes.to_vec()));
    }

    fn event(&mut self, event: &Event<'_>) {
        if let Event::BallotDecided { proposer, ballot, result } = event {
            self.decided.push((proposer.get(), *ballot, *result));
        }
    }
}

fn id(raw: u32) -> NodeId {
    NodeId::new(raw).unwrap()
}

fn being(raw: u32) -> Identity {
    Identity { id: id(raw), boot_inc: 1, life: 0 }
}

fn machine(rules: Rules, me: u32, electorate: &[u32]) -> Consensus {
    let mut machine = Consensus::new(rules, id(me), 1);
    machine.set_electorate(electorate.iter().map(|raw| NodeId::from_raw(*raw)));
    machine.set_known(64);
    machine
}

fn seed_rules() -> Rules {
    let mut timing = Timing::new(Span::from_ms(10)).unwrap();
    (timing.ballot, timing.inhibition) = (Span::from_ms(50), Span::from_ms(100));
    Rules::new(Profile::Seed, 1, timing, 7)
}

fn product_rules() -> Rules {
    let mut rules = Rules::new(Profile::Product, 1, Timing::preset(crate::profile::Preset::Lan), 7);
    rules.quorum_min = 1;
    rules
}

/// Gives an answer of `voter` to `machine`.
fn give(machine: &mut Consensus, now: Time, voter: u32, key: BallotKey, answer: wire::Answer) -> Result<(), Ignored> {
    let mut buffer = [0; MESSAGE_BYTES_MAX];
    let header = Header { kind: wire::VOTE, sender: being(voter), sequence: 0 };
    let n = wire::encode_answer(&mut buffer, &header, key, &answer).unwrap();
    let (header, body) = Header::decode(&buffer[..n]).unwrap();
    machine.receive(now, being(machine.me.get()), &header, body, &[], &mut Keys(machine.me), &mut Out::default())
}

/// A vote whose signature the seed's rules do not look at.
fn says(machine: &mut Consensus, voter: u32, key: BallotKey, vote: Vote) -> Result<(), Ignored> {
    give(machine, Time::from_ms(1), voter, key, wire::Answer::Vote(vote, Signature::EMPTY))
}

/// What a proposal sent.
type Sent = Vec<(NodeId, Vec<u8>)>;

fn open(machine: &mut Consensus, now: Time, proposal: Proposal) -> Result<(BallotKey, Sent), Refused> {
    let mut out = Out::default();
    let me = being(machine.me.get());
    let key = machine.propose(now, me, &[], proposal, &mut Keys(machine.me), &mut out)?;
    Ok((key, out.sent))
}

fn tick(machine: &mut Consensus, now: Time) -> Out {
    let mut out = Out::default();
    machine.tick(now, being(machine.me.get()), &[], &mut Keys(machine.me), &mut out);
    out
}

const fn local(kind: Kind, value: u32, threshold: Threshold) -> Proposal {
    Proposal::new(kind, Scope::Local, value, threshold)
}

fn tally(machine: &Consensus, key: BallotKey) -> (usize, usize) {
    let view = machine.ballots().find(|view| view.key == key).unwrap();
    let cast = view.votes.iter().flatten();
    (cast.clone().count(), cast.filter(|vote| **vote == Vote::Yes).count())
}

/// `ekk:V1`: four eligible, repeated and strange votes change nothing, the third yes approves.
#[test]
fn v1_a_vote_counts_once_and_strangers_do_not() {
    let mut machine = machine(seed_rules(), 5, &[1, 8, 15]);
    let (key, sent) = open(&mut machine, Time::ZERO, local(Kind::Mode, 1, Threshold::SUPER)).unwrap();
    assert_eq!((sent.len(), tally(&machine, key)), (3, (1, 1)));
    assert_eq!(machine.ballots().next().unwrap().voters.len(), 4);
    assert_eq!(says(&mut machine, 8, key, Vote::Yes), Ok(()));
    assert_eq!(says(&mut machine, 8, key, Vote::Yes), Err(Ignored::Duplicate));
    assert_eq!(says(&mut machine, 22, key, Vote::Yes), Err(Ignored::NotEligible));
    assert_eq!((tally(&machine, key), machine.outcome(key)), ((2, 2), None));
    assert_eq!(says(&mut machine, 15, key, Vote::Yes), Ok(()));
    assert_eq!((tally(&machine, key).1, machine.outcome(key)), (3, Some(Outcome::Approved)));
}

/// `ekk:V8` (the ballot's part): the electorate is the neighbours and the proposer.
#[test]
fn v8_the_electorate_is_the_neighbours_and_the_proposer() {
    let mut machine = machine(seed_rules(), 5, &[1, 8, 15]);
    open(&mut machine, Time::ZERO, local(Kind::Mode, 42, Threshold::SIMPLE)).unwrap();
    let views: Vec<_> = machine.ballots().collect();
    assert_eq!((views.len(), views[0].voters), (1, [id(1), id(8), id(15), id(5)].as_slice()));
    assert_eq!(views[0].proposal.value, 42);
}

/// `ekk:V15` (the ballot's part): completed, cancelled and timed-out ballots are counted apart.
#[test]
fn v15_ends_are_counted_apart() {
    let mut rules = seed_rules();
    rules.require_all = true;
    let mut machine = machine(rules, 9, &[2, 3]);
    let mode = local(Kind::Mode, 1, Threshold::UNANIMOUS);
    let (key, _) = open(&mut machine, Time::ZERO, mode).unwrap();
    says(&mut machine, 2, key, Vote::Yes).unwrap();
    says(&mut machine, 3, key, Vote::Yes).unwrap();
    let (key, _) = open(&mut machine, Time::ZERO, mode).unwrap();
    inhibit(&mut machine, 77, key, BallotKey { proposer: id(77), boot_inc: 1, number: 1 }, 0).unwrap();
    assert_eq!(machine.outcome(key), Some(Outcome::Cancelled));
    open(&mut machine, Time::from_ms(5), mode).unwrap();
    tick(&mut machine, Time::from_ms(70));
    let counts = machine.tallies();
    assert_eq!((counts.completed, counts.cancelled, counts.timed_out, counts.opened), (1, 1, 1, 3));
}

/// `ekk:N10`: seven peers and the proposer.
#[test]
fn n10_decisions_fall_with_the_vote_that_makes_them() {
    for (threshold, needed) in [(Threshold::SIMPLE, 3), (Threshold::UNANIMOUS, 7)] {
        let mut machine = machine(seed_rules(), 9, &[1, 2, 3, 4, 5, 6, 7]);
        let (key, _) = open(&mut machine, Time::ZERO, local(Kind::Mode, 1, threshold)).unwrap();
        for voter in 1..=needed {
            assert_eq!(machine.outcome(key), None);
            says(&mut machine, voter, key, Vote::Yes).unwrap();
        }
        assert_eq!(machine.outcome(key), Some(Outcome::Approved));
    }
    let mut machine = machine(seed_rules(), 9, &[1, 2, 3]);
    let (key, _) = open(&mut machine, Time::ZERO, local(Kind::Mode, 1, Threshold::SUPER)).unwrap();
    says(&mut machine, 1, key, Vote::Yes).unwrap();
    says(&mut machine, 2, key, Vote::No).unwrap();
    assert_eq!(machine.outcome(key), None);
    says(&mut machine, 3, key, Vote::No).unwrap();
    assert_eq!(machine.outcome(key), Some(Outcome::Rejected));
}

/// `ekk:N11`: the deadline counts from the caller's time (`ekk:D-09`), and the tick at it decides.
#[test]
fn n11_the_deadline_is_exact() {
    let mut machine = machine(seed_rules(), 9, &[1, 2, 3]);
    let (key, _) = open(&mut machine, Time::from_us(1_000), local(Kind::Mode, 1, Threshold::SUPER)).unwrap();
    tick(&mut machine, Time::from_us(50_999));
    assert_eq!(machine.outcome(key), None);
    tick(&mut machine, Time::from_us(51_000));
    assert_eq!(machine.outcome(key), Some(Outcome::Rejected));
}

/// `ekk:N14`.
#[test]
fn n14_the_electorate_is_cleaned() {
    let machine = machine(seed_rules(), 5, &[1, 1, 0, 5, 2, 3, 4, 6, 7, 8, 9]);
    let ids: Vec<u32> = machine.electorate().iter().map(|id| id.get()).collect();
    assert_eq!(ids, [1, 2, 3, 4, 6, 7, 8]);
}

fn inhibit(
    machine: &mut Consensus,
    from: u32,
    loser: BallotKey,
    winner: BallotKey,
    priority: u8,
) -> Result<(), Ignored> {
    let mut buffer = [0; MESSAGE_BYTES_MAX];
    let header = Header { kind: wire::INHIBIT, sender: being(from), sequence: 0 };
    let n = wire::encode_inhibit(&mut buffer, &header, loser, winner, priority).unwrap();
    let (header, body) = Header::decode(&buffer[..n]).unwrap();
    machine.receive(Time::ZERO, being(machine.me.get()), &header, body, &[], &mut Keys(machine.me), &mut Out::default())
}

fn proposal_bytes(from: u32, number: u32, proposal: &Proposal, voters: &[u32]) -> Vec<u8> {
    let mut listed = [NodeId::NONE; LOCAL_VOTERS_MAX];
    voters.iter().enumerate().for_each(|(at, raw)| listed[at] = id(*raw));
    let electorate = wire::Electorate::Listed(listed, voters.len() as u8);
    let mut buffer = [0; MESSAGE_BYTES_MAX];
    let header = Header { kind: wire::PROPOSAL, sender: being(from), sequence: number };
    let n = wire::encode_proposal(&mut buffer, &header, proposal, Span::from_ms(50), &electorate).unwrap();
    buffer[..n].to_vec()
}

fn hear(machine: &mut Consensus, now: Time, bytes: &[u8], out: &mut Out) -> Result<(), Ignored> {
    let (header, body) = Header::decode(bytes).map_err(Ignored::Wire)?;
    machine.receive(now, being(machine.me.get()), &header, body, &[], &mut Keys(machine.me), out)
}

/// `ekk:N15`: an inhibited key stays closed for its time; repetitions are fine.
#[test]
fn n15_an_inhibited_key_stays_closed_for_a_while() {
    let mut machine = machine(seed_rules(), 5, &[9]);
    let key = BallotKey { proposer: id(9), boot_inc: 1, number: 77 };
    assert_eq!(inhibit(&mut machine, 9, key, key, 0), Ok(()));
    assert_eq!(inhibit(&mut machine, 9, key, key, 0), Ok(()));
    let bytes = proposal_bytes(9, 77, &local(Kind::Mode, 1, Threshold::SIMPLE), &[5, 9]);
    let mut out = Out::default();
    assert_eq!(hear(&mut machine, Time::from_ms(99), &bytes, &mut out), Err(Ignored::Inhibited));
    assert_eq!(hear(&mut machine, Time::from_ms(100), &bytes, &mut out), Ok(()));
}

/// `ekk:N16` and `ekk:D-18`: slots of decided ballots come back, by reading, by time, and when they are needed.
#[test]
fn n16_decided_ballots_free_their_slots() {
    let mut machine = machine(seed_rules(), 5, &[1, 8]);
    let mode = local(Kind::Mode, 1, Threshold::SIMPLE);
    for round in 0..9 {
        let now = Time::from_ms(round);
        let (key, _) = open(&mut machine, now, mode).unwrap();
        says(&mut machine, 1, key, Vote::Yes).unwrap();
        assert_eq!(machine.outcome(key), Some(Outcome::Approved), "round {round}");
        tick(&mut machine, now);
    }
    // Open ones do not give way.
    let mut machine = self::machine(seed_rules(), 5, &[1, 8, 9]);
    for _ in 0..OWN_MAX {
        open(&mut machine, Time::ZERO, mode).unwrap();
    }
    assert_eq!(open(&mut machine, Time::ZERO, mode), Err(Refused::Busy));
    tick(&mut machine, Time::from_ms(50));
    assert!(open(&mut machine, Time::from_ms(50), mode).is_ok());
    // Nothing stays for ever.
    tick(&mut machine, Time::from_s_for_tests(100));
    tick(&mut machine, Time::from_s_for_tests(200));
    assert_eq!((machine.ballots().count(), machine.next_due()), (0, Time::NEVER));
}

impl Time {
    fn from_s_for_tests(s: u64) -> Time {
        Time::from_ms(s * 1_000)
    }
}

/// `ekk:N17` and `ekk:D-20`: an abstention is a vote, once.
#[test]
fn n17_repeated_abstentions_count_once() {
    let mut machine = machine(seed_rules(), 5, &[1, 2, 3]);
    let (key, _) = open(&mut machine, Time::ZERO, local(Kind::Mode, 1, Threshold::SUPER)).unwrap();
    assert_eq!(says(&mut machine, 1, key, Vote::Abstain), Ok(()));
    assert_eq!(says(&mut machine, 1, key, Vote::Abstain), Err(Ignored::Duplicate));
    assert_eq!(says(&mut machine, 1, key, Vote::Yes), Err(Ignored::Duplicate));
    assert_eq!((tally(&machine, key), machine.outcome(key)), ((2, 1), None));
}

/// `ekk:D-19` and `ekk:D-27`: a follower that never hears the decision says unknown, and hears it later all the same.
#[test]
fn d19_an_unheard_decision_is_unknown() {
    let mut follower = machine(product_rules(), 8, &[5]);
    let mut proposer = machine(product_rules(), 5, &[8]);
    let (key, sent) = open(&mut proposer, Time::ZERO, local(Kind::Mode, 1, Threshold::MoreThanHalf)).unwrap();
    assert_eq!(follower.outcome(key), Some(Outcome::Unknown));
    let mut out = Out::default();
    hear(&mut follower, Time::ZERO, &sent[0].1, &mut out).unwrap();
    assert_eq!(follower.outcome(key), None);
    tick(&mut follower, Time::from_s_for_tests(10));
    assert_eq!(follower.outcome(key), Some(Outcome::Unknown));
    let mut told = Out::default();
    hear(&mut proposer, Time::from_ms(1), &out.sent[0].1, &mut told).unwrap();
    for (to, bytes) in &told.sent {
        assert_eq!(*to, id(8));
        hear(&mut follower, Time::from_s_for_tests(11), bytes, &mut out).unwrap();
    }
    assert_eq!(follower.outcome(key), Some(Outcome::Approved));
}

/// `ekk:D-22`: a proposer has two ballots here at most, and what cannot be followed is answered busy, not no.
#[test]
fn d22_a_proposer_cannot_take_every_slot() {
    let mut follower = machine(product_rules(), 8, &[5]);
    let mut out = Out::default();
    let custom = |n: u32| local(Kind::Custom(n as u8 % 4), n, Threshold::All);
    for number in 1..=2 {
        hear(&mut follower, Time::ZERO, &proposal_bytes(5, number, &custom(number), &[5, 8]), &mut out).unwrap();
    }
    out.sent.clear();
    let third = hear(&mut follower, Time::ZERO, &proposal_bytes(5, 3, &custom(3), &[5, 8]), &mut out);
    assert_eq!((third, out.sent.len()), (Err(Ignored::Busy), 1));
    let (_, body) = Header::decode(&out.sent[0].1).unwrap();
    assert_eq!(wire::decode_answer(body).unwrap().1, wire::Answer::Busy);
    // Another proposer still has room, and this node for its own.
    hear(&mut follower, Time::ZERO, &proposal_bytes(6, 1, &custom(0), &[6, 8]), &mut out).unwrap();
    for _ in 0..OWN_MAX {
        open(&mut follower, Time::ZERO, local(Kind::Reformation, 1, Threshold::All)).unwrap();
    }
    // A busy answer leaves a ballot as it was.
    let mut proposer = machine(product_rules(), 5, &[8]);
    let (key, _) = open(&mut proposer, Time::ZERO, local(Kind::Mode, 1, Threshold::All)).unwrap();
    give(&mut proposer, Time::ZERO, 8, key, wire::Answer::Busy).unwrap();
    assert_eq!((proposer.outcome(key), tally(&proposer, key).0), (None, 1));
}

/// `ekk:D-23`: a node alone among many approves nothing; one that is the whole cluster does, at once.
#[test]
fn d23_no_quorum_no_decision() {
    let rules = Rules::new(Profile::Product, 1, Timing::preset(crate::profile::Preset::Lan), 7);
    let mut lonely = machine(rules, 5, &[]);
    let mode = local(Kind::Mode, 1, Threshold::All);
    assert_eq!(open(&mut lonely, Time::ZERO, mode).map(|_| ()), Err(Refused::NoQuorum { have: 1, need: 4 }));
    lonely.set_known(1);
    let (key, _) = open(&mut lonely, Time::ZERO, mode).unwrap();
    assert_eq!(lonely.outcome(key), Some(Outcome::Approved));
    // Votes that never come end in no quorum, not in a rejection.
    let mut machine = machine(rules, 5, &[1, 2, 3, 4]);
    let (key, _) = open(&mut machine, Time::ZERO, mode).unwrap();
    tick(&mut machine, Time::from_s_for_tests(3));
    assert_eq!(machine.outcome(key), Some(Outcome::NoQuorum));
}

/// `ekk:D-24`: nobody cancels a ballot it has no word in, nor one that comes first; the proposer withdraws its own.
#[test]
fn d24_cancelling_needs_a_word_and_a_reason() {
    let mut machine = machine(product_rules(), 5, &[1, 2]);
    let (key, _) = open(&mut machine, Time::ZERO, local(Kind::Mode, 1, Threshold::All)).unwrap();
    let earlier = BallotKey { proposer: id(1), boot_inc: 1, number: 1 };
    let later = BallotKey { proposer: id(9), boot_inc: 1, number: 1 };
    assert_eq!(inhibit(&mut machine, 77, key, earlier, 128), Err(Ignored::NotEligible));
    assert_eq!(inhibit(&mut machine, 1, key, later, 128), Err(Ignored::NotEligible));
    assert_eq!(machine.outcome(key), None);
    assert_eq!(inhibit(&mut machine, 1, key, earlier, 128), Ok(()));
    assert_eq!(machine.outcome(key), Some(Outcome::Cancelled));
    // Of somebody else's ballot only its proposer may say so.
    assert_eq!(inhibit(&mut machine, 2, later, earlier, 0), Err(Ignored::NotEligible));
    assert_eq!(inhibit(&mut machine, 9, later, earlier, 0), Ok(()));
}

/// `ekk:D-35`: numbers never repeat within a boot, and boots keep keys apart.
#[test]
fn d35_keys_are_never_used_twice() {
    let mut first = Consensus::new(product_rules(), id(5), 1);
    let mut second = Consensus::new(product_rules(), id(5), 2);
    let mode = local(Kind::Mode, 1, Threshold::All);
    let (a, _) = open(&mut first, Time::ZERO, mode).unwrap();
    let (b, _) = open(&mut first, Time::ZERO, mode).unwrap();
    let (c, _) = open(&mut second, Time::ZERO, mode).unwrap();
    assert_eq!((a.number, b.number, c.number), (1, 2, 1));
    assert!(a != b && a != c);
    first.next_number = u32::MAX;
    open(&mut first, Time::ZERO, mode).unwrap();
    assert_eq!(open(&mut first, Time::ZERO, mode).unwrap().0.number, 1, "zero names no ballot");
}

/// `ekk:D-28`: a vote that comes after the deadline does not count, however late the tick is.
#[test]
fn d28_a_vote_after_the_deadline_does_not_count() {
    let mut machine = machine(product_rules(), 9, &[1, 2, 3]);
    let (key, _) = open(&mut machine, Time::ZERO, local(Kind::Mode, 1, Threshold::All)).unwrap();
    let view = machine.ballots().next().unwrap();
    let (content, deadline) = (view.proposal.digest(key, electorate_digest(view.voters)), view.deadline);
    let yes =
        |voter| wire::Answer::Vote(Vote::Yes, mac(id(voter), &wire::vote_text(1, key, content, id(voter), Vote::Yes)));
    let before = Time(deadline.0 - 1);
    assert_eq!(give(&mut machine, before, 1, key, yes(1)), Ok(()));
    for voter in [2, 3] {
        assert_eq!(give(&mut machine, deadline, voter, key, yes(voter)), Err(Ignored::Late));
    }
    tick(&mut machine, deadline);
    assert_eq!((machine.outcome(key), tally(&machine, key)), (Some(Outcome::NoQuorum), (2, 2)));
}

/// Some nodes and the messages between them.
struct Net {
    nodes: BTreeMap<u32, Consensus>,
    links: BTreeMap<u32, Vec<NodeId>>,
    flying: Vec<(u32, u32, Vec<u8>)>,
    decided: BTreeMap<(u32, u32, u32), u8>,
    conflicts: u32,
    now: Time,
}

impl Net {
    fn new(rules: Rules, ids: &[u32]) -> Self {
        let others = |me: u32| ids.iter().copied().filter(|raw| *raw != me).collect::<Vec<_>>();
        let nodes = ids.iter().map(|me| (*me, machine(rules, *me, &others(*me)))).collect();
        let links = ids.iter().map(|me| (*me, others(*me).into_iter().map(id).collect())).collect();
        Self { nodes, links, flying: vec![], decided: BTreeMap::new(), conflicts: 0, now: Time::ZERO }
    }

    fn collect(&mut self, from: u32, out: Out) {
        for (proposer, ballot, result) in out.decided {
            if result == Outcome::Unknown.code() {
                continue;
            }
            let first = *self.decided.entry((from, proposer, ballot)).or_insert(result);
            let agreed = self.decided.iter().filter(|((_, p, b), _)| (*p, *b) == (proposer, ballot));
            if first != result || agreed.clone().any(|(_, other)| *other != result) {
                self.conflicts += 1;
            }
        }
        self.flying.extend(out.sent.into_iter().map(|(to, bytes)| (from, to.get(), bytes)));
    }

    fn propose(&mut self, me: u32, proposal: Proposal) -> Result<BallotKey, Refused> {
        let mut out = Out::default();
        let links = self.links[&me].clone();
        let node = self.nodes.get_mut(&me).unwrap();
        let key = node.propose(self.now, being(me), &links, proposal, &mut Keys(id(me)), &mut out);
        self.collect(me, out);
        key
    }

    fn tick(&mut self, step: Span) {
        self.now = self.now.after(step);
        let ids: Vec<u32> = self.nodes.keys().copied().collect();
        for me in ids {
            let mut out = Out::default();
            let links = self.links[&me].clone();
            self.nodes.get_mut(&me).unwrap().tick(self.now, being(me), &links, &mut Keys(id(me)), &mut out);
            self.collect(me, out);
        }
    }

    /// Delivers one message, chosen by `rng`; lost with `loss` percent, doubled with `double` percent.
    fn deliver(&mut self, rng: &mut Rng, loss: u64, double: u64) {
        let at = rng.below(self.flying.len() as u64) as usize;
        let (from, to, bytes) =
            if rng.below(100) < double { self.flying[at].clone() } else { self.flying.swap_remove(at) };
        if rng.below(100) < loss {
            return;
        }
        let mut out = Out::default();
        let links = self.links.get(&to).cloned().unwrap_or_default();
        let Some(node) = self.nodes.get_mut(&to) else { return };
        let (header, body) = Header::decode(&bytes).unwrap();
        assert_eq!(header.sender.id, id(from));
        let _ = node.receive(self.now, being(to), &header, body, &links, &mut Keys(id(to)), &mut out);
        self.collect(to, out);
    }

    fn settle(&mut self, rng: &mut Rng, loss: u64, double: u64, until: Time) {
        while self.now < until {
            let mut budget = 400;
            while !self.flying.is_empty() && budget > 0 {
                self.deliver(rng, loss, double);
                budget -= 1;
            }
            self.tick(Span::from_ms(100));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// `ekk:P5` `ekk:P6` `ekk:P7` `ekk:P8`: under loss, doubling and reordering no two nodes hold different outcomes of one key;
    /// approval means enough real yes votes; every ballot ends, and every slot is free again after its time.
    #[test]
    fn nodes_agree_whatever_the_network_does(seed: u64, loss in 0_u64..60, double in 0_u64..30, size in 2_u32..7, cluster: bool) {
        let ids: Vec<u32> = (1..=size).collect();
        let listed: Vec<NodeId> = ids.iter().map(|raw| id(*raw)).collect();
        let mut rng = Rng::new(seed);
        let mut net = Net::new(product_rules().with_voters(&listed), &ids);
        let scope = if cluster { Scope::Cluster } else { Scope::Local };
        let mut keys = vec![];
        for round in 0..3_u64 {
            let me = 1 + rng.below(u64::from(size)) as u32;
            let kind = if rng.below(2) == 0 { Kind::Mode } else { Kind::PowerLimit };
            let proposal = Proposal::new(kind, scope, round as u32, Threshold::TwoThirds);
            if let Ok(key) = net.propose(me, proposal) {
                keys.push(key);
            }
            net.settle(&mut rng, loss, double, Time::from_ms(500 * (round + 1)));
        }
        net.settle(&mut rng, loss, double, Time::from_ms(6_000));
        prop_assert_eq!(net.conflicts, 0);
        for key in keys {
            let proposer = &net.nodes[&key.proposer.get()];
            let ended = proposer.outcome(key);
            prop_assert!(ended.is_some(), "the proposer ended it");
            if ended == Some(Outcome::Approved) {
                let yes = tally(proposer, key).1 as u32;
                prop_assert!(yes >= Threshold::TwoThirds.needed(size));
            }
            if loss == 0 {
                for (other, node) in &net.nodes {
                    prop_assert_eq!(node.outcome(key), ended, "node {}", other);
                }
            }
        }
        net.flying.clear();
        for _ in 0..3 {
            net.tick(Span::from_ms(60_000));
            net.flying.clear();
        }
        for node in net.nodes.values() {
            prop_assert_eq!(node.ballots().count(), 0);
        }
    }

    /// `ekk:P22`: the same messages in the same order give the same machine.
    #[test]
    fn a_run_repeats_bit_by_bit(seed: u64) {
        let run = || {
            let mut rng = Rng::new(seed);
            let mut net = Net::new(product_rules(), &[1, 2, 3, 4]);
            net.propose(1, local(Kind::Mode, 3, Threshold::MoreThanHalf)).unwrap();
            net.settle(&mut rng, 20, 20, Time::from_ms(3_000));
            net.nodes.values().map(crate::hash::Digest::of).collect::<Vec<_>>()
        };
        prop_assert_eq!(run(), run());
    }

    /// `ekk:P21`: no forty bytes panic, a broken authenticator is never evidence, nor is anything a suspect witnesses.
    #[test]
    fn seed_evidence_is_total(mut bytes in proptest::array::uniform32(any::<u8>()).prop_map(|head| {
        let mut bytes = [0; 40];
        bytes[..32].copy_from_slice(&head);
        bytes
    }), tail in any::<u64>()) {
        bytes[32..].copy_from_slice(&tail.to_le_bytes());
        let _ = seed_verify(&bytes);
        bytes[0] = 2;
        prop_assert!(!seed_verify(&bytes));
        bytes[0] = 1;
        bytes[2] = bytes[1];
        prop_assert!(!seed_verify(&bytes));
        let _ = Evidence::decode(&bytes).map(|evidence| evidence.digest());
    }
}

/// `decisions:CLU-9`: two sides of a partition never both decide a ballot of the cluster; neither does a minority alone.
#[test]
fn two_partitions_never_both_decide() {
    let ids = [1, 2, 3, 4];
    let listed: Vec<NodeId> = ids.iter().map(|raw| id(*raw)).collect();
    let mut net = Net::new(product_rules().with_voters(&listed), &ids);
    let proposal = Proposal::new(Kind::Mode, Scope::Cluster, 1, Threshold::SIMPLE);
    let (a, b) = (net.propose(1, proposal).unwrap(), net.propose(3, proposal).unwrap());
    let side = |raw: u32| raw <= 2;
    let mut rng = Rng::new(7);
    while net.now < Time::from_ms(3_000) {
        net.flying.retain(|(from, to, _)| side(*from) == side(*to));
        while !net.flying.is_empty() {
            net.deliver(&mut rng, 0, 0);
            net.flying.retain(|(from, to, _)| side(*from) == side(*to));
        }
        net.tick(Span::from_ms(100));
    }
    assert_eq!(net.nodes[&1].outcome(a), Some(Outcome::NoQuorum), "exactly half is no majority of the list");
    assert_eq!(net.nodes[&3].outcome(b), Some(Outcome::NoQuorum));
    // Not in the list: no ballot at all.
    let mut stranger = machine(product_rules().with_voters(&listed), 9, &[1]);
    assert_eq!(open(&mut stranger, Time::ZERO, proposal).map(|_| ()), Err(Refused::NotAVoter));
}

/// Of two competing ballots exactly the one that comes first goes on, in whatever order they are heard.
#[test]
fn competing_ballots_leave_one() {
    for seed in 0..40 {
        let mut net = Net::new(product_rules(), &[1, 2, 3, 4, 5]);
        let mode = local(Kind::Mode, 1, Threshold::TwoThirds);
        let (first, second) = (net.propose(2, mode).unwrap(), net.propose(4, mode).unwrap());
        let other = net.propose(5, local(Kind::PowerLimit, 9, Threshold::TwoThirds)).unwrap();
        net.settle(&mut Rng::new(seed), 0, 0, Time::from_ms(3_000));
        assert_eq!(net.nodes[&2].outcome(first), Some(Outcome::Approved), "seed {seed}");
        assert_eq!(net.nodes[&4].outcome(second), Some(Outcome::Cancelled), "seed {seed}");
        assert_eq!(net.nodes[&5].outcome(other), Some(Outcome::Approved), "another kind does not compete");
    }
}

/// A decision of the cluster reaches members that heard no proposal, over links, and binds them; a forged one does not.
#[test]
fn decisions_of_the_cluster_are_proven_and_passed_on() {
    let voters = [id(1), id(2), id(3)];
    let rules = product_rules().with_voters(&voters);
    let mut net = Net::new(rules, &[1, 2, 3, 10, 11]);
    // 10 hangs on 3, 11 on 10.
    net.links = BTreeMap::from([
        (1, vec![id(2)]),
        (2, vec![id(1), id(3)]),
        (3, vec![id(2), id(10)]),
        (10, vec![id(3), id(11)]),
        (11, vec![id(10)]),
    ]);
    let key = net.propose(1, Proposal::new(Kind::PowerLimit, Scope::Cluster, 250, Threshold::TwoThirds)).unwrap();
    net.settle(&mut Rng::new(1), 0, 0, Time::from_ms(1_000));
    for me in [1, 2, 3, 10, 11] {
        assert_eq!(net.nodes[&me].outcome(key), Some(Outcome::Approved), "node {me}");
    }
    // A proposer alone cannot claim an approval: its signature holds, the votes are missing.
    let mut victim = machine(rules, 10, &[3]);
    let mut proposal = Proposal::new(Kind::Mode, Scope::Cluster, 1, Threshold::TwoThirds);
    let forged = BallotKey { proposer: id(1), boot_inc: 1, number: 9 };
    let electorate = wire::Electorate::Configured(victim.configured());
    let content = proposal.digest(forged, victim.configured());
    let text = wire::decision_text(1, forged, content, Outcome::Approved, [3, 3, 0]);
    let mut decision = wire::Decision {
        key: forged,
        proposal,
        electorate,
        outcome: Outcome::Approved,
        tally: [3, 3, 0],
        signature: mac(id(1), &text),
        yes: [(NodeId::NONE, Signature::EMPTY); wire::YES_PER_PART],
        yes_count: 0,
    };
    let mut tell = |decision: &wire::Decision| {
        let mut buffer = [0; MESSAGE_BYTES_MAX];
        let header = Header { kind: wire::DECISION, sender: being(3), sequence: 0 };
        let n = wire::encode_decision(&mut buffer, &header, decision).unwrap();
        hear(&mut victim, Time::ZERO, &buffer[..n], &mut Out::default())
    };
    assert_eq!(tell(&decision), Err(Ignored::Unproven));
    let vote = wire::vote_text(1, forged, content, id(1), Vote::Yes);
    decision.yes[0] = (id(1), mac(id(1), &vote));
    decision.yes[1] = (id(2), mac(id(1), &vote));
    decision.yes_count = 2;
    assert_eq!(tell(&decision), Err(Ignored::Signature));
    decision.yes[1] = (id(1), mac(id(1), &vote));
    assert_eq!(tell(&decision), Err(Ignored::Unproven), "one voter twice is one vote");
    proposal.value = 2;
    decision.proposal = proposal;
    assert_eq!(tell(&decision), Err(Ignored::Signature), "votes and decision are bound to the content");
    assert_eq!(victim.outcome(forged), None, "it waits for the parts that prove it");
}

/// The largest electorate fits: sixty-four voters, a proof in parts, every node adopts it.
#[test]
fn sixty_four_voters_decide() {
    let ids: Vec<u32> = (1..=64).collect();
    let listed: Vec<NodeId> = ids.iter().map(|raw| id(*raw)).collect();
    let mut net = Net::new(product_rules().with_voters(&listed), &ids);
    for links in net.links.values_mut() {
        links.clear();
    }
    let key = net.propose(7, Proposal::new(Kind::Mode, Scope::Cluster, 1, Threshold::MoreThanHalf)).unwrap();
    net.settle(&mut Rng::new(5), 0, 0, Time::from_ms(1_500));
    for (me, node) in &net.nodes {
        assert_eq!(node.outcome(key), Some(Outcome::Approved), "node {me}");
    }
    assert_eq!((net.conflicts, net.nodes[&7].tallies().unproven), (0, 0));
}
