//! Which files are read at all: not those that somebody else could have written, and no private key that others see.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use secrets_core::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

use crate::disk::io_error;

/// The largest store that is read or written.
pub(super) const MAX_STORE_BYTES: u64 = 64 << 20;

/// Tells whether a file is still the one that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The bytes of a store. The file stays open, so that its inode is not given to another file meanwhile.
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    pub(super) stamp: Stamp,
    pub(super) file: File,
}

/// There is no file at a store's path.
pub(super) fn no_store(path: &Path) -> Error {
    Error::new(
        ErrorKind::InvalidConfig,
        format!("there is no store at {}", path.display()),
    )
    .with_hint("create one with `secrets init`, or check the path")
}

fn too_large(path: &Path) -> Error {
    Error::new(
        ErrorKind::InvalidConfig,
        format!(
            "{} is larger than the {} MiB that a store can have",
            path.display(),
            MAX_STORE_BYTES >> 20
        ),
    )
    .with_hint("check the path")
}

fn read_capped(file: &File, path: &Path, size: u64) -> Result<Vec<u8>> {
    if size > MAX_STORE_BYTES {
        return Err(too_large(path));
    }
    let mut bytes = Vec::with_capacity(size as usize + 1);
    file.take(MAX_STORE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| io_error("read", path, error))?;
    match bytes.len() as u64 > MAX_STORE_BYTES {
        true => Err(too_large(path)),
        false => Ok(bytes),
    }
}

/// Reads one side of a merge: no link to follow, no owner to check, since its MAC has to prove it anyway.
pub(super) fn read_side(path: &Path) -> Result<Vec<u8>> {
    let failed = |error| io_error("read", path, error);
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    read_capped(&file, path, metadata.len())
}

#[cfg(unix)]
mod unix {
    use std::fs::{Metadata, OpenOptions};
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

    use rustix::fs::OFlags;

    use super::*;

    /// The largest identity file that is read.
    const MAX_IDENTITY_BYTES: u64 = 1 << 20;

    impl Stamp {
        fn of(metadata: &Metadata) -> Self {
            Self {
                device: metadata.dev(),
                inode: metadata.ino(),
                size: metadata.size(),
                modified: (metadata.mtime(), metadata.mtime_nsec()),
                changed: (metadata.ctime(), metadata.ctime_nsec()),
            }
        }
    }

    /// The stamp of what is at this path now.
    pub(in super::super) fn stamp(path: &Path) -> io::Result<Stamp> {
        std::fs::symlink_metadata(path).map(|metadata| Stamp::of(&metadata))
    }

    /// Reads a store that only its owner can write.
    pub(in super::super) fn read_store(path: &Path) -> Result<Content> {
        let (file, metadata) = open_store(path)?;
        let bytes = read_capped(&file, path, metadata.len())?;
        Ok(Content {
            bytes,
            stamp: Stamp::of(&metadata),
            file,
        })
    }

    /// The stamp of a store, for one who knows what is in it. There are no bytes.
    pub(in super::super) fn read_stamp(path: &Path) -> Result<Content> {
        let (file, metadata) = open_store(path)?;
        Ok(Content {
            bytes: Vec::new(),
            stamp: Stamp::of(&metadata),
            file,
        })
    }

