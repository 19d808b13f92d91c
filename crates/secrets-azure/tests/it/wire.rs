//! The exact requests, what becomes of answers, and that no secret is shown.

use std::time::{Duration, Instant, SystemTime};

use polysecrets_azure::{AzureProvider, OutsideValidity};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use secrets_core::{
    Capability, DeleteMode, DeleteOptions, DescribeOptions, ErrorKind, GetItem, GetOptions,
    HealthStatus, ListOptions, PutMode, PutOptions, Result, RollbackOptions, Secret, SecretName,
    SecretProvider, SecretState, SecretValue, Version, VersionsOptions, plan_reads,
};
use secrets_testkit::canary::{Canary, Sinks, TraceCapture};
use secrets_testkit::fakes::Fault as FakeFault;
use secrets_testkit::fakes::azure::AzureOptions;
use secrets_testkit::fault::{Fault, FaultServer, Reply, Script};

use crate::support::{Scripted, Vault, name};

const ID: &str = "0123456789abcdef0123456789abcdef";

fn bundle(more: &str) -> String {
    format!(
        r#"{{"value":"hun\"ter2","id":"https://localhost/secrets/a/{ID}","attributes":{{"enabled":true,"created":1760000000,"updated":1760000001,"recoveryLevel":"Recoverable+Purgeable","recoverableDays":90{more}}},"tags":{{"team":"a"}}}}"#
    )
}

fn reply(status: u16, body: impl Into<String>) -> Fault {
    Fault::reply(Reply::new(status).body(body.into()))
}

async fn get(provider: &AzureProvider, text: &str) -> Result<Secret> {
    provider.get(&name(text), &GetOptions::default()).await
}

async fn put(provider: &AzureProvider, text: &str, value: &str) {
    let options = PutOptions::default();
    provider
        .put(&name(text), &value.into(), &options)
        .await
        .unwrap();
}

/// What the fake was asked since the last look, without logins.
struct Log(usize);

impl Log {
    fn of(vault: &Vault) -> Self {
        Self(vault.log().len())
    }

    fn next(&mut self, vault: &Vault) -> Vec<String> {
        let all = vault.log();
        let new = all[self.0..]
            .iter()
            .filter(|line| !line.contains("/oauth2/"));
        let new = new.cloned().collect();
        self.0 = all.len();
        new
    }
}

#[tokio::test]
async fn a_get_is_one_request_with_the_token_and_nothing_else() {
    let server = FaultServer::start(reply(200, bundle(""))).await.unwrap();
    let scripted = Scripted::before(&server).await;
    let provider = scripted.logged_in().await;
    let secret = get(&provider, "a").await.unwrap();
    assert_eq!(secret.value, "hun\"ter2".into());
    let metadata = secret.metadata;
    assert_eq!(metadata.version, Some(Version::new(ID)));
    assert_eq!(metadata.tags, [("team".to_owned(), "a".to_owned())].into());
    assert_eq!(metadata.state, SecretState::Enabled);
    let created = SystemTime::UNIX_EPOCH + Duration::from_secs(1_760_000_000);
    assert_eq!(metadata.created_at, Some(created));

    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    let request = &requests[0];
    assert_eq!(
        (request.method.as_str(), request.path()),
        ("GET", "/secrets/a/")
    );
    assert!(request.target.contains("api-version="));
    assert_eq!(request.header("authorization"), Some("Bearer t0ken"));
    assert!(
        request
            .header("user-agent")
            .unwrap()
            .starts_with("polysecrets")
    );
    assert!(request.body.is_empty());
}

