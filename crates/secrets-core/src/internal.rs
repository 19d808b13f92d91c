//! For polysecrets' own crates. Not part of the public API: it changes without notice.

use std::sync::Arc;

use crate::SecretValue;

/// The newtype name under which `SecretValue` deserializes, by which a configuration format finds the settings that are
/// credentials.
pub const VALUE_SERDE_NAME: &str = "$polysecrets::SecretValue";

/// A value that shares the bytes of its owner, and one reference count with it. The owner returns the same bytes each time
/// and wipes them on drop.
pub fn value_from_owner<O>(owner: Arc<O>) -> SecretValue
where
    O: AsRef<[u8]> + Send + Sync + 'static,
{
    SecretValue::from_owner(owner)
}

/// The value without the [owner](value_from_owner) that keeps its bytes: a copy, if there is one.
#[must_use]
pub fn value_without_owner(value: &SecretValue) -> SecretValue {
    value.without_owner()
}
