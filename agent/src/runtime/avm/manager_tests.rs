//! The manager over two tori that threads of the test turn: real lanes, desks and jobs, without the rest of a node.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use control::avm::{AvmReply, AvmRequest, ExecutionDetail, ExecutionState, Query, ask};
use shm_transport::backing::Pages;
use shm_transport::region::Geometry;
use torus::Torus;
use torus::memory::Carver;

use super::*;
use crate::runtime::aside::Aside;
use crate::runtime::build;
use crate::runtime::inputs::Inputs;

/// Users of the tests; the node runs as [`SELF`].
const ANN: u32 = 1001;
const BOB: u32 = 1002;
const SELF: u32 = 900;

struct Tested {
    manager: Manager,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for Tested {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.threads.drain(..).for_each(|thread| thread.join().expect("no panic"));
    }
}

/// Two tori; `avm` goes into the table.
fn tested(avm: &str) -> Tested {
    let torus = |name: &str| {
        let capacities = "[torus.capacities]\nevents = 2048\nadmission = 512\n";
        format!("[[torus]]\nname = \"{name}\"\n{capacities}[torus.workload]\nkind = \"avm\"\n")
    };
    let solver = if avm.contains("solver") { "" } else { "solver.threads = 1\n" };
    let text = format!(
        "[braid]\ntori = 2\n[avm]\nheap_mib = 16\nexecutions = 1000\nremember = 900\n{solver}{avm}\n{}{}",
        torus("A"),
        torus("B")
    );
    let config = config::parse(&text).unwrap_or_else(|problems| panic!("{problems}"));
    let (payload_bytes, slots) = (torus::projection::native::SIZE as u32, shm_transport::slot::SLOTS as u32);
    let geometry = Geometry { tori: 2, payload_bytes, slots, ring_records: 64, inject_records: 64 };
    let region = Arc::new(Region::private(geometry, Pages::Base).expect("memory"));
    let clock = Clock::new();
    let started = Manager::start(&config, &region, clock, 7).expect("threads are to be had");
    let (mut manager, parts) = started.expect("both tori run programs");
    manager.own_uid = SELF;
    let stop = Arc::new(AtomicBool::new(false));
    let turn = |(place, parts): (usize, Parts)| {
        let (stop, capacities) = (Arc::clone(&stop), build::capacities(&config.tori[place]));
        std::thread::spawn(move || {
            let mut bytes = vec![0; capacities.bytes()];
            let (avm, mut desk) = parts.build(clock);
            let mut torus = Torus::new(&capacities, &mut Carver::new(&mut bytes), avm, None).expect("sized");
            let mut inputs = Inputs::new(None);
            while !stop.load(Ordering::SeqCst) {
                let worked = desk.turn(&mut torus, &mut inputs, clock.now_ns());
                if torus.run(16).executed == 0 && !worked {
                    std::thread::sleep(Duration::from_micros(50));
                }
            }
        })
    };
    let threads = parts.into_iter().map(turn).collect();
    Tested { manager, stop, threads }
}

impl Tested {
    fn load(&self, user: Option<u32>, name: &str, text: &str) -> Result<Vec<String>, String> {
        let source = Source::new(&format!("{name}.avm"), &format!("module {name}\n{text}"));
        self.manager.load(&[source], user).map_err(|refusal| refusal.error)
    }

    fn try_ask(&self, user: u32, request: &AvmRequest) -> Result<AvmReply, String> {
        self.manager.request(user, request).map_err(|refusal| refusal.error)
    }

    fn ask(&self, user: u32, request: &AvmRequest) -> AvmReply {
        self.try_ask(user, request).unwrap_or_else(|why| panic!("{}: {why}", request.command_line()))
    }

    fn start(&self, user: u32, program: &str, change: impl FnOnce(&mut Order)) -> Result<Vec<ExecutionId>, String> {
        let (module, entry) = program.split_once('#').expect("PROGRAM#ENTRY");
        let mut order = Order {
            start: Start::new(module, entry),
            count: 1,
            torus: Some("A".to_owned()),
            owner: Some(user),
            deadline_ticks: None,
        };
        change(&mut order);
        self.manager.order(&order).map_err(|refusal| refusal.error)
    }

    fn show(&self, execution: ExecutionId) -> ExecutionDetail {
        match self.ask(ANN, &AvmRequest::Show { id: execution.to_string() }) {
            AvmReply::Execution(detail) => *detail,
            other => panic!("{other:?}"),
        }
    }

