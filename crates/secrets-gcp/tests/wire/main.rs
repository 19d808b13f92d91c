//! The exact requests, logins counted, and what becomes of answers that are late, broken or lies.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support/mod.rs"]
mod support;

mod credentials;
mod faults;
mod login;
mod metadata;
mod names;
mod requests;
