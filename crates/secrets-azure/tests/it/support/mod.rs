//! The fake that the tests run against, and a provider on it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use polysecrets_azure::{
    AzureConfig, AzureProvider, ManagedIdentityConfig, OutsideValidity, ServicePrincipalConfig,
    WorkloadIdentityConfig,
};
use secrets_core::{Clock, Environment, OpenContext, Result, SecretName, SystemClock};
use secrets_provider::Transport;
use secrets_testkit::fakes::azure::{AzureFake, AzureOptions};
use secrets_testkit::fault::{FaultServer, Reply, Script};
use tempfile::TempDir;

mod front;

pub(crate) use front::Front;

/// The system's clock, and what a test has added to it: as the fake's.
#[derive(Debug, Default)]
pub(crate) struct Moved(AtomicU64);

impl Moved {
    fn by(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

impl Clock for Moved {
    fn monotonic(&self) -> Duration {
        SystemClock.monotonic() + self.by()
    }

    fn wall(&self) -> SystemTime {
        SystemClock.wall() + self.by()
    }
}

/// A fake with the files that its clients need.
pub(crate) struct Vault {
    pub(crate) fake: AzureFake,
    pub(crate) transport: Transport,
    pub(crate) clock: Arc<Moved>,
    folder: TempDir,
}

impl Vault {
    pub(crate) async fn start() -> Self {
        Self::with(AzureOptions::default()).await
    }

    pub(crate) async fn with(options: AzureOptions) -> Self {
        let fake = AzureFake::start(options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), fake.ca_pem()).unwrap();
        Self {
            fake,
            transport: Transport::default(),
            clock: Arc::default(),
            folder,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// For the vault, without a credential.
    pub(crate) fn config(&self) -> AzureConfig {
        let mut config = AzureConfig::default();
        config.vault_url = Some(self.fake.url());
        config.authority_host = Some(self.fake.url());
        config.resource = Some("https://vault.azure.net".to_owned());
        config.ca_cert = Some("ca.pem".into());
        config
    }

    /// For the vault, as the application that it knows.
    pub(crate) fn application(&self) -> AzureConfig {
        let options = AzureOptions::default();
        let mut client = ServicePrincipalConfig::default();
        client.tenant_id = Some(options.tenant_id);
        client.client_id = Some(options.client_id);
        client.client_secret = Some(options.client_secret.into());
        let mut config = self.config();
        config.service_principal = Some(client);
        config
    }

    pub(crate) fn context(&self, variables: &[(String, String)]) -> OpenContext {
        let environment: Environment = variables.iter().cloned().collect();
        OpenContext::new("main")
            .with_environment(environment)
            .with_clock(self.clock.clone())
            .with_base_dir(self.folder.path())
    }

    pub(crate) async fn try_open(
        &self,
        config: AzureConfig,
        variables: &[(String, String)],
    ) -> Result<AzureProvider> {
        polysecrets_azure::open(config, self.context(variables), self.transport.clone()).await
    }

    pub(crate) async fn provider(&self) -> AzureProvider {
        self.try_open(self.application(), &[]).await.unwrap()
    }

    /// Time goes on for both sides.
    pub(crate) fn advance(&self, by: Duration) {
        self.clock.0.fetch_add(by.as_secs(), Ordering::SeqCst);
        self.fake.advance(by);
    }

    /// Method and path of what the fake was asked so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log_since(0)
    }

    /// The same without the first `start`.
    pub(crate) fn log_since(&self, start: usize) -> Vec<String> {
        let asked = self.fake.asked_since(start);
        asked
            .iter()
            .map(|asked| format!("{} {}", asked.method, asked.path))
            .collect()
    }
}

pub(crate) fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

/// What a metadata service gives.
pub(crate) const TOKEN: &str = r#"{"access_token":"t0ken","expires_in":"3600","expires_on":"4102444800","resource":"https://vault.azure.net","token_type":"Bearer"}"#;

/// A provider before a programmable server, which is its vault and its Entra; the login is a metadata service that always
/// gives a token.
pub(crate) struct Scripted {
    front: Front,
    identity: FaultServer,
    folder: TempDir,
    pub(crate) transport: Transport,
}

impl Scripted {
    pub(crate) async fn before(server: &FaultServer) -> Self {
        let front = Front::start(server.address()).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), &front.pem).unwrap();
        std::fs::write(folder.path().join("token"), "eyJ.assertion.sig").unwrap();
        let identity = FaultServer::start(Script::always(Reply::new(200).body(TOKEN))).await;
        Self {
            front,
            identity: identity.unwrap(),
            folder,
            transport: Transport::default(),
        }
    }

    pub(crate) fn config(&self) -> AzureConfig {
        let mut config = AzureConfig::default();
        config.vault_url = Some(self.front.url.clone());
        config.authority_host = Some(self.front.url.clone());
        config.resource = Some("https://vault.azure.net".to_owned());
        config.tenant_id = Some("contoso.example".to_owned());
        config.ca_cert = Some("ca.pem".into());
        config
    }

    pub(crate) async fn open(
        &self,
        config: AzureConfig,
        variables: &[(&str, &str)],
    ) -> AzureProvider {
        let context = OpenContext::new("main")
            .with_environment(variables.iter().copied().collect())
            .with_base_dir(self.folder.path());
        polysecrets_azure::open(config, context, self.transport.clone())
            .await
            .unwrap()
    }

    /// With the token of the metadata service.
    pub(crate) async fn logged_in(&self) -> AzureProvider {
        self.by_app_service(&self.identity.url()).await
    }

    /// The same, with this rule for values outside their time.
    pub(crate) async fn lenient(&self, outside_validity: OutsideValidity) -> AzureProvider {
        let mut config = self.config();
        config.outside_validity = outside_validity;
        config.managed_identity = Some(ManagedIdentityConfig::default());
        let endpoint = format!("{}/msi/token", self.identity.url());
        let variables = [
            ("IDENTITY_ENDPOINT", endpoint.as_str()),
            ("IDENTITY_HEADER", "header"),
        ];
        self.open(config, &variables).await
    }

    /// With a metadata service that is there.
    pub(crate) async fn by_app_service(&self, endpoint: &str) -> AzureProvider {
        let mut config = self.config();
        config.managed_identity = Some(ManagedIdentityConfig::default());
        let endpoint = format!("{endpoint}/msi/token");
        let variables = [
            ("IDENTITY_ENDPOINT", endpoint.as_str()),
            ("IDENTITY_HEADER", "header"),
        ];
        self.open(config, &variables).await
    }

    pub(crate) async fn by_client_secret(&self) -> AzureProvider {
        let mut config = self.config();
        let mut client = ServicePrincipalConfig::default();
        client.client_id = Some("app".to_owned());
        client.client_secret = Some("hunter2".into());
        config.service_principal = Some(client);
        self.open(config, &[]).await
    }

    pub(crate) async fn by_workload_identity(&self) -> AzureProvider {
        let mut config = self.config();
        let mut workload = WorkloadIdentityConfig::default();
        workload.client_id = Some("app".to_owned());
        workload.token_file = Some("token".into());
        config.workload_identity = Some(workload);
        self.open(config, &[]).await
    }
}
