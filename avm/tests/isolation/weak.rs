//! A store that isolates only as well as it is told to: the checker must find out.

use std::collections::{BTreeMap, BTreeSet};

use super::checker::{Observed, Op};
use super::history::{Planned, Rng, Shape, plan};

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakness {
    /// Nothing.
    None,
    /// Everything is written at once and seen by all.
    Dirty,
    /// Snapshots, and whoever commits last wins.
    NoValidation,
    /// Snapshots, and only what was written is validated.
    WritesOnly,
    /// Every access sees what is committed just then; what was written is validated.
    ReadCommitted,
}

struct Open {
    session: usize,
    snapshot: BTreeMap<u64, Vec<i64>>,
    reads: BTreeSet<u64>,
    writes: BTreeMap<u64, Vec<i64>>,
    ops: Vec<Op>,
}

/// A history of such a store.
pub fn weak(seed: u64, weakness: Weakness) -> (Vec<Observed>, BTreeMap<u64, Vec<i64>>) {
    let shape = Shape { sessions: 4, each: 12, keys: 3, quantum: 1 };
    let (mut rng, mut next) = (Rng(seed), 0);
    let mut plans: Vec<_> = (0..shape.sessions).map(|_| plan(&mut rng, &shape, &mut next)).collect();
    plans.iter_mut().for_each(|plan| plan.reverse());
    let mut store: BTreeMap<u64, Vec<i64>> = (0..shape.keys).map(|key| (key, Vec::new())).collect();
    let mut open: Vec<(Open, Planned)> = Vec::new();
    let mut history = Vec::new();
    loop {
        let idle: Vec<usize> = (0..plans.len())
            .filter(|session| !plans[*session].is_empty() && open.iter().all(|(tx, _)| tx.session != *session))
            .collect();
        let pick = rng.below((idle.len() + open.len()) as u64) as usize;
        if let Some(session) = idle.get(pick) {
            let Some((kind, mut ops)) = plans[*session].pop() else { continue };
            ops.reverse();
            let (snapshot, reads, writes) = (store.clone(), BTreeSet::new(), BTreeMap::new());
            open.push((Open { session: *session, snapshot, reads, writes, ops: Vec::new() }, (kind, ops)));
        } else {
            let at = pick - idle.len();
            let (tx, (kind, ops)) = &mut open[at];
            if let Some((key, value)) = ops.pop() {
                access(&mut store, tx, key, value, weakness);
            } else {
                let abort = *kind == 1;
                let (tx, _) = open.swap_remove(at);
                history.push(end(&mut store, tx, abort, weakness));
            }
        }
        if open.is_empty() && plans.iter().all(Vec::is_empty) {
            return (history, store);
        }
    }
}

fn access(store: &mut BTreeMap<u64, Vec<i64>>, tx: &mut Open, key: u64, value: Option<i64>, weakness: Weakness) {
    if weakness == Weakness::ReadCommitted && !tx.writes.contains_key(&key) {
        tx.snapshot.insert(key, store[&key].clone());
    }
    let seen = if weakness == Weakness::Dirty {
        store[&key].clone()
    } else {
        tx.writes.get(&key).unwrap_or(&tx.snapshot[&key]).clone()
    };
    tx.reads.insert(key);
    match value {
        None => tx.ops.push(Op::Read(key, seen)),
        Some(value) => {
            let mut seen = seen;
            seen.push(value);
            if weakness == Weakness::Dirty {
                store.insert(key, seen.clone());
            }
            tx.writes.insert(key, seen);
            tx.ops.push(Op::Append(key, value));
        }
    }
}

fn end(store: &mut BTreeMap<u64, Vec<i64>>, tx: Open, abort: bool, weakness: Weakness) -> Observed {
    let same = |key: &u64| store[key] == tx.snapshot[key];
    let valid = match weakness {
        Weakness::Dirty | Weakness::NoValidation => true,
        Weakness::None => tx.reads.iter().all(same),
        Weakness::WritesOnly | Weakness::ReadCommitted => tx.writes.keys().all(same),
    };
    let committed = valid && !abort;
    if weakness == Weakness::Dirty {
        if !committed {
            let mine = |value: &i64| tx.ops.iter().any(|op| matches!(op, Op::Append(_, own) if own == value));
            store.values_mut().for_each(|values| values.retain(|value| !mine(value)));
        }
    } else if committed {
        store.extend(tx.writes);
    }
    Observed { session: tx.session as u64, ops: tx.ops, committed, refused: !valid }
}
