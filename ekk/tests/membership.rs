//! Death: who is removed, how fast, by whose word, and who is not.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

mod membership_net;

use ekk::membership::evidence::Statement;
use ekk::sign::Signature;
use ekk::time::{Span, Time};
use ekk::wire::v1::membership::Message;
use membership_net::*;

/// membership:MB-4 membership:MB-5 membership:MB-15 decisions:CLU-2 ekk:D-29: a crash is known to all soon, and everybody can say why.
#[test]
fn a_crash_is_certified_and_everybody_can_say_why() {
    let mut net = Net::formed(40, 1);
    net.run_s(3);
    let crashed = net.now_us;
    net.crash(7);
    net.run_s(3);
    assert_eq!(net.removed_by(7).len(), 39);
    let worst = net.removal_times(7).into_iter().max().unwrap() - crashed;
    assert!(worst < 1_400_000, "{worst} us for T = 6, the window and the news");
    assert_eq!(net.deaths(), 39, "nobody else");
    let mut made_here = 0;
    for raw in net.up() {
        let removal = *net.members[&raw].m.removals().next().expect("a verdict");
        assert_eq!(removal.certificate.subject, identity(7, 1, 0));
        let proof = removal.certificate.verify(CLUSTER, |_| false, &mut Keys::default()).expect("checkable by anybody");
        assert_eq!(proof, removal.proof);
        assert!(proof.stated >= proof.quorum && proof.quorum >= 5, "{proof:?}");
        for statement in removal.certificate.statements() {
            assert!(statement.missed >= statement.threshold && statement.threshold >= 4 && statement.doubt >= 16);
            assert!(statement.age_us >= 600_000 && statement.last_sequence > 0);
        }
        assert!(removal.removed_at > Time::from_us(crashed));
        if removal.told_by.is_none() {
            made_here += 1;
            let (opened, quorum) = (removal.opened.unwrap(), removal.quorum_at.unwrap());
            assert!(opened <= quorum, "the time line");
            assert!(removal.removed_at.since(quorum) >= Span::from_ms(200), "the refutation window is two periods");
        }
    }
    assert!(made_here >= 1);
}

/// membership:MB-5: in clusters of three to nine the others remove a crashed node, also two of three; and two at once in five.
#[test]
fn small_clusters_remove_and_two_do_not() {
    for n in 3..=9 {
        let mut net = Net::formed(n, u64::from(n));
        net.run_s(3);
        assert_eq!(net.check_graph(), (n as usize - 1, n as usize - 1), "everybody watches everybody");
        net.crash(2);
        net.run_s(4);
        assert_eq!(net.removed_by(2).len(), n as usize - 1, "{n}");
    }
    let mut net = Net::formed(5, 50);
    net.run_s(3);
    net.crash(2);
    net.crash(4);
    net.run_s(6);
    assert_eq!(
        (net.removed_by(2).len(), net.removed_by(4).len()),
        (3, 3),
        "two crashes at once do not block each other"
    );
}

/// membership:MB-13: the survivor of two does not remove alone, but says that it is alone.
#[test]
fn the_survivor_of_two_says_that_it_is_alone() {
    let mut net = Net::formed(2, 3);
    net.run_s(3);
    net.crash(2);
    net.run_s(30);
    assert_eq!(net.deaths(), 0);
    assert!(net.m(1).is_alone());
    assert!(net.told(1, &Told::Alone) >= 1);
}

fn forged(watcher: u32, signer: u32, subject: u32, sequence: u32) -> Statement {
    let mut statement = Statement {
        subject: identity(subject, 1, 0),
        watcher: id(watcher),
        last_sequence: sequence,
        age_us: 800_000,
        missed: 8,
        threshold: 6,
        doubt: 16,
        signature: Signature::EMPTY,
    };
    statement.sign(CLUSTER, &mut Keys { me: signer, ..Keys::default() });
    statement
}

