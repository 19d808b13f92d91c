//! What a handle counts, and how it is reported.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]
#![cfg(feature = "memory")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use polysecrets::layers::CacheConfig;
use polysecrets::{Config, ErrorKind, PutOptions, RetryConfig, Secrets};
use secrets_testkit::canary::TraceCapture;
use support::{Failing, memory};

async fn handle() -> Secrets {
    let store = memory("store").await;
    let (name, options) = ("a".try_into().unwrap(), PutOptions::default());
    store.put(&name, &"hunter2".into(), &options).await.unwrap();
    let failing = Failing::new(ErrorKind::Unavailable).times(1, store);
    let mut config = Config::default();
    config.retry =
        RetryConfig::default().with_waits(Duration::from_millis(1), Duration::from_millis(2));
    Secrets::builder()
        .config(config)
        .provider("broken", Arc::new(failing))
        .default_provider("broken")
        .cache(CacheConfig::default())
        .build()
        .unwrap()
}

#[tokio::test]
async fn attempts_hits_and_states_are_counted_and_told() {
    let secrets = handle().await;
    for _ in 0..3 {
        secrets.get("a").await.unwrap();
    }
    secrets.get("none").await.unwrap_err();
    let stats = secrets.stats();
    let calls: Vec<_> = stats.providers[0]
        .calls
        .iter()
        .map(|call| (call.operation, call.outcome, call.count))
        .collect();
    assert_eq!(
        calls,
        [
            ("get", "not_found", 1),
            ("get", "ok", 1),
            ("get", "unavailable", 1)
        ]
    );
    assert_eq!(stats.cache.unwrap().hits, 2);
    let text = stats.prometheus();
    for line in [
        "# TYPE secrets_provider_calls_total counter",
        "secrets_provider_calls_total{provider=\"broken\",scheme=\"failing\",operation=\"get\",outcome=\"unavailable\"} 1",
        "secrets_breaker_state{provider=\"broken\",scheme=\"failing\"} 0",
        "secrets_cache_hits_total 2",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(name.starts_with("secrets_"), "{line}");
    }
    assert!(!text.contains("hunter2") && !text.contains("none"));
}

#[tokio::test]
async fn what_happens_on_the_way_is_within_the_span_of_the_call() {
    let capture = TraceCapture::new();
    let _here = capture.on_this_thread();
    let secrets = handle().await;
    secrets.get("a").await.unwrap();
    let text = capture.text();
    assert!(text.contains("secrets.call"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}
