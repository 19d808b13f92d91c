//! Templates: text between keys is printed between their values, and no template panics.

use secrets::{ErrorKind, Result, SecretValue, Template};

use super::input::texts;

/// Words with which a template can run or grow without limit.
const ENDLESS: [&str; 12] = [
    "for", "macro", "call", "range", "*", "indent", "lipsum", "batch", "slice", "format", "center",
    "replace",
];

/// Alternating texts and keys, then a template.
pub fn templates(data: &[u8]) {
    let Some([before, key, between, other, template]) = texts(data) else {
        return;
    };
    if is_plain(before) && is_plain(between) && is_key(key) && is_key(other) {
        between_texts(before, key, between, other);
    }
    let template = match Template::parse("fuzz", template) {
        Ok(template) => template,
        Err(error) => return is_well_formed(&error, template),
    };
    if ENDLESS.iter().all(|word| {
        !data
            .windows(word.len())
            .any(|window| window == word.as_bytes())
    }) {
        let source = texts::<5>(data).unwrap_or_default()[4];
        if let Err(error) = template.render(&value_of, None) {
            is_well_formed(&error, source);
        }
    }
}

fn between_texts(before: &str, key: &str, between: &str, other: &str) {
    let source = format!(
        "{before}{{{{ secrets[{}] }}}}{between}{{{{ secrets.get({}, \"none\") }}}}\n",
        quoted(key),
        quoted(other),
    );
    let template = Template::parse("fuzz", &source).expect("a template");
    let rendered = template.render(&value_of, None);
    match (value_of(key), rendered) {
        (Ok(None), Err(error)) => assert_eq!(error.kind(), ErrorKind::NotFound),
        (Ok(Some(value)), Ok(rendered)) => {
            let value = value.expose_str().expect("a text");
            let other = value_of(other).expect("an answer");
            let other = other
                .as_ref()
                .map_or("none", |value| value.expose_str().expect("a text"));
            assert_eq!(
                *rendered,
                format!("{before}{value}{between}{other}\n"),
                "{source:?}"
            );
        }
        (value, rendered) => panic!("{value:?}, {rendered:?} of {source:?}"),
    }
    let mut keys = vec![key.to_owned()];
    if other != key {
        keys.push(other.to_owned());
    }
    assert_eq!(template.references(), keys, "{source:?}");
}

/// Keys whose length is a multiple of three have no value.
fn value_of(key: &str) -> Result<Option<SecretValue>> {
    Ok((!key.len().is_multiple_of(3)).then(|| format!("<{key}{{{{ 1 }}}}>").into()))
}

fn is_plain(text: &str) -> bool {
    !text.contains(['{', '\r'])
}

fn is_key(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "/_-. ".contains(c))
}

fn quoted(key: &str) -> String {
    format!("\"{key}\"")
}

fn is_well_formed(error: &secrets::Error, source: &str) {
    assert_ne!(error.kind(), ErrorKind::Unexpected, "{error}");
    assert!(!error.to_string().contains(char::is_control), "{error:?}");
    if let Some(position) = error.position() {
        assert!(
            (1..=source.split('\n').count()).contains(&position.line),
            "{position:?}: {error}"
        );
    }
}
