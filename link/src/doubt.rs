//! Commands in doubt (`decisions:CLU-12`): sent, not acknowledged, and nobody is left to ask.

use crate::command::Doubtful;
use crate::endpoint::{CommandId, InDoubt};

#[derive(Debug, Clone, Copy, Hash)]
struct Place {
    /// `None` = free.
    id: Option<CommandId>,
    stream: u8,
    tries: u32,
    length: u16,
    /// Order of arrival.
    turn: u64,
}

/// A bounded list; when it is full the oldest goes, counted.
#[derive(Debug, Hash)]
pub(crate) struct Doubts {
    places: Box<[Place]>,
    bytes: Box<[u8]>,
    bytes_max: usize,
    turns: u64,
}

impl Doubts {
    pub(crate) fn new(places: usize, bytes_max: usize) -> Self {
        let free = Place { id: None, stream: 0, tries: 0, length: 0, turn: 0 };
        Self {
            places: vec![free; places].into_boxed_slice(),
            bytes: vec![0; places * bytes_max].into_boxed_slice(),
            bytes_max,
            turns: 0,
        }
    }

    /// Notes a command; returns false when that cost the memory of one (the oldest, or this one when there is no list).
    pub(crate) fn note(&mut self, peer: u32, peer_boot: u64, command: &Doubtful<'_>) -> bool {
        self.turns += 1;
        let Some(at) = (0..self.places.len()).min_by_key(|&at| (self.places[at].id.is_some(), self.places[at].turn))
        else {
            return false;
        };
        let kept = self.places[at].id.is_none();
        let id = CommandId { peer, peer_boot, generation: command.generation, seq: command.seq };
        self.places[at] = Place {
            id: Some(id),
            stream: command.stream,
            tries: command.tries,
            length: command.bytes.len() as u16,
            turn: self.turns,
        };
        self.bytes[at * self.bytes_max..][..command.bytes.len()].copy_from_slice(command.bytes);
        kept
    }

    /// Those of a peer, or of all (`peer` = 0), oldest first.
    pub(crate) fn of(&self, peer: u32) -> impl Iterator<Item = InDoubt<'_>> {
        let mut turn = 0;
        std::iter::from_fn(move || {
            let later = |place: &&Place| place.turn > turn && place.id.is_some_and(|id| peer == 0 || id.peer == peer);
            let (at, place) =
                self.places.iter().enumerate().filter(|(_, place)| later(place)).min_by_key(|(_, p)| p.turn)?;
            turn = place.turn;
            let bytes = &self.bytes[at * self.bytes_max..][..usize::from(place.length)];
            Some(InDoubt { id: place.id?, stream: place.stream, tries: place.tries, bytes })
        })
    }

    /// Takes one off the list.
    pub(crate) fn resolve(&mut self, id: CommandId) -> bool {
        match self.places.iter_mut().find(|place| place.id == Some(id)) {
            Some(place) => {
                place.id = None;
                true
            }
            None => false,
        }
    }
}
