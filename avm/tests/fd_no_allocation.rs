//! Searching finite domains allocates nothing once the search has begun: counted by the global allocator, in a binary of its own.

use avm::Val;
use avm::fd::search::{Branching, Progress, Search};
use avm::fd::{Constraint, Store};
use avm::id::VarId;
use shm_transport::counting::{CountingAllocator, allocations, count};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn store(wide: i64) -> (Store, Vec<VarId>) {
    let mut store = Store::default();
    let values: Vec<Val> = (1..=wide).map(Val::from).collect();
    let q: Vec<VarId> = (0..8).map(|_| store.new_var(&values).expect("fits")).collect();
    store.post(Constraint::AllDiff(q.clone())).expect("consistent");
    for i in 0..8 {
        for j in i + 1..8 {
            for k in [(j - i) as i64, i as i64 - j as i64] {
                store.post(Constraint::NeqOff(q[i], q[j], k)).expect("consistent");
            }
        }
    }
    (store, q)
}

#[test]
fn searching_allocates_nothing() {
    let before = allocations();
    // Eight queens; beside them every other kind of constraint; once in one word, once in the long form of all-different.
    for (wide, extra) in [(8, false), (8, true), (70, true)] {
        let (mut store, q) = store(wide);
        assert!(allocations() > before, "the counter counts");
        if extra {
            let rows: Vec<Vec<Val>> =
                (1..=wide).flat_map(|i| [1, 3, 4].map(|d| vec![Val::from(i), Val::from((i + d) % 9)])).collect();
            let texts: Vec<Val> = (0..9).map(|i| Val::text(&format!("{}", i % 5))).collect();
            let (t, u) = (store.new_var(&texts).expect("fits"), store.new_var(&texts).expect("fits"));
            for constraint in [
                Constraint::Table(vec![q[0], q[3]], rows),
                Constraint::SumLeq(q.iter().map(|v| (1, *v)).collect(), 40),
                Constraint::Leq(t, u),
                Constraint::Element { list: texts.clone(), index: q[2], value: t },
                Constraint::LeqOff(q[4], q[5], 5),
                Constraint::SumEq(vec![(1, q[6]), (-1, q[7]), (1, q[1])], -2),
            ] {
                store.post(constraint).expect("consistent");
            }
        }
        for branching in [Branching::InputOrder, Branching::FirstFail, Branching::DomWdeg] {
            let vars = store.vars().to_vec();
            let mut search = Search::new(&store, &vars, branching).expect("known");
            // The first run makes room.
            assert_ne!(search.run(&mut store, 1), Progress::Lost);
            let (solutions, allocated) = count(|| {
                let mut solutions = 0;
                for _ in 0..20_000 {
                    match search.run(&mut store, 3) {
                        Progress::Solution => solutions += 1,
                        Progress::Paused => {}
                        Progress::Exhausted | Progress::Lost => break,
                    }
                }
                solutions
            });
            assert!(solutions > 0, "{wide} {extra} {branching:?}");
            assert_eq!(allocated, 0, "{wide} {extra} {branching:?}");
            search.leave(&mut store);
        }
    }
}
