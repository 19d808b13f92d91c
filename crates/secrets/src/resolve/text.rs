use std::ops::Range;

use secrets_core::{Error, ErrorKind, SecretRef};

/// What starts a reference. Its escape has one more `$` in front, and stands for this text.
pub(super) const OPEN: &str = "${secret:";

/// A reference or an escape in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) range: Range<usize>,
    pub(super) kind: TokenKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A literal `${secret:`.
    Escape,
    /// The text between `${secret:` and `}`.
    Reference(Range<usize>),
    /// A reference that no `}` ends; the rest of the text is not looked at.
    Unclosed,
}

/// The references and escapes of `text`, first to last.
pub(super) fn tokens(text: &str) -> Tokens<'_> {
    Tokens { text, at: 0 }
}

pub(super) struct Tokens<'t> {
    text: &'t str,
    at: usize,
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let start = self.at + self.text[self.at..].find(OPEN)?;
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

/// Reads what stands between `${secret:` and `}`.
pub(super) fn parse_reference(source: &str) -> Result<SecretRef, Error> {
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
pub(super) fn unclosed() -> Error {
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
