//! The caches, behind one trait without overhead.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use secrets::layers::CacheConfig;
use secrets::{SecretRef, Secrets, SecretsBuilder};
use tower::Service;

use crate::store::{Store, VALUE};

pub(crate) const TTL: Duration = Duration::from_secs(3600);

/// A cache.
pub(crate) trait Client: Clone + Send + Sync + 'static {
    /// Reads a key and returns the length of its value, as a cheap check.
    fn read(&self, key: usize) -> impl Future<Output = usize> + Send;
}

pub(crate) fn name(key: usize) -> String {
    format!("team/service/secret-{key:07}")
}

#[derive(Clone)]
pub(crate) struct Ours {
    secrets: Secrets,
    references: Arc<[SecretRef]>,
}

impl Ours {
    /// A handle without layers outside the cache.
    pub(crate) async fn new(keys: usize) -> Self {
        Self::warm(with_cache(), keys).await
    }

    /// A handle with a warm cache.
    pub(crate) async fn warm(builder: SecretsBuilder, keys: usize) -> Self {
        let ours = Self::cold(builder.build().expect("a handle"), keys);
        for key in 0..keys {
            assert_eq!(ours.read(key).await, VALUE.len());
        }
        ours
    }

    pub(crate) fn cold(secrets: Secrets, keys: usize) -> Self {
        let references = (0..keys).map(|key| name(key).parse().expect("a reference"));
        Self {
            secrets,
            references: references.collect(),
        }
    }
}

/// A handle with one provider and a cache.
pub(crate) fn with_cache() -> SecretsBuilder {
    Secrets::builder()
        .provider("main", Store::new(Duration::ZERO))
        .default_provider("main")
        .cache(CacheConfig::default().with_ttl(TTL))
}

impl Client for Ours {
    async fn read(&self, key: usize) -> usize {
        let read = self.secrets.get(&self.references[key]).await;
        read.map_or(0, |value| value.expose_bytes().len())
    }
}

/// Our handle, reading the metadata and the origin too.
#[derive(Clone)]
pub(crate) struct Stacked(pub(crate) Ours);

impl Client for Stacked {
    async fn read(&self, key: usize) -> usize {
        let read = self
            .0
            .secrets
            .get_with_origin(&self.0.references[key])
            .await;
        read.map_or(0, |answer| answer.secret.value.expose_bytes().len())
    }
}

#[derive(Clone)]
pub(crate) struct Map(Arc<Held>);

struct Held {
    entries: RwLock<HashMap<String, (Instant, Arc<str>)>>,
    names: Vec<String>,
}

impl Map {
    pub(crate) fn new(keys: usize) -> Self {
        let names: Vec<String> = (0..keys).map(name).collect();
        let entries = names
            .iter()
            .map(|name| (name.clone(), (Instant::now() + TTL, VALUE.into())));
        Self(Arc::new(Held {
            entries: RwLock::new(entries.collect()),
            names,
        }))
    }

    fn value(&self, name: &str) -> Option<Arc<str>> {
        let entries = self.0.entries.read().ok()?;
        let (until, value) = entries.get(name)?;
        (Instant::now() < *until).then(|| value.clone())
    }
}

impl Client for Map {
    async fn read(&self, key: usize) -> usize {
        self.value(&self.0.names[key])
            .map_or(0, |value| value.len())
    }
}

#[derive(Clone)]
pub(crate) struct Moka {
    cache: moka::sync::Cache<String, Arc<str>>,
    names: Arc<[String]>,
}

impl Moka {
    pub(crate) fn new(keys: usize) -> Self {
        let cache = moka::sync::Cache::builder()
            .max_capacity(10_000)
            .time_to_live(TTL)
            .build();
        let names: Arc<[String]> = (0..keys).map(name).collect();
        for name in &*names {
            cache.insert(name.clone(), VALUE.into());
        }
        Self { cache, names }
    }
}

impl Client for Moka {
    async fn read(&self, key: usize) -> usize {
        self.cache
            .get(self.names[key].as_str())
            .map_or(0, |value| value.len())
    }
}

/// Three layers that box their futures, as most do, around the map: the cost of composition.
#[derive(Clone)]
pub(crate) struct Tower {
    stack: tower::util::BoxCloneSyncService<usize, Arc<str>, tower::BoxError>,
}

impl Tower {
    pub(crate) fn new(keys: usize) -> Self {
        let map = Map::new(keys);
        let base = tower::service_fn(move |key: usize| {
            let value = map.value(&map.0.names[key]);
            std::future::ready(value.ok_or_else(|| tower::BoxError::from("not found")))
        });
        let stack = Boxing(Boxing(Boxing(base)));
        Self {
            stack: tower::util::BoxCloneSyncService::new(stack),
        }
    }
}

impl Client for Tower {
    async fn read(&self, key: usize) -> usize {
        let mut stack = self.stack.clone();
        let ready = std::future::poll_fn(|cx| stack.poll_ready(cx)).await;
        let answer = match ready {
            Ok(()) => stack.call(key).await,
            Err(error) => Err(error),
        };
        answer.map_or(0, |value| value.len())
    }
}

#[derive(Clone)]
struct Boxing<S>(S);

impl<S> Service<usize> for Boxing<S>
where
    S: Service<usize>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send + 'static>>;

    fn poll_ready(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, key: usize) -> Self::Future {
        Box::pin(self.0.call(key))
    }
}
