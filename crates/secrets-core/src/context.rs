use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::{Clock, Error, ErrorKind, Result, SecretValue, SystemClock};

/// A snapshot of environment variables. The caller decides what it holds; this crate reads no environment itself.
#[derive(Clone, Default)]
pub struct Environment(Arc<BTreeMap<String, SecretValue>>);

impl Environment {
    /// The value of a variable.
    pub fn var(&self, name: &str) -> Option<&SecretValue> {
        self.0.get(name)
    }

    /// The value of a variable that is set, not empty and UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        let text = self.var(name)?.expose_str().ok()?;
        (!text.is_empty()).then_some(text)
    }

    /// All variables, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &SecretValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl<K: Into<String>, V: Into<SecretValue>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(Arc::new(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        ))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Whether a provider may use credentials that its configuration does not name: variables such as `VAULT_TOKEN`, files
/// in the home folder, metadata services. They must not reach a location that someone else chose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AmbientCredentials {
    /// The location comes from the user: the environment, the command line or an approved configuration.
    #[default]
    Allowed,
    /// The location comes from a configuration file that the user has not approved.
    Refused {
        /// The file, for the error that says how to approve it.
        config: PathBuf,
    },
}

/// What a provider gets when it is opened, besides its own configuration.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OpenContext {
    /// The provider's name in the configuration.
    pub provider: Arc<str>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The environment variables that the provider may read.
    pub environment: Environment,
    /// Whether the provider may use credentials that the configuration does not name.
    pub ambient: AmbientCredentials,
    /// The base folder for relative paths in the configuration.
    pub base_dir: PathBuf,
    /// The user's folder for lasting settings, such as the identity file.
    pub config_dir: Option<PathBuf>,
    /// The user's folder for state between runs.
    pub state_dir: Option<PathBuf>,
    shared: Shared,
}

/// What all providers of a process share: one value of each type.
#[derive(Clone, Default)]
struct Shared(BTreeMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({} values)", self.0.len())
    }
}

impl OpenContext {
    /// A context with an empty environment, the system's clock and the working directory as its base.
    pub fn new(provider: impl Into<Arc<str>>) -> Self {
        Self {
            provider: provider.into(),
            clock: Arc::new(SystemClock),
            environment: Environment::default(),
            ambient: AmbientCredentials::Allowed,
            base_dir: PathBuf::from("."),
            config_dir: None,
            state_dir: None,
            shared: Shared::default(),
        }
    }

    /// Sets the environment.
    pub fn with_environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Sets the clock.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the rule for credentials that the configuration does not name.
    pub fn with_ambient(mut self, ambient: AmbientCredentials) -> Self {
        self.ambient = ambient;
        self
    }

    /// Sets the base folder for relative paths.
    pub fn with_base_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.base_dir = folder.into();
        self
    }

    /// Sets the user's folders for settings and for state.
    pub fn with_user_dirs(mut self, config: Option<PathBuf>, state: Option<PathBuf>) -> Self {
        self.config_dir = config;
        self.state_dir = state;
        self
    }

    /// Adds a value that all providers of a process share, such as an HTTP transport. A second value of one type replaces
    /// the first.
    pub fn with_shared<T: Any + Send + Sync>(mut self, value: T) -> Self {
        self.shared.0.insert(TypeId::of::<T>(), Arc::new(value));
        self
    }

    /// The shared value of this type.
    pub fn shared<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.shared.0.get(&TypeId::of::<T>())?.downcast_ref()
    }

    /// Checks that the provider may look for a credential that its configuration does not name.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`] if it may not; `what` names the credential.
    pub fn allow_ambient(&self, what: &str) -> Result<()> {
        match &self.ambient {
            AmbientCredentials::Allowed => Ok(()),
            AmbientCredentials::Refused { config } => Err(Error::new(
                ErrorKind::Unauthenticated,
                format!(
                    "{what} is not sent to a location from {}, which is not trusted",
                    config.display()
                ),
            )
            .with_hint("read the file, then approve it with `secrets trust`")),
        }
    }
}
