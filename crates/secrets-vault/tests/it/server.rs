//! What only a real server can prove: its own command line, its logins, its namespaces, its other engines.

use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use polysecrets_vault::{
    CertConfig, Engine, JwtConfig, KubernetesConfig, Shape, UserpassConfig, VaultConfig,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use secrets_core::{
    Capability, ErrorKind, GetOptions, HealthStatus, Lease, ListOptions, OpenContext, PutMode,
    PutOptions, SecretProvider, Version,
};
use secrets_provider::{Method, Transport};
use secrets_testkit::fault::{FaultServer, Reply};
use serde_json::{Value, json};

use crate::support::{Admin, get, name, open, put, text, unique, variable};

/// Runs the server's own command line against the server with TLS.
fn bao(admin: &Admin, words: &[&str]) -> String {
    let output = Command::new(variable("POLYSECRETS_TEST_BAO_BIN"))
        .args(words)
        .env_clear()
        .env("BAO_ADDR", &admin.address)
        .env("BAO_TOKEN", &admin.token)
        .env("BAO_CACERT", admin.ca.as_ref().unwrap())
        .env("HOME", std::env::temp_dir())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "bao {words:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn the_servers_command_line_reads_what_we_write_and_the_other_way_round() {
    let admin = Admin::tls();
    let mount = admin.mount(2).await;
    let provider = open(admin.root_config(&mount, Engine::Auto)).await;
    let at = format!("-mount={mount}");

    put(&provider, "db/password", "p\"ä<\n").await.unwrap();
    let field = bao(&admin, &["kv", "get", &at, "-field=value", "db/password"]);
    assert_eq!(field, "p\"ä<\n");
    put(&provider, "db/login", r#"{"user":"u","port":5432}"#)
        .await
        .unwrap();
    let answer: Value = serde_json::from_str(&bao(
        &admin,
        &["kv", "get", &at, "-format=json", "db/login"],
    ))
    .unwrap();
    assert_eq!(answer["data"]["data"], json!({"user": "u", "port": 5432}));

    bao(&admin, &["kv", "put", &at, "theirs", "value=from bao"]);
    assert_eq!(text(&provider, "theirs").await, "from bao");
    bao(&admin, &["kv", "put", &at, "theirs", "a=1", "b=2"]);
    let both = get(&provider, "theirs").await.unwrap();
    assert_eq!(both.value.field("b").unwrap().expose_str().unwrap(), "2");
    assert_eq!(both.metadata.version.unwrap().as_str(), "2");
}

#[tokio::test]
async fn version_1_is_found_out() {
    let admin = Admin::plain();
    let mount = admin.mount(1).await;
    admin
        .post(&format!("{mount}/db"), json!({"value": "one"}))
        .await;
    // In the way of whoever guesses version 2.
    admin
        .post(
            &format!("{mount}/data/db"),
            json!({"data": {"value": "evil"}, "metadata": {"version": 1}}),
        )
        .await;
    let transport = Transport::default();
    let config = admin.root_config(&mount, Engine::Auto);
    let provider = polysecrets_vault::open(config, OpenContext::new("main"), transport.clone())
        .await
        .unwrap();
    assert_eq!(text(&provider, "db").await, "one");
    assert_eq!(transport.requests_sent(), 3);
    assert_eq!(text(&provider, "db").await, "one");
    assert_eq!(transport.requests_sent(), 4);
    assert!(!provider.info().capabilities.has(Capability::Versions));
}

#[tokio::test]
async fn a_get_is_one_request() {
    let admin = Admin::plain();
    let mount = admin.mount(2).await;
    admin
        .post(&format!("{mount}/data/db"), json!({"data": {"value": "x"}}))
        .await;
    let transport = Transport::default();
    let config = admin.root_config(&mount, Engine::Auto);
    let provider = polysecrets_vault::open(config, OpenContext::new("main"), transport.clone())
        .await
        .unwrap();
    assert_eq!(text(&provider, "db").await, "x");
    assert_eq!(transport.requests_sent(), 1);
    assert_eq!(secrets_provider::root_stores_parsed(), 0);
}

#[tokio::test]
async fn an_engine_of_another_kind_is_read() {
    let admin = Admin::plain();
    let mount = unique("totp");
    admin
        .post(&format!("sys/mounts/{mount}"), json!({"type": "totp"}))
        .await;
    let key = json!({"generate": true, "issuer": "test", "account_name": "me"});
    admin.post(&format!("{mount}/keys/me"), key).await;
    let provider = open(admin.root_config(&mount, Engine::Auto)).await;
    let code = get(&provider, "code/me").await.unwrap();
    assert_eq!(code.value.field("code").unwrap().len(), 6);
    assert_eq!(provider.info().capabilities.iter().count(), 0);
    let denied = put(&provider, "x", "y").await.unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn missing_mounts_and_namespaces_are_reported() {
    let admin = Admin::plain();
    let none = unique("none");
    let policy = admin.policy_for(&none).await;
    let restricted = admin.token(json!({"policies": [policy]})).await;
    for engine in [Engine::Auto, Engine::KvV2, Engine::KvV1] {
        for token in [&admin.token, &restricted] {
            let mut config = admin.root_config(&none, engine);
            config.token = Some(token.as_str().into());
            let missing = open(config).await;
            for error in [
                get(&missing, "a").await.unwrap_err(),
                get(&missing, "a/b").await.unwrap_err(),
                put(&missing, "a", "b").await.unwrap_err(),
                missing.list(&ListOptions::default()).await.unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
                assert_eq!(error.message(), format!("the server has no mount `{none}`"));
                assert!(error.hint().unwrap().contains("`mount`"));
            }
        }
    }
    // To a token that may see nothing there, the server does not tell whether there is a mount.
    let mut blind = admin.root_config(&unique("none"), Engine::Auto);
    blind.token = Some(restricted.as_str().into());
    let mount = blind.mount.clone().unwrap();
    let blind = open(blind).await;
    for error in [
        get(&blind, "a").await.unwrap_err(),
        get(&blind, "a").await.unwrap_err(),
        blind.list(&ListOptions::default()).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(format!("{error:?}").contains(&mount), "{error:?}");
    }
    let mut elsewhere = admin.root_config("secret", Engine::Auto);
    elsewhere.namespace = Some(unique("none"));
    let error = get(&open(elsewhere).await, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("namespace"), "{error}");
}

#[tokio::test]
async fn a_namespace_has_mounts_of_its_own() {
    let admin = Admin::plain();
    let namespace = unique("team");
    admin
        .post(&format!("sys/namespaces/{namespace}"), json!({}))
        .await;
    admin
        .post(
            &format!("{namespace}/sys/mounts/kv"),
            json!({"type": "kv", "options": {"version": "1"}}),
        )
        .await;
    let mut config = admin.root_config("kv", Engine::KvV1);
    config.namespace = Some(namespace.clone());
    let provider = open(config).await;
    put(&provider, "a", "inside").await.unwrap();
    assert_eq!(text(&provider, "a").await, "inside");
    let outside = admin.read(&format!("{namespace}/kv/a")).await;
    assert_eq!(outside["data"]["value"], "inside");
    assert_eq!(
        provider.health().await.unwrap().status,
        HealthStatus::Healthy
    );
}

/// A mount with one secret, and a policy that allows to read it.
async fn readable(admin: &Admin) -> (String, String) {
    let mount = admin.mount(2).await;
    admin
        .post(&format!("{mount}/data/db"), json!({"data": {"value": "x"}}))
        .await;
    let policy = admin.policy_for(&mount).await;
    (mount, policy)
}

#[tokio::test]
async fn logs_in_with_a_password() {
    let admin = Admin::plain();
    let (mount, policy) = readable(&admin).await;
    let auth = admin.auth("userpass").await;
    let user = json!({"password": "p\"w", "token_policies": [policy]});
    admin.post(&format!("auth/{auth}/users/me"), user).await;
    let mut config = admin.config(&mount);
    let mut userpass = UserpassConfig::default();
    userpass.mount = Some(auth);
    userpass.username = Some("me".to_owned());
    userpass.password = Some("p\"w".into());
    config.userpass = Some(userpass.clone());
    assert_eq!(text(&open(config.clone()).await, "db").await, "x");
    userpass.password = Some("wrong".into());
    config.userpass = Some(userpass);
    let error = get(&open(config).await, "db").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
}

/// A JWT that the server's own transit engine signs, and the public key to check it with.
async fn jwt(admin: &Admin, subject: &str) -> (String, String) {
    let transit = unique("transit");
    admin
        .post(&format!("sys/mounts/{transit}"), json!({"type": "transit"}))
        .await;
    admin
        .post(&format!("{transit}/keys/k"), json!({"type": "ecdsa-p256"}))
        .await;
    let key = admin.read(&format!("{transit}/keys/k")).await;
    let public = key["data"]["keys"]["1"]["public_key"]
        .as_str()
        .unwrap()
        .to_owned();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let claims = json!({"sub": subject, "aud": "polysecrets", "iat": now, "exp": now + 300});
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!(
        "{}.{}",
        encode(json!({"alg": "ES256", "typ": "JWT"})),
        encode(claims)
    );
    let body = json!({"input": STANDARD.encode(&input), "marshaling_algorithm": "jws", "hash_algorithm": "sha2-256"});
    let signed = admin.post(&format!("{transit}/sign/k"), body).await;
    let signature = signed["data"]["signature"]
        .as_str()
        .unwrap()
        .rsplit(':')
        .next()
        .unwrap()
        .to_owned();
    (format!("{input}.{signature}"), public)
}

#[tokio::test]
async fn logs_in_with_a_jwt_that_is_read_again_at_each_login() {
    let admin = Admin::plain();
    let (mount, policy) = readable(&admin).await;
    let (token, key) = jwt(&admin, "me").await;
    let auth = admin.auth("jwt").await;
    admin
        .post(
            &format!("auth/{auth}/config"),
            json!({"jwt_validation_pubkeys": [key]}),
        )
        .await;
    let role = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["polysecrets"], "token_policies": [policy]});
    admin.post(&format!("auth/{auth}/role/app"), role).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwt");
    std::fs::write(&file, format!("{token}\n")).unwrap();
    let mut config = admin.config(&mount);
    let mut settings = JwtConfig::default();
    settings.mount = Some(auth);
    settings.role = Some("app".to_owned());
    settings.token_file = Some(file.clone());
    config.jwt = Some(settings);
    let provider = open(config.clone()).await;
    assert_eq!(text(&provider, "db").await, "x");
    provider.close().await.unwrap();

    std::fs::write(&file, "not.a.jwt").unwrap();
    assert_eq!(
        get(&provider, "db").await.unwrap_err().kind(),
        ErrorKind::Unauthenticated
    );
    std::fs::write(&file, &token).unwrap();
    assert_eq!(text(&provider, "db").await, "x");
}

#[tokio::test]
async fn logs_in_with_a_certificate() {
    let admin = Admin::tls();
    let (mount, policy) = readable(&admin).await;
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params
        .distinguished_name
        .push(DnType::CommonName, unique("CA"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let ca = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["client".to_owned()]).unwrap();
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&key, &issuer).unwrap().pem();

    let auth = admin.auth("cert").await;
    admin
        .post(
            &format!("auth/{auth}/certs/web"),
            json!({"certificate": ca, "token_policies": [policy]}),
        )
        .await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cert.pem"), certificate).unwrap();
    std::fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
    let mut config = admin.config(&mount);
    config.client_cert = Some("cert.pem".into());
    config.client_key = Some("key.pem".into());
    let mut cert = CertConfig::default();
    cert.mount = Some(auth);
    cert.name = Some("web".to_owned());
    config.cert = Some(cert);
    let context = OpenContext::new("main").with_base_dir(folder.path());
    let provider = polysecrets_vault::open(config, context, Transport::default())
        .await
        .unwrap();
    assert_eq!(text(&provider, "db").await, "x");
}

#[tokio::test]
async fn a_server_with_another_certificate_is_not_spoken_to() {
    let admin = Admin::tls();
    let mut config = admin.root_config("secret", Engine::Auto);
    config.ca_cert = None;
    let error = get(&open(config).await, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("issuer is unknown"), "{error}");
    assert!(error.hint().unwrap().contains("`ca_cert`"), "{error:?}");
}

#[tokio::test]
async fn a_wrapped_secret_id_is_unwrapped() {
    let admin = Admin::plain();
    let (mount, policy) = readable(&admin).await;
    let mut approle = admin
        .approle(json!({"token_policies": [policy], "token_ttl": "1h"}))
        .await;
    let path = format!(
        "auth/{}/role/app/secret-id",
        approle.mount.as_deref().unwrap()
    );
    let wrapping = Command::new(variable("POLYSECRETS_TEST_BAO_BIN"))
        .args([
            "write",
            "-wrap-ttl=60s",
            "-field=wrapping_token",
            "-f",
            &path,
        ])
        .env("BAO_ADDR", &admin.address)
        .env("BAO_TOKEN", &admin.token)
        .output()
        .unwrap();
    let wrapping = String::from_utf8(wrapping.stdout).unwrap();
    approle.secret_id = Some(wrapping.trim().into());
    approle.wrapped = true;
    let mut config = admin.config(&mount);
    config.approle = Some(approle);
    assert_eq!(text(&open(config.clone()).await, "db").await, "x");
    // The wrapping is used up.
    let error = get(&open(config).await, "db").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(error.to_string().contains("wrapping token"), "{error}");
}

#[tokio::test]
async fn a_revoked_token_is_replaced_and_a_denial_is_not() {
    let admin = Admin::plain();
    let (mount, policy) = readable(&admin).await;
    let mut config = admin.config(&mount);
    config.engine = Engine::KvV2;
    let approle = admin
        .approle(json!({"token_policies": [policy], "token_ttl": "1h"}))
        .await;
    let accessors = format!("auth/{}", approle.mount.clone().unwrap());
    config.approle = Some(approle);
    let transport = Transport::default();
    let provider = polysecrets_vault::open(config, OpenContext::new("main"), transport.clone())
        .await
        .unwrap();
    assert_eq!(text(&provider, "db").await, "x");
    assert_eq!(transport.requests_sent(), 2);
    admin
        .post(&format!("sys/leases/revoke-prefix/{accessors}"), json!({}))
        .await;
    assert_eq!(text(&provider, "db").await, "x");
    assert_eq!(transport.requests_sent(), 5);

    // Of another mount the policy says nothing.
    let other = admin.mount(2).await;
    let token = admin
        .token(json!({"policies": [policy], "ttl": "1h"}))
        .await;
    let mut config = admin.config(&other);
    config.engine = Engine::KvV2;
    config.token = Some(token.as_str().into());
    let transport = Transport::default();
    let denied = polysecrets_vault::open(config, OpenContext::new("main"), transport.clone())
        .await
        .unwrap();
    assert_eq!(
        get(&denied, "db").await.unwrap_err().kind(),
        ErrorKind::PermissionDenied
    );
    assert_eq!(transport.requests_sent(), 2);
}

/// A message broker whose users the server makes and removes, and a mount for it, as `role` of which anybody is made.
async fn broker(admin: &Admin) -> (FaultServer, String) {
    let broker = FaultServer::start(Reply::new(204)).await.unwrap();
    let mount = unique("rabbitmq");
    let post = async |path: String, body: Value| admin.post(&path, body).await;
    post(format!("sys/mounts/{mount}"), json!({"type": "rabbitmq"})).await;
    let connection = json!({
        "connection_uri": broker.url(), "username": "a", "password": "b", "verify_connection": false,
    });
    post(format!("{mount}/config/connection"), connection).await;
    let lease = json!({"ttl": 3600, "max_ttl": 7200});
    post(format!("{mount}/config/lease"), lease).await;
    post(format!("{mount}/roles/app"), json!({"tags": "x"})).await;
    broker.clear();
    (broker, mount)
}

/// Whether the server knows a lease.
async fn is_known(admin: &Admin, lease: &Lease) -> bool {
    let body = json!({"lease_id": lease.id});
    let (status, answer) = admin
        .try_send(Method::POST, "sys/leases/lookup", body)
        .await;
    match status {
        200 => true,
        400 => false,
        _ => panic!("{status} {answer}"),
    }
}

#[tokio::test]
async fn leases_are_renewed_and_given_back() {
    let admin = Admin::plain();
    let (broker, mount) = broker(&admin).await;
    let provider = open(admin.root_config(&mount, Engine::Auto)).await;
    let mut made = Vec::new();
    for _ in 0..3 {
        let secret = get(&provider, "creds/app").await.unwrap();
        assert!(secret.value.field("password").is_ok());
        let lease = secret.metadata.lease.unwrap();
        assert_eq!(lease.duration, Duration::from_secs(3600));
        assert!(is_known(&admin, &lease).await);
        made.push(lease);
    }
    let leases = provider.leases().unwrap();
    assert_eq!(leases.held().len(), 3);
    let renewed = leases
        .renew(&made[0], Duration::from_secs(600))
        .await
        .unwrap();
    assert_eq!(
        (&renewed.id, renewed.duration),
        (&made[0].id, Duration::from_secs(600))
    );

    leases.revoke(&made[0]).await.unwrap();
    assert!(!is_known(&admin, &made[0]).await);
    // It has ended, so that there is nothing to do.
    leases.revoke(&made[0]).await.unwrap();
    let ended = leases.renew(&made[0], Duration::ZERO).await.unwrap_err();
    assert_eq!(ended.kind(), ErrorKind::NotFound);
    leases.revoke_all().await.unwrap();
    for lease in &made {
        assert!(!is_known(&admin, lease).await);
    }
    let removed = broker.requests();
    let removed = removed.iter().filter(|request| request.method == "DELETE");
    assert_eq!(removed.count(), 3);
}

#[tokio::test]
async fn leases_of_a_login_end_with_it_although_it_may_not_revoke_them() {
    let admin = Admin::plain();
    let (broker, mount) = broker(&admin).await;
    let policy = admin.policy_for(&mount).await;
    let approle = json!({"token_policies": [policy], "token_ttl": "1h"});
    let approle = admin.approle(approle).await;
    let mut config = admin.config(&mount);
    config.engine = Engine::Generic;
    config.approle = Some(approle.clone());
    let provider = open(config.clone()).await;
    let lease = get(&provider, "creds/app")
        .await
        .unwrap()
        .metadata
        .lease
        .unwrap();
    let leases = provider.leases().unwrap();
    let denied = leases.revoke(&lease).await.unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::PermissionDenied);
    // To close it alone ends neither the lease nor the token that it depends on.
    let other = open(config).await;
    let kept = get(&other, "creds/app")
        .await
        .unwrap()
        .metadata
        .lease
        .unwrap();
    other.close().await.unwrap();
    assert!(is_known(&admin, &kept).await);

    leases.revoke_all().await.unwrap();
    assert!(leases.held().is_empty());
    provider.close().await.unwrap();
    // The server ends the leases of a token behind its answer.
    for _ in 0..100 {
        if !is_known(&admin, &lease).await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!is_known(&admin, &lease).await);
    assert!(is_known(&admin, &kept).await);
    assert!(
        broker
            .requests()
            .iter()
            .any(|request| request.method == "DELETE")
    );
}

