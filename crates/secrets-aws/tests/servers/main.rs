//! Cases that need a real server.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../it/support/mod.rs"]
mod support;

mod conformance;
