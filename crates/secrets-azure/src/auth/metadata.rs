//! Managed identities: a token from the machine itself. Ours, since the SDK's reads the process's environment, repeats
//! requests to virtual machines for up to 72 seconds whatever its options say, and puts whole bodies into its errors.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use secrets_core::{Clock, Error, ErrorKind, Result, SecretValue};
use secrets_provider::{
    HeaderName, HeaderValue, HttpClient, HttpRequest, HttpResponse, Method, Url, decode, header,
    sensitive_header,
};

use super::Token;
use crate::error;
use crate::wire::IdentityToken;

const METADATA: HeaderName = HeaderName::from_static("metadata");
const IDENTITY_HEADER: HeaderName = HeaderName::from_static("x-identity-header");
/// Both kinds of hosts know it.
const API_VERSION: &str = "2019-08-01";
/// A token's answer has a few kilobytes.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// Where the machine gives tokens.
pub(crate) enum Endpoint {
    /// The metadata service of virtual machines, and of what looks like one.
    Machine(Url),
    /// App Service, functions and containers: an address in the environment, and a secret that shows who asks.
    AppService(Url, SecretValue),
}

/// The identity of the machine.
pub(crate) struct ManagedIdentity {
    pub(crate) endpoint: Endpoint,
    /// Of a user-assigned identity.
    pub(crate) client_id: Option<String>,
    /// For tokens. It uses no proxy.
    pub(crate) http: HttpClient,
    /// For the question whether there is such a service: with a short limit, and no proxy.
    pub(crate) probe: HttpClient,
    pub(crate) clock: Arc<dyn Clock>,
}

impl fmt::Debug for ManagedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ManagedIdentity")
    }
}

impl ManagedIdentity {
    /// Whether the machine has such a service. Without the header that every request for a token carries, it answers at
    /// once with a refusal, or says that it is busy; elsewhere nothing answers, or the service of another cloud, which has
    /// the same address.
    pub(crate) async fn is_there(&self) -> bool {
        match &self.endpoint {
            Endpoint::AppService(..) => true,
            Endpoint::Machine(url) => {
                let request =
                    HttpRequest::new(Method::GET, url.clone()).with_body_limit(MAX_ANSWER_BYTES);
                let answer = self.probe.send(request).await;
                answer.is_ok_and(|answer| !is_of_another_cloud(&answer))
            }
        }
    }

    pub(crate) async fn token(&self, scope: &str) -> Result<Token> {
        let resource = scope.strip_suffix("/.default").unwrap_or(scope);
        let (mut url, header) = match &self.endpoint {
            Endpoint::Machine(url) => (url.clone(), None),
            Endpoint::AppService(url, secret) => {
                let header = sensitive_header(secret, "IDENTITY_HEADER")?;
                (url.clone(), Some(header))
            }
        };
        url.query_pairs_mut()
            .append_pair("api-version", API_VERSION)
            .append_pair("resource", resource);
        if let Some(client_id) = &self.client_id {
            url.query_pairs_mut().append_pair("client_id", client_id);
        }
        let mut request = HttpRequest::new(Method::GET, url)
            .with_header(METADATA, HeaderValue::from_static("true"))
            .with_body_limit(MAX_ANSWER_BYTES);
        if let Some(header) = header {
            request = request.with_header(IDENTITY_HEADER, header);
        }
        let response = self.http.send(request).await?;
        if !response.status.is_success() {
            return Err(error::from_identity(&response, self.clock.wall()));
        }
        let token: IdentityToken<'_> = decode(&response.body)?;
        let from_now = token.expires_in().map(Duration::from_secs);
        let life = from_now.or_else(|| {
            let until = UNIX_EPOCH.checked_add(Duration::from_secs(token.expires_on()?))?;
            Some(until.duration_since(self.clock.wall()).unwrap_or_default())
        });
        Ok(Token {
            value: token.access_token.as_ref().into(),
            life: life.ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidResponse,
                    "the metadata service gives a token without an end",
                )
            })?,
        })
    }
}

/// The metadata services of Amazon and Google say who they are.
fn is_of_another_cloud(answer: &HttpResponse) -> bool {
    let server = answer.headers.get(header::SERVER);
    let server = server
        .and_then(|server| server.to_str().ok())
        .unwrap_or_default();
    answer.headers.contains_key("metadata-flavor")
        || ["EC2ws", "Metadata Server for VM"].contains(&server)
}
