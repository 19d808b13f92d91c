//! The configuration: where it is looked for, how it is read, and the data that comes out of it.
//!
//! It knows no provider. A provider's own settings stay a located tree, which the registry reads into the provider's
//! configuration when it is opened.

mod audit;
mod check;
mod cycles;
mod de;
mod describe;
mod duration;
mod entries;
mod fields;
mod format;
mod guard;
mod interpolate;
mod keys;
mod layers;
mod load;
mod options;
mod parse;
mod policy;
mod profile;
mod read;
mod scaffold;
mod schema;
mod scheme;
mod settings;
#[cfg(test)]
mod tests;
mod tree;
pub mod trust;
mod workflow;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
#[cfg(feature = "policy")]
use std::sync::Arc;

#[cfg(feature = "policy")]
use crate::layers::PolicySource;
use crate::layers::{
    AuditConfig, BreakerConfig, CacheConfig, PolicyConfig, RetryConfig, TimeoutConfig,
};
use secrets_core::{
    AmbientCredentials, Error, ErrorKind, Location, Result, SecretValue, SourcePosition, suggestion,
};

pub use describe::{DescribedSetting, SettingOrigin};
pub use entries::{ChainEntry, ChainMember, DeclaredSecret, OnError, ProviderEntry};
pub use options::LoadOptions;
pub use settings::Settings;

/// Everything that a configuration says, as plain data.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The file that it was read from; `None` without one.
    pub source: Option<PathBuf>,
    /// The profile that was merged in.
    pub profile: Option<String>,
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
    pub secrets: Vec<DeclaredSecret>,
    /// How calls are repeated.
    pub retry: RetryConfig,
    /// How long things may take.
    pub timeouts: TimeoutConfig,
    /// How many calls each provider takes at once; `None` for what its vendor takes well, else 16.
    pub concurrency: Option<usize>,
    /// The names of the declared secrets that are read at the start.
    pub preload: Vec<String>,
    /// `breaker`: when a provider that fails is left alone.
    pub breaker: BreakerConfig,
    /// `cache`: how long answers are kept in memory; `None` for not at all, which is the default.
    pub cache: Option<CacheConfig>,
    /// `policy`: who may do what with which secret; `None` for everybody everything.
    pub policy: Option<PolicyConfig>,
    /// `audit`: where uses of secrets are recorded; `None` for nowhere.
    pub audit: Option<AuditConfig>,
    default_position: Option<SourcePosition>,
    origins: describe::Origins,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            source: None,
            profile: None,
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
            concurrency: None,
            preload: Vec::new(),
            breaker: BreakerConfig::default(),
            cache: None,
            policy: None,
            audit: None,
            default_position: None,
            origins: describe::Origins::default(),
        }
    }
}

impl Config {
    /// Finds and reads the configuration for a run. Without any file the default provider is `env`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`](secrets_core::ErrorKind::InvalidConfig), with the place in the file wherever the fault
    /// is in one: wrong syntax, an unknown key, a wrong type, providers that need each other to open, an unknown profile;
    /// a file that another user owns or can write, one over 16 MiB, two in one folder; and in a file that was found and
    /// is not approved, what only a trusted one may do.
    pub fn load(options: &LoadOptions) -> Result<Self> {
        load::load(options)
    }

    /// The text of a fresh `secrets.toml`: the environment, then `main` at this location where one is given, then an
    /// encrypted file.
    pub fn scaffold(main: Option<&Location>) -> String {
        scaffold::scaffold(main)
    }

    /// The JSON schema (draft 2020-12) of `secrets.toml` and its like.
    pub fn schema() -> serde_json::Value {
        schema::schema()
    }

    /// All settings in effect and where each comes from. What is or may be a credential is `***`.
    pub fn describe(&self) -> Vec<DescribedSetting> {
        describe::describe(self)
    }

