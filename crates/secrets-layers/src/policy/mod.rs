//! Who may do what with which secret; what no rule allows is denied.
//!
//! Roles of the configuration are compiled to Cedar and decided by it, together with policies of one's own: see
//! `docs/layers/policy.md`. A decision is remembered by principal, operation, provider and name, in a bounded table that
//! belongs to one policy: a reload starts with an empty one. What is remembered is answered without an allocation.

#[cfg_attr(
    not(feature = "policy"),
    allow(dead_code, reason = "only the engine reads all of it")
)]
mod config;
#[cfg_attr(
    not(feature = "policy"),
    allow(dead_code, reason = "only the engine reads all of it")
)]
mod glob;
#[cfg_attr(
    not(feature = "policy"),
    allow(dead_code, reason = "only the engine reads all of it")
)]
mod operations;

#[cfg(feature = "policy")]
mod compile;
#[cfg(feature = "policy")]
mod decision;
#[cfg(feature = "policy")]
mod engine;
#[cfg(feature = "policy")]
mod files;
#[cfg(feature = "policy")]
mod handle;
#[cfg(feature = "policy")]
mod memo;
#[cfg(feature = "policy")]
mod review;
#[cfg(feature = "policy")]
mod service;
#[cfg(all(test, feature = "policy"))]
mod tests;

pub use config::{PolicyConfig, PolicyFile, RoleConfig, RoleGrant};
#[cfg(feature = "policy")]
pub use decision::{PolicyDecision, PolicyMiss, PolicyRule, PolicyWarning};
pub use glob::NameGlob;
#[cfg(feature = "policy")]
pub use handle::{Policy, PolicySource};
#[cfg(feature = "policy")]
pub use service::{PolicyFuture, PolicyLayer, PolicyService};
