use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrets_core::{
    Answer, Call, Clock, DeleteOptions, Error, ErrorKind, GetItem, GetOptions, Metadata, Origin,
    PutOptions, Reply, Request, Response, Result, Secret, SecretName,
};
use shuttle::future::spawn;
use shuttle::rand::{Rng, thread_rng};
use tower::{Layer, Service, ServiceExt};

use super::store::SecretTtls;
use super::{CacheConfig, CacheLayer, CacheService, ENDLESS, doomed, moments};

/// Runs random schedules, and some that search for rare ones with a few specific preemptions.
fn schedules(model: impl Fn() + Send + Sync + 'static) {
    let count = if crate::deep() { 10_000 } else { 200 };
    let model = Arc::new(model);
    let other = model.clone();
    shuttle::check_random(move || model(), count - count / 4);
    shuttle::check_pct(move || other(), count / 4, 3);
}

fn whole(model: impl Future<Output = ()>) {
    shuttle::future::block_on(async {
        model.await;
        doomed::settled().await;
    });
}

#[derive(Debug, Default)]
struct Hands(Mutex<Duration>);

impl Hands {
    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for Hands {
    fn monotonic(&self) -> Duration {
        *self.0.lock().unwrap() + Duration::from_secs(3600)
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.monotonic()
    }
}

/// A provider of numbered values that yields before and after it reads or writes.
#[derive(Clone, Default)]
struct Provider(Arc<Inside>);

#[derive(Default)]
struct Inside {
    value: AtomicU64,
    calls: AtomicUsize,
    /// The percentage of reads that fail.
    failing: AtomicUsize,
    denies: AtomicBool,
}

impl Provider {
    fn read(&self, name: &SecretName) -> Result<Secret> {
        if self.0.denies.load(SeqCst) {
            return Err(Error::of(ErrorKind::PermissionDenied));
        }
        if thread_rng().gen_range(0..100) < self.0.failing.load(SeqCst) {
            return Err(Error::of(ErrorKind::Unavailable));
        }
        let text = format!("{name} {}", self.0.value.load(SeqCst));
        Ok(Secret::new(
            text.as_str().into(),
            Metadata::new(name.clone()),
        ))
    }

    async fn answer(self, request: Request) -> Result<Response> {
        self.0.calls.fetch_add(1, SeqCst);
        moments(2).await;
        let origin = Origin::fresh("provider".into());
        let reply = match &request.call {
            Call::Get { name, .. } => self.read(name).map(Reply::Secret),
            Call::GetMany { items } => Ok(Reply::Secrets(
                items
                    .iter()
                    .map(|item| Ok(Answer::new(self.read(&item.name)?, origin.clone())))
                    .collect(),
            )),
            Call::Put { value, .. } => {
                let number = value.expose_str()?.parse().unwrap();
                self.0.value.fetch_max(number, SeqCst);
                Ok(Reply::Done)
            }
            _ => Ok(Reply::Done),
        };
        moments(2).await;
        Ok(Response::new(reply?, origin))
    }
}

impl Service<Request> for Provider {
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

#[derive(Clone)]
struct World {
    provider: Provider,
    clock: Arc<Hands>,
    layer: CacheLayer,
    service: CacheService<Provider>,
    /// The newest value whose write has completed.
    written: Arc<AtomicU64>,
    /// The percentage of work that is dropped.
    doom: u32,
}

impl World {
    fn new(config: CacheConfig, doom: u32) -> Self {
        doomed::set(doom);
        let provider = Provider::default();
        let clock = Arc::new(Hands::default());
        let layer = CacheLayer::with_secret_ttls(config, clock.clone(), SecretTtls::new()).unwrap();
        let service = layer.layer(provider.clone());
        Self {
            provider,
            clock,
            layer,
            service,
            written: Arc::default(),
            doom,
        }
    }

    async fn call(&self, call: Call) -> Option<Result<Response>> {
        let called = self.service.clone().oneshot(Request::new(call));
        doomed::sometimes(called).await
    }

    /// Reads, and checks that this reader may get the value.
    async fn read(&self, name: &'static str) -> Option<Result<u64>> {
        let least = self.written.load(SeqCst);
        let response = match self.call(get(name)).await? {
            Ok(response) => response,
            Err(error) => return Some(Err(error)),
        };
        let Reply::Secret(secret) = response.reply else {
            panic!("not a secret")
        };
        Some(Ok(self.check(name, &secret, least)))
    }

