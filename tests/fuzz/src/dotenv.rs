//! `.env` files: written values are read back, and everything else stays unchanged.

use std::ops::Range;

use secrets_core::{
    DeleteOptions, ErrorKind, GetOptions, OpenContext, PutOptions, SecretName, SecretProvider,
    SecretValue,
};
use secrets_local::dotenv::syntax::{self, Entry};
use secrets_local::dotenv::{self, DotenvConfig};

use super::input::parts;
use super::scratch;

/// Writes a value to a file under a name and deletes it again.
pub fn dotenv(data: &[u8]) {
    let [name, value, file] = parts(data);
    if let Ok(value) = std::str::from_utf8(value) {
        quoting_round_trips(value);
    }
    let Ok(text) = syntax::text(file) else { return };
    let before = match syntax::parse(text) {
        Ok(entries) => entries,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            let position = error.position().expect("a place");
            assert!(
                (1..=text.split('\n').count()).contains(&position.line),
                "{position:?}"
            );
            return;
        }
    };
    places_fit(text, &before);
    if let Some(name) = std::str::from_utf8(name)
        .ok()
        .and_then(|name| SecretName::new(name).ok())
    {
        changed_and_back(&name, &value.into(), text, &before);
    }
}

fn quoting_round_trips(value: &str) {
    match syntax::quote(value) {
        Ok(quoted) => {
            let text = format!("KEY={}\n", *quoted);
            let entries = syntax::parse(&text).expect("what was quoted");
            assert_eq!(entries.len(), 1, "{text:?}");
            assert_eq!(entries[0].value.expose_str().ok(), Some(value), "{text:?}");
        }
        Err(error) => assert!(value.contains('\0'), "{error}"),
    }
}

fn places_fit(text: &str, entries: &[Entry]) {
    let mut end = 0;
    for entry in entries {
        assert!(entry.span.start >= end, "{entry:?}");
        end = entry.span.end;
        assert_eq!(text[entry.key_span.clone()], entry.key);
        if let Some(comment) = &entry.comment_above {
            assert!(text[comment.clone()].starts_with('#'), "{entry:?}");
            assert!(comment.end <= entry.span.start, "{entry:?}");
        }
        let again = format!("K={}", &text[entry.value_span.clone()]);
        let again = syntax::parse(&again).expect("a value alone");
        assert_eq!(again[0].value, entry.value, "{entry:?}");
    }
}

fn changed_and_back(name: &SecretName, value: &SecretValue, text: &str, before: &[Entry]) {
    let path = scratch::write("dotenv", text.as_bytes());
    let read = || std::fs::read_to_string(&path).expect("a text");
    let config = DotenvConfig::default().with_path(&path);
    let opened = scratch::wait(dotenv::open(config, OpenContext::new("fuzz")));
    let provider = opened.expect("a provider");

    if let Err(error) = scratch::wait(provider.put(name, value, &PutOptions::default())) {
        assert_ne!(error.kind(), ErrorKind::Unexpected, "{error}");
        assert_eq!(read(), text, "{error}");
        return;
    }
    let secret = scratch::wait(provider.get(name, &GetOptions::default()));
    assert_eq!(secret.expect("what was put").value, *value);
    let written = read();
    let after = syntax::parse(&written).expect("what was written");
    if after.len() == before.len() {
        assert_eq!(
            without_values(&written, &after),
            without_values(text, before)
        );
        let changed = before
            .iter()
            .zip(&after)
            .filter(|(one, other)| one.value != other.value);
        let mut keys: Vec<&str> = changed.map(|(_, after)| after.key.as_str()).collect();
        keys.dedup();
        assert!(keys.len() <= 1, "{keys:?}");
    } else {
        assert_eq!(after.len(), before.len() + 1);
        assert!(written.starts_with(text), "{written:?}");
    }

    let taken_out = scratch::wait(provider.delete(name, &DeleteOptions::default()));
    taken_out.expect("what was put can be deleted");
    let secret = scratch::wait(provider.get(name, &GetOptions::default()));
    assert_eq!(
        secret.expect_err("what was deleted").kind(),
        ErrorKind::NotFound
    );
    let rest = read();
    let kept = syntax::parse(&rest).expect("the rest");
    let mut old = before.iter();
    for entry in &kept {
        let same =
            |old: &Entry| old.key == entry.key && ends_apart(text, &old.span, &rest, &entry.span);
        assert!(old.any(same), "{entry:?} is new or has moved");
    }
    let gone = before
        .iter()
        .filter(|old| kept.iter().all(|kept| kept.key != old.key));
    let mut keys: Vec<&str> = gone.map(|entry| entry.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    // The name itself and its form as a variable.
    assert!(keys.len() <= 2, "{keys:?}");
}

/// Whether the lines are equal, except for the line end that the last line may gain.
fn ends_apart(one: &str, span: &Range<usize>, other: &str, other_span: &Range<usize>) -> bool {
    let trimmed = |text: &str| text.trim_end_matches(['\r', '\n']).len();
    let (one, other) = (&one[span.clone()], &other[other_span.clone()]);
    one == other || one[..trimmed(one)] == other[..trimmed(other)]
}

fn without_values(text: &str, entries: &[Entry]) -> String {
    let mut rest = String::new();
    let mut at = 0;
    for entry in entries {
        rest.push_str(&text[at..entry.value_span.start]);
        at = entry.value_span.end;
    }
    rest + &text[at..]
}
