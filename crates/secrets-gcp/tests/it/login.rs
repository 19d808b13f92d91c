//! Logins, renewals and what follows a refusal, counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures_util::future::join_all;
use polysecrets_gcp::{AccessToken, GcpConfig, GcpProvider, TokenSource};
use secrets_core::{ErrorKind, GetOptions, OpenContext, Result, Secret, SecretProvider};
use secrets_provider::Transport;
use secrets_testkit::ManualClock;
use secrets_testkit::fakes::Fault;
use secrets_testkit::fakes::gcp::{Credential, GcpFake, GcpOptions};
use secrets_testkit::fault::{self, FaultServer, Reply, Script};
use serde_json::{Value, json};

use crate::support::{self, name};

async fn read(provider: &GcpProvider) -> Result<Secret> {
    provider.get(&name("a"), &GetOptions::default()).await
}

async fn fake() -> GcpFake {
    let fake = GcpFake::start(GcpOptions::default()).await.unwrap();
    fake.seed("a", b"v");
    fake
}

/// How often each path was asked for.
fn count(fake: &GcpFake, path: &str) -> usize {
    let asked = fake.asked();
    asked
        .iter()
        .filter(|asked| asked.path.contains(path))
        .count()
}

async fn open_at(config: GcpConfig, clock: &Arc<ManualClock>) -> GcpProvider {
    let context = OpenContext::new("main").with_clock(clock.clone());
    polysecrets_gcp::open(config, context, Transport::default())
        .await
        .unwrap()
}

fn now() -> Arc<ManualClock> {
    Arc::new(ManualClock::starting_at(SystemTime::now()))
}

/// Lets what runs in the background come to its end.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[tokio::test]
async fn a_service_account_logs_in_once_for_a_hundred_callers() {
    let fake = fake().await;
    let config = support::key_file(&fake, Credential::ServiceAccount);
    let provider = support::open(config).await;
    assert!(fake.asked().is_empty());
    for answer in join_all((0..100).map(|_| read(&provider))).await {
        answer.unwrap();
    }
    assert_eq!(count(&fake, "/token"), 1);
    assert_eq!(count(&fake, ":access"), 100);
    // What was forgotten is asked for again.
    provider.close().await.unwrap();
    read(&provider).await.unwrap();
    assert_eq!(count(&fake, "/token"), 2);
}

#[tokio::test]
async fn a_login_says_who_what_and_until_when() {
    use base64::Engine as _;
    let token =
        Reply::json(&json!({"access_token": "ya29.x", "expires_in": 3599, "token_type": "Bearer"}));
    let value = Reply::json(&json!({"name": "projects/1/secrets/a/versions/1",
        "payload": {"data": "dg==", "dataCrc32c": crc32c::crc32c(b"v").to_string()}}));
    let script = Script::always(fault::Fault::reply(value)).route("POST", "/token", token);
    let server = FaultServer::start(script).await.unwrap();
    let mut config = GcpConfig::default();
    config.endpoint = Some(server.url());
    config.credentials = Some(support::service_account(&server.url()).to_string().into());
    let clock = now();
    let provider = open_at(config, &clock).await;
    assert_eq!(provider.info().location.path(), "/p");
    read(&provider).await.unwrap();

    let requests = server.requests();
    let login = &requests[0];
    assert_eq!((login.method.as_str(), login.path()), ("POST", "/token"));
    assert_eq!(
        login.header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    let body = std::str::from_utf8(&login.body).unwrap();
    let assertion = body
        .strip_prefix("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=")
        .unwrap();
    let parts: Vec<Value> = assertion
        .split('.')
        .take(2)
        .map(|part| {
            let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part);
            serde_json::from_slice(&text.unwrap()).unwrap()
        })
        .collect();
    let seconds = secrets_core::Clock::wall(&*clock)
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    assert_eq!(
        parts[0],
        json!({"alg": "RS256", "typ": "JWT", "kid": "key-1"})
    );
    assert_eq!(
        parts[1],
        json!({
            "iss": "app@p.iam.gserviceaccount.com",
            "scope": "https://www.googleapis.com/auth/cloud-platform",
            "aud": format!("{}/token", server.url()),
            "iat": seconds,
            "exp": seconds + 3600,
        })
    );
    assert_eq!(requests[1].header("authorization"), Some("Bearer ya29.x"));
}

#[tokio::test]
async fn an_expired_token_costs_one_login_and_one_repetition_for_all() {
    let fake = fake().await;
    let provider = support::open(support::key_file(&fake, Credential::AuthorizedUser)).await;
    read(&provider).await.unwrap();
    let before = (count(&fake, "/token"), count(&fake, ":access"));
    fake.faults().push(Fault::switch("expire_tokens"));
    for answer in join_all((0..50).map(|_| read(&provider))).await {
        answer.unwrap();
    }
    assert_eq!(count(&fake, "/token") - before.0, 1);
    assert!(count(&fake, ":access") - before.1 <= 100);
    read(&provider).await.unwrap();
    assert_eq!(count(&fake, "/token") - before.0, 1);
}

