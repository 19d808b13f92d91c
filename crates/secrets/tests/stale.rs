//! Denied, deleted and disabled secrets are never answered from the cache, whatever happens after.
//!
//! Which states there are:
//!
//! | provider | denied | deleted | disabled |
//! |---|---|---|---|
//! | AWS | the service's answer | ministack | no such state |
//! | Azure | the fake's refusal | the fake | the fake, past its end of validity |
//! | GCP | the fake's refusal | the fake | the fake |
//! | Infisical | the fake's refusal | the fake | no such state |
//! | Vault | the server's answer | OpenBao | no such state |
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]
#![cfg(all(
    feature = "aws",
    feature = "azure",
    feature = "gcp",
    feature = "infisical",
    feature = "vault"
))]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use polysecrets::layers::{BreakerConfig, CacheConfig};
use polysecrets::{
    Config, DeleteMode, DeleteOptions, ErrorKind, Freshness, OpenContext, PutOptions, RetryConfig,
    SecretName, SecretProvider, Secrets, SystemClock,
};
use secrets_provider::{
    BaseUrl, ClientOptions, HeaderName, HttpRequest, Method, Transport, encode, sensitive_header,
};
use secrets_testkit::ManualClock;
use secrets_testkit::fakes::Fault as Refusal;
use secrets_testkit::fakes::azure::{AzureFake, AzureOptions};
use secrets_testkit::fakes::gcp::{Credential, GcpFake, GcpOptions};
use secrets_testkit::fakes::infisical::{InfisicalFake, InfisicalOptions};
use secrets_testkit::fault::{Fault, FaultServer, Reply, Script};
use serde_json::{Value, json};

fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

/// A name that no other run uses.
fn unique() -> String {
    let tail: String = std::iter::repeat_with(fastrand::alphanumeric)
        .take(10)
        .collect();
    format!("stale-{}", tail.to_lowercase())
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set; `cargo xtask test` starts the servers and sets it, `cargo xtask servers env` prints it")
    })
}

/// Reads a secret, lets `change` bring it into a state, and looks that no reader is given what was known before: neither
/// when the provider says so, nor in the outage that follows.
async fn check(
    provider: Arc<dyn SecretProvider>,
    secret: &str,
    kinds: &[ErrorKind],
    change: impl AsyncFnOnce(),
    outage: impl AsyncFnOnce(),
) {
    let clock = Arc::new(ManualClock::new());
    let mut config = Config::default();
    config.retry = RetryConfig::default().with_max_attempts(1);
    config.breaker = BreakerConfig::disabled();
    let cache = CacheConfig::default()
        .with_ttl(Duration::from_secs(60))
        .with_max_stale(Duration::from_secs(3600));
    let secrets = Secrets::builder()
        .config(config)
        .provider("main", provider)
        .default_provider("main")
        .cache(cache)
        .clock(clock.clone())
        .build()
        .unwrap();
    let before = secrets.get(secret).await.unwrap();
    let again = secrets.get_with_origin(secret).await.unwrap();
    assert!(matches!(again.origin.freshness, Freshness::Cached { .. }));
    assert_eq!(again.secret.value, before);

    change().await;
    clock.advance(Duration::from_secs(61));
    let readers: Vec<_> = (0..50)
        .map(|_| {
            let (secrets, secret) = (secrets.clone(), secret.to_owned());
            tokio::spawn(async move { secrets.get(secret).await.map(drop) })
        })
        .collect();
    for reader in readers {
        let error = reader.await.unwrap().unwrap_err();
        assert!(kinds.contains(&error.kind()), "{:?}: {error}", error.kind());
    }
    outage().await;
    for _ in 0..50 {
        assert!(secrets.get(secret).await.is_err());
    }
}

async fn delete(provider: &dyn SecretProvider, secret: &str) {
    let options = DeleteOptions::default().with_mode(DeleteMode::Soft);
    provider.delete(&name(secret), &options).await.unwrap();
}

async fn put(provider: &dyn SecretProvider, secret: &str) {
    let options = PutOptions::default();
    let value = "hunter2".into();
    provider.put(&name(secret), &value, &options).await.unwrap();
}

const DENIED: &[ErrorKind] = &[ErrorKind::PermissionDenied];
const DELETED: &[ErrorKind] = &[ErrorKind::Deleted, ErrorKind::NotFound];
const DISABLED: &[ErrorKind] = &[ErrorKind::Disabled];

/// Every request is refused, and later fails.
fn refused() -> Refusal {
    Refusal::status(403).always()
}

fn down() -> Refusal {
    Refusal::status(503).always()
}

