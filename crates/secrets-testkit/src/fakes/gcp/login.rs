//! How a client comes to a token: by a signed assertion, a refresh token, the exchange of someone else's token, or in the
//! place of a service account.

use std::sync::Arc;

use axum::body::{Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::api::{authenticate, pairs};
use super::error::{ApiError, json_response, page};
use super::format::{parse_duration, rfc3339};
use super::schema::{Field, Kind, Schema, field};
use super::shared::Shared;
use super::tokens::{CLOUD_PLATFORM, LIFE, Service, verify};

const TOKEN_ENDPOINT: &str = "https://oauth2.googleapis.com/token";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

static IMPERSONATION_FIELDS: &[Field] = &[
    field("scope", Kind::Repeated(&Kind::Text)),
    field("lifetime", Kind::Duration),
    field("delegates", Kind::Repeated(&Kind::Text)),
];
static IMPERSONATION: Schema = Schema {
    fields: IMPERSONATION_FIELDS,
};

/// OAuth's shape of an error.
struct Refused {
    status: u16,
    error: &'static str,
    description: &'static str,
}

impl Refused {
    fn new(status: u16, error: &'static str, description: &'static str) -> Self {
        Self {
            status,
            error,
            description,
        }
    }

    fn into_response(self) -> Response {
        let value = json!({"error": self.error, "error_description": self.description});
        json_response(self.status, &value)
    }
}

/// What a fault says here.
pub(super) fn refused(status: u16) -> Response {
    let (error, description) = match status {
        400 => ("invalid_grant", "Bad Request"),
        401 => ("invalid_client", "The OAuth client was not found."),
        429 => ("rate_limit_exceeded", "Too many requests."),
        500..=599 => ("internal_failure", "The service failed."),
        _ => ("invalid_request", "Bad Request"),
    };
    Refused::new(status, error, description).into_response()
}

/// `POST /token`, which is `https://oauth2.googleapis.com/token`.
pub(super) async fn token(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, 1 << 16).await else {
        return page(413, "Request Entity Too Large");
    };
    let granted = Form::read(&parts.headers, &body).and_then(|form| {
        if shared.switched("invalid_grant", &parts) {
            return Err(Refused::new(
                400,
                "invalid_grant",
                "Invalid grant: account not found",
            ));
        }
        match form.get("grant_type") {
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => by_assertion(&shared, &form),
            "refresh_token" => by_refresh_token(&shared, &form),
            _ => Err(Refused::new(
                400,
                "unsupported_grant_type",
                "Invalid grant_type",
            )),
        }
    });
    match granted {
        Ok(value) => json_response(200, &value),
        Err(refused) => refused.into_response(),
    }
}

fn by_assertion(shared: &Shared, form: &Form) -> Result<Value, Refused> {
    form.only(&["grant_type", "assertion"])?;
    let claims = verify(form.get("assertion"), &shared.account).ok_or(Refused::new(
        400,
        "invalid_grant",
        "Invalid JWT Signature.",
    ))?;
    let now = shared.console.time.unix();
    if !claims.is_timely(now) {
        return Err(Refused::new(
            400,
            "invalid_grant",
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat \
             and exp values in the JWT claim.",
        ));
    }
    // Google's own library names the public address, whatever the file says.
    let own = [format!("{}/token", shared.url()), TOKEN_ENDPOINT.to_owned()];
    if claims.aud.is_none_or(|audience| !own.contains(&audience)) {
        return Err(Refused::new(
            400,
            "invalid_grant",
            "Invalid JWT: Failed audience check.",
        ));
    }
    let scopes = claims
        .scope
        .filter(|scopes| !scopes.is_empty())
        .ok_or(Refused::new(
            400,
            "invalid_scope",
            "Invalid OAuth scope or ID token audience provided.",
        ))?;
    let token = shared.tokens().issue(now, LIFE, &scopes);
    Ok(json!({"access_token": token, "expires_in": LIFE - 1, "token_type": "Bearer"}))
}

fn by_refresh_token(shared: &Shared, form: &Form) -> Result<Value, Refused> {
    form.only(&[
        "grant_type",
        "client_id",
        "client_secret",
        "refresh_token",
        "scope",
    ])?;
    let user = &shared.user;
    if form.get("client_id") != user.client_id {
        return Err(Refused::new(
            401,
            "invalid_client",
            "The OAuth client was not found.",
        ));
    }
    if form.get("client_secret") != user.client_secret {
        return Err(Refused::new(401, "invalid_client", "Unauthorized"));
    }
    if form.get("refresh_token") != user.refresh_token {
        return Err(Refused::new(
            400,
            "invalid_grant",
            "Token has been expired or revoked.",
        ));
    }
    let scopes = match form.get("scope") {
        "" => CLOUD_PLATFORM,
        scopes => scopes,
    };
    let now = shared.console.time.unix();
    let token = shared.tokens().issue(now, LIFE, scopes);
    Ok(
        json!({"access_token": token, "expires_in": LIFE - 1, "scope": scopes, "token_type": "Bearer"}),
    )
}

