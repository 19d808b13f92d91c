//! The metadata server of a machine in Google's cloud, which is asked only where there is no other credential.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use secrets_core::{Clock, Error, ErrorKind, Result};
use secrets_provider::{
    BaseUrl, ClientOptions, HeaderName, HeaderValue, HttpClient, HttpRequest, HttpResponse, Method,
    Transport, decode,
};

use super::{AccessToken, TokenSource};
use crate::error;
use crate::wire::Issued;

const DEFAULT_HOST: &str = "metadata.google.internal";
const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");
/// It is one hop away. A laptop, where it is not, must not wait.
const DEADLINE: Duration = Duration::from_secs(1);
/// An account's token and a project's id have a few kilobytes.
const BODY_LIMIT: usize = 64 * 1024;

/// A metadata server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct MetadataServer {
    http: HttpClient,
    base: BaseUrl,
    clock: Arc<dyn Clock>,
    /// Whether it must be there: somebody said where it is, or it has answered before.
    is_expected: Arc<AtomicBool>,
}

impl fmt::Debug for MetadataServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MetadataServer({})", self.base)
    }
}

impl MetadataServer {
    /// `host` is the value of GCE_METADATA_HOST: a host, perhaps with a port.
    pub(crate) fn new(host: Option<&str>, clock: Arc<dyn Clock>) -> Result<Self> {
        let url = format!("http://{}", host.unwrap_or(DEFAULT_HOST));
        let base = BaseUrl::parse(&url).map_err(|_| {
            Error::invalid_config(
                "GCE_METADATA_HOST does not hold a host, such as `127.0.0.1:8080`",
            )
        })?;
        // A transport without an environment: what is asked of one's own machine must not go through a proxy.
        let options = ClientOptions::default()
            .with_connect_timeout(DEADLINE)
            .with_request_timeout(DEADLINE);
        Ok(Self {
            http: Transport::default().client(options)?,
            base,
            clock,
            is_expected: Arc::new(AtomicBool::new(host.is_some())),
        })
    }

    async fn get(&self, path: &str) -> Result<HttpResponse> {
        let request = HttpRequest::new(
            Method::GET,
            self.base.join(&format!("computeMetadata/v1/{path}")),
        )
        .with_header(FLAVOR, HeaderValue::from_static("Google"))
        .with_body_limit(BODY_LIMIT);
        let response = match self.http.send(request).await {
            Ok(response) => response,
            Err(failure) if self.is_expected.load(Ordering::Relaxed) => {
                return Err(Error::new(
                    failure.kind(),
                    format!("the metadata server does not answer: {}", failure.message()),
                )
                .with_hint("check GCE_METADATA_HOST if it is set, and the machine's firewall"));
            }
            Err(_) => return Err(no_credential()),
        };
        // Any machine may have taken the name.
        if response
            .headers
            .get(FLAVOR)
            .is_none_or(|flavor| flavor != "Google")
        {
            return Err(no_credential());
        }
        self.is_expected.store(true, Ordering::Relaxed);
        Ok(response)
    }

    fn refused(&self, response: &HttpResponse) -> Error {
        let hint = "check the service account that is attached to the machine";
        error::from_login(response, hint, self.clock.wall())
    }

    /// The id of the project that the machine belongs to.
    pub(crate) async fn project(&self) -> Result<String> {
        let response = self.get("project/project-id").await?;
        // It is busy, or restarts, now and then; that says nothing of the project.
        if matches!(response.status.as_u16(), 408 | 429 | 500..=599) {
            return Err(self.refused(&response));
        }
        let id = std::str::from_utf8(&response.body).map(str::trim);
        match id {
            Ok(id) if response.status.is_success() && !id.is_empty() => Ok(id.to_owned()),
            _ => Err(
                Error::invalid_config("the metadata server does not know the project")
                    .with_hint("set `project_id`"),
            ),
        }
    }
}

#[async_trait]
impl TokenSource for MetadataServer {
    async fn token(&self) -> Result<AccessToken> {
        let response = self.get("instance/service-accounts/default/token").await?;
        match response.status.as_u16() {
            200 => {
                let issued: Issued<'_> = decode(&response.body)?;
                Ok(AccessToken::new(&*issued.access_token)
                    .with_expires_in(issued.expires_in.map(Duration::from_secs)))
            }
            404 => Err(Error::new(
                ErrorKind::Unauthenticated,
                "the machine has no service account",
            )
            .with_hint("attach one to it, or to its Kubernetes service account")),
            _ => Err(self.refused(&response)),
        }
    }
}

fn no_credential() -> Error {
    Error::new(
        ErrorKind::Unauthenticated,
        "no credential for google cloud",
    )
    .with_hint(
        "log in with `gcloud auth application-default login`, set GOOGLE_APPLICATION_CREDENTIALS, or set `credentials_file`",
    )
}
