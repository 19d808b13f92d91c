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

mod config;
mod entry;
mod flight;
mod health;
mod kept;
mod key;
mod layer;
mod service;
mod shelf;
mod stats;
mod store;
mod sync;
#[cfg(test)]
mod tests;
mod threads;

pub use config::CacheConfig;
pub(crate) use kept::Kept;
pub use layer::CacheLayer;
pub use service::CacheService;
pub use stats::CacheStats;
pub use store::Cache;
pub(crate) use store::OwnTtls;
