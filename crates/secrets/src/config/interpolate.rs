//! `${VAR}` and `${secret:REFERENCE}` in the strings of a configuration; `$${` stands for `${`.

use std::sync::Arc;

use secrets_core::{Environment, Error, ErrorKind, Result, SecretRef};
use zeroize::Zeroizing;

use super::scheme;
use super::tree::{Node, Piece, Text, Value, located};

/// What may be put into the strings of one part of the configuration.
#[derive(Clone, Copy)]
struct Rules<'a> {
    environment: &'a Environment,
    /// Whether the user wrote or approved the file.
    trusted: bool,
    /// Whether nothing of this part goes over a network.
    local: bool,
    /// Why references are not resolved in this part; `None` where they are.
    no_references: Option<&'static str>,
}

/// Takes all strings apart. What is in a provider's settings and not set is reported when that provider is opened; anywhere
/// else the reader tells it at once.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] with the place, for what is not well formed, a reference where none is resolved, and
/// anything that an unapproved file would send away.
pub(super) fn root(root: &mut Node, environment: &Environment, trusted: bool) -> Result<()> {
    let rules = Rules {
        environment,
        trusted,
        local: false,
        no_references: Some("a reference is resolved in a provider's own settings only"),
    };
    let Value::Table(entries) = &mut root.value else {
        return Ok(());
    };
    for entry in entries {
        if entry.key != "providers" {
            node(&mut entry.value, rules)?;
            continue;
        }
        let Value::Table(providers) = &mut entry.value.value else {
            continue;
        };
        for provider in providers {
            settings(&mut provider.value, rules)?;
        }
    }
    Ok(())
}

fn settings(provider: &mut Node, rules: Rules<'_>) -> Result<()> {
    let literal = |key: &str| match &provider.child(key)?.value {
        Value::Text(text) => text.as_literal(),
        _ => None,
    };
    let scheme = literal("type").or_else(|| literal("location")?.split(':').next());
    let local = scheme.is_some_and(scheme::is_local);
    let Value::Table(entries) = &mut provider.value else {
        return Ok(());
    };
    for entry in entries {
        let no_references = match entry.key.as_str() {
            "type" => {
                if let Value::Text(text) = &entry.value.value
                    && text.as_literal().is_some_and(|text| text.contains("${"))
                {
                    return Err(entry
                        .value
                        .error("the type of a provider is written out, not put in")
                        .with_hint("use a profile where it differs between environments"));
                }
                continue;
            }
            "location" => Some("a location holds no secret"),
            _ => None,
        };
        let rules = Rules {
            local,
            no_references,
            ..rules
        };
        node(&mut entry.value, rules)?;
    }
    Ok(())
}

fn node(target: &mut Node, rules: Rules<'_>) -> Result<()> {
    match &mut target.value {
        Value::Text(text) => {
            let Some(source) = text.as_literal().filter(|text| text.contains("${")) else {
                return Ok(());
            };
            let pieces = split(source)
                .and_then(|parts| {
                    parts
                        .into_iter()
                        .map(|part| piece(part, rules))
                        .collect::<Result<Vec<_>>>()
                })
                .map_err(|error| located(error, target.place.as_ref()))?;
            // What was put in is text also where a number is asked for.
            let untyped = pieces
                .iter()
                .any(|piece| !matches!(piece, Piece::Literal(_)));
            *text = Text { pieces, untyped };
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| node(item, rules)),
        Value::Table(entries) => entries
            .iter_mut()
            .try_for_each(|entry| node(&mut entry.value, rules)),
        _ => Ok(()),
    }
}

