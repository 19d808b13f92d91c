use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::refusal::{Outcome, Refusal};
use super::shelf::Policy;

/// What the vault keeps of every version, whatever it holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Attributes {
    pub(super) enabled: bool,
    /// These four are seconds since 1970.
    pub(super) not_before: Option<i64>,
    pub(super) expires: Option<i64>,
    pub(super) created: u64,
    pub(super) updated: u64,
    pub(super) tags: Option<BTreeMap<String, String>>,
}

/// As a request tells them. What the service alone sets may be sent, and is not looked at.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SentAttributes {
    enabled: Option<bool>,
    nbf: Option<i64>,
    exp: Option<i64>,
    #[serde(rename = "created")]
    _created: Option<i64>,
    #[serde(rename = "updated")]
    _updated: Option<i64>,
    #[serde(rename = "recoverableDays")]
    _recoverable_days: Option<i32>,
    #[serde(rename = "recoveryLevel")]
    _recovery_level: Option<String>,
    /// Keys only.
    pub(super) exportable: Option<bool>,
}

/// The most tags that one version has, by the service's documentation.
const MAX_TAGS: usize = 15;

/// The most characters of a tag's name, and of its value, by the service's documentation.
const MAX_TAG: usize = 512;

impl Attributes {
    pub(super) fn new(
        sent: Option<SentAttributes>,
        tags: Option<BTreeMap<String, String>>,
        now: u64,
    ) -> Outcome<Self> {
        let mut attributes = Self {
            enabled: true,
            not_before: None,
            expires: None,
            created: now,
            updated: now,
            tags: None,
        };
        attributes.update(sent, tags, now)?;
        Ok(attributes)
    }

    /// What is not sent stays as it is; tags that are sent replace all that were.
    pub(super) fn update(
        &mut self,
        sent: Option<SentAttributes>,
        tags: Option<BTreeMap<String, String>>,
        now: u64,
    ) -> Outcome<()> {
        if let Some(tags) = &tags {
            check_tags(tags)?;
        }
        let sent = sent.unwrap_or_default();
        self.enabled = sent.enabled.unwrap_or(self.enabled);
        self.not_before = sent.nbf.or(self.not_before);
        self.expires = sent.exp.or(self.expires);
        self.tags = tags.or(self.tags.take());
        self.updated = now.max(self.created);
        Ok(())
    }

    /// The members `attributes` and `tags` of an answer.
    pub(super) fn write(&self, policy: Policy, into: &mut Map<String, Value>) {
        let mut attributes = json!({
            "enabled": self.enabled,
            "created": self.created,
            "updated": self.updated,
            "recoveryLevel": recovery_level(policy),
            "recoverableDays": policy.retention_days,
        });
        if let Some(not_before) = self.not_before {
            attributes["nbf"] = not_before.into();
        }
        if let Some(expires) = self.expires {
            attributes["exp"] = expires.into();
        }
        into.insert("attributes".to_owned(), attributes);
        if let Some(tags) = &self.tags {
            into.insert("tags".to_owned(), json!(tags));
        }
    }
}

fn check_tags(tags: &BTreeMap<String, String>) -> Outcome<()> {
    if tags.len() > MAX_TAGS {
        return Err(Refusal::bad(format!(
            "The number of tags exceeds the maximum of {MAX_TAGS}."
        )));
    }
    let too_long = |text: &String| text.chars().count() > MAX_TAG;
    if tags
        .iter()
        .any(|(name, value)| name.is_empty() || too_long(name) || too_long(value))
    {
        return Err(Refusal::bad(format!(
            "A tag's name must have 1 to {MAX_TAG} characters, its value at most {MAX_TAG}."
        )));
    }
    Ok(())
}

fn recovery_level(policy: Policy) -> &'static str {
    match (policy.retention_days, policy.purge_protection) {
        (90.., false) => "Recoverable+Purgeable",
        (90.., true) => "Recoverable",
        (_, false) => "CustomizedRecoverable+Purgeable",
        (_, true) => "CustomizedRecoverable",
    }
}
