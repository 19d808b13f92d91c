use std::collections::BTreeMap;
use std::path::PathBuf;

use secrets_core::{Error, ErrorKind, Operation, Result, SourcePosition, suggestion};

use super::glob::NameGlob;
use super::operations;

/// Who may do what with which secret: `[policy]`. What no rule allows is denied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyConfig {
    /// `roles`: what may be done, by the name of the role.
    pub roles: BTreeMap<String, RoleConfig>,
    /// `principals`: the roles of each principal; those of `*` are everybody's.
    pub principals: BTreeMap<String, Vec<RoleGrant>>,
    /// `files`: policies of one's own in Cedar's language. Relative paths start from the folder of the configuration.
    pub files: Vec<PolicyFile>,
    /// Where it is written.
    pub position: Option<SourcePosition>,
}

/// One role: `[policy.roles.NAME]`. It allows its operations on its names, and nothing is allowed by several roles together
/// that none allows alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoleConfig {
    /// `operations`: what may be done.
    pub operations: Vec<Operation>,
    /// `names`: with which secrets.
    pub names: Vec<NameGlob>,
    /// `scopes`: through which providers and chains; empty for any.
    pub scopes: Vec<String>,
    /// `environments`: in which profiles; empty for any, and for none.
    pub environments: Vec<String>,
    /// Where it is written.
    pub position: Option<SourcePosition>,
}

/// A role that a principal has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoleGrant {
    /// The role's name.
    pub role: String,
    /// Where it is written.
    pub position: Option<SourcePosition>,
}

impl RoleGrant {
    /// A grant of this role.
    pub fn new(role: impl Into<String>) -> Self {
        Self {
            role: role.into(),
            position: None,
        }
    }

    /// With its place in the configuration.
    pub fn with_position(mut self, position: Option<SourcePosition>) -> Self {
        self.position = position;
        self
    }
}

/// A file of policies.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyFile {
    /// Where it is.
    pub path: PathBuf,
    /// Where it is named.
    pub position: Option<SourcePosition>,
}

impl PolicyFile {
    /// The policies in this file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            position: None,
        }
    }

    /// With the place where it is named.
    pub fn with_position(mut self, position: Option<SourcePosition>) -> Self {
        self.position = position;
        self
    }
}

impl PolicyConfig {
    /// With this role.
    pub fn with_role(mut self, name: impl Into<String>, role: RoleConfig) -> Self {
        self.roles.insert(name.into(), role);
        self
    }

    /// With these roles, besides those that it has, for a principal; `*` is everybody.
    pub fn with_principal<R: Into<String>>(
        mut self,
        principal: impl Into<String>,
        roles: impl IntoIterator<Item = R>,
    ) -> Self {
        let grants = roles.into_iter().map(RoleGrant::new);
        let principal = self.principals.entry(principal.into()).or_default();
        principal.extend(grants);
        self
    }

    /// With the policies in this file.
    pub fn with_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push(PolicyFile::new(path));
        self
    }

    /// Refuses what could only deny.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] with the place.
    pub fn check(&self) -> Result<()> {
        if self.roles.is_empty() && self.files.is_empty() {
            return Err(located(
                "the policy has neither roles nor files, so that everything would be denied",
                self.position.as_ref(),
            )
            .with_hint("add a role, `[policy.roles.NAME]` with `operations` and `names`, or take `[policy]` out"));
        }
        for (name, role) in &self.roles {
            let lacks = match (role.operations.is_empty(), role.names.is_empty()) {
                (true, _) => "operations",
                (_, true) => "names",
                _ => continue,
            };
            let message =
                format!("the role `{name}` has no `{lacks}`, so that it would allow nothing");
            return Err(
                located(message, role.position.as_ref()).with_hint(match lacks {
                    "names" => "add `names = [\"db/*\"]`, or `[\"**\"]` for all",
                    _ => "add `operations = [\"read\"]`, or single ones such as `get` and `list`",
                }),
            );
        }
        Ok(())
    }

    /// Refuses roles of principals that are neither in the configuration nor among these, which files speak of.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] with the place and the role that may be meant.
    pub fn check_roles<'a>(&'a self, others: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let mut known: Vec<&str> = self.roles.keys().map(String::as_str).collect();
        known.extend(others);
        known.sort_unstable();
        known.dedup();
        let mut grants = self.principals.values().flatten();
        match grants.find(|grant| !known.contains(&grant.role.as_str())) {
            None => Ok(()),
            Some(grant) => Err(located(
                format!("unknown role {:?}", grant.role),
                grant.position.as_ref(),
            )
            .with_hint(suggestion::hint(&grant.role, &known, "roles"))),
        }
    }

    /// The roles of a principal, everybody's included.
    pub(super) fn roles_of(&self, principal: &str) -> impl Iterator<Item = &str> {
        [principal, "*"]
            .into_iter()
            .filter_map(|who| self.principals.get(who))
            .flatten()
            .map(|grant| grant.role.as_str())
    }
}

impl RoleConfig {
    /// The words for operations in the configuration.
    pub const OPERATIONS: &[&str] = operations::WORDS;

    /// The operations that a word of the configuration stands for: itself, or several for `read`, `write` and `*`.
    pub fn operations_from_name(word: &str) -> Option<Vec<Operation>> {
        operations::from_word(word)
    }

    /// A role that allows these operations on the names that match one of these patterns.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`](secrets_core::ErrorKind::InvalidConfig) for a pattern that matches no name.
    pub fn new<G: AsRef<str>>(
        operations: impl IntoIterator<Item = Operation>,
        names: impl IntoIterator<Item = G>,
    ) -> Result<Self> {
        let names = names.into_iter().map(|glob| NameGlob::new(glob.as_ref()));
        Ok(Self {
            operations: operations.into_iter().collect(),
            names: names.collect::<Result<_>>()?,
            scopes: Vec::new(),
            environments: Vec::new(),
            position: None,
        })
    }

    /// Through these providers and chains only.
    pub fn with_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// In these profiles only.
    pub fn with_environments<S: Into<String>>(
        mut self,
        environments: impl IntoIterator<Item = S>,
    ) -> Self {
        self.environments = environments.into_iter().map(Into::into).collect();
        self
    }

    pub(super) fn has_scope(&self, scope: &str) -> bool {
        self.scopes.is_empty() || self.scopes.iter().any(|one| one == scope)
    }

    pub(super) fn has_environment(&self, environment: Option<&str>) -> bool {
        let named = |name: &str| self.environments.iter().any(|one| one == name);
        self.environments.is_empty() || environment.is_some_and(named)
    }
}

fn located(
    message: impl Into<std::borrow::Cow<'static, str>>,
    place: Option<&SourcePosition>,
) -> Error {
    let error = Error::new(ErrorKind::InvalidConfig, message);
    match place {
        Some(position) => error.with_position(position.clone()),
        None => error,
    }
}
