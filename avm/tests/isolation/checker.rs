//! From what transactions read to the anomalies it proves.

use std::collections::{BTreeMap, BTreeSet};

/// One access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Appended a value, unique in the history, to a key.
    Append(u64, i64),
    /// Read the whole list of a key.
    Read(u64, Vec<i64>),
}

/// A transaction as its client saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Whose transactions follow each other.
    pub session: u64,
    /// In order.
    pub ops: Vec<Op>,
    /// Whether it was committed.
    pub committed: bool,
    /// Whether its commit was answered with false.
    pub refused: bool,
}

/// What must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Anomaly {
    /// A cycle of writes.
    G0,
    /// Read what was aborted.
    G1a,
    /// Read what was overwritten by its own writer.
    G1b,
    /// A cycle of writes and reads of them.
    G1c,
    /// A cycle with one read that was overwritten.
    GSingle,
    /// A cycle with several reads that were overwritten.
    G2,
    /// A committed write that is not there.
    Lost,
    /// Reads that no one order of versions explains.
    Order,
    /// A transaction that does not see its own writes.
    Internal,
    /// A session that does not see its own past.
    Session,
}

/// All anomalies of a history, ascending, each once. `last` is what each key holds in the end.
pub fn check(history: &[Observed], last: &BTreeMap<u64, Vec<i64>>) -> Vec<Anomaly> {
    let mut found = BTreeSet::new();
    let writers = writers(history);
    for values in last.values() {
        if values.iter().any(|value| writers.get(value).is_none_or(|(tx, _)| !history[*tx].committed)) {
            found.insert(Anomaly::G1a);
        }
    }
    for (value, (tx, key)) in &writers {
        if history[*tx].committed && !last.get(key).is_some_and(|values| values.contains(value)) {
            found.insert(Anomaly::Lost);
        }
    }
    let mut edges = Edges::new(history.len());
    for values in last.values() {
        let order = values.iter().filter_map(|value| writers.get(value)).map(|(tx, _)| *tx).collect::<Vec<_>>();
        order.windows(2).for_each(|two| edges.add(Kind::Ww, two[0], two[1]));
    }
    for (at, tx) in history.iter().enumerate().filter(|(_, tx)| tx.committed) {
        reads(history, at, tx, last, &writers, &mut edges, &mut found);
    }
    let mut sessions: BTreeMap<u64, usize> = BTreeMap::new();
    for (at, tx) in history.iter().enumerate().filter(|(_, tx)| tx.committed) {
        if let Some(before) = sessions.insert(tx.session, at) {
            edges.add(Kind::Session, before, at);
        }
    }
    found.extend(edges.cycle());
    found.into_iter().collect()
}

/// Who appended each value, and to what.
fn writers(history: &[Observed]) -> BTreeMap<i64, (usize, u64)> {
    let mut writers = BTreeMap::new();
    for (at, tx) in history.iter().enumerate() {
        for op in &tx.ops {
            if let Op::Append(key, value) = op {
                assert_eq!(writers.insert(*value, (at, *key)), None, "values are unique");
            }
        }
    }
    writers
}

fn reads(
    history: &[Observed],
    at: usize,
    tx: &Observed,
    last: &BTreeMap<u64, Vec<i64>>,
    writers: &BTreeMap<i64, (usize, u64)>,
    edges: &mut Edges,
    found: &mut BTreeSet<Anomaly>,
) {
    let mut own: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
    for op in &tx.ops {
        let (key, values) = match op {
            Op::Append(key, value) => {
                own.entry(*key).or_default().push(*value);
                continue;
            }
            Op::Read(key, values) => (key, values),
        };
        let mine = own.get(key).map(Vec::as_slice).unwrap_or_default();
        let Some(others) = values.strip_suffix(mine) else {
            found.insert(Anomaly::Internal);
            continue;
        };
        let dirty = |value: &i64| writers.get(value).is_some_and(|(writer, _)| !history[*writer].committed);
        if others.iter().any(dirty) {
            found.insert(Anomaly::G1a);
            continue;
        }
        let order = last.get(key).map(Vec::as_slice).unwrap_or_default();
        if !order.starts_with(others) {
            found.insert(Anomaly::Order);
            continue;
        }
        let writer = |index: usize| order.get(index).and_then(|value| writers.get(value)).map(|(writer, _)| *writer);
        let next = writer(others.len());
        if let Some(seen) = others.len().checked_sub(1).and_then(writer) {
            if next == Some(seen) && seen != at {
                found.insert(Anomaly::G1b);
            }
            edges.add(Kind::Wr, seen, at);
        }
        if let Some(next) = next {
            edges.add(Kind::Rw, at, next);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ww,
    Wr,
    Rw,
    Session,
}

/// Dependencies between transactions.
struct Edges {
    from: Vec<Vec<(Kind, usize)>>,
}

impl Edges {
    fn new(count: usize) -> Self {
        Self { from: vec![Vec::new(); count] }
    }

    fn add(&mut self, kind: Kind, from: usize, to: usize) {
        if from != to && !self.from[from].contains(&(kind, to)) {
            self.from[from].push((kind, to));
        }
    }

    /// The strongest anomaly that a cycle proves.
    fn cycle(&self) -> Option<Anomaly> {
        let ww = |kind| kind == Kind::Ww;
        let information = |kind| matches!(kind, Kind::Ww | Kind::Wr);
        let dependencies = |kind| kind != Kind::Session;
        if self.circular(ww) {
            return Some(Anomaly::G0);
        }
        if self.circular(information) {
            return Some(Anomaly::G1c);
        }
        if self.circular(dependencies) {
            let single = self.from.iter().enumerate().any(|(from, edges)| {
                edges.iter().any(|(kind, to)| *kind == Kind::Rw && self.reaches(*to, from, information))
            });
            return Some(if single { Anomaly::GSingle } else { Anomaly::G2 });
        }
        self.circular(|_| true).then_some(Anomaly::Session)
    }

    /// Whether there is a cycle of some kinds of edges: what can be taken away from the front leaves nothing if not.
    fn circular(&self, takes: impl Fn(Kind) -> bool) -> bool {
        let mut into = vec![0_usize; self.from.len()];
        let wanted = |edges: &Vec<(Kind, usize)>| {
            edges.iter().filter(|(kind, _)| takes(*kind)).map(|(_, to)| *to).collect::<Vec<_>>()
        };
        self.from.iter().flat_map(wanted).for_each(|to| into[to] += 1);
        let mut free: Vec<usize> = (0..into.len()).filter(|at| into[*at] == 0).collect();
        let mut taken = 0;
        while let Some(at) = free.pop() {
            taken += 1;
            for to in wanted(&self.from[at]) {
                into[to] -= 1;
                if into[to] == 0 {
                    free.push(to);
                }
            }
        }
        taken < self.from.len()
    }

    fn reaches(&self, from: usize, to: usize, takes: impl Fn(Kind) -> bool) -> bool {
        let mut seen = vec![false; self.from.len()];
        let mut work = vec![from];
        while let Some(at) = work.pop() {
            if at == to {
                return true;
            }
            if !std::mem::replace(&mut seen[at], true) {
                work.extend(self.from[at].iter().filter(|(kind, _)| takes(*kind)).map(|(_, next)| *next));
            }
        }
        false
    }
}
