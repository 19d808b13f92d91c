use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use reqwest::{Response, Url};
use secrets_core::{Error, ErrorKind, Result, SecretValue};
use zeroize::{Zeroize, Zeroizing};

use super::error::{self, Sender};
use crate::{SettingNames, WipedBuffer};

/// The largest body of an answer that is read unless a request says otherwise: 32 MiB.
pub const DEFAULT_BODY_LIMIT: usize = 32 * 1024 * 1024;

/// What is reserved for an answer that does not tell its length.
const GUESSED_BODY: usize = 4 * 1024;

/// Sends requests. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct HttpClient {
    client: reqwest::Client,
    sent: Arc<AtomicU64>,
    names: Arc<SettingNames>,
    has_proxy: bool,
}

impl HttpClient {
    pub(crate) fn new(
        client: reqwest::Client,
        sent: Arc<AtomicU64>,
        names: SettingNames,
        has_proxy: bool,
    ) -> Self {
        Self {
            client,
            sent,
            names: Arc::new(names),
            has_proxy,
        }
    }

    /// Sends a request and reads the whole answer. Any status but a redirect is an answer, not an error, and a redirect is one
    /// to those who ask for that. None is ever followed.
    ///
    /// # Errors
    /// - [`ErrorKind::Unavailable`]: no connection, or one that broke.
    /// - [`ErrorKind::Timeout`]: one of the limits in [`ClientOptions`](crate::ClientOptions) has passed.
    /// - [`ErrorKind::InvalidResponse`]: a redirect, a body over the limit, not HTTP.
    /// - [`ErrorKind::InvalidConfig`]: the server's certificate is not to be trusted.
    /// - [`ErrorKind::Unauthenticated`]: the server does not take the client's certificate.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
        let origin = request.url.origin().ascii_serialization();
        self.sent.fetch_add(1, Ordering::Relaxed);
        let mut builder = self
            .client
            .request(request.method, request.url)
            .headers(request.headers);
        if let Some(body) = request.body {
            // The buffer is shared with the request and wiped by whoever drops it last.
            builder = builder.body(Bytes::from_owner(Shared(body)));
        }
        let sender = Sender {
            origin: &origin,
            names: &self.names,
            has_proxy: self.has_proxy,
        };
        let response = builder
            .send()
            .await
            .map_err(|failure| error::from_reqwest(&failure, &sender))?;
        if response.status().is_redirection() && request.redirects == Redirects::AreErrors {
            return Err(error::redirect(&origin, response.headers()));
        }
        read(response, request.body_limit, &sender)
            .await
            .or_else(|failure| match failure {
                ReadFailure::Oversize(answer) if request.oversize_is_answer => Ok(answer),
                ReadFailure::Oversize(_) => Err(error::too_large(request.body_limit, &origin)),
                ReadFailure::Other(error) => Err(error),
            })
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpClient(..)")
    }
}

struct Shared(SecretValue);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.expose_bytes()
    }
}

/// Why a body was not read to its end.
enum ReadFailure {
    /// It is larger than the limit; the answer without its body.
    Oversize(HttpResponse),
    Other(Error),
}

async fn read(
    mut response: Response,
    limit: usize,
    sender: &Sender<'_>,
) -> Result<HttpResponse, ReadFailure> {
    let reported = response.content_length();
    let expected = match reported.map(usize::try_from) {
        None => GUESSED_BODY.min(limit),
        Some(Ok(length)) if length <= limit => length,
        Some(_) => return Err(oversize(&mut response)),
    };
    let mut body = WipedBuffer::with_capacity(expected);
    loop {
        let chunk = response
            .chunk()
            .await
            .map_err(|failure| ReadFailure::Other(error::from_reqwest(&failure, sender)))?;
        let Some(chunk) = chunk else { break };
        if chunk.len() > limit - body.len() {
            return Err(oversize(&mut response));
        }
        body.extend_from_slice(&chunk);
        // Succeeds where nobody else holds the chunk's memory any more.
        if let Ok(mut chunk) = chunk.try_into_mut() {
            chunk.as_mut().zeroize();
        }
    }
    Ok(HttpResponse {
        status: response.status(),
        headers: std::mem::take(response.headers_mut()),
        body: body.into_zeroizing(),
        is_oversize: false,
    })
}

fn oversize(response: &mut Response) -> ReadFailure {
    ReadFailure::Oversize(HttpResponse {
        status: response.status(),
        headers: std::mem::take(response.headers_mut()),
        body: Zeroizing::default(),
        is_oversize: true,
    })
}

