//! Reads a configuration file, provided that nobody else can have written it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrets_core::{Error, ErrorKind, Result, SourcePosition};
use secrets_resolve::document::{self, Document, Format, LineIndex};
use zeroize::Zeroizing;

use super::tree::{Entry, Node, Place, Text, Value};

/// The largest configuration, in bytes.
pub(super) const MAX_BYTES: u64 = 16 << 20;

/// A file that was read, and what it was at that moment.
pub(super) struct Source {
    /// The path as the user knows it.
    pub(super) path: PathBuf,
    /// The path without symbolic links.
    pub(super) canonical: PathBuf,
    pub(super) text: Zeroizing<String>,
}

/// Reads a file. Its size, kind, owner and mode are those of the opened file, not of the path.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] naming the file, if it cannot be read, is larger than [`MAX_BYTES`], is no regular file,
/// is not UTF-8, belongs to another user or can be written by one.
pub(super) fn source(path: &Path) -> Result<Source> {
    let failed = |error: io::Error| unreadable(path, &error);
    guard_link(path)?;
    let canonical = fs::canonicalize(path).map_err(failed)?;
    let mut file = open(&canonical).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(refused(path, "is no regular file"));
    }
    guard_owner(path, &metadata)?;
    if metadata.len() > MAX_BYTES {
        return Err(too_large(path));
    }
    let length = usize::try_from(metadata.len()).unwrap_or_default();
    // One byte more than there should be, so that reading to the end never moves the buffer.
    let mut bytes = Zeroizing::new(Vec::with_capacity(length + 1));
    Read::by_ref(&mut file)
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(too_large(path));
    }
    let text = String::from_utf8(std::mem::take(&mut *bytes)).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let bytes = Zeroizing::new(error.into_bytes());
        let before = std::str::from_utf8(&bytes[..valid]).unwrap_or_default();
        let position = LineIndex::new(before).position(valid);
        Error::new(ErrorKind::InvalidConfig, "the file is not UTF-8 text")
            .with_position(SourcePosition::new(position.line, position.column).in_file(path))
    })?;
    Ok(Source {
        path: path.to_owned(),
        canonical,
        text: Zeroizing::new(text),
    })
}

fn refused(path: &Path, why: &str) -> Error {
    Error::new(
        ErrorKind::InvalidConfig,
        format!("the configuration file {} {why}", path.display()),
    )
}

fn too_large(path: &Path) -> Error {
    refused(path, "is larger than 16 MiB").with_hint("is this the file that you meant?")
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound if let Ok(target) = fs::read_link(path) => refused(
            path,
            &format!(
                "is a symbolic link to {}, which does not exist",
                target.display()
            ),
        )
        .with_hint("make what it leads to, or remove the link"),
        io::ErrorKind::NotFound => refused(path, "does not exist")
            .with_hint("check the path, or make a configuration with `secrets init`"),
        kind => refused(path, &format!("cannot be read: {kind}")),
    }
}

#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::OFlags;

    // Not to wait for the other end of a pipe, and not to follow a link that came after the path was resolved.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).open(path)
}

/// A link of another user could lead anywhere.
#[cfg(unix)]
fn guard_link(path: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;

    let metadata = fs::symlink_metadata(path).map_err(|error| unreadable(path, &error))?;
    if metadata.is_symlink() && !is_ours(metadata.uid()) {
        return Err(refused(path, "is a symbolic link of another user"));
    }
    Ok(())
}

#[cfg(not(unix))]
fn guard_link(_: &Path) -> Result<()> {
    Ok(())
}

#[cfg(unix)]
fn is_ours(owner: u32) -> bool {
    owner == 0 || owner == rustix::process::geteuid().as_raw()
}

#[cfg(unix)]
fn guard_owner(path: &Path, metadata: &fs::Metadata) -> Result<()> {
    use std::os::unix::fs::MetadataExt;

    if !is_ours(metadata.uid()) {
        return Err(refused(path, "belongs to another user").with_hint(format!(
            "if you trust it, take it over with `chown $(id -u) {}`",
            path.display()
        )));
    }
    if others_can_write(metadata) {
        return Err(refused(path, "can be written by others").with_hint(format!(
            "check what it says, then `chmod go-w {}`",
            path.display()
        )));
    }
    Ok(())
}

#[cfg(not(unix))]
fn guard_owner(_: &Path, _: &fs::Metadata) -> Result<()> {
    Ok(())
}

