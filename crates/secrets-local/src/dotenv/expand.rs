//! `$NAME`, `${NAME}` and `${NAME:-default}` in values, for those who ask for it.

use std::collections::HashMap;

use secrets_core::{Environment, Error, ErrorKind, Result, SecretValue};
use zeroize::Zeroizing;

use super::syntax::{self, Entry, Quoting};

/// How many bytes all values of a file may have after expansion: a few lines that repeat each other would fill the memory.
const BUDGET: usize = 16 * 1024 * 1024;

/// The value of every entry, in their order. A value sees the entries above its own, then the environment.
pub(super) fn values(
    text: &str,
    entries: &[Entry],
    environment: &Environment,
) -> Vec<Result<SecretValue>> {
    let mut above: HashMap<&str, SecretValue> = HashMap::new();
    let mut left = BUDGET;
    entries
        .iter()
        .map(|entry| {
            let lookup = |name: &str| {
                let value = above.get(name).or_else(|| environment.var(name))?;
                Some(value.clone())
            };
            let value = value(text, entry, lookup, left)
                .map_err(|error| error.with_position(entry.position.clone()))?;
            left -= value.len();
            above.insert(&entry.key, value.clone());
            Ok(value)
        })
        .collect()
}

fn value(
    text: &str,
    entry: &Entry,
    lookup: impl Fn(&str) -> Option<SecretValue>,
    limit: usize,
) -> Result<SecretValue> {
    let raw = syntax::unquoted(text, entry);
    if entry.quoting == Quoting::Single || !raw.contains('$') {
        return match entry.value.len() <= limit {
            true => Ok(entry.value.clone()),
            false => Err(too_long()),
        };
    }
    // Measured first, so that the buffer is made once and leaves no copy behind.
    let mut length = 0;
    each(raw, entry.quoting, &lookup, |piece| length += piece.len())?;
    if length > limit {
        return Err(too_long());
    }
    let mut expanded = Zeroizing::new(Vec::with_capacity(length));
    each(raw, entry.quoting, &lookup, |piece| {
        expanded.extend_from_slice(piece);
    })?;
    Ok(SecretValue::from_zeroizing(expanded))
}

fn too_long() -> Error {
    Error::new(
        ErrorKind::InvalidConfig,
        format!("the values of the file have more than {BUDGET} bytes after expansion"),
    )
}

fn each(
    raw: &str,
    quoting: Quoting,
    lookup: &impl Fn(&str) -> Option<SecretValue>,
    mut visit: impl FnMut(&[u8]),
) -> Result<()> {
    let mut failure = None;
    syntax::for_each_piece(raw, quoting, |piece, is_escape| {
        if failure.is_some() {
            return;
        }
        if is_escape {
            visit(piece.as_bytes());
        } else if let Err(error) = expand(piece, lookup, &mut visit) {
            failure = Some(error);
        }
    });
    failure.map_or(Ok(()), Err)
}

fn expand(
    piece: &str,
    lookup: &impl Fn(&str) -> Option<SecretValue>,
    visit: &mut impl FnMut(&[u8]),
) -> Result<()> {
    let mut rest = piece;
    while let Some(at) = rest.find('$') {
        visit(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        let (name, default, after) = match rest.strip_prefix('{') {
            Some(braced) => {
                let (inner, after) = braced.split_once('}').ok_or_else(|| {
                    Error::new(ErrorKind::InvalidConfig, "a `${` without its `}`")
                        .with_hint("write `\\$` in double quotes for a plain `$`")
                })?;
                match inner.split_once(":-") {
                    Some((name, default)) => (name, Some(default), after),
                    None => (inner, None, after),
                }
            }
            None => {
                let end = name_length(rest);
                (&rest[..end], None, &rest[end..])
            }
        };
        let braced = rest.starts_with('{');
        if name_length(name) < name.len() || braced && name.is_empty() {
            return Err(
                Error::new(ErrorKind::InvalidConfig, "no variable's name after `${`")
                    .with_hint("write `${NAME}` or `${NAME:-default}`"),
            );
        }
        rest = after;
        if name.is_empty() {
            visit(b"$");
            continue;
        }
        match (lookup(name), default) {
            // As in a shell, `:-` also stands in for what is empty.
            (Some(value), Some(_)) if !value.is_empty() => visit(value.expose_bytes()),
            (_, Some(default)) => visit(default.as_bytes()),
            (Some(value), None) => visit(value.expose_bytes()),
            (None, None) => {
                return Err(Error::new(
                    ErrorKind::InvalidConfig,
                    format!("the variable {name} is not set"),
                )
                .with_hint(format!("set {name} above this line or in the environment, or write `${{{name}:-default}}`")));
            }
        }
    }
    visit(rest.as_bytes());
    Ok(())
}

/// How much of the start is a variable's name.
fn name_length(text: &str) -> usize {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return 0;
    }
    text.bytes()
        .position(|byte| !byte.is_ascii_alphanumeric() && byte != b'_')
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Vec<Result<String, Error>> {
        let environment: Environment = [("HOME", "/me"), ("A", "environment"), ("EMPTY", "")]
            .into_iter()
            .collect();
        let entries = syntax::parse(text).unwrap();
        values(text, &entries, &environment)
            .into_iter()
            .map(|value| value.map(|value| value.expose_str().unwrap().to_owned()))
            .collect()
    }

    fn last(text: &str) -> String {
        expanded(text).pop().unwrap().unwrap()
    }

    #[test]
    fn replaces_from_above_and_then_from_the_environment() {
        for (text, value) in [
            ("X=$HOME/bin", "/me/bin"),
            ("X=\"${HOME}s\"", "/mes"),
            ("X=$A", "environment"),
            ("A=file\nX=$A", "file"),
            ("X=$A\nA=file\nX=${A}", "file"),
            ("X='$HOME'", "$HOME"),
            ("X=\"\\$HOME\"", "$HOME"),
            ("X=\"$\\nHOME\"", "$\nHOME"),
            ("X=$ $5 $$", "$ $5 $$"),
            ("X=${NO:-fallback}", "fallback"),
            ("X=${EMPTY:-fallback}", "fallback"),
            ("X=[$EMPTY]", "[]"),
            ("A='$HOME'\nX=$A", "$HOME"),
        ] {
            assert_eq!(last(text), value, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_has_its_place_and_harms_no_other_entry() {
        for text in [
            "A=1\nX=$NO\nB=2",
            "A=1\nX=${A\nB=2",
            "A=1\nX=${a b}\nB=2",
            "A=1\nX=${}\nB=2",
        ] {
            let all = expanded(text);
            let error = all[1].as_ref().unwrap_err();
            assert_eq!(error.position().unwrap().line, 2);
            assert_eq!(all[2].as_deref().unwrap(), "2");
        }
    }

    #[test]
    fn repetition_ends_at_the_budget() {
        let mut text = format!("V0={}\n", "x".repeat(1000));
        for number in 1..20 {
            text.push_str(&format!("V{number}=$V{0}$V{0}$V{0}$V{0}\n", number - 1));
        }
        let all = expanded(&text);
        assert!(all[5].is_ok() && all[19].is_err());
        let total: usize = all.iter().flatten().map(String::len).sum();
        assert!(total <= BUDGET);
    }
}
