//! Reads bodies and query strings as the server's schemas do: all issues at once, defaults filled in, text trimmed as
//! JavaScript trims it, what is unknown left out. `left_out` reports what was ignored, since a client that sends it
//! has most likely misspelt something.

use serde_json::{Map, Value, json};

use super::error::ApiError;

pub(super) struct Reader<'a> {
    fields: &'a Map<String, Value>,
    path: Vec<Value>,
    known: Vec<&'static str>,
    issues: Vec<Value>,
    unknown: Vec<String>,
}

static NOTHING: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);

impl<'a> Reader<'a> {
    /// The fields of an object. Anything else is an issue of its own.
    pub(super) fn new(value: &'a Value) -> Self {
        Self::at(value, Vec::new())
    }

    fn at(value: &'a Value, path: Vec<Value>) -> Self {
        let mut reader = Self {
            fields: &NOTHING,
            path,
            known: Vec::new(),
            issues: Vec::new(),
            unknown: Vec::new(),
        };
        match value {
            Value::Object(fields) => reader.fields = fields,
            other => {
                let path = reader.path.clone();
                reader.issues.push(wrong_type("object", Some(other), path));
            }
        }
        reader
    }

    /// All issues, if there is one; else the names of the fields that no schema knows.
    pub(super) fn finish(mut self) -> Result<Vec<String>, ApiError> {
        self.note_unknown();
        if self.issues.is_empty() {
            Ok(self.unknown)
        } else {
            Err(ApiError::validation(self.issues))
        }
    }

    /// An issue of the caller's own finding.
    pub(super) fn custom(&mut self, name: &'static str, message: &str) {
        let path = self.path_of(name);
        self.issues
            .push(json!({"code": "custom", "message": message, "path": path}));
    }

    /// An issue at the place of a field.
    pub(super) fn issue(&mut self, name: &'static str, issue: impl FnOnce(Vec<Value>) -> Value) {
        let path = self.path_of(name);
        self.issues.push(issue(path));
    }

    /// Text that must be there, as it was sent.
    pub(super) fn text(&mut self, name: &'static str) -> String {
        match self.field(name) {
            Some(Value::String(text)) => text.clone(),
            other => {
                self.refuse(name, "string", other);
                String::new()
            }
        }
    }

    pub(super) fn optional_text(&mut self, name: &'static str) -> Option<String> {
        self.field(name)?;
        Some(self.text(name))
    }

    /// Text that may be there, and may be `null`.
    pub(super) fn nullable_text(&mut self, name: &'static str) -> Option<String> {
        if self.field(name) == Some(&Value::Null) {
            return None;
        }
        self.optional_text(name)
    }

    /// Text that must be there, trimmed.
    pub(super) fn trimmed(&mut self, name: &'static str) -> String {
        trim(&self.text(name)).to_owned()
    }

    pub(super) fn optional_trimmed(&mut self, name: &'static str) -> Option<String> {
        self.optional_text(name).map(|text| trim(&text).to_owned())
    }

    /// Text with at least one character.
    pub(super) fn filled(&mut self, name: &'static str) -> String {
        let text = self.text(name);
        if text.is_empty() && matches!(self.field(name), Some(Value::String(_))) {
            let path = self.path_of(name);
            self.issues.push(too_short(path));
        }
        text
    }

    /// A folder's path: trimmed, without a slash at its end, `/` by default.
    pub(super) fn folder(&mut self, name: &'static str) -> String {
        self.optional_folder(name).unwrap_or_else(|| "/".to_owned())
    }

    pub(super) fn optional_folder(&mut self, name: &'static str) -> Option<String> {
        let path = self.optional_trimmed(name)?;
        Some(without_trailing_slash(&path).to_owned())
    }

    /// A secret's value, as the server keeps it.
    pub(super) fn value(&mut self, name: &'static str) -> String {
        kept_value(&self.text(name))
    }

    pub(super) fn optional_value(&mut self, name: &'static str) -> Option<String> {
        self.optional_text(name).map(|text| kept_value(&text))
    }

    /// A secret's name in a body.
    pub(super) fn secret_name(&mut self, name: &'static str) -> String {
        let text = self.trimmed(name);
        if matches!(self.field(name), Some(Value::String(_))) {
            let path = self.path_of(name);
            self.issues.extend(name_issues(&text, path));
        }
        text
    }

    pub(super) fn optional_secret_name(&mut self, name: &'static str) -> Option<String> {
        self.field(name)?;
        Some(self.secret_name(name))
    }

