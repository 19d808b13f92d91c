//! JSON as a protobuf service reads it: names in either spelling, nothing unknown, every value of its type.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::format;

pub(super) struct Schema {
    pub(super) fields: &'static [Field],
}

pub(super) struct Field {
    /// As the protobuf definition spells it: `data_crc32c`.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// At most one field of a group may be set.
    pub(super) one_of: Option<&'static str>,
}

pub(super) enum Kind {
    Text,
    Bytes,
    Int64,
    Int32,
    Bool,
    Timestamp,
    Duration,
    /// Paths, separated by commas.
    Mask,
    Enum(&'static [(&'static str, i64)]),
    Message(&'static Schema),
    Repeated(&'static Kind),
    Map(&'static Kind),
}

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Violation {
    /// Where, as `secret.labels`; empty at the root.
    pub(super) field: String,
    pub(super) description: String,
}

pub(super) const fn field(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        one_of: None,
    }
}

pub(super) const fn one_of(group: &'static str, name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        one_of: Some(group),
    }
}

/// `data_crc32c` as JSON spells it: `dataCrc32c`.
pub(super) fn camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for letter in name.chars() {
        match (letter, upper) {
            ('_', _) => upper = true,
            (letter, true) => {
                out.extend(letter.to_uppercase());
                upper = false;
            }
            (letter, false) => out.push(letter),
        }
    }
    out
}

impl Schema {
    pub(super) fn find(&self, spelled: &str) -> Option<&'static Field> {
        self.fields
            .iter()
            .find(|field| field.name == spelled || camel(field.name) == spelled)
    }

    /// `value` in canonical form: names in camel case, `null` left out, each value in the one spelling that the service
    /// answers with.
    pub(super) fn read(
        &self,
        value: &Value,
        at: &str,
    ) -> Result<Map<String, Value>, Vec<Violation>> {
        let mut reader = Reader::default();
        let read = reader.message(self, value, at);
        if reader.found.is_empty() {
            Ok(read)
        } else {
            Err(reader.found)
        }
    }

    /// The pairs of a query string, read by the same rules.
    pub(super) fn read_query(
        &self,
        pairs: &[(String, String)],
    ) -> Result<Map<String, Value>, Vec<Violation>> {
        let mut reader = Reader::default();
        let mut out = Map::new();
        for (name, text) in pairs {
            let Some(field) = self.find(name) else {
                reader.at("", format!(
                    "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query parameter. Field \
                     '{name}' could not be found in request message."
                ));
                continue;
            };
            let value = match field.kind {
                Kind::Int32 | Kind::Int64 => text
                    .parse::<i64>()
                    .map_or(Value::from(text.as_str()), Value::from),
                _ => Value::from(text.as_str()),
            };
            let Some(value) = reader.value(&field.kind, &value, field.name) else {
                continue;
            };
            if out.insert(camel(field.name), value).is_some() {
                reader.at("", format!(
                    "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query parameter. The field is \
                     not repeated but the parameter is."
                ));
            }
        }
        if reader.found.is_empty() {
            Ok(out)
        } else {
            Err(reader.found)
        }
    }
}

#[derive(Default)]
struct Reader {
    found: Vec<Violation>,
}

impl Reader {
    fn at(&mut self, field: &str, description: String) {
        self.found.push(Violation {
            field: field.to_owned(),
            description,
        });
    }

    fn wrong(&mut self, at: &str, kind: &str, why: &str) -> Option<Value> {
        self.at(at, format!("Invalid value at '{at}' ({kind}), {why}"));
        None
    }

    fn message(&mut self, schema: &Schema, value: &Value, at: &str) -> Map<String, Value> {
        let mut out = Map::new();
        let Value::Object(members) = value else {
            self.wrong(at, "Message", &value.to_string());
            return out;
        };
        let mut groups: Vec<&'static str> = Vec::new();
        for (name, value) in members {
            let Some(field) = schema.find(name) else {
                let place = if at.is_empty() {
                    String::new()
                } else {
                    format!(" at '{at}'")
                };
                self.at(at, format!(
                    "Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field."
                ));
                continue;
            };
            // The protobuf rule: null is the same as absent.
            if value.is_null() {
                continue;
            }
            let below = if at.is_empty() {
                field.name.to_owned()
            } else {
                format!("{at}.{}", field.name)
            };
            let Some(value) = self.value(&field.kind, value, &below) else {
                continue;
            };
            if let Some(group) = field.one_of {
                if groups.contains(&group) {
                    self.at(&below, format!(
                        "Invalid value at '{at}' (oneof), oneof field '{group}' is already set. Cannot set '{}'",
                        camel(field.name)
                    ));
                }
                groups.push(group);
            }
            if out.insert(camel(field.name), value).is_some() {
                self.at(
                    &below,
                    format!(
                        "Invalid value at '{below}', the field is set in both of its spellings"
                    ),
                );
            }
        }
        out
    }

