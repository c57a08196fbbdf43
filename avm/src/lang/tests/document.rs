use std::collections::BTreeSet;

use super::{Source, build, format, parse};
use crate::code::{Builtin, Instr};
use crate::lang::{Code, RESERVED, Severity};

const DOCUMENT: &str = include_str!("../../../../docs/avm-language.md");

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn rows(heading: &str) -> Vec<&'static str> {
    let part = DOCUMENT.split(&format!("\n## {heading}\n")).nth(1).expect("the heading is there");
    let part = part.split("\n## ").next().unwrap_or(part);
    part.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---")).skip(1).collect()
}

#[test]
fn the_table_of_instructions_is_complete() {
    let row = |i: &Instr| {
        let (name, arity, about) = (i.name(), i.arity(), cell(i.about()));
        format!("| `{name}` | {arity} | {:?} | {:?} | {about} |", i.family(), i.safety())
    };
    assert_eq!(rows("Instructions"), Instr::ALL.iter().map(row).collect::<Vec<_>>());
}

#[test]
fn the_table_of_library_functions_is_complete() {
    let row = |b: &Builtin| format!("| `{}` | {} | {} |", b.name(), b.arity(), cell(b.about()));
    assert_eq!(rows("Library functions"), Builtin::ALL.iter().map(row).collect::<Vec<_>>());
}

#[test]
fn the_table_of_codes_is_complete() {
    let row = |c: &Code| {
        let severity = if c.severity() == Severity::Error { "error" } else { "warning" };
        format!("| {} | {severity} | {} |", c.as_str(), cell(c.about()))
    };
    assert_eq!(rows("Remarks of the checker"), Code::ALL.iter().map(row).collect::<Vec<_>>());
    let codes: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(codes.len(), Code::ALL.len(), "codes are unique");
}

#[test]
fn the_reserved_words_are_listed() {
    for word in RESERVED {
        assert!(DOCUMENT.contains(&format!("`{word}`")), "{word}");
    }
}

#[test]
fn the_program_in_the_document_compiles() {
    let text = DOCUMENT.split("```\n").nth(1).expect("it is there");
    let source = Source::new("bank.avm", text);
    let program = build(std::slice::from_ref(&source), &|_| None).unwrap_or_else(|remarks| panic!("{remarks}"));
    assert!(program.warnings.is_empty(), "{}", program.warnings);
    assert_eq!(format(text).ok().as_deref(), Some(text));
    assert!(parse(&source).is_ok());
}
