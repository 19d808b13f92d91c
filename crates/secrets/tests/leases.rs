//! What becomes of leases when a handle is closed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]
#![cfg(all(feature = "memory", feature = "vault"))]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use polysecrets::{
    Capabilities, CloseOptions, Config, DeleteOptions, DescribeOptions, Error, ErrorKind,
    GetOptions, Health, HealthStatus, Lease, Leases, LeasesAtClose, ListOptions, Location,
    Metadata, OpenContext, Page, ProviderInfo, PutOptions, Result, RollbackOptions, Secret,
    SecretName, SecretProvider, SecretValue, Secrets, TimeoutConfig, Version, VersionsOptions,
};
use secrets_provider::{
    BaseUrl, ClientOptions, HeaderName, HttpRequest, Method, Transport, encode, sensitive_header,
};
use secrets_testkit::fault::{FaultServer, Reply};
use secrets_vault::{Engine, VaultConfig};
use serde_json::{Value, json};

/// How it takes leases back.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Manner {
    Willing,
    Refusing,
    Hanging,
}

/// Lends a secret with each read.
#[derive(Debug)]
struct Lender {
    info: ProviderInfo,
    manner: Manner,
    held: Mutex<Vec<Lease>>,
    closed: AtomicBool,
}

impl Lender {
    fn new(name: &str, manner: Manner) -> Arc<Self> {
        let location = Location::from_scheme("lender");
        Arc::new(Self {
            info: ProviderInfo::new("lender", name, location, Capabilities::new(&[])),
            manner,
            held: Mutex::default(),
            closed: AtomicBool::new(false),
        })
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Leases for Lender {
    fn held(&self) -> Vec<Lease> {
        self.held.lock().unwrap().clone()
    }

    async fn renew(&self, lease: &Lease, increment: Duration) -> Result<Lease> {
        Ok(Lease::new(lease.id.clone(), increment, true))
    }

    async fn revoke(&self, lease: &Lease) -> Result<()> {
        // What they depend on has to be there still.
        assert!(!self.is_closed());
        match self.manner {
            Manner::Willing => {}
            Manner::Refusing => return Err(Error::from(ErrorKind::PermissionDenied)),
            Manner::Hanging => std::future::pending().await,
        }
        self.held.lock().unwrap().retain(|one| one.id != lease.id);
        Ok(())
    }
}

#[async_trait]
impl SecretProvider for Lender {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn get(&self, name: &SecretName, _: &GetOptions) -> Result<Secret> {
        let mut held = self.held.lock().unwrap();
        let lease = Lease::new(held.len().to_string(), Duration::from_secs(3600), true);
        held.push(lease.clone());
        let metadata = Metadata::new(name.clone()).with_lease(lease);
        Ok(Secret::new("lent".into(), metadata))
    }

    fn leases(&self) -> Option<&dyn Leases> {
        Some(self)
    }

    async fn describe(&self, _: &SecretName, _: &DescribeOptions) -> Result<Metadata> {
        Err(Error::from(ErrorKind::Unsupported))
    }

    async fn list(&self, _: &ListOptions) -> Result<Page> {
        Err(Error::from(ErrorKind::Unsupported))
    }

    async fn put(&self, _: &SecretName, _: &SecretValue, _: &PutOptions) -> Result<Metadata> {
        Err(Error::from(ErrorKind::Unsupported))
    }

    async fn delete(&self, _: &SecretName, _: &DeleteOptions) -> Result<()> {
        Err(Error::from(ErrorKind::Unsupported))
    }

    async fn restore(&self, _: &SecretName) -> Result<()> {
        Err(Error::from(ErrorKind::Unsupported))
    }

    async fn versions(&self, _: &SecretName, _: &VersionsOptions) -> Result<Page> {
        Err(Error::from(ErrorKind::Unsupported))
    }

    async fn rollback(&self, _: &SecretName, _: &Version, _: &RollbackOptions) -> Result<Metadata> {
        Err(Error::from(ErrorKind::Unsupported))
    }

    async fn health(&self) -> Result<Health> {
        Ok(Health::new(HealthStatus::Healthy, String::new()))
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::SeqCst);
        Ok(())
    }
}

fn handle(lenders: &[&Arc<Lender>], deadline: Duration) -> Secrets {
    let mut config = Config::default();
    config.timeouts = TimeoutConfig::default().with_deadline(deadline);
    let builder = Secrets::builder().config(config);
    let builder = lenders.iter().fold(builder, |builder, lender| {
        let name = lender.info.name.to_string();
        builder.provider(name, Arc::clone(lender) as Arc<dyn SecretProvider>)
    });
    builder.build().unwrap()
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_closed_handle_has_given_its_leases_back() {
    let (one, other) = (
        Lender::new("one", Manner::Willing),
        Lender::new("other", Manner::Willing),
    );
    let secrets = handle(&[&one, &other], 10 * SECOND);
    for reference in ["one://a", "one://b", "other://c"] {
        secrets.get(reference).await.unwrap();
    }
    assert_eq!((one.held().len(), other.held().len()), (2, 1));
    let first = one.held().remove(0);
    // A task of its own may do it.
    let (handle, lease) = (secrets.clone(), first.clone());
    let task = tokio::spawn(async move { handle.renew_lease("one", &lease, SECOND).await });
    task.await.unwrap().unwrap();
    let renewed = secrets
        .renew_lease("one", &first, 7 * SECOND)
        .await
        .unwrap();
    assert_eq!(renewed.duration, 7 * SECOND);
    secrets.revoke_lease("one", &first).await.unwrap();
    assert_eq!(one.held().len(), 1);
    secrets.close().await.unwrap();
    assert!(one.held().is_empty() && other.held().is_empty());
    assert!(one.is_closed() && other.is_closed());
}

#[tokio::test]
async fn leases_are_kept_for_whoever_goes_on_to_use_them() {
    let lender = Lender::new("one", Manner::Willing);
    let secrets = handle(&[&lender], 10 * SECOND);
    secrets.get("one://a").await.unwrap();
    let keep = CloseOptions::default().with_leases(LeasesAtClose::Keep);
    secrets.close_with(keep).await.unwrap();
    assert_eq!(lender.held().len(), 1);
    assert!(lender.is_closed());
}

#[tokio::test]
async fn one_that_cannot_be_given_back_is_told_and_the_rest_is_closed() {
    let (one, other) = (
        Lender::new("one", Manner::Refusing),
        Lender::new("other", Manner::Willing),
    );
    let secrets = handle(&[&one, &other], 10 * SECOND);
    secrets.get("one://a").await.unwrap();
    secrets.get("other://a").await.unwrap();
    let error = secrets.close().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(error.provider(), Some("one"));
    assert!(error.message().contains("1 of 1 lease"), "{error}");
    assert!(other.held().is_empty());
    assert!(one.is_closed() && other.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_holds_nobody_up_beyond_the_deadline() {
    let lender = Lender::new("one", Manner::Hanging);
    let secrets = handle(&[&lender], 8 * SECOND);
    secrets.get("one://a").await.unwrap();
    let begun = tokio::time::Instant::now();
    let error = secrets.close().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let took = begun.elapsed();
    assert!((4 * SECOND..8 * SECOND).contains(&took), "{took:?}");
    assert!(lender.is_closed());
}

#[tokio::test]
async fn a_store_that_lends_nothing_has_no_leases() {
    let secrets = Secrets::builder()
        .default_provider("memory")
        .build()
        .unwrap();
    let lease = Lease::new("x", SECOND, true);
    let error = secrets
        .renew_lease("memory", &lease, SECOND)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let error = secrets.revoke_lease("nowhere", &lease).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    secrets.close().await.unwrap();
}

/// The test server, as its administrator.
struct Server {
    address: String,
    token: String,
}

impl Server {
    fn of_environment() -> Self {
        let variable = |name: &str| {
            std::env::var(name).unwrap_or_else(|_| {
                panic!("{name} is not set; `cargo xtask test` starts the servers and sets it")
            })
        };
        Self {
            address: variable("POLYSECRETS_TEST_BAO_ADDR"),
            token: variable("POLYSECRETS_TEST_BAO_TOKEN"),
        }
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let client = Transport::default()
            .client(ClientOptions::default())
            .unwrap();
        let url = BaseUrl::parse(&self.address)
            .unwrap()
            .join(&format!("v1/{path}"));
        let token = sensitive_header(&self.token.as_str().into(), "the token").unwrap();
        let request = HttpRequest::new(Method::POST, url)
            .with_header(HeaderName::from_static("x-vault-token"), token)
            .with_json(encode(&body, 256).unwrap());
        let response = client.send(request).await.unwrap();
        let answer = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        (response.status.as_u16(), answer)
    }

    /// A mount that makes users of a message broker.
    async fn lends_users_of(&self, broker: &FaultServer, mount: &str) {
        let connection = json!({
            "connection_uri": broker.url(), "username": "a", "password": "b",
            "verify_connection": false,
        });
        for (path, body) in [
            (format!("sys/mounts/{mount}"), json!({"type": "rabbitmq"})),
            (format!("{mount}/config/connection"), connection),
            (
                format!("{mount}/config/lease"),
                json!({"ttl": 3600, "max_ttl": 7200}),
            ),
            (format!("{mount}/roles/app"), json!({"tags": "x"})),
        ] {
            let (status, answer) = self.post(&path, body).await;
            assert!(status < 300, "{path}: {status} {answer}");
        }
    }

    async fn knows(&self, lease: &Lease) -> bool {
        let asked = self.post("sys/leases/lookup", json!({"lease_id": lease.id}));
        match asked.await {
            (200, _) => true,
            (400, _) => false,
            (status, answer) => panic!("{status} {answer}"),
        }
    }

    async fn handle(&self, mount: &str) -> Secrets {
        let mut config = VaultConfig::default();
        config.address = Some(self.address.clone());
        config.mount = Some(mount.to_owned());
        config.token = Some(self.token.as_str().into());
        config.engine = Engine::Generic;
        let context = OpenContext::new("broker");
        let provider = secrets_vault::open(config, context, Transport::default())
            .await
            .unwrap();
        Secrets::builder()
            .provider("broker", Arc::new(provider))
            .default_provider("broker")
            .build()
            .unwrap()
    }
}

#[tokio::test]
async fn a_real_server_has_its_leases_back_after_the_close() {
    let server = Server::of_environment();
    let broker = FaultServer::start(Reply::new(204)).await.unwrap();
    let mount = format!("leases-{}", fastrand::u64(..));
    server.lends_users_of(&broker, &mount).await;
    let secrets = server.handle(&mount).await;
    let mut lent = Vec::new();
    for _ in 0..3 {
        let answer = secrets.get_with_origin("creds/app").await.unwrap();
        lent.push(answer.secret.metadata.lease.unwrap());
    }
    for lease in &lent {
        assert!(server.knows(lease).await);
    }
    secrets.close().await.unwrap();
    for lease in &lent {
        assert!(!server.knows(lease).await);
    }
    let asked = broker.requests();
    let removed = asked.iter().filter(|request| request.method == "DELETE");
    assert_eq!(removed.count(), 3);

    let secrets = server.handle(&mount).await;
    let answer = secrets.get_with_origin("creds/app").await.unwrap();
    let kept = answer.secret.metadata.lease.unwrap();
    let keep = CloseOptions::default().with_leases(LeasesAtClose::Keep);
    secrets.close_with(keep).await.unwrap();
    assert!(server.knows(&kept).await);
}
