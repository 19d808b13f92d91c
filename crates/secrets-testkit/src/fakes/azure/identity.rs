use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::query::{find, pairs};
use super::state::Service;

/// `GET /msi/token`: the endpoint that App Service gives to a program (`IDENTITY_ENDPOINT`).
pub(super) async fn app_service(
    State(service): State<Arc<Service>>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let refuse = |status: StatusCode, message: &str| {
        let body = json!({ "statusCode": status.as_u16(), "message": message });
        (status, Json(body)).into_response()
    };
    match header(&headers, "x-identity-header") {
        Some(secret) if secret == service.identity_header => {}
        Some(_) => return refuse(StatusCode::UNAUTHORIZED, "Invalid X-IDENTITY-HEADER."),
        None => return refuse(StatusCode::BAD_REQUEST, "X-IDENTITY-HEADER is missing."),
    }
    let query = pairs(uri.query().unwrap_or_default()).unwrap_or_default();
    if find(&query, "api-version") != Some("2019-08-01") {
        return refuse(StatusCode::BAD_REQUEST, "Unsupported api-version.");
    }
    let Some(resource) = find(&query, "resource").filter(|resource| !resource.is_empty()) else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "The parameter resource is missing.",
        );
    };
    if !has_identity(&service, &query) {
        return refuse(
            StatusCode::BAD_REQUEST,
            "No Managed Identity found for specified ClientId/ResourceId/PrincipalId.",
        );
    }
    let grant = Granted::new(&service, resource);
    Json(json!({
        "access_token": grant.token,
        "client_id": service.options.identity_client_id,
        "expires_on": grant.expires_on.to_string(),
        "resource": resource,
        "token_type": "Bearer",
    }))
    .into_response()
}

/// `GET /metadata/identity/oauth2/token`: the metadata service of a virtual machine.
pub(super) async fn imds(
    State(service): State<Arc<Service>>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if header(&headers, "metadata").is_none_or(|value| !value.eq_ignore_ascii_case("true")) {
        return refused_imds("Required metadata header not specified or not correct");
    }
    if headers.contains_key("x-forwarded-for") {
        return refused_imds("Forwarded requests are not allowed");
    }
    let query = pairs(uri.query().unwrap_or_default()).unwrap_or_default();
    if !["2018-02-01", "2019-08-01", "2021-02-01"]
        .map(Some)
        .contains(&find(&query, "api-version"))
    {
        return refused_imds("Required query variable 'api-version' is missing or not supported");
    }
    let Some(resource) = find(&query, "resource").filter(|resource| !resource.is_empty()) else {
        return refused_imds("Required query variable 'resource' is missing");
    };
    if !has_identity(&service, &query) {
        return refused_imds("Identity not found");
    }
    let grant = Granted::new(&service, resource);
    let life = service.options.token_life.as_secs();
    Json(json!({
        "access_token": grant.token,
        "client_id": service.options.identity_client_id,
        "expires_in": life.to_string(),
        "expires_on": grant.expires_on.to_string(),
        "ext_expires_in": life.to_string(),
        "not_before": (grant.expires_on - life).to_string(),
        "resource": resource,
        "token_type": "Bearer",
    }))
    .into_response()
}

/// What either endpoint answers when a fault makes it fail with `status`.
pub(super) fn failure(status: StatusCode) -> Response {
    let error = match status.as_u16() {
        429 => "too_many_requests",
        410 => "gone",
        500.. => "server_error",
        _ => "invalid_request",
    };
    (status, Json(imds_error(error, "The request was refused"))).into_response()
}

fn refused_imds(text: &str) -> Response {
    (
        StatusCode::BAD_REQUEST,
        Json(imds_error("invalid_request", text)),
    )
        .into_response()
}

fn imds_error(error: &str, text: &str) -> Value {
    json!({ "error": error, "error_description": text })
}

/// Whether the identity that is asked for, by any of its ids, is the one that is assigned; none is the assigned one too.
fn has_identity(service: &Service, query: &[(String, String)]) -> bool {
    query.iter().all(|(name, value)| match name.as_str() {
        "api-version" | "resource" => true,
        "client_id" => *value == service.options.identity_client_id,
        _ => false,
    })
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

struct Granted {
    token: String,
    expires_on: u64,
}

impl Granted {
    fn new(service: &Service, resource: &str) -> Self {
        Self {
            token: service.issue(resource),
            expires_on: service.console.time.unix() + service.options.token_life.as_secs(),
        }
    }
}
