//! The service's JSON where a value may be in it, and its errors. Listings hold no values; their shapes are the SDK's.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A secret as reads, writes and deletes tell it. The value is borrowed as raw text, so that it stays in the body, which
/// is wiped.
#[derive(Deserialize)]
pub(crate) struct Bundle<'a> {
    #[serde(default, borrow)]
    pub(crate) value: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(crate) id: Cow<'a, str>,
    #[serde(default, rename = "contentType")]
    pub(crate) content_type: Option<String>,
    #[serde(default)]
    pub(crate) attributes: Attributes,
    #[serde(default)]
    pub(crate) tags: Option<BTreeMap<String, String>>,
    /// Only of a delete: where the secret can be restored.
    #[serde(default, rename = "recoveryId", borrow)]
    pub(crate) recovery_id: Option<Cow<'a, str>>,
}

/// Times are whole seconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Attributes {
    #[serde(default)]
    pub(crate) enabled: Option<bool>,
    #[serde(default)]
    pub(crate) created: Option<i64>,
    #[serde(default)]
    pub(crate) updated: Option<i64>,
    #[serde(default)]
    pub(crate) exp: Option<i64>,
    #[serde(default)]
    pub(crate) nbf: Option<i64>,
}

/// What is written.
#[derive(Serialize)]
pub(crate) struct NewSecret<'a> {
    pub(crate) value: &'a str,
    #[serde(rename = "contentType", skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "NewAttributes::is_empty")]
    pub(crate) attributes: NewAttributes,
}

/// Times are whole seconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct NewAttributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nbf: Option<i64>,
}

impl NewAttributes {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a refusal of Key Vault looks like. The message is not read: it may quote what was sent.
#[derive(Deserialize)]
pub(crate) struct VaultError<'a> {
    #[serde(borrow)]
    error: VaultErrorBody<'a>,
}

#[derive(Deserialize)]
struct VaultErrorBody<'a> {
    #[serde(default, borrow)]
    code: Option<Cow<'a, str>>,
    #[serde(default, borrow, rename = "innererror", alias = "innerError")]
    inner: Option<InnerError<'a>>,
}

#[derive(Deserialize)]
struct InnerError<'a> {
    #[serde(default, borrow)]
    code: Option<Cow<'a, str>>,
}

impl<'a> VaultError<'a> {
    /// `None` if the body is not the service's.
    pub(crate) fn read(body: &'a [u8]) -> Option<Self> {
        let error: Self = serde_json::from_slice(body).ok()?;
        error.error.code.is_some().then_some(error)
    }

    /// The more exact of the codes.
    pub(crate) fn code(&self) -> &str {
        let inner = self.error.inner.as_ref();
        inner
            .and_then(|inner| inner.code.as_deref())
            .or(self.error.code.as_deref())
            .unwrap_or_default()
    }
}

/// What a refusal of a login looks like.
#[derive(Deserialize)]
pub(crate) struct LoginError<'a> {
    /// OAuth's word, such as `invalid_client`.
    #[serde(borrow)]
    pub(crate) error: Cow<'a, str>,
    /// The numbers behind `AADSTS`.
    #[serde(default)]
    pub(crate) error_codes: Vec<i64>,
}

impl<'a> LoginError<'a> {
    pub(crate) fn read(body: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }
}

/// A token as a metadata service gives it.
#[derive(Deserialize)]
pub(crate) struct IdentityToken<'a> {
    #[serde(borrow)]
    pub(crate) access_token: Cow<'a, str>,
    /// Seconds since 1970; a text on some hosts, a number on others.
    #[serde(default, borrow)]
    expires_on: Option<&'a RawValue>,
    /// Seconds from now; a text on some hosts, a number on others.
    #[serde(default, borrow)]
    expires_in: Option<&'a RawValue>,
}

impl IdentityToken<'_> {
    /// Seconds from now.
    pub(crate) fn expires_in(&self) -> Option<u64> {
        number(self.expires_in)
    }

    /// Seconds since 1970.
    pub(crate) fn expires_on(&self) -> Option<u64> {
        number(self.expires_on)
    }
}

fn number(raw: Option<&RawValue>) -> Option<u64> {
    raw?.get().trim_matches('"').parse().ok()
}
