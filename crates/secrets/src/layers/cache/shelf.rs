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

static APART: AtomicUsize = AtomicUsize::new(0);

/// A place in the table. Its clone holds what the reader takes from it.
#[derive(Debug)]
pub(super) struct Shelved {
    entry: Arc<Entry>,
    group: usize,
    apart: OnceLock<Box<Apart>>,
}

/// An entry for each group.
#[derive(Debug)]
struct Apart([OnceLock<Arc<Entry>>; GROUPS]);

impl Shelved {
    pub(super) fn new(entry: Arc<Entry>) -> Self {
        Self {
            entry,
            group: threads::group(),
            apart: OnceLock::new(),
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
        let apart = match self.apart.get() {
            Some(apart) => apart,
            None if fastrand::u32(..OFTEN) > 0 => return &self.entry,
            None => match Apart::new() {
                Some(apart) => self.apart.get_or_init(|| Box::new(apart)),
                None => return &self.entry,
            },
        };
        apart.0[group].get_or_init(|| Arc::new(self.entry.again()))
    }
}

impl Clone for Shelved {
    fn clone(&self) -> Self {
        let group = threads::group();
        Self {
            entry: Arc::clone(self.lend(group)),
            group,
            apart: OnceLock::new(),
        }
    }
}

impl Apart {
    /// `None` where there are too many.
    fn new() -> Option<Self> {
        let apart = Self(Default::default());
        let others = APART.fetch_add(1, Ordering::Relaxed);
        (others < MOST).then_some(apart)
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        APART.fetch_sub(1, Ordering::Relaxed);
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

    fn shelved() -> Shelved {
        let name = SecretName::new("a").unwrap();
        let secret = Secret::new("of all".into(), Metadata::new(name));
        let answer = Answer::new(secret, Origin::fresh("store".into()));
        Shelved::new(Arc::new(Entry::new(
            Ok(answer),
            Duration::ZERO,
            SystemTime::UNIX_EPOCH,
            Duration::from_secs(60),
            &CacheConfig::default(),
            Generation::default(),
        )))
    }

    /// What this group is given after it has read often.
    fn often(shelved: &Shelved, group: usize) -> Arc<Entry> {
        // One in e^64 runs does not get there.
        for _ in 0..64 * OFTEN {
            if !Arc::ptr_eq(shelved.lend(group), &shelved.entry) {
                break;
            }
        }
        Arc::clone(shelved.lend(group))
    }

    /// The places are counted for the whole process: tests that take all of them take turns.
    fn turn() -> MutexGuard<'static, ()> {
        static TURN: Mutex<()> = Mutex::new(());
        TURN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many may be taken by other tests meanwhile.
    const SPARE: usize = 16;

    #[test]
    fn what_others_read_often_they_have_for_themselves() {
        let _turn = turn();
        let (shelved, equal) = (shelved(), shelved());
        let (own, other) = (shelved.group, (shelved.group + 1) % GROUPS);
        assert!(Arc::ptr_eq(&often(&shelved, own), &shelved.entry));
        assert!(shelved.apart.get().is_none(), "one group needs none");

        let lent = often(&shelved, other);
        assert!(!Arc::ptr_eq(&lent, &shelved.entry));
        assert!(lent.is(&shelved.entry), "it knows the same");
        assert!(!lent.is(&equal.entry), "an equal answer is another one");
        assert!(Arc::ptr_eq(&lent, shelved.lend(other)), "it stays the same");
        assert_eq!(Arc::strong_count(&lent), 2);
        assert!(Arc::ptr_eq(shelved.lend(own), &shelved.entry));

        drop(shelved);
        assert_eq!(
            lent.as_ref().as_ref(),
            b"of all",
            "a reader keeps what it has"
        );
    }

    #[test]
    fn what_others_read_now_and_then_takes_no_room() {
        let _turn = turn();
        let entries: Vec<Shelved> = (0..1000).map(|_| shelved()).collect();
        for shelved in &entries {
            shelved.lend((shelved.group + 1) % GROUPS);
        }
        let apart = entries.iter().filter(|one| one.apart.get().is_some());
        assert!(apart.count() < 30);
    }

    #[test]
    fn so_many_places_and_no_more_have_them() {
        let _turn = turn();
        let entries: Vec<Shelved> = (0..MOST + SPARE).map(|_| shelved()).collect();
        let lent = entries
            .iter()
            .map(|one| often(one, (one.group + 1) % GROUPS));
        let apart = lent
            .zip(&entries)
            .filter(|(lent, one)| !Arc::ptr_eq(lent, &one.entry));
        let count = apart.count();
        assert!((MOST - SPARE..=MOST).contains(&count), "{count}");
    }

    #[test]
    fn a_place_that_goes_leaves_its_room_to_others() {
        let _turn = turn();
        for at in 0..MOST + SPARE {
            let shelved = shelved();
            let lent = often(&shelved, (shelved.group + 1) % GROUPS);
            assert!(!Arc::ptr_eq(&lent, &shelved.entry), "place {at}");
        }
    }
}
