//! All values differ: what is picked goes from the others, and there must be a value for each.

use super::state::{State, Stop};

/// Filters; false when the slots cannot have different values.
pub(super) fn filter(state: &mut State<'_>, scope: &[u32]) -> Result<bool, Stop> {
    let problem = state.problem;
    let symbol = |slot: u32, at: u32| problem.symbols[slot as usize][at as usize];
    let mut fixed: Vec<u32> = scope.iter().copied().filter(|slot| state.count(*slot) == 1).collect();
    let mut done = std::collections::BTreeSet::new();
    while let Some(slot) = fixed.pop() {
        if !done.insert(slot) {
            continue;
        }
        let taken = symbol(slot, state.least(slot));
        state.spend(scope.iter().map(|slot| state.count(*slot) as usize).sum())?;
        for other in scope.iter().copied().filter(|other| *other != slot) {
            let gone: Vec<u32> = state.left(other).into_iter().filter(|at| symbol(other, *at) == taken).collect();
            if gone.is_empty() {
                continue;
            }
            if !state.remove(other, &gone) {
                return Ok(false);
            }
            if state.count(other) == 1 {
                fixed.push(other);
            }
        }
    }
    matched(state, scope)
}

/// Whether every open slot can get a symbol of its own: augmenting paths, breadth first.
fn matched(state: &mut State<'_>, scope: &[u32]) -> Result<bool, Stop> {
    let problem = state.problem;
    let open: Vec<u32> = scope.iter().copied().filter(|slot| state.count(*slot) > 1).collect();
    let edges: Vec<Vec<u32>> = open
        .iter()
        .map(|slot| state.left(*slot).iter().map(|at| problem.symbols[*slot as usize][*at as usize]).collect())
        .collect();
    let symbols = edges.iter().flatten().max().map_or(0, |most| *most as usize + 1);
    let mut owner: Vec<Option<usize>> = vec![None; symbols];
    for start in 0..open.len() {
        let mut came_from: Vec<Option<usize>> = vec![None; symbols];
        let mut queue = std::collections::VecDeque::from([start]);
        let mut free = None;
        'search: while let Some(at) = queue.pop_front() {
            state.spend(edges[at].len())?;
            for symbol in edges[at].iter().map(|symbol| *symbol as usize) {
                if came_from[symbol].is_some() {
                    continue;
                }
                came_from[symbol] = Some(at);
                match owner[symbol] {
                    None => {
                        free = Some(symbol);
                        break 'search;
                    }
                    Some(next) => queue.push_back(next),
                }
            }
        }
        let Some(mut symbol) = free else { return Ok(false) };
        // Along the path back to the start every slot takes the symbol by which it was left.
        while let Some(at) = came_from[symbol] {
            let before = edges[at].iter().map(|s| *s as usize).find(|s| owner[*s] == Some(at));
            owner[symbol] = Some(at);
            match before {
                Some(before) if at != start => symbol = before,
                _ => break,
            }
        }
    }
    Ok(true)
}
