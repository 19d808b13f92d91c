//! Turns a checked tree into the data of a configuration.

use std::collections::{BTreeMap, HashMap};

use secrets_core::{
    AmbientCredentials, Error, ErrorKind, Location, Result, SecretName, SecretRef, SourcePosition,
    suggestion,
};

use super::describe::{Origins, SettingOrigin};
use super::fields::{Fields, text};
use super::keys::{BREAKER, Names, PROVIDER, RETRY, ROOT, TIMEOUTS};
use super::tree::{Entry, Node, Place, Value, located};
use super::{
    ChainEntry, ChainMember, Config, DeclaredSecret, OnError, ProviderEntry, Settings, audit, de,
    interpolate, keys, layers, policy, scheme,
};
use crate::layers::BreakerConfig;

/// Reads everything but the choice of the default by flag or environment.
pub(super) fn config(root: &Node, trust: &AmbientCredentials) -> Result<Config> {
    let mut origins = Origins::default();
    let mut config = Config {
        trust: trust.clone(),
        ..Config::default()
    };
    let fields = Fields::new(root, "", ROOT);
    if let Some((name, node)) = fields.text("default", &mut origins)? {
        config.default = Some(provider_name(&name, node)?);
        config.default_position = position(node.place.as_ref());
    }
    for entry in fields.entries("providers") {
        let provider = provider(entry, trust, &mut origins)?;
        config.providers.insert(entry.key.clone(), provider);
    }
    for entry in fields.entries("chains") {
        if config.providers.contains_key(&entry.key) {
            return Err(
                at_key(entry, format!("`{}` is a provider and a chain", entry.key))
                    .with_hint("a reference could mean either: rename one of them"),
            );
        }
        let chain = chain(entry, &mut origins)?;
        config.chains.insert(entry.key.clone(), chain);
    }
    fold_aliases(&mut config);
    for entry in fields.entries("secrets") {
        config.secrets.push(secret(entry, &mut origins)?);
    }
    unique_variables(&config.secrets)?;
    let declared = config
        .secrets
        .iter()
        .map(|secret| (secret.name.clone(), secret.reference.clone()))
        .collect();
    for provider in config.providers.values_mut() {
        provider.settings.resolve_declared(&declared);
    }
    config.preload = preload(&fields, &config.secrets, &mut origins)?;
    if let Some(count) = fields.count("concurrency", &mut origins)? {
        config.concurrency = Some(count as usize);
    }
    if let Some(node) = fields.child("retry") {
        config.retry = layers::retry(&Fields::new(node, "retry", RETRY), &mut origins)?;
    }
    if let Some(node) = fields.child("timeouts") {
        config.timeouts = layers::timeouts(&Fields::new(node, "timeouts", TIMEOUTS), &mut origins)?;
    }
    if let Some(node) = fields.child("breaker") {
        let fields = Fields::new(node, "breaker", BREAKER);
        config.breaker = layers::breaker(&fields, &config.breaker, &mut origins)?;
    }
    let workflow = Fields::new(root, "", keys::WORKFLOW);
    config.cache = layers::cache(&fields, &workflow, &mut origins)?;
    if let Some(cache) = &mut config.cache {
        cache.load_timeout = config.timeouts.deadline;
    }
    config.audit = audit::audit(&fields, trust, &mut origins)?;
    config.policy = policy::policy(&fields, &mut origins)?;
    config.origins = origins;
    Ok(config)
}

/// A chain may name a scheme by an alias, unless a provider bears that name.
fn fold_aliases(config: &mut Config) {
    let providers = &config.providers;
    let fold = |name: &mut String| {
        if !providers.contains_key(name) {
            *name = scheme::canonical(name).to_owned();
        }
    };
    for chain in config.chains.values_mut() {
        chain
            .members
            .iter_mut()
            .for_each(|member| fold(&mut member.provider));
        chain.write.iter_mut().for_each(fold);
    }
}

fn position(place: Option<&Place>) -> Option<SourcePosition> {
    place.map(Place::position)
}

fn at_key(entry: &Entry, message: String) -> Error {
    located(
        Error::new(ErrorKind::InvalidConfig, message),
        entry.key_place.as_ref(),
    )
}

/// The name of a provider or chain, or a scheme.
fn provider_name(name: &str, node: &Node) -> Result<String> {
    if Names::Provider.fits(name) {
        return Ok(name.to_owned());
    }
    let (what, rule) = Names::Provider.rule();
    Err(node
        .error(format!("{} cannot be the {what}", de::shown(name)))
        .with_hint(format!("it takes {rule}")))
}

