//! The contract of polysecrets, and nothing else.
//!
//! A provider implements [`SecretProvider`]; everything above it speaks in [`Request`]s and [`Response`]s. This crate
//! makes no network call, reads no environment variable and starts no runtime; it takes time only from a [`Clock`].
//!
//! - [`SecretValue`] holds plaintext: shared, wiped on drop, redacted in `Debug`, without `Display` and `Serialize`.
//! - [`SecretName`], [`SecretRef`] and [`Location`] are addresses: what is asked for, from whom, and where it lives.
//! - [`Secret`], [`Metadata`], [`Version`] and [`Page`] are what providers answer with.
//! - [`Error`] has one [`ErrorKind`]; retry and staleness follow from the kind alone.
#![forbid(unsafe_code)]

mod capability;
mod clock;
mod context;
mod error;
mod grants;
mod json;
mod leases;
mod location;
mod name;
mod naming;
mod options;
mod path;
mod provider;
mod reference;
mod request;
mod secret;
pub mod suggestion;
mod unsupported;
mod value;

pub use capability::{Capabilities, Capability};
pub use clock::{Clock, Deadline, SystemClock};
pub use context::{AmbientCredentials, Environment, OpenContext};
pub use error::{Error, ErrorKind, Result, SourcePosition};
pub use grants::Grants;
pub use leases::{Leases, revoke_each};
pub use location::Location;
pub use name::{MAX_NAME_BYTES, SecretName};
pub use naming::{NameMapping, NameRules};
pub use options::{
    DeleteMode, DeleteOptions, DescribeOptions, GetOptions, ListOptions, PageToken, PutMode,
    PutOptions, RollbackOptions, VersionsOptions,
};
pub use path::{NamedPath, looks_like_content};
pub use provider::{GetItem, PlannedCall, ProviderInfo, SecretProvider};
pub use reference::{AsSecretRef, SecretRef};
pub use request::{Answer, Call, Freshness, Operation, Origin, Reply, Request, Response};
pub use secret::{Health, HealthStatus, Lease, Metadata, Page, Secret, SecretState, Version};
pub use value::SecretValue;
