#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
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
mod leases;
mod permissions;
mod plan;
mod registry;
mod resolve;
mod router;
mod secrets;
mod stack;
mod stats;

pub use builder::SecretsBuilder;
pub use config::{
    ChainEntry, ChainMember, Config, DeclaredSecret, DescribedSetting, LoadOptions, OnError,
    ProviderEntry, SettingOrigin, Settings, trust,
};
pub use field::SecretField;
pub use leases::{CloseOptions, LeasesAtClose};
pub use permissions::ProviderPermissions;
pub use plan::{PlannedRead, ReadPlan};
pub use registry::{ProviderSpec, Registry, canonical_scheme};
pub use secrets::Secrets;
pub use secrets_core::{
    AmbientCredentials, Answer, Call, CanonicalName, Capabilities, Capability, Clock, Deadline,
    DeleteMode, DeleteOptions, DescribeOptions, Environment, Error, ErrorKind, Freshness, GetItem,
    GetOptions, Health, HealthStatus, Lease, Leases, LeastPrivilege, ListOptions, Location,
    MAX_NAME_BYTES, Metadata, NameMapping, NameRules, NamedPath, OpenContext, Operation, Origin,
    Page, PageToken, Permissions, PlannedCall, Planner, ProviderInfo, ProviderKind, PutMode,
    PutOptions, Reply, Request, Response, Result, RetryObserver, RollbackOptions, Secret,
    SecretName, SecretProvider, SecretRef, SecretState, SecretValue, SourcePosition, SystemClock,
    ToSecretRef, Version, VersionsOptions, looks_like_content, plan_reads, unsupported,
};
#[doc(inline)]
pub use secrets_layers as layers;
pub use secrets_layers::{ProviderService, RetryConfig, TimeoutConfig};
#[cfg(feature = "mask")]
#[doc(inline)]
pub use secrets_mask as mask;
#[cfg(feature = "http")]
pub use secrets_provider::Transport;
#[cfg(feature = "template")]
pub use secrets_resolve::Template;
pub use secrets_resolve::{FileFormat, FileScan, FileSet, ValueScan};
pub use stack::Stack;
pub use stats::{ProviderStats, Stats};
