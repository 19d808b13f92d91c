//! Logins, counted: one for many callers, one after a refusal, none that would lock the identity out.

use crate::support;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use polysecrets_infisical::{InfisicalConfig, InfisicalProvider};
use secrets_core::{ErrorKind, OpenContext, SecretProvider, SecretValue};
use secrets_provider::Transport;
use secrets_testkit::ManualClock;
use secrets_testkit::canary::{Canary, Sinks, TraceCapture};
use secrets_testkit::fakes::Fault as FakeFault;
use secrets_testkit::fakes::infisical::{InfisicalFake, InfisicalOptions};
use secrets_testkit::fault::{FaultServer, Script};

use crate::support::{get, open, refusal, reply, value};

const LOGIN: &str = "/api/v1/auth/universal-auth/login";
const RENEW: &str = "/api/v1/auth/token/renew";
const REVOKE: &str = "/api/v1/auth/token/revoke";

const READ: &str = r#"{"secret":{"id":"5e7b","version":3,"type":"shared","secretKey":"a","secretValue":"hunter2","secretPath":"/","environment":"dev"}}"#;

fn count(fake: &InfisicalFake, path: &str) -> usize {
    let asked = fake.asked();
    asked.iter().filter(|asked| asked.path == path).count()
}

/// A fake with a secret `a`, whose tokens live so long, and a provider on it with a clock that both follow.
struct Timed {
    fake: InfisicalFake,
    clock: Arc<ManualClock>,
    provider: InfisicalProvider,
}

impl Timed {
    async fn new(life: u64, most: u64, change: impl FnOnce(&mut InfisicalConfig)) -> Self {
        let options = InfisicalOptions::default().with_token_life(life, most);
        let fake = InfisicalFake::start(options).await.unwrap();
        fake.seed("dev", "/", "a", "1");
        let clock = Arc::new(ManualClock::new());
        let context = OpenContext::new("main").with_clock(clock.clone());
        let mut config = support::config(&fake);
        change(&mut config);
        let provider = polysecrets_infisical::open(config, context, Transport::default())
            .await
            .unwrap();
        Self {
            fake,
            clock,
            provider,
        }
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.fake.advance(Duration::from_secs(seconds));
    }

