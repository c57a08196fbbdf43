//! Commands: in order, exactly once for each boot of the peer (`rse:U3`, `rse:U4`, `decisions:CLU-12`).
//!
//! | offset | bytes | field of a command |
//! |---:|---:|---|
//! | 0 | 4 | generation of the stream |
//! | 4 | 1 | flags: 1 = unsettled |
//! | 5 | 1 | stream, as the caller gave it |
//! | 6 | 2 | bytes of the command |
//! | 8 | 8 | sequence in the generation, from 1 |
//! | 16 | | the command |
//!
//! | offset | bytes | field of an acknowledgement |
//! |---:|---:|---|
//! | 0 | 4 | generation |
//! | 4 | 4 | flags: 1 = the place was lost |
//! | 8 | 8 | all up to this sequence were taken |
//! | 16 | 8 | bit i: sequence + 2 + i has arrived |
//!
//! A receiver that forgot a peer (its place in the table went to another one) must not take a command twice. So a sender that comes
//! back marks its frames *unsettled* until the first acknowledgement, and a receiver without a memory of the generation
//! answers *lost* instead of taking them. The sender then knows that nobody knows: the commands come into doubt and a new
//! generation begins.

mod receive;
mod send;

pub(crate) use receive::{Accepted, Receiver};
pub(crate) use send::{AckEffect, Doubtful, Sender};

use crate::frame::{u16_at, u32_at, u64_at};

/// Bytes before the command itself.
pub(crate) const COMMAND_HEADER_BYTES: usize = 16;
/// Bytes of an acknowledgement.
pub(crate) const ACK_BYTES: usize = 24;

/// A command as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Command<'a> {
    pub(crate) generation: u32,
    pub(crate) unsettled: bool,
    pub(crate) stream: u8,
    pub(crate) seq: u64,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Command<'a> {
    /// The fields before the bytes.
    pub(crate) fn head(&self) -> [u8; COMMAND_HEADER_BYTES] {
        let mut out = [0; COMMAND_HEADER_BYTES];
        out[..4].copy_from_slice(&self.generation.to_le_bytes());
        out[4] = u8::from(self.unsettled);
        out[5] = self.stream;
        out[6..8].copy_from_slice(&(self.bytes.len() as u16).to_le_bytes());
        out[8..].copy_from_slice(&self.seq.to_le_bytes());
        out
    }

    /// `None` when the content is no command.
    pub(crate) fn parse(content: &'a [u8]) -> Option<Self> {
        if content.len() < COMMAND_HEADER_BYTES {
            return None;
        }
        let (head, bytes) = content.split_at(COMMAND_HEADER_BYTES);
        let command =
            Self { generation: u32_at(head, 0), unsettled: head[4] == 1, stream: head[5], seq: u64_at(head, 8), bytes };
        let known = head[4] <= 1 && usize::from(u16_at(head, 6)) == bytes.len();
        (known && command.generation > 0 && command.seq > 0).then_some(command)
    }
}

/// An acknowledgement as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) generation: u32,
    pub(crate) lost: bool,
    pub(crate) taken: u64,
    pub(crate) arrived: u64,
}

impl Ack {
    pub(crate) fn encode(&self) -> [u8; ACK_BYTES] {
        let mut out = [0; ACK_BYTES];
        out[..4].copy_from_slice(&self.generation.to_le_bytes());
        out[4] = u8::from(self.lost);
        out[8..16].copy_from_slice(&self.taken.to_le_bytes());
        out[16..].copy_from_slice(&self.arrived.to_le_bytes());
        out
    }

    pub(crate) fn parse(content: &[u8]) -> Option<Self> {
        if content.len() != ACK_BYTES || u32_at(content, 4) > 1 {
            return None;
        }
        Some(Self {
            generation: u32_at(content, 0),
            lost: content[4] == 1,
            taken: u64_at(content, 8),
            arrived: u64_at(content, 16),
        })
    }
}
