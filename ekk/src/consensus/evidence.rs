//! Evidence against a node that a third party can check (`ekk` section 6.1): two signed words that exclude each other, or what
//! enough distinct witnesses signed. What cannot be checked is refused (fail closed).

use core::fmt;

use crate::hash::digest;
use crate::id::NodeId;
use crate::sign::{Crypto, Signature};
use crate::wire::v1::consensus::{EVIDENCE_BYTES_MAX, VOTE_TEXT_BYTES};
use crate::wire::v1::{Reader, WireError, Writer};

/// Witnesses one piece of evidence names at most.
pub const WITNESSES_MAX: usize = 8;
/// Pieces of evidence kept at once; the oldest gives way.
pub const EVIDENCE_MAX: usize = 2;
/// Bytes a statement of witnesses is about.
pub const DATA_BYTES: usize = 24;
/// Bytes of the text a witness signs.
pub const WITNESS_TEXT_BYTES: usize = 16 + 8 + 4 + 1 + DATA_BYTES;

/// Why evidence does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unsound {
    /// The bytes are no evidence.
    Wire(WireError),
    /// It is about another node.
    Suspect,
    /// It is from another cluster, or the two words are not about one ballot.
    Context,
    /// The two words agree: nothing is wrong with them.
    NoContradiction,
    /// A signature does not hold, or its key is not known.
    Signature(NodeId),
    /// A witness is the suspect, the proposer, or named twice.
    Witness(NodeId),
    /// Fewer witnesses than liars could be.
    TooFew {
        /// Named.
        have: usize,
        /// Needed.
        need: usize,
    },
    /// What the witnesses state is allowed.
    Allowed,
    /// The ballot names evidence this node does not have.
    Missing,
}

impl fmt::Display for Unsound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsound::Wire(why) => write!(f, "{why}"),
            Unsound::Suspect => f.write_str("it is about another node"),
            Unsound::Context => f.write_str("the two words are not about one ballot of this cluster"),
            Unsound::NoContradiction => f.write_str("the two words do not exclude each other"),
            Unsound::Signature(who) => write!(f, "the signature of node {who} does not hold"),
            Unsound::Witness(who) => write!(f, "node {who} cannot be a witness, or is named twice"),
            Unsound::TooFew { have, need } => write!(f, "{have} witnesses, {need} are needed"),
            Unsound::Allowed => f.write_str("what the witnesses state is allowed"),
            Unsound::Missing => f.write_str("it is not known here"),
        }
    }
}

impl core::error::Error for Unsound {}

/// A signed word of the suspect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Witness {
    text: [u8; VOTE_TEXT_BYTES],
    signature: Signature,
}

impl Witness {
    /// A word as it was signed.
    #[must_use]
    pub const fn new(text: &[u8; VOTE_TEXT_BYTES], signature: Signature) -> Self {
        Self { text: *text, signature }
    }
}

/// What witnesses state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Statement {
    /// Something took another time than allowed: expected, actual and bound, in ns.
    Timing([u64; 3]),
    /// A transition that is not allowed: from, to (0..8) and the bitmap of allowed ones, bit from * 8 + to.
    Transition(u8, u8, u64),
}

impl Statement {
    fn code(&self) -> u8 {
        match self {
            Statement::Timing(_) => 3,
            Statement::Transition(..) => 4,
        }
    }

    fn data(&self) -> [u8; DATA_BYTES] {
        let mut out = [0; DATA_BYTES];
        let words = match *self {
            Statement::Timing(words) => words,
            Statement::Transition(from, to, allowed) => [u64::from(from), u64::from(to), allowed],
        };
        for (place, word) in out.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        out
    }

    fn from_parts(code: u8, words: [u64; 3]) -> Result<Self, WireError> {
        match code {
            3 => Ok(Statement::Timing(words)),
            4 if words[0] < 8 && words[1] < 8 => Ok(Statement::Transition(words[0] as u8, words[1] as u8, words[2])),
            _ => Err(WireError::Value("statement")),
        }
    }

    /// Whether what is stated is wrong at all.
    const fn is_wrong(&self) -> bool {
        match *self {
            Statement::Timing([expected, actual, bound]) => expected.abs_diff(actual) > bound,
            Statement::Transition(from, to, allowed) => allowed >> (from * 8 + to) & 1 == 0,
        }
    }

