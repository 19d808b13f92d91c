//! The testkit proves itself: its suite finds each defect, its scanner each leak, its fakes behave as the services do.
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

#[cfg(feature = "fakes")]
mod azure_fake;
mod canary;
mod conformance;
mod corpus;
#[cfg(feature = "fakes")]
mod fakes_program;
mod fault_server;
#[cfg(feature = "fakes")]
mod gcp_fake;
mod model;
