use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::{PageToken, SecretName, SecretValue};

/// The opaque id of one revision of a secret. Each provider has its own format.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(Arc<str>);

impl Version {
    /// A version with this id.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({:?})", &*self.0)
    }
}

impl From<&str> for Version {
    fn from(id: &str) -> Self {
        Self::new(id)
    }
}

/// Whether a secret, or one version of it, can be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SecretState {
    /// It can be read.
    #[default]
    Enabled,
    /// It is disabled, or outside its time of validity.
    Disabled,
    /// It is deleted and can be restored.
    Deleted,
    /// Its value is destroyed.
    Destroyed,
}

impl fmt::Display for SecretState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
            Self::Destroyed => "destroyed",
        })
    }
}

/// The lease of a dynamic secret: it expires unless it is renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lease {
    /// The provider's id of the lease.
    pub id: String,
    /// The time to live from the moment of the answer.
    pub duration: Duration,
    /// Whether it can be renewed.
    pub renewable: bool,
}

impl Lease {
    /// A lease with this time to live.
    pub fn new(id: impl Into<String>, duration: Duration, renewable: bool) -> Self {
        Self {
            id: id.into(),
            duration,
            renewable,
        }
    }
}

/// Everything about a secret, or about one version of it, except its value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// The logical name, as requested.
    pub name: SecretName,
    /// The revision that this describes; for a listed secret the current one, if the provider reports it.
    pub version: Option<Version>,
    /// When the revision was written; for a listed secret, when the secret was created.
    pub created_at: Option<SystemTime>,
    /// When the secret was last changed.
    pub updated_at: Option<SystemTime>,
    /// When the value expires.
    pub expires_at: Option<SystemTime>,
    /// Key/value pairs that the user attached.
    pub tags: BTreeMap<String, String>,
    /// Whether it can be read.
    pub state: SecretState,
    /// The lease of a dynamic secret.
    pub lease: Option<Lease>,
}

impl Metadata {
    /// Metadata with a name alone.
    pub fn new(name: SecretName) -> Self {
        Self {
            name,
            version: None,
            created_at: None,
            updated_at: None,
            expires_at: None,
            tags: BTreeMap::new(),
            state: SecretState::default(),
            lease: None,
        }
    }

    /// Sets the version.
    pub fn with_version(mut self, version: impl Into<Option<Version>>) -> Self {
        self.version = version.into();
        self
    }

    /// Sets the time of creation.
    pub fn with_created_at(mut self, time: impl Into<Option<SystemTime>>) -> Self {
        self.created_at = time.into();
        self
    }

    /// Sets the time of the last change.
    pub fn with_updated_at(mut self, time: impl Into<Option<SystemTime>>) -> Self {
        self.updated_at = time.into();
        self
    }

    /// Sets when the value expires.
    pub fn with_expires_at(mut self, time: impl Into<Option<SystemTime>>) -> Self {
        self.expires_at = time.into();
        self
    }

    /// Sets the tags.
    pub fn with_tags(mut self, tags: BTreeMap<String, String>) -> Self {
        self.tags = tags;
        self
    }

    /// Sets the state.
    pub fn with_state(mut self, state: SecretState) -> Self {
        self.state = state;
        self
    }

    /// Sets the lease.
    pub fn with_lease(mut self, lease: impl Into<Option<Lease>>) -> Self {
        self.lease = lease.into();
        self
    }
}

/// A value and its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Secret {
    /// The plaintext.
    pub value: SecretValue,
    /// Everything else about it.
    pub metadata: Metadata,
}

impl Secret {
    /// A value with its metadata.
    pub fn new(value: SecretValue, metadata: Metadata) -> Self {
        Self { value, metadata }
    }
}

/// One page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The items; a page may be empty although more pages follow.
    pub items: Vec<Metadata>,
    /// The token of the next page; `None` on the last one.
    pub next: Option<PageToken>,
}

impl Page {
    /// A page and the token of the next one.
    pub fn new(items: Vec<Metadata>, next: Option<PageToken>) -> Self {
        Self { items, next }
    }
}

/// Whether a provider can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HealthStatus {
    /// Reads and, if supported, writes work.
    Healthy,
    /// It serves in part: a standby, a read-only copy.
    Degraded,
    /// It does not answer, or cannot serve secrets: sealed, uninitialised, unreadable.
    Unavailable,
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unavailable => "unavailable",
        })
    }
}

/// The answer to a health check.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The verdict.
    pub status: HealthStatus,
    /// One line of detail, without any secret: `sealed`, `42 secrets, revision 7`.
    pub detail: String,
}

impl Health {
    /// A verdict with one line of detail.
    pub fn new(status: HealthStatus, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
        }
    }
}
