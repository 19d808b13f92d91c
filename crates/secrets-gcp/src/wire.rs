//! The service's JSON. What may be a value is borrowed as raw text, so that it stays in the body, which is wiped.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The answer to `:access`.
#[derive(Deserialize)]
pub(crate) struct Accessed<'a> {
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(crate) payload: Payload<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Payload<'a> {
    /// Base64. Absent for a value without bytes.
    #[serde(default, borrow)]
    pub(crate) data: Option<&'a RawValue>,
    /// A whole number, as a string by the rules of JSON for 64-bit numbers.
    #[serde(default, borrow)]
    pub(crate) data_crc32c: Option<&'a RawValue>,
}

/// A secret without values.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecretInfo<'a> {
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(crate) create_time: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub(crate) expire_time: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) etag: String,
}

/// One version without its value.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VersionInfo<'a> {
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(crate) create_time: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) state: VersionState,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum VersionState {
    #[default]
    Enabled,
    Disabled,
    Destroyed,
    /// One that was not there when this was written, so nothing that can be counted on to be readable.
    #[serde(other)]
    Unknown,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecretsPage<'a> {
    #[serde(default, borrow)]
    pub(crate) secrets: Vec<SecretInfo<'a>>,
    #[serde(default)]
    pub(crate) next_page_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VersionsPage<'a> {
    #[serde(default, borrow)]
    pub(crate) versions: Vec<VersionInfo<'a>>,
    #[serde(default)]
    pub(crate) next_page_token: String,
}

/// A new secret. A regional one has no replication.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewSecret<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) replication: Option<&'a Replication>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) customer_managed_encryption: Option<&'a Encryption>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: &'a BTreeMap<String, String>,
}

/// What a change of the tags sends: both maps, whole, and what they were made from.
#[derive(Serialize)]
pub(crate) struct TagsOfSecret<'a> {
    pub(crate) labels: &'a BTreeMap<String, String>,
    pub(crate) annotations: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) etag: &'a str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Replication {
    Automatic(Automatic),
    UserManaged(UserManaged),
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Automatic {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) customer_managed_encryption: Option<Encryption>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct UserManaged {
    pub(crate) replicas: Vec<Replica>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Replica {
    pub(crate) location: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) customer_managed_encryption: Option<Encryption>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Encryption {
    pub(crate) kms_key_name: String,
}

/// What a refusal looks like. An answer without it is not the service's.
#[derive(Deserialize)]
pub(crate) struct Refusal<'a> {
    #[serde(borrow)]
    error: RefusalInfo<'a>,
}

#[derive(Deserialize)]
struct RefusalInfo<'a> {
    #[serde(default, borrow)]
    message: Cow<'a, str>,
    #[serde(default, borrow)]
    status: Cow<'a, str>,
    #[serde(default, borrow)]
    details: Vec<&'a RawValue>,
}

/// Of the messages that may stand among the details, the fields that are looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    #[serde(default, borrow)]
    reason: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    retry_delay: Option<Cow<'a, str>>,
}

impl<'a> Refusal<'a> {
    /// `None` if the body is not the service's.
    pub(crate) fn read(body: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// The canonical code, such as `NOT_FOUND`.
    pub(crate) fn status(&self) -> &str {
        &self.error.status
    }

    pub(crate) fn says(&self, text: &str) -> bool {
        self.error.message.contains(text)
    }

    fn details(&self) -> impl Iterator<Item = Detail<'a>> {
        let details = self.error.details.iter();
        details.filter_map(|detail| serde_json::from_str(detail.get()).ok())
    }

    /// The machine-readable reason, such as `SERVICE_DISABLED`.
    pub(crate) fn reason(&self) -> Option<Cow<'a, str>> {
        self.details().find_map(|detail| detail.reason)
    }

    /// How long to wait, such as `3.5s`.
    pub(crate) fn retry_delay(&self) -> Option<Cow<'a, str>> {
        self.details().find_map(|detail| detail.retry_delay)
    }
}

/// What an OAuth endpoint refuses with; the description is not looked at.
#[derive(Deserialize)]
pub(crate) struct OauthRefusal<'a> {
    #[serde(borrow)]
    pub(crate) error: Cow<'a, str>,
}

/// An access token of an OAuth endpoint or of the metadata server.
#[derive(Deserialize)]
pub(crate) struct Issued<'a> {
    #[serde(borrow)]
    pub(crate) access_token: Cow<'a, str>,
    #[serde(default)]
    pub(crate) expires_in: Option<u64>,
}

/// An access token of another service account.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Impersonated<'a> {
    #[serde(borrow)]
    pub(crate) access_token: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(crate) expire_time: Option<Cow<'a, str>>,
}

/// What asks for one.
#[derive(Serialize)]
pub(crate) struct Impersonate<'a> {
    pub(crate) scope: [&'a str; 1],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) delegates: &'a [String],
    pub(crate) lifetime: &'a str,
}

/// The claims of the JWT that a service account logs in with.
#[derive(Serialize)]
pub(crate) struct Claims<'a> {
    pub(crate) iss: &'a str,
    pub(crate) scope: &'a str,
    pub(crate) aud: &'a str,
    pub(crate) iat: u64,
    pub(crate) exp: u64,
}

#[derive(Serialize)]
pub(crate) struct JwtHeader<'a> {
    pub(crate) alg: &'a str,
    pub(crate) typ: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kid: Option<&'a str>,
}
