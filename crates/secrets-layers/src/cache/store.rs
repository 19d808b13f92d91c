use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::time::Duration;

use quick_cache::sync::Cache as Quick;
use quick_cache::{DefaultHashBuilder, Lifecycle, Weighter};
use secrets_core::{Answer, Clock, Error, ErrorKind, Result, SecretName};

use super::cache_hit::CacheHit;
use super::config::CacheConfig;
use super::counters::{Counters, count};
use super::entry::{Entry, Generation};
use super::flight::{Flights, Leader, Waiter};
use super::health::Health;
use super::key::{Key, KeyRef, Scope};
use super::sharded::ShardedEntry;
use super::stats::CacheStats;
use super::sync::{Arc, AtomicU64, Mutex, Ordering, lock};

/// What an entry takes beside its texts: the entry itself, its place in the table, the allocator's share. Measured: a
/// million entries take 645 bytes each beyond their texts; more where others had to make room for them.
const OVERHEAD: usize = 720;

/// Into how many groups names are put, of which each has a generation.
const GROUPS: usize = 4096;

/// What those get who wait for a load that is given up.
static LOST: LazyLock<Error> = LazyLock::new(|| {
    Error::new(
        ErrorKind::Unavailable,
        "the load of this secret was given up",
    )
});

/// For whom, and of which provider or chain.
type Target = (Arc<Scope>, Option<Arc<str>>);

/// Times to live of single secrets: name, provider or chain, and how long.
pub type SecretTtls = HashMap<SecretName, Vec<(Option<Arc<str>>, Duration)>>;

/// What a load brings: an entry, or why there is none.
pub(super) type Loaded = Result<Arc<Entry>>;

/// The answers of a [`CacheLayer`](super::CacheLayer), to be asked about, and asked to forget.
///
/// Cheap to clone; clones are one cache. What is dropped from it is wiped with its last reader.
#[derive(Clone)]
pub struct Cache(Arc<Shared>);

struct Shared {
    config: CacheConfig,
    clock: Arc<dyn Clock>,
    entries: Quick<Key, ShardedEntry, Weights, DefaultHashBuilder, Evicted>,
    flights: Flights<Key, Loaded>,
    counters: Arc<Counters>,
    /// A name's group is at another generation after each invalidation of the name.
    generations: Box<[AtomicU64]>,
    groups: RandomState,
    /// Providers and chains that were asked, for whom, and how they are: few.
    targets: Mutex<HashMap<Target, Arc<Health>>>,
    /// Times to live of single secrets.
    secret_ttls: SecretTtls,
    next_sweep: Mutex<Duration>,
}

/// What a look-up finds.
pub(super) enum Found {
    /// An answer within its time; `true` where it must be refreshed meanwhile.
    Fresh(Arc<Entry>, bool),
    /// An answer that is given only if no other can be had.
    Expired(Arc<Entry>),
    Nothing,
}

impl Cache {
    pub(super) fn new(config: CacheConfig, clock: Arc<dyn Clock>, secret_ttls: SecretTtls) -> Self {
        let counters = Arc::new(Counters::default());
        // It also keeps this many places for names that it dropped, which must not take more than what it holds.
        let fitting = config.max_bytes / OVERHEAD as u64;
        let entries = Quick::with(
            (config.max_entries as u64).min(fitting) as usize,
            config.max_bytes,
            Weights {
                least: (config.max_bytes / config.max_entries.max(1) as u64).max(1),
            },
            DefaultHashBuilder::default(),
            Evicted(Arc::clone(&counters)),
        );
        Self(Arc::new(Shared {
            config,
            clock,
            entries,
            flights: Flights::new(),
            counters,
            generations: (0..GROUPS).map(|_| AtomicU64::new(0)).collect(),
            groups: RandomState::new(),
            targets: Mutex::default(),
            secret_ttls,
            next_sweep: Mutex::default(),
        }))
    }

    /// Forgets all that is known about a secret, of whichever provider and version, and what loads under way bring.
    pub fn invalidate(&self, name: &SecretName) {
        let shared = &*self.0;
        shared.flights.detach(
            |key| key.name == *name,
            || {
                let group = shared.group(name);
                shared.generations[group].fetch_add(1, Ordering::Release);
                for (scope, target) in lock(&shared.targets).keys() {
                    shared.entries.remove(&KeyRef {
                        scope,
                        target: target.as_deref(),
                        name,
                        version: None,
                    });
                }
            },
        );
    }

