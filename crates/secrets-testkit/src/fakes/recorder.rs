use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

/// A request that a fake was asked, without headers and body.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The path as it was sent, still encoded.
    pub path: String,
    /// What stood behind the `?`, still encoded; empty if nothing did.
    pub query: String,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Recorder(Arc<Mutex<Vec<Asked>>>);

impl Recorder {
    /// Every request so far, in the order of their arrival.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

pub(super) async fn record(
    State(recorder): State<Recorder>,
    request: Request,
    next: Next,
) -> Response {
    recorder
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(Asked {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
        });
    next.run(request).await
}
