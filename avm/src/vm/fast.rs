//! The operations as the loop takes them: constants and functions by their numbers over all modules, and runs of operations that
//! programs are full of as one. A row of them stands beside the bytecode, position for position: what begins at an operation says
//! how many it covers, and a jump into the middle of a run finds what begins there. Where a run cannot be done at once, because
//! of a value it does not expect or because the quantum ends within, its first operation is done alone by
//! [`super::world::World::step`].

use super::word::{FALSE, NOTHING, TRUE, Value};
use crate::code::{Instr, Op};
use crate::value::Kind;

/// An operation of the loop.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fast {
    /// None of these: in full.
    Plain,
    /// dst = a value that needs no node.
    Inline {
        dst: u8,
        value: Value,
    },
    /// dst = a constant that has a node.
    Shared {
        dst: u8,
        value: Value,
    },
    Move {
        dst: u8,
        src: u8,
    },
    /// Two moves.
    Moves {
        one: (u8, u8),
        two: (u8, u8),
    },
    /// Three moves.
    MovesOfThree {
        one: (u8, u8),
        two: (u8, u8),
        three: (u8, u8),
    },
    Add {
        dst: u8,
        a: u8,
        b: u8,
    },
    Sub {
        dst: u8,
        a: u8,
        b: u8,
    },
    Mul {
        dst: u8,
        a: u8,
        b: u8,
    },
    Div {
        dst: u8,
        a: u8,
        b: u8,
    },
    Mod {
        dst: u8,
        a: u8,
        b: u8,
    },
    AddInt {
        dst: u8,
        a: u8,
        number: i16,
    },
    /// A number is added, then it goes on elsewhere.
    AddJump {
        dst: u8,
        a: u8,
        number: i16,
        to: u32,
    },
    /// The end of a counting loop: as [`Self::AddJump`], where [`Self::LessElse`] stands there.
    Turn {
        dst: u8,
        a: u8,
        number: i16,
        test: u8,
        one: u8,
        two: u8,
        to: u32,
        end: u32,
    },
    Eq {
        dst: u8,
        a: u8,
        b: u8,
    },
    Ne {
        dst: u8,
        a: u8,
        b: u8,
    },
    Lt {
        dst: u8,
        a: u8,
        b: u8,
    },
    Le {
        dst: u8,
        a: u8,
        b: u8,
    },
    /// dst = a < b; where it is not, it goes on elsewhere.
    LessElse {
        dst: u8,
        a: u8,
        b: u8,
        to: u32,
    },
    Not {
        dst: u8,
        a: u8,
    },
    And {
        dst: u8,
        a: u8,
        b: u8,
    },
    Or {
        dst: u8,
        a: u8,
        b: u8,
    },
    List {
        dst: u8,
        start: u8,
        count: u8,
    },
    /// A list of one element.
    One {
        dst: u8,
        src: u8,
    },
    /// A constant, and the list of it, which stands ready.
    Ready {
        part: u8,
        dst: u8,
        list: Value,
    },
    LenIs {
        dst: u8,
        a: u8,
        len: u16,
    },
    /// dst = whether `a` has this length; where it has not, it goes on elsewhere.
    LenElse {
        dst: u8,
        a: u8,
        len: u16,
        to: u32,
    },
    LenAtLeast {
        dst: u8,
        a: u8,
        len: u16,
    },
    Item {
        dst: u8,
        a: u8,
        index: u16,
    },
    /// Consecutive elements into consecutive registers.
    Items {
        dst: u8,
        a: u8,
        count: u8,
        index: u16,
    },
    /// The first element of list `a` into `item`; whether it is this value into `dst`; where not, it goes on elsewhere.
    Tag {
        a: u8,
        item: u8,
        dst: u8,
        to: u32,
        value: Value,
    },
    /// The input, and then as [`Self::Tag`].
    InputTag {
        input: u8,
        item: u8,
        dst: u8,
        to: u32,
        value: Value,
    },
    /// Element `index` of list `a` into `item`; that and a number into `dst`.
    ItemAdd {
        item: u8,
        a: u8,
        dst: u8,
        index: u16,
        number: i16,
    },
    First {
        dst: u8,
        a: u8,
    },
    Second {
        dst: u8,
        a: u8,
    },
    KindIs {
        dst: u8,
        a: u8,
        kind: Kind,
    },
    Jump {
        to: u32,
    },
    JumpIf {
        cond: u8,
        to: u32,
    },
    JumpIfNot {
        cond: u8,
        to: u32,
    },
    Invoke {
        dst: u8,
        start: u8,
        function: u32,
    },
    Return {
        src: u8,
    },
    /// Returns a list of one element.
    ReturnOne {
        src: u8,
        list: u8,
    },
    /// Returns a list of the input.
    ReturnInput {
        dst: u8,
    },
    Call {
        dst: u8,
        start: u8,
    },
    SelfId {
        dst: u8,
    },
    Input {
        dst: u8,
    },
    Sender {
        dst: u8,
    },
    CurrentMachine {
        dst: u8,
    },
    GetState {
        dst: u8,
    },
    SetState {
        dst: u8,
        start: u8,
    },
    /// The state, and then as [`Self::LenElse`].
    StateLen {
        dst: u8,
        test: u8,
        len: u16,
        to: u32,
    },
    /// A list of one element becomes the state; `count` operations.
    KeepOne {
        list: u8,
        src: u8,
        dst: u8,
        count: u8,
    },
}

