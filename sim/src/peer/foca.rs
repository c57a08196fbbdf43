//! The peer: SWIM as the crate `foca` implements it, in the same network (`decisions:CLU-16`).
//!
//! Its own LAN preset, or the same rules with every period scaled so that it spends as many bytes as is asked for. Nothing is
//! added to its datagrams but IP and UDP headers: no encryption, no signatures. Identities are an id and a generation, 6 bytes, so
//! that a member that was removed by mistake comes back by itself, which is the setting its authors recommend.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::convert::Infallible;
use std::num::{NonZeroU32, NonZeroUsize};

use bytes::{Buf, BufMut};
use ekk::hash::{Digest, Rng};
use foca::{
    Codec, Config, Foca, Header, Identity, Member, Message, NoCustomBroadcast, Notification, PeriodicParams, Runtime,
    State, Timer,
};

use super::{Boot, Outbox, Protocol, Seen, View};

/// IPv4 and UDP headers, bytes.
const IP_UDP: usize = 28;

/// Who a member of foca is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id {
    node: u32,
    generation: u16,
}

impl Identity for Id {
    type Addr = u32;

    fn renew(&self) -> Option<Self> {
        Some(Self { generation: self.generation.wrapping_add(1), ..*self })
    }

    fn addr(&self) -> u32 {
        self.node
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.generation > adversary.generation
    }
}

/// The generator foca draws from.
#[derive(Debug, Clone)]
pub struct Draw(Rng);

impl rand_core::TryRng for Draw {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.next_u64())
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        for chunk in to.chunks_mut(8) {
            chunk.copy_from_slice(&self.0.next_u64().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// A datagram of foca that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a datagram of foca")]
pub struct Unreadable;

/// Fixed fields, little-endian: a header is 15 to 22 bytes, a member 9.
#[derive(Debug, Clone, Copy)]
pub struct Fixed;

fn put_id(id: &Id, buf: &mut impl BufMut) {
    buf.put_u32_le(id.node);
    buf.put_u16_le(id.generation);
}

fn get_id(buf: &mut impl Buf) -> Result<Id, Unreadable> {
    Ok(Id { node: buf.try_get_u32_le().or(Err(Unreadable))?, generation: buf.try_get_u16_le().or(Err(Unreadable))? })
}

impl Codec<Id> for Fixed {
    type Error = Unreadable;

    fn encode_header(&mut self, header: &Header<Id>, mut buf: impl BufMut) -> Result<(), Unreadable> {
        put_id(&header.src, &mut buf);
        buf.put_u16_le(header.src_incarnation);
        put_id(&header.dst, &mut buf);
        let mut about = |kind: u8, who: &Id, number: u8| {
            buf.put_u8(kind);
            put_id(who, &mut buf);
            buf.put_u8(number);
        };
        match &header.message {
            Message::PingReq { target, probe_number } => about(2, target, *probe_number),
            Message::IndirectPing { origin, probe_number } => about(3, origin, *probe_number),
            Message::IndirectAck { target, probe_number } => about(4, target, *probe_number),
            Message::ForwardedAck { origin, probe_number } => about(5, origin, *probe_number),
            Message::Ping(number) => buf.put_slice(&[0, *number]),
            Message::Ack(number) => buf.put_slice(&[1, *number]),
            Message::Announce => buf.put_u8(6),
            Message::Feed => buf.put_u8(7),
            Message::Gossip => buf.put_u8(8),
            Message::Broadcast => buf.put_u8(9),
            Message::TurnUndead => buf.put_u8(10),
        }
        Ok(())
    }

    fn decode_header(&mut self, mut buf: impl Buf) -> Result<Header<Id>, Unreadable> {
        let src = get_id(&mut buf)?;
        let src_incarnation = buf.try_get_u16_le().or(Err(Unreadable))?;
        let dst = get_id(&mut buf)?;
        let kind = buf.try_get_u8().or(Err(Unreadable))?;
        let about = if (2..=5).contains(&kind) { Some(get_id(&mut buf)?) } else { None };
        let number = if kind <= 5 { buf.try_get_u8().or(Err(Unreadable))? } else { 0 };
        let message = match (kind, about) {
            (0, _) => Message::Ping(number),
            (1, _) => Message::Ack(number),
            (2, Some(target)) => Message::PingReq { target, probe_number: number },
            (3, Some(origin)) => Message::IndirectPing { origin, probe_number: number },
            (4, Some(target)) => Message::IndirectAck { target, probe_number: number },
            (5, Some(origin)) => Message::ForwardedAck { origin, probe_number: number },
            (6, _) => Message::Announce,
            (7, _) => Message::Feed,
            (8, _) => Message::Gossip,
            (9, _) => Message::Broadcast,
            (10, _) => Message::TurnUndead,
            _ => return Err(Unreadable),
        };
        Ok(Header { src, src_incarnation, dst, message })
    }

    fn encode_member(&mut self, member: &Member<Id>, mut buf: impl BufMut) -> Result<(), Unreadable> {
        if buf.remaining_mut() < 9 {
            // foca takes the error for "no more room in this datagram".
            return Err(Unreadable);
        }
        put_id(member.id(), &mut buf);
        buf.put_u16_le(member.incarnation());
        buf.put_u8(match member.state() {
            State::Alive => 0,
            State::Suspect => 1,
            State::Down => 2,
        });
        Ok(())
    }

    fn decode_member(&mut self, mut buf: impl Buf) -> Result<Member<Id>, Unreadable> {
        let id = get_id(&mut buf)?;
        let incarnation = buf.try_get_u16_le().or(Err(Unreadable))?;
        let state = match buf.try_get_u8() {
            Ok(0) => State::Alive,
            Ok(1) => State::Suspect,
            Ok(2) => State::Down,
            _ => return Err(Unreadable),
        };
        Ok(Member::new(id, incarnation, state))
    }
}

/// A timer of one member, in order of time.
#[derive(Debug)]
struct Alarm {
    at_ns: u64,
    seq: u64,
    timer: Timer<Id>,
}

impl PartialEq for Alarm {
    fn eq(&self, other: &Self) -> bool {
        (self.at_ns, self.seq) == (other.at_ns, other.seq)
    }
}
impl Eq for Alarm {}
impl PartialOrd for Alarm {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Alarm {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ns, self.seq).cmp(&(other.at_ns, other.seq))
    }
}

/// One member.
pub struct Node {
    foca: Foca<Id, Fixed, Draw, NoCustomBroadcast>,
    alarms: BinaryHeap<Reverse<Alarm>>,
    seq: u64,
    heard: Digest,
}

struct Effects<'a> {
    now_ns: u64,
    alarms: &'a mut BinaryHeap<Reverse<Alarm>>,
    seq: &'a mut u64,
    out: &'a mut Outbox,
}

