//! Secrets in the memory of this process, gone when it ends: for tests, for trying things out, and as the reference for
//! what a provider that can do everything does.

mod config;
mod provider;
mod store;

pub use config::MemoryConfig;
pub use provider::{CAPABILITIES, MemoryProvider, SCHEME, open};
