use std::collections::HashMap;
use std::ops::Range;

use foldhash::fast::RandomState;
use secrets_core::{Error, ErrorKind, SecretRef};

/// What starts a reference. Its escape has one more `$` in front, and stands for this text.
pub(crate) const OPEN: &str = "${secret:";

/// A reference or an escape in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) range: Range<usize>,
    pub(crate) kind: TokenKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A literal `${secret:`.
    Escape,
    /// The text between `${secret:` and `}`.
    Reference(Range<usize>),
    /// A reference that no `}` ends; the rest of the text is not looked at.
    Unclosed,
}

/// Whether there is anything to replace in `text`.
pub(crate) fn holds_tokens(text: &str) -> bool {
    find_open(text, 0).is_some()
}

/// The next `${secret:`. Looking for its first byte costs less than a substring search, most texts being short.
fn find_open(text: &str, mut from: usize) -> Option<usize> {
    loop {
        let at = from + text[from..].find('$')?;
        if text[at..].starts_with(OPEN) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// The references and escapes of `text`, first to last.
pub(crate) fn tokens(text: &str) -> Tokens<'_> {
    Tokens { text, at: 0 }
}

pub(crate) struct Tokens<'t> {
    text: &'t str,
    at: usize,
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let start = find_open(self.text, self.at)?;
        let inside = start + OPEN.len();
        if start > self.at && self.text.as_bytes()[start - 1] == b'$' {
            self.at = inside;
            return Some(Token {
                range: start - 1..inside,
                kind: TokenKind::Escape,
            });
        }
        let (end, kind) = match self.text[inside..].find('}') {
            Some(length) => {
                let end = inside + length;
                (end + 1, TokenKind::Reference(inside..end))
            }
            None => (self.text.len(), TokenKind::Unclosed),
        };
        self.at = end;
        Some(Token {
            range: start..end,
            kind,
        })
    }
}

/// The references of one input, each once however it is spelt.
#[derive(Debug, Default)]
pub(crate) struct References {
    list: Vec<SecretRef>,
    /// By how each is displayed: that is unique, and cheaper to compare than its parts.
    known: HashMap<Box<str>, usize, RandomState>,
}

impl References {
    pub(crate) fn as_slice(&self) -> &[SecretRef] {
        &self.list
    }

    /// Makes room for this many more.
    pub(crate) fn reserve(&mut self, count: usize) {
        self.list.reserve(count);
        self.known.reserve(count);
    }

    /// The number of the reference that `source` spells, which is added if it is new.
    pub(crate) fn add(&mut self, source: &str) -> Result<usize, Error> {
        if let Some(index) = self.known.get(source) {
            return Ok(*index);
        }
        let reference = parse_reference(source)?;
        let next = self.list.len();
        let index = if displays_as_itself(source) {
            self.known.insert(source.into(), next);
            next
        } else {
            let displayed = reference.to_string().into_boxed_str();
            *self.known.entry(displayed).or_insert(next)
        };
        if index == next {
            self.list.push(reference);
        }
        Ok(index)
    }
}

/// Whether a valid reference is certainly displayed as it is spelt: it has nothing to encode and no parameters to order.
fn displays_as_itself(source: &str) -> bool {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'%' | b'?' | b'#');
    let (name, field) = source.split_once('#').unwrap_or((source, ""));
    name.as_bytes().iter().chain(field.as_bytes()).all(plain)
}

/// Reads what stands between `${secret:` and `}`.
pub(crate) fn parse_reference(source: &str) -> Result<SecretRef, Error> {
    let unencoded =
        |character: char| character == '{' || character.is_whitespace() || character.is_control();
    if source.contains(unencoded) {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            format!(
                "invalid reference in {}: spaces and `{{` must be percent-encoded",
                shown(source)
            ),
        )
        .with_hint("write a space as `%20`; references cannot be nested"));
    }
    source.parse().map_err(|error: Error| {
        let hint = error
            .hint()
            .unwrap_or("a reference looks like `[provider://]name[?version=V&default=D][#field]`")
            .to_owned();
        Error::new(
            error.kind(),
            format!("{} in {}", error.message(), shown(source)),
        )
        .with_hint(hint)
    })
}

/// The error for a reference without its end.
pub(crate) fn unclosed() -> Error {
    Error::new(
        ErrorKind::InvalidConfig,
        "a reference that starts with `${secret:` has no `}`",
    )
    .with_hint("close it with `}`, or write `$${secret:` for the literal text")
}

fn shown(source: &str) -> String {
    const SHOWN: usize = 96;
    let mut shown = String::from("`${secret:");
    shown.extend(source.chars().take(SHOWN).flat_map(char::escape_debug));
    shown.push_str(if source.chars().nth(SHOWN).is_some() {
        "…`"
    } else {
        "}`"
    });
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(text: &str) -> Vec<&str> {
        tokens(text).map(|token| &text[token.range]).collect()
    }

    #[test]
    fn references_and_escapes_are_told_apart() {
        assert_eq!(
            outline("no $ {secret:a} ${SECRET:a} ${secret}"),
            Vec::<&str>::new()
        );
        assert_eq!(
            outline("a${secret:b}c${secret:d}"),
            ["${secret:b}", "${secret:d}"]
        );
        assert_eq!(
            outline("$${secret:b}${secret:c}"),
            ["$${secret:", "${secret:c}"]
        );
        assert_eq!(outline("$$${secret:b}"), ["$${secret:"]);
        assert_eq!(
            outline("${secret:a}$${secret:b}"),
            ["${secret:a}", "$${secret:"]
        );
        assert_eq!(
            outline("$${secret:${secret:a}"),
            ["$${secret:", "${secret:a}"]
        );
        assert_eq!(outline("é${secret:a"), ["${secret:a"]);
    }

    #[test]
    fn references_are_known_by_what_they_mean() {
        let mut references = References::default();
        for (source, index) in [
            ("a/b", 0),
            ("a%2Fb", 0),
            ("a/b", 0),
            ("a#f", 1),
            ("a#%66", 1),
            ("a?default=x&version=1", 2),
            ("a?version=1&default=x", 2),
            ("\u{e9}", 3),
            ("%C3%A9", 3),
            ("%c3%a9#g#h", 4),
            ("\u{e9}#g%23h", 4),
        ] {
            assert_eq!(references.add(source).unwrap(), index, "{source}");
        }
        assert_eq!(references.as_slice().len(), 5);
    }

    #[test]
    fn wrong_references_are_shown_with_the_rule() {
        for (source, rule) in [
            ("", "empty"),
            ("a b", "%20"),
            ("${secret:a", "nested"),
            ("a?x=1", "unknown parameter"),
            ("A://b", "provider's name"),
            ("a/../b", "`..`"),
        ] {
            let error = parse_reference(source).unwrap_err();
            let said = format!("{error} {}", error.hint().unwrap());
            assert!(said.contains(rule), "{said}");
            assert!(said.contains(source), "{said}");
        }
    }
}
