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
    /// The largest value in bytes; a larger one is refused. Default: 1 MiB.
    pub max_value_bytes: usize,
}

/// What [`MemoryConfig::max_value_bytes`] is by default.
pub(super) const MAX_VALUE_BYTES: usize = 1024 * 1024;

impl Default for MemoryConfig {
    fn default() -> Self {
        Self {
            keep_versions: const { NonZeroUsize::new(10).unwrap() },
            max_value_bytes: MAX_VALUE_BYTES,
        }
    }
}

impl MemoryConfig {
    /// Keeps this many versions of a secret.
    pub fn with_keep_versions(mut self, versions: NonZeroUsize) -> Self {
        self.keep_versions = versions;
        self
    }

    /// Refuses values with more bytes than these.
    pub fn with_max_value_bytes(mut self, limit: usize) -> Self {
        self.max_value_bytes = limit;
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