#[tokio::test]
async fn a_token_outlives_its_life_by_renewal() {
    let admin = Admin::plain();
    let (mount, policy) = readable(&admin).await;
    let mut config = admin.config(&mount);
    config.engine = Engine::KvV2;
    let role = json!({"token_policies": [policy], "token_ttl": "3s", "token_max_ttl": "1h"});
    config.approle = Some(admin.approle(role).await);
    let transport = Transport::default();
    let provider = polysecrets_vault::open(config, OpenContext::new("main"), transport.clone())
        .await
        .unwrap();
    assert_eq!(text(&provider, "db").await, "x");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(text(&provider, "db").await, "x");
    // Login, two reads, and two renewals.
    assert_eq!(transport.requests_sent(), 5);
}

#[tokio::test]
async fn a_wrong_kubernetes_token_is_a_refused_login() {
    let admin = Admin::plain();
    let auth = admin.auth("kubernetes").await;
    let host = json!({"kubernetes_host": "https://127.0.0.1:1", "disable_local_ca_jwt": true, "kubernetes_ca_cert": ""});
    admin
        .try_send(Method::POST, &format!("auth/{auth}/config"), host)
        .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "a.b.c").unwrap();
    let mut kubernetes = KubernetesConfig::default();
    kubernetes.mount = Some(auth);
    kubernetes.role = Some("app".to_owned());
    kubernetes.token_file = Some(file);
    let mut config = admin.config("secret");
    config.kubernetes = Some(kubernetes);
    let error = get(&open(config).await, "a").await.unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Unauthenticated | ErrorKind::Unavailable
        ),
        "{error}"
    );
}

