use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use async_trait::async_trait;
use secrets_core::{
    Capabilities, Capability, DeleteOptions, DescribeOptions, Environment, Error, ErrorKind,
    GetItem, GetOptions, Health, HealthStatus, ListOptions, Location, Metadata, OpenContext,
    Operation, Page, PlannedCall, Planner, ProviderInfo, ProviderKind, PutOptions, Result,
    RollbackOptions, Secret, SecretName, SecretProvider, SecretValue, Version, VersionsOptions,
};

use super::EnvConfig;
use crate::variable;

/// The scheme of this provider.
pub const SCHEME: &str = "env";

/// What it can do: reading.
pub const CAPABILITIES: Capabilities =
    Capabilities::new(&[Capability::List, Capability::Describe, Capability::Batch]);

/// Secrets from a snapshot of environment variables.
///
/// A name is looked for in this order:
/// 1. in [`EnvConfig::map`];
/// 2. as the variable of exactly this name, after the prefix;
/// 3. as the variable that custom makes of it: uppercase, with `_` for `/`, `-` and `.`, after the prefix.
///
/// Where 2 and 3 are different variables and differ in value, the name is ambiguous, which is
/// [`InvalidName`](ErrorKind::InvalidName) naming both. So are two names of one
/// [`get_many`](SecretProvider::get_many) that only rule 3 leads to one variable. Names are listed as rules 1 and 2 have
/// them. Values are the variable's bytes; an empty variable is an empty value, not a missing one.
pub struct EnvProvider {
    info: ProviderInfo,
    environment: Environment,
    prefix: String,
    mapped: BTreeMap<SecretName, String>,
    listed: BTreeSet<SecretName>,
}

/// Opens the snapshot of the context.
///
/// # Errors
/// [`ErrorKind::InvalidName`] or [`ErrorKind::InvalidConfig`] for a wrong entry of [`EnvConfig::map`].
pub async fn open(config: EnvConfig, context: OpenContext) -> Result<EnvProvider> {
    let mapped = config.mapped()?;
    let mut location = Location::from_scheme(SCHEME);
    if !config.prefix.is_empty() {
        location = location.with_parameter("prefix", &config.prefix);
    }
    let mut provider = EnvProvider {
        info: ProviderInfo::new(SCHEME, context.provider, location, CAPABILITIES),
        environment: context.environment,
        prefix: config.prefix,
        mapped,
        listed: BTreeSet::new(),
    };
    if !config.unlisted {
        provider.listed = provider.names();
    }
    Ok(provider)
}

#[async_trait]
impl ProviderKind for EnvProvider {
    const SCHEME: &'static str = SCHEME;

    type Config = EnvConfig;

    fn set_location(config: &mut EnvConfig, location: &Location) -> Result<()> {
        config.set_location(location)
    }

    async fn open(config: EnvConfig, context: OpenContext) -> Result<Self> {
        open(config, context).await
    }
}

/// Where a name leads.
struct Found<'a> {
    variable: String,
    value: &'a SecretValue,
    by_translation: bool,
}

impl EnvProvider {
    fn names(&self) -> BTreeSet<SecretName> {
        let variables: BTreeSet<&str> = self.mapped.values().map(String::as_str).collect();
        let mapped = self
            .mapped
            .iter()
            .filter(|(_, variable)| self.environment.var(variable).is_some())
            .map(|(name, _)| name.clone());
        let others = self
            .environment
            .iter()
            .filter(|(variable, _)| !variables.contains(variable))
            .filter_map(|(variable, _)| variable.strip_prefix(&self.prefix))
            // What cannot be a secret's name, such as Windows's `=C:` behind a prefix, cannot be asked for either.
            .filter_map(|name| SecretName::new(name).ok())
            .filter(|name| !self.mapped.contains_key(name));
        mapped.chain(others).collect()
    }

