//! The memory provider does all that the contract tells, on a clock that the suite moves.
#![cfg(feature = "memory")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use polysecrets_local::memory::{self, MemoryConfig, MemoryProvider};
use secrets_core::{Clock, OpenContext, Result, SecretProvider};
use secrets_testkit::ManualClock;
use secrets_testkit::conformance::{self, Fixture};

struct Memory {
    clock: Arc<ManualClock>,
    provider: MemoryProvider,
}

#[async_trait]
impl Fixture for Memory {
    async fn open(&self) -> Result<Arc<dyn SecretProvider>> {
        Ok(Arc::new(self.provider.clone()))
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
    let clock = Arc::new(ManualClock::new());
    let context = OpenContext::new("memory").with_clock(clock.clone());
    let provider = memory::open(MemoryConfig::default(), context)
        .await
        .unwrap();
    let fixture = Memory { clock, provider };
    let report = conformance::run(&fixture).await;
    report.assert_passed();
}
