//! One connection from hello to end: its control stream, key epochs, streams that come in.

use std::sync::Arc;

use quinn::Connection;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::failure::{Failure, SUPERSEDED, close};
use super::frames::{Frame, send};
use super::handshake::Fresh;
use super::keys::{End, export};
use super::shared::Shared;
use super::streams;
use crate::cluster::bridge::{Keys, Snapshot, Suite};
use crate::cluster::identity::Refused;

/// Commands that may wait for one connection.
pub(super) const COMMANDS: usize = 16;

/// What the plane tells a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// Go over to the next key epoch.
    Rotate,
    /// Ask whether the peer is there.
    Ping(u64),
    /// Tell the peer that another process uses its certificate.
    Duplicate(String),
}

/// What connections and dials tell the plane.
#[derive(Debug)]
pub(super) enum Event {
    /// A dial ended.
    Dialled(crate::cluster::bridge::Target, Result<Box<Fresh>, Failure>),
    /// A handshake that came in ended.
    Came(std::net::SocketAddr, Result<Box<Fresh>, Failure>),
    /// Both sides have taken the connection.
    Began(Which, u32, Keys),
    /// Both sides have the next keys.
    Rekeyed(Which, u32, Keys),
    /// The peer is there.
    Pong(Which, u64),
    /// The peer says that another process uses our certificate.
    Duplicate(Which, String),
    /// The connection ended.
    Ended(Which, Failure),
    /// A snapshot came.
    Snapshot(u32, Result<Snapshot, String>),
}

/// A connection: the peer, and a number of its own, so that what an old one says late is not taken for the new one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Which {
    pub(super) peer: u32,
    pub(super) number: u64,
}

/// What a connection needs of the plane.
#[derive(Debug)]
pub(super) struct Serve {
    pub(super) shared: Arc<Shared>,
    pub(super) which: Which,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) events: mpsc::Sender<Event>,
}

struct Session {
    serve: Serve,
    connection: Connection,
    suite: Suite,
    peer: End,
    epoch: u32,
    begun: bool,
    pending: Option<u32>,
}

/// Serves a connection that the plane has taken, until its end.
pub(super) async fn serve(fresh: Box<Fresh>, serve: Serve) {
    let (which, events) = (serve.which, serve.events.clone());
    let peer = fresh.end();
    let connection = fresh.connection.clone();
    let found = fresh.found.clone();
    let session = Session { serve, connection, suite: fresh.suite, peer, epoch: 0, begun: false, pending: None };
    let connection = session.connection.clone();
    let failure = match session.run(*fresh).await {
        Ok(()) => Failure::Closed(String::new()),
        Err(Over::Failure(failure)) => failure,
        Err(Over::Frame(error)) => Failure::of_frame(&error, &connection, &found),
    };
    match &failure {
        Failure::We(reason, text) => close(&connection, reason.code(), text),
        _ => close(&connection, SUPERSEDED, "over"),
    }
    let _ = events.send(Event::Ended(which, failure)).await;
}

/// Why a session ended.
#[derive(Debug)]
enum Over {
    Frame(super::frames::FrameError),
    Failure(Failure),
}

impl From<super::frames::FrameError> for Over {
    fn from(error: super::frames::FrameError) -> Self {
        Self::Frame(error)
    }
}

fn bad(text: &str) -> Over {
    Over::Failure(Failure::We(Refused::Hello, text.to_owned()))
}

