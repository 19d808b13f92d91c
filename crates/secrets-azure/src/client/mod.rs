//! One method an endpoint of Key Vault's secrets, over the SDK's client.

mod exchange;
pub(crate) mod http;

use std::collections::BTreeMap;
use std::sync::Arc;

use azure_core::http::pager::{PagerContinuation, PagerOptions};
use azure_core::http::{
    ClientMethodOptions, ClientOptions, Context, Pager, RequestContent, RetryOptions, Transport,
    Url, UserAgentOptions,
};
use azure_security_keyvault_secrets::models::{
    ListSecretPropertiesResult, SecretClientDeleteSecretOptions,
    SecretClientGetDeletedSecretOptions, SecretClientGetSecretOptions,
    SecretClientListSecretPropertiesOptions, SecretClientListSecretPropertiesVersionsOptions,
    SecretClientPurgeDeletedSecretOptions, SecretClientRecoverDeletedSecretOptions,
    SecretClientSetSecretOptions, SecretProperties,
};
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use futures_util::TryStreamExt as _;
use secrets_core::{Clock, Error, ErrorKind, Result, SecretValue};
use secrets_provider::{HttpResponse, decode, encode};

use self::exchange::{Exchange, Step};
use crate::auth::Session;
use crate::client::http::{AzureHttpClient, carried_error};
use crate::error::{self, Asked};
use crate::limits::PAGE;
use crate::wire::{Attributes, Bundle, NewSecret};

/// A vault. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    sdk: Arc<SecretClient>,
    session: Arc<Session>,
    vault: Url,
}

/// A secret, or one version of it, without its value.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// The vault's own name for it.
    pub(crate) name: String,
    /// Absent in listings of secrets, and of what is deleted where that tells none.
    pub(crate) version: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) attributes: Attributes,
    pub(crate) tags: BTreeMap<String, String>,
}

/// One page of a listing, and the query that asks for the next one.
pub(crate) struct Listed {
    pub(crate) items: Vec<Facts>,
    pub(crate) next: Option<String>,
}

impl Client {
    pub(crate) fn new(
        vault: Url,
        http: AzureHttpClient,
        session: Arc<Session>,
        resource: Option<String>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        // A resource that is set is the only one that tokens are asked for; the vault's word counts only without.
        let verify_challenge_resource = Some(resource.is_none());
        let transport = Transport::new(Arc::new(http.clone()));
        let step = Step {
            http,
            session: Arc::clone(&session),
            vault: vault.clone(),
            resource,
            clock,
        };
        let options = SecretClientOptions {
            client_options: ClientOptions {
                per_try_policies: vec![Arc::new(step)],
                retry: RetryOptions::none(),
                transport: Some(transport),
                user_agent: UserAgentOptions {
                    application_id: Some("polysecrets".to_owned()),
                },
                ..ClientOptions::default()
            },
            verify_challenge_resource,
            ..SecretClientOptions::default()
        };
        let credential: Arc<Session> = Arc::clone(&session);
        let sdk = SecretClient::new(vault.as_str(), credential, Some(options))
            .map_err(|_| Error::invalid_config("`vault_url` cannot be used"))?;
        Ok(Self {
            sdk: Arc::new(sdk),
            session,
            vault,
        })
    }

    /// Reads a version, or the current one.
    pub(crate) async fn get(
        &self,
        name: &str,
        version: Option<&str>,
    ) -> Result<(SecretValue, Facts)> {
        let exchange = Exchange::new(Asked::Read);
        let options = SecretClientGetSecretOptions {
            method_options: method_options(&exchange),
            secret_version: version.map(str::to_owned),
            ..SecretClientGetSecretOptions::default()
        };
        let result = self.sdk.get_secret(name, Some(options)).await;
        let answer = answer_of(result, &exchange)?;
        let bundle: Bundle<'_> = decode(&answer.body)?;
        let is_text = bundle.value.is_some_and(|raw| raw.get().starts_with('"'));
        let facts = facts_of_bundle(bundle)?;
        if !is_text {
            return Err(Error::new(
                ErrorKind::InvalidResponse,
                "the answer holds no value",
            ));
        }
        // Taken out of the body without a copy in memory that nobody wipes.
        let value = SecretValue::from_zeroizing(answer.body).field("value")?;
        Ok((value, facts))
    }

    /// Writes a new version.
    pub(crate) async fn set(&self, name: &str, secret: &NewSecret<'_>) -> Result<Facts> {
        let room = secret.value.len() + secret.value.len() / 8 + 1024;
        let exchange = Exchange::with_body(Asked::Write, encode(secret, room)?);
        let options = SecretClientSetSecretOptions {
            method_options: method_options(&exchange),
        };
        // What the SDK holds is not what is sent.
        let placeholder = RequestContent::from_static(b"{}");
        let result = self.sdk.set_secret(name, placeholder, Some(options)).await;
        facts_of(&answer_of(result, &exchange)?)
    }

