//! An execution: registers, frames, contexts, and what it has going on (`avm:7.2`). Nothing of it is on the host's stack.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::choose::{Base, Exploring};
use super::config::{Decision, Failure, Status, Why};
use super::heap::Heap;
use super::label::Point;
use super::native::Native;
use super::quick::{Ease, Leaf};
use super::trace::{Trace, TraceMark};
use super::tx::{Mode, NO_ENTRY, Tx};
use super::word::{NOTHING, Value};
use crate::error::AvmError;
use crate::event::TraceLevel;
use crate::id::{ExecutionId, ObjectId, ROOT, TxId};
use crate::nondet::Expr;
use crate::value::Kind;

/// Runs of ended transactions that are remembered.
const FINISHED: usize = 8192;
/// Registers of a window: every register number is one.
pub(super) const WINDOW: usize = 256;

/// Failure of a program.
pub(super) type Fault = Box<AvmError>;

macro_rules! into_fault {
    ($($error:ident),*) => {$(
        impl From<crate::error::$error> for Fault {
            fn from(error: crate::error::$error) -> Self {
                Box::new(error.into())
            }
        }
    )*};
}
into_fault!(
    ObjError,
    IntrospectError,
    ReflectError,
    ReifyError,
    TxError,
    PureError,
    MachineError,
    ControllerError,
    FdError,
    NondetError,
    ProgramError
);

impl From<super::heap::Full> for Fault {
    fn from(full: super::heap::Full) -> Self {
        crate::error::ProgramError::Memory(full.0).into()
    }
}

/// A type error.
#[cold]
pub(super) fn type_error(expected: &str, found: Kind) -> Fault {
    crate::error::ProgramError::Type(format!("expected {expected}, found {}", found.word())).into()
}

/// An arithmetic error.
#[cold]
pub(super) fn arithmetic(what: &str) -> Fault {
    crate::error::ProgramError::Arithmetic(what.to_owned()).into()
}

/// What a frame was entered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Enter {
    /// The entry of the execution, or of a segment of a composition.
    Root,
    /// A function.
    Invoke,
    /// A behaviour.
    Call,
    /// A registered pure function: what fails in it is `nothing`.
    Pure,
    /// A predicate of `scry`.
    Scry,
    /// A message replayed by `freeze`.
    Replay,
}

/// A running function.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) pc: u32,
    /// First register.
    pub(super) base: u32,
    pub(super) func: u32,
    /// Register of the caller that takes the result.
    pub(super) dst: u8,
    pub(super) enter: Enter,
}

/// On whose behalf code runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    pub(super) id: ObjectId,
    pub(super) input: Value,
    /// Who called; of the root none.
    pub(super) sender: Option<ObjectId>,
    pub(super) machine: u32,
    /// Position of `id` in the table of the transaction, while the epoch is this.
    pub(super) entry: u32,
    pub(super) epoch: u32,
    /// Runs on the replica of its machine.
    pub(super) replica: bool,
}

/// What a step back puts where it was.
#[derive(Debug)]
pub(super) enum Saved {
    Frame(u32, Frame, Vec<Value>),
    Context(u32, Context),
}

/// A place of the program to go back to (`decisions:AVM-11`): the newest frame, and how much of the saved ones is newer.
#[derive(Debug)]
pub(super) struct Checkpoint {
    frames: u32,
    contexts: u32,
    frame: Frame,
    registers: Vec<Value>,
    natives: Vec<Native>,
    saved: u32,
}

/// Where the implicit transaction of an outermost call begins anew.
#[derive(Debug, Clone, Copy)]
pub(super) struct Restart {
    pub(super) trace: TraceMark,
    /// Frame of the call, and its function.
    pub(super) frame: u32,
    pub(super) func: u32,
    pub(super) natives: usize,
    pub(super) random: u64,
    pub(super) fd: Option<crate::fd::Mark>,
    /// Times it has begun anew.
    pub(super) again: u32,
}

