//! What a reactor wants done in each turn of its loop beside events.

use torus::Torus;

use super::inputs::Inputs;

/// A companion of a reactor in the loop of its torus.
pub trait Aside<R> {
    /// Once a turn, before the batch; whether there was anything to do. Bounded, and never waits.
    fn turn(&mut self, torus: &mut Torus<'_, R>, inputs: &mut Inputs, now_ns: u64) -> bool;

    /// Whether something has come for it: a loop that sleeps wakes up then.
    fn waiting(&self) -> bool;
}