    /// What would keep providers from being opened: variables in their settings that are not set. It is not an error of
    /// [`load`](Self::load), since a run may need none of them.
    pub fn problems(&self) -> Vec<Error> {
        let providers = self.providers.iter();
        providers
            .flat_map(|(name, provider)| {
                let problems = provider.settings.problems().into_iter();
                problems
                    .map(|error| error.with_provider(name.as_str().into(), provider.scheme.clone()))
            })
            .collect()
    }

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
    pub fn with_secret(mut self, secret: DeclaredSecret) -> Self {
        self.secrets.push(secret);
        self
    }

    /// With this provider, chain or scheme answering references without one.
    pub fn with_default(mut self, name: impl Into<String>) -> Self {
        self.default = Some(name.into());
        self
    }

    /// With this policy.
    pub fn with_policy(mut self, policy: PolicyConfig) -> Self {
        self.policy = Some(policy);
        self
    }

    /// The policy and what it has to know of this configuration.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`](secrets_core::ErrorKind::InvalidConfig) where there is no policy.
    #[cfg(feature = "policy")]
    pub fn policy_source(&self) -> Result<PolicySource> {
        let Some(policy) = &self.policy else {
            return Err(
                Error::new(ErrorKind::InvalidConfig, "the configuration has no policy")
                    .with_hint("add `[policy]` with roles and principals"),
            );
        };
        let mut source = PolicySource::new(policy.clone()).with_base_dir(&self.base_dir);
        for (name, chain) in &self.chains {
            let members = chain.members.iter().map(|member| &*member.provider);
            source = source.with_chain(name, members);
        }
        source.environment.clone_from(&self.profile);
        source.default = self.default.as_deref().map(Arc::from);
        source.declared = self
            .secrets
            .iter()
            .map(|one| (one.name.clone(), one.reference.clone()))
            .collect();
        Ok(source)
    }

    /// Checks that whatever names a provider names one that is declared, or one of `others`: the schemes of a registry
    /// and providers that are no part of the configuration.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`](secrets_core::ErrorKind::InvalidConfig) with the place of the first unknown name, the
    /// known ones and the nearest of them.
    pub fn check_names<'a>(&self, others: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let mut known: BTreeSet<&str> = others.into_iter().collect();
        known.extend(self.providers.keys().map(String::as_str));
        known.extend(self.chains.keys().map(String::as_str));
        let default = self
            .default
            .as_deref()
            .map(|name| (name, self.default_position.as_ref()));
        let members = self.chains.values().flat_map(|chain| {
            let members = chain.members.iter();
            members.map(|member| (member.provider.as_str(), member.position.as_ref()))
        });
        let references = self
            .secrets
            .iter()
            .filter_map(|secret| Some((secret.reference.provider()?, secret.position.as_ref())));
        let roles = self.policy.iter().flat_map(|policy| policy.roles.values());
        let scopes = roles.flat_map(|role| {
            let scopes = role.scopes.iter();
            scopes.map(|scope| (scope.as_str(), role.position.as_ref()))
        });
        let mut named = default
            .into_iter()
            .chain(members)
            .chain(references)
            .chain(scopes);
        let unknown = named
            .find(|(name, _)| !known.contains(name) && !known.contains(scheme::canonical(name)));
        let Some((name, position)) = unknown else {
            return Ok(());
        };
        let known: Vec<&str> = known.into_iter().collect();
        let error = Error::new(
            ErrorKind::InvalidConfig,
            format!("unknown provider {}", de::shown(name)),
        )
        .with_hint(suggestion::hint(name, &known, "providers"));
        Err(match position {
            Some(position) => error.with_position(position.clone()),
            None => error,
        })
    }
}

impl DeclaredSecret {
    /// Checks a value against the declared format.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`](secrets_core::ErrorKind::InvalidValue) that names the format and nothing of the value.
    pub fn check_format(&self, value: &SecretValue) -> Result<()> {
        match &self.format {
            Some(format) => format::check(format, value),
            None => Ok(()),
        }
    }
}
