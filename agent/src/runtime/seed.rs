//! A torus of ours in a seed region, beside seed-compatible peers (rse-v1-region section 4; `rse:P2`, `rse:M3` to `rse:M5`).
//!
//! The torus thread looks at the region every turn: it acks what it read at once (rule 7), publishes at its first turn and
//! leaves the slot up (rule 4). Nothing that is read here enters the torus: clocks are private (`decisions:NODE-1`), the
//! seed's comparison of them is only counted, and there are no corrections (`decisions:NODE-3`); so nothing of it is recorded.
//! No lock, no allocation, no system call (`decisions:NODE-14`).

use std::sync::atomic::AtomicU64;

use shm_transport::seed_v1::{Delivery, PAYLOAD_BYTES, PAYLOAD_WORDS, PeerState, SeedTorus, TORI, Verify, WINDOW_NS};
use torus::projection::seed_v1::{SIZE, SeedProjection, fnv1a};
use torus::{Reactor, Torus};
use zerocopy::IntoBytes;

use control::page::Text;
use control::seed::SeedPage;

use super::events::Happening;
use super::notices::Notices;

const _: () = assert!(SIZE == PAYLOAD_BYTES);

/// Longest sleep while an exchange may be under way, ns: the target of rule 7.
const CLOSE_NS: u64 = 1_000_000;
/// Longest sleep while nobody is there, ns: a tenth of what rule 7 allows at most.
const IDLE_NS: u64 = 10_000_000;
/// A projection that nobody has consumed is renewed no more often, ns: a seed node needs 1 to 10 ms to copy one, and a copy
/// across two of ours counts as invalid with it.
const RENEW_NS: u64 = 1_000_000_000;

/// Time a slot must have stood unchanged after a complete round before the next projection, ns: twice the longest copy seen.
const SETTLE_NS: u64 = 20_000_000;
/// A slot that does not check out for so long is said to be unsound, ns; shorter is a writer at work.
const UNSOUND_NS: u64 = 100_000_000;

/// Makes the projection V1 of a torus.
pub type Project<R> = for<'t, 'm> fn(u32, &'t Torus<'m, R>) -> SeedProjection;

/// The checks of section 4, rule 6, that need the format: both hashes, and the torus id inside.
#[derive(Debug, Clone, Copy)]
struct V1;

impl Verify for V1 {
    fn payload_hash(&self, payload: &[u8]) -> u64 {
        fnv1a(payload)
    }

    fn is_sound(&self, ring: u8, payload: &[u8]) -> bool {
        SeedProjection::decode(payload).is_ok_and(|projection| projection.torus_id == u32::from(ring))
    }
}

/// Something that happened in a seed region; what is repeated each round is counted, not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeedEvent {
    /// On joining, a slot held content: an earlier run's until it changes (rule 2).
    Stale {
        /// Whose slot.
        peer: u8,
    },
    /// A peer's projection was delivered and acked, the first after an absence.
    Seen {
        /// Who.
        peer: u8,
        /// Its sequence number.
        seq: u64,
        /// Cells of the face that differ from ours.
        differing: u32,
        /// The seed's own verdict (rse.md section 6.1); nothing follows from it here.
        consistent: bool,
    },
    /// A peer consumed ours, the first time after an absence.
    Consumed {
        /// Who.
        peer: u8,
        /// Our sequence number.
        seq: u64,
    },
    /// Both peers' projections were delivered and both acked ours, the first time since one of them appeared.
    Round {
        /// Our sequence number.
        seq: u64,
    },
    /// A slot changed and does not check out: not acked, looked at again (rule 6).
    Unsound {
        /// Whose.
        peer: u8,
    },
    /// Its window is over (rule 8).
    Done {
        /// Who.
        peer: u8,
    },
}

impl SeedEvent {
    /// Whether somebody should look at it.
    #[must_use]
    pub fn is_warning(self) -> bool {
        matches!(self, Self::Unsound { .. })
    }

    /// The line a person reads; `own` and `name` say what tori are called.
    #[must_use]
    pub fn text<'n>(self, own: &str, name: impl Fn(u8) -> &'n str) -> String {
        match self {
            Self::Stale { peer } => format!(
                "{own}: seed region: the slot of {} holds what an earlier run left; nothing of it counts until it changes",
                name(peer)
            ),
            Self::Seen { peer, seq, differing, consistent } => {
                let verdict = if consistent { "consistent" } else { "inconsistent" };
                format!(
                    "{own} received the projection of seed peer {} (seq {seq}) and acked it: {verdict}, {differing} face \
                     cells differ",
                    name(peer)
                )
            }
            Self::Consumed { peer, seq } => format!("seed peer {} consumed ours (seq {seq}), says {own}", name(peer)),
            Self::Round { seq } => format!("{own}: seed round complete: received from both, acked by both (seq {seq})"),
            Self::Unsound { peer } => format!(
                "{own}: seed region: the projection of {} does not check out; not acked, looked at again for 5 s",
                name(peer)
            ),
            Self::Done { peer } => format!("{own}: seed peer {}: one-shot peer, done", name(peer)),
        }
    }
}

