mod hostile;
mod inputs;
mod loading;
mod overlays;
mod settings;

use std::fs;
use std::path::{Path, PathBuf};

use secrets_core::{Environment, Error, ErrorKind};
use tempfile::TempDir;

use super::{Config, DescribedSetting, LoadOptions};

/// A folder of its own with a configuration, a state folder and an environment.
struct Room {
    folder: TempDir,
    variables: Vec<(&'static str, &'static str)>,
}

impl Room {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            variables: Vec::new(),
        }
    }

    fn with(file: &str, text: &str) -> Self {
        let room = Self::new();
        room.write(file, text);
        room
    }

    fn variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    fn path(&self, path: &str) -> PathBuf {
        // The search resolves links, and so do expectations about what it finds.
        fs::canonicalize(self.folder.path()).unwrap().join(path)
    }

    fn state(&self) -> PathBuf {
        self.path("state")
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Options as of a shell in `folder`.
    fn options(&self, folder: &str) -> LoadOptions {
        let environment: Environment = self.variables.iter().copied().collect();
        let mut options = LoadOptions::new(self.path(folder), environment);
        options.state_dir = Some(self.state());
        options
    }

    /// Loads what is found, as from a shell in the folder.
    fn found(&self) -> Result<Config, Error> {
        Config::load(&self.options(""))
    }

    /// Loads a file that the user names.
    fn named(&self, file: &str) -> Result<Config, Error> {
        Config::load(&self.options("").with_file(file))
    }
}

/// Loads a trusted TOML text.
fn toml(text: &str) -> Result<Config, Error> {
    Room::with("secrets.toml", text).named("secrets.toml")
}

/// The error of a TOML text, which must be about the configuration and have this place.
#[track_caller]
fn refused(text: &str, line: usize, column: usize) -> Error {
    let error = toml(text).map(|_| ()).unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::InvalidConfig | ErrorKind::InvalidName
        ),
        "{error:?}"
    );
    let position = error
        .position()
        .unwrap_or_else(|| panic!("{error} has no place"));
    assert!(position.file.as_deref().unwrap().ends_with("secrets.toml"));
    assert_eq!((position.line, position.column), (line, column), "{error}");
    assert!(!error.to_string().contains('\n'));
    error
}

#[track_caller]
fn hint(error: &Error) -> &str {
    error
        .hint()
        .unwrap_or_else(|| panic!("{error} has no hint"))
}

fn row<'r>(rows: &'r [DescribedSetting], key: &str) -> &'r DescribedSetting {
    rows.iter()
        .find(|row| row.key == key)
        .unwrap_or_else(|| panic!("no {key} in {rows:#?}"))
}

fn is_below(path: &Path, folder: &Path) -> bool {
    path.starts_with(folder)
}
