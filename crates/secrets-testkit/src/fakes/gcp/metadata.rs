//! The metadata server of a virtual machine.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use serde_json::json;

use super::error::{json_response, page, respond};
use super::shared::Shared;
use super::tokens::{CLOUD_PLATFORM, LIFE};

const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(async || text("computeMetadata/\n")))
        .route(
            "/computeMetadata/v1/",
            get(async || text("instance/\nproject/\nuniverse/\n")),
        )
        .route("/computeMetadata/v1/project/project-id", get(project_id))
        .route(
            "/computeMetadata/v1/project/numeric-project-id",
            get(project_number),
        )
        .route(
            "/computeMetadata/v1/universe/universe-domain",
            get(async || text("googleapis.com")),
        )
        .route("/computeMetadata/v1/instance/zone", get(zone))
        .route(
            "/computeMetadata/v1/instance/service-accounts/{account}/",
            get(account),
        )
        .route(
            "/computeMetadata/v1/instance/service-accounts/{account}/email",
            get(email),
        )
        .route(
            "/computeMetadata/v1/instance/service-accounts/{account}/scopes",
            get(scopes),
        )
        .route(
            "/computeMetadata/v1/instance/service-accounts/{account}/token",
            get(token),
        )
        .fallback(async || page(404, "Not Found"))
        .layer(axum::middleware::from_fn(guard))
        .with_state(shared)
}

/// Nobody who is led here from outside sets the header, and nobody's request is forwarded.
async fn guard(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let has_flavor = headers.get(FLAVOR).is_some_and(|value| value == "Google");
    let mut response = if !has_flavor || headers.contains_key("x-forwarded-for") {
        page(403, "Forbidden")
    } else {
        next.run(request).await
    };
    response
        .headers_mut()
        .insert(FLAVOR, HeaderValue::from_static("Google"));
    response
}

fn text(body: &str) -> Response {
    respond(200, "application/text", body.to_owned())
}

async fn project_id(State(shared): State<Arc<Shared>>) -> Response {
    text(&shared.project_id)
}

async fn project_number(State(shared): State<Arc<Shared>>) -> Response {
    text(&shared.project_number.to_string())
}

async fn zone(State(shared): State<Arc<Shared>>) -> Response {
    text(&format!(
        "projects/{}/zones/europe-west1-b",
        shared.project_number
    ))
}

async fn account(State(shared): State<Arc<Shared>>, Path(account): Path<String>) -> Response {
    match is_known(&shared, &account) {
        true => json_response(
            200,
            &json!({"aliases": ["default"], "email": shared.account.email(), "scopes": [CLOUD_PLATFORM]}),
        ),
        false => page(404, "Not Found"),
    }
}

async fn email(State(shared): State<Arc<Shared>>, Path(account): Path<String>) -> Response {
    match is_known(&shared, &account) {
        true => text(shared.account.email()),
        false => page(404, "Not Found"),
    }
}

async fn scopes(State(shared): State<Arc<Shared>>, Path(account): Path<String>) -> Response {
    match is_known(&shared, &account) {
        true => text(&format!("{CLOUD_PLATFORM}\n")),
        false => page(404, "Not Found"),
    }
}

#[derive(Deserialize)]
struct TokenQuery {
    scopes: Option<String>,
}

async fn token(
    State(shared): State<Arc<Shared>>,
    Path(account): Path<String>,
    Query(query): Query<TokenQuery>,
) -> Response {
    if !is_known(&shared, &account) {
        return page(404, "Not Found");
    }
    let scopes = query.scopes.as_deref().unwrap_or(CLOUD_PLATFORM);
    let now = shared.console.time.unix();
    let token = shared.tokens().issue(now, LIFE, scopes);
    json_response(
        200,
        &json!({"access_token": token, "expires_in": LIFE - 1, "token_type": "Bearer"}),
    )
}

fn is_known(shared: &Shared, account: &str) -> bool {
    account == "default" || account == shared.account.email()
}
