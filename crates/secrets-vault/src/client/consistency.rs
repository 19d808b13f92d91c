//! Reads that see earlier writes, although a standby answers them.
//!
//! The answer to a write carries an index. A standby that is sent the index answers only when it has caught up, or
//! forwards the request to the active node where it may.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrets_core::{Error, ErrorKind, NamedPath, Result};
use secrets_provider::{HeaderValue, HttpResponse};

use crate::wire::ClusterIndex;

const HEADER: &str = "x-vault-index";
/// No index is longer; a file that is longer is something else.
const MAX_FILE_BYTES: u64 = 1024;

/// The index of the last write. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct WriteIndex {
    latest: Arc<RwLock<Option<HeaderValue>>>,
    file: Option<Arc<NamedPath>>,
}

impl WriteIndex {
    /// An index that the processes with this file share.
    pub(crate) fn shared(file: NamedPath) -> Self {
        Self {
            latest: Arc::default(),
            file: Some(Arc::new(file)),
        }
    }

    /// The index that a request must send, if there was a write.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if the file cannot be read or holds something else.
    pub(super) async fn to_send(&self) -> Result<Option<HeaderValue>> {
        if let Some(file) = &self.file {
            let index = blocking(file, |path| match File::open(path) {
                Ok(file) => {
                    expect_file(&file)?;
                    file.lock_shared()?;
                    read(&file)
                }
                Err(failure) if failure.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(failure) => Err(failure),
            })
            .await?;
            if let Some(index) = index {
                self.keep_later(&index);
            }
        }
        let latest = self.latest.read().unwrap_or_else(PoisonError::into_inner);
        Ok(latest.clone())
    }

    /// Notes the index of a write.
    pub(super) async fn note(&self, response: &HttpResponse) {
        let Some(index) = response.headers.get(HEADER) else {
            return;
        };
        if !self.keep_later(index) {
            return;
        }
        if let Some(file) = &self.file {
            let index = index.clone();
            let stored = blocking(file, move |path| store(path, &index)).await;
            // The write itself succeeded.
            if let Err(failure) = stored {
                tracing::warn!(error = %failure, "other processes may read old values for a moment");
            }
        }
    }

    fn keep_later(&self, index: &HeaderValue) -> bool {
        let mut latest = self.latest.write().unwrap_or_else(PoisonError::into_inner);
        let is_later = is_later(latest.as_ref(), index);
        if is_later {
            *latest = Some(index.clone());
        }
        is_later
    }
}

/// Writes an index unless the file already holds a later one. Writers take turns.
fn store(path: &Path, index: &HeaderValue) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    expect_file(&file)?;
    file.lock()?;
    if is_later(read(&file)?.as_ref(), index) {
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(index.as_bytes())?;
        file.write_all(b"\n")?;
    }
    Ok(())
}

/// A pipe or device would block.
fn expect_file(file: &File) -> io::Result<()> {
    match file.metadata()?.is_file() {
        true => Ok(()),
        false => Err(io::Error::other("it is not a regular file")),
    }
}

/// The index in a file; `None` in an empty one.
fn read(file: &File) -> io::Result<Option<HeaderValue>> {
    let mut text = String::new();
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    let text = text.trim_end();
    if text.is_empty() {
        return Ok(None);
    }
    let is_index = text.len() as u64 <= MAX_FILE_BYTES && STANDARD.decode(text).is_ok();
    let index = HeaderValue::from_str(text).ok().filter(|_| is_index);
    index
        .map(Some)
        .ok_or_else(|| io::Error::other("it holds something else than an index"))
}

async fn blocking<T: Send + 'static>(
    file: &Arc<NamedPath>,
    step: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let shared = Arc::clone(file);
    let done = tokio::task::spawn_blocking(move || step(shared.path())).await;
    done.unwrap_or_else(|_| Err(io::Error::other("the read was interrupted")))
        .map_err(|failure| {
            Error::new(
                ErrorKind::InvalidConfig,
                format!("cannot use {file}: {failure}"),
            )
            .with_hint("set `index_file` to a path that can be written, with nothing else in it")
        })
}

/// Whether an index is later than the known one. Indices of different clusters have no order, so the newest counts.
fn is_later(known: Option<&HeaderValue>, new: &HeaderValue) -> bool {
    match (known.and_then(position), position(new)) {
        (Some((cluster, known)), Some((new_cluster, new))) if cluster == new_cluster => new > known,
        _ => true,
    }
}

/// The cluster of an index, and its place there.
fn position(index: &HeaderValue) -> Option<(String, u64)> {
    let json = STANDARD.decode(index.as_bytes()).ok()?;
    let index: ClusterIndex = serde_json::from_slice(&json).ok()?;
    Some((index.cluster, index.value.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(cluster: &str, value: u64) -> HeaderValue {
        let json = format!(r#"{{"cluster":"{cluster}","value":"{value}"}}"#);
        HeaderValue::from_str(&STANDARD.encode(json)).unwrap()
    }

    #[test]
    fn the_later_index_of_one_cluster_counts() {
        assert!(is_later(None, &index("a", 1)));
        assert!(is_later(Some(&index("a", 9)), &index("a", 10)));
        assert!(!is_later(Some(&index("a", 10)), &index("a", 9)));
        assert!(!is_later(Some(&index("a", 9)), &index("a", 9)));
        assert!(is_later(Some(&index("a", 9)), &index("b", 1)));
        let opaque = HeaderValue::from_static("djE6YQ==");
        assert!(is_later(Some(&index("a", 9)), &opaque));
        assert!(is_later(Some(&opaque), &index("a", 1)));
    }

    #[test]
    fn a_file_keeps_the_latest_index_and_nothing_else_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        for (written, kept) in [(5, 5), (3, 5), (7, 7)] {
            store(&path, &index("a", written)).unwrap();
            let found = read(&File::open(&path).unwrap()).unwrap();
            assert_eq!(found, Some(index("a", kept)));
        }
        std::fs::write(&path, "").unwrap();
        assert_eq!(read(&File::open(&path).unwrap()).unwrap(), None);
        for other in ["hello world", &"QUFB".repeat(1000)] {
            std::fs::write(&path, other).unwrap();
            assert!(store(&path, &index("a", 9)).is_err());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), other);
        }
        assert!(store(folder.path(), &index("a", 9)).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        store(&path, &index("a", 1)).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
