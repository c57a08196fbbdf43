//! A recorder that lies: it changes what transactions say they saw, so that a sound history shows an anomaly.

use std::collections::BTreeMap;

use super::checker::{Anomaly, Observed, Op};

type Last = BTreeMap<u64, Vec<i64>>;

fn appends(tx: &Observed) -> impl Iterator<Item = (u64, i64)> + '_ {
    tx.ops.iter().filter_map(|op| match op {
        Op::Append(key, value) => Some((*key, *value)),
        Op::Read(..) => None,
    })
}

fn writes(tx: &Observed, key: u64) -> bool {
    appends(tx).any(|(own, _)| own == key)
}

/// What the key held before a value was appended, and with it.
fn around(last: &Last, key: u64, value: i64) -> Option<(Vec<i64>, Vec<i64>)> {
    let values = last.get(&key)?;
    let at = values.iter().position(|other| *other == value)?;
    Some((values[..at].to_vec(), values[..=at].to_vec()))
}

/// Whether a transaction says that it read what another has appended; under which key.
fn read_from(reader: &Observed, writer: &Observed) -> Option<u64> {
    reader.ops.iter().find_map(|op| match op {
        Op::Read(key, values) if appends(writer).any(|(own, value)| own == *key && values.contains(&value)) => {
            Some(*key)
        }
        _ => None,
    })
}

/// Makes two committed transactions say something that cannot be; whether it could be done with them.
fn pair(one: &mut Observed, two: &mut Observed, last: &mut Last, anomaly: Anomaly) -> bool {
    let mut all = appends(one).collect::<Vec<_>>().into_iter();
    match anomaly {
        // Each has written before the other.
        Anomaly::G0 => {
            let both: Vec<(u64, i64, i64)> = all
                .filter_map(|(key, mine)| {
                    appends(two).find(|(own, _)| *own == key).map(|(_, other)| (key, mine, other))
                })
                .collect();
            let Some((first, ..)) = both.first() else { return false };
            let Some((key, mine, other)) = both.iter().find(|(key, ..)| key != first) else { return false };
            for value in last.get_mut(key).into_iter().flatten() {
                *value = match *value {
                    value if value == *mine => *other,
                    value if value == *other => *mine,
                    value => value,
                };
            }
            true
        }
        // Each has read what the other has written.
        Anomaly::G1c => {
            let Some((key, value)) = appends(two).find(|(key, _)| !writes(one, *key)) else { return false };
            let Some((_, with)) = around(last, key, value).filter(|_| read_from(two, one).is_some()) else {
                return false;
            };
            one.ops.push(Op::Read(key, with));
            true
        }
        // One has read what the other has written, and elsewhere what was before it.
        Anomaly::GSingle => {
            let Some(seen) = read_from(two, one) else { return false };
            let Some((key, value)) = all.find(|(key, _)| *key != seen && !writes(two, *key)) else { return false };
            let Some((before, _)) = around(last, key, value) else { return false };
            two.ops.push(Op::Read(key, before));
            true
        }
        // Each has read what was before the other.
        Anomaly::G2 => {
            let Some((mine, value)) = all.find(|(key, _)| !writes(two, *key)) else { return false };
            let Some((theirs, other)) = appends(two).find(|(key, _)| !writes(one, *key)) else { return false };
            let (Some((before, _)), Some((earlier, _))) = (around(last, theirs, other), around(last, mine, value))
            else {
                return false;
            };
            one.ops.push(Op::Read(theirs, before));
            two.ops.push(Op::Read(mine, earlier));
            true
        }
        _ => false,
    }
}

/// Makes one transaction say something that cannot be.
fn single(history: &mut [Observed], anomaly: Anomaly) -> bool {
    match anomaly {
        Anomaly::G1a => {
            let Some(tx) = history.iter_mut().find(|tx| tx.committed && appends(tx).next().is_some()) else {
                return false;
            };
            tx.committed = false;
            true
        }
        Anomaly::G1b => {
            let writers: BTreeMap<i64, usize> = history
                .iter()
                .enumerate()
                .flat_map(|(at, tx)| appends(tx).map(move |(_, value)| (value, at)))
                .collect();
            for (at, tx) in history.iter_mut().enumerate().filter(|(_, tx)| tx.committed) {
                for op in &mut tx.ops {
                    if let Op::Read(_, values) = op
                        && let [.., one, two] = values[..]
                        && writers.get(&one) == writers.get(&two)
                        && writers.get(&one) != Some(&at)
                    {
                        values.pop();
                        return true;
                    }
                }
            }
            false
        }
        _ => false,
    }
}

/// Histories that show an anomaly where this one shows none, at most `most`.
pub fn broken(history: &[Observed], last: &Last, anomaly: Anomaly, most: usize) -> Vec<(Vec<Observed>, Last)> {
    let mut lies = Vec::new();
    let mut changed = history.to_vec();
    if single(&mut changed, anomaly) {
        lies.push((changed, last.clone()));
    }
    let committed: Vec<usize> = (0..history.len()).filter(|at| history[*at].committed).collect();
    for one in &committed {
        for two in committed.iter().filter(|two| *two != one) {
            if lies.len() >= most {
                return lies;
            }
            let (mut first, mut second, mut end) = (history[*one].clone(), history[*two].clone(), last.clone());
            if pair(&mut first, &mut second, &mut end, anomaly) {
                let mut changed = history.to_vec();
                (changed[*one], changed[*two]) = (first, second);
                lies.push((changed, end));
            }
        }
    }
    lies
}
