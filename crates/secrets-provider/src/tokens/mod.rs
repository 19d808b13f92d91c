//! Tokens that many requests share: how long one lasts, and who fetches the next.

mod lifetime;
mod shared;

pub use lifetime::{Backoff, TokenLifetime, jittered, renew_after};
pub use shared::{Expiring, RefreshGuard, SharedToken};