#[tokio::test]
async fn lists_pages_of_a_deep_tree() {
    let admin = Admin::plain();
    let mount = admin.mount(2).await;
    let provider = open(admin.root_config(&mount, Engine::KvV2)).await;
    let mut expected = Vec::new();
    for folder in ["", "a/", "a/b/", "a-b/", "z/y/x/"] {
        for number in 0..7 {
            let secret = format!("{folder}s{number}");
            put(&provider, &secret, "v").await.unwrap();
            expected.push(secret);
        }
    }
    expected.sort();
    let gone = name("a/s3");
    provider.delete(&gone, &Default::default()).await.unwrap();
    expected.retain(|secret| secret != "a/s3");
    for size in [None, Some(1), Some(4), Some(100)] {
        let mut options = ListOptions::default().with_page_size(size);
        let mut names = Vec::new();
        loop {
            let page = provider.list(&options).await.unwrap();
            assert!(size.is_none_or(|size| page.items.len() <= size));
            assert!(page.items.iter().all(|item| item.version.is_some()));
            names.extend(page.items.into_iter().map(|item| item.name.to_string()));
            match page.next {
                Some(token) => options = options.with_page_token(token),
                None => break,
            }
        }
        assert_eq!(names, expected, "pages of {size:?}");
    }
}

