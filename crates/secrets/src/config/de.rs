//! Reads a located tree into any type that deserialises, with errors that name the place and never the value.

use std::collections::BTreeSet;
use std::fmt;

use secrets_core::{Error, ErrorKind, Result, SecretValue, looks_like_content, suggestion};
use serde::de::value::U32Deserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, EnumAccess, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::duration;
use super::tree::{Entry, Node, Place, Text, Value, located};

/// Reads the tree; the variables that went into credentials are added to `credentials`.
pub(super) fn from_node<T: DeserializeOwned>(
    node: &Node,
    credentials: &mut BTreeSet<String>,
) -> Result<T> {
    T::deserialize(Reader {
        node,
        credentials,
        credential: false,
    })
    .map_err(Failure::into_error)
}

/// An error on its way up: what serde tells, kept apart so that no value gets into its text.
#[derive(Debug)]
struct Failure(Box<Inner>);

#[derive(Debug)]
struct Inner {
    what: What,
    place: Option<Place>,
    /// What stands at the place.
    found: &'static str,
    /// Whether the text that was read came from elsewhere, so that no message about it may be shown.
    foreign: bool,
}

#[derive(Debug)]
enum What {
    Ours(Error),
    Type(String),
    UnknownKey(String, &'static [&'static str]),
    UnknownWord(Option<&'static str>, &'static [&'static str]),
    MissingKey(&'static str),
    Other(String),
}

impl Failure {
    fn new(what: What) -> Self {
        Self(Box::new(Inner {
            what,
            place: None,
            found: "",
            foreign: false,
        }))
    }

    fn at(mut self, node: &Node) -> Self {
        if self.0.found.is_empty() {
            self.0.place = node.place.clone();
            self.0.found = node.value.kind();
            self.0.foreign =
                matches!(&node.value, Value::Text(text) if text.as_literal().is_none());
        }
        self
    }

    fn at_key(mut self, entry: &Entry) -> Self {
        if self.0.found.is_empty() {
            self.0.place = entry.key_place.clone();
            self.0.found = "a key";
        }
        self
    }

    fn into_error(self) -> Error {
        let Inner {
            what,
            place,
            found,
            foreign,
        } = *self.0;
        let invalid = |message: String| Error::new(ErrorKind::InvalidConfig, message);
        let error = match what {
            What::Ours(error) => error,
            What::Type(expected) => invalid(format!("expected {expected}, found {found}")),
            What::UnknownKey(key, known) => invalid(format!("unknown key {}", shown(&key)))
                .with_hint(suggestion::hint(&key, known, "keys")),
            What::UnknownWord(near, known) => {
                let list = known.join(", ");
                invalid("unknown value".to_owned()).with_hint(match near {
                    Some(near) => format!("did you mean `{near}`? known values: {list}"),
                    None => format!("known values: {list}"),
                })
            }
            What::MissingKey(key) => invalid(format!("missing key `{key}`"))
                .with_hint(format!("add `{key}` to this provider's settings")),
            What::Other(_) if foreign => {
                invalid("the text that was put in here is not what this setting takes".to_owned())
            }
            What::Other(message) => invalid(message),
        };
        located(error, place.as_ref())
    }
}

/// A key as an error shows it: on one line, not for pages, and not if it is the content of a file.
pub(super) fn shown(key: &str) -> String {
    const LONGEST: usize = 64;
    if looks_like_content(key) {
        return "\"…\"".to_owned();
    }
    match key.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &key[..end]),
        None => format!("{key:?}"),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid settings")
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(What::Other(message.to_string()))
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(What::Type(expected.to_string()))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(What::Other(format!("expected {expected}")))
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::new(What::Other(format!("expected {expected}")))
    }

    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        Self::new(What::UnknownWord(suggestion::nearest(word, known), known))
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        Self::new(What::UnknownKey(key.to_owned(), known))
    }

    fn missing_field(key: &'static str) -> Self {
        Self::new(What::MissingKey(key))
    }

    fn duplicate_field(key: &'static str) -> Self {
        Self::new(What::Other(format!("duplicate key `{key}`")))
    }
}

/// Reads one node.
struct Reader<'n, 'c> {
    node: &'n Node,
    credentials: &'c mut BTreeSet<String>,
    credential: bool,
}

impl Reader<'_, '_> {
    fn text(&mut self, text: &Text) -> Result<String, Failure> {
        if self.credential {
            self.credentials.extend(text.variables().map(str::to_owned));
        }
        let mut evaluated = text
            .evaluate()
            .map_err(|error| Failure::new(What::Ours(error)).at(self.node))?;
        Ok(std::mem::take(&mut *evaluated))
    }

    /// The text of a value that is asked for as a number or a boolean, where text may stand for one.
    fn untyped(&mut self) -> Result<Option<zeroize::Zeroizing<String>>, Failure> {
        match &self.node.value {
            Value::Text(text) if text.untyped => Ok(Some(self.text(text)?.into())),
            _ => Ok(None),
        }
    }

    fn number<'de, V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Failure> {
        let node = self.node;
        let Some(text) = self.untyped()? else {
            return de::Deserializer::deserialize_any(self, visitor);
        };
        let text = text.trim();
        let visited = if let Ok(number) = text.parse::<u64>() {
            visitor.visit_u64(number)
        } else if let Ok(number) = text.parse::<i64>() {
            visitor.visit_i64(number)
        } else if let Ok(number) = text.parse::<f64>() {
            visitor.visit_f64(number)
        } else {
            Err(Failure::new(What::Type("a number".to_owned())))
        };
        visited.map_err(|failure| failure.at(node))
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            self.number(visitor)
        })*
    };
}

