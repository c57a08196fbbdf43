//! The whole grid of the bootstrap, state by event, under both rule sets: a snapshot, and the sections of `docs/state-machines.md`.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

mod bootstrap_support;

use bootstrap_support::id;
use ekk::bootstrap::table::{Cell, TABLE, cell};
use ekk::bootstrap::{Config, Input, InputKind, Machine, Rules, Signal, State, Verdict};

fn text(cell: Cell) -> String {
    match cell {
        Cell::Never => String::new(),
        Cell::Refuse(why) => format!("- {why:?}"),
        Cell::View => "view".to_string(),
        Cell::Go { next, say, .. } => {
            let to = next.map_or("=".to_string(), |next| format!("{next:?}"));
            let words: Vec<String> = say.iter().map(|word| format!("{word:?}")).collect();
            format!("{to}: {}", words.join(" ")).trim_end_matches([':', ' ']).to_string()
        }
    }
}

fn grid(rules: Rules) -> String {
    let mut lines =
        vec!["| event | Fresh | Gathering | Confirming | Formed |".to_string(), "|---|---|---|---|---|".into()];
    for row in TABLE.iter().filter(|row| rules == Rules::PRODUCT || seed_has(row.kind, row.event as usize)) {
        let cells: Vec<String> = State::ALL.iter().map(|&state| text(cell(rules, state, row.event))).collect();
        lines.push(format!("| {:?} | {} |", row.event, cells.join(" | ")));
    }
    lines.join("\n")
}

/// Rows that the classification yields under the seed's rules: the first eight inputs, without what D3, D6 and D8 add.
fn seed_has(kind: InputKind, row: usize) -> bool {
    let query = TABLE.iter().position(|row| row.kind == InputKind::Query).unwrap();
    let added = ["DoneAdopted", "DeadlineAgain", "GrantNobody"];
    kind <= InputKind::Query && row <= query && !added.contains(&format!("{:?}", TABLE[row].event).as_str())
}

/// Aim: the table in the code, the snapshot and the documentation are the same.
#[test]
fn the_grids_are_the_documented_ones() {
    let docs = include_str!("../../docs/state-machines.md");
    for (name, rules) in [("bootstrap", Rules::PRODUCT), ("bootstrap-seed", Rules::SEED)] {
        insta::assert_snapshot!(name, grid(rules));
        let marker = format!("<!-- grid:{name} -->");
        let section = docs.split(&marker).nth(1).expect("a section with markers");
        assert_eq!(section.trim(), grid(rules), "docs/state-machines.md, {name}");
    }
}

/// `bootstrap:P11`: the admissible list is exactly the inputs that are not refused. Method: every reachable state, every kind of input
/// that needs no stamp, under the seed's rules, each single difference and all of them.
#[test]
fn admissible_inputs_are_those_that_are_not_refused() {
    let members = [id(1), id(2), id(3)];
    let plain = |peer| Signal::plain(id(peer));
    let inputs = [
        Input::Seen(plain(2)),
        Input::Ready(plain(2)),
        Input::LocalDone,
        Input::Deadline,
        Input::JoinAsk(id(8)),
        Input::JoinGrant(id(8)),
        Input::JoinRefuse(id(8)),
        Input::Query,
        Input::Answer { signal: plain(2), listed: false },
        Input::Trouble { peer: id(2), version: None },
        Input::Rearm,
    ];
    let paths: [&[Input]; 4] =
        [&[], &[Input::Seen(plain(2))], &[Input::LocalDone], &[Input::LocalDone, Input::Ready(plain(2))]];
    let rule_sets = Rules::EACH.into_iter().chain([Rules::SEED, Rules::PRODUCT]);
    for rules in rule_sets {
        for (state, path) in State::ALL.into_iter().zip(paths) {
            let (mut start, _) = Machine::<1>::new(&Config { rules, ..Config::seed(id(1), &members, 2) }).unwrap();
            for input in path {
                start.step(input);
            }
            assert_eq!(start.state(), state);
            for input in &inputs {
                let mut machine = start.clone();
                let admissible = machine.admissible().has(input.kind());
                let refused = matches!(machine.step(input).verdict, Verdict::Refused(_));
                assert_eq!(admissible, !refused, "bootstrap:P11 {rules:?} {state:?} {input:?}");
            }
        }
    }
}
