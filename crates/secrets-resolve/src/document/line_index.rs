use std::fmt;

use secrets_core::SourcePosition;

use super::BYTE_ORDER_MARK;

/// A place in a text, for people: both numbers start at 1, the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Counted from 1.
    pub line: usize,
    /// Characters, counted from 1.
    pub column: usize,
}

impl Position {
    /// The first character of a text.
    pub const START: Self = Self { line: 1, column: 1 };
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}", self.line, self.column)
    }
}

impl From<Position> for SourcePosition {
    fn from(position: Position) -> Self {
        Self::new(position.line, position.column)
    }
}

const BLOCK: usize = 1024;

/// Turns byte offsets into positions: linear to build, then the same small cost for each, long lines included.
#[derive(Debug)]
pub struct LineIndex<'t> {
    text: &'t str,
    /// The offset at which each line starts.
    lines: Vec<usize>,
    /// How many characters start before each block of bytes.
    blocks: Vec<usize>,
}

impl<'t> LineIndex<'t> {
    /// An index of this text.
    pub fn new(text: &'t str) -> Self {
        let bytes = text.as_bytes();
        let mut lines = vec![0];
        lines.extend(
            bytes
                .iter()
                .enumerate()
                .filter(|(_, byte)| **byte == b'\n')
                .map(|(offset, _)| offset + 1),
        );
        let mut characters = 0;
        let blocks = bytes
            .chunks(BLOCK)
            .map(|block| {
                let before = characters;
                characters += starts(block);
                before
            })
            .chain(std::iter::once(0))
            .collect::<Vec<_>>();
        let mut index = Self {
            text,
            lines,
            blocks,
        };
        if let Some(last) = index.blocks.last_mut() {
            *last = characters;
        }
        index
    }

    /// Where `offset` is. An offset past the end counts as the end.
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines[line - 1];
        // Most lines are short: to count their few bytes is cheaper than to count in from two blocks.
        let before = if offset - start <= BLOCK {
            starts(&self.text.as_bytes()[start..offset])
        } else {
            self.characters_before(offset) - self.characters_before(start)
        };
        let mut column = before + 1;
        if line == 1 && offset > 0 && self.text.starts_with(BYTE_ORDER_MARK) {
            column -= 1;
        }
        Position { line, column }
    }

    fn characters_before(&self, offset: usize) -> usize {
        let block = offset / BLOCK;
        let bytes = self.text.as_bytes();
        self.blocks[block] + starts(&bytes[block * BLOCK..offset])
    }
}

/// Counts the bytes that start a character.
fn starts(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| (**byte as i8) >= -0x40).count()
}
