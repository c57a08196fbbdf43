//! What the verifier refuses, one module each, and what it accepts.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

use super::*;
use crate::code::{Behaviour, Builtin, Entry, Instr, MessageShape, Op, Place, PureFunction, Shape};
use crate::value::{Kind, Val};

/// A module with one function `main` of four registers.
fn with(code: Vec<Op>) -> Module {
    let main = Function { name: "main".into(), registers: 4, code, ..Function::default() };
    let entries = vec![Entry { name: "main".into(), function: 0 }];
    let constants = vec![Val::from(7), Val::from("a"), Val::List(vec![Val::from("a"), Val::from("b")])];
    Module { name: "m".into(), functions: vec![main], entries, constants, ..Module::default() }
}

fn returning(op: Op) -> Module {
    with(vec![op, Op::Return { src: 0 }])
}

fn problems(module: Module) -> Vec<String> {
    match verify(module) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

fn refused(module: Module, word: &str) {
    let found = problems(module);
    assert!(found.iter().any(|problem| problem.contains(word)), "expected '{word}' in {found:?}");
}

#[test]
fn a_plain_module_is_accepted() {
    let verified = verify(returning(Op::Const { dst: 0, k: 0 })).unwrap();
    assert!(verified.facts(0).pure);
    assert_eq!(verified.module().name.as_ref(), "m");
}

#[test]
fn registers_and_windows_must_exist() {
    refused(returning(Op::Nothing { dst: 4 }), "function 0 'main', operation 0: register r4 does not exist");
    refused(returning(Op::Add { dst: 0, a: 9, b: 0 }), "r9");
    refused(returning(Op::Add { dst: 0, a: 0, b: 9 }), "r9");
    refused(with(vec![Op::Return { src: 4 }]), "r4");
    refused(returning(Op::List { dst: 0, start: 2, count: 3 }), "3 registers from r2");
    refused(returning(Op::List { dst: 0, start: 5, count: 0 }), "0 registers from r5");
    refused(returning(Op::Builtin { dst: 0, start: 3, which: Builtin::Push }), "2 registers from r3");
    refused(returning(Op::Instr { dst: 0, start: 3, which: Instr::Call }), "2 registers from r3");
    refused(returning(Op::Record { dst: 0, start: 3, k: 2 }), "2 registers from r3");
    refused(returning(Op::InvokeValue { dst: 0, f: 0, start: 1, count: 4 }), "4 registers from r1");
    refused(returning(Op::InvokeValue { dst: 0, f: 7, start: 1, count: 1 }), "r7");
    assert_eq!(problems(returning(Op::List { dst: 0, start: 4, count: 0 })), Vec::<String>::new());
    assert_eq!(problems(returning(Op::List { dst: 0, start: 0, count: 4 })), Vec::<String>::new());
}

#[test]
fn callees_take_what_they_are_given() {
    let mut module = returning(Op::Invoke { dst: 0, start: 2, function: 1 });
    refused(module.clone(), "function 1 does not exist: the module has 1 functions");
    let callee =
        Function { name: "f".into(), arity: 3, registers: 3, code: vec![Op::Return { src: 0 }], ..Function::default() };
    module.functions.push(callee);
    refused(module.clone(), "3 registers from r2");
    module.functions[0].code[0] = Op::Invoke { dst: 0, start: 1, function: 1 };
    assert_eq!(problems(module.clone()), Vec::<String>::new());
    module.functions[0].code = vec![Op::TailInvoke { start: 2, function: 1 }];
    refused(module.clone(), "3 registers from r2");
    module.functions[0].code = vec![Op::Closure { dst: 0, start: 0, captured: 4, function: 1 }, Op::Return { src: 0 }];
    refused(module, "binds 4 parameters of 'f', which has 3");
}

#[test]
fn constants_are_of_the_kind_an_operation_needs() {
    refused(returning(Op::Const { dst: 0, k: 3 }), "constant 3 does not exist: the module has 3 constants");
    refused(returning(Op::Field { dst: 0, a: 0, k: 0 }), "constant 0 is of kind int: expected text");
    refused(returning(Op::HasField { dst: 0, a: 0, k: 2 }), "expected text");
    refused(returning(Op::Record { dst: 0, start: 0, k: 1 }), "expected a list of texts, ascending");
    let mut twice = returning(Op::Record { dst: 0, start: 0, k: 2 });
    assert_eq!(problems(twice.clone()), Vec::<String>::new());
    twice.constants[2] = Val::List(vec![Val::from("a"), Val::from("a")]);
    refused(twice.clone(), "each once");
    twice.constants[2] = Val::List(vec![Val::from("b"), Val::from("a")]);
    refused(twice, "ascending");
}

#[test]
fn code_has_an_end_and_jumps_stay_inside() {
    refused(with(vec![]), "has no operations");
    refused(with(vec![Op::Nothing { dst: 0 }]), "goes on past the end");
    refused(with(vec![Op::JumpIf { cond: 0, to: 0 }]), "goes on past the end");
    refused(with(vec![Op::Jump { to: 1 }]), "jumps to operation 1: the function has 1 operations");
    refused(with(vec![Op::Jump { to: u32::MAX }]), "the function has 1 operations");
    for last in [Op::Jump { to: 0 }, Op::NoMatch { src: 0 }, Op::Instr { dst: 0, start: 0, which: Instr::Reject }] {
        assert_eq!(problems(with(vec![last])), Vec::<String>::new(), "{last:?}");
    }
}

#[test]
fn frames_places_and_files_agree() {
    let mut module = returning(Op::Nothing { dst: 0 });
    module.functions[0].arity = 5;
    refused(module.clone(), "5 parameters do not fit in 4 registers");
    module.functions[0].arity = 0;
    module.functions[0].places = vec![Place::default()];
    refused(module.clone(), "1 places for 2 operations");
    module.functions[0].places = vec![Place { file: 1, line: 3, column: 4 }; 2];
    module.files = vec!["m.avm".into()];
    refused(module.clone(), "names source file 1: the module has 1");
    module.functions[0].places[1].file = 0;
    module.functions[0].places[0].file = 0;
    module.functions[0].code[0] = Op::Nothing { dst: 9 };
    refused(module, "function 0 'main', operation 0 (m.avm:3:4): register r9");
}

#[test]
fn safety_purity_and_pinning_are_what_the_code_says() {
    let mut reflecting = returning(Op::Instr { dst: 0, start: 0, which: Instr::Reflect });
    refused(reflecting.clone(), "reflect is an unsafe instruction: the module must declare 'unsafe'");
    reflecting.needs_unsafe = true;
    assert!(verify(reflecting).unwrap().facts(0).needs_unsafe);

    let mut moving = returning(Op::Instr { dst: 0, start: 0, which: Instr::Teleport });
    refused(moving.clone(), "declared not pinned, found pinned");
    crate::code::set_pinned(&mut moving);
    assert_eq!(problems(moving.clone()), Vec::<String>::new());
    moving.functions[0].code[0] = Op::Nothing { dst: 0 };
    refused(moving, "declared pinned (uses machine instructions), found not pinned");

    // Pinning follows calls and function values, and cycles of calls end.
    let mut chain = returning(Op::Closure { dst: 0, start: 0, captured: 0, function: 1 });
    let hop = |op| Function {
        name: "hop".into(),
        registers: 2,
        code: vec![op, Op::Return { src: 0 }],
        ..Function::default()
    };
    chain.functions.push(hop(Op::Invoke { dst: 0, start: 0, function: 2 }));
    chain.functions.push(hop(Op::Instr { dst: 0, start: 0, which: Instr::Fetch }));
    chain.functions[2].code.insert(0, Op::Invoke { dst: 0, start: 0, function: 1 });
    crate::code::set_pinned(&mut chain);
    assert!(chain.functions.iter().all(|function| function.pinned));
    chain.pures = vec![PureFunction { name: "p".into(), function: 0 }];
    refused(chain, "function 2 'hop', operation 1: pure function 'p' reaches the instruction fetch");
}

#[test]
fn names_stand_for_something_and_once() {
    let mut module = returning(Op::Nothing { dst: 0 });
    module.behaviours = vec![Behaviour { name: "".into(), function: 3, messages: None }];
    refused(module.clone(), "a behaviour has no name");
    refused(module.clone(), "behaviour '' names function 3: the module has 1 functions");
    module.behaviours = vec![Behaviour { name: "b".into(), function: 0, messages: None }; 2];
    refused(module.clone(), "two behaviours are called 'b'");
    module.behaviours.truncate(1);
    module.functions[0].arity = 1;
    refused(module.clone(), "behaviour 'b' has a function of 1 parameters: expected none");
    module.behaviours.clear();
    module.tests = vec![Entry { name: "t".into(), function: 0 }];
    refused(module.clone(), "test 't' has a function of 1 parameters");
    module.tests.clear();
    module.entries.push(Entry { name: "x".repeat(257).into(), function: 9 });
    refused(module.clone(), "longer than 256 bytes");
    refused(module.clone(), "names function 9");
    module.name = "".into();
    refused(module, "a module has no name");
}

#[test]
fn message_shapes_are_bounded() {
    let mut module = returning(Op::Nothing { dst: 0 });
    let shape = |depth: usize| (1..depth).fold(Shape::Is(Kind::Int), |inner, _| Shape::List(Box::new(inner)));
    let message = |tag: &str, depth| vec![MessageShape { tag: tag.into(), parts: vec![shape(depth)] }];
    module.behaviours = vec![Behaviour { name: "b".into(), function: 0, messages: Some(message("inc", 16)) }];
    assert_eq!(problems(module.clone()), Vec::<String>::new());
    module.behaviours[0].messages = Some(message("inc", 17));
    refused(module.clone(), "message 'inc' of behaviour 'b': a shape is nested deeper than 16 levels");
    module.behaviours[0].messages = Some(message("", 1));
    refused(module, "its tag is empty");
}

#[test]
fn values_are_those_the_machine_makes() {
    let mut module = returning(Op::Nothing { dst: 0 });
    let deep = |depth: usize| (1..depth).fold(Val::Nothing, |inner, _| Val::just(inner));
    module.constants = vec![deep(limits::VALUE_DEPTH)];
    assert_eq!(problems(module.clone()), Vec::<String>::new());
    module.constants = vec![deep(limits::VALUE_DEPTH + 1)];
    refused(module.clone(), "constant 0: nested deeper than 48 levels");
    module.constants = vec![Val::Nothing, Val::List(vec![Val::Int(crate::value::INT_MAX + 1)])];
    refused(module.clone(), "constant 1: a number outside -2^63 to 2^64 - 1");
    module.constants = vec![Val::Record(vec![("b".into(), Val::Nothing), ("a".into(), Val::Nothing)])];
    refused(module.clone(), "fields of a record that are not ascending");
    module.constants = vec![Val::List(vec![Val::Nothing; limits::VALUES])];
    refused(module, "more than 1048576 values");
}

#[test]
fn limits_are_named() {
    let mut module = returning(Op::Nothing { dst: 0 });
    module.functions[0].code = vec![Op::Return { src: 0 }; limits::FUNCTION_OPS + 1];
    refused(module.clone(), "262145 operations of one function: at most 262144 are allowed");
    module.functions[0].code.truncate(limits::FUNCTION_OPS);
    assert_eq!(problems(module.clone()), Vec::<String>::new());
    module.constants = vec![Val::Nothing; limits::CONSTANTS + 1];
    refused(module, "65537 constants: at most 65536");
}

#[test]
fn errors_are_bounded_in_number() {
    let module = with(vec![Op::Add { dst: 9, a: 9, b: 9 }; 1000]);
    assert_eq!(verify(module).unwrap_err().len(), MOST_ERRORS);
}
