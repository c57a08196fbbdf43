//! The packed messages of the seed, byte for byte, little-endian.
//!
//! The transport carries sender and kind beside the bytes (the [`Envelope`]); a message names them again, and both must agree.
//! Whatever is not exactly one message is refused by name and counted ([`Counted`]); nothing in here can panic.

#[cfg(test)]
mod tests;

use crate::fixed::Q16;

/// Most bytes a message of the seed's transport has.
pub const MESSAGE_MAX: usize = 64;
/// Bytes of the longest message of the table.
pub const ENCODED_MAX: usize = 13;
/// The id that stands for all modules.
pub const BROADCAST: u8 = 255;

/// What the transport says about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Envelope {
    /// Id of the sender.
    pub sender: u8,
    /// Kind of message, see [`Message::kind`].
    pub kind: u8,
}

/// State of a module as it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ModuleState {
    /// Not started.
    Init = 0,
    /// Looking for others.
    Discovering = 1,
    /// Enough neighbours.
    Active = 2,
    /// Too few neighbours.
    Degraded = 3,
    /// No neighbour.
    Isolated = 4,
    /// A neighbour was lost.
    Reforming = 5,
    /// Stopped.
    Shutdown = 6,
}

impl ModuleState {
    const ALL: [ModuleState; 7] = [
        ModuleState::Init,
        ModuleState::Discovering,
        ModuleState::Active,
        ModuleState::Degraded,
        ModuleState::Isolated,
        ModuleState::Reforming,
        ModuleState::Shutdown,
    ];
}

/// A vote as it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Vote {
    /// Neither.
    Abstain = 0,
    /// For.
    Yes = 1,
    /// Against.
    No = 2,
    /// Has a number in the seed and no meaning as a vote.
    Inhibit = 3,
}

impl Vote {
    const ALL: [Vote; 4] = [Vote::Abstain, Vote::Yes, Vote::No, Vote::Inhibit];
}

/// What a ballot is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProposalKind {
    /// Change of mode.
    Mode,
    /// Limit of power.
    PowerLimit,
    /// Stop.
    Shutdown,
    /// Form anew.
    Reformation,
    /// Exclude a module.
    Quarantine,
    /// The application's own, 0..4.
    Custom(u8),
}

impl ProposalKind {
    /// Its number.
    pub const fn raw(self) -> u8 {
        match self {
            ProposalKind::Mode => 0,
            ProposalKind::PowerLimit => 1,
            ProposalKind::Shutdown => 2,
            ProposalKind::Reformation => 3,
            ProposalKind::Quarantine => 4,
            ProposalKind::Custom(n) => 16 + n % 4,
        }
    }

    /// The kind of that number.
    pub const fn from_raw(raw: u8) -> Option<ProposalKind> {
        Some(match raw {
            0 => ProposalKind::Mode,
            1 => ProposalKind::PowerLimit,
            2 => ProposalKind::Shutdown,
            3 => ProposalKind::Reformation,
            4 => ProposalKind::Quarantine,
            16..=19 => ProposalKind::Custom(raw - 16),
            _ => return None,
        })
    }
}

/// One message of the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// Sign of life, 8 bytes.
    Heartbeat {
        /// Who.
        sender: u8,
        /// Counts heartbeats.
        sequence: u8,
        /// State of the sender.
        state: ModuleState,
        /// Peers it tracks.
        tracked: u8,
        /// Load in per cent; the seed always sends zero.
        load: u8,
        /// Heat in per cent; the seed always sends zero.
        thermal: u8,
        /// Reserved.
        flags: u8,
    },
    /// Announcement, 12 bytes.
    Discovery {
        /// Who.
        sender: u8,
        /// Where.
        position: [i16; 3],
        /// Neighbours it has.
        neighbours: u8,
        /// State; the seed always sends active.
        state: ModuleState,
        /// Counts announcements.
        sequence: u16,
    },
    /// A ballot is opened, 13 bytes.
    Proposal {
        /// Who proposes.
        proposer: u8,
        /// Its number there, not zero.
        ballot: u16,
        /// What about.
        kind: ProposalKind,
        /// Argument.
        data: u32,
        /// Share of yes needed, above zero, at most one.
        threshold: Q16,
    },
    /// A vote, 10 bytes.
    Vote {
        /// Who votes.
        voter: u8,
        /// Whose ballot.
        proposer: u8,
        /// Its number there, not zero.
        ballot: u16,
        /// The vote.
        vote: Vote,
        /// Low half of the sender's microseconds; never checked.
        stamp: u32,
    },
    /// A ballot is cancelled, 8 bytes. The sender need not be the proposer.
    Inhibit {
        /// Whose ballot.
        proposer: u8,
        /// Its number there, not zero.
        ballot: u16,
        /// Low half of the sender's microseconds; never checked.
        stamp: u32,
    },
    /// A proposal of quarantine with its evidence, 12 bytes; the seed declares it and never sends it.
    Quarantine {
        /// Who proposes.
        proposer: u8,
        /// Its number there, not zero.
        ballot: u16,
        /// Whom to exclude.
        suspect: u8,
        /// Kind of evidence, 1..=4.
        evidence: u8,
        /// First bytes of the digest of the evidence.
        digest: [u8; 4],
        /// Number of witnesses, 1..=3.
        witnesses: u8,
    },
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Refused {
    /// The length is not that of the kind.
    Length = 0,
    /// The kind inside is not the kind of the envelope.
    Kind = 1,
    /// The sender inside is not the sender of the envelope.
    Identity = 2,
    /// An id names nobody or everybody.
    Id = 3,
    /// A number of an enumeration is unknown.
    Number = 4,
    /// A threshold is not above zero and at most one.
    Threshold = 5,
    /// The ballot has the number zero.
    Ballot = 6,
    /// A kind the seed declares and never sends: field, reform, shutdown.
    Unused = 7,
    /// An application's message.
    Application = 8,
    /// A kind nobody knows.
    Unknown = 9,
}