    /// Deletes a secret; whether it can be restored.
    pub(crate) async fn delete(&self, name: &str) -> Result<bool> {
        let exchange = Exchange::new(Asked::Read);
        let options = SecretClientDeleteSecretOptions {
            method_options: method_options(&exchange),
        };
        let result = self.sdk.delete_secret(name, Some(options)).await;
        let answer = answer_of(result, &exchange)?;
        let bundle: Bundle<'_> = decode(&answer.body)?;
        Ok(bundle.recovery_id.is_some())
    }

    /// Describes a deleted secret.
    pub(crate) async fn deleted(&self, name: &str) -> Result<Facts> {
        let exchange = Exchange::new(Asked::Read);
        let options = SecretClientGetDeletedSecretOptions {
            method_options: method_options(&exchange),
        };
        let result = self.sdk.get_deleted_secret(name, Some(options)).await;
        facts_of(&answer_of(result, &exchange)?)
    }

    /// Removes a deleted secret for good.
    pub(crate) async fn purge(&self, name: &str) -> Result<()> {
        let exchange = Exchange::new(Asked::Purge);
        let options = SecretClientPurgeDeletedSecretOptions {
            method_options: method_options(&exchange),
        };
        let result = self.sdk.purge_deleted_secret(name, Some(options)).await;
        answer_of(result, &exchange).map(drop)
    }

    /// Starts to restore a deleted secret.
    pub(crate) async fn recover(&self, name: &str) -> Result<()> {
        let exchange = Exchange::new(Asked::Other);
        let options = SecretClientRecoverDeletedSecretOptions {
            method_options: method_options(&exchange),
        };
        let result = self.sdk.recover_deleted_secret(name, Some(options)).await;
        answer_of(result, &exchange).map(drop)
    }

    /// Lists one page of secrets: the first, or what an earlier page's query asks for.
    pub(crate) async fn list(&self, size: usize, query: Option<&str>) -> Result<Listed> {
        let exchange = Exchange::open();
        let options = SecretClientListSecretPropertiesOptions {
            maxresults: Some(page_size(size)),
            method_options: self.pager_options(&exchange, "secrets", query),
        };
        let pager = self
            .sdk
            .list_secret_properties(Some(options))
            .map_err(|failure| error::from_sdk(&failure, "the listing"))?;
        page_of(pager, &exchange).await
    }

    /// Lists one page of a secret's versions, in an order that means nothing.
    pub(crate) async fn versions(
        &self,
        name: &str,
        size: usize,
        query: Option<&str>,
    ) -> Result<Listed> {
        let exchange = Exchange::open();
        let path = format!("secrets/{name}/versions");
        let options = SecretClientListSecretPropertiesVersionsOptions {
            maxresults: Some(page_size(size)),
            method_options: self.pager_options(&exchange, &path, query),
        };
        let pager = self
            .sdk
            .list_secret_properties_versions(name, Some(options))
            .map_err(|failure| error::from_sdk(&failure, "the listing of versions"))?;
        page_of(pager, &exchange).await
    }

    /// Forgets the token.
    pub(crate) fn close(&self) {
        self.session.close();
    }

    /// Where a page is comes from us, not from the page before or from whoever gave the page token.
    fn pager_options(
        &self,
        exchange: &Arc<Exchange>,
        path: &str,
        query: Option<&str>,
    ) -> PagerOptions<'static> {
        let continuation = query.map(|query| {
            let mut url = self.vault.clone();
            url.set_path(path);
            url.set_query(Some(query));
            PagerContinuation::Link(url)
        });
        PagerOptions {
            context: Context::new().with_value(Arc::clone(exchange)),
            continuation,
        }
    }
}

fn page_size(size: usize) -> i32 {
    i32::try_from(size.clamp(1, PAGE)).unwrap_or(1)
}

fn method_options(exchange: &Arc<Exchange>) -> ClientMethodOptions<'static> {
    ClientMethodOptions {
        context: Context::new().with_value(Arc::clone(exchange)),
    }
}

fn answer_of<T>(result: azure_core::Result<T>, exchange: &Exchange) -> Result<HttpResponse> {
    result.map_err(|failure| failed(&failure, exchange))?;
    exchange
        .take_answer()
        .ok_or_else(|| Error::new(ErrorKind::InvalidResponse, "key vault gives no answer"))
}

