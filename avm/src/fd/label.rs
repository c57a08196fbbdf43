//! What `label` and `abortTx` do at the store (`avm:8.3`, `avm:8.4`). Who keeps the choice points also keeps continuations.

use serde::{Deserialize, Serialize};

use super::limits::{Changes, Refusal};
use super::store::Store;
use crate::id::VarId;
use crate::value::Val;

/// A `label` under way: the values of its variable when it began, and how far they were tried. A choice point holds one, with a mark
/// taken before its first value; it is also the decision that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Label {
    var: VarId,
    values: Vec<Val>,
    next: u32,
    /// Values that were tried, in order; the last is the decision unless there was a dead end.
    tried: Vec<Val>,
}

impl Label {
    /// Values it holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.values.len() + self.tried.len()
    }

    /// The variable.
    #[must_use]
    pub fn var(&self) -> VarId {
        self.var
    }

    /// Whether values are left that were not looked at.
    #[must_use]
    pub fn has_more(&self) -> bool {
        (self.next as usize) < self.values.len()
    }

    /// The value decided on.
    #[must_use]
    pub fn value(&self) -> Option<&Val> {
        self.tried.last()
    }

    /// Values tried, in order; the last is the one decided on.
    #[must_use]
    pub fn tried(&self) -> &[Val] {
        &self.tried
    }
}

impl Store {
    /// Begins to label a variable; [`Self::label_next`] takes its values.
    ///
    /// # Errors
    /// [`Refusal::UnknownVar`].
    pub fn label(&self, var: VarId) -> Result<Label, Refusal> {
        self.slot(var)?;
        Ok(Label { var, values: self.domain(var).cloned().collect(), next: 0, tried: Vec::new() })
    }

    /// Takes the next value that is not refuted and does not fail: the changes (the variable's own among them), or `None` when the
    /// values are used up, which is a dead end. A choice point goes back to its mark before it takes the next.
    pub fn label_next(&mut self, label: &mut Label) -> Option<Changes> {
        while let Some(value) = label.values.get(label.next as usize) {
            label.next += 1;
            if self.refuted(label.var, value) {
                continue;
            }
            label.tried.push(value.clone());
            if let Ok(changes) = self.try_assign(label.var, value) {
                return Some(changes);
            }
        }
        None
    }

    /// Records what an aborted frame refutes in the scope around it (`avm:8.4`), after undoing to its begin: its decisions taken
    /// together, and the decisions before each with every value that was tried in its stead.
    ///
    /// # Errors
    /// [`Refusal::Limit`]; nothing is recorded then.
    pub fn refute_frame(&mut self, decisions: &[Label]) -> Result<(), Refusal> {
        let mark = self.mark();
        let result = self.refute_all(decisions);
        if result.is_err() {
            self.undo_to(&mark);
        }
        result
    }

    fn refute_all(&mut self, decisions: &[Label]) -> Result<(), Refusal> {
        let mut combination: Vec<(VarId, Val)> = Vec::with_capacity(decisions.len());
        for decision in decisions {
            let Some((value, before)) = decision.tried.split_last() else { continue };
            for other in before {
                combination.push((decision.var, other.clone()));
                self.refute(&combination)?;
                combination.pop();
            }
            combination.push((decision.var, value.clone()));
        }
        self.refute(&combination)
    }
}
