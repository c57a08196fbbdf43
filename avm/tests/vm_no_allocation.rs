//! A lane that has warmed up allocates nothing for calls, states, transactions, pure functions and loops: counted by the global
//! allocator, in a binary of its own.

use avm::Val;
use avm::event::TraceLevel;
use avm::lang::{Source, build};
use avm::vm::{Config, Lane, Quantum, Start};
use shm_transport::counting::{CountingAllocator, allocations, count};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const PROGRAM: &str = r#"
module loops

behaviour ctr {
    state n = 0
    on inc() -> int {
        n = (n + 1) % 1000000
        n
    }
}
behaviour relay {
    on message m {
        let [o, message] = m
        call o message
    }
}
pure add(a: int, b: int) -> int { a + b }

fn main() {
    let o = create ctr at %c1
    let r = create relay
    let mut i = 0
    while true {
        setState([i, "kept in the state"])
        let [k, _] = getState()
        o.inc()
        call r [o, ["inc"]]
        let t = beginTx()
        o.inc()
        let u = beginTx()
        o.inc()
        abortTx(u)
        commitTx(t)
        let v = beginTx(%c1)
        o.inc()
        abortTx(v)
        callPure("add", [k, 1])
        sum_to(10, 0)
        i = (i + 1) % 1000
        self
    }
}
fn sum_to(n: int, total: int) -> int { if n == 0 { total } else { sum_to(n - 1, total + n) } }
"#;

#[test]
fn a_warm_lane_allocates_nothing() {
    let before = allocations();
    let program = build(&[Source::new("loops.avm", PROGRAM)], &|_| None).expect("compiles");
    let verified = avm::code::verify(program.module).expect("verifies");
    let mut lane = Lane::new(Config { trace: TraceLevel::Off, heap_bytes: 4 << 20, ..Config::default() });
    lane.load(&verified).expect("loads");
    let start = Start { args: Vec::<Val>::new(), ..Start::new("loops", "main") };
    let execution = lane.start(&start).expect("starts");
    assert!(allocations() > before, "the counter counts");
    let mut go = |quanta: u32| (0..quanta).all(|_| lane.quantum(execution) == Quantum::Yielded);
    assert!(go(2000));
    let (went, allocated) = count(|| go(2000));
    assert!(went);
    assert_eq!(allocated, 0);
}
