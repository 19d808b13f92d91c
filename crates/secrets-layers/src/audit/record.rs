use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use secrets_core::{ErrorKind, Freshness};
use serde::{Deserialize, Serialize};

use super::actor::Actor;
use super::id::RecordId;

/// What is reported of one use of a secret. There is no value in it, and nothing made of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Record {
    /// Its id; an outcome has that of its intent.
    pub id: RecordId,
    /// When it was made.
    #[serde(with = "moment")]
    pub time: SystemTime,
    /// What it tells of.
    pub event: Event,
    /// Who it was.
    #[serde(with = "shared")]
    pub actor: Arc<Actor>,
    /// The operation: `get`, `put`, … An item of a get-many is a `get-many`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Cow<'static, str>>,
    /// The provider that answered or failed, else the provider or chain that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The chain that led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// The secret; for a listing its prefix with a `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version that was read or written, else the one that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `ok`, the kind of the error such as `not_found`, or `cancelled`. An intent has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Cow<'static, str>>,
    /// Where the answer came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<RecordSource>,
    /// How long it took, in milliseconds, at the resolution of the clock (a few).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// The reason that the caller gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many uses it stands for, or how many records are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// When the first of them was.
    #[serde(
        default,
        with = "maybe_moment",
        skip_serializing_if = "Option::is_none"
    )]
    pub since: Option<SystemTime>,
    /// What an event of the log itself has to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What a record tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A read, before its value is released.
    Read,
    /// A write, before it is done.
    Intent,
    /// What became of a write.
    Outcome,
    /// Answers from the cache, after they were given.
    Hits,
    /// Records that could not be written; how many, `count` tells.
    Gap,
    /// The beginning of a file.
    Opened,
    /// A record that a crash left unfinished was taken away, or the checkpoint was missing.
    Recovered,
}

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RecordSource {
    /// The provider.
    Provider,
    /// The cache, within its time.
    Cache,
    /// The cache, after its time.
    Stale,
}

impl Event {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Intent => "intent",
            Self::Outcome => "outcome",
            Self::Hits => "hits",
            Self::Gap => "gap",
            Self::Opened => "opened",
            Self::Recovered => "recovered",
        }
    }
}

impl RecordSource {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Cache => "cache",
            Self::Stale => "stale",
        }
    }
}

impl From<Freshness> for RecordSource {
    fn from(freshness: Freshness) -> Self {
        match freshness {
            Freshness::Cached { .. } => Self::Cache,
            Freshness::Stale { .. } => Self::Stale,
            _ => Self::Provider,
        }
    }
}

impl Record {
    /// A record that says nothing yet but when and by whom.
    pub(super) fn new(event: Event, actor: Arc<Actor>, now: SystemTime) -> Self {
        Self {
            id: RecordId::new(now),
            time: now,
            event,
            actor,
            operation: None,
            provider: None,
            via: None,
            name: None,
            version: None,
            outcome: None,
            source: None,
            duration_ms: None,
            reason: None,
            count: None,
            since: None,
            note: None,
        }
    }

    pub(super) fn took(mut self, time: Duration) -> Self {
        self.duration_ms = Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self
    }
}

/// The kind of an error as a record has it.
pub(super) fn outcome_of(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "not_found",
        ErrorKind::Deleted => "deleted",
        ErrorKind::Disabled => "disabled",
        ErrorKind::AlreadyExists => "already_exists",
        ErrorKind::Conflict => "conflict",
        ErrorKind::Unauthenticated => "unauthenticated",
        ErrorKind::PermissionDenied => "permission_denied",
        ErrorKind::RateLimited => "rate_limited",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::Timeout => "timeout",
        ErrorKind::InvalidName => "invalid_name",
        ErrorKind::InvalidValue => "invalid_value",
        ErrorKind::InvalidConfig => "invalid_config",
        ErrorKind::InvalidResponse => "invalid_response",
        ErrorKind::IntegrityFailure => "integrity_failure",
        ErrorKind::Unsupported => "unsupported",
        _ => "unexpected",
    }
}

/// A moment as RFC 3339, to the microsecond.
pub(super) fn rfc3339(time: SystemTime) -> String {
    match jiff::Timestamp::try_from(time) {
        Ok(time) => format!("{time:.6}"),
        Err(_) => String::new(),
    }
}

