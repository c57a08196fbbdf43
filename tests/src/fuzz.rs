//! One entry for each parser of bytes that others wrote (`rse:M7`). Whatever the bytes, an entry returns; where something
//! parses, what must then hold is asserted. The same entries serve libfuzzer (`tests/fuzz`, `make check-deep`) and, on stable, the
//! replay of the corpus with seeded mutations (`tests/tests/fuzz_corpus.rs`, `make test`).

use control::api::{Refusal, Reply, Request};
use control::cluster::ClusterPage;
use control::page::{EventsPage, HostPage, MAGIC, NodePage, TorusPage, VERSION};
use control::{Snapshot, snapshot};
use torus::message::{Message, RECORD_BYTES};
use torus::projection::native::{self, Projection};
use torus::projection::seed_v1::{self, SeedProjection};
use torus::record::{Header, RECORD_BYTES as ENTRY_BYTES, Record};
use tui::target::Screen;
use tui::{Format, FrameOptions};
use xxhash_rust::xxh3::xxh3_64_with_seed;
use zerocopy::{FromBytes, IntoBytes};

/// An entry: bytes in, a number out that grows with what was taken, so that a test can tell driving from refusing.
pub type Entry = fn(&[u8]) -> u64;

/// Every entry by name; the name is that of its corpus folder and of its libfuzzer target.
pub const TARGETS: [(&str, Entry); 32] = [
    ("region", region),
    ("projection", projection),
    ("seed_projection", seed_projection),
    ("message", message),
    ("record", record),
    ("events_file", events_file),
    ("config", config),
    ("request", request),
    ("status_page", status_page),
    ("snapshots", snapshots),
    ("ekk_v0", ekk_v0),
    ("ekk_bootstrap", ekk_bootstrap),
    ("ekk_membership", ekk_membership),
    ("ekk_record", ekk_record),
    ("ekk_certificate", ekk_certificate),
    ("ekk_consensus", ekk_consensus),
    ("ekk_node", ekk_node),
    ("link_frame", link::fuzz_frame),
    ("link_rsepx", link::fuzz_rsepx),
    ("mirror_command", mirror_command),
    ("identity", identity),
    ("certificate", certificate),
    ("reliable", reliable),
    ("scenario", scenario),
    ("cluster_page", cluster_page),
    ("avm_ir_json", avm_ir_json),
    ("avm_smtlib", avm_smtlib),
    ("avm_module", avm_module),
    ("avm_json", avm_json),
    ("avm_program", avm_program),
    ("avm_source", avm_source),
    ("avm_domains", avm_domains),
];

/// A region of any content: header, lines, links, rings, injections; read and written by every part of the transport.
#[must_use]
pub fn region(bytes: &[u8]) -> u64 {
    shm_transport::region::fuzz_region(bytes)
}

/// A native projection, as it came and with its checksum made right, so that the fields behind the checksum are reached.
#[must_use]
pub fn projection(bytes: &[u8]) -> u64 {
    // A slot hands words over, so alignment is the transport's.
    let mut words: Vec<u64> =
        bytes.chunks_exact(8).map(|chunk| u64::from_le_bytes(chunk.try_into().expect("8 bytes"))).collect();
    let mut taken = u64::from(Projection::parse(bytes).is_ok()) + u64::from(Projection::parse_words(&words).is_ok());
    words.resize(native::SIZE / 8, 0);
    if let Ok(projection) = Projection::mut_from_bytes(words.as_mut_bytes()) {
        projection.seal();
    }
    if let Ok(projection) = Projection::parse_words(&words) {
        assert_eq!(projection.digest(), projection.checksum, "what parses carries its checksum");
        assert!(projection.torus < projection.tori, "what parses names a torus of the braid");
        taken += 1;
    }
    taken
}

/// A seed V1 projection: what decodes encodes to bytes that decode to the same.
#[must_use]
pub fn seed_projection(bytes: &[u8]) -> u64 {
    let Ok(projection) = SeedProjection::decode(bytes) else { return 0 };
    let mut again = [0; seed_v1::SIZE];
    projection.encode(&mut again);
    assert_eq!(SeedProjection::decode(&again).as_ref(), Ok(&projection));
    1
}

