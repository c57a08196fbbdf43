//! Three processes braid in one region file; one is killed by SIGKILL and started again (`decisions:NODE-16`, `decisions:NODE-17`).
//!
//! Method: A is a node in this process, B and C are the binary just built. C is killed and restarted; A's page must say suspicion,
//! failure by vote, return under a new boot id, and A must go on executing and handing work over throughout.

mod common;

use std::process::{Child, Command, Stdio};

use common::{TempDir, config, guard, tori};
use control::snapshot::{PeerSnapshot, PeerState};

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // SIGKILL, by std.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn text(dir: &TempDir, name: &str, id: u8) -> String {
    let dir = dir.path().display();
    format!(
        "[node]\nname = \"{name}\"\nruntime_dir = \"{dir}/run{name}\"\nstate_dir = \"{dir}/state{name}\"\nwaiting = \"adaptive\"\n\
         [resources]\nmlock = \"off\"\n[region]\npages = \"base\"\npath = \"{dir}/region\"\n\
         [braid]\ntori = 3\ninterval_ticks = 100\nadaptive = false\nfloor_us = 1000\nliveness_ms = 50\n[braid.tolerance]\nload = 16\n\
         [[torus]]\nname = \"{name}\"\nid = {id}\n[torus.workload]\nkind = \"cycle\"\nnodes = 300\ntokens = 900\nload = {}\n\
         delay_ticks = 40\npace_ticks_per_s = 500\n",
        id == 0
    )
}

fn process(dir: &TempDir, name: &str, id: u8) -> Killed {
    let file = dir.path().join(format!("{name}.toml"));
    std::fs::write(&file, text(dir, name, id)).expect("the folder can be written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_trefoil"));
    command.args(["run", "--for", "120s", "--config"]).arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
    Killed(command.spawn().expect("the binary just built"))
}

// decisions:NODE-17, rse:B5, rse:M3: the killed torus returns under a new boot id; the others lose nothing, go on, and say so.
#[test]
fn one_of_three_processes_is_killed_and_comes_back() {
    let dir = TempDir::new("processes");
    let mut node = common::start(config(&text(&dir, "A", 0)));
    let handle = node.handle();
    let _other = process(&dir, "B", 1);
    let killed = process(&dir, "C", 2);
    let peer = |id: u32| -> Option<PeerSnapshot> { tori(&handle)[0].peers.iter().find(|peer| peer.id == id).cloned() };
    let is = |id: u32, state: PeerState| peer(id).is_some_and(|peer| peer.state == state);
    let says = |part: &str| common::events(&handle).iter().any(|text| text.contains(part));
    guard("A sees B and C alive and gives both work", || {
        is(1, PeerState::Alive)
            && is(2, PeerState::Alive)
            && (1..=2).all(|id| peer(id).is_some_and(|peer| peer.sent > 0))
    });
    let before = peer(2).expect("alive");
    assert_eq!((before.via.as_str(), before.pid), ("shm", killed.0.id()), "{before:?}");
    drop(killed);
    guard("A says that C failed: its process is gone", || {
        is(2, PeerState::Failed) && says("C failed, its process is gone")
    });
    let executed = tori(&handle)[0].executed;
    let _back = process(&dir, "C", 2);
    guard("A sees C under a new boot id", || {
        is(2, PeerState::Alive) && peer(2).is_some_and(|peer| peer.boot_id != before.boot_id)
    });
    guard("A says so", || says("C returned with new boot"));
    guard("A gives the new boot work", || peer(2).is_some_and(|peer| peer.boot_id != before.boot_id && peer.sent > 0));
    guard("A went on", || tori(&handle)[0].executed > executed);
    assert!(is(1, PeerState::Alive), "B noticed nothing worse");
    assert!(!says("conservation broken"), "{:#?}", common::events(&handle));
    let ended = node.stop();
    assert!(!ended.failed() && ended.tori[0].counters.conserved(), "{ended:?}");
}
