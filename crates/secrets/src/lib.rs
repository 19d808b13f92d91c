#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod audit;
pub mod blocking;
mod builder;
mod chain;
mod config;
mod document;
mod field;
#[cfg(feature = "file")]
pub mod file;
pub mod layers;
mod leases;
#[cfg(feature = "mask")]
pub mod mask;
mod permissions;
mod plan;
mod prometheus;
mod registry;
mod resolve;
mod router;
mod secrets;
mod service;
mod stack;
mod stats;
#[cfg(feature = "template")]
mod template;
mod wiped;

pub use builder::SecretsBuilder;
pub use config::{
    ChainEntry, ChainMember, Config, DeclaredSecret, DescribedSetting, LoadOptions, OnError,
    ProviderEntry, RetryConfig, SettingOrigin, Settings, TimeoutConfig, trust,
};
pub use field::SecretField;
pub use leases::{CloseOptions, LeasesAtClose};
pub use permissions::ProviderPermissions;
pub use plan::{PlannedRead, ReadPlan};
pub use registry::{ProviderSpec, Registry, canonical_scheme};
pub use resolve::{FileFormat, FileScan, ValueScan};
pub use secrets::Secrets;
pub use secrets_core::{
    AmbientCredentials, Answer, Call, CanonicalName, Capabilities, Capability, Clock, Deadline,
    DeleteMode, DeleteOptions, DescribeOptions, Environment, Error, ErrorKind, Freshness, GetItem,
    GetOptions, Health, HealthStatus, Lease, Leases, LeastPrivilege, ListOptions, Location,
    MAX_NAME_BYTES, Metadata, NameMapping, NameRules, NamedPath, OpenContext, Operation, Origin,
    Page, PageToken, Permissions, PlannedCall, Planner, ProviderInfo, ProviderKind, PutMode,
    PutOptions, Reply, Request, Response, Result, RetryObserver, RollbackOptions, Secret,
    SecretName, SecretProvider, SecretRef, SecretState, SecretValue, SourcePosition, SystemClock,
    ToSecretRef, Version, VersionsOptions, looks_like_content, plan_reads,
};
#[cfg(feature = "http")]
pub use secrets_provider::Transport;
pub use service::ProviderService;
pub use stack::Stack;
pub use stats::{ProviderStats, Stats};
#[cfg(feature = "template")]
pub use template::{Lookup, Template};