/// A record of a message ring: what parses encodes to the same bytes.
#[must_use]
pub fn message(bytes: &[u8]) -> u64 {
    let Some(record) = bytes.first_chunk::<RECORD_BYTES>() else { return 0 };
    let Ok(message) = Message::parse(record) else { return 0 };
    assert_eq!(message.encode(), *record, "a message has one form");
    1
}

/// A recording, as it came and with the checksums of its records made right, so that the fields behind them are reached.
#[must_use]
pub fn record(bytes: &[u8]) -> u64 {
    let mut taken = u64::from(torus::record::decode(bytes).is_ok());
    let from = Header::decode(bytes).map_or(0, |(header, from)| {
        assert_eq!(Header::decode(&header.encode()).map(|(again, _)| again), Ok(header), "a header has one form");
        from
    });
    for (index, chunk) in (0..).zip(bytes[from..].as_chunks::<ENTRY_BYTES>().0) {
        let mut entry = *chunk;
        let check = xxh3_64_with_seed(&entry[..ENTRY_BYTES - 8], index + 1);
        entry[ENTRY_BYTES - 8..].copy_from_slice(&check.to_le_bytes());
        if let Ok(record) = Record::decode(&entry, index) {
            assert_eq!(Record::decode(&record.encode(index), index), Ok(record), "what decodes encodes to the same");
            taken += 1;
        }
    }
    taken
}

/// A CSV file of events: what parses is in logical order.
#[must_use]
pub fn events_file(bytes: &[u8]) -> u64 {
    match torus::workload::parse_events(bytes) {
        Ok(events) => {
            assert!(!events.is_empty() && events.is_sorted(), "what parses is in logical order");
            1
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            0
        }
    }
}

/// A recording of snapshots, as the console opens it; what parses can be drawn on every screen.
#[must_use]
pub fn snapshots(bytes: &[u8]) -> u64 {
    match tui::read_recording(bytes, "fuzz".to_owned()) {
        Ok(recording) => {
            draw(&recording.snapshots[recording.snapshots.len().saturating_sub(2)..]);
            recording.snapshots.len() as u64
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            0
        }
    }
}

/// A message of the seed: the envelope and 64 bytes at most.
#[must_use]
pub fn ekk_v0(bytes: &[u8]) -> u64 {
    use ekk::wire::v0::{Envelope, Message, fuzz_v0};
    fuzz_v0(bytes);
    let [sender, kind, rest @ ..] = bytes else { return 0 };
    u64::from(Message::decode(Envelope { sender: *sender, kind: *kind }, rest).is_ok())
}

/// A message about forming a cluster.
#[must_use]
pub fn ekk_bootstrap(bytes: &[u8]) -> u64 {
    use ekk::wire::v1::bootstrap::{Message, fuzz_bootstrap};
    fuzz_bootstrap(bytes);
    u64::from(Message::decode(bytes).is_ok())
}

/// Heartbeats and news: the first byte is the kind, the rest the body.
#[must_use]
pub fn ekk_membership(bytes: &[u8]) -> u64 {
    use ekk::wire::v1::membership::{Heartbeat, Message, fuzz_membership};
    use ekk::wire::v1::{Kind, Reader};
    fuzz_membership(bytes);
    let Some((&kind, body)) = bytes.split_first() else { return 0 };
    let taken = match Kind(kind) {
        Kind::HEARTBEAT => Heartbeat::decode(Reader::new(body)).is_ok(),
        kind => Message::decode(kind, Reader::new(body)).is_ok(),
    };
    u64::from(taken)
}

/// A member record, with everything its member signed.
#[must_use]
pub fn ekk_record(bytes: &[u8]) -> u64 {
    use ekk::membership::record::{MemberRecord, fuzz_record};
    fuzz_record(bytes);
    u64::from(MemberRecord::decode(&mut ekk::wire::v1::Reader::new(bytes)).is_ok())
}

/// A death certificate.
#[must_use]
pub fn ekk_certificate(bytes: &[u8]) -> u64 {
    use ekk::membership::evidence::{Certificate, fuzz_certificate};
    fuzz_certificate(bytes);
    u64::from(Certificate::decode(&mut ekk::wire::v1::Reader::new(bytes)).is_ok())
}

