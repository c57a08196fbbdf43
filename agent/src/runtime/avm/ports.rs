//! What goes between the tori of one process beside tokens: a ring from each torus to each other one.
//!
//! A correction of the braid moves a token through the region; the execution it stands for cannot go that way (a region holds
//! words, and other processes may write to it), so it goes through a ring of this process, ahead of its token: who takes the token
//! finds the execution there. A torus of another process or node has no such ring, and nothing is handed to it.

use crossbeam_channel::TrySendError;

use crate::runtime::ring::{Receiver, Sender, ring};

/// The ends of one torus, by braid id of the other side.
#[derive(Debug)]
pub struct Ports<P> {
    to: Vec<Option<Sender<P>>>,
    from: Vec<Option<Receiver<P>>>,
}

impl<P> Ports<P> {
    /// A torus alone.
    #[must_use]
    pub fn none() -> Self {
        Self { to: Vec::new(), from: Vec::new() }
    }

    /// The ends of all tori of a process, in the order of `ids`; a ring holds `capacity` pieces.
    #[must_use]
    pub fn mesh(ids: &[u8], capacity: usize) -> Vec<Self> {
        let places = ids.iter().max().map_or(0, |most| usize::from(*most) + 1);
        let empty = |_| Self { to: (0..places).map(|_| None).collect(), from: (0..places).map(|_| None).collect() };
        let mut ports: Vec<Self> = ids.iter().map(empty).collect();
        for one in 0..ids.len() {
            for other in (0..ids.len()).filter(|other| *other != one) {
                let (sender, receiver) = ring(capacity);
                ports[one].to[usize::from(ids[other])] = Some(sender);
                ports[other].from[usize::from(ids[one])] = Some(receiver);
            }
        }
        ports
    }

    /// Pieces that fit on the way to a torus now; 0 for one that is not of this process.
    #[must_use]
    pub fn free(&self, to: u8) -> usize {
        self.to.get(usize::from(to)).and_then(Option::as_ref).map_or(0, Sender::free)
    }

    /// Whether there is a way to a torus.
    #[must_use]
    pub fn reaches(&self, to: u8) -> bool {
        self.to.get(usize::from(to)).is_some_and(Option::is_some)
    }

    /// Sends a piece; gives it back when there is no way or no room. Where nobody takes anything any more there is no way from then
    /// on.
    ///
    /// # Errors
    /// The piece.
    pub fn send(&mut self, to: u8, piece: P) -> Result<(), P> {
        let Some(end) = self.to.get_mut(usize::from(to)) else { return Err(piece) };
        let Some(sender) = end else { return Err(piece) };
        match sender.try_send(piece) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(piece)) => Err(piece),
            Err(TrySendError::Disconnected(piece)) => {
                *end = None;
                Err(piece)
            }
        }
    }

    /// Takes the next piece from any torus, the lowest id first.
    pub fn take(&mut self) -> Option<(u8, P)> {
        let ends = self.from.iter_mut().enumerate();
        ends.filter_map(|(from, end)| Some((from as u8, end.as_mut()?.try_recv().ok()?))).next()
    }

    /// Whether something waits.
    #[must_use]
    pub fn waiting(&self) -> bool {
        self.from.iter().flatten().any(|end| !end.is_empty())
    }
}
