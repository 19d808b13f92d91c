//! Secrets from environment variables, read-only.
//!
//! Nothing here looks at the process: the variables are the snapshot in
//! [`OpenContext::environment`](secrets_core::OpenContext::environment), taken once by whoever opens the provider.

mod config;
mod provider;

pub use config::{EnvConfig, WELL_KNOWN};
pub use provider::{CAPABILITIES, EnvProvider, SCHEME, open};
