//! Ends calls and attempts that take too long.

mod attempt;
mod config;
mod future;
mod layer;

pub use attempt::{AttemptTimeoutLayer, AttemptTimeoutService};
pub use config::TimeoutConfig;
pub use future::TimedFuture;
pub use layer::{DeadlineLayer, DeadlineService};
