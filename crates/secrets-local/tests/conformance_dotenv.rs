//! The dotenv provider conforms, on a file with Unix and on one with Windows line endings and a byte order mark.
#![cfg(feature = "dotenv")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

use std::sync::Arc;

use async_trait::async_trait;
use polysecrets_local::dotenv::{self, DotenvConfig};
use secrets_core::{OpenContext, Result, SecretProvider};
use secrets_testkit::conformance::{self, Fixture};
use tempfile::TempDir;

struct EnvFile {
    folder: TempDir,
    about: &'static str,
}

impl EnvFile {
    fn with(content: &str, about: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".env"), content).unwrap();
        Self { folder, about }
    }
}

#[async_trait]
impl Fixture for EnvFile {
    async fn open(&self) -> Result<Arc<dyn SecretProvider>> {
        let context = OpenContext::new("dotenv").with_base_dir(self.folder.path());
        Ok(Arc::new(
            dotenv::open(DotenvConfig::default(), context).await?,
        ))
    }

    fn server(&self) -> String {
        self.about.to_owned()
    }

    // A file that only grows would make every later case slower.
    fn is_disposable(&self) -> bool {
        false
    }
}

async fn run(fixture: EnvFile) {
    let read = || std::fs::read_to_string(fixture.folder.path().join(".env")).unwrap();
    let kept = read();
    let report = conformance::run(&fixture).await;
    report.assert_passed();
    assert_eq!(read(), kept, "the suite has removed all that it wrote");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conformance() {
    run(EnvFile::with("# kept\n\nOTHER=1\n", "LF")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conformance_windows() {
    run(EnvFile::with(
        "\u{feff}# kept\r\n\r\nOTHER='1'\r\n",
        "CR LF",
    ))
    .await;
}
