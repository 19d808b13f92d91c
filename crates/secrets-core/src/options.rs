use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use crate::Version;

/// Asks for the next page of a listing; only the provider that gave it can read it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PageToken(String);

impl PageToken {
    /// A token with this content.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// The content.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PageToken(..)")
    }
}

/// How a secret is read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct GetOptions {
    /// This revision instead of the current one.
    pub version: Option<Version>,
}

impl GetOptions {
    /// Reads this revision.
    pub fn with_version(mut self, version: impl Into<Option<Version>>) -> Self {
        self.version = version.into();
        self
    }
}

/// How a secret is described.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct DescribeOptions {
    /// This revision instead of the current one.
    pub version: Option<Version>,
}

impl DescribeOptions {
    /// Describes this revision.
    pub fn with_version(mut self, version: impl Into<Option<Version>>) -> Self {
        self.version = version.into();
        self
    }
}

/// Which secrets are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ListOptions {
    /// Only names that start with this text; empty lists all. It is plain text, not a folder: `a/b` matches `a/bc`.
    pub prefix: String,
    /// At most so many items on a page; the provider's own limit if `None`. At least 1.
    pub page_size: Option<usize>,
    /// The page that an earlier one pointed to.
    pub page_token: Option<PageToken>,
}

impl ListOptions {
    /// Only names that start with this text.
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// At most so many items on a page.
    pub fn with_page_size(mut self, size: impl Into<Option<usize>>) -> Self {
        self.page_size = size.into();
        self
    }

    /// The page that an earlier one pointed to.
    pub fn with_page_token(mut self, token: impl Into<Option<PageToken>>) -> Self {
        self.page_token = token.into();
        self
    }
}

/// What must be true for a write to happen. Each is atomic or [`Unsupported`](crate::ErrorKind::Unsupported): a provider
/// never reads first and writes then.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PutMode {
    /// Nothing: create the secret or add a version to it.
    #[default]
    Upsert,
    /// The secret does not exist; else [`AlreadyExists`](crate::ErrorKind::AlreadyExists).
    Create,
    /// The current version is this one; else [`Conflict`](crate::ErrorKind::Conflict).
    IfVersion(Version),
}

/// How a secret is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PutOptions {
    /// What must be true for the write to happen.
    pub mode: PutMode,
    /// Replaces the tags; `None` leaves them as they are.
    pub tags: Option<BTreeMap<String, String>>,
    /// When the value ends to be valid; needs [`Capability::Expiry`](crate::Capability::Expiry).
    pub expires_at: Option<SystemTime>,
    /// Makes a repeated write one write, where the provider has
    /// [`Capability::IdempotentPut`](crate::Capability::IdempotentPut).
    pub idempotency_token: Option<String>,
}

impl PutOptions {
    /// Writes only if this holds.
    pub fn with_mode(mut self, mode: PutMode) -> Self {
        self.mode = mode;
        self
    }

    /// Replaces the tags.
    pub fn with_tags(mut self, tags: impl Into<Option<BTreeMap<String, String>>>) -> Self {
        self.tags = tags.into();
        self
    }

    /// The value ends to be valid then.
    pub fn with_expires_at(mut self, time: impl Into<Option<SystemTime>>) -> Self {
        self.expires_at = time.into();
        self
    }

    /// Makes a repeated write one write.
    pub fn with_idempotency_token(mut self, token: impl Into<Option<String>>) -> Self {
        self.idempotency_token = token.into();
        self
    }
}

/// How thoroughly a secret is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeleteMode {
    /// The provider's default: restorable where [`Capability::Restore`](crate::Capability::Restore) is there.
    #[default]
    Soft,
    /// All versions, for good.
    Purge,
    /// Restorable for so long, then gone for good.
    Window(Duration),
}

/// How a secret is deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct DeleteOptions {
    /// How thoroughly.
    pub mode: DeleteMode,
}

impl DeleteOptions {
    /// Deletes this thoroughly.
    pub fn with_mode(mut self, mode: DeleteMode) -> Self {
        self.mode = mode;
        self
    }
}

/// Which versions are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct VersionsOptions {
    /// At most so many items on a page; the provider's own limit if `None`. At least 1.
    pub page_size: Option<usize>,
    /// The page that an earlier one pointed to.
    pub page_token: Option<PageToken>,
}

impl VersionsOptions {
    /// At most so many items on a page.
    pub fn with_page_size(mut self, size: impl Into<Option<usize>>) -> Self {
        self.page_size = size.into();
        self
    }

    /// The page that an earlier one pointed to.
    pub fn with_page_token(mut self, token: impl Into<Option<PageToken>>) -> Self {
        self.page_token = token.into();
        self
    }
}

/// How an earlier version is made current again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RollbackOptions {}