    /// Reads, and waits until the refresh that this may have begun has come to an end.
    async fn reads(&self) {
        assert_eq!(value(&self.provider, "a").await, "1");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    fn logins_and_renewals(&self) -> (usize, usize) {
        (count(&self.fake, LOGIN), count(&self.fake, RENEW))
    }
}

fn wrong_secret(config: &mut InfisicalConfig) {
    config.universal_auth.as_mut().unwrap().client_secret = Some("hunter2".into());
}

#[tokio::test]
async fn many_callers_share_one_login() {
    let fake = support::fake().await;
    fake.seed("dev", "/", "a", "1");
    let provider = open(support::config(&fake)).await;
    assert_eq!(fake.asked(), []);
    let reads = join_all((0..100).map(|_| get(&provider, "a"))).await;
    assert!(reads.iter().all(Result::is_ok));
    assert_eq!(count(&fake, LOGIN), 1);
}

#[tokio::test]
async fn expired_tokens_cost_one_login_and_one_repetition_each() {
    let fake = support::fake().await;
    fake.seed("dev", "/", "a", "1");
    let provider = open(support::config(&fake)).await;
    get(&provider, "a").await.unwrap();
    fake.faults().push(FakeFault::switch("expire_tokens"));
    let before = fake.asked_count();
    let reads = join_all((0..30).map(|_| get(&provider, "a"))).await;
    assert!(reads.iter().all(Result::is_ok), "{reads:?}");
    assert_eq!(count(&fake, LOGIN), 2);
    assert!(fake.asked_count() - before <= 30 * 2 + 1);
}

#[tokio::test]
async fn both_ways_to_refuse_a_token_lead_to_one_login_and_one_repetition() {
    let login =
        r#"{"accessToken":"fresh","expiresIn":100,"accessTokenMaxTTL":1000,"tokenType":"Bearer"}"#;
    for bad in [
        refusal(
            401,
            "UnauthorizedError",
            "You are not allowed to access this resource",
        ),
        refusal(
            403,
            "TokenError",
            "Your token has expired. Please re-authenticate.",
        ),
    ] {
        let read = reply(200, READ);
        let answers = [reply(200, login), bad.clone(), reply(200, login), read];
        let server = FaultServer::start(Script::sequence(answers)).await.unwrap();
        let mut config = support::scripted(&server);
        config.token = None;
        let mut universal = polysecrets_infisical::UniversalAuthConfig::default();
        universal.client_id = Some("id".to_owned());
        universal.client_secret = Some("secret".into());
        universal.sub_organization = Some("team".to_owned());
        config.universal_auth = Some(universal);
        let provider = open(config.clone()).await;
        get(&provider, "a").await.unwrap();
        let requests = server.requests();
        let paths: Vec<_> = requests.iter().map(|request| request.path()).collect();
        assert_eq!(
            paths,
            [LOGIN, "/api/v4/secrets/a", LOGIN, "/api/v4/secrets/a"]
        );
        let body = requests[0].json().unwrap();
        assert_eq!(
            body,
            serde_json::json!({"clientId": "id", "clientSecret": "secret", "subOrganizationName": "team"})
        );
        assert_eq!(requests[0].header("authorization"), None);
        assert_eq!(requests[1].header("authorization"), Some("Bearer fresh"));

        // A server that refuses each token is asked twice, not for ever.
        server.clear();
        let path = bad.clone();
        let script = Script::respond(move |request| {
            (request.path() == "/api/v4/secrets/a").then(|| path.clone())
        });
        server.set_script(script.then(reply(200, login)));
        let provider = open(config).await;
        let error = get(&provider, "a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        assert_eq!(server.request_count(), 4);
        let error = get(&provider, "a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        assert!(error.message().contains("token from it"), "{error}");
        assert_eq!(server.request_count(), 5);
    }
}

#[tokio::test]
async fn a_login_that_nobody_waits_for_any_more_still_counts() {
    let fake = support::fake().await;
    fake.seed("dev", "/", "a", "1");
    let slow = FakeFault::slow(Duration::from_millis(100)).on_path(LOGIN);
    fake.faults().push(slow);
    let provider = open(support::config(&fake)).await;
    let limit = Duration::from_millis(20);
    let early = tokio::time::timeout(limit, get(&provider, "a")).await;
    assert!(early.is_err());
    assert_eq!(value(&provider, "a").await, "1");
    assert_eq!(count(&fake, LOGIN), 1);
}

#[tokio::test]
async fn a_denial_is_no_reason_to_log_in() {
    let fake = support::fake().await;
    fake.seed("dev", "/", "a", "1");
    let provider = open(support::config(&fake)).await;
    fake.faults()
        .push(FakeFault::switch("denied").on_method("GET"));
    let error = get(&provider, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(fake.asked_count(), 2);
}

#[tokio::test]
async fn a_token_is_renewed_at_two_thirds_of_its_life() {
    let timed = Timed::new(100, 1000, |_| {}).await;
    timed.reads().await;
    timed.advance(55);
    timed.reads().await;
    assert_eq!(timed.logins_and_renewals(), (1, 0));
    timed.advance(20);
    timed.reads().await;
    assert_eq!(timed.logins_and_renewals(), (1, 1));
    timed.advance(75);
    timed.reads().await;
    assert_eq!(timed.logins_and_renewals(), (1, 2));
    // Nobody has used it: it has ended, and the next one logs in.
    timed.advance(200);
    timed.reads().await;
    assert_eq!(timed.logins_and_renewals(), (2, 2));
}

#[tokio::test]
async fn near_its_longest_life_a_token_is_replaced_and_not_renewed() {
    let timed = Timed::new(100, 190, |_| {}).await;
    timed.reads().await;
    timed.advance(75);
    timed.reads().await;
    assert_eq!(timed.logins_and_renewals(), (1, 1));
    // 150 + 100 is more than 190: the server would delete the token.
    timed.advance(75);
    timed.reads().await;
    assert_eq!(timed.logins_and_renewals(), (2, 1));
    timed.reads().await;
    assert_eq!(timed.logins_and_renewals(), (2, 1));
}

#[tokio::test]
async fn a_renewal_that_fails_is_not_repeated_at_once_and_ends_in_a_login() {
    let timed = Timed::new(100, 1000, |_| {}).await;
    timed.reads().await;
    timed.advance(75);
    let faults = timed.fake.faults();
    faults.push(FakeFault::status(500).on_path(RENEW).times(1));
    for _ in 0..5 {
        timed.reads().await;
    }
    assert_eq!(timed.logins_and_renewals(), (1, 1));
    timed.advance(11);
    faults.push(FakeFault::status(401).on_path(RENEW).times(1));
    timed.reads().await;
    assert_eq!(timed.logins_and_renewals(), (2, 2));
}

#[tokio::test]
async fn a_token_without_an_end_is_kept() {
    let timed = Timed::new(0, 0, |_| {}).await;
    timed.reads().await;
    timed.advance(10_000_000);
    timed.reads().await;
    assert_eq!(timed.logins_and_renewals(), (1, 0));
}

#[tokio::test]
async fn a_wrong_secret_is_not_tried_until_the_identity_is_locked() {
    let timed = Timed::new(100, 1000, wrong_secret).await;
    for _ in 0..20 {
        let reads = join_all((0..5).map(|_| get(&timed.provider, "a"))).await;
        for read in reads {
            let error = read.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unauthenticated);
            assert_eq!(error.message(), "the server does not accept the login");
        }
        timed.advance(10);
    }
    // Once a minute in 200 seconds; three within 30 would lock.
    assert_eq!(count(&timed.fake, LOGIN), 4);
    let right = open(support::config(&timed.fake)).await;
    assert_eq!(value(&right, "a").await, "1");
}

#[tokio::test]
async fn a_lockout_is_told_and_waited_for() {
    let timed = Timed::new(100, 1000, |_| {}).await;
    timed.fake.faults().push(FakeFault::switch("lockout"));
    for _ in 0..5 {
        let error = get(&timed.provider, "a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        assert!(error.message().contains("locked"), "{error}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(300)));
        timed.advance(50);
    }
    assert_eq!(count(&timed.fake, LOGIN), 1);
    timed.advance(51);
    timed.reads().await;
    assert_eq!(count(&timed.fake, LOGIN), 2);
}

#[tokio::test]
async fn a_new_client_secret_in_its_file_is_tried_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "wrong\n").unwrap();
    let file = path.clone();
    let timed = Timed::new(100, 1000, |config| {
        let universal = config.universal_auth.as_mut().unwrap();
        universal.client_secret = None;
        universal.client_secret_file = Some(file);
    })
    .await;
    assert!(get(&timed.provider, "a").await.is_err());
    assert!(get(&timed.provider, "a").await.is_err());
    assert_eq!(count(&timed.fake, LOGIN), 1);
    std::fs::write(&path, format!("{}\n", timed.fake.client_secret())).unwrap();
    timed.reads().await;
    assert_eq!(count(&timed.fake, LOGIN), 2);
}

