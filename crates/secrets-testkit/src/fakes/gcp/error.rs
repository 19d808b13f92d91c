use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::schema::Violation;
use crate::fakes::faults::StatusFault;

/// An answer that is not a success, in the shape of `google.rpc.Status`.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    http: u16,
    status: String,
    message: String,
    details: Vec<Value>,
    retry_after: Option<u64>,
}

impl ApiError {
    fn new(http: u16, status: &str, message: impl Into<String>) -> Self {
        Self {
            http,
            status: status.to_owned(),
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
        let lines: Vec<&str> = found
            .iter()
            .map(|violation| violation.description.as_str())
            .collect();
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
        let message = format!(
            "Permission '{permission}' denied for resource '{resource}' (or it may not exist)."
        );
        Self::new(403, "PERMISSION_DENIED", message).with_info(
            "IAM_PERMISSION_DENIED",
            "iam.googleapis.com",
            &json!({"permission": permission, "resource": resource}),
        )
    }

    /// A call that is to be counted for a project that the caller has no part in.
    pub(super) fn user_project_denied(project: &str) -> Self {
        let message = format!(
            "Caller does not have required permission to use project {project}. Grant the caller the \
             roles/serviceusage.serviceUsageConsumer role, or a custom role with the serviceusage.services.use permission."
        );
        // What helps people comes first.
        Self::new(403, "PERMISSION_DENIED", message)
            .with_detail(json!({
                "@type": "type.googleapis.com/google.rpc.Help",
                "links": [{
                    "description": "Google developer console IAM admin",
                    "url": "https://console.developers.google.com/iam-admin/iam/project",
                }],
            }))
            .with_info(
                "USER_PROJECT_DENIED",
                "googleapis.com",
                &json!({
                    "service": "secretmanager.googleapis.com",
                    "consumer": format!("projects/{project}"),
                }),
            )
    }

    /// A token that does not cover the service.
    pub(super) fn scope_insufficient(method: &str) -> Self {
        let message = "Request had insufficient authentication scopes.";
        Self::new(403, "PERMISSION_DENIED", message).with_info(
            "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
            "googleapis.com",
            &called(method),
        )
    }

    pub(super) fn unauthenticated(reason: &str, method: &str) -> Self {
        let begin = match reason {
            "CREDENTIALS_MISSING" => "Request is missing required authentication credential.",
            _ => "Request had invalid authentication credentials.",
        };
        let message = format!(
            "{begin} Expected OAuth 2 access token, login cookie or other valid authentication credential."
        );
        Self::new(401, "UNAUTHENTICATED", message).with_info(
            reason,
            "googleapis.com",
            &called(method),
        )
    }

    /// Too many requests of this project.
    pub(super) fn exhausted(reason: &str) -> Self {
        let message = "Quota exceeded for quota metric 'Access requests' and limit 'Access requests per minute' of \
                       service 'secretmanager.googleapis.com'.";
        Self::new(429, "RESOURCE_EXHAUSTED", message).with_info(
            reason,
            "googleapis.com",
            &json!({"service": "secretmanager.googleapis.com", "quota_unit": "1/min/{project}"}),
        )
    }

    /// What a fault asks for.
    pub(super) fn from_fault(fault: &StatusFault, path: &str) -> Self {
        let code = fault.code.as_deref();
        let resource = path.trim_start_matches("/v1/");
        let mut error = match (fault.status, code) {
            (401, code) => Self::unauthenticated(
                code.unwrap_or("ACCESS_TOKEN_EXPIRED"),
                "AccessSecretVersion",
            ),
            (403, None) => Self::permission_denied("secretmanager.versions.access", resource),
            (429, code) => Self::exhausted(code.unwrap_or("RATE_LIMIT_EXCEEDED")),
            (status, code) => {
                let (name, message) = error_for(status);
                Self::new(status, code.unwrap_or(name), message)
            }
        };
        if let Some(seconds) = fault.retry_after {
            error = error.with_retry_info(seconds).with_retry_after(seconds);
        }
        error
    }

    /// Seconds to wait, in the body: the way of Google's APIs.
    pub(super) fn with_retry_info(self, seconds: u64) -> Self {
        self.with_detail(json!({
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": format!("{seconds}s"),
        }))
    }

    /// Seconds to wait, in a header: the way of Google's front ends.
    pub(super) fn with_retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    fn with_info(self, reason: &str, domain: &str, metadata: &Value) -> Self {
        self.with_detail(json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "domain": domain,
            "metadata": metadata,
        }))
    }

    fn with_detail(mut self, detail: Value) -> Self {
        self.details.push(detail);
        self
    }

    pub(super) fn into_message(self) -> String {
        self.message
    }

    pub(super) fn into_response(self) -> Response {
        let mut error = json!({"code": self.http, "message": self.message, "status": self.status});
        if !self.details.is_empty() {
            error["details"] = Value::Array(self.details);
        }
        let mut response = json_response(self.http, &json!({ "error": error }));
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.http == 401 {
            let challenge =
                HeaderValue::from_static(r#"Bearer realm="https://accounts.google.com/""#);
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

fn called(method: &str) -> Value {
    json!({
        "service": "secretmanager.googleapis.com",
        "method": format!("google.cloud.secretmanager.v1.SecretManagerService.{method}"),
    })
}

/// The canonical status of an HTTP status, and what is said with it.
fn error_for(status: u16) -> (&'static str, &'static str) {
    match status {
        400 => ("INVALID_ARGUMENT", "Request contains an invalid argument."),
        403 => ("PERMISSION_DENIED", "The caller does not have permission"),
        404 => ("NOT_FOUND", "Requested entity was not found."),
        409 => ("ABORTED", "The operation was aborted."),
        499 => ("CANCELLED", "The operation was cancelled."),
        501 => (
            "UNIMPLEMENTED",
            "Operation is not implemented, or supported, or enabled.",
        ),
        503 => ("UNAVAILABLE", "The service is currently unavailable."),
        504 => (
            "DEADLINE_EXCEEDED",
            "Deadline expired before operation could complete.",
        ),
        500..=599 => ("INTERNAL", "Internal error encountered."),
        _ => ("UNKNOWN", "Unknown error."),
    }
}

pub(super) fn json_response(status: u16, value: &Value) -> Response {
    // The service writes for people by default otherwise, and a client must read it so.
    respond(
        status,
        "application/json; charset=UTF-8",
        format!("{value:#}\n"),
    )
}

/// What stands before the service answers when it knows no such path: a page, not JSON.
pub(super) fn page(status: u16, title: &str) -> Response {
    let text = format!(
        "<!DOCTYPE html>\n<html lang=en>\n<title>Error {status} ({title})</title>\n<p>{title}.\n"
    );
    respond(status, "text/html; charset=UTF-8", text)
}

pub(super) fn respond(status: u16, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
