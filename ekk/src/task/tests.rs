use super::*;
use std::vec::Vec;

const NONE: [Option<Q16>; 6] = [None; 6];

fn periodic(priority: u8, period_ms: u64) -> TaskSpec {
    TaskSpec { period: Span::from_ms(period_ms), ..TaskSpec::new("t", priority) }
}

/// Ticks `count` times each `step` and reports who ran; every run ends at once.
fn run(tasks: &mut Tasks, step: Span, count: u64, selector: &mut impl TaskSelector) -> Vec<u8> {
    let mut order = Vec::new();
    for tick in 0..count {
        let now = Time(step.0 * tick);
        if let Some(id) = tasks.choose(now, 0, &NONE, selector) {
            order.push(id.0);
            tasks.done(id, Span::ZERO, TaskEnd::Done).unwrap();
        }
    }
    order
}

/// ekk:D-34: a task that is added runs without further words, also with the lowest priority.
#[test]
fn an_added_task_runs_whatever_its_priority() {
    let mut tasks = Tasks::new();
    let id = tasks.add(Time::ZERO, TaskSpec::new("last", 255)).unwrap();
    assert_eq!(tasks.choose(Time::ZERO, 0, &NONE, &mut ByPriority), Some(id));
    assert_eq!(tasks.get(id).unwrap().state, TaskState::Running);
    assert_eq!(tasks.choose(Time::ZERO, 0, &NONE, &mut ByPriority), None, "a running task is not chosen again");
    tasks.done(id, Span::ZERO, TaskEnd::Done).unwrap();
    assert_eq!(tasks.get(id).unwrap().state, TaskState::Idle);
    assert_eq!(tasks.choose(Time::ZERO, 0, &NONE, &mut ByPriority), None);
    tasks.ready(Time::ZERO, id).unwrap();
    assert_eq!(tasks.choose(Time::ZERO, 0, &NONE, &mut ByPriority), Some(id));
}

/// ekk:D-34: a block from within the run is not overwritten by its end.
#[test]
fn a_task_that_blocks_itself_stays_blocked() {
    let mut tasks = Tasks::new();
    let id = tasks.add(Time::ZERO, periodic(0, 10)).unwrap();
    assert_eq!(tasks.choose(Time::ZERO, 0, &NONE, &mut ByPriority), Some(id));
    tasks.block(id).unwrap();
    tasks.done(id, Span::ZERO, TaskEnd::Done).unwrap();
    assert_eq!(tasks.get(id).unwrap().state, TaskState::Blocked);
    assert_eq!(tasks.choose(Time::from_ms(50), 0, &NONE, &mut ByPriority), None);
    tasks.ready(Time::from_ms(50), id).unwrap();
    assert_eq!(tasks.choose(Time::from_ms(50), 0, &NONE, &mut ByPriority), Some(id));
    tasks.done(id, Span::ZERO, TaskEnd::Block).unwrap();
    assert_eq!(tasks.get(id).unwrap().state, TaskState::Blocked);
    assert_eq!(tasks.done(id, Span::ZERO, TaskEnd::Done), Ok(()));
    assert_eq!(tasks.done(TaskId(7), Span::ZERO, TaskEnd::Done), Err(TaskError::Unknown));
}

/// ekk:P17: the seed ran a 10 ms task on 3 ms ticks 250 times in 3 s.
#[test]
fn a_periodic_task_keeps_its_rate_on_coarse_ticks() {
    let mut tasks = Tasks::new();
    tasks.add(Time::ZERO, periodic(0, 10)).unwrap();
    let runs = run(&mut tasks, Span::from_ms(3), 1_000, &mut ByPriority).len();
    assert!((299..=301).contains(&runs), "{runs} runs");
}

