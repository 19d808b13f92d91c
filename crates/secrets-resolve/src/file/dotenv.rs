use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use secrets_core::Result;
use zeroize::Zeroizing;

use crate::zeroizing_writer::ZeroizingWriter;

/// One `NAME=value` of a `.env` file.
pub(super) struct Assignment {
    pub(super) name: String,
    /// The value with its quotes.
    pub(super) span: Range<usize>,
    pub(super) text: Arc<Zeroizing<String>>,
}

impl fmt::Debug for Assignment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Assignment")
            .field("name", &self.name)
            .field("span", &self.span)
            .finish_non_exhaustive()
    }
}

/// Reads a `.env` file as the provider of that name does.
#[cfg(feature = "dotenv")]
pub(super) fn parse(text: &str) -> Result<Vec<Assignment>> {
    let entries = secrets_dotenv::parse(text)?;
    entries
        .into_iter()
        .map(|entry| {
            let value = entry.value.expose_str()?;
            let mut text = ZeroizingWriter::with_capacity(value.len());
            text.push_str(value);
            Ok(Assignment {
                name: entry.key,
                span: entry.value_span,
                text: Arc::new(text.into_inner()),
            })
        })
        .collect()
}

/// Writes `text` so that it reads back as it is.
#[cfg(feature = "dotenv")]
pub(super) fn quote(out: &mut ZeroizingWriter, text: &str) -> Result<()> {
    out.push_str(&secrets_dotenv::quote(text)?);
    Ok(())
}

#[cfg(not(feature = "dotenv"))]
pub(super) fn parse(_: &str) -> Result<Vec<Assignment>> {
    Err(unsupported())
}

#[cfg(not(feature = "dotenv"))]
pub(super) fn quote(_: &mut ZeroizingWriter, _: &str) -> Result<()> {
    Err(unsupported())
}

#[cfg(not(feature = "dotenv"))]
fn unsupported() -> secrets_core::Error {
    secrets_core::Error::new(
        secrets_core::ErrorKind::Unsupported,
        "this build cannot read .env files",
    )
    .with_hint("build with the feature `dotenv`")
}
