//! The rules of the house, held against the whole repository. The rules themselves are tested in `trefoil_tests::tidy`.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

use std::fs;

use trefoil_tests::tidy::requirements::{self, Cited};
use trefoil_tests::tidy::source::Source;
use trefoil_tests::tidy::tree::{CRATES, Tree};
use trefoil_tests::tidy::{Finding, none, ratchet, root, rules};

fn each(rule: impl Fn(&Source) -> Vec<Finding>) {
    let tree = Tree::read(&root());
    assert!(tree.files.len() > 10, "the repository was not read");
    let found: Vec<Finding> = tree.files.values().flat_map(rule).collect();
    none(&found);
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

// rse:T5, decisions:NODE-10: a pure core owns no clock, no socket, no thread and no random source.
#[test]
fn pure_crates_are_pure() {
    each(rules::purity);
}

#[test]
fn unsafe_has_one_home_and_reasons() {
    each(rules::unsafety);
}

#[test]
fn nothing_is_left_over() {
    each(rules::leftovers);
}

#[test]
fn nothing_unwraps() {
    each(rules::unwraps);
}

#[test]
fn lines_are_not_too_wide() {
    each(rules::widths);
}

// decisions:NODE-18: no test fails by a time.
#[test]
fn no_test_asserts_a_time() {
    each(rules::timed_asserts);
}

#[test]
fn every_file_is_reachable() {
    none(&Tree::read(&root()).findings);
}

#[test]
fn arrows_point_down_only() {
    let found: Vec<Finding> =
        CRATES.iter().flat_map(|folder| rules::layers(folder, &text(&format!("{folder}/Cargo.toml")))).collect();
    none(&found);
}

#[test]
fn lengths_only_shrink() {
    let tree = Tree::read(&root());
    let exceptions = ratchet::parse(&text("tests/ratchet.txt")).unwrap_or_else(|finding| panic!("{finding}"));
    none(&ratchet::check(tree.files.values(), &exceptions));
}

#[test]
fn requirements_are_cited_by_code_and_tests() {
    let list = requirements::parse(&text("tests/requirements.txt")).unwrap_or_else(|finding| panic!("{finding}"));
    let mut cited = Cited::default();
    for source in Tree::read(&root()).files.values() {
        cited.add(source, &list);
    }
    for path in files(&["configs", "systemd", "scripts"]) {
        cited.add_text(&path, &text(&path), &list);
    }
    none(&cited.judge(&list));
}

// Aim: SPECIFICATION.md promises only what something holds. Method: each name in its last column is a test, or the
// whole name of a row of the bench.
#[test]
fn every_promise_is_held_by_something_that_exists() {
    let tree = Tree::read(&root());
    let bench = tree.files.values().filter(|source| source.path.starts_with("tests/bench/"));
    let rows: Vec<String> = bench.flat_map(requirements::bench_rows).collect();
    let mut found = Vec::new();
    for (line, name) in requirements::promises(&text("SPECIFICATION.md")) {
        let held = match name.strip_prefix("bench: ") {
            Some(row) => rows.iter().any(|pattern| requirements::is_row(pattern, row)),
            None => {
                let signature = format!("fn {name}(");
                let is_test = |source: &Source| source.code.match_indices(&signature).any(|(at, _)| source.in_test(at));
                !name.is_empty() && tree.files.values().any(is_test)
            }
        };
        if !held {
            found.push(Finding::new("SPECIFICATION.md", line, format!("nothing called `{name}` holds this")));
        }
    }
    none(&found);
}

// Dead configurations mislead: each is named by a test, the Makefile, a document or the agent.
#[test]
fn every_config_is_used() {
    let documents = ["Makefile", "README.md", "docs/operating.md", "docs/cluster.md", "SPECIFICATION.md"];
    let mut users: String = documents.map(text).concat();
    for source in Tree::read(&root()).files.values() {
        users.push_str(&source.text);
    }
    let mut found = Vec::new();
    for path in files(&["configs", "systemd"]) {
        let name = path.rsplit('/').next().unwrap_or_default();
        // A test of the simulator names its scenario without the ending.
        let scenario =
            path.starts_with("configs/sim/") && users.contains(&format!("\"{}\"", name.trim_end_matches(".toml")));
        if !users.contains(name) && !scenario {
            found.push(Finding::new(&path, 0, "nothing names this file"));
        }
    }
    none(&found);
}

/// Files below the folders, relative to the root.
fn files(folders: &[&str]) -> Vec<String> {
    let mut open: Vec<String> = folders.iter().map(|folder| (*folder).to_owned()).collect();
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap_or_else(|error| panic!("{folder}: {error}")) {
            let entry = entry.expect("a folder can be listed");
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}
