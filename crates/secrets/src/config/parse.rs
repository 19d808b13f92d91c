//! Turns a checked tree into the data of a configuration.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use secrets_core::{
    AmbientCredentials, Error, ErrorKind, Location, Result, SecretName, SecretRef, SourcePosition,
};
use zeroize::Zeroizing;

use super::describe::{Origins, SettingOrigin};
use super::keys::{Key, Kind, Names, PROVIDER, RETRY, ROOT, TIMEOUTS};
use super::tree::{Entry, Node, Place, Value, located};
use super::{
    ChainEntry, ChainMember, Config, Declared, OnError, ProviderEntry, RetryConfig, Settings,
    TimeoutConfig, de, duration, interpolate, keys, scheme, suggest,
};

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
        config.retry = retry(&Fields::new(node, "retry", RETRY), &mut origins)?;
    }
    if let Some(node) = fields.child("timeouts") {
        config.timeouts = timeouts(&Fields::new(node, "timeouts", TIMEOUTS), &mut origins)?;
    }
    let workflow = Fields::new(root, "", keys::WORKFLOW);
    config.cache_ttl = workflow.duration("cache_ttl", &mut origins)?;
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

/// One table, read by the keys that it is known to have.
struct Fields<'n> {
    node: &'n Node,
    path: String,
    keys: &'static [Key],
}

impl<'n> Fields<'n> {
    fn new(node: &'n Node, path: impl Into<String>, keys: &'static [Key]) -> Self {
        Self {
            node,
            path: path.into(),
            keys,
        }
    }

    fn child(&self, key: &str) -> Option<&'n Node> {
        debug_assert!(
            self.keys.iter().any(|known| known.name == key),
            "{key} is read but not in the table of keys"
        );
        self.node.child(key)
    }

    fn kind(&self, key: &str) -> Option<&'static Kind> {
        Some(&self.keys.iter().find(|known| known.name == key)?.kind)
    }

    /// A value that is there, noting where it comes from.
    fn noted(&self, key: &str, origins: &mut Origins) -> Option<&'n Node> {
        let node = self.child(key)?;
        if let Some(place) = &node.place {
            let path = match self.path.as_str() {
                "" => key.to_owned(),
                path => format!("{path}.{key}"),
            };
            origins.note(path, SettingOrigin::File(place.position()));
        }
        Some(node)
    }

    fn entries(&self, key: &str) -> &'n [Entry] {
        self.child(key).and_then(Node::table).unwrap_or_default()
    }

    fn text(
        &self,
        key: &str,
        origins: &mut Origins,
    ) -> Result<Option<(Zeroizing<String>, &'n Node)>> {
        match self.noted(key, origins) {
            None => Ok(None),
            Some(node) => Ok(Some((text(node)?, node))),
        }
    }

    fn word<T>(
        &self,
        key: &str,
        origins: &mut Origins,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some((word, node)) = self.text(key, origins)? else {
            return Ok(None);
        };
        let known = match self.kind(key) {
            Some(Kind::Word(known)) => *known,
            _ => &[],
        };
        let found = read(&word).filter(|_| known.contains(&word.as_str()));
        found.map(Some).ok_or_else(|| {
            node.error(format!("unknown value for `{key}`"))
                .with_hint(suggest::hint(&word, known, "values"))
        })
    }

    fn flag(&self, key: &str, origins: &mut Origins) -> Result<Option<bool>> {
        let Some(node) = self.noted(key, origins) else {
            return Ok(None);
        };
        match &node.value {
            Value::Bool(flag) => Ok(Some(*flag)),
            _ => match text(node)?.as_str() {
                "true" => Ok(Some(true)),
                "false" => Ok(Some(false)),
                _ => Err(node.error("expected `true` or `false`")),
            },
        }
    }

    fn count(&self, key: &str, origins: &mut Origins) -> Result<Option<u32>> {
        let Some(node) = self.noted(key, origins) else {
            return Ok(None);
        };
        let number = match &node.value {
            Value::Integer(number) => u32::try_from(*number).ok(),
            _ => text(node)?.trim().parse().ok(),
        };
        let (min, max) = match self.kind(key) {
            Some(Kind::Count { min, max }) => (*min, *max),
            _ => (0, u32::MAX),
        };
        match number {
            Some(number) if (min..=max).contains(&number) => Ok(Some(number)),
            _ => Err(node.error(format!("expected a whole number from {min} to {max}"))),
        }
    }

    fn duration(&self, key: &str, origins: &mut Origins) -> Result<Option<Duration>> {
        let Some(node) = self.noted(key, origins) else {
            return Ok(None);
        };
        let seconds = matches!(self.kind(key), Some(Kind::Seconds));
        let read = match &node.value {
            Value::Integer(number) if seconds => {
                u64::try_from(*number).ok().map(Duration::from_secs)
            }
            _ => duration::parse(&text(node)?),
        };
        read.map(Some).ok_or_else(|| {
            node.error("expected a duration such as \"200ms\" or \"30s\"")
                .with_hint("units are us, ms, s, m, h, d and w")
        })
    }

    /// A duration that leaves time for something.
    fn limit(&self, key: &str, origins: &mut Origins) -> Result<Option<Duration>> {
        match self.duration(key, origins)? {
            Some(Duration::ZERO) => Err(self
                .child(key)
                .unwrap_or(self.node)
                .error("expected a duration longer than nothing")),
            limit => Ok(limit),
        }
    }
}

