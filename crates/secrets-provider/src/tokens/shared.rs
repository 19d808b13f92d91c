//! A token that many requests share: concurrent callers wait for one login and its outcome.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use secrets_core::{Clock, Error, ErrorKind, Result};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinHandle;

use crate::TokenLifetime;

/// A token that expires.
pub trait Expiring {
    /// When it expires.
    fn life(&self) -> &TokenLifetime;
}

/// The current token of a provider, with one refresh at a time.
///
/// `O` is the outcome of a refresh that succeeds.
pub struct SharedToken<T, O = ()> {
    clock: Arc<dyn Clock>,
    current: RwLock<Option<Arc<T>>>,
    gate: Arc<Gate<O>>,
}

struct Gate<O> {
    /// The outcome of the last refresh; locked while one runs.
    last: Arc<Mutex<Option<Result<O>>>>,
    attempts: AtomicU64,
}

impl<T, O> fmt::Debug for SharedToken<T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedToken(..)")
    }
}

impl<T: Expiring, O: Clone + Send + 'static> SharedToken<T, O> {
    /// No token yet. Lifetimes are measured on this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            current: RwLock::new(None),
            gate: Arc::new(Gate {
                last: Arc::default(),
                attempts: AtomicU64::new(0),
            }),
        }
    }

    /// Now, on the clock of the lifetimes.
    pub fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    /// The current token, expired or not.
    pub fn current(&self) -> Option<Arc<T>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }

    /// The current token, if it has not expired.
    pub fn usable(&self) -> Option<Arc<T>> {
        self.current()
            .filter(|token| !token.life().is_over(self.now()))
    }

    /// The current token, if it is usable and not this one.
    pub fn other_than(&self, used: &Arc<T>) -> Option<Arc<T>> {
        self.usable().filter(|token| !Arc::ptr_eq(token, used))
    }

    /// Makes a token the current one.
    pub fn install(&self, token: T) -> Arc<T> {
        let token = Arc::new(token);
        *self.write() = Some(Arc::clone(&token));
        token
    }

    /// Removes the current token.
    pub fn take(&self) -> Option<Arc<T>> {
        self.write().take()
    }

    /// Removes this token, unless another one has replaced it.
    pub fn forget(&self, token: &Arc<T>) {
        let mut current = self.write();
        if current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, token))
        {
            *current = None;
        }
    }

    fn write(&self) -> RwLockWriteGuard<'_, Option<Arc<T>>> {
        self.current.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no other refresh runs.
    pub async fn refresh_guard(&self) -> RefreshGuard<O> {
        let gate = Arc::clone(&self.gate);
        let seen = gate.attempts.load(Ordering::Acquire);
        let last = Arc::clone(&gate.last).lock_owned().await;
        let has_outcome = gate.attempts.load(Ordering::Acquire) != seen;
        RefreshGuard {
            last,
            gate,
            has_outcome,
        }
    }

    /// The guard, if no other refresh runs.
    pub fn try_refresh_guard(&self) -> Option<RefreshGuard<O>> {
        let gate = Arc::clone(&self.gate);
        let last = Arc::clone(&gate.last).try_lock_owned().ok()?;
        Some(RefreshGuard {
            last,
            gate,
            has_outcome: false,
        })
    }

    /// The `wanted` token, or the one that `attempt` installs. One caller runs the attempt, the others wait for its outcome.
    /// `None` if there is no such token afterwards.
    ///
    /// # Errors
    /// The error of the attempt, for every caller that waited for it.
    pub async fn get_or_refresh(
        &self,
        wanted: impl Fn() -> Option<Arc<T>>,
        attempt: impl Future<Output = Result<O>> + Send + 'static,
    ) -> Result<Option<Arc<T>>> {
        let turn = self.refresh_guard().await;
        if let Some(token) = wanted() {
            return Ok(Some(token));
        }
        if let Some(Err(failure)) = turn.outcome() {
            return Err(failure.clone());
        }
        turn.run(attempt).await?;
        Ok(wanted())
    }
}

/// The right to refresh a token. Dropping it passes the right on.
#[must_use = "no other refresh runs meanwhile"]
pub struct RefreshGuard<O> {
    last: OwnedMutexGuard<Option<Result<O>>>,
    gate: Arc<Gate<O>>,
    has_outcome: bool,
}

impl<O> fmt::Debug for RefreshGuard<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshGuard(..)")
    }
}

