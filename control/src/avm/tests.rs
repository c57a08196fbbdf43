use super::*;
use crate::avm::ask::{EXECUTION_COLUMNS, OBJECT_COLUMNS, TRANSACTION_COLUMNS};

fn execution(number: usize) -> ExecutionSnapshot {
    ExecutionSnapshot {
        id: format!("x{number}"),
        program: "bank#main".into(),
        state: ExecutionState::Suspended,
        why: "w".repeat(2_000),
        ..ExecutionSnapshot::default()
    }
}

#[test]
fn a_record_comes_back_as_it_was() {
    let mut avm = AvmSnapshot { at_ns: 5, ..AvmSnapshot::default() };
    avm.executions = Listing::head((0..3).map(execution).collect(), 3);
    avm.transactions = Listing::head(vec![TransactionSnapshot { solver_ns: Some(7), ..Default::default() }], 1);
    avm.totals.commits = u64::MAX;
    let page = AvmPage::new(&avm).expect("fits");
    assert_eq!(page.snapshot().as_deref(), Some(&avm));
}

/// Aim: a head is never taken for the whole, whatever is cut; what a watcher laid in does not travel.
#[test]
fn a_record_that_is_too_long_keeps_its_counts_and_loses_rows_from_the_end() {
    let mut avm = AvmSnapshot {
        executions: Listing::head((0..10_000).map(execution).collect(), 10_000),
        objects: Listing::head(vec![ObjectSnapshot::default(); 1_000], 1_000_000),
        ..AvmSnapshot::default()
    };
    avm.details.missing = "no".into();
    let cut = AvmPage::new(&avm).and_then(|page| page.snapshot()).expect("cut to fit");
    assert!(!cut.executions.rows.is_empty() && cut.executions.rows.len() <= HEAD_ROWS);
    assert_eq!(cut.executions.rows[0].id, "x0");
    assert_eq!((cut.executions.matching, cut.executions.total), (10_000, 10_000));
    assert_eq!(cut.objects.total, 1_000_000);
    assert!(!cut.executions.whole() && !cut.objects.whole() && cut.transactions.whole());
    assert!(cut.details.is_empty());
}

#[test]
fn one_absurdly_long_row_is_left_out() {
    let avm = AvmSnapshot {
        notes: vec!["n".repeat(2 * AVM_BYTES)],
        executions: Listing::head(vec![execution(1)], 1),
        ..AvmSnapshot::default()
    };
    let cut = AvmPage::new(&avm).and_then(|page| page.snapshot()).expect("cut to fit");
    assert!(cut.notes.is_empty());
    assert_eq!(cut.executions.total, 1);
}

#[test]
fn a_damaged_record_is_no_avm_and_an_unknown_word_is_unknown() {
    let mut page = AvmPage::new(&AvmSnapshot::default()).expect("fits");
    page.bytes[0] = b'x';
    assert!(page.snapshot().is_none());
    for len in [u64::MAX, 0] {
        page.len = len;
        assert!(page.snapshot().is_none());
    }
    let row: ExecutionSnapshot = serde_json::from_str(r#"{"id":"x1","state":"dreaming"}"#).expect("read");
    assert_eq!(row.state, ExecutionState::Unknown);
}

#[test]
fn answers_find_their_place_and_end_the_lack_of_them() {
    let mut details = Details { missing: "no socket".into(), ..Details::default() };
    details.take(AvmReply::Done("suspended".into()));
    assert_eq!(details.missing, "no socket", "that was no answer to a question");
    details.take(AvmReply::Executions(Listing::head(vec![execution(1)], 1)));
    assert!(details.executions.is_some() && details.missing.is_empty());
    details.take(AvmReply::Trace(Box::default()));
    assert!(details.trace.is_some() && details.object.is_none());
}

#[test]
fn every_request_has_a_command_line_and_looking_changes_nothing() {
    let query = Query { from: 50, count: 20, sort: "fuel".into(), descending: true, filter: "it's x".into() };
    let id = || "x7".to_owned();
    let start = AvmRequest::Start(StartRequest {
        arguments: vec!["5".into(), "[1, 2]".into()],
        count: 3,
        torus: Some("B".into()),
        seed: Some(9),
        memory_bytes: Some(4096),
        blocking: true,
        parent: Some("x4".into()),
        deadline: Some(500),
        ..StartRequest::new("bank", "main")
    });
    let parts =
        ["A", "B"].map(|program| Segment { program: program.into(), entry: "f".into(), arguments: vec!["1".into()] });
    let all = [
        (
            AvmRequest::Load { sources: vec![Source { name: "a b.avm".into(), text: String::new() }] },
            true,
            "load 'a b.avm'",
        ),
        (
            start,
            true,
            "start bank#main 5 '[1, 2]' --count 3 --torus B --seed 9 --memory 4096 --parent x4 --deadline 500 --blocking",
        ),
        (AvmRequest::Ps { query }, false, "ps --filter 'it'\\''s x' --sort fuel --descending --from 50 --count 20"),
        (AvmRequest::Show { id: id() }, false, "show x7"),
        (AvmRequest::Suspend { id: id() }, true, "suspend x7"),
        (AvmRequest::Resume { id: id() }, true, "resume x7"),
        (AvmRequest::Kill { id: id() }, true, "kill x7"),
        (
            AvmRequest::Upgrade { object: "o3".into(), behaviour: "bank.account".into(), authority: Some("c1".into()) },
            true,
            "upgrade o3 bank.account --authority c1",
        ),
        (AvmRequest::Send { object: "o3".into(), message: "[\"inc\"]".into() }, true, "send o3 '[\"inc\"]'"),
        (AvmRequest::Constraints { id: id(), smtlib: true }, false, "constraints x7 --smtlib"),
        (
            AvmRequest::Compose { segments: parts.to_vec(), parallel: true },
            true,
            "compose 'A#f(1)' 'B#f(1)' --parallel",
        ),
    ];
    for (request, changes, line) in all {
        assert_eq!(request.command_line(), format!("trefoil avm {line}"));
        assert_eq!(request.changes(), changes, "{line}");
        let json = serde_json::to_string(&request).expect("written");
        assert_eq!(serde_json::from_str::<AvmRequest>(&json).expect("read back"), request);
    }
    for unknown in [r#"{"do":"kill","id":"x1","all":true}"#, r#"{"do":"start","program":"p","entry":"f","many":2}"#] {
        assert!(serde_json::from_str::<AvmRequest>(unknown).is_err(), "no unknown field: {unknown}");
    }
    let short = serde_json::from_str::<AvmRequest>(r#"{"do":"start","program":"p","entry":"f"}"#).expect("the least");
    assert_eq!(short, AvmRequest::Start(StartRequest::new("p", "f")));
}

#[test]
fn replies_come_back_as_they_were_and_columns_are_fields_of_rows() {
    let all = [
        AvmReply::Done("x7 suspended".into()),
        AvmReply::Output(None),
        AvmReply::Objects(Listing::head(vec![ObjectSnapshot::default()], 9)),
        AvmReply::Composed { committed: false, transaction: Box::default(), results: vec!["1".into()] },
    ];
    for reply in all {
        let json = serde_json::to_string(&reply).expect("written");
        assert_eq!(serde_json::from_str::<AvmReply>(&json).expect("read back"), reply);
    }
    assert_eq!(Query { count: 9_999, ..Query::default() }.rows(), PAGE_ROWS as usize);
    assert_eq!(EXECUTION_COLUMNS[0], "id");
    assert_eq!((OBJECT_COLUMNS[0], TRANSACTION_COLUMNS[0]), ("id", "id"));
}
