//! Traces made by hand: brackets, charts at several widths, clocks, merges, JSON, hashes.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

use proptest::prelude::*;

use super::*;
use crate::error::{ObjError, TxError};
use crate::event::{Event, FailedOn, LogEntry};
use crate::fd::Constraint;
use crate::id::{ExecutionId, ObjectId, ROOT, TxId, VarId};
use crate::value::Val;

const C1: Option<&str> = Some("c1");

fn trace(events: Vec<(Event, Option<&str>, u32)>) -> Vec<LogEntry> {
    let entries = events.into_iter().enumerate();
    entries
        .map(|(at, (event, controller, depth))| LogEntry {
            timestamp: at as u64,
            event,
            controller: controller.map(Into::into),
            depth,
        })
        .collect()
}

fn call(o: u64, tag: &str, part: Option<i64>, output: Option<Val>) -> Event {
    let mut message = vec![Val::from(tag)];
    message.extend(part.map(Val::from));
    Event::ObjectCalled(ObjectId(o), Val::List(message), output)
}

fn created(o: u64, name: &str) -> Event {
    Event::ObjectCreated(ObjectId(o), name.into())
}

/// Vector 22: a transfer between two accounts.
fn transfer() -> Vec<LogEntry> {
    let ok = || Some(Val::from("ok"));
    trace(vec![
        (created(0, "bank.acct"), None, 0),
        (created(1, "bank.acct"), None, 0),
        (call(0, "deposit", Some(100), ok()), None, 0),
        (Event::TransactionStarted(TxId(0)), None, 0),
        (call(0, "withdraw", Some(30), ok()), C1, 0),
        (call(1, "deposit", Some(30), ok()), C1, 0),
        (Event::TransactionCommitted(TxId(0)), C1, 0),
        (call(0, "balance", None, Some(Val::from(70))), None, 0),
    ])
}

/// Ping-pong, nested, with an error at the bottom.
fn nested() -> Vec<LogEntry> {
    trace(vec![
        (created(0, "pong"), None, 0),
        (created(1, "ping"), None, 0),
        (call(0, "pong", Some(3), Some(Val::from("done"))), None, 2),
        (Event::Noted(Val::from("half way")), None, 2),
        (call(1, "ping", Some(2), Some(Val::from("continue"))), None, 1),
        (call(0, "self", None, None), None, 1),
        (call(0, "pong", Some(1), Some(Val::from("continue"))), None, 0),
        (Event::TransactionStarted(TxId(0)), None, 0),
        (call(1, "ping", Some(9), None), None, 1),
        (Event::ErrorOccurred(ObjError::ObjectNotFound(ObjectId(9)).into()), None, 1),
        (Event::TransactionAborted(TxId(0)), None, 0),
    ])
}

/// Many objects: more than fit.
fn crowd() -> Vec<LogEntry> {
    let mut events: Vec<_> = (0..9).map(|o| (created(o, "node"), None, 0)).collect();
    events.push((call(8, "hop", Some(2), Some(Val::from("there"))), None, 3));
    events.push((call(7, "hop", Some(1), Some(Val::from("there"))), None, 2));
    events.push((call(2, "hop", Some(0), Some(Val::from("there"))), None, 1));
    events.push((call(1, "a very long message that does not fit between two lines", Some(1), None), None, 0));
    events.push((Event::TransactionStarted(TxId(4)), None, 0));
    events.push((Event::TransactionAborted(TxId(4)), C1, 0));
    trace(events)
}

#[test]
fn charts_are_drawn() {
    for width in [60, 80, 120] {
        let mut how = Chart { width, ..Chart::default() };
        how.names.insert(ObjectId(1), "acct(bob)".into());
        insta::assert_snapshot!(format!("transfer-{width}"), chart(&transfer(), &how));
        how.names.clear();
        insta::assert_snapshot!(format!("nested-{width}"), chart(&nested(), &how));
        let why = "no choice satisfies all of: 'alice gets enough' (intent.avm:12:5); 'bob gives no more than three' (intent.avm:19:5)";
        how.notes.insert(TxId(4), why.into());
        how.lost = 12;
        insta::assert_snapshot!(format!("crowd-{width}"), chart(&crowd(), &how));
    }
}