    /// Forgets every secret whose name starts with this text. Looks at each that is kept.
    pub fn invalidate_prefix(&self, prefix: &str) {
        let starts = |key: &Key| key.name.as_str().starts_with(prefix);
        self.0.flights.detach(starts, || {
            self.0.entries.retain(|key, _| !starts(key));
        });
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.0.flights.detach(|_| true, || self.0.entries.clear());
    }

    /// What it did, and what it holds.
    pub fn stats(&self) -> CacheStats {
        let shared = &*self.0;
        shared
            .counters
            .read(shared.entries.len() as u64, shared.entries.weight())
    }

    pub(super) fn config(&self) -> &CacheConfig {
        &self.0.config
    }

    pub(super) fn now(&self) -> Duration {
        self.0.clock.monotonic()
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.0.counters
    }

    pub(super) fn find(&self, key: KeyRef<'_>, now: Duration) -> Found {
        let Some(entry) = self.0.get(&key) else {
            return Found::Nothing;
        };
        if self.0.is_current(&entry) {
            if now < entry.fresh_until {
                let refresh = entry.is_due(now) && entry.may_attempt(now);
                return Found::Fresh(entry, refresh);
            }
            if now < entry.usable_until && entry.answer.is_ok() {
                return Found::Expired(entry);
            }
        }
        // Another reader may have put a better one in its place.
        self.0
            .entries
            .remove_if(&key, |found| found.entry().is(&entry));
        Found::Nothing
    }

    /// An answer that is within its time and need not be refreshed.
    pub(super) fn try_cached(&self, key: KeyRef<'_>) -> Option<CacheHit> {
        let entry = self.0.get(&key)?;
        let at = self.now();
        let is_good = self.0.is_current(&entry) && entry.is_at_ease(at);
        is_good.then(|| CacheHit::new(entry, at))
    }

    /// How the provider or chain is that this key is asked of.
    pub(super) fn health(&self, key: KeyRef<'_>) -> Arc<Health> {
        self.0.health(&key.owned())
    }

    /// Counts an answer that was given at once.
    pub fn count_hit(&self) {
        self.0.counters.hit();
    }

    /// Waits for the load of a key, or begins it. An answer that has come meanwhile is waited for without a load.
    pub(super) fn join(&self, key: KeyRef<'_>) -> (Waiter<Loaded>, Option<Flight>) {
        let key = key.owned();
        let health = self.0.health(&key);
        // Read before the provider is asked: an answer that an invalidation overtakes is of an earlier generation.
        let generation = self.0.generation(&key.name);
        let (waiter, leader) = self.0.flights.join(key, Err(LOST.clone()));
        let Some(leader) = leader else {
            return (waiter, None);
        };
        let now = self.now();
        // Another load may have landed since this key was looked up; whoever waits here gets what that one brought.
        if let Found::Fresh(entry, _) = self.find(leader.key().borrowed(), now)
            && !entry.is_due(now)
        {
            leader.complete(Ok(entry), |_, _| {});
            return (waiter, None);
        }
        let flight = Flight {
            leader,
            cache: self.clone(),
            asked: now,
            generation,
            health,
        };
        (waiter, Some(flight))
    }

    /// Drops what nobody may be given any more, once in a while.
    pub(super) fn sweep(&self) {
        const LEAST: Duration = Duration::from_secs(60);
        let now = self.now();
        {
            let mut next = lock(&self.0.next_sweep);
            if now < *next {
                return;
            }
            *next = now.saturating_add(self.0.config.max_stale.max(LEAST) / 2);
        }
        self.0
            .entries
            .retain(|_, kept| now < kept.entry().usable_until && self.0.is_current(kept.entry()));
    }

    fn ttl(&self, key: &Key) -> Duration {
        let own = self.0.secret_ttls.get(&key.name);
        let meant =
            |(target, _): &&(Option<Arc<str>>, Duration)| target.is_none() || *target == key.target;
        let own = own.and_then(|own| own.iter().find(meant));
        match (own, &key.version) {
            (Some((_, ttl)), _) => *ttl,
            (None, Some(_)) => self.0.config.version_ttl.max(self.0.config.ttl),
            (None, None) => self.0.config.ttl,
        }
    }
}