    /// What a witness signs.
    #[must_use]
    pub fn text(&self, cluster_id: u64, suspect: NodeId) -> [u8; WITNESS_TEXT_BYTES] {
        let mut out = [0; WITNESS_TEXT_BYTES];
        out[..16].copy_from_slice(b"trefoil witness1");
        out[16..24].copy_from_slice(&cluster_id.to_le_bytes());
        out[24..28].copy_from_slice(&suspect.get().to_le_bytes());
        out[28] = self.code();
        out[29..].copy_from_slice(&self.data());
        out
    }
}

/// Evidence.
#[expect(clippy::large_enum_variant, reason = "nothing here allocates, and few are alive at once")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// The suspect signed two different votes on one ballot.
    Equivocation {
        /// Who.
        suspect: NodeId,
        /// The two words.
        words: [Witness; 2],
    },
    /// Distinct witnesses signed the same statement.
    Stated {
        /// About whom.
        suspect: NodeId,
        /// What.
        statement: Statement,
        /// Who, with their signatures over [`Statement::text`].
        witnesses: [(NodeId, Signature); WITNESSES_MAX],
        /// How many.
        count: u8,
    },
}

impl Evidence {
    /// Two votes of one node on one ballot.
    #[must_use]
    pub const fn equivocation(suspect: NodeId, first: Witness, second: Witness) -> Self {
        Evidence::Equivocation { suspect, words: [first, second] }
    }

    /// About whom.
    #[must_use]
    pub const fn suspect(&self) -> NodeId {
        match self {
            Evidence::Equivocation { suspect, .. } | Evidence::Stated { suspect, .. } => *suspect,
        }
    }

    /// Writes it: kind u8, suspect u32, then two words, or statement u8, three u64, count u8 and the witnesses.
    ///
    /// # Errors
    /// [`WireError::Long`] when the buffer is too small.
    pub fn encode(&self, buffer: &mut [u8]) -> Result<usize, WireError> {
        let mut writer = Writer::new(buffer);
        match self {
            Evidence::Equivocation { suspect, words } => {
                writer.u8(1)?;
                writer.u32(suspect.get())?;
                for word in words {
                    writer.put(&word.text)?;
                    writer.put(&word.signature.0)?;
                }
            }
            Evidence::Stated { suspect, statement, witnesses, count } => {
                writer.u8(statement.code())?;
                writer.u32(suspect.get())?;
                writer.put(&statement.data())?;
                writer.u8(*count)?;
                for (witness, signature) in witnesses.iter().take(usize::from(*count)) {
                    writer.u32(witness.get())?;
                    writer.put(&signature.0)?;
                }
            }
        }
        Ok(writer.len())
    }

    /// Reads it.
    ///
    /// # Errors
    /// Names what is wrong with the bytes. A broken authenticator (kind 2 of the seed) can be checked by nobody and is refused.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let code = reader.u8()?;
        let suspect = NodeId::new(reader.u32()?).ok_or(WireError::Value("suspect"))?;
        let evidence = if code == 1 {
            let mut word = || -> Result<Witness, WireError> {
                Ok(Witness { text: reader.array()?, signature: Signature(reader.array()?) })
            };
            Evidence::Equivocation { suspect, words: [word()?, word()?] }
        } else {
            let statement = Statement::from_parts(code, [reader.u64()?, reader.u64()?, reader.u64()?])?;
            let count = reader.u8()?;
            if usize::from(count) > WITNESSES_MAX {
                return Err(WireError::Value("witnesses"));
            }
            let mut witnesses = [(NodeId::NONE, Signature::EMPTY); WITNESSES_MAX];
            for place in witnesses.iter_mut().take(usize::from(count)) {
                *place = (NodeId::new(reader.u32()?).ok_or(WireError::Value("witness"))?, Signature(reader.array()?));
            }
            Evidence::Stated { suspect, statement, witnesses, count }
        };
        reader.done()?;
        Ok(evidence)
    }

    /// Names it in proposals.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut buffer = [0; EVIDENCE_BYTES_MAX];
        let bytes = self.encode(&mut buffer).unwrap_or(0);
        // Zero means none.
        digest(&buffer[..bytes]).max(1)
    }

    /// Checks it without trust in anybody who passed it on. `need` witnesses must agree, the suspect and the proposer of its
    /// quarantine apart.
    ///
    /// # Errors
    /// [`Unsound`]: why it does not hold.
    pub fn verify(
        &self,
        cluster_id: u64,
        suspect: NodeId,
        proposer: NodeId,
        need: usize,
        crypto: &mut impl Crypto,
    ) -> Result<(), Unsound> {
        if self.suspect() != suspect {
            return Err(Unsound::Suspect);
        }
        match self {
            Evidence::Equivocation { words: [first, second], .. } => {
                let about = |word: &Witness| {
                    (word.text[..16] == *b"trefoil vote 1\0\0", word.text[16..24] == cluster_id.to_le_bytes())
                };
                let same = first.text[..VOTE_TEXT_BYTES - 1] == second.text[..VOTE_TEXT_BYTES - 1];
                if about(first) != (true, true) || !same || first.text[44..48] != suspect.get().to_le_bytes() {
                    return Err(Unsound::Context);
                }
                if first.text == second.text {
                    return Err(Unsound::NoContradiction);
                }
                for word in [first, second] {
                    if !crypto.verify(suspect, &word.text, &word.signature).is_good() {
                        return Err(Unsound::Signature(suspect));
                    }
                }
                Ok(())
            }
            Evidence::Stated { statement, witnesses, count, .. } => {
                let named = &witnesses[..usize::from(*count)];
                if !statement.is_wrong() {
                    return Err(Unsound::Allowed);
                }
                if named.len() < need.max(1) {
                    return Err(Unsound::TooFew { have: named.len(), need: need.max(1) });
                }
                let text = statement.text(cluster_id, suspect);
                for (at, (witness, signature)) in named.iter().enumerate() {
                    let again = named[..at].iter().any(|(other, _)| other == witness);
                    if again || *witness == suspect || *witness == proposer {
                        return Err(Unsound::Witness(*witness));
                    }
                    if !crypto.verify(*witness, &text, signature).is_good() {
                        return Err(Unsound::Signature(*witness));
                    }
                }
                Ok(())
            }
        }
    }
}