/// Proposals, answers, inhibitions, decisions; and evidence, which travels inside a message of its own.
#[must_use]
pub fn ekk_consensus(bytes: &[u8]) -> u64 {
    use ekk::consensus::evidence::Evidence;
    use ekk::wire::v1::consensus::{decode_answer, decode_decision, decode_inhibit, decode_proposal};
    use ekk::wire::v1::{HEADER_BYTES, Header, Reader};
    let mut taken = u64::from(Evidence::decode(bytes).is_ok());
    // Each body is tried with each decoder, whatever its kind says.
    let bodies = [Some(bytes), Header::decode(bytes).ok().map(|_| &bytes[bytes.len().min(HEADER_BYTES)..])];
    for body in bodies.into_iter().flatten() {
        taken += u64::from(decode_proposal(Reader::new(body)).is_ok());
        taken += u64::from(decode_answer(Reader::new(body)).is_ok());
        taken += u64::from(decode_inhibit(Reader::new(body)).is_ok());
        taken += u64::from(decode_decision(Reader::new(body)).is_ok());
    }
    taken
}

/// A script of messages and ticks for a whole node; what is asserted in it are the node's own rules.
#[must_use]
pub fn ekk_node(bytes: &[u8]) -> u64 {
    ekk::node::fuzz_node(bytes);
    u64::from(bytes.len() > 1)
}

/// A command between the mirrors of two nodes.
#[must_use]
pub fn mirror_command(bytes: &[u8]) -> u64 {
    use agent::cluster::mirror::wire::{Command, fuzz_mirror_command};
    fuzz_mirror_command(bytes);
    u64::from(Command::parse(bytes).is_some())
}

/// Member cards and revocation lists, as text.
#[must_use]
pub fn identity(bytes: &[u8]) -> u64 {
    use agent::cluster::identity::{card, revoked};
    card::fuzz_card(bytes) + revoked::fuzz_revoked(bytes)
}

/// A certificate, DER or PEM.
#[must_use]
pub fn certificate(bytes: &[u8]) -> u64 {
    agent::cluster::identity::certificate::fuzz_certificate(bytes)
}

/// What comes on the streams of the reliable plane: frames, the first message, pieces of a member list.
#[must_use]
pub fn reliable(bytes: &[u8]) -> u64 {
    use agent::cluster::reliable::{frames, hello, snapshot};
    frames::fuzz_frames(bytes) + hello::fuzz_hello(bytes) + snapshot::fuzz_snapshot(bytes)
}

/// A scenario of the simulator; a refusal says what is wrong.
#[must_use]
pub fn scenario(bytes: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    match sim::Scenario::parse(text) {
        Ok(_) => 1,
        Err(problems) => {
            assert!(!problems.to_string().is_empty(), "a refusal says what is wrong");
            0
        }
    }
}

/// The cluster's part of a status page; what it becomes is drawn on its screens.
#[must_use]
pub fn cluster_page(bytes: &[u8]) -> u64 {
    let mut rest = bytes;
    let page: ClusterPage = take(&mut rest);
    let Some(cluster) = page.snapshot() else { return 0 };
    let events = EventsPage::default();
    let node = NodePage { magic: MAGIC, version: VERSION, pid: 1, tori: 1, phase: 1, ..NodePage::default() };
    let torus = TorusPage { state: 1, core: -1, ..TorusPage::default() };
    let snapshot = Snapshot::from_pages(&node, &HostPage::default(), &[&torus], &events, 1).expect("the page is ours");
    let snapshot = snapshot.with_cluster(Some(&page));
    for screen in [Screen::Mesh, Screen::Fields, Screen::Ballots, Screen::Bootstrap] {
        for size in [(80, 24), (40, 10), (7, 3)] {
            let options = FrameOptions { size, screen, torus: 0, of: None };
            let text = tui::frame(std::slice::from_ref(&snapshot), Format::Text, &options);
            assert!(text.lines().count() <= usize::from(size.1), "taller than the terminal");
        }
    }
    1 + cluster.watches.len() as u64
}

/// Draws every screen at a usual and at a very small size.
fn draw(snapshots: &[Snapshot]) {
    for screen in [Screen::Overview, Screen::Torus, Screen::Host, Screen::Events] {
        for size in [(80, 24), (40, 10), (7, 3)] {
            let options = FrameOptions { size, screen, torus: 0, of: None };
            let text = tui::frame(snapshots, Format::Text, &options);
            assert!(text.lines().count() <= usize::from(size.1), "taller than the terminal");
        }
    }
}

