use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use secrets_core::{Error, ErrorKind};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Crockford's alphabet: no I, L, O or U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// How many characters an id has.
const LENGTH: usize = 26;

/// The id of a record, in the form of a ULID: 48 bits of milliseconds, then 80 random ones, as 26 characters that sort
/// by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(u128);

impl RecordId {
    /// A new one for this moment.
    pub fn new(now: SystemTime) -> Self {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let random = fastrand::u128(..) >> 48;
        Self((since.as_millis() << 80) | random)
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in (0..LENGTH).rev() {
            let digit = (self.0 >> (5 * place)) & 31;
            write!(f, "{}", char::from(ALPHABET[digit as usize]))?;
        }
        Ok(())
    }
}

impl FromStr for RecordId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::new(ErrorKind::InvalidValue, "not a record id");
        // The first character has three bits of the 128.
        if text.len() != LENGTH || text.as_bytes()[0] > b'7' {
            return Err(wrong());
        }
        let mut id = 0;
        for letter in text.bytes() {
            let digit = ALPHABET.iter().position(|known| *known == letter);
            id = (id << 5) | digit.ok_or_else(wrong)? as u128;
        }
        Ok(Self(id))
    }
}

impl Serialize for RecordId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RecordId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|_| de::Error::custom("not a record id"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn text_and_id_are_one() {
        let now = UNIX_EPOCH + Duration::from_millis(1_469_918_176_385);
        let id = RecordId::new(now);
        assert!(id.to_string().starts_with("01ARYZ6S41"), "{id}");
        assert_eq!(id.to_string().parse::<RecordId>().unwrap(), id);
        let last = "7ZZZZZZZZZZZZZZZZZZZZZZZZZ";
        assert_eq!(last.parse::<RecordId>().unwrap(), RecordId(u128::MAX));
        assert_eq!(RecordId(u128::MAX).to_string(), last);
        for text in [
            "",
            "01ARYZ6S41",
            "81ARYZ6S410000000000000000",
            "01ARYZ6S41000000000000000U",
        ] {
            assert!(text.parse::<RecordId>().is_err(), "{text}");
        }
    }

    #[test]
    fn ids_sort_by_time_and_differ() {
        let first = RecordId::new(UNIX_EPOCH + Duration::from_millis(1));
        let second = RecordId::new(UNIX_EPOCH + Duration::from_millis(2));
        assert!(first.to_string() < second.to_string());
        assert_ne!(second, RecordId::new(UNIX_EPOCH + Duration::from_millis(2)));
    }
}
