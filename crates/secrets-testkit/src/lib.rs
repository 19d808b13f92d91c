#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

pub mod canary;
mod clock;
pub mod conformance;
pub mod corpus;
#[cfg(feature = "fakes")]
pub mod fakes;
pub mod fault;

pub use clock::ManualClock;
