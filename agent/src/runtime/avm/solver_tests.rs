//! The pool without tori: questions in, answers out, whatever a question does.

use std::sync::atomic::AtomicU64;

use super::*;
use avm::Val;
use avm::id::ChoiceId;
use avm::nondet::{Answer, Asserted, Choice, Expr};

fn settings(kind: SolverKind, threads: u32) -> Settings {
    Settings {
        kind,
        threads,
        queue: 8,
        timeout: Duration::from_secs(20),
        steps: 1_000_000,
        nodes: 10_000,
        memory_bytes: 1 << 30,
    }
}

/// A choice of 1 to 5 that must be greater than `than`.
fn question(than: i64) -> Box<Ir> {
    let options: Vec<Val> = (1..=5).map(Val::from).collect();
    let choice = Choice { id: ChoiceId(0), options, weights: None, place: None };
    let expr = Expr::Gt(Arc::new(Expr::Choice(ChoiceId(0))), Arc::new(Expr::Const(Val::from(than))));
    let asserted = Asserted { expr, name: None, place: None };
    Box::new(Ir { choices: vec![choice], requires: vec![asserted], ..Ir::default() })
}

fn await_answer(asker: &mut Asker) -> Solved {
    let hang_guard = Instant::now();
    loop {
        if let Some(solved) = asker.answer() {
            return solved;
        }
        assert!(hang_guard.elapsed() < Duration::from_secs(60), "hang guard: no answer");
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn kinds() -> Vec<SolverKind> {
    if cfg!(feature = "z3") { vec![SolverKind::BuiltIn, SolverKind::Z3] } else { vec![SolverKind::BuiltIn] }
}

// decisions:AVM-10: every torus gets the answers to its own questions; no more are open than the queue holds.
#[test]
fn questions_of_all_tori_are_answered_in_bounds() {
    for kind in kinds() {
        let (pool, mut askers) = Pool::start(settings(kind, 2), 3, None, Clock::new()).expect("threads are to be had");
        for (at, asker) in askers.iter_mut().enumerate() {
            for number in 0..8 {
                let execution = ExecutionId::new(0, at as u8, number);
                assert!(asker.ask((execution, None), question(number as i64), Limits::default(), 0).is_ok());
            }
            let execution = ExecutionId::new(0, at as u8, 99);
            let refused = asker.ask((execution, None), question(0), Limits::default(), 0);
            assert!(refused.is_err() || asker.open() <= 8, "{}", asker.open());
        }
        for (at, asker) in askers.iter_mut().enumerate() {
            while asker.open() > 0 {
                let solved = await_answer(asker);
                assert_eq!(usize::from(solved.execution.torus()), at);
                let than = solved.execution.counter();
                let expected = match than {
                    0..=4 => Outcome::Sat(Answer { choices: vec![than as u32], ..Answer::default() }),
                    99 => continue,
                    _ => Outcome::Unsat(vec![0]),
                };
                assert_eq!(solved.outcome, expected, "{kind:?} greater than {than}");
            }
        }
        let shown = pool.snapshot(0, &[]);
        assert!(shown.sat >= 15 && shown.unsat == 9 && shown.unknown == 0, "{shown:?}");
        assert_eq!((shown.busy, shown.times_ns.iter().sum::<u64>()), (0, shown.sat + shown.unsat));
        assert!(shown.p50_ns > 0 && shown.p99_ns >= shown.p50_ns);
    }
}

/// A solver that panics at its first question.
struct Fragile(u32);

impl Solver for Fragile {
    fn solve(&mut self, _ir: &Ir, _limits: &Limits) -> Outcome {
        self.0 += 1;
        assert!(self.0 > 1, "a bug in the solver");
        Outcome::Unsat(Vec::new())
    }
}

// decisions:AVM-10: a panic is an answer (unknown, with the reason), and the thread is to be replaced.
#[test]
fn a_panic_is_answered_and_the_thread_given_up() {
    let (pool, mut askers) =
        Pool::start(settings(SolverKind::BuiltIn, 1), 1, None, Clock::new()).expect("threads are to be had");
    let execution = ExecutionId::new(0, 0, 1);
    let asked =
        Question { torus: 0, execution, transaction: None, ir: question(1), limits: Limits::default(), asked_ns: 0 };
    askers[0].open = 1;
    assert!(answer(&pool.shared, 0, &mut Fragile(0), asked), "the thread must go");
    let solved = await_answer(&mut askers[0]);
    assert_eq!(solved.outcome, Outcome::Unknown("the solver failed: a bug in the solver".to_owned()));
    let shown = pool.snapshot(0, &[]);
    assert_eq!((shown.restarts, shown.unknown), (1, 1));
    assert_eq!(shown.restart_reason, "the solver failed: a bug in the solver");
}

// decisions:AVM-10: a question without a limit of time is not asked; why is told to whoever asked, and on the page.
#[test]
fn a_solver_that_nobody_watches_says_so() {
    let (pool, mut askers) =
        Pool::start(settings(SolverKind::BuiltIn, 0), 1, None, Clock::new()).expect("threads are to be had");
    let execution = ExecutionId::new(0, 0, 1);
    assert!(askers[0].ask((execution, None), question(1), Limits::default(), 0).is_ok());
    let error = std::io::Error::other("none left");
    assert!(serve_unwatched(&pool.shared, 0, &error), "the thread is to be replaced");
    let why = "the system gives no thread to watch solver-0: none left; check ulimit -u";
    assert_eq!(await_answer(&mut askers[0]).outcome, Outcome::Unknown(why.to_owned()));
    let shown = pool.snapshot(0, &[]);
    assert_eq!((shown.restarts, shown.unknown, shown.restart_reason.as_str()), (1, 1, why));
}

// decisions:AVM-10: one interrupt may be lost, so they are repeated until the question ends, and none comes after it.
#[test]
fn the_watchdog_repeats_until_the_question_ends() {
    let desk = Desk::default();
    let barks = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            watch(&desk, Duration::from_millis(1), || {
                barks.fetch_add(1, Ordering::SeqCst);
            })
        });
        assert_eq!(barks.load(Ordering::SeqCst), 0, "nothing runs");
        *lock(&desk.since) = Some(Instant::now());
        desk.changed.notify_all();
        let hang_guard = Instant::now();
        while barks.load(Ordering::SeqCst) < 5 {
            assert!(hang_guard.elapsed() < Duration::from_secs(60), "hang guard: no interrupt");
            std::thread::yield_now();
        }
        *lock(&desk.since) = None;
        let after = barks.load(Ordering::SeqCst);
        desk.changed.notify_all();
        std::thread::sleep(Duration::from_millis(30));
        assert!(barks.load(Ordering::SeqCst) <= after + 1, "it interrupts what is over");
        desk.over.store(true, Ordering::SeqCst);
        desk.changed.notify_all();
    });
}
