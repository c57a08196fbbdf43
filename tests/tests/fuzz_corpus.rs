//! The fuzz corpora on stable: every file of `tests/fuzz/corpus` and seeded mutations of it through every hostile parser.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use trefoil_tests::fuzz::TARGETS;
use trefoil_tests::mutate::Mutator;
use trefoil_tests::seeds;
use trefoil_tests::tidy::root;

/// Mutations of each corpus file; a failure names the seed that makes it again.
const MUTATIONS: u64 = 300;

// rse:M7, rse:M3: whatever the bytes, a parser returns, and what parses keeps its promises.
#[test]
fn corpora_and_their_mutations_are_survived() {
    let mut failures = Vec::new();
    for (name, entry) in TARGETS {
        let files = corpus(name);
        let mut taken = 0;
        for (at, (file, bytes)) in files.iter().enumerate() {
            for seed in 0..MUTATIONS {
                // Seed 0 is the file as it is.
                let input =
                    if seed == 0 { bytes.clone() } else { mutated(bytes, &files[(at + 1) % files.len()].1, seed) };
                match catch_unwind(AssertUnwindSafe(|| entry(&input))) {
                    Ok(more) => taken += more,
                    Err(_) => failures.push(format!("{name}: {file}, seed {seed}, {} bytes", input.len())),
                }
            }
        }
        assert!(taken > 0, "{name}: nothing was ever accepted, the corpus drives no code");
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

// Aim: the committed corpus stays what the generator makes, so that a change of a format brings its seeds along.
// TREFOIL_WRITE_CORPUS=1 writes it.
#[test]
fn the_corpus_holds_every_seed() {
    let mut stale = Vec::new();
    for (target, name, bytes) in seeds::all() {
        let folder = root().join("tests/fuzz/corpus").join(target);
        let path = folder.join(name);
        if std::env::var_os("TREFOIL_WRITE_CORPUS").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &bytes).unwrap();
        }
        if fs::read(&path).ok().as_ref() != Some(&bytes) {
            stale.push(path.display().to_string());
        }
    }
    assert!(stale.is_empty(), "write them with TREFOIL_WRITE_CORPUS=1: {}", stale.join(", "));
}

#[test]
fn every_corpus_and_every_target_has_its_entry() {
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    for (folder, suffix) in [("tests/fuzz/corpus", ""), ("tests/fuzz/fuzz_targets", ".rs")] {
        let mut found: Vec<String> = fs::read_dir(root().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().trim_end_matches(suffix).to_owned())
            .collect();
        found.sort();
        let mut expected = names.clone();
        expected.sort_unstable();
        assert_eq!(found, expected, "{folder}");
    }
}

fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = root().join("tests/fuzz/corpus").join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<(String, Vec<u8>)> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{name}: empty corpus");
    files
}

fn mutated(bytes: &[u8], other: &[u8], seed: u64) -> Vec<u8> {
    Mutator::new(seed).mutate(bytes, other)
}
