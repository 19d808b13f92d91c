use std::time::SystemTime;

/// A well-formed HTTP/1.1 reply, before any fault is done to it.
///
/// `content-length` is set from the body unless the headers hold one (or a `transfer-encoding`) already, which makes a
/// wrong length possible. Headers are sent as given, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// A reply with `status`, no headers and an empty body.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A `200` reply whose body is `value` as JSON, with the content type that goes with it.
    pub fn json(value: &serde_json::Value) -> Self {
        Self::new(200)
            .header("content-type", "application/json")
            .body(value.to_string())
    }

    /// The same reply with another status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Adds a header. It is written as given, even if HTTP forbids it.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Replaces the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Adds the header, or headers, of a [`RetryAfter`].
    #[must_use]
    pub fn retry_after(self, hint: RetryAfter) -> Self {
        match hint.into_header() {
            Some((name, value)) => self.header(name, value),
            None => self,
        }
    }

    /// The bytes up to and with the empty line. `framing` is the header that tells the length, if any.
    pub(super) fn head(&self, framing: Option<(&str, String)>) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            head.push_str(name);
            head.push_str(": ");
            head.push_str(value);
            head.push_str("\r\n");
        }
        if let Some((name, value)) = framing
            && !self.has_own_framing()
        {
            head.push_str(name);
            head.push_str(": ");
            head.push_str(&value);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    fn has_own_framing(&self) -> bool {
        self.headers.iter().any(|(name, _)| {
            name.eq_ignore_ascii_case("content-length")
                || name.eq_ignore_ascii_case("transfer-encoding")
        })
    }

    /// Whether HTTP allows this status to have a body at all.
    pub(super) fn has_framing(&self) -> bool {
        !matches!(self.status, 100..=199 | 204 | 304)
    }
}

/// The wait that a throttling server asks for, in each of the spellings seen in the wild.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryAfter {
    /// No header at all.
    Absent,
    /// `Retry-After` in seconds, as HTTP defines it.
    Seconds(u64),
    /// `Retry-After` as an HTTP date, whole seconds in UTC.
    Date(SystemTime),
    /// `retry-after-ms`, milliseconds, as Azure sends it.
    Millis(u64),
    /// `x-ms-retry-after-ms`, milliseconds, as Azure sends it.
    MsMillis(u64),
    /// `x-amz-retry-after`, milliseconds, as AWS sends it.
    AmzMillis(u64),
    /// `Retry-After` with text that is neither a number nor a date: `-5`, `soon`, `1e9`, an empty string.
    Garbage(String),
}

impl RetryAfter {
    fn into_header(self) -> Option<(&'static str, String)> {
        match self {
            Self::Absent => None,
            Self::Seconds(seconds) => Some(("retry-after", seconds.to_string())),
            Self::Date(at) => Some(("retry-after", httpdate::fmt_http_date(at))),
            Self::Millis(millis) => Some(("retry-after-ms", millis.to_string())),
            Self::MsMillis(millis) => Some(("x-ms-retry-after-ms", millis.to_string())),
            Self::AmzMillis(millis) => Some(("x-amz-retry-after", millis.to_string())),
            Self::Garbage(text) => Some(("retry-after", text)),
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}
