//! `label`, backtracking and `abortTx` as a program uses them: the worked examples of the specification, run by a few lines that
//! keep the transactions.

use super::{ints, left, post, var};
use crate::fd::{Constraint, Label, Mark, Refusal, Store};
use crate::id::VarId;
use crate::value::Val;

/// An open transaction: its number, where the store stood, what was decided, where the program can go back to.
struct Frame {
    number: u32,
    begin: Mark,
    decisions: Vec<Label>,
    /// A label under way, the store before it, the depth of the program.
    points: Vec<(Label, Mark, usize)>,
}

/// "begin; label; narrow the others; on failure abort and repeat; else go on one deeper", of the specification's example.
struct Queens {
    store: Store,
    queens: Vec<VarId>,
    frames: Vec<Frame>,
    trace: Vec<String>,
    begun: u32,
}

impl Queens {
    fn run(size: i64) -> (Result<Vec<i64>, VarId>, String) {
        let mut store = Store::default();
        let queens: Vec<VarId> = (0..size).map(|_| var(&mut store, 1..=size)).collect();
        assert!(post(&mut store, Constraint::AllDiff(queens.clone())));
        let mut program = Self { store, queens, frames: Vec::new(), trace: Vec::new(), begun: 0 };
        let result = program.go();
        (result, program.trace.join(", "))
    }

    fn say(&mut self, what: &str, number: u32) {
        self.trace.push(format!("{what} t{number}"));
    }

    fn go(&mut self) -> Result<Vec<i64>, VarId> {
        let mut depth = 0;
        while depth < self.queens.len() {
            let begin = self.store.mark();
            self.frames.push(Frame { number: self.begun, begin, decisions: Vec::new(), points: Vec::new() });
            self.say("TS", self.begun);
            self.begun += 1;
            let mut label = self.store.label(self.queens[depth]).expect("known");
            let mut before = self.store.mark();
            while self.store.label_next(&mut label).is_none() {
                let dead = label.var();
                (label, before, depth) = self.back().ok_or(dead).inspect_err(|_| self.fail())?;
            }
            let frame = self.frames.last_mut().expect("open");
            let value = label.value().cloned().expect("decided");
            frame.decisions.push(label.clone());
            frame.points.push((label, before, depth));
            if self.place(depth, &value) {
                depth += 1;
            } else {
                let frame = self.frames.pop().expect("open");
                self.say("TA", frame.number);
                assert!(self.store.undo_to(&frame.begin));
                self.store.refute_frame(&frame.decisions).expect("fits");
            }
        }
        while let Some(frame) = self.frames.pop() {
            self.say("TC", frame.number);
            self.store.forget_refutations(&frame.begin);
        }
        Ok(self.queens.iter().map(|queen| left(&self.store, *queen)[0]).collect())
    }

    /// Narrows the queens below; stops at the first that has no place.
    fn place(&mut self, depth: usize, value: &Val) -> bool {
        let Val::Int(at) = *value else { panic!("a number") };
        (depth + 1..self.queens.len()).all(|below| {
            let (at, away) = (at as i64, (below - depth) as i64);
            let free = (1..=self.queens.len() as i64).filter(|c| ![at, at + away, at - away].contains(c));
            self.store.narrow(self.queens[below], &ints(free)).is_ok()
        })
    }

    /// Back to the latest choice point with values left.
    fn back(&mut self) -> Option<(Label, Mark, usize)> {
        let at = self.frames.iter().rposition(|frame| frame.points.iter().any(|(label, ..)| label.has_more()))?;
        while self.frames.len() > at + 1 {
            let number = self.frames.pop()?.number;
            self.say("TA", number);
        }
        let frame = self.frames.last_mut()?;
        while let Some((label, before, depth)) = frame.points.pop() {
            frame.decisions.pop();
            if label.has_more() {
                assert!(self.store.undo_to(&before));
                return Some((label, before, depth));
            }
        }
        None
    }

    fn fail(&mut self) {
        self.trace.push("ERR".to_owned());
        while let Some(frame) = self.frames.pop() {
            self.say("TA", frame.number);
        }
    }
}

