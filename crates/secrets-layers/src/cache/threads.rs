//! Threads in groups, each of which has what all of them would else write to at once.

use std::sync::atomic::{AtomicUsize, Ordering};

/// This many groups.
pub(super) const GROUPS: usize = 16;

/// The group of this thread.
pub(super) fn group() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static GROUP: usize = THREADS.fetch_add(1, Ordering::Relaxed) % GROUPS;
    }
    GROUP.with(|group| *group)
}
