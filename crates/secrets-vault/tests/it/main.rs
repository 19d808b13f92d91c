//! The provider from outside: exact requests against a fake server, and a real OpenBao.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod auth;
mod conformance;
mod errors;
mod server;
mod support;
mod wire;
