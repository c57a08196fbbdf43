//! Modules from bytes: every byte is a choice, and every choice leads to something the verifier accepts.

use crate::code::{Behaviour, Builtin, Entry, Function, Instr, Module, Op, PureFunction, set_pinned};
use crate::id::{Name, ObjectId, TxId, VarId};
use crate::value::{Kind, Val};

/// Registers of every function.
const REGISTERS: u8 = 12;
/// Functions: a pure one, two behaviours, a helper, an entry.
const FUNCTIONS: u16 = 5;

struct Bytes<'b> {
    bytes: &'b [u8],
}

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((first, rest)) => {
                self.bytes = rest;
                *first
            }
            None => 0,
        }
    }

    fn below(&mut self, n: u8) -> u8 {
        self.next() % n
    }

    fn reg(&mut self) -> u8 {
        self.below(REGISTERS)
    }

    /// First register of a window.
    fn start(&mut self, count: u8) -> u8 {
        self.below(REGISTERS - count + 1)
    }
}

/// A module that the verifier accepts.
pub(super) fn module(bytes: &[u8]) -> Module {
    let mut from = Bytes { bytes };
    let mut module = Module {
        name: "fuzz".into(),
        needs_unsafe: true,
        constants: constants(),
        behaviours: [("one", 1), ("two", 2)]
            .map(|(name, function)| Behaviour { name: name.into(), function, messages: None })
            .to_vec(),
        pures: vec![PureFunction { name: "add".into(), function: 0 }],
        entries: vec![Entry { name: "main".into(), function: FUNCTIONS - 1 }],
        ..Module::default()
    };
    let share = (bytes.len() / usize::from(FUNCTIONS)).max(4);
    for number in 0..FUNCTIONS {
        let arity = if number == 0 || number == 3 { 2 } else { 0 };
        let till = from.bytes.len().saturating_sub(share);
        let mut code = Vec::new();
        while from.bytes.len() > till && code.len() < 200 {
            if number > 0 && from.below(4) == 0 {
                idiom(&mut from, &mut code);
            } else {
                code.push(op(&mut from, number == 0));
            }
        }
        let src = from.reg();
        code.push(if number == 1 || number == 2 {
            Op::List { dst: src, start: 0, count: 1 }
        } else {
            Op::Nothing { dst: 0 }
        });
        code.push(Op::Return { src });
        let len = code.len() as u32;
        for op in &mut code {
            if let Op::Jump { to } | Op::JumpIf { to, .. } | Op::JumpIfNot { to, .. } = op {
                *to %= len;
            }
        }
        let name = format!("f{number}").as_str().into();
        module.functions.push(Function { name, arity, registers: REGISTERS, code, ..Function::default() });
    }
    set_pinned(&mut module);
    module
}

/// Several operations that mean something together: chance alone seldom makes choices inside replays and predicates, where the search
/// of a commit goes back into the middle of what the machine itself called.
fn idiom(from: &mut Bytes<'_>, code: &mut Vec<Op>) {
    let at = from.start(4);
    let instr = |which, start, dst| Op::Instr { dst, start, which };
    let object = Op::Const { dst: at, k: 8 + u16::from(from.below(2)) };
    match from.below(10) {
        0 => code.extend([Op::Const { dst: at, k: 12 }, instr(Instr::Choose, at, at)]),
        1 => code.extend([
            Op::Lt { dst: at, a: from.reg(), b: from.reg() },
            Op::Const { dst: at + 1, k: 1 },
            instr(Instr::Require, at, at),
        ]),
        2 => code.extend([Op::Nothing { dst: at }, instr(Instr::BeginTx, at, REGISTERS - 1)]),
        3 => code.push(instr(Instr::CommitTx, REGISTERS - 1, at)),
        4 => code.extend([
            Op::Const { dst: at, k: 3 + u16::from(from.below(2)) },
            Op::Nothing { dst: at + 1 },
            instr(Instr::CreateObj, at, at),
        ]),
        5 => code.extend([object, instr(Instr::Fetch, at, at + 1)]),
        6 => code.extend([object, instr(Instr::Freeze, at, at + 1)]),
        7 => code.extend([object, Op::Move { dst: at + 1, src: from.reg() }, instr(Instr::Call, at, at)]),
        8 => {
            code.extend([
                Op::Closure { dst: at, start: at + 1, captured: 1, function: 3 },
                instr(Instr::ScryMeta, at, at),
            ]);
        }
        _ => {
            code.extend([Op::Const { dst: at, k: 12 }, instr(Instr::NewVar, at, at), instr(Instr::Label, at, at + 1)]);
        }
    }
}

