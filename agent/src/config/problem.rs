//! What is wrong with a configuration, in a form an operator can act on.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line in the file, from 1, where the text gives one.
    pub line: Option<usize>,
    /// Path of the key, such as `torus[1].workload.pace_ticks_per_s`; empty when it is about the file.
    pub key: String,
    /// The value found, as written.
    pub value: String,
    /// What would be accepted.
    pub expected: String,
    /// What to do.
    pub remedy: String,
}

impl Problem {
    /// A problem of the file as a whole.
    pub(super) fn about_file(path: &Path, value: String, remedy: &str) -> (PathBuf, Self) {
        let problem = Self {
            line: None,
            key: String::new(),
            value,
            expected: "a readable configuration file".to_owned(),
            remedy: remedy.to_owned(),
        };
        (path.to_owned(), problem)
    }
}

/// Everything that is wrong with one configuration, in file order; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The file, `None` when the text did not come from one.
    pub file: Option<PathBuf>,
    /// The problems.
    pub list: Vec<Problem>,
}

impl Problems {
    pub(super) fn one((file, problem): (PathBuf, Problem)) -> Self {
        Self { file: Some(file), list: vec![problem] }
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_ref().map_or_else(|| "configuration".to_owned(), |file| file.display().to_string());
        for problem in &self.list {
            write!(out, "{file}")?;
            if let Some(line) = problem.line {
                write!(out, ":{line}")?;
            }
            match (problem.key.as_str(), problem.value.as_str()) {
                ("", value) => writeln!(out, ": {value}")?,
                (key, "") => writeln!(out, ": {key}")?,
                (key, value) => writeln!(out, ": {key} = {value}")?,
            }
            writeln!(out, "    expected: {}", problem.expected)?;
            writeln!(out, "    remedy:   {}", problem.remedy)?;
        }
        let plural = if self.list.len() == 1 { "" } else { "s" };
        write!(out, "{} problem{plural}; nothing was started", self.list.len())
    }
}