async fn azure() -> (AzureFake, Arc<dyn SecretProvider>, tempfile::TempDir) {
    let fake = AzureFake::start(AzureOptions::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), fake.ca_pem()).unwrap();
    let options = AzureOptions::default();
    let mut client = secrets_azure::ServicePrincipalConfig::default();
    client.tenant_id = Some(options.tenant_id);
    client.client_id = Some(options.client_id);
    client.client_secret = Some(options.client_secret.into());
    let mut config = secrets_azure::AzureConfig::default();
    config.vault_url = Some(fake.url());
    config.authority_host = Some(fake.url());
    config.resource = Some("https://vault.azure.net".to_owned());
    config.ca_cert = Some("ca.pem".into());
    config.service_principal = Some(client);
    let context = OpenContext::new("main").with_base_dir(folder.path());
    let provider = secrets_azure::open(config, context, Transport::default())
        .await
        .unwrap();
    fake.seed("a", "hunter2");
    (fake, Arc::new(provider), folder)
}

#[tokio::test]
async fn azure_gives_nothing_stale() {
    let (fake, provider, _folder) = azure().await;
    let outage = async || {
        fake.faults().clear();
        fake.faults().push(down());
    };
    let deny = async || fake.faults().push(refused());
    check(provider.clone(), "a", DENIED, deny, outage).await;

    let (fake, provider, _folder) = azure().await;
    let outage = async || fake.faults().push(down());
    let change = async || delete(&*provider, "a").await;
    check(provider.clone(), "a", DELETED, change, outage).await;

    let (fake, provider, _folder) = azure().await;
    let outage = async || fake.faults().push(down());
    let change = async || {
        let past = SystemTime::now() - Duration::from_secs(60);
        let options = PutOptions::default().with_expires_at(past);
        let value = "hunter3".into();
        provider.put(&name("a"), &value, &options).await.unwrap();
    };
    check(provider.clone(), "a", DISABLED, change, outage).await;
}

async fn gcp() -> (GcpFake, Arc<dyn SecretProvider>) {
    let fake = GcpFake::start(GcpOptions::default()).await.unwrap();
    let mut config = secrets_gcp::GcpConfig::default();
    config.endpoint = Some(fake.url());
    config.project_id = Some(fake.project_id().to_owned());
    config.credentials_file = Some(fake.credential_file(Credential::ServiceAccount));
    let provider = secrets_gcp::open(config, OpenContext::new("main"), Transport::default())
        .await
        .unwrap();
    fake.seed("a", b"hunter2");
    (fake, Arc::new(provider))
}

#[tokio::test]
async fn gcp_gives_nothing_stale() {
    let (fake, provider) = gcp().await;
    let outage = async || {
        fake.faults().clear();
        fake.faults().push(down());
    };
    let deny = async || fake.faults().push(refused());
    check(provider, "a", DENIED, deny, outage).await;

    let (fake, provider) = gcp().await;
    let outage = async || fake.faults().push(down());
    let change = async || delete_gcp(&*provider).await;
    check(provider.clone(), "a", DELETED, change, outage).await;

    let (fake, provider) = gcp().await;
    let outage = async || fake.faults().push(down());
    let change = async || {
        let path = format!(
            "v1/projects/{}/secrets/a/versions/1:disable",
            fake.project_id()
        );
        let token = format!("Bearer {}", fake.token());
        send(&fake.url(), &path, ("authorization", &token), json!({})).await;
    };
    check(provider, "a", DISABLED, change, outage).await;
}

/// Google knows no soft delete.
async fn delete_gcp(provider: &dyn SecretProvider) {
    let options = DeleteOptions::default().with_mode(DeleteMode::Purge);
    provider.delete(&name("a"), &options).await.unwrap();
}

