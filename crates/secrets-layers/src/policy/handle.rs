use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use secrets_core::{Error, ErrorKind, Operation, Result, SecretName, SecretRef, suggestion};

use super::config::PolicyConfig;
use super::decision::{PolicyDecision, PolicyWarning};
use super::engine::Engine;
use super::memo::{Memo, Question, Verdict};
use super::{operations, review};

/// The policy of a configuration, to be asked, reviewed and replaced. Cheap to clone; clones are one policy.
#[derive(Clone)]
pub struct Policy(Arc<RwLock<Arc<State>>>);

/// A policy and the configuration that it speaks of.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PolicySource {
    /// Roles, principals and files.
    pub config: PolicyConfig,
    /// The members of each chain.
    pub chains: BTreeMap<String, Vec<String>>,
    /// The profile that is in effect.
    pub environment: Option<String>,
    /// The folder that relative paths of files start from.
    pub base_dir: PathBuf,
    /// The provider or chain of references that name none.
    pub default: Option<Arc<str>>,
    /// The declared secrets by their names.
    pub declared: HashMap<String, SecretRef>,
}

impl PolicySource {
    /// A policy by itself: no chains, no profile, files from the working folder.
    pub fn new(config: PolicyConfig) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }

    /// With a chain of these members.
    #[must_use]
    pub fn with_chain<M: Into<String>>(
        mut self,
        name: impl Into<String>,
        members: impl IntoIterator<Item = M>,
    ) -> Self {
        let members = members.into_iter().map(Into::into).collect();
        self.chains.insert(name.into(), members);
        self
    }

    /// In this profile.
    #[must_use]
    pub fn with_environment(mut self, profile: impl Into<String>) -> Self {
        self.environment = Some(profile.into());
        self
    }

    /// With files relative to this folder.
    #[must_use]
    pub fn with_base_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.base_dir = folder.into();
        self
    }
}

/// A policy and what was decided by it: replaced together, so that no decision outlives its policy.
struct State {
    engine: Engine,
    memo: Memo,
}

impl State {
    fn new(source: PolicySource) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            engine: Engine::new(source)?,
            memo: Memo::new(),
        }))
    }
}

impl Policy {
    /// Compiles a policy. Reads the files that it names.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`](secrets_core::ErrorKind::InvalidConfig), with the place, for an unknown role, a policy
    /// that could only deny, and a fault of a file.
    pub fn new(source: PolicySource) -> Result<Self> {
        Ok(Self(Arc::new(RwLock::new(State::new(source)?))))
    }

    /// Replaces the policy, for every clone. Remembered decisions go with the old one; calls in flight are not stopped.
    ///
    /// # Errors
    /// As [`new`](Self::new); the policy stays what it was.
    pub fn reload(&self, source: PolicySource) -> Result<()> {
        let state = State::new(source)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = state;
        Ok(())
    }

    /// What it says to an operation of a principal, and which rule says so. Health checks, closing and operations of no
    /// secret are no question of policy. A reference without a provider is a declared secret, else one of the default
    /// provider or chain.
    pub fn decide(
        &self,
        principal: &str,
        operation: Operation,
        reference: &SecretRef,
    ) -> PolicyDecision {
        let state = self.state();
        let (scope, name) = state.engine.address(reference);
        state
            .engine
            .decide(principal, single(operation), &scope, &name)
    }

    /// The operation of this name.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`](secrets_core::ErrorKind::InvalidConfig) for another word, with the known ones.
    pub fn operation(name: &str) -> Result<Operation> {
        let known: Vec<&str> = operations::from_word("*")
            .unwrap_or_default()
            .into_iter()
            .map(Operation::as_str)
            .collect();
        match operations::from_word(name).as_deref() {
            Some([one]) => Ok(*one),
            _ => Err(Error::new(
                ErrorKind::InvalidConfig,
                format!("{name:?} is not the name of one operation"),
            )
            .with_hint(suggestion::hint(name, &known, "operations"))),
        }
    }

    /// What its author should look at: rules that never decide, patterns that match none of the secrets that are declared
    /// or among these, secrets that nobody may read.
    pub fn review(&self, used: &[SecretRef]) -> Vec<PolicyWarning> {
        review::review(&self.state().engine, used)
    }

    /// How many decisions are remembered.
    pub fn remembered(&self) -> usize {
        self.state().memo.len()
    }

    /// What is done with a request, remembered.
    pub(super) fn verdict(&self, question: Question<'_>) -> Verdict {
        let known = {
            let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
            state.memo.get(question)
        };
        if let Some(verdict) = known {
            return verdict;
        }
        let state = self.state();
        let Question {
            principal,
            operation,
            scope,
            name,
        } = question;
        let decision = state.engine.decide(principal, operation, scope, name);
        let verdict = match decision.is_allowed {
            true => Verdict::Allowed,
            false => Verdict::Denied(decision.reason().into()),
        };
        // Into the memo of the policy that decided, whatever came since.
        state.memo.keep(question, verdict.clone());
        verdict
    }

    /// Whether it was decided already, by the policy that holds now, that this is allowed.
    #[allow(dead_code, reason = "only the cache asks before it answers")]
    pub(super) fn is_known_to_allow(&self, question: Question<'_>) -> bool {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        state.memo.get(question) == Some(Verdict::Allowed)
    }

    pub(super) fn may_list(&self, principal: &str, scope: &str) -> bool {
        self.state().engine.may_list(principal, scope)
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Policy")
            .field("environment", &state.engine.environment)
            .field("remembered", &state.memo.len())
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Through which provider or chain, and which secret there.
    pub(super) fn address(&self, reference: &SecretRef) -> (Arc<str>, SecretName) {
        let declared = match reference.provider() {
            None => self.declared.get(reference.name().as_str()),
            Some(_) => None,
        };
        let reference = declared.unwrap_or(reference);
        let scope = reference.provider().map(Arc::from);
        let scope = scope.or_else(|| self.default.clone()).unwrap_or_default();
        (scope, reference.name().clone())
    }
}

/// Each secret of many is read for itself.
pub(super) fn single(operation: Operation) -> Operation {
    match operation {
        Operation::GetMany => Operation::Get,
        other => other,
    }
}

/// Refuses who cannot be a principal.
pub(super) fn check_principal(principal: &str) -> Result<()> {
    let is_sound = !principal.trim().is_empty()
        && principal.len() <= 256
        && !principal.chars().any(char::is_control);
    match is_sound {
        true => Ok(()),
        false => Err(Error::new(
            ErrorKind::InvalidConfig,
            "this cannot be the name of a principal",
        )
        .with_hint("a principal has 1 to 256 bytes without control characters")),
    }
}
