//! Secrets in the fields of somebody's own structs.

mod collect;
#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};

use secrets_core::{Error, ErrorKind, Result, SecretName, SecretRef, SecretValue};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Secrets;
use collect::collect;

/// A field of a configuration that stands for a secret.
///
/// It is read as a reference, `db/password` or `${secret:db/password}`, and written as that reference, whether it is
/// filled or not: a struct with such fields can be logged, compared and saved at any time and holds no value there.
/// [`Secrets::fill`] fetches the values. Clones share one value; equality is that of the references.
///
/// ```
/// use polysecrets::{SecretField, SecretValue};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Database {
///     host: String,
///     password: SecretField,
/// }
///
/// let saved = r#"{"host":"db","password":"main://db/password"}"#;
/// let database: Database = serde_json::from_str(saved)?;
/// assert!(database.password.value().is_none());
///
/// // What `secrets.fill(&database).await?` does with the value from the provider.
/// database.password.fill(SecretValue::from("hunter2"));
/// assert_eq!(database.password.filled()?.expose_str()?, "hunter2");
/// assert_eq!(serde_json::to_string(&database)?, saved);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SecretField {
    reference: SecretRef,
    cell: Arc<RwLock<Option<SecretValue>>>,
}

impl SecretField {
    /// A field for this secret, not filled yet.
    pub fn new(reference: impl Into<SecretRef>) -> Self {
        Self {
            reference: reference.into(),
            cell: Arc::default(),
        }
    }

    /// What it stands for.
    pub fn reference(&self) -> &SecretRef {
        &self.reference
    }

    /// The value, if it is filled.
    pub fn value(&self) -> Option<SecretValue> {
        self.cell
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The value of a field that has to be filled by now.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] with the secret's name, if it is not.
    pub fn filled(&self) -> Result<SecretValue> {
        self.value().ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidConfig,
                "the field of this secret is not filled",
            )
            .with_name(self.reference.name())
            .with_hint("call `secrets.fill(&config).await` before the value is used")
        })
    }

    /// Puts a value in, in place of one that is there; all clones have it.
    pub fn fill(&self, value: SecretValue) {
        *self.cell.write().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }
}

impl Secrets {
    /// Fetches the value of every [`SecretField`] that `config` writes when it is serialised, each secret once, and fills
    /// them: all, or none where one cannot be read. Filling again takes the values of now. A field that serde skips is
    /// not found.
    ///
    /// # Errors
    /// What [`get`](Self::get) says of the first secret that cannot be read; [`ErrorKind::InvalidConfig`] if `config`
    /// refuses to be serialised.
    pub async fn fill<T: Serialize + ?Sized>(&self, config: &T) -> Result<()> {
        let fields = collect(config)?;
        let references: Vec<SecretRef> =
            fields.iter().map(|field| field.reference.clone()).collect();
        let answers: Result<Vec<_>> = self.get_many(&references).await.into_iter().collect();
        for (field, answer) in fields.iter().zip(answers?) {
            field.fill(answer.secret.value);
        }
        Ok(())
    }
}

impl From<SecretRef> for SecretField {
    fn from(reference: SecretRef) -> Self {
        Self::new(reference)
    }
}

impl From<SecretName> for SecretField {
    fn from(name: SecretName) -> Self {
        Self::new(name)
    }
}

impl FromStr for SecretField {
    type Err = Error;

    /// Reads `REFERENCE` or `${secret:REFERENCE}`. The error does not repeat the text, which may be a secret that
    /// somebody put where its reference belongs.
    fn from_str(text: &str) -> Result<Self> {
        let inner = text
            .strip_prefix("${secret:")
            .and_then(|rest| rest.strip_suffix('}'))
            .unwrap_or(text);
        inner.parse::<SecretRef>().map(Self::new).map_err(|_| {
            Error::new(ErrorKind::InvalidConfig, EXPECTED)
                .with_hint("put the value into a provider, and its name here")
        })
    }
}

const EXPECTED: &str =
    "expected a reference to a secret such as `db/password` or `${secret:db/password}`";

impl PartialEq for SecretField {
    fn eq(&self, other: &Self) -> bool {
        self.reference == other.reference
    }
}

impl Eq for SecretField {}

impl Hash for SecretField {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.reference.hash(state);
    }
}

impl fmt::Debug for SecretField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretField")
            .field("reference", &self.reference)
            .field("filled", &self.value().is_some())
            .finish()
    }
}

impl Serialize for SecretField {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        collect::met(self);
        serializer.collect_str(&self.reference)
    }
}

impl<'de> Deserialize<'de> for SecretField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = SecretField;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a reference to a secret")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretField, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}
