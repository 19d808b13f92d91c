//! References in texts, values, files and templates, read through a handle.

use std::path::Path;

use secrets_core::{Result, SecretRef, SecretValue};
#[cfg(feature = "template")]
use secrets_resolve::Template;
use secrets_resolve::{FileFormat, FileScan, FileSet, Lookup};
use zeroize::Zeroizing;

use crate::Secrets;

impl Lookup for Secrets {
    async fn get_many(&self, references: &[SecretRef]) -> Vec<Result<SecretValue>> {
        let answers = Secrets::get_many(self, references).await.into_iter();
        answers
            .map(|answer| answer.map(|answer| answer.secret.value))
            .collect()
    }
}

impl Secrets {
    /// Replaces each `${secret:REFERENCE}` in a text by its value; `$${secret:` stands for `${secret:`.
    ///
    /// # Errors
    /// The first reference that is malformed or cannot be read, with line and column.
    pub async fn resolve_str(&self, text: &str) -> Result<SecretValue> {
        secrets_resolve::resolve_str(self, text).await
    }

    /// Replaces each `${secret:REFERENCE}` in the strings of a JSON value by its value. Keys and other values stay as they
    /// are. The result holds the plaintext, unprotected.
    ///
    /// # Errors
    /// The first reference that is malformed or cannot be read, with its JSON pointer.
    pub async fn resolve_value(&self, value: serde_json::Value) -> Result<serde_json::Value> {
        secrets_resolve::resolve_value(self, value).await
    }

    /// Replaces each `${secret:REFERENCE}` in the string values of a file's text, quoted for its format. Comments, keys and
    /// formatting stay as they are. Errors call the file `file`.
    ///
    /// # Errors
    /// The first reference that is malformed, cannot be read or cannot be expressed in the format, with its place.
    pub async fn resolve_text(
        &self,
        text: &str,
        format: FileFormat,
        file: Option<&Path>,
    ) -> Result<Zeroizing<String>> {
        let files = FileSet::new(vec![FileScan::new(text, format, file)?]);
        let mut texts = self.resolve_files(&files).await?;
        Ok(texts.pop().unwrap_or_default())
    }

    /// Renders several files in one go: one batch reads the references of all of them, each secret once. Returns the texts
    /// in the order of the files.
    ///
    /// # Errors
    /// The first reference that cannot be read or cannot be expressed in its file's format, with its place.
    pub async fn resolve_files(&self, files: &FileSet<'_>) -> Result<Vec<Zeroizing<String>>> {
        secrets_resolve::resolve_files(self, files).await
    }

    /// Renders a template with the secrets that it names; `extra` are further variables.
    ///
    /// # Errors
    /// The first thing that is wrong with the template or a secret, with line and column.
    #[cfg(feature = "template")]
    pub async fn render_template(
        &self,
        template: &Template,
        extra: Option<&serde_json::Map<String, serde_json::Value>>,
    ) -> Result<Zeroizing<String>> {
        let templates = std::slice::from_ref(template);
        let mut texts = self.render_templates(templates, extra).await?;
        Ok(texts.pop().unwrap_or_default())
    }

    /// Renders several templates: one batch reads the secrets that they name, each once. Returns the texts in the order of
    /// the templates.
    ///
    /// # Errors
    /// As [`render_template`](Self::render_template).
    #[cfg(feature = "template")]
    pub async fn render_templates(
        &self,
        templates: &[Template],
        extra: Option<&serde_json::Map<String, serde_json::Value>>,
    ) -> Result<Vec<Zeroizing<String>>> {
        secrets_resolve::render_templates(self, templates, extra).await
    }
}
