//! Several entry functions as one commit (`avm:R2`, `decisions:AVM-18`). Segments run one after the other in one table. Parallel
//! ones may not touch what another has written, nor write what another has touched; then the order cannot be seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::exec::{Enter, Exec, Fault};
use super::heap::Full;
use super::interp::enter;
use super::loaded::Code;
use super::trace::What;
use super::transact::Committed;
use super::tx::{Begun, CREATED, DESTROYED, MOVED, Mode, OBSERVED, OWNED, STATE, TRANSFERRED};
use super::word::{NOTHING, Node, Value};
use super::world::{Flow, World};
use crate::error::TxError;
use crate::id::ObjectId;
use crate::value::Val;

/// How segments see each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Composition {
    /// Each on the same snapshot; overlapping ones are refused with `ErrTxConflict`.
    Parallel,
    /// Each sees those before it.
    Sequential,
}

/// One segment: an entry and its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Module.
    pub module: Arc<str>,
    /// Entry.
    pub entry: Arc<str>,
    /// Arguments.
    pub args: Vec<Val>,
}

/// Segments of an execution.
#[derive(Debug)]
pub(super) struct Segments {
    how: Composition,
    /// Function and arguments of each.
    parts: Vec<(u32, Vec<Value>)>,
    /// Which runs; as many as there are when all are done.
    at: usize,
    results: Vec<Value>,
    /// Controller of each, as it was at its end.
    controllers: Vec<u32>,
    /// Which segments have read and written an object, as bits.
    touched: BTreeMap<ObjectId, (u64, u64)>,
    /// Whether what the running segment has touched overlaps with another, once it was looked at: its end is met again whenever the
    /// commit had to wait, and by then its marks in the table are those of all segments.
    overlap: Option<bool>,
}

impl Segments {
    pub(super) fn new(how: Composition, parts: Vec<(u32, Vec<Value>)>) -> Self {
        let (results, controllers) = (Vec::new(), Vec::new());
        Self { how, parts, at: 0, results, controllers, touched: BTreeMap::new(), overlap: None }
    }

    /// Transactions of segments that are begun.
    pub(super) fn opened(&self) -> usize {
        (self.at + 1).min(self.parts.len())
    }

    /// Function of each.
    pub(super) fn functions(&self) -> impl Iterator<Item = u32> + '_ {
        self.parts.iter().map(|(function, _)| *function)
    }

    pub(super) fn position(&self) -> (usize, usize) {
        (self.at, self.results.len())
    }

    /// Back to where a run begins; results that are dropped come back.
    pub(super) fn go_back(&mut self, (at, results): (usize, usize)) -> Vec<Value> {
        self.at = at;
        self.overlap = None;
        self.controllers.truncate(at);
        for (reads, writes) in self.touched.values_mut() {
            let kept = (1u64 << at.min(63)) - 1;
            (*reads, *writes) = (*reads & kept, *writes & kept);
        }
        self.results.drain(results.min(self.results.len())..).collect()
    }

    /// Controller of a segment.
    pub(super) fn controller(&self, at: usize) -> Option<u32> {
        self.controllers.get(at).copied()
    }

    /// Gives back what it holds.
    pub(super) fn release(self, heap: &mut super::heap::Heap) {
        let args = self.parts.into_iter().flat_map(|(_, args)| args);
        args.chain(self.results).for_each(|value| heap.release(value));
    }
}

/// Most segments of one composition.
pub(super) const MOST_SEGMENTS: usize = 63;

impl World {
    /// Begins the transaction of the segment that is next, and enters its function.
    pub(super) fn segment_begin(&mut self, code: &Code, x: &mut Exec) -> Result<(), Full> {
        let Some(segments) = &x.segments else { return Ok(()) };
        let Some((func, args)) = segments.parts.get(segments.at).cloned() else { return Ok(()) };
        let list = self.heap.list(&args)?;
        if x.tx.mode == Mode::None {
            x.tx.mode = Mode::Explicit;
            x.tx.snapshot = self.store.begin();
            x.tx.kept = true;
            x.decided = Some(x.trace.mark());
            x.carried.began_ns = self.told_ns();
        }
        x.tx.controller = 0;
        let id = self.fresh_tx(x);
        self.log(x, What::Started, id.0, NOTHING, NOTHING);
        let fd = x.fd.as_ref().map(|fd| fd.mark());
        let mark = if x.tx.begun.is_empty() { x.tx.outermost_mark(fd) } else { x.tx.mark(fd) };
        let order = x.tx.tick();
        x.tx.begun.push(Begun { id, mark, order, decisions: Vec::new() });
        let before = std::mem::replace(&mut x.args, list);
        self.heap.release(before);
        x.reserve(0);
        for (at, arg) in args.iter().enumerate() {
            let value = self.heap.retain(*arg);
            let before = std::mem::replace(&mut x.regs[at], value);
            self.heap.release(before);
        }
        enter(self, code, x, func, 0, 0, Enter::Root);
        Ok(())
    }

