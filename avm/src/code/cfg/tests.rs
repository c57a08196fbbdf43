//! Blocks, edges, pictures.

use super::*;
use crate::code::disasm::tests::counting;

#[test]
fn a_loop_has_four_blocks() {
    let graph = Graph::of(&counting().functions[0]);
    let bounds: Vec<(usize, usize)> = graph.blocks.iter().map(|block| (block.start, block.end)).collect();
    assert_eq!(bounds, [(0, 4), (4, 7), (7, 11), (11, 13)]);
    let exits: Vec<Exit> = graph.blocks.iter().map(|block| block.exit).collect();
    assert_eq!(exits, [Exit::Falls(1), Exit::Branch { cond: 5, yes: 2, no: 3 }, Exit::Jump(1), Exit::Return(0)]);
    assert_eq!(graph.reachable(), [0, 1, 2, 3]);
    assert_eq!(graph.successors(1), [2, 3]);
}

#[test]
fn pictures_are_mermaid() {
    insta::assert_snapshot!(mermaid(&counting(), 0));
    insta::assert_snapshot!("all", mermaid_all(&counting()));
    assert_eq!(mermaid(&counting(), 7), "");
}

#[test]
fn code_that_leaves_is_shown_as_such() {
    let off = |code| Graph::of(&Function { code, ..Function::default() }).blocks.last().map(|block| block.exit);
    assert_eq!(off(vec![Op::Jump { to: 9 }]), Some(Exit::Off));
    assert_eq!(off(vec![Op::JumpIf { cond: 0, to: 0 }]), Some(Exit::Off));
    assert_eq!(off(vec![Op::Nothing { dst: 0 }]), Some(Exit::Off));
    assert_eq!(off(vec![]), None);
    assert!(Graph::of(&Function::default()).reachable().is_empty());
}

#[test]
fn dead_code_is_not_reachable() {
    let code = vec![Op::Return { src: 0 }, Op::Nothing { dst: 0 }, Op::Return { src: 0 }];
    let graph = Graph::of(&Function { code, ..Function::default() });
    assert_eq!((graph.blocks.len(), graph.reachable()), (2, vec![0]));
}
