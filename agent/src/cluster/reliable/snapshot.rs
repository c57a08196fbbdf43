//! Members and formation for a joiner: streamed in chunks, as fast as the joiner takes them (`membership:MB-9`,
//! `membership:MB-10`).

use quinn::Connection;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::hello::RECORD_BYTES_MAX;
use super::shared::Shared;
use super::streams::{PairStream, StreamError, open};
use crate::cluster::bridge::{Snapshot, ToLink};
use crate::cluster::directory::MAX_MEMBERS;

/// Name of the service.
pub(super) const SERVICE: &str = "snapshot";
/// Bytes of a chunk; about sixty records, small against the window of a stream.
const CHUNK_BYTES: usize = 16 << 10;
/// Longest formation record, bytes.
pub const FORMATION_BYTES_MAX: usize = 4 << 10;

/// A chunk of records as sent: each with its length in front.
fn append(chunk: &mut Vec<u8>, record: &[u8]) {
    let length = u16::try_from(record.len()).unwrap_or(u16::MAX);
    chunk.extend_from_slice(&length.to_le_bytes());
    chunk.extend_from_slice(record);
}

/// Cuts a chunk into records; `None` if it cannot be one.
fn cut(mut chunk: &[u8], records: &mut Vec<Vec<u8>>) -> Option<()> {
    while !chunk.is_empty() {
        let (length, rest) = chunk.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_le_bytes(*length));
        if length > RECORD_BYTES_MAX || records.len() >= MAX_MEMBERS {
            return None;
        }
        let (record, rest) = rest.split_at_checked(length)?;
        records.push(record.to_vec());
        chunk = rest;
    }
    Some(())
}

/// Gives a peer what the link thread knows.
pub(super) async fn give(shared: &Shared, stream: PairStream) {
    let limit = shared.settings.times.snapshot;
    let given = timeout(limit, give_unlimited(shared, stream)).await;
    let fine = matches!(given, Ok(Ok(())));
    shared.board.count(|counters| {
        counters.snapshots_given += u64::from(fine);
        counters.snapshots_failed += u64::from(!fine);
    });
}

async fn give_unlimited(shared: &Shared, mut stream: PairStream) -> Result<(), StreamError> {
    let ended = |text: &str| StreamError::Ended(text.to_owned());
    let _turn = shared.snapshots.acquire().await.map_err(|_| ended("stopping"))?;
    let (reply, answer) = oneshot::channel();
    let asked = shared.to_link.send(ToLink::GiveSnapshot { reply });
    asked.map_err(|error| StreamError::Ended(error.to_string()))?;
    let snapshot = answer.await.map_err(|_| ended("the link thread gave none"))?;
    stream.send(&snapshot.formation).await?;
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    for record in &snapshot.records {
        if chunk.len() + 2 + record.len() > CHUNK_BYTES {
            stream.send(&chunk).await?;
            chunk.clear();
        }
        append(&mut chunk, record);
    }
    stream.send(&chunk).await?;
    stream.finish();
    // The end of the peer's half says that it has everything.
    stream.receive().await.map(|_| ())
}

/// Takes the snapshot of a peer.
pub(super) async fn take(shared: &Shared, connection: &Connection, peer: u32) -> Result<Snapshot, StreamError> {
    let limit = shared.settings.times.snapshot;
    let late = || StreamError::Ended(format!("no snapshot within {} s", limit.as_secs()));
    timeout(limit, take_unlimited(connection, peer)).await.unwrap_or_else(|_| Err(late()))
}

async fn take_unlimited(connection: &Connection, peer: u32) -> Result<Snapshot, StreamError> {
    let bad = |text: &str| StreamError::Ended(format!("the snapshot of node {peer} {text}"));
    let mut stream = open(connection, peer, SERVICE).await?;
    let formation = stream.receive().await?.ok_or_else(|| bad("is empty"))?;
    if formation.len() > FORMATION_BYTES_MAX {
        return Err(bad("has a formation that is too long"));
    }
    let mut records = Vec::new();
    while let Some(chunk) = stream.receive().await? {
        cut(&chunk, &mut records).ok_or_else(|| bad("cannot be read"))?;
    }
    stream.finish();
    Ok(Snapshot { formation, records })
}

/// Entry for fuzzing: a hostile chunk is cut without panic, within the limits.
pub fn fuzz_snapshot(bytes: &[u8]) -> u64 {
    let mut records = Vec::new();
    if cut(bytes, &mut records).is_none() {
        return 0;
    }
    let mut again = Vec::new();
    records.iter().for_each(|record| append(&mut again, record));
    assert_eq!(again, bytes, "a chunk goes both ways");
    records.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_cut_as_they_were_put_together() {
        let mut chunk = Vec::new();
        let all: Vec<Vec<u8>> = (0..40_u8).map(|number| vec![number; usize::from(number)]).collect();
        all.iter().for_each(|record| append(&mut chunk, record));
        let mut records = Vec::new();
        assert_eq!(cut(&chunk, &mut records), Some(()));
        assert_eq!(records, all);
        assert_eq!(cut(&chunk[..chunk.len() - 1], &mut Vec::new()), None);
        assert_eq!(cut(&[1, 2], &mut Vec::new()), None, "longer than a record may be");
        let mut full = vec![Vec::new(); MAX_MEMBERS];
        assert_eq!(cut(&[0, 0], &mut full), None, "more than members are held");
        assert_eq!(fuzz_snapshot(&chunk), 40);
    }
}
