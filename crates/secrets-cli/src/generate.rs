//! Generates random values from recipes such as `hex:64` and `alnum:32`.

use std::str::FromStr;

use secrets::SecretValue;
use zeroize::Zeroizing;

use crate::failure::{Failure, Outcome};

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &str = "0123456789";

/// The alphabet and length of a new value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recipe {
    alphabet: Vec<u8>,
    length: usize,
}

/// The default of `--generate`: 190 bits that every password field accepts.
pub(crate) const DEFAULT: &str = "alnum:32";

impl FromStr for Recipe {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const KINDS: &str = "alnum, hex, base64url, ascii or digits";
        let (kind, length) = text.split_once(':').unwrap_or((text, "32"));
        let alphabet = match kind {
            "alnum" => [UPPER, LOWER, DIGITS].concat(),
            "hex" => [DIGITS, "abcdef"].concat(),
            "base64url" => [UPPER, LOWER, DIGITS, "-_"].concat(),
            // Without quotes, backslash, `$` and space, which shells and .env files interpret.
            "ascii" => [UPPER, LOWER, DIGITS, "!#%&()*+,-./:;<=>?@[]^_{|}~"].concat(),
            "digits" => DIGITS.to_owned(),
            _ => return Err(format!("unknown kind; expected {KINDS}")),
        };
        match length.parse() {
            Ok(length @ 1..=4096) => Ok(Self {
                alphabet: alphabet.into_bytes(),
                length,
            }),
            _ => Err("length must be 1 to 4096 characters".to_owned()),
        }
    }
}

impl Recipe {
    /// Generates a value in which every character of the alphabet is equally likely at every position.
    pub(crate) fn make(&self) -> Outcome<SecretValue> {
        let mut value = Zeroizing::new(Vec::with_capacity(self.length));
        let mut random = Zeroizing::new([0_u8; 256]);
        // Larger bytes would favour the first characters of the alphabet.
        let fair = 256 - 256 % self.alphabet.len();
        while value.len() < self.length {
            getrandom::getrandom(&mut *random)
                .map_err(|_| Failure::other("cannot get random bytes from the system"))?;
            let wanted = self.length - value.len();
            value.extend(
                random
                    .iter()
                    .map(|byte| usize::from(*byte))
                    .filter(|byte| *byte < fair)
                    .map(|byte| self.alphabet[byte % self.alphabet.len()])
                    .take(wanted),
            );
        }
        Ok(SecretValue::from_zeroizing(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_follow_their_recipe() {
        for (recipe, length) in [
            ("hex", 32),
            ("hex:64", 64),
            ("digits:1", 1),
            ("ascii:4096", 4096),
        ] {
            let recipe: Recipe = recipe.parse().unwrap();
            let value = recipe.make().unwrap();
            assert_eq!(value.len(), length);
            assert!(
                value
                    .expose_bytes()
                    .iter()
                    .all(|byte| recipe.alphabet.contains(byte))
            );
        }
    }

    #[test]
    fn two_values_differ_and_use_the_whole_alphabet() {
        let recipe: Recipe = "hex:4096".parse().unwrap();
        let (one, two) = (recipe.make().unwrap(), recipe.make().unwrap());
        assert!(one != two);
        assert!(
            recipe
                .alphabet
                .iter()
                .all(|byte| one.expose_bytes().contains(byte))
        );
    }

    #[test]
    fn invalid_recipes_are_refused() {
        for text in ["", "words:3", "hex:0", "hex:4097", "hex:-1", "hex:"] {
            assert!(text.parse::<Recipe>().is_err(), "{text}");
        }
    }
}
