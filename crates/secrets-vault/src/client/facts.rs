//! Versions and secrets without values, with their times parsed.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use secrets_core::{Metadata, Result, SecretName, SecretState, Version};
use secrets_provider::{HttpResponse, decode};
use serde_json::value::RawValue;

use crate::error;
use crate::wire::{SecretInfo, VersionInfo};

/// One version.
pub(crate) struct VersionFacts {
    pub(crate) number: u64,
    pub(crate) created_at: SystemTime,
    /// When the version stops being readable, if that lies ahead.
    pub(crate) ends_at: Option<SystemTime>,
    pub(crate) is_deleted: bool,
    pub(crate) is_destroyed: bool,
    pub(crate) tags: BTreeMap<String, String>,
}

/// A secret without values.
pub(crate) struct SecretFacts {
    pub(crate) current: u64,
    pub(crate) updated_at: SystemTime,
    pub(crate) created_at: SystemTime,
    pub(crate) tags: BTreeMap<String, String>,
    /// Ordered by number.
    pub(crate) versions: Vec<VersionFacts>,
}

impl VersionFacts {
    /// A version that the server just answered with: no time in it is past.
    pub(super) fn readable(info: &VersionInfo<'_>) -> Result<Self> {
        Self::new(info, |_| false)
    }

    fn new(info: &VersionInfo<'_>, is_past: impl FnOnce(SystemTime) -> bool) -> Result<Self> {
        let ends_at = match &*info.deletion_time {
            "" => None,
            text => Some(parse_time(text)?),
        };
        let is_deleted = ends_at.is_some_and(is_past);
        Ok(Self {
            number: info.version,
            created_at: parse_time(&info.created_time)?,
            ends_at: ends_at.filter(|_| !is_deleted),
            is_deleted,
            is_destroyed: info.destroyed,
            tags: info.custom_metadata.clone().unwrap_or_default(),
        })
    }

    pub(crate) fn state(&self) -> SecretState {
        if self.is_destroyed {
            SecretState::Destroyed
        } else if self.is_deleted {
            SecretState::Deleted
        } else {
            SecretState::Enabled
        }
    }

    /// The metadata of this version of a secret with these tags.
    pub(crate) fn metadata(&self, name: &SecretName, tags: &BTreeMap<String, String>) -> Metadata {
        Metadata::new(name.clone())
            .with_version(Version::new(self.number.to_string()))
            .with_created_at(self.created_at)
            .with_expires_at(self.ends_at)
            .with_tags(tags.clone())
            .with_state(self.state())
    }
}

impl SecretFacts {
    pub(super) fn new(raw: &RawValue, response: &HttpResponse) -> Result<Self> {
        let info: SecretInfo<'_> = decode(raw.get().as_bytes())?;
        let versions = info
            .versions
            .iter()
            .map(|(number, state)| {
                let info = VersionInfo {
                    version: *number,
                    created_time: state.created_time.as_ref().into(),
                    deletion_time: state.deletion_time.as_ref().into(),
                    destroyed: state.destroyed,
                    custom_metadata: None,
                };
                // A deletion time may lie ahead. The server's clock decides, which its answers carry in whole seconds.
                let now = server_time(response) + Duration::from_secs(1);
                VersionFacts::new(&info, |end| end <= now)
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            current: info.current_version,
            updated_at: parse_time(&info.updated_time)?,
            created_at: parse_time(&info.created_time)?,
            tags: info.custom_metadata.unwrap_or_default(),
            versions,
        })
    }

    pub(crate) fn version(&self, number: u64) -> Option<&VersionFacts> {
        self.versions
            .iter()
            .find(|version| version.number == number)
    }

    /// The state of the current version; `None` where there is none.
    pub(crate) fn current_state(&self) -> Option<SecretState> {
        self.version(self.current).map(VersionFacts::state)
    }

    /// The metadata of the secret: its own creation time, the state of its current version.
    pub(crate) fn metadata(&self, name: &SecretName) -> Metadata {
        match self.version(self.current) {
            Some(current) => current
                .metadata(name, &self.tags)
                .with_created_at(self.created_at)
                .with_updated_at(self.updated_at),
            // A secret can have metadata alone; there is nothing to read then.
            None => Metadata::new(name.clone())
                .with_tags(self.tags.clone())
                .with_state(SecretState::Destroyed),
        }
    }
}

fn server_time(response: &HttpResponse) -> SystemTime {
    let date = response.headers.get(secrets_provider::header::DATE);
    date.and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok())
        .unwrap_or_else(SystemTime::now)
}

fn parse_time(text: &str) -> Result<SystemTime> {
    let timestamp: jiff::Timestamp = text.parse().map_err(|_| error::bad_time())?;
    Ok(timestamp.into())
}
