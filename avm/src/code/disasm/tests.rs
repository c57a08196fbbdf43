//! The text of a module, and that no operation is without one.

use super::*;
use crate::code::{Behaviour, Builtin, Entry, Instr, Place};
use crate::value::Kind;

/// A counter that counts to a bound.
pub(in crate::code) fn counting() -> Module {
    let code = vec![
        Op::Const { dst: 0, k: 0 },
        Op::Nothing { dst: 1 },
        Op::Instr { dst: 2, start: 0, which: Instr::CreateObj },
        Op::Int { dst: 3, number: 0 },
        Op::Int { dst: 4, number: 10 },
        Op::Lt { dst: 5, a: 3, b: 4 },
        Op::JumpIfNot { cond: 5, to: 11 },
        Op::Move { dst: 6, src: 2 },
        Op::Const { dst: 7, k: 1 },
        Op::Instr { dst: 3, start: 6, which: Instr::Call },
        Op::Jump { to: 4 },
        Op::Builtin { dst: 0, start: 3, which: Builtin::Text },
        Op::Return { src: 0 },
    ];
    let places = (0..code.len()).map(|at| Place { file: 0, line: 1 + at as u32 / 2, column: 5 }).collect();
    let main = Function { name: "main".into(), arity: 0, registers: 8, code, places, pinned: false };
    let ctr = Function {
        name: "ctr".into(),
        registers: 3,
        code: vec![
            Op::Instr { dst: 0, start: 0, which: Instr::Input },
            Op::LenIs { dst: 1, a: 0, len: 1 },
            Op::JumpIf { cond: 1, to: 4 },
            Op::NoMatch { src: 0 },
            Op::List { dst: 0, start: 0, count: 2 },
            Op::Return { src: 0 },
        ],
        ..Function::default()
    };
    Module {
        name: "counting".into(),
        files: vec!["counting.avm".into()],
        constants: vec![Val::from("ctr"), Val::List(vec![Val::from("inc")])],
        functions: vec![main, ctr],
        behaviours: vec![Behaviour { name: "ctr".into(), function: 1, messages: None }],
        entries: vec![Entry { name: "main".into(), function: 0 }],
        ..Module::default()
    }
}

#[test]
fn a_module_is_readable() {
    insta::assert_snapshot!(disasm(&counting()));
}

#[test]
fn what_does_not_exist_is_shown() {
    let code = vec![
        Op::Const { dst: 0, k: 9 },
        Op::Field { dst: 0, a: 1, k: 0 },
        Op::Record { dst: 0, start: 1, k: 7 },
        Op::Invoke { dst: 0, start: 1, function: 40 },
        Op::Const { dst: 0, k: 0 },
    ];
    let long = Val::List(vec![Val::from(123_456_789); 30]);
    let functions = vec![Function { name: "a\nb".into(), registers: 1, code, ..Function::default() }];
    let text = disasm(&Module { functions, constants: vec![long], ..Module::default() });
    assert!(text.contains("r0 = k9?\n") && text.contains("r0 = r1.k0?\n") && text.contains("record k7? from r1"));
    assert!(
        text.contains("invoke function 40?()") && text.contains("... (k0)") && text.contains("function 0 \"a\\nb\"")
    );
}

#[test]
fn every_operation_has_its_own_words() {
    let ops = [
        Op::Closure { dst: 0, start: 1, captured: 2, function: 0 },
        Op::InvokeValue { dst: 0, f: 3, start: 1, count: 2 },
        Op::TailInvoke { start: 0, function: 1 },
        Op::KindIs { dst: 0, a: 1, kind: Kind::Just },
        Op::Unwrap { dst: 0, a: 1 },
        Op::Rest { dst: 0, a: 1, from: 2 },
        Op::NoMatch { src: 4 },
    ];
    for op in ops {
        let text = op_text(&counting(), op);
        assert!(!text.contains('{'), "{text}");
    }
}
