//! Credentials of others: a token of another identity provider that Google trusts, and the right to act as a service
//! account.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrets_core::{Error, Result, SecretValue};
use secrets_provider::{
    HeaderName, HeaderValue, HttpRequest, Method, NamedFile, Url, decode, encode, header,
};

use super::exchange::Exchange;
use super::{AccessToken, SCOPE, bearer};
use crate::error::{self, Asked};
use crate::wire::{Impersonate, Impersonated};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// The life of a service account's token where nobody says another (IAM Credentials API).
const LIFETIME: u64 = 3600;
const HINT: &str = "the other provider's token is expired, or is not what the workload identity pool expects: check `audience`, `subject_token_type` and the pool's conditions";

/// Workload or workforce identity federation.
#[derive(serde::Deserialize)]
pub(super) struct ExternalAccount {
    audience: String,
    subject_token_type: String,
    token_url: String,
    credential_source: SubjectSource,
    #[serde(default)]
    service_account_impersonation_url: Option<String>,
    #[serde(default)]
    service_account_impersonation: Option<ImpersonationOptions>,
    #[serde(default)]
    workforce_pool_user_project: Option<String>,
}

#[derive(serde::Deserialize)]
struct ImpersonationOptions {
    #[serde(default)]
    token_lifetime_seconds: Option<u64>,
}

/// Where the other provider's token is.
#[derive(serde::Deserialize)]
struct SubjectSource {
    /// Of AWS's type, whose `url` gives the name of a role and no token.
    #[serde(default)]
    environment_id: Option<String>,
    #[serde(default)]
    file: Option<PathBuf>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, SecretValue>,
    #[serde(default)]
    format: SubjectFormat,
}

#[derive(Default, serde::Deserialize)]
struct SubjectFormat {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    subject_token_field_name: Option<String>,
}

impl ExternalAccount {
    pub(super) fn check(&self, exchange: &Exchange) -> Result<()> {
        exchange.address(&self.token_url, "token_url")?;
        if let Some(url) = &self.service_account_impersonation_url {
            exchange.address(url, "service_account_impersonation_url")?;
        }
        if self.credential_source.environment_id.is_some() {
            return Err(Error::invalid_config(
                "`credential_source` in the credential is of AWS's type, which is not supported",
            )
            .with_hint(
                "use a `file` or `url` source, or bring tokens of your own with `TokenSource`",
            ));
        }
        if self.credential_source.file.is_none() && self.credential_source.url.is_none() {
            return Err(Error::invalid_config(
                "`credential_source` in the credential has neither `file` nor `url`",
            )
            .with_hint(
                "sources of AWS and programs are not supported; a program can bring tokens of its own with `TokenSource`",
            ));
        }
        Ok(())
    }

    pub(super) async fn token(&self, exchange: &Exchange) -> Result<AccessToken> {
        let subject = self.credential_source.subject(exchange).await?;
        let (audience, kind) = (
            self.audience.as_str().into(),
            self.subject_token_type.as_str().into(),
        );
        let (grant, requested, scope) = (GRANT.into(), ACCESS_TOKEN.into(), SCOPE.into());
        let mut fields = vec![
            ("grant_type", &grant),
            ("audience", &audience),
            ("scope", &scope),
            ("requested_token_type", &requested),
            ("subject_token_type", &kind),
            ("subject_token", &subject),
        ];
        let options = match &self.workforce_pool_user_project {
            Some(project) => Some(encode(&BTreeMap::from([("userProject", project)]), 128)?),
            None => None,
        };
        if let Some(options) = &options {
            fields.push(("options", options));
        }
        let url = exchange.address(&self.token_url, "token_url")?;
        let token = exchange.issued(&exchange.post_form(url, &fields).await?, HINT)?;
        let Some(url) = &self.service_account_impersonation_url else {
            return Ok(token);
        };
        let asked = self.service_account_impersonation.as_ref();
        let lifetime = asked.and_then(|options| options.token_lifetime_seconds);
        impersonate(exchange, url, &token, &[], lifetime.unwrap_or(LIFETIME)).await
    }
}

