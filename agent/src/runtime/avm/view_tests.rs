//! Stretches of long traces.

use avm::Val;
use avm::event::{Event, LogEntry};
use avm::id::{ExecutionId, ObjectId, TxId};

use super::view::{Stretch, stretch};

/// A program that makes objects and calls each once, in one transaction.
fn whole(objects: u64) -> Vec<LogEntry> {
    let made = (0..objects).flat_map(|n| {
        let id = ObjectId(n);
        [Event::ObjectCreated(id, "t.box".into()), Event::ObjectCalled(id, Val::from("get"), Some(Val::from(1)))]
    });
    let tx = TxId(7);
    let all = [Event::TransactionStarted(tx)].into_iter().chain(made).chain([Event::TransactionCommitted(tx)]);
    all.chain([Event::Noted(Val::from(1))])
        .zip(0..)
        .map(|(event, timestamp)| LogEntry { timestamp, event, controller: None, depth: 0 })
        .collect()
}

// decisions:AVM-21
#[test]
fn a_stretch_of_a_trace_over_very_many_objects_shows_some_lifelines_and_counts_the_others() {
    let trace = whole(50_000);
    let want = Stretch { count: 3, ..Stretch::default() };
    let shown = stretch(ExecutionId(0), "t#main", (&trace, 5), &want, "north");
    assert_eq!((shown.total, shown.from, shown.dropped), (100_003, 100_000, 5));
    let ids: Vec<&str> = shown.lifelines.iter().map(|line| line.id.as_str()).collect();
    // The program, the first ones, and the one its newest entries speak of.
    assert_eq!(ids.len(), 1 + 256 + 1);
    assert_eq!((ids[0], ids[1], ids[256], ids[257]), ("main", "o0", "o255", "o49999"));
    assert_eq!(shown.lifelines_left_out, 50_000 - 257);
    assert_eq!(shown.entries.len(), 3);
    let rows: Vec<(&str, &str, &str)> = shown
        .entries
        .iter()
        .map(|entry| (entry.event.as_str(), entry.to.as_str(), entry.transaction.as_str()))
        .collect();
    let last = ("ObjectCalled", "o49999", "t7");
    assert_eq!(rows, [last, ("TransactionCommitted", "", "t7"), ("Noted", "", "")]);
    for entry in &shown.entries {
        assert_eq!(entry.clock.len(), 258, "of the lifelines that are shown");
    }
    let (before, after) = (&shown.entries[0].clock, &shown.entries[2].clock);
    let of = |clock: &[(String, u64)], id: &str| clock.iter().find(|(line, _)| line == id).map(|(_, count)| *count);
    assert_eq!((of(before, "o0"), of(after, "o49999")), (Some(2), Some(2)));
    assert!(of(before, "main") < of(after, "main"));
}

#[test]
fn a_stretch_of_a_small_trace_shows_all_of_it() {
    let trace = whole(3);
    let want = Stretch { from: Some(1), count: 2, ..Stretch::default() };
    let shown = stretch(ExecutionId(0), "t#main", (&trace, 0), &want, "north");
    let ids: Vec<&str> = shown.lifelines.iter().map(|line| line.id.as_str()).collect();
    assert_eq!((ids, shown.lifelines_left_out), (vec!["main", "o0", "o1", "o2"], 0));
    let events: Vec<&str> = shown.entries.iter().map(|entry| entry.event.as_str()).collect();
    assert_eq!(events, ["ObjectCreated", "ObjectCalled"]);
    assert_eq!(shown.lifelines[1].name, "t.box");
}
