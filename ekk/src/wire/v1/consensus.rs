//! Ballots on the wire: kinds 0x40 to 0x45, and what is signed of them (`decisions:CLU-6`).
//!
//! | kind | header | body |
//! |---|---|---|
//! | proposal 0x40 | sender = proposer, sequence = number | content, time left u64 ns, electorate |
//! | vote 0x41 | sender = voter | key, answer u8, signature when it is a vote |
//! | inhibit 0x42 | sender | key of the loser, key and priority of the winner |
//! | decision 0x43 | sender, sequence = part | key, content, electorate, outcome, tally, signature, yes votes of this part |
//! | ask evidence 0x44 | sender | digest u64 |
//! | evidence 0x45 | sender | bytes |
//!
//! key: proposer u32, boot u32, number u32. content: kind u8, scope u8, priority u8, threshold u8 + u32, value u32, evidence u64.
//! electorate: count u8 and that many u32 for scope `local`; 0xff and the digest u64 of the configured list for scope `cluster`.

use super::{Header, Kind as MessageKind, Reader, WireError, Writer};
use crate::consensus::ballot::{BallotKey, Kind, LOCAL_VOTERS_MAX, Outcome, Proposal, Scope, Vote};
use crate::consensus::tally::Threshold;
use crate::id::NodeId;
use crate::sign::Signature;
use crate::time::Span;

/// A ballot is opened.
pub const PROPOSAL: MessageKind = MessageKind(0x40);
/// An answer to a proposal.
pub const VOTE: MessageKind = MessageKind(0x41);
/// A competing ballot goes first.
pub const INHIBIT: MessageKind = MessageKind(0x42);
/// How a ballot ended.
pub const DECISION: MessageKind = MessageKind(0x43);
/// Who has the evidence with this digest?
pub const ASK_EVIDENCE: MessageKind = MessageKind(0x44);
/// Evidence.
pub const EVIDENCE: MessageKind = MessageKind(0x45);

/// Yes votes one message of a decision carries at most.
pub const YES_PER_PART: usize = 16;
/// Bytes of evidence at most.
pub const EVIDENCE_BYTES_MAX: usize = 600;
/// Bytes of a vote's signed text.
pub const VOTE_TEXT_BYTES: usize = 16 + 8 + 12 + 8 + 4 + 1;
/// Bytes of a decision's signed text.
pub const DECISION_TEXT_BYTES: usize = 16 + 8 + 12 + 8 + 5;

/// An answer to a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// A vote and the voter's signature over [`vote_text`].
    Vote(Vote, Signature),
    /// No slot for it: not a no (`ekk:D-22`).
    Busy,
    /// The voter's configured list is another one.
    OtherElectorate,
    /// A competing ballot goes first, or it was cancelled.
    Inhibited,
}

/// Who may vote, as it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Electorate {
    /// Listed.
    Listed([NodeId; LOCAL_VOTERS_MAX], u8),
    /// The configured list with this digest.
    Configured(u64),
}

/// A decision message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Of which ballot.
    pub key: BallotKey,
    /// What was asked.
    pub proposal: Proposal,
    /// Of whom.
    pub electorate: Electorate,
    /// How it ended.
    pub outcome: Outcome,
    /// Votes cast, of these yes and no.
    pub tally: [u8; 3],
    /// The proposer's signature over [`decision_text`].
    pub signature: Signature,
    /// Signed yes votes of this part.
    pub yes: [(NodeId, Signature); YES_PER_PART],
    /// How many of them.
    pub yes_count: u8,
}

fn domain(name: &[u8]) -> [u8; 16] {
    let mut out = [0; 16];
    out[..name.len()].copy_from_slice(name);
    out
}

fn key_bytes(key: BallotKey) -> [u8; 12] {
    let mut out = [0; 12];
    out[..4].copy_from_slice(&key.proposer.get().to_le_bytes());
    out[4..8].copy_from_slice(&key.boot_inc.to_le_bytes());
    out[8..].copy_from_slice(&key.number.to_le_bytes());
    out
}