#[test]
fn no_line_of_a_chart_is_wider_than_the_page() {
    use unicode_width::UnicodeWidthStr as _;
    let wide = trace(vec![
        (created(0, "会計"), None, 0),
        (call(0, "預金する預金する預金する預金する", Some(1), Some(Val::from("\u{1b}[2J\nx"))), None, 0),
        (Event::Noted(Val::from("漢".repeat(200).as_str())), None, 0),
        (Event::ExecutionMoved("m\n1".into(), "m2".into()), None, 0),
    ]);
    for width in 0..130 {
        let how = Chart { width, ..Chart::default() };
        for entries in [&wide, &transfer(), &nested(), &crowd(), &Vec::new()] {
            let drawn = chart(entries, &how);
            assert!(drawn.lines().all(|line| line.width() <= width.max(40)), "{drawn}");
            assert!(!drawn.contains('\u{1b}'));
        }
    }
}

#[test]
fn brackets_are_matched_by_depth() {
    let entries = nested();
    let calls = Calls::of(&entries);
    assert_eq!((calls.begin(6), calls.begin(4), calls.begin(2)), (2, 2, 2));
    assert_eq!(calls.begin(5), 5, "a second callee has its own bracket");
    assert_eq!(calls.actor(2), Some(ObjectId(1)), "the innermost call is made by ping");
    assert_eq!(calls.actor(3), Some(ObjectId(1)));
    assert_eq!(calls.actor(4), Some(ObjectId(0)));
    assert_eq!(calls.actor(6), Some(ROOT));
    assert_eq!(calls.actor(9), None, "that call never ended");
    let steps = calls.steps(&entries);
    let order: Vec<usize> = steps.iter().map(Step::entry).collect();
    assert_eq!(order, [0, 1, 6, 4, 2, 2, 3, 4, 5, 5, 6, 7, 8, 8, 9, 10]);
}

#[test]
fn queries_choose() {
    let entries = transfer();
    let count = |query: Query| query.of(&entries).len();
    let all = Query::default();
    assert_eq!(count(all.clone()), 8);
    assert_eq!(count(Query { object: Some(ObjectId(0)), ..all.clone() }), 4);
    assert_eq!(count(Query { event: Some("objectcalled".into()), ..all.clone() }), 4);
    assert_eq!(count(Query { since: Some(3), until: Some(6), ..all.clone() }), 3);
    assert_eq!(count(Query { transaction: Some(TxId(0)), ..all.clone() }), 4);
    assert_eq!(count(Query { transaction: Some(TxId(9)), ..all.clone() }), 0);
    assert_eq!(count(Query { controller: Some("c1".into()), ..all.clone() }), 3);
    assert_eq!(count(Query { most: Some(2), ..all }), 2);
    assert!(entries.iter().chain(&nested()).all(|entry| Query::EVENTS.contains(&kind(&entry.event))));
}

#[test]
fn clocks_order_one_execution_wholly() {
    let entries = nested();
    let clocked = clocks(ExecutionId(1), &entries);
    assert_eq!(clocked.len(), entries.len());
    for (i, one) in clocked.iter().enumerate() {
        for (j, two) in clocked.iter().enumerate() {
            let expected = match i.cmp(&j) {
                std::cmp::Ordering::Less => Relation::Before,
                std::cmp::Ordering::Equal => Relation::Same,
                std::cmp::Ordering::Greater => Relation::After,
            };
            assert_eq!(one.relation(two), expected, "{i} {j}: {} {}", one.clock, two.clock);
        }
    }
    insta::assert_snapshot!(
        clocked.iter().map(|c| format!("{} {} {}\n", c.entry.timestamp, c.line, c.clock)).collect::<String>()
    );
}

