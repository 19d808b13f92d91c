//! The JSON that Google calls application default credentials: which kinds there are, and how each comes by a token.

use std::fmt;

use async_trait::async_trait;
use secrets_core::{Error, OpenContext, Result, SecretValue};
use secrets_provider::NamedFile;

use super::exchange::Exchange;
use super::external::{ExternalAccount, ImpersonatedAccount};
use super::service_account::{DEFAULT_TOKEN_URI, ServiceAccount, Skew};
use super::{AccessToken, TokenSource};

const USER_HINT: &str =
    "the login has ended or was revoked: log in again with `gcloud auth application-default login`";

/// The universe of Google Cloud that everybody has; others have addresses of their own.
const UNIVERSE: &str = "googleapis.com";

/// Where the JSON is.
#[derive(Debug, Clone)]
pub(crate) enum CredentialsJson {
    /// In the setting that is named.
    Given(SecretValue),
    /// In a file, which is read at each login: it may have been replaced.
    File(NamedFile),
}

impl fmt::Display for CredentialsJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(_) => f.write_str("`credentials`"),
            Self::File(file) => write!(f, "{file}"),
        }
    }
}

/// What a credential says about projects.
#[derive(Debug, Default, serde::Deserialize)]
pub(crate) struct Projects {
    /// That of the service account.
    #[serde(default)]
    pub(crate) project_id: Option<String>,
    /// The one that calls are counted for.
    #[serde(default)]
    pub(crate) quota_project_id: Option<String>,
}

enum Credentials {
    ServiceAccount(ServiceAccount),
    User(AuthorizedUser),
    External(ExternalAccount),
    Impersonated(Box<Credentials>, ImpersonatedAccount),
}

/// The login of a person.
#[derive(serde::Deserialize)]
struct AuthorizedUser {
    client_id: SecretValue,
    client_secret: SecretValue,
    refresh_token: SecretValue,
    #[serde(default)]
    token_uri: Option<String>,
}

impl AuthorizedUser {
    fn token_uri(&self) -> &str {
        self.token_uri.as_deref().unwrap_or(DEFAULT_TOKEN_URI)
    }

    async fn token(&self, exchange: &Exchange) -> Result<AccessToken> {
        let url = exchange.address(self.token_uri(), "token_uri")?;
        let grant = "refresh_token".into();
        let fields = [
            ("grant_type", &grant),
            ("client_id", &self.client_id),
            ("client_secret", &self.client_secret),
            ("refresh_token", &self.refresh_token),
        ];
        exchange.issued(&exchange.post_form(url, &fields).await?, USER_HINT)
    }
}

impl CredentialsJson {
    fn read(&self) -> Result<SecretValue> {
        match self {
            Self::Given(value) => Ok(value.clone()),
            Self::File(file) => file.read_credential(),
        }
    }

    /// Reads one form out of the JSON. What the JSON library says is left out: it may quote what it found.
    fn parse<'a, T: serde::Deserialize<'a>>(&self, json: &'a SecretValue) -> Result<T> {
        serde_json::from_slice(json.expose_bytes()).map_err(|failure| {
            let problem = if failure.is_data() {
                "lacks a field, or holds one of another type"
            } else {
                "is not JSON"
            };
            Error::invalid_config(format!(
                "{self} {problem}, at line {}, column {}",
                failure.line(),
                failure.column()
            ))
            .with_hint("take it as Google made it: a service account's key, or what `gcloud auth application-default login` wrote")
        })
    }

    fn credentials(&self, json: &SecretValue) -> Result<Credentials> {
        #[derive(serde::Deserialize)]
        struct Kind {
            #[serde(rename = "type")]
            kind: String,
            #[serde(default)]
            universe_domain: Option<String>,
        }
        #[derive(serde::Deserialize)]
        struct Source<'a> {
            #[serde(borrow)]
            source_credentials: &'a serde_json::value::RawValue,
        }
        let kind: Kind = self.parse(json)?;
        let universe = kind.universe_domain.as_deref();
        if universe.is_some_and(|universe| universe != UNIVERSE) {
            return Err(Error::invalid_config(format!(
                "{self} is of another universe than {UNIVERSE}, which is not supported"
            ))
            .with_hint("use a credential of Google Cloud's public universe"));
        }
        Ok(match kind.kind.as_str() {
            "service_account" => Credentials::ServiceAccount(self.parse(json)?),
            "authorized_user" => Credentials::User(self.parse(json)?),
            "external_account" => Credentials::External(self.parse(json)?),
            "impersonated_service_account" => {
                let source: Source<'_> = self.parse(json)?;
                let source = SecretValue::from(source.source_credentials.get());
                let source = match self.credentials(&source)? {
                    Credentials::Impersonated(..) => {
                        return Err(Error::invalid_config(format!(
                            "{self} impersonates one account by way of another"
                        ))
                        .with_hint("list the accounts on the way in `delegates`"));
                    }
                    source => source,
                };
                Credentials::Impersonated(Box::new(source), self.parse(json)?)
            }
            _ => {
                return Err(
                    Error::invalid_config(format!("{self} has a `type` that is not supported")).with_hint(
                        "known types: service_account, authorized_user, external_account, impersonated_service_account",
                    ),
                );
            }
        })
    }
}

impl Credentials {
    fn check(&self, exchange: &Exchange) -> Result<()> {
        match self {
            Self::ServiceAccount(account) => account.check(exchange),
            Self::User(user) => exchange.address(user.token_uri(), "token_uri").map(drop),
            Self::External(account) => account.check(exchange),
            Self::Impersonated(source, account) => {
                source.check(exchange)?;
                account.check(exchange)
            }
        }
    }

    /// Whether it makes us read a file or an address that it names, whose content then goes to another that it names.
    fn reaches_further(&self) -> bool {
        match self {
            Self::ServiceAccount(_) | Self::User(_) => false,
            Self::External(_) => true,
            Self::Impersonated(source, _) => source.reaches_further(),
        }
    }

    async fn token(&self, exchange: &Exchange, skew: &Skew) -> Result<AccessToken> {
        match self {
            Self::ServiceAccount(account) => account.token(exchange, skew).await,
            Self::User(user) => user.token(exchange).await,
            Self::External(account) => account.token(exchange).await,
            Self::Impersonated(source, account) => {
                let source = Box::pin(source.token(exchange, skew)).await?;
                account.token(exchange, &source).await
            }
        }
    }
}

/// Comes by tokens as the JSON says.
#[derive(Debug)]
pub(crate) struct CredentialsSource {
    json: CredentialsJson,
    exchange: Exchange,
    skew: Skew,
}

impl CredentialsSource {
    /// Reads and checks the JSON, without a request.
    pub(crate) fn open(
        json: CredentialsJson,
        exchange: Exchange,
        context: &OpenContext,
    ) -> Result<(Self, Projects)> {
        let content = json.read()?;
        let credentials = json.credentials(&content)?;
        if credentials.reaches_further() {
            context.allow_ambient("what an external account reads")?;
        }
        credentials.check(&exchange)?;
        let projects = json.parse(&content)?;
        let source = Self {
            json,
            exchange,
            skew: Skew::default(),
        };
        Ok((source, projects))
    }
}

#[async_trait]
impl TokenSource for CredentialsSource {
    async fn token(&self) -> Result<AccessToken> {
        let credentials = self.json.credentials(&self.json.read()?)?;
        credentials.token(&self.exchange, &self.skew).await
    }
}
