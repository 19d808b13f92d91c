use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::task::noop_waker;
use loom::future::block_on;
use loom::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use loom::sync::{Arc, Mutex};
use loom::thread;

use super::real::{Flights, Leader, Waiter};

type All = Flights<&'static str, usize>;

/// What a load that is given up brings.
const LOST: usize = usize::MAX;

/// Every order in which two threads can meet. Three have too many for any day: of those, the ones in which threads are
/// interrupted at most three times, five times in the deep run.
fn every_order(threads: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    if threads > 2 {
        builder.preemption_bound = Some(if crate::deep() { 5 } else { 3 });
    }
    builder.max_branches = 100_000;
    builder.check(model);
}

/// What the cache keeps, and how many loads began.
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

    /// Numbers the load and brings it to its end.
    fn complete(&self, leader: Leader<&'static str, usize>) -> usize {
        let number = self.begun.fetch_add(1, SeqCst) + 1;
        leader.complete(number, |key, value| {
            assert_eq!((*key, *value), ("a", number));
            *self.value.lock().unwrap() = Some(number);
        });
        number
    }

    /// As a reader does.
    fn read(&self) -> usize {
        let (waiter, leader) = self.join();
        let own = leader.map(|leader| self.complete(leader));
        let got = block_on(waiter);
        // Who flew gets what it brought, whatever others began or gave up meanwhile.
        assert!(own.is_none_or(|own| own == got), "{own:?} and not {got}");
        got
    }

    /// As a write does.
    fn forget(&self) {
        self.flights
            .detach(|key| *key == "a", || *self.value.lock().unwrap() = None);
    }
}

#[test]
fn who_wants_the_same_at_once_gets_the_same() {
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
        // Each load served somebody, and nobody got a value that no load brought.
        got.dedup();
        assert_eq!(got, (1..=loads).collect::<Vec<_>>());
        assert_eq!(kept.value(), Some(loads));
    });
}

#[test]
fn two_loads_of_one_key_are_never_under_way_at_once() {
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
fn a_leader_that_is_dropped_lets_nobody_hang() {
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
        // It joined the load that was lost, or began one.
        let got = second.join().unwrap();
        assert!(got == LOST && kept.value().is_none() || got == 1 && kept.value() == Some(1));
        // And nothing stands in the way of the next one.
        assert!(kept.join().1.is_some());
    });
}

#[test]
fn what_was_given_up_is_never_kept() {
    every_order(2, || {
        let kept = Kept::new();
        let (waiter, leader) = kept.join();
        let landing = {
            let kept = kept.clone();
            thread::spawn(move || kept.complete(leader.unwrap()))
        };
        kept.forget();
        // Kept before it was forgotten, or not at all.
        assert_eq!(kept.value(), None);
        landing.join().unwrap();
        assert_eq!(kept.value(), None);
        assert_eq!(block_on(waiter), 1);
    });
}

#[test]
fn a_load_that_was_given_up_does_not_touch_the_next_one() {
    every_order(3, || {
        let kept = Kept::new();
        let (_, old) = kept.join();
        kept.forget();
        let (waiter, new) = kept.join();
        let new = new.expect("the first one was given up");
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
fn writes_readers_and_loads_in_any_order_leave_what_is_newest() {
    every_order(3, || {
        let kept = Kept::new();
        // What the provider holds; the write changes it, then tells the cache.
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
        // From now on nobody may find the old value.
        assert_ne!(kept.value(), Some(1));
        assert!([1, 2].contains(&reader.join().unwrap()));
        assert_ne!(kept.value(), Some(1));
    });
}

#[test]
fn who_leaves_takes_nobody_with_it() {
    every_order(3, || {
        let kept = Kept::new();
        let (stays, leader) = kept.join();
        let (mut leaves, _) = kept.join();
        let staying = thread::spawn(move || block_on(stays));
        let leaving = thread::spawn(move || {
            let waker = noop_waker();
            // It has been noted as waiting, or the load has landed before.
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
fn a_waiter_that_moves_to_another_task_is_woken_there() {
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
fn other_keys_are_not_given_up() {
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
