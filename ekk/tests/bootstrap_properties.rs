//! P1 to P16 and E1 to E4 over random inputs, the seed's rules and the product's.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

mod bootstrap_support;

use bootstrap_support::id;
use ekk::bootstrap::*;
use ekk::hash::Rng;
use ekk::id::NodeId;

#[derive(Default)]
struct Calls(u32, Option<Label>);

impl Observer for Calls {
    fn accepted(&mut self, _: &Input, _: &Brief, _: &[Output], after: &View<'_>) {
        *self = Calls(self.0 + 1, Some(after.label));
    }
    fn viewed(&mut self, _: &Input, view: &View<'_>) {
        *self = Calls(self.0 + 1, Some(view.label));
    }
    fn refused(&mut self, _: &Input, _: Refusal, view: &View<'_>, _: Admissible) {
        *self = Calls(self.0 + 1, Some(view.label));
    }
}

/// Any input: signals plain or stamped, of this or another life, epoch, cluster, founders or policy.
fn any(rng: &mut Rng, own: Stamp, n: u64) -> Input {
    let peer = id(1 + rng.below(n + 2) as u32);
    let mut signal = Signal::plain(peer);
    if rng.below(2) == 0 {
        let mut stamp = Stamp { boot_inc: 1 + rng.below(3) as u32, ..own };
        match rng.below(16) {
            0 => stamp.version += 1,
            1 => stamp.cluster_id += 1,
            2 => stamp.founders += 1,
            3 => stamp.policy += 1,
            4 => stamp.epoch = stamp.epoch.saturating_sub(1),
            5 => stamp.epoch += 1,
            6 => signal.claimed = id(77),
            _ => {}
        }
        signal.stamp = Some(stamp);
    }
    let formation =
        Formation { cluster_id: own.cluster_id, epoch: 1 + rng.below(3), digest: own.digest() + rng.below(8) / 7 };
    match rng.below(40) {
        0..11 => Input::Seen(signal),
        11..24 => Input::Ready(signal),
        24..28 => Input::LocalDone,
        28..30 => Input::Deadline,
        30 => Input::JoinAsk(peer),
        31..33 => Input::JoinGrant(peer),
        33 => Input::JoinRefuse(peer),
        34 => Input::Query,
        35 => Input::Answer { signal, listed: rng.below(2) == 0 },
        36 => Input::Trouble { peer, version: None },
        37 => Input::Rearm,
        38 if rng.below(8) == 0 => Input::Snapshot(formation),
        _ => Input::Notice(signal, formation),
    }
}

fn twice(list: &[NodeId]) -> bool {
    list.iter().enumerate().any(|(at, id)| list[..at].contains(id))
}

