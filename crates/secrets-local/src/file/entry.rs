//! One line of a store: a version of a secret, or the mark that a secret was purged.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use secrets_core::{Metadata, SecretName, SecretState, Version};

use super::keys::Sealed;

/// Nanoseconds since 1970; they reach to the year 2554.
pub(super) type Nanos = u64;

const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'/');

/// What stands for nothing in a field.
pub(super) const NONE: &str = "-";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Enabled,
    Deleted,
    /// The secret was purged up to this version. The line has no value.
    Purged,
}

impl State {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Deleted => "deleted",
            Self::Purged => "purged",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Enabled, Self::Deleted, Self::Purged]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// All that a line says except the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) name: SecretName,
    pub(super) version: u64,
    pub(super) state: State,
    /// When the secret had its first version.
    pub(super) born: Nanos,
    /// When this version was written; of a purged secret, when its last version was.
    pub(super) created: Nanos,
    /// When the line was last changed.
    pub(super) updated: Nanos,
    pub(super) expires: Option<Nanos>,
    pub(super) tags: BTreeMap<String, String>,
}

impl Facts {
    /// The line from the name to the tags. It is what the value is bound to.
    pub(super) fn head(&self) -> Box<str> {
        let mut head = encode(self.name.as_str());
        let state = self.state.as_str();
        // Writing to a string does not fail.
        let _ = write!(
            head,
            " {} {state} {} {} {} ",
            self.version, self.born, self.created, self.updated
        );
        match self.expires {
            Some(time) => drop(write!(head, "{time}")),
            None => head.push_str(NONE),
        }
        head.push(' ');
        if self.tags.is_empty() {
            head.push_str(NONE);
        }
        for (number, (key, value)) in self.tags.iter().enumerate() {
            if number > 0 {
                head.push(',');
            }
            let _ = write!(head, "{}={}", encode(key), encode(value));
        }
        head.into_boxed_str()
    }
}

/// A line: its facts, the same as text, and the value.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) facts: Facts,
    pub(super) head: Box<str>,
    /// `None` exactly where the state is [`State::Purged`].
    pub(super) sealed: Option<Sealed>,
}

impl Entry {
    pub(super) fn is_purged(&self) -> bool {
        self.facts.state == State::Purged
    }

    /// What a reader learns about this version at this time.
    pub(super) fn metadata(&self, now: Nanos) -> Metadata {
        let facts = &self.facts;
        let state = match facts.state {
            State::Enabled if self.has_expired(now) => SecretState::Disabled,
            State::Enabled => SecretState::Enabled,
            State::Deleted => SecretState::Deleted,
            State::Purged => SecretState::Destroyed,
        };
        Metadata::new(facts.name.clone())
            .with_version(self.version())
            .with_created_at(to_time(facts.created))
            .with_updated_at(to_time(facts.updated))
            .with_expires_at(facts.expires.map(to_time))
            .with_tags(facts.tags.clone())
            .with_state(state)
    }

    pub(super) fn has_expired(&self, now: Nanos) -> bool {
        self.facts.expires.is_some_and(|end| end <= now)
    }

    pub(super) fn version(&self) -> Version {
        Version::new(self.facts.version.to_string())
    }
}

pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, KEPT).to_string()
}

/// The text that a field stands for, if the field is the one way to write it.
pub(super) fn decode(field: &str) -> Option<Cow<'_, str>> {
    let stands_for_itself = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte);
    if field.bytes().all(stands_for_itself) {
        return Some(field.into());
    }
    let text = percent_decode_str(field).decode_utf8().ok()?;
    (encode(&text) == field).then_some(text)
}

/// A number, if the field is the one way to write it.
pub(super) fn number(field: &str) -> Option<u64> {
    if field.is_empty() || field.len() > 1 && field.starts_with('0') {
        return None;
    }
    field.bytes().try_fold(0_u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        let shifted = number.checked_mul(10).filter(|_| digit < 10)?;
        shifted.checked_add(digit.into())
    })
}

/// The nearest time that a line can hold.
pub(super) fn from_time(time: SystemTime) -> Nanos {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Nanos::try_from(since.as_nanos()).unwrap_or(Nanos::MAX)
}

pub(super) fn to_time(nanos: Nanos) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanos)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_stay_readable() {
        assert_eq!(encode("db/pass-word_1.x"), "db/pass-word_1.x");
        assert_eq!(encode("a b%"), "a%20b%25");
    }

    #[test]
    fn only_the_one_way_of_writing_is_read() {
        for field in ["a%2fb", "%61", "a b", "%", "%zz", "%ff", "é"] {
            assert_eq!(decode(field), None, "{field}");
        }
        for field in ["", "01", "+1", "-1", " 1", "1.0", "18446744073709551616"] {
            assert_eq!(number(field), None, "{field}");
        }
        assert_eq!(number("0"), Some(0));
        assert_eq!(number("18446744073709551615"), Some(u64::MAX));
    }

    proptest! {
        #[test]
        fn text_comes_back(text: String) {
            let field = encode(&text);
            prop_assert_eq!(decode(&field), Some(text.into()));
        }

        #[test]
        fn times_come_back(nanos: u64) {
            prop_assert_eq!(from_time(to_time(nanos)), nanos);
        }
    }
}
