//! AWS Secrets Manager: exact requests, logins counted, and what becomes of each answer.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

mod auth;
mod errors;
mod logins;
mod shapes;
mod tls;
mod wire;
