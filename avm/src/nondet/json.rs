//! Questions and answers as JSON, in the form of `avm:9.4`: `["Geq",["Choice",1],3]`.
//!
//! A value is itself where JSON has it (numbers, truth values, texts, `null` for nothing, arrays for lists), else an object with one
//! field that names its kind: `{"Just":v}`, `{"Pair":[a,b]}`, `{"Record":[["a",1]]}`, `{"Bytes":"0aff"}`, `{"Object":"o7"}`,
//! `{"Root":null}`, `{"Tx":"t1"}`, `{"Execution":"x1"}`, `{"Machine":"m1"}`, `{"Controller":"c1"}`, `{"Var":1}`. An expression is a
//! value that is no array, or an array that starts with its operation; a list as a constant is `["Const",[1,2]]`. What is shared
//! between expressions, or lies deep, stands once in `"shared"` and is meant by `["Shared",i]`; so neither sharing nor depth is
//! lost, and nothing nests deeper than a reader can bear.

mod read;
mod write;

use thiserror::Error;

pub use read::{answer_from_json, from_json, value_from_json};
pub use write::{answer_to_json, to_json, value_to_json};

/// Deepest nesting of expressions in what is written.
const DEPTH: u32 = 24;

/// Why a text is not a question or an answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JsonError {
    /// Not JSON.
    #[error("not JSON: {0}")]
    Syntax(String),
    /// JSON, and something else was expected at this path.
    #[error("{path}: {message}")]
    Shape {
        /// Where, for example `requires[0][1]`.
        path: String,
        /// What was expected and what to write.
        message: String,
    },
    /// Of the right form, and not a question a solver can take.
    #[error("{0}")]
    Question(#[from] super::IrError),
}
