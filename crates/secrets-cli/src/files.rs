//! Reads the user's files, and writes plaintext that only its owner can read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::failure::{Failure, Outcome};

/// The largest input. The provider's limit for values applies as well.
pub(crate) const LARGEST: usize = 64 * 1024 * 1024;

/// Reads a file, or standard input for `-`, into a buffer that is wiped on drop.
pub(crate) fn read(path: &Path) -> Outcome<Zeroizing<Vec<u8>>> {
    if path.as_os_str() == "-" {
        return stdin();
    }
    let open = || {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        all(file, usize::try_from(length).unwrap_or(0))
    };
    open()
        .map_err(|error| Failure::file("read", path, &error))?
        .ok_or_else(|| too_large(&path.display().to_string()))
}

/// Reads standard input to its end.
pub(crate) fn stdin() -> Outcome<Zeroizing<Vec<u8>>> {
    all(io::stdin().lock(), 0)
        .map_err(|error| Failure::file("read", Path::new("standard input"), &error))?
        .ok_or_else(|| too_large("standard input"))
}

/// Reads text from a file, or from standard input for `-`.
pub(crate) fn read_text(path: &Path) -> Outcome<Zeroizing<String>> {
    let mut bytes = read(path)?;
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let bytes = Zeroizing::new(error.into_bytes());
            let line = 1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count();
            Err(Failure::input(format!(
                "{}:{line}: not UTF-8 text",
                path.display()
            )))
        }
    }
}

fn too_large(what: &str) -> Failure {
    Failure::input(format!("{what}: larger than {} MiB", LARGEST >> 20))
}

/// Reads to the end; `None` for more than [`LARGEST`] bytes.
fn all(mut source: impl Read, expected: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    const STEP: usize = 64 * 1024;

    let mut bytes = Zeroizing::new(vec![0; expected.min(LARGEST) + 1]);
    let mut length = 0;
    loop {
        if length == bytes.len() {
            if length > LARGEST {
                return Ok(None);
            }
            // A vector that reallocates would leave its content behind in memory.
            let mut larger = Zeroizing::new(vec![0; (length * 2).max(STEP)]);
            larger[..length].copy_from_slice(&bytes);
            bytes = larger;
        }
        match source.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(length);
    Ok((length <= LARGEST).then_some(bytes))
}

/// Identifies a file independently of its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The file at a path, following links, or standard input for `-`; `None` if there is none.
    pub(crate) fn from_path(path: &Path) -> Option<Self> {
        let metadata = if path.as_os_str() == "-" {
            let input = io::stdin().as_fd().try_clone_to_owned().ok()?;
            File::from(input).metadata().ok()?
        } else {
            fs::metadata(path).ok()?
        };
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }
}

/// Refuses a path where something other than a regular file is.
pub(crate) fn check_private(path: &Path) -> Outcome<()> {
    if let Ok(there) = fs::symlink_metadata(path)
        && !there.is_file()
    {
        return Err(
            Failure::input(format!("{}: not a regular file", path.display()))
                .with_hint("name another file; secrets are only written to regular files"),
        );
    }
    Ok(())
}

/// Writes a file atomically; only its owner can read it.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Outcome<()> {
    check_private(path)?;
    replace(path, bytes, 0o600).map_err(|error| Failure::file("write", path, &error))
}

/// Refuses a path that exists.
pub(crate) fn check_absent(path: &Path) -> Outcome<()> {
    check_private(path)?;
    match fs::symlink_metadata(path) {
        Ok(_) => Err(exists(path)),
        Err(_) => Ok(()),
    }
}

fn exists(path: &Path) -> Failure {
    Failure::input(format!("{}: file already exists", path.display()))
        .with_hint("name another file, or replace it with --force")
}

/// Writes a new file atomically; only its owner can read it.
pub(crate) fn create_private(path: &Path, bytes: &[u8]) -> Outcome<()> {
    check_absent(path)?;
    put(path, bytes, 0o600, |temporary, path| {
        // Unlike a rename, a hard link never replaces a file that another process created meanwhile.
        fs::hard_link(temporary, path)?;
        fs::remove_file(temporary)
    })
    .map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => Failure::file("write", path, &error),
    })
}

/// Writes a new file that everyone may read.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if the file exists.
pub(crate) fn create_public(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    put(path, bytes, mode, |temporary, path| {
        fs::rename(temporary, path)
    })
}

/// Writes a temporary file in the same folder and moves it to its place.
fn put(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    place: impl FnOnce(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let (temporary, mut file) = beside(path, folder, mode)?;
    let write = (|| {
        file.write_all(bytes)?;
        file.sync_all()?;
        place(&temporary, path)
    })();
    if let Err(error) = write {
        // The temporary file holds plaintext.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    File::open(folder)?.sync_all()
}

/// Creates a temporary file beside the one that it will replace, with its final mode.
fn beside(path: &Path, folder: &Path, mode: u32) -> io::Result<(PathBuf, File)> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?
        .to_string_lossy();
    let mut attempt = 0;
    loop {
        let temporary = folder.join(format!(".{name}.{}.{attempt}.tmp", std::process::id()));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&temporary);
        match file {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 100 => {
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_written_file_is_private_and_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write_private(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_new_file_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        create_private(&path, b"first").unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let Err(Failure::Reported(report)) = create_private(&path, b"second") else {
            panic!("replaced");
        };
        assert!(
            report.message.ends_with("out: file already exists"),
            "{}",
            report.message
        );
        assert_eq!(fs::read(&path).unwrap(), b"first");
        symlink("nowhere", folder.path().join("link")).unwrap();
        assert!(create_private(&folder.path().join("link"), b"third").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_secret_does_not_follow_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        let link = folder.path().join("link");
        fs::write(&target, "mine").unwrap();
        symlink(&target, &link).unwrap();
        assert!(write_private(&link, b"new").is_err());
        assert_eq!(fs::read(&target).unwrap(), b"mine");
    }

    #[test]
    fn input_of_any_length_is_read_completely() {
        for length in [0, 1, 65_535, 65_536, 200_000] {
            let source = vec![7_u8; length];
            assert_eq!(all(&source[..], 0).unwrap().unwrap().as_slice(), source);
            assert_eq!(
                all(&source[..], length).unwrap().unwrap().as_slice(),
                source
            );
        }
        assert!(all(io::repeat(1), 0).unwrap().is_none());
    }

    #[test]
    fn text_that_is_not_utf_8_is_located() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad");
        fs::write(&path, b"a\nb\n\xff").unwrap();
        let Err(Failure::Reported(report)) = read_text(&path) else {
            panic!("read");
        };
        assert!(
            report.message.ends_with("bad:3: not UTF-8 text"),
            "{}",
            report.message
        );
    }
}
