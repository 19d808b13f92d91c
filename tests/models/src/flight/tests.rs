use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::task::noop_waker;
use loom::future::block_on;
use loom::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use loom::sync::{Arc, Mutex};
use loom::thread;

use super::real::{Flights, Leader, Waiter};

type All = Flights<&'static str, usize>;

/// The result of a dropped load.
const LOST: usize = usize::MAX;

/// Runs every interleaving of two threads. Three threads have too many, so the number of preemptions is limited to three,
/// or five in the deep run.
fn every_order(threads: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    if threads > 2 {
        builder.preemption_bound = Some(if crate::deep() { 5 } else { 3 });
    }
    builder.max_branches = 100_000;
    builder.check(model);
}

/// The cached value and the number of loads.
#[derive(Clone)]
struct Kept {
    flights: Arc<All>,
    value: Arc<Mutex<Option<usize>>>,
    begun: Arc<AtomicUsize>,
}

impl Kept {
    fn new() -> Self {
        Self {
            flights: Arc::new(Flights::new()),
            value: Arc::new(Mutex::new(None)),
            begun: Arc::new(AtomicUsize::new(0)),
        }
    }

    fn value(&self) -> Option<usize> {
        *self.value.lock().unwrap()
    }

    fn join(&self) -> (Waiter<usize>, Option<Leader<&'static str, usize>>) {
        self.flights.join("a", LOST)
    }

    /// Numbers the load and completes it.
    fn complete(&self, leader: Leader<&'static str, usize>) -> usize {
        let number = self.begun.fetch_add(1, SeqCst) + 1;
        leader.complete(number, |key, value| {
            assert_eq!((*key, *value), ("a", number));
            *self.value.lock().unwrap() = Some(number);
        });
        number
    }

    /// Reads like a reader of the cache.
    fn read(&self) -> usize {
        let (waiter, leader) = self.join();
        let own = leader.map(|leader| self.complete(leader));
        let got = block_on(waiter);
        // The leader gets its own value, whatever others started or dropped meanwhile.
        assert!(own.is_none_or(|own| own == got), "{own:?} and not {got}");
        got
    }

    /// Invalidates like a write.
    fn forget(&self) {
        self.flights
            .detach(|key| *key == "a", || *self.value.lock().unwrap() = None);
    }
}

#[test]
fn concurrent_readers_share_a_load() {
    every_order(3, || {
        let kept = Kept::new();
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let kept = kept.clone();
                thread::spawn(move || kept.read())
            })
            .collect();
        let mut got = vec![kept.read()];
        got.extend(readers.into_iter().map(|reader| reader.join().unwrap()));
        let loads = kept.begun.load(SeqCst);
        got.sort_unstable();
        // Each load served a reader, and every value came from a load.
        got.dedup();
        assert_eq!(got, (1..=loads).collect::<Vec<_>>());
        assert_eq!(kept.value(), Some(loads));
    });
}

#[test]
fn loads_of_one_key_never_overlap() {
    every_order(3, || {
        let kept = Kept::new();
        let under_way = Arc::new(AtomicUsize::new(0));
        let fly = move |kept: &Kept, under_way: &AtomicUsize| {
            let (waiter, leader) = kept.join();
            if let Some(leader) = leader {
                assert_eq!(under_way.fetch_add(1, SeqCst), 0);
                thread::yield_now();
                leader.complete(1, |_, _| assert_eq!(under_way.fetch_sub(1, SeqCst), 1));
            }
            assert_eq!(block_on(waiter), 1);
        };
        let others: Vec<_> = (0..2)
            .map(|_| {
                let (kept, under_way) = (kept.clone(), under_way.clone());
                thread::spawn(move || fly(&kept, &under_way))
            })
            .collect();
        for other in others {
            other.join().unwrap();
        }
    });
}

#[test]
fn a_dropped_leader_blocks_no_waiter() {
    every_order(3, || {
        let kept = Kept::new();
        let (waiter, leader) = kept.join();
        let first = thread::spawn(move || block_on(waiter));
        let second = {
            let kept = kept.clone();
            thread::spawn(move || kept.read())
        };
        drop(leader);
        assert_eq!(first.join().unwrap(), LOST);
        // It joined the lost load or started one.
        let got = second.join().unwrap();
        assert!(got == LOST && kept.value().is_none() || got == 1 && kept.value() == Some(1));
        // The next reader can start a load.
        assert!(kept.join().1.is_some());
    });
}

