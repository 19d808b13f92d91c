use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrets_core::{
    Error, ErrorKind, OpenContext, ProviderKind, Result, SecretProvider, SourcePosition,
};

use crate::config::Settings;

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
}

impl ProviderSpec {
    /// Settings and surroundings for one provider.
    pub fn new(settings: Settings, context: OpenContext) -> Self {
        Self { settings, context }
    }
}

type Opened = BoxFuture<'static, Result<Arc<dyn SecretProvider>>>;
type OpenFn = fn(ProviderSpec) -> Opened;

/// The error with a place in the configuration, unless it has a more precise one.
pub(crate) fn placed(error: Error, position: Option<SourcePosition>) -> Error {
    match (error.position(), position) {
        (None, Some(position)) => error.with_position(position),
        _ => error,
    }
}

/// Which schemes there are, and how a provider of each is opened.
#[derive(Clone, Default)]
pub struct Registry {
    schemes: BTreeMap<&'static str, OpenFn>,
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
        registry.register::<secrets_local::memory::MemoryProvider>();
        #[cfg(feature = "env")]
        registry.register::<secrets_local::env::EnvProvider>();
        #[cfg(feature = "dotenv")]
        registry.register::<secrets_local::dotenv::DotenvProvider>();
        #[cfg(feature = "file")]
        registry.register::<secrets_local::file::FileProvider>();
        #[cfg(feature = "vault")]
        registry.register::<secrets_vault::VaultProvider>();
        #[cfg(feature = "aws")]
        registry.register::<secrets_aws::AwsProvider>();
        #[cfg(feature = "azure")]
        registry.register::<secrets_azure::AzureProvider>();
        #[cfg(feature = "gcp")]
        registry.register::<secrets_gcp::GcpProvider>();
        #[cfg(feature = "infisical")]
        registry.register::<secrets_infisical::InfisicalProvider>();
        registry
    }

    /// Adds a kind of provider, in place of one with the same scheme.
    ///
    /// ```
    /// # use polysecrets::{ProviderKind, Registry};
    /// fn with_own<P: ProviderKind>() -> Registry {
    ///     let mut registry = Registry::builtin();
    ///     registry.register::<P>();
    ///     registry
    /// }
    /// ```
    pub fn register<P: ProviderKind>(&mut self) {
        self.schemes
            .insert(P::SCHEME, |spec| open::<P>(spec).boxed());
    }

    /// All schemes, in alphabetical order.
    pub fn schemes(&self) -> impl Iterator<Item = &str> {
        self.schemes.keys().copied()
    }

    /// Opens a provider.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] that lists the schemes there are, if this is not one of them; else what the provider
    /// says.
    pub async fn open(&self, scheme: &str, spec: ProviderSpec) -> Result<Arc<dyn SecretProvider>> {
        let open = self
            .schemes
            .get(canonical_scheme(scheme))
            .ok_or_else(|| self.unknown(scheme))?;
        open(spec).await
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

async fn open<P: ProviderKind>(spec: ProviderSpec) -> Result<Arc<dyn SecretProvider>> {
    let ProviderSpec { settings, context } = spec;
    let mut config: P::Config = settings.deserialize()?;
    if let Some(location) = settings.location() {
        P::set_location(&mut config, location)
            .map_err(|error| placed(error, settings.location_position()))?;
    }
    Ok(Arc::new(P::open(config, context).await?))
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.schemes()).finish()
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use futures_util::FutureExt;
    use secrets_core::{
        Capabilities, GetOptions, Health, HealthStatus, Location, ProviderInfo, Secret, SecretName,
    };

    use super::*;

    /// A provider of someone else's that can do nothing, and takes no location.
    #[derive(Debug)]
    struct Nothing(ProviderInfo);

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct NoSettings {}

    #[async_trait]
    impl ProviderKind for Nothing {
        const SCHEME: &'static str = "nothing";

        type Config = NoSettings;

        async fn open(_: NoSettings, context: OpenContext) -> Result<Self> {
            let location = Location::from_scheme(Self::SCHEME);
            let capabilities = Capabilities::default();
            let info = ProviderInfo::new(Self::SCHEME, context.provider, location, capabilities);
            Ok(Self(info))
        }
    }

    #[async_trait]
    impl SecretProvider for Nothing {
        fn info(&self) -> &ProviderInfo {
            &self.0
        }

        async fn get(&self, name: &SecretName, _: &GetOptions) -> Result<Secret> {
            Err(Error::not_found(name))
        }

        async fn health(&self) -> Result<Health> {
            Ok(Health::new(HealthStatus::Healthy, "idle"))
        }

        async fn close(&self) -> Result<()> {
            Ok(())
        }

        secrets_core::unsupported!(describe, list, put, delete, restore, versions, rollback);
    }

    fn open(settings: Settings) -> Result<Arc<dyn SecretProvider>> {
        let mut registry = Registry::empty();
        registry.register::<Nothing>();
        let spec = ProviderSpec::new(settings, OpenContext::new("mine"));
        registry.open("nothing", spec).now_or_never().unwrap()
    }

    #[test]
    fn a_registered_kind_opens_by_its_scheme() {
        let provider = open(Settings::default()).unwrap();
        assert_eq!(provider.info().scheme, "nothing");
        assert_eq!(&*provider.info().name, "mine");
    }

    #[test]
    fn a_location_that_the_kind_does_not_read_is_an_error() {
        let location: Location = "nothing://somewhere".parse().unwrap();
        let error = open(Settings::from_location(location)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert_eq!(
            error.message(),
            "a provider of type nothing takes no location"
        );
        assert_eq!(error.hint(), Some("remove `location`"));
    }
}
