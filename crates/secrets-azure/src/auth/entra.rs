//! Logins at Entra, made by the SDK over our transport: an application with a client secret, or with a token of an issuer
//! that it trusts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{AccessToken, Secret, TokenCredential};
use azure_core::http::{
    AsyncRawResponse, ClientMethodOptions, ClientOptions, HttpClient, Request, RetryOptions,
    Transport,
};
use azure_core::time::OffsetDateTime;
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions,
    ClientSecretCredential, ClientSecretCredentialOptions,
};
use secrets_core::{Clock, Error, ErrorKind, Result, SecretValue};
use secrets_provider::NamedFile;

use super::Token;
use crate::client::http::{AzureHttpClient, azure_headers, carry_error};
use crate::error;

/// Where logins go.
#[derive(Debug, Clone)]
pub(crate) struct Entra {
    /// Such as `https://login.microsoftonline.com`.
    pub(crate) authority: String,
    pub(crate) http: AzureHttpClient,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Entra {
    fn client_options(&self) -> ClientOptions {
        let mut cloud = CustomConfiguration::default();
        cloud.authority_host = self.authority.clone();
        ClientOptions {
            retry: RetryOptions::none(),
            transport: Some(Transport::new(Arc::new(LoginHttp(self.clone())))),
            cloud: Some(Arc::new(CloudConfiguration::Custom(cloud))),
            ..ClientOptions::default()
        }
    }
}

/// Turns a refusal into an error of ours before the SDK sees it: it reads only such bodies of refusals as hold no escape,
/// and keeps them whole in its own error.
#[derive(Debug)]
struct LoginHttp(Entra);

#[async_trait]
impl HttpClient for LoginHttp {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let response = self
            .0
            .http
            .send(request, None, None)
            .await
            .map_err(carry_error)?;
        if !response.status.is_success() {
            let failure = error::from_login(&response, self.0.clock.wall());
            return Err(carry_error(failure));
        }
        Ok(AsyncRawResponse::from_bytes(
            response.status.as_u16().into(),
            azure_headers(&response.headers),
            response.body.to_vec(),
        ))
    }
}

/// An application. Created for each login, so a replaced secret or file takes effect, and so the tokens
/// have one owner, which the SDK's own cache would be beside ours.
pub(crate) struct ClientCredential {
    pub(crate) entra: Entra,
    pub(crate) tenant_id: String,
    pub(crate) client_id: String,
    pub(crate) proof: Proof,
}

/// How an application shows that it is the one.
pub(crate) enum Proof {
    Secret(SecretValue),
    /// A file with another issuer's token.
    TokenFile(NamedFile),
}

impl fmt::Debug for ClientCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientCredential({})", self.client_id)
    }
}

impl ClientCredential {
    pub(crate) fn title(&self) -> &'static str {
        match self.proof {
            Proof::Secret(_) => "service principal",
            Proof::TokenFile(_) => "workload identity",
        }
    }

    pub(crate) async fn token(&self, scope: &str) -> Result<Token> {
        let got = match &self.proof {
            Proof::Secret(secret) => self.with_secret(secret, scope).await,
            Proof::TokenFile(file) => self.with_file(file.clone(), scope).await,
        };
        let token = got.map_err(|failure| error::from_sdk(&failure, "the login"))?;
        Ok(of_sdk(&token))
    }

    async fn with_secret(
        &self,
        secret: &SecretValue,
        scope: &str,
    ) -> azure_core::Result<AccessToken> {
        let secret = secret.expose_str().map_err(carry_error)?.to_owned();
        let options = ClientSecretCredentialOptions {
            client_options: self.entra.client_options(),
        };
        let credential = ClientSecretCredential::new(
            &self.tenant_id,
            self.client_id.clone(),
            Secret::new(secret),
            Some(options),
        )?;
        credential.get_token(&[scope], None).await
    }

    async fn with_file(&self, file: NamedFile, scope: &str) -> azure_core::Result<AccessToken> {
        let options = ClientAssertionCredentialOptions {
            client_options: self.entra.client_options(),
        };
        let credential = ClientAssertionCredential::new(
            self.tenant_id.clone(),
            self.client_id.clone(),
            TokenFile(file),
            Some(options),
        )?;
        credential.get_token(&[scope], None).await
    }
}

/// A token of the SDK with what it has left by the machine's clock, which the SDK reckons with.
pub(super) fn of_sdk(token: &AccessToken) -> Token {
    let life = token.expires_on - OffsetDateTime::now_utc();
    Token {
        value: token.token.secret().into(),
        life: Duration::try_from(life).unwrap_or_default(),
    }
}

#[derive(Debug)]
struct TokenFile(NamedFile);

#[async_trait]
impl ClientAssertion for TokenFile {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let file = self.0.clone();
        let read = tokio::task::spawn_blocking(move || file.read_credential()).await;
        let token = read.unwrap_or_else(|_| Err(Error::from(ErrorKind::Unexpected)));
        let text = |token: SecretValue| token.expose_str().map(str::to_owned);
        token.and_then(text).map_err(carry_error)
    }
}
