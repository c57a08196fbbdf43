//! Ordered streams between two nodes, by name: messages arrive whole, in order, with back-pressure.

use quinn::{Connection, RecvStream, SendStream, VarInt};

use super::shared::Shared;
use super::snapshot;

/// Longest name of a service, bytes.
pub const NAME_BYTES_MAX: usize = 32;
/// Longest message, bytes.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Code: nobody serves that name, or its service is full.
const NOT_SERVED: u32 = 0x7ED0;

/// Why a stream does not do.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// There is no session with that node.
    #[error("no connection to node {0}: it is dialled when the cluster needs it; try again")]
    NotConnected(u32),
    /// The name cannot be.
    #[error("a stream's name has 1 to {NAME_BYTES_MAX} bytes")]
    Name,
    /// The message is too long.
    #[error("{0} bytes in one message, at most {MESSAGE_BYTES_MAX}: cut it")]
    Long(usize),
    /// The peer does not take it, or the connection ended.
    #[error("the stream ended: {0}")]
    Ended(String),
}

fn ended(error: impl std::fmt::Display) -> StreamError {
    StreamError::Ended(error.to_string())
}

/// One ordered stream, both ways.
#[derive(Debug)]
pub struct PairStream {
    /// The other node.
    pub peer: u32,
    send: SendStream,
    receive: RecvStream,
}

impl PairStream {
    /// Sends a message; waits while the peer is behind.
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn send(&mut self, message: &[u8]) -> Result<(), StreamError> {
        let length = u32::try_from(message.len()).ok().filter(|length| *length as usize <= MESSAGE_BYTES_MAX);
        let length = length.ok_or(StreamError::Long(message.len()))?;
        self.send.write_all(&length.to_le_bytes()).await.map_err(ended)?;
        self.send.write_all(message).await.map_err(ended)
    }

    /// Says that nothing more comes.
    pub fn finish(&mut self) {
        // It fails only when the stream is over anyway.
        let _ = self.send.finish();
    }

    /// The next message; `None` when the peer finished. Not to be dropped half way.
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn receive(&mut self) -> Result<Option<Vec<u8>>, StreamError> {
        read(&mut self.receive).await
    }
}

/// Reads length and message; memory grows with what came, never with what was announced.
async fn read(stream: &mut RecvStream) -> Result<Option<Vec<u8>>, StreamError> {
    let mut length = [0; 4];
    let Some(first) = stream.read(&mut length[..1]).await.map_err(ended)? else { return Ok(None) };
    stream.read_exact(&mut length[first..]).await.map_err(ended)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MESSAGE_BYTES_MAX {
        return Err(StreamError::Long(length));
    }
    let mut message = Vec::new();
    let mut part = [0; 4_096];
    while message.len() < length {
        let room = part.len().min(length - message.len());
        let count = stream.read(&mut part[..room]).await.map_err(ended)?;
        let count = count.ok_or_else(|| ended("it was cut short"))?;
        message.extend_from_slice(&part[..count]);
    }
    Ok(Some(message))
}

/// Opens a stream to a service of a peer.
pub(super) async fn open(connection: &Connection, peer: u32, name: &str) -> Result<PairStream, StreamError> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(StreamError::Name);
    }
    let (mut send, receive) = connection.open_bi().await.map_err(ended)?;
    let mut head = vec![name.len() as u8];
    head.extend_from_slice(name.as_bytes());
    send.write_all(&head).await.map_err(ended)?;
    Ok(PairStream { peer, send, receive })
}

/// Takes a stream the peer opened to where its name says.
pub(super) async fn route(shared: &Shared, peer: u32, send: SendStream, mut receive: RecvStream) {
    let mut length = [0];
    let mut name = [0; NAME_BYTES_MAX];
    let head = async {
        receive.read_exact(&mut length).await.ok()?;
        let name = name.get_mut(..usize::from(length[0]))?;
        receive.read_exact(name).await.ok()?;
        std::str::from_utf8(name).ok()
    };
    let Some(name) = head.await else {
        return refuse(shared, send, receive);
    };
    let stream = PairStream { peer, send, receive };
    if name == snapshot::SERVICE {
        return snapshot::give(shared, stream).await;
    }
    let Some(service) = shared.service(name) else {
        return refuse(shared, stream.send, stream.receive);
    };
    if let Err(refused) = service.try_send(stream) {
        let stream = refused.into_inner();
        refuse(shared, stream.send, stream.receive);
    }
}

fn refuse(shared: &Shared, mut send: SendStream, mut receive: RecvStream) {
    shared.board.count(|counters| counters.streams_refused += 1);
    let _ = send.reset(VarInt::from_u32(NOT_SERVED));
    let _ = receive.stop(VarInt::from_u32(NOT_SERVED));
}
