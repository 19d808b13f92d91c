#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod canary;
mod clock;
pub mod conformance;
pub mod corpus;
#[cfg(feature = "fakes")]
pub mod fakes;
pub mod fault;

pub use clock::ManualClock;
