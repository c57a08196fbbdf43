//! Every invariant is shown able to fail: each is given what it must object to, and the same without the flaw. A whole run that
//! goes wrong names the line that repeats it, and the repetition fails at the same moment with the same words.

mod common;

use common::scenario;
use sim::Scenario;
use sim::invariants::{Checks, Facts, Standing};
use sim::measure::{Cause, Measure};
use sim::network::{Conditions, Network};
use sim::peer::{Seen, View};
use sim::run::{self, Options};

struct AllUp;

impl Standing for AllUp {
    fn is_up(&self, _node: u32) -> bool {
        true
    }

    fn misbehaves(&self, node: u32) -> bool {
        node == 9
    }
}

/// Three nodes that watch each other, are each other's neighbours and members, and have formed.
fn fine() -> Vec<Option<View>> {
    let others = |me: u32| (0..3).filter(|&other| other != me).collect::<Vec<u32>>();
    let view = |me| View { neighbours: others(me), watches: others(me), formation: Some(1), ..View::default() };
    (0..3).map(|me| Some(view(me))).collect()
}

fn members() -> Measure {
    let mut measure = Measure::new(10);
    (0..3).for_each(|node| measure.census.fill(node, 3, |_| true));
    measure
}

/// Tells, samples and ends; what the invariant objected to.
fn judge(
    name: &str,
    scenario: &Scenario,
    measure: &Measure,
    views: &[Option<View>],
    told: &[(u32, Seen)],
) -> Option<String> {
    let mut checks = Checks::only(name);
    assert_eq!(checks.names().len(), 1, "{name} is one invariant");
    let network = Network::new(10, 1, Conditions::default(), 1);
    let facts = |now_ns| Facts {
        now_ns,
        nodes: 3,
        scenario,
        period_ns: 100_000_000,
        views,
        measure,
        network: &network,
        standing: &AllUp,
    };
    let mut found = told.iter().find_map(|(node, seen)| checks.seen(&facts(1), *node, seen));
    found = found.or_else(|| checks.sample(&facts(scenario.until_ns / 2)));
    found.or_else(|| checks.finish(&facts(scenario.until_ns))).map(|violation| violation.to_string())
}

fn quiet() -> Scenario {
    let mut scenario = Scenario::quiet(3, 60);
    scenario.expect.false_removals = Some(0);
    scenario.expect.wrong_neighbours = Some(0.5);
    scenario.expect.packets_per_s = Some(100.0);
    scenario.expect.detect_p99_ms = Some(1_500);
    scenario.expect.one_way_removed = Some(false);
    (scenario.expect.formed, scenario.expect.healed, scenario.expect.all_detected) = (true, true, true);
    scenario
}

const REMOVED: Seen = Seen::Removed { subject: 1, rank: 5, proof: Ok(()) };

#[test]
fn nothing_is_wrong_with_what_is_fine() {
    for name in Checks::all().names() {
        let told = [(0, REMOVED), (0, Seen::Returned { subject: 1, rank: 6 }), (0, Seen::Formed { formation: 1 })];
        assert_eq!(judge(name, &quiet(), &members(), &fine(), &told), None, "{name}");
    }
}

/// `membership:MB-5`, `decisions:CLU-16`, `decisions:CLU-7`.
#[test]
fn wrong_removals_are_found() {
    let mut measure = members();
    measure.removals.insert((1, 5, Cause::None));
    let found = judge("no false removal", &quiet(), &measure, &fine(), &[(0, REMOVED)]).expect("found");
    assert!(found.contains("node 1 was told that node 2 is dead"), "{found}");
    let mut deaf = members();
    deaf.removals.insert((1, 5, Cause::OutboundBetween));
    assert!(judge("no false removal", &quiet(), &deaf, &fine(), &[]).is_some(), "one-way loss that must not remove");
    let bad = Seen::Removed { subject: 1, rank: 5, proof: Err("two statements".to_owned()) };
    assert!(
        judge("certificates", &quiet(), &members(), &fine(), &[(0, bad)]).expect("found").contains("two statements")
    );
    let again = [(0, REMOVED), (0, Seen::Returned { subject: 1, rank: 5 })];
    assert!(judge("death is final", &quiet(), &members(), &fine(), &again).is_some());
    let anew = [(0, REMOVED), (0, Seen::Started), (0, Seen::Joined { subject: 1, rank: 5 })];
    assert_eq!(judge("death is final", &quiet(), &members(), &fine(), &anew), None, "a new process knows nothing");
}