fn failed(failure: &azure_core::Error, exchange: &Exchange) -> Error {
    match carried_error(failure) {
        Some(ours) => ours,
        // The SDK has a challenge before it, and refuses it for one reason only.
        None if exchange.was_challenged() => error::foreign_resource(),
        None => error::from_sdk(failure, "key vault"),
    }
}

async fn page_of(pager: Pager<ListSecretPropertiesResult>, exchange: &Exchange) -> Result<Listed> {
    let mut pages = pager.into_pages();
    let page = pages
        .try_next()
        .await
        .map_err(|failure| failed(&failure, exchange))?;
    let Some(page) = page else {
        return Ok(Listed {
            items: Vec::new(),
            next: None,
        });
    };
    let page: ListSecretPropertiesResult = page
        .into_model()
        .map_err(|failure| error::from_sdk(&failure, "the listing"))?;
    let next = page
        .next_link
        .as_deref()
        .filter(|link| !link.is_empty())
        .map(next_query)
        .transpose()?;
    let items = page
        .value
        .into_iter()
        .map(facts_of_listed)
        .collect::<Result<_>>()?;
    Ok(Listed { items, next })
}

/// What of a link to the next page is kept: its query without the version of the API.
fn next_query(link: &str) -> Result<String> {
    let query = Url::parse(link).ok().and_then(|url| {
        let pairs = url.query_pairs().filter(|(key, _)| key != "api-version");
        let mut kept = url.clone();
        kept.query_pairs_mut().clear().extend_pairs(pairs);
        kept.query().map(str::to_owned)
    });
    query.filter(|query| !query.is_empty()).ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidResponse,
            "the listing names its next page in a way that is not understood",
        )
    })
}

fn facts_of(answer: &HttpResponse) -> Result<Facts> {
    facts_of_bundle(decode(&answer.body)?)
}

fn facts_of_bundle(bundle: Bundle<'_>) -> Result<Facts> {
    let (name, version) = name_and_version(&bundle.id)?;
    Ok(Facts {
        name,
        version,
        content_type: bundle.content_type,
        attributes: bundle.attributes,
        tags: bundle.tags.unwrap_or_default(),
    })
}

fn facts_of_listed(listed: SecretProperties) -> Result<Facts> {
    let (name, version) = name_and_version(listed.id.as_deref().unwrap_or_default())?;
    let attributes = listed.attributes.unwrap_or_default();
    let seconds = |time: Option<azure_core::time::OffsetDateTime>| {
        time.map(azure_core::time::OffsetDateTime::unix_timestamp)
    };
    Ok(Facts {
        name,
        version,
        content_type: listed.content_type,
        attributes: Attributes {
            enabled: attributes.enabled,
            created: seconds(attributes.created),
            updated: seconds(attributes.updated),
            exp: seconds(attributes.expires),
            nbf: seconds(attributes.not_before),
        },
        tags: listed.tags.unwrap_or_default().into_iter().collect(),
    })
}

/// The parts of an id such as `https://contoso.vault.azure.net/secrets/name/version`.
fn name_and_version(id: &str) -> Result<(String, Option<String>)> {
    let parts = Url::parse(id).ok().and_then(|url| {
        let mut segments = url.path_segments()?.filter(|segment| !segment.is_empty());
        matches!(segments.next()?, "secrets" | "deletedsecrets").then_some(())?;
        let name = segments.next()?.to_owned();
        Some((name, segments.next().map(str::to_owned)))
    });
    parts.ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidResponse,
            "the answer holds an id that is not that of a secret",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_names_and_versions() {
        let of = |id: &str| name_and_version(id).ok();
        let some =
            |name: &str, version: Option<&str>| Some((name.to_owned(), version.map(str::to_owned)));
        assert_eq!(
            of("https://v.vault.azure.net/secrets/a/0f"),
            some("a", Some("0f"))
        );
        assert_eq!(
            of("https://v.vault.azure.net:443/secrets/a/"),
            some("a", None)
        );
        assert_eq!(
            of("https://v.vault.azure.net/deletedsecrets/a"),
            some("a", None)
        );
        for wrong in [
            "",
            "a",
            "https://v/keys/a",
            "https://v/secrets",
            "https://v/",
        ] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn of_a_link_only_the_query_is_kept() {
        let link = "https://elsewhere/keys?api-version=7.5&$skiptoken=a%2Bb&maxresults=25";
        let query = next_query(link).unwrap();
        assert_eq!(query, "%24skiptoken=a%2Bb&maxresults=25");
        assert!(next_query("https://v/secrets?api-version=7.5").is_err());
        assert!(next_query("secrets").is_err());
    }
}
