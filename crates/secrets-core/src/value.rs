use std::fmt;
use std::sync::Arc;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{Error, ErrorKind, Result, json};

/// The plaintext of a secret: any bytes, empty included.
///
/// Clones share one buffer, which is wiped when the last of them is dropped. `Debug` shows only `***`; there is no
/// `Display` and no `Serialize`, so that a value leaves only through one of the `expose_*` methods. Equality takes the
/// same time wherever two values of one length differ.
///
/// ```
/// use polysecrets_core::SecretValue;
///
/// let value = SecretValue::from("hunter2");
/// assert_eq!(format!("{value:?}"), "SecretValue(***)");
/// assert_eq!(value.expose_str()?, "hunter2");
/// # Ok::<(), polysecrets_core::Error>(())
/// ```
#[derive(Clone)]
pub struct SecretValue(Bytes);

/// Who owns the bytes.
#[derive(Clone)]
enum Bytes {
    Own(Arc<Zeroizing<Vec<u8>>>),
    /// Of a field of this name.
    Field(Arc<Zeroizing<Vec<u8>>>, Arc<str>),
    Of(Arc<dyn AsRef<[u8]> + Send + Sync>),
}

impl SecretValue {
    /// Takes over a buffer that wipes itself on drop.
    pub fn from_zeroizing(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(Bytes::Own(Arc::new(bytes)))
    }

    pub(crate) fn from_owner(owner: Arc<dyn AsRef<[u8]> + Send + Sync>) -> Self {
        Self(Bytes::Of(owner))
    }

    pub(crate) fn without_owner(&self) -> Self {
        match &self.0 {
            Bytes::Own(_) | Bytes::Field(..) => self.clone(),
            Bytes::Of(owner) => (**owner).as_ref().into(),
        }
    }

    /// The same value, which is stored as the field of this name: [`field`](Self::field) finds it under that name too. For
    /// providers that store objects alone, and a plain value as an object with one field.
    ///
    /// ```
    /// use polysecrets_core::SecretValue;
    ///
    /// let value = SecretValue::from("hunter2").with_field_name("value");
    /// assert_eq!(value.field("value")?.expose_str()?, "hunter2");
    /// # Ok::<(), polysecrets_core::Error>(())
    /// ```
    #[must_use]
    pub fn with_field_name(self, name: impl Into<Arc<str>>) -> Self {
        let bytes = match self.0 {
            Bytes::Own(bytes) | Bytes::Field(bytes, _) => bytes,
            Bytes::Of(owner) => Arc::new(Zeroizing::new((*owner).as_ref().to_vec())),
        };
        Self(Bytes::Field(bytes, name.into()))
    }

    /// The bytes.
    pub fn expose_bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Own(bytes) | Bytes::Field(bytes, _) => bytes,
            Bytes::Of(owner) => (**owner).as_ref(),
        }
    }

    /// The bytes as text.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] if they are not UTF-8.
    pub fn expose_str(&self) -> Result<&str> {
        std::str::from_utf8(self.expose_bytes()).map_err(|_| {
            Error::new(ErrorKind::InvalidValue, "the value is not UTF-8 text")
                .with_hint("read it as bytes, for example with `secrets get NAME --out FILE`")
        })
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.expose_bytes().len()
    }

    /// Whether the value is empty.
    pub fn is_empty(&self) -> bool {
        self.expose_bytes().is_empty()
    }

    /// One field of a value that is a JSON object. A string field gives its text, any other its JSON source text, so
    /// that a number keeps its digits. Of a key that occurs twice the last one counts. Sibling fields are not looked at.
    /// A value that is [stored as a field](Self::with_field_name) is found under its name, unless it has such a field itself.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] if the value is not a JSON object, [`ErrorKind::NotFound`] if it has no such field.
    pub fn field(&self, key: &str) -> Result<SecretValue> {
        match (json::field(self.expose_bytes(), key), &self.0) {
            (Err(_), Bytes::Field(_, name)) if **name == *key => Ok(self.clone()),
            (outcome, _) => outcome.map(Self::from_zeroizing),
        }
    }

    /// All fields of a value that is a JSON object, in source order; each as [`field`](Self::field) returns it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] if the value is not a JSON object.
    pub fn fields(&self) -> Result<Vec<(String, SecretValue)>> {
        let fields = json::fields(self.expose_bytes())?;
        Ok(fields
            .into_iter()
            .map(|(key, value)| (key, Self::from_zeroizing(value)))
            .collect())
    }

    /// Whether the value is a JSON object, and so has fields.
    pub fn is_json_object(&self) -> bool {
        json::is_object(self.expose_bytes())
    }
}

