//! Answers that are there already are given without a future, through the same layers in the same order.

use std::sync::Arc;

use secrets_core::{SecretName, Version};
use tower::util::Either;

use super::cache::Kept;

/// A read that has not become a request yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Glance<'g> {
    pub(crate) target: Option<&'g str>,
    pub(crate) name: &'g SecretName,
    pub(crate) version: Option<&'g Version>,
    pub(crate) reason: Option<&'g Arc<str>>,
}

/// A service that can answer some reads at once. It does to them what it does to requests: an audit records them, a policy
/// has allowed them.
pub(crate) trait AtOnce {
    /// The answer, if the cache has it and every layer on the way is done with it. `None` refuses nothing: the request has
    /// to be made then, and nothing has happened yet.
    fn glance(&self, read: Glance<'_>) -> Option<Kept>;
}

/// A layer that may be there.
impl<A: AtOnce, B: AtOnce> AtOnce for Either<A, B> {
    fn glance(&self, read: Glance<'_>) -> Option<Kept> {
        match self {
            Self::Left(service) => service.glance(read),
            Self::Right(service) => service.glance(read),
        }
    }
}