/// What a voter signs: domain, cluster, key, digest of the content, voter, vote.
#[must_use]
pub fn vote_text(cluster_id: u64, key: BallotKey, content: u64, voter: NodeId, vote: Vote) -> [u8; VOTE_TEXT_BYTES] {
    let mut out = [0; VOTE_TEXT_BYTES];
    out[..16].copy_from_slice(&domain(b"trefoil vote 1"));
    out[16..24].copy_from_slice(&cluster_id.to_le_bytes());
    out[24..36].copy_from_slice(&key_bytes(key));
    out[36..44].copy_from_slice(&content.to_le_bytes());
    out[44..48].copy_from_slice(&voter.get().to_le_bytes());
    out[48] = vote.code();
    out
}

/// What a proposer signs at the end: domain, cluster, key, digest of the content, outcome, tally.
#[must_use]
pub fn decision_text(
    cluster_id: u64,
    key: BallotKey,
    content: u64,
    outcome: Outcome,
    tally: [u8; 3],
) -> [u8; DECISION_TEXT_BYTES] {
    let mut out = [0; DECISION_TEXT_BYTES];
    out[..16].copy_from_slice(&domain(b"trefoil decide 1"));
    out[16..24].copy_from_slice(&cluster_id.to_le_bytes());
    out[24..36].copy_from_slice(&key_bytes(key));
    out[36..44].copy_from_slice(&content.to_le_bytes());
    out[44] = outcome.code();
    out[45..48].copy_from_slice(&tally);
    out
}

fn write_key(writer: &mut Writer<'_>, key: BallotKey) -> Result<(), WireError> {
    writer.u32(key.proposer.get())?;
    writer.u32(key.boot_inc)?;
    writer.u32(key.number)
}

fn read_key(reader: &mut Reader<'_>) -> Result<BallotKey, WireError> {
    let proposer = NodeId::new(reader.u32()?).ok_or(WireError::Value("proposer"))?;
    let key = BallotKey { proposer, boot_inc: reader.u32()?, number: reader.u32()? };
    if key.number == 0 { Err(WireError::Value("number")) } else { Ok(key) }
}

fn write_content(writer: &mut Writer<'_>, proposal: &Proposal) -> Result<(), WireError> {
    let (tag, parameter) = proposal.threshold.code();
    writer.u8(proposal.kind.code())?;
    writer.u8(proposal.scope as u8)?;
    writer.u8(proposal.priority)?;
    writer.u8(tag)?;
    writer.u32(parameter)?;
    writer.u32(proposal.value)?;
    writer.u64(proposal.evidence)
}

fn read_content(reader: &mut Reader<'_>) -> Result<Proposal, WireError> {
    let kind = Kind::from_code(reader.u8()?).ok_or(WireError::Value("kind of ballot"))?;
    let scope = match reader.u8()? {
        0 => Scope::Local,
        1 => Scope::Cluster,
        _ => return Err(WireError::Value("scope")),
    };
    let priority = reader.u8()?;
    let (tag, parameter) = (reader.u8()?, reader.u32()?);
    let threshold = Threshold::from_code(tag, parameter).ok_or(WireError::Value("threshold"))?;
    let (value, evidence) = (reader.u32()?, reader.u64()?);
    if kind.is_of_a_node() && (scope == Scope::Local || NodeId::new(value).is_none()) {
        return Err(WireError::Value("node of the ballot"));
    }
    Ok(Proposal { kind, scope, value, threshold, priority, open: None, evidence })
}

fn write_electorate(writer: &mut Writer<'_>, electorate: &Electorate) -> Result<(), WireError> {
    match electorate {
        Electorate::Configured(digest) => {
            writer.u8(0xff)?;
            writer.u64(*digest)
        }
        Electorate::Listed(voters, count) => {
            writer.u8(*count)?;
            voters.iter().take(usize::from(*count)).try_for_each(|voter| writer.u32(voter.get()))
        }
    }
}

