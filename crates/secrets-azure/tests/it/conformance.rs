//! The conformance suite against the fake: as an application with a secret, as a workload identity, and as a managed
//! identity.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use polysecrets_azure::{AzureConfig, ManagedIdentityConfig, WorkloadIdentityConfig};
use secrets_core::{Clock, Result, SecretProvider, Version};
use secrets_testkit::conformance::{self, Fixture};

use crate::support::Vault;

struct Mounted {
    vault: Vault,
    config: AzureConfig,
    variables: Vec<(String, String)>,
    server: &'static str,
}

#[async_trait]
impl Fixture for Mounted {
    async fn open(&self) -> Result<Arc<dyn SecretProvider>> {
        let opened = self.vault.try_open(self.config.clone(), &self.variables);
        Ok(Arc::new(opened.await?))
    }

    fn server(&self) -> String {
        self.server.to_owned()
    }

    fn unknown_version(&self) -> Version {
        Version::new("0123456789abcdef0123456789abcdef")
    }

    fn requests_sent(&self) -> Option<u64> {
        Some(self.vault.transport.requests_sent())
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.vault.clock.clone()
    }

    fn advance(&self, by: Duration) -> bool {
        self.vault.advance(by);
        true
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_workload_identity() {
    let vault = Vault::start().await;
    let file = vault.path("federated");
    // Longer than all the time that the suite lets pass.
    let token = vault.fake.federated_token(Duration::from_secs(24 * 3600));
    std::fs::write(&file, token).unwrap();
    let mut config = vault.config();
    config.workload_identity = Some(WorkloadIdentityConfig::default());
    let fixture = Mounted {
        config,
        variables: vault.fake.workload_environment(&file),
        vault,
        server: "fake workload identity",
    };
    conformance::run(&fixture).await.assert_passed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_managed_identity() {
    let vault = Vault::start().await;
    let mut config = vault.config();
    config.managed_identity = Some(ManagedIdentityConfig::default());
    let fixture = Mounted {
        config,
        variables: vault.fake.metadata_environment(),
        vault,
        server: "fake managed identity",
    };
    conformance::run(&fixture).await.assert_passed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_client_secret() {
    let vault = Vault::start().await;
    let fixture = Mounted {
        config: vault.application(),
        variables: Vec::new(),
        vault,
        server: "fake client secret",
    };
    conformance::run(&fixture).await.assert_passed();
}
