use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::random::random_uuid;
use super::refusal::{Outcome, Refusal, answer};
use super::request::{Ask, check_name};
use super::state::Service;
use super::tokens::Found;
use super::{keys, secrets};

/// More than any request of the vault's needs.
const MAX_BODY: usize = 1024 * 1024;

/// Everything below the vault's URL.
pub(super) async fn serve(State(service): State<Arc<Service>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let client_request_id = parts.headers.get("x-ms-client-request-id").cloned();
    let mut response = match carry_out(&service, parts, body).await {
        Ok(Answer::Json(value)) => answer(StatusCode::OK, &value),
        Ok(Answer::Nothing) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => refusal.into_response(),
    };
    if response.status() == StatusCode::UNAUTHORIZED
        && let Ok(challenge) = HeaderValue::from_str(&challenge(&service))
    {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    finish(response.headers_mut(), client_request_id);
    response
}

/// What a request that was carried out is answered with.
pub(super) enum Answer {
    Json(Value),
    Nothing,
}

impl From<Value> for Answer {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
}

pub(super) fn challenge(service: &Service) -> String {
    format!(
        "Bearer authorization=\"{}/{}\", resource=\"{}\"",
        service.base(),
        service.options.tenant_id,
        service.options.resource
    )
}

async fn carry_out(service: &Service, parts: Parts, body: Body) -> Outcome<Answer> {
    // Before the body: a client asks without one to learn where it gets tokens.
    authenticate(service, &parts.method, parts.uri.path(), &parts.headers)?;
    let body = to_bytes(body, MAX_BODY).await.map_err(|_| {
        Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            "The request is too large.",
        )
    })?;
    let host = parts
        .uri
        .authority()
        .map(ToString::to_string)
        .or_else(|| Some(parts.headers.get(header::HOST)?.to_str().ok()?.to_owned()));
    let base = host.map_or_else(
        || service.base().to_owned(),
        |host| format!("https://{host}"),
    );
    let ask = Ask::new(parts.method, &parts.uri, &parts.headers, body, base)?;
    let segments: Vec<&str> = ask.segments.iter().map(String::as_str).collect();
    let (area, rest) = match segments.split_first() {
        Some((area, rest)) => (*area, rest),
        None => ("", &[][..]),
    };
    let serve = match area {
        "secrets" | "deletedsecrets" => secrets::serve,
        "keys" | "deletedkeys" => keys::serve,
        _ => {
            return Err(Refusal::new(
                StatusCode::NOT_FOUND,
                "NotFound",
                "The resource was not found.",
            ));
        }
    };
    if let Some(name) = rest.first() {
        check_name(name)?;
    }
    serve(service, &ask, area, rest)
}

/// The answer to a request that is not an operation of the vault.
pub(super) fn no_operation(ask: &Ask) -> Refusal {
    Refusal::bad(format!(
        "Method {} does not allow operation '{}'",
        ask.method,
        ask.segments.last().map_or("", String::as_str)
    ))
}

fn authenticate(
    service: &Service,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Outcome<()> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let Some(token) = token else {
        return Err(Refusal::unauthorized(
            "AKV10000: Request is missing a Bearer or PoP token.",
        ));
    };
    if service
        .console
        .faults
        .take_switch("expire_tokens", method, path)
    {
        service.expire_tokens();
    }
    match service.look_up(token) {
        Found::Good => Ok(()),
        Found::Unknown => Err(Refusal::unauthorized(
            "[BearerReadAccessTokenFailed] Error validating token: 'S2S12005'.",
        )),
        Found::Expired => Err(Refusal::unauthorized(
            "[TokenExpired] Error validating token: 'S2S12086'.",
        )),
        Found::For(resource) => Err(Refusal::unauthorized(format!(
            "AKV10022: Invalid audience. Expected {}, found: {resource}.",
            service.options.resource
        ))),
    }
}

fn finish(headers: &mut HeaderMap, client_request_id: Option<HeaderValue>) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert("x-ms-keyvault-region", HeaderValue::from_static("fake"));
    headers.insert(
        "x-ms-keyvault-service-version",
        HeaderValue::from_static("0.0.0.0"),
    );
    if let Ok(id) = HeaderValue::from_str(&random_uuid()) {
        headers.insert("x-ms-request-id", id);
    }
    if let Some(id) = client_request_id {
        headers.insert("x-ms-client-request-id", id);
    }
}