/// ekk:P17: two tasks of equal priority that are always due share the ticks.
#[test]
fn equal_tasks_share_and_nobody_starves() {
    let mut tasks = Tasks::new();
    tasks.add(Time::ZERO, periodic(5, 1)).unwrap();
    tasks.add(Time::ZERO, periodic(5, 1)).unwrap();
    let order = run(&mut tasks, Span::from_ms(10), 200, &mut ByPriority);
    assert_eq!(order.iter().filter(|&&id| id == 0).count(), 100);

    let mut tasks = Tasks::new();
    for priority in 0..8 {
        tasks.add(Time::ZERO, periodic(priority * 30, 1)).unwrap();
    }
    let order = run(&mut tasks, Span::from_ms(10), 1_000, &mut ByPriority);
    let bound = usize::from(WAIT_TICKS_MAX) + TASKS_MAX;
    for id in 0..8_u8 {
        let mut last = 0;
        for (at, _) in order.iter().enumerate().filter(|&(_, &ran)| ran == id) {
            assert!(at - last <= bound, "task {id} waited {} ticks", at - last);
            last = at;
        }
        assert!(order.len() - last <= bound, "task {id} starved");
    }
}

/// A selector that never answers cannot starve a task, and one that answers nonsense is corrected.
#[test]
fn no_selector_starves_a_task() {
    struct Mute;
    impl TaskSelector for Mute {
        fn select(&mut self, _: Time, _: &[Option<Q16>; 6], _: &[Offer]) -> Option<TaskId> {
            None
        }
    }
    struct Wrong;
    impl TaskSelector for Wrong {
        fn select(&mut self, _: Time, _: &[Option<Q16>; 6], _: &[Offer]) -> Option<TaskId> {
            Some(TaskId(7))
        }
    }
    let mut tasks = Tasks::new();
    tasks.add(Time::ZERO, periodic(0, 10)).unwrap();
    assert!(run(&mut tasks, Span::from_ms(10), 200, &mut Mute).len() >= 3);
    let mut tasks = Tasks::new();
    tasks.add(Time::ZERO, periodic(9, 10)).unwrap();
    let better = tasks.add(Time::ZERO, periodic(1, 10)).unwrap();
    assert_eq!(tasks.choose(Time::ZERO, 0, &NONE, &mut Wrong), Some(better));
}

/// Critical tasks go first, the earliest deadline first, whatever the priorities say.
#[test]
fn critical_tasks_run_by_deadline_before_all_others() {
    let mut tasks = Tasks::new();
    let urgent = |s: u64, priority| TaskSpec {
        deadline: Deadline::At(Time::from_ms(s * 1_000)),
        ..TaskSpec::new("u", priority)
    };
    let calm = tasks.add(Time::ZERO, TaskSpec::new("calm", 0)).unwrap();
    let later = tasks.add(Time::ZERO, urgent(9, 1)).unwrap();
    let sooner = tasks.add(Time::ZERO, urgent(8, 200)).unwrap();
    let far = tasks.add(Time::ZERO, urgent(60, 100)).unwrap();
    let mut order = Vec::new();
    while let Some(id) = tasks.choose(Time::ZERO, 0, &NONE, &mut ByGradient) {
        order.push(id);
        tasks.done(id, Span::ZERO, TaskEnd::Done).unwrap();
    }
    assert_eq!(order, [sooner, later, calm, far]);
}

/// A task whose capabilities are missing is never chosen.
#[test]
fn a_task_without_its_capabilities_does_not_run() {
    let mut tasks = Tasks::new();
    let id = tasks.add(Time::ZERO, TaskSpec { needs: 0b110, ..TaskSpec::new("lift", 0) }).unwrap();
    assert_eq!(tasks.choose(Time::ZERO, 0b010, &NONE, &mut ByPriority), None);
    assert_eq!(tasks.choose(Time::ZERO, 0b111, &NONE, &mut ByPriority), Some(id));
}

/// When the neighbours carry more load, the task that accepts load is favoured; when they carry less, the other one.
#[test]
fn a_positive_load_gradient_favours_the_task_that_accepts_load() {
    let spec = |load| TaskSpec { affinity: [load, 0, 0, 0, 0, 0], ..periodic(3, 1) };
    let choose = |gradient: Option<i32>| {
        let mut tasks = Tasks::new();
        tasks.add(Time::ZERO, spec(-1)).unwrap();
        tasks.add(Time::ZERO, spec(1)).unwrap();
        tasks.choose(Time::ZERO, 0, &[gradient.map(Q16), None, None, None, None, None], &mut ByGradient)
    };
    assert_eq!(choose(Some(20_000)), Some(TaskId(1)));
    assert_eq!(choose(Some(-20_000)), Some(TaskId(0)));
    assert_eq!(choose(None), Some(TaskId(0)));
}