/// membership:MB-4: statements under foreign names, by strangers, replayed or of impossible times remove nobody.
#[test]
fn forged_and_replayed_statements_remove_nobody() {
    let mut net = Net::formed(40, 4);
    net.run_s(5);
    let watchers = |net: &mut Net| -> Vec<u32> {
        let now = net.now();
        net.m(7).links(now).map(|link| link.identity.id.get()).collect()
    };
    let watchers = watchers(&mut net);
    let liar = watchers[0];
    let stranger = (1..=40).find(|raw| *raw != 7 && !watchers.contains(raw)).unwrap();
    for _ in 0..30 {
        for &victim in &watchers[1..] {
            for (from, watcher, signer) in [(liar, victim, liar), (liar, liar, victim), (stranger, stranger, stranger)]
            {
                let message = Message::Silence(forged(watcher, signer, 7, 45));
                net.put_message(from, victim, identity(from, 1, 0), &message);
            }
            let far = Message::Silence(forged(liar, liar, 7, 900_000));
            net.put_message(liar, victim, identity(liar, 1, 0), &far);
        }
        net.run_ms(100);
    }
    assert_eq!(net.deaths(), 0);
    // A watcher that does not hear the subject has no veto: there the signature decides.
    let unhearing = watchers[1];
    net.cut.insert((7, unhearing));
    net.run_ms(500);
    let now = net.now();
    let sequence = net.m(unhearing).links(now).find(|link| link.identity.id == id(7)).map(|link| link.missed);
    assert!(sequence.is_some_and(|missed| missed >= 4));
    for last in (60..110).step_by(5) {
        let message = Message::Silence(forged(liar, stranger, 7, last));
        net.put_message(liar, unhearing, identity(liar, 1, 0), &message);
    }
    net.run_ms(50);
    assert!(is_refused(&net.members[&unhearing], "BadSignature"));
    let refused = |name: &str| watchers[1..].iter().any(|raw| is_refused(&net.members[raw], name));
    assert!(refused("Stranger"), "the statement of another watcher, and of somebody outside the set");
    assert_eq!(net.m(7).me().identity.id, id(7));
    // One genuine liar among the watchers is answered by vetoes and never finds a quorum.
    let vetoes: u32 = watchers[1..].iter().map(|raw| net.members[raw].m.counters().vetoes).sum();
    assert!(vetoes > 30, "{vetoes}");
}

/// membership:MB-5: who lies that it hears a dead node delays the removal by ten thresholds and no more.
#[test]
fn a_lone_vetoer_is_overruled() {
    let mut net = Net::formed(40, 5);
    net.run_s(5);
    let now = net.now();
    let liar = net.m(7).links(now).map(|link| link.identity.id.get()).next().unwrap();
    net.m(liar).maintenance(id(7), Time::NEVER);
    net.tape = Some(Vec::new());
    net.crash(7);
    let crashed = net.now_us;
    let mut first_removal = None;
    for _ in 0..150 {
        net.run_ms(100);
        for (_, from, to, bytes) in net.tape.replace(Vec::new()).unwrap() {
            if let (_, Some(Message::Silence(statement))) = decode(&bytes)
                && to == liar
                && statement.subject.id == id(7)
            {
                let (subject, last_sequence) = (statement.subject, statement.last_sequence + 2);
                let fresh = Message::Fresh { subject, last_sequence, age_us: 100_000 };
                net.put_message(liar, from, identity(liar, 1, 0), &fresh);
            }
        }
        first_removal = first_removal.or_else(|| (net.deaths() > 0).then_some(net.now_us - crashed));
    }
    let after = first_removal.expect("overruled in the end");
    assert!(
        (4_500_000..10_000_000).contains(&after),
        "{after} us: ten thresholds of 4 to 6 periods, and the detection"
    );
    assert!(net.removed_by(7).len() >= 38);
}

/// decisions:CLU-13: a node that did not run blames nobody: it doubts itself fully and is mute until half are heard.
#[test]
fn a_stalled_node_is_mute() {
    let mut net = Net::formed(20, 6);
    net.run_s(5);
    net.members.get_mut(&3).unwrap().up = false;
    net.run_ms(550);
    let member = net.members.get_mut(&3).unwrap();
    member.up = true;
    member.next_tick = net.now_us;
    net.run_ms(1);
    assert_eq!(net.m(3).doubt(), (128, true));
    assert_eq!(net.m(3).counters().stalls, 1);
    let now = net.now();
    assert!(net.m(3).links(now).all(|link| link.missed <= 2), "its own silence is not that of others");
    net.run_s(3);
    assert!(!net.m(3).doubt().1, "heard again");
    assert_eq!(net.m(3).counters().statements, 0);
    assert_eq!(net.deaths(), 0);
}