/// Evidence this node can show.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct EvidenceStore {
    kept: [(u64, u16, [u8; EVIDENCE_BYTES_MAX]); EVIDENCE_MAX],
}

impl EvidenceStore {
    pub(super) const fn new() -> Self {
        Self { kept: [(0, 0, [0; EVIDENCE_BYTES_MAX]); EVIDENCE_MAX] }
    }

    pub(super) fn keep(&mut self, evidence: &Evidence) -> u64 {
        let name = evidence.digest();
        if !self.holds(name) {
            self.kept.rotate_right(1);
            let mut bytes = [0; EVIDENCE_BYTES_MAX];
            let count = evidence.encode(&mut bytes).unwrap_or(0);
            self.kept[0] = (name, count as u16, bytes);
        }
        name
    }

    pub(super) fn holds(&self, name: u64) -> bool {
        name != 0 && self.kept.iter().any(|(known, ..)| *known == name)
    }

    pub(super) fn bytes(&self, name: u64) -> Option<&[u8]> {
        let (_, count, bytes) = self.kept.iter().find(|(known, ..)| name != 0 && *known == name)?;
        Some(&bytes[..usize::from(*count)])
    }

    /// The newest evidence kept.
    pub(super) fn newest(&self) -> Option<&[u8]> {
        let (name, count, bytes) = &self.kept[0];
        (*name != 0).then_some(&bytes[..usize::from(*count)])
    }
}

/// The seed's evidence, 40 bytes, for its vectors (`ekk:N13`): checked by its rules, little-endian, with the corrections that a
/// witness counts once and at most three are named.
#[must_use]
pub fn seed_verify(bytes: &[u8; 40]) -> bool {
    let word = |at: usize| {
        let mut out = [0; 8];
        out.copy_from_slice(&bytes[at..at + 8]);
        u64::from_le_bytes(out)
    };
    let (kind, suspect, witnesses, count) = (bytes[0], bytes[1], &bytes[2..5], usize::from(bytes[5]));
    let node = |id: u8| (1..=63).contains(&id);
    if !node(suspect) || count == 0 || count > 3 {
        return false;
    }
    let named = &witnesses[..count];
    let fit = |(at, id): (usize, &u8)| node(*id) && *id != suspect && !named[..at].contains(id);
    if !named.iter().enumerate().all(fit) {
        return false;
    }
    match kind {
        1 => word(10) != word(18),
        3 => word(6).abs_diff(word(14)) > word(22),
        4 => {
            let (from, to) = (u32::from(bytes[6]), u32::from(bytes[7]));
            let allowed = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
            to < 8 && from < 4 && allowed >> (from * 8 + to) & 1 == 0
        }
        // A broken authenticator: nobody has the keys to check it.
        _ => false,
    }
}
