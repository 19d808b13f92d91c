use std::collections::HashMap;
use std::fmt::Write as _;

use crate::{Error, ErrorKind, Result, SecretName};

/// What a provider accepts as a name of its own.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct NameRules {
    /// The characters besides ASCII letters and digits, such as `-_`. The escape character must be one of them.
    pub extra: &'static str,
    /// Starts an escape; `-` for Azure Key Vault, `_` for Google Secret Manager.
    pub escape: char,
    /// The longest name in bytes.
    pub max_bytes: usize,
    /// Whether names that differ only in the case of ASCII letters are one name.
    pub folds_case: bool,
}

impl NameRules {
    /// Rules that keep case apart.
    pub const fn new(extra: &'static str, escape: char, max_bytes: usize) -> Self {
        Self {
            extra,
            escape,
            max_bytes,
            folds_case: false,
        }
    }

    /// Names that differ only in case are one name.
    pub const fn folding_case(mut self) -> Self {
        self.folds_case = true;
        self
    }
}

/// Translates logical names into a provider's own, and back.
///
/// A name that the provider accepts stays as it is, so that secrets which others made keep their names. Any other name
/// becomes `x`, two escape characters, and the name with every foreign character escaped; so does a name that is the
/// translation of another one. Escapes are the escape character and: itself doubled, `s` for `/`, `u` for `_`, `d` for `.`,
/// `c` to switch between lower and upper case (only where the provider folds case), or `h` and two hexadecimal digits
/// for any other byte of UTF-8.
///
/// With a provider that folds case, `Db` and `db` are one name: [`folded`](Self::folded) tells, and
/// [`encode_all`](Self::encode_all) refuses. Other collisions do not exist.
#[derive(Debug, Clone, Copy)]
pub struct NameMapping {
    rules: NameRules,
}

impl NameMapping {
    /// A mapping for a provider with these rules.
    pub const fn new(rules: NameRules) -> Self {
        Self { rules }
    }

    /// The provider's name for a logical one.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`] if it is too long for the provider.
    pub fn encode(&self, name: &SecretName) -> Result<String> {
        let text = name.as_str();
        let encoded = match self.needs_translation(text) {
            true => self.escape(text),
            false => text.to_owned(),
        };
        if encoded.len() > self.rules.max_bytes {
            return Err(Error::new(
                ErrorKind::InvalidName,
                format!(
                    "the name is longer than the {} bytes that this provider takes",
                    self.rules.max_bytes
                ),
            )
            .with_name(name)
            .with_hint(
                "characters other than letters and digits may take more than one byte there",
            ));
        }
        Ok(encoded)
    }

    /// The provider's names for many logical ones, in their order.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`] if one is too long, or if two different ones are the same to the provider.
    pub fn encode_all(&self, names: &[SecretName]) -> Result<Vec<String>> {
        let mut seen: HashMap<String, &SecretName> = HashMap::with_capacity(names.len());
        names
            .iter()
            .map(|name| {
                let encoded = self.encode(name)?;
                match seen.insert(self.folded(&encoded), name) {
                    Some(other) if other != name => Err(Error::new(
                        ErrorKind::InvalidName,
                        format!("the name is the same as {other} to this provider"),
                    )
                    .with_name(name)
                    .with_hint("choose names that differ in more than case")),
                    _ => Ok(encoded),
                }
            })
            .collect()
    }

    /// The logical name behind a provider's. A name that no translation made stands for itself.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`] if it cannot be a logical name.
    pub fn decode(&self, encoded: &str) -> Result<SecretName> {
        match self.translation(encoded) {
            Some(name) => Ok(name),
            None => SecretName::new(encoded),
        }
    }

