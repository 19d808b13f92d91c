use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Json, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream;
use serde::Deserialize;

use super::faults::{Fault, Faults, Kind, StatusFault};
use super::recorder::{Asked, Recorder};
use super::time::Time;

/// What a test sets and looks at, for one fake: its faults, its time, and what it was asked. A fake with several hosts
/// has one console.
///
/// Each host answers `GET`, `POST` and `DELETE /_fake/faults`, `GET` and `DELETE /_fake/asked`, `POST /_fake/clock`.
#[derive(Clone)]
pub(super) struct Console {
    pub(super) faults: Faults,
    pub(super) recorder: Recorder,
    pub(super) time: Time,
    render: Render,
}

/// How a fake says what a [`StatusFault`] tells it, for the path that was asked: the headers (`retry-after` too, where
/// the service sends one) and the body are the fake's.
type Render = Arc<dyn Fn(&StatusFault, &str) -> Response + Send + Sync>;

impl Console {
    /// `switches` are the names of the fake's own faults.
    pub(super) fn new(
        switches: &'static [&'static str],
        render: impl Fn(&StatusFault, &str) -> Response + Send + Sync + 'static,
    ) -> Self {
        Self {
            faults: Faults::new(switches),
            recorder: Recorder::default(),
            time: Time::default(),
            render: Arc::new(render),
        }
    }

    /// `router` behind the recorder and the faults, with the routes of the console beside it.
    pub(super) fn around(&self, router: Router) -> Router {
        let own = Router::new()
            .route(
                "/_fake/faults",
                get(waiting).post(push).delete(clear_faults),
            )
            .route("/_fake/asked", get(asked).delete(clear_asked))
            .route("/_fake/clock", post(advance))
            .with_state(self.clone());
        router
            .layer(axum::middleware::from_fn_with_state(self.clone(), meet))
            .merge(own)
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console")
            .field("faults", &self.faults)
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

/// A response that is not to be sent: the host ends the connection instead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unsent;

async fn meet(State(console): State<Console>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    if path.starts_with("/_fake/") {
        return next.run(request).await;
    }
    console.recorder.record(Asked {
        method: method.to_string(),
        path: path.clone(),
        query: request.uri().query().unwrap_or_default().to_owned(),
    });
    if let Some(by) = console.faults.take_slow(&method, &path) {
        tokio::time::sleep(by).await;
    }
    match console.faults.take_break(&method, &path) {
        None | Some(Kind::Slow(_) | Kind::Switch(_)) => next.run(request).await,
        Some(Kind::Status(fault)) => (console.render)(&fault, &path),
        Some(Kind::Redirect { status, location }) => redirect(status, &location),
        Some(Kind::Reset) => unsent(),
        Some(Kind::Lost) => {
            next.run(request).await;
            unsent()
        }
        Some(Kind::Garbled) => {
            let (mut parts, _) = next.run(request).await.into_parts();
            parts.headers.remove(header::CONTENT_LENGTH);
            Response::from_parts(parts, Body::from("<html>not what you asked for"))
        }
        Some(Kind::Truncated(bytes)) => truncated(next.run(request).await, bytes).await,
    }
}

fn unsent() -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(Unsent);
    response
}

fn redirect(status: u16, location: &str) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::TEMPORARY_REDIRECT);
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

async fn truncated(response: Response, after: usize) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(whole) = axum::body::to_bytes(body, usize::MAX).await else {
        return unsent();
    };
    parts
        .headers
        .insert(header::CONTENT_LENGTH, whole.len().into());
    let first = whole.slice(..after.min(whole.len()));
    let end = async {
        // What was written must leave before the connection ends.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
    };
    let pieces = stream::StreamExt::chain(stream::iter([Ok(first)]), stream::once(end));
    Response::from_parts(parts, Body::from_stream(pieces))
}

async fn waiting(State(console): State<Console>) -> Json<Vec<Fault>> {
    Json(console.faults.waiting())
}

async fn push(State(console): State<Console>, body: String) -> Response {
    let pushed = serde_json::from_str::<Fault>(&body)
        .map_err(|error| error.to_string())
        .and_then(|fault| console.faults.try_push(fault));
    match pushed {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(message) => (StatusCode::BAD_REQUEST, message).into_response(),
    }
}

async fn clear_faults(State(console): State<Console>) -> StatusCode {
    console.faults.clear();
    StatusCode::NO_CONTENT
}

async fn asked(State(console): State<Console>) -> Json<Vec<Asked>> {
    Json(console.recorder.asked_since(0))
}

async fn clear_asked(State(console): State<Console>) -> StatusCode {
    console.recorder.clear();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: u64,
}

async fn advance(State(console): State<Console>, body: String) -> Response {
    match serde_json::from_str::<Advance>(&body) {
        Ok(by) => {
            console.time.advance(Duration::from_secs(by.seconds));
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}
