//! What callers see, and what a server is asked, while it throttles, fails, hangs or is gone.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]
#![cfg(all(feature = "memory", feature = "vault"))]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use polysecrets::layers::{BreakerConfig, CacheConfig};
use polysecrets::{
    ChainEntry, ChainMember, Clock, Config, ErrorKind, Freshness, OnError, OpenContext, PutOptions,
    RetryConfig, SecretProvider, Secrets, TimeoutConfig,
};
use secrets_testkit::ManualClock;
use secrets_testkit::fault::{Fault, FaultServer, Reply, RetryAfter, Script};
use secrets_vault::{Engine, VaultConfig};
use support::{Failing, memory};

const MS: Duration = Duration::from_millis(1);

/// How much later than its deadline a call may end.
const OVERRUN: Duration = Duration::from_millis(50);

fn answer(value: &str) -> Reply {
    let body = format!(
        r#"{{"data":{{"data":{{"value":"{value}"}},"metadata":{{"created_time":"2026-01-01T00:00:00Z","version":1,"destroyed":false,"deletion_time":"","custom_metadata":null}}}}}}"#
    );
    Reply::new(200)
        .header("content-type", "application/json")
        .body(body)
}

fn failure(status: u16) -> Fault {
    Reply::new(status)
        .header("content-type", "application/json")
        .body(r#"{"errors":["as asked"]}"#)
        .into()
}

/// Every way in which a server does not serve.
fn failures() -> [(&'static str, Fault); 6] {
    [
        ("429", failure(429)),
        (
            "429 and when",
            Fault::throttled(429, RetryAfter::Seconds(0)),
        ),
        ("500", failure(500)),
        ("503", failure(503)),
        ("reset", Fault::reset()),
        ("silence", Fault::silence()),
    ]
}

/// A client of the server: one login that needs no request, one request a read.
async fn vault(
    name: &str,
    url: String,
    clock: Option<Arc<ManualClock>>,
) -> Arc<dyn SecretProvider> {
    let mut config = VaultConfig::default();
    config.address = Some(url);
    config.mount = Some("kv".to_owned());
    config.token = Some("token".into());
    config.engine = Engine::KvV2;
    let mut context = OpenContext::new(name);
    if let Some(clock) = clock {
        context = context.with_clock(clock);
    }
    let transport = secrets_provider::Transport::default();
    Arc::new(
        secrets_vault::open(config, context, transport)
            .await
            .unwrap(),
    )
}

fn config(attempts: u32, deadline: Duration, attempt: Duration) -> Config {
    let mut config = Config::default();
    config.retry = RetryConfig::default()
        .with_max_attempts(attempts)
        .with_waits(2 * MS, 10 * MS);
    config.timeouts = TimeoutConfig::default()
        .with_deadline(deadline)
        .with_attempt(attempt);
    config.breaker = BreakerConfig::disabled();
    config
}

fn on(provider: Arc<dyn SecretProvider>, config: Config) -> Secrets {
    Secrets::builder()
        .config(config)
        .provider("main", provider)
        .default_provider("main")
        .build()
        .unwrap()
}

#[tokio::test]
async fn attempts_at_the_wire_are_the_configured_maximum() {
    for attempts in [1, 2, 5] {
        for (what, fault) in failures() {
            let server = FaultServer::start(Script::always(fault)).await.unwrap();
            let provider = vault("main", server.url(), None).await;
            let secrets = on(provider, config(attempts, 20_000 * MS, 60 * MS));
            secrets.get("a").await.unwrap_err();
            assert_eq!(server.request_count(), u64::from(attempts), "{what}");
        }
    }
}

#[tokio::test]
async fn no_call_overruns_its_deadline() {
    let deadline = 200 * MS;
    for (what, fault) in failures() {
        let server = FaultServer::start(Script::always(fault)).await.unwrap();
        let provider = vault("main", server.url(), None).await;
        // Enough attempts that only the deadline ends it, and an attempt that may take longer than all of it.
        let mut settings = config(100_000, deadline, 10_000 * MS);
        settings.retry = settings.retry.with_budget(100_000);
        let secrets = on(provider, settings);
        let mut over = Vec::new();
        for _ in 0..5 {
            let started = Instant::now();
            secrets.get("a").await.unwrap_err();
            over.push(started.elapsed().saturating_sub(deadline));
        }
        over.sort_unstable();
        // The machine may stop a test for a moment; a call that is late by itself is late each time.
        assert!(over[2] <= OVERRUN, "{what}: {over:?}");
    }
}

#[tokio::test]
async fn a_hundred_hanging_calls_end_at_their_deadline_together() {
    let server = FaultServer::start(Script::always(Fault::silence()))
        .await
        .unwrap();
    let provider = vault("main", server.url(), None).await;
    // Sixteen are asked at once; those behind wait for a place, which counts too.
    let secrets = on(provider, config(3, 200 * MS, 10_000 * MS));
    let started = Instant::now();
    let calls = (0..100).map(|number| {
        let secrets = secrets.clone();
        tokio::spawn(async move { secrets.get(format!("n{number}")).await })
    });
    for call in calls.collect::<Vec<_>>() {
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
    }
    let took = started.elapsed();
    assert!(took <= 200 * MS + 4 * OVERRUN, "{took:?}");
}

/// The time of a runtime that is paused.
#[derive(Debug)]
struct Virtual(tokio::time::Instant);

impl Clock for Virtual {
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.monotonic()
    }
}

#[tokio::test(start_paused = true)]
async fn a_minute_of_failures_is_eight_calls_at_most() {
    for cached in [false, true] {
        for kind in [ErrorKind::Unavailable, ErrorKind::Timeout] {
            let provider = Arc::new(Failing::new(kind));
            let clock = Arc::new(Virtual(tokio::time::Instant::now()));
            let mut builder = Secrets::builder()
                .provider("main", provider.clone())
                .default_provider("main")
                .clock(clock.clone());
            if cached {
                builder = builder.cache(CacheConfig::default());
            }
            let secrets = builder.build().unwrap();
            let mut calls = 0;
            while clock.monotonic() < Duration::from_secs(60) {
                secrets.get("a").await.unwrap_err();
                tokio::time::sleep(50 * MS).await;
                calls += 1;
            }
            // Nearly all were answered without a wait.
            assert!(calls > 1000, "{calls}");
            assert!((3..=8).contains(&provider.gets()), "{}", provider.gets());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_failure_does_not_keep_a_healthy_provider_away() {
    let store = memory("store").await;
    let name = "a".try_into().unwrap();
    store
        .put(&name, &"1".into(), &PutOptions::default())
        .await
        .unwrap();
    let provider = Arc::new(Failing::new(ErrorKind::Unavailable).times(6, store));
    let clock = Arc::new(Virtual(tokio::time::Instant::now()));
    let secrets = Secrets::builder()
        .provider("main", provider)
        .default_provider("main")
        .clock(clock.clone())
        .build()
        .unwrap();
    // Two calls of three attempts each open the breaker; the one after its time closes it.
    for _ in 0..2 {
        secrets.get("a").await.unwrap_err();
    }
    assert!(secrets.get("a").await.is_err());
    tokio::time::sleep(Duration::from_secs(30)).await;
    for _ in 0..10 {
        secrets.get("a").await.unwrap();
    }
}

/// A cache of 60 s, stale up to 600 s, whose clock is moved by hand.
fn cached(provider: Arc<dyn SecretProvider>, clock: Arc<ManualClock>) -> Secrets {
    Secrets::builder()
        .config(config(2, 400 * MS, 100 * MS))
        .provider("main", provider)
        .default_provider("main")
        .cache(
            CacheConfig::default()
                .with_ttl(Duration::from_secs(60))
                .with_max_stale(Duration::from_secs(600))
                .with_refresh_ahead(false)
                .with_load_timeout(300 * MS)
                .with_patience(150 * MS),
        )
        .clock(clock)
        .build()
        .unwrap()
}

#[tokio::test]
async fn an_outage_is_stale_within_its_age_and_an_error_after_it() {
    for (what, fault) in failures() {
        let server = FaultServer::start(Script::always(answer("1")))
            .await
            .unwrap();
        let clock = Arc::new(ManualClock::new());
        let provider = vault("main", server.url(), Some(clock.clone())).await;
        let secrets = cached(provider, clock.clone());
        assert_eq!(secrets.get("a").await.unwrap().expose_str().unwrap(), "1");

        server.set_script(Script::always(fault));
        clock.advance(Duration::from_secs(61));
        for age in [61, 61, 61, 300, 599] {
            let target = Duration::from_secs(age);
            let passed = clock.monotonic() - ManualClock::new().monotonic();
            clock.advance(target.saturating_sub(passed));
            let started = Instant::now();
            let read = secrets.get_with_origin("a").await.unwrap();
            let took = started.elapsed();
            assert!(took <= 150 * MS + 2 * OVERRUN, "{what}: {took:?}");
            assert_eq!(read.secret.value.expose_str().unwrap(), "1");
            assert_eq!(read.origin.freshness, Freshness::Stale { age: target });
        }
        clock.advance(Duration::from_secs(1));
        let started = Instant::now();
        let error = secrets.get("a").await.unwrap_err();
        assert!(error.is_stale_ok(), "{what}: {error}");
        assert!(started.elapsed() <= 400 * MS + OVERRUN, "{what}");

        // Back, it is asked again, and what it says is fresh.
        tokio::time::sleep(310 * MS).await;
        server.set_script(Script::always(answer("2")));
        clock.advance(Duration::from_secs(1));
        let read = secrets.get_with_origin("a").await.unwrap();
        assert_eq!(read.secret.value.expose_str().unwrap(), "2", "{what}");
        assert_eq!(read.origin.freshness, Freshness::Fresh, "{what}");
    }
}

#[tokio::test]
async fn a_server_that_is_gone_is_stale_within_its_age_and_an_error_after_it() {
    let server = FaultServer::start(Script::always(answer("1")))
        .await
        .unwrap();
    let clock = Arc::new(ManualClock::new());
    let provider = vault("main", server.url(), Some(clock.clone())).await;
    let secrets = cached(provider, clock.clone());
    secrets.get("a").await.unwrap();
    drop(server);
    for (later, stale) in [(61, true), (538, true), (1, false), (10_000, false)] {
        clock.advance(Duration::from_secs(later));
        let started = Instant::now();
        let read = secrets.get_with_origin("a").await;
        assert!(started.elapsed() <= 400 * MS + OVERRUN);
        match read {
            Ok(answer) => {
                assert!(stale);
                assert!(matches!(answer.origin.freshness, Freshness::Stale { .. }));
            }
            Err(error) => assert!(!stale && error.is_stale_ok(), "{error}"),
        }
    }
}

/// Repetitions that come after seconds, and patience without end: who is answered did not wait for either.
fn slow_to_give_up() -> Config {
    let mut config = config(3, 60_000 * MS, 10_000 * MS);
    config.retry = config.retry.with_waits(20_000 * MS, 20_000 * MS);
    config
}

fn patient() -> CacheConfig {
    CacheConfig::default()
        .with_ttl(Duration::from_secs(60))
        .with_max_stale(Duration::from_secs(600))
        .with_patience(Duration::from_secs(60))
}

#[tokio::test]
async fn the_first_reader_of_an_outage_waits_for_one_attempt_alone() {
    let quick = failures()
        .into_iter()
        .filter(|(what, _)| *what != "silence" && *what != "429 and when");
    for (what, fault) in quick {
        let server = FaultServer::start(Script::always(answer("1")))
            .await
            .unwrap();
        let clock = Arc::new(ManualClock::new());
        let provider = vault("main", server.url(), Some(clock.clone())).await;
        let secrets = Secrets::builder()
            .config(slow_to_give_up())
            .provider("main", provider)
            .default_provider("main")
            .cache(patient())
            .clock(clock.clone())
            .build()
            .unwrap();
        secrets.get("a").await.unwrap();
        let before = server.request_count();
        server.set_script(Script::always(fault));
        clock.advance(Duration::from_secs(61));
        let read = tokio::time::timeout(1000 * MS, secrets.get_with_origin("a")).await;
        let freshness = read.expect(what).unwrap().origin.freshness;
        assert!(matches!(freshness, Freshness::Stale { .. }), "{what}");
        assert_eq!(server.request_count() - before, 1, "{what}");
    }
}

#[tokio::test]
async fn the_trouble_of_a_member_is_none_of_a_chain_that_goes_on() {
    for (on_error, is_fresh) in [(OnError::Skip, true), (OnError::Fail, false)] {
        let store = memory("store").await;
        let name = "a".try_into().unwrap();
        let put = PutOptions::default();
        store.put(&name, &"1".into(), &put).await.unwrap();
        let mut settings = slow_to_give_up();
        settings.retry = settings.retry.with_waits(50 * MS, 50 * MS);
        let members = vec![
            ChainMember::new("broken").with_on_error(on_error),
            ChainMember::new("store"),
        ];
        settings
            .chains
            .insert("both".to_owned(), ChainEntry::new(members));
        let clock = Arc::new(ManualClock::new());
        // It has no such secret at first.
        let missing = Reply::new(404)
            .header("content-type", "application/json")
            .body(r#"{"errors":[]}"#);
        let server = FaultServer::start(Script::always(missing)).await.unwrap();
        let provider = vault("broken", server.url(), Some(clock.clone())).await;
        let secrets = Secrets::builder()
            .config(settings)
            .provider("broken", provider)
            .provider("store", store)
            .default_provider("both")
            .cache(patient())
            .clock(clock.clone())
            .build()
            .unwrap();
        secrets.get("a").await.unwrap();
        server.set_script(Script::always(failure(503)));
        clock.advance(Duration::from_secs(61));
        let read = secrets.get_with_origin("a").await.unwrap();
        let fresh = read.origin.freshness == Freshness::Fresh;
        assert_eq!(fresh, is_fresh, "{:?}", read.origin);
    }
}

#[tokio::test]
async fn a_chain_fails_over_within_a_deadline_and_comes_back() {
    let hangs = Arc::new(AtomicBool::new(true));
    let hanging = hangs.clone();
    let first = FaultServer::start(Script::respond(move |_| {
        let hangs = hanging.load(Ordering::SeqCst);
        Some(if hangs {
            Fault::silence()
        } else {
            answer("first").into()
        })
    }))
    .await
    .unwrap();
    let second = FaultServer::start(Script::always(answer("second")))
        .await
        .unwrap();
    let deadline = 1000 * MS;
    let mut settings = config(2, deadline, 100 * MS);
    settings.breaker = BreakerConfig::default()
        .with_window(2, 4)
        .with_open_for(400 * MS);
    let members = ["first", "second"];
    let chain = members.map(|name| ChainMember::new(name).with_on_error(OnError::Warn));
    settings
        .chains
        .insert("both".to_owned(), ChainEntry::new(chain));
    let secrets = Secrets::builder()
        .config(settings)
        .provider("first", vault("first", first.url(), None).await)
        .provider("second", vault("second", second.url(), None).await)
        .default_provider("both")
        .build()
        .unwrap();
    let read = async || {
        let started = Instant::now();
        let answer = secrets.get_with_origin("a").await.unwrap();
        (answer.origin.provider.to_string(), started.elapsed())
    };
    // Two calls find out; each is answered by the second within the deadline.
    for _ in 0..2 {
        let (provider, took) = read().await;
        assert_eq!(provider, "second");
        assert!(took <= deadline + OVERRUN, "{took:?}");
    }
    let asked = first.request_count();
    let mut quickest = Duration::MAX;
    for _ in 0..10 {
        let (provider, took) = read().await;
        assert_eq!(provider, "second");
        quickest = quickest.min(took);
    }
    assert_eq!(first.request_count(), asked, "the first one is left alone");
    assert!(quickest < 50 * MS, "{quickest:?}");
    // It comes back, and is tried again when its time is over.
    hangs.store(false, Ordering::SeqCst);
    tokio::time::sleep(450 * MS).await;
    for _ in 0..5 {
        assert_eq!(read().await.0, "first");
    }
}
