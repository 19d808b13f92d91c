use std::collections::BTreeMap;

use secrets_core::{Error, ErrorKind, Location, Result, SecretName};
use serde::Deserialize;

/// Short names for variables that many programs agree on: name, variable.
pub const WELL_KNOWN: &[(&str, &str)] = &[
    ("anthropic", "ANTHROPIC_API_KEY"),
    ("huggingface", "HUGGINGFACE_TOKEN"),
    ("lmstudio", "LMSTUDIO_API_KEY"),
    ("openai", "OPENAI_API_KEY"),
];

/// How the environment is read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct EnvConfig {
    /// Only variables that start with this text are secrets, and their names go without it: with `APP_`, the variable
    /// `APP_TOKEN` is the secret `TOKEN`. Default: empty, which is the same as none: every variable is a secret.
    pub prefix: String,
    /// Secret names for whole variable names, such as `openai = "OPENAI_API_KEY"`. They come before any other rule, and
    /// the prefix is not put before the variable, since naming it is leave enough. Default: empty.
    pub map: BTreeMap<String, String>,
    /// Adds the names of [`WELL_KNOWN`] to `map`, which goes before them. Default: `false`.
    pub well_known: bool,
    /// Leaves listings empty, so that the secrets of a chain are not listed among all variables of the process; secrets
    /// are found by their names all the same. Default: `false`.
    pub unlisted: bool,
}

impl EnvConfig {
    /// Only variables with this prefix.
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// With this variable under this name.
    pub fn with_mapped(mut self, name: impl Into<String>, variable: impl Into<String>) -> Self {
        self.map.insert(name.into(), variable.into());
        self
    }

    /// With the names of [`WELL_KNOWN`].
    pub fn with_well_known(mut self) -> Self {
        self.well_known = true;
        self
    }

    /// Found by name, but not listed.
    pub fn with_unlisted(mut self) -> Self {
        self.unlisted = true;
        self
    }

    /// Takes over what a location says: `env:` or `env:?prefix=APP_`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if it has a host, a path or other parameters.
    pub fn set_location(&mut self, location: &Location) -> Result<()> {
        location.expect_parameters(&["prefix"])?;
        if !location.host().is_empty() || !location.path().is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                "a location of scheme env has no host and no path",
            )
            .with_hint("write `env:` or `env:?prefix=APP_`"));
        }
        if let Some(prefix) = location.parameter("prefix") {
            prefix.clone_into(&mut self.prefix);
        }
        Ok(())
    }

    /// All mapped names with their variables.
    pub(super) fn mapped(&self) -> Result<BTreeMap<SecretName, String>> {
        let well_known = WELL_KNOWN
            .iter()
            .filter(|_| self.well_known)
            .map(|(name, variable)| (*name, *variable));
        let own = self
            .map
            .iter()
            .map(|(name, variable)| (name.as_str(), variable.as_str()));
        well_known
            .chain(own)
            .map(|(name, variable)| {
                let name = SecretName::new(name)?;
                if variable.is_empty() || variable.contains(['=', '\0']) {
                    return Err(Error::new(
                        ErrorKind::InvalidConfig,
                        "`map` gives no variable's name for this secret",
                    )
                    .with_name(&name)
                    .with_hint("a variable's name is not empty and has no `=` in it"));
                }
                Ok((name, variable.to_owned()))
            })
            .collect()
    }
}
