use std::time::SystemTime;

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{Method, header};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::error::ApiError;

/// The web framework's limit for a body.
pub(super) const MOST_BODY: usize = 1024 * 1024;

/// The web framework's limit for a part of a path that a route has a name for, in UTF-16 units.
const MOST_PART: usize = 100;

/// One request, taken apart.
pub(super) struct Call {
    pub(super) method: Method,
    /// The decoded parts of the path.
    pub(super) parts: Vec<String>,
    /// Path and query as they were sent.
    pub(super) target: String,
    pub(super) query: Value,
    pub(super) authorization: Option<String>,
    pub(super) now: SystemTime,
    body: Sent,
}

enum Sent {
    Nothing,
    Json(Value),
    Refused,
}

/// Why there is no call at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoCall {
    /// A part of the path cannot be decoded.
    BadPath,
    /// A part of the path is longer than a route takes.
    LongPart,
}

impl Call {
    /// `body` is `None` where it was larger than [`MOST_BODY`].
    pub(super) fn new(head: &Parts, body: Option<&Bytes>, now: SystemTime) -> Result<Self, NoCall> {
        let path = head.uri.path().trim_start_matches('/');
        let path = path.strip_suffix('/').unwrap_or(path);
        let parts = path
            .split('/')
            .map(|part| {
                let decoded = percent_decode_str(part).decode_utf8();
                let decoded = decoded.map_err(|_| NoCall::BadPath)?;
                if part.contains('%') && !is_encoded_rightly(part) {
                    return Err(NoCall::BadPath);
                }
                if decoded.encode_utf16().count() > MOST_PART {
                    return Err(NoCall::LongPart);
                }
                Ok(decoded.into_owned())
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            method: head.method.clone(),
            parts,
            target: head
                .uri
                .path_and_query()
                .map_or_else(|| head.uri.path().to_owned(), ToString::to_string),
            query: read_query(head.uri.query().unwrap_or_default()),
            authorization: head
                .headers
                .get(header::AUTHORIZATION)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned),
            now,
            body: read_body(head, body),
        })
    }

    /// The body as JSON; `null` if there is none. What cannot be read ends in the server's catch-all.
    pub(super) fn body(&self) -> Result<&Value, ApiError> {
        match &self.body {
            Sent::Nothing => Ok(&Value::Null),
            Sent::Json(value) => Ok(value),
            Sent::Refused => Err(ApiError::internal()),
        }
    }
}

fn is_encoded_rightly(part: &str) -> bool {
    part.split('%')
        .skip(1)
        .all(|rest| rest.len() >= 2 && rest.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit))
}

fn read_body(head: &Parts, body: Option<&Bytes>) -> Sent {
    if head.method == Method::GET {
        return Sent::Nothing;
    }
    let is_json = head
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.trim_start().starts_with("application/json"));
    match body {
        Some(bytes) if bytes.is_empty() && !is_json => Sent::Nothing,
        Some(bytes) if is_json => serde_json::from_slice(bytes).map_or(Sent::Refused, Sent::Json),
        _ => Sent::Refused,
    }
}

/// A name that is there twice has a list.
fn read_query(query: &str) -> Value {
    let mut fields = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |text: &str| {
            percent_decode_str(&text.replace('+', " "))
                .decode_utf8_lossy()
                .into_owned()
        };
        let value = Value::String(decode(value));
        match fields.entry(decode(name)) {
            serde_json::map::Entry::Vacant(entry) => {
                entry.insert(value);
            }
            serde_json::map::Entry::Occupied(mut entry) => match entry.get_mut() {
                Value::Array(values) => values.push(value),
                first => *first = Value::Array(vec![first.take(), value]),
            },
        }
    }
    Value::Object(fields)
}