    fn value(&mut self, kind: &Kind, value: &Value, at: &str) -> Option<Value> {
        let shown = value.to_string();
        match kind {
            Kind::Text => match value {
                Value::String(_) => Some(value.clone()),
                _ => self.wrong(at, "TYPE_STRING", &shown),
            },
            Kind::Mask => match value {
                Value::String(_) => Some(value.clone()),
                _ => self.wrong(at, "type.googleapis.com/google.protobuf.FieldMask", &shown),
            },
            Kind::Bytes => match value.as_str().map(decode_base64) {
                Some(Some(bytes)) => Some(Value::from(BASE64_STANDARD.encode(bytes))),
                _ => self.wrong(
                    at,
                    "TYPE_BYTES",
                    &format!("Base64 decoding failed for {shown}"),
                ),
            },
            Kind::Int64 => match integer(value) {
                Some(number) => Some(Value::from(number.to_string())),
                None => self.wrong(at, "TYPE_INT64", &shown),
            },
            Kind::Int32 => match integer(value).and_then(|number| i32::try_from(number).ok()) {
                Some(number) => Some(Value::from(number)),
                None => self.wrong(at, "TYPE_INT32", &shown),
            },
            Kind::Bool => match value {
                Value::Bool(_) => Some(value.clone()),
                _ => self.wrong(at, "TYPE_BOOL", &shown),
            },
            Kind::Timestamp => match value
                .as_str()
                .and_then(|text| text.parse::<Timestamp>().ok())
            {
                Some(time) => Some(Value::from(format::rfc3339(time))),
                None => self.wrong(
                    at,
                    "type.googleapis.com/google.protobuf.Timestamp",
                    &format!("Illegal timestamp format: {shown}"),
                ),
            },
            Kind::Duration => match value.as_str().and_then(format::parse_duration) {
                Some(duration) => Some(Value::from(format::format_duration(duration))),
                None => self.wrong(
                    at,
                    "type.googleapis.com/google.protobuf.Duration",
                    &format!("Illegal duration format; duration must end with 's': {shown}"),
                ),
            },
            Kind::Enum(names) => {
                let number = value.as_i64();
                let found = names
                    .iter()
                    .find(|(name, code)| value.as_str() == Some(*name) || number == Some(*code));
                match found {
                    Some((name, _)) => Some(Value::from(*name)),
                    None => self.wrong(at, "TYPE_ENUM", &shown),
                }
            }
            Kind::Message(schema) => {
                let before = self.found.len();
                let read = self.message(schema, value, at);
                (self.found.len() == before).then_some(Value::Object(read))
            }
            Kind::Repeated(kind) => match value {
                Value::Array(items) => Some(Value::Array(
                    items
                        .iter()
                        .enumerate()
                        .filter_map(|(index, item)| {
                            self.value(kind, item, &format!("{at}[{index}]"))
                        })
                        .collect(),
                )),
                _ => self.wrong(at, "List", &shown),
            },
            Kind::Map(kind) => match value {
                Value::Object(members) => Some(Value::Object(
                    members
                        .iter()
                        .enumerate()
                        .filter_map(|(index, (name, item))| {
                            let item = self.value(kind, item, &format!("{at}[{index}].value"))?;
                            Some((name.clone(), item))
                        })
                        .collect(),
                )),
                _ => self.wrong(at, "Map", &shown),
            },
        }
    }
}

/// A whole number, written as one or as text.
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) if !text.starts_with('+') => text.parse().ok(),
        _ => None,
    }
}

/// Either alphabet, with or without padding.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let url = text.contains(['-', '_']);
    let alphabet = if url {
        alphabet::URL_SAFE
    } else {
        alphabet::STANDARD
    };
    GeneralPurpose::new(&alphabet, config).decode(text).ok()
}
