//! The language of `.avm` files: reading, checking, formatting, compiling. The grammar and all codes stand in
//! `docs/avm-language.md`. Nothing here panics on any text, and nesting is bounded.

pub mod ast;
mod codes;
mod diagnostic;
mod format;
mod generate;
mod lex;
mod parse;
mod source;
mod walk;

#[cfg(test)]
mod tests;

use crate::code::Module;
pub use codes::{Code, Severity};
pub use diagnostic::{Diagnostic, Diagnostics};
pub use format::{format, format_source, is_formatted};
pub use lex::RESERVED;
pub use parse::MAX_DEPTH;
pub use source::{MAX_SOURCE, Source, Span};

/// Name of the module that every node has of its own; no program is called so.
pub const NODE_MODULE: &str = "trefoil";

/// Reads a source into its tree.
///
/// # Errors
/// Everything that cannot be read.
pub fn parse(source: &Source) -> Result<ast::File, Diagnostics> {
    let parsed = parse::parse(&source.text, 0);
    if parsed.errors.is_empty() { Ok(parsed.file) } else { Err(Diagnostics::of(vec![source.clone()], parsed.errors)) }
}

/// A compiled program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The module itself.
    pub module: Module,
    /// Modules that it uses, in any order: objects of their behaviours need them loaded. Functions of theirs that it calls are in
    /// the module itself.
    pub uses: Vec<Module>,
    /// Warnings.
    pub warnings: Diagnostics,
}

/// Compiles sources, which are one module together. `loader` gives the source of a module by name.
///
/// # Errors
/// Everything that is wrong with them, warnings included.
pub fn compile(sources: &[Source], loader: &dyn Fn(&str) -> Option<Source>) -> Result<Module, Diagnostics> {
    build(sources, loader).map(|program| program.module)
}

/// Like [`compile`], with the modules that are used, and warnings.
///
/// # Errors
/// Everything that is wrong with them, warnings included.
pub fn build(sources: &[Source], loader: &dyn Fn(&str) -> Option<Source>) -> Result<Program, Diagnostics> {
    let gathered = generate::gather(sources, loader);
    let mut remarks = gathered.errors;
    let mut modules = Vec::new();
    // What cannot be read is said first; what follows from it would only confuse.
    if !remarks.iter().any(|remark| remark.code.severity() == Severity::Error) {
        for (i, name) in gathered.order.iter().enumerate() {
            let Some(unit) = gathered.units.get(name) else { continue };
            let (module, found) = generate::generate(&gathered.units, unit);
            let own = found.into_iter().filter(|remark| i == 0 || remark.code.severity() == Severity::Error);
            remarks.extend(own);
            modules.push(module);
        }
    }
    let warnings = Diagnostics::of(gathered.sources, remarks);
    if warnings.has_errors() || modules.is_empty() {
        return Err(warnings);
    }
    let module = modules.remove(0);
    Ok(Program { module, uses: modules, warnings })
}

/// Everything there is to say about sources, which are one module together.
#[must_use]
pub fn check(sources: &[Source], loader: &dyn Fn(&str) -> Option<Source>) -> Diagnostics {
    match build(sources, loader) {
        Ok(program) => program.warnings,
        Err(remarks) => remarks,
    }
}

/// Reads, checks, compiles and formats any bytes, for fuzzing: it never panics, what it compiles verifies, and formatting keeps
/// the meaning.
///
/// # Errors
/// Says what is not so.
pub fn fuzz_parse(bytes: &[u8]) -> Result<(), String> {
    let source = match Source::from_bytes("fuzz.avm", bytes) {
        Ok(source) => source,
        Err(remarks) => {
            let _ = remarks.render(true);
            return Ok(());
        }
    };
    let remarks = match build(std::slice::from_ref(&source), &|_| None) {
        Ok(Program { module, warnings, .. }) => {
            if let Err(errors) = crate::code::verify(module) {
                return Err(format!("the compiled program does not verify: {errors:?}\n{}", source.text));
            }
            warnings
        }
        Err(remarks) => remarks,
    };
    let _ = remarks.render(false);
    let _ = remarks.to_json();
    let (Ok(once), Ok(tree)) = (format_source(&source), parse(&source)) else { return Ok(()) };
    let formatted = Source::new("fuzz.avm", &once);
    match (parse(&formatted), format_source(&formatted)) {
        (Ok(again), Ok(twice)) if again == tree && once == twice => Ok(()),
        (Ok(again), Ok(_)) if again == tree => Err(format!("formatting twice differs from once:\n{once}")),
        (Ok(_), _) => Err(format!("formatting changed the program:\n{once}")),
        (Err(remarks), _) => Err(format!("the formatted program cannot be read:\n{once}\n{remarks}")),
    }
}
