//! Resolving in one go: one batch reads all references of the input, each once.

use std::future::Future;

use secrets_core::{Result, SecretRef, SecretValue};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::file::not_read;
use crate::{FileFormat, FileScan, FileSet, ValueScan};

/// Reads the values that references name. A `polysecrets::Secrets` handle is one.
///
/// ```
/// use polysecrets_resolve::{Lookup, resolve_str};
/// use secrets_core::{Error, Result, SecretRef, SecretValue};
///
/// struct Fixed;
///
/// impl Lookup for Fixed {
///     async fn get_many(&self, references: &[SecretRef]) -> Vec<Result<SecretValue>> {
///         let value = |reference: &SecretRef| match reference.name().as_str() {
///             "password" => Ok("hunter2".into()),
///             _ => Err(Error::not_found(reference.name())),
///         };
///         references.iter().map(value).collect()
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let url = resolve_str(&Fixed, "postgres://app:${secret:password}@db").await?;
/// assert_eq!(url.expose_str()?, "postgres://app:hunter2@db");
/// # Ok::<(), Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Lookup: Sync {
    /// Reads these references: one result each, in the order given, with the field and the default of each applied.
    fn get_many(
        &self,
        references: &[SecretRef],
    ) -> impl Future<Output = Vec<Result<SecretValue>>> + Send;
}

/// Replaces each `${secret:REFERENCE}` in a text by its value; `$${secret:` stands for `${secret:`.
///
/// # Errors
/// The first reference that is malformed or cannot be read, with line and column.
pub async fn resolve_str<L: Lookup>(lookup: &L, text: &str) -> Result<SecretValue> {
    let scan = FileScan::new(text, FileFormat::Text, None)?;
    let values = lookup.get_many(scan.references()).await;
    Ok(scan.render(in_turn(values))?.into())
}

/// Replaces each `${secret:REFERENCE}` in the strings of a JSON value by its value. Keys and other values stay as they are.
/// The result holds the plaintext, unprotected.
///
/// # Errors
/// The first reference that is malformed or cannot be read, with its JSON pointer.
pub async fn resolve_value<L: Lookup>(lookup: &L, value: Value) -> Result<Value> {
    let scan = ValueScan::new(value)?;
    let values = lookup.get_many(scan.references()).await;
    scan.render(in_turn(values))
}

/// Renders files: one batch reads the references of all of them, each once. Returns the texts in the order of the files.
///
/// # Errors
/// The first reference that cannot be read or that its file's format cannot express, with its place.
pub async fn resolve_files<L: Lookup>(
    lookup: &L,
    files: &FileSet<'_>,
) -> Result<Vec<Zeroizing<String>>> {
    let values = lookup.get_many(files.references()).await;
    files.render(&values)
}

/// Hands out the values that were read for all references, in their order.
fn in_turn(values: Vec<Result<SecretValue>>) -> impl FnMut(&SecretRef) -> Result<SecretValue> {
    let mut values = values.into_iter();
    move |reference| values.next().unwrap_or_else(|| Err(not_read(reference)))
}
