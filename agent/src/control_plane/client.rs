//! The calling side of the control socket, blocking and bounded in time.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use control::api::{Refusal, RefusalKind, Reply, Request};
use control::avm::{AvmReply, AvmRequest};
use control::page::SOCKET_NAME;
use control::{SteerError, Steering};
use http_body_util::{BodyExt, Full, Limited};
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

/// An answer takes at most so long; the agent itself answers within half a second.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Most bytes of an answer: a status of 16 tori with their faces is far below.
const ANSWER_BYTES: usize = 8 << 20;

/// A caller of one agent's control socket. Not to be used inside an asynchronous task: it blocks.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
    timeout: Duration,
}

impl Client {
    /// A caller of the agent whose runtime folder is `runtime_dir`.
    #[must_use]
    pub fn new(runtime_dir: &Path) -> Self {
        Self { socket: runtime_dir.join(SOCKET_NAME), timeout: TIMEOUT }
    }

    /// With another time limit.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The body of a `GET`.
    ///
    /// # Errors
    /// [`SteerError`] tells a refusal from an agent that cannot be reached.
    pub fn get(&self, path: &str) -> Result<String, SteerError> {
        self.call("GET", path, Bytes::new())
    }

    fn unreachable(&self, reason: String) -> SteerError {
        SteerError::Unreachable { path: self.socket.display().to_string(), reason }
    }

    /// Posts a question and reads its answer.
    fn ask<T: DeserializeOwned>(&self, path: &str, question: &impl Serialize) -> Result<T, SteerError> {
        let body = serde_json::to_vec(question).map_err(|error| self.unreachable(error.to_string()))?;
        let text = self.call("POST", path, Bytes::from(body))?;
        serde_json::from_str(&text).map_err(|error| {
            self.unreachable(format!(
                "the answer makes no sense ({error}); is the agent of the same version as this program?"
            ))
        })
    }

    fn call(&self, method: &str, path: &str, body: Bytes) -> Result<String, SteerError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| self.unreachable(format!("cannot start a caller: {error}")))?;
        runtime.block_on(async {
            match tokio::time::timeout(self.timeout, self.exchange(method, path, body)).await {
                Ok(answer) => answer,
                Err(_) => Err(self.unreachable(format!(
                    "the agent took the call but did not answer within {} s; it may hang: see trefoil status, journalctl -u trefoil",
                    self.timeout.as_secs_f32()
                ))),
            }
        })
    }

    async fn exchange(&self, method: &str, path: &str, body: Bytes) -> Result<String, SteerError> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| self.unreachable(why(&error)))?;
        let broken =
            |error: &dyn std::fmt::Display| self.unreachable(format!("the agent broke off ({error}); try again"));
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
        tokio::spawn(connection);
        let request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header("host", "trefoil")
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(|error| broken(&error))?;
        let answer = sender.send_request(request).await.map_err(|error| broken(&error))?;
        let code = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| broken(&error))?.to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        if code.is_success() { Ok(text) } else { Err(refused(code, &text)) }
    }
}

impl Steering for Client {
    fn send(&mut self, request: &Request) -> Result<Reply, SteerError> {
        self.ask("/v1/request", request)
    }

    fn avm(&mut self, request: &AvmRequest) -> Result<AvmReply, SteerError> {
        self.ask("/v1/avm", request)
    }
}

fn refused(code: StatusCode, text: &str) -> SteerError {
    match serde_json::from_str::<Refusal>(text) {
        Ok(Refusal { error, read_only: true, .. }) => SteerError::ReadOnly { reason: error },
        Ok(Refusal { error, kind, .. }) => match kind {
            RefusalKind::Failed => SteerError::Failed { reason: error },
            RefusalKind::Program => SteerError::Program { reason: error },
            RefusalKind::Refused => SteerError::Refused { reason: error },
        },
        Err(_) => SteerError::Refused {
            reason: format!("the agent answered {code} without a reason; is it of the same version?"),
        },
    }
}

/// What the system says, in words that help.
fn why(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => {
            "no agent; start it with: trefoil run --config FILE, or name its folder: --runtime-dir DIR".to_owned()
        }
        ErrorKind::ConnectionRefused => {
            "the agent is gone and left its socket; start it with: trefoil run --config FILE".to_owned()
        }
        ErrorKind::PermissionDenied => {
            "permission denied; join the group of the socket (ls -l shows it), or run as the agent's user".to_owned()
        }
        _ => error.to_string(),
    }
}
