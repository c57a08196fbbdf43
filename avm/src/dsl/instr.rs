//! The instructions of the machine as pieces of programs. Optional arguments take [`super::nothing`]. Each remembers the line of
//! Rust that made it, so that an error of the program names it.

use std::panic::Location;

use super::code::{Code, Node};
use crate::code::Instr;

macro_rules! instructions {
    ($($name:ident($($arg:ident),*) $instr:ident $doc:literal;)*) => {$(
        #[doc = $doc]
        #[must_use]
        #[track_caller]
        pub fn $name($($arg: impl Into<Code>),*) -> Code {
            Code::new(Node::Instr(Instr::$instr, vec![$($arg.into()),*], Location::caller()))
        }
    )*};
}

instructions! {
    create(behaviour, controller) CreateObj "`createObj`: a new object of a behaviour of this program, or of `module.behaviour`.";
    destroy(object) DestroyObj "`destroyObj`: true.";
    call(object, message) Call "`call`: the output, or nothing.";
    receive() Receive "`receive`: the next message of the mailbox, or nothing.";
    receive_for(ticks) ReceiveFor "Ours: the next message of the mailbox, or nothing when none has come after so many ticks.";
    this() SelfId "`self`: the object that runs.";
    input() Input "`input`: the message of the frame.";
    current_machine() CurrentMachine "`getCurrentMachine`.";
    get_state() GetState "`getState`: a list.";
    set_state(list) SetState "`setState`: nothing.";
    sender() Sender "`sender`: an object, or nothing at top level.";
    reflect(object) Reflect "`reflect`, unsafe: metadata, or nothing.";
    scry_meta(predicate) ScryMeta "`scryMeta`, unsafe: list of (object, metadata).";
    scry_deep(predicate) ScryDeep "`scryDeep`, unsafe: list of [object, behaviour, metadata].";
    reify_context() ReifyContext "`reifyContext`: [self, input, sender, machine, controller].";
    reify_tx_state() ReifyTxState "`reifyTxState`, unsafe: [tx, writes, creates, destroys, observed], or nothing.";
    reify_constraints() ReifyConstraints "`reifyConstraints`, unsafe: (variables with domains, number of constraints).";
    begin_tx(controller) BeginTx "`beginTx`: a transaction.";
    commit_tx(tx) CommitTx "`commitTx`: whether it was committed.";
    abort_tx(tx) AbortTx "`abortTx`: nothing.";
    call_pure(name, args) CallPure "`callPure`: a value, or nothing.";
    register_pure(name, function) RegisterPure "`registerPure`, unsafe: true.";
    update_pure(name, function, expected) UpdatePure "`updatePure`: true.";
    get_machine(object) GetMachine "`getMachine`: a machine, or nothing.";
    teleport(machine) Teleport "`teleport`: true.";
    move_object(object, machine) MoveObject "`moveObject`: true.";
    fetch(object) Fetch "`fetch`: whether it exists.";
    get_current_controller() GetCurrentController "`getCurrentController`: the controller of the transaction, or nothing.";
    get_controller(object) GetController "`getController`: a controller, or nothing.";
    transfer_object(object, controller) TransferObject "`transferObject`: true.";
    freeze(object) Freeze "`freeze`: just whether all replicas were reached, or nothing.";
    new_var(domain) NewVar "`newVar`: a variable over a list of values.";
    narrow(variable, domain) Narrow "`narrow`: whether it is consistent.";
    post(constraint) Post "`post`: whether it is consistent; the constraint is a list such as `[\"lt\", x, y]`.";
    label(variable) Label "`label`: a value of the variable.";
    choose(options) Choose "`choose`: one of a list, decided at commit.";
    require(cond, name) Require "`require`: nothing; what must hold at commit, with its name or nothing.";
    choose_weighted(options) ChooseWeighted "Ours: one of a list of (value, weight).";
    prefer(cond, weight) Prefer "Ours: what should hold at commit.";
    send(object, message) Send "Ours: to the mailbox of an object.";
    upgrade(object, behaviour) Upgrade "Ours: another behaviour for an object: true.";
    solve(variables) Solve "Ours: values of variables, or nothing.";
    solve_all(variables, most) SolveAll "Ours: all lists of values of variables.";
    domain_of(variable) DomainOf "Ours: values that are left.";
    value_of(value) ValueOf "Ours: the same with every variable in it as its value, decided at commit while it is open.";
    require_order(object, message, other_object, other_message, name) RequireOrder
        "Ours: nothing; the first such call has to come before the first such call of the other.";
    note(value) Note "Ours: writes a value into the trace.";
    random(below) Random "Ours: a number below, from the recorded seed.";
    now() Now "Ours: the time given to the execution, ns.";
    sleep(ticks) Sleep "Ours: nothing, after so many ticks.";
    args() Args "Ours: the arguments of the execution.";
    reject() Reject "Ours: the behaviour rejects its message; nothing follows.";
    raise(text) Raise "Ours: the program fails with a text; nothing follows.";
}

/// `begin`, a body that is given the transaction, `commit`: the pair of the body's value and whether it was committed.
///
/// ```
/// use avm::dsl::{atomic, call, list, nothing, value};
/// let code = atomic(nothing(), |_tx| call(value(avm::id::ObjectId(0)), list(["inc"])));
/// ```
#[must_use]
#[track_caller]
pub fn atomic(controller: impl Into<Code>, body: impl FnOnce(&Code) -> Code) -> Code {
    // Closures do not pass the caller on: the line is taken here.
    let here = Location::caller();
    let begun = Code::new(Node::Instr(Instr::BeginTx, vec![controller.into()], here));
    begun.bind(|tx| {
        let commit = Code::new(Node::Instr(Instr::CommitTx, vec![tx.clone()], here));
        body(tx).bind(|value| super::pair(value, commit))
    })
}