/// Where a constraint was posted, as far as it is known.
pub(super) type Posted = Option<(Arc<str>, crate::code::Place)>;

/// A deferred value: which term, and what is known of it.
#[derive(Debug, Clone)]
pub(super) struct Term {
    pub(super) expr: Arc<Expr>,
    pub(super) kind: Option<Kind>,
    pub(super) low: i128,
    pub(super) high: i128,
    /// It depends on variables, too.
    pub(super) open: bool,
}

/// Transactions that are over, in runs of equal end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finished {
    first: u64,
    count: u64,
    committed: bool,
}

pub(super) struct Exec {
    pub(super) id: ExecutionId,
    pub(super) status: Status,
    /// `suspend` was asked for.
    pub(super) held: bool,
    /// What it waits for has come.
    pub(super) woken: bool,
    pub(super) module: u32,
    pub(super) entry: Arc<str>,
    pub(super) pinned: bool,
    pub(super) regs: Vec<Value>,
    pub(super) frames: Vec<Frame>,
    pub(super) contexts: Vec<Context>,
    /// Operations left of this quantum.
    pub(super) left: u32,
    pub(super) fuel: u64,
    pub(super) done: u64,
    pub(super) tx: Tx,
    /// The outermost call whose transaction is not in `tx`.
    pub(super) leaf: Leaf,
    pub(super) ease: Ease,
    pub(super) trace: Trace,
    /// Where the trace is undecided from.
    pub(super) decided: Option<TraceMark>,
    pub(super) finished: Vec<Finished>,
    /// State of the root.
    pub(super) state: Value,
    pub(super) args: Value,
    pub(super) random: u64,
    pub(super) now_ns: u64,
    pub(super) authority: u32,
    pub(super) parent: Option<ExecutionId>,
    /// It has started others.
    pub(super) family: bool,
    pub(super) blocking: bool,
    pub(super) mailbox: VecDeque<Value>,
    pub(super) restart: Option<Restart>,
    /// Quanta that the implicit transaction has had for itself.
    pub(super) alone: u32,
    pub(super) points: Vec<Point>,
    /// Memory of these, bytes.
    pub(super) point_bytes: u64,
    /// Frames below this are older than the newest choice point and not saved.
    pub(super) floor: u32,
    pub(super) context_floor: u32,
    pub(super) saved: Vec<Saved>,
    pub(super) fd: Option<Box<crate::fd::Store>>,
    /// Where the constraints of the store were posted; those past its end are gone.
    pub(super) posted: Vec<Posted>,
    /// The store could not remember all that was refuted.
    pub(super) refutations_full: bool,
    pub(super) terms: Vec<Term>,
    pub(super) base: Option<Box<Base>>,
    pub(super) exploring: Option<Box<Exploring>>,
    pub(super) natives: Vec<Native>,
    /// Pure functions that are running.
    pub(super) pures: u32,
    /// States of replicas as they were before the outermost call, and how many inputs they had.
    pub(super) replicas: Vec<(ObjectId, u32, Value, usize)>,
    /// Replicas of objects of other tori, while the transaction works on them.
    pub(super) shadows: Vec<((ObjectId, u32), super::store::Replica)>,
    pub(super) segments: Option<Box<super::compose::Segments>>,
    /// What it waits for from elsewhere, and the number of its newest question.
    pub(super) wanted: Option<super::remote::Wanted>,
    pub(super) attempt: u64,
    /// Commit over several tori.
    pub(super) joint: Option<Box<super::remote::Joint>>,
    /// Updates of pure functions that are decided and not in force yet.
    pub(super) registering: Option<Box<super::remote::Registering>>,
    /// Number of the record it waits for, and operations of the quantum that are left for later.
    pub(super) recording: Option<u64>,
    pub(super) spare: u32,
    /// Value of an instruction whose commit is under way, and its register.
    pub(super) later: Option<(u8, Value)>,
    pub(super) result: Option<Result<Value, Box<Failure>>>,
    /// Heap charged, words.
    pub(super) words: i64,
    /// Names of machines and controllers it has brought.
    pub(super) named: u32,
    pub(super) decisions: VecDeque<Decision>,
    /// How its transactions were decided before, those still to come.
    pub(super) known: VecDeque<Decision>,
    pub(super) committed: u64,
    pub(super) refused: u64,
    pub(super) aborted: u64,
    /// Of those refused: because nothing that was required could hold.
    pub(super) unsatisfiable: u64,
    pub(super) carried: super::past::Carried,
}

