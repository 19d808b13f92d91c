//! `${secret:…}` in files: only references change, and the result keeps its format.

use granit_parser::{Event, Parser};
use secrets::{ErrorKind, FileFormat, FileScan, SecretRef, SecretValue, ValueScan};
use secrets_local::dotenv::syntax;
use serde_json::Value;

use super::input::texts;

const OPEN: &str = "${secret:";
const ESCAPED: &str = "$${secret:";

/// A letter for the format, a value, and the file.
pub fn references(data: &[u8]) {
    let Some([format, value, text]) = texts(data) else {
        return;
    };
    let format = match format {
        "y" => FileFormat::Yaml,
        "t" => FileFormat::Toml,
        "j" => FileFormat::Json,
        "d" => FileFormat::Dotenv,
        "x" => FileFormat::Text,
        _ => return,
    };
    let scan = match FileScan::new(text, format, None) {
        Ok(scan) => scan,
        Err(error) => {
            let kind = error.kind();
            assert!(
                matches!(kind, ErrorKind::InvalidConfig | ErrorKind::InvalidName),
                "{error}"
            );
            let position = error.position().expect("a place");
            assert!(
                (1..=text.split('\n').count()).contains(&position.line),
                "{error}"
            );
            return;
        }
    };
    for (_, position) in scan.uses() {
        assert!(
            (1..=text.split('\n').count()).contains(&position.line),
            "{position:?}"
        );
    }
    let values: Vec<(&SecretRef, String)> = scan
        .references()
        .iter()
        .enumerate()
        .map(|(number, reference)| match number {
            0 => (reference, value.to_owned()),
            _ => (reference, format!("{number}{value}")),
        })
        .collect();
    let value_of = |wanted: &SecretRef| {
        let mut values = values.iter();
        values.find_map(|(reference, value)| (*reference == wanted).then_some(value.as_str()))
    };
    let rendered = scan.render(|reference| {
        let value = value_of(reference).expect("a reference of the file");
        Ok(SecretValue::from(value))
    });
    let resolved = |text: &str| resolved(text, &value_of);
    match rendered {
        Ok(out) => {
            if !text.contains(OPEN) && !text.contains('\\') {
                assert_eq!(*out, text);
            }
            match format {
                FileFormat::Yaml => same_yaml(text, &out, &resolved),
                FileFormat::Toml => same_toml(text, &out, &resolved),
                FileFormat::Json => same_json(text, &out, &resolved),
                FileFormat::Dotenv => same_dotenv(text, &out, &resolved),
                _ => assert_eq!(*out, resolved(text)),
            }
        }
        // A block with lone carriage returns as line ends may be refused.
        Err(error) if format == FileFormat::Yaml && has_lone_return(text) => {
            let kind = error.kind();
            assert!(
                matches!(kind, ErrorKind::Unexpected | ErrorKind::InvalidValue),
                "{error}"
            );
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidValue, "{error}"),
    }
}

fn has_lone_return(text: &str) -> bool {
    text.replace("\r\n", "").contains('\r')
}

/// Resolves references as documented, character by character.
fn resolved<'v>(text: &str, value_of: &impl Fn(&SecretRef) -> Option<&'v str>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix(ESCAPED) {
            out.push_str(OPEN);
            rest = after;
        } else if let Some(after) = rest.strip_prefix(OPEN) {
            let (reference, after) = after.split_once('}').expect("a closed reference");
            let reference = reference.parse().expect("a reference");
            out.push_str(value_of(&reference).expect("a reference of the file"));
            rest = after;
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

fn same_json(text: &str, out: &str, resolved: &dyn Fn(&str) -> String) {
    let out = serde_json::from_str::<Value>(out).map_err(|_| out);
    // Fails for numbers beyond a float, for example.
    let Ok(before) = serde_json::from_str::<Value>(text) else {
        return;
    };
    let mut expected = before.clone();
    replace(&mut expected, resolved);
    assert_eq!(out.as_ref(), Ok(&expected));
    let scan = ValueScan::new(before).expect("the same references");
    let values = scan.render(|reference| Ok(resolved(&format!("{OPEN}{reference}}}")).into()));
    assert_eq!(values.ok(), Some(expected));
}

fn replace(value: &mut Value, resolved: &dyn Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = resolved(text),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, resolved)),
        Value::Object(entries) => entries
            .values_mut()
            .for_each(|value| replace(value, resolved)),
        _ => {}
    }
}

fn same_toml(text: &str, out: &str, resolved: &dyn Fn(&str) -> String) {
    let Ok(mut expected) = toml::from_str::<toml::Value>(text) else {
        return;
    };
    replace_toml(&mut expected, resolved);
    let out = toml::from_str::<toml::Value>(out).expect("TOML");
    // NaN is not equal to itself.
    assert_eq!(format!("{out:?}"), format!("{expected:?}"));
}

fn replace_toml(value: &mut toml::Value, resolved: &dyn Fn(&str) -> String) {
    match value {
        toml::Value::String(text) => *text = resolved(text),
        toml::Value::Array(items) => items
            .iter_mut()
            .for_each(|item| replace_toml(item, resolved)),
        toml::Value::Table(table) => {
            table
                .iter_mut()
                .for_each(|(_, value)| replace_toml(value, resolved));
        }
        _ => {}
    }
}

fn same_dotenv(text: &str, out: &str, resolved: &dyn Fn(&str) -> String) {
    let before = syntax::parse(text).expect("what was scanned");
    let after = syntax::parse(out).expect("a .env file");
    assert_eq!(after.len(), before.len());
    for (before, after) in before.iter().zip(&after) {
        let value = before.value.expose_str().expect("a text");
        assert_eq!(after.key, before.key);
        assert_eq!(after.value.expose_str().ok(), Some(&*resolved(value)));
    }
}

/// Each scalar is unchanged (as keys are) or resolved, and everything else is unchanged.
fn same_yaml(text: &str, out: &str, resolved: &dyn Fn(&str) -> String) {
    let (before, after) = (events(text), events(out));
    assert_eq!(after.len(), before.len(), "{out:?}");
    for (before, after) in before.iter().zip(&after) {
        match (before, after) {
            (Some(before), Some(after)) if before == after => {}
            (Some(before), Some(after)) => assert_eq!(*after, resolved(before)),
            (before, after) => assert_eq!(after, before),
        }
    }
}

/// The events of a YAML text, with the text of scalars.
fn events(text: &str) -> Vec<Option<String>> {
    Parser::new_from_str(text)
        .map(|event| event.expect("YAML").0)
        .map(|event| match event {
            Event::Scalar(text, ..) => Some(text.into_owned()),
            _ => None,
        })
        .collect()
}
