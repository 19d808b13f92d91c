//! The same handle for programs without a runtime.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use futures_util::TryStreamExt;
use secrets_core::{
    Answer, Error, ErrorKind, Health, Metadata, PutOptions, Result, SecretName, SecretRef,
    SecretValue, ToSecretRef, Version,
};
use serde::Serialize;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::CloseOptions;

/// A [`Secrets`](crate::Secrets) handle with a runtime of its own; each method blocks until its answer is there.
///
/// ```no_run
/// let handle = polysecrets::Secrets::builder().default_provider("env").build()?;
/// let secrets = polysecrets::blocking::Secrets::new(handle)?;
/// let password = secrets.get("db/password")?;
/// # Ok::<(), polysecrets::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Secrets {
    handle: crate::Secrets,
    runtime: Arc<Runtime>,
}

macro_rules! blocking {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) -> $output:ty;)+) => {
        $(
            $(#[$doc])*
            ///
            /// # Errors
            /// As the asynchronous method of the same name; [`ErrorKind::Unexpected`] inside an asynchronous runtime.
            pub fn $name(&self, reference: impl ToSecretRef $(, $argument: $type)*) -> Result<$output>
            {
                self.block_on(self.handle.$name(reference $(, $argument)*))?
            }
        )+
    };
}

impl Secrets {
    /// A handle for the configuration in this file.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`], located in the file.
    pub fn from_config(path: impl AsRef<Path>) -> Result<Self> {
        let runtime = runtime()?;
        let handle = runtime.block_on(crate::Secrets::from_config(path))?;
        Ok(Self { handle, runtime })
    }

    /// A handle for the configuration that the environment names or that is found from the working directory upwards.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`], located in the file.
    pub fn from_env() -> Result<Self> {
        let runtime = runtime()?;
        let handle = runtime.block_on(crate::Secrets::from_env())?;
        Ok(Self { handle, runtime })
    }

    /// A handle that was built elsewhere and not used yet.
    ///
    /// # Errors
    /// [`ErrorKind::Unexpected`] if the system gives no runtime.
    pub fn new(handle: crate::Secrets) -> Result<Self> {
        Ok(Self {
            handle,
            runtime: runtime()?,
        })
    }

    blocking! {
        /// Reads a secret.
        get() -> SecretValue;
        /// Reads a secret with its metadata and where it came from.
        get_with_origin() -> Answer;
        /// Reads a secret that may be missing.
        get_optional() -> Option<SecretValue>;
        /// Whether a secret is there and can be read.
        exists() -> bool;
        /// Reads a secret's metadata without its value.
        describe() -> Metadata;
        /// Writes a value.
        put(value: SecretValue) -> Metadata;
        /// Writes a value under conditions.
        put_with(value: SecretValue, options: PutOptions) -> Metadata;
        /// Deletes a secret.
        delete() -> ();
        /// Undoes a soft delete.
        restore() -> ();
        /// Makes the content of an earlier version current again.
        rollback(to: Version) -> Metadata;
    }

    /// Reads a secret, or takes this value if it is missing.
    ///
    /// # Errors
    /// As [`get_optional`](Self::get_optional).
    pub fn get_or(
        &self,
        reference: impl ToSecretRef,
        default: impl Into<SecretValue>,
    ) -> Result<SecretValue> {
        self.block_on(self.handle.get_or(reference, default))?
    }

    /// Reads many secrets: one result a reference, in the order asked.
    ///
    /// # Errors
    /// [`ErrorKind::Unexpected`] inside an asynchronous runtime.
    pub fn get_many(&self, references: &[SecretRef]) -> Result<Vec<Result<Answer>>> {
        self.block_on(self.handle.get_many(references))
    }

    /// Reads every secret whose name starts with this text.
    ///
    /// # Errors
    /// As the asynchronous method of the same name.
    pub fn get_all(&self, prefix: &str) -> Result<BTreeMap<SecretName, SecretValue>> {
        self.block_on(self.handle.get_all(prefix))?
    }

    /// Lists the secrets whose names start with this text.
    ///
    /// # Errors
    /// As the asynchronous method of the same name.
    pub fn list(&self, prefix: &str) -> Result<Vec<Metadata>> {
        self.block_on(self.handle.list(prefix).try_collect())?
    }

    /// Lists a secret's versions, newest first.
    ///
    /// # Errors
    /// As the asynchronous method of the same name.
    pub fn versions(&self, reference: impl ToSecretRef) -> Result<Vec<Metadata>> {
        self.block_on(self.handle.versions(reference).try_collect())?
    }

    /// The health of every configured provider.
    ///
    /// # Errors
    /// [`ErrorKind::Unexpected`] inside an asynchronous runtime.
    pub fn health(&self) -> Result<Vec<(String, Health)>> {
        self.block_on(self.handle.health())
    }

    /// Fills every [`SecretField`](crate::SecretField) in a value of any serialisable type.
    ///
    /// # Errors
    /// The first reference that cannot be read.
    pub fn fill<T: Serialize + ?Sized>(&self, config: &T) -> Result<()> {
        self.block_on(self.handle.fill(config))?
    }

    /// Closes every provider that was opened.
    ///
    /// # Errors
    /// The first error; the others are closed all the same.
    pub fn close(&self) -> Result<()> {
        self.block_on(self.handle.close())?
    }

    /// Closes the handle in the way that the options say.
    ///
    /// # Errors
    /// The first error; the others are closed all the same.
    pub fn close_with(&self, options: CloseOptions) -> Result<()> {
        self.block_on(self.handle.close_with(options))?
    }

    fn block_on<F: Future>(&self, future: F) -> Result<F::Output> {
        if Handle::try_current().is_ok() {
            return Err(Error::new(
                ErrorKind::Unexpected,
                "a blocking call inside an asynchronous runtime",
            )
            .with_hint("use `polysecrets::Secrets` there"));
        }
        Ok(self.runtime.block_on(future))
    }
}

fn runtime() -> Result<Arc<Runtime>> {
    if Handle::try_current().is_ok() {
        return Err(Error::new(
            ErrorKind::Unexpected,
            "a blocking handle inside an asynchronous runtime",
        )
        .with_hint("use `polysecrets::Secrets` there"));
    }
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map(Arc::new)
        .map_err(|error| {
            Error::new(ErrorKind::Unexpected, "the system gives no runtime").with_source(error)
        })
}
