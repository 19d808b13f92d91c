//! Secrets from any store through one interface: read, write, list, version and roll back.

mod config;
mod document;
mod resolve;

pub use config::{
    ChainEntry, ChainMember, Config, Declared, LoadOptions, OnError, ProviderEntry, RetryConfig,
    Settings, TimeoutConfig,
};
pub use resolve::{FileFormat, FileScan, ValueScan};
