//! Resolving through a handle: all references of a text are fetched together, each once, then put in.

use std::path::Path;

use secrets_core::{Answer, Error, ErrorKind, Result, SecretRef, SecretValue};
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
        let answers = self.get_many(scan.references()).await;
        scan.render(in_turn(answers))
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
        let answers = self.get_many(scan.references()).await;
        scan.render(in_turn(answers))
    }
}

/// Gives what was fetched for all references, in their order.
fn in_turn(answers: Vec<Result<Answer>>) -> impl FnMut(&SecretRef) -> Result<SecretValue> {
    let mut answers = answers.into_iter();
    move |reference| match answers.next() {
        Some(answer) => answer.map(|answer| answer.secret.value),
        None => Err(
            Error::new(ErrorKind::Unexpected, "a reference was not fetched")
                .with_name(reference.name()),
        ),
    }
}
