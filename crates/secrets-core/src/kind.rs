use async_trait::async_trait;
use serde::de::DeserializeOwned;

use crate::{Error, Location, OpenContext, Result, SecretProvider};

/// A kind of provider, as a registry opens it: its scheme, its settings, and how they become a provider.
#[async_trait]
pub trait ProviderKind: SecretProvider + Sized + 'static {
    /// The word for it in configurations and locations, such as `vault`.
    const SCHEME: &'static str;

    /// Its settings. An unknown key should be an error: `#[serde(deny_unknown_fields)]`.
    type Config: DeserializeOwned + Send;

    /// Takes over the parts of a location. Default: a provider of this kind takes no location.
    ///
    /// # Errors
    /// [`InvalidConfig`](crate::ErrorKind::InvalidConfig) for a part that the provider does not take, or that a setting
    /// gives too.
    fn set_location(config: &mut Self::Config, location: &Location) -> Result<()> {
        let _ = (config, location);
        Err(Error::invalid_config(format!(
            "a provider of type {} takes no location",
            Self::SCHEME
        ))
        .with_hint("remove `location`"))
    }

    /// Opens a provider, without a request.
    ///
    /// # Errors
    /// [`InvalidConfig`](crate::ErrorKind::InvalidConfig) for settings that conflict or that cannot be used.
    async fn open(config: Self::Config, context: OpenContext) -> Result<Self>;
}