impl Refused {
    /// Number of reasons.
    pub const COUNT: usize = 10;

    /// The reason in words.
    pub const fn text(self) -> &'static str {
        match self {
            Refused::Length => "wrong length",
            Refused::Kind => "kind differs from the envelope",
            Refused::Identity => "sender differs from the envelope",
            Refused::Id => "id of no module",
            Refused::Number => "unknown number",
            Refused::Threshold => "threshold out of range",
            Refused::Ballot => "ballot number zero",
            Refused::Unused => "unused kind",
            Refused::Application => "message of an application",
            Refused::Unknown => "unknown kind",
        }
    }
}

impl core::fmt::Display for Refused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for Refused {}

impl Message {
    /// Number of the kind, the first byte and the envelope's.
    pub const fn kind(&self) -> u8 {
        match self {
            Message::Heartbeat { .. } => 1,
            Message::Discovery { .. } => 2,
            Message::Proposal { .. } | Message::Quarantine { .. } => 4,
            Message::Vote { .. } => 5,
            Message::Inhibit { .. } => 6,
        }
    }

    /// Writes the message; returns its length, or `None` when `out` is shorter than that.
    pub fn encode(&self, out: &mut [u8]) -> Option<usize> {
        let mut bytes = [0; ENCODED_MAX];
        bytes[0] = self.kind();
        let length = match *self {
            Message::Heartbeat { sender, sequence, state, tracked, load, thermal, flags } => {
                bytes[1..8].copy_from_slice(&[sender, sequence, state as u8, tracked, load, thermal, flags]);
                8
            }
            Message::Discovery { sender, position: [x, y, z], neighbours, state, sequence } => {
                bytes[1] = sender;
                bytes[2..4].copy_from_slice(&x.to_le_bytes());
                bytes[4..6].copy_from_slice(&y.to_le_bytes());
                bytes[6..8].copy_from_slice(&z.to_le_bytes());
                (bytes[8], bytes[9]) = (neighbours, state as u8);
                bytes[10..12].copy_from_slice(&sequence.to_le_bytes());
                12
            }
            Message::Proposal { proposer, ballot, kind, data, threshold } => {
                bytes[1] = proposer;
                bytes[2..4].copy_from_slice(&ballot.to_le_bytes());
                bytes[4] = kind.raw();
                bytes[5..9].copy_from_slice(&data.to_le_bytes());
                bytes[9..13].copy_from_slice(&threshold.0.to_le_bytes());
                13
            }
            Message::Vote { voter, proposer, ballot, vote, stamp } => {
                (bytes[1], bytes[2]) = (voter, proposer);
                bytes[3..5].copy_from_slice(&ballot.to_le_bytes());
                bytes[5] = vote as u8;
                bytes[6..10].copy_from_slice(&stamp.to_le_bytes());
                10
            }
            Message::Inhibit { proposer, ballot, stamp } => {
                bytes[1] = proposer;
                bytes[2..4].copy_from_slice(&ballot.to_le_bytes());
                bytes[4..8].copy_from_slice(&stamp.to_le_bytes());
                8
            }
            Message::Quarantine { proposer, ballot, suspect, evidence, digest, witnesses } => {
                bytes[1] = proposer;
                bytes[2..4].copy_from_slice(&ballot.to_le_bytes());
                (bytes[4], bytes[5]) = (suspect, evidence);
                bytes[6..10].copy_from_slice(&digest);
                bytes[10] = witnesses;
                12
            }
        };
        out.get_mut(..length)?.copy_from_slice(&bytes[..length]);
        Some(length)
    }

