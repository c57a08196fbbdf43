//! The unit file under a real systemd, started as PID 1 of its own namespaces.

use std::fs;
use std::time::Duration;

use trefoil_tests::harness::init::Init;
use trefoil_tests::harness::{Scratch, guard, lacks_root_or, skipped, until};

const TOOLS: [&str; 4] = ["unshare", "nsenter", "systemctl", "setpriv"];
const TARGET: &str = "[Unit]\nDefaultDependencies=no\nWants=UNIT\nAllowIsolate=yes\n";

// Aim: the harness itself boots a systemd that starts, watches and stops a unit. Method: a shell script as the service; without
// this, a failure below could be the harness's.
#[test]
fn the_harness_boots_a_systemd() {
    if skipped("the_harness_boots_a_systemd", lacks_root_or(&TOOLS)) {
        return;
    }
    let _guard = guard("the_harness_boots_a_systemd", Duration::from_secs(120));
    let scratch = Scratch::new("init");
    let stage = scratch.join("stage");
    let units = stage.join("units");
    fs::create_dir_all(&units).unwrap();
    fs::write(units.join("test.target"), TARGET.replace("UNIT", "stand-in.service")).unwrap();
    let unit = "[Unit]\nDefaultDependencies=no\n[Service]\nType=notify\nNotifyAccess=all\nWatchdogSec=2\nRestart=on-failure\nRestartSec=0\n\
                ExecStart=/bin/sh -c 'systemd-notify --ready --status=hello; exec sleep 1000'\n";
    fs::write(units.join("stand-in.service"), unit).unwrap();
    let init = Init::boot(&scratch, &stage, "test.target");
    init.wait("stand-in.service", "ActiveState", &["active"], Duration::from_secs(30));
    assert_eq!(init.property("stand-in.service", "StatusText"), "hello");
    let first = until("the main process", Duration::from_secs(10), || init.main_pid("stand-in.service"));
    // It never pets the watchdog, so systemd must restart it.
    init.wait("stand-in.service", "NRestarts", &["1", "2", "3"], Duration::from_secs(30));
    until("another process", Duration::from_secs(10), || init.main_pid("stand-in.service").filter(|&pid| pid != first));
    assert!(init.systemctl("stop", "stand-in.service"));
    init.wait("stand-in.service", "ActiveState", &["inactive", "failed"], Duration::from_secs(10));
}