/// What must hold after each step; `before` is the machine it began with.
fn judge(before: &Machine<1>, after: &Machine<1>, input: &Input, verdict: Verdict, said: &[Output], product: bool) {
    let (b, a) = (before.view(), after.view());
    let formed = said.contains(&Output::Formed);
    let became = b.label != Label::Formed && a.label == Label::Formed;
    assert!(!twice(a.seen) && !twice(a.ready) && !twice(a.members), "bootstrap:P2");
    assert!(a.seen.iter().chain(a.ready).all(|p| a.members.contains(p)), "bootstrap:P3");
    assert!(a.members.starts_with(b.members), "bootstrap:P2 members only grow");
    if !product {
        assert!(a.seen.starts_with(b.seen) && a.ready.starts_with(b.ready), "bootstrap:P2");
        assert_eq!(a.quorum, b.quorum, "bootstrap:P9");
    }
    assert!(!b.concluded() || a.concluded(), "bootstrap:P4 once formed, always formed");
    assert!(!a.concluded() || a.adopted || a.local_done && a.ready.len() >= a.quorum, "bootstrap:P4");
    assert_eq!(formed || said.contains(&Output::Adopted), became || (said.contains(&Output::Adopted)), "bootstrap:P4");
    assert!(!formed || became && a.local_done, "bootstrap:P4, bootstrap:P5");
    let announced = said.contains(&Output::Announce);
    assert_eq!(announced, matches!(input, Input::LocalDone) && verdict == Verdict::Accepted, "bootstrap:P6");
    assert!(!announced || !b.local_done, "bootstrap:P6 once");
    assert_eq!(a.label == Label::Overdue, a.late && !a.concluded(), "bootstrap:P10");
    assert!(!b.late || a.late, "bootstrap:P10 late stays");
    if verdict != Verdict::Accepted {
        assert_eq!(before, after, "bootstrap:P8");
    }
    let idle = |output: &Output| {
        use Output::*;
        matches!(
            output,
            SeenDup(_) | ReadyDup(_) | Stranger(_) | Reassure(_) | Denied(_) | JoinPending(_) | MemberDup(_)
        )
    };
    // `bootstrap:E4`: what fails a check changes no set either.
    let failed = |output: &Output| {
        use Output::*;
        matches!(output, Mismatch(..) | Unverified(_) | WrongVersion(_) | Echo(_) | NotListed(_))
    };
    if said.len() == 1 && (idle(&said[0]) || failed(&said[0])) {
        assert_eq!(
            (a.members, a.seen, a.ready, a.late, a.quorum),
            (b.members, b.seen, b.ready, b.late, b.quorum),
            "bootstrap:P7, bootstrap:E4 {input:?}"
        );
    }
    if matches!(input, Input::Seen(_) | Input::Ready(_)) && verdict == Verdict::Accepted {
        let retracted = |o: &&Output| !matches!(o, Output::Retracted(..) | Output::Restarted(_) | Output::Formed);
        assert_eq!(said.iter().filter(retracted).count(), 1, "bootstrap:P13 {said:?}");
    }
    assert_eq!(after.waiting().next().is_none(), a.concluded(), "bootstrap:E2");
    if verdict == Verdict::Refused(Refusal::Full) {
        assert_eq!(a.members.len(), Machine::<1>::CAPACITY);
    } else {
        assert_eq!(
            matches!(verdict, Verdict::Refused(_)),
            refused(&before.admissible(), input, verdict),
            "bootstrap:P11, bootstrap:W12"
        );
    }
}

fn refused(admissible: &Admissible, input: &Input, verdict: Verdict) -> bool {
    // A snapshot is refused for what it holds; by its kind it is always taken.
    let by_content = [Refusal::OtherFormation, Refusal::OlderFormation].map(Verdict::Refused).contains(&verdict);
    by_content || !admissible.has(input.kind())
}

/// One random life; the log of inputs is given back with the machine.
fn live(rng: &mut Rng, config: &Config<'_>, product: bool) -> (Machine<1>, Vec<Input>) {
    let (mut machine, _) = Machine::<1>::new(config).unwrap();
    let (mut log, mut formed) = (Vec::new(), 0);
    let mut highest = [0_u32; 80];
    for _ in 0..30 {
        let before = machine.clone();
        let input = any(rng, machine.stamp(), config.members.len() as u64);
        let mut calls = Calls::default();
        let step = machine.step_observed(&input, &mut calls);
        let (verdict, outputs, label) = (step.verdict, step.outputs, step.view.label);
        assert_eq!((calls.0, calls.1), (1, Some(label)), "bootstrap:P12");
        judge(&before, &machine, &input, verdict, &outputs, product);
        formed += u32::from(outputs.contains(&Output::Formed));
        track(&mut highest, &before, &input, &outputs);
        if product && !machine.view().concluded() {
            for peer in machine.view().ready {
                let known = machine.peer_now(*peer).and_then(|now| now.2).unwrap_or(0);
                assert!(known >= highest[peer.get() as usize], "bootstrap:E1");
            }
        }
        let view = machine.view();
        let mut again = machine.clone();
        assert_eq!(again.step(&Input::Query).view, view, "bootstrap:P12");
        log.push(input);
    }
    assert!(formed <= 1, "bootstrap:P4");
    (machine, log)
}