/// A configuration file: what is refused names at least one problem, what is taken can be shown and read back.
#[must_use]
pub fn config(bytes: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    match agent::config::parse(text) {
        Ok(_) => 1,
        Err(problems) => {
            assert!(!problems.to_string().is_empty(), "a refusal says what is wrong");
            0
        }
    }
}

/// Bodies of the control socket, both ways.
#[must_use]
pub fn request(bytes: &[u8]) -> u64 {
    let mut taken = 0;
    if let Ok(request) = serde_json::from_slice::<Request>(bytes) {
        let again = serde_json::to_vec(&request).expect("a request is plain data");
        assert_eq!(serde_json::from_slice::<Request>(&again).expect("its own JSON parses"), request);
        assert!(request.command_line().starts_with("trefoil "));
        taken += 1;
    }
    taken += u64::from(serde_json::from_slice::<Reply>(bytes).is_ok());
    taken + u64::from(serde_json::from_slice::<Refusal>(bytes).is_ok())
}

/// A status page of any content, cut into its records; what becomes a snapshot is
/// drawn and goes through JSON.
#[must_use]
pub fn status_page(bytes: &[u8]) -> u64 {
    let mut rest = bytes;
    let node: NodePage = take(&mut rest);
    let host: HostPage = take(&mut rest);
    let events: EventsPage = take(&mut rest);
    let Ok(count) = snapshot::check_node(&node) else { return 0 };
    let tori: Vec<TorusPage> = (0..count).map(|_| take(&mut rest)).collect();
    let Ok(snapshot) = Snapshot::from_pages(&node, &host, &tori.iter().collect::<Vec<_>>(), &events, 1) else {
        return 0;
    };
    let json = serde_json::to_vec(&snapshot).expect("a snapshot is plain data");
    let _: serde_json::Value = serde_json::from_slice(&json).expect("its own JSON parses");
    let tori = snapshot.tori.len() as u64;
    draw(&[snapshot]);
    1 + tori
}

/// The next record of the page; what is missing is zero.
fn take<T: FromBytes + IntoBytes>(rest: &mut &[u8]) -> T {
    let size = size_of::<T>();
    let have = rest.len().min(size);
    let mut buffer = vec![0; size];
    buffer[..have].copy_from_slice(&rest[..have]);
    *rest = &rest[have..];
    T::read_from_bytes(&buffer).expect("the buffer has the size of the record")
}

/// A question to the solver of the AVM as JSON: written and read again it is the same, and an answer to it keeps it.
#[must_use]
pub fn avm_ir_json(bytes: &[u8]) -> u64 {
    avm::nondet::fuzz_json(bytes)
}

/// A question to the solver of the AVM as SMT-LIB: written and read again it answers the same.
#[must_use]
pub fn avm_smtlib(bytes: &[u8]) -> u64 {
    avm::nondet::fuzz_smtlib(bytes)
}

/// A module of the AVM as bytes: what decodes comes back, is shown, verified and run with little of everything.
#[must_use]
pub fn avm_module(bytes: &[u8]) -> u64 {
    avm::fuzz::fuzz_module(bytes)
}

/// A module or a value of the AVM as JSON.
#[must_use]
pub fn avm_json(bytes: &[u8]) -> u64 {
    avm::fuzz::fuzz_json(bytes)
}

/// Choices of a generator of bytecode that the verifier must accept; no such program breaks the machine.
#[must_use]
pub fn avm_program(bytes: &[u8]) -> u64 {
    avm::fuzz::fuzz_program(bytes)
}

/// A program as text: read, checked, compiled, verified and formatted.
///
/// # Panics
/// What compiles does not verify, or formatting changes it.
#[must_use]
pub fn avm_source(bytes: &[u8]) -> u64 {
    if let Err(why) = avm::lang::fuzz_parse(bytes) {
        panic!("{why}");
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    u64::from(avm::lang::compile(&[avm::lang::Source::new("fuzz.avm", text)], &|_| None).is_ok())
}

/// Bytes as operations on a store of finite domains.
#[must_use]
pub fn avm_domains(bytes: &[u8]) -> u64 {
    avm::fd::fuzz_operations(bytes)
}
