//! Google Secret Manager: exact requests, logins counted, and what becomes of each answer.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

mod conformance;
mod credentials;
mod errors;
mod faults;
mod login;
mod metadata;
mod names;
mod requests;
