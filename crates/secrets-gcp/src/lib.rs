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
mod wire;

use crate::limits::MAX_VALUE_BYTES;
use secrets_core::{Capabilities, Capability};

pub use auth::{AccessToken, TokenSource};
pub use config::{GcpConfig, ReplicaConfig};
pub use open::open;
pub use provider::GcpProvider;

/// The word for this provider in configurations and locations.
pub const SCHEME: &str = "gcp-sm";

/// What Secret Manager can do. Deleting is for good, a write cannot name the version that it replaces, and a value has no
/// end of validity of its own.
pub const CAPABILITIES: Capabilities = Capabilities::new(&[
    Capability::Put,
    Capability::Create,
    Capability::Delete,
    Capability::Purge,
    Capability::List,
    Capability::Describe,
    Capability::Versions,
    Capability::Rollback,
    Capability::Tags,
    Capability::Binary,
])
.with_max_value_bytes(MAX_VALUE_BYTES);
