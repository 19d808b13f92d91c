//! The encrypted file: a text that can be committed, and that only its recipients can read.
//!
//! Its format, what it protects from and what it does not, and how it is merged are in `docs/encrypted-file.md`.
//!
//! [`open`] gives the provider; [`FileStore`] creates a store, merges it and decides who may open it.

mod config;
mod conflict;
mod contents;
mod entry;
mod envelope;
mod format;
mod guard;
mod identity;
mod join;
mod keys;
mod lineage;
mod manage;
mod membership;
mod merge;
mod merging;
#[cfg(test)]
mod model;
mod provider;
mod report;
mod revisions;
mod store;

use secrets_core::{Capabilities, Capability};

pub use config::FileConfig;
pub use manage::{Accepted, KeyOrigin, StoreSummary};
pub use membership::Recipients;
pub use provider::{FileProvider, open};
pub use report::{
    ChangeKind, KeyChange, MergeConsent, MergeReport, MergeSide, OldKeyWrite, VersionChange,
};
pub use store::FileStore;

/// The name of this kind of provider.
pub const SCHEME: &str = "file";

/// What an encrypted file can do.
pub const CAPABILITIES: Capabilities = Capabilities::new(&[
    Capability::Put,
    Capability::Create,
    Capability::IfVersion,
    Capability::Delete,
    Capability::Restore,
    Capability::Purge,
    Capability::List,
    Capability::Describe,
    Capability::Versions,
    Capability::Rollback,
    Capability::Tags,
    Capability::Expiry,
    Capability::Binary,
    Capability::Batch,
])
.with_max_value_bytes(contents::MAX_VALUE_BYTES);
