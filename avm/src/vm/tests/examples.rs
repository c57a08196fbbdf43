//! Every example of the language passes its own tests.

use super::Everything;
use crate::lang::{Source, build};
use crate::vm::solo::Solo;
use crate::vm::{Config, Start};

macro_rules! examples {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            passes(concat!(stringify!($name), ".avm"), include_str!(concat!("../../../examples/", stringify!($name), ".avm")));
        }
    )*};
}
examples! {
    bank_transfer battleship counter dining_philosophers escrow fair hello isolation n_queens n_queens_narrow ping_pong scheduling
    sudoku three_party_intent three_party_unsat tour
}

/// The module that another example uses.
fn loader(module: &str) -> Option<Source> {
    let text = include_str!("../../../examples/three_party_intent.avm");
    (module == "three_party_intent").then(|| Source::new("three_party_intent.avm", text))
}

fn passes(name: &str, text: &str) {
    let program = build(&[Source::new(name, text)], &loader).unwrap_or_else(|remarks| panic!("{remarks}"));
    let uses = program.uses.into_iter().map(crate::code::verify);
    let uses: Vec<_> = uses.map(|used| used.unwrap_or_else(|errors| panic!("{errors:?}"))).collect();
    let verified = crate::code::verify(program.module).unwrap_or_else(|errors| panic!("{errors:?}"));
    let tests: Vec<_> = verified.module().tests.iter().map(|test| test.name.clone()).collect();
    assert!(!tests.is_empty());
    for test in tests {
        let config = Config { grant_unsafe: true, heap_bytes: 32 << 20, ..Config::default() };
        let mut solo = Solo::new(config, Box::new(Everything));
        for used in &uses {
            solo.load(used).unwrap_or_else(|error| panic!("{error}"));
        }
        solo.load(&verified).unwrap_or_else(|error| panic!("{error}"));
        let finished = solo.run(&Start::new(&verified.module().name, &test)).unwrap_or_else(|error| panic!("{error}"));
        if let Err(failure) = &finished.result {
            panic!("{name}: {test}: {} {} {:#?}", failure.error.name(), failure.error, failure.stack);
        }
        super::close(solo.lane);
    }
}