impl Shared {
    fn get(&self, key: &KeyRef<'_>) -> Option<Arc<Entry>> {
        self.entries.get(key).map(ShardedEntry::into_entry)
    }

    fn health(&self, key: &Key) -> Arc<Health> {
        let target = (Arc::clone(&key.scope), key.target.clone());
        let mut targets = lock(&self.targets);
        let health = targets.entry(target);
        Arc::clone(health.or_insert_with(|| Arc::new(Health::new())))
    }

    fn group(&self, name: &SecretName) -> usize {
        self.groups.hash_one(name.as_str()) as usize % GROUPS
    }

    fn generation(&self, name: &SecretName) -> Generation {
        let group = self.group(name);
        let number = self.generations[group].load(Ordering::Acquire);
        Generation { group, number }
    }

    /// Whether the name of this entry was not invalidated since.
    fn is_current(&self, entry: &Entry) -> bool {
        let Generation { group, number } = entry.generation;
        self.generations[group].load(Ordering::Acquire) == number
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("config", &self.0.config)
            .field("stats", &self.stats())
            .finish()
    }
}

/// The load of one key. One that is dropped is given up.
pub(super) struct Flight {
    leader: Leader<Key, Loaded>,
    cache: Cache,
    asked: Duration,
    generation: Generation,
    health: Arc<Health>,
}

impl Flight {
    /// How the provider or chain is that the load asks.
    pub(super) fn health(&self) -> &Arc<Health> {
        &self.health
    }

    pub(super) fn key(&self) -> &Key {
        self.leader.key()
    }

    /// Gives what the provider said to all who wait, and keeps it as long as it holds.
    pub(super) fn complete(self, outcome: Result<Answer>) {
        let Self {
            leader,
            cache,
            asked,
            generation,
            health: _,
        } = self;
        let shared = &*cache.0;
        let ttl = cache.ttl(leader.key());
        let wall = shared.clock.wall();
        let entry = |answer| {
            let entry = Entry::new(answer, asked, wall, ttl, &shared.config, generation);
            Arc::new(entry)
        };
        let remembered = match &outcome {
            Ok(answer) => Some(entry(Ok(answer.clone()))),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let remembers = !shared.config.negative_ttl.is_zero();
                remembers.then(|| entry(Err(error.clone())))
            }
            Err(_) => None,
        };
        let now = shared.clock.monotonic();
        let loaded = match (&outcome, &remembered) {
            (Ok(_), Some(entry)) => Ok(Arc::clone(entry)),
            (Ok(_), None) => Err(Error::from(ErrorKind::Unexpected)),
            (Err(error), _) => Err(error.clone()),
        };
        leader.complete(loaded, |key, _| match (remembered, &outcome) {
            (Some(entry), _) if now < entry.usable_until => {
                shared.entries.insert(key.clone(), ShardedEntry::new(entry));
            }
            (_, Err(error)) if error.is_stale_ok() => {
                if let Some(entry) = shared.get(&key.borrowed()) {
                    entry.trouble(now);
                }
            }
            // Denied, deleted, disabled, gone: what was known before is not given to anyone again.
            _ => {
                shared.entries.remove(&key.borrowed());
            }
        });
    }
}

/// Bytes, and at least the share of one entry: so both bounds are one.
#[derive(Debug, Clone)]
struct Weights {
    least: u64,
}

impl Weighter<Key, ShardedEntry> for Weights {
    fn weight(&self, key: &Key, kept: &ShardedEntry) -> u64 {
        let bytes = OVERHEAD + key.bytes() + kept.entry().bytes();
        (bytes as u64).max(self.least)
    }
}

/// Counts what had to make room.
#[derive(Debug, Clone)]
struct Evicted(Arc<Counters>);

impl Lifecycle<Key, ShardedEntry> for Evicted {
    /// Dropped, and so wiped, after the lock is released.
    type RequestState = Vec<ShardedEntry>;

    fn on_evict(&self, state: &mut Self::RequestState, _: Key, kept: ShardedEntry) {
        count(&self.0.evictions);
        state.push(kept);
    }
}
