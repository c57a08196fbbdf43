#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = trefoil_tests::fuzz::avm_source(bytes);
});
