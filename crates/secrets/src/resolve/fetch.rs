//! Resolving through a handle: all references of a text are fetched together, each once, then put in.

use std::collections::HashMap;
use std::path::Path;

use secrets_core::{Error, ErrorKind, Result, SecretRef, SecretValue};
use zeroize::Zeroizing;

use super::{FileFormat, FileScan, ValueScan};
use crate::Secrets;

impl Secrets {
    /// A text with each `${secret:REFERENCE}` replaced by its value; `$${secret:` stands for `${secret:`.
    ///
    /// # Errors
    /// The first reference that is malformed or cannot be read, with line and column.
    pub async fn resolve_str(&self, text: &str) -> Result<SecretValue> {
        let resolved = self.resolve_text(text, FileFormat::Text, None).await?;
        Ok(resolved.into())
    }

    /// A tree with each `${secret:REFERENCE}` in its strings replaced by its value; whatever is not a string stays as it
    /// is. The result holds the plaintext, unprotected.
    ///
    /// # Errors
    /// The first reference that is malformed or cannot be read, with its JSON pointer.
    pub async fn resolve_value(&self, value: serde_json::Value) -> Result<serde_json::Value> {
        let scan = ValueScan::new(value)?;
        let values = self.fetch_all(scan.references()).await;
        scan.render(|reference| value_of(&values, reference))
    }

    /// The text of a file with each `${secret:REFERENCE}` in its string values replaced, quoted as the format wants it.
    /// Comments, keys and formatting stay as they are. `file` is what errors call it.
    ///
    /// # Errors
    /// The first reference that is malformed, cannot be read or cannot be expressed in the format, with its place.
    pub async fn resolve_text(
        &self,
        text: &str,
        format: FileFormat,
        file: Option<&Path>,
    ) -> Result<Zeroizing<String>> {
        let scan = FileScan::new(text, format, file)?;
        let values = self.fetch_all(scan.references()).await;
        scan.render(|reference| value_of(&values, reference))
    }

    async fn fetch_all(&self, references: &[SecretRef]) -> HashMap<SecretRef, Result<SecretValue>> {
        let answers = self.get_many(references).await;
        let values = answers
            .into_iter()
            .map(|answer| answer.map(|answer| answer.secret.value));
        references.iter().cloned().zip(values).collect()
    }
}

fn value_of(
    values: &HashMap<SecretRef, Result<SecretValue>>,
    reference: &SecretRef,
) -> Result<SecretValue> {
    values.get(reference).cloned().unwrap_or_else(|| {
        Err(
            Error::new(ErrorKind::Unexpected, "a reference was not fetched")
                .with_name(reference.name()),
        )
    })
}
