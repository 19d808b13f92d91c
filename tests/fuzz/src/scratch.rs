//! A temporary folder and a runtime for targets that read files.

use std::cell::OnceCell;
use std::future::Future;
use std::path::PathBuf;

use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

thread_local! {
    static FOLDER: OnceCell<TempDir> = const { OnceCell::new() };
    static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
}

/// The path of a file in this thread's folder. The file may exist from an earlier input.
pub(crate) fn path(name: &str) -> PathBuf {
    FOLDER.with(|folder| {
        let folder = folder.get_or_init(|| TempDir::new().expect("a temporary folder"));
        folder.path().join(name)
    })
}

/// Writes a file that only its owner can read.
pub(crate) fn write(name: &str, bytes: &[u8]) -> PathBuf {
    let path = path(name);
    if !path.exists() {
        use std::os::unix::fs::OpenOptionsExt;
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options.open(&path).expect("a temporary file");
    }
    std::fs::write(&path, bytes).expect("a temporary file");
    path
}

/// Runs a future.
pub(crate) fn wait<T>(work: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| {
        let runtime = runtime.get_or_init(|| {
            let built = Builder::new_current_thread().enable_all().build();
            built.expect("a runtime")
        });
        runtime.block_on(work)
    })
}
