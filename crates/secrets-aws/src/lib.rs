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

use crate::limits::MAX_VALUE_BYTES;
use secrets_core::{Capabilities, Capability};

pub use config::AwsConfig;
pub use open::open;
pub use provider::AwsProvider;

/// The word for this provider in configurations and locations.
pub const SCHEME: &str = "aws-sm";

/// What the service can do. With `secret_name`, where all names are keys of one secret, there are no versions, tags,
/// binary values and restoring.
pub const CAPABILITIES: Capabilities = Capabilities::new(&[
    Capability::Put,
    Capability::Create,
    Capability::IfVersion,
    Capability::IdempotentPut,
    Capability::Delete,
    Capability::Restore,
    Capability::Purge,
    Capability::DeleteWindow,
    Capability::List,
    Capability::Describe,
    Capability::Versions,
    Capability::Rollback,
    Capability::Tags,
    Capability::Binary,
    Capability::Batch,
])
.with_max_value_bytes(MAX_VALUE_BYTES);
