//! Programs as lists of steps: made at random, and put into code for the machine.

use avm::dsl::*;
use avm::id::{ObjectId, TxId};
use proptest::prelude::*;

/// What the kit understands (`avm:14`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Counts up and answers the number.
    Inc,
    /// Answers the number.
    Get,
    /// Answers sender and self.
    Who,
    /// Answers the machine.
    Mach,
    /// Sets its state, then calls what does not exist.
    Boom,
    /// Declines.
    Decline,
    /// Passes a message on and answers its output.
    Relay(u64, Box<Message>),
    /// Sets its state to one number, then passes a message on, then answers its state.
    Around(i64, u64, Box<Message>),
    /// Creates a counter.
    Make,
    /// Begins a transaction and ends an inner one: whether it is committed.
    Nested(bool, u64, Box<Message>),
}

/// One instruction of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Step {
    Create(&'static str, Option<&'static str>),
    Destroy(u64),
    Call(u64, Message),
    Begin(Option<&'static str>),
    Commit(u64),
    Abort(u64),
    Transfer(u64, &'static str),
    Controller(u64),
    CurrentController,
    Move(u64, &'static str),
    Machine(u64),
    CurrentMachine,
    Teleport(&'static str),
    Freeze(u64),
    SetState(i64),
    GetState,
    Receive,
    Sender,
    This,
}

impl Message {
    fn code(&self) -> Code {
        let obj = |o: u64| value(ObjectId(o));
        match self {
            Self::Inc => list(["inc"]),
            Self::Get => list(["get"]),
            Self::Who => list(["who"]),
            Self::Mach => list(["mach"]),
            Self::Boom => list(["boom"]),
            Self::Decline => list(["decline"]),
            Self::Relay(o, inner) => list([value("relay"), obj(*o), inner.code()]),
            Self::Around(n, o, inner) => list([value("around"), value(*n), obj(*o), inner.code()]),
            Self::Make => list(["make"]),
            Self::Nested(commit, o, inner) => list([value("nested"), value(*commit), obj(*o), inner.code()]),
        }
    }
}

fn optional(name: Option<&'static str>) -> Code {
    name.map_or_else(nothing, value)
}

impl Step {
    fn code(&self) -> Code {
        let obj = |o: &u64| value(ObjectId(*o));
        let tx = |t: &u64| value(TxId(*t));
        match self {
            Self::Create(name, controller) => create(*name, optional(*controller)),
            Self::Destroy(o) => destroy(obj(o)),
            Self::Call(o, message) => call(obj(o), message.code()),
            Self::Begin(controller) => begin_tx(optional(*controller)),
            Self::Commit(t) => commit_tx(tx(t)),
            Self::Abort(t) => abort_tx(tx(t)),
            Self::Transfer(o, to) => transfer_object(obj(o), *to),
            Self::Controller(o) => get_controller(obj(o)),
            Self::CurrentController => get_current_controller(),
            Self::Move(o, to) => move_object(obj(o), *to),
            Self::Machine(o) => get_machine(obj(o)),
            Self::CurrentMachine => current_machine(),
            Self::Teleport(to) => teleport(*to),
            Self::Freeze(o) => freeze(obj(o)),
            Self::SetState(n) => set_state(list([*n])),
            Self::GetState => get_state(),
            Self::Receive => receive(),
            Self::Sender => sender(),
            Self::This => this(),
        }
    }
}

/// The kit and a program of steps; its value is the list of theirs.
pub fn module(steps: &[Step]) -> Program {
    let inc = || (get_state().first_or(0) + 1).bind(|n| set_state(list([n])).then(n));
    let body = steps.iter().fold(nothing(), |_, _| nothing());
    let nested = |parts: &[Code]| {
        begin_tx(nothing())
            .bind(|t| call(&parts[1], &parts[2]).bind(|out| when(&parts[0], commit_tx(t), abort_tx(t)).then(out)))
    };
    Program::new("m")
        .behaviour("ctr", |b| {
            b.on("inc", 0, |_| inc())
                .on("get", 0, |_| get_state().first_or(0))
                .on("who", 0, |_| list([sender(), this()]))
                .on("mach", 0, |_| current_machine())
                .on("boom", 0, |_| set_state(list([9])).then(call(value(ObjectId(999)), list(["inc"]))))
                .on("relay", 2, |parts| call(&parts[0], &parts[1]))
                .on("around", 3, |parts| {
                    set_state(list([parts[0].clone()])).then(call(&parts[1], &parts[2])).then(get_state())
                })
                .on("make", 0, |_| create("ctr", nothing()))
                .on("nested", 3, nested)
        })
        .raw_behaviour("empty", list(Vec::<Code>::new()))
        .entry("main", 0, move |_| chain(body, steps))
}

/// The steps one after the other; their values are kept in one growing list.
fn chain(first: Code, steps: &[Step]) -> Code {
    let mut whole: Code = list(Vec::<Code>::new());
    for step in steps {
        let code = step.code();
        whole = whole.bind(|so_far| code.bind(|out| builtin(avm::code::Builtin::Push, [so_far.clone(), out.clone()])));
    }
    first.then(whole)
}

fn controller() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![3 => Just(Some("c1")), 1 => Just(Some("c2")), 3 => Just(None)]
}

fn object() -> impl Strategy<Value = u64> {
    prop_oneof![4 => Just(0_u64), 4 => Just(1), 2 => Just(2), 1 => Just(3)]
}

fn message() -> impl Strategy<Value = Message> {
    let leaf = prop_oneof![
        4 => Just(Message::Inc),
        2 => Just(Message::Get),
        1 => Just(Message::Who),
        1 => Just(Message::Mach),
        1 => Just(Message::Boom),
        1 => Just(Message::Decline),
        1 => Just(Message::Make),
    ];
    leaf.prop_recursive(3, 8, 1, |inner| {
        prop_oneof![
            (object(), inner.clone()).prop_map(|(o, inner)| Message::Relay(o, Box::new(inner))),
            (0..5_i64, object(), inner).prop_map(|(n, o, inner)| Message::Around(n, o, Box::new(inner))),
        ]
    })
}

/// A message for a call inside a transaction: it may nest one.
fn deeper() -> impl Strategy<Value = Message> {
    prop_oneof![
        4 => message(),
        1 => (any::<bool>(), object(), message()).prop_map(|(commit, o, inner)| Message::Nested(commit, o, Box::new(inner))),
    ]
}

/// A step without its place among transactions.
#[derive(Debug, Clone)]
enum Draft {
    Plain(Step),
    Inside(u64, Message),
    Begin(Option<&'static str>),
    Commit(u8),
    Abort(u8),
}

/// Programs that mostly go well: transactions are ended more often rightly than not.
pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let machine = || prop_oneof![3 => Just("m1"), 3 => Just("m2"), 1 => Just("dead")];
    let plain = prop_oneof![
        6 => (prop_oneof![8 => Just("ctr"), 1 => Just("empty"), 1 => Just("none")], controller()).prop_map(|(name, c)| Step::Create(name, c)),
        1 => object().prop_map(Step::Destroy),
        10 => (object(), message()).prop_map(|(o, m)| Step::Call(o, m)),
        1 => (object(), prop_oneof![4 => Just("c1"), 4 => Just("c2"), 1 => Just("dead")]).prop_map(|(o, c)| Step::Transfer(o, c)),
        2 => object().prop_map(Step::Controller),
        1 => Just(Step::CurrentController),
        1 => (object(), machine()).prop_map(|(o, m)| Step::Move(o, m)),
        1 => object().prop_map(Step::Machine),
        1 => Just(Step::CurrentMachine),
        1 => machine().prop_map(Step::Teleport),
        1 => object().prop_map(Step::Freeze),
        1 => (0..9_i64).prop_map(Step::SetState),
        1 => Just(Step::GetState),
        1 => Just(Step::Receive),
        1 => Just(Step::Sender),
        1 => Just(Step::This),
    ];
    let draft = prop_oneof![
        16 => plain.prop_map(Draft::Plain),
        3 => (object(), deeper()).prop_map(|(o, m)| Draft::Inside(o, m)),
        4 => controller().prop_map(Draft::Begin),
        4 => (0..12_u8).prop_map(Draft::Commit),
        2 => (0..12_u8).prop_map(Draft::Abort),
    ];
    // Objects 0 and 1 are there from the start in most programs.
    let first = proptest::collection::vec(controller().prop_map(|c| Step::Create("ctr", c)), 0..3);
    (first, proptest::collection::vec(draft, 0..24)).prop_map(|(first, drafts)| placed(first, drafts))
}

/// Gives ends of transactions the ids they will have.
fn placed(first: Vec<Step>, drafts: Vec<Draft>) -> Vec<Step> {
    let (mut open, mut next) = (Vec::new(), 0);
    let mut steps = first;
    for draft in drafts {
        let pick = |open: &Vec<u64>, how: u8, next: u64| match (how, open.last()) {
            (0, _) => next + 5,
            (1, _) => next.saturating_sub(1),
            (2, Some(_)) => open[0],
            (_, Some(last)) => *last,
            (_, None) => 0,
        };
        match draft {
            Draft::Plain(step) => steps.push(step),
            Draft::Inside(o, message) => {
                if !open.is_empty() {
                    // Transactions of callees take ids too.
                    next += u64::from(matches!(message, Message::Nested(..)));
                    steps.push(Step::Call(o, message));
                }
            }
            Draft::Begin(controller) => {
                open.push(next);
                next += 1;
                steps.push(Step::Begin(controller));
            }
            Draft::Commit(how) => {
                // Nothing to commit is an error: seldom.
                if !open.is_empty() || how == 0 {
                    let t = pick(&open, how, next);
                    open.pop();
                    steps.push(Step::Commit(t));
                }
            }
            Draft::Abort(how) => {
                if !open.is_empty() || how == 0 {
                    let t = pick(&open, how, next);
                    open.truncate(open.iter().position(|seen| *seen == t).unwrap_or(open.len()));
                    steps.push(Step::Abort(t));
                }
            }
        }
    }
    steps
}
