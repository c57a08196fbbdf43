//! One entry for each parser of bytes that others wrote (`rse:M7`). Whatever the bytes, an entry returns; where something
//! parses, what must then hold is asserted. The same entries serve libfuzzer (`tests/fuzz`, `make check-deep`) and, on stable, the
//! replay of the corpus with seeded mutations (`tests/tests/fuzz_corpus.rs`, `make test`).

use control::api::{Refusal, Reply, Request};
use control::page::{EventsPage, HostPage, NodePage, TorusPage};
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
pub const TARGETS: [(&str, Entry); 10] = [
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

/// Draws every screen at a usual and at a very small size.
fn draw(snapshots: &[Snapshot]) {
    for screen in [Screen::Overview, Screen::Torus, Screen::Host, Screen::Events] {
        for size in [(80, 24), (40, 10), (7, 3)] {
            let options = FrameOptions { size, screen, torus: 0 };
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
