//! Sends single requests, with or without a token, and knows nothing of logins.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use secrets_core::{Clock, Result, SecretValue};
use secrets_provider::{
    BaseUrl, HeaderValue, HttpClient, HttpRequest, HttpResponse, Method, encode_segment, header,
};

use crate::error::{self, Asked};

/// A server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) http: HttpClient,
    pub(crate) base: BaseUrl,
    pub(crate) clock: Arc<dyn Clock>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.base)
    }
}

/// One request: a path below `api/`, its segments encoded.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    query: String,
    body: Option<SecretValue>,
    pub(crate) asked: Asked,
}

impl Call {
    pub(crate) fn get(path: impl Into<String>, asked: Asked) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            query: String::new(),
            body: None,
            asked,
        }
    }

    pub(crate) fn with_body(
        method: Method,
        path: impl Into<String>,
        body: SecretValue,
        asked: Asked,
    ) -> Self {
        Self {
            method,
            path: path.into(),
            query: String::new(),
            body: Some(body),
            asked,
        }
    }

    pub(crate) fn with_query(mut self, key: &str, value: &str) -> Self {
        let separator = if self.query.is_empty() { "" } else { "&" };
        self.query
            .push_str(&format!("{separator}{key}={}", encode_segment(value)));
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
        let mut url = self.base.join(&format!("api/{}", call.path));
        url.set_query((!call.query.is_empty()).then_some(call.query.as_str()));
        let mut request = HttpRequest::new(call.method.clone(), url);
        if let Some(token) = token {
            request = request.with_header(header::AUTHORIZATION, token.clone());
        }
        if let Some(body) = &call.body {
            request = request.with_json(body.clone());
        }
        self.http.send(request).await
    }

    pub(crate) fn check(&self, response: HttpResponse, asked: Asked) -> Result<HttpResponse> {
        if response.status.is_success() {
            Ok(response)
        } else {
            Err(error::from_response(&response, asked, self.now()))
        }
    }
}
