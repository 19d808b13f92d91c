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
    Api, Encoding, InfisicalConfig, Region, UniversalAuthConfig, UnresolvedReferences,
};
pub use open::open;
pub use provider::InfisicalProvider;

/// The word for this provider in configurations and locations.
pub const SCHEME: &str = "infisical";

/// What a folder of an environment can do. With [`Encoding::Never`] there is no [`Capability::Binary`].
pub const CAPABILITIES: Capabilities = Capabilities::new(&[
    Capability::Put,
    Capability::Create,
    Capability::Delete,
    Capability::List,
    Capability::Describe,
    Capability::Versions,
    Capability::Rollback,
    Capability::Tags,
    Capability::Binary,
    Capability::Batch,
])
.with_max_value_bytes(limits::MAX_VALUE_BYTES);
