//! The order in which messages reach their mailboxes (`avm:11`, `decisions:AVM-7`).

use super::{close, main, run, short, solo};
use crate::Val;
use crate::id::ObjectId;
use crate::id::{ExecutionId, ROOT};
use crate::vm::{Envelope, Input, Start};

const READER: &str = r#"
behaviour reader {
    state seen = []
    on look() -> list {
        let next = receive()
        match next {
            nothing => seen
            m => {
                seen = push(seen, m)
                self.look()
            }
        }
    }
}
fn main() -> list { [create reader at %c2, create reader at %c1, create reader] }
fn look(o: object) -> list { o.look() }
"#;

/// A message of a sender: to which reader, from whom, what.
type Sent = (u64, ObjectId, u64, i64);

/// What the readers see when messages come in this order, in one look.
fn seen(order: &[Sent]) -> (Vec<String>, Vec<String>) {
    let mut solo = solo(READER);
    assert_eq!(short(&solo.run(&main()).unwrap_or_else(|error| panic!("{error}"))).0, "[o0, o1, o2]");
    for (to, sender, execution, message) in order {
        let to = ObjectId(*to);
        let execution = ExecutionId(*execution);
        let envelope = Envelope::Message { to, sender: *sender, execution, message: Val::from(*message) };
        solo.lane.input(Input::Envelope { from: 1, envelope }).unwrap_or_else(|error| panic!("{error}"));
    }
    let mut look = |object: u64| {
        let start = Start { args: vec![Val::Object(ObjectId(object))], ..Start::new("kit", "look") };
        short(&solo.run(&start).unwrap_or_else(|error| panic!("{error}")))
    };
    let both = (0..3).map(&mut look).unzip();
    close(solo.lane);
    both
}

/// Every way to merge the messages of pairs that keeps each pair in its order.
fn merges(pairs: &[Vec<Sent>]) -> Vec<Vec<Sent>> {
    if pairs.iter().all(Vec::is_empty) {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for at in 0..pairs.len() {
        let Some(first) = pairs[at].first() else { continue };
        let mut rest = pairs.to_vec();
        rest[at].remove(0);
        all.extend(merges(&rest).into_iter().map(|tail| [vec![*first], tail].concat()));
    }
    all
}

// avm:11, decisions:AVM-7
#[test]
fn every_merge_of_the_same_deliveries_gives_the_same_mailboxes() {
    let (one, two) = (ObjectId::new(0, 1, 4), ObjectId::new(0, 2, 3));
    let pairs = [
        vec![(0, two, 9, 1), (0, two, 8, 2)],
        vec![(0, one, 7, 3), (0, one, 7, 4)],
        vec![(0, ROOT, 6, 5), (0, ROOT, 6, 6)],
        vec![(0, ROOT, 5, 7)],
        vec![(1, two, 9, 8)],
    ];
    let all = merges(&pairs);
    assert_eq!(all.len(), 8 * 7 * 6 * 5 * 4 * 3 / 2 / 2, "eight messages, three pairs of two");
    let first = seen(&all[0]);
    assert_eq!(first.0, ["[3, 4, 1, 2, 7, 5, 6]", "[8]", "[]"]);
    for order in all.iter().step_by(37) {
        assert_eq!(seen(order), first, "{order:?}");
    }
}

// avm:11
#[test]
fn what_comes_after_a_look_stands_behind_what_came_before() {
    let late = (ObjectId::new(0, 1, 0), ObjectId::new(0, 9, 0));
    let mut solo = solo(READER);
    solo.run(&main()).unwrap_or_else(|error| panic!("{error}"));
    for sender in [late.1, late.0] {
        let message = Val::Object(sender);
        let envelope = Envelope::Message { to: ObjectId(0), sender, execution: ExecutionId(0), message };
        solo.lane.input(Input::Envelope { from: 1, envelope }).unwrap_or_else(|error| panic!("{error}"));
        solo.lane.process_queue();
    }
    let start = Start { args: vec![Val::Object(ObjectId(0))], ..Start::new("kit", "look") };
    let finished = solo.run(&start).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(short(&finished).0, format!("[{}, {}]", late.1, late.0));
    close(solo.lane);
}

// decisions:AVM-13
#[test]
fn what_waits_in_the_queue_counts_for_the_mailbox() {
    let functions = r#"
behaviour idle { on message m { m } }
fn main() {
    let o = create idle
    atomic { for i in 0..<5000 { send(o, i) } }
}"#;
    assert!(run(functions).0.starts_with("ErrProgramMemory"), "{}", run(functions).0);
    let two = r#"
behaviour idle { on message m { m } }
fn main() {
    let o = create idle
    atomic { for i in 0..<4096 { send(o, i) } }
    send(o, 0)
}"#;
    assert!(run(two).0.starts_with("ErrProgramMemory"), "{}", run(two).0);
}

#[test]
fn messages_to_what_is_gone_are_given_back() {
    let functions = r#"
behaviour idle { on message m { m } }
fn main() -> bool {
    atomic(%c1) {
        let o = create idle
        send(o, [1, 2, 3])
        destroyObj(o)
    }
}"#;
    assert_eq!(run(functions).0, "true");
}
