//! The bytecode: operations of eight bytes over registers.

use serde::{Deserialize, Serialize};

use super::{Builtin, Instr};
use crate::value::Kind;

/// A register of the running function; every function has its own, `Nothing` at first.
pub type Reg = u8;

/// One operation. `dst` is the register of the result; `a`, `b`, `src`, `cond` are registers read; `k` is a constant. Jump
/// targets are indices into the function's code. What an operation does not accept (kinds, ranges) is a `ErrProgram...` error of
/// the execution; that registers, constants, functions and targets exist is the verifier's to prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Op {
    /// dst = constant `k` of the module.
    Const { dst: Reg, k: u16 },
    /// dst = `number`.
    Int { dst: Reg, number: i32 },
    /// dst = truth value.
    Bool { dst: Reg, truth: bool },
    /// dst = nothing.
    Nothing { dst: Reg },
    /// dst = src.
    Move { dst: Reg, src: Reg },
    /// dst = a + b, of numbers.
    Add { dst: Reg, a: Reg, b: Reg },
    /// dst = a - b.
    Sub { dst: Reg, a: Reg, b: Reg },
    /// dst = a * b.
    Mul { dst: Reg, a: Reg, b: Reg },
    /// dst = a / b, towards minus infinity; b = 0 is an arithmetic error.
    Div { dst: Reg, a: Reg, b: Reg },
    /// dst = a mod b, with the sign of b.
    Mod { dst: Reg, a: Reg, b: Reg },
    /// dst = a + number.
    AddInt { dst: Reg, a: Reg, number: i16 },
    /// dst = -a.
    Neg { dst: Reg, a: Reg },
    /// dst = a == b: total, values of different kinds are unequal.
    Eq { dst: Reg, a: Reg, b: Reg },
    /// dst = a != b.
    Ne { dst: Reg, a: Reg, b: Reg },
    /// dst = a < b; values that cannot be compared are a type error.
    Lt { dst: Reg, a: Reg, b: Reg },
    /// dst = a <= b.
    Le { dst: Reg, a: Reg, b: Reg },
    /// dst = not a.
    Not { dst: Reg, a: Reg },
    /// dst = a and b, both evaluated.
    And { dst: Reg, a: Reg, b: Reg },
    /// dst = a or b, both evaluated.
    Or { dst: Reg, a: Reg, b: Reg },
    /// dst = list of `count` registers from `start`.
    List { dst: Reg, start: Reg, count: u8 },
    /// dst = (a, b).
    Pair { dst: Reg, a: Reg, b: Reg },
    /// dst = just a.
    Just { dst: Reg, a: Reg },
    /// dst = record; constant `k` is the list of its field names, ascending, the values stand from `start` in that order.
    Record { dst: Reg, start: Reg, k: u16 },
    /// dst = field of `a` named by constant `k`.
    Field { dst: Reg, a: Reg, k: u16 },
    /// dst = whether `a` is a record with the field named by constant `k`.
    HasField { dst: Reg, a: Reg, k: u16 },
    /// dst = whether `a` is of a kind.
    KindIs { dst: Reg, a: Reg, kind: Kind },
    /// dst = whether `a` is a list of exactly `len`.
    LenIs { dst: Reg, a: Reg, len: u16 },
    /// dst = whether `a` is a list of at least `len`.
    LenAtLeast { dst: Reg, a: Reg, len: u16 },
    /// dst = element `index` of list `a`.
    Item { dst: Reg, a: Reg, index: u16 },
    /// dst = list `a` without its first `from` elements.
    Rest { dst: Reg, a: Reg, from: u16 },
    /// dst = first of pair `a`.
    First { dst: Reg, a: Reg },
    /// dst = second of pair `a`.
    Second { dst: Reg, a: Reg },
    /// dst = what is in the just `a`.
    Unwrap { dst: Reg, a: Reg },
    /// dst = function value: function `function`, whose first `captured` parameters are bound to registers from `start`.
    Closure { dst: Reg, start: Reg, captured: u8, function: u16 },
    /// Goes on at `to`.
    Jump { to: u32 },
    /// Goes on at `to` when `cond` is true; anything but a truth value is a type error.
    JumpIf { cond: Reg, to: u32 },
    /// Goes on at `to` when `cond` is false.
    JumpIfNot { cond: Reg, to: u32 },
    /// dst = function(`start`..): calls function `function` of the module; its arguments stand from `start`.
    Invoke { dst: Reg, start: Reg, function: u16 },
    /// Like `Invoke`, then returns its value; takes no further frame.
    TailInvoke { start: Reg, function: u16 },
    /// dst = f(`start`..) with `count` arguments; `f` holds a function value.
    InvokeValue { dst: Reg, f: Reg, start: Reg, count: u8 },
    /// Ends the function with `src`.
    Return { src: Reg },
    /// dst = library function of registers from `start`.
    Builtin { dst: Reg, start: Reg, which: Builtin },
    /// dst = instruction of the machine, its arguments from `start`.
    Instr { dst: Reg, start: Reg, which: Instr },
    /// Fails: no arm matched `src`.
    NoMatch { src: Reg },
}

const _: () = assert!(size_of::<Op>() == 8);