/// Runs beyond the estimate are counted, and so are skipped releases.
#[test]
fn overruns_and_skipped_releases_are_counted() {
    let mut tasks = Tasks::new();
    let spec = TaskSpec { estimate: Span::from_ms(1), catch_up: CatchUp::Skip, ..periodic(0, 10) };
    let id = tasks.add(Time::ZERO, spec).unwrap();
    assert_eq!(tasks.choose(Time::from_ms(35), 0, &NONE, &mut ByPriority), Some(id));
    tasks.done(id, Span::from_ms(4), TaskEnd::Done).unwrap();
    let task = tasks.get(id).unwrap();
    assert_eq!((task.overruns, task.overrun_ns, task.skipped), (1, 3_000_000, 3));
    assert_eq!(task.release, Time::from_ms(40));
}

/// A periodic task with a deadline of its own kind gets a new one with each release.
#[test]
fn a_relative_deadline_moves_with_the_release() {
    let mut tasks = Tasks::new();
    let id =
        tasks.add(Time::ZERO, TaskSpec { deadline: Deadline::Within(Span::from_ms(5)), ..periodic(0, 10) }).unwrap();
    assert_eq!(tasks.get(id).unwrap().deadline, Time::from_ms(5));
    tasks.choose(Time::ZERO, 0, &NONE, &mut ByPriority).unwrap();
    assert_eq!(tasks.get(id).unwrap().deadline, Time::from_ms(15));
}

proptest::proptest! {
    /// ekk:P17: at most one task per tick; never one that is blocked, not due or not able; a critical one is never bypassed.
    #[test]
    fn choice_respects_the_rules(
        specs in proptest::collection::vec((0_u8..4, 0_u64..30, proptest::option::of(0_u64..40_000), 0_u16..4, -2_i8..3), 1..8),
        steps in proptest::collection::vec((0_u64..20, 0_u8..8, 0_u8..4), 1..120),
        load in -70_000_i32..70_000,
    ) {
        let mut tasks = Tasks::new();
        for (priority, period, deadline, needs, liking) in specs {
            let deadline = deadline.map_or(Deadline::None, |ms| Deadline::At(Time::from_ms(ms)));
            let spec = TaskSpec { deadline, needs, affinity: [liking; 6], ..periodic(priority, period) };
            tasks.add(Time::ZERO, spec).unwrap();
        }
        let mut now = Time::ZERO;
        for (ms, index, action) in steps {
            now = now.after(Span::from_ms(ms));
            let before = tasks.clone();
            let running = |t: &Tasks| t.iter().filter(|(_, t)| t.state == TaskState::Running).count();
            let chosen = tasks.choose(now, 1, &[Some(Q16(load)), None, None, None, None, None], &mut ByGradient);
            if let Some(id) = chosen {
                let task = before.get(id).unwrap();
                proptest::prop_assert!(task.state == TaskState::Ready && task.release <= now && task.spec.needs & !1 == 0);
                let critical = |t: &Task| t.slack_ns(now).is_some_and(slack::is_critical);
                let bypassed = before.iter().any(|(_, t)| t.can_run(now, 1) && critical(t));
                proptest::prop_assert!(critical(task) || !bypassed);
                proptest::prop_assert_eq!(running(&tasks), running(&before) + 1);
            } else {
                proptest::prop_assert!(before.iter().all(|(_, t)| !t.can_run(now, 1)));
                proptest::prop_assert_eq!(&tasks, &before);
            }
            let id = TaskId(index);
            let _ = match action {
                0 => tasks.block(id),
                1 => tasks.ready(now, id),
                _ => tasks.done(id, Span::ZERO, TaskEnd::Done),
            };
        }
    }
}