/// `POST /v1/token`, which is `https://sts.googleapis.com/v1/token`.
pub(super) async fn exchange(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match Form::read(&headers, &body).and_then(|form| exchanged(&shared, &form)) {
        Ok(value) => json_response(200, &value),
        Err(refused) => refused.into_response(),
    }
}

fn exchanged(shared: &Shared, form: &Form) -> Result<Value, Refused> {
    form.only(&[
        "grant_type",
        "audience",
        "scope",
        "requested_token_type",
        "subject_token",
        "subject_token_type",
        "options",
    ])?;
    let wrong = |description| Refused::new(400, "invalid_request", description);
    if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:token-exchange" {
        return Err(Refused::new(
            400,
            "unsupported_grant_type",
            "Invalid grant_type",
        ));
    }
    if form.get("requested_token_type") != ACCESS_TOKEN {
        return Err(wrong("Invalid requested_token_type"));
    }
    if form.get("subject_token_type") != JWT {
        return Err(wrong("Invalid subject_token_type"));
    }
    if form.get("audience") != shared.audience() {
        return Err(Refused::new(
            400,
            "invalid_target",
            "The target service indicated by the \"audience\" parameters is invalid.",
        ));
    }
    if form.get("subject_token") != shared.subject_token().as_str() {
        return Err(Refused::new(
            400,
            "invalid_grant",
            "The given credential is rejected by the attribute condition.",
        ));
    }
    let scope = form.get("scope");
    if scope.is_empty() {
        return Err(Refused::new(400, "invalid_scope", "Invalid OAuth scope"));
    }
    let now = shared.console.time.unix();
    let token = shared.tokens().issue(now, LIFE, scope);
    Ok(json!({
        "access_token": token,
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": LIFE,
    }))
}

/// `POST …/serviceAccounts/EMAIL:generateAccessToken`, of the IAM Credentials API.
pub(super) async fn impersonate(
    State(shared): State<Arc<Shared>>,
    Path(account): Path<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, 1 << 16).await else {
        return page(413, "Request Entity Too Large");
    };
    let Some(email) = account.strip_suffix(":generateAccessToken") else {
        return page(404, "Not Found");
    };
    match impersonated(&shared, &parts, email, &body) {
        Ok(value) => json_response(200, &value),
        Err(error) => error.into_response(),
    }
}

fn impersonated(
    shared: &Shared,
    parts: &Parts,
    email: &str,
    body: &[u8],
) -> Result<Value, ApiError> {
    authenticate(shared, parts, Service::Iam, "GenerateAccessToken")?;
    if email != shared.account.email() {
        let resource = format!("projects/-/serviceAccounts/{email}");
        return Err(ApiError::permission_denied(
            "iam.serviceAccounts.getAccessToken",
            &resource,
        ));
    }
    let value: Value = serde_json::from_slice(body).map_err(|_| {
        ApiError::invalid_argument("Invalid JSON payload received. Unexpected token.")
    })?;
    let read = IMPERSONATION
        .read(&value, "")
        .map_err(|found| ApiError::violations(&found))?;
    let scopes: Vec<&str> = read
        .get("scope")
        .and_then(Value::as_array)
        .map(|scopes| scopes.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    if scopes.is_empty() {
        return Err(ApiError::invalid_argument(
            "Request contains an invalid argument: scope is required.",
        ));
    }
    let life = match read
        .get("lifetime")
        .and_then(Value::as_str)
        .and_then(parse_duration)
    {
        None => LIFE,
        Some(life) => u64::try_from(life.as_secs())
            .ok()
            .filter(|life| (1..=LIFE).contains(life))
            .ok_or_else(|| {
                ApiError::invalid_argument("The lifetime must be at most 3600 seconds.")
            })?,
    };
    let now = shared.console.time.unix();
    let token = shared.tokens().issue(now, life, &scopes.join(" "));
    let until = i64::try_from(now + life)
        .ok()
        .and_then(|until| Timestamp::from_second(until).ok());
    Ok(json!({"accessToken": token, "expireTime": rfc3339(until.unwrap_or(Timestamp::MAX))}))
}

/// What was posted as a form.
struct Form(Vec<(String, String)>);

impl Form {
    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refused> {
        let is_form = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
        let text = std::str::from_utf8(body).ok().filter(|_| is_form);
        text.map(|text| Self(pairs(text))).ok_or(Refused::new(
            400,
            "invalid_request",
            "The request is not a form.",
        ))
    }

    fn get(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
            .unwrap_or_default()
    }

    /// Each known name at most once, and no other.
    fn only(&self, known: &[&str]) -> Result<(), Refused> {
        let mut seen = Vec::new();
        for (name, _) in &self.0 {
            if !known.contains(&name.as_str()) || seen.contains(&name) {
                return Err(Refused::new(
                    400,
                    "invalid_request",
                    "Unknown or repeated parameter",
                ));
            }
            seen.push(name);
        }
        Ok(())
    }
}
