//! Programs on a live node: three threads, the solver pool, the manager as the socket reaches it. Counts and states are asserted,
//! never times; one generous hang guard.

mod common;

use common::{TempDir, config, guard};
use control::api::{Refusal, RefusalKind};
use control::avm::{
    AvmReply, AvmRequest, ExecutionSnapshot, ExecutionState, Query, Segment, Source, StartRequest, TransactionState,
};

/// Three tori that run programs; `avm` goes into the table.
fn three(dir: &TempDir, avm: &str) -> String {
    let torus = |name: &str| {
        format!(
            "[[torus]]\nname = \"{name}\"\n[torus.capacities]\nevents = 4096\nadmission = 1024\n[torus.workload]\nkind = \"avm\"\n"
        )
    };
    format!(
        "{}[braid]\ntori = 3\ninterval_ticks = 100\nadaptive = false\nfloor_us = 1000\ncap = 1024\n[avm]\nheap_mib = 16\n\
         executions = 3000\n{avm}\n{}{}{}",
        common::head(dir),
        torus("A"),
        torus("B"),
        torus("C")
    )
}

struct Running {
    node: agent::runtime::Node,
    _dir: TempDir,
}

impl Running {
    fn start(name: &str, avm: &str) -> Self {
        let dir = TempDir::new(name);
        let node = common::start(config(&three(&dir, avm)));
        Self { node, _dir: dir }
    }

    fn try_ask(&self, uid: u32, request: &AvmRequest) -> Result<AvmReply, Refusal> {
        self.node.handle().avm_request(uid, request)
    }

    fn ask(&self, request: &AvmRequest) -> AvmReply {
        self.try_ask(0, request).unwrap_or_else(|refusal| panic!("{}: {}", request.command_line(), refusal.error))
    }

