//! Our handle with the layers that see every hit: a policy, and an audit log that aggregates hits.

use std::sync::Arc;
use std::time::Duration;

use secrets::layers::{
    Actor, AuditConfig, AuditLayer, AuditSink, CacheConfig, CacheLayer, DeadlineLayer, Hits,
    Policy, PolicyConfig, PolicyLayer, Record, RoleConfig, TraceLayer,
};
use secrets::{
    Call, Clock, Config, Error, GetOptions, Operation, ProviderService, Reply, Request, Response,
    Result, SecretName, SystemClock,
};
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt};

use crate::clients::{Client, Ours, TTL, name, with_cache};
use crate::store::{Store, VALUE};

/// Counts records and drops them.
#[derive(Debug, Default)]
struct Counter(u64);

impl AuditSink for Counter {
    fn write(&mut self, records: &[Record]) -> Result<()> {
        self.0 += records.len() as u64;
        Ok(())
    }
}

fn audit() -> AuditConfig {
    AuditConfig::default().with_hits(Hits::Aggregate)
}

fn policy() -> PolicyConfig {
    let role = RoleConfig::new([Operation::Get], ["team/**"]).expect("a role");
    PolicyConfig::default()
        .with_role("reader", role)
        .with_principal("bench", ["reader"])
}

/// A handle with policy and audit.
pub(crate) async fn guarded(keys: usize) -> Ours {
    let builder = with_cache()
        .policy(policy())
        .principal("bench")
        .audit(audit())
        .audit_sink(Counter::default());
    Ours::warm(builder, keys).await
}

/// The layers of a handle, composed and boxed by hand.
#[derive(Clone)]
pub(crate) struct Boxed {
    stack: BoxCloneSyncService<Request, Response, Error>,
    names: Arc<[SecretName]>,
}

impl Boxed {
    pub(crate) async fn new(keys: usize) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mut config = Config::default().with_default("main");
        config.policy = Some(policy());
        let policy = Policy::new(config.policy_source().expect("a policy")).expect("a policy");
        let (sinks, actor) = (vec![Box::new(Counter::default()) as _], Actor::of_process());
        let audit = AuditLayer::new(audit(), sinks, Arc::new(actor), clock.clone());
        let cache = CacheLayer::new(CacheConfig::default().with_ttl(TTL), clock.clone());
        let stack = ServiceBuilder::new()
            .layer(TraceLayer::new(clock.clone()))
            .layer(audit.expect("an audit"))
            .layer(PolicyLayer::new(policy, "bench", "main").expect("a principal"))
            .layer(DeadlineLayer::new(Duration::from_secs(30), clock))
            .layer(cache.expect("a cache"))
            .service(ProviderService::new(Store::new(Duration::ZERO)));
        let names = (0..keys).map(|key| name(key).parse().expect("a name"));
        let boxed = Self {
            stack: BoxCloneSyncService::new(stack),
            names: names.collect(),
        };
        for key in 0..keys {
            assert_eq!(boxed.read(key).await, VALUE.len());
        }
        boxed
    }
}

impl Client for Boxed {
    async fn read(&self, key: usize) -> usize {
        let call = Call::Get {
            name: self.names[key].clone(),
            options: GetOptions::default(),
        };
        match self.stack.clone().oneshot(Request::new(call)).await {
            Ok(answer) => match answer.reply {
                Reply::Secret(secret) => secret.value.expose_bytes().len(),
                _ => 0,
            },
            Err(_) => 0,
        }
    }
}