    /// `true` or `false`, the JSON kind.
    pub(super) fn flag(&mut self, name: &'static str) -> Option<bool> {
        match self.field(name)? {
            Value::Bool(flag) => Some(*flag),
            other => {
                self.refuse(name, "boolean", Some(other));
                None
            }
        }
    }

    pub(super) fn nullable_flag(&mut self, name: &'static str) -> Option<bool> {
        if self.field(name) == Some(&Value::Null) {
            return None;
        }
        self.flag(name)
    }

    /// A number or `null`, which this fake has no use for.
    pub(super) fn nullable_number(&mut self, name: &'static str) {
        if let Some(other) = self.field(name)
            && !matches!(other, Value::Null | Value::Number(_))
        {
            self.refuse(name, "number", Some(other));
        }
    }

    /// The words `true` and `false` of a query string, and nothing else.
    pub(super) fn word_flag(&mut self, name: &'static str, by_default: bool) -> bool {
        let reported = if by_default { "true" } else { "false" };
        self.one_of(name, &["true", "false"], reported) == "true"
    }

    pub(super) fn one_of(
        &mut self,
        name: &'static str,
        options: &[&'static str],
        by_default: &'static str,
    ) -> &'static str {
        let Some(value) = self.field(name) else {
            return by_default;
        };
        let Value::String(text) = value else {
            self.refuse(name, "string", Some(value));
            return by_default;
        };
        match options.iter().find(|option| *option == text) {
            Some(option) => option,
            None => {
                let quoted: Vec<String> = options.iter().map(|it| format!("'{it}'")).collect();
                let list = quoted.join(" | ");
                let path = self.path_of(name);
                self.issues.push(json!({
                    "received": text,
                    "code": "invalid_enum_value",
                    "options": options,
                    "path": path,
                    "message": format!("Invalid enum value. Expected {list}, received '{text}'"),
                }));
                by_default
            }
        }
    }

    /// A number in a query string.
    pub(super) fn coerced_number(&mut self, name: &'static str) -> Option<f64> {
        let value = self.field(name)?;
        let number = match value {
            Value::String(text) if trim(text).is_empty() => Some(0.0),
            Value::String(text) => trim(text).parse::<f64>().ok().filter(|it| it.is_finite()),
            _ => None,
        };
        if number.is_none() {
            let path = self.path_of(name);
            self.issues.push(json!({
                "code": "invalid_type",
                "expected": "number",
                "received": "nan",
                "path": path,
                "message": "Expected number, received nan",
            }));
        }
        number
    }

    pub(super) fn texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        let value = self.field(name)?;
        let Value::Array(items) = value else {
            self.refuse(name, "array", Some(value));
            return None;
        };
        let mut texts = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match item {
                Value::String(text) => texts.push(text.clone()),
                other => {
                    let mut path = self.path_of(name);
                    path.push(index.into());
                    self.issues.push(wrong_type("string", Some(other), path));
                }
            }
        }
        Some(texts)
    }

    /// The objects of a list, which must be there and have at least `least` entries.
    pub(super) fn each<T>(
        &mut self,
        name: &'static str,
        least: usize,
        mut read: impl FnMut(&mut Reader<'_>) -> T,
    ) -> Vec<T> {
        let value = self.field(name);
        let Some(Value::Array(items)) = value else {
            self.refuse(name, "array", value);
            return Vec::new();
        };
        if items.len() < least {
            let path = self.path_of(name);
            self.issues.push(json!({
                "code": "too_small",
                "minimum": least,
                "type": "array",
                "inclusive": true,
                "exact": false,
                "message": format!("Array must contain at least {least} element(s)"),
                "path": path,
            }));
        }
        let mut all = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let mut path = self.path_of(name);
            path.push(index.into());
            all.push(self.inner(item, path, &mut read));
        }
        all
    }

    pub(super) fn optional_each<T>(
        &mut self,
        name: &'static str,
        read: impl FnMut(&mut Reader<'_>) -> T,
    ) -> Option<Vec<T>> {
        self.field(name)?;
        Some(self.each(name, 0, read))
    }

    /// An object that must be there.
    pub(super) fn object<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&mut Reader<'_>) -> T,
    ) -> T {
        let value = self.field(name);
        if value.is_none() {
            self.refuse(name, "object", None);
        }
        let path = self.path_of(name);
        let nothing = Value::Object(Map::new());
        self.inner(value.unwrap_or(&nothing), path, &mut read)
    }

    /// Any JSON.
    pub(super) fn any(&mut self, name: &'static str) -> Option<Value> {
        self.field(name).cloned()
    }

    fn inner<T>(
        &mut self,
        value: &Value,
        path: Vec<Value>,
        read: &mut impl FnMut(&mut Reader<'_>) -> T,
    ) -> T {
        let mut inner = Reader::at(value, path);
        let item = read(&mut inner);
        inner.note_unknown();
        self.issues.append(&mut inner.issues);
        self.unknown.append(&mut inner.unknown);
        item
    }

    fn field(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.push(name);
        self.fields.get(name)
    }

    fn refuse(&mut self, name: &'static str, expected: &str, received: Option<&Value>) {
        let path = self.path_of(name);
        self.issues.push(wrong_type(expected, received, path));
    }

    fn path_of(&self, name: &'static str) -> Vec<Value> {
        let mut path = self.path.clone();
        path.push(name.into());
        path
    }

    fn note_unknown(&mut self) {
        for name in self.fields.keys() {
            if !self.known.contains(&name.as_str()) {
                self.unknown.push(name.clone());
            }
        }
    }
}

