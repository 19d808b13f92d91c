//! The encrypted file as a whole: creating, accepting, merging, and deciding who may open it.

use secrets_core::{Error, ErrorKind, Result};
pub use secrets_local::file::{
    Accepted, ChangeKind, FileConfig, FileStore, KeyChange, KeyOrigin, MergeConsent, MergeReport,
    MergeSide, OldKeyWrite, Recipients, StoreSummary, VersionChange,
};

use crate::Secrets;

impl Secrets {
    /// The encrypted file behind this provider, or behind the one that the configuration has if none is named.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if that is not exactly one encrypted file; else what is wrong with its settings.
    pub async fn file_store(&self, provider: Option<&str>) -> Result<FileStore> {
        let name = match provider {
            Some(name) => name.to_owned(),
            None => self.only_file()?,
        };
        let (scheme, settings, context) = self.router().settings(&name).await?;
        if crate::canonical_scheme(&scheme) != secrets_local::file::SCHEME {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                format!("the provider {name} is of type {scheme}, not an encrypted file"),
            ));
        }
        let mut config: FileConfig = settings.deserialize()?;
        if let Some(location) = settings.location() {
            config.set_location(location)?;
        }
        FileStore::open(config, &context)
    }

    fn only_file(&self) -> Result<String> {
        let providers = self.config().providers.iter();
        let files: Vec<&String> = providers
            .filter(|(_, entry)| {
                crate::canonical_scheme(&entry.scheme) == secrets_local::file::SCHEME
            })
            .map(|(name, _)| name)
            .collect();
        match files.as_slice() {
            [] => Ok(secrets_local::file::SCHEME.to_owned()),
            [name] => Ok((*name).clone()),
            names => Err(Error::new(
                ErrorKind::InvalidConfig,
                "the configuration has several encrypted files",
            )
            .with_hint(format!(
                "name one of them with `--provider`: {}",
                names
                    .iter()
                    .map(|name| name.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            ))),
        }
    }
}
