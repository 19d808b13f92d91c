//! The provider from outside: exact requests against a fake server, and a real OpenBao.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod auth;
mod cluster;
mod conformance;
mod errors;
mod listing;
mod refusals;
mod server;
mod support;
mod values;
mod wire;
