//! Names of secrets in a vault, and the tag that keeps the logical name.

use std::collections::BTreeMap;

use secrets_core::{Error, ErrorKind, NameMapping, NameRules, Result, SecretName};

use crate::client::Facts;
use crate::limits::{MAX_TAG_CHARS, MAX_TAGS};

/// Key Vault takes `[0-9A-Za-z-]{1,127}` (its documentation, "About keys, secrets, and certificates"), and tells names of
/// different case not apart.
const MAPPING: NameMapping = NameMapping::new(NameRules::new("-", '-', 127).folding_case());

/// The beginning of the tags that are ours.
const RESERVED: &str = "polysecrets-";
/// Holds the logical name.
const NAME_TAG: &str = "polysecrets-name";
/// Orders versions that were written within one second, which is as exact as the vault's times are.
const SEQUENCE_TAG: &str = "polysecrets-sequence";

/// How many of them are kept for ours.
const OURS: usize = 2;

/// The vault's name for a logical one. It is safe in a path: the SDK does not encode it.
pub(crate) fn encode(name: &SecretName) -> Result<String> {
    let own = MAPPING.encode(name)?;
    let is_sound = (1..=127).contains(&own.len())
        && own
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match is_sound {
        true => Ok(own),
        false => Err(Error::new(
            ErrorKind::InvalidName,
            "the name has no form that key vault takes",
        )
        .with_name(name)),
    }
}

/// The logical name of a secret in the vault: what its tag says, if that is a name for it, else what its own name means.
pub(crate) fn decode(facts: &Facts) -> Result<SecretName> {
    match tagged(facts) {
        Some(name) => Ok(name),
        None => MAPPING.decode(&facts.name),
    }
}

/// A tag that came along with other tags, from another secret, is not believed.
fn tagged(facts: &Facts) -> Option<SecretName> {
    let name = SecretName::new(facts.tags.get(NAME_TAG)?.as_str()).ok()?;
    let own = MAPPING.encode(&name).ok()?;
    (MAPPING.folded(&own) == MAPPING.folded(&facts.name)).then_some(name)
}

/// Refuses a secret that has this name in the vault but another one logically, which differs in case alone.
pub(crate) fn expect(name: &SecretName, facts: &Facts) -> Result<()> {
    let other = decode(facts)?;
    if other == *name {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidName,
        format!("key vault cannot tell the name from {other}, which it holds"),
    )
    .with_name(name)
    .with_hint("choose names that differ in more than case"))
}

/// The tags that a user sees.
pub(crate) fn visible(tags: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let theirs = tags.iter().filter(|(key, _)| !key.starts_with(RESERVED));
    theirs
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// The place of a version among those of its second.
pub(crate) fn sequence(facts: &Facts) -> u32 {
    let text = facts.tags.get(SEQUENCE_TAG);
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The user's tags, with ours as far as there is room.
pub(crate) fn with_ours(
    theirs: &BTreeMap<String, String>,
    name: &SecretName,
    sequence: u32,
) -> BTreeMap<String, String> {
    let mut tags = theirs.clone();
    if tags.len() < MAX_TAGS {
        tags.insert(NAME_TAG.to_owned(), name.as_str().to_owned());
    }
    if sequence > 0 && tags.len() < MAX_TAGS {
        tags.insert(SEQUENCE_TAG.to_owned(), sequence.to_string());
    }
    tags
}

/// Refuses tags that the vault would refuse, before they are sent.
pub(crate) fn check_tags(tags: &BTreeMap<String, String>) -> Result<()> {
    let fits = |(key, value): (&String, &String)| {
        !key.is_empty()
            && key.chars().count() <= MAX_TAG_CHARS
            && value.chars().count() <= MAX_TAG_CHARS
            && !key.starts_with(RESERVED)
    };
    if tags.len() <= MAX_TAGS - OURS && tags.iter().all(fits) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidValue, "key vault does not take these tags").with_hint(
        format!(
            "at most {} tags, keys of 1 to {MAX_TAG_CHARS} characters that do not start with `{RESERVED}`, values of up to {MAX_TAG_CHARS}",
            MAX_TAGS - OURS
        ),
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::Attributes;

    fn facts(own: &str, tag: Option<&str>) -> Facts {
        let tags = tag.map(|tag| (NAME_TAG.to_owned(), tag.to_owned()));
        Facts {
            name: own.to_owned(),
            version: None,
            content_type: None,
            attributes: Attributes::default(),
            tags: tags.into_iter().collect(),
        }
    }

    fn name(text: &str) -> SecretName {
        SecretName::new(text).unwrap()
    }

    #[test]
    fn the_tag_tells_the_name_unless_it_is_that_of_another_secret() {
        let decoded = |own: &str, tag| decode(&facts(own, tag)).unwrap().as_str().to_owned();
        assert_eq!(decoded("x--db-spassword", None), "db/password");
        assert_eq!(
            decoded("x--db-spassword", Some("db/password")),
            "db/password"
        );
        assert_eq!(decoded("x--db-spassword", Some("other")), "db/password");
        assert_eq!(decoded("dbpassword", Some("DbPassword")), "DbPassword");
        assert_eq!(decoded("DbPassword", None), "DbPassword");
        assert_eq!(decoded("plain", Some("../x")), "plain");
    }

    #[test]
    fn a_name_that_differs_in_case_is_refused() {
        assert!(expect(&name("db"), &facts("db", Some("db"))).is_ok());
        let error = expect(&name("Db"), &facts("db", Some("db"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidName);
        assert!(error.message().contains("from db,"));
    }

    #[test]
    fn ours_are_hidden_and_take_no_room_from_theirs() {
        let many: BTreeMap<_, _> = (0..15).map(|n| (format!("k{n}"), String::new())).collect();
        assert_eq!(with_ours(&many, &name("a"), 1), many);
        let tags = with_ours(&BTreeMap::new(), &name("a/b"), 3);
        assert_eq!(tags.len(), 2);
        assert!(visible(&tags).is_empty());
        assert!(check_tags(&many).is_err());
        assert!(check_tags(&[("polysecrets-name".to_owned(), String::new())].into()).is_err());
        assert!(check_tags(&[("k".to_owned(), "é".repeat(512))].into()).is_ok());
    }

    proptest! {
        #[test]
        fn whatever_is_encoded_is_safe_in_a_path(text in "\\PC{1,40}|[a-zA-Z0-9/_.%?#-]{1,40}") {
            if let Ok(name) = SecretName::new(text.as_str())
                && let Ok(own) = encode(&name)
            {
                prop_assert!(own.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
                prop_assert_eq!(decode(&facts(&own, None)).unwrap(), name);
            }
        }
    }
}