#[tokio::test]
async fn each_operation_asks_what_it_must() {
    let vault = Vault::start().await;
    let provider = vault.provider().await;
    let db = name("db/password");
    let own = "x--db-spassword";
    let mut log = Log::of(&vault);
    let mut asked = |expected: &[&str]| {
        let expected: Vec<_> = expected.iter().map(|line| line.replace('N', own)).collect();
        assert_eq!(log.next(&vault), expected);
    };
    put(&provider, "db/password", "one").await;
    asked(&["GET /secrets/N/", "PUT /secrets/N"]);
    let first = get(&provider, "db/password").await.unwrap();
    asked(&["GET /secrets/N/"]);
    put(&provider, "db/password", "two").await;
    asked(&["GET /secrets/N/", "PUT /secrets/N"]);
    let version = first.metadata.version.unwrap();
    let at = GetOptions::default().with_version(version.clone());
    assert_eq!(provider.get(&db, &at).await.unwrap().value, "one".into());
    asked(&[&format!("GET /secrets/N/{version}")]);
    provider
        .describe(&db, &DescribeOptions::default())
        .await
        .unwrap();
    asked(&["GET /secrets/N/versions"]);
    provider
        .versions(&db, &VersionsOptions::default())
        .await
        .unwrap();
    asked(&["GET /secrets/N/versions"]);
    provider
        .rollback(&db, &version, &RollbackOptions::default())
        .await
        .unwrap();
    asked(&[
        &format!("GET /secrets/N/{version}"),
        "GET /secrets/N/",
        "PUT /secrets/N",
    ]);
    provider.list(&ListOptions::default()).await.unwrap();
    asked(&["GET /secrets"]);
    provider
        .delete(&db, &DeleteOptions::default())
        .await
        .unwrap();
    asked(&["DELETE /secrets/N", "GET /deletedsecrets/N"]);
    get(&provider, "db/password").await.unwrap_err();
    asked(&["GET /secrets/N/", "GET /deletedsecrets/N"]);
    provider.restore(&db).await.unwrap();
    asked(&["POST /deletedsecrets/N/recover", "GET /secrets/N/versions"]);
    let purge = DeleteOptions::default().with_mode(DeleteMode::Purge);
    provider.delete(&db, &purge).await.unwrap();
    asked(&[
        "DELETE /secrets/N",
        "GET /deletedsecrets/N",
        "DELETE /deletedsecrets/N",
        "GET /deletedsecrets/N",
    ]);
    provider.health().await.unwrap();
    asked(&["GET /secrets"]);
}

#[tokio::test]
async fn a_write_sends_the_value_with_its_type_tags_and_end() {
    let nothing = r#"{"error":{"code":"SecretNotFound","message":"not there"}}"#;
    let script = Script::default()
        .route("GET", "/secrets/x--a-sb/", reply(404, nothing))
        .then(reply(200, bundle("")));
    let server = FaultServer::start(script).await.unwrap();
    let scripted = Scripted::before(&server).await;
    let provider = scripted.logged_in().await;
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(4_102_444_800);
    let tags = [("team".to_owned(), "a\"b".to_owned())].into();
    let options = PutOptions::default()
        .with_tags(Some(tags))
        .with_expires_at(end);
    let a = name("a/b");
    provider
        .put(&a, &"hun\"ter2\n".into(), &options)
        .await
        .unwrap();
    let bytes = SecretValue::from(vec![0xff, 0xfe]);
    provider
        .put(&a, &bytes, &PutOptions::default())
        .await
        .unwrap();
    let sent: Vec<_> = server
        .requests()
        .into_iter()
        .filter(|request| request.method == "PUT")
        .collect();
    for request in &sent {
        assert_eq!(request.path(), "/secrets/x--a-sb");
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("authorization"), Some("Bearer t0ken"));
    }
    let bodies: Vec<_> = sent
        .iter()
        .map(|request| String::from_utf8_lossy(&request.body))
        .collect();
    assert_eq!(
        bodies,
        [
            r#"{"value":"hun\"ter2\n","tags":{"polysecrets-name":"a/b","team":"a\"b"},"attributes":{"exp":4102444800}}"#,
            r#"{"value":"//4=","contentType":"application/octet-stream; polysecrets-encoding=base64","tags":{"polysecrets-name":"a/b"}}"#,
        ]
    );
}

