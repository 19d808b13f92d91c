//! Tags: labels where they can be labels, else annotations. One annotation is ours and holds the name of a secret whose
//! id is a translation of it.

use std::collections::BTreeMap;

use secrets_core::{Error, ErrorKind, Result, SecretName};

use crate::client::Maps;

/// What our own annotations begin with.
const RESERVED: &str = "polysecrets-";
/// Holds the name, for people and programs that see only the id.
const NAME: &str = "polysecrets-name";
/// Limits of labels and annotations (secretmanager/v1/resources.proto). Labels may have letters of any script; those that
/// are not ASCII are annotations here, which needs no table of scripts.
const MAX_LABELS: usize = 64;
const MAX_LABEL_CHARS: usize = 63;
const MAX_ANNOTATION_BYTES: usize = 16 * 1024;

/// The maps of a secret with these tags. `hidden` is the name, where the id does not tell it.
pub(super) fn maps_of(
    tags: &BTreeMap<String, String>,
    hidden: Option<&SecretName>,
) -> Result<Maps> {
    let mut maps = Maps::default();
    for (key, value) in tags {
        if key.starts_with(RESERVED) {
            return Err(refused(format!("the tag {key:?} begins with `{RESERVED}`"))
                .with_hint("that beginning is reserved; choose another key"));
        }
        if is_label_key(key) && is_label_value(value) {
            maps.labels.insert(key.clone(), value.clone());
        } else if is_annotation_key(key) {
            maps.annotations.insert(key.clone(), value.clone());
        } else {
            return Err(refused(format!("the key of the tag {key:?} fits no label and no annotation"))
                .with_hint(
                    "a key has up to 63 ASCII letters, digits, `-`, `_` and `.`, and starts and ends with a letter or digit",
                ));
        }
    }
    if let Some(name) = hidden {
        let (key, value) = (NAME.to_owned(), name.as_str().to_owned());
        maps.annotations.insert(key, value);
    }
    let bytes: usize = maps
        .annotations
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    if maps.labels.len() > MAX_LABELS || bytes >= MAX_ANNOTATION_BYTES {
        return Err(refused("the tags do not fit into labels and annotations".to_owned()).with_hint(
            "at most 64 tags of lowercase letters, digits, `-` and `_`, and less than 16 KiB of others",
        ));
    }
    Ok(maps)
}

/// The tags of a secret.
pub(super) fn tags_of(maps: Maps) -> BTreeMap<String, String> {
    let mut tags = maps.annotations;
    tags.retain(|key, _| !key.starts_with(RESERVED));
    tags.extend(maps.labels);
    tags
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::InvalidValue, message)
}

fn is_label_key(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_lowercase()) && is_label_value(key)
}

fn is_label_value(value: &str) -> bool {
    value.len() <= MAX_LABEL_CHARS
        && value
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c))
}

fn is_annotation_key(key: &str) -> bool {
    let is_end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    key.len() <= MAX_LABEL_CHARS
        && is_end(key.chars().next())
        && is_end(key.chars().next_back())
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn tags_are_labels_where_they_can_be() {
        let all = tags(&[
            ("team", "payments"),
            ("empty", ""),
            ("Owner", "Bob Smith"),
            ("stage", "PROD"),
            ("cost.centre", "42"),
        ]);
        let name = SecretName::new("db/password").unwrap();
        let maps = maps_of(&all, Some(&name)).unwrap();
        assert_eq!(maps.labels, tags(&[("team", "payments"), ("empty", "")]));
        assert_eq!(maps.annotations["polysecrets-name"], "db/password");
        assert_eq!(maps.annotations.len(), 4);
        assert_eq!(tags_of(maps), all);
    }

    #[test]
    fn what_fits_nowhere_is_refused() {
        let long = "x".repeat(64);
        let large = "x".repeat(16 * 1024);
        for (key, value) in [
            ("", "x"),
            ("a b", "x"),
            ("-a", "x"),
            ("é", "x"),
            (long.as_str(), "x"),
            ("polysecrets-name", "x"),
            ("A", large.as_str()),
        ] {
            let error = maps_of(&tags(&[(key, value)]), None).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidValue, "{key}");
        }
        let many = (0..65).map(|n| (format!("k{n}"), "v".to_owned())).collect();
        assert!(maps_of(&many, None).is_err());
    }
}