// decisions:AVM-21
#[test]
fn executions_are_ordered_by_links_only() {
    let (x1, x2, x3) = (ExecutionId(1), ExecutionId(2), ExecutionId(3));
    let one = trace(vec![
        (created(0, "ctr"), None, 0),
        (call(0, "inc", None, None), None, 0),
        (Event::Noted(Val::from(1)), None, 0),
    ]);
    let two = trace(vec![
        (Event::Noted(Val::from(2)), None, 0),
        (call(0, "inc", None, None), None, 0),
        (Event::Noted(Val::from(3)), None, 0),
    ]);
    let three = trace(vec![(Event::Noted(Val::from(4)), None, 0)]);
    let given = [(x2, &two[..]), (x1, &one[..]), (x3, &three[..])];
    let at =
        |merged: &[Clocked<'_>], x, t| merged.iter().position(|c| c.execution == x && c.entry.timestamp == t).unwrap();

    let merged = merge(&given, &[]).unwrap();
    assert_eq!(merged.len(), 7);
    let relation = |one, two| merged[at(&merged, x1, one)].relation(&merged[at(&merged, x2, two)]);
    assert_eq!(relation(0, 0), Relation::Concurrent);
    assert_eq!(relation(0, 1), Relation::Before, "made before it was called");
    assert_eq!(relation(1, 1), Relation::Concurrent, "two calls of one object, nothing known");
    assert_eq!(relation(0, 2), Relation::Before);

    let link = Link { from: (x2, 2), to: (x1, 2), cause: Cause::Commit };
    let merged = merge(&given, &[link]).unwrap();
    let relation = |one, two| merged[at(&merged, x1, one)].relation(&merged[at(&merged, x2, two)]);
    assert_eq!(relation(2, 0), Relation::After);
    assert_eq!(relation(1, 2), Relation::Concurrent);
    assert!(at(&merged, x2, 2) < at(&merged, x1, 2), "the merged order keeps the link");

    let back = Link { from: (x1, 2), to: (x2, 0), cause: Cause::Message };
    assert!(matches!(merge(&given, &[link, back]), Err(ClockError::Circle(..))));
    assert_eq!(merge(&[given[0], given[0]], &[]), Err(ClockError::Twice(x2)));
    let nowhere = Link { from: (ExecutionId(9), 0), to: (x1, 0), cause: Cause::Child };
    assert_eq!(merge(&given, &[nowhere]).unwrap().len(), 7);
}

#[test]
fn json_is_plain() {
    let mut entries = transfer();
    entries.extend(trace(vec![
        (Event::ErrorOccurred(TxError::NoActiveTx.into()), None, 0),
        (Event::ObjectMoved(ObjectId::new(3, 1, 7), "m1".into(), "m2".into()), C1, 1),
        (Event::VarCreated(VarId(1), vec![Val::from(1), Val::just(Val::from("\"\n\u{1}"))]), None, 0),
        (Event::ConstraintFailure(FailedOn::Constraint(Constraint::Neq(VarId(1), VarId(2)))), None, 0),
        (Event::MessageReceived(ROOT, Val::Int(1 << 60)), None, 0),
    ]));
    let text = to_json(&entries);
    insta::assert_snapshot!(text);
    let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(parsed.as_array().unwrap().len(), entries.len());
    assert_eq!(parsed[4]["input"][1], 30);
    assert_eq!(parsed[9]["object"], "o3.1.7");
    assert_eq!(parsed[10]["domain"][1]["$just"], "\"\n\u{1}");
}

#[test]
fn json_values_that_are_none_are_refused() {
    let read = |text: &str| value_from_json(&serde_json::from_str(text).unwrap());
    for (text, word) in [
        ("1.5", "whole"),
        ("1e3", "whole"),
        ("18446744073709551616", "whole"),
        ("{\"$int\": 5}", "$int"),
        ("{\"$pair\": [1]}", "two values"),
        ("{\"$bytes\": \"abc\"}", "even"),
        ("{\"$bytes\": \"zz\"}", "hexadecimal"),
        ("{\"$object\": \"x7\"}", "o7"),
        ("{\"$var\": \"7\"}", "v1"),
        ("{\"$what\": 1}", "$what"),
        ("{\"$just\": 1, \"a\": 2}", "$just"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(word), "{text}: {error}");
    }
    let deep = format!("{}{}", "[".repeat(60), "]".repeat(60));
    assert_eq!(read(&deep), Err(ValueError::Deep));
}

// decisions:AVM-5
#[test]
fn hashes_tell_what_was_done_from_where() {
    let entries = transfer();
    let here = trace_hash(&entries, 0);
    let mut moved = entries.clone();
    moved.insert(3, LogEntry { event: Event::ExecutionMoved("m1".into(), "m2".into()), ..entries[3].clone() });
    (0..).zip(&mut moved).for_each(|(at, entry)| entry.timestamp = at);
    let there = trace_hash(&moved, 0);
    assert_eq!(here.semantic, there.semantic);
    assert_ne!(here.full, there.full);
    let mut other = entries.clone();
    other[4].controller = Some("c2".into());
    assert_ne!(trace_hash(&other, 0).semantic, here.semantic);
    other = entries.clone();
    other.swap(0, 1);
    assert_ne!(trace_hash(&other, 0).semantic, here.semantic);
    let mut growing = TraceHasher::new();
    entries.iter().for_each(|entry| growing.push(entry));
    assert_eq!(growing.finish(0), here);
    let cut = growing.finish(1);
    assert!(cut.semantic != here.semantic && cut.full != here.full, "what is missing counts");
    insta::assert_snapshot!(format!("{} {}", here.semantic, here.full), @"b74b5640f7a7fd50d72f681b787ac4a3592ad5c1f74f68e4716fc720c2ea17de a6b89df186d3c806d54e8dfe150728dcf972791bdaaba8860b57c49f4d15a4e8");
}

// decisions:AVM-5, decisions:AVM-14: ids are counted by their first appearance, wherever they stand.
#[test]
fn semantic_hashes_do_not_tell_where_ids_were_given_out() {
    use crate::error::ControllerError;
    let events = |torus: u8, skip: u64, swap: u64| {
        let object = |n: u64| ObjectId::new(0, torus, n + skip);
        let (tx, execution) = (TxId::new(0, torus, 3 * skip), ExecutionId::new(0, torus, 5 * skip));
        let inside = Val::record([
            ("a".into(), Val::pair(Val::Object(object(1)), Val::Tx(tx))),
            ("b".into(), Val::just(Val::List(vec![Val::Execution(execution), Val::Object(ROOT)]))),
        ]);
        let errors: [crate::AvmError; 3] = [
            ObjError::InvalidInput(object(0), Val::Object(object(1))).into(),
            ControllerError::ObjectHasNoController(object(1)).into(),
            TxError::TxConflict(tx).into(),
        ];
        let first = [
            Event::TransactionStarted(tx),
            Event::ObjectCreated(object(0), "a".into()),
            Event::ObjectCalled(object(1), inside, Some(Val::Object(object(swap)))),
        ];
        let all = first.into_iter().chain(errors.map(Event::ErrorOccurred)).chain([Event::TransactionAborted(tx)]);
        let all = all.zip(0..).map(|(event, timestamp)| LogEntry { timestamp, event, controller: None, depth: 0 });
        trace_hash(&all.collect::<Vec<_>>(), 0)
    };
    let here = events(0, 0, 0);
    let there = events(2, 17, 0);
    assert_eq!(here.semantic, there.semantic);
    assert_ne!(here.full, there.full);
    assert_ne!(here.semantic, events(2, 17, 1).semantic, "which object it is still counts");
}

// decisions:AVM-21: rows of a long trace cost what they hold, not what the trace holds.
#[test]
fn clocks_of_some_rows_are_those_of_all() {
    let entries = transfer();
    let all = clocks(ExecutionId(1), &entries);
    let some = clocks_at(ExecutionId(1), &entries, |at| at % 3 == 1);
    let expected: Vec<_> = all.into_iter().skip(1).step_by(3).collect();
    assert!(expected.len() > 1);
    assert_eq!(some, expected);
}

proptest! {
    #[test]
    fn values_come_back_from_json(value in crate::code::codec::tests::any_value()) {
        let mut text = String::new();
        value_json(&mut text, &value);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(value_from_json(&json).unwrap(), value);
    }

    /// Any depths at all, also those no machine writes: brackets stay inside the trace and every entry has its step.
    #[test]
    fn any_depths_are_survived(depths in proptest::collection::vec((0..4_u32, 0..3_u64), 0..40)) {
        let events = depths.iter().map(|(depth, o)| (call(*o, "m", None, None), None, *depth)).collect();
        let entries = trace(events);
        let calls = Calls::of(&entries);
        let steps = calls.steps(&entries);
        prop_assert_eq!(steps.len(), 2 * entries.len());
        for at in 0..entries.len() {
            prop_assert!(calls.begin(at) <= at);
            prop_assert!(entries[calls.begin(at)..at].iter().all(|inner| inner.depth > entries[at].depth));
        }
        prop_assert_eq!(clocks(ExecutionId(0), &entries).len(), entries.len());
        let _ = chart(&entries, &Chart::default());
    }
}
