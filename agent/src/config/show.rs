//! The effective configuration as TOML, each value with where it came from.

use std::collections::BTreeMap;
use std::path::Path;

use super::check::{COMMON_KEYS, own_keys};
use super::problem::Problems;
use super::raw::RawTorus;

/// The configuration a file leads to, defaults filled in, each line marked `# file` or `# default`.
///
/// # Errors
/// [`Problems`] when the file cannot be used.
pub fn effective(text: &str, file: Option<&Path>) -> Result<String, Problems> {
    super::check::parse(text, file)?;
    let (raw, checker) = super::check::shape(text, file);
    let plain = toml::to_string(&raw).unwrap_or_default();
    let mut out = String::new();
    let mut table = String::new();
    let mut tori = 0usize;
    let mut listed: BTreeMap<String, usize> = BTreeMap::new();
    for line in plain.lines() {
        let heading = line.trim_matches(['[', ']']);
        if line == "[[torus]]" {
            table = format!("torus[{tori}]");
            tori += 1;
        } else if line.starts_with("[[") {
            let count = listed.entry(heading.to_owned()).or_default();
            table = format!("{heading}[{count}]");
            *count += 1;
        } else if let Some(inner) = line.strip_prefix("[torus.") {
            table = format!("torus[{}].{}", tori.saturating_sub(1), inner.trim_end_matches(']'));
        } else if line.starts_with('[') {
            table = heading.to_owned();
        } else if let Some((key, _)) = line.split_once(" = ") {
            let workload = table.ends_with(".workload").then(|| raw.torus.get(tori.saturating_sub(1))).flatten();
            if workload.is_some_and(|torus| !is_read(torus, key)) {
                continue;
            }
            let origin = if checker.lines.contains_key(&format!("{table}.{key}")) { "file" } else { "default" };
            out.push_str(&format!("{line:<48} # {origin}\n"));
            continue;
        }
        out.push_str(line);
        out.push('\n');
    }
    Ok(out)
}

/// Whether the kind of workload reads a key; what it does not read is not shown.
fn is_read(torus: &RawTorus, key: &str) -> bool {
    COMMON_KEYS.contains(&key) || own_keys(torus.workload.kind).contains(&key)
}
