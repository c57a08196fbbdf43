//! From a first packet to two hellos that agree.

use std::net::SocketAddr;

use quinn::{Connection, Incoming, SendStream};
use tokio::time::timeout;

use super::failure::{Failure, OWN, close};
use super::frames::{Frame, FrameReader, send};
use super::hello::Hello;
use super::keys::{End, common};
use super::shared::Shared;
use super::tls::{Found, SERVER_NAME};
use crate::cluster::bridge::Suite;
use crate::cluster::identity::Refused;
use crate::cluster::identity::card::is_signed_by;
use crate::cluster::identity::trust::Proven;

/// A connection whose peer proved who it is and said hello. What came in was not answered yet.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) connection: Connection,
    pub(super) send: SendStream,
    pub(super) reader: FrameReader,
    pub(super) found: Found,
    pub(super) proven: Proven,
    pub(super) hello: Hello,
    pub(super) suite: Suite,
    pub(super) version: u8,
    /// True when this node dialled.
    pub(super) dialled: bool,
}

impl Fresh {
    pub(super) fn id(&self) -> u32 {
        self.proven.id.get()
    }

    pub(super) fn end(&self) -> End {
        End { node: self.id(), boot_id: self.hello.boot_id }
    }
}

/// Dials; `expected` is the node that shall answer.
pub(super) async fn dial(shared: &Shared, address: SocketAddr, expected: Option<u32>) -> Result<Fresh, Failure> {
    let limit = shared.settings.times.dial;
    let lost =
        || Failure::Lost(format!("no answer within {} ms: is the node up, and UDP let through?", limit.as_millis()));
    timeout(limit, dial_unlimited(shared, address, expected)).await.unwrap_or_else(|_| Err(lost()))
}

async fn dial_unlimited(shared: &Shared, address: SocketAddr, expected: Option<u32>) -> Result<Fresh, Failure> {
    let found = Found::default();
    let broken = |error: &dyn std::fmt::Display| Failure::Lost(format!("cannot dial {address}: {error}"));
    let config = shared.tls.client(&found).map_err(|error| broken(&error))?;
    let connecting = shared.endpoint.connect_with(config, address, SERVER_NAME).map_err(|error| broken(&error))?;
    let connection = connecting.await.map_err(|error| Failure::of(&error, &found))?;
    let proven = proven(&connection, &found, shared)?;
    if expected.is_some_and(|expected| expected != proven.id.get()) {
        let text = format!("node {} was dialled, node {} answers", expected.unwrap_or(0), proven.id);
        return Err(refuse(&connection, Refused::NotExpected, text));
    }
    let (mut stream, receive) = connection.open_bi().await.map_err(|error| Failure::of(&error, &found))?;
    let mut reader = FrameReader::new(receive);
    // Its boot is not known yet, so neither is an epoch of before; this side takes the higher of both later on.
    let hello = shared.hello(0);
    let told = async {
        send(&mut stream, &Frame::Hello(Box::new(hello))).await?;
        reader.next().await
    };
    let frame = told.await.map_err(|error| Failure::of_frame(&error, &connection, &found))?;
    let (hello, suite, version) = judge(shared, &connection, &proven, frame)?;
    Ok(Fresh { connection, send: stream, reader, found, proven, hello, suite, version, dialled: true })
}

/// Takes a handshake that comes in, up to the peer's hello.
pub(super) async fn receive(shared: &Shared, incoming: Incoming) -> Result<Fresh, Failure> {
    let limit = shared.settings.times.dial;
    let lost = || Failure::Lost(format!("the handshake was not finished within {} ms", limit.as_millis()));
    timeout(limit, receive_unlimited(shared, incoming)).await.unwrap_or_else(|_| Err(lost()))
}