impl<O: Clone + Send + 'static> RefreshGuard<O> {
    /// The outcome of a refresh that ended while this guard was waited for.
    pub fn outcome(&self) -> Option<&Result<O>> {
        self.last.as_ref().filter(|_| self.has_outcome)
    }

    /// Runs the attempt and returns its outcome. It runs to its end even if the caller is dropped: servers count logins, and
    /// some credentials work once.
    ///
    /// # Errors
    /// The error of the attempt; [`ErrorKind::Unexpected`] if it panics or the runtime shuts down.
    pub async fn run(self, attempt: impl Future<Output = Result<O>> + Send + 'static) -> Result<O> {
        self.start(attempt)
            .await
            .map_err(|_| Error::new(ErrorKind::Unexpected, "the login was interrupted"))?
    }

    /// Runs the attempt in the background. Needs the runtime.
    pub fn start(
        mut self,
        attempt: impl Future<Output = Result<O>> + Send + 'static,
    ) -> JoinHandle<Result<O>> {
        tokio::spawn(async move {
            let result = attempt.await;
            *self.last = Some(result.clone());
            self.gate.attempts.fetch_add(1, Ordering::Release);
            result
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use secrets_testkit::ManualClock;
    use tokio::sync::Notify;

    use super::*;

    struct Token(TokenLifetime, usize);

    impl Expiring for Token {
        fn life(&self) -> &TokenLifetime {
            &self.0
        }
    }

    #[derive(Clone)]
    struct Logins {
        shared: Arc<SharedToken<Token>>,
        made: Arc<AtomicUsize>,
        /// A login continues when this is notified.
        go: Arc<Notify>,
    }

    const LIFE: Duration = Duration::from_secs(100);

    impl Logins {
        fn new(clock: &Arc<ManualClock>) -> Self {
            Self {
                shared: Arc::new(SharedToken::new(clock.clone())),
                made: Arc::default(),
                go: Arc::default(),
            }
        }

        async fn log_in(self, fails: bool) -> Result<()> {
            let number = self.made.fetch_add(1, Ordering::SeqCst);
            self.go.notified().await;
            if fails {
                return Err(Error::from(ErrorKind::PermissionDenied));
            }
            let life = TokenLifetime::expiring(self.shared.now(), LIFE, Duration::ZERO);
            self.shared.install(Token(life, number));
            Ok(())
        }

        fn token(&self, fails: bool) -> JoinHandle<Result<Option<usize>>> {
            let own = self.clone();
            tokio::spawn(async move {
                let wanted = || own.shared.usable();
                let attempt = own.clone().log_in(fails);
                let token = own.shared.get_or_refresh(wanted, attempt).await?;
                Ok(token.map(|token| token.1))
            })
        }

        fn made(&self) -> usize {
            self.made.load(Ordering::SeqCst)
        }
    }

    async fn settle() {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn one_logs_in_for_all() {
        let logins = Logins::new(&Arc::default());
        let callers: Vec<_> = (0..20).map(|_| logins.token(false)).collect();
        settle().await;
        assert_eq!(logins.made(), 1);
        logins.go.notify_one();
        for caller in callers {
            assert_eq!(caller.await.unwrap().unwrap(), Some(0));
        }
        assert_eq!(logins.made(), 1);
    }

    #[tokio::test]
    async fn all_who_waited_take_the_failure_and_who_comes_later_tries_again() {
        let logins = Logins::new(&Arc::default());
        let callers: Vec<_> = (0..20).map(|_| logins.token(true)).collect();
        settle().await;
        logins.go.notify_one();
        for caller in callers {
            let failure = caller.await.unwrap().unwrap_err();
            assert_eq!(failure.kind(), ErrorKind::PermissionDenied);
        }
        assert_eq!(logins.made(), 1);
        logins.go.notify_one();
        assert_eq!(logins.token(false).await.unwrap().unwrap(), Some(1));
    }

    #[tokio::test]
    async fn a_caller_who_goes_away_does_not_end_the_login() {
        let logins = Logins::new(&Arc::default());
        let caller = logins.token(false);
        settle().await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        logins.go.notify_one();
        assert_eq!(logins.token(false).await.unwrap().unwrap(), Some(0));
        assert_eq!(logins.made(), 1);
    }

    #[tokio::test]
    async fn a_login_that_panics_leaves_the_turn_to_the_next() {
        let logins = Logins::new(&Arc::default());
        let turn = logins.shared.refresh_guard().await;
        let failure = turn.run(async { panic!("on purpose") }).await.unwrap_err();
        assert_eq!(failure.kind(), ErrorKind::Unexpected);
        logins.go.notify_one();
        assert_eq!(logins.token(false).await.unwrap().unwrap(), Some(0));
    }

    #[tokio::test]
    async fn a_token_is_usable_until_it_is_over() {
        let clock = Arc::default();
        let logins = Logins::new(&clock);
        logins.go.notify_one();
        logins.token(false).await.unwrap().unwrap();
        let first = logins.shared.usable().unwrap();
        assert!(logins.shared.other_than(&first).is_none());
        clock.advance(LIFE);
        assert!(logins.shared.usable().is_none());
        assert!(logins.shared.current().is_some());

        logins.go.notify_one();
        assert_eq!(logins.token(false).await.unwrap().unwrap(), Some(1));
        assert_eq!(logins.shared.other_than(&first).unwrap().1, 1);
        logins.shared.forget(&first);
        assert_eq!(logins.shared.current().unwrap().1, 1);
        assert_eq!(logins.shared.take().unwrap().1, 1);
        assert!(logins.shared.current().is_none());
    }

    #[tokio::test]
    async fn in_the_background_there_is_one_attempt_too() {
        let logins = Logins::new(&Arc::default());
        let turn = logins.shared.try_refresh_guard().unwrap();
        assert!(turn.outcome().is_none());
        let running = turn.start(logins.clone().log_in(false));
        assert!(logins.shared.try_refresh_guard().is_none());
        let waits = logins.token(false);
        settle().await;
        logins.go.notify_one();
        running.await.unwrap().unwrap();
        assert_eq!(waits.await.unwrap().unwrap(), Some(0));
        assert_eq!(logins.made(), 1);
        assert!(logins.shared.try_refresh_guard().is_some());
    }
}
