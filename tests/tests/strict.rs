//! What `strict` refuses on a host that cannot lock memory, and what the exit code of `status` says.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

use std::fs;
use std::os::unix::fs::chown;
use std::time::Duration;

use nix::sys::signal::Signal;
use trefoil_tests::harness::node::{Node, config, run, said, trefoil};
use trefoil_tests::harness::{Scratch, binary, guard, lacks_root_or, skipped, tied};

const LIMIT: Duration = Duration::from_secs(600);

fn one(mlock: &str) -> String {
    format!(
        "[node]\nwaiting = \"adaptive\"\n[resources]\nmlock = \"{mlock}\"\n[region]\npages = \"base\"\n[braid]\ntori = 1\n\
         [[torus]]\nname = \"A\"\n[torus.workload]\nkind = \"idle\"\n"
    )
}

// decisions:NODE-20: memory that cannot be locked: `strict` refuses with exit code 1 and the remedy, `degrade` goes on. Method: a
// user without CAP_IPC_LOCK and with nothing of RLIMIT_MEMLOCK.
#[test]
fn node_20_memory_that_cannot_be_locked_is_refused_when_strict() {
    let name = "node_20_memory_that_cannot_be_locked_is_refused_when_strict";
    if skipped(name, lacks_root_or(&["setpriv", "prlimit"])) {
        return;
    }
    let _guard = guard("node_20_memory_that_cannot_be_locked_is_refused_when_strict", LIMIT);
    let scratch = Scratch::new("mlock");
    let copy = scratch.join("trefoil");
    fs::copy(binary(), &copy).unwrap();
    let attempt = |mlock: &str| {
        let file = config(&scratch, mlock, &one(mlock));
        let (runtime, state) = (scratch.join(&format!("run-{mlock}")), scratch.join(&format!("state-{mlock}")));
        for folder in [&runtime, &state] {
            fs::create_dir_all(folder).unwrap();
            chown(folder, Some(65_534), Some(65_534)).unwrap();
        }
        let mut command = tied("prlimit".as_ref());
        command.args(["--memlock=0:0", "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]);
        command.arg(&copy).arg("run").arg("--config").arg(&file).args(["--for", "1s", "--runtime-dir"]).arg(&runtime);
        run(&mut command)
    };
    let output = attempt("strict");
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for words in ["mlock", "RLIMIT_MEMLOCK"] {
        assert!(text.contains(words), "{words:?} is not named in:\n{text}");
    }
    let output = attempt("degrade");
    assert!(output.status.success(), "{}", said(&output));
}

// decisions:NODE-15: the last page outlives the agent and is shown; the exit code 3 says that nobody is there any more, after an
// orderly stop and after a kill.
#[test]
fn status_of_an_agent_that_has_ended_exits_with_3() {
    let _guard = guard("status_of_an_agent_that_has_ended_exits_with_3", LIMIT);
    for (signal, words) in [(Signal::SIGTERM, "has ended"), (Signal::SIGKILL, "gone without having stopped")] {
        let scratch = Scratch::new("ended");
        let mut node = Node::start(&scratch, "n", &one("off"), &[]);
        let runtime = node.runtime.display().to_string();
        let look = || trefoil(&["status", "--runtime-dir", &runtime]);
        assert_eq!(look().status.code(), Some(0), "{}", said(&look()));
        node.signal(signal);
        node.end();
        // A page is silent only after a while; nobody has to be told within it.
        trefoil_tests::harness::until("exit code 3", LIMIT, || (look().status.code() == Some(3)).then_some(()));
        let text = said(&look());
        assert!(text.contains(words) && text.contains("trefoil run"), "{text}");
    }
}
