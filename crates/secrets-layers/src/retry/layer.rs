use std::sync::Arc;
use std::time::Duration;

use secrets_core::{
    Answer, Call, Clock, Deadline, Error, ErrorKind, Reply, Request, Response, Result,
};
use tokio::time::Sleep;
use tower::Layer;
use tower::retry::{Policy, Retry};

use super::budget::Budget;
use super::config::RetryConfig;

/// What a call that goes well earns of a repetition.
const EARNED_PERCENT: u32 = 20;

/// Repeats calls that failed on the way: only errors that are retryable, only operations that are idempotent, within the
/// request's deadline, and never more than the configured attempts.
///
/// The wait before attempt n+1 is random between 0 and `base` · 2ⁿ⁻¹, at most `max`. The pause that a provider asks for is
/// a lower bound: servers round it down, so up to a second is added to whole seconds, and all of it before the last
/// attempt. If the deadline comes first, the provider's error is the answer at once. Of a get-many only the items that failed are asked again.
///
/// All callers share a budget of repetitions, which calls that go well fill up: a provider that is down is not asked several
/// times by everyone.
#[derive(Debug, Clone)]
pub struct RetryLayer {
    policy: RetryPolicy,
}

impl RetryLayer {
    /// A layer that repeats as configured. `put_tokens_honoured` says whether the provider makes repeated puts with one
    /// idempotency token one put.
    pub fn new(config: RetryConfig, clock: Arc<dyn Clock>, put_tokens_honoured: bool) -> Self {
        // One call always has all its repetitions.
        let reserve = config.budget.max(config.max_attempts.saturating_sub(1));
        let budget = Budget::new(reserve, EARNED_PERCENT);
        Self {
            policy: RetryPolicy {
                config,
                clock,
                put_tokens_honoured,
                budget,
                attempts: 1,
                kept: None,
            },
        }
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retry<RetryPolicy, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry::new(self.policy.clone(), inner)
    }
}

/// The decisions of [`RetryLayer`], as a policy for tower's retry.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    config: RetryConfig,
    clock: Arc<dyn Clock>,
    put_tokens_honoured: bool,
    budget: Budget,
    /// How many attempts were made, the one under way included.
    attempts: u32,
    kept: Option<PartialBatch>,
}

/// A get-many of which some items are asked again: which answers exist, and where the others belong.
#[derive(Debug, Clone)]
struct PartialBatch {
    results: Vec<Result<Answer>>,
    asked: Vec<usize>,
}

impl RetryPolicy {
    fn wait(&self, error: &Error, (deadline, most): Bounds) -> Option<Duration> {
        let most = most.unwrap_or(u32::MAX);
        if !error.is_retryable() || self.attempts >= self.config.max_attempts.min(most) {
            return None;
        }
        let doubled = self
            .config
            .base
            .saturating_mul(1 << (self.attempts - 1).min(20));
        let backoff = random_up_to(doubled.min(self.config.max));
        let wait = match required_pause(error) {
            Some((pause, slack)) => {
                let is_last = self.attempts + 1 >= self.config.max_attempts.min(most);
                let slack = if is_last { slack } else { random_up_to(slack) };
                pause.max(backoff).saturating_add(slack)
            }
            None => backoff,
        };
        match deadline {
            Some(deadline) if deadline.remaining(&*self.clock) <= wait => None,
            _ => Some(wait),
        }
    }

    /// Whether the budget of all callers has one more attempt.
    fn affords(&self, operation: &str) -> bool {
        let affords = self.budget.take();
        if !affords {
            tracing::debug!(operation, "too many calls fail: this one is not repeated");
        }
        affords
    }

