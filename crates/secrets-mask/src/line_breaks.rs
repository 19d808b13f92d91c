//! Line breaks, which are no part of what is looked for.
//!
//! Text is wrapped at 64 or 76 characters, indented, given carriage returns by a terminal. All of that is one thing: a
//! break, which is a run of line feeds and carriage returns with the blanks that follow each of them. A value is looked
//! for with its breaks taken out, in a text of which they are taken out.

use zeroize::Zeroizing;

/// Longer runs than this end whatever has begun, so that what is held back is bounded.
pub(crate) const LONGEST: usize = 256;

pub(crate) fn is_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// What belongs to a break that has begun.
pub(crate) fn goes_on(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r' | b' ' | b'\t')
}

/// Whether a byte belongs to a break, of which this many bytes have passed.
pub(crate) fn is_part(byte: u8, passed: usize) -> bool {
    match passed {
        0 => is_break(byte),
        _ => goes_on(byte),
    }
}

/// The text without breaks, and without blanks at its start, where they may belong to a break before it.
pub(crate) fn joined(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut joined = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut inside = true;
    for byte in text {
        inside = is_break(*byte) || inside && goes_on(*byte);
        if !inside {
            joined.push(*byte);
        }
    }
    joined
}

/// How long a run of breaks may be that stands in this value, doubled for the carriage returns of a terminal.
pub(crate) fn longest_in(value: &[u8]) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for byte in value {
        let inside = is_break(*byte) || run > 0 && goes_on(*byte);
        run = if inside { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    2 * longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_break_is_more_than_a_line_feed() {
        assert_eq!(**joined(b"  a b\r\n\t c\n\nd \n"), *b"a bcd ");
        assert_eq!(longest_in(b"a\n  \nb c\n"), 8);
        assert_eq!(longest_in(b"a b"), 0);
    }
}
