//! Single flight: whoever wants what is being loaded already waits for that load.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::sync::{Arc, Mutex, lock};

/// The loads under way, one a key.
#[derive(Debug)]
pub(super) struct Flights<K, T>(Arc<Mutex<HashMap<K, Arc<Flight<T>>>>>);

/// Something that happens once.
#[derive(Debug)]
pub(super) struct Flight<T>(Mutex<State<T>>);

#[derive(Debug)]
struct State<T> {
    outcome: Option<T>,
    /// Who waits, by number.
    waiting: Vec<(u64, Waker)>,
    numbers: u64,
}

impl<K: Clone + Eq + Hash, T: Clone> Flights<K, T> {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(HashMap::new())))
    }

    /// Waits for the load of this key. Who begins it also gets its leader, and has to land it; a leader that is dropped
    /// lands with `lost`.
    pub(super) fn join(&self, key: K, lost: T) -> (Waiter<T>, Option<Leader<K, T>>) {
        let mut under_way = lock(&self.0);
        match under_way.entry(key) {
            Entry::Occupied(known) => (Waiter::new(Arc::clone(known.get())), None),
            Entry::Vacant(place) => {
                let flight = Flight::new();
                let leader = Leader {
                    flights: Self(Arc::clone(&self.0)),
                    key: place.key().clone(),
                    flight: Arc::clone(&flight),
                    lost: Some(lost),
                };
                place.insert(Arc::clone(&flight));
                (Waiter::new(flight), Some(leader))
            }
        }
    }

    /// Gives up on the loads of these keys: who waits gets what they bring, but nothing is kept of it, and who comes from
    /// now on begins again. `also` happens before any of them can land or begin.
    pub(super) fn detach(&self, of: impl Fn(&K) -> bool, also: impl FnOnce()) {
        let mut under_way = lock(&self.0);
        under_way.retain(|key, _| !of(key));
        also();
    }
}

impl<T> Flight<T> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            outcome: None,
            waiting: Vec::new(),
            numbers: 0,
        })))
    }
}

impl<T: Clone> Flight<T> {
    pub(super) fn complete(&self, outcome: T) {
        let waiting = {
            let mut state = lock(&self.0);
            state.outcome = Some(outcome);
            std::mem::take(&mut state.waiting)
        };
        for (_, waker) in waiting {
            waker.wake();
        }
    }
}

/// Who has to bring one load to its end.
#[derive(Debug)]
pub(super) struct Leader<K: Clone + Eq + Hash, T: Clone> {
    flights: Flights<K, T>,
    key: K,
    flight: Arc<Flight<T>>,
    lost: Option<T>,
}

impl<K: Clone + Eq + Hash, T: Clone> Leader<K, T> {
    pub(super) fn key(&self) -> &K {
        &self.key
    }

    /// Gives the outcome to all who wait. `keep` is called first, unless the load was detached; no other load of the key
    /// begins or lands, and nothing is detached, while it runs.
    pub(super) fn complete(mut self, outcome: T, keep: impl FnOnce(&K, &T)) {
        self.lost = None;
        self.leave(|key| keep(key, &outcome));
        self.flight.complete(outcome);
    }

    fn leave(&self, keep: impl FnOnce(&K)) {
        let mut under_way = lock(&self.flights.0);
        let current = under_way.get(&self.key);
        if current.is_some_and(|current| Arc::ptr_eq(current, &self.flight)) {
            under_way.remove(&self.key);
            keep(&self.key);
        }
    }
}

impl<K: Clone + Eq + Hash, T: Clone> Drop for Leader<K, T> {
    fn drop(&mut self) {
        if let Some(lost) = self.lost.take() {
            self.leave(|_| {});
            self.flight.complete(lost);
        }
    }
}

/// Waits for a load. Dropping it ends the waiting, not the load.
#[derive(Debug)]
pub(super) struct Waiter<T> {
    flight: Arc<Flight<T>>,
    number: Option<u64>,
}

impl<T> Waiter<T> {
    pub(super) fn new(flight: Arc<Flight<T>>) -> Self {
        Self {
            flight,
            number: None,
        }
    }
}

impl<T: Clone> Future for Waiter<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let flight = Arc::clone(&self.flight);
        let mut state = lock(&flight.0);
        if let Some(outcome) = &state.outcome {
            return Poll::Ready(outcome.clone());
        }
        let number = match self.number {
            Some(number) => number,
            None => {
                state.numbers += 1;
                state.numbers
            }
        };
        self.number = Some(number);
        match state.waiting.iter_mut().find(|(other, _)| *other == number) {
            Some((_, waker)) => waker.clone_from(cx.waker()),
            None => state.waiting.push((number, cx.waker().clone())),
        }
        Poll::Pending
    }
}

impl<T> Drop for Waiter<T> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            lock(&self.flight.0)
                .waiting
                .retain(|(other, _)| *other != number);
        }
    }
}
