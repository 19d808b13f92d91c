//! Which folder and key a name means, and back.
//!
//! Folders take letters, digits, `-` and `_`; keys anything but `:`, `/` and white space at their ends. What does not fit
//! is translated segment by segment, so that each stored folder and key stands for exactly one segment of a name.

use crate::limits::{MAX_FOLDER_BYTES, MAX_KEY_UNITS};
use secrets_core::{Error, ErrorKind, NameMapping, NameRules, Result, SecretName};

const FOLDERS: NameMapping = NameMapping::new(NameRules::new("-_", '_', MAX_FOLDER_BYTES));
/// Four times the longest key, so that only [`check_key`] reports the length.
const KEYS: NameMapping = NameMapping::new(NameRules::new("-_.", '_', 8 * MAX_KEY_UNITS));

/// Where a secret is: the folder's path, which begins with `/`, and the key in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) folder: String,
    pub(crate) key: String,
}

/// The folder that names start from.
#[derive(Debug, Clone)]
pub(crate) struct Root(String);

impl Root {
    /// From a path such as `/team/api`; the empty path and `/` are the environment's own root.
    pub(crate) fn new(path: &str) -> Option<Self> {
        let path = path.trim_matches('/');
        let is_sound = path.is_empty()
            || path.split('/').all(|segment| {
                !matches!(segment, "" | "." | "..")
                    && segment.trim() == segment
                    && !segment.chars().any(char::is_control)
            });
        is_sound.then(|| {
            Self(if path.is_empty() {
                String::new()
            } else {
                format!("/{path}")
            })
        })
    }

    /// The path, which is `/` for the environment's own root.
    pub(crate) fn path(&self) -> &str {
        if self.0.is_empty() { "/" } else { &self.0 }
    }

    /// Where the secret of this name is.
    pub(crate) fn place(&self, name: &SecretName) -> Result<Place> {
        let mut segments: Vec<&str> = name.segments().collect();
        // A name has at least one segment.
        let key = segments.pop().unwrap_or_default();
        let key = encode(KEYS, is_key, key).and_then(check_key);
        let folder = self.folder(&segments);
        match (folder, key) {
            (Ok(folder), Ok(key)) => Ok(Place { folder, key }),
            (Err(failure), _) | (_, Err(failure)) => Err(failure.with_name(name)),
        }
    }

    /// The folder that all secrets with this prefix are in or below. `None` if there can be none.
    pub(crate) fn folder_of_prefix(&self, prefix: &str) -> Option<String> {
        let Some((folders, _)) = prefix.rsplit_once('/') else {
            return Some(self.path().to_owned());
        };
        SecretName::new(folders).ok()?;
        self.folder(&folders.split('/').collect::<Vec<_>>()).ok()
    }

    fn folder(&self, segments: &[&str]) -> Result<String> {
        let mut path = self.0.clone();
        for segment in segments {
            path.push('/');
            path.push_str(&encode(FOLDERS, is_folder, segment)?);
        }
        Ok(if path.is_empty() {
            "/".to_owned()
        } else {
            path
        })
    }

    /// The name of a secret in this folder. `None` for one that no name leads to.
    pub(crate) fn name(&self, folder: &str, key: &str) -> Option<SecretName> {
        let below = format!("/{}", folder.trim_matches('/'));
        let below = match below.strip_prefix(self.0.as_str())? {
            rest if rest.is_empty() || rest.starts_with('/') => rest.trim_matches('/'),
            _ => return None,
        };
        let mut name = String::with_capacity(below.len() + key.len() + 1);
        for segment in below.split('/').filter(|segment| !segment.is_empty()) {
            name.push_str(&decode(FOLDERS, is_folder, segment)?);
            name.push('/');
        }
        name.push_str(&decode(KEYS, is_key, key)?);
        let name = SecretName::new(name).ok()?;
        check_key(key.to_owned()).ok().map(|_| name)
    }
}

