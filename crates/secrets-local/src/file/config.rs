use std::num::NonZeroUsize;
use std::path::PathBuf;

use secrets_core::{Error, ErrorKind, Location, Result, SecretValue};
use serde::Deserialize;

use super::envelope::MAX_WORK_FACTOR;

/// How many versions of a secret are kept by default.
const KEPT_VERSIONS: NonZeroUsize = NonZeroUsize::new(10).unwrap();

/// Where the encrypted file is and how it is opened.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FileConfig {
    /// The store; a relative path starts from the folder of the configuration. Default: `.secrets/store.txt`.
    pub path: PathBuf,
    /// The file with the private key: lines `AGE-SECRET-KEY-1…`, or an SSH private key with the feature `file-ssh`. The
    /// variable `SECRETS_IDENTITY`, which holds a path or the key itself, goes before it. Default: `identity.txt` in the
    /// user's folder for settings, if it is there.
    pub identity: Option<PathBuf>,
    /// The text of the private key, for keys that come from another provider. Goes before `identity`, after
    /// `SECRETS_IDENTITY`. Default: none.
    pub identity_key: Option<SecretValue>,
    /// The passphrase, for a store that has one. Default: none.
    pub passphrase: Option<SecretValue>,
    /// How many versions of a secret are kept, at least 1. Default: 10.
    pub keep_versions: NonZeroUsize,
    /// The work to derive a key from a new passphrase: 2 to the power of this, 10 to 20. Default: measured to take at
    /// most a second, from 15 to 18.
    pub work_factor: Option<u8>,
}

impl Default for FileConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::from(".secrets/store.txt"),
            identity: None,
            identity_key: None,
            passphrase: None,
            keep_versions: KEPT_VERSIONS,
            work_factor: None,
        }
    }
}

impl FileConfig {
    /// With the store at this path.
    pub fn with_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = path.into();
        self
    }

    /// With the private key in this file.
    pub fn with_identity(mut self, path: impl Into<Option<PathBuf>>) -> Self {
        self.identity = path.into();
        self
    }

    /// With this text of a private key.
    pub fn with_identity_key(mut self, key: impl Into<Option<SecretValue>>) -> Self {
        self.identity_key = key.into();
        self
    }

    /// With this passphrase.
    pub fn with_passphrase(mut self, passphrase: impl Into<Option<SecretValue>>) -> Self {
        self.passphrase = passphrase.into();
        self
    }

    /// With this many versions of a secret.
    pub fn with_keep_versions(mut self, count: NonZeroUsize) -> Self {
        self.keep_versions = count;
        self
    }

    /// With this much work to derive a key from a new passphrase.
    pub fn with_work_factor(mut self, factor: impl Into<Option<u8>>) -> Self {
        self.work_factor = factor.into();
        self
    }

    /// Takes the path, and the parameter `identity`, from a location: `file:///home/me/store.txt`,
    /// `file:.secrets/store.txt?identity=me.txt`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if the location has a host, a port or another parameter.
    pub fn set_location(&mut self, location: &Location) -> Result<()> {
        location.expect_parameters(&["identity"])?;
        if !location.host().is_empty() || location.port().is_some() {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                "the location of a file has no host",
            )
            .with_hint("write `file:///absolute/path` or `file:relative/path`"));
        }
        if !location.path().is_empty() {
            self.path = PathBuf::from(location.path());
        }
        if let Some(identity) = location.parameter("identity") {
            self.identity = Some(PathBuf::from(identity));
        }
        Ok(())
    }

    pub(super) fn check(&self) -> Result<()> {
        let wrong = |message: String| Err(Error::new(ErrorKind::InvalidConfig, message));
        if self.path.file_name().is_none() {
            return wrong("`path` does not name a file".into());
        }
        match self.work_factor {
            Some(factor) if !(10..=MAX_WORK_FACTOR).contains(&factor) => {
                wrong(format!("`work_factor` is from 10 to {MAX_WORK_FACTOR}"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn reads_its_settings_and_refuses_others() {
        let config: FileConfig =
            serde_json::from_str(r#"{"path":"s.txt","keep_versions":3,"passphrase":"p"}"#).unwrap();
        assert_eq!(
            (config.path.as_path(), config.keep_versions.get()),
            (Path::new("s.txt"), 3)
        );
        assert!(serde_json::from_str::<FileConfig>(r#"{"pth":"s.txt"}"#).is_err());
        assert!(FileConfig::default().check().is_ok());
        assert!(serde_json::from_str::<FileConfig>(r#"{"keep_versions":0}"#).is_err());
        assert!(FileConfig::default().with_work_factor(30).check().is_err());
        assert!(FileConfig::default().with_path("..").check().is_err());
    }

    #[test]
    fn takes_a_location() {
        let mut config = FileConfig::default();
        let location = "file:///home/me/s.txt?identity=me.txt".parse().unwrap();
        config.set_location(&location).unwrap();
        assert_eq!(config.path, Path::new("/home/me/s.txt"));
        assert_eq!(config.identity.as_deref(), Some(Path::new("me.txt")));
        config
            .set_location(&"file:a/s.txt".parse().unwrap())
            .unwrap();
        assert_eq!(config.path, Path::new("a/s.txt"));
        for location in ["file://a/s.txt", "file:s.txt?mode=1"] {
            let error = config.set_location(&location.parse().unwrap()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        }
    }
}
