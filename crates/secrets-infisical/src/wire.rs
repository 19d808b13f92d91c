//! The server's JSON. What may be a value is borrowed as raw text, so that it stays in the body, which is wiped.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// One secret, of a read, a listing or a write.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecretInfo<'a> {
    #[serde(default, borrow)]
    pub(crate) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) secret_key: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(crate) secret_value: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) secret_value_hidden: bool,
    #[serde(default)]
    pub(crate) version: Option<u64>,
    #[serde(rename = "type", default, borrow)]
    pub(crate) kind: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub(crate) environment: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub(crate) secret_path: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub(crate) created_at: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub(crate) updated_at: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub(crate) secret_metadata: Option<Vec<Pair<'a>>>,
}

/// One pair of a secret's metadata.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pair<'a> {
    #[serde(borrow)]
    pub(crate) key: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(crate) value: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) is_encrypted: bool,
}

#[derive(Deserialize)]
pub(crate) struct Read<'a> {
    #[serde(borrow)]
    pub(crate) secret: SecretInfo<'a>,
}

#[derive(Deserialize)]
pub(crate) struct Listing<'a> {
    #[serde(borrow)]
    pub(crate) secrets: Vec<SecretInfo<'a>>,
    #[serde(default, borrow)]
    pub(crate) imports: Option<Vec<Import<'a>>>,
}

/// The secrets of a folder that another one imports.
#[derive(Deserialize)]
pub(crate) struct Import<'a> {
    #[serde(borrow)]
    pub(crate) secrets: Vec<SecretInfo<'a>>,
}

/// The answer to a write: the secret, several of them for a batch, or only the request for an approval.
#[derive(Deserialize)]
pub(crate) struct Written<'a> {
    #[serde(default, borrow)]
    pub(crate) secret: Option<SecretInfo<'a>>,
    #[serde(default, borrow)]
    pub(crate) secrets: Option<Vec<SecretInfo<'a>>>,
    #[serde(default, borrow)]
    pub(crate) approval: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(crate) struct Folders<'a> {
    #[serde(borrow)]
    pub(crate) folders: Vec<FolderInfo<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FolderInfo<'a> {
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    /// From the folder that was asked about.
    #[serde(default, borrow)]
    pub(crate) relative_path: Option<Cow<'a, str>>,
}

/// The answer to a login or a renewal; seconds, 0 for no end.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Issued<'a> {
    #[serde(borrow)]
    pub(crate) access_token: &'a RawValue,
    #[serde(default)]
    pub(crate) expires_in: u64,
    #[serde(default, rename = "accessTokenMaxTTL")]
    pub(crate) max_ttl: u64,
}

/// What a refusal looks like.
#[derive(Deserialize)]
pub(crate) struct Refusal<'a> {
    #[serde(default, rename = "reqId", borrow)]
    pub(crate) request: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) error: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(crate) message: Option<&'a RawValue>,
}

impl<'a> Refusal<'a> {
    /// `None` if the body is not the server's.
    pub(crate) fn read(body: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// The message, if it is a text without escapes.
    pub(crate) fn text(&self) -> &'a str {
        let raw = self.message.map_or("", RawValue::get);
        raw.strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or_default()
    }

    /// The fields that failed validation: the first part of each path.
    pub(crate) fn fields(&self) -> Vec<&'a str> {
        #[derive(Deserialize)]
        struct Issue<'a> {
            #[serde(default, borrow)]
            path: Vec<&'a RawValue>,
        }
        let raw = self.message.map_or("[]", RawValue::get);
        let issues: Vec<Issue<'a>> = serde_json::from_str(raw).unwrap_or_default();
        issues
            .iter()
            .flat_map(|issue| &issue.path)
            .map(|part| part.get().trim_matches('"'))
            .collect()
    }
}

/// Whose secrets: version 4 of the API says project, version 3 workspace.
#[derive(Serialize, Clone, Copy)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Scope<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) project_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) workspace_id: Option<&'a str>,
    pub(crate) environment: &'a str,
}

/// A write of one secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Write<'a> {
    #[serde(flatten)]
    pub(crate) scope: Scope<'a>,
    pub(crate) secret_path: &'a str,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret_value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret_metadata: Option<Vec<Tag<'a>>>,
}

/// The same for a key that is not part of a path.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BatchWrite<'a> {
    #[serde(flatten)]
    pub(crate) scope: Scope<'a>,
    pub(crate) secret_path: &'a str,
    pub(crate) secrets: [BatchItem<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BatchItem<'a> {
    pub(crate) secret_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret_value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret_metadata: Option<Vec<Tag<'a>>>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<&'static str>,
}

#[derive(Serialize, Clone, Copy)]
pub(crate) struct Tag<'a> {
    pub(crate) key: &'a str,
    pub(crate) value: &'a str,
}

#[derive(Serialize)]
pub(crate) struct NewFolder<'a> {
    #[serde(flatten)]
    pub(crate) scope: Scope<'a>,
    pub(crate) name: &'a str,
    pub(crate) path: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UniversalLogin<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) client_secret: &'a str,
    #[serde(
        rename = "subOrganizationName",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) sub_organization: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenBody<'a> {
    pub(crate) access_token: &'a str,
}
