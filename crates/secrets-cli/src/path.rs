//! Path arguments.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, Command};
use secrets::{NamedPath, looks_like_content};

/// Parses a path. Refuses the content of a file in its place, without repeating it.
#[derive(Debug, Clone)]
pub(crate) struct PathArgument;

impl TypedValueParser for PathArgument {
    type Value = PathBuf;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<PathBuf, clap::Error> {
        let path = PathBufValueParser::new().parse_ref(command, argument, value)?;
        let name = argument.map_or_else(|| "the path".to_owned(), ToString::to_string);
        match NamedPath::new(name, path) {
            Ok(path) => Ok(path.into_path()),
            Err(failure) => {
                let hint = failure.hint().unwrap_or_default();
                let text = format!("{}\n\n  tip: {hint}\n", failure.message());
                Err(clap::Error::raw(ErrorKind::ValueValidation, text))
            }
        }
    }
}

/// The error, or another one if the error repeats an argument that is the content of a file.
pub(crate) fn without_content(
    error: clap::Error,
    words: impl Iterator<Item = std::ffi::OsString>,
) -> clap::Error {
    /// clap may shorten an argument, but keeps at least its start.
    const START: usize = 12;
    let text = error.to_string();
    let is_repeated = words.enumerate().skip(1).find(|(_, word)| {
        let word = word.to_string_lossy();
        let value = word.split_once('=').map_or("", |(_, value)| value);
        let start = |part: &str| part.chars().take(START).collect::<String>();
        [&*word, value]
            .into_iter()
            .any(|part| looks_like_content(part) && text.contains(&start(part)))
    });
    match is_repeated {
        None => error,
        Some((number, _)) => clap::Error::raw(
            error.kind(),
            format!(
                "argument {number}: holds content, not an option, a name or a path\n\n  tip: pass content on standard input with `--stdin`, or in a file\n"
            ),
        ),
    }
}
