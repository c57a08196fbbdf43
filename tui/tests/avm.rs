//! The screens of the AVM as pictures, and what keys do on them.
mod support;

use control::avm::*;
use control::{SourceError, SteerError};
use support::programs::{execution, execution_detail, object, object_detail, programs, trace, transactions};
use support::{Console, NOON_NS};
use tui::state::Question;
use tui::target::{Id, Screen, Target};
use tui::theme::Colours;
use tui::update::{Effect, Event};

fn id(text: &str) -> Id {
    Id::new(text).expect("an id")
}

/// With everything answered that a screen may ask for.
fn answered(columns: u16, rows: u16) -> Console {
    let mut console = Console::of_programs(columns, rows);
    for reply in
        [AvmReply::Trace(trace()), AvmReply::Execution(execution_detail(5)), AvmReply::Object(object_detail(1))]
    {
        console.answer(reply);
    }
    console.run(1, |_| {});
    console
}

#[test]
fn pictures_at_the_sizes_that_matter() {
    let screens = [
        ("executions", vec!["6"]),
        ("execution", vec!["6", "down", "down", "down", "down", "down", "enter"]),
        ("objects", vec!["66"]),
        ("object", vec!["66", "down", "enter"]),
        ("transactions", vec!["666", "down"]),
        ("transaction", vec!["666", "down", "down", "down", "enter"]),
        ("trace", vec!["6t"]),
        ("clocks", vec!["6tv"]),
        ("json", vec!["6tj"]),
        ("solver", vec!["6", "backtab"]),
        ("overview", vec!["1"]),
    ];
    for (columns, rows) in [(40, 10), (80, 24), (120, 40)] {
        for (name, keys) in &screens {
            let mut console = answered(columns, rows);
            console.keys(keys);
            insta::assert_snapshot!(format!("{columns}x{rows}-{name}"), console.text());
        }
    }
}

#[test]
fn a_node_without_programs_says_so_on_each_of_the_five() {
    let mut console = Console::after(10, 100, 30, Colours::None);
    console.keys(&["6"]);
    for _ in 0..5 {
        assert!(
            console.text().contains("runs no programs; load one with: trefoil avm load FILE"),
            "{}",
            console.text()
        );
        console.keys(&["enter", "down", "s", "p", "tab"]);
    }
    assert_eq!(console.state.screen, Screen::Executions, "five steps lead round");
    console.keys(&["1"]);
    assert!(!console.text().contains("AVM  ●"), "{}", console.text());
}

/// Aim: every number leads by Enter to its thing, and escape leads back the way one came.
#[test]
fn things_lead_to_things_and_back() {
    let mut console = answered(120, 40);
    console.keys(&["666", "down", "enter"]);
    assert_eq!(console.state.avm.transactions.open, Some(id("t39")));
    let conflict =
        tui::draw::focusables(&console.state).iter().position(|target| *target == Target::Execution(id("x9")));
    console.keys(&vec!["down"; conflict.expect("who changed it is there")]);
    console.keys(&["enter"]);
    assert_eq!((console.state.screen, console.state.avm.executions.open), (Screen::Executions, Some(id("x9"))));
    assert!(console.text().contains("EXECUTION  x9"), "{}", console.text());
    console.keys(&["t"]);
    assert_eq!((console.state.screen, console.state.avm.traced), (Screen::Trace, Some(id("x9"))));
    console.keys(&["esc", "esc"]);
    assert_eq!((console.state.screen, console.state.avm.transactions.open), (Screen::Transactions, Some(id("t39"))));
    console.keys(&["esc"]);
    assert_eq!((console.state.avm.transactions.open, console.state.focus), (None, 1), "the row it was opened from");
    console.keys(&["esc"]);
    assert_eq!(console.state.screen, Screen::Overview);
    // A version of an object leads to the transaction that wrote it, or to the execution when there was none.
    let mut console = answered(120, 40);
    console.keys(&["66", "down", "enter"]);
    let targets = tui::draw::focusables(&console.state);
    assert!(targets.contains(&Target::Transaction(id("t38"))) && targets.contains(&Target::Execution(id("x0"))));
    assert!(targets.contains(&Target::Torus(1)), "its torus: {targets:?}");
}

