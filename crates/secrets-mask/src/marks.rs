//! The bytes of a text that are more than bytes of a value: line breaks, and what escapes start with.

use memchr::{memchr2, memchr3, memchr3_iter};

/// Which bytes these are. Quotes and plus signs count only where a value has what they may stand for.
pub(crate) struct Marks {
    is_mark: [bool; 256],
    is_escape: [bool; 256],
}

impl Marks {
    pub(crate) fn new() -> Self {
        let mut marks = Self {
            is_mark: [false; 256],
            is_escape: [false; 256],
        };
        for byte in *b"\\%&" {
            marks.is_escape[usize::from(byte)] = true;
        }
        for byte in *b"\\%&\n\r" {
            marks.is_mark[usize::from(byte)] = true;
        }
        marks
    }

    /// Knows a value.
    pub(crate) fn add(&mut self, value: &[u8]) {
        for (byte, mark) in [(b'\'', b'\''), (b'"', b'"'), (b' ', b'+')] {
            if value.contains(&byte) {
                self.is_escape[usize::from(mark)] = true;
                self.is_mark[usize::from(mark)] = true;
            }
        }
    }

    pub(crate) fn is_escape(&self, byte: u8) -> bool {
        self.is_escape[usize::from(byte)]
    }

    pub(crate) fn is_mark(&self, byte: u8) -> bool {
        self.is_mark[usize::from(byte)]
    }

    fn has_more(&self) -> bool {
        b"'\"+".iter().any(|byte| self.is_escape(*byte))
    }
}

/// A walk from mark to mark. Each byte is looked at once by each of a few vector searches.
pub(crate) struct Walk<'a> {
    text: &'a [u8],
    marks: &'a Marks,
    next: [usize; 3],
}

impl<'a> Walk<'a> {
    pub(crate) fn new(marks: &'a Marks, text: &'a [u8]) -> Self {
        let mut walk = Self {
            text,
            marks,
            next: [0; 3],
        };
        walk.next = std::array::from_fn(|search| walk.find(search, 0));
        walk
    }

    /// The first mark at or behind this place; the end of the text if there is none.
    pub(crate) fn next(&mut self, from: usize) -> usize {
        for search in 0..self.next.len() {
            if self.next[search] < from {
                self.next[search] = self.find(search, from);
            }
        }
        self.next[0].min(self.next[1]).min(self.next[2])
    }

    fn find(&self, search: usize, from: usize) -> usize {
        let rest = &self.text[from..];
        let found = match search {
            0 => memchr3(b'\n', b'\r', b'\\', rest),
            1 => memchr2(b'%', b'&', rest),
            _ if self.marks.has_more() => {
                // One that is not a mark of these values is passed over.
                memchr3_iter(b'\'', b'"', b'+', rest).find(|at| self.marks.is_mark(rest[*at]))
            }
            _ => None,
        };
        from + found.unwrap_or(rest.len())
    }
}