/// One of the two other places.
#[derive(Debug, Clone, Copy)]
struct Peer {
    id: u8,
    state: PeerState,
    /// Since when its slot does not check out, and whether that was said.
    unsound: Option<(u64, bool)>,
    /// Its projection taken last.
    taken: Taken,
    /// It was said to be here, and to have consumed something of ours since.
    here: bool,
    consumed: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    seq: u64,
    differing: u32,
    consistent: bool,
}

/// The seed region as one torus thread drives it.
pub struct Seed<'r, R> {
    torus: SeedTorus<'r>,
    me: u8,
    project: Project<R>,
    payload: Box<[u64; PAYLOAD_WORDS]>,
    peers: [Peer; 2],
    /// The number that is up, and since when: a repetition counts.
    up: (u64, u64),
    /// Exchanges of the braid, and events executed, at the last publication.
    published_at: (u64, u64),
    /// The round of the present projection was counted; a round was said since a peer appeared.
    counted: bool,
    told: bool,
    page: SeedPage,
}

impl<'r, R: Reactor> Seed<'r, R> {
    /// Joins as torus `me`: what lies there is stale (rule 2). Publishes nothing yet.
    ///
    /// # Errors
    /// A sentence: the region does not fit.
    pub fn join(words: &'r [AtomicU64], me: u8, path: &str, project: Project<R>) -> Result<Self, String> {
        let torus = SeedTorus::join(words, me).map_err(|error| error.to_string())?;
        let (state, taken) = (PeerState::Absent, Taken::default());
        let peer = |id| Peer { id, state, unsound: None, taken, here: false, consumed: false };
        Ok(Self {
            torus,
            me,
            project,
            payload: Box::new([0; PAYLOAD_WORDS]),
            peers: [peer((me + 1) % TORI), peer((me + 2) % TORI)],
            up: (0, 0),
            published_at: (0, 0),
            counted: false,
            told: false,
            page: SeedPage { present: 1, path: Text::new(path), ..SeedPage::default() },
        })
    }

    /// One turn: delivers and acks what is new (rules 6 and 7), repeats what must be fresh again (rule 5), publishes when that
    /// is useful. `exchanges` counts those of the native braid, whose cadence this follows.
    pub fn turn(&mut self, torus: &Torus<'_, R>, exchanges: u64, notices: &mut Notices<'_>, now_ns: u64) {
        let (project, me) = (self.project, u32::from(self.me));
        let (peers, page) = (&mut self.peers, &mut self.page);
        self.torus.poll(now_ns, &V1, |delivery| {
            let Some(peer) = peers.iter_mut().find(|peer| peer.id == delivery.peer) else { return };
            peer.taken = judge(&delivery, &project(me, torus));
            page.differing = peer.taken.differing;
            page.inconsistent += u64::from(!peer.taken.consistent);
        });
        for at in 0..self.peers.len() {
            self.look_at(at, notices, now_ns);
        }
        self.count_round(notices, now_ns);
        if self.torus.seq() != self.up.0 {
            self.up = (self.torus.seq(), now_ns);
        }
        if self.is_useful(torus.counters().executed, exchanges, now_ns) {
            self.publish(torus, exchanges, now_ns);
        }
    }

