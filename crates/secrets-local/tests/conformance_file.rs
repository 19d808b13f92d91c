//! The encrypted file conforms.
#![cfg(all(feature = "file", unix))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use polysecrets_local::file::{self, FileConfig, FileStore};
use secrets_core::{Clock, OpenContext, Result, SecretProvider};
use secrets_testkit::ManualClock;
use secrets_testkit::conformance::{self, Fixture};
use tempfile::TempDir;

struct Store {
    context: OpenContext,
    clock: Arc<ManualClock>,
    _folder: TempDir,
}

impl Store {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new());
        let user = folder.path().join("user");
        let recipient = FileStore::generate_identity(user.join("identity.txt")).unwrap();
        let context = OpenContext::new("file")
            .with_clock(clock.clone())
            .with_base_dir(folder.path())
            .with_user_dirs(Some(user), Some(folder.path().join("state")));
        FileStore::create(FileConfig::default(), &context, [recipient]).unwrap();
        Self {
            context,
            clock,
            _folder: folder,
        }
    }
}

#[async_trait]
impl Fixture for Store {
    async fn open(&self) -> Result<Arc<dyn SecretProvider>> {
        let opened = file::open(FileConfig::default(), self.context.clone()).await?;
        Ok(Arc::new(opened))
    }

    fn server(&self) -> String {
        "X25519 identity".to_owned()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    fn advance(&self, by: Duration) -> bool {
        self.clock.advance(by);
        true
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conformance() {
    conformance::run(&Store::new()).await.assert_passed();
}
