//! The control socket: HTTP and JSON on a Unix socket, bounded in everything a caller decides.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::peer::{Caller, Rule};
use super::routes;
use crate::config::Others;

/// Most connections at a time; the next is told so and closed.
pub const MAX_CONNECTIONS: usize = 32;
/// A caller has so long to send its request head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// A connection lives at most so long, whatever it does.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of a request head.
const HEAD_BYTES: usize = 16 << 10;

/// Why the control socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Something that is no socket is in the place of the socket.
    #[error("{path}: in the way and not a socket; remove it, or name another folder in node.runtime_dir")]
    InTheWay {
        /// Path of the socket.
        path: PathBuf,
    },
    /// The system said no.
    #[error("{path}: {source}; check that this user may write to the folder")]
    System {
        /// Path of the socket.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Opens the socket. A socket file left by a dead agent is replaced; the caller holds the folder's lock, so no live agent
/// can own it.
///
/// # Errors
/// [`SocketError`].
pub fn bind(path: &Path, rule: &Rule) -> Result<UnixListener, SocketError> {
    let system = |source| SocketError::System { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.file_type().is_socket() => fs::remove_file(path).map_err(system)?,
        Ok(_) => return Err(SocketError::InTheWay { path: path.to_owned() }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(system(error)),
    }
    let listener = UnixListener::bind(path).map_err(system)?;
    // Who may do what is decided per caller; the mode only keeps out whom nothing is allowed.
    let mode = match rule.others {
        Others::ReadOnly => 0o666,
        Others::Refuse => 0o660,
    };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(system)?;
    if let Some(group) = &rule.group
        && let Err(error) = chown(path, None, Some(group.gid))
    {
        // Members are recognised by their credentials all the same, as long as the mode lets them in.
        tracing::warn!("{}: cannot give it to group {}: {error}", path.display(), group.name);
    }
    Ok(listener)
}

/// Serves until dropped.
pub async fn serve(listener: UnixListener, router: axum::Router) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors: wait for some to come back instead of spinning.
                tracing::warn!("control socket: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            turn_away(&stream);
            continue;
        };
        let router = router.clone();
        tokio::spawn(async move {
            // A caller that never sends or never reads is cut off; its place is free again.
            let _ = tokio::time::timeout(CONNECTION_TIMEOUT, connection(stream, router)).await;
            drop(place);
        });
    }
}

async fn connection(stream: UnixStream, router: axum::Router) {
    let Ok(credentials) = stream.peer_cred() else { return };
    let caller = Caller { uid: credentials.uid(), gid: credentials.gid() };
    let service = TowerToHyperService::new(router.layer(Extension(caller)));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_BYTES).keep_alive(false);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!("control socket, uid {}: {error}", caller.uid);
    }
}

fn turn_away(stream: &UnixStream) {
    let body = routes::refusal_json(&format!("{MAX_CONNECTIONS} callers are connected; try again in a moment"));
    let head = "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-type: application/json";
    let _ = stream.try_write(format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes());
}
