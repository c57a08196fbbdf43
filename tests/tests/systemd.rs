//! The unit file under a real systemd, started as PID 1 of its own namespaces.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

use std::fs;
use std::time::Duration;

use trefoil_tests::harness::hang::{hang, threads};
use trefoil_tests::harness::init::Init;
use trefoil_tests::harness::node::{THREE_TORI, run, said};
use trefoil_tests::harness::{Scratch, binary, guard, lacks, lacks_root_or, lane, skipped, tied, until};
use trefoil_tests::tidy::root;

const TOOLS: [&str; 4] = ["unshare", "nsenter", "systemctl", "setpriv"];
const TARGET: &str = "[Unit]\nDefaultDependencies=no\nWants=UNIT\nAllowIsolate=yes\n";

// Aim: the harness itself boots a systemd that starts, watches and stops a unit. Method: a shell script as the service; without
// this, a failure below could be the harness's.
#[test]
fn the_harness_boots_a_systemd() {
    if skipped("the_harness_boots_a_systemd", lacks_root_or(&TOOLS)) {
        return;
    }
    let _guard = guard("the_harness_boots_a_systemd", Duration::from_secs(600));
    let scratch = Scratch::new("init");
    let stage = scratch.join("stage");
    let units = stage.join("units");
    fs::create_dir_all(&units).unwrap();
    fs::write(units.join("test.target"), TARGET.replace("UNIT", "stand-in.service")).unwrap();
    let unit = "[Unit]\nDefaultDependencies=no\n[Service]\nType=notify\nNotifyAccess=all\nWatchdogSec=2\nRestart=on-failure\nRestartSec=0\n\
                ExecStart=/bin/sh -c 'systemd-notify --ready --status=hello; exec sleep 1000'\n";
    fs::write(units.join("stand-in.service"), unit).unwrap();
    let init = Init::boot(&scratch, &stage, "test.target");
    init.wait("stand-in.service", "ActiveState", &["active"], Duration::from_secs(120));
    assert_eq!(init.property("stand-in.service", "StatusText"), "hello");
    let first = until("the main process", Duration::from_secs(120), || init.main_pid("stand-in.service"));
    // It never pets the watchdog, so systemd must restart it.
    init.wait("stand-in.service", "NRestarts", &["1", "2", "3"], Duration::from_secs(120));
    until("another process", Duration::from_secs(120), || {
        init.main_pid("stand-in.service").filter(|&pid| pid != first)
    });
    assert!(init.systemctl("stop", "stand-in.service"));
    init.wait("stand-in.service", "ActiveState", &["inactive", "failed"], Duration::from_secs(120));
}

#[test]
fn systemd_accepts_the_unit() {
    if skipped("systemd_accepts_the_unit", lacks(&["systemd-analyze"])) {
        return;
    }
    let _guard = guard("systemd_accepts_the_unit", Duration::from_secs(600));
    let scratch = Scratch::new("verify");
    // The program of the unit must exist for systemd-analyze; everything else stays as shipped.
    let text = fs::read_to_string(root().join("systemd/trefoil.service")).unwrap();
    let unit =
        scratch.file("trefoil.service", &text.replace("/usr/local/bin/trefoil", &binary().display().to_string()));
    let output = run(tied("systemd-analyze".as_ref()).args(["verify", "--man=no", "--recursive-errors=no"]).arg(unit));
    assert!(output.status.success() && said(&output).is_empty(), "{}", said(&output));
}

/// The shipped unit on a host of its own: the binary and a configuration where the unit looks for them.
fn shipped(scratch: &Scratch) -> Init {
    let stage = scratch.join("stage");
    for folder in ["units/trefoil.service.d", "etc/trefoil", "usr/local/bin"] {
        fs::create_dir_all(stage.join(folder)).unwrap();
    }
    fs::copy(root().join("systemd/trefoil.service"), stage.join("units/trefoil.service")).unwrap();
    fs::write(stage.join("units/test.target"), TARGET.replace("UNIT", "trefoil.service")).unwrap();
    // There is no journal inside; the output goes where the test can read it.
    let output = "[Service]\nStandardOutput=append:/run/trefoil.log\nStandardError=append:/run/trefoil.log\n";
    fs::write(stage.join("units/trefoil.service.d/log.conf"), output).unwrap();
    fs::write(stage.join("etc/trefoil/node.toml"), THREE_TORI).unwrap();
    fs::copy(binary(), stage.join("usr/local/bin/trefoil")).unwrap();
    Init::boot(scratch, &stage, "test.target")
}

const UNIT: &str = "trefoil.service";

// Aim: the shipped unit comes to active, is restarted by the watchdog when one torus thread hangs while all others go on, and
// stops cleanly with its counters (rse:T5, decisions:NODE-19). Method: a real systemd; the thread is held by ptrace on its tid.
#[test]
fn node_19_the_unit_starts_survives_a_hanging_torus_and_stops() {
    let name = "node_19_the_unit_starts_survives_a_hanging_torus_and_stops";
    if skipped(name, lacks_root_or(&TOOLS)) {
        return;
    }
    let _lane = lane();
    let _guard = guard(name, Duration::from_secs(600));
    let scratch = Scratch::new("unit");
    let init = shipped(&scratch);
    let limit = Duration::from_secs(120);
    let log = || init.read("/run/trefoil.log");
    init.wait(UNIT, "ActiveState", &["active"], limit);
    let first = until("the main process", limit, || init.main_pid(UNIT));
    until("the status line", limit, || (!init.property(UNIT, "StatusText").is_empty()).then_some(()));

    // Longer than its watchdog period: a node whose threads all go on is left alone.
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!((init.property(UNIT, "NRestarts"), init.main_pid(UNIT)), ("0".to_owned(), Some(first)), "{}", log());

    let torus = threads(first).into_iter().find(|(thread, _)| thread.starts_with("torus-")).map(|(_, tid)| tid);
    let _held = hang(torus.unwrap_or_else(|| panic!("no torus thread among {:?}", threads(first))));
    init.wait(UNIT, "NRestarts", &["1"], limit);
    let second = until("the restarted process", limit, || init.main_pid(UNIT).filter(|&pid| pid != first));
    init.wait(UNIT, "ActiveState", &["active"], limit);
    assert!(!threads(second).is_empty(), "{}", log());

    assert!(init.systemctl("stop", UNIT), "{}", log());
    assert_eq!(init.property(UNIT, "ActiveState"), "inactive", "{}", log());
    assert_eq!(init.property(UNIT, "Result"), "success", "{}", log());
    assert_eq!(init.property(UNIT, "NRestarts"), "1");
    assert!(log().contains("stopped in"), "no final counters:\n{}", log());
}
