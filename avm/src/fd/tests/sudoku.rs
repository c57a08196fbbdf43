//! The Sudoku of the specification.

use super::{left, post, var};
use crate::fd::{Constraint, Store};
use crate::id::VarId;
use crate::value::Val;

const CLUES: &str = "530070000600195000098000060800060003400803001700020006060000280000419005000080079";
const SOLVED: &str = "534678912672195348198342567859761423426853791713924856961537284287419635345286179";

#[test]
fn the_easy_sudoku_is_solved_by_propagation_alone() {
    // avm:8.5, vector 39.
    let mut store = Store::default();
    let cells: Vec<VarId> = (0..81).map(|_| var(&mut store, 1..=9)).collect();
    let row = |r: usize| (0..9).map(|c| cells[r * 9 + c]).collect();
    let column = |c: usize| (0..9).map(|r| cells[r * 9 + c]).collect();
    let block = |b: usize| (0..9).map(|i| cells[(b / 3 * 3 + i / 3) * 9 + b % 3 * 3 + i % 3]).collect();
    for i in 0..9 {
        for group in [row(i), column(i), block(i)] {
            assert!(post(&mut store, Constraint::AllDiff(group)));
        }
    }
    for (cell, clue) in cells.iter().zip(CLUES.bytes()).filter(|(_, clue)| *clue != b'0') {
        assert!(post(&mut store, Constraint::ValEq(*cell, Val::from(i64::from(clue - b'0')))));
    }
    let solved: String =
        cells.iter().map(|cell| format!("{:?}", left(&store, *cell)).replace(['[', ']'], "")).collect();
    assert_eq!(solved, SOLVED);
    assert_eq!(store.constraints().len(), 27 + CLUES.bytes().filter(|clue| *clue != b'0').count());
}
