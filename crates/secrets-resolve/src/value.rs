use secrets_core::{Error, Result, SecretRef, SecretValue};
use serde_json::Value;

use crate::tokens::{OPEN, References, TokenKind, holds_tokens, tokens, unclosed};

/// The references in the strings of a serde value, found but not yet resolved.
///
/// Strings are looked into wherever they stand in arrays and objects; keys and all other values are left as they are.
#[derive(Debug)]
pub struct ValueScan {
    value: Value,
    references: References,
}

impl ValueScan {
    /// Finds the references of `value`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`](secrets_core::ErrorKind::InvalidConfig) or
    /// [`ErrorKind::InvalidName`](secrets_core::ErrorKind::InvalidName) for a malformed reference, whose message tells
    /// where it is as a JSON pointer.
    pub fn new(value: Value) -> Result<Self> {
        let mut references = References::default();
        walk(&value, &mut Vec::new(), &mut |text, path| {
            read(&mut references, text).map_err(|error| at_pointer(&error, &pointer(path)))
        })?;
        Ok(Self { value, references })
    }

    /// Every reference once, in the order in which the value first names it.
    pub fn references(&self) -> &[SecretRef] {
        self.references.as_slice()
    }

    /// The value with each reference replaced by what `lookup` gives for it, with its field and its default applied.
    /// `lookup` is called once a reference, in the order of [`references`](Self::references). The result holds the plaintext, unprotected.
    ///
    /// # Errors
    /// What `lookup` answers, with the JSON pointer of the first use;
    /// [`ErrorKind::InvalidValue`](secrets_core::ErrorKind::InvalidValue) for a value that is not text.
    pub fn render(
        mut self,
        mut lookup: impl FnMut(&SecretRef) -> Result<SecretValue>,
    ) -> Result<Value> {
        let values = self
            .references()
            .iter()
            .map(|reference| {
                let value = lookup(reference)?;
                match value.expose_str() {
                    Ok(_) => Ok(value),
                    Err(error) => Err(error.with_name(reference.name())),
                }
            })
            .enumerate()
            .map(|(index, value)| value.map_err(|error| self.locate(error, index)))
            .collect::<Result<Vec<_>>>()?;
        replace(&mut self.value, &mut self.references, &values);
        Ok(self.value)
    }

    /// Adds the pointer of the first string that holds this reference.
    fn locate(&self, error: Error, reference: usize) -> Error {
        let wanted = &self.references()[reference];
        let mut place = None;
        // The walk never fails: every reference was read before.
        let _ = walk(&self.value, &mut Vec::new(), &mut |text, path| {
            let holds = tokens(text).any(|token| match token.kind {
                TokenKind::Reference(inside) => text[inside]
                    .parse::<SecretRef>()
                    .is_ok_and(|reference| reference == *wanted),
                _ => false,
            });
            if holds && place.is_none() {
                place = Some(pointer(path));
            }
            Ok(())
        });
        at_pointer(&error, &place.unwrap_or_default())
    }
}

fn read(references: &mut References, text: &str) -> Result<()> {
    for token in tokens(text) {
        match token.kind {
            TokenKind::Escape => {}
            TokenKind::Unclosed => return Err(unclosed()),
            TokenKind::Reference(inside) => {
                references.add(&text[inside])?;
            }
        }
    }
    Ok(())
}

fn walk(
    value: &Value,
    path: &mut Vec<String>,
    visit: &mut impl FnMut(&str, &[String]) -> Result<()>,
) -> Result<()> {
    match value {
        Value::String(text) if holds_tokens(text) => visit(text, path),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                walk(item, path, visit)?;
                path.pop();
            }
            Ok(())
        }
        Value::Object(entries) => {
            for (key, item) in entries {
                path.push(key.clone());
                walk(item, path, visit)?;
                path.pop();
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn replace(value: &mut Value, references: &mut References, values: &[SecretValue]) {
    match value {
        Value::String(text) if holds_tokens(text) => {
            let mut resolved = String::new();
            let mut at = 0;
            for token in tokens(text) {
                resolved.push_str(&text[at..token.range.start]);
                at = token.range.end;
                let value = match token.kind {
                    TokenKind::Reference(inside) => references
                        .add(&text[inside])
                        .ok()
                        .and_then(|index| values.get(index)?.expose_str().ok())
                        .unwrap_or_default(),
                    _ => OPEN,
                };
                resolved.push_str(value);
            }
            resolved.push_str(&text[at..]);
            *text = resolved;
        }
        Value::Array(items) => {
            for item in items {
                replace(item, references, values);
            }
        }
        Value::Object(entries) => {
            for (_, item) in entries {
                replace(item, references, values);
            }
        }
        _ => {}
    }
}

/// RFC 6901; the root is the empty text.
fn pointer(path: &[String]) -> String {
    path.iter()
        .map(|segment| format!("/{}", segment.replace('~', "~0").replace('/', "~1")))
        .collect()
}

fn at_pointer(error: &Error, pointer: &str) -> Error {
    if pointer.is_empty() {
        return error.clone();
    }
    let mut located = Error::new(error.kind(), format!("at {pointer}: {}", error.message()));
    if let Some(name) = error.name() {
        located = located.with_name(name);
    }
    if let Some(hint) = error.hint() {
        located = located.with_hint(hint.to_owned());
    }
    located.with_source(error.clone())
}
