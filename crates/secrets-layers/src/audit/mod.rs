//! Records every use of a secret: who, when, what, from where, with which outcome; never a value.
//!
//! - A read is recorded before its value is released, each item of a get-many by itself.
//! - A write is recorded before it is done, and its outcome after it under the same id. If the first record fails, nothing
//!   is written; if the second one fails, the error says that the write happened.
//! - What cannot be recorded in time is refused, or with [`OnFailure::Warn`] done with a warning. How many records are
//!   missing is reported in the log itself once it can be written again.
//! - Answers from the cache are recorded singly, or with [`Hits::Aggregate`] counted and reported once a second, for which a
//!   hit pays neither an allocation nor a wait.
//!
//! Not recorded are health checks, the closing of providers, and what is read to open providers and this log: the
//! references in the settings of providers, and the key of the log.

#[cfg(feature = "audit")]
mod actor;
mod config;
#[cfg(feature = "audit")]
mod file;
#[cfg(feature = "audit")]
mod hash_chain;
#[cfg(feature = "audit")]
mod hits;
#[cfg(feature = "audit")]
mod id;
#[cfg(feature = "audit")]
mod layer;
#[cfg(feature = "audit")]
mod ocsf;
#[cfg(feature = "audit")]
mod pending;
#[cfg(feature = "audit")]
mod query;
#[cfg(feature = "audit")]
mod record;
#[cfg(feature = "audit")]
mod service;
#[cfg(feature = "audit")]
mod sink;
#[cfg(feature = "audit")]
mod summary;
#[cfg(all(test, feature = "audit"))]
mod tests;
#[cfg(feature = "audit")]
mod verify;
#[cfg(feature = "audit")]
mod writer;

#[cfg(feature = "audit")]
pub use actor::Actor;
pub use config::{AuditConfig, FsyncMode, Hits, OnFailure};
#[cfg(feature = "audit")]
pub use file::FileSink;
#[cfg(feature = "audit")]
pub use hash_chain::AuditKey;
#[cfg(feature = "audit")]
pub use id::RecordId;
#[cfg(feature = "audit")]
pub use layer::{AuditLayer, OpenSinks};
#[cfg(feature = "audit")]
pub use query::AuditQuery;
#[cfg(feature = "audit")]
pub use record::{Event, Record, RecordSource};
#[cfg(feature = "audit")]
pub use service::{AuditService, ReadFuture};
#[cfg(feature = "audit")]
pub use sink::{AuditSink, TracingSink};
#[cfg(feature = "audit")]
pub use summary::{AuditSummary, Durations, UseStats};
#[cfg(feature = "audit")]
pub use verify::{AuditLog, ChainFault, ChainReport, FaultKind};
#[cfg(feature = "audit")]
pub use writer::AuditStats;
