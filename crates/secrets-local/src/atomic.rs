//! Replacing a file so that whoever reads it, and whoever is killed while writing it, meets the old content or the new
//! one and nothing between.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use secrets_core::{Error, ErrorKind, Result};

use crate::disk::io_error;

/// How long a writer waits for another one; a write takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// The right to replace one file, held against other processes and other tasks of this one. Readers need none.
///
/// It blocks, so a caller on an asynchronous runtime takes it on a thread for blocking work. It lies on the folder, so
/// that it needs no file of its own and outlives the exchange of the file; where folders cannot be locked (Windows,
/// NFS), a file `.NAME.lock` beside it is locked instead. So whoever holds one must not ask for another one in the same
/// folder.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    _held: File,
}

impl Lock {
    /// Waits until nobody else holds the lock of this file. The file itself need not exist, its folder must. A caller
    /// that means to follow a symbolic link resolves it first.
    pub(crate) fn acquire(path: &Path) -> Result<Self> {
        let held = match lock_folder(path)? {
            Some(held) => held,
            None => lock_beside(path)?,
        };
        Ok(Self {
            path: path.to_owned(),
            _held: held,
        })
    }

    /// Puts these bytes in place of the file: a new file with its final mode from its first moment on, written, synced
    /// and renamed over the old one, then the folder synced. The umask may narrow the mode. Owner and group of an
    /// existing file are kept; where the group cannot be, the group's permissions are dropped.
    pub(crate) fn replace(&self, bytes: &[u8], mode: u32) -> Result<()> {
        let temporary = self.path.with_file_name(beside(&self.path, ".tmp"));
        let written = self.write_temporary(&temporary, bytes, mode);
        let renamed = written.and_then(|()| {
            fs::rename(&temporary, &self.path).map_err(|error| io_error("write", &self.path, error))
        });
        if renamed.is_err() {
            // What failed first is what the caller has to know.
            let _ = fs::remove_file(&temporary);
        }
        renamed?;
        sync_folder(&self.path).map_err(|error| io_error("write", &self.path, error))
    }

    fn write_temporary(&self, temporary: &Path, bytes: &[u8], mode: u32) -> Result<()> {
        let mut file = self.create_temporary(temporary, mode)?;
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(|error| io_error("write", &self.path, error))
    }

    fn create_temporary(&self, temporary: &Path, mode: u32) -> Result<File> {
        let failed = |error| io_error("write", &self.path, error);
        // A writer that was killed may have left one; nobody else uses this name, since we hold the lock.
        match fs::remove_file(temporary) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let file = create_new(temporary, mode).map_err(failed)?;
        let existing = match fs::symlink_metadata(&self.path) {
            Ok(existing) => existing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(file),
            Err(error) => return Err(failed(error)),
        };
        if !existing.is_file() {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                format!("{} is not a regular file", self.path.display()),
            ));
        }
        keep_owner(file, temporary, &existing, mode).map_err(|error| {
            io_error("keep the owner of", &self.path, error)
                .with_hint("write as the user who owns the file")
        })
    }
}

/// [`Lock::acquire`] and [`Lock::replace`] in one, for content that does not depend on what is there.
#[cfg(feature = "file")]
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    Lock::acquire(path)?.replace(bytes, mode)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn beside(path: &Path, ending: &str) -> OsString {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(ending);
    name
}

/// The locked folder, or `None` where folders cannot be locked.
#[cfg(unix)]
fn lock_folder(path: &Path) -> Result<Option<File>> {
    let file = File::open(folder(path)).map_err(|error| io_error("write", path, error))?;
    match wait(&file, path) {
        Ok(()) => Ok(Some(file)),
        Err(Refusal::Busy(error)) => Err(error),
        Err(Refusal::Impossible(_)) => Ok(None),
    }
}

#[cfg(not(unix))]
fn lock_folder(_path: &Path) -> Result<Option<File>> {
    Ok(None)
}

