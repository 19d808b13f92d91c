use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use proptest::prelude::*;
use secrets_core::{
    Answer, Call, Clock, Error, ErrorKind, Freshness, GetItem, GetOptions, Lease, Metadata, Origin,
    PutOptions, Reply, Request, Response, Result, Secret, SecretName, SecretValue, Version,
};
use secrets_testkit::ManualClock;
use tokio::sync::Semaphore;
use tower::{Layer, Service, ServiceExt};

use super::key::KeyRef;
use super::*;
use crate::cached_read::{CachedRead, TryCached};

/// A store of secrets as a service, that counts calls and can be made to fail, wait, hang and panic.
#[derive(Clone)]
struct Store(Arc<Inside>);

struct Inside {
    values: Mutex<BTreeMap<String, Secret>>,
    failure: Mutex<Option<ErrorKind>>,
    calls: AtomicUsize,
    /// Each call takes one; closed for calls that hang.
    gate: Semaphore,
    panics: Mutex<bool>,
}

impl Store {
    fn new() -> Self {
        let store = Self(Arc::new(Inside {
            values: Mutex::default(),
            failure: Mutex::default(),
            calls: AtomicUsize::new(0),
            gate: Semaphore::new(1_000_000),
            panics: Mutex::default(),
        }));
        store.set("a", "1");
        store
    }

    fn set(&self, name: &str, value: &str) {
        self.put(name, |secret| secret.value = value.into());
    }

    fn put(&self, name: &str, change: impl FnOnce(&mut Secret)) {
        let mut values = self.0.values.lock().unwrap();
        let metadata = Metadata::new(SecretName::new(name).unwrap());
        let secret = values
            .entry(name.to_owned())
            .or_insert_with(|| Secret::new("".into(), metadata));
        change(secret);
    }

    fn remove(&self, name: &str) {
        self.0.values.lock().unwrap().remove(name);
    }

    fn fail(&self, kind: impl Into<Option<ErrorKind>>) {
        *self.0.failure.lock().unwrap() = kind.into();
    }

    fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }

    /// Makes calls wait until they are let through.
    fn hold(&self) {
        self.0.gate.forget_permits(1_000_000);
    }

    fn release(&self) {
        self.0.gate.add_permits(1_000_000);
    }

    fn read(&self, name: &SecretName) -> Result<Secret> {
        if let Some(kind) = *self.0.failure.lock().unwrap() {
            return Err(Error::from(kind));
        }
        let values = self.0.values.lock().unwrap();
        values
            .get(name.as_str())
            .cloned()
            .ok_or_else(|| Error::not_found(name))
    }

    async fn answer(self, request: Request) -> Result<Response> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        assert!(!*self.0.panics.lock().unwrap(), "as asked");
        // What is read is what was there when the call arrived.
        let origin = Origin::fresh("store".into());
        let reply = match &request.call {
            Call::Get { name, .. } => self.read(name).map(Reply::Secret),
            Call::GetMany { items } => Ok(Reply::Secrets(
                items
                    .iter()
                    .map(|item| Ok(Answer::new(self.read(&item.name)?, origin.clone())))
                    .collect(),
            )),
            Call::Put { name, value, .. } => {
                self.put(name.as_str(), |secret| secret.value = value.clone());
                Ok(Reply::Metadata(Metadata::new(name.clone())))
            }
            Call::Delete { name, .. } => {
                self.remove(name.as_str());
                Ok(Reply::Done)
            }
            _ => Ok(Reply::Done),
        };
        self.0.gate.acquire().await.unwrap().forget();
        self.0.gate.add_permits(1);
        Ok(Response::new(reply?, origin))
    }
}

impl Service<Request> for Store {
    type Response = Response;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.clone().answer(request).boxed()
    }
}

/// A cache around a store, with a clock that stands still.
struct Setup {
    store: Store,
    clock: Arc<ManualClock>,
    layer: CacheLayer,
    service: CacheService<Store>,
}

impl Setup {
    fn new(config: CacheConfig) -> Self {
        Self::with_own(config, SecretTtls::new())
    }

    fn with_own(config: CacheConfig, own: SecretTtls) -> Self {
        let store = Store::new();
        let clock = Arc::new(ManualClock::new());
        let layer = CacheLayer::with_secret_ttls(config, clock.clone(), own).unwrap();
        let service = layer.layer(store.clone());
        Self {
            store,
            clock,
            layer,
            service,
        }
    }

    fn cache(&self) -> &Cache {
        self.layer.cache()
    }

    async fn call(&self, call: Call) -> Result<Response> {
        self.service.clone().oneshot(Request::new(call)).await
    }

    async fn get(&self, name: &str) -> Result<(String, Freshness)> {
        let response = self.call(get(name)).await?;
        let Reply::Secret(secret) = response.reply else {
            panic!("not a secret")
        };
        let value = secret.value.expose_str()?.to_owned();
        Ok((value, response.origin.freshness))
    }

    async fn value(&self, name: &str) -> String {
        self.get(name).await.unwrap().0
    }