impl Runtime<Id> for Effects<'_> {
    fn notify(&mut self, notification: Notification<'_, Id>) {
        let rank = |id: &Id| u64::from(id.generation);
        match notification {
            Notification::MemberUp(id) => self.out.seen.push(Seen::Joined { subject: id.node, rank: rank(id) }),
            Notification::MemberDown(id) => {
                self.out.seen.push(Seen::Removed { subject: id.node, rank: rank(id), proof: Ok(()) });
            }
            Notification::Rename(_, id) => self.out.seen.push(Seen::Returned { subject: id.node, rank: rank(id) }),
            _ => {}
        }
    }

    fn send_to(&mut self, to: Id, data: &[u8]) {
        self.out.send(to.node, 0, data);
    }

    fn submit_after(&mut self, timer: Timer<Id>, after: std::time::Duration) {
        *self.seq += 1;
        let at_ns = self.now_ns.saturating_add(after.as_nanos() as u64);
        self.alarms.push(Reverse(Alarm { at_ns, seq: *self.seq, timer }));
    }
}

/// foca for all nodes of a run.
#[derive(Debug)]
pub struct Swim {
    config: Config,
    nodes: u32,
    seed: u64,
    generations: Vec<u16>,
}

impl Swim {
    /// The LAN preset for `nodes` nodes; every period is divided by `speed` (1 = the preset itself).
    #[must_use]
    pub fn new(nodes: u32, seed: u64, speed: f64) -> Self {
        let mut config = Config::new_lan(NonZeroU32::new(nodes).unwrap_or(NonZeroU32::MIN));
        let scale = |time: std::time::Duration| time.div_f64(speed.max(0.01));
        config.probe_period = scale(config.probe_period);
        config.probe_rtt = scale(config.probe_rtt);
        config.suspect_to_down_after = scale(config.suspect_to_down_after);
        let gossip = config.periodic_gossip.take();
        config.periodic_gossip = gossip.map(|gossip| PeriodicParams { frequency: scale(gossip.frequency), ..gossip });
        // A cluster of one has nobody else to ask.
        config.num_indirect_probes = config.num_indirect_probes.max(NonZeroUsize::MIN);
        Self { config, nodes, seed, generations: vec![0; nodes as usize] }
    }

