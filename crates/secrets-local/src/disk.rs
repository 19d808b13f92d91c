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
        ));
    }
    if metadata.len() > limit {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            format!(
                "{} is larger than the {limit} bytes that are read",
                path.display()
            ),
        ));
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

    let (kind, hint) = match error.kind() {
        Io::PermissionDenied => (
            ErrorKind::PermissionDenied,
            "check the permissions of the file and of its folder",
        ),
        Io::ReadOnlyFilesystem => (
            ErrorKind::PermissionDenied,
            "choose a path on a file system that can be written",
        ),
        Io::NotFound | Io::NotADirectory => (
            ErrorKind::InvalidConfig,
            "check the path, and that its folder exists",
        ),
        Io::IsADirectory | Io::InvalidFilename | Io::InvalidInput => {
            (ErrorKind::InvalidConfig, "check the path")
        }
        Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => (
            ErrorKind::Unavailable,
            "free some space; what was there before is unharmed",
        ),
        _ => (ErrorKind::Unavailable, "check the file system"),
    };
    let reason = error.kind().to_string();
    Error::new(
        kind,
        format!("cannot {action} {}: {reason}", path.display()),
    )
    .with_hint(hint)
    .with_source(error)
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
