//! Reads that the cache answers without a future, through the same layers in the same order.

use std::sync::Arc;

use secrets_core::{SecretName, Version};
use tower::util::Either;

use crate::cache::CacheHit;

/// A read of one secret, before it becomes a request.
#[derive(Debug, Clone, Copy)]
pub struct CachedRead<'r> {
    /// The provider or chain.
    pub target: Option<&'r str>,
    /// The secret.
    pub name: &'r SecretName,
    /// One version of it; `None` for the current one.
    pub version: Option<&'r Version>,
    /// Why the caller wants it, for the audit.
    pub reason: Option<&'r Arc<str>>,
}

/// A service that can answer some reads at once. It treats them as it treats requests: an audit counts them, a policy has
/// allowed them.
pub trait TryCached {
    /// The answer, if the cache holds it and every layer on the way agrees. `None` refuses nothing: nothing has happened
    /// yet, and the caller sends the request.
    fn try_cached(&self, read: CachedRead<'_>) -> Option<CacheHit>;
}

/// An optional layer.
impl<A: TryCached, B: TryCached> TryCached for Either<A, B> {
    fn try_cached(&self, read: CachedRead<'_>) -> Option<CacheHit> {
        match self {
            Self::Left(service) => service.try_cached(read),
            Self::Right(service) => service.try_cached(read),
        }
    }
}