/// `membership:MB-1`, `membership:MB-3`, property 9 of `ekk` section 12.
#[test]
fn wrong_graphs_are_found() {
    let change = |act: fn(&mut View)| {
        let mut views = fine();
        act(views[0].as_mut().expect("up"));
        views
    };
    let watched = |views: &[Option<View>]| judge("everybody is watched", &quiet(), &members(), views, &[]);
    assert!(watched(&change(|view| view.watches.push(0))).expect("found").contains("watches itself"));
    assert!(watched(&change(|view| view.watches = vec![1; 13])).expect("found").contains("13 watch links"));
    let mut unwatched = fine();
    unwatched.iter_mut().flatten().for_each(|view| view.watches.retain(|&other| other != 2));
    assert!(watched(&unwatched).expect("found").contains("nobody watches node 3"));
    let near = |views: &[Option<View>], measure: &Measure| judge("neighbours", &quiet(), measure, views, &[]);
    assert!(near(&change(|view| view.neighbours.push(1)), &members()).is_some(), "twice");
    assert!(near(&change(|view| view.neighbours.push(0)), &members()).is_some(), "itself");
    assert!(near(&change(|view| view.neighbours = (1..9).collect()), &members()).is_some(), "eight");
    let mut measure = members();
    measure.wrong_neighbours.push((1, 700));
    assert!(near(&fine(), &measure).expect("found").contains("0.700 wrong"));
}

/// Property 8 of `ekk` section 12, `bootstrap:E5`, `bootstrap:C1`, `bootstrap:P4`.
#[test]
fn disagreement_is_found() {
    let decided = |node, result| (node, Seen::Decided { ballot: (1, 1), result });
    let ballots = |told: &[(u32, Seen)]| judge("ballots", &quiet(), &members(), &fine(), told);
    assert!(ballots(&[decided(0, 1), decided(1, 2)]).is_some());
    assert_eq!(ballots(&[decided(0, 1), decided(9, 2)]), None, "what a liar says proves nothing");
    let formed = |node, formation| (node, Seen::Formed { formation });
    let told = [formed(0, 1), formed(1, 2)];
    assert!(judge("one formation", &quiet(), &members(), &fine(), &told).is_some());
    let mut views = fine();
    views[2].as_mut().expect("up").formation = None;
    assert!(
        judge("one formation", &quiet(), &members(), &views, &[]).expect("found").contains("node 3 has not formed")
    );
}

/// `membership:MB-8`, `membership:MB-14`, `bootstrap:E6`.
#[test]
fn ignorance_and_waste_are_found() {
    let mut measure = members();
    measure.deaths.crashed(5, 1_000_000_000, 3);
    measure.census.set(0, 5, true);
    assert!(judge("crashes are known", &quiet(), &measure, &fine(), &[]).expect("found").contains("node 6 crashed"));
    let mut late = members();
    late.deaths.crashed(5, 0, 1);
    late.deaths.learnt(5, 2_000_000_000);
    assert!(judge("crashes are known", &quiet(), &late, &fine(), &[]).expect("found").contains("after 2000 ms"));
    let mut apart = members();
    apart.census.set(0, 1, false);
    assert!(judge("the cluster heals", &quiet(), &apart, &fine(), &[]).expect("found").contains("1 pairs"));
}

/// The traffic of the second half of a run is what is judged; here a real cluster is told to be ten times as quiet as it is.
#[test]
fn a_whole_run_that_fails_repeats_itself() {
    let mut scenario = scenario("quiet");
    scenario.expect.packets_per_s = Some(12.0);
    let run = |until_ns| {
        let options = Options { nodes: Some(20), seed: 3, until_ns };
        run::trefoil(&scenario, &options, &mut |_| true).expect("started")
    };
    let report = run(None);
    let violation = report.violation.clone().expect("found");
    assert!(violation.contains("traffic is bounded") && violation.contains("at most 12"), "{violation}");
    assert_eq!(
        report.reproduce("configs/sim/quiet.toml"),
        "trefoil sim configs/sim/quiet.toml --nodes 20 --seed 3 --until 20s"
    );
    let again = run(Some(20_000_000_000));
    assert_eq!((again.violation, again.state_hash), (Some(violation), report.state_hash));

    // A partition that never ends cannot heal: the run says so, at its end.
    let mut apart = common::scenario("partition");
    (apart.until_ns, apart.calm_ns) = (40_000_000_000, 40_000_000_000);
    apart.faults[0].until_ns = u64::MAX;
    let options = Options { nodes: Some(20), seed: 3, until_ns: None };
    let report = run::trefoil(&apart, &options, &mut |_| true).expect("started");
    assert!(report.violation.expect("found").contains("the cluster heals"));
}

/// What cannot be started is refused in words.
#[test]
fn too_many_nodes_are_refused() {
    let options = Options { nodes: Some(20_001), seed: 1, until_ns: None };
    let error = run::trefoil(&Scenario::quiet(5, 1), &options, &mut |_| true).expect_err("refused");
    assert!(error.to_string().contains("expected 1 to 20000"), "{error}");
}
