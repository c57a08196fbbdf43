//! Clusters of real drivers under virtual time: K1 to K4, C1, C3, C4, E3, E5, E6, with loss, duplication, delay and reordering.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

mod bootstrap_support;

use bootstrap_support::id;
use ekk::bootstrap::{
    Config, Driver, Field, GuestKind, Input, OnDeadline, Output, Over, Policy, Reason, Rule, Settings,
};
use ekk::bootstrap::{Formation, JoinPolicy, Ring, Role, Signal};
use ekk::hash::Rng;
use ekk::id::{Identity, NodeId};
use ekk::sink::{Class, Event, Sink};
use ekk::time::{Span, Time};

#[derive(Default)]
struct Out {
    sends: Vec<(NodeId, Vec<u8>)>,
    formed: u32,
    adopted: u32,
}

impl Sink for Out {
    fn send(&mut self, to: NodeId, class: Class, bytes: &[u8]) {
        assert_eq!(class, Class::Bootstrap);
        assert!(bytes.len() <= 1_400);
        self.sends.push((to, bytes.to_vec()));
    }

    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Formed { .. } => self.formed += 1,
            Event::Adopted { .. } => self.adopted += 1,
            _ => {}
        }
    }
}

struct Host {
    me: NodeId,
    driver: Driver<2>,
    out: Out,
    log: Ring<64>,
    done_at: Time,
    sent: Vec<Time>,
}

/// Percent lost, percent doubled, most delay in ms.
#[derive(Clone, Copy)]
struct Weather(u64, u64, u64);

struct Net {
    hosts: Vec<Host>,
    wire: Vec<(Time, NodeId, NodeId, Vec<u8>)>,
    rng: Rng,
    weather: Weather,
    now: Time,
    cut: Option<fn(u32, u32) -> bool>,
}

const CALM: Weather = Weather(0, 0, 1);

impl Net {
    fn new(seed: u64, weather: Weather) -> Net {
        Net { hosts: Vec::new(), wire: Vec::new(), rng: Rng::new(seed), weather, now: Time::ZERO, cut: None }
    }

    fn add(&mut self, config: &Config<'_>, settings: Settings, done_at: Time) -> &mut Host {
        let me = Identity { id: config.me, boot_inc: config.boot_inc, life: 0 };
        let seed = self.rng.next_u64();
        let (mut driver, _) = Driver::new(config, me, settings, seed).unwrap();
        let mut out = Out::default();
        driver.start(self.now, &mut out);
        self.hosts.retain(|host| host.me != config.me);
        self.hosts.push(Host { me: config.me, driver, out, log: Ring::default(), done_at, sent: Vec::new() });
        self.hosts.last_mut().unwrap()
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.collect();
            self.now = self.now.after(Span::from_ms(1));
            let now = self.now;
            let (due, later) = self.wire.drain(..).partition(|letter| letter.0 <= now);
            self.wire = later;
            let due: Vec<(Time, NodeId, NodeId, Vec<u8>)> = due;
            for (_, from, to, bytes) in due {
                if let Some(host) = self.hosts.iter_mut().find(|host| host.me == to) {
                    host.driver.receive_observed(now, from, &bytes, &mut host.out, &mut host.log).unwrap();
                }
            }
            for host in &mut self.hosts {
                if now >= host.done_at {
                    host.done_at = Time::NEVER;
                    host.driver.local_done(now, &mut host.out).unwrap();
                }
                host.driver.tick(now, &mut host.out);
            }
        }
        self.collect();
    }

    fn collect(&mut self) {
        let Weather(lost, doubled, delay) = self.weather;
        for host in &mut self.hosts {
            for (to, bytes) in std::mem::take(&mut host.out.sends) {
                host.sent.push(self.now);
                let cut = self.cut.is_some_and(|cut| cut(host.me.get(), to.get()));
                let copies = if self.rng.below(100) < doubled { 2 } else { 1 };
                for _ in 0..copies {
                    let at = self.now.after(Span::from_ms(self.rng.below(delay.max(1))));
                    if !cut && self.rng.below(100) >= lost {
                        self.wire.push((at, host.me, to, bytes.clone()));
                    }
                }
            }
        }
    }

    fn host(&self, raw: u32) -> &Host {
        self.hosts.iter().find(|host| host.me == id(raw)).unwrap()
    }

    fn all_formed(&self) -> bool {
        self.hosts.iter().all(|host| host.driver.view().concluded())
    }

    fn sent(&self) -> usize {
        self.hosts.iter().map(|host| host.sent.len()).sum()
    }
}

fn ids(n: u32) -> Vec<NodeId> {
    (1..=n).map(id).collect()
}

