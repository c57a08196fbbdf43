//! Programs on a running node, over its socket: one node for all commands.

use trefoil_tests::harness::node::{Node, PATIENCE, config, trefoil};
use trefoil_tests::harness::{Scratch, guard, until};

use crate::{LIMIT, Said, avm, word};

const THREE: &str = r#"[node]
waiting = "adaptive"
[region]
pages = "base"
[braid]
tori = 3
floor_us = 20000
[avm]
heap_mib = 16
executions = 200
quota_programs = 9
quota_executions = 150
[[torus]]
name = "A"
[torus.workload]
kind = "avm"
[[torus]]
name = "B"
[torus.workload]
kind = "avm"
[[torus]]
name = "C"
[torus.workload]
kind = "avm"
"#;

const BOX: &str = r#"module box

behaviour box {
    state held = 0
    on put(n: int) -> int {
        held += n
        held
    }
    on next() { receive() }
    on silent() { decline }
    on break() -> int { held / 0 }
    on relay(to: object) -> int { to.put(7) }
}

fn main() -> object { create box at %c1 }

fn roll() -> int { random(1000000) }

fn wait() { receive() }

fn say(many: int) -> int {
    for i in 0..<many { note i }
    many
}

fn spin() {
    let mut n = 0
    while true { n += 1 }
}

fn calls() -> int {
    let b = create box
    let done = atomic {
        b.put(1)
        abort
    }
    note done
    (create box).relay(b)
}
"#;

const DEALS: &str = r#"module deals

fn offer(n: int) -> int {
    let x = choose 1..5
    require x == n as "what was offered"
    x
}

fn take() -> int {
    let y = choose 1..3
    require y > 2 as "at least three"
    y
}

fn picks() -> bool {
    atomic {
        let x = choose 1..3
        require x > 2 as "more than two"
        require x < 2 as "less than two"
    }
}

fn fails() -> int { 1 / 0 }
"#;

struct Live {
    node: Node,
    scratch: Scratch,
    /// The object of the program `box`, on torus B.
    object: String,
}

impl Live {
    /// What a command says; asked again when a torus of this busy machine did not come to it in time, and so did nothing.
    fn avm(&self, words: &[&str]) -> Said {
        let all: Vec<&str> = std::iter::once("avm").chain(words.iter().copied()).collect();
        until("the tori to answer", PATIENCE, || {
            let said = Said::new(&self.node.ask(&all));
            let late = said.code == 4 && (said.err.contains("will not do it") || said.err.contains("many jobs to do"));
            (!late).then_some(said)
        })
    }

    /// Starts an execution; its id.
    #[track_caller]
    fn start(&self, words: &[&str]) -> String {
        self.avm(&[&["start"], words].concat()).with(0, &["x"]).out.trim().to_owned()
    }

    /// The whole record of an execution once it is over.
    fn over(&self, id: &str) -> serde_json::Value {
        until(&format!("the end of {id}"), PATIENCE, || {
            let shown = self.avm(&["show", id, "--json"]).with(0, &[]).json();
            let state = shown["value"]["row"]["state"].as_str().unwrap_or_default().to_owned();
            (state != "running" && state != "suspended").then_some(shown["value"].clone())
        })
    }

