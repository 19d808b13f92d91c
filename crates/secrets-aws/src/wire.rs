//! What goes to the service and comes from it, free of the SDK's types.

use std::collections::BTreeMap;
use std::time::SystemTime;

use aws_sdk_secretsmanager::types::Tag;
use aws_smithy_types::{Blob, DateTime};
use secrets_core::{Error, Result, SecretValue};

use crate::error;

/// What a service that gives credentials says when it gives none.
#[derive(Default, serde::Deserialize)]
pub(crate) struct LoginRefusal<'a> {
    #[serde(default, borrow, rename = "__type", alias = "code", alias = "Code")]
    pub(crate) code: Option<std::borrow::Cow<'a, str>>,
}

/// The stage of the version that is read when none is named.
pub(crate) const CURRENT: &str = "AWSCURRENT";

/// Which version is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Selector {
    Current,
    Id(String),
    Stage(String),
}

/// A value that was read. Clones share the value.
#[derive(Clone)]
pub(crate) struct Read {
    pub(crate) arn: String,
    pub(crate) id: String,
    pub(crate) version: Option<String>,
    pub(crate) created: Option<SystemTime>,
    pub(crate) value: SecretValue,
    /// It is kept as `SecretBinary`.
    pub(crate) is_binary: bool,
}

/// A value that is written.
#[derive(Clone, Copy)]
pub(crate) struct Payload<'a> {
    pub(crate) value: &'a SecretValue,
    /// As `SecretBinary`, even if it is text.
    pub(crate) as_bytes: bool,
}

impl<'a> From<&'a SecretValue> for Payload<'a> {
    fn from(value: &'a SecretValue) -> Self {
        Self {
            value,
            as_bytes: false,
        }
    }
}

/// What a batch answered: values, and the errors of single items.
pub(crate) struct Batch {
    pub(crate) values: Vec<Read>,
    pub(crate) errors: Vec<(String, Error)>,
}

/// What is known of a secret.
pub(crate) struct Description {
    pub(crate) id: String,
    pub(crate) created: Option<SystemTime>,
    pub(crate) changed: Option<SystemTime>,
    pub(crate) is_deleted: bool,
    pub(crate) tags: BTreeMap<String, String>,
    /// The stages of each version that has one.
    pub(crate) stages: Vec<(String, Vec<String>)>,
}

impl Description {
    /// The version with this stage.
    pub(crate) fn staged(&self, stage: &str) -> Option<&str> {
        self.stages
            .iter()
            .find(|(_, stages)| stages.iter().any(|known| known == stage))
            .map(|(version, _)| version.as_str())
    }
}

/// One version of a secret.
pub(crate) struct VersionEntry {
    pub(crate) version: String,
    pub(crate) created: Option<SystemTime>,
    pub(crate) is_current: bool,
}

/// A page of something, and the way to the next one.
pub(crate) struct Paged<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<String>,
}

/// How a secret is made.
pub(crate) struct Creation<'a> {
    pub(crate) kms_key: Option<&'a str>,
    pub(crate) tags: Option<&'a BTreeMap<String, String>>,
}

/// How a secret is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deletion {
    /// Restorable for this number of days; by default AWS's own.
    Window(Option<u8>),
    Forever,
}

pub(crate) fn read(
    (arn, name): (Option<String>, Option<String>),
    version: Option<String>,
    created: Option<DateTime>,
    (text, bytes): (Option<String>, Option<Blob>),
) -> Result<Read> {
    let is_binary = text.is_none();
    let value = match (text, bytes) {
        (Some(text), _) => SecretValue::from(text),
        (None, Some(bytes)) => SecretValue::from(bytes.into_inner()),
        (None, None) => return Err(error::incomplete("value")),
    };
    Ok(Read {
        arn: arn.unwrap_or_default(),
        id: name.ok_or_else(|| error::incomplete("name"))?,
        version,
        created: time(created),
        value,
        is_binary,
    })
}

pub(crate) fn time(time: Option<DateTime>) -> Option<SystemTime> {
    SystemTime::try_from(time?).ok()
}

pub(crate) fn tags(tags: Option<Vec<Tag>>) -> BTreeMap<String, String> {
    tags.unwrap_or_default()
        .into_iter()
        .filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())))
        .collect()
}

pub(crate) fn sdk_tags<'a>(tags: impl Iterator<Item = (&'a String, &'a String)>) -> Vec<Tag> {
    tags.map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect()
}
