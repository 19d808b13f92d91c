//! The held leases.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrets_core::{Clock, Lease};

/// The size from which expired leases are dropped.
const FEW: usize = 64;

/// The held leases. Expired ones are dropped, so the book does not grow with the number of reads.
pub(crate) struct LeaseBook {
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    by_id: HashMap<String, Entry>,
    /// The size at which expired leases are dropped next.
    room: usize,
}

struct Entry {
    /// On the monotonic clock; `None` for a lease without an end.
    ends: Option<Duration>,
    renewable: bool,
}

impl Entry {
    fn lasts(&self, now: Duration) -> bool {
        self.ends.is_none_or(|ends| ends > now)
    }
}

impl fmt::Debug for LeaseBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LeaseBook({})", self.lock().by_id.len())
    }
}

impl LeaseBook {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            held: Mutex::default(),
        }
    }

    /// Records a lease that was made or renewed just now.
    pub(crate) fn note(&self, lease: &Lease) {
        let now = self.clock.monotonic();
        let entry = Entry {
            ends: (!lease.duration.is_zero()).then(|| now.saturating_add(lease.duration)),
            renewable: lease.renewable,
        };
        let mut held = self.lock();
        held.by_id.insert(lease.id.clone(), entry);
        if held.by_id.len() > held.room.max(FEW) {
            held.by_id.retain(|_, entry| entry.lasts(now));
            held.room = 2 * held.by_id.len();
        }
    }

    pub(crate) fn forget(&self, id: &str) {
        self.lock().by_id.remove(id);
    }

    pub(crate) fn clear(&self) {
        self.lock().by_id.clear();
    }

    /// Whether no lease is held.
    pub(crate) fn is_empty(&self) -> bool {
        let now = self.clock.monotonic();
        !self.lock().by_id.values().any(|entry| entry.lasts(now))
    }

    /// The held leases, each with its remaining time.
    pub(super) fn all(&self) -> Vec<Lease> {
        let now = self.clock.monotonic();
        let held = self.lock();
        let lasting = held.by_id.iter().filter(|(_, entry)| entry.lasts(now));
        lasting
            .map(|(id, entry)| {
                let left = entry.ends.map_or(Duration::ZERO, |ends| ends - now);
                Lease::new(id, left, entry.renewable)
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use secrets_testkit::ManualClock;

    use super::*;

    fn lease(number: u64, seconds: u64) -> Lease {
        Lease::new(
            format!("db/creds/a/{number}"),
            Duration::from_secs(seconds),
            true,
        )
    }

    #[test]
    fn what_has_ended_is_not_held_and_takes_no_room() {
        let clock = Arc::new(ManualClock::new());
        let book = LeaseBook::new(clock.clone());
        assert!(book.is_empty());
        for number in 0..10_000 {
            book.note(&lease(number, 60));
            clock.advance(Duration::from_secs(1));
        }
        assert_eq!(book.all().len(), 59);
        assert!(book.lock().by_id.len() <= 2 * 60, "{book:?}");
        let left = book.all().iter().map(|one| one.duration).max();
        assert_eq!(left, Some(Duration::from_secs(59)));
        clock.advance(Duration::from_secs(60));
        assert!(book.is_empty());
        book.note(&lease(0, 0));
        clock.advance(Duration::from_secs(1_000_000));
        assert!(!book.is_empty());
        book.forget("db/creds/a/0");
        assert!(book.is_empty());
    }

    #[test]
    fn a_renewed_lease_lasts_longer() {
        let clock = Arc::new(ManualClock::new());
        let book = LeaseBook::new(clock.clone());
        book.note(&lease(1, 60));
        clock.advance(Duration::from_secs(50));
        book.note(&lease(1, 60));
        clock.advance(Duration::from_secs(50));
        assert_eq!(book.all(), [lease(1, 10)]);
    }
}
