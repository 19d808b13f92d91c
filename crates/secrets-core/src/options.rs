use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use crate::Version;

/// Asks for the next page of a listing. Only the provider that issued it can read it.
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
    /// Only names that start with this text; empty lists all. Plain text, not a folder: `a/b` matches `a/bc`.
    pub prefix: String,
    /// The most items on a page, at least 1; `None` for the provider's own limit.
    pub page_size: Option<usize>,
    /// [`Page::next`](crate::Page::next) of the previous page; `None` for the first page.
    pub page_token: Option<PageToken>,
}

impl ListOptions {
    /// Only names that start with this text.
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets the most items on a page.
    pub fn with_page_size(mut self, size: impl Into<Option<usize>>) -> Self {
        self.page_size = size.into();
        self
    }

    /// Sets the page, by [`Page::next`](crate::Page::next) of the previous one.
    pub fn with_page_token(mut self, token: impl Into<Option<PageToken>>) -> Self {
        self.page_token = token.into();
        self
    }
}

/// The condition of a write. It is atomic or [`Unsupported`](crate::ErrorKind::Unsupported): a provider never reads first
/// and writes afterwards.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PutMode {
    /// No condition: creates the secret or adds a version to it.
    #[default]
    Upsert,
    /// The secret must not exist; otherwise [`AlreadyExists`](crate::ErrorKind::AlreadyExists).
    Create,
    /// The current version must be this one; otherwise [`Conflict`](crate::ErrorKind::Conflict).
    IfVersion(Version),
}

/// How a secret is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PutOptions {
    /// The condition of the write.
    pub mode: PutMode,
    /// Replaces the tags; `None` leaves them unchanged.
    pub tags: Option<BTreeMap<String, String>>,
    /// When the value expires; needs [`Capability::Expiry`](crate::Capability::Expiry).
    pub expires_at: Option<SystemTime>,
    /// Deduplicates repeated writes, if the provider has
    /// [`Capability::IdempotentPut`](crate::Capability::IdempotentPut).
    pub idempotency_token: Option<String>,
}

impl PutOptions {
    /// Sets the condition.
    pub fn with_mode(mut self, mode: PutMode) -> Self {
        self.mode = mode;
        self
    }

    /// Replaces the tags.
    pub fn with_tags(mut self, tags: impl Into<Option<BTreeMap<String, String>>>) -> Self {
        self.tags = tags.into();
        self
    }

    /// Sets when the value expires.
    pub fn with_expires_at(mut self, time: impl Into<Option<SystemTime>>) -> Self {
        self.expires_at = time.into();
        self
    }

    /// Deduplicates repeated writes with this token.
    pub fn with_idempotency_token(mut self, token: impl Into<Option<String>>) -> Self {
        self.idempotency_token = token.into();
        self
    }
}

/// How a secret is deleted: restorably or for good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeleteMode {
    /// The provider's default: restorable if it has [`Capability::Restore`](crate::Capability::Restore).
    #[default]
    Soft,
    /// Deletes all versions for good.
    Purge,
    /// Restorable for this long, then deleted for good.
    Window(Duration),
}

/// How a secret is deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct DeleteOptions {
    /// Restorably or for good.
    pub mode: DeleteMode,
}

impl DeleteOptions {
    /// Sets the mode.
    pub fn with_mode(mut self, mode: DeleteMode) -> Self {
        self.mode = mode;
        self
    }
}

/// Which versions are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct VersionsOptions {
    /// The most items on a page, at least 1; `None` for the provider's own limit.
    pub page_size: Option<usize>,
    /// [`Page::next`](crate::Page::next) of the previous page; `None` for the first page.
    pub page_token: Option<PageToken>,
}

impl VersionsOptions {
    /// Sets the most items on a page.
    pub fn with_page_size(mut self, size: impl Into<Option<usize>>) -> Self {
        self.page_size = size.into();
        self
    }

    /// Sets the page, by [`Page::next`](crate::Page::next) of the previous one.
    pub fn with_page_token(mut self, token: impl Into<Option<PageToken>>) -> Self {
        self.page_token = token.into();
        self
    }
}

/// How an earlier version is made current again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RollbackOptions {}
