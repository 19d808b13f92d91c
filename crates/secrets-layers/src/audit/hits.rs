//! Counts answers from the cache, to be reported together.
//!
//! To count one that was counted before costs a look-up under one lock of 16, and no allocation.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use quick_cache::DefaultHashBuilder;
use secrets_core::{Operation, SecretName, Version};

use super::actor::Actor;
use super::record::{Event, Record, RecordSource};

const SHARDS: usize = 16;

/// How long hits are counted before they are reported.
pub(super) const WINDOW: Duration = Duration::from_secs(1);

/// One hit, as it is counted.
#[derive(Clone, Copy)]
pub(super) struct Hit<'h> {
    pub(super) operation: Operation,
    pub(super) name: &'h SecretName,
    pub(super) version: Option<&'h Version>,
    pub(super) provider: &'h Arc<str>,
    pub(super) via: Option<&'h Arc<str>>,
    pub(super) source: RecordSource,
    pub(super) reason: Option<&'h Arc<str>>,
    /// On the monotonic clock.
    pub(super) at: Duration,
}

/// Hits that differ in nothing but their time.
struct Slot {
    operation: Operation,
    name: SecretName,
    version: Option<Version>,
    provider: Arc<str>,
    via: Option<Arc<str>>,
    source: RecordSource,
    reason: Option<Arc<str>>,
    count: u64,
    first: Duration,
    last: Duration,
}

impl Slot {
    fn new(hit: &Hit<'_>) -> Self {
        Self {
            operation: hit.operation,
            name: hit.name.clone(),
            version: hit.version.cloned(),
            provider: hit.provider.clone(),
            via: hit.via.cloned(),
            source: hit.source,
            reason: hit.reason.cloned(),
            count: 1,
            first: hit.at,
            last: hit.at,
        }
    }

    fn is_of(&self, hit: &Hit<'_>) -> bool {
        self.operation == hit.operation
            && self.source == hit.source
            && same(&self.provider, hit.provider)
            && self.name == *hit.name
            && self.version.as_ref() == hit.version
            && maybe_same(self.via.as_ref(), hit.via)
            && maybe_same(self.reason.as_ref(), hit.reason)
    }
}

/// Texts that are one need not be compared.
fn same(one: &Arc<str>, other: &Arc<str>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

fn maybe_same(one: Option<&Arc<str>>, other: Option<&Arc<str>>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => same(one, other),
        _ => false,
    }
}

/// Slots by the hash of the name.
type Shard = HashMap<u64, Vec<Slot>, BuildHasherDefault<AsIs>>;

/// What is a hash already need not be hashed.
#[derive(Debug, Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// The hits that were counted and not reported yet.
pub(super) struct HitTable {
    shards: [Mutex<Shard>; SHARDS],
    hasher: DefaultHashBuilder,
    /// When the first hit that is not reported yet was counted, in milliseconds of the monotonic clock; 0 for none.
    since: AtomicU64,
    /// Whether the last ones could not be reported.
    failing: AtomicBool,
    /// How old one may become before no other is counted, in milliseconds.
    patience: u64,
}

/// What came of counting a hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// It will be reported.
    Yes,
    /// It will be reported, if somebody learns that there is one.
    First,
    /// It was not counted: the ones before it were not reported in time.
    No,
}

impl HitTable {
    pub(super) fn new(deadline: Duration) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: DefaultHashBuilder::default(),
            since: AtomicU64::new(0),
            failing: AtomicBool::new(false),
            patience: milliseconds(WINDOW + deadline),
        }
    }

    pub(super) fn count(&self, hit: &Hit<'_>) -> Counted {
        let now = milliseconds(hit.at).max(1);
        let since = self.since.load(Ordering::SeqCst);
        let late = since != 0 && now.saturating_sub(since) > self.patience;
        if late || self.failing.load(Ordering::Relaxed) {
            return Counted::No;
        }
        let hash = self.hasher.hash_one(hit.name);
        // The low bits choose the place within the shard's table, the high ones tell its entries apart.
        let mut shard = lock(&self.shards[(hash >> 32) as usize % SHARDS]);
        let slots = shard.entry(hash).or_default();
        match slots.iter_mut().find(|slot| slot.is_of(hit)) {
            Some(slot) => {
                if slot.count == 0 {
                    slot.first = hit.at;
                }
                slot.count += 1;
                slot.last = slot.last.max(hit.at);
            }
            None => slots.push(Slot::new(hit)),
        }
        drop(shard);
        let first = self.since.load(Ordering::SeqCst) == 0
            && self
                .since
                .compare_exchange(0, now, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok();
        if first { Counted::First } else { Counted::Yes }
    }

    /// Takes what was counted, as records. What was not counted since the last time is forgotten.
    pub(super) fn take(
        &self,
        actor: &Arc<Actor>,
        wall: SystemTime,
        monotonic: Duration,
    ) -> Vec<Record> {
        let moment = |at: Duration| {
            wall.checked_sub(monotonic.saturating_sub(at))
                .unwrap_or(wall)
        };
        let mut records = Vec::new();
        for shard in &self.shards {
            lock(shard).retain(|_, slots| {
                slots.retain_mut(|slot| {
                    if slot.count == 0 {
                        return false;
                    }
                    let mut record = Record::new(Event::Hits, actor.clone(), moment(slot.last));
                    record.operation = Some(slot.operation.as_str().into());
                    record.provider = Some(slot.provider.to_string());
                    record.via = slot.via.as_deref().map(str::to_owned);
                    record.name = Some(slot.name.to_string());
                    record.version = slot
                        .version
                        .as_ref()
                        .map(|version| version.as_str().to_owned());
                    record.outcome = Some("ok".into());
                    record.source = Some(slot.source);
                    record.reason = slot.reason.as_deref().map(str::to_owned);
                    record.count = Some(slot.count);
                    record.since = Some(moment(slot.first));
                    records.push(record);
                    slot.count = 0;
                    true
                });
                !slots.is_empty()
            });
        }
        records
    }

    /// Notes that all that was taken is reported. `false` if there are others meanwhile.
    pub(super) fn reported(&self, monotonic: Duration) -> bool {
        self.failing.store(false, Ordering::Relaxed);
        self.since.store(0, Ordering::SeqCst);
        // A hit that was counted before this moment did not ring.
        let counted = |slot: &Slot| slot.count > 0;
        let more = self
            .shards
            .iter()
            .any(|shard| lock(shard).values().flatten().any(counted));
        if more {
            let now = milliseconds(monotonic).max(1);
            let _ = self
                .since
                .compare_exchange(0, now, Ordering::SeqCst, Ordering::SeqCst);
        }
        !more
    }

    /// Notes whether records can be written.
    pub(super) fn set_failing(&self, failing: bool) {
        self.failing.store(failing, Ordering::Relaxed);
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_stays_as_it_is() {
        let hashed = |write: &dyn Fn(&mut AsIs)| {
            let mut hasher = AsIs::default();
            write(&mut hasher);
            hasher.finish()
        };
        assert_eq!(
            hashed(&|hasher| hasher.write_u64(u64::MAX - 7)),
            u64::MAX - 7
        );
        // Of anything else each byte counts, the ninth together with the first.
        assert_eq!(hashed(&|hasher| hasher.write(&[1, 2])), 0x0102);
        let nine = [0xff, 0, 0, 0, 0, 0, 0, 3, 0xf0];
        assert_eq!(hashed(&|hasher| hasher.write(&nine)), 0x030f);
    }
}