#[tokio::test]
async fn a_refusal_that_stays_is_two_requests_and_a_denial_one() {
    let fake = fake().await;
    let provider = support::open(support::key_file(&fake, Credential::ServiceAccount)).await;
    read(&provider).await.unwrap();
    let before = fake.asked_count();
    fake.faults()
        .push(Fault::status(401).on_path("/v1/").always());
    let error = read(&provider).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert_eq!(fake.asked_count() - before, 3, "a read, a login, a read");
    fake.faults().clear();
    let before = fake.asked_count();
    fake.faults().push(Fault::switch("deny"));
    let error = read(&provider).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(fake.asked_count() - before, 1);
}

#[tokio::test]
async fn a_given_token_that_is_refused_is_named_and_not_sent_again() {
    let fake = fake().await;
    let mut config = support::config(&fake);
    config.token = Some("ya29.wrong".into());
    let error = read(&support::open(config).await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert_eq!(
        error.message(),
        "the service does not accept the token of `token`"
    );
    assert_eq!(fake.asked_count(), 1);
}

#[tokio::test]
async fn a_token_file_is_read_again_after_a_refusal() {
    let fake = fake().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{}\n", fake.token())).unwrap();
    let mut config = support::config(&fake);
    config.token_file = Some(file.clone());
    let provider = support::open(config).await;
    read(&provider).await.unwrap();
    fake.faults().push(Fault::switch("expire_tokens"));
    let error = read(&provider).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(error.message().contains("the token in the file"), "{error}");
    std::fs::write(&file, fake.token()).unwrap();
    read(&provider).await.unwrap();
    std::fs::write(&file, "").unwrap();
    fake.faults().push(Fault::switch("expire_tokens"));
    let error = read(&provider).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
}

#[tokio::test]
async fn a_credentials_file_that_was_replaced_is_read_again() {
    let fake = fake().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials.json");
    std::fs::copy(fake.credential_file(Credential::AuthorizedUser), &file).unwrap();
    let mut config = support::config(&fake);
    config.credentials_file = Some(file.clone());
    let provider = support::open(config).await;
    read(&provider).await.unwrap();
    // Another kind of credential even.
    std::fs::copy(fake.credential_file(Credential::ServiceAccount), &file).unwrap();
    fake.faults().push(Fault::switch("expire_tokens"));
    read(&provider).await.unwrap();
    assert_eq!(count(&fake, "/token"), 2);
}

#[tokio::test]
async fn a_subject_token_that_was_rotated_is_read_again() {
    let fake = fake().await;
    for kind in [Credential::ExternalAccount, Credential::Impersonated] {
        let provider = support::open(support::key_file(&fake, kind)).await;
        read(&provider).await.unwrap();
        fake.rotate_subject_token();
        fake.faults().push(Fault::switch("expire_tokens"));
        read(&provider).await.unwrap();
    }
}

#[tokio::test]
async fn a_key_that_is_gone_is_told_after_one_login() {
    let fake = fake().await;
    for kind in [Credential::ServiceAccount, Credential::AuthorizedUser] {
        let provider = support::open(support::key_file(&fake, kind)).await;
        let before = fake.asked_count();
        fake.faults().push(Fault::switch("invalid_grant"));
        let error = read(&provider).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        assert!(error.hint().unwrap().contains("gcloud"), "{error:?}");
        assert_eq!(fake.asked_count() - before, 1);
        read(&provider).await.unwrap();
    }
}

#[tokio::test]
async fn a_clock_that_is_off_is_corrected_once() {
    let fake = fake().await;
    // One that is behind makes logins that are old, and those are good for an hour.
    for (minutes, logins) in [(-6i64, 1), (6, 2), (-70, 2), (1000, 2)] {
        let by = Duration::from_secs(minutes.unsigned_abs() * 60);
        let wall = SystemTime::now();
        let wall = if minutes < 0 { wall - by } else { wall + by };
        let clock = Arc::new(ManualClock::starting_at(wall));
        let config = support::key_file(&fake, Credential::ServiceAccount);
        let provider = open_at(config, &clock).await;
        let before = count(&fake, "/token");
        read(&provider).await.unwrap();
        assert_eq!(count(&fake, "/token") - before, logins, "{minutes} minutes");
        // It is known from then on.
        provider.close().await.unwrap();
        read(&provider).await.unwrap();
        assert_eq!(
            count(&fake, "/token") - before,
            logins + 1,
            "{minutes} minutes"
        );
    }
}

#[tokio::test]
async fn a_clock_that_is_off_is_in_the_hint_if_correcting_it_did_not_help() {
    let refused = Reply::new(400)
        .header(
            "date",
            httpdate(SystemTime::now() + Duration::from_secs(600)),
        )
        .body(r#"{"error":"invalid_grant","error_description":"Invalid JWT"}"#);
    let server = FaultServer::start(fault::Fault::reply(refused))
        .await
        .unwrap();
    let mut config = GcpConfig::default();
    config.endpoint = Some(server.url());
    config.credentials = Some(support::service_account(&server.url()).to_string().into());
    let error = read(&support::open(config).await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(
        error.hint().unwrap().contains("10 minutes behind"),
        "{error:?}"
    );
    assert_eq!(server.request_count(), 2);
}

fn httpdate(time: SystemTime) -> String {
    httpdate::fmt_http_date(time)
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end_while_it_is_still_used() {
    let fake = fake().await;
    let clock = now();
    let config = support::key_file(&fake, Credential::ServiceAccount);
    let provider = open_at(config, &clock).await;
    read(&provider).await.unwrap();
    // A token lives 3,600 s here, and is renewed in the last 240.
    for (pass, logins) in [(3000, 1), (350, 1), (240, 2), (0, 2), (3000, 2)] {
        clock.advance(Duration::from_secs(pass));
        fake.advance(Duration::from_secs(pass));
        for answer in join_all((0..20).map(|_| read(&provider))).await {
            answer.unwrap();
        }
        settle().await;
        assert_eq!(count(&fake, "/token"), logins, "{pass}");
    }
    // After its end nobody uses it.
    clock.advance(Duration::from_secs(7200));
    fake.advance(Duration::from_secs(7200));
    let before = count(&fake, ":access");
    read(&provider).await.unwrap();
    assert_eq!(count(&fake, ":access") - before, 1);
    assert_eq!(count(&fake, "/token"), 3);
}

#[tokio::test]
async fn a_renewal_that_fails_is_tried_again_more_and_more_slowly() {
    let fake = fake().await;
    let clock = now();
    let config = support::key_file(&fake, Credential::ServiceAccount);
    let provider = open_at(config, &clock).await;
    read(&provider).await.unwrap();
    let pass = |seconds: u64| {
        clock.advance(Duration::from_secs(seconds));
        fake.advance(Duration::from_secs(seconds));
    };
    pass(3450);
    fake.faults()
        .push(Fault::status(503).on_path("/token").always());
    for _ in 0..60 {
        read(&provider).await.unwrap();
        tokio::time::sleep(Duration::from_millis(15)).await;
        pass(1);
    }
    settle().await;
    let tries = count(&fake, "/token") - 1;
    assert!((3..=8).contains(&tries), "{tries} tries in a minute");
    fake.faults().clear();
    pass(60);
    read(&provider).await.unwrap();
    settle().await;
    assert_eq!(count(&fake, "/token"), tries + 2);
}

#[derive(Debug)]
struct Counting {
    fake: Arc<GcpFake>,
    asked: Arc<AtomicU64>,
}

#[async_trait]
impl TokenSource for Counting {
    async fn token(&self) -> Result<AccessToken> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(AccessToken::new(self.fake.token()).with_expires_in(Duration::from_secs(3600)))
    }
}

#[tokio::test]
async fn a_program_can_bring_its_own_tokens() {
    let fake = Arc::new(fake().await);
    let asked = Arc::new(AtomicU64::new(0));
    let source = Counting {
        fake: Arc::clone(&fake),
        asked: Arc::clone(&asked),
    };
    let config = support::config(&fake).with_token_source(Arc::new(source));
    let provider = support::open(config).await;
    for answer in join_all((0..20).map(|_| read(&provider))).await {
        answer.unwrap();
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    fake.faults().push(Fault::switch("expire_tokens"));
    read(&provider).await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    assert_eq!(count(&fake, "/token"), 0);
}

#[tokio::test]
async fn a_login_that_fails_fails_for_all_who_wait() {
    let fake = fake().await;
    let provider = support::open(support::key_file(&fake, Credential::ServiceAccount)).await;
    fake.faults().push(
        Fault::slow(Duration::from_millis(50))
            .on_path("/token")
            .always(),
    );
    fake.faults().push(Fault::switch("invalid_grant").always());
    for answer in join_all((0..50).map(|_| read(&provider))).await {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Unauthenticated);
    }
    assert_eq!(fake.asked_count(), 1);
}

#[tokio::test]
async fn tokens_of_two_identities_do_not_meet() {
    let fake = fake().await;
    let mut wrong = support::config(&fake);
    wrong.token = Some("ya29.wrong".into());
    let transport = Transport::default();
    let context = || OpenContext::new("main");
    let right = support::key_file(&fake, Credential::ServiceAccount);
    let right = polysecrets_gcp::open(right, context(), transport.clone())
        .await
        .unwrap();
    let wrong = polysecrets_gcp::open(wrong, context(), transport)
        .await
        .unwrap();
    for _ in 0..3 {
        read(&right).await.unwrap();
        let error = read(&wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    }
}
