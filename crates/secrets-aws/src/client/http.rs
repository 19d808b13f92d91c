//! The transport as the HTTP client of AWS's SDK.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient as SdkClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{
    HttpRequest as SdkRequest, HttpResponse as SdkResponse,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use secrets_core::{Error, ErrorKind, SecretValue};
use secrets_provider::{ClientOptions, HttpClient, HttpRequest, HttpResponse, Transport, Url};

/// Headers of a signed request that hold a credential.
const SENSITIVE: [&str; 5] = [
    "authorization",
    "x-amz-security-token",
    "x-aws-ec2-metadata-token",
    "x-amz-sso_bearer_token",
    "x-amz-sso-bearer-token",
];

/// The HTTP client that AWS's SDK is given. Clones share their connections.
#[derive(Clone)]
pub(crate) struct AwsHttpClient(Arc<Shared>);

struct Shared {
    transport: Transport,
    options: ClientOptions,
    connectors: Mutex<Vec<(Timeouts, SharedHttpConnector)>>,
}

/// To connect, and to read.
type Timeouts = (Option<Duration>, Option<Duration>);

impl AwsHttpClient {
    /// Sets nothing up before the first request.
    ///
    /// Timeouts that the SDK asks for, such as those for the metadata service, replace those of the options. A failure
    /// below HTTP comes back as a [`secrets_core::Error`] inside the SDK's `ConnectorError`.
    pub(crate) fn new(transport: Transport, options: ClientOptions) -> Self {
        Self(Arc::new(Shared {
            transport,
            options,
            connectors: Mutex::default(),
        }))
    }
}

impl fmt::Debug for AwsHttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AwsHttpClient(..)")
    }
}

impl SdkClient for AwsHttpClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let timeouts = (settings.connect_timeout(), settings.read_timeout());
        let mut connectors = self
            .0
            .connectors
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((_, connector)) = connectors.iter().find(|(known, _)| *known == timeouts) {
            return connector.clone();
        }
        let connector = SharedHttpConnector::new(Connector(self.0.client(timeouts)));
        connectors.push((timeouts, connector.clone()));
        connector
    }
}

impl Shared {
    fn client(&self, (connect, read): Timeouts) -> secrets_core::Result<HttpClient> {
        let mut options = self.options.clone();
        options.connect_timeout = connect.unwrap_or(options.connect_timeout);
        if let Some(read) = read {
            options.request_timeout = options.connect_timeout + read;
        }
        self.transport.client(options)
    }
}

struct Connector(secrets_core::Result<HttpClient>);

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector(..)")
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: SdkRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let client = client.map_err(user)?;
            let response = client.send(ours(request)?).await.map_err(failed)?;
            theirs(response)
        })
    }
}

fn ours(request: SdkRequest) -> Result<HttpRequest, ConnectorError> {
    let unusable = |what: &'static str| {
        move || {
            user(Error::new(
                ErrorKind::Unexpected,
                format!("AWS's SDK made a request {what}"),
            ))
        }
    };
    let url = Url::parse(request.uri())
        .ok()
        .ok_or_else(unusable("without a usable URL"))?;
    let body = match request.body().bytes() {
        Some([]) => None,
        Some(bytes) => Some(SecretValue::from(bytes)),
        None => return Err(unusable("with a body that is a stream")()),
    };
    let request = request
        .try_into_http1x()
        .ok()
        .ok_or_else(unusable("that is not HTTP"))?;
    let (mut parts, _) = request.into_parts();
    for name in SENSITIVE {
        if let Some(header) = parts.headers.get_mut(name) {
            header.set_sensitive(true);
        }
    }
    Ok(HttpRequest::from_parts(
        parts.method,
        url,
        parts.headers,
        body,
    ))
}

fn theirs(response: HttpResponse) -> Result<SdkResponse, ConnectorError> {
    let (status, headers, body) = response.into_parts();
    let mut answer = http::Response::new(SdkBody::from(body));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    SdkResponse::try_from(answer).map_err(|_| {
        let error = Error::new(
            ErrorKind::InvalidResponse,
            "the answer has headers that are not text",
        );
        ConnectorError::other(error.into(), None)
    })
}

fn user(error: Error) -> ConnectorError {
    ConnectorError::user(error.into())
}

/// The SDK's chain of credentials goes on to the next source where this one cannot be reached.
fn failed(error: Error) -> ConnectorError {
    match error.kind() {
        ErrorKind::Timeout => ConnectorError::timeout(error.into()),
        ErrorKind::Unavailable => ConnectorError::io(error.into()),
        _ => ConnectorError::other(error.into(), None),
    }
}
