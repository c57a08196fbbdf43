//! Watching a machine: called once per input, after the step is complete (`bootstrap:P12`, `bootstrap:W10`).

use super::io::{Input, Output, Outputs, Refusal};
use super::view::{Admissible, Label, View};

/// What the view was before a step: sets only as sizes, so that nothing is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brief {
    /// Label.
    pub label: Label,
    /// Own start-up finished.
    pub local_done: bool,
    /// The deadline passed.
    pub late: bool,
    /// Peers seen.
    pub seen: usize,
    /// Peers ready.
    pub ready: usize,
    /// Members.
    pub members: usize,
}

/// Is told of each input. It gets borrowed values of a finished step: a panic in here leaves the machine whole.
pub trait Observer {
    /// The input was taken.
    fn accepted(&mut self, input: &Input, before: &Brief, outputs: &[Output], after: &View<'_>);
    /// The input was a query.
    fn viewed(&mut self, input: &Input, view: &View<'_>);
    /// The input was refused.
    fn refused(&mut self, input: &Input, why: Refusal, view: &View<'_>, admissible: Admissible);
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    #[inline]
    fn accepted(&mut self, _: &Input, _: &Brief, _: &[Output], _: &View<'_>) {}
    #[inline]
    fn viewed(&mut self, _: &Input, _: &View<'_>) {}
    #[inline]
    fn refused(&mut self, _: &Input, _: Refusal, _: &View<'_>, _: Admissible) {}
}

/// One remembered step.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// Number of the input since construction, from 1; all inputs count.
    pub sequence: u64,
    /// The input.
    pub input: Input,
    /// The outputs, none for a query or a refusal.
    pub outputs: Outputs,
    /// Why it was refused, if it was.
    pub refused: Option<Refusal>,
    /// The label after it.
    pub label: Label,
}

/// Remembers the last `N` steps.
#[derive(Clone, Debug)]
pub struct Ring<const N: usize> {
    records: [Option<Record>; N],
    next: u64,
}

impl<const N: usize> Default for Ring<N> {
    fn default() -> Self {
        Ring { records: [None; N], next: 0 }
    }
}

impl<const N: usize> Ring<N> {
    /// The remembered steps, oldest first.
    pub fn records(&self) -> impl Iterator<Item = &Record> + '_ {
        let start = if N == 0 { 0 } else { (self.next % N as u64) as usize };
        (0..N).filter_map(move |at| self.records[(start + at) % N].as_ref())
    }

    /// Steps that are no longer remembered.
    pub const fn forgotten(&self) -> u64 {
        self.next.saturating_sub(N as u64)
    }

    fn keep(&mut self, input: &Input, outputs: &[Output], refused: Option<Refusal>, label: Label) {
        let mut copy = Outputs::new();
        outputs.iter().for_each(|&output| copy.push(output));
        if N > 0 {
            let at = (self.next % N as u64) as usize;
            let sequence = self.next + 1;
            self.records[at] = Some(Record { sequence, input: *input, outputs: copy, refused, label });
        }
        self.next += 1;
    }
}

impl<const N: usize> Observer for Ring<N> {
    fn accepted(&mut self, input: &Input, _: &Brief, outputs: &[Output], after: &View<'_>) {
        self.keep(input, outputs, None, after.label);
    }

    fn viewed(&mut self, input: &Input, view: &View<'_>) {
        self.keep(input, &[], None, view.label);
    }

    fn refused(&mut self, input: &Input, why: Refusal, view: &View<'_>, _: Admissible) {
        self.keep(input, &[], Some(why), view.label);
    }
}
