//! What a removal rests on: signed watch sets, signed statements of silence, and the certificate made of both
//! (`membership:MB-4`, `membership:MB-5`, `decisions:CLU-6`).

use core::fmt;

use super::config::{LINKS_MAX, RINGS, quorum};
use super::record::{decode_identity, encode_identity};
use crate::hash::{Digest, mix};
use crate::id::{Identity, NodeId};
use crate::sign::{Crypto, Signature, Verdict};
use crate::wire::v1::{Reader, WireError, Writer};

/// Places of the rings in a watch set: previous and next of each.
pub const PLACES: usize = 2 * RINGS;
/// Bytes of an encoded watch set.
pub const WATCH_SET_BYTES: usize = 10 + 4 + 1 + 4 * LINKS_MAX + PLACES + 64;
/// Bytes of an encoded statement.
pub const STATEMENT_BYTES: usize = 10 + STATEMENT_TAIL_BYTES;
/// Bytes of a statement in a certificate, where the subject is named once.
const STATEMENT_TAIL_BYTES: usize = 4 + 4 + 8 + 2 + 2 + 1 + 64;
/// Bytes of the longest certificate.
pub const CERTIFICATE_BYTES_MAX: usize = WATCH_SET_BYTES + 10 + 1 + LINKS_MAX * STATEMENT_TAIL_BYTES;
/// How many heartbeats the statements of one certificate may disagree about where their subject should be by now. Genuine
/// statements of different times, collected by a replayer, disagree by more.
pub const SPREAD_MAX: u32 = 32;
/// Smallest threshold that a statement may name, in heartbeats.
pub const THRESHOLD_MIN: u16 = 4;

const SET_DOMAIN: &[u8] = b"trefoil watch set 1\0";
const SILENCE_DOMAIN: &[u8] = b"trefoil silence 1\0";
const NO_PLACE: u8 = 0xff;

const _: () = assert!(CERTIFICATE_BYTES_MAX + crate::wire::v1::HEADER_BYTES <= crate::wire::v1::MESSAGE_BYTES_MAX);

/// Who watches `subject`, in its own signed words. The ring places are ordered previous, next of ring 0, 1, 2, 3, so that
/// survivors close a ring around a dead node without asking anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WatchSet {
    /// Who is watched; a set holds for later lives of the same incarnation too.
    pub subject: Identity,
    /// Grows with each change.
    pub version: u32,
    ids: [NodeId; LINKS_MAX],
    count: u8,
    places: [u8; PLACES],
    /// The subject's signature.
    pub signature: Signature,
}

impl WatchSet {
    /// The empty, unsigned set.
    #[must_use]
    pub const fn empty(subject: Identity, version: u32) -> Self {
        Self {
            subject,
            version,
            ids: [NodeId::NONE; LINKS_MAX],
            count: 0,
            places: [NO_PLACE; PLACES],
            signature: Signature::EMPTY,
        }
    }

    /// Adds a watcher; false when it is in already, is the subject (`membership:MB-3`) or the set is full.
    pub fn add(&mut self, watcher: NodeId) -> bool {
        let full = usize::from(self.count) == LINKS_MAX;
        if full || !watcher.is_node() || watcher == self.subject.id || self.contains(watcher) {
            return false;
        }
        self.ids[usize::from(self.count)] = watcher;
        self.count += 1;
        true
    }

    /// Names a watcher of the set as the one at a ring place.
    pub fn place(&mut self, place: usize, watcher: NodeId) {
        if let (Some(at), Some(slot)) = (self.index(watcher), self.places.get_mut(place)) {
            *slot = at as u8;
        }
    }

    /// The watchers.
    #[must_use]
    pub fn ids(&self) -> &[NodeId] {
        &self.ids[..usize::from(self.count)]
    }

    /// The watcher at a ring place, if there is one.
    #[must_use]
    pub fn at_place(&self, place: usize) -> Option<NodeId> {
        self.ids().get(usize::from(*self.places.get(place)?)).copied()
    }

    /// Whether `id` is a watcher.
    #[must_use]
    pub fn contains(&self, id: NodeId) -> bool {
        self.index(id).is_some()
    }

    /// The number of `id` among the watchers.
    #[must_use]
    pub fn index(&self, id: NodeId) -> Option<usize> {
        self.ids().iter().position(|&known| known == id)
    }

    /// What heartbeats carry in place of an unchanged set (`membership:MB-2`); never zero.
    #[must_use]
    pub fn digest(&self) -> u32 {
        let mut digest = Digest::new(0x7365_7400);
        digest.word(u64::from(self.version));
        digest.word(self.subject.rank());
        digest.word(mix(u64::from(u32::from_le_bytes([
            self.signature.0[0],
            self.signature.0[1],
            self.signature.0[2],
            self.signature.0[3],
        ]))));
        core::hash::Hasher::finish(&digest) as u32 | 1
    }

