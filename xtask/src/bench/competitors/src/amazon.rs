//! AWS's caching client, and our handle with the same server.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_secretsmanager::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_secretsmanager_caching::SecretsManagerCachingClient;
use secrets::layers::CacheConfig;
use secrets::{Environment, SecretValue, Secrets};

use crate::clients::{Client, TTL, name};
use crate::store::VALUE;
use crate::upstream::Upstream;

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "bench-token";
const REGION: &str = "us-east-1";

#[derive(Clone)]
pub(crate) struct Amazon {
    client: Arc<SecretsManagerCachingClient>,
    names: Arc<[String]>,
}

impl Amazon {
    /// A client with a warm cache.
    pub(crate) async fn new(keys: usize) -> Self {
        let amazon = Self::cold(&Upstream::start(Duration::ZERO), keys, TTL).await;
        for key in 0..keys {
            assert_eq!(amazon.read(key).await, VALUE.len());
        }
        amazon
    }

    /// A client with a cold cache that serves stale values when the server fails.
    pub(crate) async fn cold(upstream: &Upstream, keys: usize, ttl: Duration) -> Self {
        let config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new(KEY, SECRET, None, None, "bench"))
            .endpoint_url(upstream.url());
        let size = NonZeroUsize::new(10_000).expect("not zero");
        let client = SecretsManagerCachingClient::from_builder(config, size, ttl, true)
            .await
            .expect("a client");
        Self {
            client: Arc::new(client),
            names: (0..keys).map(name).collect(),
        }
    }
}

impl Client for Amazon {
    async fn read(&self, key: usize) -> usize {
        let read = self
            .client
            .get_secret_value(&self.names[key], None, None, false)
            .await;
        read.ok()
            .and_then(|output| output.secret_string)
            .map_or(0, |text| text.len())
    }
}

/// Our handle with our AWS provider, so both send requests over HTTP.
pub(crate) fn handle(upstream: &Upstream, config: CacheConfig) -> Secrets {
    let variables = [
        ("AWS_ENDPOINT_URL", upstream.url()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
    ];
    let environment: Environment = variables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), SecretValue::from(value)))
        .collect();
    Secrets::builder()
        .environment(environment)
        .default_provider("aws-sm")
        .cache(config)
        .build()
        .expect("a handle")
}
