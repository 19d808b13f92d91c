//! The conformance suite against a real OpenBao: both versions of the engine, by token, by AppRole, and over TLS.

use std::sync::Arc;

use async_trait::async_trait;
use polysecrets_vault::{Engine, VaultConfig};
use secrets_core::{OpenContext, Result, SecretProvider};
use secrets_provider::Transport;
use secrets_testkit::conformance::{self, Fixture};
use serde_json::json;

use crate::support::Admin;

struct Mounted {
    config: VaultConfig,
    transport: Transport,
    server: &'static str,
}

impl Mounted {
    fn new(config: VaultConfig, server: &'static str) -> Self {
        Self {
            config,
            transport: Transport::default(),
            server,
        }
    }
}

#[async_trait]
impl Fixture for Mounted {
    async fn open(&self) -> Result<Arc<dyn SecretProvider>> {
        let context = OpenContext::new("main");
        let provider =
            polysecrets_vault::open(self.config.clone(), context, self.transport.clone()).await?;
        Ok(Arc::new(provider))
    }

    fn server(&self) -> String {
        self.server.to_owned()
    }

    fn requests_sent(&self) -> Option<u64> {
        Some(self.transport.requests_sent())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kv2_by_token() {
    let admin = Admin::plain();
    let mount = admin.mount(2).await;
    let config = admin.root_config(&mount, Engine::Auto);
    conformance::run(&Mounted::new(config, "openbao kv2 token"))
        .await
        .assert_passed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kv1_by_token() {
    let admin = Admin::plain();
    let mount = admin.mount(1).await;
    let config = admin.root_config(&mount, Engine::KvV1);
    conformance::run(&Mounted::new(config, "openbao kv1 token"))
        .await
        .assert_passed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kv2_by_approle() {
    let admin = Admin::plain();
    let mount = admin.mount(2).await;
    let policy = admin.policy_for(&mount).await;
    let mut config = admin.config(&mount);
    config.approle = Some(
        admin
            .approle(json!({"token_policies": [policy], "token_ttl": "1h"}))
            .await,
    );
    conformance::run(&Mounted::new(config, "openbao kv2 approle"))
        .await
        .assert_passed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kv2_over_tls() {
    let admin = Admin::tls();
    let mount = admin.mount(2).await;
    let config = admin.root_config(&mount, Engine::KvV2);
    conformance::run(&Mounted::new(config, "openbao kv2 tls"))
        .await
        .assert_passed();
}
