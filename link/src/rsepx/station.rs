//! One torus on such a link: what it sends until it is acknowledged, and what it puts together.

use std::fmt;

use super::{
    BROADCAST, Body, FRAGMENT_BYTES, FRAGMENTS, FRAME_BYTES_MAX, Frame, FrameError, Mac, PAYLOAD_BYTES, TORI,
    encode_ack, encode_fragment, is_whole, mac_of, payload_hash,
};

/// Projections of a torus that are remembered as delivered: a repetition is acknowledged and not delivered again.
const REMEMBERED: usize = 8;

/// Times of the sending side; the seed's are the default (at 2.5 GHz).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Pause before everything unacknowledged is sent again, ns.
    pub resend_ns: u64,
    /// Time after which it is given up, ns.
    pub give_up_ns: u64,
}

impl Default for Times {
    fn default() -> Self {
        Self { resend_ns: 80_000_000, give_up_ns: 2_000_000_000 }
    }
}

/// Why a frame had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Dropped {
    /// A rule of the format.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Sent by this station.
    #[error("own hardware address")]
    Own,
    /// The hash over the payload is another one.
    #[error("hash of the payload does not fit")]
    PayloadHash,
    /// The payload is shorter than a projection.
    #[error("payload is not 4216 bytes")]
    PayloadBytes,
    /// The projection's own hash does not fit its fields.
    #[error("state hash does not fit")]
    StateHash,
    /// Header and payload name different tori.
    #[error("header and payload name different tori")]
    Torus,
    /// An acknowledgement of something else than what is on its way.
    #[error("acknowledgement of something else")]
    Unasked,
}

/// What was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Frames out.
    pub sent: u64,
    /// Projections sent again.
    pub resent: u64,
    /// Projections that all addressees acknowledged.
    pub acked: u64,
    /// Projections given up.
    pub given_up: u64,
    /// Frames in.
    pub received: u64,
    /// Projections delivered.
    pub delivered: u64,
    /// Projections that came again and were acknowledged only.
    pub repeated: u64,
    /// Frames that broke a rule, by [`FrameError`].
    pub refused: [u64; FrameError::COUNT],
    /// Own frames that came back.
    pub own: u64,
    /// Projections whose payload hash did not fit.
    pub payload_hash: u64,
    /// Projections of another length.
    pub payload_bytes: u64,
    /// Projections whose state hash did not fit.
    pub state_hash: u64,
    /// Projections with two names of their torus.
    pub torus: u64,
    /// Acknowledgements of something else.
    pub unasked: u64,
}

impl Counts {
    fn note(&mut self, why: Dropped) {
        *match why {
            Dropped::Frame(error) => &mut self.refused[error as usize],
            Dropped::Own => &mut self.own,
            Dropped::PayloadHash => &mut self.payload_hash,
            Dropped::PayloadBytes => &mut self.payload_bytes,
            Dropped::StateHash => &mut self.state_hash,
            Dropped::Torus => &mut self.torus,
            Dropped::Unasked => &mut self.unasked,
        } += 1;
    }
}

/// What identifies a projection while it is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Name {
    seq: u64,
    hash: u64,
    count: u16,
    payload_bytes: usize,
}

/// The one place where a torus's projection is put together.
struct Slot {
    name: Option<Name>,
    arrived: u8,
    payload: Box<[u8; PAYLOAD_BYTES]>,
    delivered: [Option<(u64, u64)>; REMEMBERED],
}

/// What is on its way.
struct Outgoing {
    payload: Box<[u8; PAYLOAD_BYTES]>,
    seq: u64,
    timestamp: u64,
    hash: u64,
    /// Tori that have not acknowledged, a bit each; bit 7 = anybody.
    open: u8,
    next_ns: u64,
    end_ns: u64,
    tries: u32,
}

/// Stands for "anybody" among the addressees.
const ANYBODY: u8 = 1 << 7;

/// One torus on a link of seed peers.
pub struct Station {
    torus: u8,
    times: Times,
    slots: [Slot; TORI as usize],
    out: Outgoing,
    frame: Box<[u8; FRAME_BYTES_MAX]>,
    counts: Counts,
}

impl fmt::Debug for Station {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Station(torus {}, {} on its way, {:?})", self.torus, self.out.open, self.counts)
    }
}

impl Station {
    /// A station of torus 0, 1 or 2; larger numbers count modulo 3.
    #[must_use]
    pub fn new(torus: u8, times: Times) -> Self {
        let empty = || Box::new([0; PAYLOAD_BYTES]);
        let slot = || Slot { name: None, arrived: 0, payload: empty(), delivered: [None; REMEMBERED] };
        let out =
            Outgoing { payload: empty(), seq: 0, timestamp: 0, hash: 0, open: 0, next_ns: 0, end_ns: 0, tries: 0 };
        Self {
            torus: torus % TORI,
            times,
            slots: [slot(), slot(), slot()],
            out,
            frame: Box::new([0; FRAME_BYTES_MAX]),
            counts: Counts::default(),
        }
    }

