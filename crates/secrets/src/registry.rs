use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrets_core::{Error, ErrorKind, OpenContext, Result, SecretProvider, SourcePosition};

use crate::config::Settings;
#[cfg(feature = "http")]
use secrets_provider::Transport;

/// The schemes of the built-in providers, whether or not this build has them.
pub(crate) const KNOWN_SCHEMES: &[&str] = &[
    "env",
    "dotenv",
    "memory",
    "file",
    "vault",
    "aws-sm",
    "azure-kv",
    "gcp-sm",
    "infisical",
];

/// The scheme that a word means: itself, or the scheme that it is an alias of.
pub fn canonical_scheme(word: &str) -> &str {
    match word {
        "aws" | "aws_sm" | "aws-secrets" => "aws-sm",
        "azure" | "azure_kv" | "azure-keyvault" => "azure-kv",
        "gcp" => "gcp-sm",
        "vault_dev" | "vault_hcp" => "vault",
        "infisical_cloud" | "infisical_self_host" => "infisical",
        "local-file" => "file",
        scheme => scheme,
    }
}

/// What a provider is opened with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProviderSpec {
    /// The provider's own settings.
    pub settings: Settings,
    /// Its name, and what it may use of its surroundings.
    pub context: OpenContext,
    /// The HTTP transport that all providers share.
    #[cfg(feature = "http")]
    pub transport: Transport,
}

impl ProviderSpec {
    /// Settings and surroundings for one provider.
    pub fn new(
        settings: Settings,
        context: OpenContext,
        #[cfg(feature = "http")] transport: Transport,
    ) -> Self {
        Self {
            settings,
            context,
            #[cfg(feature = "http")]
            transport,
        }
    }
}

type Opened = BoxFuture<'static, Result<Arc<dyn SecretProvider>>>;
type OpenFn = Arc<dyn Fn(ProviderSpec) -> Opened + Send + Sync>;

/// The error with a place in the configuration, unless it has a more precise one.
pub(crate) fn placed(error: Error, position: Option<SourcePosition>) -> Error {
    match (error.position(), position) {
        (None, Some(position)) => error.with_position(position),
        _ => error,
    }
}

/// Registers a provider crate or module, which all have the same names. `transport` is for those that speak HTTP.
#[allow(unused_macros, reason = "a build without any provider registers none")]
macro_rules! builtin {
    ($registry:ident, $($module:ident)::+, $config:ident $(, $transport:ident)?) => {
        $registry.register($($module)::+::SCHEME, |opening| async move {
            let ProviderSpec { settings, context, $($transport,)? .. } = opening;
            let mut config: $($module)::+::$config = settings.deserialize()?;
            if let Some(location) = settings.location() {
                config
                    .set_location(location)
                    .map_err(|error| placed(error, settings.location_position()))?;
            }
            let provider = $($module)::+::open(config, context $(, $transport)?).await?;
            Ok(Arc::new(provider) as Arc<dyn SecretProvider>)
        });
    };
}

/// Which schemes there are, and how a provider of each is opened.
#[derive(Clone, Default)]
pub struct Registry {
    schemes: BTreeMap<String, OpenFn>,
}

impl Registry {
    /// Without any scheme.
    pub fn empty() -> Self {
        Self::default()
    }

    /// With every scheme whose feature is on.
    pub fn builtin() -> Self {
        #[allow(unused_mut, reason = "a build without any provider registers none")]
        let mut registry = Self::empty();
        #[cfg(feature = "memory")]
        builtin!(registry, secrets_local::memory, MemoryConfig);
        #[cfg(feature = "env")]
        builtin!(registry, secrets_local::env, EnvConfig);
        #[cfg(feature = "dotenv")]
        builtin!(registry, secrets_local::dotenv, DotenvConfig);
        #[cfg(feature = "file")]
        builtin!(registry, secrets_local::file, FileConfig);
        #[cfg(feature = "vault")]
        builtin!(registry, secrets_vault, VaultConfig, transport);
        #[cfg(feature = "aws")]
        builtin!(registry, secrets_aws, AwsConfig, transport);
        #[cfg(feature = "azure")]
        builtin!(registry, secrets_azure, AzureConfig, transport);
        #[cfg(feature = "gcp")]
        builtin!(registry, secrets_gcp, GcpConfig, transport);
        #[cfg(feature = "infisical")]
        builtin!(registry, secrets_infisical, InfisicalConfig, transport);
        registry
    }

    /// Adds a scheme, or replaces how its providers are opened.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use polysecrets::{Registry, SecretProvider};
    /// # fn doc(provider: Arc<dyn SecretProvider>) {
    /// let mut registry = Registry::builtin();
    /// registry.register("mine", move |opening| {
    ///     let provider = provider.clone();
    ///     async move { Ok(provider) }
    /// });
    /// # }
    /// ```
    pub fn register<F, O>(&mut self, scheme: impl Into<String>, open: F)
    where
        F: Fn(ProviderSpec) -> O + Send + Sync + 'static,
        O: Future<Output = Result<Arc<dyn SecretProvider>>> + Send + 'static,
    {
        self.schemes.insert(
            scheme.into(),
            Arc::new(move |opening| open(opening).boxed()),
        );
    }

    /// All schemes, in alphabetical order.
    pub fn schemes(&self) -> impl Iterator<Item = &str> {
        self.schemes.keys().map(String::as_str)
    }

    /// Opens a provider.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] that lists the schemes there are, if this is not one of them; else what the provider
    /// says.
    pub async fn open(&self, scheme: &str, opening: ProviderSpec) -> Result<Arc<dyn SecretProvider>> {
        let open = self
            .schemes
            .get(canonical_scheme(scheme))
            .ok_or_else(|| self.unknown(scheme))?;
        open(opening).await
    }

    pub(crate) fn unknown(&self, scheme: &str) -> Error {
        let known = self.schemes().collect::<Vec<_>>().join(", ");
        if KNOWN_SCHEMES.contains(&canonical_scheme(scheme)) {
            let feature = match canonical_scheme(scheme) {
                "aws-sm" => "aws",
                "azure-kv" => "azure",
                "gcp-sm" => "gcp",
                other => other,
            };
            return Error::new(
                ErrorKind::InvalidConfig,
                format!("this build has no provider of type {scheme:?}"),
            )
            .with_hint(format!(
                "build with the feature `{feature}`; this build has: {known}"
            ));
        }
        Error::new(
            ErrorKind::InvalidConfig,
            format!("unknown provider type {scheme:?}"),
        )
        .with_hint(format!("known types: {known}"))
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.schemes()).finish()
    }
}