    async fn read_many(&self, names: &'static [&'static str]) {
        let least = self.written.load(SeqCst);
        let item = |text: &&str| GetItem::new(secret_name(text), GetOptions::default());
        let items = names.iter().map(item).collect();
        let Some(response) = self.call(Call::GetMany { items }).await else {
            return;
        };
        let Reply::Secrets(answers) = response.unwrap().reply else {
            panic!("not secrets")
        };
        assert_eq!(answers.len(), names.len());
        for (name, answer) in names.iter().zip(answers) {
            match answer {
                Ok(answer) => drop(self.check(name, &answer.secret, least)),
                Err(error) => self.check_error(&error),
            }
        }
    }

    /// `least` is the newest completed write when the reader started; writers write `a`.
    fn check(&self, name: &str, secret: &Secret, least: u64) -> u64 {
        let least = if name == "a" { least } else { 0 };
        let text = secret.value.expose_str().unwrap();
        let (of, number) = text.split_once(' ').unwrap();
        assert_eq!(of, name, "the value of another secret");
        let number = number.parse().unwrap();
        let most = self.provider.0.value.load(SeqCst);
        assert!(
            (least..=most).contains(&number),
            "{number} after {least} was written"
        );
        number
    }

    /// Accepts errors only if the provider fails or loads are dropped.
    fn check_error(&self, error: &Error) {
        let failing = self.provider.0.failing.load(SeqCst) > 0;
        let may_fail = failing || self.doom > 0;
        let expected = [ErrorKind::Unavailable, ErrorKind::Timeout];
        assert!(may_fail && expected.contains(&error.kind()), "{error}");
    }