    fn open_store(path: &Path) -> Result<(File, Metadata)> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits() as i32)
            .open(path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                return Err(refused(path, "is a symbolic link")
                    .with_hint("configure the path that the link points to"));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(no_store(path));
            }
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
            .with_hint("check the path"));
        }
        check_owner(path, &metadata)?;
        if metadata.mode() & 0o022 != 0 {
            return Err(refused(path, "can be written by others")
                .with_hint(format!("run `chmod go-w {}`", path.display())));
        }
        Ok((file, metadata))
    }

    /// Reads an identity file that nobody but its owner can read. A link is followed, since what counts is the file.
    pub(in super::super) fn read_identity(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let failed = |error| io_error("read", path, error);
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let metadata = file.metadata().map_err(failed)?;
        // A pipe may hold a key, as with `<(command)` of a shell.
        if metadata.is_dir() {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                format!("{} is a folder, not a regular file", path.display()),
            )
            .with_hint("give the path of the file with the private key"));
        }
        check_owner(path, &metadata)?;
        if metadata.mode() & 0o077 != 0 {
            return Err(refused(path, "is a private key that others can read")
                .with_hint(format!("run `chmod 600 {}`", path.display())));
        }
        // The buffer never grows, since growing would leave a copy behind that nobody wipes.
        let room = metadata.len().clamp(4096, MAX_IDENTITY_BYTES) as usize + 1;
        let mut bytes = Zeroizing::new(vec![0; room]);
        let mut filled = 0;
        while filled < bytes.len() {
            match file.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        if filled == bytes.len() {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                format!("{} is too large for an identity file", path.display()),
            )
            .with_hint("check `identity` and SECRETS_IDENTITY"));
        }
        bytes.truncate(filled);
        Ok(Some(bytes))
    }

    /// Creates a file that only its owner can read, from its first moment on; it must not exist.
    pub(in super::super) fn create_private(path: &Path, bytes: &[u8]) -> Result<()> {
        use std::io::Write as _;

        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => Error::new(
                ErrorKind::AlreadyExists,
                format!("{} exists already", path.display()),
            )
            .with_hint("keep it, or choose another path; a lost identity cannot be made again"),
            _ => io_error("write", path, error),
        };
        create_folder(path)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        if written.is_err() {
            // What failed first is what the caller has to know.
            let _ = std::fs::remove_file(path);
        }
        written.map_err(failed)?;
        File::open(folder(path))
            .and_then(|folder| folder.sync_all())
            .map_err(failed)
    }

    /// Creates the folder of a file where there is none, for its owner only.
    pub(in super::super) fn create_folder(path: &Path) -> Result<()> {
        use std::os::unix::fs::DirBuilderExt;

        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder(path))
            .map_err(|error| io_error("create the folder of", path, error))
    }

    /// Whether the folder of a file can be written, as a store's has to be for a change.
    pub(in super::super) fn can_write_beside(path: &Path) -> bool {
        rustix::fs::access(folder(path), rustix::fs::Access::WRITE_OK).is_ok()
    }

    fn folder(path: &Path) -> &Path {
        match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        }
    }

    /// The user or root, who can do as they please anyway.
    fn check_owner(path: &Path, metadata: &Metadata) -> Result<()> {
        let me = rustix::process::geteuid().as_raw();
        match metadata.uid() == me || metadata.uid() == 0 {
            true => Ok(()),
            false => Err(refused(path, "belongs to another user")
                .with_hint("copy the file, or run as the user who owns it")),
        }
    }

    fn refused(path: &Path, why: &str) -> Error {
        Error::new(
            ErrorKind::PermissionDenied,
            format!("{} {why}", path.display()),
        )
    }
}

/// Permissions of this platform are not understood yet, so nothing is read that they would have to protect.
#[cfg(not(unix))]
mod other {
    use super::*;

    fn unsupported() -> Error {
        Error::new(
            ErrorKind::Unsupported,
            "the encrypted file is not supported on this platform yet",
        )
        .with_hint("use another provider, or Linux or macOS")
    }

    pub(in super::super) fn stamp(_: &Path) -> io::Result<Stamp> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in super::super) fn read_store(_: &Path) -> Result<Content> {
        Err(unsupported())
    }

    pub(in super::super) fn read_stamp(_: &Path) -> Result<Content> {
        Err(unsupported())
    }

    pub(in super::super) fn read_identity(_: &Path) -> Result<Option<Zeroizing<Vec<u8>>>> {
        Err(unsupported())
    }

    pub(in super::super) fn create_private(_: &Path, _: &[u8]) -> Result<()> {
        Err(unsupported())
    }

    pub(in super::super) fn create_folder(_: &Path) -> Result<()> {
        Err(unsupported())
    }

    pub(in super::super) fn can_write_beside(_: &Path) -> bool {
        false
    }
}

#[cfg(not(unix))]
pub(super) use other::{
    can_write_beside, create_folder, create_private, read_identity, read_stamp, read_store, stamp,
};
#[cfg(unix)]
pub(super) use unix::{
    can_write_beside, create_folder, create_private, read_identity, read_stamp, read_store, stamp,
};
