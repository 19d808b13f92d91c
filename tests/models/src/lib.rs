//! The cache under model checkers: its own files, with the checkers' locks, tasks and timers in place of
//! `sync.rs`.
//!
//! - [`flight`] under loom, which runs every order in which threads can meet;
//! - [`cache`], the whole of it, under shuttle, which runs random ones.
//!
//! `cargo xtask test` runs both. `POLYSECRETS_DEEP` asks for the full figures.

pub mod cache;
pub mod flight;
#[path = "../../../crates/secrets-layers/src/cached_read.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the crate around it asks for more than the models do"
)]
mod cached_read;

/// Whether the full figures are asked for.
pub fn deep() -> bool {
    std::env::var_os("POLYSECRETS_DEEP").is_some()
}