    /// Signs the set.
    pub fn sign(&mut self, cluster_id: u64, crypto: &mut impl Crypto) {
        let (bytes, len) = self.signed_bytes(cluster_id);
        self.signature = crypto.sign(&bytes[..len]);
    }

    /// Checks the subject's signature.
    #[must_use]
    pub fn verify(&self, cluster_id: u64, crypto: &mut impl Crypto) -> Verdict {
        let (bytes, len) = self.signed_bytes(cluster_id);
        crypto.verify(self.subject.id, &bytes[..len], &self.signature)
    }

    /// Appends the set.
    ///
    /// # Errors
    /// [`WireError::Long`] when the buffer is full.
    pub fn encode(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        self.encode_body(writer)?;
        writer.put(&self.signature.0)
    }

    /// Reads a set; total on hostile bytes, and only canonical sets pass.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let mut set = WatchSet::empty(decode_identity(reader)?, reader.u32()?);
        let count = reader.u8()?;
        for at in 0..LINKS_MAX {
            let raw = reader.u32()?;
            let added = at < usize::from(count) && set.add(NodeId::from_raw(raw));
            if !added && (raw != 0 || at < usize::from(count)) {
                return Err(WireError::Value("watchers"));
            }
        }
        if usize::from(count) > LINKS_MAX {
            return Err(WireError::Value("watchers"));
        }
        set.places = reader.array()?;
        if set.places.iter().any(|&place| place != NO_PLACE && place >= count) {
            return Err(WireError::Value("ring places"));
        }
        set.signature = Signature(reader.array()?);
        Ok(set)
    }

    fn encode_body(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        encode_identity(&self.subject, writer)?;
        writer.u32(self.version)?;
        writer.u8(self.count)?;
        for id in self.ids {
            writer.u32(id.get())?;
        }
        writer.put(&self.places)
    }

    fn signed_bytes(&self, cluster_id: u64) -> ([u8; 128], usize) {
        signed(SET_DOMAIN, cluster_id, |writer| self.encode_body(writer))
    }
}

/// Domain, cluster and body in one buffer.
fn signed(
    domain: &[u8],
    cluster_id: u64,
    body: impl FnOnce(&mut Writer<'_>) -> Result<(), WireError>,
) -> ([u8; 128], usize) {
    let mut bytes = [0; 128];
    let mut writer = Writer::new(&mut bytes);
    // 128 bytes hold the longest body; a test holds that.
    let _ = writer.put(domain).and_then(|()| writer.u64(cluster_id)).and_then(|()| body(&mut writer));
    let len = writer.len();
    (bytes, len)
}

/// A watcher says that it has not heard its subject for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Statement {
    /// Who is silent.
    pub subject: Identity,
    /// Who says so.
    pub watcher: NodeId,
    /// Sequence of the last heartbeat it heard.
    pub last_sequence: u32,
    /// Age of that heartbeat when this was signed, microseconds.
    pub age_us: u64,
    /// Heartbeats missed since.
    pub missed: u16,
    /// The watcher's threshold T for this subject, own doubt included, in heartbeats.
    pub threshold: u16,
    /// The watcher's doubt in itself, sixteenths.
    pub doubt: u8,
    /// The watcher's signature.
    pub signature: Signature,
}

impl Statement {
    /// Signs the statement.
    pub fn sign(&mut self, cluster_id: u64, crypto: &mut impl Crypto) {
        let (bytes, len) = self.signed_bytes(cluster_id);
        self.signature = crypto.sign(&bytes[..len]);
    }

    /// Checks the watcher's signature.
    #[must_use]
    pub fn verify(&self, cluster_id: u64, crypto: &mut impl Crypto) -> Verdict {
        let (bytes, len) = self.signed_bytes(cluster_id);
        crypto.verify(self.watcher, &bytes[..len], &self.signature)
    }

    /// The sequence at which the subject should have been when this was signed: by it statements of one time are told from
    /// statements of different times.
    #[must_use]
    pub const fn expected_sequence(&self) -> u32 {
        self.last_sequence.wrapping_add(self.missed as u32)
    }