#[tokio::test]
async fn what_is_refused_here_is_not_sent() {
    let vault = Vault::start().await;
    let provider = vault.provider().await;
    let a = name("a");
    let put = async |value: Vec<u8>, options: PutOptions| {
        let error = provider.put(&a, &value.into(), &options).await.unwrap_err();
        (error.kind(), error.hint().is_some())
    };
    let plain = PutOptions::default;
    assert_eq!(
        put(vec![b'x'; 25_601], plain()).await,
        (ErrorKind::InvalidValue, true)
    );
    assert_eq!(
        put(vec![0xff; 19_201], plain()).await,
        (ErrorKind::InvalidValue, true)
    );
    let create = plain().with_mode(PutMode::Create);
    assert_eq!(
        put(b"x".to_vec(), create).await,
        (ErrorKind::Unsupported, true)
    );
    let many = (0..14).map(|n| (format!("k{n}"), String::new())).collect();
    let tags = plain().with_tags(Some(many));
    assert_eq!(
        put(b"x".to_vec(), tags).await,
        (ErrorKind::InvalidValue, true)
    );
    for wrong in ["", "1", "../../keys/k", &"g".repeat(33)] {
        let options = GetOptions::default().with_version(Version::new(wrong));
        let error = provider.get(&a, &options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{wrong}");
    }
    let window = DeleteMode::Window(Duration::from_secs(7 * 24 * 3600));
    let options = DeleteOptions::default().with_mode(window);
    let error = provider.delete(&a, &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let long = name(&"é".repeat(60));
    let error = provider
        .get(&long, &GetOptions::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidName);
    assert!(vault.log().is_empty());
    assert_eq!(vault.transport.requests_sent(), 0);
}

#[test]
fn the_vault_sees_the_name_that_was_asked() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (vault, provider) = runtime.block_on(async {
        let vault = Vault::start().await;
        let provider = vault.provider().await;
        provider.health().await.unwrap();
        (vault, provider)
    });
    let mut config = Config::default();
    // A case is a request, so that a million of them would take hours.
    config.cases = config.cases.min(10_000);
    config.failure_persistence = None;
    let names = prop_oneof![
        "\\PC{1,24}",
        "[a-zA-Z0-9/_.%?#&=+~:;@ -]{1,40}",
        "(\\.\\./|%2e%2e/|keys/|secrets/|[a-z]){1,6}",
        "x--[a-z-]{1,12}",
    ];
    TestRunner::new(config)
        .run(&names, |text| {
            let Ok(asked) = SecretName::new(text.as_str()) else {
                return Ok(());
            };
            let before = vault.fake.asked_count();
            let answer = runtime.block_on(provider.get(&asked, &GetOptions::default()));
            let log = vault.log_since(before);
            prop_assert!(answer.is_err());
            if log.is_empty() {
                prop_assert_eq!(answer.unwrap_err().kind(), ErrorKind::InvalidName);
                return Ok(());
            }
            let own = log[0]
                .strip_prefix("GET /secrets/")
                .and_then(|rest| rest.strip_suffix('/'));
            let own = own.unwrap_or_default();
            prop_assert!(!own.is_empty() && own.len() <= 127, "{:?}", log);
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            prop_assert!(own.bytes().all(is_plain), "{:?}", log);
            let rules = secrets_core::NameRules::new("-", '-', 127).folding_case();
            let logical = secrets_core::NameMapping::new(rules).decode(own).unwrap();
            prop_assert_eq!(logical, asked);
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn names_that_differ_in_case_alone_are_told() {
    let vault = Vault::start().await;
    let provider = vault.provider().await;
    put(&provider, "db-password", "one").await;
    let options = PutOptions::default();
    let error = provider
        .put(&name("DB-password"), &"two".into(), &options)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidName);
    assert!(error.message().contains("db-password"), "{error}");
    assert_eq!(
        get(&provider, "DB-password").await.unwrap_err().kind(),
        ErrorKind::InvalidName
    );
    assert_eq!(
        get(&provider, "db-password").await.unwrap().value,
        "one".into()
    );
    // What needs translation keeps its case.
    put(&provider, "DB_PASSWORD", "three").await;
    put(&provider, "db_password", "four").await;
    assert_eq!(
        get(&provider, "DB_PASSWORD").await.unwrap().value,
        "three".into()
    );
    assert_eq!(
        get(&provider, "db_password").await.unwrap().value,
        "four".into()
    );
    let listed = provider.list(&ListOptions::default()).await.unwrap();
    let mut names: Vec<_> = listed
        .items
        .iter()
        .map(|item| item.name.to_string())
        .collect();
    names.sort();
    assert_eq!(names, ["DB_PASSWORD", "db-password", "db_password"]);
}

#[tokio::test]
async fn a_value_outside_its_time_is_what_the_setting_says() {
    let soon = |seconds: i64| {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap();
        now.as_secs() as i64 + seconds
    };
    for (more, says) in [
        (format!(r#","exp":{}"#, soon(-5)), "expired"),
        (format!(r#","nbf":{}"#, soon(60)), "not valid yet"),
    ] {
        let server = FaultServer::start(reply(200, bundle(&more))).await.unwrap();
        let scripted = Scripted::before(&server).await;
        let provider = scripted.logged_in().await;
        let error = get(&provider, "a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Disabled);
        assert!(error.message().contains(says), "{error}");
        assert!(error.hint().unwrap().contains("outside_validity"));
        for setting in [OutsideValidity::Warn, OutsideValidity::Allow] {
            let provider = scripted.lenient(setting).await;
            let traces = TraceCapture::new();
            let _here = traces.on_this_thread();
            let secret = get(&provider, "a").await.unwrap();
            assert_eq!(secret.metadata.state, SecretState::Disabled);
            let warned = traces.text().contains(says);
            assert_eq!(
                warned,
                setting == OutsideValidity::Warn,
                "{}",
                traces.text()
            );
        }
    }
    let server = FaultServer::start(reply(200, bundle(&format!(r#","exp":{}"#, soon(60)))));
    let server = server.await.unwrap();
    let scripted = Scripted::before(&server).await;
    let provider = scripted.logged_in().await;
    let ends = get(&provider, "a")
        .await
        .unwrap()
        .metadata
        .expires_at
        .unwrap();
    assert!(ends > SystemTime::now());
}

#[tokio::test]
async fn what_deletes_restores_and_purges_take_at_the_service_is_waited_for() {
    let options = AzureOptions::default().with_transition(Duration::from_secs(1));
    let vault = Vault::with(options).await;
    let provider = vault.provider().await;
    let a = name("a");
    put(&provider, "a", "one").await;
    provider
        .delete(&a, &DeleteOptions::default())
        .await
        .unwrap();
    assert_eq!(
        get(&provider, "a").await.unwrap_err().kind(),
        ErrorKind::Deleted
    );
    let described = provider
        .describe(&a, &DescribeOptions::default())
        .await
        .unwrap();
    assert_eq!(described.state, SecretState::Deleted);
    let options = PutOptions::default();
    let error = provider.put(&a, &"two".into(), &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deleted);
    assert!(error.hint().unwrap().contains("restore"));
    provider.restore(&a).await.unwrap();
    assert_eq!(get(&provider, "a").await.unwrap().value, "one".into());
    let purge = DeleteOptions::default().with_mode(DeleteMode::Purge);
    provider.delete(&a, &purge).await.unwrap();
    put(&provider, "a", "three").await;
    let versions = provider
        .versions(&a, &VersionsOptions::default())
        .await
        .unwrap();
    assert_eq!(versions.items.len(), 1);
}

#[tokio::test]
async fn a_vault_with_purge_protection_says_so() {
    let vault = Vault::with(AzureOptions::default().with_purge_protection()).await;
    let provider = vault.provider().await;
    put(&provider, "a", "one").await;
    let purge = DeleteOptions::default().with_mode(DeleteMode::Purge);
    let error = provider.delete(&name("a"), &purge).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    provider.restore(&name("a")).await.unwrap();
}

#[tokio::test]
async fn lists_and_versions_are_read_to_their_end() {
    let vault = Vault::start().await;
    let provider = vault.provider().await;
    for number in 0..60 {
        vault.fake.seed(&format!("app-{number:02}"), "x");
        vault.fake.seed("many", &number.to_string());
    }
    vault.fake.faults().push(FakeFault::switch("empty_page"));
    let mut options = ListOptions::default().with_prefix("app-");
    let mut names = Vec::new();
    loop {
        let page = provider.list(&options).await.unwrap();
        assert!(page.items.len() <= 25);
        names.extend(page.items.into_iter().map(|item| item.name.to_string()));
        let Some(next) = page.next else { break };
        options = options.with_page_token(next);
    }
    names.sort();
    let expected: Vec<_> = (0..60).map(|number| format!("app-{number:02}")).collect();
    assert_eq!(names, expected);

    let versions = provider
        .versions(&name("many"), &VersionsOptions::default())
        .await
        .unwrap();
    assert_eq!((versions.items.len(), versions.next.is_some()), (60, false));
    let current = get(&provider, "many").await.unwrap().metadata.version;
    assert_eq!(versions.items[0].version, current);
    let described = provider
        .describe(&name("many"), &DescribeOptions::default())
        .await
        .unwrap();
    assert_eq!(described.version, current);
}

#[tokio::test]
async fn a_link_to_another_host_is_not_followed() {
    let elsewhere = FaultServer::start(reply(200, r#"{"value":[]}"#))
        .await
        .unwrap();
    let link = format!("{}/secrets?api-version=7.6&$skiptoken=t", elsewhere.url());
    let page = format!(r#"{{"value":[],"nextLink":"{link}"}}"#);
    let server = FaultServer::start(reply(200, page)).await.unwrap();
    let scripted = Scripted::before(&server).await;
    let provider = scripted.logged_in().await;
    let first = provider.list(&ListOptions::default()).await.unwrap();
    let next = ListOptions::default().with_page_token(first.next);
    provider.list(&next).await.unwrap();
    assert_eq!(elsewhere.connection_count(), 0);
    assert_eq!(server.request_count(), 2);
    assert!(server.requests()[1].target.contains("skiptoken=t"));
    // Nor a redirect, which would take the token along.
    server.set_script(Fault::redirect(307, elsewhere.url()));
    let error = get(&provider, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    assert_eq!(elsewhere.connection_count(), 0);
}

#[tokio::test]
async fn a_listing_that_turns_in_circles_ends() {
    let page = format!(
        r#"{{"value":[{{"id":"https://localhost/secrets/a/{ID}","attributes":{{"enabled":true}}}}],"nextLink":"https://localhost/secrets/a/versions?$skiptoken=t"}}"#
    );
    let server = FaultServer::start(reply(200, page)).await.unwrap();
    let scripted = Scripted::before(&server).await;
    let provider = scripted.logged_in().await;
    let error = provider
        .versions(&name("a"), &VersionsOptions::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    assert_eq!(server.request_count(), 2);
}

#[tokio::test]
async fn answers_that_are_none_are_told_without_their_content() {
    let id = format!("https://localhost/secrets/a/{ID}");
    let endless = Fault::endless(Reply::new(200).body("hunter2"));
    for fault in [
        reply(200, "hunter2"),
        reply(200, r#"{"value":["hunter2"]}"#),
        reply(200, format!(r#"{{"value":{{"hunter2":1}},"id":"{id}"}}"#)),
        reply(200, format!(r#"{{"id":"{id}","hunter2":null}}"#)),
        reply(200, r#"{"value":"hunter2","id":"hunter2"}"#),
        reply(418, "hunter2"),
        Fault::truncated(Reply::new(200).body(bundle("")), 20),
        Fault::reset(),
        endless,
    ] {
        let server = FaultServer::start(fault).await.unwrap();
        let scripted = Scripted::before(&server).await;
        let provider = scripted.logged_in().await;
        let error = get(&provider, "a").await.unwrap_err();
        assert_eq!(server.request_count(), 1);
        let kinds = [ErrorKind::InvalidResponse, ErrorKind::Unavailable];
        assert!(kinds.contains(&error.kind()), "{error:?}");
        assert!(
            !format!("{error:?} {error}").contains("hunter2"),
            "{error:?}"
        );
        assert!(std::error::Error::source(&error).is_none());
    }
}

#[tokio::test]
async fn nothing_is_repeated_and_the_wait_is_told() {
    let vault = Vault::start().await;
    let provider = vault.provider().await;
    vault.fake.seed("a", "x");
    provider.health().await.unwrap();
    let mut log = Log::of(&vault);
    for status in [429, 500, 503] {
        vault
            .fake
            .faults()
            .push(FakeFault::status(status).with_retry_after(7));
        let error = get(&provider, "a").await.unwrap_err();
        assert!(error.is_retryable());
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        assert_eq!(log.next(&vault), ["GET /secrets/a/"]);
    }
}

#[tokio::test]
async fn no_value_and_no_credential_is_told_anywhere() {
    let (value, secret) = (Canary::generate(), Canary::generate());
    let vault = Vault::with(AzureOptions::default().with_application(
        "7e4a0000-0000-4000-8000-0000000000aa",
        "7e4a0000-0000-4000-8000-0000000000bb",
        secret.reveal().as_str(),
    ))
    .await;
    let mut config = vault.application();
    config.service_principal.as_mut().unwrap().client_secret =
        Some(secret.reveal().as_str().into());
    let traces = TraceCapture::new();
    let _here = traces.on_this_thread();
    let mut sinks = Sinks::new([&value, &secret]);
    sinks.debug("config", &config);
    let provider = vault.try_open(config.clone(), &[]).await.unwrap();
    put(&provider, "a", &value.reveal()).await;
    let secret_read = get(&provider, "a").await.unwrap();
    sinks.debug("secret", &secret_read);
    sinks.debug("provider", &provider);
    for fault in [
        FakeFault::status(403),
        FakeFault::status(400),
        FakeFault::garbled(),
        FakeFault::truncated(10),
    ] {
        vault.fake.faults().push(fault.on_method("PUT"));
        let value = SecretValue::from(value.reveal().as_str());
        let options = PutOptions::default();
        let error = provider
            .put(&name("a"), &value, &options)
            .await
            .unwrap_err();
        sinks.error("error", &error);
    }
    vault
        .fake
        .faults()
        .push(FakeFault::switch("expired_client_secret"));
    let other = vault.try_open(config, &[]).await.unwrap();
    let error = get(&other, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(error.hint().unwrap().contains("expired"));
    sinks.error("login error", &error);
    assert!(traces.event_count() > 0);
    sinks.trace("traces", &traces);
    sinks.assert_clean();
}

#[tokio::test]
async fn health_is_told_without_a_value() {
    let vault = Vault::start().await;
    let provider = vault.provider().await;
    assert_eq!(
        provider.health().await.unwrap().status,
        HealthStatus::Healthy
    );
    vault.fake.faults().push(FakeFault::status(403));
    assert_eq!(
        provider.health().await.unwrap().status,
        HealthStatus::Degraded
    );
    vault.fake.faults().push(FakeFault::status(503));
    assert_eq!(
        provider.health().await.unwrap().status,
        HealthStatus::Unavailable
    );
}

#[tokio::test]
async fn a_plan_is_what_is_sent() {
    let vault = Vault::start().await;
    let provider = vault.provider().await;
    let items: Vec<_> = (0..40)
        .map(|number| {
            vault.fake.seed(&format!("n{number}"), &number.to_string());
            GetItem::new(name(&format!("n{number}")), GetOptions::default())
        })
        .collect();
    let plan = plan_reads(&provider, &items);
    assert!(vault.log().is_empty());
    let planned: usize = plan.iter().map(|call| call.requests).sum();
    assert!(plan.iter().all(|call| call.call == "GetSecret"));
    let answers = provider.get_many(&items).await;
    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap().value, number.to_string().into());
    }
    // The login comes on top.
    assert_eq!(vault.transport.requests_sent(), planned as u64 + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_reads_share_their_way() {
    let vault = Vault::start().await;
    let provider = vault.provider().await;
    let items: Vec<_> = (0..100)
        .map(|number| {
            vault.fake.seed(&format!("n{number}"), "x");
            GetItem::new(name(&format!("n{number}")), GetOptions::default())
        })
        .collect();
    let slow = FakeFault::slow(Duration::from_millis(100))
        .always()
        .on_path("/secrets/");
    vault.fake.faults().push(slow);
    let start = Instant::now();
    assert!(provider.get_many(&items).await.iter().all(Result::is_ok));
    let took = start.elapsed();
    // Four rounds of 32 at once; one after the other it would be ten seconds, 16 at once 700 ms.
    assert!(took >= Duration::from_millis(400), "{took:?}");
    assert!(took < Duration::from_millis(1500), "{took:?}");
    assert!(!provider.info().capabilities.has(Capability::Batch));
}

#[tokio::test]
async fn a_rollback_keeps_what_belongs_to_the_secret() {
    let vault = Vault::start().await;
    let provider = vault.provider().await;
    let a = name("a");
    let end = vault_time(&vault) + Duration::from_secs(3600);
    let tags = [("team".to_owned(), "payments".to_owned())].into();
    let options = PutOptions::default()
        .with_tags(Some(tags))
        .with_expires_at(end);
    let bytes = SecretValue::from(vec![0xff, 0, 1]);
    let first = provider.put(&a, &bytes, &options).await.unwrap();
    put(&provider, "a", "text").await;
    let version = first.version.unwrap();
    let now = provider
        .rollback(&a, &version, &RollbackOptions::default())
        .await
        .unwrap();
    assert_ne!(now.version, Some(version.clone()));
    let secret = get(&provider, "a").await.unwrap();
    assert_eq!(secret.value, bytes);
    assert_eq!(secret.metadata.version, now.version);
    assert_eq!(secret.metadata.tags["team"], "payments");
    assert!(secret.metadata.expires_at.is_some());
    // A version that would not be given out does not become current.
    put(&provider, "a", "text").await;
    vault.advance(Duration::from_secs(7200));
    let error = provider
        .rollback(&a, &version, &RollbackOptions::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disabled);
}

fn vault_time(vault: &Vault) -> SystemTime {
    use secrets_core::Clock as _;
    vault.clock.wall()
}