fn cluster(n: u32, policy: Policy, seed: u64, weather: Weather) -> Net {
    let members = ids(n);
    let mut net = Net::new(seed, weather);
    for &me in &members {
        net.add(&Config::product(me, &members, policy), Settings::default(), Time::from_ms(20));
    }
    net
}

const MAJORITY: Policy = Policy { rule: Rule::Majority, over: Over::Genesis };
const ALL: Policy = Policy { rule: Rule::All, over: Over::Genesis };

/// `bootstrap:K1`: five nodes of which four are needed, started together without loss. C3: afterwards nobody says anything.
#[test]
fn k1_five_nodes_form_and_fall_silent() {
    let mut net = cluster(5, Policy::fixed(4), 1, CALM);
    net.run(200);
    assert!(net.all_formed());
    for host in &net.hosts {
        assert!(host.driver.view().ready.len() >= 4, "bootstrap:P4");
        assert_eq!((host.out.formed, host.out.adopted), (1, 0));
        assert_eq!(host.driver.next_tick(), Time::NEVER);
    }
    let before = net.sent();
    net.run(10_000);
    assert_eq!(net.sent(), before, "bootstrap:C3 traffic stops");
}

/// `bootstrap:K2`: the only message by which node 2 could form is lost and node 1 falls silent; 2 asks and is answered (`bootstrap:W1`).
#[test]
fn k2_a_lost_ready_is_made_good_by_asking() {
    let mut net = cluster(2, ALL, 2, CALM);
    net.cut = Some(|from, _| from == 1);
    net.run(1_000);
    assert!(net.host(1).driver.view().concluded() && !net.host(2).driver.view().concluded());
    net.cut = None;
    net.run(2_600);
    assert!(net.all_formed());
}

/// `bootstrap:K3`: a formed cluster of which one restarts, once with its record and once without it: it adopts, the others stay formed.
#[test]
fn k3_a_restarted_node_adopts_in_one_round_trip() {
    for keeps in [true, false] {
        let mut net = cluster(3, ALL, 3, CALM);
        net.run(200);
        assert!(net.all_formed());
        let members = ids(3);
        let record = net.host(3).driver.view().formation.filter(|_| keeps);
        let config = Config { boot_inc: 2, record, ..Config::product(id(3), &members, ALL) };
        net.add(&config, Settings::default(), Time::NEVER);
        net.run(3);
        let view = net.host(3).driver.view();
        assert!(view.concluded() && view.adopted, "keeps {keeps}: {view:?}");
        assert_eq!(view.formation, net.host(1).driver.view().formation, "bootstrap:E5");
        for other in [1, 2] {
            assert!(net.host(other).driver.view().concluded());
            assert!(net.host(other).driver.machine().restarted(id(3)));
            let logged = net.host(other).log.records().any(|record| record.outputs.contains(&Output::Restarted(id(3))));
            assert!(logged, "restarted is said");
        }
        // Own completion comes after adoption here: it is taken once.
        let now = net.now;
        let host = net.hosts.iter_mut().find(|host| host.me == id(3)).unwrap();
        assert!(host.driver.local_done(now, &mut host.out).is_ok());
        assert!(host.driver.local_done(now, &mut host.out).is_err(), "bootstrap:P6");
    }
}

/// `bootstrap:K4`: node 3 lists all, nodes 1 and 2 only themselves: both sides say so, and which field differs (`bootstrap:W7`).
#[test]
fn k4_lists_that_differ_are_shown_on_both_sides() {
    let mut net = Net::new(4, CALM);
    let (two, three) = (ids(2), ids(3));
    for me in [1, 2] {
        net.add(&Config::product(id(me), &two, Policy::fixed(2)), Settings::default(), Time::from_ms(20));
    }
    net.add(&Config::product(id(3), &three, Policy::fixed(2)), Settings::default(), Time::from_ms(20));
    net.run(500);
    assert!(net.host(1).driver.view().concluded() && net.host(2).driver.view().concluded());
    let lone = net.host(3).driver.machine();
    for peer in [1, 2] {
        assert!(lone.waiting().any(|w| w.reason == Reason::NotListed && w.peer == Some(id(peer))), "bootstrap:E2");
        let guests: Vec<_> = net.host(peer).driver.machine().guests().collect();
        assert!(guests.iter().any(|g| g.peer == id(3) && g.kind == GuestKind::Mismatch(Field::Founders)), "{guests:?}");
    }
    assert!(net.hosts.iter().all(|host| host.sent.len() < 60), "a refusal is not repeated for each message");
}

