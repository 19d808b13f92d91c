//! Which id a name has, and which name an id.

use secrets_core::{Error, NameMapping, NameRules, Result, SecretName};

use crate::limits::MAX_ID_BYTES;

/// Names of one prefix. Ids stand for exactly one name each, so that no two names can meet in one.
#[derive(Debug, Clone)]
pub(crate) struct Ids {
    prefix: String,
    mapping: NameMapping,
}

impl Ids {
    pub(crate) fn new(prefix: &str) -> Result<Self> {
        if !prefix.chars().all(is_legal) {
            return Err(Error::invalid_config(
                "`secret_prefix` holds a character that no id can have",
            )
            .with_hint("ids have letters, digits, `-` and `_`; use `app-` rather than `app/`"));
        }
        // Room for names is left, also for those that grow by translation.
        if prefix.len() > MAX_ID_BYTES / 2 {
            return Err(Error::invalid_config(
                "`secret_prefix` is longer than 127 bytes",
            ));
        }
        Ok(Self {
            prefix: prefix.to_owned(),
            mapping: NameMapping::new(NameRules::new("-_", '_', MAX_ID_BYTES - prefix.len())),
        })
    }

    pub(crate) fn id_of(&self, name: &SecretName) -> Result<String> {
        Ok(format!("{}{}", self.prefix, self.mapping.encode(name)?))
    }

    /// The name of an id, if the prefix is ours.
    pub(crate) fn name_of(&self, id: &str) -> Option<SecretName> {
        self.mapping.decode(id.strip_prefix(&self.prefix)?).ok()
    }

    /// Whether the id is another text than the name, and so hides it.
    pub(crate) fn is_translated(&self, id: &str, name: &SecretName) -> bool {
        id.strip_prefix(&self.prefix) != Some(name.as_str())
    }

    /// What the ids of all names that begin so have in them, for the service to look for: part of the prefix or of the
    /// names that no translation changes. The service looks for it anywhere, and without regard to case.
    pub(crate) fn filter_of(&self, start: &str) -> Option<String> {
        let stays = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let own = self.prefix.split(|c| !stays(c));
        let asked = start.split(|c| !stays(c));
        own.chain(asked)
            .map(|word| word.trim_matches('-'))
            // These have a meaning of their own in a filter.
            .filter(|word| !["", "AND", "OR", "NOT"].contains(word))
            .max_by_key(|word| word.len())
            .map(|word| format!("name:{word}"))
    }
}

fn is_legal(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrets_core::ErrorKind;

    use super::*;

    fn name(text: &str) -> SecretName {
        SecretName::new(text).unwrap()
    }

    #[test]
    fn a_prefix_is_before_every_id_and_in_no_name() {
        let ids = Ids::new("app_").unwrap();
        assert_eq!(ids.id_of(&name("API_KEY")).unwrap(), "app_API_KEY");
        assert_eq!(ids.id_of(&name("db/key")).unwrap(), "app_x__db_skey");
        assert_eq!(ids.name_of("app_x__db_skey"), Some(name("db/key")));
        assert_eq!(ids.name_of("other"), None);
        assert_eq!(ids.name_of("app_"), None);
        assert!(!ids.is_translated("app_API_KEY", &name("API_KEY")));
        assert!(ids.is_translated("app_x__db_skey", &name("db/key")));
        let longest = name(&"x".repeat(251));
        assert_eq!(ids.id_of(&longest).unwrap().len(), 255);
        let too_long = name(&"x".repeat(252));
        let error = ids.id_of(&too_long).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidName);
        assert!(Ids::new("app/").is_err());
    }

    #[test]
    fn a_filter_is_the_longest_word_that_stays() {
        let ids = Ids::new("").unwrap();
        assert_eq!(ids.filter_of(""), None);
        assert_eq!(ids.filter_of("_/."), None);
        assert_eq!(ids.filter_of("OR"), None);
        assert_eq!(ids.filter_of("db/pass_"), Some("name:pass".to_owned()));
        assert_eq!(ids.filter_of("-x"), Some("name:x".to_owned()));
        let ids = Ids::new("team-a_").unwrap();
        assert_eq!(ids.filter_of("db/"), Some("name:team-a".to_owned()));
    }

    proptest! {
        #[test]
        fn a_filter_misses_no_name(
            text in "[a-zA-Z_ -][a-zA-Z_. -]{0,6}(/[a-zA-Z_ -][a-zA-Z_. -]{0,6}){0,2}",
            cut in 0usize..20,
            prefix in "[a-z_-]{0,5}",
        ) {
            let ids = Ids::new(&prefix).unwrap();
            let id = ids.id_of(&name(&text)).unwrap();
            if let Some(filter) = ids.filter_of(&text[..cut.min(text.len())]) {
                let word = filter.strip_prefix("name:").unwrap();
                prop_assert!(id.contains(word), "{id} {filter}");
            }
        }
    }
}
