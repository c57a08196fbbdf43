//! The language of `.avm` files: reading, checking, formatting, compiling. The grammar and all codes stand in
//! `docs/avm-language.md`. Nothing here panics on any text, and nesting is bounded.

pub mod ast;
mod codes;
mod diagnostic;
mod format;
mod lex;
mod parse;
mod source;
mod walk;

#[cfg(test)]
mod tests;

pub use codes::{Code, Severity};
pub use diagnostic::{Diagnostic, Diagnostics};
pub use format::{format, format_source, is_formatted};
pub use lex::RESERVED;
pub use parse::MAX_DEPTH;
pub use source::{MAX_SOURCE, Source, Span};

/// Reads a source into its tree.
///
/// # Errors
/// Everything that cannot be read.
pub fn parse(source: &Source) -> Result<ast::File, Diagnostics> {
    let parsed = parse::parse(&source.text, 0);
    if parsed.errors.is_empty() { Ok(parsed.file) } else { Err(Diagnostics::of(vec![source.clone()], parsed.errors)) }
}
