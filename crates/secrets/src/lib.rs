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
mod grants;
pub mod layers;
mod leases;
#[cfg(feature = "mask")]
pub mod mask;
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
pub use grants::ProviderGrants;
pub use leases::{CloseOptions, LeasesAtClose};
pub use plan::{PlannedRead, ReadPlan};
pub use registry::{ProviderSpec, Registry, canonical_scheme};
pub use resolve::{FileFormat, FileScan, ValueScan};
pub use secrets::Secrets;
pub use secrets_core::{
    AmbientCredentials, Answer, ToSecretRef, Call, Capabilities, Capability, Clock, Deadline,
    DeleteMode, DeleteOptions, DescribeOptions, Environment, Error, ErrorKind, Freshness, GetItem,
    GetOptions, Grants, Health, HealthStatus, Lease, Leases, ListOptions, Location, MAX_NAME_BYTES,
    Metadata, NameMapping, NameRules, NamedPath, OpenContext, Operation, Origin, Page, PageToken,
    PlannedCall, ProviderInfo, PutMode, PutOptions, Reply, Request, Response, Result,
    RollbackOptions, Secret, SecretName, SecretProvider, SecretRef, SecretState, SecretValue,
    SourcePosition, SystemClock, Version, VersionsOptions, looks_like_content,
};
pub use service::ProviderService;
pub use stack::Stack;
pub use stats::{ProviderStats, Stats};
#[cfg(feature = "template")]
pub use template::{Lookup, Template};