    fn until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let hang_guard = Instant::now();
        while !done() {
            assert!(hang_guard.elapsed() < Duration::from_secs(120), "hang guard: {what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits for the end of an execution.
    fn end(&self, execution: ExecutionId) -> ExecutionDetail {
        let over = |state| !matches!(state, ExecutionState::Running | ExecutionState::Suspended);
        self.until("the execution ends", || over(self.show(execution).row.state));
        self.show(execution)
    }
}

const LOOP: &str = "fn main() { while true { self } }\nfn nap(ticks: int) { sleep(ticks) }\nfn one() -> int { 1 }\n";

const COUNTER: &str = "behaviour counter {\n    state count = 0\n    on inc() -> int {\n        count += 1\n        count\n    }\n}\n\
                       fn main() -> object { create counter }\n";

/// The object that an execution has made.
fn made(detail: &ExecutionDetail) -> String {
    assert_eq!(detail.row.state, ExecutionState::Ended, "{detail:?}");
    detail.result.clone()
}

// decisions:AVM-23: `call` goes on working whatever users load.
#[test]
fn no_program_takes_the_name_of_the_module_of_the_node() {
    let node = tested("");
    let why =
        node.load(Some(ANN), "trefoil", "fn call(o: object, m: list) -> int { 666 }").expect_err("it is reserved");
    assert!(why.contains("E104") && why.contains("trefoil"), "{why}");
    node.load(Some(ANN), "c", COUNTER).expect("it is a program");
    let object = made(&node.end(node.start(ANN, "c#main", |_| ()).expect("it starts")[0]));
    let call = |user| {
        node.ask(user, &AvmRequest::Call { object: object.clone(), message: "[\"inc\"]".to_owned(), authority: None })
    };
    assert_eq!(
        (call(ANN), call(BOB)),
        (AvmReply::Output(Some("1".to_owned())), AvmReply::Output(Some("2".to_owned())))
    );
    // decisions:AVM-23: two calls have two seeds.
    let rows =
        node.manager.executions(&Query { filter: "trefoil".to_owned(), ..Query::default() }).expect("listed").rows;
    let seeds: Vec<u64> = rows.iter().map(|row| node.show(row.id.parse().expect("an id")).seed).collect();
    assert!(seeds.len() == 2 && seeds[0] != seeds[1], "{seeds:?}");
}

// decisions:AVM-17, AVM-23: a program belongs to whoever loaded it first; nobody takes it by loading the same text.
#[test]
fn a_program_stays_with_whoever_loaded_it_first() {
    let node = tested("quota_programs = 1");
    node.load(None, "base", "fn main() -> int { 1 }").expect("the configuration loads it");
    node.load(Some(ANN), "p", "fn main() -> int { 1 }").expect("it is a program");
    for name in ["base", "p"] {
        node.load(Some(BOB), name, "fn main() -> int { 1 }").expect("it is there already");
        let why = node.load(Some(BOB), name, "fn main() -> int { 2 }").expect_err("it is not his");
        assert!(why.contains("loaded by somebody else"), "{why}");
    }
    node.load(Some(ANN), "p", "fn main() -> int { 3 }").expect("it is hers");
    node.load(Some(SELF), "base", "fn main() -> int { 3 }").expect("it is of the user the node runs as");
    node.load(Some(0), "p", "fn main() -> int { 4 }").expect("root may");
    node.load(Some(ANN), "p", "fn main() -> int { 5 }").expect("it is still hers");
    assert!(
        node.load(Some(ANN), "q", "fn main() -> int { 1 }").expect_err("one is all").contains("avm.quota_programs")
    );
    // The code of older versions stays, so their number is bounded too: 3 were hers or root's so far.
    let versions = (10..40).map(|number| node.load(Some(ANN), "p", &format!("fn main() -> int {{ {number} }}")));
    let refused = versions.filter_map(Result::err).collect::<Vec<_>>();
    assert!(refused.len() == 18 && refused[0].contains("16 versions"), "{refused:?}");
}

// decisions:AVM-17: a torus that refuses a program leaves all tori as they were.
#[test]
fn a_program_is_loaded_on_all_tori_or_on_none() {
    let node = tested("");
    let text = "pure fn shared(n: int) -> int { n }\nfn main() -> int { shared(1) }";
    let other = programs::compile(&[Source::new("other.avm", &format!("module other\n{text}"))], &|_| None, false);
    let other = other.unwrap_or_else(|why| panic!("{why}")).main;
    let loaded = node.manager.on(1, move |avm| avm.machine_mut().lane.load(&other));
    assert_eq!(loaded.map_err(|refusal| refusal.error), Ok(Ok(())));
    let why = node.load(Some(ANN), "p", text).expect_err("B has the function");
    assert!(why.contains("shared"), "{why}");
    let why = node.start(ANN, "p#main", |_| ()).expect_err("A has not kept it");
    assert!(why.contains("module p is not loaded"), "{why}");
    assert!(lock(&node.manager.programs).is_empty());
}

// decisions:AVM-23: compositions count like every execution, and nobody gets more fuel than the node gives.
#[test]
fn quotas_hold_for_whatever_starts_executions() {
    let node = tested("quota_executions = 3\nfuel = 5000");
    node.load(Some(ANN), "p", LOOP).expect("it is a program");
    let segment = || ask::Segment { program: "p".to_owned(), entry: "one".to_owned(), arguments: Vec::new() };
    let compose = AvmRequest::Compose { segments: vec![segment(), segment()], parallel: false };
    // An idle torus passes sleeps at once, so the places are taken by hand.
    let places = node.manager.quotas.take(BOB, 3, 3).expect("all of his");
    for refused in [node.try_ask(BOB, &compose).expect_err("full"), node.start(BOB, "p#one", |_| ()).expect_err("full")]
    {
        assert!(refused.contains("you have 3 executions"), "{refused}");
    }
    drop(places);
    assert!(matches!(node.ask(BOB, &compose), AvmReply::Composed { committed: true, .. }));
    let greedy = node.start(BOB, "p#main", |order| order.start.fuel = Some(u64::MAX)).expect("it starts")[0];
    let detail = node.end(greedy);
    assert!(detail.error.contains("ErrProgramFuel") && detail.row.fuel_limit == 5000, "{detail:?}");
    node.until("all places come back", || node.manager.quotas.take(BOB, 3, 3).is_ok());
}

// decisions:AVM-17: an object is shown with the hash of what it was made with.
#[test]
fn an_object_keeps_the_hash_it_was_made_with() {
    let node = tested("");
    node.load(Some(ANN), "c", COUNTER).expect("it is a program");
    let hash = || match node.ask(ANN, &AvmRequest::Programs {}) {
        AvmReply::Programs(rows) => rows[0].hash.clone(),
        other => panic!("{other:?}"),
    };
    let first = hash();
    let object = made(&node.end(node.start(ANN, "c#main", |_| ()).expect("it starts")[0]));
    node.load(Some(ANN), "c", &COUNTER.replace("count += 1", "count += 2")).expect("it is hers");
    assert_ne!(first, hash());
    match node.ask(ANN, &AvmRequest::Show { id: object }) {
        AvmReply::Object(detail) => assert_eq!(detail.behaviour_hash, first),
        other => panic!("{other:?}"),
    }
}

// avm:11: a child starts where its parent is, is shown with it and ends with it; only who owns the parent gives it children.
#[test]
fn children_are_shown_with_their_parent_and_end_with_it() {
    let node = tested("");
    node.load(Some(ANN), "p", LOOP).expect("it is a program");
    let parent = node.start(ANN, "p#main", |order| order.torus = Some("B".to_owned())).expect("it starts")[0];
    let with_parent = |order: &mut Order| {
        order.start.parent = Some(parent);
        order.torus = None;
    };
    let child = node.start(ANN, "p#main", with_parent).expect("it starts")[0];
    let refused = node.start(BOB, "p#main", with_parent).expect_err("it is not his");
    assert!(refused.contains("somebody else"), "{refused}");
    let elsewhere = node.start(ANN, "p#main", |order| order.start.parent = Some(parent)).expect_err("it is on B");
    assert!(elsewhere.contains("is on torus B"), "{elsewhere}");
    assert_eq!(node.show(parent).children, [child.to_string()]);
    assert_eq!((node.show(child).row.parent, node.show(child).row.torus), (parent.to_string(), "B".to_owned()));
    node.ask(ANN, &AvmRequest::Kill { id: parent.to_string() });
    assert_eq!(node.show(child).row.state, ExecutionState::Terminated);
    let late = node.start(ANN, "p#main", with_parent).expect_err("the parent is over");
    assert!(late.contains("is not running"), "{late}");
}

// decisions:AVM-23: executions are held and ended by their owner and by root; those of the configuration belong to who runs the node.
#[test]
fn executions_of_others_are_left_alone() {
    let node = tested("");
    node.load(Some(ANN), "p", LOOP).expect("it is a program");
    let hers = node.start(ANN, "p#main", |_| ()).expect("it starts")[0];
    let ours = node.start(ANN, "p#main", |order| order.owner = None).expect("it starts")[0];
    let requests = |id: ExecutionId| {
        let id = id.to_string();
        [AvmRequest::Suspend { id: id.clone() }, AvmRequest::Resume { id: id.clone() }, AvmRequest::Kill { id }]
    };
    for (id, owner, other) in [(hers, ANN, BOB), (ours, SELF, ANN)] {
        for request in requests(id) {
            let refused = node.try_ask(other, &request).expect_err("it is not his");
            assert!(refused.contains(&format!("belongs to user {owner}")), "{refused}");
        }
        for request in &requests(id)[..2] {
            assert!(node.try_ask(owner, request).is_ok() && node.try_ask(owner, request).is_err());
        }
        for request in requests(id) {
            assert!(node.try_ask(0, &request).is_ok(), "root may: {}", request.command_line());
        }
    }
}

// decisions:AVM-23: a deadline ends what is still there, with an error that says so, and nothing that is over before.
#[test]
fn a_deadline_ends_what_is_late() {
    let node = tested("");
    node.load(Some(ANN), "p", LOOP).expect("it is a program");
    let with = |ticks, args: Vec<Val>| {
        move |order: &mut Order| {
            order.deadline_ticks = Some(ticks);
            order.start.args = args;
        }
    };
    let late = node.start(ANN, "p#main", with(200, Vec::new())).expect("it starts")[0];
    let asleep = node.start(ANN, "p#nap", with(50, vec![Val::from(5000)])).expect("it starts")[0];
    let prompt = node.start(ANN, "p#nap", with(5000, vec![Val::from(50)])).expect("it starts")[0];
    for (id, ticks) in [(late, 200), (asleep, 50)] {
        let detail = node.end(id);
        assert_eq!(detail.row.state, ExecutionState::Failed);
        let why = format!("ErrProgramDeadline: the deadline has come, {ticks} ticks after the start");
        assert!(detail.error.starts_with(&why), "{}", detail.error);
    }
    assert_eq!(node.end(prompt).row.state, ExecutionState::Ended);
}

// avm:3: a node that names its controllers knows that others are out of reach.
#[test]
fn named_controllers_make_the_others_unreachable() {
    let named = config::parse(
        "[braid]\ntori = 1\n[avm]\ncontrollers = [\"c1\"]\n[[torus]]\n[torus.workload]\nkind = \"avm\"\n",
    );
    let named = named.expect("valid").avm.expect("it runs programs");
    assert!(parts::lane_config(&named, 0, &[0], 8).multi_controller);
    let any = config::parse("[braid]\ntori = 1\n[[torus]]\n[torus.workload]\nkind = \"avm\"\n")
        .expect("valid")
        .avm
        .expect("it does");
    assert!(!parts::lane_config(&any, 0, &[0], 8).multi_controller);
}

// decisions:NODE-14: lists are made page by page; what is counted is all there is.
#[test]
fn lists_are_whole_however_many_jobs_they_take() {
    let node = tested("quota_executions = 2000");
    node.load(Some(ANN), "p", &format!("{LOOP}{COUNTER}").replace("fn main() -> object", "fn make() -> object"))
        .expect("it is a program");
    for (torus, count) in [("A", 600), ("B", 30)] {
        let order = |order: &mut Order| (order.torus, order.count) = (Some(torus.to_owned()), count);
        let last = *node.start(ANN, "p#make", order).expect("they start").last().expect("some");
        node.end(last);
    }
    let query = |from, sort: &str| Query { from, count: 500, sort: sort.to_owned(), ..Query::default() };
    for sort in ["", "id"] {
        let mut ids = std::collections::BTreeSet::new();
        for from in [0, 500] {
            let list = node.manager.executions(&query(from, sort)).expect("listed");
            assert_eq!((list.total, list.matching, list.from), (630, 630, from), "{sort:?}");
            ids.extend(list.rows.into_iter().map(|row| row.id));
        }
        assert_eq!(ids.len(), 630, "{sort:?}");
        let list = node.manager.objects(&query(500, sort)).expect("listed");
        let last = list.rows.last().expect("some").torus.clone();
        assert_eq!((list.total, list.rows.len(), last.as_str()), (630, 130, "B"), "{sort:?}");
    }
    let shown = node.manager.snapshot().expect("both tori answer");
    assert_eq!((shown.executions.total, shown.totals.ended, shown.objects.total), (630, 630, 630));
}