/// Whether anybody but the owner may write. The group of the owner's own number is the owner alone where every user has
/// one, and there a umask of 002 is the default, so that all files of a clone are writable by it.
#[cfg(unix)]
pub(super) fn others_can_write(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;

    let private_group = metadata.gid() == metadata.uid() && metadata.uid() != 0;
    let others = if private_group { 0o002 } else { 0o022 };
    metadata.mode() & others != 0
}

/// The files of a folder that are a configuration by their name.
const NAMES: &[&str] = &[
    "secrets.toml",
    "secrets.yaml",
    "secrets.yml",
    "secrets.json",
];

/// Looks for a configuration from the working folder upwards, as far as the first folder with `.git`, the home folder or
/// the border of the file system.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] naming both, if a folder has two.
pub(super) fn discover(working_dir: &Path, home: Option<&Path>) -> Result<Option<PathBuf>> {
    // Links are resolved first: the folders above are those of where we are, not of how we came.
    let Ok(start) = fs::canonicalize(working_dir) else {
        return Ok(None);
    };
    let home = home.and_then(|home| fs::canonicalize(home).ok());
    let device = device(&start);
    for folder in start.ancestors() {
        if self::device(folder) != device {
            break;
        }
        let mut found = NAMES
            .iter()
            .map(|name| folder.join(name))
            .filter(|path| fs::symlink_metadata(path).is_ok());
        if let Some(first) = found.next() {
            return match found.next() {
                None => Ok(Some(first)),
                Some(second) => Err(Error::new(
                    ErrorKind::InvalidConfig,
                    format!(
                        "there are two configurations: {} and {}",
                        first.display(),
                        second.display()
                    ),
                )
                .with_hint("remove one of them, or name the one to use with `--config`")),
            };
        }
        let last =
            fs::symlink_metadata(folder.join(".git")).is_ok() || home.as_deref() == Some(folder);
        if last {
            break;
        }
    }
    Ok(None)
}

#[cfg(unix)]
fn device(folder: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;

    Some(fs::metadata(folder).ok()?.dev())
}

#[cfg(not(unix))]
fn device(_: &Path) -> Option<u64> {
    None
}

/// Whether a file holds the configuration alone, not as one part of a document of another program.
pub(super) fn is_ours_alone(path: &Path, format: Format) -> bool {
    format != Format::Yaml || path.file_stem().is_some_and(|stem| stem == "secrets")
}

/// Parses a file into the roots of its documents.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] with the place of wrong syntax or a duplicate key.
pub(super) fn roots(source: &Source) -> Result<(Vec<Node>, Format)> {
    let format = Format::from_path(&source.path).ok_or_else(|| {
        refused(&source.path, "has no known format")
            .with_hint("its name has to end in .toml, .yaml, .yml or .json")
    })?;
    let document = Document::parse(&source.text, format).map_err(|failure| {
        let position = failure.position;
        Error::new(ErrorKind::InvalidConfig, failure.message).with_position(
            SourcePosition::new(position.line, position.column).in_file(&source.path),
        )
    })?;
    let places = Places {
        file: source.path.as_path().into(),
        lines: LineIndex::new(&source.text),
    };
    let roots = document
        .roots()
        .iter()
        .map(|root| places.node(root))
        .collect();
    Ok((roots, format))
}

struct Places<'t> {
    file: Arc<Path>,
    lines: LineIndex<'t>,
}

impl Places<'_> {
    fn place(&self, offset: usize) -> Place {
        let position = self.lines.position(offset);
        Place {
            file: self.file.clone(),
            line: position.line,
            column: position.column,
        }
    }

    fn node(&self, node: &document::Node) -> Node {
        let value = match &node.value {
            document::Value::Null => Value::Null,
            document::Value::Bool(value) => Value::Bool(*value),
            document::Value::Integer(value) => Value::Integer(*value),
            document::Value::Float(text) => Value::Float(text.clone()),
            document::Value::String(text) => Value::Text(Text::literal(text.shared().clone())),
            document::Value::DateTime(text) => Value::DateTime(text.clone()),
            document::Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.node(item)).collect())
            }
            document::Value::Table(entries) => Value::Table(
                entries
                    .iter()
                    .map(|entry| Entry {
                        key: entry.key.clone(),
                        key_place: Some(self.place(entry.key_span.start)),
                        value: self.node(&entry.value),
                    })
                    .collect(),
            ),
        };
        Node {
            place: Some(self.place(node.span.start)),
            value,
        }
    }
}