/// A request. `Debug` shows neither headers nor body.
#[derive(Clone)]
pub struct HttpRequest {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<SecretValue>,
    body_limit: usize,
    oversize_is_answer: bool,
    redirects: Redirects,
}

/// What an answer is that names another place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Redirects {
    AreErrors,
    AreAnswers,
}

impl HttpRequest {
    /// A request without headers of its own and without a body.
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: None,
            body_limit: DEFAULT_BODY_LIMIT,
            oversize_is_answer: false,
            redirects: Redirects::AreErrors,
        }
    }

    /// A request as an SDK has made it, with its headers as they are.
    pub fn from_parts(
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Option<SecretValue>,
    ) -> Self {
        Self {
            headers,
            body,
            ..Self::new(method, url)
        }
    }

    /// With this header. One that carries a credential comes from [`sensitive_header`].
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// With this body and its content type.
    pub fn with_body(mut self, content_type: &'static str, body: SecretValue) -> Self {
        let content_type = HeaderValue::from_static(content_type);
        self.headers.insert(CONTENT_TYPE, content_type);
        self.body = Some(body);
        self
    }

    /// With a JSON body, as [`encode`](crate::encode) makes it.
    pub fn with_json(self, body: SecretValue) -> Self {
        self.with_body("application/json", body)
    }

    /// Gets a redirect as an answer, for a service that says something else by one. [`refused_redirect`] is the error for any
    /// other.
    ///
    /// [`refused_redirect`]: crate::refused_redirect
    pub fn with_redirects_as_answers(mut self) -> Self {
        self.redirects = Redirects::AreAnswers;
        self
    }

    /// Refuses an answer with a body of more bytes than these.
    pub fn with_body_limit(mut self, limit: usize) -> Self {
        self.body_limit = limit;
        self
    }

    /// Gets an answer whose body is too large as an answer without its body, for a caller that can request less. See
    /// [`HttpResponse::is_oversize`].
    pub fn with_oversize_as_answer(mut self) -> Self {
        self.oversize_is_answer = true;
        self
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpRequest({} {})", self.method, self.url.path())
    }
}

/// An answer that was read to its end. `Debug` shows only the status.
#[non_exhaustive]
pub struct HttpResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; wiped when it is dropped.
    pub body: Zeroizing<Vec<u8>>,
    /// Whether the body exceeds the limit and is left out. Only with [`HttpRequest::with_oversize_as_answer`].
    pub is_oversize: bool,
}

impl HttpResponse {
    /// Status, headers and body, for an SDK that takes `Bytes`. The last handle to the body wipes it.
    pub fn into_parts(self) -> (StatusCode, HeaderMap, Bytes) {
        (
            self.status,
            self.headers,
            Bytes::from_owner(Body(self.body)),
        )
    }
}

struct Body(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpResponse({})", self.status.as_u16())
    }
}

/// A header value that holds a credential: it is left out of `Debug`, and of the tables in which HTTP/2 remembers
/// headers. `what` names it in the error.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] if it is empty or holds a character that no header may hold, such as a line feed.
pub fn sensitive_header(value: &SecretValue, what: &str) -> Result<HeaderValue> {
    let bytes = value.expose_bytes();
    if bytes.is_empty() {
        return Err(
            Error::new(ErrorKind::InvalidConfig, format!("{what} is empty"))
                .with_hint("set it, or leave the setting out"),
        );
    }
    let visible = bytes.iter().all(|byte| (b' '..=b'~').contains(byte));
    let header = visible
        .then(|| HeaderValue::from_bytes(bytes).ok())
        .flatten();
    let mut header = header.ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidConfig,
            format!("{what} holds a control character or one that is not ASCII"),
        )
        .with_hint("a line feed in the middle often means that more than the credential was copied")
    })?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_with_a_control_character_is_refused_and_not_shown() {
        for text in [
            "hunter2\n",
            "hun\nter2",
            "hunter2\0",
            "hünter2",
            "\u{7f}hunter2",
            "",
        ] {
            let error = sensitive_header(&text.into(), "the token").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(!format!("{error:?}").contains("nter2"));
        }
        let header = sensitive_header(&"hunter2".into(), "the token").unwrap();
        assert!(!format!("{header:?}").contains("hunter2"));
    }

    #[test]
    fn debug_shows_no_header_and_no_body() {
        let url = Url::parse("https://host/path?hunter2").unwrap();
        let request = HttpRequest::new(Method::GET, url)
            .with_header(
                http::header::AUTHORIZATION,
                HeaderValue::from_static("hunter2"),
            )
            .with_json("hunter2".into());
        assert_eq!(format!("{request:?}"), "HttpRequest(GET /path)");
    }
}