/// membership:MB-7 decisions:CLU-13 decisions:CLU-16: a deaf node removes nobody, at any rate of inbound loss.
#[test]
fn a_deaf_node_removes_nobody() {
    for loss_in in [300, 600, 900, 1_000] {
        let mut net = Net::formed(30, 7);
        net.run_s(3);
        net.members.get_mut(&9).unwrap().loss_in = loss_in;
        net.run_s(3);
        let said = net.m(9).counters().statements;
        net.run_s(57);
        assert_eq!(net.deaths(), 0, "inbound loss {loss_in}");
        if loss_in == 1_000 {
            assert_eq!(net.m(9).counters().statements, said, "mute once more than half of the others are silent");
            assert!(net.m(9).doubt().1, "it knows");
            assert!(net.m(9).is_alone());
        }
    }
}

/// decisions:CLU-16: a node that loses half of what it sends stays; one that loses 95 % and more is removed.
#[test]
fn outbound_loss() {
    let mut net = Net::formed(30, 8);
    net.run_s(3);
    net.members.get_mut(&9).unwrap().loss_out = 500;
    net.run_s(900);
    assert_eq!(net.deaths(), 0, "50 %");
    for (loss_out, seconds) in [(950, 60), (1_000, 3)] {
        let mut net = Net::formed(30, 8);
        net.run_s(3);
        net.members.get_mut(&9).unwrap().loss_out = loss_out;
        net.run_s(seconds);
        assert!(net.removal_times(9).len() >= 28, "{loss_out}");
        assert!(net.up().iter().all(|raw| *raw == 9 || net.removed_by(*raw).is_empty()), "nobody else");
    }
}

/// decisions:CLU-16: at 10 % independent loss nobody is removed falsely, over many node-hours.
#[test]
fn nobody_is_removed_falsely_at_ten_percent_loss() {
    let mut net = Net::formed(40, 9);
    net.loss = 100;
    net.run_s(1_000);
    assert_eq!(net.deaths(), 0, "11 node-hours");
    let (low, high) = net.check_graph();
    assert!(low >= 8 && high <= 12, "{low}..{high}");
    net.crash(11);
    let crashed = net.now_us;
    net.run_s(4);
    let worst = net.removal_times(11).into_iter().max().unwrap() - crashed;
    assert!(net.removed_by(11).len() == 39 && worst < 2_000_000, "{worst} us");
}

/// decisions:CLU-14: no more than 15 % in one window; the valve says so, and an operator opens it.
#[test]
fn the_safety_valve() {
    let mut net = Net::formed(40, 10);
    net.run_s(3);
    let crashed: Vec<u32> = (1..=12).collect();
    crashed.iter().for_each(|raw| net.crash(*raw));
    net.run_s(5);
    assert!(net.up().iter().all(|raw| net.members[raw].m.counters().removed == 6), "15 % of 40");
    let shut: Vec<u32> = net.up().into_iter().filter(|raw| net.members[raw].m.valve_shut().is_some()).collect();
    assert!(shut.len() >= 7, "all who hold a seventh removal: {shut:?}");
    assert!(shut.iter().all(|raw| net.told(*raw, &Told::ValveShut) == 1), "said once");
    for _ in 0..4 {
        for raw in net.up() {
            let now = net.now();
            net.m(raw).resume_removals(now);
        }
        net.run_s(5);
    }
    for raw in crashed {
        assert_eq!(net.removed_by(raw).len(), 28, "{raw}");
    }
}

/// membership:MB-6: a node that hears statements about itself refutes with a higher life, and its watchers doubt themselves.
#[test]
fn the_subject_refutes() {
    let mut net = Net::formed(30, 11);
    net.run_s(3);
    let now = net.now();
    let watchers: Vec<u32> = net.m(9).links(now).map(|link| link.identity.id.get()).collect();
    // Two of its watchers stop hearing it: not enough for a quorum.
    for watcher in &watchers[..2] {
        net.cut.insert((9, *watcher));
    }
    net.run_ms(1_200);
    assert!(net.m(9).me().identity.life >= 1, "refuted");
    assert!(net.m(9).counters().refuted >= 1);
    net.cut.clear();
    net.run_ms(500);
    assert_eq!(net.deaths(), 0);
    let life = net.m(9).me().identity;
    assert!(watchers.iter().all(|watcher| net.members[watcher].m.known(id(9)) == Some((life, true))));
    let doubting = watchers[..2].iter().filter(|watcher| net.members[watcher].m.doubt().0 > 16).count();
    assert!(doubting >= 1, "who was refuted doubts itself");
    net.run_s(60);
    assert!(watchers.iter().all(|watcher| net.members[watcher].m.doubt().0 == 16), "and forgets it");
}
