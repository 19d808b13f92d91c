//! Answers are kept for a while, and what many want at once is loaded once.
//!
//! - Within its time to live an answer is given without asking anyone. Near its end it is fetched again meanwhile, by one of
//!   those who read it (`refresh_ahead`).
//! - Of all who want what is not there, or not fresh, one load serves all. The load runs on its own time; who waits may
//!   leave, and a load that is given up is an error for those who stay, never a hang.
//! - Where a provider cannot be reached ([`Error::is_stale_ok`](secrets_core::Error::is_stale_ok)), the last answer is given
//!   up to the age `max_stale`, and says so ([`Freshness::Stale`](secrets_core::Freshness::Stale)). Once a provider or chain
//!   is known to fail, nobody waits for it who has such an answer; one in a second tries again behind their backs. Who is
//!   the first to find out waits for the failure of one attempt, not of its repetitions, and `patience` at the longest.
//! - Any other error makes the cache forget: what is denied, deleted or disabled is never answered from memory.
//! - A write forgets the secret at once, under every provider, chain and version, and what loads under way bring is not kept.
//!
//! A hit costs a look-up and one counted reference, whatever the number of answers; a miss a task more.

#[cfg(feature = "cache")]
mod cache_hit;
mod config;
#[cfg(feature = "cache")]
mod counters;
#[cfg(feature = "cache")]
mod entry;
#[cfg(feature = "cache")]
mod flight;
#[cfg(feature = "cache")]
mod health;
#[cfg(feature = "cache")]
mod key;
#[cfg(feature = "cache")]
mod layer;
#[cfg(feature = "cache")]
mod service;
#[cfg(feature = "cache")]
mod sharded;
mod stats;
#[cfg(feature = "cache")]
mod store;
#[cfg(feature = "cache")]
mod sync;
#[cfg(all(test, feature = "cache"))]
mod tests;
#[cfg(feature = "cache")]
mod threads;

#[cfg(feature = "cache")]
pub use cache_hit::CacheHit;
pub use config::CacheConfig;
#[cfg(feature = "cache")]
pub use layer::CacheLayer;
#[cfg(feature = "cache")]
pub use service::CacheService;
pub use stats::CacheStats;
#[cfg(feature = "cache")]
pub use store::{Cache, SecretTtls};
