//! The contract of polysecrets, and nothing else.
//!
//! A provider implements [`SecretProvider`]; the layers above it exchange [`Request`]s and [`Response`]s. This crate makes
//! no network call, reads no environment variable and starts no runtime; it takes time only from a [`Clock`].
//!
//! - [`SecretValue`] holds plaintext: shared, wiped on drop, redacted in `Debug`, without `Display` and `Serialize`.
//! - [`SecretName`], [`SecretRef`] and [`Location`] are addresses: which secret, of which provider, and where it is stored.
//! - [`Secret`], [`Metadata`], [`Version`] and [`Page`] are what providers return.
//! - [`Error`] has one [`ErrorKind`], which alone decides on retries and stale answers.
//! - [`ProviderKind`] registers a provider; [`Planner`], [`Permissions`] and [`Leases`] are optional abilities.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod capability;
mod clock;
mod context;
mod error;
#[doc(hidden)]
pub mod internal;
mod json;
mod kind;
mod leases;
mod location;
mod name;
mod naming;
mod options;
mod path;
mod permissions;
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
pub use kind::ProviderKind;
pub use leases::{Leases, revoke_each};
pub use location::Location;
pub use name::{MAX_NAME_BYTES, SecretName};
pub use naming::{NameMapping, NameRules};
pub use options::{
    DeleteMode, DeleteOptions, DescribeOptions, GetOptions, ListOptions, PageToken, PutMode,
    PutOptions, RollbackOptions, VersionsOptions,
};
pub use path::{NamedPath, looks_like_content};
pub use permissions::{LeastPrivilege, Permissions};
pub use provider::{
    CanonicalName, GetItem, PlannedCall, Planner, ProviderInfo, SecretProvider, plan_reads,
};
pub use reference::{SecretRef, ToSecretRef};
pub use request::{
    Answer, Call, Freshness, Operation, Origin, Reply, Request, Response, RetryObserver,
};
pub use secret::{Health, HealthStatus, Lease, Metadata, Page, Secret, SecretState, Version};
pub use value::SecretValue;
