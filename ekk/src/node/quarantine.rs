//! Nodes whose messages are not taken (`ekk:D-26`): a quarantine acts, and ends only by a decision.

use crate::id::NodeId;

/// Nodes in quarantine at once, at most. One more is refused, visibly: the decision is then not executed here.
pub const QUARANTINED_MAX: usize = 16;

/// The quarantined nodes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Quarantine {
    ids: [NodeId; QUARANTINED_MAX],
    count: u8,
}

impl Quarantine {
    pub(super) const fn new() -> Self {
        Self { ids: [NodeId::NONE; QUARANTINED_MAX], count: 0 }
    }

    pub(super) fn ids(&self) -> &[NodeId] {
        &self.ids[..usize::from(self.count)]
    }

    pub(super) fn holds(&self, id: NodeId) -> bool {
        // Nearly always empty, and this is asked for each message.
        self.count != 0 && self.ids().contains(&id)
    }

    /// True when it is held now, also when it was before; false when there is no place.
    pub(super) fn add(&mut self, id: NodeId) -> bool {
        if self.holds(id) {
            return true;
        }
        let Some(slot) = self.ids.get_mut(usize::from(self.count)) else { return false };
        *slot = id;
        self.count += 1;
        true
    }

    pub(super) fn lift(&mut self, id: NodeId) -> bool {
        let Some(at) = self.ids().iter().position(|&held| held == id) else { return false };
        self.count -= 1;
        self.ids[at] = self.ids[usize::from(self.count)];
        self.ids[usize::from(self.count)] = NodeId::NONE;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ekk:D-26 ekk:P21: sixteen at most, each once; the count is the number held; lifting ends it.
    #[test]
    fn quarantine_is_bounded_and_lifted() {
        let id = |raw| NodeId::new(raw).unwrap();
        let mut quarantine = Quarantine::new();
        assert!(!quarantine.holds(NodeId::NONE));
        for raw in 1..=16 {
            assert!(quarantine.add(id(raw)) && quarantine.add(id(raw)));
        }
        assert!(!quarantine.add(id(17)));
        assert_eq!(quarantine.ids().len(), 16);
        assert!(quarantine.lift(id(3)) && !quarantine.lift(id(3)));
        assert!(!quarantine.holds(id(3)) && quarantine.holds(id(16)));
        assert!(quarantine.add(id(17)));
    }
}