impl From<Vec<u8>> for SecretValue {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from_zeroizing(Zeroizing::new(bytes))
    }
}

impl From<String> for SecretValue {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<Zeroizing<String>> for SecretValue {
    fn from(mut text: Zeroizing<String>) -> Self {
        std::mem::take(&mut *text).into_bytes().into()
    }
}

impl From<&str> for SecretValue {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl From<&[u8]> for SecretValue {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl PartialEq for SecretValue {
    fn eq(&self, other: &Self) -> bool {
        self.expose_bytes().ct_eq(other.expose_bytes()).into()
    }
}

impl Eq for SecretValue {}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(***)")
    }
}

impl<'de> Deserialize<'de> for SecretValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(crate::internal::VALUE_SERDE_NAME, ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = SecretValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<SecretValue, D::Error> {
        deserializer.deserialize_str(self)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretValue, E> {
        Ok(text.into())
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<SecretValue, E> {
        Ok(text.into())
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<SecretValue, E> {
        Ok(bytes.into())
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<SecretValue, E> {
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_is_redacted_also_inside_other_types() {
        let nested = Some(vec![SecretValue::from("hunter2")]);
        assert!(!format!("{nested:?} {nested:#?}").contains("hunter2"));
    }

    #[test]
    fn equality_is_by_content() {
        assert_eq!(SecretValue::from("a"), SecretValue::from(vec![b'a']));
        assert_ne!(SecretValue::from("a"), SecretValue::from("b"));
        assert_ne!(SecretValue::from("a"), SecretValue::from("ab"));
    }

    #[test]
    fn clones_share_one_buffer() {
        let value = SecretValue::from("shared");
        assert!(std::ptr::eq(
            value.expose_bytes(),
            value.clone().expose_bytes()
        ));
    }

    #[test]
    fn bytes_of_an_owner_are_shared_and_keep_it() {
        let owner = Arc::new(Zeroizing::new(b"of another".to_vec()));
        let value = SecretValue::from_owner(owner.clone());
        assert!(std::ptr::eq(value.expose_bytes(), owner.as_slice()));
        assert_eq!(value, SecretValue::from("of another"));
        assert_eq!((Arc::strong_count(&owner), value.len()), (2, 10));
        let alone = value.without_owner();
        drop(value);
        assert_eq!(alone.expose_str().unwrap(), "of another");
        assert_eq!(Arc::strong_count(&owner), 1);
        let bytes = alone.expose_bytes().as_ptr();
        assert_eq!(alone.without_owner().expose_bytes().as_ptr(), bytes);
    }

    #[test]
    fn deserialises_from_a_json_string() {
        let value: SecretValue = serde_json::from_str(r#""a\nb""#).unwrap();
        assert_eq!(value.expose_str().unwrap(), "a\nb");
        assert!(serde_json::from_str::<SecretValue>("7").is_err());
    }

    #[test]
    fn bytes_that_are_not_text_are_refused_as_text_only() {
        let value = SecretValue::from(vec![0xff, 0x00]);
        assert_eq!(
            value.expose_str().unwrap_err().kind(),
            ErrorKind::InvalidValue
        );
        assert_eq!(value.expose_bytes(), [0xff, 0x00]);
    }
}
