//! What was decided already.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use quick_cache::Equivalent;
use quick_cache::sync::Cache;
use secrets_core::{Operation, SecretName};

/// How many decisions are remembered: some 2 MB with names of usual length.
pub(super) const DECISIONS: usize = 10_000;

/// What is done with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Allowed,
    /// With the reason, for a person.
    Denied(Arc<str>),
}

/// The decisions of one policy. Another policy has another memo.
#[derive(Debug)]
pub(super) struct Memo(Cache<Key, Verdict>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    principal: Arc<str>,
    operation: Operation,
    scope: Arc<str>,
    name: SecretName,
}

/// What is asked, so that looking it up needs no key of its own.
#[derive(Debug, Clone, Copy, Hash)]
pub(super) struct Question<'q> {
    pub(super) principal: &'q str,
    pub(super) operation: Operation,
    pub(super) scope: &'q str,
    pub(super) name: &'q SecretName,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let question = Question {
            principal: &self.principal,
            operation: self.operation,
            scope: &self.scope,
            name: &self.name,
        };
        question.hash(state);
    }
}

impl Equivalent<Key> for Question<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.name == &key.name
            && self.operation == key.operation
            && self.scope == &*key.scope
            && self.principal == &*key.principal
    }
}

impl Memo {
    pub(super) fn new() -> Self {
        Self(Cache::new(DECISIONS))
    }

    pub(super) fn get(&self, question: Question<'_>) -> Option<Verdict> {
        self.0.get(&question)
    }

    pub(super) fn keep(&self, question: Question<'_>, verdict: Verdict) {
        let key = Key {
            principal: question.principal.into(),
            operation: question.operation,
            scope: question.scope.into(),
            name: question.name.clone(),
        };
        self.0.insert(key, verdict);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
