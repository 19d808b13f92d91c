use std::fmt;
use std::time::Duration;

use secrets_core::{
    AmbientCredentials, Error, ErrorKind, Location, Result, SecretRef, SourcePosition,
};

use super::{Settings, scheme};
use crate::layers::{BreakerConfig, RetryConfig};

/// One configured provider: `[providers.NAME]`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProviderEntry {
    /// The kind of provider, aliases folded.
    pub scheme: String,
    /// The provider's own settings and its location.
    pub settings: Settings,
    /// Whether it may use credentials that its settings do not name.
    pub trust: AmbientCredentials,
    /// `retry`: its own way of repeating calls; `None` for that of the whole configuration.
    pub retry: Option<RetryConfig>,
    /// `attempt_timeout`: its own limit for one attempt; `None` for that of the whole configuration.
    pub attempt_timeout: Option<Duration>,
    /// `rate`: how many calls it takes a second; `None` for what its provider names, else no limit.
    pub rate: Option<u32>,
    /// `breaker`: when it is left alone; `None` for that of the whole configuration.
    pub breaker: Option<BreakerConfig>,
    /// `concurrency`: how many calls it takes at once; `None` for that of the whole configuration.
    pub concurrency: Option<usize>,
    /// Where it is declared.
    pub position: Option<SourcePosition>,
}

impl ProviderEntry {
    /// A provider of this scheme with these settings.
    pub fn new(scheme: impl Into<String>, settings: Settings) -> Self {
        Self {
            scheme: scheme.into(),
            settings,
            trust: AmbientCredentials::Allowed,
            retry: None,
            attempt_timeout: None,
            rate: None,
            breaker: None,
            concurrency: None,
            position: None,
        }
    }

    /// A provider at this location, of the location's scheme.
    pub fn at(location: Location) -> Self {
        Self::new(
            location.scheme().to_owned(),
            Settings::from_location(location),
        )
    }

    /// With this rule for credentials that its settings do not name.
    pub fn with_trust(mut self, trust: AmbientCredentials) -> Self {
        self.trust = trust;
        self
    }

    /// Refuses to write where only an unapproved configuration says: to a server, and to a file that is not below its
    /// own folder.
    pub(crate) fn allow_put(&self) -> Result<()> {
        let AmbientCredentials::Refused { config } = &self.trust else {
            return Ok(());
        };
        if scheme::is_local(&self.scheme) && !self.settings.leaves_folder() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::PermissionDenied,
            format!(
                "a new value is not written to a place that {} names, which is not trusted",
                config.display()
            ),
        )
        .with_hint("read the file, then approve it with `secrets trust`"))
    }
}

/// An ordered list of providers that are asked one after the other: `[chains.NAME]`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ChainEntry {
    /// Who is asked, in this order.
    pub members: Vec<ChainMember>,
    /// `write`: the member that takes writes; `None` if there is none.
    pub write: Option<String>,
    /// Where it is declared.
    pub position: Option<SourcePosition>,
}

impl ChainEntry {
    /// A chain of these members, which takes no writes.
    pub fn new(members: impl IntoIterator<Item = ChainMember>) -> Self {
        Self {
            members: members.into_iter().collect(),
            write: None,
            position: None,
        }
    }

    /// With writes going to this member.
    pub fn with_write(mut self, provider: impl Into<String>) -> Self {
        self.write = Some(provider.into());
        self
    }
}

/// One member of a chain: a provider's name, or `{ provider = "NAME", on_error = "skip" }`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ChainMember {
    /// The provider's name, or a scheme with its defaults.
    pub provider: String,
    /// What an error of it means for the chain.
    pub on_error: OnError,
    /// Where it is named.
    pub position: Option<SourcePosition>,
}

impl ChainMember {
    /// A member whose errors end the chain.
    pub fn new(provider: impl Into<String>) -> Self {
        Self {
            provider: provider.into(),
            on_error: OnError::default(),
            position: None,
        }
    }

    /// With this rule for errors.
    pub fn with_on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }
}

/// What an error of a chain's member means; a missing secret is none, it always goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnError {
    /// The error is the answer.
    #[default]
    Fail,
    /// The next member is asked, with a warning.
    Warn,
    /// The next member is asked.
    Skip,
}

impl OnError {
    pub(super) const NAMES: &'static [&'static str] = &["fail", "warn", "skip"];

    pub(super) fn of_name(name: &str) -> Option<Self> {
        match name {
            "fail" => Some(Self::Fail),
            "warn" => Some(Self::Warn),
            "skip" => Some(Self::Skip),
            _ => None,
        }
    }

    /// The word for it in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Warn => "warn",
            Self::Skip => "skip",
        }
    }
}

/// One declared secret: `[secrets.NAME]`.
#[derive(Clone)]
#[non_exhaustive]
pub struct Declared {
    /// The key by which the program and its templates know it.
    pub name: String,
    /// Where it is. Its `default` stands in for a missing secret.
    pub reference: SecretRef,
    /// `env`: the environment variable that a child process gets it in, where that is not the name.
    pub env: Option<String>,
    /// `required`: whether it is an error that it is missing.
    pub required: bool,
    /// `format`: what its value has to look like.
    pub format: Option<String>,
    /// `description`: what it is for.
    pub description: Option<String>,
    /// `cache_ttl`: how long it is kept in memory; `None` for as long as other secrets.
    pub cache_ttl: Option<Duration>,
    /// `rotate_after`: the age at which it should be replaced.
    pub rotate_after: Option<Duration>,
    /// Where it is declared.
    pub position: Option<SourcePosition>,
}

impl Declared {
    /// A required secret under this key.
    pub fn new(name: impl Into<String>, reference: SecretRef) -> Self {
        Self {
            name: name.into(),
            reference,
            env: None,
            required: true,
            format: None,
            description: None,
            cache_ttl: None,
            rotate_after: None,
            position: None,
        }
    }

    /// Not required.
    pub fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    /// With this environment variable in place of the name.
    pub fn with_env(mut self, variable: impl Into<String>) -> Self {
        self.env = Some(variable.into());
        self
    }

    /// The environment variable that a child process gets it in.
    pub fn env_name(&self) -> &str {
        self.env.as_deref().unwrap_or(&self.name)
    }
}

impl fmt::Debug for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the rest of the reference: its default may have come from the environment.
        f.debug_struct("Declared")
            .field("name", &self.name)
            .field("provider", &self.reference.provider())
            .field("secret", self.reference.name())
            .field("env", &self.env)
            .field("required", &self.required)
            .field("format", &self.format)
            .field("cache_ttl", &self.cache_ttl)
            .field("rotate_after", &self.rotate_after)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
