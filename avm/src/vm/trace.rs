//! The trace of an execution: fixed records appended in constant time (`avm:7.2`, `decisions:AVM-21`). Events that are rare and wide
//! stand beside them.

use std::sync::Arc;

use super::convert::{Names, to_val};
use super::heap::Heap;
use super::loaded::Code;
use super::measure;
use super::notes::{Note, Notes};
use super::word::{NOTHING, Value};
use crate::event::{Event, LogEntry, TraceLevel};
use crate::id::{ControllerId, MachineId, ObjectId, TxId};

/// What a record tells; the others stand in [`Trace::wide`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum What {
    Created,
    Destroyed,
    Called,
    CalledWithoutOutput,
    Received,
    Moved,
    ExecutionMoved,
    Fetched,
    Transferred,
    Frozen,
    Started,
    Committed,
    Aborted,
    StateUpdated,
    Noted,
    Upgraded,
    Wide,
}

/// One record: 32 bytes.
#[derive(Debug, Clone, Copy)]
struct Record {
    /// What happened, 8 bits; controller, 24; calls around it, 32.
    head: u64,
    id: u64,
    one: Value,
    two: Value,
}

const _: () = assert!(size_of::<Record>() == 32);

impl Record {
    const fn what(&self) -> What {
        ALL[(self.head & 0xff) as usize]
    }
}

const ALL: [What; 17] = [
    What::Created,
    What::Destroyed,
    What::Called,
    What::CalledWithoutOutput,
    What::Received,
    What::Moved,
    What::ExecutionMoved,
    What::Fetched,
    What::Transferred,
    What::Frozen,
    What::Started,
    What::Committed,
    What::Aborted,
    What::StateUpdated,
    What::Noted,
    What::Upgraded,
    What::Wide,
];

/// Controller of the transaction, and how many calls are around.
pub(super) type Stamp = (u32, u32);

/// A trace.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) level: TraceLevel,
    /// Entries of the time on other tori, before the records.
    past: Vec<LogEntry>,
    records: Vec<Record>,
    /// With what each is charged, bytes.
    wide: Vec<(Event, u64)>,
    /// Event counter.
    pub(super) next: u64,
    lost: u64,
    bytes: u64,
    most: u64,
    muted: u32,
    notes: Notes,
}

/// A point of a trace to go back to.
#[derive(Debug, Clone, Copy)]
pub(super) struct TraceMark {
    records: usize,
    next: u64,
    lost: u64,
    notes_lost: u64,
}

impl TraceMark {
    /// Timestamp of the first entry after it.
    pub(super) const fn position(self) -> u64 {
        self.next
    }
}

impl Trace {
    pub(super) fn new(level: TraceLevel, most: u64) -> Self {
        Self {
            level,
            past: Vec::new(),
            records: Vec::new(),
            wide: Vec::new(),
            next: 0,
            lost: 0,
            bytes: 0,
            most,
            muted: 0,
            notes: Notes::default(),
        }
    }

    /// Takes memory for the first records of an execution, and touches it.
    pub(super) fn warm(&mut self) {
        const RECORDS: usize = 1 << 15;
        if self.level != TraceLevel::Off {
            let records = usize::try_from(self.most / 32).unwrap_or(RECORDS).min(RECORDS);
            self.records.resize(records, Record { head: 1, id: 0, one: NOTHING, two: NOTHING });
            self.records.clear();
        }
    }

    /// Starts anew with the memory it has.
    pub(super) fn reset(&mut self, heap: &mut Heap, level: TraceLevel) {
        self.rewind(heap, TraceMark { records: 0, next: 0, lost: 0, notes_lost: 0 });
        self.notes.clear(heap);
        self.past.clear();
        self.bytes = 0;
        self.level = level;
    }

    /// Whatever comes is an event again.
    pub(super) const fn listen(&mut self) {
        self.muted = 0;
    }

    /// Nothing is an event while this is not 0.
    pub(super) const fn mute(&mut self, replays: u32) {
        self.muted = replays;
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }

    /// Appends a record; counts the references of its values anew.
    #[inline(always)]
    pub(super) fn log(&mut self, heap: &mut Heap, what: What, stamp: Stamp, id: u64, one: Value, two: Value) {
        if self.muted > 0 {
            return;
        }
        self.next += 1;
        if self.level != TraceLevel::Off {
            self.keep(heap, what, stamp, id, one, two);
        }
    }

    fn keep(&mut self, heap: &mut Heap, what: What, (controller, depth): Stamp, id: u64, one: Value, two: Value) {
        let bytes = 32 + 8 * (u64::from(heap.size(one)) + u64::from(heap.size(two)));
        if self.lost > 0 || self.bytes + bytes > self.most {
            self.lost += 1;
            return;
        }
        self.bytes += bytes;
        let head = what as u64 | u64::from(controller) << 8 | u64::from(depth) << 32;
        self.records.push(Record { head, id, one: heap.retain(one), two: heap.retain(two) });
    }

    /// Appends a note, which comes out whether or not the trace has room for it.
    pub(super) fn note(&mut self, heap: &mut Heap, stamp: Stamp, value: Value) {
        if self.muted == 0 {
            self.notes.keep(heap, self.next, value);
        }
        self.log(heap, What::Noted, stamp, 0, value, NOTHING);
    }

    /// Whether no note waits to come out.
    pub(super) fn noted_nothing(&self) -> bool {
        self.notes.is_empty()
    }

