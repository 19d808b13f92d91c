//! Tags: labels where they can be labels, the others together in one annotation. Another annotation holds the name of a
//! secret whose id is a translation of it.

use std::collections::BTreeMap;

use secrets_core::{Error, ErrorKind, Result, SecretName};

use crate::client::Maps;
use crate::limits::{MAX_ANNOTATION_BYTES, MAX_LABEL_CHARS, MAX_LABELS};

/// What our own annotations begin with.
const RESERVED: &str = "polysecrets-";
/// Holds the name, for people and programs that see only the id.
const NAME: &str = "polysecrets-name";
/// Holds, as a JSON object, the tags that no label can hold.
const TAGS: &str = "polysecrets-tags";

/// The maps of a new secret with these tags. `hidden` is the name, where the id does not tell it.
pub(super) fn maps_of(
    tags: &BTreeMap<String, String>,
    hidden: Option<&SecretName>,
) -> Result<Maps> {
    let (labels, others): (BTreeMap<_, _>, BTreeMap<_, _>) = tags
        .iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .partition(|(key, value)| is_label_key(key) && is_label_value(value));
    let mut annotations = BTreeMap::new();
    if !others.is_empty() {
        let text = serde_json::to_string(&others)
            .map_err(|_| Error::new(ErrorKind::Unexpected, "cannot write the tags as JSON"))?;
        annotations.insert(TAGS.to_owned(), text);
    }
    if let Some(name) = hidden {
        annotations.insert(NAME.to_owned(), name.as_str().to_owned());
    }
    let bytes: usize = annotations
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    if labels.len() > MAX_LABELS
        || bytes >= MAX_ANNOTATION_BYTES
        || others.keys().any(String::is_empty)
    {
        return Err(Error::new(
            ErrorKind::InvalidValue,
            "the tags do not fit into labels and annotations",
        )
        .with_hint(
            "at most 64 tags of lowercase letters, digits, `-` and `_`, and less than 16 KiB of others; no empty key",
        ));
    }
    Ok(Maps {
        labels,
        annotations,
    })
}

/// What a secret with the maps `found` has after its tags have been replaced by `ours`.
pub(super) fn replaced(found: &Maps, ours: &Maps) -> Maps {
    let mut annotations = found.annotations.clone();
    annotations.retain(|key, _| !key.starts_with(RESERVED));
    annotations.extend(ours.annotations.clone());
    Maps {
        labels: ours.labels.clone(),
        annotations,
    }
}

/// The tags of a secret.
pub(super) fn tags_of(maps: Maps) -> BTreeMap<String, String> {
    let others = maps.annotations.get(TAGS);
    let mut tags: BTreeMap<String, String> = others
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    tags.extend(maps.labels);
    tags
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
            ("cost/centre é", "42"),
        ]);
        let name = SecretName::new("db/password").unwrap();
        let maps = maps_of(&all, Some(&name)).unwrap();
        assert_eq!(maps.labels, tags(&[("team", "payments"), ("empty", "")]));
        assert_eq!(maps.annotations["polysecrets-name"], "db/password");
        assert_eq!(maps.annotations.len(), 2);
        assert_eq!(tags_of(maps), all);
    }

    #[test]
    fn annotations_of_others_stay_and_are_no_tags() {
        let found = Maps {
            labels: tags(&[("old", "1")]),
            annotations: tags(&[
                ("tool.example/state", "theirs"),
                ("polysecrets-tags", "{\"Old\":\"1\"}"),
                ("polysecrets-name", "a/b"),
            ]),
        };
        assert_eq!(tags_of(found.clone()), tags(&[("Old", "1"), ("old", "1")]));
        let name = SecretName::new("a/b").unwrap();
        let ours = maps_of(&tags(&[("new", "2")]), Some(&name)).unwrap();
        let after = replaced(&found, &ours);
        assert_eq!(after.annotations["tool.example/state"], "theirs");
        assert_eq!(after.annotations["polysecrets-name"], "a/b");
        assert_eq!(tags_of(after), tags(&[("new", "2")]));
        // What somebody has broken by hand is no tag.
        let broken = Maps {
            labels: BTreeMap::new(),
            annotations: tags(&[("polysecrets-tags", "{\"Old\":1")]),
        };
        assert!(tags_of(broken).is_empty());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let large = "x".repeat(16 * 1024);
        for (key, value) in [("", "x"), ("A", large.as_str())] {
            let error = maps_of(&tags(&[(key, value)]), None).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidValue, "{key}");
        }
        let many = (0..65).map(|n| (format!("k{n}"), "v".to_owned())).collect();
        assert!(maps_of(&many, None).is_err());
    }
}
