//! An entry in the table. Threads that read one secret all the time would take turns at its count of references, so each
//! group of threads gets an entry of its own of those few that are read most.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::entry::Entry;
use super::sync::Arc;
use super::threads::{self, GROUPS};

/// How many places of a process may have entries for each group: what that takes, at most a mebibyte, is not in the bounds
/// of a cache.
const MOST: usize = 1024;

/// After about how many reads by other threads than those of its first group a place has entries for each.
const OFTEN: u32 = 256;

static SHARDED: AtomicUsize = AtomicUsize::new(0);

/// A place in the table. Its clone holds what the reader takes from it.
#[derive(Debug)]
pub(super) struct ShardedEntry {
    entry: Arc<Entry>,
    group: usize,
    shards: OnceLock<Box<Shards>>,
}

/// An entry for each group.
#[derive(Debug)]
struct Shards([OnceLock<Arc<Entry>>; GROUPS]);

impl ShardedEntry {
    pub(super) fn new(entry: Arc<Entry>) -> Self {
        Self {
            entry,
            group: threads::group(),
            shards: OnceLock::new(),
        }
    }

    pub(super) fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    pub(super) fn into_entry(self) -> Arc<Entry> {
        self.entry
    }

    /// The entry for this group of threads.
    fn lend(&self, group: usize) -> &Arc<Entry> {
        if group == self.group {
            return &self.entry;
        }
        let shards = match self.shards.get() {
            Some(shards) => shards,
            None if fastrand::u32(..OFTEN) > 0 => return &self.entry,
            None => match Shards::new() {
                Some(shards) => self.shards.get_or_init(|| Box::new(shards)),
                None => return &self.entry,
            },
        };
        shards.0[group].get_or_init(|| Arc::new(self.entry.again()))
    }
}

impl Clone for ShardedEntry {
    fn clone(&self) -> Self {
        let group = threads::group();
        Self {
            entry: Arc::clone(self.lend(group)),
            group,
            shards: OnceLock::new(),
        }
    }
}

impl Shards {
    /// `None` where there are too many.
    fn new() -> Option<Self> {
        let shards = Self(Default::default());
        let others = SHARDED.fetch_add(1, Ordering::Relaxed);
        (others < MOST).then_some(shards)
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        SHARDED.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, MutexGuard, PoisonError};
    use std::time::{Duration, SystemTime};

    use secrets_core::{Answer, Metadata, Origin, Secret, SecretName};

    use super::super::config::CacheConfig;
    use super::super::entry::Generation;
    use super::*;

    fn sharded() -> ShardedEntry {
        let name = SecretName::new("a").unwrap();
        let secret = Secret::new("of all".into(), Metadata::new(name));
        let answer = Answer::new(secret, Origin::fresh("store".into()));
        ShardedEntry::new(Arc::new(Entry::new(
            Ok(answer),
            Duration::ZERO,
            SystemTime::UNIX_EPOCH,
            Duration::from_secs(60),
            &CacheConfig::default(),
            Generation::default(),
        )))
    }

    /// What this group is given after it has read often.
    fn often(sharded: &ShardedEntry, group: usize) -> Arc<Entry> {
        // One in e^64 runs does not get there.
        for _ in 0..64 * OFTEN {
            if !Arc::ptr_eq(sharded.lend(group), &sharded.entry) {
                break;
            }
        }
        Arc::clone(sharded.lend(group))
    }

    /// The places are counted for the whole process: tests that take all of them take turns.
    fn turn() -> MutexGuard<'static, ()> {
        static TURN: Mutex<()> = Mutex::new(());
        TURN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This many may be taken by other tests meanwhile.
    const SPARE: usize = 16;

    #[test]
    fn what_others_read_often_they_have_for_themselves() {
        let _turn = turn();
        let (sharded, equal) = (sharded(), sharded());
        let (own, other) = (sharded.group, (sharded.group + 1) % GROUPS);
        assert!(Arc::ptr_eq(&often(&sharded, own), &sharded.entry));
        assert!(sharded.shards.get().is_none(), "one group needs none");

        let lent = often(&sharded, other);
        assert!(!Arc::ptr_eq(&lent, &sharded.entry));
        assert!(lent.is(&sharded.entry), "it knows the same");
        assert!(!lent.is(&equal.entry), "an equal answer is another one");
        assert!(Arc::ptr_eq(&lent, sharded.lend(other)), "it stays the same");
        assert_eq!(Arc::strong_count(&lent), 2);
        assert!(Arc::ptr_eq(sharded.lend(own), &sharded.entry));

        drop(sharded);
        assert_eq!(
            lent.as_ref().as_ref(),
            b"of all",
            "a reader keeps what it has"
        );
    }

    #[test]
    fn what_others_read_now_and_then_takes_no_room() {
        let _turn = turn();
        let entries: Vec<ShardedEntry> = (0..1000).map(|_| sharded()).collect();
        for sharded in &entries {
            sharded.lend((sharded.group + 1) % GROUPS);
        }
        let shards = entries.iter().filter(|one| one.shards.get().is_some());
        assert!(shards.count() < 30);
    }

    #[test]
    fn so_many_places_and_no_more_have_them() {
        let _turn = turn();
        let entries: Vec<ShardedEntry> = (0..MOST + SPARE).map(|_| sharded()).collect();
        let lent = entries
            .iter()
            .map(|one| often(one, (one.group + 1) % GROUPS));
        let shards = lent
            .zip(&entries)
            .filter(|(lent, one)| !Arc::ptr_eq(lent, &one.entry));
        let count = shards.count();
        assert!((MOST - SPARE..=MOST).contains(&count), "{count}");
    }

    #[test]
    fn a_place_that_goes_leaves_its_room_to_others() {
        let _turn = turn();
        for at in 0..MOST + SPARE {
            let sharded = sharded();
            let lent = often(&sharded, (sharded.group + 1) % GROUPS);
            assert!(!Arc::ptr_eq(&lent, &sharded.entry), "place {at}");
        }
    }
}
