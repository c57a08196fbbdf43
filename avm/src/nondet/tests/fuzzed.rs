//! The entries of the fuzzer on the committed corpus and on damaged copies of it.

use super::Random;
use crate::nondet::{fuzz_json, fuzz_smtlib};

const JSON: [&[u8]; 2] = [
    include_bytes!("../../../../tests/fuzz/corpus/avm_ir_json/example"),
    include_bytes!("../../../../tests/fuzz/corpus/avm_ir_json/everything"),
];
const SMTLIB: [&[u8]; 2] = [
    include_bytes!("../../../../tests/fuzz/corpus/avm_smtlib/sketch"),
    include_bytes!("../../../../tests/fuzz/corpus/avm_smtlib/everything"),
];

#[test]
fn damaged_texts_are_survived() {
    for (files, entry) in [(JSON, fuzz_json as fn(&[u8]) -> u64), (SMTLIB, fuzz_smtlib)] {
        for file in files {
            assert!(entry(file) > 0, "{}", String::from_utf8_lossy(file));
            for seed in 0..2_000 {
                let mut random = Random(seed);
                let mut bytes = file.to_vec();
                for _ in 0..1 + random.below(3) {
                    if bytes.len() < 2 {
                        break;
                    }
                    let at = random.below(bytes.len() as u64) as usize;
                    match random.below(4) {
                        0 => bytes[at] = *random.pick(b"()[]\"|0123456789-,: \n"),
                        1 => {
                            bytes.remove(at);
                        }
                        2 => bytes.truncate(at.max(1)),
                        _ => {
                            let other = random.below(bytes.len() as u64) as usize;
                            bytes.swap(at, other);
                        }
                    }
                }
                entry(&bytes);
            }
        }
    }
}
