//! Asks Cedar.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName,
    EntityUid, Policy, PolicyId, PolicySet, Request, RestrictedExpression,
};
use secrets_core::{Error, ErrorKind, Operation, Result, SecretName, SecretRef};

use super::config::{PolicyConfig, RoleConfig};
use super::decision::{PolicyDecision, PolicyMiss, PolicyRule, PolicyWarning};
use super::handle::PolicySource;
use super::{compile, files, operations};

/// A policy that is ready to be asked, in one environment.
pub(super) struct Engine {
    pub(super) config: PolicyConfig,
    pub(super) environment: Option<String>,
    /// The members of the chains.
    chains: BTreeMap<String, Vec<String>>,
    pub(super) default: Option<Arc<str>>,
    pub(super) declared: HashMap<String, SecretRef>,
    policies: PolicySet,
    rules: HashMap<PolicyId, PolicyRule>,
    types: Types,
    authorizer: Authorizer,
    /// Whether a file of one's own allows anything.
    has_own_permits: bool,
    /// The roles that files of one's own name, with the policy that does.
    pub(super) own_roles: BTreeMap<String, PolicyRule>,
    pub(super) warnings: Vec<PolicyWarning>,
}

struct Types {
    user: EntityTypeName,
    role: EntityTypeName,
    action: EntityTypeName,
    scope: EntityTypeName,
    secret: EntityTypeName,
}

impl Types {
    fn new() -> Result<Self> {
        let named = |name: &str| name.parse().map_err(|_| broken());
        Ok(Self {
            user: named("User")?,
            role: named("Role")?,
            action: named("Action")?,
            scope: named("Scope")?,
            secret: named("Secret")?,
        })
    }
}

fn uid(of: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(id))
}

fn broken() -> Error {
    Error::new(ErrorKind::Unexpected, "the policy cannot be evaluated")
}

impl Engine {
    pub(super) fn new(source: PolicySource) -> Result<Self> {
        let policy = source.config;
        policy.check()?;
        let mut engine = Self {
            config: policy.clone(),
            environment: source.environment,
            chains: source.chains,
            default: source.default,
            declared: source.declared,
            policies: PolicySet::new(),
            rules: HashMap::new(),
            types: Types::new()?,
            authorizer: Authorizer::new(),
            has_own_permits: false,
            own_roles: BTreeMap::new(),
            warnings: Vec::new(),
        };
        for (name, role) in &policy.roles {
            let id = PolicyId::new(format!("role:{name}"));
            let text = compile::role(name, role);
            let compiled = Policy::parse(Some(id.clone()), text).map_err(|_| broken())?;
            engine.policies.add(compiled).map_err(|_| broken())?;
            engine.rules.insert(id, rule_of(name, role));
        }
        for file in &policy.files {
            let read = files::read(file, &source.base_dir, &mut engine.warnings)?;
            for own in read {
                engine.add(own)?;
            }
        }
        policy.check_roles(engine.own_roles.keys().map(String::as_str))?;
        Ok(engine)
    }

    fn add(&mut self, own: files::Own) -> Result<()> {
        self.has_own_permits |= own.rule.is_permit;
        for literal in own.policy.entity_literals() {
            if *literal.type_name() == self.types.role {
                let role = literal.id().unescaped().to_owned();
                self.own_roles.entry(role).or_insert(own.rule.clone());
            }
        }
        let id = own.policy.id().clone();
        let twice = |_| {
            let error = Error::new(ErrorKind::InvalidConfig, "this policy file is named twice");
            match &own.rule.position {
                Some(position) => error.with_position(position.clone()),
                None => error,
            }
        };
        self.policies.add(own.policy).map_err(twice)?;
        self.rules.insert(id, own.rule);
        Ok(())
    }

    /// Asks whether a principal may do this. What cannot be answered is a denial.
    pub(super) fn decide(
        &self,
        principal: &str,
        operation: Operation,
        scope: &str,
        name: &SecretName,
    ) -> PolicyDecision {
        match self.ask(principal, operation, scope, name) {
            Ok(decision) => decision,
            Err(_) => unanswered(None),
        }
    }

    fn ask(
        &self,
        principal: &str,
        operation: Operation,
        scope: &str,
        name: &SecretName,
    ) -> Result<PolicyDecision> {
        let types = &self.types;
        let user = uid(&types.user, principal);
        let action = uid(&types.action, operation.as_str());
        let secret = uid(&types.secret, &format!("{scope}://{name}"));
        let context = match &self.environment {
            None => Context::empty(),
            Some(environment) => Context::from_pairs([(
                "environment".to_owned(),
                RestrictedExpression::new_string(environment.clone()),
            )])
            .map_err(|_| broken())?,
        };
        let entities = self.entities(principal, operation, scope, name)?;
        let request = Request::new(user, action, secret, context, None).map_err(|_| broken())?;
        let response = self
            .authorizer
            .is_authorized(&request, &self.policies, &entities);
        let mut rules: Vec<PolicyRule> = response
            .diagnostics()
            .reason()
            .filter_map(|id| self.rules.get(id).cloned())
            .collect();
        rules.sort_by(|one, other| one.name.cmp(&other.name));
        // Cedar leaves out a policy that fails, also one that would forbid.
        if let Some(AuthorizationError::PolicyEvaluationError(failed)) =
            response.diagnostics().errors().next()
        {
            return Ok(unanswered(self.rules.get(failed.policy_id()).cloned()));
        }
        let is_allowed = response.decision() == Decision::Allow;
        let misses = match is_allowed || !rules.is_empty() {
            true => Vec::new(),
            false => self.misses(principal, operation, scope, name),
        };
        Ok(PolicyDecision {
            is_allowed,
            rules,
            misses,
        })
    }