fn constants() -> Vec<Val> {
    vec![
        Val::List(vec![Val::from("a"), Val::from("b")]),
        Val::from("a"),
        Val::from("b"),
        Val::from("one"),
        Val::from("two"),
        Val::from("add"),
        Val::from("c0"),
        Val::from("m1"),
        Val::Object(ObjectId(0)),
        Val::Object(ObjectId(1)),
        Val::Tx(TxId(0)),
        Val::Var(VarId(1)),
        Val::List((0..4).map(Val::from).collect()),
        Val::List(vec![Val::from("lt"), Val::Var(VarId(1)), Val::Var(VarId(2))]),
        Val::Int(crate::value::INT_MAX),
        Val::Int(crate::value::INT_MIN),
        Val::Controller(Name::new("c1")),
        Val::Machine(Name::new("m0")),
        Val::just(Val::from(1)),
        Val::pair(Val::from(1), Val::from("x")),
        Val::record([("a".into(), Val::from(1)), ("b".into(), Val::Nothing)]),
        Val::List(vec![Val::from("all-diff"), Val::List(vec![Val::Var(VarId(1)), Val::Var(VarId(2))])]),
        Val::Bytes([0xff_u8, 1].as_slice().into()),
    ]
}

fn op(from: &mut Bytes<'_>, pure: bool) -> Op {
    let (choice, dst, a, b) = (from.below(if pure { 30 } else { 48 }), from.reg(), from.reg(), from.reg());
    match choice {
        0 | 1 => Op::Const { dst, k: u16::from(from.below(23)) },
        2 => Op::Int { dst, number: i32::from(from.next()) - 3 },
        3 => Op::Bool { dst, truth: from.next() & 1 == 1 },
        4 => Op::Move { dst, src: a },
        5 => Op::Add { dst, a, b },
        6 => Op::Mul { dst, a, b },
        7 => Op::Div { dst, a, b },
        8 => Op::Mod { dst, a, b },
        9 => Op::AddInt { dst, a, number: i16::from(from.next()) - 100 },
        10 => Op::Eq { dst, a, b },
        11 => Op::Lt { dst, a, b },
        12 => Op::Not { dst, a },
        13 => Op::And { dst, a, b },
        14 => list(from, dst),
        15 => Op::Pair { dst, a, b },
        16 => Op::Just { dst, a },
        17 => Op::Record { dst, start: from.start(2), k: 0 },
        18 => Op::Field { dst, a, k: 1 + u16::from(from.below(2)) },
        19 => Op::KindIs { dst, a, kind: [Kind::Int, Kind::List, Kind::Object, Kind::Function][usize::from(b) % 4] },
        20 => Op::LenIs { dst, a, len: u16::from(b) },
        21 => Op::Item { dst, a, index: u16::from(from.below(4)) },
        22 => Op::Rest { dst, a, from: u16::from(from.below(4)) },
        23 => {
            [Op::First { dst, a }, Op::Second { dst, a }, Op::Unwrap { dst, a }, Op::Neg { dst, a }][usize::from(b) % 4]
        }
        24 => [Op::Jump { to: from.next().into() }, Op::JumpIf { cond: a, to: from.next().into() }][usize::from(b) % 2],
        25 => Op::JumpIfNot { cond: a, to: from.next().into() },
        26..=28 => {
            let which = Builtin::ALL[usize::from(from.next()) % Builtin::ALL.len()];
            Op::Builtin { dst, start: from.start(which.arity()), which }
        }
        29 => Op::InvokeValue { dst, f: a, start: from.start(2), count: from.below(3) },
        _ => effect(from, choice, dst, a),
    }
}

fn list(from: &mut Bytes<'_>, dst: u8) -> Op {
    let count = from.below(4);
    Op::List { dst, start: from.start(count), count }
}

fn effect(from: &mut Bytes<'_>, choice: u8, dst: u8, a: u8) -> Op {
    match choice {
        30 => Op::Invoke { dst, start: from.start(2), function: 3 },
        31 => Op::Closure { dst, start: from.start(2), captured: from.below(3), function: u16::from(a % 2) * 3 },
        32 => Op::NoMatch { src: a },
        _ => {
            let which = Instr::ALL[usize::from(from.next()) % Instr::ALL.len()];
            Op::Instr { dst, start: from.start(which.arity()), which }
        }
    }
}
