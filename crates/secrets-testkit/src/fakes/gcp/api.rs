//! The REST form of the service: what stands between a request and the state.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::error::{ApiError, json_response, page};
use super::messages::{SECRET_TYPES, VERSION_STATES};
use super::route::{Rpc, Target};
use super::service::Call;
use super::shared::Shared;
use super::tokens::{Refusal, Service};

/// More than the largest payload in base64, and a secret with all that may hang on it.
const MAX_BODY: usize = 1 << 20;

pub(super) async fn api(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some(target) = Target::find(&parts.method, parts.uri.path()) else {
        return page(404, "Not Found");
    };
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return page(413, "Request Entity Too Large");
    };
    match answer(&shared, &parts, &target, &body) {
        Ok(value) => json_response(200, &value),
        Err(error) => error.into_response(),
    }
}

fn answer(shared: &Shared, parts: &Parts, target: &Target, body: &[u8]) -> Result<Value, ApiError> {
    if shared.switched("throttle_header", parts) {
        return Err(ApiError::exhausted("RATE_LIMIT_EXCEEDED").with_retry_after(1));
    }
    if shared.switched("throttle_body", parts) {
        return Err(ApiError::exhausted("RATE_LIMIT_EXCEEDED").with_retry_info(1));
    }
    authenticate(shared, parts, Service::SecretManager, target.rpc.name())?;
    if let Some(project) = parts.headers.get("x-goog-user-project") {
        let project = project.to_str().unwrap_or_default();
        if shared.state().project(project).is_none() {
            return Err(ApiError::user_project_denied(project));
        }
    }
    if shared.switched("deny", parts) {
        let permission = target
            .rpc
            .permission()
            .unwrap_or("secretmanager.secrets.get");
        return Err(ApiError::permission_denied(permission, &target.resource()));
    }
    let (query, numbers) = read_query(parts, target.rpc)?;
    let body = read_body(parts, target.rpc, body)?;
    let call = Call {
        target,
        query,
        body,
        now: Timestamp::try_from(shared.console.time.now()).unwrap_or(Timestamp::MAX),
        page_limit: shared.page_limit,
    };
    let mut value = shared.state().carry_out(&call)?;
    if target.rpc == Rpc::AccessSecretVersion {
        spoil(shared, parts, &mut value["payload"]);
    }
    if numbers {
        number_enums(&mut value);
    }
    Ok(value)
}

/// Lets the bearer of a token in.
pub(super) fn authenticate(
    shared: &Shared,
    parts: &Parts,
    service: Service,
    method: &str,
) -> Result<(), ApiError> {
    if shared.is_open {
        return Ok(());
    }
    let header = parts.headers.get(AUTHORIZATION);
    let bearer = header
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let mut tokens = shared.tokens();
    if let Some(bearer) = bearer
        && shared.switched("expire_tokens", parts)
    {
        tokens.expire_all();
        tokens.expire(bearer);
    }
    let now = shared.console.time.unix();
    let reason = match tokens.check(bearer, now, service, &shared.account, shared.url()) {
        Ok(()) => return Ok(()),
        Err(Refusal::Scope) => return Err(ApiError::scope_insufficient(method)),
        Err(Refusal::Missing) if header.is_none() => "CREDENTIALS_MISSING",
        Err(Refusal::Expired) => "ACCESS_TOKEN_EXPIRED",
        Err(Refusal::Missing | Refusal::Unknown) => "ACCESS_TOKEN_TYPE_UNSUPPORTED",
    };
    Err(ApiError::unauthenticated(reason, method))
}

/// The fields of the query, and whether enumerations are written as numbers.
fn read_query(parts: &Parts, rpc: Rpc) -> Result<(Map<String, Value>, bool), ApiError> {
    let mut numbers = false;
    let mut own = Vec::new();
    for (name, value) in pairs(parts.uri.query().unwrap_or_default()) {
        match name.as_str() {
            "alt" | "$alt" => match value.as_str() {
                "json" => {}
                "json;enum-encoding=int" => numbers = true,
                other => {
                    return Err(ApiError::invalid_argument(format!(
                        "The fake does not answer as [{other}]."
                    )));
                }
            },
            "prettyPrint" | "$prettyPrint" | "key" | "$key" | "quotaUser" | "$.xgafv" => {}
            "fields" | "$fields" | "callback" | "access_token" | "oauth_token" => {
                return Err(ApiError::invalid_argument(format!(
                    "The fake does not know the system parameter [{name}]."
                )));
            }
            _ => own.push((name, value)),
        }
    }
    match rpc.query().read_query(&own) {
        Ok(query) => Ok((query, numbers)),
        Err(found) => Err(ApiError::violations(&found)),
    }
}

pub(super) fn pairs(text: &str) -> Vec<(String, String)> {
    let decode = |part: &str| {
        let spaced = part.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

fn read_body(parts: &Parts, rpc: Rpc, body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let Some((schema, at)) = rpc.body() else {
        return Ok(Map::new());
    };
    if body.is_empty() {
        return Ok(Map::new());
    }
    let is_json = parts
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            value
                .split(';')
                .next()
                .is_some_and(|kind| kind.trim() == "application/json")
        });
    // What is not said to be JSON is read as a form, whose names are no fields.
    let value: Value = is_json
        .then(|| serde_json::from_slice(body).ok())
        .flatten()
        .ok_or_else(|| {
            ApiError::invalid_argument("Invalid JSON payload received. Unexpected token.")
        })?;
    schema
        .read(&value, at)
        .map_err(|found| ApiError::violations(&found))
}

/// What a faulty network or a faulty store would do to a payload.
fn spoil(shared: &Shared, parts: &Parts, payload: &mut Value) {
    if shared.switched("corrupt_crc", parts) {
        let checksum = payload["dataCrc32c"]
            .as_str()
            .and_then(|text| text.parse::<u32>().ok());
        payload["dataCrc32c"] = (checksum.unwrap_or_default() ^ 1).to_string().into();
    }
    if shared.switched("corrupt_data", parts) {
        let text = payload["data"].as_str().unwrap_or_default();
        let mut data = BASE64_STANDARD.decode(text).unwrap_or_default();
        if let Some(first) = data.first_mut() {
            *first ^= 1;
        }
        payload["data"] = BASE64_STANDARD.encode(data).into();
    }
    if shared.switched("no_crc", parts)
        && let Some(members) = payload.as_object_mut()
    {
        members.remove("dataCrc32c");
    }
}

/// `ENABLED` becomes 1, wherever it stands as a resource's state.
fn number_enums(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let names = match name.as_str() {
                    "state" => VERSION_STATES,
                    "secretType" => SECRET_TYPES,
                    // What users name themselves is theirs.
                    "labels" | "annotations" | "versionAliases" => continue,
                    _ => {
                        number_enums(member);
                        continue;
                    }
                };
                if let Some((_, number)) = names.iter().find(|(own, _)| member == own) {
                    *member = Value::from(*number);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(number_enums),
        _ => {}
    }
}
