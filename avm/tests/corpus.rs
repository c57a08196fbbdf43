//! The corpus of the module fuzzers stays what the codecs write. `TREFOIL_WRITE_CORPUS=1` writes it.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

use std::fs;
use std::path::Path;

use avm::code::{Module, codec};
use avm::dsl::*;
use avm::program;

/// A program with something of everything; without places, which move with this file.
fn sample() -> Module {
    let built = Program::new("corpus")
        .behaviour("acc", |b| {
            b.on("deposit", 1, |parts| {
                program! {
                    let sum <- get_state().first_or(0) + &parts[0];
                    set_state(list([sum]));
                    "ok"
                }
            })
            .on("balance", 0, |_| get_state().first_or(0))
        })
        .pure("double", 1, |args| &args[0] + &args[0])
        .function("twice", 2, |args| invoke_value(&args[0], [invoke_value(&args[0], [&args[1]])]))
        .entry("main", 1, |_| {
            program! {
                let o <- create("acc", "c1");
                let outcome <- atomic("c1", |_| call(o, list([value("deposit"), value(70_000_000_000_i64)])));
                let x <- new_var(list([1, 2, 3]));
                narrow(x, list([2, 3]));
                note(record([("x", label(x)), ("outcome", outcome.clone())]));
                call_pure("double", list([21]))
            }
        });
    let mut module = built.module().unwrap();
    module.files.clear();
    module.functions.iter_mut().for_each(|function| function.places.clear());
    module
}

#[test]
fn the_corpus_is_what_the_codecs_write() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus");
    let module = sample();
    assert!(avm::code::verify(module.clone()).is_ok());
    let files = [
        ("avm_module/everything", codec::to_bytes(&module).unwrap()),
        ("avm_json/everything", codec::to_json(&module).unwrap().into_bytes()),
    ];
    for (name, bytes) in files {
        if std::env::var_os("TREFOIL_WRITE_CORPUS").is_some() {
            fs::write(root.join(name), &bytes).unwrap();
        }
        assert!(fs::read(root.join(name)).ok() == Some(bytes), "{name}: write it with TREFOIL_WRITE_CORPUS=1");
    }
    assert!(avm::fuzz::fuzz_module(&codec::to_bytes(&module).unwrap()) > 4, "it runs");
}
