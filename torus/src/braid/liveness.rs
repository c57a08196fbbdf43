//! Liveness (`rse:B5`, `decisions:NODE-9`): peers judge each other by their own monotonic time, and failed is a majority's word.

use super::Braid;
use super::decision::{Change, MAX_CHANGES};
use super::peer::PeerState;
use crate::Mode;

impl Braid {
    /// The life line of a peer was read: its boot and a counter that its thread moves. Call it for every peer at least once a
    /// liveness period, before [`Braid::due`]. Boot 0 = nobody holds the line.
    pub fn heard(&mut self, from: u8, boot: u64, counter: u64, now_ns: u64) {
        if from == self.me || from >= self.tori || self.peers[usize::from(from)].is_over(boot) {
            return;
        }
        if self.peers[usize::from(from)].boot != boot {
            self.new_boot(from, boot, now_ns);
            // The first sight of a counter proves nothing: only movement does.
            self.peers[usize::from(from)].counter = counter;
        } else if self.peers[usize::from(from)].counter != counter {
            self.peers[usize::from(from)].counter = counter;
            self.moved(from, now_ns);
        }
    }

    /// The host says that this boot of a peer is gone (its process ended, its line was given up): failed without a vote.
    pub fn gone(&mut self, from: u8, boot: u64) {
        if from == self.me || from >= self.tori || self.peers[usize::from(from)].boot != boot {
            return;
        }
        if !matches!(self.peers[usize::from(from)].state, PeerState::Absent | PeerState::Failed) {
            self.fail(from, 0, 0);
            self.company();
        }
    }

    pub(super) fn new_boot(&mut self, from: u8, boot: u64, now_ns: u64) {
        let id = usize::from(from);
        let (previous, was) = (self.peers[id].boot, self.peers[id].state);
        if was != PeerState::Absent {
            let lost = self.peers[id].unconfirmed(self.boot);
            self.lost[id] += lost;
            self.totals.lost += lost;
        }
        self.peers[id].enter_boot(boot, now_ns);
        if was != PeerState::Absent {
            self.peers[id].state = PeerState::Returning;
            self.note(Change::Returned { peer: from, boot, previous });
            self.company();
        }
    }

    pub(super) fn moved(&mut self, from: u8, now_ns: u64) {
        let peer = &mut self.peers[usize::from(from)];
        peer.moved_ns = now_ns;
        peer.missed_periods = 0;
        let boot = peer.boot;
        let change = match peer.state {
            PeerState::Absent => Change::Joined { peer: from, boot },
            PeerState::Suspect | PeerState::Failed => Change::Recovered { peer: from },
            PeerState::Alive | PeerState::Returning => return,
        };
        peer.state = PeerState::Alive;
        self.note(change);
        self.company();
    }

    /// Once a period: ages, suspicions, votes. A gap between two calls longer than a period is this torus's own stall and is
    /// nobody's age.
    pub(super) fn judge(&mut self, now_ns: u64) {
        let period = self.config.liveness_ns;
        let gap_ns = now_ns.saturating_sub(self.called_ns.replace(now_ns).unwrap_or(now_ns));
        if gap_ns > period {
            for peer in &mut self.peers {
                peer.moved_ns = peer.moved_ns.saturating_add(gap_ns).min(now_ns);
            }
        }
        if now_ns.saturating_sub(self.judged_ns) < period {
            return;
        }
        self.judged_ns = now_ns;
        for id in 0..self.tori {
            let peer = &mut self.peers[usize::from(id)];
            if id == self.me || matches!(peer.state, PeerState::Absent | PeerState::Failed) {
                continue;
            }
            let missed = (peer.age_ns(now_ns) / period).min(u64::from(u32::MAX)) as u32;
            peer.missed_periods = missed;
            if missed >= self.config.suspect_after && peer.state != PeerState::Suspect {
                peer.state = PeerState::Suspect;
                self.note(Change::Suspected { peer: id, missed });
            }
        }
        self.vote();
        self.company();
    }

    /// Failed = suspected by more than half of the live tori, the judge included. With nobody else alive nothing is decided.
    fn vote(&mut self) {
        let live = self.bits(|peer| peer.state.is_live());
        let voters = live.count_ones() + 1;
        if voters == 1 {
            return;
        }
        for suspect in 0..self.tori {
            if suspect == self.me || self.peers[usize::from(suspect)].state != PeerState::Suspect {
                continue;
            }
            let accuses = |id: u8| live >> id & 1 == 1 && self.peers[usize::from(id)].seen.accused >> suspect & 1 == 1;
            let votes = 1 + (0..self.tori).filter(|&id| accuses(id)).count() as u32;
            if 2 * votes > voters {
                self.fail(suspect, votes, voters);
            }
        }
    }

    fn fail(&mut self, peer: u8, votes: u32, voters: u32) {
        let known = &mut self.peers[usize::from(peer)];
        known.state = PeerState::Failed;
        let (boot, unconfirmed) = (known.boot, self.peers[usize::from(peer)].unconfirmed(self.boot));
        self.note(Change::Failed { peer, boot, votes, voters, unconfirmed });
    }

    /// Says when the torus becomes alone or has company again, and picks the coming source among those who are alive now.
    fn company(&mut self) {
        let alone = self.tori > 1 && self.bits(|peer| peer.state.is_live()) == 0;
        if alone != self.alone {
            self.alone = alone;
            self.note(if alone { Change::Alone } else { Change::Company });
        }
        let source_is_live = |id: u8| self.peers[usize::from(id)].state.is_live();
        // In a ring a nearer predecessor may have come up; in rotation a turn that has begun stays.
        if self.config.mode == Mode::Ring || self.source.is_none_or(|source| !source_is_live(source)) {
            self.source = None;
            self.plan();
        }
    }

    fn note(&mut self, change: Change) {
        if self.changed < MAX_CHANGES {
            self.changes[self.changed] = Some(change);
            self.changed += 1;
        } else {
            self.totals.changes_dropped += 1;
        }
    }
}
