use std::fmt::Write;

use crate::zeroizing_writer::ZeroizingWriter;

pub(super) fn quote(out: &mut ZeroizingWriter, text: &str) {
    out.push('"');
    escape(out, text);
    out.push('"');
}

/// Writes `text` as the inside of a basic string, on one line or in several.
pub(super) fn escape(out: &mut ZeroizingWriter, text: &str) {
    out.push_escaped(
        text,
        |out, character| match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control => {
                // A ZeroizingWriter never refuses.
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
        },
        |character| matches!(character, '"' | '\\') || character.is_control(),
    );
}

/// Whether `text` can stand inside `'…'`, which knows no escapes.
pub(super) fn fits_literal(text: &str) -> bool {
    !text.contains(|character: char| {
        character == '\'' || character.is_control() && character != '\t'
    })
}

/// Whether `text` can stand anywhere inside `'''…'''`. A line break right after the opening would not count as content.
pub(super) fn fits_multiline_literal(text: &str) -> bool {
    !text.starts_with('\n') && text.split('\n').all(fits_literal)
}

/// Whether a multi-line basic string joins lines with a trailing `\`, which swallows the space after it.
pub(super) fn joins_lines(source: &str) -> bool {
    source.lines().any(|line| line.trim_end().ends_with('\\'))
}
