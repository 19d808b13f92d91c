#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod auth;
mod client;
mod config;
mod error;
mod limits;
mod names;
mod open;
mod permissions;
mod provider;
mod value;
mod wire;

use secrets_core::{Capabilities, Capability};

pub use config::{
    AzureConfig, DeveloperToolsConfig, ManagedIdentityConfig, OutsideValidity,
    ServicePrincipalConfig, WorkloadIdentityConfig,
};
pub use open::open;
pub use provider::AzureProvider;

/// The word for this provider in configurations and locations.
pub const SCHEME: &str = "azure-kv";

/// What a vault can do. It has no conditional writes, and no delete with a time of its own.
pub const CAPABILITIES: Capabilities = Capabilities::new(&[
    Capability::Put,
    Capability::Delete,
    Capability::Restore,
    Capability::Purge,
    Capability::List,
    Capability::Describe,
    Capability::Versions,
    Capability::Rollback,
    Capability::Tags,
    Capability::Expiry,
    Capability::Binary,
])
.with_max_value_bytes(limits::MAX_VALUE_BYTES);
