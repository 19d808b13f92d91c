//! What is in effect, and where each setting comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use secrets_core::{AmbientCredentials, SecretRef, SourcePosition, looks_like_content};

use super::tree::{Node, Piece, Value};
use super::{Config, ProviderEntry, RetryConfig, duration};
use crate::layers::{AuditConfig, BreakerConfig, CacheConfig, NameGlob, PolicyConfig};

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingOrigin {
    /// An option of the command line, such as `--provider`.
    Flag(String),
    /// An environment variable.
    Environment(String),
    /// A place in the configuration file.
    File(SourcePosition),
    /// The search from the working folder upwards.
    Found,
    /// Nobody said anything.
    Default,
}

impl fmt::Display for SettingOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Environment(name) => f.write_str(name),
            Self::File(position) => position.fmt(f),
            Self::Found => f.write_str("found from the working folder upwards"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One setting that is in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DescribedSetting {
    /// Its path: `providers.main.location`.
    pub key: String,
    /// Its value; `***` for what is or may be a credential.
    pub value: String,
    /// Where it comes from.
    pub origin: SettingOrigin,
}

/// The origins of the settings that somebody set, by their paths.
#[derive(Debug, Clone, Default)]
pub(super) struct Origins(BTreeMap<String, SettingOrigin>);

impl Origins {
    pub(super) fn note(&mut self, path: impl Into<String>, origin: SettingOrigin) {
        self.0.insert(path.into(), origin);
    }

    fn of(&self, path: &str) -> SettingOrigin {
        self.0.get(path).cloned().unwrap_or(SettingOrigin::Default)
    }
}

const MASK: &str = "***";

/// Settings of providers that are no credentials. All others are masked, those of providers that we do not know among
/// them: a credential must not be shown because nobody said that it is one.
const SHOWN: &[&str] = &[
    "address",
    "base_url",
    "ca_bundle",
    "ca_cert",
    "ca_file",
    "endpoint",
    "environment",
    "file",
    "folder",
    "host",
    "identity",
    "identity_file",
    "kv_version",
    "method",
    "mount",
    "namespace",
    "path",
    "prefix",
    "profile",
    "project",
    "project_id",
    "recipients",
    "region",
    "secret_name",
    "secret_path",
    "secret_prefix",
    "shape",
    "store",
    "url",
    "value_field",
    "vault_url",
];

pub(super) fn describe(config: &Config) -> Vec<DescribedSetting> {
    let mut rows = Rows {
        origins: &config.origins,
        rows: Vec::new(),
    };
    if let Some(source) = &config.source {
        rows.add("config", source.display().to_string());
        let trusted = config.trust == AmbientCredentials::Allowed;
        rows.add("trusted", trusted.to_string());
    }
    if let Some(profile) = &config.profile {
        rows.add("profile", profile.clone());
    }
    if let Some(default) = &config.default {
        rows.add("default", default.clone());
    }
    for (name, provider) in &config.providers {
        rows.provider(&format!("providers.{name}"), provider);
    }
    for (name, chain) in &config.chains {
        let members: Vec<String> = chain
            .members
            .iter()
            .map(|member| match member.on_error.as_str() {
                "fail" => member.provider.clone(),
                on_error => format!("{} (on_error {on_error})", member.provider),
            })
            .collect();
        rows.add(&format!("chains.{name}.providers"), members.join(", "));
        if let Some(write) = &chain.write {
            rows.add(&format!("chains.{name}.write"), write.clone());
        }
    }
    for secret in &config.secrets {
        let path = format!("secrets.{}", secret.name);
        rows.add(&format!("{path}.reference"), shown(&secret.reference));
        rows.add(&format!("{path}.env"), secret.env_name().to_owned());
        rows.add(&format!("{path}.required"), secret.required.to_string());
        if let Some(format) = &secret.format {
            rows.add(&format!("{path}.format"), format.clone());
        }
        if let Some(ttl) = secret.cache_ttl {
            rows.add(&format!("{path}.cache_ttl"), duration::format(ttl));
        }
        if let Some(age) = secret.rotate_after {
            rows.add(&format!("{path}.rotate_after"), duration::format(age));
        }
    }
    if !config.preload.is_empty() {
        rows.add("preload", config.preload.join(", "));
    }
    if let Some(count) = config.concurrency {
        rows.add("concurrency", count.to_string());
    }
    rows.retry("retry", &config.retry);
    rows.add(
        "timeouts.deadline",
        duration::format(config.timeouts.deadline),
    );
    rows.add(
        "timeouts.attempt",
        duration::format(config.timeouts.attempt),
    );
    rows.breaker("breaker", &config.breaker);
    if let Some(cache) = &config.cache {
        rows.cache(cache);
    }
    if let Some(audit) = &config.audit {
        rows.audit(audit);
    }
    if let Some(policy) = &config.policy {
        rows.policy(policy);
    }
    rows.rows
}

/// A path, unless it is the content of a file.
fn shown_path(path: &Path) -> String {
    let path = path.display().to_string();
    match looks_like_content(&path) {
        true => MASK.to_owned(),
        false => path,
    }
}

/// A reference whose default, which may be a credential of a test, is masked.
fn shown(reference: &SecretRef) -> String {
    match reference.default() {
        None => reference.to_string(),
        Some(_) => reference.clone().with_default(MASK).to_string(),
    }
}

struct Rows<'c> {
    origins: &'c Origins,
    rows: Vec<DescribedSetting>,
}

