use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::AzureOptions;
use super::assertion::Unfit;
use super::query::{find, pairs};
use super::random::random_uuid;
use super::state::Service;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// `GET /{tenant}/v2.0/.well-known/openid-configuration`.
pub(super) async fn discovery(
    State(service): State<Arc<Service>>,
    Path(tenant): Path<String>,
) -> Response {
    if tenant != service.options.tenant_id {
        return Denial::tenant(&tenant).into_response();
    }
    let base = service.base();
    let tenant = &service.options.tenant_id;
    Json(json!({
        "token_endpoint": format!("{base}/{tenant}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{base}/{tenant}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": format!("{base}/{tenant}/v2.0"),
        "authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/authorize"),
        "end_session_endpoint": format!("{base}/{tenant}/oauth2/v2.0/logout"),
    }))
    .into_response()
}

/// `POST /{tenant}/oauth2/v2.0/token` with the client credentials grant.
pub(super) async fn token(
    State(service): State<Arc<Service>>,
    Path(tenant): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let faults = &service.console.faults;
    let secret_expired = faults.take_switch("expired_client_secret", &method, uri.path());
    match grant(&service, &tenant, &headers, &body, secret_expired) {
        Ok(resource) => {
            let life = service.options.token_life;
            let token = service.issue(&resource);
            Json(json!({
                "token_type": "Bearer",
                "expires_in": life.as_secs(),
                "ext_expires_in": life.as_secs(),
                "access_token": token,
            }))
            .into_response()
        }
        Err(denial) => denial.into_response(),
    }
}

/// The resource that the token is for.
fn grant(
    service: &Service,
    tenant: &str,
    headers: &HeaderMap,
    body: &str,
    secret_expired: bool,
) -> Result<String, Denial> {
    let options = &service.options;
    if tenant != options.tenant_id {
        return Err(Denial::tenant(tenant));
    }
    let is_form = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
    let form = is_form.then(|| pairs(body)).flatten().unwrap_or_default();
    let needed = |name: &str| {
        find(&form, name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| {
                Denial::new(
                    "invalid_request",
                    900_144,
                    format!("The request body must contain the following parameter: '{name}'."),
                )
            })
    };
    let grant_type = needed("grant_type")?;
    if grant_type != "client_credentials" {
        return Err(Denial::new(
            "unsupported_grant_type",
            70_003,
            format!("The app requested an unsupported grant type '{grant_type}'."),
        ));
    }
    let client = needed("client_id")?;
    if client != options.client_id {
        return Err(Denial::new(
            "unauthorized_client",
            700_016,
            format!(
                "Application with identifier '{client}' was not found in the directory '{tenant}'."
            ),
        ));
    }
    let scope = needed("scope")?;
    let resource = scope.strip_suffix("/.default").ok_or_else(|| {
        Denial::new(
            "invalid_scope",
            1_002_012,
            format!(
                "The provided value for scope {scope} is not valid. Client credential flows must have a scope value \
                 with /.default suffixed to the resource identifier (application ID URI)."
            ),
        )
    })?;
    match (
        find(&form, "client_secret"),
        find(&form, "client_assertion"),
    ) {
        (Some(_), _) if secret_expired => Err(Denial::new(
            "invalid_client",
            7_000_222,
            format!("The provided client secret keys for app '{client}' are expired."),
        )),
        (Some(secret), _) if secret == options.client_secret => Ok(()),
        (Some(_), _) => Err(Denial::new(
            "invalid_client",
            7_000_215,
            format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret \
                 value, not the client secret ID, for a secret added to app '{client}'."
            ),
        )),
        (None, Some(assertion)) => {
            if needed("client_assertion_type")? != ASSERTION_TYPE {
                return Err(Denial::new(
                    "invalid_request",
                    900_144,
                    "The request body must contain a valid 'client_assertion_type'.",
                ));
            }
            service
                .issuer
                .check(assertion, service.console.time.unix())
                .map_err(Denial::assertion)
        }
        (None, None) => Err(Denial::new(
            "invalid_client",
            7_000_218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        )),
    }?;
    known_resource(options, resource)?;
    Ok(resource.to_owned())
}

/// Entra gives tokens for any service of Azure; the fake knows two, so that a token for the wrong one can be had.
fn known_resource(options: &AzureOptions, resource: &str) -> Result<(), Denial> {
    if [options.resource.as_str(), "https://management.azure.com"].contains(&resource) {
        return Ok(());
    }
    Err(Denial::new(
        "invalid_resource",
        500_011,
        format!("The resource principal named {resource} was not found in the tenant named fake."),
    ))
}

/// An error answer of Entra.
pub(super) struct Denial {
    status: StatusCode,
    error: &'static str,
    number: u32,
    text: String,
}

impl Denial {
    fn new(error: &'static str, number: u32, text: impl Into<String>) -> Self {
        let status = match error {
            "invalid_client" => StatusCode::UNAUTHORIZED,
            _ => StatusCode::BAD_REQUEST,
        };
        Self {
            status,
            error,
            number,
            text: text.into(),
        }
    }

    fn tenant(tenant: &str) -> Self {
        Self::new(
            "invalid_request",
            90_002,
            format!(
                "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the \
                 correct cloud."
            ),
        )
    }

    fn assertion(unfit: Unfit) -> Self {
        let no_match = "No matching federated identity record found for presented assertion";
        match unfit {
            Unfit::Malformed => Self::new(
                "invalid_request",
                50_027,
                "JWT token is invalid or malformed.",
            ),
            Unfit::Signature => Self::new(
                "invalid_client",
                700_027,
                "The certificate with identifier used to sign the client assertion is not registered on application.",
            ),
            Unfit::Issuer => Self::new("invalid_client", 700_211, format!("{no_match} issuer.")),
            Unfit::Audience => {
                Self::new("invalid_client", 700_212, format!("{no_match} audience."))
            }
            Unfit::Subject => Self::new("invalid_client", 700_213, format!("{no_match} subject.")),
            Unfit::Expired => Self::new(
                "invalid_client",
                700_024,
                "Client assertion is not within its valid time range.",
            ),
        }
    }

    /// What Entra answers when a fault makes it fail with `status`.
    pub(super) fn failure(status: StatusCode) -> Self {
        let (error, number, text) = match status.as_u16() {
            429 => ("temporarily_unavailable", 90_055, "The server is too busy."),
            500.. => (
                "temporarily_unavailable",
                90_033,
                "A transient error has occurred. Please try again.",
            ),
            401 => (
                "invalid_client",
                7_000_215,
                "Invalid client secret provided.",
            ),
            403 => (
                "access_denied",
                53_003,
                "Access has been blocked by Conditional Access policies.",
            ),
            _ => ("invalid_request", 90_002, "The request was refused."),
        };
        Self {
            status,
            error,
            number,
            text: text.to_owned(),
        }
    }

    fn body(&self) -> Value {
        let (trace, correlation) = (random_uuid(), random_uuid());
        let stamp = Timestamp::now().strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        json!({
            "error": self.error,
            "error_description": format!(
                "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}",
                self.number, self.text
            ),
            "error_codes": [self.number],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.number),
        })
    }
}

impl IntoResponse for Denial {
    fn into_response(self) -> Response {
        (self.status, Json(self.body())).into_response()
    }
}

impl fmt::Debug for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AADSTS{}", self.number)
    }
}
