//! The transport as the SDK of Azure wants it.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use async_trait::async_trait;
use azure_core::error::ErrorKind as SdkErrorKind;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, Body, Request};
use secrets_core::{Error, ErrorKind, Result, SecretValue};
use secrets_provider::header::{AUTHORIZATION, CONTENT_LENGTH};
use secrets_provider::{
    HeaderMap, HeaderName, HeaderValue, HttpClient, HttpRequest, HttpResponse, Method,
};

/// Headers that hold a credential, besides `Authorization`.
const CREDENTIAL_HEADERS: [&str; 2] = ["x-identity-header", "x-ms-authorization-auxiliary"];

/// An [`HttpClient`] for the clients of `azure_core`. It gives them what it gives everybody: roots that are parsed at the
/// first connection, no redirects, bodies of bounded length, the counter of requests, the proxy and the CAs of the
/// options.
///
/// What goes wrong on the way is an error of ours inside one of theirs, of a kind that no policy of theirs repeats;
/// [`carried_error`] takes it out again.
#[derive(Clone)]
pub(crate) struct AzureHttpClient(HttpClient);

impl AzureHttpClient {
    /// The client that their requests are sent with.
    pub(crate) fn new(client: HttpClient) -> Self {
        Self(client)
    }

    /// Sends a request of theirs, and reads the whole answer into memory that is wiped.
    ///
    /// `authorization` and `body` are sent instead of those that the request holds, for plaintext that must not lie in
    /// memory of theirs.
    ///
    /// # Errors
    /// Those of [`HttpClient::send`]; [`ErrorKind::InvalidConfig`] for a header that HTTP does not allow.
    pub(crate) async fn send(
        &self,
        request: &Request,
        authorization: Option<HeaderValue>,
        body: Option<SecretValue>,
    ) -> Result<HttpResponse> {
        let method = Method::from_bytes(request.method().as_str().as_bytes())
            .map_err(|_| Error::new(ErrorKind::Unexpected, "the request has no method of HTTP"))?;
        let mut outgoing = HttpRequest::new(method, request.url().clone());
        let body = match (body, request.body()) {
            (Some(body), _) => Some(body),
            (None, Body::Bytes(bytes)) if !bytes.is_empty() => Some(bytes[..].into()),
            (None, Body::Bytes(_)) => None,
            (None, Body::SeekableStream(_)) => {
                return Err(Error::new(
                    ErrorKind::Unexpected,
                    "requests with a stream as their body are not sent",
                ));
            }
        };
        let is_empty = body.is_none();
        if let Some(body) = body {
            outgoing = outgoing.with_json(body);
        }
        for (name, value) in request.headers().iter() {
            let (name, value) = header(name.as_str(), value.as_str())?;
            // A body that is exchanged has another length.
            if name != CONTENT_LENGTH || is_empty {
                outgoing = outgoing.with_header(name, value);
            }
        }
        if let Some(authorization) = authorization {
            outgoing = outgoing.with_header(AUTHORIZATION, authorization);
        }
        self.0.send(outgoing).await
    }
}

impl fmt::Debug for AzureHttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AzureHttpClient(..)")
    }
}

#[async_trait]
impl azure_core::http::HttpClient for AzureHttpClient {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let response = self.send(request, None, None).await.map_err(carry_error)?;
        let (status, headers, body) = response.into_parts();
        Ok(AsyncRawResponse::from_bytes(
            status.as_u16().into(),
            azure_headers(&headers),
            body,
        ))
    }
}

/// An error of ours inside one of theirs.
pub(crate) fn carry_error(error: Error) -> azure_core::Error {
    // Their policies repeat errors of the kinds `Io` and `Connection`; retries have one owner, which is not theirs.
    azure_core::Error::with_error(SdkErrorKind::Other, error, "the transport reports an error")
}

/// The error of ours inside one of theirs, wherever they have put it.
pub(crate) fn carried_error(error: &azure_core::Error) -> Option<Error> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(ours) = error.downcast_ref::<Error>() {
            return Some(ours.clone());
        }
        next = match error.downcast_ref::<io::Error>() {
            // `source` skips the error that an I/O error wraps.
            Some(io) => io.get_ref().map(|inner| inner as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    None
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue)> {
    let wrong = || {
        Error::new(
            ErrorKind::InvalidConfig,
            format!("the header {name} would hold a character that HTTP does not allow"),
        )
        .with_hint("check the provider's settings for line feeds and other control characters")
    };
    let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
    let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
    value.set_sensitive(header == AUTHORIZATION || CREDENTIAL_HEADERS.contains(&header.as_str()));
    Ok((header, value))
}

/// Headers as theirs; one that is not text is left out.
pub(crate) fn azure_headers(headers: &HeaderMap) -> Headers {
    let mut theirs = Headers::new();
    for (name, value) in headers {
        if let Ok(value) = value.to_str() {
            theirs.insert(name.as_str().to_owned(), value.to_owned());
        }
    }
    theirs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_found_where_they_put_it() {
        let ours = || Error::new(ErrorKind::RateLimited, "slower");
        let found = |error: &azure_core::Error| carried_error(error).map(|error| error.kind());
        assert_eq!(found(&carry_error(ours())), Some(ErrorKind::RateLimited));
        let wrapped = azure_core::Error::with_error(
            SdkErrorKind::Credential,
            azure_core::Error::with_error(SdkErrorKind::Io, io::Error::other(ours()), "inner"),
            "outer",
        );
        assert_eq!(found(&wrapped), Some(ErrorKind::RateLimited));
        let foreign = azure_core::Error::with_message(SdkErrorKind::Other, "theirs");
        assert_eq!(found(&foreign), None);
    }

    #[test]
    fn credentials_in_headers_are_marked_and_line_feeds_refused() {
        assert!(
            header("authorization", "Bearer t")
                .unwrap()
                .1
                .is_sensitive()
        );
        assert!(header("X-IDENTITY-HEADER", "t").unwrap().1.is_sensitive());
        assert!(
            !header("accept", "application/json")
                .unwrap()
                .1
                .is_sensitive()
        );
        let error = header("authorization", "Bearer hunter2\n").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
