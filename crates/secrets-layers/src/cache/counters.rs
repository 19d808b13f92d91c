use std::sync::atomic::{AtomicU64, Ordering};

use super::stats::CacheStats;
use super::threads::{self, GROUPS};

/// The counters; hits are counted apart for each group of threads, since all of them count at once.
#[derive(Debug, Default)]
pub(super) struct Counters {
    hits: [Padded; GROUPS],
    pub(super) misses: AtomicU64,
    pub(super) loads: AtomicU64,
    pub(super) coalesced: AtomicU64,
    pub(super) stale: AtomicU64,
    pub(super) evictions: AtomicU64,
}

/// A counter that shares its cache line with no other.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded(AtomicU64);

impl Counters {
    pub(super) fn hit(&self) {
        count(&self.hits[threads::group()].0);
    }

    pub(super) fn read(&self, entries: u64, bytes: u64) -> CacheStats {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheStats {
            hits: self.hits.iter().map(|group| of(&group.0)).sum(),
            misses: of(&self.misses),
            loads: of(&self.loads),
            coalesced: of(&self.coalesced),
            stale: of(&self.stale),
            evictions: of(&self.evictions),
            entries,
            bytes,
        }
    }
}

/// One more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