const _: () = assert!(size_of::<Fast>() == 16);

/// Where a function stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// Its first operation.
    pub(super) start: u32,
    /// First function of its module.
    pub(super) functions: u32,
    /// Constants of its module.
    pub(super) constants: &'a [Value],
}

impl Place<'_> {
    /// A value that an operation sets and that needs no node.
    fn inline(self, op: Op) -> Option<(u8, Value)> {
        match op {
            Op::Const { dst, k } => Some((dst, self.constants[usize::from(k)])).filter(|(_, value)| !value.is_ref()),
            Op::Int { dst, number } => Some((dst, Value::int32(number))),
            Op::Bool { dst, truth } => Some((dst, if truth { TRUE } else { FALSE })),
            Op::Nothing { dst } => Some((dst, NOTHING)),
            _ => None,
        }
    }

    /// The value of a list that stands ready when the operations begin with it.
    pub(super) fn ready(self, ops: &[Op]) -> Option<Value> {
        match ops {
            [op, Op::List { start, count: 1, .. }, ..] => {
                self.inline(*op).filter(|(dst, _)| dst == start).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// What begins at operation `at` of a function; `list` makes a list of one value that stays.
    pub(super) fn at(self, code: &[Op], at: usize, list: impl FnOnce(Value) -> Option<Value>) -> Fast {
        let ops = &code[at..];
        let run = self.numbers(code, ops).or_else(|| self.messages(ops)).or_else(|| Self::states(self.start, ops));
        let run = run.or_else(|| match *ops {
            [_, Op::List { dst, start, count: 1 }, ..] => {
                let list = list(self.ready(ops)?)?;
                Some(Fast::Ready { part: start, dst, list })
            }
            _ => None,
        });
        run.unwrap_or_else(|| self.single(ops[0]))
    }

    /// Runs of moves and of what loops do.
    fn numbers(self, code: &[Op], ops: &[Op]) -> Option<Fast> {
        Some(match *ops {
            [Op::Move { dst, src }, Op::Move { dst: dst2, src: src2 }, Op::Move { dst: dst3, src: src3 }, ..] => {
                Fast::MovesOfThree { one: (dst, src), two: (dst2, src2), three: (dst3, src3) }
            }
            [Op::Move { dst, src }, Op::Move { dst: dst2, src: src2 }, ..] => {
                Fast::Moves { one: (dst, src), two: (dst2, src2) }
            }
            [Op::AddInt { dst, a, number }, Op::Jump { to }, ..] => match code.get(to as usize..) {
                Some(&[Op::Lt { dst: test, a: one, b: two }, Op::JumpIfNot { cond, to: end }, ..]) if cond == test => {
                    let (to, end) = (to + self.start, end + self.start);
                    Fast::Turn { dst, a, number, test, one, two, to, end }
                }
                _ => Fast::AddJump { dst, a, number, to: to + self.start },
            },
            [Op::Lt { dst, a, b }, Op::JumpIfNot { cond, to }, ..] if cond == dst => {
                Fast::LessElse { dst, a, b, to: to + self.start }
            }
            _ => return None,
        })
    }

    /// Runs that take a message to pieces.
    fn messages(self, ops: &[Op]) -> Option<Fast> {
        Some(match *ops {
            [Op::LenIs { dst, a, len }, Op::JumpIfNot { cond, to }, ..] if cond == dst => {
                Fast::LenElse { dst, a, len, to: to + self.start }
            }
            [Op::Item { index: 0, .. }, _, Op::Eq { .. }, ..] => return self.tag(ops),
            [Op::Instr { dst: input, which: Instr::Input, .. }, ref rest @ ..] => match self.tag(rest)? {
                Fast::Tag { a, item, dst, to, value } if a == input && dst != a => {
                    Fast::InputTag { input, item, dst, to, value }
                }
                _ => return None,
            },
            [Op::Item { dst: item, a, index }, Op::AddInt { dst, a: of, number }, ..] if of == item => {
                Fast::ItemAdd { item, a, dst, index, number }
            }
            [Op::Item { dst, a, index }, Op::Item { .. }, ..] => {
                let follows = |(more, op): (u8, &Op)| {
                    let next = Op::Item { dst: dst.wrapping_add(more), a, index: index.wrapping_add(u16::from(more)) };
                    *op == next && dst.wrapping_add(more) > dst
                };
                let count = (0..8).zip(ops).skip(1).take_while(|next| follows(*next)).count() as u8 + 1;
                if count == 1 || (dst..=dst + (count - 1)).contains(&a) {
                    return None;
                }
                Fast::Items { dst, a, count, index }
            }
            _ => return None,
        })
    }

    /// Runs with the state, and with what a behaviour ends with.
    fn states(begin: u32, ops: &[Op]) -> Option<Fast> {
        Some(match *ops {
            [
                Op::Instr { dst, which: Instr::GetState, .. },
                Op::LenIs { dst: test, a, len },
                Op::JumpIfNot { cond, to },
                ..,
            ] if a == dst && cond == test && test != dst => Fast::StateLen { dst, test, len, to: to + begin },
            [
                Op::List { dst: list, start: src, count: 1 },
                Op::Move { dst: copy, src: of },
                Op::Instr { dst, start, which: Instr::SetState },
                ..,
            ] if of == list && start == copy && dst == copy && copy != list => {
                Fast::KeepOne { list, src, dst, count: 3 }
            }
            [Op::List { dst: list, start: src, count: 1 }, Op::Instr { dst, start, which: Instr::SetState }, ..]
                if start == list && dst != list =>
            {
                Fast::KeepOne { list, src, dst, count: 2 }
            }
            [
                Op::Instr { dst: input, which: Instr::Input, .. },
                Op::List { dst: list, start, count: 1 },
                Op::Return { src },
                ..,
            ] if start == input && src == list => Fast::ReturnInput { dst: input },
            [Op::List { dst, start, count: 1 }, Op::Return { src }, ..] if src == dst => {
                Fast::ReturnOne { src: start, list: dst }
            }
            _ => return None,
        })
    }

    /// The test of the first element of a message.
    fn tag(self, ops: &[Op]) -> Option<Fast> {
        let [Op::Item { dst: item, a, index: 0 }, constant, Op::Eq { dst, a: x, b: y }, Op::JumpIfNot { cond, to }, ..] =
            *ops
        else {
            return None;
        };
        let (register, value) = self.inline(constant)?;
        let fits = cond == dst && item != a && (x, y) == (item, register) && dst == register && register != item;
        if fits { Some(Fast::Tag { a, item, dst, to: to + self.start, value }) } else { None }
    }

    fn single(self, op: Op) -> Fast {
        if let Some((dst, value)) = self.inline(op) {
            return Fast::Inline { dst, value };
        }
        match op {
            Op::Const { dst, k } => Fast::Shared { dst, value: self.constants[usize::from(k)] },
            Op::Move { dst, src } => Fast::Move { dst, src },
            Op::Add { dst, a, b } => Fast::Add { dst, a, b },
            Op::Sub { dst, a, b } => Fast::Sub { dst, a, b },
            Op::Mul { dst, a, b } => Fast::Mul { dst, a, b },
            Op::Div { dst, a, b } => Fast::Div { dst, a, b },
            Op::Mod { dst, a, b } => Fast::Mod { dst, a, b },
            Op::AddInt { dst, a, number } => Fast::AddInt { dst, a, number },
            Op::Eq { dst, a, b } => Fast::Eq { dst, a, b },
            Op::Ne { dst, a, b } => Fast::Ne { dst, a, b },
            Op::Lt { dst, a, b } => Fast::Lt { dst, a, b },
            Op::Le { dst, a, b } => Fast::Le { dst, a, b },
            Op::Not { dst, a } => Fast::Not { dst, a },
            Op::And { dst, a, b } => Fast::And { dst, a, b },
            Op::Or { dst, a, b } => Fast::Or { dst, a, b },
            Op::List { dst, start, count: 1 } => Fast::One { dst, src: start },
            Op::List { dst, start, count } => Fast::List { dst, start, count },
            Op::LenIs { dst, a, len } => Fast::LenIs { dst, a, len },
            Op::LenAtLeast { dst, a, len } => Fast::LenAtLeast { dst, a, len },
            Op::Item { dst, a, index } => Fast::Item { dst, a, index },
            Op::First { dst, a } => Fast::First { dst, a },
            Op::Second { dst, a } => Fast::Second { dst, a },
            Op::KindIs { dst, a, kind } => Fast::KindIs { dst, a, kind },
            Op::Jump { to } => Fast::Jump { to: to + self.start },
            Op::JumpIf { cond, to } => Fast::JumpIf { cond, to: to + self.start },
            Op::JumpIfNot { cond, to } => Fast::JumpIfNot { cond, to: to + self.start },
            Op::Invoke { dst, start, function } => {
                Fast::Invoke { dst, start, function: self.functions + u32::from(function) }
            }
            Op::Return { src } => Fast::Return { src },
            Op::Instr { dst, start, which } => match which {
                Instr::Call => Fast::Call { dst, start },
                Instr::SelfId => Fast::SelfId { dst },
                Instr::Input => Fast::Input { dst },
                Instr::Sender => Fast::Sender { dst },
                Instr::CurrentMachine => Fast::CurrentMachine { dst },
                Instr::GetState => Fast::GetState { dst },
                Instr::SetState => Fast::SetState { dst, start },
                _ => Fast::Plain,
            },
            _ => Fast::Plain,
        }
    }
}
