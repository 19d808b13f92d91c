use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// An error answer of the vault.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    inner: Option<&'static str>,
    message: String,
}

pub(super) type Outcome<T> = Result<T, Refusal>;

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            inner: None,
            message: message.into(),
        }
    }

    pub(super) fn with_inner(mut self, inner: &'static str) -> Self {
        self.inner = Some(inner);
        self
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadParameter", message)
    }

    pub(super) fn forbidden(inner: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message).with_inner(inner)
    }

    pub(super) fn conflict(inner: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "Conflict", message).with_inner(inner)
    }

    pub(super) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        body(self.status, self.code, self.inner, &self.message)
    }
}

fn body(status: StatusCode, code: &str, inner: Option<&str>, message: &str) -> Response {
    let mut error = json!({ "code": code, "message": message });
    if let Some(inner) = inner {
        error["innererror"] = json!({ "code": inner });
    }
    answer(status, &json!({ "error": error }))
}

/// The vault's answer when a fault makes it fail with `status`; `code` is the inner code, where the status has
/// several, else the code itself.
pub(super) fn failure(status: StatusCode, code: Option<&str>) -> Response {
    let (outer, inner, message) = match (status.as_u16(), code) {
        (401, code) => (
            code.unwrap_or("Unauthorized"),
            None,
            "[TokenExpired] Error validating token: 'S2S12086'.",
        ),
        (403, Some("ForbiddenByFirewall")) => (
            "Forbidden",
            code,
            "Client address is not authorized and caller is not a trusted service.\r\nClient address: 127.0.0.1\r\n\
             Caller: appid=fake\r\nVault: fake;location=fake\r\n",
        ),
        (403, None | Some("ForbiddenByRbac")) => (
            "Forbidden",
            Some("ForbiddenByRbac"),
            "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role \
             definitions were changed recently, please observe propagation time.\r\nCaller: appid=fake\r\n\
             Assignment: (not found)\r\nDecisionReason: 'DeniedWithNoValidRBAC' \r\nVault: fake;location=fake\r\n",
        ),
        (403, Some(_)) => ("Forbidden", code, "Access denied."),
        (409, code) => (
            "Conflict",
            code,
            "The request conflicts with the state of the resource.",
        ),
        (429, code) => (
            code.unwrap_or("Throttled"),
            None,
            "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached",
        ),
        (500, code) => (
            code.unwrap_or("InternalServerError"),
            None,
            "An unexpected error occurred.",
        ),
        (503, code) => (
            code.unwrap_or("ServiceUnavailable"),
            None,
            "The service is unavailable.",
        ),
        (_, code) => (
            code.unwrap_or("BadParameter"),
            None,
            "The request was refused.",
        ),
    };
    body(status, outer, inner, message)
}

/// JSON with the headers that the vault puts on every answer.
pub(super) fn answer(status: StatusCode, body: &Value) -> Response {
    let mut response = (status, body.to_string()).into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    response
}