async fn receive_unlimited(shared: &Shared, incoming: Incoming) -> Result<Fresh, Failure> {
    let found = Found::default();
    let config = shared.tls.server(&found).map_err(|error| Failure::Lost(error.to_string()))?;
    let connecting = incoming.accept_with(std::sync::Arc::new(config)).map_err(|error| Failure::of(&error, &found))?;
    let connection = connecting.await.map_err(|error| Failure::of(&error, &found))?;
    let proven = proven(&connection, &found, shared)?;
    let (stream, receive) = connection.accept_bi().await.map_err(|error| Failure::of(&error, &found))?;
    let mut reader = FrameReader::new(receive);
    let frame = reader.next().await.map_err(|error| {
        let failure = Failure::of_frame(&error, &connection, &found);
        if let Failure::We(reason, text) = &failure {
            close(&connection, reason.code(), text);
        }
        failure
    })?;
    let (hello, suite, version) = judge(shared, &connection, &proven, frame)?;
    Ok(Fresh { connection, send: stream, reader, found, proven, hello, suite, version, dialled: false })
}

/// Who the peer is, from its certificate.
fn proven(connection: &Connection, found: &Found, shared: &Shared) -> Result<Proven, Failure> {
    match found.get() {
        Some(Ok(proven)) => Ok(proven),
        Some(Err(reason)) => Err(refuse(connection, reason, String::new())),
        // TLS demands a certificate of both; should it ever not, nobody comes in.
        None => {
            Err(refuse(connection, Refused::Malformed, format!("no certificate seen by node {}", shared.me().node)))
        }
    }
}

pub(super) fn refuse(connection: &Connection, reason: Refused, text: String) -> Failure {
    close(connection, reason.code(), &text);
    Failure::We(reason, text)
}

/// Holds the first message against the certificate and against what this node is.
fn judge(
    shared: &Shared,
    connection: &Connection,
    proven: &Proven,
    frame: Frame,
) -> Result<(Hello, Suite, u8), Failure> {
    let Frame::Hello(hello) = frame else {
        return Err(refuse(connection, Refused::Hello, "something else came first".to_owned()));
    };
    let me = shared.me();
    if proven.id.get() == me.node {
        if hello.boot_id == me.boot_id {
            close(connection, OWN, "that is this node itself");
            return Err(Failure::Own);
        }
        let text = format!(
            "node {} boots {:016x} and {:016x} (from {}) are both alive",
            me.node,
            me.boot_id,
            hello.boot_id,
            connection.remote_address()
        );
        return Err(refuse(connection, Refused::Duplicate, text));
    }
    match agree(shared, proven, &hello) {
        Ok((suite, version)) => Ok((*hello, suite, version)),
        Err((reason, text)) => Err(refuse(connection, reason, text)),
    }
}

fn agree(shared: &Shared, proven: &Proven, hello: &Hello) -> Result<(Suite, u8), (Refused, String)> {
    let settings = &shared.settings;
    let trust = &settings.identity.trust;
    if hello.cluster_id != trust.cluster_id() {
        let text = format!("cluster {:016x}, not {:016x}", hello.cluster_id, trust.cluster_id());
        return Err((Refused::WrongCluster, text));
    }
    if hello.node != proven.id.get() {
        return Err((Refused::Hello, format!("says node {}, certificate says node {}", hello.node, proven.id)));
    }
    let (lowest, highest) = settings.versions;
    let version = highest.min(hello.highest);
    if version < lowest.max(hello.lowest) {
        let text = format!("versions {}..{} here {lowest}..{highest}", hello.lowest, hello.highest);
        return Err((Refused::Version, text));
    }
    let suite = common(settings.suites, hello.suites)
        .ok_or_else(|| (Refused::Version, "no cipher both take: set cluster.link.cipher to auto".to_owned()))?;
    let record = hello.member().map_err(|error| (Refused::Hello, error.to_string()))?;
    let same = record.identity.id == proven.id
        && record.identity.boot_inc == hello.boot_inc
        && record.public_key == proven.public_key;
    if !same {
        return Err((
            Refused::Hello,
            format!("the record of {} with the certificate of {}", record.identity, proven.id),
        ));
    }
    let parts = (record.identity.id, &record.public_key, record.card_ends_unix_s);
    trust
        .check_card(record.ca_id, parts, &record.card, (settings.clock)())
        .map_err(|reason| (reason, "its member card".to_owned()))?;
    if !is_signed_by(&record.public_key, &record.signed_bytes(), &record.signature) {
        return Err((Refused::Hello, "its record is not signed by itself".to_owned()));
    }
    Ok((suite, version))
}