    async fn write(&self, name: &'static str, number: u64) {
        let call = Call::Put {
            name: secret_name(name),
            value: number.to_string().as_str().into(),
            options: PutOptions::default(),
        };
        if let Some(outcome) = self.call(call).await {
            outcome.unwrap();
            self.written.fetch_max(number, SeqCst);
        }
    }
}

fn secret_name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

fn get(text: &str) -> Call {
    Call::Get {
        name: secret_name(text),
        options: GetOptions::default(),
    }
}

/// A TTL of 60 s, stale up to 600 s, and timeouts that never expire.
fn config() -> CacheConfig {
    CacheConfig::default()
        .with_ttl(Duration::from_secs(60))
        .with_max_stale(Duration::from_secs(600))
        .with_refresh_ahead(false)
        .with_patience(ENDLESS)
        .with_load_timeout(ENDLESS)
}

const PATIENCE: Duration = Duration::from_millis(500);

#[test]
fn concurrent_reads_share_one_call() {
    schedules(|| {
        let world = World::new(config(), 0);
        whole(async {
            for round in 1..=2 {
                let readers: Vec<_> = (0..4)
                    .map(|_| {
                        let world = world.clone();
                        spawn(async move { world.read("a").await.unwrap().unwrap() })
                    })
                    .collect();
                // One of them is cancelled at any moment.
                moments(6).await;
                readers[0].abort();
                for (number, reader) in readers.into_iter().enumerate() {
                    let got = reader.await;
                    assert!(number == 0 || matches!(got, Ok(0)), "{got:?}");
                }
                assert_eq!(world.provider.0.calls.load(SeqCst), round);
                // The second round begins with an expired value.
                world.clock.advance(Duration::from_secs(60));
            }
        });
    });
}

#[test]
fn readers_never_get_a_replaced_value() {
    schedules(|| {
        let world = World::new(config(), 25);
        whole(async {
            let mut tasks = Vec::new();
            for reader in 0..3 {
                let world = world.clone();
                tasks.push(spawn(async move {
                    for _ in 0..3 {
                        match reader {
                            2 => world.read_many(&["b", "a", "a"]).await,
                            _ => {
                                if let Some(Err(error)) = world.read("a").await {
                                    world.check_error(&error);
                                }
                            }
                        }
                    }
                }));
            }
            for writer in 0..2 {
                let world = world.clone();
                tasks.push(spawn(async move {
                    for number in 0..2 {
                        moments(4).await;
                        world.write("a", 2 * number + writer + 1).await;
                        world.layer.cache().invalidate(&secret_name("b"));
                    }
                }));
            }
            moments(10).await;
            let number = thread_rng().gen_range(0..tasks.len());
            tasks[number].abort();
            for task in tasks {
                let _ = task.await;
            }
            // Later readers succeed, after loads that were already lost.
            doomed::set(0);
            let mut lost = 0;
            while let Err(error) = world.read("a").await.unwrap() {
                world.check_error(&error);
                lost += 1;
                assert!(lost < 10, "{error}");
            }
        });
    });
}

#[test]
fn every_invalidation_wins_over_running_loads() {
    schedules(|| {
        let world = World::new(config(), 10);
        whole(async {
            let readers: Vec<_> = (0..3)
                .map(|_| {
                    let world = world.clone();
                    spawn(async move {
                        for _ in 0..3 {
                            if let Some(Err(error)) = world.read("a").await {
                                world.check_error(&error);
                            }
                        }
                    })
                })
                .collect();
            for number in 1..=3 {
                moments(4).await;
                // Another process writes, and the cache is invalidated.
                world.provider.0.value.store(number, SeqCst);
                match number {
                    1 => world.layer.cache().invalidate(&secret_name("a")),
                    2 => world.layer.cache().invalidate_prefix("a"),
                    _ => world.layer.cache().clear(),
                }
                world.written.store(number, SeqCst);
            }
            for reader in readers {
                reader.await.unwrap();
            }
        });
    });
}

#[test]
fn an_outage_serves_stale_values_up_to_their_age() {
    schedules(|| {
        let world = World::new(config().with_patience(PATIENCE), 10);
        whole(async {
            while world.read("a").await.is_none_or(|answer| answer.is_err()) {}
            world.clock.advance(Duration::from_secs(61));
            world.provider.0.failing.store(100, SeqCst);
            let read = |world: World| async move {
                // The reader may be dropped itself. Otherwise it gets the stale value, since a lost load counts as an outage.
                world.read("a").await.is_none_or(|answer| answer.is_ok())
            };
            let readers: Vec<_> = (0..4).map(|_| spawn(read(world.clone()))).collect();
            for reader in readers {
                assert!(reader.await.unwrap());
            }
            world.clock.advance(Duration::from_secs(540));
            let late: Vec<_> = (0..2)
                .map(|_| {
                    let world = world.clone();
                    spawn(async move { world.read("a").await })
                })
                .collect();
            for reader in late {
                assert!(!matches!(reader.await.unwrap(), Some(Ok(_))));
            }
        });
    });
}

#[test]
fn a_denial_hides_the_value_from_later_readers() {
    schedules(|| {
        let world = World::new(config().with_patience(PATIENCE), 10);
        whole(async {
            while world.read("a").await.is_none_or(|answer| answer.is_err()) {}
            world.clock.advance(Duration::from_secs(61));
            let known = Arc::new(AtomicBool::new(false));
            let readers: Vec<_> = (0..4)
                .map(|_| {
                    let (world, known) = (world.clone(), known.clone());
                    spawn(async move {
                        for _ in 0..3 {
                            let before = known.load(SeqCst);
                            match world.read("a").await {
                                Some(Ok(_)) => assert!(!before, "served after a denial"),
                                Some(Err(error)) if error.kind() == ErrorKind::PermissionDenied => {
                                    known.store(true, SeqCst);
                                }
                                Some(Err(error)) => world.check_error(&error),
                                None => {}
                            }
                        }
                    })
                })
                .collect();
            moments(6).await;
            world.provider.0.denies.store(true, SeqCst);
            for reader in readers {
                reader.await.unwrap();
            }
        });
    });
}

#[test]
fn refresh_ahead_never_blocks_readers() {
    schedules(|| {
        let world = World::new(config().with_refresh_ahead(true), 10);
        whole(async {
            while world.read("a").await.is_none_or(|answer| answer.is_err()) {}
            // Past nine tenths of the TTL.
            world.clock.advance(Duration::from_secs(55));
            let calls = world.provider.0.calls.load(SeqCst);
            let mut tasks: Vec<_> = (0..3)
                .map(|_| {
                    let world = world.clone();
                    spawn(async move {
                        for _ in 0..2 {
                            if let Some(Err(error)) = world.read("a").await {
                                world.check_error(&error);
                            }
                        }
                    })
                })
                .collect();
            let writer = world.clone();
            tasks.push(spawn(async move { writer.write("a", 1).await }));
            for task in tasks {
                task.await.unwrap();
            }
            // One reader starts the refresh. A write or a lost load makes the next reader start another.
            let more = world.provider.0.calls.load(SeqCst) - calls;
            assert!(more <= 8, "{more}");
        });
    });
}

#[test]
fn later_readers_see_a_delete() {
    schedules(|| {
        let world = World::new(config(), 10);
        whole(async {
            let reader = {
                let world = world.clone();
                spawn(async move {
                    for _ in 0..4 {
                        if let Some(Err(error)) = world.read("a").await {
                            world.check_error(&error);
                        }
                    }
                })
            };
            let delete = Call::Delete {
                name: secret_name("a"),
                options: DeleteOptions::default(),
            };
            moments(4).await;
            world.provider.0.value.store(1, SeqCst);
            if world.call(delete).await.is_some() {
                world.written.store(1, SeqCst);
            }
            reader.await.unwrap();
            let after = world.written.load(SeqCst);
            if let Some(Ok(number)) = world.read("a").await {
                assert!(number >= after);
            }
        });
    });
}
