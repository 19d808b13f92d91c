use std::num::NonZeroUsize;

use secrets_core::{Error, ErrorKind, Location, Result};
use serde::Deserialize;

/// How the memory provider is set up.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MemoryConfig {
    /// How many versions of a secret are kept, the current one included; older ones are destroyed. Default: 10.
    pub keep_versions: NonZeroUsize,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self {
            keep_versions: const { NonZeroUsize::new(10).unwrap() },
        }
    }
}

impl MemoryConfig {
    /// Keeps so many versions of a secret.
    pub fn with_keep_versions(mut self, versions: NonZeroUsize) -> Self {
        self.keep_versions = versions;
        self
    }

    /// Takes over what a location says: `memory:` says nothing more.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if it has a host, a path or parameters.
    pub fn set_location(&mut self, location: &Location) -> Result<()> {
        location.expect_parameters(&[])?;
        if !location.host().is_empty() || !location.path().is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                "a location of scheme memory has no host and no path",
            )
            .with_hint("write `memory:`"));
        }
        Ok(())
    }
}