    /// Whether the statement is consistent in itself.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.threshold >= THRESHOLD_MIN && self.missed >= self.threshold && self.subject.id.get() != self.watcher.get()
    }

    /// Appends the statement.
    ///
    /// # Errors
    /// [`WireError::Long`] when the buffer is full.
    pub fn encode(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        encode_identity(&self.subject, writer)?;
        self.encode_tail(writer)
    }

    /// Reads a statement; total on hostile bytes.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let subject = decode_identity(reader)?;
        Self::decode_tail(subject, reader)
    }

    fn encode_tail(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        self.encode_body(writer)?;
        writer.put(&self.signature.0)
    }

    fn encode_body(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        writer.u32(self.watcher.get())?;
        writer.u32(self.last_sequence)?;
        writer.u64(self.age_us)?;
        writer.u16(self.missed)?;
        writer.u16(self.threshold)?;
        writer.u8(self.doubt)
    }

    fn decode_tail(subject: Identity, reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let statement = Self {
            subject,
            watcher: NodeId::new(reader.u32()?).ok_or(WireError::Value("watcher"))?,
            last_sequence: reader.u32()?,
            age_us: reader.u64()?,
            missed: reader.u16()?,
            threshold: reader.u16()?,
            doubt: reader.u8()?,
            signature: Signature(reader.array()?),
        };
        if statement.is_sound() { Ok(statement) } else { Err(WireError::Value("statement")) }
    }

    fn signed_bytes(&self, cluster_id: u64) -> ([u8; 128], usize) {
        signed(SILENCE_DOMAIN, cluster_id, |writer| {
            encode_identity(&self.subject, writer)?;
            self.encode_body(writer)
        })
    }
}

/// The record of a removal: the statements of a quorum and the watch set that says whose statements count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Certificate {
    /// Who is dead.
    pub subject: Identity,
    /// Who watched it, in its own words.
    pub set: WatchSet,
    statements: [Option<Statement>; LINKS_MAX],
}

/// What a good certificate proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Proof {
    /// Statements that count.
    pub stated: u8,
    /// Statements that were needed.
    pub quorum: u8,
    /// Watchers of the set that count as living.
    pub live: u8,
}

/// Why a certificate proves nothing. Nothing has changed when one of these is returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unproven {
    /// The watch set is of another node or incarnation, or of a later life.
    OtherSubject,
    /// A statement is by a node outside the set, of another subject, or unsound in itself.
    Stranger,
    /// The statements are of different times.
    Spread,
    /// A signature does not verify.
    BadSignature(NodeId),
    /// A key is not known here; fetch the record.
    UnknownKey(NodeId),
    /// Fewer statements than the quorum of the watchers that live, as far as is known here.
    NoQuorum(Proof),
}

impl fmt::Display for Unproven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unproven::OtherSubject => f.write_str("the watch set is of another being"),
            Unproven::Stranger => f.write_str("a statement does not belong to it"),
            Unproven::Spread => f.write_str("the statements are of different times"),
            Unproven::BadSignature(id) => write!(f, "signature of {id} is wrong"),
            Unproven::UnknownKey(id) => write!(f, "key of {id} is not known"),
            Unproven::NoQuorum(proof) => write!(f, "{} statements, {} needed", proof.stated, proof.quorum),
        }
    }
}

impl core::error::Error for Unproven {}

impl Certificate {
    /// A certificate without statements.
    #[must_use]
    pub const fn new(subject: Identity, set: WatchSet) -> Self {
        Self { subject, set, statements: [None; LINKS_MAX] }
    }

    /// Adds a statement; false when it does not belong here. A later statement of a watcher replaces its earlier one.
    pub fn add(&mut self, statement: Statement) -> bool {
        match self.set.index(statement.watcher) {
            Some(at) if statement.subject == self.subject && statement.is_sound() => {
                self.statements[at] = Some(statement);
                true
            }
            _ => false,
        }
    }

    /// Takes the statement of a watcher out again.
    pub fn withdraw(&mut self, watcher: NodeId) {
        if let Some(at) = self.set.index(watcher) {
            self.statements[at] = None;
        }
    }

    /// Takes out the statements that are older than the newest by more than [`SPREAD_MAX`] heartbeats.
    pub fn prune(&mut self) {
        let Some(first) = self.statements().next().map(Statement::expected_sequence) else { return };
        let offset = |statement: &Statement| statement.expected_sequence().wrapping_sub(first).cast_signed();
        let Some(newest) = self.statements().map(offset).max() else { return };
        for slot in &mut self.statements {
            if slot.as_ref().is_some_and(|old| i64::from(newest) - i64::from(offset(old)) > i64::from(SPREAD_MAX)) {
                *slot = None;
            }
        }
    }

    /// The statements, in the order of the watch set.
    pub fn statements(&self) -> impl Iterator<Item = &Statement> {
        self.statements.iter().flatten()
    }