fn piece(part: Part<'_>, rules: Rules<'_>) -> Result<Piece> {
    let refuse_untrusted = |what: String| {
        Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("{what} is not filled in, since this file is not trusted"),
        )
        .with_hint("read the file, then approve it with `secrets trust`"))
    };
    match part {
        Part::Literal(text) => Ok(Piece::Literal(Arc::new(text))),
        Part::Variable(name) => {
            if !rules.trusted && !rules.local {
                return refuse_untrusted(format!("`${{{name}}}`"));
            }
            Ok(Piece::Variable {
                name: name.to_owned(),
                value: rules.environment.var(name).cloned(),
            })
        }
        Part::Secret(reference) => {
            if let Some(reason) = rules.no_references {
                return Err(Error::new(ErrorKind::InvalidConfig, reason)
                    .with_hint("write `$${secret:` for that text itself"));
            }
            if !rules.trusted && !rules.local {
                return refuse_untrusted("a reference in the settings of this provider".to_owned());
            }
            Ok(Piece::Secret {
                reference: reference.parse::<SecretRef>()?,
                value: None,
            })
        }
    }
}

enum Part<'t> {
    Literal(Zeroizing<String>),
    Variable(&'t str),
    Secret(&'t str),
}

/// Takes a string apart at its `${…}`.
fn split(source: &str) -> Result<Vec<Part<'_>>> {
    const HINT: &str = "write `$${` for the text `${` itself";
    let mut parts = Vec::new();
    let mut literal = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        if let Some(before) = before.strip_suffix('$') {
            literal.extend([before, "${"]);
            rest = after;
            continue;
        }
        literal.push(before);
        let Some((inside, behind)) = after.split_once('}') else {
            return Err(
                Error::new(ErrorKind::InvalidConfig, "`${` is never closed").with_hint(HINT)
            );
        };
        let text = joined(&literal);
        literal.clear();
        if !text.is_empty() {
            parts.push(Part::Literal(text));
        }
        parts.push(match inside.strip_prefix("secret:") {
            Some(reference) => Part::Secret(reference),
            None if is_variable(inside) => Part::Variable(inside),
            None => {
                return Err(Error::new(
                    ErrorKind::InvalidConfig,
                    "between `${` and `}` stands no name of an environment variable",
                )
                .with_hint(HINT));
            }
        });
        rest = behind;
    }
    literal.push(rest);
    let text = joined(&literal);
    if !text.is_empty() || parts.is_empty() {
        parts.push(Part::Literal(text));
    }
    Ok(parts)
}

/// One allocation of the final size: a buffer that grows would leave copies behind.
pub(super) fn joined(pieces: &[&str]) -> Zeroizing<String> {
    let length = pieces.iter().map(|piece| piece.len()).sum();
    let mut text = Zeroizing::new(String::with_capacity(length));
    pieces.iter().for_each(|piece| text.push_str(piece));
    text
}

/// Whether a shell would take this for a variable's name.
pub(super) fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(source: &str) -> Vec<String> {
        split(source)
            .unwrap()
            .iter()
            .map(|part| match part {
                Part::Literal(text) => format!("={}", text.as_str()),
                Part::Variable(name) => format!("${name}"),
                Part::Secret(reference) => format!("@{reference}"),
            })
            .collect()
    }

    #[test]
    fn takes_strings_apart() {
        assert_eq!(shown("a${B}c"), ["=a", "$B", "=c"]);
        assert_eq!(shown("${A}${secret:main://x#f}"), ["$A", "@main://x#f"]);
        assert_eq!(shown("$${A} $ $$ ${A}"), ["=${A} $ $$ ", "$A"]);
        assert_eq!(shown("$$${A}"), ["=$${A}"]);
        assert_eq!(shown(""), ["="]);
    }

    #[test]
    fn refuses_what_is_not_well_formed() {
        for source in ["${", "${A", "${}", "${1A}", "${A:-b}", "${A B}"] {
            assert!(split(source).is_err(), "{source}");
        }
    }

    proptest! {
        #[test]
        fn the_parts_lose_nothing(source in "[a${}A:$]{0,24}") {
            if let Ok(parts) = split(&source) {
                let joined: String = parts.iter().map(|part| match part {
                    Part::Literal(text) => text.replace("${", "$${"),
                    Part::Variable(name) => format!("${{{name}}}"),
                    Part::Secret(reference) => format!("${{secret:{reference}}}"),
                }).collect();
                prop_assert_eq!(joined, source);
            }
        }
    }
}
