//! Sends single requests, with or without a token, and knows nothing of logins.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use secrets_core::{Clock, Result, SecretValue};
use secrets_http::{
    BaseUrl, HeaderName, HeaderValue, HttpClient, HttpRequest, HttpResponse, Method, encode_segment,
};

use crate::error::{self, Asked};

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
/// Agents can be told to serve only requests with this header, which a browser that was lured would not send.
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");

/// A server and a namespace of it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) http: HttpClient,
    pub(crate) base: BaseUrl,
    pub(crate) namespace: Option<HeaderValue>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.base)
    }
}

/// One request: a path below `v1/`, encoded.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) body: Option<SecretValue>,
    pub(crate) asked: Asked,
}

impl Call {
    pub(crate) fn read(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            query: None,
            body: None,
            asked: Asked::Read,
        }
    }

    pub(crate) fn post(path: impl Into<String>, body: SecretValue, asked: Asked) -> Self {
        Self {
            method: Method::POST,
            path: path.into(),
            query: None,
            body: Some(body),
            asked,
        }
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self {
            method: Method::DELETE,
            path: path.into(),
            query: None,
            body: None,
            asked: Asked::Other,
        }
    }

    pub(crate) fn with_query(mut self, query: impl Into<Option<String>>) -> Self {
        self.query = query.into();
        self
    }
}

impl Endpoint {
    pub(crate) fn now(&self) -> SystemTime {
        self.clock.wall()
    }

    /// Sends a request; any status is an answer.
    pub(crate) async fn send(
        &self,
        call: &Call,
        token: Option<&HeaderValue>,
    ) -> Result<HttpResponse> {
        let mut url = self.base.join(&format!("v1/{}", call.path));
        url.set_query(call.query.as_deref());
        let mut request = HttpRequest::new(call.method.clone(), url)
            .with_header(REQUEST, HeaderValue::from_static("true"));
        if let Some(token) = token {
            request = request.with_header(TOKEN, token.clone());
        }
        if let Some(namespace) = &self.namespace {
            request = request.with_header(NAMESPACE, namespace.clone());
        }
        if let Some(body) = &call.body {
            request = request.with_json(body.clone());
        }
        self.http.send(request).await
    }

    /// Sends a request whose answer has to be a success.
    pub(crate) async fn send_checked(
        &self,
        call: &Call,
        token: Option<&HeaderValue>,
    ) -> Result<HttpResponse> {
        let response = self.send(call, token).await?;
        self.check(response, call.asked)
    }

    pub(crate) fn check(&self, response: HttpResponse, asked: Asked) -> Result<HttpResponse> {
        if response.status.is_success() {
            Ok(response)
        } else {
            Err(error::from_response(&response, asked, self.now()))
        }
    }
}

/// A path such as a mount, with each segment encoded.
pub(crate) fn encode_path(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len() + 8);
    for (number, segment) in path.split('/').enumerate() {
        if number > 0 {
            encoded.push('/');
        }
        encoded.push_str(&encode_segment(segment).to_string());
    }
    encoded
}