/// Another quorum in one file: each side names the field and the peer; the reason goes away with its cause (`bootstrap:E3`).
#[test]
fn a_policy_that_differs_is_named_on_both_sides_until_it_is_mended() {
    let mut net = Net::new(5, CALM);
    let members = ids(2);
    net.add(&Config::product(id(1), &members, ALL), Settings::default(), Time::from_ms(20));
    net.add(&Config::product(id(2), &members, Policy::fixed(2)), Settings::default(), Time::from_ms(20));
    net.run(500);
    for (me, other) in [(1, 2), (2, 1)] {
        let mut waiting = net.host(me).driver.machine().waiting();
        assert!(waiting.any(|w| w.reason == Reason::Mismatch(Field::Policy) && w.peer == Some(id(other))));
    }
    let config = Config { boot_inc: 2, ..Config::product(id(2), &members, ALL) };
    let now = net.now;
    net.add(&config, Settings::default(), now.after(Span::from_ms(10)));
    net.run(2_600);
    assert!(net.all_formed(), "bootstrap:E3");
    assert!(net.hosts.iter().all(|host| host.driver.machine().waiting().next().is_none()), "bootstrap:E2");
}

/// C1, C2, E5, E6: whatever the weather, all form; no node sends more than its budget in any second.
#[test]
fn clusters_form_in_any_weather_within_their_budget() {
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let n = 2 + rng.below(9) as u32;
        let policy = [MAJORITY, ALL, Policy { rule: Rule::TwoThirds, over: Over::Live }][rng.below(3) as usize];
        let mut net = cluster(n, policy, seed, Weather(rng.below(41), rng.below(31), 1 + rng.below(60)));
        for host in &mut net.hosts {
            host.done_at = Time::from_ms(rng.below(3_000));
        }
        let mut waited = 0;
        while !net.all_formed() {
            net.run(500);
            waited += 1;
            assert!(waited < 240, "bootstrap:C1 seed {seed}: not formed");
        }
        let formations: Vec<Formation> = net.hosts.iter().filter_map(|host| host.driver.view().formation).collect();
        assert!(formations.iter().all(|f| f.id() == formations[0].id()), "bootstrap:E5 seed {seed}");
        for host in &net.hosts {
            for (at, &first) in host.sent.iter().enumerate() {
                let within = host.sent[at..].iter().take_while(|&&t| t.since(first) < Span::from_s(1)).count();
                assert!(within <= 400, "bootstrap:E6 seed {seed}: {within}");
            }
        }
        for a in net.hosts.iter().map(|host| host.driver.view()).filter(|view| !view.adopted) {
            for b in net.hosts.iter().map(|host| host.driver.view()).filter(|view| !view.adopted) {
                assert!(a.ready.iter().any(|peer| b.ready.contains(peer)), "bootstrap:C2 seed {seed}");
            }
        }
    }
}

/// E6 with a budget that is far too small for the cluster: it is kept, and all form all the same.
#[test]
fn a_small_budget_is_kept_and_starves_nobody() {
    let members = ids(24);
    let mut net = Net::new(6, CALM);
    let settings = Settings { per_second: 10, ..Settings::default() };
    for &me in &members {
        net.add(&Config::product(me, &members, MAJORITY), settings, Time::from_ms(20));
    }
    net.run(20_000);
    assert!(net.all_formed());
    assert!(net.hosts.iter().any(|host| host.driver.tally().held_back > 0), "the budget was reached");
    for host in &net.hosts {
        for (at, &first) in host.sent.iter().enumerate() {
            let within = host.sent[at..].iter().take_while(|&&t| t.since(first) < Span::from_s(1)).count();
            assert!(within <= 10, "bootstrap:E6: {within}");
        }
    }
}

/// C4: one that starts late forms within two repetitions; and with unicast answers it costs few messages (`bootstrap:W9`).
#[test]
fn c4_a_late_starter_forms_soon_and_cheaply() {
    let members = ids(32);
    let mut net = Net::new(7, CALM);
    for &me in members.iter().filter(|me| me.get() != 32) {
        net.add(&Config::product(me, &members, MAJORITY), Settings::default(), Time::from_ms(20));
    }
    net.run(3_000);
    let before = net.sent();
    let done = net.now.after(Span::from_ms(5));
    net.add(&Config::product(id(32), &members, MAJORITY), Settings::default(), done);
    net.run(100);
    assert!(net.all_formed(), "bootstrap:C4");
    assert!(net.sent() - before <= 31 * 4, "{} messages", net.sent() - before);
}

