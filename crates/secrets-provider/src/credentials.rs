//! Files that a setting names, and what is said of one that cannot be read.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use secrets_core::{Error, ErrorKind, NamedPath, OpenContext, Result, SecretValue};
use zeroize::Zeroizing;

use crate::both;

/// The largest credential file; a real one has a few kilobytes.
const MAX_CREDENTIAL_BYTES: u64 = 64 * 1024;

/// A file that a setting or a variable names. Displayed as both, as far as [`NamedPath`] shows it.
#[derive(Debug, Clone)]
pub struct NamedFile(NamedPath);

impl fmt::Display for NamedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl NamedFile {
    /// The file at `path`, as the setting or variable names it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if it holds content instead of a path.
    pub fn new(setting: impl Into<Cow<'static, str>>, path: impl Into<PathBuf>) -> Result<Self> {
        NamedPath::new(setting, path).map(Self)
    }

    /// The same, with a relative path starting from the folder of the configuration.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn from_config(
        setting: impl Into<Cow<'static, str>>,
        path: impl Into<PathBuf>,
        context: &OpenContext,
    ) -> Result<Self> {
        let path = NamedPath::new(setting, path)?;
        Ok(Self(path.below(&context.base_dir)))
    }

    /// A file with a credential. The configuration names it, but what is in it is the user's, and must not go where
    /// somebody else says.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`] if the location is of somebody else's choice, else those of [`new`](Self::new).
    pub fn for_credential(
        setting: impl Into<Cow<'static, str>>,
        path: &Path,
        context: &OpenContext,
    ) -> Result<Self> {
        context.allow_ambient("a credential from a file")?;
        Self::from_config(setting, path, context)
    }

    /// The whole file, of something that anyone may see.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`], which names setting and path, if it cannot be read.
    pub fn read_public(&self) -> Result<Vec<u8>> {
        std::fs::read(self.0.path()).map_err(|cause| self.unreadable(&cause))
    }

    /// The whole file, of a private key.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`], which names setting and path, if it cannot be read.
    pub fn read_private(&self) -> Result<SecretValue> {
        self.read_public()
            .map(|bytes| SecretValue::from_zeroizing(Zeroizing::new(bytes)))
    }

    /// A credential, without the white space that editors and `echo` leave at its ends.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`], which names setting and path, if it cannot be read, is empty, no text or more than
    /// 64 KiB.
    pub fn read_credential(&self) -> Result<SecretValue> {
        let unreadable = |cause: io::Error| self.unreadable(&cause);
        let file = std::fs::File::open(self.0.path()).map_err(unreadable)?;
        // Two bytes more than the limit: one to notice that there are too many, and one so that the reader finds the end
        // without growing the buffer, which would leave a copy behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_CREDENTIAL_BYTES as usize + 2));
        file.take(MAX_CREDENTIAL_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        if bytes.len() as u64 > MAX_CREDENTIAL_BYTES {
            return Err(invalid(format!("{self} is too large for a credential"))
                .with_hint("check that it is the right file"));
        }
        let trimmed = bytes.trim_ascii();
        if trimmed.is_empty() {
            return Err(
                invalid(format!("{self} is empty")).with_hint("write the credential into it")
            );
        }
        if std::str::from_utf8(trimmed).is_err() {
            return Err(
                invalid(format!("{self} is not text")).with_hint("check that it is the right file")
            );
        }
        Ok(trimmed.into())
    }

    fn unreadable(&self, cause: &io::Error) -> Error {
        let setting = self.0.setting();
        // With a space before it, so that nothing is left where it is not shown.
        let path = self.0.shown();
        let path = path.map_or_else(String::new, |path| format!(" {path}"));
        let (message, hint) = match cause.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => (
                format!("{setting}: there is no file{path}"),
                match path.is_empty() {
                    true => "set a path: what it holds is not shown, since it may be a credential",
                    false => {
                        "check the path; a relative one starts from the folder of the configuration"
                    }
                },
            ),
            io::ErrorKind::PermissionDenied => (
                format!("{setting}: the file{path} may not be read"),
                "check who owns the file, its mode, and those of the folders above it",
            ),
            io::ErrorKind::IsADirectory => (
                format!("{setting}: the path{path} is a folder, not a file"),
                "name a file in it",
            ),
            _ => (
                format!("{setting}: the file{path} cannot be read"),
                "check the file, and the disk that it is on",
            ),
        };
        invalid(message).with_hint(hint)
    }
}