    /// When a new projection takes the place of the one that is up. At once at the start (rule 4). Then at the braid's cadence,
    /// but never while somebody may be copying: after a complete round when the slot has rested; when nobody consumed it,
    /// seldom, and only if the torus went on; when one did and the other never came, after the first one's window (rule 5).
    fn is_useful(&self, executed: u64, exchanges: u64, now_ns: u64) -> bool {
        if self.torus.counts().published == 0 {
            return true;
        }
        let went_on = executed != self.published_at.1;
        if exchanges == self.published_at.0 {
            return false;
        }
        let rested_ns = now_ns.saturating_sub(self.up.1);
        let all = |holds: fn(&SeedTorus<'r>, &Peer) -> bool| self.peers.iter().all(|peer| holds(&self.torus, peer));
        if self.torus.is_complete() && all(|_, peer| peer.state == PeerState::Delivered) {
            return rested_ns > SETTLE_NS;
        }
        let nobody = all(|torus, peer| !torus.acked(peer.id));
        went_on && rested_ns > if nobody { RENEW_NS } else { WINDOW_NS }
    }

    fn publish(&mut self, torus: &Torus<'_, R>, exchanges: u64, now_ns: u64) {
        let mut bytes = [0; SIZE];
        (self.project)(u32::from(self.me), torus).encode(&mut bytes);
        self.payload.as_mut_slice().as_mut_bytes().copy_from_slice(&bytes);
        self.up = (self.torus.publish(&self.payload, &V1), now_ns);
        self.published_at = (exchanges, torus.counters().executed);
        self.counted = false;
    }

    /// Says what became of one peer.
    fn look_at(&mut self, at: usize, notices: &mut Notices<'_>, now_ns: u64) {
        let peer = &mut self.peers[at];
        let (id, acked) = (peer.id, self.torus.acked(peer.id));
        let state = self.torus.peer(id, now_ns).unwrap_or(PeerState::Absent);
        let before = std::mem::replace(&mut peer.state, state);
        if state != PeerState::Unsound {
            peer.unsound = None;
        }
        match state {
            PeerState::Stale if before != state => say(notices, now_ns, SeedEvent::Stale { peer: id }),
            PeerState::Unsound => {
                let (since_ns, said) = peer.unsound.get_or_insert((now_ns, false));
                if now_ns.saturating_sub(*since_ns) > UNSOUND_NS && !std::mem::replace(said, true) {
                    say(notices, now_ns, SeedEvent::Unsound { peer: id });
                }
            }
            PeerState::Delivered if !peer.here => {
                let Taken { seq, differing, consistent } = peer.taken;
                (peer.here, self.told) = (true, false);
                say(notices, now_ns, SeedEvent::Seen { peer: id, seq, differing, consistent });
            }
            PeerState::Done if peer.here => {
                (peer.here, peer.consumed) = (false, acked);
                say(notices, now_ns, SeedEvent::Done { peer: id });
            }
            _ => {}
        }
        if acked && !std::mem::replace(&mut peer.consumed, true) {
            say(notices, now_ns, SeedEvent::Consumed { peer: id, seq: self.torus.seq() });
        }
    }

    fn count_round(&mut self, notices: &mut Notices<'_>, now_ns: u64) {
        if !self.torus.is_complete() || std::mem::replace(&mut self.counted, true) {
            return;
        }
        self.page.rounds += 1;
        if !std::mem::replace(&mut self.told, true) {
            say(notices, now_ns, SeedEvent::Round { seq: self.torus.seq() });
        }
    }

    /// The longest an adaptive loop may sleep, ns (rule 7).
    #[must_use]
    pub fn sleep_ns(&self) -> u64 {
        let close = |peer: &Peer| matches!(peer.state, PeerState::Delivered | PeerState::Unsound);
        if self.peers.iter().any(close) { CLOSE_NS } else { IDLE_NS }
    }

    /// What the status page shows.
    #[must_use]
    pub fn page(&self) -> SeedPage {
        let (mut page, counts) = (self.page, self.torus.counts());
        page.seq = self.torus.seq();
        page.published = counts.published;
        page.delivered = counts.delivered;
        page.unsound = counts.unsound;
        page.given_up = counts.given_up;
        page.late_acks = counts.late_acks;
        page.acked = 0;
        for peer in &self.peers {
            page.acked |= u32::from(self.torus.acked(peer.id)) << peer.id;
            page.peers[usize::from(peer.id)] = match peer.state {
                PeerState::Absent => 0,
                PeerState::Stale => 1,
                PeerState::Unsound => 2,
                PeerState::Delivered => 3,
                PeerState::Done => 4,
            };
        }
        page
    }
}

fn say(notices: &mut Notices<'_>, now_ns: u64, event: SeedEvent) {
    notices.say(now_ns, Happening::Seed(event));
}

/// What a seed receiver would make of a delivered projection (rse.md section 6.1).
fn judge(delivery: &Delivery<'_>, own: &SeedProjection) -> Taken {
    // It was decoded once to be verified; the buffer is ours and has not changed since.
    let applied =
        SeedProjection::decode(delivery.payload).map(|theirs| theirs.applied_by(own.current_time, &own.boundary));
    let (differing, consistent) = applied.map_or((0, false), |applied| (applied.differing, applied.consistent));
    Taken { seq: delivery.seq, differing, consistent }
}
