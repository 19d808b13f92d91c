//! Reads the sections that set layers up.

use secrets_core::Result;

use super::describe::Origins;
use super::fields::Fields;
use super::keys::CACHE;
use crate::layers::{BreakerConfig, CacheConfig, RetryConfig, TimeoutConfig};

pub(super) fn retry(fields: &Fields<'_>, origins: &mut Origins) -> Result<RetryConfig> {
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
    if let Some(budget) = fields.count("budget", origins)? {
        retry.budget = budget;
    }
    Ok(retry)
}

/// A breaker, with what is not said taken from `base`.
pub(super) fn breaker(
    fields: &Fields<'_>,
    base: &BreakerConfig,
    origins: &mut Origins,
) -> Result<BreakerConfig> {
    let mut breaker = base.clone();
    if let Some(enabled) = fields.flag("enabled", origins)? {
        breaker.enabled = enabled;
    }
    if let Some(window) = fields.count("window", origins)? {
        breaker.window = window;
    }
    if let Some(failures) = fields.count("min_failures", origins)? {
        breaker.min_failures = failures;
    }
    if let Some(percent) = fields.count("failure_percent", origins)? {
        breaker.failure_percent = percent;
    }
    if let Some(limit) = fields.limit("slow_call", origins)? {
        breaker.slow_call = limit;
    }
    if let Some(time) = fields.limit("open_for", origins)? {
        breaker.open_for = time;
    }
    if breaker.min_failures > breaker.window {
        let at = fields.child("min_failures").or(fields.child("window"));
        return Err(at
            .unwrap_or(fields.node)
            .error("`min_failures` is more than `window`, so that it would never open")
            .with_hint("set `window` to at least `min_failures`"));
    }
    Ok(breaker)
}

/// `[cache]`, or the one setting that a workflow's block has for it.
pub(super) fn cache(
    root: &Fields<'_>,
    workflow: &Fields<'_>,
    origins: &mut Origins,
) -> Result<Option<CacheConfig>> {
    let short = workflow.duration("cache_ttl", origins)?;
    let Some(node) = root.child("cache") else {
        return Ok(short.map(|ttl| CacheConfig::default().with_ttl(ttl)));
    };
    let fields = Fields::new(node, "cache", CACHE);
    let mut cache = CacheConfig::default();
    let ttl = fields.duration("ttl", origins)?;
    if let (Some(_), Some(_)) = (short, ttl) {
        return Err(fields
            .child("ttl")
            .unwrap_or(node)
            .error("`cache_ttl` and `cache.ttl` are one setting")
            .with_hint("leave one of them out"));
    }
    if let Some(ttl) = ttl.or(short) {
        cache = cache.with_ttl(ttl);
    }
    if let Some(age) = fields.duration("max_stale", origins)? {
        cache.max_stale = age;
    }
    if let Some(ttl) = fields.duration("version_ttl", origins)? {
        cache.version_ttl = ttl;
    }
    if let Some(ttl) = fields.duration("negative_ttl", origins)? {
        cache.negative_ttl = ttl;
    }
    if let Some(refresh_ahead) = fields.flag("refresh_ahead", origins)? {
        cache.refresh_ahead = refresh_ahead;
    }
    if let Some(patience) = fields.duration("patience", origins)? {
        cache.patience = patience;
    }
    if let Some(count) = fields.count("max_entries", origins)? {
        cache.max_entries = count as usize;
    }
    if let Some(count) = fields.count("max_bytes", origins)? {
        cache.max_bytes = count.into();
    }
    if let Some(conflict) = cache.conflict() {
        let at = fields
            .child(conflict.setting)
            .or(fields.child("ttl"))
            .unwrap_or(node);
        return Err(at.error(conflict.message).with_hint(conflict.hint));
    }
    Ok(fields
        .flag("enabled", origins)?
        .unwrap_or(true)
        .then_some(cache))
}

pub(super) fn timeouts(fields: &Fields<'_>, origins: &mut Origins) -> Result<TimeoutConfig> {
    let mut timeouts = TimeoutConfig::default();
    if let Some(deadline) = fields.limit("deadline", origins)? {
        timeouts.deadline = deadline;
    }
    if let Some(attempt) = fields.limit("attempt", origins)? {
        timeouts.attempt = attempt;
    }
    Ok(timeouts)
}