    /// Puts a projection on its way to the tori whose bits are set in `to`; 0 = broadcast, acknowledged by anybody. What was on its
    /// way before is replaced. [`Station::poll`] sends it.
    pub fn publish(&mut self, now_ns: u64, timestamp: u64, seq: u64, payload: &[u8; PAYLOAD_BYTES], to: u8) {
        let others = to & ((1 << TORI) - 1) & !(1 << self.torus);
        if self.out.open != 0 {
            self.counts.given_up += 1;
        }
        self.out.payload.copy_from_slice(payload);
        self.out.hash = payload_hash(payload);
        self.out.seq = seq;
        self.out.timestamp = timestamp;
        self.out.open = if others == 0 { ANYBODY } else { others };
        self.out.next_ns = now_ns;
        self.out.end_ns = now_ns.saturating_add(self.times.give_up_ns);
        self.out.tries = 0;
    }

    /// True while something waits for an acknowledgement.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.out.open != 0
    }

    /// When [`Station::poll`] has something to do, ns.
    #[must_use]
    pub fn next_deadline_ns(&self) -> Option<u64> {
        self.is_open().then_some(self.out.next_ns)
    }

    /// Sends what is due to whoever has not acknowledged; `send` gets the hardware address and the frame.
    pub fn poll(&mut self, now_ns: u64, mut send: impl FnMut(Mac, &[u8])) {
        if !self.is_open() || now_ns < self.out.next_ns {
            return;
        }
        if now_ns >= self.out.end_ns {
            self.out.open = 0;
            self.counts.given_up += 1;
            return;
        }
        self.counts.resent += u64::from(self.out.tries > 0);
        self.out.tries += 1;
        self.out.next_ns = now_ns.saturating_add(self.times.resend_ns).min(self.out.end_ns);
        let name = (self.out.seq, self.out.timestamp, self.out.hash);
        for bit in (0..8).filter(|bit| self.out.open >> bit & 1 == 1) {
            let to = if 1 << bit == ANYBODY { BROADCAST } else { mac_of(bit) };
            for index in 0..FRAGMENTS {
                let length = encode_fragment(&mut self.frame, to, self.torus, name, &self.out.payload, index);
                send(to, &self.frame[..length]);
                self.counts.sent += 1;
            }
        }
    }

    /// Takes a frame. `deliver` gets (torus, seq, projection) once for each projection; `send` the acknowledgement of each complete
    /// arrival, to the hardware address that the projection came from.
    ///
    /// # Errors
    /// Why it had no effect; counted already. A projection that fails a check is not acknowledged.
    pub fn receive(
        &mut self,
        now_ns: u64,
        frame: &[u8],
        deliver: impl FnOnce(u8, u64, &[u8; PAYLOAD_BYTES]),
        send: impl FnOnce(Mac, &[u8]),
    ) -> Result<(), Dropped> {
        let _ = now_ns;
        self.counts.received += 1;
        let taken = self.take(frame, deliver, send);
        if let Err(why) = taken {
            self.counts.note(why);
        }
        taken
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn take(
        &mut self,
        frame: &[u8],
        deliver: impl FnOnce(u8, u64, &[u8; PAYLOAD_BYTES]),
        send: impl FnOnce(Mac, &[u8]),
    ) -> Result<(), Dropped> {
        let frame = Frame::parse(frame)?;
        if frame.source == mac_of(self.torus) || frame.torus == self.torus {
            return Err(Dropped::Own);
        }
        let Body::Fragment { payload_bytes, index, count, bytes, .. } = frame.body else {
            return self.take_ack(&frame);
        };
        let slot = &mut self.slots[usize::from(frame.torus)];
        let name = Name { seq: frame.seq, hash: frame.payload_hash, count, payload_bytes };
        if slot.name != Some(name) {
            slot.name = Some(name);
            slot.arrived = 0;
            slot.payload.fill(0);
        }
        slot.payload[usize::from(index) * FRAGMENT_BYTES..][..bytes.len()].copy_from_slice(bytes);
        slot.arrived |= 1 << index;
        if slot.arrived.count_ones() < u32::from(count) {
            return Ok(());
        }
        slot.name = None;
        if payload_hash(&slot.payload[..payload_bytes]) != frame.payload_hash {
            return Err(Dropped::PayloadHash);
        }
        if payload_bytes != PAYLOAD_BYTES {
            return Err(Dropped::PayloadBytes);
        }
        if !is_whole(&slot.payload) {
            return Err(Dropped::StateHash);
        }
        if crate::frame::u32_at(&slot.payload[..], 0) != u32::from(frame.torus) {
            return Err(Dropped::Torus);
        }
        if slot.delivered.contains(&Some((frame.seq, frame.payload_hash))) {
            self.counts.repeated += 1;
        } else {
            slot.delivered.rotate_right(1);
            slot.delivered[0] = Some((frame.seq, frame.payload_hash));
            self.counts.delivered += 1;
            deliver(frame.torus, frame.seq, &slot.payload);
        }
        self.counts.sent += 1;
        send(frame.source, &encode_ack(frame.source, self.torus, frame.seq, frame.payload_hash));
        Ok(())
    }

    fn take_ack(&mut self, frame: &Frame<'_>) -> Result<(), Dropped> {
        let of = 1 << frame.torus | ANYBODY;
        if (frame.seq, frame.payload_hash) != (self.out.seq, self.out.hash) || self.out.open & of == 0 {
            return Err(Dropped::Unasked);
        }
        self.out.open &= !of;
        self.counts.acked += u64::from(self.out.open == 0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]
    use super::super::tests::vectors;
    use super::super::{Mac, PAYLOAD_BYTES, fuzz_rsepx, mac_of};
    use super::{Dropped, Station, Times};

    type Frames = Vec<(Mac, Vec<u8>)>;

    fn polled(station: &mut Station, now_ns: u64) -> Frames {
        let mut out = Vec::new();
        station.poll(now_ns, |to, frame| out.push((to, frame.to_vec())));
        out
    }

    /// Result, deliveries as (torus, seq), frames in return.
    fn given(station: &mut Station, frame: &[u8]) -> (Result<(), Dropped>, Option<(u8, u64)>, Frames) {
        let (mut delivered, mut out) = (None, Vec::new());
        let result = station.receive(
            0,
            frame,
            |torus, seq, _| delivered = Some((torus, seq)),
            |to, frame| out.push((to, frame.to_vec())),
        );
        (result, delivered, out)
    }

    fn published(payload: &[u8; PAYLOAD_BYTES], to: u8) -> Station {
        let mut station = Station::new(1, Times::default());
        station.publish(0, 1_001, 1, payload, to);
        station
    }

    // decisions:CLU-17: any order of fragments, delivered once, acknowledged each time, done after the acknowledgement.
    #[test]
    fn a_projection_crosses_once_in_any_order() {
        let (payload, _, _) = vectors()[1];
        for turn in 0..5 {
            let (mut one, mut two) = (published(&payload, 0b101), Station::new(0, Times::default()));
            let frames = polled(&mut one, 0);
            assert_eq!(frames.len(), 10, "five to each of two");
            let mine: Vec<_> = frames.iter().filter(|(to, _)| *to == mac_of(0)).collect();
            assert_eq!(
                mine.iter().map(|(_, frame)| frame.len()).collect::<Vec<_>>(),
                [1_090, 1_090, 1_090, 1_090, 186]
            );
            for round in 0..2 {
                for at in 0..5 {
                    let (result, delivered, acks) = given(&mut two, &mine[(at * 2 + turn) % 5].1);
                    assert_eq!(result, Ok(()));
                    assert_eq!(delivered, (at == 4 && round == 0).then_some((1, 1)));
                    assert_eq!(acks.len(), usize::from(at == 4));
                    if let Some((to, ack)) = acks.first() {
                        assert_eq!(*to, mac_of(1));
                        let expected = if round == 0 { Ok(()) } else { Err(Dropped::Unasked) };
                        assert_eq!(given(&mut one, ack).0, expected);
                    }
                }
            }
            assert!(one.is_open(), "torus 2 has not answered");
            assert_eq!((two.counts().delivered, two.counts().repeated), (1, 1));
        }
    }

    // The seed's policy: again every 80 ms, given up after 2 s; only to whoever has not answered.
    #[test]
    fn resending_follows_the_times() {
        let (payload, _, hash) = vectors()[1];
        let mut one = published(&payload, 0b101);
        assert_eq!(polled(&mut one, 0).len(), 10);
        assert_eq!(one.next_deadline_ns(), Some(80_000_000));
        assert_eq!(polled(&mut one, 79_999_999).len(), 0);
        let ack = super::encode_ack(mac_of(1), 0, 1, hash);
        assert_eq!(given(&mut one, &ack).0, Ok(()));
        assert_eq!(polled(&mut one, 80_000_000).len(), 5);
        let mut sent = 0;
        (0..3_000).for_each(|ms| sent += polled(&mut one, ms * 1_000_000).len());
        assert_eq!(sent, 5 * 23, "every 80 ms up to 2 s");
        assert_eq!((one.is_open(), one.counts().given_up, one.counts().resent), (false, 1, 24));
        let other = super::encode_ack(mac_of(1), 2, 1, hash);
        assert_eq!(given(&mut one, &other).0, Err(Dropped::Unasked));
        let mut broadcast = published(&payload, 0);
        assert!(polled(&mut broadcast, 0).iter().all(|(to, _)| *to == [0xff; 6]));
        assert_eq!(given(&mut broadcast, &other).0, Ok(()));
        assert!(!broadcast.is_open());
    }

    // What the seed accepts and must not be accepted here: a damaged state, a short payload, another torus's name.
    #[test]
    fn what_does_not_fit_is_neither_delivered_nor_acknowledged() {
        let (good, _, _) = vectors()[1];
        let all = |change: &dyn Fn(&mut [u8; PAYLOAD_BYTES]), header: &dyn Fn(&mut Vec<u8>)| {
            let mut payload = good;
            change(&mut payload);
            let (mut one, mut two) = (published(&payload, 0b001), Station::new(0, Times::default()));
            let mut last = (Ok(()), None, Vec::new());
            for (_, mut frame) in polled(&mut one, 0) {
                header(&mut frame);
                last = given(&mut two, &frame);
            }
            assert_eq!((last.1, last.2.len()), (None, 0));
            last.0
        };
        assert_eq!(all(&|payload| payload[44 + 32] ^= 1, &|_| {}), Err(Dropped::StateHash));
        assert_eq!(all(&|_| {}, &|frame| frame[70] ^= 1), Err(Dropped::PayloadHash));
        let (zero, _, _) = vectors()[0];
        assert_eq!(all(&|payload| *payload = zero, &|_| {}), Err(Dropped::Torus));
        let (_, mut two) = ((), Station::new(0, Times::default()));
        let own = polled(&mut published(&good, 0b001), 0);
        let mut own = own[0].1.clone();
        own[6..12].copy_from_slice(&mac_of(0));
        assert_eq!(given(&mut two, &own).0, Err(Dropped::Own));
        assert_eq!(two.counts().own, 1);
    }

    // A short payload with a fitting hash: the seed takes it as an invalid projection, here it has a name.
    #[test]
    fn a_short_payload_is_refused() {
        let (payload, _, _) = vectors()[1];
        let mut frame = [0; super::FRAME_BYTES_MAX];
        let hash = super::payload_hash(&payload[..100]);
        super::encode_fragment(&mut frame, mac_of(0), 1, (1, 0, hash), &payload, 0);
        frame[46..50].copy_from_slice(&100_u32.to_be_bytes());
        frame[60..62].copy_from_slice(&1_u16.to_be_bytes());
        frame[62..66].copy_from_slice(&100_u32.to_be_bytes());
        let mut two = Station::new(0, Times::default());
        assert_eq!(given(&mut two, &frame).0, Err(Dropped::PayloadBytes));
    }

    // A fragment of another projection resets the slot, and the first one can still come whole again.
    #[test]
    fn a_change_of_name_resets_the_slot() {
        let (payload, _, _) = vectors()[1];
        let (mut one, mut two) = (published(&payload, 0b001), Station::new(0, Times::default()));
        let first = polled(&mut one, 0);
        one.publish(0, 1_001, 2, &payload, 0b001);
        let second = polled(&mut one, 0);
        (0..4).for_each(|at| assert_eq!(given(&mut two, &first[at].1).0, Ok(())));
        given(&mut two, &second[0].1).0.unwrap();
        assert_eq!(given(&mut two, &first[4].1).1, None);
        (0..4).for_each(|at| given(&mut two, &first[at].1).0.unwrap());
        assert_eq!(given(&mut two, &first[3].1).1, None);
        assert_eq!(given(&mut two, &first[4].1).1, None, "the fourth was the last missing one");
        assert_eq!(two.counts().delivered, 1);
    }

    #[test]
    fn any_bytes_are_survived() {
        let (payload, _, _) = vectors()[1];
        let frames = polled(&mut published(&payload, 0b001), 0);
        let mut input = Vec::new();
        for (_, frame) in &frames {
            let padded = frame.len().div_ceil(8);
            input.push(padded as u8);
            input.extend_from_slice(frame);
            input.resize(input.len() + padded * 8 - frame.len(), 0);
        }
        assert_eq!(fuzz_rsepx(&input), 10, "five parsed, five taken");
        for at in 0..input.len() {
            let mut bad = input.clone();
            bad[at] = bad[at].wrapping_mul(31).wrapping_add(at as u8);
            let _ = fuzz_rsepx(&bad);
            let _ = fuzz_rsepx(&input[..at]);
        }
    }
}
