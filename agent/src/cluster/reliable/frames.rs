//! Messages on the control stream of a connection: length, kind, body; little-endian.

use quinn::{RecvStream, SendStream};

use super::hello::{Cursor, HELLO_BYTES_MAX, Hello, HelloError};

/// Longest text of a notice, bytes.
pub const NOTICE_BYTES_MAX: usize = 512;
const BODY_BYTES_MAX: usize = HELLO_BYTES_MAX + 1;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// First in each direction.
    Hello(Box<Hello>),
    /// The side that dialled has taken the connection; keys of this epoch are in force.
    Begin {
        /// Epoch.
        epoch: u32,
    },
    /// Let us go over to this epoch.
    Rotate {
        /// Epoch.
        epoch: u32,
    },
    /// The epoch is installed here.
    Rotated {
        /// Epoch.
        epoch: u32,
    },
    /// Are you there?
    Ping {
        /// Returned.
        number: u64,
    },
    /// Yes.
    Pong {
        /// That of the ping.
        number: u64,
    },
    /// Another process uses your certificate.
    Duplicate {
        /// What was seen, for people.
        text: String,
    },
    /// Of a later version; left alone.
    Unknown,
}

impl Frame {
    fn kind(&self) -> u8 {
        match self {
            Self::Hello(_) => 1,
            Self::Begin { .. } => 2,
            Self::Rotate { .. } => 3,
            Self::Rotated { .. } => 4,
            Self::Ping { .. } => 5,
            Self::Pong { .. } => 6,
            Self::Duplicate { .. } => 7,
            Self::Unknown => 255,
        }
    }

    /// As sent, with its length in front.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![0, 0, self.kind()];
        match self {
            Self::Hello(hello) => out.extend_from_slice(&hello.encode()),
            Self::Begin { epoch } | Self::Rotate { epoch } | Self::Rotated { epoch } => {
                out.extend_from_slice(&epoch.to_le_bytes());
            }
            Self::Ping { number } | Self::Pong { number } => out.extend_from_slice(&number.to_le_bytes()),
            Self::Duplicate { text } => out.extend_from_slice(cut(text).as_bytes()),
            Self::Unknown => {}
        }
        let length = u16::try_from(out.len() - 2).unwrap_or(u16::MAX);
        out[..2].copy_from_slice(&length.to_le_bytes());
        out
    }

    /// Reads what stands behind the length.
    ///
    /// # Errors
    /// [`HelloError`].
    pub fn decode(body: &[u8]) -> Result<Self, HelloError> {
        let mut cursor = Cursor(body);
        let [kind] = cursor.array()?;
        Ok(match kind {
            1 => Self::Hello(Box::new(Hello::decode(cursor.0)?)),
            2 => Self::Begin { epoch: u32::from_le_bytes(cursor.array()?) },
            3 => Self::Rotate { epoch: u32::from_le_bytes(cursor.array()?) },
            4 => Self::Rotated { epoch: u32::from_le_bytes(cursor.array()?) },
            5 => Self::Ping { number: u64::from_le_bytes(cursor.array()?) },
            6 => Self::Pong { number: u64::from_le_bytes(cursor.array()?) },
            7 => Self::Duplicate { text: printable(cursor.0) },
            _ => Self::Unknown,
        })
    }
}

/// Text of a peer, made fit for a log and a terminal.
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(NOTICE_BYTES_MAX)]);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(NOTICE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Why no message came.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The stream ended.
    #[error("the peer closed the control stream")]
    Ended,
    /// The connection ended.
    #[error(transparent)]
    Read(#[from] quinn::ReadError),
    /// The connection ended.
    #[error(transparent)]
    Write(#[from] quinn::WriteError),
    /// A message that cannot be.
    #[error("{0}")]
    Malformed(#[from] HelloError),
}

/// Takes messages from a stream; dropping a call of [`FrameReader::next`] loses nothing.
#[derive(Debug)]
pub struct FrameReader {
    stream: RecvStream,
    held: Vec<u8>,
}

impl FrameReader {
    /// Reads from a stream.
    #[must_use]
    pub fn new(stream: RecvStream) -> Self {
        Self { stream, held: Vec::new() }
    }

    /// The next message.
    ///
    /// # Errors
    /// [`FrameError`]; the stream is of no use then.
    pub async fn next(&mut self) -> Result<Frame, FrameError> {
        loop {
            if let Some(frame) = split(&mut self.held)? {
                return Ok(frame);
            }
            let mut room = [0; 512];
            let count = self.stream.read(&mut room).await?.ok_or(FrameError::Ended)?;
            self.held.extend_from_slice(&room[..count]);
        }
    }
}

/// Takes the first whole message off the front; what is held never exceeds one message and one read.
fn split(held: &mut Vec<u8>) -> Result<Option<Frame>, HelloError> {
    let Some((length, rest)) = held.split_first_chunk::<2>() else { return Ok(None) };
    let length = usize::from(u16::from_le_bytes(*length));
    if length > BODY_BYTES_MAX {
        return Err(HelloError::Value("length"));
    }
    let Some(body) = rest.get(..length) else { return Ok(None) };
    let frame = Frame::decode(body)?;
    held.drain(..2 + length);
    Ok(Some(frame))
}

/// Sends a message.
///
/// # Errors
/// [`FrameError::Write`].
pub async fn send(stream: &mut SendStream, frame: &Frame) -> Result<(), FrameError> {
    Ok(stream.write_all(&frame.encode()).await?)
}

/// Entry for fuzzing: a stream of hostile bytes is cut into messages without panic.
pub fn fuzz_frames(bytes: &[u8]) -> u64 {
    let mut held = bytes.to_vec();
    let mut taken = 0;
    while let Ok(Some(frame)) = split(&mut held) {
        taken += 1;
        if let Ok(Some(again)) = split(&mut frame.encode()) {
            assert_eq!(again, frame, "a message goes both ways");
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_go_both_ways_in_pieces() {
        let frames = [
            Frame::Begin { epoch: 1 },
            Frame::Rotate { epoch: 2 },
            Frame::Rotated { epoch: u32::MAX },
            Frame::Ping { number: 3 },
            Frame::Pong { number: 4 },
            Frame::Duplicate { text: "two of you".to_owned() },
            Frame::Unknown,
        ];
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
        let (mut held, mut found) = (Vec::new(), Vec::new());
        for byte in &bytes {
            held.push(*byte);
            found.extend(split(&mut held).expect("sound"));
        }
        assert_eq!(found, frames);
        assert_eq!(fuzz_frames(&bytes), 7);
    }

    #[test]
    fn hostile_frames_are_refused_and_texts_tamed() {
        assert_eq!(split(&mut vec![0xFF, 0xFF]), Err(HelloError::Value("length")));
        assert_eq!(split(&mut vec![0, 0]), Err(HelloError::Short));
        assert_eq!(split(&mut vec![2, 0, 3, 0]), Err(HelloError::Short));
        let long = Frame::Duplicate { text: "é".repeat(400) };
        let Ok(Some(Frame::Duplicate { text })) = split(&mut long.encode()) else { panic!("a notice") };
        assert_eq!(text.chars().count(), 256);
        assert_eq!(printable(b"a\x1b[2Jb\n"), "a [2Jb ");
    }
}
