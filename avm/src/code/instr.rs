//! The instruction set (`avm:4`): 36 specified instructions in ten families and ours beside them.

use serde::{Deserialize, Serialize};

/// Whether a program must declare `unsafe` to hold an instruction (`avm:1`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Safety {
    /// Any program may.
    Safe,
    /// Needs `unsafe`, and the node's grant.
    Unsafe,
}

/// Family of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Family {
    Obj,
    Introspect,
    Reflect,
    Reify,
    Tx,
    Pure,
    Machine,
    Controller,
    Fd,
    Nondet,
    /// Not of the specified set.
    Ours,
}

macro_rules! instructions {
    ($($variant:ident $name:literal $arity:literal $family:ident $safety:ident $doc:literal;)*) => {
        /// An instruction of the machine.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[repr(u8)]
        pub enum Instr {
            $(#[doc = $doc] $variant,)*
        }

        impl Instr {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Name in the language and in the specification.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// How many arguments it takes; optional ones are always passed, as `nothing` when left out.
            #[must_use]
            pub const fn arity(self) -> u8 {
                match self { $(Self::$variant => $arity,)* }
            }

            /// Its family.
            #[must_use]
            pub const fn family(self) -> Family {
                match self { $(Self::$variant => Family::$family,)* }
            }

            /// Whether it needs `unsafe`.
            #[must_use]
            pub const fn safety(self) -> Safety {
                match self { $(Self::$variant => Safety::$safety,)* }
            }

            /// What it takes and gives, one line.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }

            /// Finds one by name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

instructions! {
    CreateObj "createObj" 2 Obj Safe "(behaviour: text, controller?) -> object.";
    DestroyObj "destroyObj" 1 Obj Safe "(object) -> true.";
    Call "call" 2 Obj Safe "(object, message) -> output or nothing.";
    Receive "receive" 0 Obj Safe "() -> message or nothing.";
    SelfId "self" 0 Introspect Safe "() -> object.";
    Input "input" 0 Introspect Safe "() -> message of the frame.";
    CurrentMachine "getCurrentMachine" 0 Introspect Safe "() -> machine.";
    GetState "getState" 0 Introspect Safe "() -> list.";
    SetState "setState" 1 Introspect Safe "(list) -> nothing.";
    Sender "sender" 0 Introspect Safe "() -> object or nothing.";
    Reflect "reflect" 1 Reflect Unsafe "(object) -> metadata record or nothing.";
    ScryMeta "scryMeta" 1 Reflect Unsafe "(predicate of metadata) -> list of (object, metadata).";
    ScryDeep "scryDeep" 1 Reflect Unsafe "(predicate of behaviour name and metadata) -> list of [object, behaviour, metadata].";
    ReifyContext "reifyContext" 0 Reify Safe "() -> [self, input, sender, machine, controller].";
    ReifyTxState "reifyTxState" 0 Reify Unsafe "() -> [tx, writes, creates, destroys, observed] or nothing.";
    ReifyConstraints "reifyConstraints" 0 Reify Unsafe "() -> (list of (variable, domain), number of constraints).";
    BeginTx "beginTx" 1 Tx Safe "(controller?) -> transaction.";
    CommitTx "commitTx" 1 Tx Safe "(transaction) -> whether it was committed.";
    AbortTx "abortTx" 1 Tx Safe "(transaction) -> nothing.";
    CallPure "callPure" 2 Pure Safe "(name, list of arguments) -> value or nothing.";
    RegisterPure "registerPure" 2 Pure Unsafe "(name, function) -> true.";
    UpdatePure "updatePure" 3 Pure Safe "(name, function, expected version?) -> true.";
    GetMachine "getMachine" 1 Machine Safe "(object) -> machine or nothing.";
    Teleport "teleport" 1 Machine Safe "(machine) -> true.";
    MoveObject "moveObject" 2 Machine Safe "(object, machine) -> true.";
    Fetch "fetch" 1 Machine Safe "(object) -> whether it exists.";
    GetCurrentController "getCurrentController" 0 Controller Safe "() -> controller or nothing.";
    GetController "getController" 1 Controller Safe "(object) -> controller or nothing.";
    TransferObject "transferObject" 2 Controller Safe "(object, controller) -> true.";
    Freeze "freeze" 1 Controller Safe "(object) -> just whether all replicas were reached, or nothing.";
    NewVar "newVar" 1 Fd Safe "(list of values) -> variable.";
    Narrow "narrow" 2 Fd Safe "(variable, list of values) -> whether it is consistent.";
    Post "post" 1 Fd Safe "(constraint, as `Constraint::to_val` writes it) -> whether it is consistent.";
    Label "label" 1 Fd Safe "(variable) -> its value.";
    Choose "choose" 1 Nondet Safe "(list of alternatives) -> one of them.";
    Require "require" 2 Nondet Safe "(condition, name?) -> nothing.";
    ChooseWeighted "chooseWeighted" 1 Ours Safe "(list of (alternative, weight)) -> one of them.";
    Prefer "prefer" 2 Ours Safe "(condition, weight) -> nothing: a soft requirement.";
    Send "send" 2 Ours Safe "(object, message) -> nothing: to its mailbox; in a transaction delivered at commit.";
    Solve "solve" 1 Ours Safe "(list of variables) -> list of values, or nothing.";
    SolveAll "solveAll" 2 Ours Safe "(list of variables, most solutions or nothing) -> list of lists of values.";
    DomainOf "domainOf" 1 Ours Safe "(variable) -> list of values left.";
    Note "note" 1 Ours Safe "(value) -> nothing: output of the program, in its trace.";
    Random "random" 1 Ours Safe "(n) -> number from 0 to n - 1, from the recorded seed.";
    Now "now" 0 Ours Safe "() -> time given to the execution, ns, a recorded input.";
    Sleep "sleep" 1 Ours Safe "(ticks) -> nothing, after so many ticks, at most 10^9.";
    Args "args" 0 Ours Safe "() -> list of the arguments of the execution.";
    Reject "reject" 0 Ours Safe "() -> never: the behaviour rejects its message.";
    Raise "raise" 1 Ours Safe "(text) -> never: fails with ErrProgramRaised.";
    ValueOf "valueOf" 1 Ours Safe "(value) -> the same with variables as their values; an open one is decided at commit.";
    RequireOrder "requireOrder" 5 Ours Safe "(object, message, object, message, name?) -> nothing: one call comes before another.";
    ReceiveFor "receiveFor" 1 Ours Safe "(ticks) -> message, or nothing when none has come after so many ticks, at most 10^9.";
    Upgrade "upgrade" 2 Ours Safe "(object, behaviour: text) -> true: from here on the object runs this behaviour with the state it has.";
}
