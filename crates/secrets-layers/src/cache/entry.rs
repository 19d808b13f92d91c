use std::ops::Deref;
use std::time::{Duration, SystemTime};

use secrets_core::internal::value_without_owner;
use secrets_core::{Answer, Freshness, Result};

use super::config::CacheConfig;
use super::sync::{Arc, AtomicBool, AtomicU64, Ordering};

/// What is known, as it is given to readers. Of one knowledge there may be several, of which each has its own readers.
#[derive(Debug)]
pub(super) struct Entry(Arc<CachedAnswer>);

/// What a provider answered, and how long it holds. Times are those of the monotonic clock.
#[derive(Debug)]
pub(super) struct CachedAnswer {
    /// An error is a remembered absence.
    pub(super) answer: Result<Answer>,
    pub(super) loaded: Duration,
    pub(super) fresh_until: Duration,
    pub(super) usable_until: Duration,
    refresh_at: Duration,
    pub(super) generation: Generation,
    /// When the next attempt to replace it may begin, in milliseconds.
    attempt_at: AtomicU64,
    troubled: AtomicBool,
}

/// The bytes of the value; none for a remembered absence.
impl AsRef<[u8]> for Entry {
    fn as_ref(&self) -> &[u8] {
        match &self.answer {
            Ok(answer) => answer.secret.value.expose_bytes(),
            Err(_) => &[],
        }
    }
}

/// Of a name when its answer was kept; an entry of an earlier one is void.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Generation {
    /// The group that the name is in.
    pub(super) group: usize,
    pub(super) number: u64,
}

/// How long after a failed or begun attempt to replace an answer the next one may begin.
const ATTEMPT_EVERY: Duration = Duration::from_secs(1);

impl Entry {
    /// `loaded` is when the provider was asked, `now` the wall clock.
    pub(super) fn new(
        mut answer: Result<Answer>,
        loaded: Duration,
        now: SystemTime,
        ttl: Duration,
        config: &CacheConfig,
        generation: Generation,
    ) -> Self {
        if let Ok(answer) = &mut answer {
            // A value that was read from a cache must not keep the entry it came from, and that one those before it.
            answer.secret.value = value_without_owner(&answer.secret.value);
        }
        let own_end = answer
            .as_ref()
            .ok()
            .and_then(|answer| validity(answer, now));
        let within = |life: Duration| own_end.map_or(life, |end| life.min(end));
        let (fresh, usable) = match &answer {
            Ok(_) => (within(ttl), within(config.max_stale.max(ttl))),
            Err(_) => (config.negative_ttl, config.negative_ttl),
        };
        // Entries of one moment must not be refreshed in one moment.
        let ahead = if config.refresh_ahead && answer.is_ok() {
            fresh.mul_f64(0.75 + 0.15 * fastrand::f64())
        } else {
            Duration::MAX
        };
        Self(Arc::new(CachedAnswer {
            answer,
            loaded,
            fresh_until: loaded.saturating_add(fresh),
            usable_until: loaded.saturating_add(usable),
            refresh_at: loaded.saturating_add(ahead),
            generation,
            attempt_at: AtomicU64::new(0),
            troubled: AtomicBool::new(false),
        }))
    }

    /// The same for other readers.
    pub(super) fn again(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// Whether both are of one knowledge.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for Entry {
    type Target = CachedAnswer;

    fn deref(&self) -> &CachedAnswer {
        &self.0
    }
}

impl CachedAnswer {
    pub(super) fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.loaded)
    }

    /// Whether it can be given without anything else being done.
    pub(super) fn is_at_ease(&self, now: Duration) -> bool {
        now < self.fresh_until && !self.is_due(now)
    }

    /// The answer, said to be this old.
    pub(super) fn answer(&self, now: Duration) -> Result<Answer> {
        let age = self.age(now);
        let freshness = if now < self.fresh_until {
            Freshness::Cached { age }
        } else {
            Freshness::Stale { age }
        };
        let mut answer = self.answer.clone()?;
        answer.origin = answer.origin.with_freshness(freshness);
        Ok(answer)
    }

    pub(super) fn is_due(&self, now: Duration) -> bool {
        now >= self.refresh_at
    }

    /// Whether the last attempt to replace it failed.
    pub(super) fn is_troubled(&self) -> bool {
        self.troubled.load(Ordering::Relaxed)
    }

    /// Notes that it could not be replaced.
    pub(super) fn trouble(&self, now: Duration) {
        self.troubled.store(true, Ordering::Relaxed);
        self.attempt_at
            .store(milliseconds(now + ATTEMPT_EVERY), Ordering::Relaxed);
    }

    /// Whether the caller must begin an attempt to replace it: one of all who ask, once in a while.
    pub(super) fn may_attempt(&self, now: Duration) -> bool {
        let next = self.attempt_at.load(Ordering::Relaxed);
        milliseconds(now) >= next
            && self
                .attempt_at
                .compare_exchange(
                    next,
                    milliseconds(now + ATTEMPT_EVERY),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    /// The bytes of the answer.
    pub(super) fn bytes(&self) -> usize {
        let Ok(answer) = &self.answer else { return 0 };
        let metadata = &answer.secret.metadata;
        let tags = metadata.tags.iter();
        answer.secret.value.expose_bytes().len()
            + tags
                .map(|(key, value)| key.len() + value.len() + 64)
                .sum::<usize>()
            + metadata.lease.as_ref().map_or(0, |lease| lease.id.len())
            + metadata
                .version
                .as_ref()
                .map_or(0, |version| version.as_str().len())
    }
}

/// How long the secret itself is valid from now on, where it says so.
fn validity(answer: &Answer, now: SystemTime) -> Option<Duration> {
    let metadata = &answer.secret.metadata;
    let end = metadata
        .expires_at
        .map(|end| end.duration_since(now).unwrap_or_default());
    let lease = metadata.lease.as_ref().map(|lease| lease.duration);
    match (end, lease) {
        (Some(end), Some(lease)) => Some(end.min(lease)),
        (end, lease) => end.or(lease),
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
