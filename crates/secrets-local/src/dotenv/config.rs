use std::path::PathBuf;

use secrets_core::{Error, ErrorKind, Location, Result};
use serde::Deserialize;

/// Which `.env` file is used, and how.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct DotenvConfig {
    /// The file; a relative path starts from the folder of the configuration. Default: `.env`.
    pub path: PathBuf,
    /// Only keys that start with this text are secrets, and their names go without it. Default: empty, which is the same
    /// as none: every key is a secret.
    pub prefix: String,
    /// Replaces `$NAME`, `${NAME}` and `${NAME:-default}` in bare and double-quoted values by an earlier entry of the file
    /// or else by the environment. Default: `false`, `$` means nothing.
    pub expand: bool,
    /// Refuses a file that other users can read or write, instead of only warning. Default: `false`.
    pub strict_permissions: bool,
}

impl Default for DotenvConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::from(".env"),
            prefix: String::new(),
            expand: false,
            strict_permissions: false,
        }
    }
}

impl DotenvConfig {
    /// Uses this file.
    pub fn with_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = path.into();
        self
    }

    /// Only keys with this prefix.
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Replaces variables in values.
    pub fn with_expand(mut self) -> Self {
        self.expand = true;
        self
    }

    /// Refuses a file that other users can read or write.
    pub fn with_strict_permissions(mut self) -> Self {
        self.strict_permissions = true;
        self
    }

    /// Takes over what a location says: `dotenv:.env.local`, `dotenv:///srv/app/.env?prefix=APP_`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if it has a host, unknown parameters or a flag that is neither `true` nor `false`.
    pub fn set_location(&mut self, location: &Location) -> Result<()> {
        location.expect_parameters(&["expand", "prefix", "strict_permissions"])?;
        if !location.host().is_empty() || location.port().is_some() {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                "a location of scheme dotenv has no host",
            )
            .with_hint("write `dotenv:.env` for a relative path, `dotenv:///srv/app/.env` for an absolute one"));
        }
        if !location.path().is_empty() {
            self.path = PathBuf::from(location.path());
        }
        if let Some(prefix) = location.parameter("prefix") {
            prefix.clone_into(&mut self.prefix);
        }
        if let Some(flag) = flag(location, "expand")? {
            self.expand = flag;
        }
        if let Some(flag) = flag(location, "strict_permissions")? {
            self.strict_permissions = flag;
        }
        Ok(())
    }
}

fn flag(location: &Location, key: &str) -> Result<Option<bool>> {
    match location.parameter(key) {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("the parameter `{key}` is neither `true` nor `false`"),
        )),
    }
}
