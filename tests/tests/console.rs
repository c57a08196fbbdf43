//! The console in a real terminal, against a real agent.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

use std::time::Duration;

use control::snapshot::Phase;
use nix::sys::signal::Signal;
use trefoil_tests::harness::node::{Node, PATIENCE, THREE_TORI, config, said, trefoil};
use trefoil_tests::harness::terminal::Terminal;
use trefoil_tests::harness::{Scratch, binary, guard, lacks, lane, skipped, until};

const LIMIT: Duration = Duration::from_secs(600);

fn open(scratch: &Scratch, node: &Node, columns: u16, rows: u16) -> Terminal {
    let terminal = Terminal::open(scratch, columns, rows);
    terminal.line(&format!("{} console --runtime-dir {}", binary().display(), node.runtime.display()));
    terminal.wait("the console", PATIENCE, |screen| screen.contains("Overview"));
    terminal
}

fn clean(terminal: &Terminal) {
    let screen = terminal.wait("the prompt again", PATIENCE, |screen| screen.trim_end().ends_with("ready>"));
    assert!(!screen.contains("Overview"), "the console left its picture:\n{screen}");
    assert_eq!(terminal.flag("alternate_on"), "0", "the alternate screen was left on");
    assert_eq!(terminal.flag("cursor_flag"), "1", "the cursor was left hidden");
    assert_eq!(terminal.flag("mouse_any_flag"), "0", "the mouse was left grabbed");
    terminal.line("echo still-$((40+2))");
    terminal.wait("the shell", PATIENCE, |screen| screen.contains("still-42"));
}

// Aim: the console shows the tori at every size down to 40x10, resizes without breaking, and q leaves the terminal clean.
#[test]
fn the_console_draws_at_every_size_and_leaves_cleanly() {
    if skipped("the_console_draws_at_every_size_and_leaves_cleanly", lacks(&["tmux"])) {
        return;
    }
    let _lane = lane();
    let _guard = guard("the_console_draws_at_every_size_and_leaves_cleanly", LIMIT);
    let scratch = Scratch::new("console");
    let node = Node::start(&scratch, "demo", THREE_TORI, &[]);
    let terminal = open(&scratch, &node, 120, 40);
    let screen = terminal.wait("all three tori", PATIENCE, |screen| screen.contains("run") && screen.contains("ev/s"));
    assert!(screen.contains("demo"), "the node is not named:\n{screen}");
    for (columns, rows) in [(80, 24), (40, 10), (100, 30), (20, 5), (120, 40)] {
        terminal.resize(columns, rows);
        let fits = |screen: &str| {
            screen.lines().all(|line| line.chars().count() <= usize::from(columns)) && !screen.trim().is_empty()
        };
        terminal.wait("a picture of the new size", PATIENCE, fits);
        assert!(!terminal.screen().contains("panicked"), "{}", terminal.screen());
    }
    for (key, word) in [("2", "queue"), ("8", "cpu"), ("9", "started"), ("?", "help"), ("Escape", ""), ("1", "BRAID")] {
        terminal.key(key);
        terminal
            .wait(&format!("screen {key}"), PATIENCE, |screen| screen.to_lowercase().contains(&word.to_lowercase()));
    }
    terminal.key("q");
    clean(&terminal);
}

// Aim: when the agent dies the last frame stays and says since when; a new agent is picked up; leaving is clean even then.
#[test]
fn a_dead_agent_is_said_and_a_new_one_is_found() {
    if skipped("a_dead_agent_is_said_and_a_new_one_is_found", lacks(&["tmux"])) {
        return;
    }
    let _lane = lane();
    let _guard = guard("a_dead_agent_is_said_and_a_new_one_is_found", LIMIT);
    let scratch = Scratch::new("gone");
    let mut node = Node::start(&scratch, "demo", THREE_TORI, &[]);
    let terminal = open(&scratch, &node, 100, 30);
    node.signal(Signal::SIGKILL);
    node.end();
    terminal.wait("the death to be said", PATIENCE, |screen| screen.contains("agent gone since"));
    let _again = Node::start(&scratch, "demo", THREE_TORI, &[]);
    terminal.wait("the new agent", PATIENCE, |screen| !screen.contains("agent gone since") && screen.contains("ev/s"));
    terminal.key("q");
    clean(&terminal);
}