impl std::fmt::Debug for Exec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exec").field("id", &self.id).field("status", &self.status).finish_non_exhaustive()
    }
}

impl Exec {
    pub(super) fn new(trace_bytes: u64) -> Self {
        Self {
            id: ExecutionId(0),
            status: Status::Terminated,
            held: false,
            woken: false,
            module: 0,
            entry: "".into(),
            pinned: false,
            regs: vec![NOTHING; 2 * WINDOW],
            frames: Vec::new(),
            contexts: Vec::new(),
            left: 0,
            fuel: 0,
            done: 0,
            tx: Tx::new(),
            leaf: Leaf::NONE,
            ease: Ease::Unknown,
            trace: Trace::new(TraceLevel::Default, trace_bytes),
            decided: None,
            finished: Vec::new(),
            state: super::word::EMPTY,
            args: super::word::EMPTY,
            random: 0,
            now_ns: 0,
            authority: 0,
            parent: None,
            family: false,
            blocking: false,
            mailbox: VecDeque::new(),
            restart: None,
            alone: 0,
            points: Vec::new(),
            point_bytes: 0,
            floor: 0,
            context_floor: 0,
            saved: Vec::new(),
            fd: None,
            posted: Vec::new(),
            refutations_full: false,
            terms: Vec::new(),
            base: None,
            exploring: None,
            natives: Vec::new(),
            pures: 0,
            replicas: Vec::new(),
            shadows: Vec::new(),
            segments: None,
            wanted: None,
            attempt: 0,
            joint: None,
            registering: None,
            recording: None,
            spare: 0,
            later: None,
            result: None,
            words: 0,
            named: 0,
            decisions: VecDeque::new(),
            known: VecDeque::new(),
            committed: 0,
            refused: 0,
            aborted: 0,
            unsatisfiable: 0,
            carried: super::past::Carried::default(),
        }
    }

    /// How its outermost transactions ended.
    pub(super) const fn counts(&self) -> [u64; 4] {
        [self.committed, self.refused, self.aborted, self.unsatisfiable]
    }

    pub(super) const fn set_counts(&mut self, [committed, refused, aborted, unsatisfiable]: [u64; 4]) {
        self.committed = committed;
        self.refused = refused;
        self.aborted = aborted;
        self.unsatisfiable = unsatisfiable;
    }

    /// The running frame.
    #[inline(always)]
    pub(super) fn frame(&self) -> Frame {
        self.frames[self.frames.len() - 1]
    }

    /// Where the running frame goes on.
    #[inline(always)]
    pub(super) fn set_pc(&mut self, pc: usize) {
        if let Some(frame) = self.frames.last_mut() {
            frame.pc = pc as u32;
        }
    }

    #[inline(always)]
    pub(super) fn context(&self) -> Context {
        self.contexts[self.contexts.len() - 1]
    }

    /// Argument `at` of an instruction whose arguments stand from `start`.
    #[inline(always)]
    pub(super) fn arg(&self, start: u8, at: usize) -> Value {
        self.regs[self.frame().base as usize + start as usize + at]
    }

    /// Sets a register of the running frame; takes over the reference.
    #[inline(always)]
    pub(super) fn set(&mut self, heap: &mut Heap, dst: u8, value: Value) {
        let at = self.frame().base as usize + dst as usize;
        let before = std::mem::replace(&mut self.regs[at], value);
        heap.release(before);
    }

