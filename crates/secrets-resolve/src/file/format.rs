use std::fmt;
use std::path::Path;
use std::str::FromStr;

use secrets_core::{Error, ErrorKind};

use crate::document;

/// The format of a file with references. It decides how values are quoted.
///
/// ```
/// use std::path::Path;
///
/// use polysecrets_resolve::FileFormat;
///
/// assert_eq!(FileFormat::from_path(Path::new("app.yml")), Some(FileFormat::Yaml));
/// assert_eq!(FileFormat::from_path(Path::new("app.conf")), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileFormat {
    /// YAML 1.2, any number of documents.
    Yaml,
    /// TOML 1.1.
    Toml,
    /// JSON.
    Json,
    /// `NAME=value` lines.
    Dotenv,
    /// Any text: values are put in as they are, unquoted.
    Text,
}

impl FileFormat {
    /// Derives the format from a file's name: `.yaml`, `.yml`, `.toml`, `.json`, `.env`, and `.env.production` and the
    /// like. `None` for any other name: [`Text`](Self::Text) must be asked for.
    pub fn from_path(path: &Path) -> Option<Self> {
        if let Some(format) = document::Format::from_path(path) {
            return Some(match format {
                document::Format::Yaml => Self::Yaml,
                document::Format::Toml => Self::Toml,
                document::Format::Json => Self::Json,
            });
        }
        let name = path.file_name()?.to_str()?;
        let dotenv = name == ".env" || name.starts_with(".env.") || name.ends_with(".env");
        dotenv.then_some(Self::Dotenv)
    }

    /// The word for this format on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Toml => "toml",
            Self::Json => "json",
            Self::Dotenv => "dotenv",
            Self::Text => "text",
        }
    }
}

impl fmt::Display for FileFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for FileFormat {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        [Self::Yaml, Self::Toml, Self::Json, Self::Dotenv, Self::Text]
            .into_iter()
            .find(|format| format.as_str() == word)
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidConfig,
                    format!("unknown file format {word:?}"),
                )
                .with_hint("known formats are yaml, toml, json, dotenv and text")
            })
    }
}