/// What is wrong with a secret's name that has been trimmed.
pub(super) fn name_issues(name: &str, path: Vec<Value>) -> Option<Value> {
    if name.is_empty() {
        return Some(too_short(path));
    }
    name.contains([':', '/']).then(|| {
        json!({
            "code": "custom",
            "message": "Secret name cannot contain colon or forward slash.",
            "path": path,
        })
    })
}

pub(super) fn too_short(path: Vec<Value>) -> Value {
    json!({
        "code": "too_small",
        "minimum": 1,
        "type": "string",
        "inclusive": true,
        "exact": false,
        "message": "String must contain at least 1 character(s)",
        "path": path,
    })
}

pub(super) fn too_long(most: usize, path: Vec<Value>) -> Value {
    json!({
        "code": "too_big",
        "maximum": most,
        "type": "string",
        "inclusive": true,
        "exact": false,
        "message": format!("String must contain at most {most} character(s)"),
        "path": path,
    })
}

fn wrong_type(expected: &str, received: Option<&Value>, path: Vec<Value>) -> Value {
    let kind = match received {
        None => "undefined",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "boolean",
        Some(Value::Number(_)) => "number",
        Some(Value::String(_)) => "string",
        Some(Value::Array(_)) => "array",
        Some(Value::Object(_)) => "object",
    };
    let message = match received {
        None => "Required".to_owned(),
        Some(_) => format!("Expected {expected}, received {kind}"),
    };
    json!({
        "code": "invalid_type",
        "expected": expected,
        "received": kind,
        "path": path,
        "message": message,
    })
}

/// Trimmed, but for one line feed at the end.
fn kept_value(value: &str) -> String {
    let trimmed = trim(value);
    if value.ends_with('\n') {
        format!("{trimmed}\n")
    } else {
        trimmed.to_owned()
    }
}

/// JavaScript's idea of white space: with the byte order mark, without the next-line character.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|char: char| char == '\u{feff}' || (char.is_whitespace() && char != '\u{85}'))
}

pub(super) fn without_trailing_slash(path: &str) -> &str {
    match path.strip_suffix('/') {
        Some("") | None => path,
        Some(shorter) => shorter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_trimmed_as_javascript_trims_but_for_one_line_feed() {
        for (sent, kept) in [
            ("plain", "plain"),
            (" a b\t", "a b"),
            ("a\n", "a\n"),
            ("a\r\n", "a\n"),
            ("a\n\n", "a\n"),
            ("\n", "\n"),
            ("", ""),
            ("   ", ""),
            ("\u{feff}a", "a"),
            ("\u{85}a\u{85}", "\u{85}a\u{85}"),
            ("\u{a0}a\u{2028}", "a"),
            ("a\0", "a\0"),
        ] {
            assert_eq!(kept_value(sent), kept, "{sent:?}");
        }
    }

    #[test]
    fn all_issues_are_told_at_once_with_their_places() {
        let body = json!({"environment": 1, "secrets": [{"secretKey": "a/b"}], "extra": true});
        let mut reader = Reader::new(&body);
        reader.trimmed("projectId");
        reader.trimmed("environment");
        reader.each("secrets", 1, |secret| {
            secret.secret_name("secretKey");
            secret.value("secretValue");
        });
        let Err(error) = reader.finish() else {
            panic!("nothing was refused");
        };
        let reported = format!("{error:?}");
        for part in [
            "Required",
            "Expected string, received number",
            "forward slash",
            "secretValue",
        ] {
            assert!(reported.contains(part), "{part} is not in {reported}");
        }
    }
}