// Aim: a panic of the console itself gives the terminal back, and its words can be read on it. Method: a fault that only a debug
// build knows; the shell then works as before, its terminal settings included.
#[test]
fn a_panic_of_the_console_gives_the_terminal_back() {
    if skipped("a_panic_of_the_console_gives_the_terminal_back", lacks(&["tmux", "stty"])) {
        return;
    }
    let _lane = lane();
    let _guard = guard("a_panic_of_the_console_gives_the_terminal_back", LIMIT);
    let scratch = Scratch::new("panic");
    let node = Node::start(&scratch, "demo", THREE_TORI, &[]);
    let terminal = Terminal::open(&scratch, 100, 30);
    let settings = |name: &str| {
        let file = scratch.join(name);
        terminal.line(&format!("stty -a >{}; echo saved-{name}-$?", file.display()));
        terminal.wait("the settings", PATIENCE, |screen| screen.contains(&format!("saved-{name}-0")));
        std::fs::read_to_string(file).unwrap()
    };
    let before = settings("before");
    let console = format!("{} console --runtime-dir {}", binary().display(), node.runtime.display());
    terminal.line(&format!("TREFOIL_FAULT=console-panic {console}; echo code=$?"));
    // What panicked is written on the screen of the shell, not on the one that is given back.
    let screen = terminal.wait("the end", PATIENCE, |screen| screen.contains("code=101"));
    assert!(screen.contains("TREFOIL_FAULT=console-panic") && screen.contains("panicked at"), "{screen}");
    clean(&terminal);
    assert_eq!(settings("after"), before, "the settings of the terminal were left changed");
    node.wait("the node to go on", |snapshot| snapshot.node.phase == Phase::Running);
}

// decisions:NODE-20: the console of `make run` stops the node it started, and a second one says that one is running.
#[test]
fn node_20_the_console_of_make_run_stops_its_node() {
    if skipped("node_20_the_console_of_make_run_stops_its_node", lacks(&["tmux"])) {
        return;
    }
    let _lane = lane();
    let _guard = guard("node_20_the_console_of_make_run_stops_its_node", LIMIT);
    let scratch = Scratch::new("makerun");
    let file = config(&scratch, "demo", THREE_TORI);
    let command = format!("{} run --config {} --console", binary().display(), file.display());
    let first = Terminal::open(&scratch, 100, 30);
    first.line(&command);
    first.wait("the console", PATIENCE, |screen| screen.contains("Overview"));
    let other = Scratch::new("makerun2");
    let second = Terminal::open(&other, 100, 30);
    second.line(&format!("{command}; echo code=$?"));
    second.wait("the second to say so", PATIENCE, |screen| {
        screen.contains("agent with pid") && screen.contains("code=1")
    });
    first.key("q");
    first.wait("the question", PATIENCE, |screen| screen.contains("stop the node"));
    first.key("Enter");
    clean(&first);
    let runtime = scratch.join("run-demo").display().to_string();
    let output = trefoil(&["status", "--json", "--runtime-dir", &runtime]);
    let left: control::Snapshot =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)));
    assert_eq!(left.node.phase, Phase::Stopped, "leaving the console did not stop the node");
    let gone = || (!std::path::Path::new(&format!("/proc/{}", left.node.pid)).exists()).then_some(());
    until("the node to end", PATIENCE, gone);
}

// Aim: closing the window that shows the demo leaves no process behind. Method: the terminal is taken away from under it.
#[test]
fn a_closed_terminal_leaves_no_process_behind() {
    if skipped("a_closed_terminal_leaves_no_process_behind", lacks(&["tmux"])) {
        return;
    }
    let _lane = lane();
    let _guard = guard("a_closed_terminal_leaves_no_process_behind", LIMIT);
    let scratch = Scratch::new("closed");
    let file = config(&scratch, "demo", THREE_TORI);
    let terminal = Terminal::open(&scratch, 100, 30);
    terminal.line(&format!("exec {} run --config {} --console", binary().display(), file.display()));
    terminal.wait("the console", PATIENCE, |screen| screen.contains("Overview"));
    let output = trefoil(&["status", "--json", "--runtime-dir", &scratch.join("run-demo").display().to_string()]);
    let seen: control::Snapshot =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)));
    drop(terminal);
    let path = format!("/proc/{}", seen.node.pid);
    until("the node to end with its terminal", PATIENCE, || (!std::path::Path::new(&path).exists()).then_some(()));
}
