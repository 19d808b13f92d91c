//! Secrets from any store through one interface: read, write, list, version and roll back.

mod document;
mod resolve;

pub use resolve::{FileFormat, FileScan, ValueScan};
