use std::fmt::Write;

use super::buffer::Wiped;

pub(super) fn quote(out: &mut Wiped, text: &str) {
    out.push('"');
    escape(out, text);
    out.push('"');
}

/// Writes `text` as the inside of a JSON string.
pub(super) fn escape(out: &mut Wiped, text: &str) {
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        let short = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[plain..at]);
        plain = at + 1;
        if short.is_empty() {
            // A Wiped never refuses.
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(short);
        }
    }
    out.push_str(&text[plain..]);
}
