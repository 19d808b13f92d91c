//! What tests in other languages ask of this fake beside the console that all fakes have.

use axum::Router;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;

use super::error::json_response;
use super::options::{Older, PROJECT};
use super::{Served, lock};

/// `GET /_fake/ignored`, `POST /_fake/older`, `POST /_fake/service-tokens`.
pub(super) fn router() -> Router<Served> {
    Router::new()
        .route("/_fake/ignored", get(ignored))
        .route("/_fake/older", post(older))
        .route("/_fake/service-tokens", post(service_token))
}

async fn ignored(Shared(served): Shared<Served>) -> Response {
    let ignored = &lock(&served.state).ignored;
    json_response(200, &json!(ignored))
}

/// A list of the words for [`Older`], which takes the place of what was.
async fn older(Shared(served): Shared<Served>, body: String) -> Response {
    match serde_json::from_str::<Vec<Older>>(&body) {
        Ok(older) => {
            lock(&served.state).set_older(older);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    scopes: Vec<Scope>,
    #[serde(default)]
    read_only: bool,
    project: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scope {
    environment: String,
    path: String,
}

async fn service_token(Shared(served): Shared<Served>, body: String) -> Response {
    let wanted: Wanted = match serde_json::from_str(&body) {
        Ok(wanted) => wanted,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    let scopes = wanted
        .scopes
        .into_iter()
        .map(|scope| (scope.environment, scope.path))
        .collect();
    let project = wanted.project.as_deref().unwrap_or(PROJECT.0);
    let mut state = lock(&served.state);
    let token = state
        .credentials
        .add_service_token(project, scopes, !wanted.read_only);
    json_response(200, &json!({ "token": token }))
}