fn provider(
    entry: &Entry,
    trust: &AmbientCredentials,
    origins: &mut Origins,
) -> Result<ProviderEntry> {
    let path = format!("providers.{}", entry.key);
    let fields = Fields::new(&entry.value, &path, PROVIDER);
    let kind = fields.text("type", origins)?;
    let location = fields.noted("location", origins).map(location);
    let scheme = match (&kind, &location) {
        (Some((word, node)), _) => {
            if word.is_empty() || !Names::Profile.fits(word) {
                return Err(node.error("not a provider type"));
            }
            scheme::canonical(word).to_owned()
        }
        (None, Some(Ok(location))) => location.scheme().to_owned(),
        (None, Some(Err(error))) => return Err(error.clone()),
        (None, None) => {
            return Err(
                at_key(entry, format!("provider `{}` has no `type`", entry.key))
                    .with_hint("add `type = \"…\"`, for example `vault`, `file` or `env`"),
            );
        }
    };
    let own = entry
        .value
        .table()
        .unwrap_or_default()
        .iter()
        .filter(|setting| PROVIDER.iter().all(|key| key.name != setting.key))
        .cloned()
        .collect::<Vec<_>>();
    for setting in &own {
        if let Some(place) = &setting.value.place {
            origins.note(
                format!("{path}.{}", setting.key),
                SettingOrigin::File(place.position()),
            );
        }
    }
    let chooses_nothing = own.is_empty() && location.is_none();
    let settings = Settings::from_node(Node {
        place: entry.key_place.clone(),
        value: Value::Table(own),
    });
    let settings = match location {
        None => settings,
        Some(Ok(location)) if location.scheme() != scheme => {
            let node = fields.child("location").unwrap_or(&entry.value);
            return Err(node.error(format!(
                "the location is of scheme {:?}, but the provider is of type {scheme:?}",
                location.scheme()
            )));
        }
        Some(Ok(location)) => settings
            .with_location(location)
            .with_location_place(fields.child("location").and_then(|node| node.place.clone())),
        // What is wrong in itself is reported now; what is not set, once the provider is needed.
        Some(Err(error)) if is_literal(fields.child("location")) => return Err(error),
        Some(Err(error)) => settings.with_invalid_location(error),
    };
    // With nothing but a type it is where the user's environment says, as is the scheme that nobody declared.
    let trust = if chooses_nothing {
        AmbientCredentials::Allowed
    } else {
        trust.clone()
    };
    let mut provider = ProviderEntry::new(scheme, settings).with_trust(trust);
    if let Some(node) = fields.child("retry") {
        let fields = Fields::new(node, format!("{path}.retry"), RETRY);
        provider.retry = Some(layers::retry(&fields, origins)?);
    }
    if let Some(node) = fields.child("breaker") {
        let fields = Fields::new(node, format!("{path}.breaker"), BREAKER);
        provider.breaker = Some(layers::breaker(
            &fields,
            &BreakerConfig::default(),
            origins,
        )?);
    }
    provider.rate = fields.count("rate", origins)?;
    provider.attempt_timeout = fields.limit("attempt_timeout", origins)?;
    provider.concurrency = fields
        .count("concurrency", origins)?
        .map(|count| count as usize);
    let place = kind.and_then(|(_, node)| node.place.as_ref());
    provider.position = position(place.or(entry.key_place.as_ref()));
    Ok(provider)
}

fn is_literal(node: Option<&Node>) -> bool {
    node.is_some_and(|node| match &node.value {
        Value::Text(text) => text.as_literal().is_some(),
        _ => true,
    })
}

fn location(node: &Node) -> Result<Location> {
    let location: Location = text(node)?
        .parse()
        .map_err(|error| located(error, node.place.as_ref()))?;
    Ok(canonical_location(location))
}

/// The location with its scheme's alias folded.
pub(super) fn canonical_location(location: Location) -> Location {
    let scheme = scheme::canonical(location.scheme());
    if scheme == location.scheme() {
        return location;
    }
    location.parameters().fold(
        Location::from_scheme(scheme)
            .with_host(location.host(), location.port())
            .with_path(location.path()),
        |folded, (key, value)| folded.with_parameter(key, value),
    )
}

