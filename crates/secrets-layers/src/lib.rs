#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::print_stderr,
        reason = "a test that cannot go on panics, and a long one shows its progress"
    )
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod audit;
mod breaker;
pub mod cache;
#[cfg(feature = "cache")]
mod cached_read;
mod deadline;
mod error;
pub mod metrics;
pub mod policy;
mod provider;
#[cfg(feature = "rate-limit")]
mod rate_limit;
mod retry;
mod setting_conflict;
mod trace;

pub use setting_conflict::SettingConflict;

#[cfg(feature = "audit")]
pub use audit::{
    Actor, AuditKey, AuditLayer, AuditLog, AuditQuery, AuditService, AuditSink, AuditStats,
    AuditSummary, ChainFault, ChainReport, Durations, Event, FaultKind, FileSink, ReadFuture,
    Record, RecordId, RecordSource, TracingSink, UseStats,
};
pub use audit::{AuditConfig, FsyncMode, Hits, OnFailure};
pub use breaker::{
    Breaker, BreakerConfig, BreakerFuture, BreakerLayer, BreakerService, BreakerState,
};
#[cfg(feature = "cache")]
pub use cache::{Cache, CacheHit, CacheLayer, CacheService};
pub use cache::{CacheConfig, CacheStats};
#[cfg(feature = "cache")]
pub use cached_read::{CachedRead, TryCached};
pub use deadline::{
    AttemptTimeoutLayer, AttemptTimeoutService, DeadlineLayer, DeadlineService, TimedFuture,
    TimeoutConfig,
};
pub use error::error_from_boxed;
pub use metrics::{
    CallStats, DURATION_BOUNDS, Metrics, MetricsFuture, MetricsLayer, MetricsService,
};
pub use policy::{NameGlob, PolicyConfig, PolicyFile, RoleConfig, RoleGrant};
#[cfg(feature = "policy")]
pub use policy::{
    Policy, PolicyDecision, PolicyFuture, PolicyLayer, PolicyMiss, PolicyRule, PolicyService,
    PolicySource, PolicyWarning,
};
pub use provider::ProviderService;
#[cfg(feature = "rate-limit")]
pub use rate_limit::{RateLimitLayer, RateLimitService};
pub use retry::{RetryConfig, RetryLayer, RetryPolicy};
pub use trace::{TraceFuture, TraceLayer, TraceService};