/// Remembers the highest life of a member whose signal passed the checks.
fn track(highest: &mut [u32; 80], before: &Machine<1>, input: &Input, said: &[Output]) {
    use Output::*;
    let (Input::Seen(signal) | Input::Ready(signal)) = input else { return };
    let passed =
        said.iter().any(|o| matches!(o, SeenNew(_) | ReadyNew(_) | SeenDup(_) | ReadyDup(_) | Reassure(_) | Ahead(_)));
    if let (Some(stamp), true, true) = (signal.stamp, passed, before.view().members.contains(&signal.peer)) {
        let slot = &mut highest[signal.peer.get() as usize];
        *slot = (*slot).max(stamp.boot_inc);
    }
}

/// P1 to P13 and P16, E1, E2, E4: both rule sets, random inputs.
#[test]
fn every_step_keeps_the_invariants() {
    let mut rng = Rng::new(0xb007);
    let (mut formed, mut adopted) = (0, 0);
    for round in 0..20_000 {
        let members: Vec<NodeId> = (1..=1 + rng.below(5) as u32).map(id).collect();
        let n = members.len() as u64;
        let product = round % 2 == 0;
        let config = if product {
            let rule = [Rule::Majority, Rule::All, Rule::TwoThirds, Rule::Fixed(1 + rng.below(n) as u16)]
                [rng.below(4) as usize];
            let over = if rng.below(2) == 0 { Over::Live } else { Over::Genesis };
            let on_deadline = [OnDeadline::Warn, OnDeadline::FailOpen, OnDeadline::GiveUp][rng.below(3) as usize];
            let adopt_quorum = 1 + rng.below(n) as u8;
            Config { on_deadline, adopt_quorum, ..Config::product(id(1), &members, Policy { rule, over }) }
        } else {
            Config::seed(id(1), &members, rng.below(n + 2) as u16)
        };
        let (machine, log) = live(&mut rng, &config, product);
        formed += u32::from(machine.view().concluded());
        adopted += u32::from(machine.view().adopted);
        let (mut replayed, _) = Machine::<1>::new(&config).unwrap();
        log.iter().for_each(|input| {
            replayed.step(input);
        });
        assert_eq!(replayed, machine, "bootstrap:P1, bootstrap:P16");
    }
    assert!(formed > 2_000 && adopted > 500, "{formed} formed, {adopted} adopted: too few to mean anything");
}

/// P14: grants commute up to the order of M. P15: the order of readies before completion changes the order of R only.
#[test]
fn joins_commute_and_readies_permute() {
    let members: Vec<NodeId> = (1..=4).map(id).collect();
    let mut rng = Rng::new(3);
    for _ in 0..200 {
        let mut inputs: Vec<Input> = (2..=4).map(|p| Input::Ready(Signal::plain(id(p)))).collect();
        inputs.extend((7..=8).map(|p| Input::JoinGrant(id(p))));
        let run = |inputs: &[Input]| {
            let (mut machine, _) = Machine::<1>::new(&Config::seed(id(1), &members, 4)).unwrap();
            inputs.iter().chain([&Input::LocalDone]).for_each(|input| {
                machine.step(input);
            });
            let sorted = |list: &[NodeId]| {
                let mut list = list.to_vec();
                list.sort_unstable();
                list
            };
            let view = machine.view();
            (view.label, sorted(view.members), sorted(view.ready), sorted(view.seen), view.quorum)
        };
        let straight = run(&inputs);
        for at in (1..inputs.len()).rev() {
            inputs.swap(at, rng.below(at as u64 + 1) as usize);
        }
        assert_eq!(run(&inputs), straight, "bootstrap:P14, bootstrap:P15");
    }
}