    /// The name whose translation this is. A foreign name that merely looks like one is none.
    fn translation(&self, encoded: &str) -> Option<SecretName> {
        if !self.has_marker(encoded) {
            return None;
        }
        let name = SecretName::new(self.unescape(&encoded[self.marker_len()..])?).ok()?;
        let again = self.escape(name.as_str());
        let same = self.folded(&again) == self.folded(encoded);
        (same && self.needs_translation(name.as_str())).then_some(name)
    }

    /// Whether the provider cannot hold the name, or would hold it as the translation of another one.
    fn needs_translation(&self, name: &str) -> bool {
        !self.is_native(name) || self.translation(name).is_some()
    }

    /// Two provider's names are the same to the provider if these are equal.
    pub fn folded(&self, encoded: &str) -> String {
        if self.rules.folds_case {
            encoded.to_ascii_lowercase()
        } else {
            encoded.to_owned()
        }
    }

    fn is_native(&self, name: &str) -> bool {
        name.chars()
            .all(|c| c.is_ascii_alphanumeric() || self.rules.extra.contains(c))
    }

    fn has_marker(&self, name: &str) -> bool {
        let mut rest = name.chars();
        matches!(rest.next(), Some('x' | 'X'))
            && rest.next() == Some(self.rules.escape)
            && rest.next() == Some(self.rules.escape)
    }

    fn marker_len(&self) -> usize {
        1 + 2 * self.rules.escape.len_utf8()
    }