/// A credential that is given, or in a file that is read at each use.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Credential {
    /// The credential itself.
    Given(SecretValue),
    /// The file that it is in now; tomorrow there may be another one in it.
    File(NamedFile),
}

impl Credential {
    /// What `table.name` gives, or the file that `table.name_file` names; `None` if neither is set.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidConfig`] if both are set.
    /// - [`ErrorKind::Unauthenticated`] as for [`NamedFile::for_credential`].
    pub fn from_settings(
        (table, name): (&str, &str),
        given: Option<&SecretValue>,
        file: Option<&Path>,
        context: &OpenContext,
    ) -> Result<Option<Self>> {
        match (given, file) {
            (Some(_), Some(_)) => Err(both(table, name, &format!("{name}_file"))),
            (Some(value), None) => Ok(Some(Self::Given(value.clone()))),
            (None, Some(path)) => {
                let setting = format!("`{table}.{name}_file`");
                NamedFile::for_credential(setting, path, context).map(|file| Some(Self::File(file)))
            }
            (None, None) => Ok(None),
        }
    }

    /// The credential as it is now.
    ///
    /// # Errors
    /// Those of [`NamedFile::read_credential`].
    pub fn read(&self) -> Result<SecretValue> {
        match self {
            Self::Given(value) => Ok(value.clone()),
            Self::File(file) => file.read_credential(),
        }
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidConfig, message)
}

#[cfg(test)]
mod tests {
    use secrets_core::AmbientCredentials;

    use super::*;

    #[test]
    fn a_credential_is_read_without_what_editors_add() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let file = NamedFile::new("`token_file`", path.clone()).unwrap();
        for (content, read) in [("t0ken", "t0ken"), (" t0 ken\r\n\n", "t0 ken")] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(file.read_credential().unwrap(), read.into());
        }
        let most = vec![b'x'; 64 * 1024];
        std::fs::write(&path, &most).unwrap();
        assert_eq!(file.read_credential().unwrap(), most.into());
    }

    #[test]
    fn each_reason_is_told_with_setting_and_path() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("empty"), " \n").unwrap();
        std::fs::write(at("binary"), b"\xfft0ken").unwrap();
        std::fs::write(at("large"), vec![b'x'; 64 * 1024 + 1]).unwrap();
        for (path, says) in [
            ("absent", "`token_file`: there is no file "),
            ("empty/below", "`token_file`: there is no file "),
            (".", "is a folder, not a file"),
            ("empty", "of `token_file` is empty"),
            ("binary", "of `token_file` is not text"),
            ("large", "of `token_file` is too large for a credential"),
        ] {
            let file = NamedFile::new("`token_file`", at(path)).unwrap();
            let failure = file.read_credential().unwrap_err();
            assert_eq!(failure.kind(), ErrorKind::InvalidConfig);
            assert!(failure.message().contains(says), "{failure}");
            let shown = at(path).display().to_string();
            assert!(failure.message().contains(&shown), "{failure}");
            assert!(failure.hint().is_some());
        }
        let file = NamedFile::new("VAULT_CACERT", at("absent")).unwrap();
        for failure in [
            file.read_public().unwrap_err(),
            file.read_private().unwrap_err(),
        ] {
            assert!(failure.message().starts_with("VAULT_CACERT: there is no"));
        }
    }

    #[test]
    fn a_credential_is_given_or_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("id"), "from the file").unwrap();
        let context = OpenContext::new("main").with_base_dir(folder.path());
        let (given, path) = (SecretValue::from("given"), Path::new("id"));
        let of = |given, file, context: &OpenContext| {
            Credential::from_settings(("approle", "secret_id"), given, file, context)
        };
        let read = |credential: Result<Option<Credential>>| credential.unwrap().unwrap().read();
        assert_eq!(
            read(of(Some(&given), None, &context)).unwrap(),
            given.clone()
        );
        assert_eq!(
            read(of(None, Some(path), &context)).unwrap(),
            "from the file".into()
        );
        assert!(of(None, None, &context).unwrap().is_none());
        let failure = of(Some(&given), Some(path), &context).unwrap_err();
        assert_eq!(
            failure.message(),
            "`approle` has both `secret_id` and `secret_id_file`"
        );

        let foreign = context.with_ambient(AmbientCredentials::Refused {
            config: "/repo/secrets.toml".into(),
        });
        let failure = of(None, Some(path), &foreign).unwrap_err();
        assert_eq!(failure.kind(), ErrorKind::Unauthenticated);
        // What the configuration itself holds goes where it says.
        assert!(of(Some(&given), None, &foreign).is_ok());
    }
}