#[test]
fn the_overview_line_leads_to_the_executions() {
    let mut console = Console::of_programs(100, 30);
    let text = console.text();
    let line = text.lines().find(|line| line.contains("AVM  ●")).expect("a line");
    assert!(line.contains("● 7 running ‖ 3 suspended ✕ 1 failed"), "{line}");
    assert!(
        line.contains("commits 1.21 k /s") && line.contains("aborts 20 /s") && line.contains("solver queue 2"),
        "{line}"
    );
    let at = tui::draw::focusables(&console.state).iter().position(|target| *target == Target::Go(Screen::Executions));
    console.keys(&vec!["down"; at.expect("it can be selected")]);
    console.keys(&["enter"]);
    assert_eq!(console.state.screen, Screen::Executions);
}

#[test]
fn the_header_leads_to_the_worst_thing_of_the_programs() {
    type Fault = (fn(&mut AvmSnapshot), &'static str, Screen);
    let faults: [Fault; 10] = [
        (
            |avm| {
                avm.totals.failed_unix_ns = NOON_NS - 12_000_000_000;
                avm.executions.rows[7].since_unix_ns = NOON_NS;
            },
            "✕ execution x7 failed 18 s ago: ErrObjectNotFound o99",
            Screen::Executions,
        ),
        (
            |avm| (avm.totals.failed, avm.totals.failed_unix_ns) = (3, NOON_NS + 1_000_000_000_000),
            "✕ 3 executions failed, the last 0 s ago (6)",
            Screen::Executions,
        ),
        (|avm| avm.capacities[0].used = 60 << 20, "◐ heap of torus A 93 % full (6)", Screen::Solver),
        (|avm| avm.capacities[2].used = 10_000, "✕ executions 100 % full (6)", Screen::Solver),
        (
            |avm| (avm.capacities[3].hits, avm.capacities[3].limit) = (avm.at_ns, 0),
            "✕ mailboxes of torus C full: x4: ErrProgramMailbox (6)",
            Screen::Solver,
        ),
        (|avm| avm.solver.oldest_running_ns = 41_000_000_000, "✕ solver stuck: x5 asks for 41 s (6)", Screen::Solver),
        (|avm| avm.solver.queued = 60, "◐ solver queue 60 of 64 (6)", Screen::Solver),
        (|avm| avm.solver.unknown = avm.at_ns, "◐ the solver leaves questions undecided (6)", Screen::Solver),
        (
            |avm| (avm.totals.aborts, avm.totals.aborts_conflict) = (avm.at_ns / 100_000, avm.at_ns / 100_000),
            "◐ more aborts than commits, 10.0 k /s against 1.21 k /s: mostly conflict (6)",
            Screen::Transactions,
        ),
        (|avm| avm.totals.trace_dropped = avm.at_ns, "◐ traces are full: entries are lost (6)", Screen::Solver),
    ];
    assert!(Console::of_programs(140, 40).text().contains("● all right"), "no fault, no finding");
    for (fault, said, screen) in faults {
        let mut console = Console::empty(140, 40, Colours::None);
        console.run(30, fault);
        let text = console.text();
        let head = text.lines().next().unwrap_or_default().to_owned();
        assert!(head.contains(said), "{said}:\n{head}");
        let found = tui::verdict::findings(console.state.scene.as_ref().expect("a scene"));
        let leads = match found[0].target {
            Target::Failed => Screen::Executions,
            Target::Go(screen) => screen,
            other => panic!("{other:?}"),
        };
        assert_eq!(leads, screen, "{said}");
    }
}

/// Aim: a change is asked first, with the command line that does the same; nothing is sent without a yes.
#[test]
fn executions_are_steered_after_a_question() {
    let cases = [
        ("p", "suspend execution x1?", "trefoil avm suspend x1", AvmRequest::Suspend { id: "x1".into() }),
        ("x", "kill execution x1?", "trefoil avm kill x1", AvmRequest::Kill { id: "x1".into() }),
    ];
    for (key, asks, line, request) in cases {
        let mut console = Console::of_programs(80, 24);
        assert_eq!(console.keys(&["6", "down", key]), None);
        let text = console.text();
        assert!(text.contains(asks) && text.contains(line) && text.contains("queens#search"), "{text}");
        assert_eq!(console.keys(&["esc"]), None);
        assert!(console.state.question.is_none());
        assert_eq!(console.keys(&[key, "enter"]), Some(Effect::Avm(request)));
        assert!(console.text().contains(&format!("asking the agent: {line}")));
        console.event(Event::AvmAnswered(Box::new(Ok(AvmReply::Done("x1 stands still".into())))));
        assert!(console.text().contains("● done: x1 stands still"), "{}", console.text());
    }
    let mut console = Console::of_programs(80, 24);
    console.keys(&["6", "p"]);
    insta::assert_snapshot!("question-80x24", console.text());
    // What runs is not resumed, what has ended is not touched.
    let mut console = Console::of_programs(80, 24);
    console.keys(&["6r"]);
    assert!(console.text().contains("execution x0 runs already"), "{}", console.text());
    console.keys(&["down", "down", "down", "r", "r"]);
    assert!(console.state.asking.is_some(), "x3 is suspended: asked and answered");
    let mut console = Console::of_programs(80, 24);
    console.keys(&["6"]);
    console.keys(&["down"; 8]);
    console.keys(&["x"]);
    assert!(console.text().contains("execution x8 has ended"), "{}", console.text());
    // The open thing is meant, wherever the selection is.
    let mut console = answered(80, 24);
    console.keys(&["6", "down", "down", "enter", "down", "down", "p"]);
    let wanted = Question::Avm(AvmRequest::Suspend { id: "x2".into() }, "market#intent".into());
    assert_eq!(console.state.question, Some(wanted));
}

#[test]
fn who_may_not_change_anything_is_told_why() {
    let mut console = Console::of_programs(80, 24);
    console.state.read_only = Some("join group trefoil".into());
    console.keys(&["6p"]);
    assert!(console.state.question.is_none());
    assert!(console.text().contains("read-only: join group trefoil"), "{}", console.text());
    // It may look all the same, or be told why not even that.
    assert_eq!(tui::avm::wanted(&console.state), None, "the record holds all rows");
    console.keys(&["enter"]);
    assert_eq!(tui::avm::wanted(&console.state), Some(AvmRequest::Show { id: "x0".into() }));
    let refused =
        SteerError::Unreachable { path: "/run/trefoil/control.sock".into(), reason: "permission denied".into() };
    console.event(Event::Details(Box::new(Err(refused))));
    console.run(1, |_| {});
    assert!(console.text().contains("permission denied") && console.text().contains("● running"), "{}", console.text());
    // Without an agent nothing is asked and nothing is changed.
    let mut gone = Console::of_programs(80, 24);
    gone.event(Event::Missed(SourceError::NoAgent { path: "p".into() }));
    gone.keys(&["6x"]);
    assert!(gone.state.question.is_none() && gone.text().contains("agent gone"), "{}", gone.text());
    assert_eq!(tui::avm::wanted(&gone.state), None);
    let mut none = Console::empty(80, 24, Colours::None);
    none.event(Event::Missed(SourceError::NoAgent { path: "/run/trefoil/status".into() }));
    none.keys(&["6", "enter", "p", "s"]);
    assert!(none.text().contains("no agent at /run/trefoil/status"), "{}", none.text());
}

#[test]
fn the_command_line_says_what_trefoil_avm_says() {
    let mut console = Console::of_programs(80, 24);
    console.keys(&[":", "avm", "tab", "sta", "enter"]);
    assert!(console.text().contains("expected PROGRAM#ENTRY") || console.text().contains("no such word"));
    console.keys(&["esc", ":", "avm start bank#transfer 'o1' 5", "enter"]);
    assert!(console.text().contains("trefoil avm start bank#transfer o1 5"), "{}", console.text());
    let Some(Effect::Avm(AvmRequest::Start(start))) = console.keys(&["enter"]) else { panic!("{}", console.text()) };
    assert_eq!((start.program.as_str(), start.arguments.len(), start.count), ("bank", 2, 1));
    console.event(Event::AvmAnswered(Box::new(Ok(AvmReply::Started(vec!["x12".into()])))));
    assert!(console.text().contains("done: started x12"), "{}", console.text());
    console.keys(&[":", "avm show o3", "enter"]);
    assert_eq!((console.state.screen, console.state.avm.objects.open), (Screen::Objects, Some(id("o3"))));
    console.keys(&[":", "avm show zebra", "enter"]);
    assert!(console.text().contains("expected an id such as x7, o3 or t4"), "{}", console.text());
}

#[test]
fn lists_are_sorted_and_filtered_only_when_asked() {
    let mut console = Console::of_programs(120, 40);
    let ids = |console: &mut Console| -> Vec<String> {
        let text = console.text();
        let rows =
            text.lines().filter_map(|line| line.trim_start_matches([' ', '▸']).split(' ').next().map(str::to_owned));
        rows.filter(|word| word.starts_with('x') && word[1..].parse::<u32>().is_ok()).collect()
    };
    console.keys(&["6"]);
    assert_eq!(ids(&mut console)[..3], ["x0", "x1", "x2"]);
    console.keys(&["ssss"]);
    assert!(console.text().contains("FUEL▼"), "{}", console.text());
    assert_eq!(ids(&mut console)[..3], ["x11", "x10", "x9"], "most fuel first");
    console.keys(&["S"]);
    assert!(console.text().contains("FUEL▲"));
    assert_eq!(ids(&mut console)[..3], ["x0", "x1", "x2"]);
    console.keys(&["ssssss"]);
    assert_eq!(console.state.avm.executions.column, None, "after the last column in natural order");
    console.keys(&["/", "FAILED", "enter"]);
    assert_eq!(ids(&mut console)[..1], ["x7"]);
    assert!(console.text().contains("1–1 of 1 with \"FAILED\" of 12"), "{}", console.text());
    console.keys(&["/", "zzz", "enter"]);
    assert!(console.text().contains("none of 12 passes the filter; esc clears it"), "{}", console.text());
    console.keys(&["esc"]);
    assert_eq!(ids(&mut console).len(), 12);
    assert_eq!(console.state.screen, Screen::Executions);
    assert!(console.state.filter.is_empty(), "the event log has a filter of its own");
}

/// Aim (`console` law 4): the selection stays with its row when rows above it go.
#[test]
fn the_selection_stays_with_its_execution() {
    let mut console = Console::of_programs(80, 24);
    console.keys(&["6", "down", "down", "down"]);
    console.run(1, |avm| drop(avm.executions.rows.drain(0..2)));
    assert_eq!(console.state.focus, 1);
    assert!(console.text().contains("▸x3 "), "{}", console.text());
    assert!(
        console.keys(&["x", "enter"]).is_some_and(|effect| effect == Effect::Avm(AvmRequest::Kill { id: "x3".into() }))
    );
}

/// Aim: of 10^4 executions and 10^6 objects a page is asked for, in steps; the counts stand there; nothing else is held.
#[test]
fn long_lists_are_paged() {
    let many = |avm: &mut AvmSnapshot| {
        (avm.executions.total, avm.executions.matching) = (10_000, 10_000);
        (avm.objects.total, avm.objects.matching, avm.totals.objects) = (1_000_000, 1_000_000, 1_000_000);
    };
    let mut console = Console::empty(80, 24, Colours::None);
    console.run(30, many);
    console.keys(&["66"]);
    let Some(AvmRequest::Objects { query }) = tui::avm::wanted(&console.state) else { panic!("nothing is asked") };
    assert_eq!((query.from, query.count), (0, 72));
    console.keys(&["G"]);
    assert_eq!(console.state.focus, 999_999);
    let Some(AvmRequest::Objects { query }) = tui::avm::wanted(&console.state) else { panic!("nothing is asked") };
    assert!(query.from <= 999_999 - 24 && query.from + u64::from(query.count) > 999_999, "{query:?}");
    assert!(console.text().contains(" of 1 000 000"), "{}", console.text());
    // The answer is laid into the next moment, and is what is drawn.
    let rows = (query.from..1_000_000).map(|at| object(at, NOON_NS)).collect();
    let (from, total) = (query.from, 1_000_000);
    console.answer(AvmReply::Objects(Listing { query, matching: total, total, from, rows }));
    console.run(1, many);
    let text = console.text();
    assert!(text.contains("▸o999999 "), "{text}");
    insta::assert_snapshot!("million-80x24", text);
    console.keys(&["enter"]);
    assert_eq!(console.state.avm.objects.open, Some(id("o999999")));
    console.keys(&["esc", "pgup", "up"]);
    assert_eq!(console.state.focus, 999_999 - 12 - 1);
    // Moving within a screen asks nothing new.
    let before = tui::avm::wanted(&console.state);
    console.keys(&["up"]);
    assert_eq!(tui::avm::wanted(&console.state), before);
    // A filter over the head of a list says that it saw the head only.
    console.keys(&["/", "o5", "enter"]);
    assert!(console.text().contains("head of the list only"), "{}", console.text());
    let Some(AvmRequest::Objects { query }) = tui::avm::wanted(&console.state) else { panic!("nothing is asked") };
    assert_eq!(query.filter, "o5");
    let rows = vec![object(5, NOON_NS), object(50, NOON_NS)];
    console.answer(AvmReply::Objects(Listing { query, matching: 111_111, total, from: 0, rows }));
    console.run(1, many);
    let text = console.text();
    assert!(text.contains("of 111 111 with \"o5\" of 1 000 000") && !text.contains("head of the list"), "{text}");
}

/// Aim (`console` law 6): frozen, the answers of then are shown and nothing is asked; they are in a recording too.
#[test]
fn freezing_holds_what_was_answered_then() {
    let mut console = answered(80, 24);
    console.keys(&["6t", "space"]);
    assert!(console.text().contains("deposit 30") && console.text().contains("frozen"), "{}", console.text());
    assert_eq!(tui::avm::wanted(&console.state), None);
    let mut later = trace();
    later.entries.truncate(1);
    later.total = 1;
    console.answer(AvmReply::Trace(later));
    console.run(2, |_| {});
    assert!(console.text().contains("deposit 30"), "{}", console.text());
    console.keys(&["end"]);
    assert!(!console.text().contains("deposit 30") && console.text().contains("1 entries"), "{}", console.text());
    let last = console.state.history.last().expect("a moment");
    let json = serde_json::to_string(&**last).expect("written");
    let read: control::Snapshot = serde_json::from_str(&json).expect("read back");
    assert!(read.avm.is_some_and(|avm| avm.details.trace.is_some()), "a recording holds it");
}

/// Aim: the chart follows the newest entry until one goes up in it, and again from the last on.
#[test]
fn a_trace_follows_its_execution() {
    let long = |total: u64| {
        let mut long = trace();
        let one = long.entries[1].clone();
        long.entries =
            (total.saturating_sub(72)..total).map(|at| TraceEntry { timestamp: at, ..one.clone() }).collect();
        (long.from, long.total) = (total.saturating_sub(72), total);
        AvmReply::Trace(long)
    };
    let mut console = Console::of_programs(80, 24);
    console.keys(&["6t"]);
    let Some(AvmRequest::Trace { id: traced, from: None, .. }) = tui::avm::wanted(&console.state) else {
        panic!("asked")
    };
    assert_eq!(traced, "x0");
    for total in [500, 520] {
        console.answer(long(total));
        console.run(1, |_| {});
        assert_eq!(console.state.focus as u64, total - 1);
        assert!(console.text().contains(&format!("[{}] ObjectCalled", total - 1)), "{}", console.text());
    }
    console.keys(&["up", "up"]);
    let Some(AvmRequest::Trace { from: Some(from), count, .. }) = tui::avm::wanted(&console.state) else {
        panic!("asked")
    };
    assert!(from <= 517 && from + u64::from(count) > 517);
    console.answer(long(540));
    console.run(1, |_| {});
    assert_eq!(console.state.focus, 517, "it stays where one looks");
    console.keys(&["G"]);
    assert_eq!(console.state.focus, 539);
    console.answer(long(560));
    console.run(1, |_| {});
    assert_eq!(console.state.focus, 559);
    console.keys(&["/", "o1", "enter"]);
    let Some(AvmRequest::Trace { object, event, .. }) = tui::avm::wanted(&console.state) else { panic!("asked") };
    assert_eq!((object.as_str(), event.as_str()), ("o1", ""));
}

#[test]
fn screens_know_no_colour_where_there_is_none() {
    for keys in [vec!["6"], vec!["666"], vec!["6t"], vec!["6", "backtab"]] {
        let mut console = answered(100, 30);
        console.keys(&keys);
        let buffer = console.buffer();
        let plain = |colour| colour == ratatui::style::Color::Reset;
        assert!(buffer.content().iter().all(|cell| plain(cell.fg) && plain(cell.bg)), "{keys:?}");
    }
    let mut console = Console::empty(100, 30, Colours::Sixteen);
    console.run(30, |_| {});
    console.keys(&["6"]);
    assert!(console.buffer().content().iter().any(|cell| cell.fg == ratatui::style::Color::Red), "failed is red");
}

/// Absurd names, huge numbers, empty lists, ids that are none: nothing panics, nothing leaves its columns.
#[test]
fn extremes_are_drawn() {
    let long = "環\u{202e}\u{1b}[31m🜛e\u{301}".repeat(40);
    let absurd = |avm: &mut AvmSnapshot, kind: usize| match kind {
        0 => *avm = AvmSnapshot { at_ns: avm.at_ns, ..AvmSnapshot::default() },
        1 => {
            for row in &mut avm.executions.rows {
                (row.id, row.program, row.why, row.torus, row.transaction) =
                    (long.clone(), long.clone(), long.clone(), long.clone(), long.clone());
            }
            for row in &mut avm.objects.rows {
                (row.id, row.behaviour, row.controller, row.machine, row.last_writer) =
                    (long.clone(), long.clone(), long.clone(), long.clone(), long.clone());
            }
            for row in &mut avm.transactions.rows {
                (row.id, row.why, row.controller, row.execution) =
                    (long.clone(), long.clone(), long.clone(), long.clone());
                row.core.iter_mut().for_each(|line| line.text.clone_from(&long));
            }
            avm.capacities.iter_mut().for_each(|capacity| capacity.name.clone_from(&long));
            avm.lanes.iter_mut().for_each(|lane| lane.torus.clone_from(&long));
            (avm.solver.name, avm.solver.restart_reason) = (long.clone(), long.clone());
            avm.notes = vec![long.clone()];
        }
        2 => {
            let most = u64::MAX;
            avm.totals = Totals {
                running: most,
                suspended: most,
                failed: most,
                objects: most,
                commits: most,
                aborts: most,
                ..avm.totals
            };
            for row in &mut avm.executions.rows {
                (row.fuel, row.memory_bytes, row.since_unix_ns, row.moves) = (most, most, most, u32::MAX);
            }
            avm.objects.rows.iter_mut().for_each(|row| (row.version, row.state_bytes) = (most, most));
            avm.solver = SolverSnapshot {
                queued: most,
                oldest_running_ns: most,
                sat: most,
                unsat: most,
                times_ns: vec![most; 40],
                busy: 1,
                ..avm.solver.clone()
            };
            avm.capacities.iter_mut().for_each(|capacity| (capacity.used, capacity.limit) = (most, most));
            (avm.executions.matching, avm.executions.total, avm.objects.from) = (most, most, most);
        }
        _ => {
            avm.executions.rows.clear();
            avm.lanes.truncate(1);
            avm.transactions.matching = 0;
        }
    };
    for (columns, rows) in [(1, 1), (20, 5), (40, 10), (80, 24), (200, 60)] {
        for kind in 0..4 {
            let mut console = Console::empty(columns, rows, Colours::Many);
            console.run(6, |avm| absurd(avm, kind));
            for _ in 0..6 {
                console.keys(&["6", "down", "G", "pgup", "enter", "down", "down", "esc", "s", "S", "v", "j"]);
                let text = console.text();
                assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
                assert!(text.lines().all(|line| tui::text::width(line) <= usize::from(columns)), "{text}");
            }
        }
    }
    let mut console = Console::empty(80, 24, Colours::None);
    console.run(6, |avm| absurd(avm, 1));
    console.keys(&["6"]);
    insta::assert_snapshot!("absurd-80x24", console.text());
}

/// Aim: no key, size, answer or record in any order brings the console down. Method: a seeded walk; a failure prints its seed.
#[test]
fn a_storm_on_the_screens_of_the_avm_never_panics() {
    const KEYS: [&str; 22] = [
        "6", "tab", "backtab", "enter", "esc", "up", "down", "pgup", "pgdn", "s", "S", "g", "G", "t", "v", "j",
        "space", "left", "end", "/o1", "p", "x",
    ];
    for seed in 1..=8_u64 {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut next = move |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let mut console = Console::of_programs(80, 24);
        for _ in 0..400 {
            match next(10) {
                0 => drop(console.event(Event::Resize(next(140) as u16, next(50) as u16))),
                1 => {
                    let reply = match next(6) {
                        0 => AvmReply::Trace(trace()),
                        1 => AvmReply::Execution(execution_detail(next(12))),
                        2 => AvmReply::Object(object_detail(next(6))),
                        3 => AvmReply::Transaction(Box::new(transactions(NOON_NS).swap_remove(next(5) as usize))),
                        4 => AvmReply::Executions(Listing::head(vec![execution(next(99), NOON_NS)], next(3))),
                        _ => AvmReply::Done("x".into()),
                    };
                    console.answer(reply);
                }
                2 => console.run(1 + next(3), |_| {}),
                3 => {
                    let rows = next(12) as usize;
                    console.run(1, |avm| avm.executions.rows.truncate(rows));
                }
                _ => drop(console.keys(&[KEYS[next(KEYS.len() as u64) as usize]])),
            }
            let (columns, rows) = console.state.size;
            let mut buffer = ratatui::buffer::Buffer::empty(ratatui::layout::Rect::new(0, 0, columns, rows));
            tui::draw::paint(&console.state, &mut buffer);
        }
        assert!(programs(1).executions.whole(), "seed {seed}");
    }
}

/// Aim: a picture of a screen whose rows are not in the record says what has to be asked, and shows the answer; totals lead to their
/// rows.
#[test]
fn a_frame_asks_for_what_the_record_does_not_hold() {
    let mut last = support::node(2);
    last.avm = Some(programs(2));
    let options = |screen, of| tui::FrameOptions { size: (100, 30), screen, of, ..tui::FrameOptions::default() };
    let wanted = |screen, of| tui::frame_wants(std::slice::from_ref(&last), &options(screen, of));
    let trace_of = |request: Option<AvmRequest>| match request {
        Some(AvmRequest::Trace { id, .. }) => id,
        other => panic!("{other:?}"),
    };
    assert_eq!(trace_of(wanted(Screen::Trace, Some(id("x5")))), "x5");
    assert_eq!(wanted(Screen::Objects, Some(id("o1"))), Some(AvmRequest::Show { id: "o1".into() }));
    assert_eq!((wanted(Screen::Overview, None), wanted(Screen::Solver, None)), (None, None));
    let shown = trace();
    let of = id(&shown.execution);
    last.avm.as_mut().expect("programs").details.take(AvmReply::Trace(shown));
    let text = tui::frame(&[last], tui::Format::Text, &options(Screen::Trace, Some(of)));
    assert!(text.contains("TRACE") && text.contains("main") && text.contains("──"), "{text}");
    let mut console = Console::of_programs(120, 40);
    tui::avm::open(&mut console.state, Target::Listed(Screen::Transactions, "aborted"));
    assert_eq!(
        (console.state.screen, console.state.avm.transactions.filter.as_str()),
        (Screen::Transactions, "aborted")
    );
    assert!(console.text().contains("✕ aborted") && !console.text().contains("● committed"), "{}", console.text());
}
