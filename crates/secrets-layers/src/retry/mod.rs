//! Repeats calls that failed on the way.

mod budget;
mod config;
mod layer;
#[cfg(test)]
mod tests;

pub use config::RetryConfig;
pub use layer::{RetryLayer, RetryPolicy};
