//! A node allocates nothing after it was made (`ekk:P22`, `decisions:CLU-3`): counted by the global allocator, in a binary of
//! its own.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

mod node_support;

use ekk::fixed::Q16;
use ekk::id::NodeId;
use ekk::node::SmallNode;
use ekk::sink::{Class, Event, Sink};
use ekk::task::{TaskEnd, TaskSpec};
use ekk::time::{Span, Time};
use node_support::{Digests, config, id, record};
use shm_transport::counting::{CountingAllocator, allocations, count};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Messages on their way, in room that was made before.
struct Wire {
    from: u32,
    waiting: Vec<(u32, NodeId, usize, [u8; 1_400])>,
    tasks: u32,
    events: u32,
}

impl Sink for Wire {
    fn send(&mut self, to: NodeId, _: Class, bytes: &[u8]) {
        let mut copy = [0; 1_400];
        copy[..bytes.len()].copy_from_slice(bytes);
        assert!(self.waiting.len() < self.waiting.capacity(), "room for all messages of a round");
        self.waiting.push((self.from, to, bytes.len(), copy));
    }

    fn event(&mut self, event: &Event<'_>) {
        self.events += 1;
        self.tasks += u32::from(matches!(event, Event::RunTask(_)));
    }
}

#[test]
fn a_node_allocates_nothing_after_it_was_made() {
    let before = allocations();
    let ids = [1, 2, 3, 4, 5];
    let mut nodes: Vec<SmallNode> =
        ids.iter().map(|&raw| SmallNode::new(config(&ids), record(raw, [raw as i16; 3]), 1).unwrap()).collect();
    let mut wire = Wire { from: 0, waiting: Vec::with_capacity(4_096), tasks: 0, events: 0 };
    let mut now_delivering = Vec::with_capacity(4_096);
    assert!(allocations() > before, "the counter counts");
    let (ticks, allocated) = count(|| {
        let mut now = Time::from_ms(1);
        for node in &mut nodes {
            wire.from = node.identity().id.get();
            let mut crypto = Digests(wire.from);
            node.start(now, &mut wire);
            node.set_known(5);
            let me = wire.from;
            let mut others = ids.iter().filter(|&&raw| raw != me).map(|&raw| record(raw, [raw as i16; 3]));
            let formation = node.config().formation(1);
            node.adopt(now, &mut others, formation, &mut crypto, &mut wire).unwrap();
            node.set_component(0, Q16(wire.from as i32 * 1_000));
            node.add_task(now, TaskSpec { period: Span::from_ms(10), ..TaskSpec::new("beat", 1) }).unwrap();
        }
        let mut ticks = 0_u32;
        for round in 0..400_u64 {
            now = now.after(Span::from_ms(10));
            for (at, node) in nodes.iter_mut().enumerate() {
                // From round 200 on node 5 is dead: a certificate, a new election, REFORMING.
                if round >= 200 && at == 4 {
                    continue;
                }
                wire.from = node.identity().id.get();
                node.tick(now, &mut Digests(wire.from), &mut wire);
                let _ = node.task_done(ekk::task::TaskId(0), Span::from_us(5), TaskEnd::Done);
                ticks += 1;
            }
            while !wire.waiting.is_empty() {
                core::mem::swap(&mut wire.waiting, &mut now_delivering);
                for (from, to, length, bytes) in now_delivering.drain(..) {
                    let at = to.get() as usize - 1;
                    if round >= 200 && (at == 4 || from == 5) {
                        continue;
                    }
                    wire.from = to.get();
                    let _ = nodes[at].receive(now, id(from), &bytes[..length], &mut Digests(wire.from), &mut wire);
                }
            }
        }
        ticks
    });
    assert_eq!(allocated, 0, "in {ticks} ticks");
    let slope = nodes[0].gradients()[0].expect("a signal").0;
    assert!((1_950..2_000).contains(&slope), "2, 3 and 4 against 1, the nearer ones a little more: {slope}");
    assert!(wire.tasks > 1_500 && wire.events > wire.tasks, "{} tasks", wire.tasks);
    assert_eq!(nodes[0].membership().removals().count(), 1, "the death was certified");
}
