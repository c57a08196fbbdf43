use super::{Program, RESERVED, Source, build, check, format, format_source, fuzz_parse, parse};
use crate::code::{Verified, verify};

mod checks;
mod codes;
mod document;
mod examples;
mod fuzz;
mod reading;
mod running;
mod shown;

/// Compiles a source without modules, and verifies what comes out.
pub fn compiled(text: &str) -> Verified {
    let source = Source::new("test.avm", text);
    let program = build(&[source], &|_| None).unwrap_or_else(|remarks| panic!("{remarks}"));
    verified(program)
}

pub fn verified(program: Program) -> Verified {
    let text = crate::code::disasm(&program.module);
    verify(program.module).unwrap_or_else(|errors| panic!("{errors:#?}\n{text}"))
}

/// Codes of the remarks on a source, with their lines.
pub fn remarks(text: &str) -> Vec<String> {
    let found = check(&[Source::new("test.avm", text)], &|_| None);
    found.list().iter().map(|d| format!("{} {}", d.code.as_str(), found.place(d).1)).collect()
}