    /// Period between two probes of a member, ns.
    #[must_use]
    pub const fn probe_period_ns(&self) -> u64 {
        self.config.probe_period.as_nanos() as u64
    }

    fn with<T>(
        member: &mut Node,
        now_ns: u64,
        out: &mut Outbox,
        act: impl FnOnce(&mut Foca<Id, Fixed, Draw, NoCustomBroadcast>, Effects<'_>) -> T,
    ) -> T {
        let effects = Effects { now_ns, alarms: &mut member.alarms, seq: &mut member.seq, out };
        act(&mut member.foca, effects)
    }
}

impl Protocol for Swim {
    type Member = Node;

    fn boot(&mut self, node: u32, boot: Boot, now_ns: u64, out: &mut Outbox) -> Node {
        let generation = &mut self.generations[node as usize];
        if boot == Boot::Kept {
            *generation = generation.wrapping_add(1);
        }
        let id = Id { node, generation: *generation };
        let draw = Draw(Rng::new(ekk::hash::mix(self.seed ^ u64::from(node) << 20 ^ u64::from(*generation))));
        let foca = Foca::new(id, self.config.clone(), draw, Fixed);
        let mut member = Node { foca, alarms: BinaryHeap::new(), seq: 0, heard: Digest::new(u64::from(node)) };
        let others = (0..self.nodes).filter(|other| *other != node);
        if boot == Boot::Warm {
            let alive = others.map(|node| Member::alive(Id { node, generation: 0 }));
            let _ = Self::with(&mut member, now_ns, out, |foca, effects| foca.apply_many(alive, false, effects));
        } else {
            for node in others.take(3) {
                let _ = Self::with(&mut member, now_ns, out, |foca, effects| {
                    foca.announce(Id { node, generation: 0 }, effects)
                });
            }
        }
        out.seen.clear();
        member
    }

    fn receive(&mut self, member: &mut Node, now_ns: u64, _from: u32, bytes: &[u8], out: &mut Outbox) {
        member.heard.word(ekk::hash::digest(bytes));
        let _ = Self::with(member, now_ns, out, |foca, effects| foca.handle_data(bytes, effects));
    }

    fn tick(&mut self, member: &mut Node, now_ns: u64, out: &mut Outbox) {
        while member.alarms.peek().is_some_and(|Reverse(alarm)| alarm.at_ns <= now_ns) {
            let Some(Reverse(alarm)) = member.alarms.pop() else { return };
            member.heard.word(alarm.seq);
            let _ = Self::with(member, now_ns, out, |foca, effects| foca.handle_timer(alarm.timer, effects));
        }
    }

    fn next_ns(&self, member: &Node) -> u64 {
        member.alarms.peek().map_or(u64::MAX, |Reverse(alarm)| alarm.at_ns)
    }

    fn view(&self, member: &Node) -> View {
        let rank = u64::from(member.foca.identity().generation);
        View { is_active: member.foca.num_members() > 0, rank, ..View::default() }
    }

    fn digest(&self, member: &Node) -> u64 {
        let mut digest = member.heard;
        digest.word(member.foca.num_members() as u64);
        std::hash::Hasher::finish(&digest)
    }

    fn leave(&mut self, member: &mut Node, now_ns: u64, out: &mut Outbox) {
        let _ = Self::with(member, now_ns, out, |foca, effects| foca.leave_cluster(effects));
    }

    fn overhead(&self) -> usize {
        IP_UDP
    }

    fn sessions(&self) -> bool {
        false
    }
}
