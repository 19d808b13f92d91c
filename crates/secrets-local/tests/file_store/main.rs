//! The encrypted file from outside: through files, other processes and git.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod child;
mod concurrency;
mod crash;
mod limits;
mod merge;
mod permissions;
mod provider;
mod recipients;
mod rollback;
#[cfg(feature = "file-ssh")]
mod ssh;
mod support;
mod tamper;
