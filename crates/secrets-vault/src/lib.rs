#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod auth;
mod client;
mod config;
mod error;
mod leases;
mod limits;
mod names;
mod open;
mod permissions;
mod provider;
mod value;
mod wire;

use secrets_core::{Capabilities, Capability};

pub use config::{
    AppRoleConfig, CertConfig, Engine, JwtConfig, KubernetesConfig, Shape, UserpassConfig,
    VaultConfig,
};
pub use open::open;
pub use provider::VaultProvider;

/// This provider's scheme in configurations and locations.
pub const SCHEME: &str = "vault";

/// The capabilities of a mount of KV version 2. KV version 1 has no versions, tags, conditional writes or restore; other
/// engines are read-only.
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
.with_max_value_bytes(limits::MAX_VALUE_BYTES);