async fn send(base: &str, path: &str, (header, token): (&'static str, &str), body: Value) {
    let http = Transport::default()
        .client(ClientOptions::default())
        .unwrap();
    let token = sensitive_header(&token.into(), "the token").unwrap();
    let url = BaseUrl::parse(base).unwrap().join(path);
    let request = HttpRequest::new(Method::POST, url)
        .with_header(HeaderName::from_static(header), token)
        .with_json(encode(&body, 256).unwrap());
    let answer = http.send(request).await.unwrap();
    assert!(answer.status.is_success(), "{path}: {}", answer.status);
}

async fn infisical() -> (InfisicalFake, Arc<dyn SecretProvider>) {
    let fake = InfisicalFake::start(InfisicalOptions::default())
        .await
        .unwrap();
    let mut universal = secrets_infisical::UniversalAuthConfig::default();
    universal.client_id = Some(fake.client_id().to_owned());
    universal.client_secret = Some(fake.client_secret().into());
    let mut config = secrets_infisical::InfisicalConfig::default();
    config.base_url = Some(fake.url());
    config.project_id = Some(fake.project_id().to_owned());
    config.environment = Some("dev".to_owned());
    config.universal_auth = Some(universal);
    let provider = secrets_infisical::open(config, OpenContext::new("main"), Transport::default())
        .await
        .unwrap();
    put(&provider, "a").await;
    (fake, Arc::new(provider))
}

#[tokio::test]
async fn infisical_gives_nothing_stale() {
    let (fake, provider) = infisical().await;
    let outage = async || {
        fake.faults().clear();
        fake.faults().push(down());
    };
    let deny = async || fake.faults().push(refused());
    check(provider, "a", DENIED, deny, outage).await;

    let (fake, provider) = infisical().await;
    let outage = async || fake.faults().push(down());
    let change = async || {
        let options = DeleteOptions::default();
        provider.delete(&name("a"), &options).await.unwrap();
    };
    check(provider.clone(), "a", DELETED, change, outage).await;
}

fn reply(status: u16, kind: &'static str, body: &str) -> Fault {
    Reply::new(status)
        .header("content-type", kind)
        .body(body.to_owned())
        .into()
}

async fn vault(address: String, mount: &str, token: &str) -> Arc<dyn SecretProvider> {
    let mut config = secrets_vault::VaultConfig::default();
    config.address = Some(address);
    config.mount = Some(mount.to_owned());
    config.token = Some(token.into());
    config.engine = secrets_vault::Engine::KvV2;
    let opened = secrets_vault::open(config, OpenContext::new("main"), Transport::default());
    Arc::new(opened.await.unwrap())
}

#[tokio::test]
async fn vault_gives_nothing_stale() {
    let json = "application/json";
    let value = r#"{"data":{"data":{"value":"hunter2"},"metadata":{"created_time":"2026-01-01T00:00:00Z","version":1,"destroyed":false,"deletion_time":"","custom_metadata":null}}}"#;
    let server = FaultServer::start(Script::always(reply(200, json, value)))
        .await
        .unwrap();
    let provider = vault(server.url(), "kv", "token").await;
    let deny = async || {
        // The token itself is good, which the provider makes sure of.
        let body = r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#;
        let good = r#"{"data":{"id":"token","policies":["app"],"ttl":3600}}"#;
        server.set_script(Script::respond(move |request| {
            Some(match request.path().starts_with("/v1/kv/") {
                true => reply(403, json, body),
                false => reply(200, json, good),
            })
        }));
    };
    let outage = async || server.set_script(Script::always(Reply::new(503)));
    check(provider, "a", DENIED, deny, outage).await;

    let (address, token) = (
        variable("POLYSECRETS_TEST_BAO_ADDR"),
        variable("POLYSECRETS_TEST_BAO_TOKEN"),
    );
    let mount = unique();
    let body = json!({"type": "kv", "options": {"version": "2"}});
    let header = ("x-vault-token", token.as_str());
    send(&address, &format!("v1/sys/mounts/{mount}"), header, body).await;
    let provider = vault(address, &mount, &token).await;
    // Version 2 is being set up for a moment.
    let options = PutOptions::default();
    for _ in 0..100 {
        let value = "hunter2".into();
        if provider.put(&name("a"), &value, &options).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let change = async || delete(&*provider, "a").await;
    check(provider.clone(), "a", DELETED, change, async || {}).await;
}

async fn aws(endpoint: &str, id: &str, secret: &str) -> Arc<dyn SecretProvider> {
    let mut config = secrets_aws::AwsConfig::default();
    config.region = Some("us-east-1".to_owned());
    config.endpoint = Some(endpoint.to_owned());
    config.access_key_id = Some(id.into());
    config.secret_access_key = Some(secret.into());
    let context = OpenContext::new("main").with_clock(Arc::new(SystemClock));
    let opened = secrets_aws::open(config, context, Transport::default());
    Arc::new(opened.await.unwrap())
}

#[tokio::test]
async fn aws_gives_nothing_stale() {
    let kind = "application/x-amz-json-1.1";
    let value = r#"{"ARN":"arn:aws:secretsmanager:us-east-1:123456789012:secret:a-AbCdEf","Name":"a","VersionId":"0d1f2c3b-4a59-4687-9b1c-0d1f2c3b4a59","SecretString":"hunter2","VersionStages":["AWSCURRENT"],"CreatedDate":1.7E9}"#;
    let server = FaultServer::start(Script::always(reply(200, kind, value)))
        .await
        .unwrap();
    let provider = aws(&server.url(), "AKIDEXAMPLE", "secret").await;
    let deny = async || {
        let body = r#"{"__type":"AccessDeniedException","Message":"not authorized"}"#;
        server.set_script(Script::always(reply(400, kind, body)));
    };
    let outage = async || server.set_script(Script::always(Reply::new(503)));
    check(provider, "a", DENIED, deny, outage).await;

    let provider = aws(
        &variable("POLYSECRETS_TEST_MINISTACK_URL"),
        &variable("POLYSECRETS_TEST_MINISTACK_ACCESS_KEY_ID"),
        &variable("POLYSECRETS_TEST_MINISTACK_SECRET_ACCESS_KEY"),
    )
    .await;
    let secret = unique();
    put(&*provider, &secret).await;
    let change = async || delete(&*provider, &secret).await;
    check(provider.clone(), &secret, DELETED, change, async || {}).await;
}
