//! Questions as SMT-LIB 2 text (`avm:9.4`): for reading, and for giving to another solver that knows `minimize`.
//!
//! A choice is an index `i0` between bounds and its value `c0`; a variable `v1` is one of a disjunction of values. What is undefined
//! in the machine is said in the text: an operation is guarded by the condition under which it is defined, and `in-range` says that
//! a number is one of the machine. Values that are no numbers are numbers beyond the range, defined by name: `|val:"a"|`, with the
//! value as JSON in the name (`%`, `|` and `\` as `%25`, `%7c`, `%5c`).
//!
//! [`read`] takes this form back: constants with bounds or a disjunction of values, definitions without parameters, assertions,
//! `assert-soft`, one `maximize` of weights of choices, `minimize` in the order of declaration. Arithmetic in texts from elsewhere is
//! that of the machine: what leaves the range does not hold.

mod lexer;
mod reader;
mod writer;

use thiserror::Error;

pub use reader::read;
pub use writer::write;

/// Deepest nesting of parentheses that is read.
pub const MAX_DEPTH: u32 = 200;

/// Definitions at the start of every text; the reader knows them by name.
const PRELUDE: &str = "\
(define-fun in-range ((x Int)) Bool (<= (- 9223372036854775808) x 18446744073709551615))
(define-fun number? ((x Int)) Bool (< x 36893488147419103232))
(define-fun floor-div ((a Int) (b Int)) Int (ite (or (> b 0) (= 0 (mod a b))) (div a b) (- (div a b) 1)))
(define-fun floor-mod ((a Int) (b Int)) Int (- a (* b (floor-div a b))))
";

/// Why a question cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExportError {
    /// Not a question a solver can take.
    #[error(transparent)]
    Question(#[from] super::IrError),
    /// Arithmetic beyond the numbers of the machine over too many values.
    #[error(
        "constraint {0} does arithmetic beyond the range of numbers over more than 4096 combinations: narrow its variables"
    )]
    Wide(usize),
    /// Order between too many values that are no numbers.
    #[error("{0} values that are no numbers take part in comparisons, at most 64 are written")]
    Values(usize),
}

/// Why a text cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {message}")]
pub struct SmtError {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong and what to write.
    pub message: String,
}