/// A node that is no founder adopts from any founder; with an operator's policy it waits for the word (`decisions:CLU-8`).
#[test]
fn a_joiner_adopts_by_certificate_or_by_the_operators_word() {
    for operator in [false, true] {
        let members = ids(3);
        let mut net = Net::new(8, CALM);
        let join = if operator { JoinPolicy::Operator } else { JoinPolicy::Certificate };
        let settings = Settings { join, ..Settings::default() };
        for &me in &members {
            net.add(&Config::product(me, &members, MAJORITY), settings, Time::from_ms(20));
        }
        net.run(300);
        let config = Config { role: Role::Joiner, ..Config::product(id(9), &members, MAJORITY) };
        let done = net.now.after(Span::from_ms(1));
        net.add(&config, settings, done);
        net.run(300);
        if operator {
            assert!(!net.host(9).driver.view().concluded());
            assert!(net.host(9).driver.machine().waiting().any(|w| w.reason == Reason::NoFormation));
            assert!(net.host(1).driver.machine().guests().any(|g| g.peer == id(9) && g.kind == GuestKind::Pending));
            let now = net.now;
            let host = net.hosts.iter_mut().find(|host| host.me == id(1)).unwrap();
            host.driver.join_decision(now, id(9), true, &mut host.out).unwrap();
            assert_eq!(host.driver.machine().guests().count(), 0);
            net.run(10);
        }
        assert!(net.host(9).driver.view().concluded() && net.host(9).driver.view().adopted);
    }
}

/// The whole cluster restarts with its records: nobody is formed, so epoch 2 forms; with one record lost it does so all the same.
#[test]
fn a_cold_restart_forms_the_next_epoch() {
    for lost in [None, Some(2)] {
        let members = ids(3);
        let mut net = Net::new(9, CALM);
        let stamp = ekk::bootstrap::Machine::<2>::new(&Config::product(id(1), &members, ALL)).unwrap().0.stamp();
        let record = Formation { cluster_id: 1, epoch: 1, digest: stamp.digest() };
        for &me in &members {
            let record = Some(record).filter(|_| lost != Some(me.get()));
            let config = Config { boot_inc: 2, record, ..Config::product(me, &members, ALL) };
            net.add(&config, Settings::default(), Time::from_ms(20));
        }
        net.run(1_000);
        assert!(net.all_formed(), "lost {lost:?}");
        assert!(net.hosts.iter().all(|host| host.driver.view().epoch == 2), "lost {lost:?}");
    }
}

/// The deadline warns first and then acts by policy; re-arming begins anew.
#[test]
fn the_deadline_warns_and_then_acts_by_policy() {
    for (policy, open, gave_up) in
        [(OnDeadline::Warn, false, false), (OnDeadline::FailOpen, true, false), (OnDeadline::GiveUp, false, true)]
    {
        let members = ids(2);
        let mut net = Net::new(10, CALM);
        let settings = Settings { deadline: Span::from_s(1), ..Settings::default() };
        let config = Config { on_deadline: policy, ..Config::product(id(1), &members, ALL) };
        net.add(&config, settings, Time::from_ms(20));
        net.run(1_500);
        let view = net.host(1).driver.view();
        assert!(view.late && !view.open && !view.gave_up, "{policy:?}: only a warning");
        assert!(view.seen.is_empty(), "nobody is made up: bootstrap:W4");
        net.run(1_000);
        let view = net.host(1).driver.view();
        assert_eq!((view.open, view.gave_up, view.concluded()), (open, gave_up, false), "{policy:?}");
        let before = net.sent();
        net.run(5_000);
        assert_eq!(net.sent() == before, gave_up, "{policy:?}: who gave up is silent");
        let now = net.now;
        let host = &mut net.hosts[0];
        host.driver.rearm(now, &mut host.out).unwrap();
        assert!(!host.driver.view().gave_up && host.driver.view().late, "late stays: bootstrap:P10");
        net.run(100);
        assert!(net.sent() > before);
    }
}

/// A formed node records who is up, without effect on the outcome (D4).
#[test]
fn readiness_after_forming_is_recorded() {
    let mut net = cluster(3, Policy::fixed(2), 11, CALM);
    net.cut = Some(|from, to| from == 3 || to == 3);
    net.run(300);
    let ready = net.host(1).driver.view().ready.to_vec();
    assert_eq!(net.host(1).driver.machine().peer_now(id(3)), Some((false, false, None)));
    net.cut = None;
    net.run(2_600);
    assert_eq!(net.host(1).driver.machine().peer_now(id(3)), Some((true, true, Some(1))));
    assert_eq!(net.host(1).driver.view().ready, ready, "the set that formed is frozen");
    let mut machine = net.host(1).driver.machine().clone();
    let before = machine.clone();
    assert!(machine.step(&Input::Ready(Signal::plain(id(3)))).outputs.contains(&Output::Noted(id(3))));
    assert_eq!(before.view(), machine.view());
}
