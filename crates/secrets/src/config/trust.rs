//! Approvals of configuration files: what `secrets trust` remembers.
//!
//! An approval is for one path with one content. It is a file of its own in `trusted/` of the state folder, named by the
//! hash of the path, so that approving one configuration never touches the approval of another.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use secrets_core::{Error, ErrorKind, Result};
use sha2::{Digest, Sha256};

use super::read::{self, Source};

/// Approves a configuration file as it is now. A change of it, or another path, needs an approval of its own.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] if the file cannot be read, belongs to another user or can be written by one;
/// [`ErrorKind::Unexpected`] if the approval cannot be written.
pub fn approve(config: &Path, state_dir: &Path) -> Result<()> {
    let source = read::source(config)?;
    let record = record(&source.canonical, state_dir);
    let failed = |error: io::Error| unwritable(&record, &error);
    if let Some(folder) = record.parent() {
        make_folder(folder).map_err(failed)?;
    }
    let content = format!(
        "{}\n{}\n",
        fingerprint(source.text.as_bytes()),
        source.canonical.display()
    );
    replace(&record, content.as_bytes()).map_err(failed)
}

/// Takes an approval back. `false` if there was none.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] if the path leads nowhere; [`ErrorKind::Unexpected`] if the approval cannot be removed.
pub fn revoke(config: &Path, state_dir: &Path) -> Result<bool> {
    let canonical = canonical(config)?;
    let record = record(&canonical, state_dir);
    match fs::remove_file(&record) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(unwritable(&record, &error)),
    }
}

/// Whether a configuration file is approved as it is now.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] if the file cannot be read, belongs to another user or can be written by one.
pub fn is_trusted(config: &Path, state_dir: &Path) -> Result<bool> {
    Ok(is_approved(&read::source(config)?, state_dir))
}

/// The paths that have an approval, in alphabetical order. Whether one still holds, [`is_trusted`] tells.
///
/// # Errors
/// [`ErrorKind::Unexpected`] if the approvals cannot be read.
pub fn approved(state_dir: &Path) -> Result<Vec<PathBuf>> {
    let folder = state_dir.join("trusted");
    let failed = |error: &io::Error| {
        Error::new(
            ErrorKind::Unexpected,
            format!(
                "the approvals in {} cannot be read: {}",
                folder.display(),
                error.kind()
            ),
        )
    };
    let records = match fs::read_dir(&folder) {
        Ok(records) => records,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(&error)),
    };
    let mut paths = Vec::new();
    for entry in records {
        let path = entry.map_err(|error| failed(&error))?.path();
        // What counts for nothing as an approval is not listed as one.
        let Ok(source) = read::source(&path) else {
            continue;
        };
        paths.extend(source.text.lines().nth(1).map(PathBuf::from));
    }
    paths.sort();
    Ok(paths)
}

/// Whether what was read is approved.
pub(super) fn is_approved(source: &Source, state_dir: &Path) -> bool {
    let record = record(&source.canonical, state_dir);
    // The record is held to the rules of a configuration: it counts for nothing if another user can have written it.
    let Ok(record) = read::source(&record) else {
        return false;
    };
    record.text.lines().next() == Some(fingerprint(source.text.as_bytes()).as_str())
}

fn canonical(config: &Path) -> Result<PathBuf> {
    // A file that is gone can still be revoked, as long as its folder is there.
    let resolved = fs::canonicalize(config).or_else(|error| {
        let (Some(folder), Some(name)) = (config.parent(), config.file_name()) else {
            return Err(error);
        };
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        Ok(fs::canonicalize(folder)?.join(name))
    });
    resolved.map_err(|error| {
        Error::new(
            ErrorKind::InvalidConfig,
            format!("{} cannot be found: {}", config.display(), error.kind()),
        )
    })
}

fn record(canonical: &Path, state_dir: &Path) -> PathBuf {
    let name = fingerprint(canonical.as_os_str().as_encoded_bytes());
    state_dir.join("trusted").join(name)
}

fn fingerprint(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn unwritable(record: &Path, error: &io::Error) -> Error {
    Error::new(
        ErrorKind::Unexpected,
        format!(
            "the approval in {} cannot be changed: {}",
            record.display(),
            error.kind()
        ),
    )
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Writes beside the target and renames, so that there is always the old approval or the new one.
fn replace(target: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = target.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(name);
    // What a killed process of the same number left behind.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    let written = file
        .write_all(content)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&temporary, target));
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    #[cfg(unix)]
    if let Some(folder) = target.parent() {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}
