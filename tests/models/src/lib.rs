//! Model checks of the cache: its files, with the checkers' locks, tasks and timers instead of `sync.rs`.
//!
//! - [`flight`] under loom, which runs every interleaving of threads;
//! - [`cache`], the whole cache, under shuttle, which runs random interleavings.
//!
//! `cargo xtask test` runs both. `POLYSECRETS_DEEP` runs more interleavings.

pub mod cache;
pub mod flight;
#[path = "../../../crates/secrets-layers/src/cached_read.rs"]
#[allow(dead_code, unreachable_pub, reason = "the models use only a part")]
mod cached_read;
#[path = "../../../crates/secrets-layers/src/setting_conflict.rs"]
mod setting_conflict;

pub use setting_conflict::SettingConflict;

/// Whether to run more interleavings.
pub fn deep() -> bool {
    std::env::var_os("POLYSECRETS_DEEP").is_some()
}
