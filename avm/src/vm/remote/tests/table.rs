//! Every instruction that takes an object, on one of the own torus and on one of another: the same value, the same error, the same
//! trace, the same object afterwards; and replicas of an object are what they are at its home (`avm:4`, `avm:10.4`).

use super::*;

const PROGRAM: &str = r#"
module table
unsafe

behaviour box {
    state n = 0

    on add(x: int) -> int {
        n += x
        n
    }
    on get() -> int { n }
    on where_am_i() { getCurrentMachine() }
    on fail() { raise("no") }
    on take() { receive() }
}

fn made() -> object {
    let o = create box at %c1
    let _ = o.add(5)
    o
}
fn plain() -> object { create box }

fn calls(o: object) -> list { [o.add(1), o.get(), o.where_am_i()] }
fn fails(o: object) { o.fail() }
fn unknown(o: object) { o.nothing_like_it() }
fn sends(o: object) { send o.hello(1) }
fn takes(o: object) { o.take() }
fn destroys(o: object) -> list { [destroyObj(o), getMachine(o)] }
fn destroys_twice(o: object) -> list { [destroyObj(o), destroyObj(o)] }
fn machine_of(o: object) { getMachine(o) }
fn moves(o: object) -> list { [moveObject(o, @m7), getMachine(o), o.where_am_i()] }
fn controller_of(o: object) { getController(o) }
fn transfers(o: object) -> list { [transferObject(o, %c2), getController(o)] }
fn fetches(o: object) -> list { [fetch(o), getMachine(o)] }
fn freezes(o: object) { freeze(o) }
fn reflects(o: object) { reflect(o) }
fn registers(o: object) -> list { [registerPure("twice", |n| 2 * n), callPure("twice", [o.get()])] }
fn atomically(o: object) -> list {
    let mut seen = []
    let done = atomic %c1 { seen = [o.add(1), getMachine(o), getController(o), moveObject(o, @m7), transferObject(o, %c2), getMachine(o)] }
    [done, seen]
}
fn aborts(o: object) -> list {
    let t = beginTx(nothing)
    let n = o.add(1)
    let moved = moveObject(o, @m7)
    let gone = destroyObj(o)
    abortTx(t)
    [n, moved, gone, o.get(), getMachine(o)]
}
fn freezes_atomically(o: object) -> list {
    let mut frozen = nothing
    let done = atomic %c1 { frozen = freeze(o) }
    [done, frozen]
}
fn other_controller(o: object) { atomic %c2 { let _ = o.add(1) } }
fn teleports(o: object) -> list { [teleport(@m7), o.get(), getCurrentMachine()] }

// A replica takes three messages, the primary one; then they are brought together.
fn replicated(o: object) -> list {
    let before = teleport(@m7)
    let fetched = fetch(o)
    let on_replica = [o.add(10), o.add(20), o.where_am_i()]
    let home = teleport(@m0)
    let on_primary = o.add(100)
    let frozen = freeze(o)
    let after = o.get()
    let _ = teleport(@m7)
    [before, fetched, on_replica, home, on_primary, frozen, after, o.get(), freeze(o)]
}
// What fails on a replica leaves nothing of it there.
fn replica_fails(o: object) {
    let _ = teleport(@m7)
    let _ = fetch(o)
    let _ = o.add(10)
    o.fail()
}
fn on_replica(o: object) -> list {
    let _ = teleport(@m7)
    [o.get(), o.add(1)]
}
fn keeps_replica(o: object) -> int {
    let _ = teleport(@m7)
    let _ = fetch(o)
    o.add(10)
}
fn scans() -> list {
    [len(scryMeta(|meta| meta.currentController == %c1)), scryDeep(|name, meta| meta.machine == @m0)]
}
"#;

const ENTRIES: [&str; 24] = [
    "calls",
    "fails",
    "unknown",
    "sends",
    "takes",
    "destroys",
    "destroys_twice",
    "machine_of",
    "moves",
    "controller_of",
    "transfers",
    "fetches",
    "freezes",
    "reflects",
    "registers",
    "atomically",
    "aborts",
    "freezes_atomically",
    "other_controller",
    "teleports",
    "replicated",
    "replica_fails",
    "on_replica",
    "keeps_replica",
];

/// Lanes with the program of the table; all on one machine, so that traces are the same wherever an object is.
fn lanes() -> Lanes {
    let module = compile(&[Source::new("table.avm", PROGRAM)], &|_| None).unwrap_or_else(|why| panic!("{why}"));
    let verified = verify(module).expect("it is sound");
    let lanes = (0..2).map(|torus| {
        let config = Config { torus, homes: vec![0, 1], grant_unsafe: true, heap_bytes: 1 << 20, ..Config::default() };
        let mut lane = Lane::new(config);
        lane.load(&verified).expect("it fits");
        lane
    });
    Lanes { lanes: lanes.collect(), wires: BTreeMap::new(), running: Vec::new(), all: Vec::new() }
}

impl Lanes {
    fn entry(&mut self, lane: usize, entry: &str, args: &[Val]) -> ExecutionId {
        let mut start = Start::new("table", entry);
        start.args = args.to_vec();
        let id = self.lanes[lane].start(&start).expect("it starts");
        self.running.push((lane, id));
        self.all.push((lane, id));
        self.finish(|_| 0);
        id
    }
}