fn text(node: &Node) -> Result<Zeroizing<String>> {
    match &node.value {
        Value::Text(text) => text
            .evaluate()
            .map_err(|error| located(error, node.place.as_ref())),
        other => Err(node.error(format!("expected a string, found {}", other.kind()))),
    }
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
                return Err(node.error("this is no type of a provider"));
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
        // What is wrong in itself is told now; what is not set, once the provider is needed.
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
        provider.retry = Some(retry(&fields, origins)?);
    }
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
        Location::of_scheme(scheme)
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
                .with_hint(suggest::hint(&write, &sorted(members), "members")));
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

fn secret(entry: &Entry, origins: &mut Origins) -> Result<Declared> {
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
    let mut declared = Declared::new(&entry.key, reference);
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
    declared.rotate_after = fields.limit("rotate_after", origins)?;
    declared.position = position(entry.key_place.as_ref());
    Ok(declared)
}

fn unique_variables(secrets: &[Declared]) -> Result<()> {
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
    secrets: &[Declared],
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
                    .with_hint(suggest::hint(&name, &known, "secrets")));
            }
            Ok(name.as_str().to_owned())
        })
        .collect()
}

fn retry(fields: &Fields<'_>, origins: &mut Origins) -> Result<RetryConfig> {
    let mut retry = RetryConfig::default();
    if let Some(attempts) = fields.count("max_attempts", origins)? {
        retry.max_attempts = attempts;
    }
    if let Some(base) = fields.duration("base", origins)? {
        retry.base = base;
    }
    if let Some(max) = fields.duration("max", origins)? {
        retry.max = max;
    }
    Ok(retry)
}

fn timeouts(fields: &Fields<'_>, origins: &mut Origins) -> Result<TimeoutConfig> {
    let mut timeouts = TimeoutConfig::default();
    if let Some(deadline) = fields.limit("deadline", origins)? {
        timeouts.deadline = deadline;
    }
    if let Some(attempt) = fields.limit("attempt", origins)? {
        timeouts.attempt = attempt;
    }
    Ok(timeouts)
}

/// Names the file in an error that has no place of its own.
pub(super) fn in_file(error: Error, file: &Path) -> Error {
    if error.position().is_some() {
        return error;
    }
    error.with_position(SourcePosition::new(1, 1).in_file(file))
}
