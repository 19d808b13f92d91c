//! Counts the calls of providers.

mod layer;
pub mod prometheus;

pub(crate) use layer::kind_name;
pub use layer::{CallStats, DURATION_BOUNDS, Metrics, MetricsFuture, MetricsLayer, MetricsService};
