use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, LazyLock};

use quick_cache::Equivalent;
use secrets_core::{SecretName, Version};

/// For whom answers are kept: two caches that are one never answer across scopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    identity: Arc<str>,
    namespace: Arc<str>,
    /// Of both, so that no look-up need hash them.
    hash: u64,
}

impl Scope {
    pub(super) fn new(identity: &str, namespace: &str) -> Self {
        static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self {
            identity: identity.into(),
            namespace: namespace.into(),
            hash: HASHER.hash_one((identity, namespace)),
        }
    }
}

impl Default for Scope {
    fn default() -> Self {
        Self::new("", "")
    }
}

impl Hash for Scope {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// What an answer is kept under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) scope: Arc<Scope>,
    /// The provider or chain; `None` is the default one.
    pub(super) target: Option<Arc<str>>,
    pub(super) name: SecretName,
    pub(super) version: Option<Version>,
}

impl Key {
    pub(super) fn borrowed(&self) -> KeyRef<'_> {
        KeyRef {
            scope: &self.scope,
            target: self.target.as_deref(),
            name: &self.name,
            version: self.version.as_ref(),
        }
    }

    /// The bytes of its texts, as far as they are its own.
    pub(super) fn bytes(&self) -> usize {
        self.name.as_str().len()
            + self
                .version
                .as_ref()
                .map_or(0, |version| version.as_str().len())
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.borrowed().hash(state);
    }
}

/// A [`Key`] that a look-up need not own.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyRef<'k> {
    pub(super) scope: &'k Arc<Scope>,
    pub(super) target: Option<&'k str>,
    pub(super) name: &'k SecretName,
    pub(super) version: Option<&'k Version>,
}

/// What is absent, as it mostly is, costs nothing.
impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.scope.hash(state);
        self.name.hash(state);
        if let Some(target) = self.target {
            target.hash(state);
        }
        if let Some(version) = self.version {
            version.hash(state);
        }
    }
}

impl KeyRef<'_> {
    pub(super) fn owned(self) -> Key {
        Key {
            scope: Arc::clone(self.scope),
            target: self.target.map(Arc::from),
            name: self.name.clone(),
            version: self.version.cloned(),
        }
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        // Names differ most often.
        self.name == &key.name
            && self.version == key.version.as_ref()
            && self.target == key.target.as_deref()
            && (Arc::ptr_eq(self.scope, &key.scope) || self.scope == &key.scope)
    }
}
