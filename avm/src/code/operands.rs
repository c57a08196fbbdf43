//! What each operation reads, writes and where it goes on: one table for the verifier, the disassembler and the flow graph.

use super::{Instr, Op, Reg};

/// Registers of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Operands {
    /// Register written.
    pub dst: Option<Reg>,
    /// Single registers read.
    pub reads: [Option<Reg>; 2],
    /// Consecutive registers read: the first, and how many.
    pub window: Option<(Reg, Count)>,
}

/// How many registers a window has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// So many.
    Exactly(u8),
    /// As many as names in this constant.
    FieldsOf(u16),
    /// As many as parameters of this function.
    ArityOf(u16),
}

/// Where an operation goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// At the next operation.
    Next,
    /// At a target.
    Jump(u32),
    /// At a target, or at the next operation.
    Branch(u32),
    /// Nowhere in this function.
    End,
}

impl Op {
    /// Its registers.
    #[must_use]
    pub const fn operands(self) -> Operands {
        let none = Operands { dst: None, reads: [None, None], window: None };
        match self {
            Self::Const { dst, .. } | Self::Int { dst, .. } | Self::Bool { dst, .. } | Self::Nothing { dst } => {
                Operands { dst: Some(dst), ..none }
            }
            Self::Move { dst, src: a }
            | Self::AddInt { dst, a, .. }
            | Self::Neg { dst, a }
            | Self::Not { dst, a }
            | Self::Just { dst, a }
            | Self::Field { dst, a, .. }
            | Self::HasField { dst, a, .. }
            | Self::KindIs { dst, a, .. }
            | Self::LenIs { dst, a, .. }
            | Self::LenAtLeast { dst, a, .. }
            | Self::Item { dst, a, .. }
            | Self::Rest { dst, a, .. }
            | Self::First { dst, a }
            | Self::Second { dst, a }
            | Self::Unwrap { dst, a } => Operands { dst: Some(dst), reads: [Some(a), None], ..none },
            Self::Add { dst, a, b }
            | Self::Sub { dst, a, b }
            | Self::Mul { dst, a, b }
            | Self::Div { dst, a, b }
            | Self::Mod { dst, a, b }
            | Self::Eq { dst, a, b }
            | Self::Ne { dst, a, b }
            | Self::Lt { dst, a, b }
            | Self::Le { dst, a, b }
            | Self::And { dst, a, b }
            | Self::Or { dst, a, b }
            | Self::Pair { dst, a, b } => Operands { dst: Some(dst), reads: [Some(a), Some(b)], ..none },
            Self::List { dst, start, count } | Self::Closure { dst, start, captured: count, .. } => {
                Operands { dst: Some(dst), window: Some((start, Count::Exactly(count))), ..none }
            }
            Self::Record { dst, start, k } => {
                Operands { dst: Some(dst), window: Some((start, Count::FieldsOf(k))), ..none }
            }
            Self::Jump { .. } => none,
            Self::JumpIf { cond: a, .. }
            | Self::JumpIfNot { cond: a, .. }
            | Self::Return { src: a }
            | Self::NoMatch { src: a } => Operands { reads: [Some(a), None], ..none },
            Self::Invoke { dst, start, function } => {
                Operands { dst: Some(dst), window: Some((start, Count::ArityOf(function))), ..none }
            }
            Self::TailInvoke { start, function } => {
                Operands { window: Some((start, Count::ArityOf(function))), ..none }
            }
            Self::InvokeValue { dst, f, start, count } => {
                Operands { dst: Some(dst), reads: [Some(f), None], window: Some((start, Count::Exactly(count))) }
            }
            Self::Builtin { dst, start, which } => {
                Operands { dst: Some(dst), window: Some((start, Count::Exactly(which.arity()))), ..none }
            }
            Self::Instr { dst, start, which } => {
                Operands { dst: Some(dst), window: Some((start, Count::Exactly(which.arity()))), ..none }
            }
        }
    }

    /// Where it goes on.
    #[must_use]
    pub const fn flow(self) -> Flow {
        match self {
            Self::Jump { to } => Flow::Jump(to),
            Self::JumpIf { to, .. } | Self::JumpIfNot { to, .. } => Flow::Branch(to),
            Self::Return { .. } | Self::TailInvoke { .. } | Self::NoMatch { .. } => Flow::End,
            Self::Instr { which: Instr::Reject | Instr::Raise, .. } => Flow::End,
            _ => Flow::Next,
        }
    }

    /// The function it names: called at once, or made a function value of.
    #[must_use]
    pub const fn function(self) -> Option<u16> {
        match self {
            Self::Closure { function, .. } | Self::Invoke { function, .. } | Self::TailInvoke { function, .. } => {
                Some(function)
            }
            _ => None,
        }
    }

    /// The constant it names.
    #[must_use]
    pub const fn constant(self) -> Option<u16> {
        match self {
            Self::Const { k, .. } | Self::Record { k, .. } | Self::Field { k, .. } | Self::HasField { k, .. } => {
                Some(k)
            }
            _ => None,
        }
    }
}
