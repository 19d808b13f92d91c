//! The layers of the stacks: how often a provider is asked, how long a caller waits, and other people's layers.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]
#![cfg(feature = "memory")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use polysecrets::{
    Config, ErrorKind, PutMode, PutOptions, Request, Response, RetryConfig, SecretRef, Secrets,
    TimeoutConfig,
};
use support::{Failing, memory};
use tower::{Service, ServiceBuilder};

fn quick(attempts: u32) -> Config {
    let mut config = Config::default();
    config.retry = RetryConfig::default()
        .with_max_attempts(attempts)
        .with_waits(Duration::from_millis(1), Duration::from_millis(5));
    config
}

fn with(provider: &Arc<Failing>, config: Config) -> Secrets {
    Secrets::builder()
        .config(config)
        .provider("broken", provider.clone())
        .default_provider("broken")
        .build()
        .unwrap()
}

#[tokio::test]
async fn attempts_equal_the_configured_maximum() {
    for kind in [
        ErrorKind::RateLimited,
        ErrorKind::Unavailable,
        ErrorKind::Timeout,
    ] {
        for attempts in [1, 2, 5] {
            let provider = Arc::new(Failing::new(kind));
            let error = with(&provider, quick(attempts)).get("a").await.unwrap_err();
            assert_eq!((error.kind(), provider.gets()), (kind, attempts as usize));
        }
    }
}

#[tokio::test]
async fn what_a_repetition_cannot_mend_is_asked_once() {
    for kind in [
        ErrorKind::NotFound,
        ErrorKind::PermissionDenied,
        ErrorKind::Unauthenticated,
        ErrorKind::Conflict,
    ] {
        let provider = Arc::new(Failing::new(kind));
        with(&provider, quick(5)).get("a").await.unwrap_err();
        assert_eq!(provider.gets(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn a_failure_that_passes_is_not_seen() {
    let store = memory("store").await;
    store
        .put(
            &"a".try_into().unwrap(),
            &"1".into(),
            &PutOptions::default(),
        )
        .await
        .unwrap();
    let provider = Arc::new(Failing::new(ErrorKind::Unavailable).times(2, store));
    let value = with(&provider, quick(3)).get("a").await.unwrap();
    assert_eq!(value.expose_str().unwrap(), "1");
    assert_eq!(provider.gets(), 3);
}

#[tokio::test]
async fn a_write_that_may_have_happened_is_not_repeated() {
    for options in [
        PutOptions::default(),
        PutOptions::default().with_mode(PutMode::Create),
        PutOptions::default().with_idempotency_token("token".to_owned()),
    ] {
        let provider = Arc::new(Failing::new(ErrorKind::Unavailable));
        with(&provider, quick(5))
            .put_with("a", "1".into(), options)
            .await
            .unwrap_err();
        assert_eq!(provider.puts(), 1);
    }
}

#[tokio::test]
async fn of_a_batch_only_the_failed_part_is_asked_again() {
    let store = memory("store").await;
    let names: Vec<String> = (0..20).map(|number| format!("n{number}")).collect();
    for name in &names {
        let value = name.as_str().into();
        store
            .put(
                &name.as_str().try_into().unwrap(),
                &value,
                &PutOptions::default(),
            )
            .await
            .unwrap();
    }
    let provider = Arc::new(Failing::new(ErrorKind::RateLimited).times(5, store));
    let references: Vec<SecretRef> = names.iter().map(|name| name.parse().unwrap()).collect();
    let answers = with(&provider, quick(4)).get_many(&references).await;
    for (name, answer) in names.iter().zip(answers) {
        assert_eq!(answer.unwrap().secret.value.expose_str().unwrap(), name);
    }
    assert_eq!(provider.gets(), 25);
}

#[tokio::test]
async fn a_provider_is_left_alone_as_long_as_it_asks() {
    let wait = Duration::from_millis(80);
    let provider = Arc::new(Failing::new(ErrorKind::RateLimited).asking_for(wait));
    let started = Instant::now();
    with(&provider, quick(2)).get("a").await.unwrap_err();
    let took = started.elapsed();
    assert_eq!(provider.gets(), 2);
    assert!(took >= wait && took < wait * 10, "{took:?}");
}

#[tokio::test]
async fn a_wait_beyond_the_deadline_is_not_begun() {
    let provider =
        Arc::new(Failing::new(ErrorKind::RateLimited).asking_for(Duration::from_secs(60)));
    let mut config = quick(5);
    config.timeouts = TimeoutConfig::default().with_deadline(Duration::from_secs(2));
    let started = Instant::now();
    let error = with(&provider, config).get("a").await.unwrap_err();
    assert_eq!((error.kind(), provider.gets()), (ErrorKind::RateLimited, 1));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
    assert!(started.elapsed() < Duration::from_secs(1));
}

/// Somebody else's layer: it counts.
#[derive(Clone)]
struct Counting<S> {
    inner: S,
    calls: Arc<AtomicUsize>,
}

impl<S: Service<Request, Response = Response>> Service<Request> for Counting<S> {
    type Response = Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> S::Future {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.inner.call(request)
    }
}

#[tokio::test]
async fn other_peoples_layers_compose() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let provider = Arc::new(Failing::new(ErrorKind::Unavailable).times(1, memory("store").await));
    let secrets = Secrets::builder()
        .config(quick(3))
        .provider("broken", provider)
        .default_provider("broken")
        .inner_layer(tower::layer::layer_fn(move |inner| Counting {
            inner,
            calls: count.clone(),
        }))
        .outer_layer(
            ServiceBuilder::new()
                .layer(tower::load_shed::LoadShedLayer::new())
                .layer(tower::timeout::TimeoutLayer::new(Duration::from_secs(5)))
                .into_inner(),
        )
        .build()
        .unwrap();
    assert_eq!(
        secrets.get("a").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn towers_timeout_is_our_timeout() {
    let secrets = Secrets::builder()
        .provider(
            "hanging",
            Arc::new(Failing::new(ErrorKind::RateLimited).asking_for(Duration::from_secs(5))),
        )
        .default_provider("hanging")
        .outer_layer(tower::timeout::TimeoutLayer::new(Duration::from_millis(30)))
        .build()
        .unwrap();
    assert_eq!(
        secrets.get("a").await.unwrap_err().kind(),
        ErrorKind::Timeout
    );
}