    /// The next note that was decided to have been made; `decided`: where the undecided begins.
    pub(super) fn next_note(&mut self, heap: &Heap, decided: Option<TraceMark>) -> Option<Note> {
        let (before, lost) = decided.map_or((u64::MAX, self.notes.lost()), |mark| (mark.next, mark.notes_lost));
        self.notes.next(heap, before, lost)
    }

    /// Appends a rare event; it is charged with all it holds.
    pub(super) fn log_wide(&mut self, heap: &mut Heap, stamp: Stamp, event: impl FnOnce() -> Event) {
        let number = self.wide.len() as u64;
        if self.muted > 0 || self.level == TraceLevel::Off || self.lost > 0 {
            // It is counted, and nobody makes it.
            return self.log(heap, What::Wide, stamp, number, NOTHING, NOTHING);
        }
        let event = event();
        let bytes = measure::event(&event);
        let before = self.records.len();
        if self.bytes + bytes <= self.most {
            self.bytes += bytes;
            self.log(heap, What::Wide, stamp, number, NOTHING, NOTHING);
            if self.records.len() > before {
                self.wide.push((event, bytes));
            } else {
                self.bytes -= bytes;
            }
        } else {
            self.next += 1;
            self.lost += 1;
        }
    }

    pub(super) const fn mark(&self) -> TraceMark {
        let notes_lost = self.notes.lost();
        TraceMark { records: self.records.len(), next: self.next, lost: self.lost, notes_lost }
    }

    /// Forgets what came after a mark.
    pub(super) fn rewind(&mut self, heap: &mut Heap, mark: TraceMark) {
        for record in self.records.drain(mark.records..) {
            self.bytes -= 32 + 8 * (u64::from(heap.size(record.one)) + u64::from(heap.size(record.two)));
            if record.what() == What::Wide {
                let kept = record.id.min(self.wide.len() as u64) as usize;
                self.bytes -= self.wide.drain(kept..).map(|(_, bytes)| bytes).sum::<u64>();
            }
            heap.release(record.one);
            heap.release(record.two);
        }
        self.notes.rewind(heap, mark.next, mark.notes_lost);
        self.next = mark.next;
        self.lost = mark.lost;
    }

    /// Entries with timestamps `from` to below `to`, at most `most`.
    pub(super) fn entries(
        &self,
        heap: &Heap,
        names: &Names,
        code: &Code,
        (from, to, most): (u64, u64, usize),
    ) -> Vec<LogEntry> {
        let place = |timestamp: u64| usize::try_from(timestamp).unwrap_or(usize::MAX).saturating_sub(self.past.len());
        let past = self.past.iter().filter(|entry| (from..to).contains(&entry.timestamp)).take(most);
        let mut entries: Vec<LogEntry> = past.cloned().collect();
        let from = place(from).min(self.records.len());
        let to = place(to).clamp(from, self.records.len());
        let some = self.records[from..to].iter().take(most - entries.len()).enumerate();
        entries.extend(some.map(|(at, record)| LogEntry {
            timestamp: (self.past.len() + from + at) as u64,
            event: self.event(heap, names, code, record),
            controller: names.option((record.head >> 8) as u32 & 0xff_ffff),
            depth: (record.head >> 32) as u32,
        }));
        entries
    }

    /// Goes on with a trace that was kept elsewhere so far, and is charged what it was there: it is as long as if it had stayed.
    pub(super) fn take_up(&mut self, level: TraceLevel, past: Vec<LogEntry>, (next, lost, bytes): (u64, u64, u64)) {
        self.level = level;
        self.past = past;
        (self.next, self.lost, self.bytes) = (next, lost, bytes);
    }

    fn event(&self, heap: &Heap, names: &Names, code: &Code, record: &Record) -> Event {
        let object = ObjectId(record.id);
        let tx = TxId(record.id);
        let name = |value: Value| names.name(value.bits32());
        let machine = |value: Value| -> MachineId { name(value) };
        let controller = |value: Value| -> ControllerId { name(value) };
        let val = |value: Value| to_val(heap, names, value);
        let behaviour = |value: Value| -> Arc<str> {
            code.behaviours
                .get(value.bits32() as usize)
                .map_or_else(|| Arc::from(""), |behaviour| behaviour.name.clone())
        };
        match record.what() {
            What::Created => Event::ObjectCreated(object, behaviour(record.one)),
            What::Upgraded => Event::ObjectUpgraded(object, behaviour(record.one), behaviour(record.two)),
            What::Destroyed => Event::ObjectDestroyed(object),
            What::Called => Event::ObjectCalled(object, val(record.one), Some(val(record.two))),
            What::CalledWithoutOutput => Event::ObjectCalled(object, val(record.one), None),
            What::Received => Event::MessageReceived(object, val(record.one)),
            What::Moved => Event::ObjectMoved(object, machine(record.one), machine(record.two)),
            What::ExecutionMoved => Event::ExecutionMoved(machine(record.one), machine(record.two)),
            What::Fetched => Event::ObjectFetched(object, machine(record.one)),
            What::Transferred => Event::ObjectTransferred(object, controller(record.one), controller(record.two)),
            What::Frozen => Event::ObjectFrozen(object, controller(record.one)),
            What::Started => Event::TransactionStarted(tx),
            What::Committed => Event::TransactionCommitted(tx),
            What::Aborted => Event::TransactionAborted(tx),
            What::StateUpdated => Event::StateUpdated(object),
            What::Noted => Event::Noted(val(record.one)),
            What::Wide => {
                let wide = self.wide.get(record.id as usize);
                wide.map(|(event, _)| event.clone()).unwrap_or(Event::Noted(crate::value::Val::Nothing))
            }
        }
    }
}