fn lock_beside(path: &Path) -> Result<File> {
    let name = path.with_file_name(beside(path, ".lock"));
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    owner_only(&mut options);
    let file = options
        .open(&name)
        .map_err(|error| io_error("lock", &name, error))?;
    match wait(&file, path) {
        Ok(()) => Ok(file),
        Err(Refusal::Busy(error)) => Err(error),
        Err(Refusal::Impossible(error)) => Err(io_error("lock", path, error)),
    }
}

enum Refusal {
    Busy(Error),
    Impossible(io::Error),
}

fn wait(file: &File, path: &Path) -> Result<(), Refusal> {
    let start = Instant::now();
    let mut pause = Duration::from_micros(200);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(Refusal::Impossible(error)),
            Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => {
                // Uneven pauses, so that waiters do not come back all at once.
                std::thread::sleep(pause.mul_f64(0.5 + fastrand::f64()));
                pause = (pause * 2).min(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(Refusal::Busy(
                    Error::new(
                        ErrorKind::Unavailable,
                        format!(
                            "another program has been writing {} for {} seconds",
                            path.display(),
                            PATIENCE.as_secs()
                        ),
                    )
                    .with_hint("end the program that holds the lock of its folder, then try again"),
                ));
            }
        }
    }
}

#[cfg(unix)]
fn owner_only(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;
    let no_link = rustix::fs::OFlags::NOFOLLOW;
    options.mode(0o600).custom_flags(no_link.bits() as i32);
}

#[cfg(not(unix))]
fn owner_only(_options: &mut OpenOptions) {}

#[cfg(unix)]
fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
}

#[cfg(not(unix))]
fn create_new(path: &Path, _mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Gives the new and still empty file the owner and group of the old one.
#[cfg(unix)]
fn keep_owner(file: File, temporary: &Path, existing: &Metadata, mode: u32) -> io::Result<File> {
    use rustix::fs::{Gid, Uid, fchown};
    use std::os::unix::fs::MetadataExt;

    let new = file.metadata()?;
    if new.uid() != existing.uid() {
        fchown(&file, Some(Uid::from_raw(existing.uid())), None)?;
    }
    if new.gid() == existing.gid()
        || fchown(&file, None, Some(Gid::from_raw(existing.gid()))).is_ok()
        || mode & 0o070 == 0
    {
        return Ok(file);
    }
    // The permissions were meant for a group that this file cannot have.
    fs::remove_file(temporary)?;
    create_new(temporary, mode & !0o070)
}

#[cfg(not(unix))]
fn keep_owner(file: File, _temporary: &Path, _existing: &Metadata, _mode: u32) -> io::Result<File> {
    Ok(file)
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    fn mode_of(path: &Path) -> u32 {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn creates_and_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        for content in [&b"one"[..], b"", b"two"] {
            Lock::acquire(&path)
                .unwrap()
                .replace(content, 0o600)
                .unwrap();
            assert_eq!(fs::read(&path).unwrap(), content);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn has_the_mode_that_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        Lock::acquire(&path).unwrap().replace(b"1", 0o600).unwrap();
        assert_eq!(mode_of(&path), 0o600);
        Lock::acquire(&path).unwrap().replace(b"2", 0o400).unwrap();
        assert_eq!(mode_of(&path), 0o400);
    }

    #[cfg(unix)]
    #[test]
    fn what_a_killed_writer_left_is_not_followed_and_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        let other = folder.path().join("other");
        fs::write(&other, b"untouched").unwrap();
        std::os::unix::fs::symlink(&other, folder.path().join("..env.tmp")).unwrap();
        Lock::acquire(&path)
            .unwrap()
            .replace(b"new", 0o600)
            .unwrap();
        assert_eq!(fs::read(&other).unwrap(), b"untouched");
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("link");
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        let error = Lock::acquire(&path)
            .unwrap()
            .replace(b"new", 0o600)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = Lock::acquire(&folder.path().join("no/.env")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().contains("no/.env"), "{error}");
    }

    #[test]
    fn writers_follow_one_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("counter");
        fs::write(&path, b"0").unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..25 {
                        let lock = Lock::acquire(&path).unwrap();
                        let count: u32 = fs::read_to_string(&path).unwrap().parse().unwrap();
                        lock.replace((count + 1).to_string().as_bytes(), 0o600)
                            .unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read(&path).unwrap(), b"200");
    }
}