    fn entities(
        &self,
        principal: &str,
        operation: Operation,
        scope: &str,
        name: &SecretName,
    ) -> Result<Entities> {
        let types = &self.types;
        let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
        let roles: HashSet<EntityUid> = self
            .config
            .roles_of(principal)
            .map(|role| uid(&types.role, role))
            .collect();
        let segments: Vec<&str> = name.segments().collect();
        let providers = match self.chains.get(scope) {
            Some(members) => members.iter().map(|member| text(member)).collect(),
            None => vec![text(scope)],
        };
        let count = i64::try_from(segments.len()).unwrap_or(i64::MAX);
        let mut attributes = HashMap::from([
            ("name".to_owned(), text(name.as_str())),
            ("scope".to_owned(), text(scope)),
            (
                "providers".to_owned(),
                RestrictedExpression::new_set(providers),
            ),
            ("segments".to_owned(), RestrictedExpression::new_long(count)),
        ]);
        for (at, segment) in segments.iter().enumerate() {
            attributes.insert(compile::front(at), text(segment));
            let from_behind = segments.len() - 1 - at;
            attributes.insert(compile::back(from_behind), text(segment));
        }
        let group = match operations::READ.contains(&operation) {
            true => "read",
            false => "write",
        };
        let scope_uid = uid(&types.scope, scope);
        let secret = Entity::new(
            uid(&types.secret, &format!("{scope}://{name}")),
            attributes,
            HashSet::from([scope_uid.clone()]),
        )
        .map_err(|_| broken())?;
        let action = uid(&types.action, operation.as_str());
        let group = uid(&types.action, group);
        let mut entities = vec![
            Entity::with_uid(scope_uid),
            Entity::with_uid(group.clone()),
            Entity::new_no_attrs(action, HashSet::from([group])),
            secret,
        ];
        entities.extend(roles.iter().cloned().map(Entity::with_uid));
        entities.push(Entity::new_no_attrs(uid(&types.user, principal), roles));
        Entities::from_entities(entities, None).map_err(|_| broken())
    }

    /// The principal's roles and what of each does not fit.
    fn misses(
        &self,
        principal: &str,
        operation: Operation,
        scope: &str,
        name: &SecretName,
    ) -> Vec<PolicyMiss> {
        let roles: BTreeSet<&str> = self.config.roles_of(principal).collect();
        let mut misses: Vec<(usize, PolicyMiss)> = roles
            .into_iter()
            .filter_map(|role| Some((role, self.config.roles.get(role)?)))
            .filter_map(|(role, config)| {
                let (fits, why) = self.miss(config, operation, scope, name)?;
                let rule = rule_of(role, config);
                Some((fits, PolicyMiss { rule, why }))
            })
            .collect();
        // The nearest one first.
        misses.sort_by_key(|(fits, _)| std::cmp::Reverse(*fits));
        misses.into_iter().map(|(_, miss)| miss).collect()
    }

    /// How much of a role fits, and what does not; `None` if all does. This is what Cedar decides too, distinguished.
    pub(super) fn miss(
        &self,
        role: &RoleConfig,
        operation: Operation,
        scope: &str,
        name: &SecretName,
    ) -> Option<(usize, String)> {
        let has_name = role.names.iter().any(|glob| glob.matches(name));
        let has_operation = role.operations.contains(&operation);
        let has_scope = role.has_scope(scope);
        let has_environment = role.has_environment(self.environment.as_deref());
        let why = match (has_name, has_operation, has_scope, has_environment) {
            (true, true, true, true) => return None,
            (false, ..) => "has no pattern that matches the name".to_owned(),
            (_, false, ..) => format!("does not allow {operation}"),
            (_, _, false, _) => format!("is not for the provider or chain {scope}"),
            (_, _, _, false) => match &self.environment {
                Some(environment) => format!("is not for the profile {environment}"),
                None => "is for profiles, and none is chosen".to_owned(),
            },
        };
        let fits = [has_name, has_operation, has_scope, has_environment];
        // A role for another operation is meant for something else.
        let weight = 2 * usize::from(has_operation);
        let fits = fits.into_iter().filter(|fits| *fits).count() + weight;
        Some((fits, why))
    }

    /// Whether anything at all can be listed there.
    pub(super) fn may_list(&self, principal: &str, scope: &str) -> bool {
        let mut roles = self.config.roles_of(principal);
        self.has_own_permits
            || roles.any(|role| {
                self.config.roles.get(role).is_some_and(|role| {
                    role.operations.contains(&Operation::List)
                        && role.has_scope(scope)
                        && role.has_environment(self.environment.as_deref())
                })
            })
    }
}

/// The denial by a policy that fails.
fn unanswered(rule: Option<PolicyRule>) -> PolicyDecision {
    let what = rule.as_ref().map_or("the policy", |rule| &rule.name);
    PolicyDecision {
        is_allowed: false,
        rules: vec![PolicyRule {
            name: format!("{what}, which cannot be evaluated,"),
            is_permit: false,
            position: rule.as_ref().and_then(|rule| rule.position.clone()),
        }],
        misses: Vec::new(),
    }
}

pub(super) fn rule_of(name: &str, role: &RoleConfig) -> PolicyRule {
    PolicyRule {
        name: format!("role {name:?}"),
        is_permit: true,
        position: role.position.clone(),
    }
}
