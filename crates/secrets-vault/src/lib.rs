#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod auth;
mod client;
mod config;
mod endpoint;
mod error;
mod grants;
mod leases;
mod open;
mod provider;
mod shape;
#[cfg(feature = "vaultrs")]
mod vaultrs_client;
mod wire;

use secrets_core::{Capabilities, Capability};

pub use config::{
    AppRoleConfig, CertConfig, Engine, JwtConfig, KubernetesConfig, Shape, UserpassConfig,
    VaultConfig,
};
pub use open::open;
pub use provider::VaultProvider;

/// The word for this provider in configurations and locations.
pub const SCHEME: &str = "vault";

/// What a mount of KV version 2 can do. KV version 1 has no versions, tags, conditional writes and restoring; other
/// engines are only read.
pub const CAPABILITIES: Capabilities = Capabilities::new(&[
    Capability::Put,
    Capability::Create,
    Capability::IfVersion,
    Capability::Delete,
    Capability::Restore,
    Capability::Purge,
    Capability::List,
    Capability::Describe,
    Capability::Versions,
    Capability::Rollback,
    Capability::Tags,
    Capability::Binary,
])
.with_max_value_bytes(shape::MAX_VALUE_BYTES);