/// The order of the checks (8.7): with several things wrong, the first decides; nobody else's name (`bootstrap:W8`) and no earlier
/// run (`bootstrap:W3`) is counted.
#[test]
fn the_first_failed_check_decides() {
    let members = [id(1), id(2)];
    let (machine, _) = Machine::<1>::new(&Config::product(id(1), &members, Policy::fixed(2))).unwrap();
    let own = machine.stamp();
    let bad = Stamp { version: 9, cluster_id: 9, founders: 9, policy: 9, epoch: 0, boot_inc: 1 };
    let said = |stamp: Stamp, claimed: u32, peer: u32| {
        let signal = Signal { peer: id(peer), claimed: id(claimed), stamp: Some(stamp) };
        machine.clone().step(&Input::Ready(signal)).outputs[0]
    };
    assert_eq!(said(bad, 5, 9), Output::WrongVersion(id(9)));
    assert_eq!(said(Stamp { version: own.version, ..bad }, 5, 9), Output::Mismatch(id(9), Field::ClusterId));
    let bad = Stamp { version: own.version, cluster_id: own.cluster_id, ..bad };
    assert_eq!(said(bad, 5, 9), Output::Unverified(id(9)));
    assert_eq!(said(bad, 9, 9), Output::Mismatch(id(9), Field::Founders));
    assert_eq!(said(Stamp { founders: own.founders, ..bad }, 9, 9), Output::Mismatch(id(9), Field::Policy));
    assert_eq!(said(Stamp { epoch: 0, ..own }, 9, 9), Output::Stranger(id(9)));
    assert_eq!(said(Stamp { epoch: 0, boot_inc: 0, ..own }, 1, 1), Output::Stale(id(1)));
    assert_eq!(said(Stamp { epoch: 0, ..own }, 1, 1), Output::Echo(id(1)));
    assert_eq!(said(Stamp { epoch: 0, ..own }, 2, 2), Output::Stale(id(2)));
    assert_eq!(said(Stamp { boot_inc: 7, ..own }, 2, 2), Output::ReadyNew(id(2)));
}

/// `bootstrap:W2`, `bootstrap:E1`: a ready of an earlier life counts no more, and a late copy of it neither.
#[test]
fn a_restart_takes_its_ready_back() {
    let members = [id(1), id(2), id(3)];
    let (mut machine, _) = Machine::<1>::new(&Config::product(id(1), &members, Policy::fixed(3))).unwrap();
    let own = machine.stamp();
    let signal = |peer, boot_inc| Signal::stamped(id(peer), Stamp { boot_inc, ..own });
    machine.step(&Input::Ready(signal(2, 4)));
    machine.step(&Input::LocalDone);
    let outputs = machine.step(&Input::Seen(signal(2, 5))).outputs;
    assert_eq!(*outputs, [Output::Retracted(id(2), 4), Output::Reassure(id(2))]);
    assert!(machine.waiting().any(|w| w.reason == Reason::Restarted && w.peer == Some(id(2)) && w.since == 3));
    assert_eq!(*machine.step(&Input::Ready(signal(2, 4))).outputs, [Output::Stale(id(2))]);
    machine.step(&Input::Ready(signal(3, 1)));
    assert!(!machine.view().concluded(), "two of three are ready in their present lives");
    assert_eq!(machine.progress().to_string(), "2 of 3 ready, missing one of: 2");
    assert!(machine.step(&Input::Ready(signal(2, 5))).outputs.contains(&Output::Formed));
}

/// Adoption waits for as many notices of one id as are wanted; another id in between is a suspected split.
#[test]
fn adoption_wants_a_quorum_of_one_mind() {
    let members: Vec<NodeId> = (1..=4).map(id).collect();
    let config = Config { adopt_quorum: 2, ..Config::product(id(1), &members, Policy::fixed(3)) };
    let (mut machine, _) = Machine::<1>::new(&config).unwrap();
    let own = machine.stamp();
    let notice = |peer, epoch| {
        let formation = Formation { cluster_id: own.cluster_id, epoch, digest: own.digest() };
        Input::Notice(Signal::stamped(id(peer), Stamp { epoch, ..own }), formation)
    };
    assert_eq!(*machine.step(&notice(2, 1)).outputs, [Output::NoticeNoted(id(2))]);
    assert_eq!(*machine.step(&notice(2, 1)).outputs, [Output::NoticeNoted(id(2))], "one peer counts once");
    assert_eq!(*machine.step(&notice(3, 2)).outputs, [Output::SplitSuspected(id(3))]);
    assert!(machine.waiting().any(|w| w.reason == Reason::Split));
    assert_eq!(*machine.step(&notice(2, 2)).outputs, [Output::Adopted]);
    assert_eq!(machine.view().formation.map(|f| f.epoch), Some(2));
    assert_eq!(*machine.step(&notice(4, 1)).outputs, [Output::Stale(id(4))]);
    let sure = Formation { cluster_id: own.cluster_id, epoch: 9, digest: own.digest() + 1 };
    assert_eq!(machine.step(&Input::Snapshot(sure)).verdict, Verdict::Refused(Refusal::OtherFormation));
}