#[tokio::test]
async fn a_policy_without_detailed_listings_still_lists() {
    let admin = Admin::plain();
    let mount = admin.mount(2).await;
    let root = open(admin.root_config(&mount, Engine::KvV2)).await;
    for secret in ["a", "b", "c/d"] {
        put(&root, secret, "v").await.unwrap();
    }
    root.delete(&name("b"), &Default::default()).await.unwrap();
    let policy = admin
        .policy(&format!(
            "path \"{mount}/metadata/*\" {{ capabilities = [\"read\", \"list\"] }}"
        ))
        .await;
    let token = admin
        .token(json!({"policies": [policy], "ttl": "1h"}))
        .await;
    let mut config: VaultConfig = admin.config(&mount);
    config.token = Some(token.as_str().into());
    let provider = open(config).await;
    let page = provider.list(&ListOptions::default()).await.unwrap();
    let names: Vec<_> = page.items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(names, ["a", "c/d"]);
}

#[tokio::test]
async fn a_mount_that_wants_conditions_says_so() {
    let admin = Admin::plain();
    let mount = admin.mount(2).await;
    admin
        .post(&format!("{mount}/config"), json!({"cas_required": true}))
        .await;
    let provider = open(admin.root_config(&mount, Engine::KvV2)).await;
    assert_eq!(
        put(&provider, "a", "v").await.unwrap_err().kind(),
        ErrorKind::InvalidConfig
    );
    let create = PutOptions::default().with_mode(PutMode::Create);
    provider
        .put(&name("a"), &"v".into(), &create)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_shapes_of_values_are_as_configured() {
    let admin = Admin::plain();
    let mount = admin.mount(2).await;
    let shaped = |shape: Shape| {
        let mut config = admin.root_config(&mount, Engine::KvV2);
        config.shape = shape;
        config.value_field = Some("password".to_owned());
        config
    };
    let (auto, value, map) = (
        open(shaped(Shape::Auto)).await,
        open(shaped(Shape::Value)).await,
        open(shaped(Shape::Map)).await,
    );
    let stored = |secret: &'static str| {
        let (admin, mount) = (&admin, &mount);
        async move { admin.read(&format!("{mount}/data/{secret}")).await["data"]["data"].clone() }
    };
    put(&auto, "t", "plain").await.unwrap();
    assert_eq!(stored("t").await, json!({"password": "plain"}));
    put(&auto, "b", vec![0xff, 0x00]).await.unwrap();
    assert_eq!(
        stored("b").await,
        json!({"password": "/wA=", "polysecrets-encoding": "base64"})
    );
    put(&value, "v", r#"{"a":1}"#).await.unwrap();
    assert_eq!(stored("v").await, json!({"password": "{\"a\":1}"}));
    put(&map, "m", r#"{"password":"x"}"#).await.unwrap();
    assert_eq!(stored("m").await, json!({"password": "x"}));
    assert_eq!(text(&map, "m").await, r#"{"password":"x"}"#);
    assert_eq!(text(&auto, "m").await, "x");
    assert_eq!(
        put(&map, "m", "text").await.unwrap_err().kind(),
        ErrorKind::InvalidValue
    );
    assert!(!map.info().capabilities.has(Capability::Binary));

    // A number that the server would round is kept as text, and comes back.
    put(&auto, "n", r#"{"a":0.10,"b":12345678901234567890123}"#)
        .await
        .unwrap();
    assert_eq!(
        text(&auto, "n").await,
        r#"{"a":0.10,"b":12345678901234567890123}"#
    );
    // Each version has an encoding of its own.
    put(&auto, "b", "text now").await.unwrap();
    let first = GetOptions::default().with_version(secrets_core::Version::new("1"));
    assert_eq!(
        auto.get(&name("b"), &first)
            .await
            .unwrap()
            .value
            .expose_bytes(),
        [0xff, 0x00]
    );
    assert_eq!(text(&auto, "b").await, "text now");
}

#[tokio::test]
async fn what_the_server_would_lose_is_kept() {
    let admin = Admin::plain();
    for (version, engine) in [(2, Engine::KvV2), (1, Engine::KvV1)] {
        let mount = admin.mount(version).await;
        let provider = open(admin.root_config(&mount, engine)).await;
        for repeated in [r#"{"a":1,"a":2}"#, r#"{"x":{"a":1,"\u0061":2}}"#] {
            put(&provider, "twice", repeated).await.unwrap();
            assert_eq!(text(&provider, "twice").await, repeated);
        }
        let mut map = admin.root_config(&mount, engine);
        map.shape = Shape::Map;
        let error = put(&open(map).await, "twice", r#"{"a":1,"a":2}"#)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidValue);
    }
    let mount = admin.mount(2).await;
    for engine in [Engine::KvV2, Engine::Auto] {
        let provider = open(admin.root_config(&mount, engine)).await;
        put(&provider, "a", "x").await.unwrap();
        let error = provider
            .get(
                &name("a"),
                &GetOptions::default().with_version(Version::new("99")),
            )
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.message(), "there is no version \"99\" of the secret");
    }
}