impl Session {
    async fn run(mut self, fresh: Fresh) -> Result<(), Over> {
        let Fresh { mut send, mut reader, hello, dialled, .. } = fresh;
        let floor = self.serve.shared.floor(self.peer);
        if dialled {
            let epoch = floor.max(hello.epoch).checked_add(1).ok_or_else(|| bad("no epoch is left"))?;
            super::frames::send(&mut send, &Frame::Begin { epoch }).await?;
            self.begin(epoch).await?;
        } else {
            let hello = self.serve.shared.hello(floor);
            super::frames::send(&mut send, &Frame::Hello(Box::new(hello))).await?;
        }
        let begin_by = Instant::now() + self.serve.shared.settings.times.dial;
        loop {
            tokio::select! {
                frame = reader.next() => {
                    if let Some(answer) = self.take(frame?).await? {
                        super::frames::send(&mut send, &answer).await?;
                    }
                }
                command = self.serve.commands.recv() => {
                    let Some(command) = command else { return Ok(()) };
                    self.obey(command, &mut send).await?;
                }
                stream = self.connection.accept_bi(), if self.begun => {
                    let (give, take) = stream.map_err(|error| {
                        Over::Failure(Failure::of(&error, &super::tls::Found::default()))
                    })?;
                    let (shared, peer) = (Arc::clone(&self.serve.shared), self.peer.node);
                    tokio::spawn(async move { streams::route(&shared, peer, give, take).await });
                }
                () = sleep_until(begin_by), if !self.begun => {
                    return Err(Over::Failure(Failure::Lost("the peer did not take the connection up".to_owned())));
                }
            }
        }
    }

    /// Takes a message; returns what is to be answered.
    async fn take(&mut self, frame: Frame) -> Result<Option<Frame>, Over> {
        let which = self.serve.which;
        match frame {
            Frame::Begin { epoch } if !self.begun => {
                if epoch <= self.serve.shared.floor(self.peer) {
                    return Err(bad("an epoch that was used before"));
                }
                self.begin(epoch).await?;
            }
            Frame::Begin { .. } | Frame::Hello(_) => return Err(bad("a second beginning")),
            Frame::Rotate { epoch } if self.begun => {
                // When both sides ask at once, each finds the other's epoch installed already.
                if Some(epoch) == self.epoch.checked_add(1) {
                    self.install(epoch).await?;
                }
                return Ok((epoch == self.epoch).then_some(Frame::Rotated { epoch }));
            }
            Frame::Rotated { epoch } if self.begun && self.pending == Some(epoch) => {
                if Some(epoch) == self.epoch.checked_add(1) {
                    self.install(epoch).await?;
                }
                self.pending = None;
            }
            Frame::Ping { number } => return Ok(Some(Frame::Pong { number })),
            Frame::Pong { number } => self.tell(Event::Pong(which, number)).await,
            Frame::Duplicate { text } => self.tell(Event::Duplicate(which, text)).await,
            Frame::Rotate { .. } | Frame::Rotated { .. } | Frame::Unknown => {}
        }
        Ok(None)
    }

    async fn obey(&mut self, command: Command, stream: &mut quinn::SendStream) -> Result<(), Over> {
        let frame = match command {
            Command::Rotate => {
                if !self.begun || self.pending.is_some() {
                    return Ok(());
                }
                let epoch = self.epoch.checked_add(1).ok_or_else(|| bad("no epoch is left"))?;
                self.pending = Some(epoch);
                Frame::Rotate { epoch }
            }
            Command::Ping(number) => Frame::Ping { number },
            Command::Duplicate(text) => Frame::Duplicate { text },
        };
        Ok(send(stream, &frame).await?)
    }

    async fn begin(&mut self, epoch: u32) -> Result<(), Over> {
        self.begun = true;
        let keys = self.keys(epoch)?;
        self.tell(Event::Began(self.serve.which, epoch, keys)).await;
        Ok(())
    }

    async fn install(&mut self, epoch: u32) -> Result<(), Over> {
        let keys = self.keys(epoch)?;
        self.tell(Event::Rekeyed(self.serve.which, epoch, keys)).await;
        Ok(())
    }

    fn keys(&mut self, epoch: u32) -> Result<Keys, Over> {
        let shared = &self.serve.shared;
        let keys = export(&self.connection, self.suite, epoch, shared.me(), self.peer);
        let keys = keys.ok_or_else(|| Over::Failure(Failure::Lost("TLS gives no keys".to_owned())))?;
        shared.raise_floor(self.peer, epoch);
        self.epoch = epoch;
        Ok(keys)
    }

    async fn tell(&self, event: Event) {
        // The plane is gone only when everything ends.
        let _ = self.serve.events.send(event).await;
    }
}