fn is_folder(segment: &str) -> bool {
    segment
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

fn is_key(segment: &str) -> bool {
    // More white space than the server trims does no harm: it is translated then.
    let is_white = |c: char| c.is_whitespace() || c == '\u{feff}';
    !segment.contains(':') && !segment.starts_with(is_white) && !segment.ends_with(is_white)
}

fn encode(mapping: NameMapping, fits: fn(&str) -> bool, segment: &str) -> Result<String> {
    if fits(segment) && translated(mapping, fits, segment).is_none() {
        return Ok(segment.to_owned());
    }
    mapping.encode(&SecretName::new(segment)?)
}

/// The segment that a stored name stands for. `None` if that segment would be stored otherwise.
fn decode(mapping: NameMapping, fits: fn(&str) -> bool, stored: &str) -> Option<String> {
    match translated(mapping, fits, stored) {
        Some(segment) => Some(segment),
        None => fits(stored).then(|| stored.to_owned()),
    }
}

/// The segment whose translation this is.
fn translated(mapping: NameMapping, fits: fn(&str) -> bool, stored: &str) -> Option<String> {
    let name = mapping.decode(stored).ok()?;
    let segment = name.as_str();
    if segment == stored || segment.contains('/') {
        return None;
    }
    // What fits is stored as it is, unless it looks like a translation itself.
    let is_needed = !fits(segment) || translated(mapping, fits, segment).is_some();
    is_needed.then(|| segment.to_owned())
}

fn check_key(key: String) -> Result<String> {
    if key.encode_utf16().count() <= MAX_KEY_UNITS {
        return Ok(key);
    }
    Err(Error::new(
        ErrorKind::InvalidName,
        format!("the last segment is longer than the {MAX_KEY_UNITS} characters of a key"),
    )
    .with_hint("characters that a key cannot hold take more than one there"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn root(path: &str) -> Root {
        Root::new(path).unwrap()
    }

    fn place(root: &Root, name: &str) -> (String, String) {
        let place = root.place(&SecretName::new(name).unwrap()).unwrap();
        (place.folder, place.key)
    }

    fn pair(folder: &str, key: &str) -> (String, String) {
        (folder.to_owned(), key.to_owned())
    }

    #[test]
    fn folders_and_keys() {
        let top = root("/");
        assert_eq!(place(&top, "TOKEN"), pair("/", "TOKEN"));
        assert_eq!(place(&top, "db/password"), pair("/db", "password"));
        assert_eq!(
            place(&top, "a.b/c d/co:lon"),
            pair("/x__a_db/x__c_h20d", "x__co_h3alon")
        );
        assert_eq!(place(&top, "ключ/ключ").1, "ключ");
        assert_eq!(place(&top, "x__co_h3alon").1, "x__x____co__h3alon");
        let team = root("team/api/");
        assert_eq!(
            place(&team, "db/password"),
            pair("/team/api/db", "password")
        );
        assert_eq!(
            team.name("/team/api/db/", "password").unwrap().as_str(),
            "db/password"
        );
        assert_eq!(team.name("/team/api", "k").unwrap().as_str(), "k");
        assert!(team.name("/team/apiary", "k").is_none());
        assert!(team.name("/other", "k").is_none());
    }

    #[test]
    fn what_no_name_leads_to_has_none() {
        let top = root("");
        assert!(top.name("/a.b", "k").is_none());
        assert!(top.name("/", "co:lon").is_none());
        assert!(top.name("/", &"k".repeat(101)).is_none());
        assert_eq!(top.name("/", "x__a_sb").unwrap().as_str(), "x__a_sb");
    }

    #[test]
    fn long_keys_are_refused() {
        let top = root("/");
        let long = SecretName::new("é".repeat(101)).unwrap();
        assert_eq!(top.place(&long).unwrap_err().kind(), ErrorKind::InvalidName);
        assert!(
            top.place(&SecretName::new("é".repeat(100)).unwrap())
                .is_ok()
        );
    }

    #[test]
    fn prefixes_lead_to_folders() {
        let top = root("/t");
        for (prefix, folder) in [
            ("", Some("/t")),
            ("a", Some("/t")),
            ("a/", Some("/t/a")),
            ("a/b.c/d", Some("/t/a/x__b_dc")),
            ("a//", None),
            ("../", None),
        ] {
            assert_eq!(top.folder_of_prefix(prefix).as_deref(), folder, "{prefix}");
        }
    }

    fn names() -> impl Strategy<Value = SecretName> {
        prop_oneof![
            "[a-zA-Z0-9/_.:-]{1,20}",
            "x__[a-z_:]{1,12}(/x__[a-zA-Z_]{1,9})?",
            "\\PC{1,12}",
            "x__(_h[0-9a-f]{2}){1,4}",
        ]
        .prop_filter_map("a valid name", |text| SecretName::new(text).ok())
    }

    proptest! {
        #[test]
        fn each_name_has_its_place_and_each_place_its_name(name in names(), base in "(/[a-z]{1,3}){0,2}") {
            let root = root(&base);
            if let Ok(place) = root.place(&name) {
                prop_assert!(is_key(&place.key) && !place.key.contains('/'));
                prop_assert_eq!(root.name(&place.folder, &place.key), Some(name));
            }
        }

        #[test]
        fn stored_names_have_at_most_one_name(folder in "/[a-z_]{1,12}", key in "(x__)?[a-zA-Z0-9_ .é]{1,12}") {
            let root = root("/");
            if let Some(name) = root.name(&folder, &key) {
                prop_assert_eq!(root.place(&name).unwrap(), Place { folder, key });
            }
        }
    }
}