impl SubjectSource {
    async fn subject(&self, exchange: &Exchange) -> Result<SecretValue> {
        let content = match (&self.file, &self.url) {
            // Whoever keeps the file puts a new token into it, so it is read at each login.
            (Some(path), _) => {
                NamedFile::new("`credential_source.file`", path)?.read_credential()?
            }
            (None, Some(url)) => self.fetch(exchange, url).await?,
            (None, None) => {
                return Err(Error::invalid_config("`credential_source` names no source"));
            }
        };
        if self.format.kind.as_deref() != Some("json") {
            return Ok(content);
        }
        let field = self.format.subject_token_field_name.as_deref();
        content.field(field.unwrap_or("access_token")).map_err(|_| {
            Error::invalid_config(
                "the content of `credential_source` has no field of the name in `subject_token_field_name`",
            )
            .with_hint("check `credential_source.format` in the credential")
        })
    }

    async fn fetch(&self, exchange: &Exchange, url: &str) -> Result<SecretValue> {
        let unusable = |what: &str| {
            Error::invalid_config(format!(
                "`credential_source.{what}` in the credential cannot be used"
            ))
        };
        let url = Url::parse(url).map_err(|_| unusable("url"))?;
        let mut request = HttpRequest::new(Method::GET, url);
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable("headers"))?;
            let mut value =
                HeaderValue::from_bytes(value.expose_bytes()).map_err(|_| unusable("headers"))?;
            value.set_sensitive(true);
            request = request.with_header(name, value);
        }
        let response = exchange.send(request).await?;
        if !response.status.is_success() {
            return Err(error::from_login(&response, HINT, exchange.now()));
        }
        Ok(response.body.trim_ascii().into())
    }
}

/// A file of `gcloud auth application-default login --impersonate-service-account`.
#[derive(serde::Deserialize)]
pub(super) struct ImpersonatedAccount {
    service_account_impersonation_url: String,
    #[serde(default)]
    delegates: Vec<String>,
}

impl ImpersonatedAccount {
    pub(super) fn check(&self, exchange: &Exchange) -> Result<()> {
        let url = &self.service_account_impersonation_url;
        exchange
            .address(url, "service_account_impersonation_url")
            .map(drop)
    }

    pub(super) async fn token(
        &self,
        exchange: &Exchange,
        source: &AccessToken,
    ) -> Result<AccessToken> {
        let url = &self.service_account_impersonation_url;
        impersonate(exchange, url, source, &self.delegates, LIFETIME).await
    }
}

async fn impersonate(
    exchange: &Exchange,
    url: &str,
    source: &AccessToken,
    delegates: &[String],
    lifetime: u64,
) -> Result<AccessToken> {
    let url = exchange.address(url, "service_account_impersonation_url")?;
    let lifetime = format!("{lifetime}s");
    let body = Impersonate {
        scope: [SCOPE],
        delegates,
        lifetime: &lifetime,
    };
    let request = HttpRequest::new(Method::POST, url)
        .with_header(
            header::AUTHORIZATION,
            bearer(&source.value, "the access token")?,
        )
        .with_json(encode(&body, 256)?);
    let response = exchange.send(request).await?;
    if !response.status.is_success() {
        return Err(error::from_response(
            &response,
            Asked::Impersonation,
            exchange.now(),
        ));
    }
    let given: Impersonated<'_> = decode(&response.body)?;
    let ends: Option<jiff::Timestamp> = given.expire_time.and_then(|time| time.parse().ok());
    // Measured from the answer's own clock, so that ours may be wrong.
    let sent = response.headers.get(header::DATE);
    let sent = sent.and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    let from = sent.unwrap_or_else(|| exchange.now());
    let life = ends.map(|ends| {
        std::time::SystemTime::from(ends)
            .duration_since(from)
            .unwrap_or(Duration::ZERO)
    });
    Ok(AccessToken::new(&*given.access_token).with_expires_in(life))
}