    /// Makes room for a window from `base`.
    #[inline]
    pub(super) fn reserve(&mut self, base: usize) {
        if self.regs.len() < base + WINDOW {
            self.grow(base + WINDOW);
        }
    }

    #[cold]
    fn grow(&mut self, registers: usize) {
        self.regs.resize(registers.next_power_of_two(), NOTHING);
    }

    /// Clears registers `from` to below `to`.
    #[inline]
    pub(super) fn wipe(&mut self, heap: &mut Heap, from: usize, to: usize) {
        for register in self.regs.get_mut(from..to).unwrap_or_default() {
            let value = std::mem::replace(register, NOTHING);
            heap.release(value);
        }
    }

    /// How a transaction ended, if it is over.
    pub(super) fn ended(&self, tx: TxId) -> Option<bool> {
        let at = self.finished.iter().rfind(|run| run.first <= tx.0 && tx.0 - run.first < run.count);
        at.map(|run| run.committed)
    }

    pub(super) fn finish(&mut self, tx: TxId, committed: bool) {
        if let Some(last) = self.finished.last_mut() {
            if last.committed == committed && last.first + last.count == tx.0 {
                last.count += 1;
                return;
            }
            if last.committed == committed && tx.0 + 1 == last.first {
                last.first -= 1;
                last.count += 1;
                return;
            }
        }
        self.finished.push(Finished { first: tx.0, count: 1, committed });
    }

    /// Of very many ends the oldest are forgotten: their transactions are unknown from then on.
    #[inline]
    pub(super) fn forget_finished(&mut self) {
        if self.finished.len() > FINISHED {
            self.finished.drain(..FINISHED / 2);
        }
    }

    /// Transactions that are over: how many runs, and the last one as it is.
    pub(super) fn finished_mark(&self) -> (usize, u64, u64) {
        let last = self.finished.last();
        (self.finished.len(), last.map_or(0, |run| run.first), last.map_or(0, |run| run.count))
    }

    pub(super) fn finished_rewind(&mut self, (len, first, count): (usize, u64, u64)) {
        self.finished.truncate(len);
        if let Some(last) = self.finished.last_mut() {
            (last.first, last.count) = (first, count);
        }
    }

    pub(super) fn finished_all(&self) -> Vec<(u64, u64, bool)> {
        self.finished.iter().map(|run| (run.first, run.count, run.committed)).collect()
    }

    pub(super) fn finished_set(&mut self, all: &[(u64, u64, bool)]) {
        self.finished = all
            .iter()
            .map(|(first, count, committed)| Finished { first: *first, count: *count, committed: *committed })
            .collect();
    }

    /// A place to go back to: the running frame as it is, to go on at `pc`.
    pub(super) fn checkpoint(&mut self, code: &super::loaded::Code, heap: &mut Heap, pc: u32) -> Checkpoint {
        let mut frame = self.frame();
        frame.pc = pc;
        let from = frame.base as usize;
        let registers = usize::from(code.functions[frame.func as usize].registers);
        let registers: Vec<Value> = self.regs[from..from + registers].iter().map(|value| heap.retain(*value)).collect();
        self.floor = self.frames.len() as u32 - 1;
        self.context_floor = self.contexts.len() as u32;
        Checkpoint {
            frames: self.frames.len() as u32,
            contexts: self.contexts.len() as u32,
            frame,
            registers,
            natives: self.natives_now(heap),
            saved: self.saved.len() as u32,
        }
    }

    /// Saves the frame that is about to run again, when the newest choice point is younger than it.
    #[cold]
    pub(super) fn save_frame(&mut self, heap: &mut Heap, upper: u32) {
        let at = self.frames.len() as u32 - 1;
        let frame = self.frame();
        let values = self.regs[frame.base as usize..upper as usize].iter().map(|value| heap.retain(*value)).collect();
        self.saved.push(Saved::Frame(at, frame, values));
        self.floor = at;
    }

