use std::borrow::Cow;
use std::sync::Arc;

use secrets_core::Location;

/// How references would be read: which provider is asked, in which calls. Nothing was asked to make it.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ReadPlan {
    /// The calls. Those of one provider, and those of different providers, are made side by side; the members of a chain
    /// are asked one after another.
    pub reads: Vec<PlannedRead>,
}

impl ReadPlan {
    /// How many requests go over the network if the first member of each chain has everything. Logins are not counted:
    /// a session may be open already.
    pub fn requests(&self) -> usize {
        let first = self.reads.iter().filter(|read| !read.is_fallback);
        first.map(|read| read.requests).sum()
    }

    /// The same if no member of a chain has anything but the last.
    pub fn requests_at_most(&self) -> usize {
        self.reads.iter().map(|read| read.requests).sum()
    }
}

/// One call of a [`ReadPlan`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PlannedRead {
    /// The provider that is asked.
    pub provider: Arc<str>,
    /// Its kind.
    pub scheme: &'static str,
    /// Where it is.
    pub location: Location,
    /// The chain that leads to it.
    pub via: Option<Arc<str>>,
    /// Whether only that is asked for which the members of the chain before do not have.
    pub is_fallback: bool,
    /// What the vendor calls it, such as `BatchGetSecretValue`.
    pub call: Cow<'static, str>,
    /// How many requests it is.
    pub requests: usize,
    /// What it answers, as indices into the references that were asked for.
    pub items: Vec<usize>,
}
