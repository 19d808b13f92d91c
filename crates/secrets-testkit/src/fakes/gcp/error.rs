use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::schema::Violation;

/// An answer that is not a success, in the shape of `google.rpc.Status`.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    http: u16,
    status: &'static str,
    message: String,
    details: Vec<Value>,
    retry_after: Option<String>,
}

impl ApiError {
    fn new(http: u16, status: &'static str, message: impl Into<String>) -> Self {
        Self {
            http,
            status,
            message: message.into(),
            details: Vec::new(),
            retry_after: None,
        }
    }

    pub(super) fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new(400, "INVALID_ARGUMENT", message)
    }

    pub(super) fn failed_precondition(message: impl Into<String>) -> Self {
        Self::new(400, "FAILED_PRECONDITION", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "NOT_FOUND", message)
    }

    pub(super) fn already_exists(message: impl Into<String>) -> Self {
        Self::new(409, "ALREADY_EXISTS", message)
    }

    /// What the JSON parser found, all of it at once.
    pub(super) fn violations(found: &[Violation]) -> Self {
        let lines: Vec<&str> = found.iter().map(|violation| violation.description.as_str()).collect();
        let fields: Vec<Value> = found
            .iter()
            .map(|violation| match violation.field.as_str() {
                "" => json!({"description": violation.description}),
                field => json!({"field": field, "description": violation.description}),
            })
            .collect();
        Self::invalid_argument(lines.join("\n")).with_detail(json!({
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": fields,
        }))
    }

    pub(super) fn permission_denied(permission: &str, resource: &str) -> Self {
        let message = format!("Permission '{permission}' denied on resource (or it may not exist).");
        Self::new(403, "PERMISSION_DENIED", message).with_detail(json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "IAM_PERMISSION_DENIED",
            "domain": "secretmanager.googleapis.com",
            "metadata": {"permission": permission, "resource": resource},
        }))
    }

    /// A token that does not cover the service.
    pub(super) fn scope_insufficient(method: &str) -> Self {
        let message = "Request had insufficient authentication scopes.";
        Self::new(403, "PERMISSION_DENIED", message).with_info("ACCESS_TOKEN_SCOPE_INSUFFICIENT", method)
    }

    pub(super) fn unauthenticated(reason: &'static str, method: &str) -> Self {
        let message = match reason {
            "CREDENTIALS_MISSING" => {
                "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie \
                 or other valid authentication credential."
            }
            _ => {
                "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other \
                 valid authentication credential."
            }
        };
        Self::new(401, "UNAUTHENTICATED", message).with_info(reason, method)
    }

    fn with_info(self, reason: &str, method: &str) -> Self {
        self.with_detail(json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "domain": "googleapis.com",
            "metadata": {
                "service": "secretmanager.googleapis.com",
                "method": format!("google.cloud.secretmanager.v1.SecretManagerService.{method}"),
            },
        }))
    }

    fn with_detail(mut self, detail: Value) -> Self {
        self.details.push(detail);
        self
    }

    pub(super) fn into_response(self) -> Response {
        let mut error = json!({"code": self.http, "message": self.message, "status": self.status});
        if !self.details.is_empty() {
            error["details"] = Value::Array(self.details);
        }
        let mut response = json_response(self.http, &json!({ "error": error }));
        let headers = response.headers_mut();
        if let Some(after) = self.retry_after.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(RETRY_AFTER, after);
        }
        if self.http == 401 {
            let challenge = HeaderValue::from_static(r#"Bearer realm="https://accounts.google.com/""#);
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

pub(super) fn json_response(status: u16, value: &Value) -> Response {
    // The service writes for people unless it is told otherwise, and a client must read it so.
    let text = format!("{value:#}\n");
    respond(status, "application/json; charset=UTF-8", text)
}

/// What stands before the service answers when it knows no such path: a page, not JSON.
pub(super) fn page(status: u16, title: &str) -> Response {
    let text = format!("<!DOCTYPE html>\n<html lang=en>\n<title>Error {status} ({title})</title>\n<p>{title}.\n");
    respond(status, "text/html; charset=UTF-8", text)
}

pub(super) fn respond(status: u16, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
