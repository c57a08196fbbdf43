//! Programs as data: register bytecode, modules, what each instruction takes.

mod builtin;
mod instr;
mod module;
mod op;

pub use builtin::Builtin;
pub use instr::{Family, Instr, Safety};
pub use module::{Behaviour, Entry, Function, MessageShape, Module, Place, PureFunction, Shape};
pub use op::{Op, Reg};