    fn later(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Until a load that nobody waits for has been kept.
    async fn until_calls(&self, calls: usize) {
        for _ in 0..1000 {
            if self.store.calls() == calls {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(self.store.calls(), calls);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// 60 s, stale up to 600 s, nothing ahead of time.
fn config() -> CacheConfig {
    CacheConfig::default()
        .with_ttl(seconds(60))
        .with_max_stale(seconds(600))
        .with_refresh_ahead(false)
        .with_patience(Duration::from_millis(30))
}

fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

fn get(text: &str) -> Call {
    Call::Get {
        name: name(text),
        options: GetOptions::default(),
    }
}

fn put(text: &str, value: &str) -> Call {
    Call::Put {
        name: name(text),
        value: value.into(),
        options: PutOptions::default(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_readers_of_one_key_are_one_call() {
    let setup = Setup::new(config());
    for round in 1..=2 {
        setup.store.hold();
        let readers = (0..1000).map(|_| {
            let service = setup.service.clone();
            tokio::spawn(async move { service.oneshot(Request::new(get("a"))).await })
        });
        let readers: Vec<_> = readers.collect();
        while setup.cache().stats().misses < 1000 * round as u64 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        setup.store.release();
        for reader in readers {
            reader.await.unwrap().unwrap();
        }
        assert_eq!(setup.store.calls(), round);
        // Beyond all patience, so that the second round has nothing to fall back on.
        setup.later(1000);
    }
    let stats = setup.cache().stats();
    assert_eq!((stats.loads, stats.misses, stats.hits), (2, 2000, 0));
    assert_eq!(stats.coalesced, 1998);
}

#[tokio::test]
async fn an_answer_holds_for_its_time_and_says_its_age() {
    let setup = Setup::new(config());
    assert_eq!(
        setup.get("a").await.unwrap(),
        ("1".into(), Freshness::Fresh)
    );
    setup.store.set("a", "2");
    setup.later(59);
    let aged = Freshness::Cached { age: seconds(59) };
    assert_eq!(setup.get("a").await.unwrap(), ("1".into(), aged));
    setup.later(1);
    assert_eq!(
        setup.get("a").await.unwrap(),
        ("2".into(), Freshness::Fresh)
    );
    assert_eq!(setup.store.calls(), 2);
    let stats = setup.cache().stats();
    assert_eq!((stats.hits, stats.misses, stats.entries), (1, 2, 1));
    assert!((stats.hit_rate() - 1.0 / 3.0).abs() < 1e-9);
    assert!(stats.bytes > 0);
}

#[tokio::test]
async fn what_cannot_be_reached_is_stale_up_to_its_age() {
    for kind in [
        ErrorKind::Unavailable,
        ErrorKind::Timeout,
        ErrorKind::RateLimited,
    ] {
        let setup = Setup::new(config());
        setup.value("a").await;
        setup.store.fail(kind);
        setup.later(100);
        let aged = Freshness::Stale { age: seconds(100) };
        assert_eq!(
            setup.get("a").await.unwrap(),
            ("1".into(), aged),
            "{kind:?}"
        );
        setup.later(499);
        assert!(setup.get("a").await.is_ok(), "{kind:?}");
        setup.later(1);
        assert_eq!(setup.get("a").await.unwrap_err().kind(), kind);
        setup.store.fail(None);
        assert_eq!(setup.get("a").await.unwrap().1, Freshness::Fresh);
    }
}

#[tokio::test]
async fn in_an_outage_one_tries_again_behind_the_others() {
    let setup = Setup::new(config());
    setup.value("a").await;
    setup.store.hold();
    setup.later(100);
    let started = std::time::Instant::now();
    assert!(matches!(
        setup.get("a").await.unwrap().1,
        Freshness::Stale { .. }
    ));
    let first = started.elapsed();
    assert!(first >= Duration::from_millis(25), "{first:?}");
    let calls = setup.store.calls();
    let started = std::time::Instant::now();
    for _ in 0..100 {
        assert!(matches!(
            setup.get("a").await.unwrap().1,
            Freshness::Stale { .. }
        ));
    }
    assert!(started.elapsed() < Duration::from_millis(25));
    assert_eq!(setup.store.calls(), calls);
    setup.store.set("a", "2");
    setup.store.release();
    tokio::time::sleep(Duration::from_millis(20)).await;
    // What the hanging call read was the old value; it is fresh all the same.
    assert!(!matches!(
        setup.get("a").await.unwrap().1,
        Freshness::Stale { .. }
    ));
}

#[tokio::test]
async fn denied_deleted_and_disabled_are_never_answered_from_memory() {
    for kind in [
        ErrorKind::PermissionDenied,
        ErrorKind::Unauthenticated,
        ErrorKind::Deleted,
        ErrorKind::Disabled,
        ErrorKind::NotFound,
    ] {
        let setup = Setup::new(config());
        setup.value("a").await;
        setup.later(61);
        setup.store.fail(kind);
        assert_eq!(setup.get("a").await.unwrap_err().kind(), kind);
        // The outage that follows finds nothing to give.
        setup.store.fail(ErrorKind::Unavailable);
        assert_eq!(
            setup.get("a").await.unwrap_err().kind(),
            ErrorKind::Unavailable
        );
        assert_eq!(setup.cache().stats().entries, 0, "{kind:?}");
    }
}

#[tokio::test]
async fn a_write_forgets_at_once_and_beats_a_load_under_way() {
    let setup = Setup::new(config());
    setup.value("a").await;
    setup.call(put("a", "2")).await.unwrap();
    assert_eq!(setup.value("a").await, "2");

    setup.cache().clear();
    setup.store.hold();
    let early = tokio::spawn(setup.service.clone().oneshot(Request::new(get("a"))));
    tokio::time::sleep(Duration::from_millis(10)).await;
    let write = tokio::spawn(setup.service.clone().oneshot(Request::new(put("a", "3"))));
    tokio::time::sleep(Duration::from_millis(10)).await;
    setup.store.release();
    early.await.unwrap().unwrap();
    write.await.unwrap().unwrap();
    assert_eq!(setup.value("a").await, "3");

    let delete = Call::Delete {
        name: name("a"),
        options: secrets_core::DeleteOptions::default(),
    };
    setup.call(delete).await.unwrap();
    assert_eq!(
        setup.get("a").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn a_write_forgets_every_version_and_every_provider() {
    let setup = Setup::new(config());
    let version = |target: Option<&str>, version: Option<&str>| {
        let options = GetOptions::default().with_version(version.map(Version::new));
        Request::new(Call::Get {
            name: name("a"),
            options,
        })
        .with_target(target.map(Arc::from))
    };
    let reads = [
        version(None, None),
        version(Some("main"), None),
        version(Some("main"), Some("7")),
    ];
    for expected in [3, 6] {
        for _ in 0..2 {
            for read in &reads {
                setup.service.clone().oneshot(read.clone()).await.unwrap();
            }
        }
        assert_eq!(setup.store.calls(), expected);
        setup.cache().invalidate(&name("a"));
    }
}

#[tokio::test]
async fn who_waits_may_leave_and_the_load_goes_on() {
    let setup = Setup::new(config());
    setup.store.hold();
    let leader = tokio::spawn(setup.service.clone().oneshot(Request::new(get("a"))));
    tokio::time::sleep(Duration::from_millis(10)).await;
    let follower = tokio::spawn(setup.service.clone().oneshot(Request::new(get("a"))));
    tokio::time::sleep(Duration::from_millis(10)).await;
    leader.abort();
    tokio::time::sleep(Duration::from_millis(10)).await;
    setup.store.release();
    follower.await.unwrap().unwrap();
    assert_eq!(setup.store.calls(), 1);
}

#[tokio::test]
async fn a_load_that_panics_is_an_error_and_no_hang() {
    let setup = Setup::new(config());
    *setup.store.0.panics.lock().unwrap() = true;
    let error = setup.get("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    *setup.store.0.panics.lock().unwrap() = false;
    assert_eq!(setup.value("a").await, "1");
}

#[tokio::test]
async fn a_load_that_hangs_ends_by_itself() {
    let setup = Setup::new(config().with_load_timeout(Duration::from_millis(40)));
    setup.store.hold();
    let error = setup.get("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.name().map(SecretName::as_str), Some("a"));
}

#[tokio::test]
async fn a_secrets_own_end_comes_first() {
    let setup = Setup::new(config());
    let end = setup.clock.wall() + seconds(10);
    setup
        .store
        .put("a", |secret| secret.metadata.expires_at = Some(end));
    setup.store.set("b", "1");
    setup.store.put("b", |secret| {
        secret.metadata.lease = Some(Lease::new("l", seconds(20), false));
    });
    for (secret, life) in [("a", 10), ("b", 20)] {
        let before = setup.store.calls();
        setup.value(secret).await;
        setup.later(life - 1);
        setup.value(secret).await;
        assert_eq!(setup.store.calls(), before + 1, "{secret}");
        setup.later(1);
        // Past its end it is not even given in an outage.
        setup.store.fail(ErrorKind::Unavailable);
        assert!(setup.get(secret).await.is_err(), "{secret}");
        setup.store.fail(None);
        setup.store.put("b", |secret| {
            secret.metadata.lease = Some(Lease::new("l", seconds(20), false));
        });
    }
}

#[tokio::test]
async fn a_secret_may_have_a_time_of_its_own() {
    let own = SecretTtls::from([(name("a"), vec![(None, seconds(5))])]);
    let setup = Setup::with_own(config(), own);
    setup.store.set("b", "1");
    for _ in 0..2 {
        setup.value("a").await;
        setup.value("b").await;
        setup.later(5);
    }
    assert_eq!(setup.store.calls(), 3);
}

#[tokio::test]
async fn an_absence_is_remembered_only_if_asked() {
    for (ttl, calls) in [(0, 3), (5, 2)] {
        let setup = Setup::new(config().with_negative_ttl(seconds(ttl)));
        for wait in [0, 4, 1] {
            setup.later(wait);
            assert_eq!(
                setup.get("none").await.unwrap_err().kind(),
                ErrorKind::NotFound
            );
        }
        assert_eq!(setup.store.calls(), calls);
        // One's own write is seen at once.
        setup.call(put("none", "1")).await.unwrap();
        assert_eq!(setup.value("none").await, "1");
    }
}

#[tokio::test]
async fn forgetting_is_by_name_prefix_or_all() {
    let setup = Setup::new(config());
    let names = ["app/a", "app/b", "web"];
    for name in names {
        setup.store.set(name, "1");
    }
    let read_all = async |expected: usize| {
        let before = setup.store.calls();
        for name in names {
            setup.value(name).await;
        }
        assert_eq!(setup.store.calls() - before, expected);
    };
    read_all(3).await;
    setup.cache().invalidate(&name("app/a"));
    read_all(1).await;
    setup.cache().invalidate_prefix("app/");
    read_all(2).await;
    setup.cache().clear();
    assert_eq!(setup.cache().stats().entries, 0);
    read_all(3).await;
}

#[tokio::test]
async fn many_are_asked_for_only_what_is_not_there() {
    let setup = Setup::new(config());
    setup.store.set("b", "2");
    setup.value("a").await;
    let items = ["a", "b", "none", "b"].map(|text| GetItem::new(name(text), GetOptions::default()));
    let many = Call::GetMany {
        items: items.to_vec(),
    };
    for expected in [2, 3] {
        let response = setup.call(many.clone()).await.unwrap();
        let Reply::Secrets(answers) = response.reply else {
            panic!("not secrets")
        };
        let values: Vec<_> = answers
            .iter()
            .map(|answer| answer.as_ref().ok()?.secret.value.expose_str().ok())
            .collect();
        assert_eq!(values, [Some("1"), Some("2"), None, Some("2")]);
        assert_eq!(setup.store.calls(), expected);
    }
    // The rest is there by now, the absence is asked for each time.
    let stats = setup.cache().stats();
    assert_eq!((stats.misses, stats.coalesced), (1 + 3 + 1, 1));
}

#[tokio::test]
async fn many_in_an_outage_are_stale_one_by_one() {
    let setup = Setup::new(config());
    setup.value("a").await;
    setup.later(100);
    setup.store.fail(ErrorKind::Unavailable);
    let items = ["a", "none"].map(|text| GetItem::new(name(text), GetOptions::default()));
    let many = Call::GetMany {
        items: items.to_vec(),
    };
    for _ in 0..2 {
        let response = setup.call(many.clone()).await.unwrap();
        let Reply::Secrets(answers) = response.reply else {
            panic!("not secrets")
        };
        let stale = answers[0].as_ref().unwrap();
        assert!(matches!(stale.origin.freshness, Freshness::Stale { .. }));
        assert_eq!(
            answers[1].as_ref().unwrap_err().kind(),
            ErrorKind::Unavailable
        );
    }
}

#[tokio::test]
async fn what_is_read_near_its_end_is_fetched_meanwhile() {
    let setup = Setup::new(config().with_refresh_ahead(true));
    setup.value("a").await;
    setup.store.set("a", "2");
    setup.later(40);
    assert_eq!(setup.value("a").await, "1");
    assert_eq!(setup.store.calls(), 1);
    setup.later(15);
    for _ in 0..10 {
        assert_eq!(setup.value("a").await, "1");
    }
    setup.until_calls(2).await;
    assert_eq!(setup.value("a").await, "2");
    setup.later(40);
    setup.value("a").await;
    assert_eq!(setup.store.calls(), 2);
}

#[tokio::test]
async fn both_bounds_hold() {
    let setup = Setup::new(config().with_bounds(100, 1 << 20));
    for number in 0..1000 {
        let name = format!("n{number}");
        setup.store.set(&name, "value");
        setup.value(&name).await;
    }
    let stats = setup.cache().stats();
    assert!(stats.entries <= 100 && stats.evictions >= 900, "{stats:?}");

    let setup = Setup::new(config().with_bounds(1000, 100_000));
    let large = "x".repeat(10_000);
    for number in 0..100 {
        let name = format!("n{number}");
        setup.store.set(&name, &large);
        setup.value(&name).await;
    }
    let stats = setup.cache().stats();
    assert!(stats.entries < 10 && stats.bytes <= 100_000, "{stats:?}");
}

#[tokio::test]
async fn an_answer_weighs_its_texts_and_at_least_its_share() {
    let weight = async |max_entries, name: &str, value: &str| {
        let setup = Setup::new(config().with_bounds(max_entries, 1 << 20));
        setup.store.set(name, value);
        setup.value(name).await;
        setup.cache().stats().bytes
    };
    let (name, value) = ("n".repeat(101), "v".repeat(3000));
    let least = weight(10_000, "n", "").await;
    assert!(least > 1, "an entry takes room itself");
    assert_eq!(weight(10_000, &name, "").await, least + 100);
    assert_eq!(weight(10_000, "n", &value).await, least + 3000);
    assert_eq!(weight(10_000, &name, &value).await, least + 3100);
    assert_eq!(weight(16, &name, &value).await, (1 << 20) / 16);
}

#[tokio::test]
async fn an_immutable_version_is_kept_longer() {
    let setup = Setup::new(config());
    let read = Call::Get {
        name: name("a"),
        options: GetOptions::default().with_version(Version::new("7")),
    };
    setup.call(read.clone()).await.unwrap();
    setup.later(3599);
    setup.call(read.clone()).await.unwrap();
    assert_eq!(setup.store.calls(), 1);
    setup.later(1);
    setup.call(read).await.unwrap();
    assert_eq!(setup.store.calls(), 2);
}

#[test]
fn what_contradicts_itself_is_refused() {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new());
    let plain = CacheConfig::default;
    for (config, said) in [
        (
            plain().with_ttl(Duration::ZERO).with_refresh_ahead(true),
            "`ttl` of 0",
        ),
        (plain().with_max_stale(seconds(1)), "less than `ttl`"),
        (plain().with_negative_ttl(seconds(6)), "5 seconds"),
        (plain().with_bounds(0, 1), "hold nothing"),
    ] {
        let error = CacheLayer::new(config, clock.clone()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().contains(said), "{error}");
        assert!(error.hint().is_some());
    }
    for config in [
        plain().with_ttl(Duration::ZERO),
        plain().with_ttl(seconds(60)).with_max_stale(seconds(60)),
        plain().with_negative_ttl(seconds(5)),
    ] {
        CacheLayer::new(config, clock.clone()).unwrap();
    }
}

/// Answers every read with what it was asked for, and by whom.
fn echo(
    scope: String,
) -> impl Service<Request, Response = Response, Error = Error, Future: Send> + Clone + Send + Sync {
    tower::service_fn(move |request: Request| {
        let Call::Get { name, options } = &request.call else {
            panic!("not a get")
        };
        let text = format!("{scope} {:?} {name} {:?}", request.target, options.version);
        let secret = Secret::new(text.into(), Metadata::new(name.clone()));
        let response = Response::new(Reply::Secret(secret), Origin::fresh("echo".into()));
        std::future::ready(Ok::<_, Error>(response))
    })
}

proptest! {
    #[test]
    fn nothing_crosses_from_one_key_to_another(
        reads in prop::collection::vec((0..3usize, 0..3usize, 0..3usize, 0..4usize, 0..3usize), 1..40)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        // Joined in other ways they would be equal: the parts of a key must not run into each other.
        let words = ["", "a", "ab"];
        let names = ["a", "ab", "b", "a/b"];
        let layer = CacheLayer::new(config(), Arc::new(ManualClock::new())).unwrap();
        runtime.block_on(async {
            for (identity, namespace, target, text, version) in reads {
                let scope = format!("{:?}/{:?}", words[identity], words[namespace]);
                let service = layer.scoped(words[identity], words[namespace]).layer(echo(scope.clone()));
                let target: Option<Arc<str>> = (target > 0).then(|| words[target].into());
                let version = (version > 0).then(|| Version::new(words[version]));
                let call = Call::Get {
                    name: name(names[text]),
                    options: GetOptions::default().with_version(version.clone()),
                };
                let expected = format!("{scope} {target:?} {} {version:?}", names[text]);
                let response = service.oneshot(Request::new(call).with_target(target)).await.unwrap();
                let Reply::Secret(secret) = response.reply else { panic!("not a secret") };
                prop_assert_eq!(&secret.value, &SecretValue::from(expected.as_str()));
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn nobody_is_left_waiting_after_any_cancellation() {
    let setup = Setup::new(config());
    for round in 0..200 {
        setup.cache().clear();
        setup.store.hold();
        let readers: Vec<_> = (0..4)
            .map(|_| tokio::spawn(setup.service.clone().oneshot(Request::new(get("a")))))
            .collect();
        for _ in 0..fastrand::usize(..4) {
            tokio::task::yield_now().await;
        }
        readers[round % 4].abort();
        if round % 3 == 0 {
            setup.cache().invalidate(&name("a"));
        }
        setup.store.release();
        let ends = tokio::time::timeout(seconds(5), join_all(readers))
            .await
            .unwrap();
        for (number, end) in ends.into_iter().enumerate() {
            match end {
                Ok(outcome) => drop(outcome.unwrap()),
                Err(_) => assert_eq!(number, round % 4),
            }
        }
    }
}

fn key_of<'k>(scope: &'k Arc<super::key::Scope>, name: &'k SecretName) -> KeyRef<'k> {
    KeyRef {
        scope,
        target: None,
        name,
        version: None,
    }
}

#[test]
fn bytes_are_those_of_all_texts() {
    let mut metadata = Metadata::new(name("a"));
    metadata.version = Some(Version::new("v-12"));
    metadata.lease = Some(Lease::new("lease", seconds(60), false));
    metadata.tags.insert("team".into(), "payments".into());
    metadata.tags.insert("x".into(), "".into());
    let answer = |metadata| {
        let secret = Secret::new("12345".into(), metadata);
        Ok(Answer::new(secret, Origin::fresh("store".into())))
    };
    let wall = std::time::SystemTime::UNIX_EPOCH;
    let bytes = |answer| {
        super::entry::Entry::new(
            answer,
            seconds(0),
            wall,
            seconds(1),
            &config(),
            Default::default(),
        )
        .bytes()
    };
    assert_eq!(bytes(answer(Metadata::new(name("a")))), 5);
    assert_eq!(bytes(answer(metadata)), 5 + (4 + 8 + 64) + (1 + 64) + 5 + 4);
    assert_eq!(bytes(Err(Error::from(ErrorKind::NotFound))), 0);
    let (scope, secret) = (Arc::default(), name("abc"));
    let mut key = key_of(&scope, &secret).owned();
    assert_eq!(key.bytes(), 3);
    key.version = Some(Version::new("12"));
    assert_eq!(key.bytes(), 5);
}

#[test]
fn an_answer_is_stale_from_the_end_of_its_time_on() {
    let secret = Secret::new("1".into(), Metadata::new(name("a")));
    let answer = Ok(Answer::new(secret, Origin::fresh("store".into())));
    let wall = std::time::SystemTime::UNIX_EPOCH;
    let entry = super::entry::Entry::new(
        answer,
        seconds(100),
        wall,
        seconds(60),
        &config(),
        Default::default(),
    );
    let freshness = |now| entry.answer(seconds(now)).unwrap().origin.freshness;
    assert_eq!(freshness(159), Freshness::Cached { age: seconds(59) });
    assert_eq!(freshness(160), Freshness::Stale { age: seconds(60) });
}

#[tokio::test]
async fn in_an_outage_one_read_a_second_tries_again() {
    let setup = Setup::new(config());
    setup.value("a").await;
    setup.later(61);
    setup.store.fail(ErrorKind::Unavailable);
    setup.value("a").await;
    assert_eq!(setup.store.calls(), 2);
    let settle = async || tokio::time::sleep(Duration::from_millis(10)).await;
    for (milliseconds, calls) in [(0, 2), (999, 2), (1, 3), (999, 3), (1, 4), (5000, 5)] {
        setup.clock.advance(Duration::from_millis(milliseconds));
        for _ in 0..20 {
            setup.value("a").await;
        }
        settle().await;
        assert_eq!(setup.store.calls(), calls, "after {milliseconds}");
    }
    // Of many, too.
    let many = Call::GetMany {
        items: vec![GetItem::new(name("a"), GetOptions::default()); 3],
    };
    for (milliseconds, calls) in [(0, 5), (1000, 6), (999, 6)] {
        setup.clock.advance(Duration::from_millis(milliseconds));
        setup.call(many.clone()).await.unwrap();
        settle().await;
        assert_eq!(setup.store.calls(), calls, "after {milliseconds}");
    }
    // What is back is fresh at the second look.
    setup.store.fail(None);
    setup.later(1);
    setup.call(many.clone()).await.unwrap();
    settle().await;
    assert!(matches!(
        setup.get("a").await.unwrap().1,
        Freshness::Cached { .. }
    ));
}

#[tokio::test]
async fn of_many_in_an_outage_only_the_first_time_is_waited_for() {
    let setup = Setup::new(config().with_patience(Duration::from_millis(100)));
    setup.value("a").await;
    setup.later(61);
    setup.store.hold();
    let many = || {
        setup.call(Call::GetMany {
            items: vec![GetItem::new(name("a"), GetOptions::default())],
        })
    };
    let mut took = Vec::new();
    for _ in 0..2 {
        let started = std::time::Instant::now();
        many().await.unwrap();
        took.push(started.elapsed());
    }
    setup.store.release();
    assert!(took[0] >= Duration::from_millis(90), "{took:?}");
    assert!(took[1] < Duration::from_millis(90), "{took:?}");
}

#[tokio::test]
async fn what_can_be_given_at_once_is_seen_without_a_call() {
    let setup = Setup::new(
        config()
            .with_refresh_ahead(true)
            .with_negative_ttl(seconds(5)),
    );
    let service = setup.layer.layer(setup.store.clone());
    let glance = |text: &str| {
        let name = name(text);
        service.try_cached(CachedRead {
            target: None,
            name: &name,
            version: None,
            reason: None,
        })
    };
    assert!(glance("a").is_none());
    setup.value("a").await;
    setup.later(3);
    let kept = glance("a").unwrap();
    let reported = kept.to_answer().unwrap();
    assert_eq!(reported.secret.value.expose_str().unwrap(), "1");
    assert_eq!(
        reported.origin.freshness,
        Freshness::Cached { age: seconds(3) }
    );
    assert_eq!(kept.answer().unwrap().secret, reported.secret);
    assert_eq!(kept.at(), setup.clock.monotonic());
    assert_eq!(kept.into_value().unwrap(), reported.secret.value);
    assert!(glance("b").is_none());
    // Whoever looks counts it, once nobody on the way objects.
    assert_eq!(setup.cache().stats().hits, 0);
    setup.cache().count_hit();
    assert_eq!(setup.cache().stats().hits, 1);
    // Past nine tenths somebody has to fetch it again.
    setup.later(52);
    assert!(glance("a").is_none());
    setup.later(5);
    assert!(glance("a").is_none());
    assert_eq!(setup.store.calls(), 1);
    setup.value("a").await;
    assert!(glance("a").is_some());
    setup.cache().invalidate(&name("a"));
    assert!(glance("a").is_none());
    // An absence that is remembered is no answer.
    setup.store.remove("c");
    setup.get("c").await.unwrap_err();
    assert!(glance("c").is_none_or(|kept| kept.answer().is_none()));
}

#[tokio::test]
async fn nothing_is_given_at_once_from_the_end_of_its_time_on() {
    let setup = Setup::new(config());
    setup.value("a").await;
    let (scope, secret) = (Arc::default(), name("a"));
    setup.later(59);
    assert!(setup.cache().try_cached(key_of(&scope, &secret)).is_some());
    setup.later(1);
    assert!(setup.cache().try_cached(key_of(&scope, &secret)).is_none());
}

#[tokio::test]
async fn equal_scopes_are_one_and_parts_of_them_are_not() {
    let layer = CacheLayer::new(config(), Arc::new(ManualClock::new())).unwrap();
    let store = Store::new();
    for ((identity, namespace), calls) in [
        (("i", "n"), 1),
        (("i", "n"), 1),
        (("i", "m"), 2),
        (("j", "n"), 3),
        (("i", "n"), 3),
    ] {
        let service = layer.scoped(identity, namespace).layer(store.clone());
        service.oneshot(Request::new(get("a"))).await.unwrap();
        assert_eq!(store.calls(), calls);
    }
}

#[tokio::test]
async fn to_forget_one_secret_does_not_give_up_the_load_of_another() {
    let setup = Setup::new(config());
    setup.store.hold();
    let read = tokio::spawn(setup.service.clone().oneshot(Request::new(get("a"))));
    tokio::time::sleep(Duration::from_millis(10)).await;
    setup.cache().invalidate(&name("b"));
    setup.cache().invalidate_prefix("b");
    setup.store.release();
    read.await.unwrap().unwrap();
    setup.value("a").await;
    assert_eq!(setup.store.calls(), 1);
}

#[test]
fn who_leaves_is_not_remembered() {
    struct Flag;
    impl std::task::Wake for Flag {
        fn wake(self: Arc<Self>) {}
    }
    let flights = super::flight::Flights::new();
    let (mut stays, leader) = flights.join("a", 0);
    let (mut leaves, _) = flights.join("a", 0);
    let flags = [Arc::new(Flag), Arc::new(Flag)];
    for (waiter, flag) in [&mut stays, &mut leaves].into_iter().zip(&flags) {
        let waker = flag.clone().into();
        for _ in 0..3 {
            let polled = waiter.poll_unpin(&mut std::task::Context::from_waker(&waker));
            assert!(polled.is_pending());
        }
        drop(waker);
        assert_eq!(Arc::strong_count(flag), 2);
    }
    drop(leaves);
    let counts = flags.each_ref().map(Arc::strong_count);
    assert_eq!(counts, [2, 1]);
    drop(leader);
}

#[test]
fn a_load_that_lands_after_another_was_not_needed() {
    // Another load lands between a look-up and the beginning of a load.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let setup = Setup::new(config());
        setup.value("a").await;
        let scope = Arc::default();
        let secret = name("a");
        let (waiter, flight) = setup.cache().join(key_of(&scope, &secret));
        assert!(flight.is_none());
        assert!(waiter.await.is_ok());
        setup.later(60);
        let (_, flight) = setup.cache().join(key_of(&scope, &secret));
        assert!(flight.is_some());
    });
}

#[tokio::test]
async fn what_nobody_may_be_given_any_more_is_dropped_now_and_then() {
    let setup = Setup::new(config());
    for text in ["a", "b", "c"] {
        setup.store.set(text, "1");
        setup.value(text).await;
    }
    let entries = || setup.cache().stats().entries;
    // Too old for anything, they stay until somebody loads, which looks for them every five minutes.
    setup.later(300);
    setup.value("b").await;
    setup.later(299);
    setup.store.set("d", "1");
    setup.value("d").await;
    assert_eq!(entries(), 4);
    setup.later(1);
    setup.store.set("e", "1");
    setup.value("e").await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    // Only those that are ten minutes old: `b` was loaded again.
    assert_eq!(entries(), 3);
}

#[tokio::test]
async fn not_every_load_looks_at_all_that_is_kept() {
    let setup = Setup::new(config());
    // Of those at the beginning, after 10 and after 600 seconds, the last looks for what is too old, and the next does not.
    for (wait, text, entries) in [
        (0, "a", 1),
        (10, "b", 2),
        (590, "c", 2),
        (100, "d", 3),
        (200, "e", 3),
    ] {
        setup.store.set(text, "1");
        setup.later(wait);
        setup.value(text).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(setup.cache().stats().entries, entries, "{text}");
    }
}

#[tokio::test]
async fn what_is_forgotten_takes_no_room() {
    let setup = Setup::new(config());
    setup.value("a").await;
    assert_eq!(setup.cache().stats().entries, 1);
    setup.cache().invalidate(&name("b"));
    assert_eq!(setup.cache().stats().entries, 1);
    setup.cache().invalidate(&name("a"));
    assert_eq!(setup.cache().stats().entries, 0);
    let text = format!("{:?}", setup.cache());
    assert!(
        text.contains("loads: 1") && text.contains("ttl: 60s"),
        "{text}"
    );
}

#[tokio::test]
async fn a_time_of_its_own_may_be_that_of_one_provider() {
    let own = SecretTtls::from([(name("a"), vec![(Some("main".into()), seconds(5))])]);
    let setup = Setup::with_own(config(), own);
    for (target, calls) in [(Some("main"), 2), (Some("other"), 3), (None, 4)] {
        for _ in 0..2 {
            let request = Request::new(get("a")).with_target(target.map(Arc::from));
            setup.service.clone().oneshot(request).await.unwrap();
            setup.later(5);
        }
        assert_eq!(setup.store.calls(), calls, "{target:?}");
    }
}

#[tokio::test]
async fn no_other_error_is_remembered_as_an_absence() {
    for (kind, calls) in [
        (ErrorKind::NotFound, 1),
        (ErrorKind::PermissionDenied, 2),
        (ErrorKind::Unavailable, 2),
    ] {
        let setup = Setup::new(config().with_negative_ttl(seconds(5)));
        setup.store.fail(kind);
        for _ in 0..2 {
            assert_eq!(setup.get("a").await.unwrap_err().kind(), kind);
        }
        assert_eq!(setup.store.calls(), calls, "{kind:?}");
    }
}

#[tokio::test]
async fn what_is_past_its_own_end_already_is_not_kept() {
    let setup = Setup::new(config());
    let end = setup.clock.wall();
    setup
        .store
        .put("a", |secret| secret.metadata.expires_at = Some(end));
    // The first load drops what is too old, and the second does not.
    setup.store.set("b", "1");
    setup.value("b").await;
    setup.value("a").await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(setup.cache().stats().entries, 1);
}

#[tokio::test]
async fn what_is_not_near_its_end_is_not_fetched_again() {
    let setup = Setup::new(config().with_refresh_ahead(true));
    setup.value("a").await;
    for _ in 0..20 {
        setup.later(2);
        setup.value("a").await;
        setup
            .call(Call::GetMany {
                items: vec![GetItem::new(name("a"), GetOptions::default())],
            })
            .await
            .unwrap();
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(setup.store.calls(), 1);
}

#[tokio::test]
async fn a_refresh_that_fails_is_tried_again_once_a_second() {
    let setup = Setup::new(config().with_refresh_ahead(true));
    setup.value("a").await;
    setup.store.fail(ErrorKind::Unavailable);
    setup.later(54);
    for calls in 2..5 {
        for _ in 0..10 {
            setup.value("a").await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(setup.store.calls(), calls);
        setup.clock.advance(Duration::from_secs(1));
    }
    // Past its time nobody waits, since it is known that the provider fails.
    setup.store.hold();
    setup.later(10);
    let started = std::time::Instant::now();
    assert!(matches!(
        setup.get("a").await.unwrap().1,
        Freshness::Stale { .. }
    ));
    assert!(started.elapsed() < Duration::from_millis(25));
    setup.store.release();
}

/// Reads and says how long that took.
async fn timed(setup: &Setup, name: &str) -> (Freshness, Duration) {
    let started = std::time::Instant::now();
    let (_, freshness) = setup.get(name).await.unwrap();
    (freshness, started.elapsed())
}

const PATIENCE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn once_a_provider_is_known_to_fail_nobody_waits_for_it() {
    let setup = Setup::new(config().with_patience(PATIENCE));
    for name in ["a", "b", "c", "d"] {
        setup.store.set(name, "1");
        setup.value(name).await;
    }
    setup.later(100);
    setup.store.hold();
    let (freshness, took) = timed(&setup, "a").await;
    assert!(took >= PATIENCE - Duration::from_millis(10), "{took:?}");
    assert!(matches!(freshness, Freshness::Stale { .. }));
    // Of another secret, whose own load nobody has begun yet.
    let calls = setup.store.calls();
    let (freshness, took) = timed(&setup, "b").await;
    assert!(took < PATIENCE / 2, "{took:?}");
    assert!(matches!(freshness, Freshness::Stale { .. }));
    setup.until_calls(calls + 1).await;
    // What is known is too old half a minute later.
    setup.later(30);
    let (freshness, took) = timed(&setup, "c").await;
    assert!(took >= PATIENCE - Duration::from_millis(10), "{took:?}");
    assert!(matches!(freshness, Freshness::Stale { .. }));
    // It answers again, so that the next reader waits for what is new.
    setup.store.release();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(timed(&setup, "d").await.0, Freshness::Fresh);
}

/// One secret may fail while others of its provider are answered.
#[tokio::test]
async fn nobody_waits_for_a_secret_whose_last_load_failed() {
    let setup = Setup::new(config().with_patience(PATIENCE));
    for name in ["a", "b"] {
        setup.store.set(name, "1");
        setup.value(name).await;
    }
    setup.later(100);
    setup.store.fail(ErrorKind::Unavailable);
    setup.value("a").await;
    setup.store.fail(None);
    // It is loaded behind the back of who reads it, and so the provider is known to answer again.
    setup.value("b").await;
    setup.until_calls(4).await;
    setup.store.hold();
    let (freshness, took) = timed(&setup, "a").await;
    assert!(took < PATIENCE / 2, "{took:?}");
    assert!(matches!(freshness, Freshness::Stale { .. }));
    setup.store.release();
}

#[tokio::test]
async fn an_answer_of_any_other_kind_is_no_outage() {
    for kind in [ErrorKind::PermissionDenied, ErrorKind::NotFound] {
        let setup = Setup::new(config());
        for name in ["a", "b"] {
            setup.store.set(name, "1");
            setup.value(name).await;
        }
        setup.later(100);
        setup.store.fail(kind);
        setup.get("a").await.unwrap_err();
        setup.store.fail(None);
        assert_eq!(timed(&setup, "b").await.0, Freshness::Fresh);
    }
}

#[tokio::test]
async fn who_has_a_stale_answer_waits_for_one_attempt_and_not_for_its_repetitions() {
    let layer = |clock: &Arc<ManualClock>| {
        let config = config().with_patience(Duration::from_secs(60));
        CacheLayer::new(config, clock.clone()).unwrap()
    };
    for (kind, is_enough) in [
        (ErrorKind::RateLimited, true),
        (ErrorKind::Unavailable, true),
        (ErrorKind::Conflict, false),
    ] {
        let clock = Arc::new(ManualClock::new());
        let store = Store::new();
        let is_down = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (down, healthy) = (is_down.clone(), store.clone());
        let service = layer(&clock).layer(tower::service_fn(move |request: Request| {
            let (is_down, healthy) = (down.load(Ordering::SeqCst), healthy.clone());
            async move {
                if is_down {
                    request.report_retry(&Error::from(kind));
                    std::future::pending::<()>().await;
                }
                healthy.oneshot(request).await
            }
        }));
        let read = || service.clone().oneshot(Request::new(get("a")));
        read().await.unwrap();
        is_down.store(true, Ordering::SeqCst);
        clock.advance(seconds(100));
        let answer = tokio::time::timeout(Duration::from_millis(200), read()).await;
        let Ok(answer) = answer else {
            assert!(!is_enough, "{kind:?}");
            continue;
        };
        assert!(is_enough, "{kind:?}");
        let freshness = answer.unwrap().origin.freshness;
        assert_eq!(freshness, Freshness::Stale { age: seconds(100) });
    }
}

#[tokio::test]
async fn a_load_that_waits_for_nothing_is_done_at_once() {
    let setup = Setup::new(config());
    let mut service = setup.service.clone();
    let response = service.call(Request::new(get("a"))).now_or_never();
    assert!(matches!(
        response.unwrap().unwrap().origin.freshness,
        Freshness::Fresh
    ));
    assert_eq!(setup.store.calls(), 1);
}

#[test]
fn threads_are_in_groups_in_turn() {
    use super::threads::{GROUPS, group};

    let groups: Vec<_> = (0..4 * GROUPS)
        .map(|_| std::thread::spawn(|| (group(), group())))
        .map(|thread| thread.join().unwrap())
        .collect();
    let mut sizes = [0; GROUPS];
    for (first, second) in groups {
        assert_eq!(first, second, "a thread stays in its group");
        sizes[first] += 1;
    }
    // Threads of other tests may come between.
    let busy = sizes.iter().filter(|size| **size > 0).count();
    assert!(busy > GROUPS / 2, "{sizes:?}");
}

/// Equal keys are found in one place, and others mostly not.
#[test]
fn a_key_has_its_place_by_all_of_its_parts() {
    use std::hash::{BuildHasher, RandomState};

    use super::key::Scope;

    let (plain, other) = (
        Arc::new(Scope::default()),
        Arc::new(Scope::new("ann", "team")),
    );
    let (name, second, version) = (name("a"), name("b"), Version::new("7"));
    let first = key_of(&plain, &name);
    let keys = [
        first,
        KeyRef {
            scope: &other,
            ..first
        },
        KeyRef {
            target: Some("main"),
            ..first
        },
        KeyRef {
            name: &second,
            ..first
        },
        KeyRef {
            version: Some(&version),
            ..first
        },
    ];
    let random = RandomState::new();
    let places: Vec<_> = keys.iter().map(|key| random.hash_one(key)).collect();
    for (key, place) in keys.iter().zip(&places) {
        assert_eq!(random.hash_one(key.owned()), *place);
        assert_eq!(places.iter().filter(|other| *other == place).count(), 1);
    }
    let again = Arc::new(Scope::new("ann", "team"));
    let equal = KeyRef {
        scope: &again,
        ..first
    };
    assert_eq!(random.hash_one(equal), places[1]);
}
