//! Answers that are late, broken or lies, and what none of them may show.

use std::time::Duration;

use polysecrets_gcp::{GcpConfig, GcpProvider};
use secrets_core::{ErrorKind, GetOptions, PutOptions, SecretProvider};
use secrets_testkit::canary::{Canary, Sinks, TraceCapture};
use secrets_testkit::fakes::Fault;
use secrets_testkit::fakes::gcp::{Credential, GcpFake, GcpOptions};
use secrets_testkit::fault::{self, FaultServer, Reply};
use serde_json::json;

use crate::support::{self, name};

async fn read(provider: &GcpProvider) -> secrets_core::Result<secrets_core::Secret> {
    provider.get(&name("a"), &GetOptions::default()).await
}

async fn seeded() -> (GcpFake, GcpProvider) {
    let fake = GcpFake::start(GcpOptions::default()).await.unwrap();
    fake.seed("a", b"hunter2");
    let provider = support::open(support::key_file(&fake, Credential::ServiceAccount)).await;
    read(&provider).await.unwrap();
    (fake, provider)
}

#[tokio::test]
async fn a_damaged_value_is_never_given_out() {
    let (fake, provider) = seeded().await;
    for switch in ["corrupt_crc", "corrupt_data", "no_crc"] {
        let before = fake.asked_count();
        fake.faults().push(Fault::switch(switch));
        read(&provider).await.unwrap();
        assert_eq!(fake.asked_count() - before, 2, "{switch}");
        fake.faults().push(Fault::switch(switch).times(2));
        let error = read(&provider).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IntegrityFailure, "{switch}");
        assert!(!error.is_retryable() && !error.is_stale_ok());
        assert_eq!(fake.asked_count() - before, 4, "{switch}");
    }
}

#[tokio::test]
async fn outages_and_throttling_are_told_with_the_wait_and_not_repeated() {
    let (fake, provider) = seeded().await;
    for (fault, kind, wait) in [
        (
            Fault::switch("throttle_header"),
            ErrorKind::RateLimited,
            Some(1),
        ),
        (
            Fault::switch("throttle_body"),
            ErrorKind::RateLimited,
            Some(1),
        ),
        (Fault::status(429), ErrorKind::RateLimited, None),
        (
            Fault::status(503).with_retry_after(7),
            ErrorKind::Unavailable,
            Some(7),
        ),
        (Fault::status(500), ErrorKind::Unavailable, None),
        (Fault::status(504), ErrorKind::Timeout, None),
        (Fault::status(403), ErrorKind::PermissionDenied, None),
        (Fault::reset(), ErrorKind::Unavailable, None),
        (Fault::truncated(10), ErrorKind::Unavailable, None),
        (Fault::garbled(), ErrorKind::InvalidResponse, None),
    ] {
        let before = fake.asked_count();
        fake.faults().push(fault.clone());
        let error = read(&provider).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{fault:?}: {error}");
        assert_eq!(
            error.retry_after(),
            wait.map(Duration::from_secs),
            "{fault:?}"
        );
        assert_eq!(fake.asked_count() - before, 1, "{fault:?}");
    }
}

#[tokio::test]
async fn no_credential_follows_a_redirect() {
    let elsewhere = FaultServer::start(fault::Fault::reply(Reply::new(200)))
        .await
        .unwrap();
    let (fake, provider) = seeded().await;
    for status in [301, 302, 307, 308] {
        fake.faults().push(Fault::redirect(status, elsewhere.url()));
        let error = read(&provider).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    }
    // Nor does a login.
    for credentials in [support::user as fn(&str) -> _, support::service_account] {
        let login = FaultServer::start(fault::Fault::redirect(307, elsewhere.url()))
            .await
            .unwrap();
        let mut config = support::config(&fake);
        config.credentials = Some(credentials(&login.url()).to_string().into());
        let error = read(&support::open(config).await).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse);
        assert_eq!(login.request_count(), 1);
    }
    assert_eq!(elsewhere.request_count(), 0);
    assert_eq!(elsewhere.connection_count(), 0);
}

