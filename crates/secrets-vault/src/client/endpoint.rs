//! Sends single requests, with or without a token. Logins live in `auth`.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use secrets_core::{Clock, Result, SecretValue};
use secrets_provider::{
    BaseUrl, HeaderName, HeaderValue, HttpClient, HttpRequest, HttpResponse, Method, StatusCode,
    Url, decode, header, refused_redirect,
};

use super::consistency::WriteIndex;
use crate::error::{self, Purpose};
use crate::wire::HealthInfo;

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
const INDEX: HeaderName = HeaderName::from_static("x-vault-index");
/// What a standby does that has not caught up with the index.
const INCONSISTENT: HeaderName = HeaderName::from_static("x-vault-inconsistent");
/// An agent can require this header, which a browser cannot be lured into sending.
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");

/// A server and one of its namespaces. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) http: HttpClient,
    pub(crate) base: BaseUrl,
    pub(crate) namespace: Option<HeaderValue>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) index: WriteIndex,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.base)
    }
}

/// One request: a path below `v1/`, percent-encoded.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) body: Option<SecretValue>,
    pub(crate) purpose: Purpose,
    /// Whether an answer that is too large is an answer and not an error.
    pub(crate) may_be_oversize: bool,
}

impl Call {
    pub(crate) fn read(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            query: None,
            body: None,
            purpose: Purpose::Read,
            may_be_oversize: false,
        }
    }

    pub(crate) fn post(path: impl Into<String>, body: SecretValue, purpose: Purpose) -> Self {
        Self {
            method: Method::POST,
            path: path.into(),
            query: None,
            body: Some(body),
            purpose,
            may_be_oversize: false,
        }
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self {
            method: Method::DELETE,
            path: path.into(),
            query: None,
            body: None,
            purpose: Purpose::Other,
            may_be_oversize: false,
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

    /// Sends a request. Any status but a redirect is an answer.
    pub(crate) async fn send(
        &self,
        call: &Call,
        token: Option<&HeaderValue>,
    ) -> Result<HttpResponse> {
        let mut url = self.base.join(&format!("v1/{}", call.path));
        url.set_query(call.query.as_deref());
        let mut request = HttpRequest::new(call.method.clone(), url.clone())
            .with_header(REQUEST, HeaderValue::from_static("true"))
            .with_redirects_as_answers();
        if let Some(token) = token {
            request = request.with_header(TOKEN, token.clone());
        }
        if let Some(namespace) = &self.namespace {
            request = request.with_header(NAMESPACE, namespace.clone());
        }
        if let Some(index) = self.index.to_send().await? {
            request = request.with_header(INDEX, index).with_header(
                INCONSISTENT,
                HeaderValue::from_static("forward-active-node"),
            );
        }
        if call.may_be_oversize {
            request = request.with_oversize_as_answer();
        }
        if let Some(body) = &call.body {
            request = request.with_json(body.clone());
        }
        let response = self.http.send(request).await?;
        if call.method != Method::GET && response.status.is_success() {
            self.index.note(&response).await;
        }
        if !response.status.is_redirection() {
            return Ok(response);
        }
        Err(
            match names_the_active_node(&url, &response) && self.is_standby().await {
                true => error::standby(),
                false => refused_redirect(&url, &response.headers),
            },
        )
    }

    /// Whether the server reports that it is a standby. Sends neither token nor namespace.
    async fn is_standby(&self) -> bool {
        let url = self.base.join("v1/sys/health");
        let request = HttpRequest::new(Method::GET, url)
            .with_header(REQUEST, HeaderValue::from_static("true"));
        let Ok(response) = self.http.send(request).await else {
            return false;
        };
        let info = decode::<HealthInfo<'_>>(&response.body);
        info.is_ok_and(|info| info.standby == Some(true))
    }

    /// Sends a request that must succeed.
    pub(crate) async fn send_checked(
        &self,
        call: &Call,
        token: Option<&HeaderValue>,
    ) -> Result<HttpResponse> {
        let response = self.send(call, token).await?;
        self.check(response, call)
    }

    pub(crate) fn check(&self, response: HttpResponse, call: &Call) -> Result<HttpResponse> {
        if response.status.is_success() {
            Ok(response)
        } else {
            Err(error::from_response(
                &response,
                call.purpose,
                &call.path,
                self.now(),
            ))
        }
    }
}

/// Whether a redirect has the form in which a standby names the active node: the same request on another origin.
fn names_the_active_node(requested: &Url, response: &HttpResponse) -> bool {
    let target = response
        .headers
        .get(header::LOCATION)
        .and_then(|location| Url::parse(location.to_str().ok()?).ok());
    response.status == StatusCode::TEMPORARY_REDIRECT
        && target.is_some_and(|target| {
            target.origin() != requested.origin()
                && (target.path(), target.query()) == (requested.path(), requested.query())
        })
}