    fn find(&self, name: &SecretName) -> Result<Found<'_>> {
        if let Some(variable) = self.mapped.get(name) {
            let value = self
                .environment
                .var(variable)
                .ok_or_else(|| missing(name, variable))?;
            return Ok(Found {
                variable: variable.clone(),
                value,
                by_translation: false,
            });
        }
        let exact = format!("{}{name}", self.prefix);
        let custom = variable::translated(name, &self.prefix);
        let custom_value = custom
            .as_deref()
            .filter(|custom| *custom != exact)
            .and_then(|custom| self.environment.var(custom));
        match (self.environment.var(&exact), custom_value, custom) {
            (Some(value), Some(other), Some(custom)) if value != other => {
                Err(variable::ambiguous(name, &exact, &custom))
            }
            (Some(value), _, _) => Ok(Found {
                variable: exact,
                value,
                by_translation: false,
            }),
            (None, Some(value), Some(variable)) => Ok(Found {
                variable,
                value,
                by_translation: true,
            }),
            (None, _, custom) => Err(missing(name, custom.as_deref().unwrap_or(&exact))),
        }
    }

    fn secret(&self, name: &SecretName, version: Option<&Version>) -> Result<Secret> {
        let found = self.find(name)?;
        unversioned(name, version)?;
        Ok(Secret::new(
            found.value.clone(),
            Metadata::new(name.clone()),
        ))
    }
}

fn missing(name: &SecretName, variable: &str) -> Error {
    Error::not_found(name).with_hint(format!("set the environment variable {variable}"))
}

fn unversioned(name: &SecretName, version: Option<&Version>) -> Result<()> {
    match version {
        None => Ok(()),
        Some(_) => Err(Error::new(
            ErrorKind::Unsupported,
            "environment variables have no versions",
        )
        .with_name(name)
        .with_hint("ask for the secret without a version")),
    }
}

impl fmt::Debug for EnvProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvProvider")
            .field("name", &self.info.name)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl SecretProvider for EnvProvider {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn get(&self, name: &SecretName, options: &GetOptions) -> Result<Secret> {
        self.secret(name, options.version.as_ref())
    }

    async fn get_many(&self, items: &[GetItem]) -> Vec<Result<Secret>> {
        let translated: Vec<_> = items
            .iter()
            .filter_map(|item| Some((&item.name, self.find(&item.name).ok()?)))
            .filter(|(_, found)| found.by_translation)
            .collect();
        let asked = translated
            .iter()
            .map(|(name, found)| (*name, found.variable.as_str()));
        let collisions = variable::collisions(asked);
        items
            .iter()
            .map(|item| match collisions.get(&item.name) {
                Some((other, variable)) => Err(variable::collision(&item.name, other, variable)),
                None => self.secret(&item.name, item.options.version.as_ref()),
            })
            .collect()
    }

    fn planner(&self) -> Option<&dyn Planner> {
        Some(self)
    }

    async fn describe(&self, name: &SecretName, options: &DescribeOptions) -> Result<Metadata> {
        self.secret(name, options.version.as_ref())
            .map(|secret| secret.metadata)
    }

    async fn list(&self, options: &ListOptions) -> Result<Page> {
        variable::page(&self.listed, options)
    }

    async fn put(
        &self,
        _name: &SecretName,
        _value: &SecretValue,
        _options: &PutOptions,
    ) -> Result<Metadata> {
        Err(read_only(Operation::Put))
    }

    async fn delete(&self, _name: &SecretName, _options: &DeleteOptions) -> Result<()> {
        Err(read_only(Operation::Delete))
    }

    async fn restore(&self, _name: &SecretName) -> Result<()> {
        Err(read_only(Operation::Restore))
    }

    async fn versions(&self, _name: &SecretName, _options: &VersionsOptions) -> Result<Page> {
        Err(Error::unsupported(Operation::Versions))
    }

    async fn rollback(
        &self,
        _name: &SecretName,
        _to: &Version,
        _options: &RollbackOptions,
    ) -> Result<Metadata> {
        Err(read_only(Operation::Rollback))
    }

    async fn health(&self) -> Result<Health> {
        Ok(Health::new(
            HealthStatus::Healthy,
            match self.names().len() {
                1 => "1 variable".to_owned(),
                count => format!("{count} variables"),
            },
        ))
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

impl Planner for EnvProvider {
    fn plan(&self, items: &[GetItem]) -> Vec<PlannedCall> {
        PlannedCall::local(items)
    }
}

fn read_only(operation: Operation) -> Error {
    Error::unsupported(operation)
        .with_hint("the environment is only read; set the variable where the program is started")
}
