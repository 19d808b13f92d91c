//! What the service accepts as a name, a label, an annotation, an alias or a place.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::error::ApiError;
use super::format::parse_duration;

/// 64 KiB: cloud.google.com/secret-manager/quotas.
pub(super) const MAX_PAYLOAD: usize = 65_536;
const MAX_ID: usize = 255;
const MAX_LABELS: usize = 64;
const MAX_ALIASES: usize = 50;
const MAX_TOPICS: usize = 10;
const MAX_ANNOTATIONS: usize = 16 * 1024;

fn id_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_')
}

pub(super) fn secret_id(id: &str) -> Result<(), ApiError> {
    if id.len() > MAX_ID {
        return Err(ApiError::invalid_argument(format!(
            "The provided Secret ID is longer than the maximum of {MAX_ID} characters."
        )));
    }
    if id.is_empty() || !id.chars().all(id_letter) {
        return Err(ApiError::invalid_argument(format!(
            "The provided Secret ID [{id}] does not match the expected format [[a-zA-Z_0-9]+]"
        )));
    }
    Ok(())
}

/// A region's id, as `europe-west1`.
pub(super) fn location(name: &str) -> Result<(), ApiError> {
    let region = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let words = region.split('-').count() >= 2
        && region
            .split('-')
            .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()));
    if words && region.len() < name.len() {
        Ok(())
    } else {
        Err(ApiError::invalid_argument(format!(
            "Location [{name}] is not valid."
        )))
    }
}

/// Lower case letters and letters of scripts without case.
fn label_start(letter: char) -> bool {
    letter.is_lowercase() || (letter.is_alphabetic() && !letter.is_uppercase())
}

fn label_letter(letter: char) -> bool {
    label_start(letter) || letter.is_numeric() || matches!(letter, '-' | '_')
}

pub(super) fn labels(labels: &Map<String, Value>) -> Result<(), ApiError> {
    if labels.len() > MAX_LABELS {
        return Err(ApiError::invalid_argument(format!(
            "No more than {MAX_LABELS} labels can be assigned to a resource."
        )));
    }
    for (key, value) in labels {
        let value = value.as_str().unwrap_or_default();
        let fits = |text: &str| {
            text.chars().count() <= 63 && text.len() <= 128 && text.chars().all(label_letter)
        };
        if !key.starts_with(label_start) || !fits(key) {
            return Err(ApiError::invalid_argument(format!(
                "Label key [{key}] does not match the expected format [[\\p{{Ll}}\\p{{Lo}}][\\p{{Ll}}\\p{{Lo}}\\p{{N}}_-]{{0,62}}]"
            )));
        }
        if !fits(value) {
            return Err(ApiError::invalid_argument(format!(
                "Label value [{value}] does not match the expected format [[\\p{{Ll}}\\p{{Lo}}\\p{{N}}_-]{{0,63}}]"
            )));
        }
    }
    Ok(())
}

pub(super) fn annotations(annotations: &Map<String, Value>) -> Result<(), ApiError> {
    let mut size = 0;
    for (key, value) in annotations {
        size += key.len() + value.as_str().unwrap_or_default().len();
        let edge =
            |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
        let inside = key.chars().all(|letter| id_letter(letter) || letter == '.');
        if key.len() > 63 || !inside || !edge(key.chars().next()) || !edge(key.chars().next_back())
        {
            return Err(ApiError::invalid_argument(format!(
                "Annotation key [{key}] must have 1 to 63 characters, begin and end with an alphanumeric character, and \
                 hold only dashes, underscores, dots and alphanumerics."
            )));
        }
    }
    if size >= MAX_ANNOTATIONS {
        return Err(ApiError::invalid_argument(
            "The total size of annotation keys and values must be less than 16KiB.",
        ));
    }
    Ok(())
}

/// Each alias stands for a version of `existing`.
pub(super) fn aliases(aliases: &Map<String, Value>, existing: &[u64]) -> Result<(), ApiError> {
    if aliases.len() > MAX_ALIASES {
        return Err(ApiError::invalid_argument(format!(
            "No more than {MAX_ALIASES} version aliases can be assigned to a secret."
        )));
    }
    for (alias, version) in aliases {
        let starts = alias.starts_with(|letter: char| letter.is_ascii_alphabetic());
        if alias.len() > 63
            || !starts
            || !alias.chars().all(id_letter)
            || matches!(alias.as_str(), "latest" | "NEW")
        {
            return Err(ApiError::invalid_argument(format!(
                "The provided version alias [{alias}] is not valid."
            )));
        }
        let number = version.as_str().and_then(|text| text.parse::<u64>().ok());
        if !number.is_some_and(|number| existing.contains(&number)) {
            return Err(ApiError::invalid_argument(format!(
                "The version alias [{alias}] points to a version that does not exist."
            )));
        }
    }
    Ok(())
}

pub(super) fn topics(topics: &[Value]) -> Result<(), ApiError> {
    if topics.len() > MAX_TOPICS {
        return Err(ApiError::invalid_argument(format!(
            "No more than {MAX_TOPICS} topics can be configured."
        )));
    }
    for topic in topics {
        let name = topic["name"].as_str().unwrap_or_default();
        let parts: Vec<&str> = name.split('/').collect();
        if !matches!(parts[..], ["projects", project, "topics", topic] if !project.is_empty() && !topic.is_empty())
        {
            return Err(ApiError::invalid_argument(format!(
                "Topic name [{name}] is not valid."
            )));
        }
    }
    Ok(())
}

/// `projects/*/locations/*/keyRings/*/cryptoKeys/*`, if there is one.
pub(super) fn encryption(holder: &Value) -> Result<(), ApiError> {
    let Some(encryption) = holder.get("customerManagedEncryption") else {
        return Ok(());
    };
    let key = encryption["kmsKeyName"].as_str().unwrap_or_default();
    let parts: Vec<&str> = key.split('/').collect();
    let fits = parts.len() == 8
        && parts.iter().all(|part| !part.is_empty())
        && [parts[0], parts[2], parts[4], parts[6]]
            == ["projects", "locations", "keyRings", "cryptoKeys"];
    if fits {
        Ok(())
    } else {
        Err(ApiError::invalid_argument(format!(
            "The KMS key name [{key}] is not valid."
        )))
    }
}

/// A rotation tells someone, soon enough to be of use.
pub(super) fn rotation(rotation: &Value, has_topics: bool, now: Timestamp) -> Result<(), ApiError> {
    let next = rotation["nextRotationTime"]
        .as_str()
        .and_then(|text| text.parse::<Timestamp>().ok());
    let period = rotation["rotationPeriod"].as_str().and_then(parse_duration);
    if next.is_none() && period.is_none() {
        return Ok(());
    }
    if !has_topics {
        return Err(ApiError::invalid_argument(
            "Field [secret.topics] is required when a rotation is set.",
        ));
    }
    let Some(next) = next else {
        return Err(ApiError::invalid_argument(
            "Field [secret.rotation.next_rotation_time] is required when a rotation period is set.",
        ));
    };
    if next.duration_since(now) < SignedDuration::from_mins(5) {
        return Err(ApiError::invalid_argument(
            "Field [secret.rotation.next_rotation_time] must be at least 5 minutes in the future.",
        ));
    }
    if period.is_some_and(|period| period < SignedDuration::from_hours(1)) {
        return Err(ApiError::invalid_argument(
            "Field [secret.rotation.rotation_period] must be at least 1 hour.",
        ));
    }
    Ok(())
}
