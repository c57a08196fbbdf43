//! Programs as data: register bytecode, modules, what each instruction takes; the verifier, the codecs, the content hash, the
//! disassembler and the flow graph.

mod builtin;
pub mod cfg;
pub mod codec;
mod disasm;
mod facts;
mod hash;
mod instr;
pub mod limits;
mod module;
mod op;
mod operands;
mod verify;

pub use builtin::Builtin;
pub use disasm::disasm;
pub use facts::{Facts, facts, set_pinned};
pub use hash::{ContentHash, HashError, content_hash};
pub use instr::{Family, Instr, Safety};
pub use module::{Behaviour, Entry, Function, MessageShape, Module, Place, PureFunction, Shape};
pub use op::{Op, Reg};
pub use operands::{Count, Flow, Operands};
pub use verify::{Problem, Verified, VerifyError, verify};
