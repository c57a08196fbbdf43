//! What the control socket answers to.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use control::api::{Refusal, Request};
use control::avm::{AvmRequest, ask};

use super::Gate;
use super::metrics;
use super::peer::{Caller, Right, Rule};

/// Most bytes of a request body; the largest request is far below.
const BODY_BYTES: usize = 16 << 10;

const ROUTES: &str = "GET /v1/status, GET /v1/events, GET /metrics, POST /v1/request, POST /v1/avm";

/// What every answer needs.
#[derive(Clone)]
struct Desk {
    gate: Arc<dyn Gate>,
    rule: Arc<Rule>,
}

/// The routes, over a node and its rule of access.
pub fn router(gate: Arc<dyn Gate>, rule: Rule) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/events", get(events))
        .route("/metrics", get(scrape))
        .route("/v1/request", post(request))
        .route("/v1/avm", post(avm).layer(DefaultBodyLimit::max(ask::REQUEST_BYTES)))
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(Desk { gate, rule: Arc::new(rule) })
}

/// A refusal as JSON text.
pub(super) fn refusal_json(error: &str) -> String {
    serde_json::to_string(&Refusal::new(error)).unwrap_or_else(|_| "{}".to_owned())
}

fn refuse(code: StatusCode, error: String, read_only: bool) -> Response {
    (code, Json(Refusal { read_only, ..Refusal::new(error) })).into_response()
}

/// Refuses a caller that may not even look.
fn may_look(desk: &Desk, caller: Caller) -> Result<(), Box<Response>> {
    if desk.rule.right(caller) >= Right::Read {
        return Ok(());
    }
    Err(Box::new(refuse(StatusCode::FORBIDDEN, desk.rule.why_not(caller), false)))
}

fn not_ready() -> Response {
    refuse(
        StatusCode::SERVICE_UNAVAILABLE,
        "the node has not published its status yet; try again in a moment".into(),
        false,
    )
}

async fn status(State(desk): State<Desk>, Extension(caller): Extension<Caller>) -> Response {
    if let Err(refused) = may_look(&desk, caller) {
        return *refused;
    }
    desk.gate.snapshot().map_or_else(not_ready, |snapshot| Json(snapshot).into_response())
}

async fn events(State(desk): State<Desk>, Extension(caller): Extension<Caller>) -> Response {
    if let Err(refused) = may_look(&desk, caller) {
        return *refused;
    }
    desk.gate.snapshot().map_or_else(not_ready, |snapshot| Json(snapshot.events).into_response())
}

async fn scrape(State(desk): State<Desk>, Extension(caller): Extension<Caller>) -> Response {
    if let Err(refused) = may_look(&desk, caller) {
        return *refused;
    }
    let Some(snapshot) = desk.gate.snapshot() else { return not_ready() };
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], metrics::text(&snapshot)).into_response()
}

async fn request(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if desk.rule.right(caller) < Right::Change {
        return refuse(StatusCode::FORBIDDEN, desk.rule.why_not(caller), true);
    }
    let body = match body {
        Ok(body) => body,
        Err(error) => {
            let error = format!("{error}; a request is at most {BODY_BYTES} bytes");
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, error, false);
        }
    };
    let request: Request = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => {
            let error = format!("{error}; expected a request such as {{\"do\":\"pause\",\"torus\":\"A\"}}");
            return refuse(StatusCode::BAD_REQUEST, error, false);
        }
    };
    tracing::info!(uid = caller.uid, "asked: {}", request.command_line());
    // The node answers within half a second; meanwhile the control thread goes on with its work.
    let gate = desk.gate.clone();
    match tokio::task::spawn_blocking(move || gate.request(&request)).await {
        Ok(Ok(reply)) => Json(reply).into_response(),
        Ok(Err(refusal)) => (StatusCode::CONFLICT, Json(refusal)).into_response(),
        Err(error) => {
            let error = format!("the request failed inside the agent ({error}); see its log: journalctl -u trefoil");
            refuse(StatusCode::INTERNAL_SERVER_ERROR, error, false)
        }
    }
}

/// A request to the AVM: whoever may look may ask what changes nothing.
async fn avm(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if let Err(refused) = may_look(&desk, caller) {
        return *refused;
    }
    let body = match body {
        Ok(body) => body,
        Err(error) => {
            let error = format!("{error}; a request is at most {} bytes", ask::REQUEST_BYTES);
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, error, false);
        }
    };
    let request: AvmRequest = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => {
            let error = format!("{error}; expected a request such as {{\"do\":\"ps\"}}");
            return refuse(StatusCode::BAD_REQUEST, error, false);
        }
    };
    if request.changes() {
        if desk.rule.right(caller) < Right::Change {
            return refuse(StatusCode::FORBIDDEN, desk.rule.why_not(caller), true);
        }
        tracing::info!(uid = caller.uid, "asked: {}", request.command_line());
    }
    let gate = desk.gate.clone();
    match tokio::task::spawn_blocking(move || gate.avm(caller.uid, &request)).await {
        Ok(Ok(reply)) => Json(reply).into_response(),
        Ok(Err(refusal)) => (StatusCode::CONFLICT, Json(refusal)).into_response(),
        Err(error) => {
            let error = format!("the request failed inside the agent ({error}); see its log: journalctl -u trefoil");
            refuse(StatusCode::INTERNAL_SERVER_ERROR, error, false)
        }
    }
}

async fn unknown_route(uri: Uri) -> Response {
    let path: String = uri.path().chars().take(80).collect();
    refuse(StatusCode::NOT_FOUND, format!("nothing at {path}; there is {ROUTES}"), false)
}

async fn unknown_method(method: Method, uri: Uri) -> Response {
    let path: String = uri.path().chars().take(80).collect();
    refuse(StatusCode::METHOD_NOT_ALLOWED, format!("{path} does not take {method}; there is {ROUTES}"), false)
}
