//! Programs written in Rust, without text: for embedding and for tests (`avm:12`).
//!
//! A [`Code`] is a piece of a program that has a value. [`program!`](crate::program) writes pieces one after the other, in the
//! style of `do`: `let x <- code;` binds the value of a piece, `let x = expr;` is Rust's own, `code;` runs a piece for what it
//! does, and the last line is the value of the whole. [`Program`] puts behaviours, functions and entries together to a module.
//!
//! ```
//! use avm::dsl::{Program, call, create, get_state, list, nothing, set_state};
//! use avm::program;
//!
//! let counter = Program::new("counter")
//!     .behaviour("ctr", |b| {
//!         b.on("inc", 0, |_| program! {
//!             let n <- get_state().first_or(0);
//!             let more <- n + 1;
//!             set_state(list([more]));
//!             more
//!         })
//!         .on("get", 0, |_| get_state().first_or(0))
//!     })
//!     .entry("main", 0, |_| program! {
//!         let c <- create("ctr", nothing());
//!         call(c, list(["inc"]));
//!         call(c, list(["inc"]))
//!     });
//! let config = avm::vm::Config { heap_bytes: 1 << 20, ..Default::default() };
//! let mut solo = avm::vm::solo::Solo::new(config, Box::new(avm::nondet::builtin::BuiltinSolver));
//! solo.load(&counter.build()?)?;
//! let finished = solo.run(&avm::vm::Start::new("counter", "main"))?;
//! assert_eq!(finished.value(), Ok(&avm::Val::from(2)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod code;
mod compile;
mod instr;
mod message;
mod program;
#[cfg(test)]
mod tests;

pub use code::{
    Code, builtin, choose_if, closure, fold, for_each, invoke, invoke_value, just, list, no_match, nothing, pair,
    record, ret, value, when,
};
pub use instr::*;
pub use message::{FromVal, Shaped, ToVal, WrongValue};
pub use program::{BehaviourBuilder, BuildError, Program};

/// Pieces of a program one after the other: `let x <- code;` binds a value, `let x = expr;` and `let mut x = expr;` are Rust's
/// own,
/// `code;` runs a piece for what it does; the last line is the value of the whole.
///
/// ```
/// use avm::dsl::{Code, call, create, list, nothing};
/// use avm::program;
///
/// let code: Code = program! {
///     let c <- create("ctr", nothing());
///     let message = list(["inc"]);
///     call(c, &message);
///     call(c, &message)
/// };
/// ```
#[macro_export]
macro_rules! program {
    (let $x:ident <- $tree:expr; $($rest:tt)+) => {
        $crate::dsl::Code::from($tree).bind(|$x| $crate::program!($($rest)+))
    };
    (let mut $x:ident = $e:expr; $($rest:tt)+) => {{
        let mut $x = $e;
        $crate::program!($($rest)+)
    }};
    (let $x:ident = $e:expr; $($rest:tt)+) => {{
        let $x = $e;
        $crate::program!($($rest)+)
    }};
    ($tree:expr; $($rest:tt)+) => {
        $crate::dsl::Code::from($tree).then($crate::program!($($rest)+))
    };
    ($tree:expr $(;)?) => {
        $crate::dsl::Code::from($tree)
    };
}
