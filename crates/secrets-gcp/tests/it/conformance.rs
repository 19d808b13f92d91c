//! The conformance suite against the fake of Secret Manager that Google's own client has passed: global and regional
//! secrets, each way to log in, with a prefix, over TLS, and without any credential.

use std::sync::Arc;

use async_trait::async_trait;
use polysecrets_gcp::{GcpConfig, ReplicaConfig};
use secrets_core::{OpenContext, Result, SecretProvider};
use secrets_provider::Transport;
use secrets_testkit::conformance::{self, Fixture, KnownGap};
use secrets_testkit::fakes::gcp::{Access, Credential, Encryption, GcpFake, GcpOptions};

use crate::support::{config, key_file};

struct Faked {
    /// Held for as long as the suite runs.
    _fake: GcpFake,
    config: GcpConfig,
    transport: Transport,
    what: &'static str,
}

impl Faked {
    fn new(fake: GcpFake, config: GcpConfig, what: &'static str) -> Self {
        Self {
            _fake: fake,
            config,
            transport: Transport::default(),
            what,
        }
    }
}

#[async_trait]
impl Fixture for Faked {
    async fn open(&self) -> Result<Arc<dyn SecretProvider>> {
        let context = OpenContext::new("main");
        let provider =
            polysecrets_gcp::open(self.config.clone(), context, self.transport.clone()).await?;
        Ok(Arc::new(provider))
    }

    fn server(&self) -> String {
        format!("a fake, {}", self.what)
    }

    fn requests_sent(&self) -> Option<u64> {
        Some(self.transport.requests_sent())
    }

    fn known_gaps(&self) -> Vec<KnownGap> {
        vec![
            KnownGap::new(
                "empty_value",
                "the service refuses a payload without bytes: `Field [payload] is required`",
            )
            .failing_with("takes no value without bytes"),
        ]
    }
}

async fn passes(fake: GcpFake, config: GcpConfig, what: &'static str) {
    conformance::run(&Faked::new(fake, config, what))
        .await
        .assert_passed();
}

async fn start(options: GcpOptions) -> GcpFake {
    GcpFake::start(options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn global_by_service_account() {
    let fake = start(GcpOptions::default()).await;
    let config = key_file(&fake, Credential::ServiceAccount);
    passes(fake, config, "global, service account").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn global_by_user_with_small_pages() {
    let fake = start(GcpOptions::default().with_page_limit(3)).await;
    let config = key_file(&fake, Credential::AuthorizedUser);
    passes(fake, config, "global, pages of 3, user").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicated_with_a_prefix_by_token() {
    let fake = start(GcpOptions::default()).await;
    let mut config = config(&fake);
    config.token = Some(fake.token().into());
    config.secret_prefix = Some("app_".to_owned());
    config.replicas = vec![
        ReplicaConfig::new("europe-west1"),
        ReplicaConfig::new("europe-west4"),
    ];
    passes(fake, config, "two replicas, prefix, token").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn regional_by_workload_identity() {
    let fake = start(GcpOptions::default()).await;
    let mut config = key_file(&fake, Credential::ExternalAccount);
    config.region = Some("europe-west3".to_owned());
    passes(fake, config, "regional, workload identity").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_by_impersonation() {
    let fake = start(GcpOptions::default().with_encryption(Encryption::Https)).await;
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, fake.ca_pem().unwrap()).unwrap();
    let mut config = key_file(&fake, Credential::Impersonated);
    config.ca_cert = Some(ca);
    passes(fake, config, "tls and http/2, impersonation").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anonymously() {
    let fake = start(GcpOptions::default().with_access(Access::Anonymous)).await;
    let mut config = config(&fake);
    config.anonymous = true;
    passes(fake, config, "anonymous").await;
}
