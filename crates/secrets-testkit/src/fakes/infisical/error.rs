use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::id;
use super::state::Place;
use crate::fakes::faults::StatusFault;

/// An answer that is not a success, in the server's shape: `reqId`, `statusCode`, `message`, `error`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ApiError {
    status: u16,
    error: String,
    message: Value,
    details: Option<Box<Value>>,
}

impl ApiError {
    fn new(status: u16, error: &str, message: impl Into<Value>) -> Self {
        Self {
            status,
            error: error.to_owned(),
            message: message.into(),
            details: None,
        }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message.into())
    }

    pub(super) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(401, "UnauthorizedError", message.into())
    }

    /// What is wrong with a JSON web token; a 403, as the server's code has it and its documents do not.
    pub(super) fn token(message: impl Into<String>) -> Self {
        Self::new(403, "TokenError", message.into())
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, "ForbiddenError", message.into())
    }

    pub(super) fn denied(action: &str, subject: &str) -> Self {
        Self {
            details: Some(Box::new(json!([]))),
            ..Self::new(
                403,
                "PermissionDenied",
                format!("You are not allowed to {action} on {subject}"),
            )
        }
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "NotFound", message.into())
    }

    /// There is no folder at this place.
    pub(super) fn no_folder(place: &Place) -> Self {
        Self::not_found(format!(
            "Folder with path '{}' in environment with slug '{}' not found",
            place.path, place.environment
        ))
    }

    /// What a schema refused: one entry an issue.
    pub(super) fn validation(issues: Vec<Value>) -> Self {
        Self::new(422, "ValidationFailure", issues)
    }

    pub(super) fn internal() -> Self {
        Self::new(500, "InternalServerError", "Something went wrong")
    }

    pub(super) fn database() -> Self {
        Self::new(500, "DatabaseError", "Something went wrong")
    }

    /// Some errors bear the name of the call that they end.
    #[must_use]
    pub(super) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.error);
        self
    }

    fn throttled(seconds: u64) -> Self {
        Self::new(
            429,
            "RateLimitExceeded",
            format!("Rate limit exceeded. Please try again in {seconds} seconds"),
        )
    }

    fn of_fault(fault: &StatusFault) -> Self {
        let mut error = match fault.status {
            400 => Self::bad_request("The request is invalid"),
            401 => Self::unauthorized("You are not allowed to access this resource"),
            403 => Self::denied("read-value", "secrets"),
            404 => Self::not_found("The requested entity is not found"),
            422 => Self::validation(vec![json!({
                "code": "custom", "path": [], "message": "Invalid input"
            })]),
            429 => Self::throttled(wait(fault)),
            504 => Self::new(504, "GatewayTimeoutError", "Timeout error"),
            status => Self {
                status,
                ..Self::internal()
            },
        };
        if let Some(code) = &fault.code {
            error.error.clone_from(code);
        }
        error
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = json!({
            "reqId": id::request(),
            "statusCode": self.status,
            "message": self.message,
            "error": self.error,
        });
        if let Some(details) = self.details {
            body["details"] = *details;
        }
        json_response(self.status, &body)
    }
}

/// What the web framework under the server says itself: no such route, a path that it cannot decode.
pub(super) fn framework(status: u16, message: &str) -> Response {
    let error = match status {
        404 => "Not Found",
        _ => "Bad Request",
    };
    json_response(
        status,
        &json!({"message": message, "error": error, "statusCode": status}),
    )
}

/// The answer to a fault of the shared console: how long to wait is in the message.
pub(super) fn render(fault: &StatusFault, _path: &str) -> Response {
    ApiError::of_fault(fault).into_response()
}

/// The same, with the wait in a header as well.
pub(super) fn render_with_header(fault: &StatusFault, path: &str) -> Response {
    let mut response = render(fault, path);
    if fault.status == 429 || fault.retry_after.is_some() {
        let seconds = HeaderValue::from(wait(fault));
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

fn wait(fault: &StatusFault) -> u64 {
    fault.retry_after.unwrap_or(60)
}

pub(super) fn json_response(status: u16, body: &Value) -> Response {
    let mut response = body.to_string().into_response();
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    response
}
