use std::fmt::Write;

use crate::zeroizing_writer::ZeroizingWriter;

pub(super) fn quote(out: &mut ZeroizingWriter, text: &str) {
    out.push('"');
    escape(out, text);
    out.push('"');
}

/// Writes `text` as the inside of a JSON string.
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
        |character| matches!(character, '"' | '\\' | '\0'..='\x1f'),
    );
}