    /// Whether a segment that has ended overlaps with another; it is looked at once in a run.
    fn segment_overlaps(&mut self, x: &mut Exec) -> bool {
        if let Some(known) = x.segments.as_ref().and_then(|segments| segments.overlap) {
            return known;
        }
        let overlaps = self.segment_touched(x);
        if let Some(segments) = &mut x.segments {
            segments.overlap = Some(overlaps);
        }
        overlaps
    }

    /// What a segment has touched; whether that overlaps with another. Its marks in the table are put aside.
    fn segment_touched(&mut self, x: &mut Exec) -> bool {
        const CHANGES: u16 = STATE | TRANSFERRED | MOVED;
        let mut overlaps = false;
        for at in 0..x.tx.table.len() as u32 {
            let entry = x.tx.table[at as usize];
            let wrote = entry.has(CHANGES) || entry.flags & (CREATED | DESTROYED) & !entry.past != 0;
            let Some(segments) = x.segments.as_mut().filter(|_| entry.id != crate::id::ROOT) else { continue };
            if wrote || entry.has(OBSERVED) {
                let bit = 1u64 << segments.at;
                let (reads, writes) = segments.touched.entry(entry.id).or_default();
                *reads |= bit;
                *writes |= if wrote { bit } else { 0 };
                overlaps |= *writes != 0 && reads.count_ones() > 1;
            }
            let entry = x.tx.change(&mut self.heap, at);
            entry.past |= entry.flags & (CHANGES | OBSERVED | CREATED | DESTROYED);
            entry.flags &= !(CHANGES | OBSERVED);
        }
        overlaps
    }

    /// A segment has ended: the next, or the commit of all.
    pub(super) fn segment_returned(&mut self, code: &Code, x: &mut Exec, value: Value) -> Result<Flow, Fault> {
        let parallel = x.segments.as_ref().is_some_and(|segments| segments.how == Composition::Parallel);
        let last = x.segments.as_ref().is_none_or(|segments| segments.at + 1 >= segments.parts.len());
        let opened = x.segments.as_ref().map_or(1, |segments| segments.opened());
        if x.tx.begun.len() > opened {
            self.abort_frames(x, opened, false);
        }
        if parallel && self.segment_overlaps(x) {
            self.heap.release(value);
            let tx = x.tx.begun.last().map_or(crate::id::TxId(0), |begun| begun.id);
            let conflict: Fault = TxError::TxConflict(tx).into();
            // Where no branch hangs on a choice every way overlaps: nobody has to be asked (`decisions:AVM-18`).
            return if x.tx.path.is_empty() { Ok(self.failed(code, x, conflict)) } else { Err(conflict) };
        }
        let controller = x.tx.controller;
        if let Some(segments) = &mut x.segments {
            segments.controllers.truncate(segments.at);
            segments.controllers.push(controller);
        }
        if last {
            return self.compose_commit(code, x, value);
        }
        if let Some(segments) = &mut x.segments {
            segments.results.push(value);
            segments.at += 1;
            segments.overlap = None;
        }
        for at in 0..x.tx.table.len() as u32 {
            x.tx.change(&mut self.heap, at).flags &= !OWNED;
        }
        x.tx.epoch += 1;
        self.leave(code, x);
        self.segment_begin(code, x)?;
        Ok(Flow::Next)
    }

    fn compose_commit(&mut self, code: &Code, x: &mut Exec, value: Value) -> Result<Flow, Fault> {
        for at in 0..x.tx.table.len() as u32 {
            let entry = x.tx.change(&mut self.heap, at);
            entry.flags |= entry.past;
        }
        let decided = match self.decide(code, x) {
            Ok(decided) => decided,
            Err(fault) => {
                self.heap.release(value);
                return Err(fault);
            }
        };
        let committed = match decided {
            Committed::Later(flow) => {
                self.heap.release(value);
                return Ok(flow);
            }
            Committed::Yes => {
                self.committed(x);
                true
            }
            Committed::No(refused) => {
                self.refused(x, refused);
                false
            }
        };
        let mut results = x.segments.as_mut().map(|segments| std::mem::take(&mut segments.results)).unwrap_or_default();
        results.push(value);
        let list = self.heap.list_of(&results)?;
        let plain = self.heap.plain(list)?;
        self.heap.release(list);
        let pair = self.heap.node_of(Node::Pair, &[Value::bool(committed), plain])?;
        self.over(code, x, Ok(pair));
        Ok(Flow::Over)
    }
}
