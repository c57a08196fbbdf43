//! Bytes as a program that means ill: any values as domains and constraints, any operations in any order.

use std::iter;

use super::search::{Branching, Progress, Search};
use super::{Attempt, Constraint, Label, Limits, Mark, Refusal, Store};
use crate::id::VarId;
use crate::value::{INT_MAX, INT_MIN, Val};

/// Operations taken from one input at most.
const MOST: usize = 200;

/// Reads numbers; zero when the bytes are used up.
struct Source<'a>(iter::Copied<std::slice::Iter<'a, u8>>);

impl Source<'_> {
    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.0.next().unwrap_or(0)) % bound.max(1)
    }

    fn var(&mut self) -> VarId {
        VarId(self.below(8) as u32)
    }

    fn number(&mut self) -> i128 {
        match self.below(16) {
            0 => INT_MIN,
            1 => INT_MAX,
            2 => i128::MAX,
            3 => i128::MIN,
            4 => i64::MAX.into(),
            small => small as i128 - 8,
        }
    }

    fn value(&mut self, depth: usize) -> Val {
        match self.below(if depth == 0 { 8 } else { 12 }) {
            0..=2 => Val::Int(self.number()),
            3..=5 => Val::Var(self.var()),
            6 => Val::Bool(self.below(2) == 0),
            7 => Val::text(["", "a", "eq", "table"][self.below(4)]),
            8 => Val::just(self.value(depth - 1)),
            9 => Val::pair(self.value(depth - 1), self.value(depth - 1)),
            _ => Val::List(self.values(5, depth - 1)),
        }
    }

    fn values(&mut self, most: usize, depth: usize) -> Vec<Val> {
        (0..self.below(most)).map(|_| self.value(depth)).collect()
    }

    /// A list with the word of a constraint in front.
    fn constraint(&mut self) -> Val {
        const WORDS: [&str; 19] = [
            "eq", "neq", "leq", "lt", "geq", "gt", "all-diff", "val-eq", "val-leq", "val-lt", "val-geq", "val-gt",
            "neq-off", "eq-off", "leq-off", "sum-eq", "sum-leq", "table", "element",
        ];
        let (x, y) = (Val::Var(self.var()), Val::Var(self.var()));
        let word = WORDS[self.below(WORDS.len())];
        let rest = match word {
            "all-diff" => vec![Val::List((0..self.below(6)).map(|_| Val::Var(self.var())).collect())],
            "neq-off" | "eq-off" | "leq-off" => vec![x, y, self.value(0)],
            "sum-eq" | "sum-leq" => {
                let term = |s: &mut Self| Val::List(vec![Val::Int(s.number()), Val::Var(s.var())]);
                let terms = (0..self.below(4)).map(|_| term(self)).collect();
                vec![Val::List(terms), Val::Int(self.number())]
            }
            "table" => {
                let rows = (0..self.below(9)).map(|_| Val::List(vec![self.value(0), self.value(0)])).collect();
                vec![Val::List(vec![x, y]), Val::List(rows)]
            }
            "element" => vec![Val::List(self.values(6, 0)), x, y],
            bound if bound.starts_with("val") => vec![x, self.value(1)],
            _ => vec![x, y],
        };
        Val::List(iter::once(Val::text(word)).chain(rest).collect())
    }
}

/// Does what the bytes say. What is refused changes nothing, marks restore, what was saved loads. Returns how many operations were
/// taken.
///
/// # Panics
/// One of these does not hold.
#[doc(hidden)]
#[must_use]
pub fn fuzz_operations(bytes: &[u8]) -> u64 {
    let limits = Limits { variables: 7, values: 120, constraints: 12, refutations: 12, cells: 4000 };
    let mut source = Source(bytes.iter().copied());
    let mut store = Store::new(limits);
    let (mut marks, mut labels) = (Vec::new(), Vec::new());
    let mut taken = 0;
    for _ in 0..MOST {
        if source.0.len() == 0 {
            break;
        }
        let before = store.save();
        match operation(&mut source, &mut store, &mut marks, &mut labels) {
            Ok(()) => taken += 1,
            Err(_) => assert_eq!(store.save(), before, "what is refused changes nothing"),
        }
    }
    let saved = store.save();
    assert!(Store::load(&saved, limits).is_ok_and(|loaded| loaded.save() == saved), "what was saved loads");
    let vars = store.vars().to_vec();
    let branching = [Branching::InputOrder, Branching::FirstFail, Branching::DomWdeg][source.below(3)];
    if let Ok(mut search) = Search::new(&store, &vars, branching) {
        let solutions = (0..50).map(|_| search.run(&mut store, 9)).filter(|p| *p == Progress::Solution).count();
        taken += solutions as u64;
        search.leave(&mut store);
        assert_eq!(store.save(), saved, "a search leaves nothing behind");
    }
    taken
}

fn operation(
    source: &mut Source<'_>,
    store: &mut Store,
    marks: &mut Vec<Mark>,
    labels: &mut Vec<Label>,
) -> Result<(), Refusal> {
    match source.below(14) {
        0 => store.new_var(&source.values(9, 1)).map(drop),
        1 | 2 => {
            let first = source.below(9) as i64;
            let values: Vec<Val> = (first..first + 1 + source.below(6) as i64).map(Val::from).collect();
            store.new_var(&values).map(drop)
        }
        3 => store.narrow(source.var(), &source.values(9, 0)).map(drop),
        4 => store.try_assign(source.var(), &source.value(0)).map(drop),
        5 => {
            marks.push(store.mark());
            Ok(())
        }
        6 => {
            if let Some(mark) = marks.get(source.below(marks.len())).copied() {
                store.undo_to(&mark);
            }
            Ok(())
        }
        7 => {
            if let Some(mark) = marks.get(source.below(marks.len())).copied() {
                store.settle(&mark);
            }
            Ok(())
        }
        8 => {
            labels.push(store.label(source.var())?);
            Ok(())
        }
        9 => {
            let at = source.below(labels.len());
            if let Some(label) = labels.get_mut(at) {
                store.label_next(label);
            }
            Ok(())
        }
        10 => store.refute_frame(labels),
        _ => {
            let value = if source.below(4) == 0 { source.value(3) } else { source.constraint() };
            let constraint = Constraint::from_val(&value).map_err(Refusal::Malformed)?;
            let again = Constraint::from_val(&constraint.to_val());
            assert!(again.as_ref() == Ok(&constraint), "a constraint is what its value says");
            let explained = store.explain(&Attempt::Post(&constraint)).is_some();
            let posted = store.post(constraint);
            let inconsistent = matches!(posted, Err(Refusal::Inconsistent(_)));
            let limited = matches!(posted, Err(Refusal::Limit(_)));
            assert!(explained == inconsistent || limited, "what fails is explained");
            posted.map(drop)
        }
    }
}