#[test]
fn four_queens_by_narrowing() {
    // avm:8.5, vector 39.
    let (result, trace) = Queens::run(4);
    assert_eq!(result, Ok(vec![2, 4, 1, 3]));
    assert_eq!(
        trace,
        "TS t0, TS t1, TA t1, TS t2, TS t3, TA t3, TS t4, TA t4, TA t2, TS t5, TS t6, TS t7, TC t7, TC t6, TC t5, TC t0"
    );
}

#[test]
fn three_queens_have_no_solution() {
    // Vector 40: v2 meets the last dead end; t0 to t5 are begun; ERR, TA t5, TA t3 end it.
    let (result, trace) = Queens::run(3);
    assert_eq!(result, Err(VarId(2)));
    assert!(trace.ends_with("ERR, TA t5, TA t3") && trace.contains("TS t5") && !trace.contains("TS t6"), "{trace}");
}

#[test]
fn four_queens_by_offsets() {
    // avm:8.5: with the diagonals posted, one transaction labels q1 to q4.
    let mut store = Store::default();
    let q: Vec<VarId> = (0..4).map(|_| var(&mut store, 1..=4)).collect();
    assert!(post(&mut store, Constraint::AllDiff(q.clone())));
    for i in 0..4usize {
        for j in i + 1..4 {
            for k in [(j - i) as i64, i as i64 - j as i64] {
                assert_eq!(store.post(Constraint::NeqOff(q[i], q[j], k)), Ok(vec![]));
            }
        }
    }
    let all = |store: &Store| q.iter().map(|v| left(store, *v)).collect::<Vec<_>>();
    let before = store.mark();
    let mut first = store.label(q[0]).expect("known");
    assert_eq!(store.label_next(&mut first), Some(q.clone()));
    assert_eq!(all(&store), [vec![1], vec![3, 4], vec![2, 4], vec![2, 3]]);
    let mut second = store.label(q[1]).expect("known");
    assert_eq!(store.label_next(&mut second), None, "3 and 4 both fail: a dead end");
    assert_eq!(second.tried(), ints([3, 4]));
    assert!(store.undo_to(&before));
    assert_eq!(store.label_next(&mut first), Some(q.clone()));
    assert_eq!(all(&store), [[2], [4], [1], [3]]);
    for (v, value) in q.iter().zip([2, 4, 1, 3]).skip(1) {
        let mut label = store.label(*v).expect("known");
        assert_eq!(store.label_next(&mut label), Some(vec![]));
        assert_eq!(label.value(), Some(&Val::from(value)));
    }
}

#[test]
fn aborting_walks_to_the_next_value() {
    // Vector 38, avm:8.4: labels 1, then 2; committed, 2 is what is left, and the refutation is gone.
    let mut store = Store::default();
    let v = var(&mut store, 1..=3);
    let outer = store.mark();
    let mut label = store.label(v).expect("known");
    store.label_next(&mut label).expect("consistent");
    assert_eq!(label.value(), Some(&Val::from(1)));
    assert!(store.undo_to(&outer));
    store.refute_frame(&[label]).expect("fits");
    assert!(store.refuted(v, &Val::from(1)) && !store.refuted(v, &Val::from(2)));
    assert_eq!(left(&store, v), [1, 2, 3], "refutations do not propagate");
    let mut label = store.label(v).expect("known");
    store.label_next(&mut label).expect("consistent");
    assert_eq!((label.value(), label.tried().len()), (Some(&Val::from(2)), 1), "1 was not tried");
    store.settle(&outer);
    assert_eq!(left(&store, v), [2]);
    assert!(!store.refuted(v, &Val::from(1)));
}