#[test]
fn an_invalidated_load_is_never_cached() {
    every_order(2, || {
        let kept = Kept::new();
        let (waiter, leader) = kept.join();
        let landing = {
            let kept = kept.clone();
            thread::spawn(move || kept.complete(leader.unwrap()))
        };
        kept.forget();
        // Cached before the invalidation, or not at all.
        assert_eq!(kept.value(), None);
        landing.join().unwrap();
        assert_eq!(kept.value(), None);
        assert_eq!(block_on(waiter), 1);
    });
}

#[test]
fn an_invalidated_load_does_not_affect_the_next_one() {
    every_order(3, || {
        let kept = Kept::new();
        let (_, old) = kept.join();
        kept.forget();
        let (waiter, new) = kept.join();
        let new = new.expect("the first load was invalidated");
        let landing = thread::spawn(move || old.unwrap().complete(7, |_, _| panic!("kept")));
        let reader = {
            let kept = kept.clone();
            thread::spawn(move || {
                let (waiter, leader) = kept.join();
                leader.map(|leader| leader.complete(9, |_, _| {}));
                block_on(waiter)
            })
        };
        let mut ran = false;
        new.complete(8, |_, _| ran = true);
        assert!(ran);
        landing.join().unwrap();
        assert_eq!(block_on(waiter), 8);
        assert!([8, 9].contains(&reader.join().unwrap()));
    });
}

#[test]
fn any_order_of_writes_and_loads_leaves_the_newest_value() {
    every_order(3, || {
        let kept = Kept::new();
        // The provider's value. A write changes it and then invalidates the cache.
        let provider = Arc::new(AtomicUsize::new(1));
        let writer = {
            let (kept, provider) = (kept.clone(), provider.clone());
            thread::spawn(move || {
                provider.store(2, SeqCst);
                kept.forget();
            })
        };
        let reader = {
            let (kept, provider) = (kept.clone(), provider.clone());
            thread::spawn(move || {
                let (waiter, leader) = kept.join();
                if let Some(leader) = leader {
                    let read = provider.load(SeqCst);
                    leader.complete(read, |_, read| *kept.value.lock().unwrap() = Some(*read));
                }
                block_on(waiter)
            })
        };
        writer.join().unwrap();
        // From now on, the old value must not be cached.
        assert_ne!(kept.value(), Some(1));
        assert!([1, 2].contains(&reader.join().unwrap()));
        assert_ne!(kept.value(), Some(1));
    });
}

#[test]
fn a_cancelled_waiter_does_not_affect_others() {
    every_order(3, || {
        let kept = Kept::new();
        let (stays, leader) = kept.join();
        let (mut leaves, _) = kept.join();
        let staying = thread::spawn(move || block_on(stays));
        let leaving = thread::spawn(move || {
            let waker = noop_waker();
            // Either it is registered as waiting, or the load has already completed.
            match Pin::new(&mut leaves).poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(got) => assert_eq!(got, 1),
                Poll::Pending => drop(leaves),
            }
        });
        kept.complete(leader.unwrap());
        leaving.join().unwrap();
        assert_eq!(staying.join().unwrap(), 1);
    });
}

#[test]
fn a_waiter_that_moves_to_another_task_is_woken() {
    every_order(2, || {
        let kept = Kept::new();
        let (mut waiter, leader) = kept.join();
        let landing = {
            let kept = kept.clone();
            thread::spawn(move || kept.complete(leader.unwrap()))
        };
        let waker = noop_waker();
        let polled = Pin::new(&mut waiter).poll(&mut Context::from_waker(&waker));
        match polled {
            Poll::Ready(got) => assert_eq!(got, 1),
            Poll::Pending => assert_eq!(block_on(waiter), 1),
        }
        landing.join().unwrap();
    });
}

#[test]
fn invalidation_leaves_other_keys_alone() {
    every_order(2, || {
        let flights = Arc::new(All::new());
        let (waiter, leader) = flights.join("b", LOST);
        let forgetting = {
            let flights = flights.clone();
            thread::spawn(move || flights.detach(|key| *key == "a", || {}))
        };
        let mut kept = false;
        leader.unwrap().complete(1, |_, _| kept = true);
        forgetting.join().unwrap();
        assert!(kept);
        assert_eq!(block_on(waiter), 1);
    });
}
