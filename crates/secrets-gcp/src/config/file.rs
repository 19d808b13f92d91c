//! Files that a setting names, and what is said of one that cannot be read.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read as _};
use std::path::PathBuf;

use secrets_core::{Error, Result, SecretValue};
use zeroize::Zeroizing;

use crate::error::invalid_config;

/// The largest credential file; a real one has a few kilobytes.
const MAX_CREDENTIAL_BYTES: u64 = 64 * 1024;

/// A file, and what names it: a setting in backquotes, or a variable. Displayed as both.
#[derive(Debug, Clone)]
pub(crate) struct NamedFile {
    setting: Cow<'static, str>,
    path: PathBuf,
}

impl fmt::Display for NamedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the file {} of {}", self.path.display(), self.setting)
    }
}

impl NamedFile {
    pub(crate) fn new(setting: impl Into<Cow<'static, str>>, path: PathBuf) -> Self {
        Self {
            setting: setting.into(),
            path,
        }
    }

    /// The whole file, of something that anyone may see.
    pub(crate) fn read_public(&self) -> Result<Vec<u8>> {
        std::fs::read(&self.path).map_err(|cause| self.unreadable(&cause))
    }

    /// A credential, without the white space that editors and `echo` leave at its ends.
    pub(crate) fn read_credential(&self) -> Result<SecretValue> {
        let unreadable = |cause: io::Error| self.unreadable(&cause);
        let file = std::fs::File::open(&self.path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        if length > MAX_CREDENTIAL_BYTES {
            return Err(invalid_config(format!(
                "{self} has {length} bytes, too many for a credential"
            ))
            .with_hint("check that it is the right file"));
        }
        // One byte more than the limit, so that the buffer never grows and leaves no copy behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_CREDENTIAL_BYTES as usize + 1));
        file.take(MAX_CREDENTIAL_BYTES)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        let trimmed = bytes.trim_ascii();
        if trimmed.is_empty() {
            return Err(invalid_config(format!("{self} is empty"))
                .with_hint("write the credential into it"));
        }
        Ok(trimmed.into())
    }

    fn unreadable(&self, cause: &io::Error) -> Error {
        let (setting, path) = (&self.setting, self.path.display());
        let (message, hint) = match cause.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => (
                format!("{setting}: there is no file {path}"),
                "check the path; a relative one starts from the folder of the configuration",
            ),
            io::ErrorKind::PermissionDenied => (
                format!("{setting}: the file {path} may not be read"),
                "check who owns the file, its mode, and those of the folders above it",
            ),
            io::ErrorKind::IsADirectory => (
                format!("{setting}: {path} is a folder, not a file"),
                "name a file in it",
            ),
            _ => (
                format!("{setting}: the file {path} cannot be read"),
                "check the file, and the disk that it is on",
            ),
        };
        invalid_config(message).with_hint(hint)
    }
}