#[tokio::test]
async fn a_token_file_is_read_again_when_the_server_refuses_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "old\n").unwrap();
    let script = Script::respond(|request| {
        let is_old = request.header("authorization") != Some("Bearer new");
        is_old.then(|| refusal(403, "TokenError", "Your token has expired."))
    });
    let server = FaultServer::start(script.then(reply(200, READ)))
        .await
        .unwrap();
    let mut config = support::scripted(&server);
    config.token = None;
    config.token_file = Some(path.clone());
    let provider = open(config).await;
    let error = get(&provider, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(error.message().contains("token_file"), "{error}");
    assert_eq!(server.request_count(), 1);
    std::fs::write(&path, "new\n").unwrap();
    let reads = join_all((0..10).map(|_| get(&provider, "a"))).await;
    assert!(reads.iter().all(Result::is_ok));
    std::fs::remove_file(&path).unwrap();
    get(&provider, "a").await.unwrap();
}

#[tokio::test]
async fn a_given_token_that_is_refused_is_named_and_not_repeated() {
    let bad = refusal(401, "UnauthorizedError", "You are not allowed");
    let server = FaultServer::start(bad).await.unwrap();
    let provider = open(support::scripted(&server)).await;
    let error = get(&provider, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert_eq!(
        error.message(),
        "the server does not accept the token of `token`"
    );
    assert_eq!(server.request_count(), 1);
}

#[tokio::test]
async fn service_tokens_work_and_are_warned_of_once() {
    let trace = TraceCapture::new();
    let _guard = trace.on_this_thread();
    let fake = support::fake().await;
    fake.seed("dev", "/", "a", "1");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let service = fake.service_token("dev", "/**");
    std::fs::write(&path, &service).unwrap();
    let tokens: [fn(&mut InfisicalConfig, SecretValue, std::path::PathBuf); 3] = [
        |config, token, _| config.service_token = Some(token),
        |config, token, _| config.token = Some(token),
        |config, _, path| config.token_file = Some(path),
    ];
    for (number, set) in (1..).zip(tokens) {
        let mut config = support::config(&fake);
        config.universal_auth = None;
        set(&mut config, service.as_str().into(), path.clone());
        let provider = open(config).await;
        for _ in 0..3 {
            assert_eq!(value(&provider, "a").await, "1");
        }
        assert_eq!(trace.text().matches("deprecated").count(), number);
    }
    assert_eq!(count(&fake, LOGIN), 0);

    // The server says "not found" of the token, which must not become that of the secret.
    let mut config = support::config(&fake);
    config.universal_auth = None;
    config.service_token = Some("st.3f1b.secret".into());
    let error = get(&open(config).await, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
}

#[tokio::test]
async fn closing_gives_the_token_back() {
    let fake = support::fake().await;
    fake.seed("dev", "/", "a", "1");
    let provider = open(support::config(&fake)).await;
    provider.close().await.unwrap();
    assert_eq!(fake.asked(), []);
    get(&provider, "a").await.unwrap();
    provider.close().await.unwrap();
    provider.close().await.unwrap();
    assert_eq!(count(&fake, REVOKE), 1);
    fake.faults().push(FakeFault::status(500).on_path(REVOKE));
    get(&provider, "a").await.unwrap();
    provider.close().await.unwrap();
    assert_eq!(count(&fake, LOGIN), 2);
}

#[tokio::test]
async fn credentials_show_nowhere() {
    let (secret, token) = (Canary::generate(), Canary::generate());
    let trace = TraceCapture::new();
    let _guard = trace.on_this_thread();
    let mut sinks = Sinks::new([&secret, &token]);
    let issued = format!(
        r#"{{"accessToken":"{}","expiresIn":100,"accessTokenMaxTTL":1000,"tokenType":"Bearer"}}"#,
        token.reveal().as_str()
    );
    let echo = format!("Invalid credentials {}", secret.reveal().as_str());
    for answer in [
        reply(200, issued.clone()),
        reply(200, &issued[..issued.len() - 5]),
        reply(200, issued.replace("100", "\"soon\"")),
        refusal(401, "UnauthorizedError", &echo),
        refusal(500, "InternalServerError", &echo),
    ] {
        let script = Script::default().route("POST", LOGIN, answer);
        let script = script.then(refusal(401, "UnauthorizedError", &echo));
        let server = FaultServer::start(script).await.unwrap();
        let mut config = support::scripted(&server);
        config.token = None;
        let mut universal = polysecrets_infisical::UniversalAuthConfig::default();
        universal.client_id = Some("id".to_owned());
        universal.client_secret = Some(secret.reveal().as_str().into());
        config.universal_auth = Some(universal);
        let provider = open(config.clone()).await;
        sinks.debug("config", &config);
        let error = get(&provider, "a").await.unwrap_err();
        sinks.error("error", &error);
        sinks.bytes("hint", error.hint().unwrap_or_default());
        sinks.debug("provider", &provider);
    }
    sinks.trace("trace", &trace);
    sinks.assert_clean();
}
