//! What found no way to its torus (`avm:10.1`): who waits for an answer gets an error, and a transaction whose maker is not reached
//! is called off, for it cannot have been decided without the answer that is lost.

use super::super::config::Envelope;
use super::super::exec::Fault;
use super::super::lane::Lane;
use super::super::world::World;
use super::asker::Answer;
use super::{About, Key, Wanted};
use crate::error::MachineError;

impl World {
    /// `ErrMachineUnreachable` for a torus.
    pub(super) fn lost_torus(torus: u8) -> Fault {
        MachineError::MachineUnreachable(format!("torus {torus}").as_str().into()).into()
    }
}

impl Lane {
    /// An envelope to a torus to which there is no way, or none any more.
    pub(in crate::vm) fn undeliverable(&mut self, to: u8, envelope: Envelope) {
        self.world.remotes.lost += 1;
        let Envelope::Remote(remote) = envelope else { return };
        match remote.about {
            About::Fetch { key, .. } | About::Check { key, .. } | About::Look { key, .. } => {
                self.nothing_comes(key, to)
            }
            About::Prepare { key, .. } => self.prepared(key, Answer::Lost),
            About::Prepared { key, refused: None } => {
                self.world.decided(key, None);
                self.stir();
            }
            // Answers of which nobody learns, and orders to a home that is gone.
            _ => {}
        }
    }

    /// What an execution waits for does not come.
    fn nothing_comes(&mut self, key: Key, torus: u8) {
        if let Some(x) = self.execs.get_mut(&key.execution)
            && x.attempt == key.attempt
            && matches!(x.wanted, Some(Wanted::Object(..) | Wanted::Snapshot(_) | Wanted::Look(_)))
        {
            x.wanted = Some(Wanted::Failed(World::lost_torus(torus)));
            self.ready(key.execution);
        }
    }

    /// Envelopes that found no way to their torus, since the start.
    #[must_use]
    pub const fn lost_envelopes(&self) -> u64 {
        self.world.remotes.lost
    }
}
