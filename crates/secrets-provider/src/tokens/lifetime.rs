//! When a token expires, and when to refresh it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use secrets_core::Error;

const NEVER: u64 = u64::MAX;

/// When a token expires and when to refresh it, on the monotonic clock. Both change while the token is in use: a renewal
/// extends it, and a failed refresh is deferred.
#[derive(Debug)]
pub struct TokenLifetime {
    /// Milliseconds.
    ends: AtomicU64,
    /// Milliseconds.
    due: AtomicU64,
}

impl TokenLifetime {
    /// A token without a known expiry.
    pub const fn endless() -> Self {
        Self {
            ends: AtomicU64::new(NEVER),
            due: AtomicU64::new(NEVER),
        }
    }

    /// A token that expires `lasts` after `now`. It counts as expired `margin` earlier, or a tenth of `lasts` if that is
    /// shorter, so that it does not expire on the way.
    pub fn expiring(now: Duration, lasts: Duration, margin: Duration) -> Self {
        let life = Self::endless();
        life.extend(now, lasts, margin);
        life
    }

    /// Sets when to refresh the token.
    pub fn with_due(self, at: Duration) -> Self {
        self.defer_refresh(at);
        self
    }

    /// Extends the token to `lasts` after `now`, with the margin of [`expiring`](Self::expiring).
    pub fn extend(&self, now: Duration, lasts: Duration, margin: Duration) {
        let usable = lasts.saturating_sub(margin.min(lasts / 10));
        self.ends
            .store(millis(now.saturating_add(usable)), Ordering::Relaxed);
    }

    /// Defers the refresh to that moment.
    pub fn defer_refresh(&self, until: Duration) {
        self.due.store(millis(until), Ordering::Relaxed);
    }

    /// Whether the token has expired.
    pub fn is_over(&self, now: Duration) -> bool {
        now.as_millis() >= u128::from(self.ends.load(Ordering::Relaxed))
    }

    /// Whether to refresh the token now.
    pub fn is_due(&self, now: Duration) -> bool {
        now.as_millis() >= u128::from(self.due.load(Ordering::Relaxed))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(NEVER)
}

/// When to refresh a token of this time to live: after two thirds of it, jittered, which leaves time for retries.
pub fn renew_after(life: Duration) -> Duration {
    jittered(life.mul_f64(2.0 / 3.0))
}

/// The wait, jittered by 10 %, so that processes that started together drift apart.
pub fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.9 + 0.2 * fastrand::f64())
}

/// The waits after failed refreshes: each twice the previous one, jittered, up to a longest one.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: AtomicU32,
}

impl Backoff {
    /// Waits between `first` and `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            failures: AtomicU32::new(0),
        }
    }

    /// How long to wait after this failure; at least as long as the server asks.
    pub fn after(&self, failure: &Error) -> Duration {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).min(31);
        let wait = self.first.saturating_mul(1 << failures).min(self.longest);
        jittered(wait).max(failure.retry_after().unwrap_or_default())
    }

    /// Starts again with the first wait.
    pub fn reset(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use secrets_core::ErrorKind;

    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_last_part_of_a_life_is_not_used() {
        for (lasts, usable) in [(1000, 995_000), (20, 18_000), (0, 0)] {
            let life = TokenLifetime::expiring(seconds(7), seconds(lasts), seconds(5));
            let end = seconds(7) + Duration::from_millis(usable);
            assert!(life.is_over(end));
            let before = end.checked_sub(Duration::from_millis(1)).unwrap();
            assert!(usable == 0 || !life.is_over(before), "{lasts}");
        }
    }

    #[test]
    fn a_life_can_be_prolonged_and_its_renewal_put_off() {
        let life =
            TokenLifetime::expiring(seconds(0), seconds(100), seconds(5)).with_due(seconds(60));
        assert!(!life.is_due(seconds(59)) && life.is_due(seconds(60)));
        life.defer_refresh(seconds(70));
        assert!(!life.is_due(seconds(69)) && life.is_due(seconds(70)));
        life.extend(seconds(70), seconds(100), seconds(5));
        assert!(!life.is_over(seconds(164)) && life.is_over(seconds(165)));
    }

    #[test]
    fn an_endless_life_is_neither_over_nor_due() {
        for life in [
            TokenLifetime::endless(),
            TokenLifetime::expiring(seconds(1), Duration::MAX, seconds(5)),
        ] {
            let century = seconds(100 * 365 * 86_400);
            assert!(!life.is_over(century) && !life.is_due(century));
        }
    }

    #[test]
    fn a_renewal_leaves_time_to_try_again() {
        let waits: Vec<_> = (0..200).map(|_| renew_after(seconds(300))).collect();
        assert!(
            waits
                .iter()
                .all(|wait| (seconds(180)..=seconds(220)).contains(wait))
        );
        assert!(waits.iter().any(|wait| *wait != waits[0]), "no jitter");
    }

    #[test]
    fn waits_grow_to_the_longest_and_heed_the_server() {
        let backoff = Backoff::new(seconds(1), seconds(60));
        let failure = Error::from(ErrorKind::Unavailable);
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            let wait = backoff.after(&failure).as_secs_f64();
            let expected = f64::from(expected);
            assert!((0.9 * expected..=1.1 * expected).contains(&wait), "{wait}");
        }
        backoff.reset();
        let asked = failure.with_retry_after(seconds(7));
        assert_eq!(backoff.after(&asked), seconds(7));
    }
}
