//! The entries themselves, and some thousand programs.

use super::*;
use proptest::prelude::*;

#[test]
fn what_is_well_formed_is_driven() {
    let module =
        crate::dsl::Program::new("m").entry("main", 1, |args| &args[0] + 1).entry("ok", 0, |_| crate::dsl::nothing());
    let module = module.module().expect("it is a module");
    let bytes = codec::to_bytes(&module).expect("it is bounded");
    assert_eq!(fuzz_module(&bytes), 6, "taken twice, verified, and the second entry ends with a value");
    assert_eq!(fuzz_json(codec::to_json(&module).expect("it is bounded").as_bytes()), 4);
    assert_eq!(fuzz_module(b"TAVM"), 0);
    assert_eq!(fuzz_json(b"{\"$just\": [1, null]}"), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6000, ..ProptestConfig::default() })]

    // avm:7, decisions:AVM-22: no verified bytecode can panic or exceed its bounds.
    #[test]
    fn no_program_breaks_the_machine(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = fuzz_program(&bytes);
    }

    #[test]
    fn no_bytes_break_the_readers(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = fuzz_module(&bytes) + fuzz_json(&bytes);
    }
}