    /// The statement of one watcher.
    #[must_use]
    pub fn statement_of(&self, watcher: NodeId) -> Option<&Statement> {
        self.statements.get(self.set.index(watcher)?)?.as_ref()
    }

    /// Checks the certificate; pure but for what `crypto` remembers, and total. `gone` says which watchers are known to be
    /// dead or to have left: they are not waited for, but what they signed before counts.
    ///
    /// # Errors
    /// Why it proves nothing.
    pub fn verify(
        &self,
        cluster_id: u64,
        gone: impl Fn(NodeId) -> bool,
        crypto: &mut impl Crypto,
    ) -> Result<Proof, Unproven> {
        let same_boot = self.set.subject.id == self.subject.id && self.set.subject.boot_inc == self.subject.boot_inc;
        if !same_boot || self.set.subject.life > self.subject.life {
            return Err(Unproven::OtherSubject);
        }
        let proof = self.count(gone);
        if self.spread() > SPREAD_MAX {
            return Err(Unproven::Spread);
        }
        // Cheap rules first: a forger must not make us check signatures for nothing.
        if proof.quorum == 0 || proof.stated < proof.quorum {
            return Err(Unproven::NoQuorum(proof));
        }
        check(self.subject.id, self.set.verify(cluster_id, crypto))?;
        for statement in self.statements() {
            if statement.subject != self.subject || !self.set.contains(statement.watcher) || !statement.is_sound() {
                return Err(Unproven::Stranger);
            }
            check(statement.watcher, statement.verify(cluster_id, crypto))?;
        }
        Ok(proof)
    }

    /// Counts statements against the quorum without looking at signatures; a quorum of zero can never be met.
    #[must_use]
    pub fn count(&self, gone: impl Fn(NodeId) -> bool) -> Proof {
        let stated = self.statements().count();
        let counts = |&&id: &&NodeId| !gone(id) || self.statement_of(id).is_some();
        let live = self.set.ids().iter().filter(counts).count();
        Proof { stated: stated as u8, quorum: quorum(live).unwrap_or(0) as u8, live: live as u8 }
    }

    /// How far the statements disagree about where the subject should be by now, in heartbeats.
    #[must_use]
    pub fn spread(&self) -> u32 {
        let Some(first) = self.statements().next() else { return 0 };
        let offset = |statement: &Statement| {
            i64::from(statement.expected_sequence().wrapping_sub(first.expected_sequence()).cast_signed())
        };
        let (low, high) = self.statements().fold((0, 0), |(low, high): (i64, i64), statement| {
            (low.min(offset(statement)), high.max(offset(statement)))
        });
        u32::try_from(high - low).unwrap_or(u32::MAX)
    }

    /// Appends the certificate.
    ///
    /// # Errors
    /// [`WireError::Long`] when the buffer is full.
    pub fn encode(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        self.set.encode(writer)?;
        encode_identity(&self.subject, writer)?;
        writer.u8(self.statements().count() as u8)?;
        for statement in self.statements() {
            statement.encode_tail(writer)?;
        }
        Ok(())
    }

    /// Reads a certificate; total on hostile bytes. Signatures are not checked here.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let set = WatchSet::decode(reader)?;
        let mut certificate = Certificate::new(decode_identity(reader)?, set);
        let count = reader.u8()?;
        if usize::from(count) > LINKS_MAX {
            return Err(WireError::Value("statements"));
        }
        let mut before = None;
        for _ in 0..count {
            let statement = Statement::decode_tail(certificate.subject, reader)?;
            let at = certificate.set.index(statement.watcher);
            // In the order of the set, each once: one certificate has one encoding.
            if at.is_none() || at <= before || !certificate.add(statement) {
                return Err(WireError::Value("statements"));
            }
            before = at;
        }
        Ok(certificate)
    }
}

fn check(signer: NodeId, verdict: Verdict) -> Result<(), Unproven> {
    match verdict {
        Verdict::Good => Ok(()),
        Verdict::Bad => Err(Unproven::BadSignature(signer)),
        Verdict::UnknownKey => Err(Unproven::UnknownKey(signer)),
    }
}

/// For fuzzing: decoding is total, and what decodes encodes to the same bytes.
pub fn fuzz_certificate(bytes: &[u8]) {
    if let Ok(certificate) = Certificate::decode(&mut Reader::new(bytes)) {
        let mut buffer = [0; CERTIFICATE_BYTES_MAX];
        let mut writer = Writer::new(&mut buffer);
        let written = certificate.encode(&mut writer);
        assert!(written.is_ok() && bytes.starts_with(writer.done()), "one certificate has one encoding");
    }
}
