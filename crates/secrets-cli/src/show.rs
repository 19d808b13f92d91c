//! Formats metadata for tables and JSON.

use std::time::SystemTime;

use secrets::{Freshness, Metadata, Origin};
use serde_json::{Map, Value, json};

/// A time in RFC 3339, to the second; empty if unknown.
pub(crate) fn time(time: Option<SystemTime>) -> String {
    time.and_then(|time| jiff::Timestamp::try_from(time).ok())
        .map(|time| format!("{time:.0}"))
        .unwrap_or_default()
}

/// Tags as `key=value`, separated by commas.
pub(crate) fn tags(metadata: &Metadata) -> String {
    let pairs: Vec<String> = metadata
        .tags
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    pairs.join(",")
}

/// Metadata as JSON, without unknown fields.
pub(crate) fn metadata(metadata: &Metadata) -> Value {
    let mut object = Map::new();
    object.insert("name".to_owned(), json!(metadata.name));
    object.insert("state".to_owned(), json!(metadata.state.to_string()));
    if let Some(version) = &metadata.version {
        object.insert("version".to_owned(), json!(version.as_str()));
    }
    for (key, moment) in [
        ("created_at", metadata.created_at),
        ("updated_at", metadata.updated_at),
        ("expires_at", metadata.expires_at),
    ] {
        if moment.is_some() {
            object.insert(key.to_owned(), json!(time(moment)));
        }
    }
    if !metadata.tags.is_empty() {
        object.insert("tags".to_owned(), json!(metadata.tags));
    }
    if let Some(lease) = &metadata.lease {
        object.insert("lease_seconds".to_owned(), json!(lease.duration.as_secs()));
        object.insert("lease_renewable".to_owned(), json!(lease.renewable));
    }
    Value::Object(object)
}

/// Adds the origin of an answer to an object.
pub(crate) fn add_origin(object: &mut Value, origin: &Origin) {
    object["provider"] = json!(*origin.provider);
    if let Some(via) = &origin.via {
        object["via"] = json!(**via);
    }
    object["freshness"] = json!(freshness(origin.freshness));
}

/// `fresh`, `cached` or `stale`.
pub(crate) fn freshness(freshness: Freshness) -> &'static str {
    match freshness {
        Freshness::Fresh => "fresh",
        Freshness::Cached { .. } => "cached",
        Freshness::Stale { .. } => "stale",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_printed_to_the_second() {
        let moment = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        assert_eq!(time(Some(moment)), "2023-11-14T22:13:20Z");
        assert_eq!(time(None), "");
    }
}