    /// Puts the newest results where they belong and narrows the request to the items worth another attempt.
    fn sort_out(
        &mut self,
        request: &mut Request,
        results: &mut Vec<Result<Answer>>,
    ) -> Option<Duration> {
        let mut kept = self.kept.take().unwrap_or_else(|| PartialBatch {
            results: Vec::new(),
            asked: (0..results.len()).collect(),
        });
        let newest = std::mem::take(results);
        if kept.results.is_empty() {
            kept.results = newest;
        } else {
            for (place, result) in kept.asked.iter().zip(newest) {
                kept.results[*place] = result;
            }
        }
        let bounds = bounds(request);
        let Call::GetMany { items } = &mut request.call else {
            return None;
        };
        let failed = |place: usize| kept.results[place].as_ref().is_err_and(Error::is_retryable);
        let wait = kept
            .asked
            .iter()
            .filter(|place| failed(**place))
            .filter_map(|place| kept.results[*place].as_ref().err())
            .map(|error| self.wait(error, bounds))
            .collect::<Option<Vec<_>>>()
            .and_then(|waits| waits.into_iter().max());
        match wait.filter(|_| self.affords("get-many")) {
            Some(wait) => {
                let again: Vec<bool> = kept.asked.iter().map(|place| failed(*place)).collect();
                let mut keep = again.iter();
                items.retain(|_| *keep.next().unwrap_or(&false));
                let mut keep = again.iter();
                kept.asked.retain(|_| *keep.next().unwrap_or(&false));
                self.kept = Some(kept);
                Some(wait)
            }
            None => {
                *results = kept.results;
                None
            }
        }
    }

    fn again(&mut self, wait: Duration, operation: &str, error: Option<&Error>) -> Sleep {
        tracing::info!(
            operation,
            provider = error.and_then(Error::provider),
            kind = error.map(|error| tracing::field::debug(error.kind())),
            attempt = self.attempts,
            wait_seconds = wait.as_secs_f64(),
            "the provider is asked again"
        );
        self.attempts += 1;
        tokio::time::sleep(wait)
    }
}

/// By when, and how often at most.
type Bounds = (Option<Deadline>, Option<u32>);

fn bounds(request: &Request) -> Bounds {
    (request.deadline, request.max_attempts)
}

/// The least pause that the provider asks for, and how much longer it may have to be: up to a second where the pause is in
/// whole seconds, which servers round down, else a tenth. A limit without a pause is assumed to count by the second.
fn required_pause(error: &Error) -> Option<(Duration, Duration)> {
    let is_limited = error.kind() == ErrorKind::RateLimited;
    let pause = error.retry_after();
    let pause = pause.or_else(|| is_limited.then_some(Duration::ZERO))?;
    let slack = match pause.subsec_nanos() {
        0 => Duration::from_secs(1),
        _ => pause / 10,
    };
    Some((pause, slack))
}

fn random_up_to(limit: Duration) -> Duration {
    limit.mul_f64(fastrand::f64())
}

impl Policy<Request, Response, Error> for RetryPolicy {
    type Future = Sleep;

    fn retry(&mut self, request: &mut Request, result: &mut Result<Response>) -> Option<Sleep> {
        let operation = request.call.operation().as_str();
        match result {
            Ok(Response {
                reply: Reply::Secrets(results),
                ..
            }) => {
                if results.iter().any(Result::is_ok) {
                    self.budget.earn();
                }
                let wait = self.sort_out(request, results)?;
                Some(self.again(wait, operation, None))
            }
            Ok(_) => {
                self.budget.earn();
                None
            }
            Err(error) => {
                let wait = self
                    .wait(error, bounds(request))
                    .filter(|_| self.affords(operation));
                match (wait, self.kept.take()) {
                    (Some(wait), kept) => {
                        self.kept = kept;
                        request.report_retry(error);
                        Some(self.again(wait, operation, Some(error)))
                    }
                    // The whole second attempt failed; what the first one brought is still an answer.
                    (None, Some(kept)) => {
                        let origin = secrets_core::Origin::fresh(
                            error.provider().unwrap_or_default().into(),
                        );
                        *result = Ok(Response::new(Reply::Secrets(kept.results), origin));
                        None
                    }
                    (None, None) => None,
                }
            }
        }
    }

    fn clone_request(&mut self, request: &Request) -> Option<Request> {
        request
            .call
            .is_idempotent(self.put_tokens_honoured)
            .then(|| request.clone())
    }
}