fn read_electorate(reader: &mut Reader<'_>, scope: Scope) -> Result<Electorate, WireError> {
    match (reader.u8()?, scope) {
        (0xff, Scope::Cluster) => Ok(Electorate::Configured(reader.u64()?)),
        (count, Scope::Local) if count > 0 && usize::from(count) <= LOCAL_VOTERS_MAX => {
            let mut voters = [NodeId::NONE; LOCAL_VOTERS_MAX];
            for at in 0..usize::from(count) {
                let voter = NodeId::new(reader.u32()?).ok_or(WireError::Value("voter"))?;
                if voters[..at].contains(&voter) {
                    return Err(WireError::Value("voter"));
                }
                voters[at] = voter;
            }
            Ok(Electorate::Listed(voters, count))
        }
        _ => Err(WireError::Value("electorate")),
    }
}

/// Writes a proposal; `left` is the time it stays open.
///
/// # Errors
/// [`WireError::Long`] when the buffer is too small.
pub fn encode_proposal(
    buffer: &mut [u8],
    header: &Header,
    proposal: &Proposal,
    left: Span,
    electorate: &Electorate,
) -> Result<usize, WireError> {
    let mut writer = header.begin(buffer)?;
    write_content(&mut writer, proposal)?;
    writer.u64(left.0)?;
    write_electorate(&mut writer, electorate)?;
    Ok(writer.len())
}

/// Reads the body of a proposal: content, time left, electorate.
///
/// # Errors
/// Names what is wrong with the bytes.
pub fn decode_proposal(mut body: Reader<'_>) -> Result<(Proposal, Span, Electorate), WireError> {
    let proposal = read_content(&mut body)?;
    let left = Span(body.u64()?);
    let electorate = read_electorate(&mut body, proposal.scope)?;
    body.done()?;
    Ok((proposal, left, electorate))
}

/// Writes an answer.
///
/// # Errors
/// [`WireError::Long`] when the buffer is too small.
pub fn encode_answer(buffer: &mut [u8], header: &Header, key: BallotKey, answer: &Answer) -> Result<usize, WireError> {
    let mut writer = header.begin(buffer)?;
    write_key(&mut writer, key)?;
    match answer {
        Answer::Vote(vote, signature) => {
            writer.u8(vote.code())?;
            writer.put(&signature.0)?;
        }
        Answer::Busy => writer.u8(0x80)?,
        Answer::OtherElectorate => writer.u8(0x81)?,
        Answer::Inhibited => writer.u8(0x82)?,
    }
    Ok(writer.len())
}

/// Reads the body of an answer.
///
/// # Errors
/// Names what is wrong with the bytes.
pub fn decode_answer(mut body: Reader<'_>) -> Result<(BallotKey, Answer), WireError> {
    let key = read_key(&mut body)?;
    let answer = match body.u8()? {
        0x80 => Answer::Busy,
        0x81 => Answer::OtherElectorate,
        0x82 => Answer::Inhibited,
        code => {
            let vote = Vote::from_code(code).ok_or(WireError::Value("vote"))?;
            Answer::Vote(vote, Signature(body.array()?))
        }
    };
    body.done()?;
    Ok((key, answer))
}

/// Writes an inhibition of `loser` by `winner` with its priority.
///
/// # Errors
/// [`WireError::Long`] when the buffer is too small.
pub fn encode_inhibit(
    buffer: &mut [u8],
    header: &Header,
    loser: BallotKey,
    winner: BallotKey,
    priority: u8,
) -> Result<usize, WireError> {
    let mut writer = header.begin(buffer)?;
    write_key(&mut writer, loser)?;
    write_key(&mut writer, winner)?;
    writer.u8(priority)?;
    Ok(writer.len())
}

/// Reads the body of an inhibition: loser, winner, priority of the winner.
///
/// # Errors
/// Names what is wrong with the bytes.
pub fn decode_inhibit(mut body: Reader<'_>) -> Result<(BallotKey, BallotKey, u8), WireError> {
    let (loser, winner, priority) = (read_key(&mut body)?, read_key(&mut body)?, body.u8()?);
    body.done()?;
    Ok((loser, winner, priority))
}