impl Rows<'_> {
    fn add(&mut self, key: &str, value: String) {
        self.rows.push(DescribedSetting {
            key: key.to_owned(),
            value,
            origin: self.origins.of(key),
        });
    }

    fn retry(&mut self, path: &str, retry: &RetryConfig) {
        self.add(
            &format!("{path}.max_attempts"),
            retry.max_attempts.to_string(),
        );
        self.add(&format!("{path}.base"), duration::format(retry.base));
        self.add(&format!("{path}.max"), duration::format(retry.max));
        self.add(&format!("{path}.budget"), retry.budget.to_string());
    }

    fn breaker(&mut self, path: &str, breaker: &BreakerConfig) {
        if !breaker.enabled {
            return self.add(&format!("{path}.enabled"), "false".to_owned());
        }
        for (key, value) in [
            ("window", breaker.window.to_string()),
            ("min_failures", breaker.min_failures.to_string()),
            ("failure_percent", breaker.failure_percent.to_string()),
            ("slow_call", duration::format(breaker.slow_call)),
            ("open_for", duration::format(breaker.open_for)),
        ] {
            self.add(&format!("{path}.{key}"), value);
        }
    }

    fn cache(&mut self, cache: &CacheConfig) {
        for (key, time) in [
            ("ttl", cache.ttl),
            ("max_stale", cache.max_stale),
            ("version_ttl", cache.version_ttl),
            ("negative_ttl", cache.negative_ttl),
            ("patience", cache.patience),
        ] {
            self.add(&format!("cache.{key}"), duration::format(time));
        }
        self.add("cache.refresh_ahead", cache.refresh_ahead.to_string());
        self.add("cache.max_entries", cache.max_entries.to_string());
        self.add("cache.max_bytes", cache.max_bytes.to_string());
    }

    fn audit(&mut self, audit: &AuditConfig) {
        let paths = [("path", &audit.path), ("key_file", &audit.key_file)];
        for (key, path) in paths {
            if let Some(path) = path {
                self.add(&format!("audit.{key}"), shown_path(path));
            }
        }
        if let Some(key) = &audit.key {
            self.add("audit.key", shown(key));
        }
        if let Some(age) = audit.max_age {
            self.add("audit.max_age", duration::format(age));
        }
        for (key, value) in [
            ("trace", audit.trace.to_string()),
            ("on_failure", audit.on_failure.as_str().to_owned()),
            ("sync", audit.sync.as_str().to_owned()),
            ("hits", audit.hits.as_str().to_owned()),
            ("queue", audit.queue.to_string()),
            ("deadline", duration::format(audit.deadline)),
            ("max_bytes", audit.max_bytes.to_string()),
            ("reopen_on_hangup", audit.reopen_on_hangup.to_string()),
        ] {
            self.add(&format!("audit.{key}"), value);
        }
    }

    fn policy(&mut self, policy: &PolicyConfig) {
        for (name, role) in &policy.roles {
            let path = format!("policy.roles.{name}");
            let operations: Vec<&str> = role.operations.iter().map(|one| one.as_str()).collect();
            self.add(&format!("{path}.operations"), operations.join(", "));
            let names: Vec<&str> = role.names.iter().map(NameGlob::as_str).collect();
            self.add(&format!("{path}.names"), names.join(", "));
            for (key, words) in [
                ("scopes", &role.scopes),
                ("environments", &role.environments),
            ] {
                if !words.is_empty() {
                    self.add(&format!("{path}.{key}"), words.join(", "));
                }
            }
        }
        for (principal, grants) in &policy.principals {
            let roles: Vec<&str> = grants.iter().map(|grant| grant.role.as_str()).collect();
            self.add(&format!("policy.principals.{principal}"), roles.join(", "));
        }
        if !policy.files.is_empty() {
            let files = policy.files.iter();
            let files: Vec<String> = files.map(|file| shown_path(&file.path)).collect();
            self.add("policy.files", files.join(", "));
        }
    }

    fn provider(&mut self, path: &str, provider: &ProviderEntry) {
        self.add(&format!("{path}.type"), provider.scheme.clone());
        if let Some(location) = provider.settings.location() {
            self.add(&format!("{path}.location"), location.to_string());
        }
        if let Some(error) = provider.settings.invalid_location() {
            self.add(
                &format!("{path}.location"),
                format!("({})", error.message()),
            );
        }
        self.setting(path, provider.settings.root(), false);
        if let Some(retry) = &provider.retry {
            self.retry(&format!("{path}.retry"), retry);
        }
        if let Some(limit) = provider.attempt_timeout {
            self.add(&format!("{path}.attempt_timeout"), duration::format(limit));
        }
        if let Some(rate) = provider.rate {
            self.add(&format!("{path}.rate"), rate.to_string());
        }
        if let Some(breaker) = &provider.breaker {
            self.breaker(&format!("{path}.breaker"), breaker);
        }
        if let Some(count) = provider.concurrency {
            self.add(&format!("{path}.concurrency"), count.to_string());
        }
    }

    fn setting(&mut self, path: &str, node: &Node, open: bool) {
        let value = match &node.value {
            Value::Table(entries) => {
                for entry in entries {
                    let open = open || SHOWN.contains(&entry.key.as_str());
                    self.setting(&format!("{path}.{}", entry.key), &entry.value, open);
                }
                return;
            }
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.setting(&format!("{path}.{at}"), item, open);
                }
                return;
            }
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Integer(value) if open => value.to_string(),
            Value::Integer(_) | Value::Float(_) | Value::DateTime(_) => MASK.to_owned(),
            Value::Text(text) => text
                .pieces
                .iter()
                .map(|piece| shown_piece(piece, open))
                .collect(),
        };
        let origin = match &node.place {
            Some(place) => SettingOrigin::File(place.position()),
            None => self.origins.of(path),
        };
        self.rows.push(DescribedSetting {
            key: path.to_owned(),
            value,
            origin,
        });
    }
}

/// What was put in is shown as it is written, not as it came out.
fn shown_piece(piece: &Piece, open: bool) -> String {
    match piece {
        // `@` and `?` begin the parts of a URL in which people put credentials.
        Piece::Literal(text) if open && !text.contains(['@', '?']) && !looks_like_content(text) => {
            text.as_str().to_owned()
        }
        Piece::Literal(_) => MASK.to_owned(),
        Piece::Variable { name, value: None } => format!("${{{name}}} (not set)"),
        Piece::Variable { name, .. } => format!("${{{name}}}"),
        Piece::Secret { reference, .. } => format!("${{secret:{}}}", shown(reference)),
    }
}
