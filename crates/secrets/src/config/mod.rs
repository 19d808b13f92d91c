//! The configuration: where it is looked for, how it is read, and the data that comes out of it.
//!
//! It knows no provider. A provider's own settings stay a located tree, which the registry reads into the provider's
//! configuration when it is opened.

mod de;
mod duration;
mod entries;
mod options;
mod settings;
mod suggest;
mod tree;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrets_core::AmbientCredentials;

pub use entries::{
    ChainEntry, ChainMember, Declared, OnError, ProviderEntry, RetryConfig, TimeoutConfig,
};
pub use options::LoadOptions;
pub use settings::Settings;

/// Everything that a configuration says, as plain data.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The file that it was read from; `None` without one.
    pub source: Option<PathBuf>,
    /// Whether its providers may use credentials that it does not name. A provider that the user chose at the command
    /// line or in the environment has its own [`trust`](ProviderEntry::trust).
    pub trust: AmbientCredentials,
    /// The folder that relative paths in it start from.
    pub base_dir: PathBuf,
    /// The user's folder for lasting settings.
    pub config_dir: Option<PathBuf>,
    /// The user's folder for what is remembered between runs.
    pub state_dir: Option<PathBuf>,
    /// The provider, chain or scheme that answers references without one.
    pub default: Option<String>,
    /// The declared providers by name.
    pub providers: BTreeMap<String, ProviderEntry>,
    /// The declared chains by name.
    pub chains: BTreeMap<String, ChainEntry>,
    /// The declared secrets, in the order of the file.
    pub secrets: Vec<Declared>,
    /// How calls are repeated.
    pub retry: RetryConfig,
    /// How long things may take.
    pub timeouts: TimeoutConfig,
    /// How many calls each provider takes at once. Default 16.
    pub concurrency: usize,
    /// The names of the declared secrets that are read at the start.
    pub preload: Vec<String>,
    /// How long a value may be answered from memory, where the file says so.
    pub cache_ttl: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            source: None,
            trust: AmbientCredentials::Allowed,
            base_dir: PathBuf::from("."),
            config_dir: None,
            state_dir: None,
            default: None,
            providers: BTreeMap::new(),
            chains: BTreeMap::new(),
            secrets: Vec::new(),
            retry: RetryConfig::default(),
            timeouts: TimeoutConfig::default(),
            concurrency: 16,
            preload: Vec::new(),
            cache_ttl: None,
        }
    }
}

impl Config {
    /// With this provider under this name.
    pub fn with_provider(mut self, name: impl Into<String>, provider: ProviderEntry) -> Self {
        self.providers.insert(name.into(), provider);
        self
    }

    /// With this chain under this name.
    pub fn with_chain(mut self, name: impl Into<String>, chain: ChainEntry) -> Self {
        self.chains.insert(name.into(), chain);
        self
    }

    /// With this secret declared.
    pub fn with_secret(mut self, secret: Declared) -> Self {
        self.secrets.push(secret);
        self
    }

    /// With this provider, chain or scheme answering references without one.
    pub fn with_default(mut self, name: impl Into<String>) -> Self {
        self.default = Some(name.into());
        self
    }
}