/// Runs an entry on the first lane on an object of another, after others: result, trace, and what became of the object.
fn outcome(home: usize, make: &str, entries: &[&str]) -> String {
    let mut lanes = lanes();
    let made = lanes.entry(home, make, &[]);
    let Val::Object(o) = lanes.value(home, made) else { panic!("an object") };
    let mut shown = String::new();
    for entry in entries {
        let id = lanes.entry(0, entry, &[object(o)]);
        match lanes.lanes[0].result(id).expect("it is over") {
            Ok(value) => shown.push_str(&format!("{value}\n")),
            Err(failure) => shown.push_str(&format!("{} {}\n", failure.error.name(), failure.error)),
        }
        for line in lanes.lanes[0].trace(id) {
            shown.push_str(&format!("{line}\n"));
        }
    }
    let state = lanes.lanes[home].state(o);
    let meta = lanes.lanes[home].objects(o, 1).into_iter().next().filter(|summary| summary.id == o);
    let meta = meta.map(|summary| (summary.machine, summary.creating_controller, summary.controller));
    lanes.close();
    shown.push_str(&format!("{state:?} {meta:?}"));
    shown.replace(&o.to_string(), "OBJECT")
}

#[test]
fn every_instruction_is_the_same_on_an_object_elsewhere() {
    for entry in ENTRIES {
        assert_eq!(outcome(1, "made", &[entry]), outcome(0, "made", &[entry]), "{entry}");
    }
    // One is not: a mailbox is on the torus of its object, and is read there only.
    assert!(outcome(0, "made", &["sends", "takes"]).contains("hello"));
    assert!(outcome(1, "made", &["sends", "takes"]).starts_with("nothing\nnothing\n"));
    // They do something.
    assert!(
        outcome(1, "made", &["replicated"])
            .starts_with("[true, true, [15, 35, @m7], true, 105, just true, 135, 135, just true]")
    );
    assert!(outcome(1, "made", &["keeps_replica", "freezes"]).contains("just true"));
}

// A replica belongs to its machine, wherever its executions run: what one has fetched another calls from its own torus.
#[test]
fn a_replica_is_of_its_machine_and_not_of_a_torus() {
    let mut lanes = lanes();
    let made = lanes.entry(1, "made", &[]);
    let o = lanes.value(1, made);
    let mut values = Vec::new();
    for (lane, entry) in
        [(0, "keeps_replica"), (1, "on_replica"), (0, "on_replica"), (1, "calls"), (0, "freezes"), (1, "calls")]
    {
        let id = lanes.entry(lane, entry, std::slice::from_ref(&o));
        values.push(lanes.value(lane, id).to_string());
    }
    // Five; ten on the replica; one and one more there; one on the primary; then all of them.
    assert_eq!(values, ["15", "[15, 16]", "[16, 17]", "[6, 6, @m0]", "just true", "[19, 19, @m0]"]);
    lanes.close();
}

// Messages that replicas took on several tori are all taken again; that the state of a replica may forget some is outside the
// guarantee (`decisions:AVM-19`).
#[test]
fn avm_19_replicas_lose_no_message_under_any_order() {
    let mut forgot = false;
    for seed in 0..40 {
        let mut lanes = lanes();
        let made = lanes.entry(1, "made", &[]);
        let o = lanes.value(1, made);
        let kept = lanes.entry(0, "keeps_replica", std::slice::from_ref(&o));
        let _ = lanes.value(0, kept);
        let mut ids = Vec::new();
        for lane in [0, 0, 1] {
            let start = Start { args: vec![o.clone()], ..Start::new("table", "on_replica") };
            let id = lanes.lanes[lane].start(&start).expect("it starts");
            lanes.running.push((lane, id));
            lanes.all.push((lane, id));
            ids.push((lane, id));
        }
        lanes.finish(seeded(seed));
        let last = lanes.entry(0, "on_replica", std::slice::from_ref(&o));
        forgot |= lanes.value(0, last).to_string() != "[18, 19]";
        let frozen = lanes.entry(0, "freezes", std::slice::from_ref(&o));
        assert_eq!(lanes.value(0, frozen).to_string(), "just true");
        let after = lanes.entry(0, "calls", std::slice::from_ref(&o));
        assert_eq!(lanes.value(0, after).to_string(), "[20, 20, @m0]", "seed {seed}");
        lanes.close();
    }
    assert!(forgot, "two at once overwrite each other's state of the replica");
}

// Reflection sees the objects of all tori of the node, ascending, and nothing is observed (`avm:4.3`).
#[test]
fn avm_19_scans_see_the_objects_of_all_tori() {
    let mut seen = Vec::new();
    for homes in [[0, 0, 0], [0, 1, 1], [1, 1, 1]] {
        let mut lanes = lanes();
        for home in homes {
            let made = lanes.entry(home, "made", &[]);
            let _ = lanes.value(home, made);
        }
        for _ in 0..300 {
            let made = lanes.entry(homes[2], "plain", &[]);
            let _ = lanes.value(homes[2], made);
        }
        let id = lanes.entry(0, "scans", &[]);
        let Val::List(parts) = lanes.value(0, id) else { panic!("a list") };
        let [count, Val::List(rows)] = &parts[..] else { panic!("two") };
        let ids: Vec<ObjectId> = rows
            .iter()
            .map(|row| match row {
                Val::List(row) => match (&row[0], &row[1]) {
                    (Val::Object(id), Val::Text(name)) if &**name == "table.box" => *id,
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(ids.is_sorted());
        seen.push((count.clone(), ids.len()));
        lanes.close();
    }
    assert_eq!(seen, [(Val::from(3), 303), (Val::from(3), 303), (Val::from(3), 303)]);
}