fn chain(entry: &Entry, origins: &mut Origins) -> Result<ChainEntry> {
    let path = format!("chains.{}", entry.key);
    let fields = Fields::new(&entry.value, &path, keys::CHAIN);
    let members = match fields.noted("providers", origins).map(|node| &node.value) {
        Some(Value::Array(items)) if !items.is_empty() => items,
        _ => {
            return Err(
                at_key(entry, format!("chain `{}` has no `providers`", entry.key))
                    .with_hint("list at least one, for example `providers = [\"env\", \"main\"]`"),
            );
        }
    };
    let mut seen = HashMap::new();
    let mut read = Vec::with_capacity(members.len());
    for (at, item) in members.iter().enumerate() {
        let member = match &item.value {
            Value::Text(_) => ChainMember::new(provider_name(&text(item)?, item)?),
            _ => {
                let fields = Fields::new(item, format!("{path}.providers.{at}"), keys::MEMBER);
                let Some((name, node)) = fields.text("provider", origins)? else {
                    return Err(item
                        .error("this member of the chain has no `provider`")
                        .with_hint("add `provider = \"NAME\"`"));
                };
                let on_error = fields.word("on_error", origins, OnError::of_name)?;
                ChainMember::new(provider_name(&name, node)?)
                    .with_on_error(on_error.unwrap_or_default())
            }
        };
        if seen.insert(member.provider.clone(), at).is_some() {
            return Err(item.error(format!(
                "chain `{}` asks provider `{}` twice",
                entry.key, member.provider
            )));
        }
        read.push(ChainMember {
            position: position(item.place.as_ref()),
            ..member
        });
    }
    let mut chain = ChainEntry::new(read);
    if let Some((write, node)) = fields.text("write", origins)? {
        if !seen.contains_key(write.as_str()) {
            let members: Vec<&str> = seen.keys().map(String::as_str).collect();
            return Err(node
                .error(format!(
                    "{} is no member of chain `{}`",
                    de::shown(&write),
                    entry.key
                ))
                .with_hint(suggestion::hint(&write, &sorted(members), "members")));
        }
        chain = chain.with_write(write.as_str());
    }
    chain.position = position(entry.key_place.as_ref());
    Ok(chain)
}

fn sorted(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names
}

fn secret(entry: &Entry, origins: &mut Origins) -> Result<DeclaredSecret> {
    let path = format!("secrets.{}", entry.key);
    let fields = Fields::new(&entry.value, &path, keys::SECRET);
    let mut reference = match fields.text("reference", origins)? {
        Some((text, node)) => text
            .parse::<SecretRef>()
            .map_err(|error| located(error, node.place.as_ref()))?,
        None => SecretName::new(&entry.key)
            .map_err(|error| located(error, entry.key_place.as_ref()))?
            .into(),
    };
    if let Some((default, node)) = fields.text("default", origins)? {
        if reference.default().is_some() {
            return Err(node.error("the reference has a default already"));
        }
        reference = reference.with_default(&default);
    }
    let mut declared = DeclaredSecret::new(&entry.key, reference);
    let env = fields.text("env", origins)?;
    if let Some((env, _)) = &env {
        declared.env = Some(env.as_str().to_owned());
    }
    if !interpolate::is_variable(declared.env_name()) {
        let error = match &env {
            Some((_, node)) => node.error("this cannot be the name of an environment variable"),
            None => at_key(
                entry,
                format!(
                    "{:?} cannot be the name of an environment variable",
                    entry.key
                ),
            ),
        };
        return Err(error.with_hint("set `env` to a name of letters, digits and `_`"));
    }
    if let Some(required) = fields.flag("required", origins)? {
        declared.required = required;
    }
    declared.format = fields.word("format", origins, |word| Some(word.to_owned()))?;
    declared.description = fields
        .text("description", origins)?
        .map(|(text, _)| text.as_str().to_owned());
    declared.cache_ttl = fields.duration("cache_ttl", origins)?;
    declared.rotate_after = fields.limit("rotate_after", origins)?;
    declared.position = position(entry.key_place.as_ref());
    Ok(declared)
}

fn unique_variables(secrets: &[DeclaredSecret]) -> Result<()> {
    let mut seen: HashMap<&str, &str> = HashMap::with_capacity(secrets.len());
    for secret in secrets {
        if let Some(other) = seen.insert(secret.env_name(), &secret.name) {
            let error = Error::new(
                ErrorKind::InvalidConfig,
                format!(
                    "the secrets `{other}` and `{}` end in the same variable {}",
                    secret.name,
                    secret.env_name()
                ),
            )
            .with_hint("give one of them another name with `env`");
            return Err(match &secret.position {
                Some(position) => error.with_position(position.clone()),
                None => error,
            });
        }
    }
    Ok(())
}

fn preload(
    fields: &Fields<'_>,
    secrets: &[DeclaredSecret],
    origins: &mut Origins,
) -> Result<Vec<String>> {
    let Some(Value::Array(items)) = fields.noted("preload", origins).map(|node| &node.value) else {
        return Ok(Vec::new());
    };
    let known: BTreeMap<&str, ()> = secrets
        .iter()
        .map(|secret| (secret.name.as_str(), ()))
        .collect();
    items
        .iter()
        .map(|item| {
            let name = text(item)?;
            if !known.contains_key(name.as_str()) {
                let known: Vec<&str> = known.keys().copied().collect();
                return Err(item
                    .error(format!("{} is no declared secret", de::shown(&name)))
                    .with_hint(suggestion::hint(&name, &known, "secrets")));
            }
            Ok(name.as_str().to_owned())
        })
        .collect()
}
