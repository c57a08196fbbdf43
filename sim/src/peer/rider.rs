//! What travels over whole links beside the nodes' own traffic: commands in a stream of its own, and projections.

use link::aead::RingAead;
use link::{Endpoint, Out};

use super::Outbox;

/// Stream of a rider's commands.
pub const STREAM: u8 = 1;

/// The link of a member, for one turn of its rider.
pub struct Line<'a> {
    /// Its clock, ns.
    pub now_ns: u64,
    /// Its endpoint; peers are indices + 1 there.
    pub endpoint: &'a mut Endpoint<RingAead>,
    /// To seal into.
    pub buffer: &'a mut Out,
    /// What goes out.
    pub out: &'a mut Outbox,
    /// Nodes to shake hands with, whether or not there is a session.
    pub greet: Vec<u32>,
}

/// Something that uses the links of all members.
pub trait Rider {
    /// Its part in one member.
    type Seat;
    /// Whether it sends projections.
    const PROJECTS: bool;

    /// A member starts; `boot` is the boot id of its link.
    fn board(&mut self, node: u32, boot: u64, now_ns: u64) -> Option<Self::Seat>;

    /// A session with a peer is up, in this boot of its link.
    fn session(&mut self, seat: &mut Self::Seat, peer: u32, boot: u64, now_ns: u64);

    /// A projection came, at most once.
    fn projection(&mut self, seat: &mut Self::Seat, peer: u32, boot: u64, bytes: &[u8], now_ns: u64);

    /// A command came, exactly once and in order.
    fn command(&mut self, seat: &mut Self::Seat, peer: u32, bytes: &[u8]);

    /// Its time has come.
    fn turn(&mut self, seat: &mut Self::Seat, line: &mut Line<'_>);

    /// When its time comes next, ns.
    fn next_ns(&self, seat: &Self::Seat) -> u64;

    /// Digest of its state.
    fn digest(&self, seat: &Self::Seat) -> u64;

    /// The process of a node has ended.
    fn stopped(&mut self, node: u32);
}

/// Nothing rides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Nothing;

impl Rider for Nothing {
    type Seat = ();
    const PROJECTS: bool = false;

    fn board(&mut self, _node: u32, _boot: u64, _now_ns: u64) -> Option<()> {
        None
    }

    fn session(&mut self, (): &mut (), _peer: u32, _boot: u64, _now_ns: u64) {}

    fn projection(&mut self, (): &mut (), _peer: u32, _boot: u64, _bytes: &[u8], _now_ns: u64) {}

    fn command(&mut self, (): &mut (), _peer: u32, _bytes: &[u8]) {}

    fn turn(&mut self, (): &mut (), _line: &mut Line<'_>) {}

    fn next_ns(&self, (): &()) -> u64 {
        u64::MAX
    }

    fn digest(&self, (): &()) -> u64 {
        0
    }

    fn stopped(&mut self, _node: u32) {}
}
