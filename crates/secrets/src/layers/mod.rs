//! The layers of the stacks: one file, one behaviour. Each is a tower layer that fits into anyone's stack.

mod audit;
mod breaker;
mod budget;
mod cache;
mod deadline;
mod glance;
mod limit;
mod meter;
mod policy;
mod retry;
mod timed;
mod timeout;
mod trace;

use secrets_core::{Error, ErrorKind};
use tower::BoxError;

pub use audit::{
    Actor, AuditConfig, AuditKey, AuditLayer, AuditLog, AuditQuery, AuditService, AuditSink,
    AuditStats, AuditSummary, Durations, Event, Fault, FileSink, Hits, OnFailure, Problem,
    ReadFuture, Record, RecordId, Source, Sync, TracingSink, UseStats, Verified,
};
pub use breaker::{
    Breaker, BreakerConfig, BreakerFuture, BreakerLayer, BreakerService, BreakerState,
};
pub use cache::{Cache, CacheConfig, CacheLayer, CacheService, CacheStats};
pub(crate) use cache::{Kept, OwnTtls};
pub use deadline::{DeadlineLayer, DeadlineService};
pub(crate) use glance::{AtOnce, Glance};
pub use limit::{RateLimitLayer, RateLimitService};
pub use meter::{CallStats, DURATION_BOUNDS, Meter, MeterFuture, MeterLayer, MeterService};
pub(crate) use policy::operations as policy_operations;
pub use policy::{NameGlob, PolicyConfig, PolicyFile, RoleConfig, RoleGrant};
#[cfg(feature = "policy")]
pub use policy::{
    Policy, PolicyDecision, PolicyFuture, PolicyLayer, PolicyMiss, PolicyRule, PolicyService,
    PolicyWarning,
};
pub use retry::{RetryLayer, RetryPolicy};
pub use timed::TimedFuture;
pub use timeout::{AttemptTimeoutLayer, AttemptTimeoutService};
pub use trace::{TraceLayer, TraceService};

/// Turns the error of any layer into ours: our own is unwrapped, tower's `Elapsed` is
/// [`Timeout`](ErrorKind::Timeout), its `Overloaded` is [`Unavailable`](ErrorKind::Unavailable), and anything else is
/// [`Unexpected`](ErrorKind::Unexpected).
pub fn error_from_boxed(error: BoxError) -> Error {
    match error.downcast::<Error>() {
        Ok(ours) => *ours,
        Err(other) if other.is::<tower::timeout::error::Elapsed>() => {
            Error::new(ErrorKind::Timeout, "the time limit of a layer passed")
        }
        Err(other) if other.is::<tower::load_shed::error::Overloaded>() => {
            Error::new(ErrorKind::Unavailable, "too many requests are under way")
                .with_hint("send fewer at once, or raise the limit on concurrency")
        }
        // The text of a foreign error may hold anything, so it is not kept.
        Err(_) => Error::new(
            ErrorKind::Unexpected,
            "a layer failed with an error of its own",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_comes_back_as_it_was() {
        let boxed: BoxError = Error::from(ErrorKind::Conflict).into();
        assert_eq!(error_from_boxed(boxed).kind(), ErrorKind::Conflict);
    }

    #[test]
    fn towers_errors_have_kinds() {
        let elapsed = tower::timeout::error::Elapsed::new();
        assert_eq!(
            error_from_boxed(Box::new(elapsed)).kind(),
            ErrorKind::Timeout
        );
        let overloaded = tower::load_shed::error::Overloaded::new();
        assert_eq!(
            error_from_boxed(Box::new(overloaded)).kind(),
            ErrorKind::Unavailable
        );
    }

    #[test]
    fn a_foreign_error_is_not_repeated() {
        let error = error_from_boxed("token=hunter2".into());
        assert_eq!(error.kind(), ErrorKind::Unexpected);
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
