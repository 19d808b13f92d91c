#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "audit")]
mod audit;
pub mod blocking;
mod builder;
mod chain;
mod config;
mod field;
#[cfg(feature = "file")]
pub mod file;
mod grants;
mod leases;
mod plan;
mod registry;
mod resolve;
mod router;
mod secrets;
mod stack;
mod stats;

pub use builder::SecretsBuilder;
pub use config::{
    ChainEntry, ChainMember, Config, Declared, DescribedSetting, LoadOptions, OnError,
    ProviderEntry, SettingOrigin, Settings, trust,
};
pub use field::SecretField;
pub use grants::ProviderGrants;
pub use leases::{CloseOptions, LeasesAtClose};
pub use plan::{PlannedRead, ReadPlan};
pub use registry::{Opening, Registry, canonical_scheme};
pub use secrets::Secrets;
pub use secrets_core::{
    AmbientCredentials, Answer, AsSecretRef, Call, Capabilities, Capability, Clock, Deadline,
    DeleteMode, DeleteOptions, DescribeOptions, Environment, Error, ErrorKind, Freshness, GetItem,
    GetOptions, Grants, Health, HealthStatus, Lease, Leases, ListOptions, Location, MAX_NAME_BYTES,
    Metadata, NameMapping, NameRules, NamedPath, OpenContext, Operation, Origin, Page, PageToken,
    PlannedCall, ProviderInfo, PutMode, PutOptions, Reply, Request, Response, Result,
    RollbackOptions, Secret, SecretName, SecretProvider, SecretRef, SecretState, SecretValue,
    SourcePosition, SystemClock, Version, VersionsOptions, looks_like_content, unsupported,
};
#[doc(inline)]
pub use secrets_layers as layers;
pub use secrets_layers::{ProviderService, RetryConfig, TimeoutConfig};
#[cfg(feature = "mask")]
#[doc(inline)]
pub use secrets_mask as mask;
#[cfg(feature = "template")]
pub use secrets_resolve::Template;
pub use secrets_resolve::{FileFormat, FileScan, FileSet, ValueScan};
pub use stack::Stack;
pub use stats::{ProviderStats, Stats};