/// Writes a part of a decision.
///
/// # Errors
/// [`WireError::Long`] when the buffer is too small.
pub fn encode_decision(buffer: &mut [u8], header: &Header, decision: &Decision) -> Result<usize, WireError> {
    let mut writer = header.begin(buffer)?;
    write_key(&mut writer, decision.key)?;
    write_content(&mut writer, &decision.proposal)?;
    write_electorate(&mut writer, &decision.electorate)?;
    writer.u8(decision.outcome.code())?;
    writer.put(&decision.tally)?;
    writer.put(&decision.signature.0)?;
    writer.u8(decision.yes_count)?;
    for (voter, signature) in decision.yes.iter().take(usize::from(decision.yes_count)) {
        writer.u32(voter.get())?;
        writer.put(&signature.0)?;
    }
    Ok(writer.len())
}

/// Reads the body of a part of a decision.
///
/// # Errors
/// Names what is wrong with the bytes.
pub fn decode_decision(mut body: Reader<'_>) -> Result<Decision, WireError> {
    let key = read_key(&mut body)?;
    let proposal = read_content(&mut body)?;
    let electorate = read_electorate(&mut body, proposal.scope)?;
    let outcome = Outcome::from_code(body.u8()?).ok_or(WireError::Value("outcome"))?;
    let tally: [u8; 3] = body.array()?;
    if u16::from(tally[1]) + u16::from(tally[2]) > u16::from(tally[0]) {
        return Err(WireError::Value("tally"));
    }
    let signature = Signature(body.array()?);
    let yes_count = body.u8()?;
    if usize::from(yes_count) > YES_PER_PART {
        return Err(WireError::Value("yes votes"));
    }
    let mut yes = [(NodeId::NONE, Signature::EMPTY); YES_PER_PART];
    for place in yes.iter_mut().take(usize::from(yes_count)) {
        let voter = NodeId::new(body.u32()?).ok_or(WireError::Value("voter"))?;
        *place = (voter, Signature(body.array()?));
    }
    body.done()?;
    Ok(Decision { key, proposal, electorate, outcome, tally, signature, yes, yes_count })
}

/// Writes a question for evidence.
///
/// # Errors
/// [`WireError::Long`] when the buffer is too small.
pub fn encode_ask(buffer: &mut [u8], header: &Header, digest: u64) -> Result<usize, WireError> {
    let mut writer = header.begin(buffer)?;
    writer.u64(digest)?;
    Ok(writer.len())
}