impl<'de> de::Deserializer<'de> for Reader<'_, '_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Failure> {
        let node = self.node;
        let visited = match &node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(value) => match u64::try_from(*value) {
                Ok(value) => visitor.visit_u64(value),
                Err(_) => visitor.visit_i64(*value),
            },
            Value::Float(text) => match text.parse::<u64>() {
                Ok(value) => visitor.visit_u64(value),
                Err(_) => match text.replace('_', "").parse() {
                    Ok(value) => visitor.visit_f64(value),
                    Err(_) => Err(Failure::new(What::Other(
                        "this number cannot be used here".to_owned(),
                    ))),
                },
            },
            Value::Text(text) => {
                let text = self.text(text)?;
                visitor.visit_string(text)
            }
            Value::DateTime(text) => visitor.visit_str(text),
            Value::Array(items) => visitor.visit_seq(Items {
                items: items.iter(),
                credentials: self.credentials,
            }),
            Value::Table(entries) => visitor.visit_map(Entries {
                entries: entries.iter(),
                current: None,
                credentials: self.credentials,
            }),
        };
        visited.map_err(|failure| failure.at(node))
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
    }

    fn deserialize_bool<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Failure> {
        let node = self.node;
        let Some(text) = self.untyped()? else {
            return self.deserialize_any(visitor);
        };
        let visited = match text.trim() {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => Err(Failure::new(What::Type("`true` or `false`".to_owned()))),
        };
        visited.map_err(|failure| failure.at(node))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let node = self.node;
        self.credential |= name == SecretValue::SERDE_NAME;
        visitor
            .visit_newtype_struct(self)
            .map_err(|failure| failure.at(node))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        // The form in which std's `Duration` asks for itself; people write `30s`.
        if name == "Duration" && fields == ["secs", "nanos"] {
            let node = self.node;
            let expected = || {
                Failure::new(What::Type(
                    "a duration such as \"200ms\" or \"30s\"".to_owned(),
                ))
                .at(node)
            };
            let Value::Text(text) = &node.value else {
                return Err(expected());
            };
            let text = zeroize::Zeroizing::new(self.text(text)?);
            let duration = duration::parse(&text).ok_or_else(expected)?;
            return visitor.visit_seq(DurationParts {
                seconds: Some(duration.as_secs()),
                nanoseconds: Some(duration.subsec_nanos()),
            });
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let node = self.node;
        let visited = match &node.value {
            Value::Text(text) => {
                let text = zeroize::Zeroizing::new(self.text(text)?);
                visitor.visit_enum(text.as_str().into_deserializer())
            }
            Value::Table(entries) => match entries.as_slice() {
                [entry] => visitor.visit_enum(Variant {
                    entry,
                    credentials: self.credentials,
                }),
                _ => Err(Failure::new(What::Type(
                    "a string or a table with one key".to_owned(),
                ))),
            },
            _ => Err(Failure::new(What::Type(
                "a string or a table with one key".to_owned(),
            ))),
        };
        visited.map_err(|failure| failure.at(node))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier
    }
}

struct DurationParts {
    seconds: Option<u64>,
    nanoseconds: Option<u32>,
}

impl<'de> SeqAccess<'de> for DurationParts {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Failure> {
        if let Some(seconds) = self.seconds.take() {
            return seed.deserialize(seconds.into_deserializer()).map(Some);
        }
        let nanoseconds: Option<U32Deserializer<Failure>> =
            self.nanoseconds.take().map(u32::into_deserializer);
        nanoseconds.map(|part| seed.deserialize(part)).transpose()
    }
}

struct Items<'n, 'c> {
    items: std::slice::Iter<'n, Node>,
    credentials: &'c mut BTreeSet<String>,
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Failure> {
        let Some(node) = self.items.next() else {
            return Ok(None);
        };
        read(seed, node, self.credentials).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

fn read<'de, T: DeserializeSeed<'de>>(
    seed: T,
    node: &Node,
    credentials: &mut BTreeSet<String>,
) -> Result<T::Value, Failure> {
    seed.deserialize(Reader {
        node,
        credentials,
        credential: false,
    })
    .map_err(|failure| failure.at(node))
}

struct Entries<'n, 'c> {
    entries: std::slice::Iter<'n, Entry>,
    current: Option<&'n Entry>,
    credentials: &'c mut BTreeSet<String>,
}

impl<'de> MapAccess<'de> for Entries<'_, '_> {
    type Error = Failure;

    fn next_key_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Failure> {
        self.current = self.entries.next();
        let Some(entry) = self.current else {
            return Ok(None);
        };
        seed.deserialize(entry.key.as_str().into_deserializer())
            .map(Some)
            .map_err(|failure: Failure| failure.at_key(entry))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Failure> {
        match self.current {
            Some(entry) => read(seed, &entry.value, self.credentials),
            None => Err(de::Error::custom("a value was asked for before its key")),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

struct Variant<'n, 'c> {
    entry: &'n Entry,
    credentials: &'c mut BTreeSet<String>,
}

impl<'de, 'n, 'c> EnumAccess<'de> for Variant<'n, 'c> {
    type Error = Failure;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Failure> {
        let variant = seed
            .deserialize(self.entry.key.as_str().into_deserializer())
            .map_err(|failure: Failure| failure.at_key(self.entry))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, '_> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        match &self.entry.value.value {
            Value::Table(entries) if entries.is_empty() => Ok(()),
            Value::Null => Ok(()),
            _ => Err(Failure::new(What::Type("an empty table".to_owned())).at(&self.entry.value)),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Failure> {
        read(seed, &self.entry.value, self.credentials)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Failure> {
        self.struct_variant(&[], visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let reader = Reader {
            node: &self.entry.value,
            credentials: self.credentials,
            credential: false,
        };
        de::Deserializer::deserialize_any(reader, visitor)
            .map_err(|failure| failure.at(&self.entry.value))
    }
}