#[test]
fn combinations_are_refuted_while_the_others_stand() {
    // avm:8.4: two decisions, the second after a value that failed.
    let mut store = Store::default();
    let (x, y) = (var(&mut store, 1..=3), var(&mut store, 1..=3));
    assert!(post(&mut store, Constraint::Neq(x, y)));
    let begin = store.mark();
    let mut labels = Vec::new();
    for v in [x, y] {
        let mut label = store.label(v).expect("known");
        store.label_next(&mut label).expect("consistent");
        labels.push(label);
    }
    // The value of y that was tried first is given up.
    let deeper = store.mark();
    assert!(store.undo_to(&begin));
    assert!(!store.undo_to(&deeper), "a mark beyond what stands is refused");
    store.try_assign(x, &Val::from(1)).expect("consistent");
    store.label_next(&mut labels[1]).expect("consistent");
    assert_eq!(labels[1].tried(), ints([2, 3]));
    assert!(store.undo_to(&begin));
    store.refute_frame(&labels).expect("fits");
    let refuted = |store: &Store, v: VarId| (1..=3).filter(|a| store.refuted(v, &Val::from(*a))).collect::<Vec<i64>>();
    assert_eq!((refuted(&store, x), refuted(&store, y)), (vec![], vec![]), "x is open");
    store.try_assign(x, &Val::from(1)).expect("consistent");
    assert_eq!(refuted(&store, y), [2, 3]);
    assert_eq!(store.refutations().count(), 2);
    let mut label = store.label(y).expect("known");
    assert_eq!(store.label_next(&mut label), None);
    assert_eq!(label.tried(), [], "refuted values are not tried");
}

#[test]
fn forgotten_refutations_come_back_with_an_older_state() {
    // avm:8.4: an inner commit ends its refutations; a checkpoint from inside brings them back.
    let mut store = Store::default();
    let v = var(&mut store, 1..=4);
    let is = |store: &Store| (1..=4).filter(|a| store.refuted(v, &Val::from(*a))).collect::<Vec<i64>>();
    let refute = |store: &mut Store, a: i64| store.refute(&[(v, Val::from(a))]).expect("fits");
    refute(&mut store, 1);
    let inner = store.mark();
    refute(&mut store, 2);
    let point = store.mark();
    refute(&mut store, 3);
    store.forget_refutations(&inner);
    assert_eq!(is(&store), [1]);
    refute(&mut store, 4);
    assert_eq!(is(&store), [1, 4]);
    assert!(store.undo_to(&point));
    assert_eq!(is(&store), [1, 2]);
    assert!(store.undo_to(&inner));
    assert_eq!(is(&store), [1]);
    assert_eq!(store.refute(&[(VarId(77), Val::from(1))]), Ok(()), "of a variable that is gone: nothing");
    assert_eq!(store.refute(&[(v, Val::from(1)), (v, Val::from(2))]), Ok(()));
    assert_eq!(is(&store), [1], "two values at once never come about");
}

#[test]
fn variables_end_with_their_transaction() {
    // avm:8.1: with them the constraints on them; what they narrowed stays.
    let mut store = Store::default();
    let (x, y) = (var(&mut store, 1..=9), var(&mut store, 1..=9));
    assert!(post(&mut store, Constraint::Lt(x, y)));
    let begin = store.mark();
    let z = var(&mut store, [3, 4, 5]);
    assert!(post(&mut store, Constraint::Leq(y, z)));
    assert!(post(&mut store, Constraint::NeqOff(x, y, -1)));
    assert!(post(
        &mut store,
        Constraint::Table(vec![x, y], vec![ints([1, 3]), ints([2, 5]), ints([1, 5]), ints([1, 9])])
    ));
    let inner = store.mark();
    store.settle(&begin);
    assert!(!store.known(z) && !store.undo_to(&inner) && !store.undo_to(&begin));
    assert_eq!(store.constraints().len(), 3);
    assert_eq!((left(&store, x), left(&store, y)), (vec![1, 2], vec![3, 5]));
    assert_eq!(store.try_assign(x, &Val::from(2)), Ok(vec![x, y]), "the table is still there");
    let next = var(&mut store, 1..=2);
    assert_eq!(next, VarId(4), "ids are not given again after a commit");
    assert_eq!(store.post(Constraint::Eq(z, next)), Err(Refusal::UnknownVar(z)));
    assert!(post(&mut store, Constraint::Lt(next, x)));
    assert_eq!(left(&store, next), [1]);
}