#[tokio::test]
async fn neither_values_nor_credentials_are_shown() {
    let (token, value, refresh) = (
        Canary::generate(),
        Canary::generate(),
        Canary::generate_with_escapes(),
    );
    let key = support::service_account("http://127.0.0.1:9");
    let key_text = key["private_key"]
        .as_str()
        .unwrap()
        .lines()
        .nth(5)
        .unwrap()
        .to_owned();
    let key_line = Canary::from_value(&key_text);
    let trace = TraceCapture::new();
    let _guard = trace.on_this_thread();
    let mut sinks = Sinks::new([&token, &value, &refresh, &key_line]);
    let revealed = value.reveal();
    let data = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(revealed.as_bytes())
    };
    let good = json!({
        "name": "projects/1/secrets/a/versions/1",
        "payload": {"data": data, "dataCrc32c": crc32c::crc32c(revealed.as_bytes()).to_string()},
    });
    let damaged = good
        .to_string()
        .replace("dataCrc32c\":\"", "dataCrc32c\":\"1");
    let echo = json!({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": *revealed,
        "details": [{"reason": *revealed}]}});
    let reply = |status: u16, body: String| fault::Fault::reply(Reply::new(status).body(body));
    for answer in [
        reply(200, good.to_string()),
        reply(200, damaged),
        reply(200, good.to_string().replace("\"payload\"", "payload")),
        reply(400, echo.to_string()),
        reply(
            400,
            json!({"error": *revealed, "error_description": *revealed}).to_string(),
        ),
        reply(500, format!("<html>{}", *revealed)),
        fault::Fault::truncated(Reply::new(200).body(good.to_string()), 120),
        fault::Fault::redirect(
            307,
            format!("http://elsewhere.example/{}?a={}", *revealed, *revealed),
        ),
    ] {
        let server = FaultServer::start(answer).await.unwrap();
        let mut base = GcpConfig::default();
        base.endpoint = Some(server.url());
        base.project_id = Some("p".to_owned());
        let mut given = base.clone();
        given.token = Some(token.reveal().as_str().into());
        let mut user = support::user(&server.url());
        user["refresh_token"] = refresh.reveal().as_str().into();
        let mut by_user = base.clone();
        by_user.credentials = Some(user.to_string().into());
        let mut account = key.clone();
        account["token_uri"] = format!("{}/token", server.url()).into();
        let mut by_account = base;
        by_account.credentials = Some(account.to_string().into());
        for config in [given, by_user, by_account] {
            sinks.debug("the configuration", &config);
            let provider = support::open(config).await;
            sinks.debug("the provider", &provider);
            sinks.debug("its info", provider.info());
            match read(&provider).await {
                Ok(secret) => sinks.debug("the secret", &secret),
                Err(error) => {
                    sinks.error("reading", &error);
                    sinks.bytes("its hint", error.hint().unwrap_or_default());
                }
            }
            let plaintext = revealed.as_str().into();
            let put = provider
                .put(&name("a"), &plaintext, &PutOptions::default())
                .await;
            match put {
                Ok(metadata) => sinks.debug("the metadata", &metadata),
                Err(error) => sinks.error("writing", &error),
            }
            sinks.debug("the health", &provider.health().await);
        }
    }
    // A file that is not a credential is not quoted.
    for broken in ["{\"type\":\"service_account\",\"private_key\":\"", "\""] {
        let mut config = GcpConfig::default();
        config.project_id = Some("p".to_owned());
        config.credentials = Some(format!("{broken}{}", *token.reveal()).into());
        let opened = polysecrets_gcp::open(
            config,
            secrets_core::OpenContext::new("main"),
            secrets_provider::Transport::default(),
        );
        let error = opened.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        sinks.error("a broken file", &error);
    }
    sinks.trace("the trace", &trace);
    sinks.assert_clean();
    assert!(trace.event_count() > 0, "nothing was traced");
}