    fn result(&self, words: &[&str]) -> String {
        self.over(&self.start(words))["result"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until `ps` shows an execution like this.
    fn shows(&self, id: &str, text: &str) {
        until(&format!("{id} {text}"), PATIENCE, || self.avm(&["ps", "--filter", id]).out.contains(text).then_some(()));
    }
}

// decisions:AVM-23g: every command that asks a node, each with its exit codes and what it says.
#[test]
fn programs_are_driven_over_the_socket() {
    let _guard = guard("programs_are_driven_over_the_socket", LIMIT);
    let scratch = Scratch::new("avm-node");
    let node = Node::start(&scratch, "n", THREE, &[]);
    let mut live = Live { node, scratch, object: String::new() };
    loads(&live);
    live.object = starts(&live);
    calls_and_sends(&live);
    steers(&live);
    rolls(&live);
    notes(&live);
    traces(&live);
    why_false(&live);
    composes(&live);
    upgrades(&live);
    quotas(&live);
    // decisions:AVM-23l: the node says when it starts that its state is in memory only.
    let printed = live.node.printed();
    assert!(
        printed.contains("AVM state is in memory only: objects and executions are gone when the node ends"),
        "{printed}"
    );
}

// decisions:AVM-23c, decisions:AVM-23g: load and programs.
fn loads(live: &Live) {
    let file = |name: &str, text: &str| word(&live.scratch.file(name, text));
    let (boxes, deals) = (file("box.avm", BOX), file("deals.avm", DEALS));
    live.avm(&["load", &boxes, &deals])
        .with(0, &["box.avm: loaded on every torus; state is in memory only", "deals.avm: loaded"]);
    live.avm(&["load", &file("bad.avm", "module bad\n\nfn main() { nope() }\n")]).with(5, &["bad.avm:3:13", "nope"]);
    let seer = file("seer.avm", "module seer\n\nunsafe\n\nfn main() -> bool { reflect(self()) != nothing }\n");
    live.avm(&["load", &seer]).with(5, &["`unsafe`", "[[avm.identity]] grant_unsafe = true"]);
    live.avm(&["load", &word(&live.scratch.join("none.avm"))]).with(2, &["none.avm", "name an .avm file"]);
    let shown = live.avm(&["programs"]).with(0, &["PROGRAM", "box", "deals", "calls, main, roll, say, spin, wait"]);
    assert!(!shown.out.contains("seer"), "{shown:?}");
    let json = live.avm(&["programs", "--json"]).with(0, &[]).json();
    assert_eq!((&json["is"], json["value"].as_array().map(Vec::len)), (&"programs".into(), Some(2)));
}

// decisions:AVM-23b, decisions:AVM-23g: start, show, ps, objects.
fn starts(live: &Live) -> String {
    let object = live.result(&["box#main", "--torus", "B"]);
    assert!(object.starts_with('o'), "{object}");
    live.avm(&["show", &object]).with(0, &[&object, "box.box", "torus        B", "controller   c1"]);
    live.avm(&["show", "o0.7.1"]).with(4, &["belongs to no torus"]);
    live.avm(&["show", "7"]).with(4, &["is no id", "x7", "o3", "t4"]);
    assert_eq!(live.result(&["box#say", "-3"]), "-3");
    live.avm(&["start", "box"]).with(2, &["expected PROGRAM#ENTRY", "bank#main"]);
    live.avm(&["start", "none#main"]).with(4, &["none is not loaded"]);
    live.avm(&["start", "box#nope"]).with(4, &["no entry nope; it has: calls, main, roll"]);
    live.avm(&["start", "box#say"]).with(4, &["entry say takes 1 arguments, 0 were given"]);
    live.avm(&["start", "box#main", "abc"]).with(2, &["[VALUE]...", "texts are quoted"]);
    live.avm(&["start", "box#main", "--torus", "Z"]).with(4, &["torus \"Z\" runs no programs", "A, B, C"]);
    live.avm(&["start", "box#main", "--trace", "some"]).with(2, &["off, default, extended"]);
    live.avm(&["ps", "--filter", "box#main"]).with(0, &["ID", "PROGRAM", "STATE", "ended"]);
    live.avm(&["ps", "--sort", "colour"]).with(4, &["sort is \"colour\", expected one of id, program"]);
    live.avm(&["ps", "--count", "1"]).with(0, &["that match", "--from 1"]);
    assert_eq!(live.avm(&["ps", "--json"]).with(0, &[]).json()["is"], "executions");
    live.avm(&["objects", "--filter", "box.box"]).with(0, &["BEHAVIOUR", &object]);
    assert_eq!(live.avm(&["objects", "--json"]).with(0, &[]).json()["is"], "objects");
    object
}

// decisions:AVM-13, decisions:AVM-23c, decisions:AVM-23i: call and send; a program that fails in a call gives 1, with the calls it
// happened in.
fn calls_and_sends(live: &Live) {
    let object = live.object.as_str();
    assert_eq!(live.avm(&["call", object, "[\"put\", 5]"]).with(0, &[]).out, "5\n");
    assert_eq!(live.avm(&["call", object, "[\"put\", -2]"]).with(0, &[]).out, "3\n");
    assert_eq!(live.avm(&["call", object, "[\"silent\"]"]).with(0, &[]).out, "nothing\n");
    live.avm(&["call", object, "[\"break\"]"])
        .with(1, &["ErrProgramArithmetic", "box.avm:11:", &format!("of {object}")]);
    live.avm(&["call", object, "[\"nothing like that\"]"]).with(1, &["ErrInvalidInput"]);
    live.avm(&["call", object, "put"]).with(2, &["<MESSAGE>", "texts are quoted"]);
    live.avm(&["call", "7", "5"]).with(4, &["7"]);
    live.avm(&["send", object, "[\"hello\", 7]"]).with(0, &[&format!("in the mailbox of {object}")]);
    live.avm(&["show", object]).with(0, &["mailbox      1"]);
    assert_eq!(live.avm(&["call", object, "[\"next\"]"]).with(0, &[]).out, "[\"hello\", 7]\n");
    assert_eq!(live.avm(&["call", object, "[\"next\"]"]).with(0, &[]).out, "nothing\n");
    live.avm(&["send", "o0.1.999", "1"]).with(4, &["the mailbox of o0.1.999 does not exist or is full"]);
}

// decisions:AVM-23g: executions are held, go on and are ended by hand.
fn steers(live: &Live) {
    let id = live.start(&["box#spin", "--trace", "off"]);
    live.shows(&id, "running");
    live.avm(&["suspend", &id]).with(0, &[&id, "is held"]);
    live.shows(&id, "by hand");
    live.avm(&["suspend", &id]).with(4, &["over, or held already", "trefoil avm show"]);
    live.avm(&["resume", &id]).with(0, &[&id, "goes on"]);
    live.avm(&["resume", &id]).with(4, &["is not held"]);
    live.avm(&["kill", &id]).with(0, &["is ended"]);
    live.avm(&["kill", &id]).with(4, &["is over already"]);
    live.avm(&["show", &id]).with(0, &["terminated"]);
    let waits = live.start(&["box#wait", "--blocking"]);
    live.shows(&waits, "waits for a message");
    live.avm(&["kill", &waits]).with(0, &[]);
    live.avm(&["show", "x0.9.9"]).with(4, &["is not here, or is forgotten"]);
    // decisions:AVM-23e: a deadline ends what is still there.
    let late = live.over(&live.start(&["box#spin", "--deadline", "5", "--trace", "off"]));
    assert!(late["error"].as_str().is_some_and(|error| error.starts_with("ErrProgramDeadline")), "{late}");
}

// decisions:AVM-23d: the same seed, the same result; a drawn one is shown.
fn rolls(live: &Live) {
    let roll = |seed: &str| live.result(&["box#roll", "--seed", seed]);
    assert_eq!(roll("7"), roll("7"));
    assert_ne!(roll("7"), roll("8"));
    let drawn = live.over(&live.start(&["box#roll"]));
    let seed = drawn["seed"].as_u64().unwrap().to_string();
    assert_eq!(drawn["result"].as_str(), Some(roll(&seed).as_str()));
}

// decisions:AVM-23a: notes are shown whatever the trace holds, the last of them, and how many there were.
fn notes(live: &Live) {
    let id = live.start(&["box#say", "100", "--trace", "off"]);
    let shown = live.over(&id);
    assert_eq!((&shown["notes_total"], shown["notes"].as_array().map(Vec::len)), (&100.into(), Some(64)));
    assert_eq!((&shown["notes"][0], &shown["notes"][63]), (&"36".into(), &"99".into()));
    live.avm(&["show", &id]).with(0, &["100 in all, 36 are no longer kept; the last:", "note         99"]);
}

// decisions:AVM-21, decisions:AVM-23g: traces by object, event and time, as a chart, as JSON; events that there are not are refused.
fn traces(live: &Live) {
    let id = live.start(&["box#calls"]);
    assert_eq!(live.over(&id)["result"], "7");
    let lines = |words: &[&str]| live.avm(&[&["trace", &id], words].concat()).with(0, &["hash"]).out.lines().count();
    let all = lines(&[]);
    let one = live.avm(&["trace", &id, "--event", "ObjectCreated"]).with(0, &["box.box"]);
    let object =
        one.out.split_whitespace().find(|word| word.starts_with('o')).unwrap().trim_end_matches(',').to_owned();
    assert_eq!((one.out.lines().count(), lines(&["--event", "noted"])), (2, 1));
    assert!((2..all).contains(&lines(&["--object", &object])), "{all}");
    assert!(lines(&["--since", "2"]) == all - 2 && lines(&["--from", "1", "--count", "2"]) == 2, "{all}");
    live.avm(&["trace", &id, "--event", "Nonsense"]).with(2, &["Nonsense", "ObjectCalled", "TransactionAborted"]);
    live.avm(&["trace", &id, "--chart"]).with(0, &["main", "│", "relay"]);
    let json = live.avm(&["trace", &id, "--json"]).with(0, &[]).json();
    assert_eq!(json["value"]["entries"].as_array().map(Vec::len), Some(all));
}

// decisions:AVM-23j: why a commit was false, with names and places; the question is shown, and answered from a file.
fn why_false(live: &Live) {
    let id = live.start(&["deals#picks"]);
    assert_eq!(live.over(&id)["result"], "false");
    let why = ["unsatisfiable", "more than two (", "deals.avm:18:9); less than two (", "deals.avm:19:9)"];
    live.avm(&["tx", "--filter", &id]).with(0, &why);
    let json = live.avm(&["tx", "--filter", &id, "--json"]).with(0, &[]).json();
    let row = &json["value"]["rows"][0];
    let (name, place) = (&row["core"][1]["name"], row["core"][1]["place"].as_str().unwrap_or_default());
    assert!(*name == "less than two" && place.ends_with("deals.avm:19:9"), "{row}");
    live.avm(&["show", row["id"].as_str().unwrap()])
        .with(0, &["aborted", "requires ", "less than two ", "deals.avm:19:9"]);
    live.avm(&["show", "t0.9.9"]).with(4, &["trefoil avm tx"]);
    live.avm(&["constraints", &id, "--smtlib"]).with(0, &["(declare-const", "(check-sat)"]);
    let question = live.avm(&["constraints", &id]).with(0, &["more than two"]);
    let file = word(&live.scratch.file("question.json", &question.out));
    avm(&["constraints", &file]).with(0, &["unsat\n", "less than two (", "deals.avm:19:9)"]);
    live.avm(&["solver"]).with(0, &["threads", "unsat", "half within"]);
    assert_eq!(live.avm(&["solver", "--json"]).with(0, &[]).json()["value"]["unknown"], 0);
}

// decisions:AVM-18, decisions:AVM-23c: one commit of several programs: 0 when committed, 1 when not or when a part fails, as JSON too.
fn composes(live: &Live) {
    live.avm(&["compose", "deals#offer(4)", "deals#take"]).with(0, &["deals#offer: 4", "deals#take: 3", "committed"]);
    live.avm(&["compose", "deals#offer(4)", "deals#take", "--parallel"]).with(0, &["committed"]);
    let not = ["not committed: no choice satisfies: what was offered (", "deals.avm:5:5)"];
    live.avm(&["compose", "deals#offer(7)", "deals#take"]).with(1, &not);
    let json = live.avm(&["compose", "deals#offer(7)", "deals#take", "--json"]).with(1, &not);
    assert_eq!(json.json()["value"]["committed"], false);
    live.avm(&["compose", "deals#take", "deals#fails"]).with(1, &["ErrProgramArithmetic", "deals.avm:23:"]);
    live.avm(&["compose", "deals#nope"]).with(4, &["no entry nope"]);
    live.avm(&["compose", "deals#offer(7"]).with(2, &["the ) is missing at its end"]);
}

// decisions:AVM-23m: a program loaded again is that of new objects; living ones keep what they were made with until they are upgraded.
fn upgrades(live: &Live) {
    let newer = word(&live.scratch.file("box.avm", &BOX.replace("        held\n", "        held * 100\n")));
    live.avm(&["load", &newer]).with(0, &["loaded"]);
    assert_eq!(live.avm(&["call", &live.object, "[\"put\", 1]"]).with(0, &[]).out, "4\n");
    let object = live.result(&["box#main"]);
    assert_eq!(live.avm(&["call", &object, "[\"put\", 1]"]).with(0, &[]).out, "100\n");
    live.avm(&["upgrade", &live.object, "box.nobody"]).with(1, &["box.nobody"]);
    assert_eq!(live.avm(&["upgrade", &live.object, "box.box"]).with(0, &[]).out, "true\n");
    assert_eq!(live.avm(&["call", &live.object, "[\"put\", 1]"]).with(0, &[]).out, "500\n");
}

// decisions:AVM-23k: quotas say which key lifts them.
fn quotas(live: &Live) {
    live.avm(&["start", "box#spin", "--count", "151"]).with(4, &["of 150: avm.quota_executions"]);
    let ids =
        live.avm(&["start", "box#spin", "--count", "3", "--trace", "off"]).with(0, &["3 started, the first is x"]).out;
    let first = ids.split_whitespace().nth(5).unwrap();
    live.avm(&["kill", first]).with(0, &[]);
}

// decisions:AVM-23c: without an agent 3; an agent that runs no programs refuses with 4 and says how to get one that does.
#[test]
fn without_programs_the_remedy_is_said() {
    let _guard = guard("without_programs_the_remedy_is_said", LIMIT);
    let scratch = Scratch::new("avm-none");
    let nobody = word(&scratch.join("nobody"));
    let said = Said::new(&trefoil(&["avm", "ps", "--runtime-dir", &nobody]));
    said.with(3, &["no agent", "trefoil run --config"]);
    let idle = "[node]\nwaiting = \"adaptive\"\n[region]\npages = \"base\"\n[braid]\ntori = 1\n[[torus]]\nname = \"A\"\n\
                [torus.workload]\nkind = \"idle\"\n";
    let node = Node::start(&scratch, "idle", idle, &[]);
    for words in [&["avm", "ps"][..], &["avm", "start", "a#b"], &["avm", "call", "o7", "1"]] {
        Said::new(&node.ask(words)).with(4, &["configs/avm.toml"]);
    }
    // What was written is checked before the agent is asked.
    let file = config(&scratch, "unused", idle);
    Said::new(&node.ask(&["avm", "load", &word(&file)])).with(5, &["unused.toml:1:"]);
}