/// Writes evidence.
///
/// # Errors
/// [`WireError::Long`] when the buffer is too small.
pub fn encode_evidence(buffer: &mut [u8], header: &Header, bytes: &[u8]) -> Result<usize, WireError> {
    let mut writer = header.begin(buffer)?;
    writer.put(bytes)?;
    Ok(writer.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::vec::Vec;

    use super::*;
    use crate::id::Identity;

    fn header(kind: MessageKind) -> Header {
        let id = NodeId::new(7).unwrap();
        Header { kind, sender: Identity { id, boot_inc: 3, life: 1 }, sequence: 9 }
    }

    fn key() -> BallotKey {
        BallotKey { proposer: NodeId::new(7).unwrap(), boot_inc: 3, number: 9 }
    }

    fn any_decode(bytes: &[u8]) {
        let Ok((header, body)) = Header::decode(bytes) else { return };
        match header.kind {
            PROPOSAL => drop(decode_proposal(body)),
            VOTE => drop(decode_answer(body)),
            INHIBIT => drop(decode_inhibit(body)),
            DECISION => drop(decode_decision(body)),
            _ => {}
        }
    }

    fn samples() -> Vec<Vec<u8>> {
        let mut buffer = [0; super::super::MESSAGE_BYTES_MAX];
        let mut voters = [NodeId::NONE; LOCAL_VOTERS_MAX];
        (1..=16).for_each(|raw| voters[raw as usize - 1] = NodeId::new(raw).unwrap());
        let local = Electorate::Listed(voters, 16);
        let mut proposal = Proposal::new(Kind::Custom(2), Scope::Local, 5, Threshold::TwoThirds);
        let mut out = Vec::new();
        let n = encode_proposal(&mut buffer, &header(PROPOSAL), &proposal, Span(77), &local).unwrap();
        out.push(buffer[..n].to_vec());
        let signature = Signature([5; 64]);
        for answer in [Answer::Vote(Vote::No, signature), Answer::Busy, Answer::OtherElectorate, Answer::Inhibited] {
            let n = encode_answer(&mut buffer, &header(VOTE), key(), &answer).unwrap();
            let (_, body) = Header::decode(&buffer[..n]).unwrap();
            assert_eq!(decode_answer(body), Ok((key(), answer)));
            out.push(buffer[..n].to_vec());
        }
        let n = encode_inhibit(&mut buffer, &header(INHIBIT), key(), key(), 4).unwrap();
        out.push(buffer[..n].to_vec());
        proposal.scope = Scope::Cluster;
        let decision = Decision {
            key: key(),
            proposal,
            electorate: Electorate::Configured(99),
            outcome: Outcome::Approved,
            tally: [5, 3, 2],
            signature,
            yes: [(NodeId::new(4).unwrap(), signature); YES_PER_PART],
            yes_count: YES_PER_PART as u8,
        };
        let n = encode_decision(&mut buffer, &header(DECISION), &decision).unwrap();
        let (_, body) = Header::decode(&buffer[..n]).unwrap();
        assert_eq!(decode_decision(body), Ok(decision));
        out.push(buffer[..n].to_vec());
        out
    }

    /// `ekk:P19`: what was written is read; every truncation and every byte too many is refused.
    #[test]
    fn messages_come_back_and_have_one_length() {
        let first = samples().swap_remove(0);
        let (_, body) = Header::decode(&first).unwrap();
        let (proposal, left, electorate) = decode_proposal(body).unwrap();
        assert_eq!((proposal.kind, left), (Kind::Custom(2), Span(77)));
        assert!(matches!(electorate, Electorate::Listed(_, 16)));
        for sample in samples() {
            let decoded = |bytes: &[u8]| -> bool {
                let Ok((header, body)) = Header::decode(bytes) else { return false };
                match header.kind {
                    PROPOSAL => decode_proposal(body).is_ok(),
                    VOTE => decode_answer(body).is_ok(),
                    INHIBIT => decode_inhibit(body).is_ok(),
                    _ => decode_decision(body).is_ok(),
                }
            };
            assert!(decoded(&sample));
            for cut in 0..sample.len() {
                assert!(!decoded(&sample[..cut]), "{cut} of {}", sample.len());
            }
            let mut longer = sample.clone();
            longer.push(0);
            assert!(!decoded(&longer));
        }
    }

    proptest! {
        /// Aim: no bytes panic. Method: random bytes, and valid messages with bytes changed.
        #[test]
        fn hostile_bytes_are_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            which in 0_usize..7,
            at in 0_usize..1400,
            value: u8,
        ) {
            any_decode(&bytes);
            let mut sample = samples()[which].clone();
            let at = at % sample.len();
            sample[at] = value;
            any_decode(&sample);
        }

        /// `ekk:D-21`: enumerations outside their range never become a value.
        #[test]
        fn enumerations_are_checked(code in 0_u8..=255) {
            prop_assert_eq!(Kind::from_code(code).map(Kind::code), Kind::from_code(code).is_some().then_some(code));
            prop_assert_eq!(Vote::from_code(code).map(Vote::code), (code <= 2).then_some(code));
            prop_assert_eq!(Outcome::from_code(code).map(Outcome::code), (1..=5).contains(&code).then_some(code));
        }
    }
}