    fn load(&self, files: &[&str]) {
        let source = |name: &&str| {
            let path = format!("{}/../avm/examples/{name}.avm", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            Source { name: format!("{name}.avm"), text }
        };
        self.ask(&AvmRequest::Load { sources: files.iter().map(source).collect() });
    }

    fn load_text(&self, uid: u32, name: &str, text: &str) -> Result<AvmReply, Refusal> {
        let source = Source { name: format!("{name}.avm"), text: text.to_owned() };
        self.try_ask(uid, &AvmRequest::Load { sources: vec![source] })
    }

    fn begin(&self, program: &str, entry: &str, arguments: &[&str], torus: Option<&str>) -> String {
        match self.ask(&start(program, entry, arguments, torus, 1)) {
            AvmReply::Started(ids) => ids[0].clone(),
            other => panic!("{other:?}"),
        }
    }

    fn rows(&self, filter: &str) -> Vec<ExecutionSnapshot> {
        let query = Query { filter: filter.to_owned(), ..Query::default() };
        match self.ask(&AvmRequest::Ps { query }) {
            AvmReply::Executions(listing) => listing.rows,
            other => panic!("{other:?}"),
        }
    }

    /// Waits for the end of an execution; its result as text.
    fn result(&self, id: &str) -> String {
        let mut row = ExecutionSnapshot::default();
        guard("the execution ends", || {
            let found = self.rows(id).into_iter().find(|row| row.id == id);
            row = found.unwrap_or_default();
            !matches!(row.state, ExecutionState::Running | ExecutionState::Suspended | ExecutionState::Unknown)
        });
        row.why
    }

    fn end(mut self) {
        let ended = self.node.stop();
        assert!(!ended.failed(), "{ended:?}");
    }
}

fn start(program: &str, entry: &str, arguments: &[&str], torus: Option<&str>, count: u32) -> AvmRequest {
    AvmRequest::Start(StartRequest {
        arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
        count,
        torus: torus.map(str::to_owned),
        seed: Some(1),
        ..StartRequest::new(program, entry)
    })
}

// decisions:AVM-7, AVM-10: finite domains and choices on a running node give what they give alone; an execution that waits for
// the solver is suspended and its torus goes on; why a commit was false is said in the program's words.
#[test]
fn queens_sudoku_and_intents_are_solved_on_a_live_node() {
    let running = Running::start("avm-solve", "");
    running.load(&["n_queens"]);
    running.load(&["sudoku"]);
    running.load(&["three_party_unsat", "three_party_intent"]);
    let queens = running.begin("n_queens", "queens", &["6"], Some("B"));
    let sudoku = running.begin("sudoku", "main", &[], Some("C"));
    let intent = running.begin("three_party_intent", "main", &[], None);
    let unsat = running.begin("three_party_unsat", "main", &[], None);
    assert_eq!(running.result(&queens), "just [2, 4, 6, 1, 3, 5]");
    assert!(running.result(&sudoku).starts_with("just \"534678912672195348"), "{}", running.result(&sudoku));
    assert_eq!(running.result(&intent), "[true, [[\"alice\", 2], [\"bob\", 2], [\"carol\", 4]]]");
    assert_eq!(running.result(&unsat), "[false, []]");
    let tx = match running.ask(&AvmRequest::Tx { query: Query { filter: unsat.clone(), ..Query::default() } }) {
        AvmReply::Transactions(listing) => {
            listing.rows.into_iter().find(|row| row.execution == unsat).expect("remembered")
        }
        other => panic!("{other:?}"),
    };
    assert_eq!((tx.state, tx.cause.as_str()), (TransactionState::Aborted, "unsatisfiable"));
    assert!(tx.why.contains("carol gets enough apples") && tx.why.contains("alice keeps apples"), "{}", tx.why);
    assert!(tx.solver_ns.is_some_and(|ns| ns > 0) && tx.questions >= 1, "{tx:?}");
    assert!(tx.core.iter().any(|require| require.name.contains("carol")), "{:?}", tx.core);
    match running.ask(&AvmRequest::Constraints { id: unsat, smtlib: true }) {
        AvmReply::Text(text) => assert!(text.contains("(declare-const") && text.contains("minimize"), "{text}"),
        other => panic!("{other:?}"),
    }
    match running.ask(&AvmRequest::Solver {}) {
        AvmReply::Solver(solver) => {
            assert!(solver.sat >= 1 && solver.unsat >= 1 && solver.unknown == 0, "{solver:?}");
            let told =
                |question: &control::avm::QuestionSnapshot| question.nodes > 0 && question.transaction.starts_with('t');
            assert!(solver.questions.iter().all(told), "{:?}", solver.questions);
        }
        other => panic!("{other:?}"),
    }
    running.end();
}

const SPIN: &str = "module spin\n\nfn turn(left: int) -> int {\n    if left == 0 { 0 } else { turn(left - 1) }\n}\n\n\
                    fn main(turns: int) -> int { turn(turns) }\n";

// decisions:AVM-16: executions that start on one torus are shared by the braid while they run, and each ends with its result.
#[test]
fn executions_level_out_on_three_live_threads() {
    let running = Running::start("avm-level", "");
    running.load_text(0, "spin", SPIN).expect("it is a program");
    running.ask(&start("spin", "main", &["3_000_000"], Some("A"), 600));
    let loads = || -> Vec<u64> {
        let snapshot = running.node.handle().avm().expect("it runs programs").snapshot();
        snapshot.map(|shown| shown.lanes.iter().map(|lane| lane.running).collect()).unwrap_or_default()
    };
    guard("the executions level out", || {
        let loads = loads();
        let (most, least) = (loads.iter().max().copied(), loads.iter().min().copied());
        // Within what the tolerance of the braid (32) leaves.
        least.zip(most).is_some_and(|(least, most)| loads.len() == 3 && least > 100 && most - least <= 40)
    });
    let moved: Vec<ExecutionSnapshot> = running.rows("spin").into_iter().filter(|row| row.moves > 0).collect();
    assert!(moved.iter().any(|row| row.torus != "A"), "{moved:?}");
    assert!(moved.iter().all(|row| row.state == ExecutionState::Running), "{moved:?}");
    let totals = running.node.handle().avm().expect("it runs programs").snapshot().expect("all answer").totals;
    assert!(totals.running == 600 && totals.moves >= 350, "{totals:?}");
    let victim = &moved[0].id;
    running.ask(&AvmRequest::Kill { id: victim.clone() });
    assert_eq!(running.result(victim), "by hand");
    running.end();
}

const BOX: &str = "module box\n\nbehaviour box {\n    state held = 0\n    on put(n: int) -> int {\n        held += n\n        held\n    \
                   }\n    on fail() { call (create box) [\"nothing like that\"] }\n    on next() { receive() }\n}\n\n\
                   fn main() -> object { create box at %c1 }\n";

// decisions:AVM-13, AVM-23: objects are reached from outside by call and send; executions are held, resumed, ended by hand.
#[test]
fn objects_are_called_and_executions_are_steered_by_hand() {
    let running = Running::start("avm-steer", "");
    running.load_text(0, "box", BOX).expect("it is a program");
    let made = running.begin("box", "main", &[], Some("B"));
    let object = running.result(&made);
    let call = |message: &str| {
        let (object, message) = (object.clone(), message.to_owned());
        running.try_ask(0, &AvmRequest::Call { object, message, authority: None })
    };
    assert_eq!(call("[\"put\", 5]"), Ok(AvmReply::Output(Some("5".to_owned()))));
    assert_eq!(call("[\"put\", 37]"), Ok(AvmReply::Output(Some("42".to_owned()))));
    let failed = call("[\"fail\"]").expect_err("it fails");
    assert_eq!(failed.kind, RefusalKind::Failed);
    let of_the_object = format!("in box.box of {object}  box.avm:9:");
    assert!(failed.error.starts_with("ErrInvalidInput: ") && failed.error.contains(&of_the_object), "{}", failed.error);
    let no_value = call("put").expect_err("no value");
    assert!(no_value.kind == RefusalKind::Refused && no_value.error.contains("texts are quoted"), "{no_value:?}");
    let send = AvmRequest::Send { object: object.clone(), message: "[\"hello\", 7]".to_owned() };
    assert_eq!(running.ask(&send), AvmReply::Done(format!("in the mailbox of {object}")));
    assert_eq!(call("[\"next\"]"), Ok(AvmReply::Output(Some("[\"hello\", 7]".to_owned()))));
    assert_eq!(call("[\"next\"]"), Ok(AvmReply::Output(None)));
    match running.ask(&AvmRequest::Show { id: object.clone() }) {
        AvmReply::Object(detail) => {
            assert_eq!((detail.row.behaviour.as_str(), detail.row.torus.as_str()), ("box.box", "B"));
            assert!(detail.state.contains("42"), "{detail:?}");
        }
        other => panic!("{other:?}"),
    }
    assert!(running.try_ask(0, &AvmRequest::Show { id: "o0.1.999".to_owned() }).is_err());
    running.load_text(0, "spin", SPIN).expect("it is a program");
    let spinning = running.begin("spin", "main", &["100_000_000"], None);
    running.ask(&AvmRequest::Suspend { id: spinning.clone() });
    guard("it is held", || running.rows(&spinning).iter().any(|row| row.state == ExecutionState::Suspended));
    running.ask(&AvmRequest::Resume { id: spinning.clone() });
    guard("it goes on", || running.rows(&spinning).iter().any(|row| row.state == ExecutionState::Running));
    running.ask(&AvmRequest::Kill { id: spinning.clone() });
    assert_eq!(running.result(&spinning), "by hand");
    running.end();
}

const BANK: &str = "module bank\n\nbehaviour account {\n    state balance = 0\n    on deposit(n: int) -> int {\n        balance += n\n        \
                    balance\n    }\n    on withdraw(n: int) -> bool {\n        if n > balance { return false }\n        balance -= n\n        \
                    true\n    }\n    on balance() -> int { balance }\n}\n\nfn open(n: int) -> object {\n    let a = create account at %bank\n    \
                    let _ = a.deposit(n)\n    a\n}\n\nfn take(a: object, n: int) -> int {\n    \
                    require a.withdraw(n) as \"enough money\"\n    n\n}\n\nfn give(a: object, n: int) -> int { a.deposit(n) }\n\n\
                    fn move(a: object, b: object, times: int) -> int {\n    let mut done = 0\n    \
                    while done < times {\n        if atomic %bank { if a.withdraw(1) { let _ = b.deposit(1) } } { done += 1 }\n    }\n    done\n}\n";

// decisions:AVM-2: objects of three tori are reached from every thread; transfers between them keep the sum, while the executions
// themselves move.
#[test]
fn transfers_between_objects_of_three_threads_keep_the_sum() {
    // As many versions as there are transfers: whoever is slow to reach an object still finds its snapshot.
    let running = Running::start("avm-bank", "versions = 512\n");
    running.load_text(0, "bank", BANK).expect("it is a program");
    let accounts = ["A", "B", "C"].map(|torus| running.result(&running.begin("bank", "open", &["1000"], Some(torus))));
    let mut movers = Vec::new();
    for torus in ["A", "B", "C"] {
        for (from, to) in [(0, 1), (1, 2), (2, 0)] {
            movers.push(running.begin("bank", "move", &[&accounts[from], &accounts[to], "30"], Some(torus)));
        }
    }
    for mover in movers {
        assert_eq!(running.result(&mover), "30");
    }
    let balance = |object: &String| {
        let call = AvmRequest::Call { object: object.clone(), message: "[\"balance\"]".to_owned(), authority: None };
        match running.ask(&call) {
            AvmReply::Output(Some(text)) => text.parse::<u64>().expect("a number"),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(accounts.iter().map(balance).sum::<u64>(), 3000);
    running.end();
}

// avm:11 R2, decisions:AVM-18, AVM-23: segments of programs in one commit over the socket; why not is said, and quotas hold.
#[test]
fn compositions_commit_or_say_why_and_hold_quotas() {
    let running = Running::start("avm-compose", "[[avm.identity]]\nuser = \"4711\"\nexecutions = 1\n");
    running.load_text(0, "bank", BANK).expect("it is a program");
    running.load_text(0, "spin", SPIN).expect("it is a program");
    let accounts = [0, 1].map(|_| running.result(&running.begin("bank", "open", &["10"], Some("B"))));
    let compose = |uid: u32, amount: &str, parallel: bool| {
        let segment = |entry: &str, at: usize| Segment {
            program: "bank".to_owned(),
            entry: entry.to_owned(),
            arguments: vec![accounts[at].clone(), amount.to_owned()],
        };
        running.try_ask(uid, &AvmRequest::Compose { segments: vec![segment("take", 0), segment("give", 1)], parallel })
    };
    for parallel in [false, true] {
        match compose(0, "3", parallel) {
            Ok(AvmReply::Composed { committed, transaction, results }) => {
                assert!(committed, "{transaction:?}");
                assert_eq!(results, ["3".to_owned(), if parallel { "16" } else { "13" }.to_owned()]);
                assert_eq!((transaction.segments.len(), transaction.writes), (2, 2), "{transaction:?}");
                assert_eq!(transaction.segments, ["bank#take", "bank#give"]);
            }
            other => panic!("{other:?}"),
        }
    }
    match compose(0, "300", false) {
        Ok(AvmReply::Composed { committed, transaction, .. }) => {
            assert!(!committed && transaction.why.contains("enough money"), "{transaction:?}");
        }
        other => panic!("{other:?}"),
    }
    let spin = || running.try_ask(4711, &start("spin", "main", &["100_000_000"], None, 1));
    assert!(compose(4711, "1", false).is_ok());
    spin().expect("one is allowed");
    let refused = compose(4711, "1", false).expect_err("one is allowed");
    assert!(refused.error.contains("avm.quota_executions"), "{}", refused.error);
    running.end();
}

const GREEDY: &str = "module greedy\n\nfn fill(n: int) -> int {\n    let mut all = []\n    let mut i = 0\n    while i < n {\n        \
                      all = [i, ..all]\n        i += 1\n    }\n    len(all)\n}\n\nfn dice() -> int { random(6) }\n";

// decisions:AVM-11, AVM-15: a start has its own bound of memory, never more than the node's; what the node denies, it denies by name.
#[test]
fn memory_is_bounded_for_each_start_and_capabilities_are_denied() {
    let running = Running::start("avm-bounds", "memory_mib = 4\ndenied = [\"random\"]\n");
    running.load_text(0, "greedy", GREEDY).expect("it is a program");
    let with = |memory_bytes: u64| {
        let start = StartRequest {
            arguments: vec!["2000".to_owned()],
            memory_bytes: Some(memory_bytes),
            ..StartRequest::new("greedy", "fill")
        };
        match running.try_ask(0, &AvmRequest::Start(start))? {
            AvmReply::Started(ids) => Ok(running.result(&ids[0])),
            other => panic!("{other:?}"),
        }
    };
    let short = with(8_000).expect("it is started");
    assert!(short.contains("ErrProgramMemory"), "{short}");
    assert_eq!(with(2 << 20), Ok("2000".to_owned()));
    let refused: Refusal = with(5 << 20).expect_err("more than the node allows");
    assert!(refused.error.contains("avm.memory_mib"), "{}", refused.error);
    let denied = running.result(&running.begin("greedy", "dice", &[], None));
    assert!(denied.contains("ErrProgramCapability") && denied.contains("random"), "{denied}");
    running.end();
}

// decisions:AVM-23k: quotas and grants by user; what is refused says which key lifts it.
#[test]
fn quotas_and_grants_hold_for_each_user() {
    let avm = "quota_programs = 1\nquota_executions = 2\n[[avm.identity]]\nuser = \"4711\"\ngrant_unsafe = true\nexecutions = 3\n";
    let running = Running::start("avm-quota", avm);
    let unsafe_text = "module seer\n\nunsafe\n\nfn main() { reflect(self) }\n";
    let refused = running.load_text(1000, "seer", unsafe_text).expect_err("not granted");
    assert!(refused.kind == RefusalKind::Program && refused.error.contains("grant_unsafe"), "{refused:?}");
    running.load_text(4711, "seer", unsafe_text).expect("granted");
    running.load_text(1000, "spin", SPIN).expect("one is allowed");
    let second = running.load_text(1000, "box", BOX).expect_err("one is allowed");
    assert!(second.error.contains("avm.quota_programs"), "{}", second.error);
    let foreign = running.load_text(4711, "spin", "module spin\n\nfn main() { 1 }\n").expect_err("somebody else's");
    assert!(foreign.error.contains("program spin was loaded by somebody else"), "{}", foreign.error);
    let spin = |uid: u32, count: u32| running.try_ask(uid, &start("spin", "main", &["100_000_000"], None, count));
    spin(1000, 2).expect("two are allowed");
    let third = spin(1000, 1).expect_err("two are allowed");
    assert!(third.error.contains("avm.quota_executions"), "{}", third.error);
    spin(4711, 3).expect("three are allowed");
    running.end();
}

#[test]
fn a_node_without_programs_says_how_to_get_some() {
    let dir = TempDir::new("avm-none");
    let text = format!("{}[braid]\ntori = 1\n[[torus]]\n", common::head(&dir));
    let mut node = common::start(config(&text));
    let refused = node.handle().avm_request(0, &AvmRequest::Programs {}).expect_err("none");
    assert!(refused.error.contains("configs/avm.toml"), "{}", refused.error);
    assert!(!node.stop().failed());
}
