//! The transport against servers that misbehave, and servers that it must not trust.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod faults;
mod lazy_roots;
mod support;
mod tls;