mod moment {
    use super::*;

    pub(super) fn serialize<S: serde::Serializer>(
        time: &SystemTime,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&rfc3339(*time))
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<SystemTime, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let time: jiff::Timestamp = text
            .parse()
            .map_err(|_| serde::de::Error::custom("expected a time in RFC 3339"))?;
        Ok(time.into())
    }
}

mod maybe_moment {
    use super::*;

    pub(super) fn serialize<S: serde::Serializer>(
        time: &Option<SystemTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => moment::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SystemTime>, D::Error> {
        moment::deserialize(deserializer).map(Some)
    }
}

mod shared {
    use super::*;

    pub(super) fn serialize<S: serde::Serializer>(
        actor: &Arc<Actor>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        (**actor).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<Actor>, D::Error> {
        Actor::deserialize(deserializer).map(Arc::new)
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_record_comes_back_from_its_text() {
        let now = UNIX_EPOCH + Duration::from_micros(1_767_225_600_000_123);
        let mut record = Record::new(Event::Hits, Arc::new(Actor::of_process()), now);
        record.operation = Some("get".into());
        record.source = Some(RecordSource::Stale);
        record.name = Some("a \"b\"\u{1f511}".to_owned());
        record.since = Some(now - Duration::from_millis(900));
        record.count = Some(7);
        let text = serde_json::to_string(&record).unwrap();
        assert!(
            text.contains("\"time\":\"2026-01-01T00:00:00.000123Z\""),
            "{text}"
        );
        assert!(!text.contains("null"), "{text}");
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    }

    #[test]
    fn words_are_those_that_are_written() {
        for event in [
            Event::Read,
            Event::Intent,
            Event::Outcome,
            Event::Hits,
            Event::Gap,
            Event::Opened,
            Event::Recovered,
        ] {
            assert_eq!(serde_json::json!(event), event.as_str());
        }
        let age = Duration::from_secs(1);
        for (freshness, word) in [
            (Freshness::Fresh, "provider"),
            (Freshness::Cached { age }, "cache"),
            (Freshness::Stale { age }, "stale"),
        ] {
            let source = RecordSource::from(freshness);
            assert_eq!(source.as_str(), word);
            assert_eq!(serde_json::json!(source), word);
        }
    }

    #[test]
    fn each_kind_of_an_error_has_a_word_of_its_own() {
        for (kind, word) in [
            (ErrorKind::NotFound, "not_found"),
            (ErrorKind::Deleted, "deleted"),
            (ErrorKind::Disabled, "disabled"),
            (ErrorKind::AlreadyExists, "already_exists"),
            (ErrorKind::Conflict, "conflict"),
            (ErrorKind::Unauthenticated, "unauthenticated"),
            (ErrorKind::PermissionDenied, "permission_denied"),
            (ErrorKind::RateLimited, "rate_limited"),
            (ErrorKind::Unavailable, "unavailable"),
            (ErrorKind::Timeout, "timeout"),
            (ErrorKind::InvalidName, "invalid_name"),
            (ErrorKind::InvalidValue, "invalid_value"),
            (ErrorKind::InvalidConfig, "invalid_config"),
            (ErrorKind::InvalidResponse, "invalid_response"),
            (ErrorKind::IntegrityFailure, "integrity_failure"),
            (ErrorKind::Unsupported, "unsupported"),
            (ErrorKind::Unexpected, "unexpected"),
        ] {
            assert_eq!(outcome_of(kind), word);
        }
    }

    #[test]
    fn a_moment_that_is_none_is_refused_and_what_took_long_is_told() {
        let record = Record::new(Event::Read, Arc::default(), UNIX_EPOCH);
        let text = serde_json::to_string(&record).unwrap();
        let wrong = text.replace("1970-01-01T00:00:00.000000Z", "yesterday");
        assert_ne!(wrong, text);
        assert!(serde_json::from_str::<Record>(&wrong).is_err());
        let took = |time| record.clone().took(time).duration_ms;
        assert_eq!(took(Duration::from_micros(2999)), Some(2));
        assert_eq!(took(Duration::MAX), Some(u64::MAX));
    }
}
