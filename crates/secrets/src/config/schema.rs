//! The format as a JSON schema, written from the table of keys that the reader refuses by.

use serde_json::{Map, Value, json};

use super::keys::{Key, Kind, ROOT};

const DURATION: &str = r"^([0-9]+(us|ms|s|m|h|d|w))+$|\$\{";
/// Text in which something is put in; what comes of it is not known here.
const PUT_IN: &str = r"\$\{";

/// The schema of `secrets.toml` and its like.
pub(super) fn schema() -> Value {
    let mut schema = table(ROOT.iter(), false);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("polysecrets configuration");
    let overlay = table(ROOT.iter().filter(|key| key.name != "profiles"), false);
    schema["$defs"] = json!({ "overlay": overlay });
    schema
}

fn table<'k>(keys: impl Iterator<Item = &'k Key>, open: bool) -> Value {
    let properties: Map<String, Value> = keys
        .map(|key| {
            let mut schema = of(&key.kind);
            schema["description"] = json!(key.about);
            (key.name.to_owned(), schema)
        })
        .collect();
    json!({
        "type": ["object", "null"],
        "properties": properties,
        "additionalProperties": open,
    })
}

fn of(kind: &Kind) -> Value {
    match kind {
        Kind::Text | Kind::Reference | Kind::Provider | Kind::Secret => json!({ "type": "string" }),
        Kind::Flag => json!({
            "anyOf": [{ "type": "boolean" }, { "type": "string", "pattern": PUT_IN }],
        }),
        Kind::Count { min, max } => json!({
            "anyOf": [
                { "type": "integer", "minimum": min, "maximum": max },
                { "type": "string", "pattern": PUT_IN },
            ],
        }),
        Kind::Duration => json!({ "type": "string", "pattern": DURATION }),
        Kind::Seconds => json!({
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": DURATION },
            ],
        }),
        Kind::Word(words) => json!({
            "anyOf": [{ "enum": words }, { "type": "string", "pattern": PUT_IN }],
        }),
        Kind::List(of_each) => json!({ "type": "array", "items": of(of_each) }),
        Kind::Table(keys) => table(keys.iter(), false),
        Kind::Open(keys) => table(keys.iter(), true),
        Kind::Map(names, of_each) => json!({
            "type": ["object", "null"],
            "propertyNames": { "pattern": names.pattern() },
            "additionalProperties": of(of_each),
        }),
        Kind::Either(text, table) => json!({ "anyOf": [of(text), of(table)] }),
        Kind::Overlay => json!({ "$ref": "#/$defs/overlay" }),
    }
}