    /// Goes back to a checkpoint, which stays.
    pub(super) fn restore(&mut self, code: &super::loaded::Code, heap: &mut Heap, to: &Checkpoint) {
        self.natives_back(heap, &to.natives);
        // Of several saves of one frame or context the oldest is what it was at the checkpoint.
        let (mut frames, mut contexts) = (BTreeMap::new(), BTreeMap::new());
        for saved in self.saved.drain(to.saved as usize..) {
            match saved {
                Saved::Frame(at, frame, values) if at + 1 < to.frames && !frames.contains_key(&at) => {
                    frames.insert(at, (frame, values));
                }
                Saved::Context(at, context) if at < to.contexts && !contexts.contains_key(&at) => {
                    contexts.insert(at, context);
                }
                Saved::Frame(_, _, values) => values.into_iter().for_each(|value| heap.release(value)),
                Saved::Context(_, context) => heap.release(context.input),
            }
        }
        let lowest = frames.keys().next().map_or(to.frames - 1, |at| *at) as usize;
        let lower = frames.values().next().map_or(to.frame.base, |(frame, _)| frame.base) as usize;
        let upper = self.upper(code, lowest);
        self.wipe(heap, lower.min(upper), upper);
        self.frames.truncate(lowest);
        for (frame, values) in frames.into_values() {
            self.put_back(frame, &values);
        }
        to.registers.iter().for_each(|value| {
            heap.retain(*value);
        });
        self.put_back(to.frame, &to.registers);
        let lowest = contexts.keys().next().map_or(to.contexts, |at| *at) as usize;
        for context in self.contexts.drain(lowest..) {
            heap.release(context.input);
        }
        self.contexts.extend(contexts.into_values().map(|context| Context { epoch: 0, ..context }));
        self.floor = self.frames.len() as u32 - 1;
        self.context_floor = self.contexts.len() as u32;
    }

    /// First register above all windows of the frames from `lowest` on; they overlap.
    pub(super) fn upper(&self, code: &super::loaded::Code, lowest: usize) -> usize {
        let reach = self
            .frames
            .iter()
            .skip(lowest)
            .map(|frame| frame.base as usize + usize::from(code.functions[frame.func as usize].registers));
        reach.max().unwrap_or(0).min(self.regs.len())
    }

    /// Drops the frames from `lowest` on, and the contexts from `contexts` on.
    pub(super) fn unwind(&mut self, code: &super::loaded::Code, heap: &mut Heap, lowest: usize, contexts: usize) {
        if let Some(frame) = self.frames.get(lowest) {
            let base = frame.base as usize;
            let upper = self.upper(code, lowest);
            self.wipe(heap, base.min(upper), upper);
            self.frames.truncate(lowest);
        }
        for context in self.contexts.drain(contexts..) {
            heap.release(context.input);
        }
    }

    fn put_back(&mut self, frame: Frame, values: &[Value]) {
        let base = frame.base as usize;
        self.reserve(base);
        self.regs[base..base + values.len()].copy_from_slice(values);
        self.frames.push(frame);
    }

    /// Forgets a checkpoint.
    pub(super) fn discard(heap: &mut Heap, checkpoint: Checkpoint) {
        checkpoint.registers.into_iter().for_each(|value| heap.release(value));
        checkpoint.natives.into_iter().for_each(|native| native.release(heap));
    }

    /// Forgets what was saved for checkpoints: none is left.
    pub(super) fn forget_saved(&mut self, heap: &mut Heap) {
        self.floor = 0;
        self.context_floor = 0;
        for saved in self.saved.drain(..) {
            match saved {
                Saved::Frame(_, _, values) => values.into_iter().for_each(|value| heap.release(value)),
                Saved::Context(_, context) => heap.release(context.input),
            }
        }
    }