    /// Reads one message of exactly these bytes.
    ///
    /// # Errors
    /// The first reason why it is none.
    pub fn decode(envelope: Envelope, bytes: &[u8]) -> Result<Message, Refused> {
        match envelope.kind {
            1 | 2 | 4 | 5 | 6 => {}
            3 | 7 | 8 => return Err(Refused::Unused),
            0x80.. => return Err(Refused::Application),
            _ => return Err(Refused::Unknown),
        }
        module(envelope.sender)?;
        let message = match (envelope.kind, bytes) {
            (1, &[_, sender, sequence, state, tracked, load, thermal, flags]) => {
                same(envelope, bytes[0], sender)?;
                Message::Heartbeat { sender, sequence, state: state_of(state)?, tracked, load, thermal, flags }
            }
            (2, &[_, sender, x0, x1, y0, y1, z0, z1, neighbours, state, s0, s1]) => {
                same(envelope, bytes[0], sender)?;
                let position = [[x0, x1], [y0, y1], [z0, z1]].map(i16::from_le_bytes);
                let sequence = u16::from_le_bytes([s0, s1]);
                Message::Discovery { sender, position, neighbours, state: state_of(state)?, sequence }
            }
            (4, &[_, proposer, b0, b1, kind, d0, d1, d2, d3, t0, t1, t2, t3]) => {
                same(envelope, bytes[0], proposer)?;
                let threshold = Q16(i32::from_le_bytes([t0, t1, t2, t3]));
                if threshold <= Q16::ZERO || threshold > Q16::ONE {
                    return Err(Refused::Threshold);
                }
                let kind = ProposalKind::from_raw(kind).ok_or(Refused::Number)?;
                let data = u32::from_le_bytes([d0, d1, d2, d3]);
                Message::Proposal { proposer, ballot: ballot_of(b0, b1)?, kind, data, threshold }
            }
            (4, &[_, proposer, b0, b1, suspect, evidence, h0, h1, h2, h3, witnesses, _reserved]) => {
                same(envelope, bytes[0], proposer)?;
                if !(1..=4).contains(&evidence) || !(1..=3).contains(&witnesses) {
                    return Err(Refused::Number);
                }
                let (ballot, suspect) = (ballot_of(b0, b1)?, module(suspect)?);
                Message::Quarantine { proposer, ballot, suspect, evidence, digest: [h0, h1, h2, h3], witnesses }
            }
            (5, &[_, voter, proposer, b0, b1, vote, s0, s1, s2, s3]) => {
                same(envelope, bytes[0], voter)?;
                let vote = *Vote::ALL.get(usize::from(vote)).ok_or(Refused::Number)?;
                let stamp = u32::from_le_bytes([s0, s1, s2, s3]);
                Message::Vote { voter, proposer: module(proposer)?, ballot: ballot_of(b0, b1)?, vote, stamp }
            }
            (6, &[kind, proposer, b0, b1, s0, s1, s2, s3]) => {
                // Anybody may cancel: who did is the envelope's sender.
                same(envelope, kind, envelope.sender)?;
                let stamp = u32::from_le_bytes([s0, s1, s2, s3]);
                Message::Inhibit { proposer: module(proposer)?, ballot: ballot_of(b0, b1)?, stamp }
            }
            _ => return Err(Refused::Length),
        };
        Ok(message)
    }
}

fn same(envelope: Envelope, kind: u8, sender: u8) -> Result<(), Refused> {
    if kind != envelope.kind {
        return Err(Refused::Kind);
    }
    if sender != envelope.sender { Err(Refused::Identity) } else { Ok(()) }
}

fn module(id: u8) -> Result<u8, Refused> {
    if id == 0 || id == BROADCAST { Err(Refused::Id) } else { Ok(id) }
}

fn state_of(raw: u8) -> Result<ModuleState, Refused> {
    ModuleState::ALL.get(usize::from(raw)).copied().ok_or(Refused::Number)
}

fn ballot_of(low: u8, high: u8) -> Result<u16, Refused> {
    match u16::from_le_bytes([low, high]) {
        0 => Err(Refused::Ballot),
        ballot => Ok(ballot),
    }
}

/// Reads messages and counts what was refused, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counted {
    refused: [u32; Refused::COUNT],
}

impl Counted {
    /// As [`Message::decode`]; a refusal is counted.
    ///
    /// # Errors
    /// As [`Message::decode`].
    pub fn decode(&mut self, envelope: Envelope, bytes: &[u8]) -> Result<Message, Refused> {
        Message::decode(envelope, bytes).inspect_err(|&reason| {
            let counter = &mut self.refused[reason as usize];
            *counter = counter.saturating_add(1);
        })
    }

    /// How often that reason was found.
    pub const fn count(&self, reason: Refused) -> u32 {
        self.refused[reason as usize]
    }
}

/// Arbitrary bytes, the first two as the envelope: reads them, and whatever was read must be written back the same.
///
/// # Panics
/// When a message that was read does not write back to its own bytes: the defect a fuzzer looks for.
pub fn fuzz_v0(bytes: &[u8]) {
    let [sender, kind, rest @ ..] = bytes else { return };
    let Ok(message) = Message::decode(Envelope { sender: *sender, kind: *kind }, rest) else { return };
    let mut out = [0; ENCODED_MAX];
    let length = message.encode(&mut out).expect("the buffer is as long as the longest message");
    // The last byte of a quarantine proposal is reserved and not kept.
    let kept = if matches!(message, Message::Quarantine { .. }) { length - 1 } else { length };
    assert_eq!(out[..kept], rest[..kept], "round trip");
    assert_eq!(length, rest.len(), "exact length");
}
