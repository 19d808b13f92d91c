use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::format::rfc3339;

/// What the service keeps.
#[derive(Default)]
pub(super) struct State {
    /// Id to number.
    pub(super) projects: BTreeMap<String, u64>,
    pub(super) secrets: BTreeMap<Key, Secret>,
    made: u64,
}

/// Where a secret is: in a project, in one region or everywhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) project: u64,
    pub(super) location: Option<String>,
    pub(super) id: String,
}

impl Key {
    /// The resource's name; projects go by number in every answer.
    pub(super) fn name(&self) -> String {
        match &self.location {
            None => format!("projects/{}/secrets/{}", self.project, self.id),
            Some(location) => format!(
                "projects/{}/locations/{location}/secrets/{}",
                self.project, self.id
            ),
        }
    }
}

pub(super) struct Secret {
    /// The order of creation.
    pub(super) made: u64,
    /// As JSON has them, without those that are kept elsewhere here and those that are input only.
    pub(super) fields: Map<String, Value>,
    pub(super) created: Timestamp,
    pub(super) expires: Option<Timestamp>,
    pub(super) etag: String,
    /// The first has number 1.
    pub(super) versions: Vec<Version>,
}

pub(super) struct Version {
    pub(super) created: Timestamp,
    pub(super) state: VersionState,
    pub(super) etag: String,
    pub(super) payload: Zeroizing<Vec<u8>>,
    pub(super) checksum: u32,
    pub(super) checksum_was_sent: bool,
    pub(super) destroyed: Option<Timestamp>,
    pub(super) destroy_at: Option<Timestamp>,
    /// What the secret's replication was when the version was added.
    pub(super) replication: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VersionState {
    Enabled,
    Disabled,
    Destroyed,
}

impl VersionState {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Enabled => "ENABLED",
            Self::Disabled => "DISABLED",
            Self::Destroyed => "DESTROYED",
        }
    }
}

impl State {
    /// By id or by number.
    pub(super) fn project(&self, name: &str) -> Option<u64> {
        self.projects.get(name).copied().or_else(|| {
            let number: u64 = name.parse().ok()?;
            self.projects
                .values()
                .copied()
                .find(|known| *known == number)
        })
    }

    /// A number that was never used, for an order of creation.
    pub(super) fn next(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// Does what time alone does: secrets expire, versions are destroyed when that was put off.
    pub(super) fn sweep(&mut self, now: Timestamp) {
        self.secrets
            .retain(|_, secret| secret.expires.is_none_or(|at| at > now));
        for version in self
            .secrets
            .values_mut()
            .flat_map(|secret| &mut secret.versions)
        {
            if version.destroy_at.is_some_and(|at| at <= now) {
                version.destroy(now);
            }
        }
    }
}

impl Secret {
    pub(super) fn to_json(&self, key: &Key) -> Value {
        let mut out = self.fields.clone();
        out.insert("name".to_owned(), key.name().into());
        out.insert("createTime".to_owned(), rfc3339(self.created).into());
        out.insert("etag".to_owned(), self.etag.as_str().into());
        if let Some(expires) = self.expires {
            out.insert("expireTime".to_owned(), rfc3339(expires).into());
        }
        // Fields with their default value are not written.
        out.retain(|_, value| match value {
            Value::Object(members) => !members.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::String(text) => !text.is_empty() && text != "SECRET_TYPE_UNSPECIFIED",
            _ => true,
        });
        Value::Object(out)
    }

    pub(super) fn numbers(&self) -> Vec<u64> {
        (1..).take(self.versions.len()).collect()
    }
}

impl Version {
    pub(super) fn to_json(&self, key: &Key, number: u64) -> Value {
        let mut out = json!({
            "name": format!("{}/versions/{number}", key.name()),
            "createTime": rfc3339(self.created),
            "state": self.state.name(),
            "etag": self.etag,
        });
        if !self.replication.is_null() {
            out["replicationStatus"] = status_of(&self.replication);
        }
        if self.checksum_was_sent {
            out["clientSpecifiedPayloadChecksum"] = true.into();
        }
        if let Some(destroyed) = self.destroyed {
            out["destroyTime"] = rfc3339(destroyed).into();
        }
        if let Some(at) = self.destroy_at {
            out["scheduledDestroyTime"] = rfc3339(at).into();
        }
        out
    }

    pub(super) fn destroy(&mut self, now: Timestamp) {
        self.state = VersionState::Destroyed;
        self.payload = Zeroizing::default();
        self.destroyed = Some(now);
        self.destroy_at = None;
        self.etag = new_etag();
    }
}

/// A `Replication` as a `ReplicationStatus`: the same shape, with versions of keys instead of keys.
fn status_of(replication: &Value) -> Value {
    match replication {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| match (name.as_str(), value.as_str()) {
                ("kmsKeyName", Some(key)) => (
                    "kmsKeyVersionName".to_owned(),
                    Value::from(format!("{key}/cryptoKeyVersions/1")),
                ),
                _ => (name.clone(), status_of(value)),
            })
            .collect(),
        Value::Array(items) => items.iter().map(status_of).collect(),
        other => other.clone(),
    }
}

/// The quotes belong to it.
pub(super) fn new_etag() -> String {
    format!("\"{:014x}\"", fastrand::u64(..1 << 56))
}
