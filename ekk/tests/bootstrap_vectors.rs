//! The seed's machine: its 25 vectors (`bootstrap` section 12), and the `faction` crate as an oracle over random sequences.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

mod bootstrap_support;

use bootstrap_support::{id, short};
use ekk::bootstrap::{Config, Input, InputKind, Label, Machine, Output, Policy, Rules, Signal, Verdict};
use ekk::hash::Rng;
use ekk::id::NodeId;
use faction::command::Command;
use faction::config::Config as TheirConfig;
use faction::faction::Faction;
use faction::no_op_observer::NoOpObserver;
use faction::outcome::Outcome;
use faction::peer_state::PeerState;
use faction::process_result::ProcessResult;
use faction::quorum_policy::QuorumPolicy;

/// Number; own id; members; quorum; inputs with outputs; label; seen; ready; local done, late.
type Vector = (u8, u32, &'static [u32], u16, &'static str, &'static str);

const VECTORS: [Vector; 25] = [
    (
        1,
        0,
        &[0, 1, 2, 3, 4],
        4,
        "S1 seen-new, S2 seen-new, S1 seen-dup, L local-done announce, R1 ready-new, R2 ready-new, R3 ready-new formed",
        "formed; 1,2; 0,1,2,3",
    ),
    (2, 0, &[0, 1, 2], 2, "D !, Q", "fresh; ; "),
    (3, 0, &[0], 1, "D !, L local-done announce formed, D !", "formed; ; 0"),
    (4, 0, &[0, 1, 2], 1, "L local-done announce formed", "formed; ; 0"),
    (5, 0, &[0, 1, 2], 1, "S1 seen-new, R1 ready-new, R2 ready-new, L local-done announce formed", "formed; 1; 1,2,0"),
    (6, 0, &[0, 1, 2], 0, "R1 ready-new, L local-done announce formed", "formed; ; 1,0"),
    (7, 0, &[0, 1, 2], 5, "L local-done announce, R1 ready-new, R2 ready-new, D late(3)", "overdue; ; 0,1,2"),
    (8, 0, &[0, 1, 2], 2, "S9 stranger, Q, L local-done announce", "confirming; ; 0"),
    (9, 0, &[0, 1, 2], 2, "R9 stranger, R1 ready-new, R1 ready-dup, L local-done announce formed", "formed; ; 1,0"),
    (
        10,
        0,
        &[0, 1, 2],
        3,
        "L local-done announce, L !, S1 reassure, S9 stranger, R1 ready-new, R1 ready-dup",
        "confirming; ; 0,1",
    ),
    (
        11,
        0,
        &[0, 1, 2],
        2,
        "L local-done announce, R1 ready-new formed, R2 !, L !, D !, S2 reassure, S9 stranger",
        "formed; ; 0,1",
    ),
    (
        12,
        0,
        &[0, 1, 2],
        3,
        "S1 seen-new, D late(0), D late(0), L local-done announce, D late(1), R1 ready-new, R2 ready-new formed",
        "formed; 1; 0,1,2",
    ),
    (13, 0, &[0, 1, 2], 2, "D !, S1 seen-new, D late(0)", "overdue; 1; "),
    (
        14,
        0,
        &[0, 1, 2],
        2,
        "A7 join-pending, G7 admitted, G7 member-dup, S7 seen-new, X7 denied, S7 seen-dup",
        "gathering; 7; ",
    ),
    (15, 0, &[0, 1, 2], 2, "G7 admitted, Q, D !, S1 seen-new, D late(0)", "overdue; 1; "),
    (16, 0, &[0, 1, 2], 2, "A1 join-pending, A0 join-pending, X1 denied, S1 seen-new", "gathering; 1; "),
    (17, 0, &[0, 1, 2], 2, "L local-done announce, S1 reassure, S1 reassure, R2 ready-new formed", "formed; ; 0,2"),
    (
        18,
        0,
        &[0, 1, 2, 3],
        3,
        "R3 ready-new, R2 ready-new, R1 ready-new, L local-done announce formed",
        "formed; ; 3,2,1,0",
    ),
    (19, 0, &[0, 1], 2, "R1 ready-new, D late(1), L local-done announce formed", "formed; ; 1,0"),
    (20, 0, &[], 2, "L local-done announce, R1 stranger, G1 admitted, R1 ready-new formed", "formed; ; 0,1"),
    (
        21,
        0,
        &[0, 1, 2],
        2,
        "R2 ready-new, S2 seen-new, L local-done announce formed, S2 reassure, R2 !",
        "formed; 2; 2,0",
    ),
    (22, 0, &[0, 1, 2], 2, "S0 seen-new, L local-done announce, S0 reassure", "confirming; 0; 0"),
    (23, 7, &[7, 7], 2, "L local-done announce, R7 ready-dup, D late(1)", "overdue; ; 7"),
    (24, 0, &[0, 1, 2], 3, "R1 ready-new, R2 ready-new, D late(2), Q, L local-done announce formed", "formed; ; 1,2,0"),
    (
        25,
        0,
        &[0, 1, 2],
        2,
        "S1 seen-new, R1 ready-new, S1 seen-dup, R1 ready-dup, D late(1), L local-done announce formed, S1 reassure",
        "formed; 1; 1,0",
    ),
];

fn list(ids: &[NodeId]) -> String {
    ids.iter().map(|id| id.get().to_string()).collect::<Vec<_>>().join(",")
}

fn input(word: &str) -> Input {
    let peer = || id(word[1..].parse().unwrap());
    match &word[..1] {
        "S" => Input::Seen(Signal::plain(peer())),
        "R" => Input::Ready(Signal::plain(peer())),
        "L" => Input::LocalDone,
        "D" => Input::Deadline,
        "A" => Input::JoinAsk(peer()),
        "G" => Input::JoinGrant(peer()),
        "X" => Input::JoinRefuse(peer()),
        "Q" => Input::Query,
        other => panic!("no input {other}"),
    }
}

/// Aim: every vector of the specification, word for word. Method: the vector's text is parsed, run and compared.
#[test]
fn vectors_of_the_specification_hold() {
    for (number, me, members, quorum, script, end) in VECTORS {
        let members: Vec<NodeId> = members.iter().map(|&m| id(m)).collect();
        let (mut machine, _) = Machine::<1>::new(&Config::seed(id(me), &members, quorum)).unwrap();
        for words in script.split(", ") {
            let (what, said) = words.split_once(' ').unwrap_or((words, ""));
            let step = machine.step(&input(what));
            let got = match step.verdict {
                Verdict::Refused(_) => "!".to_string(),
                _ => step.outputs.iter().map(short).collect::<Vec<_>>().join(" "),
            };
            assert_eq!(got, said, "bootstrap vector {number}: {words}");
        }
        let view = machine.view();
        let got = format!("{}; {}; {}", view.label.name(), list(view.seen), list(view.ready));
        assert_eq!(got, end, "bootstrap vector {number}: end");
        assert_eq!(view.local_done, script.contains("local-done"), "vector {number}");
        assert_eq!(view.late, script.contains("late("), "vector {number}");
        if number == 14 {
            assert_eq!(list(view.members), "0,1,2,7");
        }
    }
}

fn theirs(input: &Input) -> Command {
    let peer_id = u64::from(input.peer().get());
    match input {
        Input::Seen(_) => Command::ParticipationObserved { peer_id },
        Input::Ready(_) => Command::ReadyObserved { peer_id },
        Input::LocalDone => Command::LocalParticipationCompleted,
        Input::Deadline => Command::DeadlineExpired,
        Input::JoinAsk(_) => Command::JoinRequested { peer_id },
        Input::JoinGrant(_) => Command::JoinApproved { peer_id },
        Input::JoinRefuse(_) => Command::JoinRejected { peer_id },
        _ => Command::Probe,
    }
}

fn kind(command: &Command) -> InputKind {
    match command {
        Command::ParticipationObserved { .. } => InputKind::Seen,
        Command::ReadyObserved { .. } => InputKind::Ready,
        Command::LocalParticipationCompleted => InputKind::LocalDone,
        Command::DeadlineExpired => InputKind::Deadline,
        Command::JoinRequested { .. } => InputKind::JoinAsk,
        Command::JoinApproved { .. } => InputKind::JoinGrant,
        Command::JoinRejected { .. } => InputKind::JoinRefuse,
        Command::Probe => InputKind::Query,
    }
}

fn output(outcome: &Outcome) -> Output {
    let peer = |peer: &u64| id(*peer as u32);
    match outcome {
        Outcome::ParticipationAccepted { peer_id } => Output::SeenNew(peer(peer_id)),
        Outcome::ReadyAccepted { peer_id } => Output::ReadyNew(peer(peer_id)),
        Outcome::DuplicateParticipationIgnored { peer_id } => Output::SeenDup(peer(peer_id)),
        Outcome::DuplicateReadyIgnored { peer_id } => Output::ReadyDup(peer(peer_id)),
        Outcome::NonMemberIgnored { peer_id } => Output::Stranger(peer(peer_id)),
        Outcome::LocalParticipationCompleted => Output::LocalDone,
        Outcome::BroadcastLocalReady => Output::Announce,
        Outcome::AcknowledgeRejoin { peer_id } => Output::Reassure(peer(peer_id)),
        Outcome::DeadlineMissed { confirmed_count } => Output::Late(*confirmed_count as u32),
        Outcome::EmitJoinRequest { peer_id } => Output::JoinPending(peer(peer_id)),
        Outcome::MemberAdmitted { peer_id } => Output::Admitted(peer(peer_id)),
        Outcome::DuplicateMemberIgnored { peer_id } => Output::MemberDup(peer(peer_id)),
        Outcome::JoinDenied { peer_id } => Output::Denied(peer(peer_id)),
        Outcome::Concluded { .. } => Output::Formed,
    }
}

fn label(state: PeerState) -> Label {
    match state {
        PeerState::Fresh => Label::Fresh,
        PeerState::Pinging => Label::Gathering,
        PeerState::Collecting => Label::Confirming,
        PeerState::Bootstrapped => Label::Formed,
        PeerState::TimedOut => Label::Overdue,
    }
}

fn same_ids(ours: &[NodeId], theirs: &[u64]) -> bool {
    ours.iter().map(|id| u64::from(id.get())).eq(theirs.iter().copied())
}

/// One step of both; verdict, outputs, view and admissible list have to be equal.
fn compare(ours: &mut Machine<1>, other: &mut Faction, input: &Input, both_lists: bool) {
    let step = ours.step(input);
    let (verdict, view, list, said) = match other.process(theirs(input)) {
        ProcessResult::Accepted { cluster_view, admissible, outcomes } => {
            ("accepted", cluster_view, admissible, outcomes)
        }
        ProcessResult::Rejected { cluster_view, admissible } => ("refused", cluster_view, admissible, Vec::new()),
        ProcessResult::Probed { cluster_view, admissible } => ("viewed", cluster_view, admissible, Vec::new()),
    };
    let got = match step.verdict {
        Verdict::Accepted => "accepted",
        Verdict::Refused(_) => "refused",
        Verdict::Viewed => "viewed",
    };
    assert_eq!(got, verdict, "{input:?}");
    assert!(step.outputs.iter().copied().eq(said.iter().map(output)), "{:?} / {said:?}", step.outputs);
    assert_eq!(step.view.label, label(view.peer_state), "{input:?}");
    assert_eq!(
        (step.view.local_done, step.view.late, step.view.quorum),
        (view.is_pinging_completed, view.deadline_missed, view.required_count)
    );
    assert!(same_ids(step.view.seen, &view.pinging_peers), "{input:?}");
    assert!(same_ids(step.view.ready, &view.collecting_peers), "{input:?}");
    assert!(same_ids(step.view.members, view.members.as_slice()), "{input:?}");
    if both_lists {
        assert!(step.admissible.kinds().eq(list.iter().map(kind)), "{:?} / {list:?}", step.admissible);
    }
}

fn random_input(rng: &mut Rng, peers: u64) -> Input {
    let peer = id(rng.below(peers) as u32);
    match rng.below(100) {
        0..28 => Input::Seen(Signal::plain(peer)),
        28..62 => Input::Ready(Signal::plain(peer)),
        62..72 => Input::LocalDone,
        72..79 => Input::Deadline,
        79..84 => Input::JoinAsk(peer),
        84..91 => Input::JoinGrant(peer),
        91..95 => Input::JoinRefuse(peer),
        _ => Input::Query,
    }
}

/// Aim: with D1 to D8 off this is the seed's machine. Method: 10^5 random sequences of 1 to 6 members, any quorum, own id absent or
/// twice; both machines take each step.
#[test]
fn hundred_thousand_sequences_equal_the_oracle() {
    let mut rng = Rng::new(0xfac7);
    for _ in 0..100_000 {
        let n = rng.below(7) as u32;
        let mut members: Vec<u32> = (0..n).collect();
        match rng.below(8) {
            0 => members.retain(|&m| m != 0),
            1 => members.push(0),
            _ => {}
        }
        let quorum = rng.below(u64::from(n) + 3) as u16;
        let ids: Vec<NodeId> = members.iter().map(|&m| id(m)).collect();
        let (mut ours, _) = Machine::<1>::new(&Config::seed(id(0), &ids, quorum)).unwrap();
        let peers = members.iter().map(|&m| u64::from(m)).collect();
        let theirs = TheirConfig::new(0, peers, QuorumPolicy::new(usize::from(quorum)));
        let mut other = Faction::new(theirs, Box::new(NoOpObserver));
        for _ in 0..4 + rng.below(14) {
            compare(&mut ours, &mut other, &random_input(&mut rng, u64::from(n) + 3), true);
        }
    }
}

/// Aim: with all rules of the product on but none of D1 to D8 exercised, each step equals the seed's as well. Method: as above,
/// leaving out what the differences name: strangers, the own id, deadlines while fresh or twice, readiness after forming.
#[test]
fn product_rules_equal_the_oracle_where_no_difference_is_exercised() {
    let mut rng = Rng::new(0xd1d8);
    for _ in 0..10_000 {
        let n = 1 + rng.below(6) as u32;
        let ids: Vec<NodeId> = (1..=n).map(id).collect();
        let quorum = 1 + rng.below(u64::from(n)) as u16;
        let (mut ours, _) = Machine::<1>::new(&Config::product(id(1), &ids, Policy::fixed(quorum))).unwrap();
        let peers = (1..=u64::from(n)).collect();
        let mut other =
            Faction::new(TheirConfig::new(1, peers, QuorumPolicy::new(usize::from(quorum))), Box::new(NoOpObserver));
        for _ in 0..16 {
            let input = random_input(&mut rng, u64::from(n) + 3);
            let known = ours.view().members.contains(&input.peer());
            let (formed, fresh) = (ours.view().concluded(), ours.view().label == Label::Fresh);
            let exercised = match &input {
                Input::Seen(_) => !known || input.peer() == id(1),
                Input::Ready(_) => !known || input.peer() == id(1) || formed,
                Input::Deadline => fresh || ours.view().late,
                Input::JoinGrant(peer) => !peer.is_node(),
                _ => false,
            };
            if !exercised {
                compare(&mut ours, &mut other, &input, false);
            }
        }
    }
}

/// Aim: each difference is a switch of its own, `bootstrap:W6` first.
/// Method: one rule at a time on top of the seed's, with the input that shows it.
#[test]
fn each_difference_can_be_switched_alone() {
    let members = [id(1), id(2), id(3)];
    let with = |rules: Rules, script: &str| {
        let config = Config { rules, ..Config::seed(id(1), &members, 2) };
        let mut machine = Machine::<1>::new(&config).unwrap().0;
        let mut said = String::new();
        for word in script.split(' ') {
            let step = machine.step(&input(word));
            said = step.outputs.iter().map(short).collect::<Vec<_>>().join(" ");
        }
        (said, machine.view().label)
    };
    let cases = [
        (Rules::D1, "D", "late(0)", Label::Overdue),
        (Rules::D2, "S9", "stranger", Label::Fresh),
        (Rules::D4, "L R2 R3", "noted", Label::Formed),
        (Rules::D5, "S1", "echo", Label::Fresh),
        (Rules::D6, "S2 D D", "late-again(0)", Label::Overdue),
    ];
    for (rules, script, said, label) in cases {
        assert_eq!(with(rules, script), (said.to_string(), label), "{rules:?}");
        assert_ne!(with(Rules::SEED, script), (said.to_string(), label), "{rules:?} makes no difference");
    }
    assert!(Machine::<1>::new(&Config { rules: Rules::D3, ..Config::seed(id(9), &members, 2) }).is_err());
    let all = Rules::EACH.iter().fold(Rules::SEED, |sum, &each| sum.with(each));
    assert_eq!(all, Rules::PRODUCT);
}
