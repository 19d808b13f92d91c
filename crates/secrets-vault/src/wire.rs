//! The server's JSON. Possible values are borrowed as raw text, so they stay in the body, which is wiped.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The envelope of every answer.
#[derive(Deserialize)]
pub(crate) struct Envelope<'a> {
    #[serde(default, borrow)]
    pub(crate) lease_id: Cow<'a, str>,
    #[serde(default)]
    pub(crate) lease_duration: u64,
    #[serde(default)]
    pub(crate) renewable: bool,
    #[serde(default, borrow)]
    pub(crate) data: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(crate) auth: Option<Login<'a>>,
    #[serde(default, borrow)]
    pub(crate) wrap_info: Option<&'a RawValue>,
}

/// A refusal. An answer with none of these fields is not the server's.
#[derive(Deserialize)]
pub(crate) struct Errors<'a> {
    #[serde(default, borrow)]
    pub(crate) errors: Vec<Cow<'a, str>>,
    #[serde(default, borrow)]
    warnings: Option<&'a RawValue>,
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
    #[serde(default, borrow)]
    request_id: Option<Cow<'a, str>>,
}

impl<'a> Errors<'a> {
    /// `None` if the body is not the server's.
    pub(crate) fn read(body: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// Whether the body says no more than the status.
    pub(crate) fn is_empty(&self) -> bool {
        self.errors.is_empty()
            && self.warnings.is_none()
            && self.data.is_none()
            && self.request_id.is_none()
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        self.errors.iter().any(|error| error.contains(text))
    }
}

#[derive(Deserialize)]
pub(crate) struct Login<'a> {
    #[serde(borrow)]
    pub(crate) client_token: Cow<'a, str>,
    #[serde(default)]
    pub(crate) lease_duration: u64,
    #[serde(default)]
    pub(crate) renewable: bool,
}

/// The data of an answer to a read of KV version 2.
#[derive(Deserialize)]
pub(crate) struct Kv2Read<'a> {
    #[serde(borrow)]
    pub(crate) data: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) metadata: VersionInfo<'a>,
}

/// The same with no other field. KV version 1 returns this form only for a map with exactly these keys, and then its
/// lease duration is not 0: it comes from a key `ttl` or `lease` of the map, else from the server's default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kv2ReadExactly<'a> {
    #[serde(rename = "data", borrow)]
    _data: Option<&'a RawValue>,
    #[serde(rename = "metadata", borrow)]
    _metadata: VersionInfo<'a>,
}

/// One version, as reads and writes report it.
#[derive(Deserialize)]
pub(crate) struct VersionInfo<'a> {
    pub(crate) version: u64,
    #[serde(borrow)]
    pub(crate) created_time: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) deletion_time: Cow<'a, str>,
    pub(crate) destroyed: bool,
    #[serde(default)]
    pub(crate) custom_metadata: Option<BTreeMap<String, String>>,
}

/// A secret of KV version 2 without values.
#[derive(Deserialize)]
pub(crate) struct SecretInfo<'a> {
    pub(crate) current_version: u64,
    #[serde(borrow)]
    pub(crate) updated_time: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) created_time: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) versions: BTreeMap<u64, VersionState<'a>>,
    #[serde(default)]
    pub(crate) custom_metadata: Option<BTreeMap<String, String>>,
}

/// One version in [`SecretInfo`].
#[derive(Deserialize)]
pub(crate) struct VersionState<'a> {
    #[serde(borrow)]
    pub(crate) created_time: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) deletion_time: Cow<'a, str>,
    pub(crate) destroyed: bool,
}

/// A page of a listing; only OpenBao's detailed one has `key_info`.
#[derive(Deserialize)]
pub(crate) struct Listing<'a> {
    pub(crate) keys: Vec<String>,
    #[serde(borrow, default)]
    pub(crate) key_info: BTreeMap<String, &'a RawValue>,
}

#[derive(Deserialize)]
pub(crate) struct MountInfo<'a> {
    #[serde(rename = "type", borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) path: Cow<'a, str>,
    #[serde(default)]
    pub(crate) options: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
pub(crate) struct TokenInfo {
    pub(crate) ttl: u64,
    #[serde(default)]
    pub(crate) renewable: bool,
}

#[derive(Deserialize)]
pub(crate) struct WrappedSecretId<'a> {
    #[serde(borrow)]
    pub(crate) secret_id: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
pub(crate) struct HealthInfo<'a> {
    #[serde(default)]
    pub(crate) initialized: Option<bool>,
    #[serde(default)]
    pub(crate) sealed: Option<bool>,
    #[serde(default)]
    pub(crate) standby: Option<bool>,
    #[serde(default, borrow)]
    pub(crate) version: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
pub(crate) struct AppRoleLogin<'a> {
    pub(crate) role_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret_id: Option<&'a str>,
}

#[derive(Serialize)]
pub(crate) struct PasswordLogin<'a> {
    pub(crate) password: &'a str,
}

#[derive(Serialize)]
pub(crate) struct JwtLogin<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<&'a str>,
    pub(crate) jwt: &'a str,
}

#[derive(Serialize)]
pub(crate) struct CertLogin<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<&'a str>,
}

#[derive(Serialize)]
pub(crate) struct RenewLease<'a> {
    pub(crate) lease_id: &'a str,
    /// In seconds; 0 for the server's own length.
    pub(crate) increment: u64,
}

#[derive(Serialize)]
pub(crate) struct RevokeLease<'a> {
    pub(crate) lease_id: &'a str,
    pub(crate) sync: bool,
}

#[derive(Serialize)]
pub(crate) struct Versions {
    pub(crate) versions: [u64; 1],
}

#[derive(Serialize)]
pub(crate) struct CustomMetadata<'a> {
    pub(crate) custom_metadata: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metadata_cas: Option<u64>,
}

/// The version of a secret's metadata, which Vault does not have.
#[derive(Deserialize)]
pub(crate) struct MetadataVersion {
    #[serde(default)]
    pub(crate) current_metadata_version: u64,
}

/// The place of a write in the log of a cluster.
#[derive(Deserialize)]
pub(crate) struct ClusterIndex {
    pub(crate) cluster: String,
    pub(crate) value: String,
}