    /// Waits, or goes on.
    pub(super) const fn wait(&mut self, why: Why) {
        self.status = Status::Suspended(why);
    }

    /// Memory beside the heap, bytes: about what the entries of all that grows with the program take.
    pub(super) fn beside(&self) -> u64 {
        let frames = 8 * (self.regs.len() + 4 * self.frames.len() + 6 * self.contexts.len()) + 128 * self.saved.len();
        let natives: u64 = self.natives.iter().map(Native::bytes).sum();
        let fd = self.fd.as_ref().map_or(0, |fd| fd.bytes());
        frames as u64 + self.trace.bytes() + self.tx.bytes() + self.term_bytes() + self.point_bytes + natives + fd
    }

    /// Memory of deferred values: each a term, and some nodes of expressions.
    pub(super) fn term_bytes(&self) -> u64 {
        (self.terms.len() * (size_of::<Term>() + 2 * (size_of::<Expr>() + 16))) as u64
    }

    /// Memory of a checkpoint, bytes.
    pub(super) fn checkpoint_bytes(at: &Checkpoint) -> u64 {
        128 + 8 * at.registers.len() as u64 + at.natives.iter().map(Native::bytes).sum::<u64>()
    }

    /// Whether code runs on behalf of an object.
    pub(super) fn inside(&self) -> bool {
        self.contexts.len() > 1
    }

    /// Whether the transaction has choices or variables that are decided at commit, so that what happens is not decided yet.
    pub(super) fn undecided(&self) -> bool {
        self.tx.mode == Mode::Explicit && !(self.tx.choices.is_empty() && self.tx.standing.now.is_empty())
    }

    /// Whether what is required now stays: it is not inside an inner transaction, and no `label` goes back before it.
    pub(super) fn certain(&self) -> bool {
        let outer = self.segments.as_ref().map_or(1, |segments| segments.opened());
        self.tx.begun.len() <= outer && self.points.is_empty()
    }

    /// Decisions of the innermost transaction.
    pub(super) fn innermost_decisions(&mut self) -> Option<&mut Vec<crate::fd::Label>> {
        self.tx.begun.last_mut().map(|begun| &mut begun.decisions)
    }

    /// Gives back all it holds, but not its trace and result.
    pub(super) fn release_all(&mut self, heap: &mut Heap, code: &super::loaded::Code) {
        self.drop_points(heap, 0);
        if let Some(base) = self.base.take() {
            base.release(heap);
        }
        self.exploring = None;
        self.forget_saved(heap);
        self.drop_natives(heap, 0);
        let upper = self.upper(code, 0);
        self.wipe(heap, 0, upper);
        self.frames.clear();
        for context in self.contexts.drain(..) {
            heap.release(context.input);
        }
        for value in [
            std::mem::replace(&mut self.state, super::word::EMPTY),
            std::mem::replace(&mut self.args, super::word::EMPTY),
        ] {
            heap.release(value);
        }
        for value in self.mailbox.drain(..) {
            heap.release(value);
        }
        self.terms.clear();
        self.finished.clear();
        self.fd = None;
        self.posted.clear();
        self.refutations_full = false;
        self.known.clear();
        if let Some(segments) = self.segments.take() {
            segments.release(heap);
        }
        for (_, _, state, _) in self.replicas.drain(..) {
            heap.release(state);
        }
        for (_, replica) in self.shadows.drain(..) {
            heap.release(replica.state);
            replica.inputs.into_iter().for_each(|input| heap.release(input));
        }
        if let Some((_, value)) = self.later.take() {
            heap.release(value);
        }
        if let Some(registering) = self.registering.take() {
            registering.release(heap);
        }
        self.wanted = None;
        self.attempt = 0;
        self.pures = 0;
    }

    /// A context of the root.
    pub(super) const fn root_context(input: Value, machine: u32) -> Context {
        Context { id: ROOT, input, sender: None, machine, entry: NO_ENTRY, epoch: 0, replica: false }
    }
}
