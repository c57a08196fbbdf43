//! Every Rust file of the repository: which are reachable from a crate root, and which of those are for tests only.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::Finding;
use super::source::Source;

/// Folders that hold crates.
pub const CRATES: [&str; 12] = [
    "ekk",
    "torus",
    "link",
    "sim",
    "avm",
    "shm-transport",
    "control",
    "agent",
    "tui",
    "tests",
    "tests/bench",
    "tests/fuzz",
];

/// The Rust files of the repository.
#[derive(Debug, Default)]
pub struct Tree {
    /// Reachable files by path.
    pub files: BTreeMap<String, Source>,
    /// Files that no crate root leads to, and modules without a file.
    pub findings: Vec<Finding>,
}

impl Tree {
    /// Reads the repository at `root`.
    ///
    /// # Panics
    /// When a file cannot be read.
    #[must_use]
    pub fn read(root: &Path) -> Self {
        let mut tree = Self::default();
        for krate in CRATES {
            let folder = root.join(krate);
            for (start, is_test) in roots(&folder) {
                tree.walk(root, &start, &start, is_test);
            }
        }
        for path in rust_files(root) {
            let name = relative(root, &path);
            if !tree.files.contains_key(&name) {
                tree.findings.push(Finding::new(&name, 0, "no crate root leads to this file: declare it or remove it"));
            }
        }
        tree
    }

    fn walk(&mut self, root: &Path, file: &Path, start: &Path, is_test: bool) {
        let name = relative(root, file);
        if let Some(known) = self.files.get_mut(&name) {
            // A file compiled both ways counts as code.
            known.is_test &= is_test;
            return;
        }
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{name}: {error}"));
        let source = Source::new(&name, &text, is_test);
        let modules = modules(&source);
        self.files.insert(name.clone(), source);
        for module in modules {
            let found = candidates(file, start, &module).into_iter().find(|path| path.is_file());
            match found {
                Some(path) => self.walk(root, &path, start, is_test || module.is_test),
                None => {
                    self.findings.push(Finding::new(&name, module.line, format!("module {} has no file", module.name)))
                }
            }
        }
    }
}

/// A module declared without a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// `#[path = "..."]`, when given.
    pub path: Option<String>,
    /// True when it is compiled for tests only.
    pub is_test: bool,
    /// Line of the declaration.
    pub line: usize,
}

/// The modules that `source` declares without a body.
#[must_use]
pub fn modules(source: &Source) -> Vec<Module> {
    let mut found = Vec::new();
    for at in source.words("mod") {
        let rest = &source.code[at + 3..];
        let Some(end) = rest.find([';', '{']) else { continue };
        let name = rest[..end].trim();
        if rest.as_bytes()[end] != b';'
            || name.is_empty()
            || name.contains(|c: char| !(c.is_alphanumeric() || c == '_'))
        {
            continue;
        }
        let line = source.line_of(at);
        let path = source.text.lines().nth(line.wrapping_sub(2)).and_then(path_attribute);
        found.push(Module { name: name.to_owned(), path, is_test: source.in_test(at), line });
    }
    found
}

fn path_attribute(line: &str) -> Option<String> {
    let rest = line.trim().strip_prefix("#[path")?;
    rest.split('"').nth(1).map(str::to_owned)
}

/// Where the file of a module may lie.
fn candidates(file: &Path, start: &Path, module: &Module) -> Vec<PathBuf> {
    let folder = file.parent().expect("a file has a folder");
    if let Some(path) = &module.path {
        return vec![folder.join(path)];
    }
    let stem = file.file_stem().expect("a file has a name");
    let inside = if file == start || stem == "mod" { folder.to_owned() } else { folder.join(stem) };
    vec![inside.join(format!("{}.rs", module.name)), inside.join(&module.name).join("mod.rs")]
}

/// Crate roots of one crate, and whether each is a test.
fn roots(folder: &Path) -> Vec<(PathBuf, bool)> {
    let mut found = Vec::new();
    for (name, is_test) in [("src/lib.rs", false), ("src/main.rs", false), ("build.rs", false)] {
        let path = folder.join(name);
        if path.is_file() {
            found.push((path, is_test));
        }
    }
    for (name, is_test) in
        [("src/bin", false), ("examples", true), ("tests", true), ("benches", true), ("fuzz_targets", true)]
    {
        for entry in list(&folder.join(name)) {
            if entry.extension().is_some_and(|extension| extension == "rs") {
                found.push((entry, is_test));
            }
        }
    }
    found
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Every `.rs` file below `root`, build output aside.
#[must_use]
pub fn rust_files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for path in list(&folder) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// `path` relative to `root`, with `/`.
#[must_use]
pub fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_modules_are_found_with_their_kind() {
        let text = "mod a;\npub(crate) mod b;\nmod inline { fn f() {} }\n#[cfg(test)]\nmod t;\n#[path = \"x/y.rs\"]\nmod z;\n// mod not;\n";
        let found = modules(&Source::new("l.rs", text, false));
        let names: Vec<(&str, bool)> = found.iter().map(|module| (module.name.as_str(), module.is_test)).collect();
        assert_eq!(names, vec![("a", false), ("b", false), ("t", true), ("z", false)]);
        assert_eq!(found[3].path.as_deref(), Some("x/y.rs"));
    }

    #[test]
    fn a_file_that_nothing_declares_is_found() {
        let root = std::env::temp_dir().join(format!("trefoil-tree-{}", std::process::id()));
        let folder = root.join("torus/src/inner");
        fs::create_dir_all(&folder).unwrap();
        fs::write(root.join("torus/src/lib.rs"), "mod used;\nmod inner;\nmod gone;\n").unwrap();
        fs::write(root.join("torus/src/used.rs"), "").unwrap();
        fs::write(root.join("torus/src/inner.rs"), "#[cfg(test)]\nmod tests;\n").unwrap();
        fs::write(folder.join("tests.rs"), "").unwrap();
        fs::write(root.join("torus/src/dead.rs"), "").unwrap();
        let tree = Tree::read(&root);
        fs::remove_dir_all(&root).unwrap();
        let lines: Vec<String> = tree.findings.iter().map(ToString::to_string).collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains("module gone has no file"), "{lines:?}");
        assert!(lines[1].starts_with("torus/src/dead.rs"), "{lines:?}");
        assert!(tree.files["torus/src/inner/tests.rs"].is_test);
        assert!(!tree.files["torus/src/used.rs"].is_test);
    }
}
