//! Programs from sources: read, checked, compiled, verified; the same for the command line and for a running node.

use std::path::{Path, PathBuf};

use avm::code::{Verified, verify};
use avm::lang::{self, Source};

/// A program that may be loaded.
#[derive(Debug, Clone)]
pub struct Program {
    /// The module that was meant.
    pub main: Verified,
    /// Modules it uses.
    pub uses: Vec<Verified>,
    /// Warnings, as text; empty = none.
    pub warnings: String,
}

impl Program {
    /// All modules, those that are used first.
    pub fn all(&self) -> impl Iterator<Item = &Verified> {
        self.uses.iter().chain(std::iter::once(&self.main))
    }
}

/// Compiles sources; the first is the one meant. `loader` finds modules that are not among them. `colour` paints the remarks.
///
/// # Errors
/// All remarks on the sources, as text for a person.
pub fn compile(sources: &[Source], loader: &dyn Fn(&str) -> Option<Source>, colour: bool) -> Result<Program, String> {
    let Some((first, others)) = sources.split_first() else { return Err("no source; name a .avm file".to_owned()) };
    let find = |name: &str| others.iter().find(|source| stem(&source.name) == name).cloned().or_else(|| loader(name));
    let built = lang::build(std::slice::from_ref(first), &find).map_err(|remarks| remarks.render(colour))?;
    let accept = |module| verify(module).map_err(|errors| refused(&first.name, &errors));
    let warnings = if built.warnings.is_empty() { String::new() } else { built.warnings.render(colour) };
    let uses = built.uses.into_iter().map(accept).collect::<Result<Vec<_>, _>>()?;
    Ok(Program { main: accept(built.module)?, uses, warnings })
}

/// The verifier refuses what the compiler made: a fault of ours, or a module of foreign make.
fn refused(name: &str, errors: &[avm::code::VerifyError]) -> String {
    let lines: Vec<String> = errors.iter().map(|error| format!("  {error}")).collect();
    format!("{name}: the bytecode is refused:\n{}", lines.join("\n"))
}

/// Name of the module of a file: `bank` of `programs/bank.avm`.
#[must_use]
pub fn stem(name: &str) -> &str {
    Path::new(name).file_stem().and_then(std::ffi::OsStr::to_str).unwrap_or(name)
}

/// Reads a source file.
///
/// # Errors
/// A sentence: why it cannot be read.
pub fn read(path: &Path) -> Result<Source, String> {
    let name = path.display().to_string();
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => {
            return Err(format!("{name}: is a folder; name an .avm file, for example avm/examples/hello.avm"));
        }
        Ok(meta) if meta.len() > lang::MAX_SOURCE as u64 => {
            return Err(format!("{name}: {} bytes; a source is at most {}", meta.len(), lang::MAX_SOURCE));
        }
        Ok(_) => {}
        Err(error) => return Err(format!("{name}: {error}; name an .avm file, for example avm/examples/hello.avm")),
    }
    let bytes = std::fs::read(path).map_err(|error| format!("{name}: {error}"))?;
    Source::from_bytes(&name, &bytes).map_err(|remarks| remarks.render(false))
}

/// A loader that looks for `NAME.avm` beside a file.
pub fn beside(path: &Path) -> impl Fn(&str) -> Option<Source> {
    let folder: PathBuf = path.parent().map(Path::to_owned).unwrap_or_default();
    // A module name is a word of the language; anything else could lead out of the folder.
    move |name: &str| {
        let word = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if word { read(&folder.join(format!("{name}.avm"))).ok() } else { None }
    }
}