/// Each mistake of a configuration has its own error; half or less as a quorum is a warning (`bootstrap:W5`).
#[test]
fn mistakes_of_a_configuration_are_told_apart() {
    let (three, twice, none) = ([id(1), id(2), id(3)], [id(1), id(2), id(2)], [NodeId::NONE, id(1)]);
    let new = |config: Config<'_>| Machine::<1>::new(&config).map(|(_, warning)| warning);
    let with = |members, q| Config::product(id(1), members, Policy::fixed(q));
    assert_eq!(new(with(&[], 1)), Err(ConfigError::Empty));
    assert_eq!(new(with(&twice, 2)), Err(ConfigError::Duplicate(id(2))));
    assert_eq!(new(with(&none, 1)), Err(ConfigError::NoNode(NodeId::NONE)));
    assert_eq!(new(with(&three[1..], 1)), Err(ConfigError::NotListed(id(1))));
    assert_eq!(new(with(&three, 0)), Err(ConfigError::QuorumZero));
    assert_eq!(new(with(&three, 4)), Err(ConfigError::QuorumUnreachable { quorum: 4, members: 3 }));
    assert_eq!(new(with(&three, 1)), Ok(Some(Warning::SplitPossible { quorum: 1, members: 3 })));
    assert_eq!(new(with(&three, 2)), Ok(None));
    assert_eq!(new(Config { role: Role::Joiner, ..with(&three, 2) }), Err(ConfigError::JoinerListed(id(1))));
    let many: Vec<NodeId> = (1..=65).map(id).collect();
    assert_eq!(new(with(&many, 40)), Err(ConfigError::TooMany { members: 65, capacity: 64 }));
    let (machine, _) = Machine::<1>::new(&Config { expect_joins: true, ..with(&three, 4) }).unwrap();
    assert!(machine.waiting().any(|w| w.reason == Reason::Unreachable { quorum: 4, members: 3 }));
    let (mut full, _) = Machine::<1>::new(&with(&many[..64], 33)).unwrap();
    assert_eq!(full.step(&Input::JoinGrant(id(99))).verdict, Verdict::Refused(Refusal::Full));
}

/// `bootstrap:W10`: an observer that panics finds and leaves a finished step.
#[test]
fn an_observer_that_panics_leaves_the_step_complete() {
    struct Bomb;
    impl Observer for Bomb {
        fn accepted(&mut self, _: &Input, _: &Brief, _: &[Output], _: &View<'_>) {
            panic!("on purpose");
        }
        fn viewed(&mut self, _: &Input, _: &View<'_>) {}
        fn refused(&mut self, _: &Input, _: Refusal, _: &View<'_>, _: Admissible) {}
    }
    let (mut machine, _) = Machine::<1>::new(&Config::seed(id(1), &[id(1), id(2)], 2)).unwrap();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        machine.step_observed(&Input::LocalDone, &mut Bomb);
    }));
    assert!(caught.is_err());
    assert_eq!((machine.view().label, machine.view().local_done), (Label::Confirming, true));
    assert!(!machine.admissible().has(InputKind::LocalDone));
}

/// The ring keeps the last steps with their numbers.
#[test]
fn the_ring_keeps_the_last_steps() {
    let (mut machine, _) = Machine::<1>::new(&Config::seed(id(1), &[id(1)], 1)).unwrap();
    let mut ring = Ring::<2>::default();
    for input in [Input::Deadline, Input::Query, Input::LocalDone] {
        machine.step_observed(&input, &mut ring);
    }
    let kept: Vec<_> = ring.records().map(|r| (r.sequence, r.input, r.label, r.outputs.len())).collect();
    assert_eq!(kept, [(2, Input::Query, Label::Fresh, 0), (3, Input::LocalDone, Label::Formed, 3)]);
    assert_eq!(ring.forgotten(), 1);
}
