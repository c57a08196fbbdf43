//! Scenarios: what is read, and that each mistake is told with place, value, expectation and remedy.

use proptest::prelude::*;

use super::*;
use crate::random::Chance;

fn problems(text: &str) -> String {
    Scenario::parse(text).expect_err("refused").to_string()
}

#[test]
fn a_scenario_is_read() {
    let text = r#"
about = "two halves"
nodes = 1_000
preset = "wan"
until_s = 60
calm_s = 40.5
[network]
delay_us = 100
loss = 0.1
burst = { mean = 0.1, length = 3 }
[node]
threshold = 6
[expect]
false_removals = 0
healed = true
[[fault]]
kind = "partition"
at_s = 5
for_s = 10
share = 0.5
[[fault]]
kind = "crash"
at_s = 20
restart_s = 5
keep_state = false
count = 3
"#;
    let scenario = Scenario::parse(text).expect("fine");
    assert_eq!((scenario.nodes, scenario.preset, scenario.until_ns), (1_000, Preset::Wan, 60_000_000_000));
    assert_eq!((scenario.calm_ns, scenario.network.delay_ns), (40_500_000_000, 100_000));
    assert_eq!(scenario.network.loss, Chance::new(0.1));
    assert!(scenario.network.burst.is_some());
    assert_eq!(scenario.tuning.threshold, Some(6));
    assert!(scenario.expect.healed && scenario.expect.false_removals == Some(0));
    let partition = scenario.faults[0];
    assert_eq!((partition.at_ns, partition.until_ns), (5_000_000_000, 15_000_000_000));
    assert_eq!((partition.who, partition.kind), (Who::Share(0.5), Kind::Partition));
    let crash = Kind::Crash { restart_ns: Some(5_000_000_000), keep_state: false };
    assert_eq!((scenario.faults[1].who, scenario.faults[1].kind), (Who::Count(3), crash));
}

#[test]
fn the_empty_scenario_is_a_quiet_cluster() {
    assert_eq!(Scenario::parse(""), Ok(Scenario::quiet(100, 30)));
}

#[test]
fn every_mistake_is_told_at_once() {
    insta::assert_snapshot!(problems(
        "nodes = 0\nfidelity = \"mash\"\nuntil = 5\n[network]\nloss = 1.5\n[[fault]]\nshare = 0.1\ncount = 2\n\
         [[fault]]\nkind = \"crash\"\nrestart = 3\nat_s = 99\n[[fault]]\nkind = 5\n[expect]\nhealed = \"yes\"\n"
    ), @r#"
    line 1: nodes is 0, expected a whole number from 1 to 20000: set it inside that range or leave it out
    line 2: fidelity is "mash", expected mesh, link, braid: write one of these, in quotes
    line 3: until is an unknown key, expected one of about, fidelity, nodes, preset, start, founders, zones, until_s, calm_s, network, node, expect, work, fault: did you mean `until_s`? otherwise remove it
    line 5: network.loss is 1.5, expected a number from 0 to 1: set it inside that range or leave it out
    line 6: fault[0].share is given twice, expected one of share, count, node, zone: keep one of them
    line 6: fault[0].kind is missing, expected what happens, such as "crash": add it
    line 9: fault[1].at_s is after the end, expected at most until_s = 30: let it begin earlier
    line 11: fault[1].restart is an unknown key, expected one of at_s, for_s, share, count, node, zone, kind, restart_s, keep_state: did you mean `restart_s`? otherwise remove it
    line 14: fault[2].kind is 5, expected crash, leave, stall, slow, clock_jump, clock_drift, loss, burst, one_way, partition, flap, uplink, byzantine, churn, late, ballot, upgrade: write one of these, in quotes
    line 16: expect.healed is "yes", expected true or false: write it without quotes
    "#);
}

#[test]
fn what_is_no_toml_or_too_long_is_refused_with_its_place() {
    assert!(problems("nodes = 5\nuntil_s = = 3\n").starts_with("line 2: the file is"));
    assert!(problems(&"#".repeat(TEXT_MAX + 1)).contains("expected at most 65536 bytes"));
    let many = "[[fault]]\nkind = \"stall\"\n".repeat(65);
    assert!(problems(&many).contains("fault is a list of 65, expected at most 64"));
    let control = problems("fidelity = \"\\u001b[31m\"");
    assert!(!control.contains('\u{1b}'), "nothing a terminal obeys");
}

#[test]
fn fewer_nodes_where_more_takes_part() {
    assert!(problems("fidelity = \"link\"\nnodes = 65").contains("from 1 to 64"));
    assert!(problems("fidelity = \"braid\"\nnodes = 17").contains("from 1 to 16"));
}

proptest! {
    /// Nothing a file may hold makes the reader panic.
    #[test]
    fn any_text_is_taken_or_refused(text in "[ -~\\n]{0,200}") {
        fuzz_scenario(text.as_bytes());
    }

    /// Known keys with any value do not panic either.
    #[test]
    fn any_value_is_taken_or_refused(
        key in "(nodes|until_s|calm_s|network|node|fault|expect|work|about|zones)",
        value in "(-?[0-9]{1,30}|[0-9]\\.[0-9]e[0-9]{1,3}|inf|nan|\"[a-z]{0,9}\"|\\{\\}|\\[\\]|\\[\\{kind=\"(crash|burst|flap)\"\\}\\]|true|0x7f|1979-05-27)",
    ) {
        fuzz_scenario(format!("{key} = {value}").as_bytes());
    }
}
