//! Reading files that hold secrets, and what is said when the file system refuses.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use secrets_core::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

/// A file's content.
#[cfg(feature = "file")]
pub(crate) struct Content {
    pub(crate) bytes: Zeroizing<Vec<u8>>,
}

/// Reads a regular file of at most `limit` bytes; `None` if there is none.
#[cfg(feature = "file")]
pub(crate) fn read(path: &Path, limit: u64) -> Result<Option<Content>> {
    let Some(mut opened) = open(path, limit)? else {
        return Ok(None);
    };
    let bytes = opened.read()?;
    Ok(Some(Content { bytes }))
}

/// A regular file that is open. What is known about it is known of exactly this file, so that no check can be deceived by
/// another one that takes its place in between.
pub(crate) struct Opened<'a> {
    pub(crate) metadata: Metadata,
    file: File,
    path: &'a Path,
}

/// Opens a regular file of at most `limit` bytes; `None` if there is none.
pub(crate) fn open(path: &Path, limit: u64) -> Result<Option<Opened<'_>>> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Opening a pipe or a terminal must neither wait nor take it over; it is refused right after.
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        options.custom_flags(flags.bits() as i32);
    }
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("read", path, error)),
    };
    let metadata = file
        .metadata()
        .map_err(|error| io_error("read", path, error))?;
    if !metadata.is_file() {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("{} is not a regular file", path.display()),
        )
        .with_hint("give the path of a file"));
    }
    if metadata.len() > limit {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            format!(
                "{} is larger than the {limit} bytes that are read",
                path.display()
            ),
        )
        .with_hint("check the path, or split the file"));
    }
    Ok(Some(Opened {
        metadata,
        file,
        path,
    }))
}

impl Opened<'_> {
    /// The whole content.
    pub(crate) fn read(&mut self) -> Result<Zeroizing<Vec<u8>>> {
        // The buffer never grows, since growing would leave a copy behind that nobody wipes.
        let mut bytes = Zeroizing::new(vec![0; self.metadata.len() as usize + 1]);
        let mut filled = 0;
        while filled < bytes.len() {
            match self.file.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(io_error("read", self.path, error)),
            }
        }
        if filled == bytes.len() {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("{} grew while it was read", self.path.display()),
            )
            .with_hint("try again"));
        }
        bytes.truncate(filled);
        Ok(bytes)
    }
}

/// An error of the file system as ours: `cannot read FILE: permission denied`.
pub(crate) fn io_error(action: &str, path: &Path, error: io::Error) -> Error {
    use io::ErrorKind as Io;

    let folder = || path.parent().unwrap_or(path).display();
    let cannot = |reason: &str| format!("cannot {action} {}: {reason}", path.display());
    let (kind, message, hint) = match error.kind() {
        Io::NotFound if action == "read" => (
            ErrorKind::InvalidConfig,
            format!("there is no file {}", path.display()),
            "check the path".to_owned(),
        ),
        Io::NotFound => (
            ErrorKind::InvalidConfig,
            cannot("its folder does not exist"),
            format!("create the folder {}, or check the path", folder()),
        ),
        Io::NotADirectory => (
            ErrorKind::InvalidConfig,
            cannot("a part of the path is a file, not a folder"),
            "check the path".to_owned(),
        ),
        Io::IsADirectory => (
            ErrorKind::InvalidConfig,
            cannot("it is a folder, not a file"),
            "give the path of a file".to_owned(),
        ),
        Io::InvalidFilename | Io::InvalidInput => (
            ErrorKind::InvalidConfig,
            cannot("the name is not allowed, or too long"),
            "choose another path".to_owned(),
        ),
        Io::PermissionDenied => (
            ErrorKind::PermissionDenied,
            cannot("permission denied"),
            "check the permissions of the file and of its folder".to_owned(),
        ),
        Io::ReadOnlyFilesystem => (
            ErrorKind::PermissionDenied,
            cannot("the file system is read-only"),
            "choose a path on a file system that can be written".to_owned(),
        ),
        Io::StorageFull => (
            ErrorKind::Unavailable,
            cannot("no space is left on the file system"),
            "free some space; what was there before is unharmed".to_owned(),
        ),
        Io::QuotaExceeded => (
            ErrorKind::Unavailable,
            cannot("the disk quota is used up"),
            "free some space; what was there before is unharmed".to_owned(),
        ),
        Io::FileTooLarge => (
            ErrorKind::Unavailable,
            cannot("the file would be larger than the system allows"),
            "raise the limit (`ulimit -f`); what was there before is unharmed".to_owned(),
        ),
        _ => (
            ErrorKind::Unavailable,
            cannot(&system_reason(&error)),
            "check the file system".to_owned(),
        ),
    };
    Error::new(kind, message).with_hint(hint).with_source(error)
}

/// What the system calls the error, as a part of our sentence.
fn system_reason(error: &io::Error) -> String {
    let text = error.to_string();
    let mut characters = text.chars();
    match characters.next() {
        // Not `ELOOP` and the like.
        Some(first) if !characters.as_str().starts_with(char::is_uppercase) => {
            first.to_lowercase().chain(characters).collect()
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_file_to_its_limit_and_tells_a_missing_one() {
        let read = |path: &Path, limit| match open(path, limit)? {
            Some(mut opened) => opened.read().map(Some),
            None => Ok(None),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert!(read(&path, 5).unwrap().is_none());
        std::fs::write(&path, b"12345").unwrap();
        assert_eq!(*read(&path, 5).unwrap().unwrap(), b"12345");
        let error = read(&path, 4).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    }

    #[test]
    fn errors_of_the_file_system_are_told_in_our_words() {
        // The numbers of POSIX systems: ENOENT, EIO, EACCES, EISDIR, ENFILE, EFBIG, ENOSPC, EROFS.
        for (number, action, reported) in [
            (2, "read", "there is no file /a/b"),
            (2, "write", "cannot write /a/b: its folder does not exist"),
            (
                5,
                "read",
                "cannot read /a/b: input/output error (os error 5)",
            ),
            (13, "write", "cannot write /a/b: permission denied"),
            (21, "read", "cannot read /a/b: it is a folder, not a file"),
            (23, "read", "cannot read /a/b: too many open files"),
            (27, "write", "cannot write /a/b: the file would be larger"),
            (28, "write", "cannot write /a/b: no space is left"),
            (
                30,
                "write",
                "cannot write /a/b: the file system is read-only",
            ),
        ] {
            let error = io_error(
                action,
                Path::new("/a/b"),
                io::Error::from_raw_os_error(number),
            );
            assert!(error.to_string().contains(reported), "{number}: {error}");
            assert!(error.hint().is_some());
        }
    }

    #[test]
    fn refuses_what_is_not_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let error = open(folder.path(), 5).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(!error.to_string().contains('\n'));
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let error = open(&path, 5).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    }
}