    fn escape(&self, name: &str) -> String {
        let escape = self.rules.escape;
        let mut encoded = format!("x{escape}{escape}");
        let mut upper = false;
        for c in name.chars() {
            if self.rules.folds_case && c.is_ascii_alphabetic() && c.is_ascii_uppercase() != upper {
                upper = !upper;
                encoded.extend([escape, 'c']);
            }
            match c {
                _ if c == escape => encoded.extend([escape, escape]),
                _ if c.is_ascii_alphabetic() && self.rules.folds_case => {
                    encoded.push(c.to_ascii_lowercase())
                }
                _ if c.is_ascii_alphanumeric() || self.rules.extra.contains(c) => encoded.push(c),
                '/' => encoded.extend([escape, 's']),
                '_' => encoded.extend([escape, 'u']),
                '.' => encoded.extend([escape, 'd']),
                _ => {
                    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                        // Writing to a String cannot fail.
                        let _ = write!(encoded, "{escape}h{byte:02x}");
                    }
                }
            }
        }
        encoded
    }

    fn unescape(&self, encoded: &str) -> Option<String> {
        let mut bytes = Vec::with_capacity(encoded.len());
        let mut upper = false;
        let mut rest = encoded.chars();
        while let Some(c) = rest.next() {
            if c != self.rules.escape {
                let c = if !self.rules.folds_case {
                    c
                } else if upper {
                    c.to_ascii_uppercase()
                } else {
                    c.to_ascii_lowercase()
                };
                bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
                continue;
            }
            let code = rest.next()?;
            match if self.rules.folds_case {
                code.to_ascii_lowercase()
            } else {
                code
            } {
                _ if code == self.rules.escape => {
                    bytes.extend(code.encode_utf8(&mut [0; 4]).bytes())
                }
                's' => bytes.push(b'/'),
                'u' => bytes.push(b'_'),
                'd' => bytes.push(b'.'),
                'c' if self.rules.folds_case => upper = !upper,
                'h' => {
                    bytes.push((rest.next()?.to_digit(16)? * 16 + rest.next()?.to_digit(16)?) as u8)
                }
                _ => return None,
            }
        }
        String::from_utf8(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AZURE: NameMapping = NameMapping::new(NameRules::new("-", '-', 127).folding_case());
    const GCP: NameMapping = NameMapping::new(NameRules::new("-_", '_', 255));

    fn name(text: &str) -> SecretName {
        SecretName::new(text).unwrap()
    }

    #[test]
    fn native_names_stay() {
        assert_eq!(AZURE.encode(&name("db-password")).unwrap(), "db-password");
        assert_eq!(AZURE.encode(&name("DbPassword")).unwrap(), "DbPassword");
        assert_eq!(
            GCP.encode(&name("OPENAI_API_KEY")).unwrap(),
            "OPENAI_API_KEY"
        );
    }

    #[test]
    fn foreign_names_are_escaped() {
        assert_eq!(
            AZURE.encode(&name("db/password")).unwrap(),
            "x--db-spassword"
        );
        assert_eq!(
            AZURE.encode(&name("OPENAI_API_KEY")).unwrap(),
            "x---copenai-uapi-ukey"
        );
        assert_eq!(
            GCP.encode(&name("db/pass_word")).unwrap(),
            "x__db_spass__word"
        );
        assert_eq!(GCP.encode(&name("é")).unwrap(), "x___hc3_ha9");
        assert_eq!(AZURE.encode(&name("x--a")).unwrap(), "x--a");
        assert_eq!(AZURE.encode(&name("x--a-sb")).unwrap(), "x--x----a--sb");
    }

    #[test]
    fn names_of_others_stand_for_themselves() {
        for foreign in [
            "x--", "X--", "x---", "x--plain", "X--A-q", "x---h2", "plain",
        ] {
            assert_eq!(AZURE.decode(foreign).unwrap().as_str(), foreign);
            assert_eq!(AZURE.encode(&name(foreign)).unwrap(), foreign);
        }
    }

    #[test]
    fn too_long_is_refused() {
        assert_eq!(
            AZURE.encode(&name(&"a".repeat(128))).unwrap_err().kind(),
            ErrorKind::InvalidName
        );
        assert_eq!(
            AZURE.encode(&name(&"é".repeat(50))).unwrap_err().kind(),
            ErrorKind::InvalidName
        );
    }

    #[test]
    fn names_that_the_provider_cannot_tell_apart_are_refused_together() {
        let error = AZURE
            .encode_all(&[name("Db"), name("a"), name("db")])
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidName);
        assert!(error.to_string().contains("Db") && error.to_string().contains(": db"));
        assert!(GCP.encode_all(&[name("Db"), name("db")]).is_ok());
        assert!(AZURE.encode_all(&[name("a"), name("a")]).is_ok());
    }

    fn names() -> impl Strategy<Value = SecretName> {
        prop_oneof![
            "[xX]?[-_]{0,3}[a-zA-Z0-9/_.-]{1,16}",
            "x--[a-z-]{1,12}",
            "x__[a-zA-Z_]{1,12}",
            "\\PC{1,10}",
        ]
        .prop_filter_map("a valid name", |text| SecretName::new(text).ok())
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_native_and_decoded_back(name in names()) {
            for mapping in [AZURE, GCP] {
                if let Ok(encoded) = mapping.encode(&name) {
                    prop_assert!(mapping.is_native(&encoded), "{encoded}");
                    prop_assert_eq!(&mapping.decode(&encoded).unwrap(), &name);
                    if encoded != name.as_str() && mapping.rules.folds_case {
                        prop_assert_eq!(&mapping.decode(&encoded.to_ascii_uppercase()).unwrap(), &name);
                    }
                }
            }
        }

        #[test]
        fn different_names_stay_different_or_are_refused(one in names(), two in names()) {
            prop_assume!(one != two);
            for mapping in [AZURE, GCP] {
                if let Ok(encoded) = mapping.encode_all(&[one.clone(), two.clone()]) {
                    prop_assert_ne!(mapping.folded(&encoded[0]), mapping.folded(&encoded[1]));
                }
            }
        }

        #[test]
        fn whatever_a_provider_holds_has_one_logical_name(encoded in "([xX]--)?[a-zA-Z0-9-]{1,30}") {
            let name = AZURE.decode(&encoded).unwrap();
            prop_assert_eq!(AZURE.folded(&AZURE.encode(&name).unwrap()), AZURE.folded(&encoded));
        }
    }
}
