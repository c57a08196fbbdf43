//! Every dependency against `deny.toml`.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

use std::process::Command;

use trefoil_tests::tidy::{licences::Policy, none, root};

// Aim: nothing with a licence, a source or a name that `deny.toml` does not allow is linked. Method: `cargo metadata` of the
// locked graph for the one platform, held against the same file that cargo-deny reads.
#[test]
fn dependencies_are_allowed() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().map_or(0, Vec::len);
    assert!(packages > 50, "only {packages} packages: the graph was not read");
    let text = std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml is there");
    none(&Policy::parse(&text).unwrap_or_else(|finding| panic!("{finding}")).check(&metadata));
}
