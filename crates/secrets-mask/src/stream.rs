//! Masking of what comes in pieces.

use std::time::Duration;

use memchr::memrchr;
use zeroize::Zeroizing;

use crate::automaton::Patterns;
use crate::masker::Masker;
use crate::scan::Scan;

/// How long the next piece is waited for, for each byte of a value that the text ends with: a writer that takes this long
/// for a byte gives none of it away.
const PATIENCE: Duration = Duration::from_millis(100);

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(1);

/// How long a value is waited for that is there and may still go on, as base64 without its padding.
const COMPLETE: Duration = Duration::from_millis(20);

/// What is written at once at most so that a line stays whole, which is what a pipe takes at once (POSIX asks for 512
/// bytes, Linux has 4,096).
const LINE: usize = 4096;

/// Masks a text that comes in pieces, wherever it is cut.
///
/// What may be the start of a value is held back until the next bytes tell, and the line that it stands in with it, if that
/// was whole. Where nothing more comes for [`patience`](Self::patience), [`release`](Self::release) gives it out, so that a
/// prompt appears. If it was a value's start after all, the rest of the value is masked.
///
/// The work is linear in the length of the input. What is held back is at most as long as the longest spelling of a
/// value, with its line breaks, and a line of 4 KiB; it is wiped.
pub struct MaskStream {
    masker: Masker,
    scan: Scan,
    /// Input that is not given out yet.
    held: Zeroizing<Vec<u8>>,
    /// The position of the first byte that is held.
    base: u64,
    /// The end of a masked part that the output has a replacement of already.
    covered: u64,
}

impl MaskStream {
    pub(crate) fn new(masker: Masker) -> Self {
        Self {
            scan: Scan::new(masker.patterns()),
            masker,
            held: Zeroizing::new(Vec::new()),
            base: 0,
            covered: 0,
        }
    }

    /// Takes the next piece, and appends to `output` what is certain by now.
    pub fn feed(&mut self, piece: &[u8], output: &mut Vec<u8>) {
        let masker = self.masker.clone();
        let Some(patterns) = masker.patterns() else {
            output.extend_from_slice(piece);
            return;
        };
        self.scan.read(patterns, piece, false);
        let certain = self.scan.certain(patterns).max(self.base);
        let certain = self.start_of_line(certain, piece);
        self.give(certain, piece, output);
    }

    /// How long the next piece is to be waited for before [`release`](Self::release); `None` if nothing is held back.
    ///
    /// 100 ms for each byte of a value that the text ends with, and at most a second: a few bytes look like a value's start
    /// by chance, many do not.
    pub fn patience(&self) -> Option<Duration> {
        if self.held.is_empty() {
            return None;
        }
        let depth = self.masker.patterns().map_or(0, |patterns| {
            if self.is_complete(patterns) {
                return 0;
            }
            self.scan.depth(patterns)
        });
        Some(match u32::try_from(depth) {
            Ok(0) => COMPLETE,
            Ok(depth) => PATIENCE.saturating_mul(depth).min(LONGEST),
            Err(_) => LONGEST,
        })
    }

    /// Gives out what is held back, though it may be the start of a value.
    pub fn release(&mut self, output: &mut Vec<u8>) {
        let end = self.base + self.held.len() as u64;
        self.give(end, &[], output);
    }

    /// Gives out the rest, at the end of the text.
    pub fn finish(mut self, output: &mut Vec<u8>) {
        if let Some(patterns) = self.masker.clone().patterns() {
            self.scan.read(patterns, &[], true);
        }
        self.release(output);
    }

    /// Whether all that may still go on is masked as it is.
    fn is_complete(&self, patterns: &Patterns) -> bool {
        let mut from = self.scan.certain(patterns).max(self.base).max(self.covered);
        for found in self.scan.found() {
            if found.start > from {
                break;
            }
            from = from.max(found.end);
        }
        from >= self.base + self.held.len() as u64
    }

    /// Where the line starts that is not certain to its end, if the text ends with it: whoever writes whole lines wants them
    /// to stay whole.
    fn start_of_line(&self, certain: u64, piece: &[u8]) -> u64 {
        let end = self.base + (self.held.len() + piece.len()) as u64;
        if certain == end || piece.last() != Some(&b'\n') {
            return certain;
        }
        let bytes = (certain - self.base) as usize;
        let (held, piece) = match bytes.checked_sub(self.held.len()) {
            Some(bytes) => (self.held.as_slice(), &piece[..bytes]),
            None => (&self.held[..bytes], &[][..]),
        };
        let start = match (memrchr(b'\n', piece), memrchr(b'\n', held)) {
            (Some(at), _) => held.len() + at + 1,
            (None, Some(at)) => at + 1,
            (None, None) => 0,
        };
        match bytes - start {
            0..=LINE => self.base + start as u64,
            _ => certain,
        }
    }

    /// Gives out everything before a position.
    fn give(&mut self, certain: u64, piece: &[u8], output: &mut Vec<u8>) {
        let held = std::mem::take(&mut *self.held);
        let held = Zeroizing::new(held);
        let end = self.base + (held.len() + piece.len()) as u64;
        let bytes = |from: u64, to: u64, output: &mut Vec<u8>| {
            let (from, to) = ((from - self.base) as usize, (to - self.base) as usize);
            let middle = held.len();
            if from < middle {
                output.extend_from_slice(&held[from..to.min(middle)]);
            }
            if to > middle {
                output.extend_from_slice(&piece[from.max(middle) - middle..to - middle]);
            }
        };
        let mut from = self.base.max(self.covered.min(certain));
        let mut given = 0;
        for found in self.scan.found() {
            if found.start >= certain {
                break;
            }
            given += 1;
            if found.start < self.covered {
                // It overlaps what is masked already.
                self.covered = self.covered.max(found.end);
                from = from.max(self.covered.min(certain));
                continue;
            }
            // Its first bytes may have been given out when nothing more came.
            let start = found.start.max(self.base);
            if from < start {
                bytes(from, start, output);
            }
            output.extend_from_slice(self.masker.replacement(found.value));
            self.covered = found.end;
            from = found.end.min(certain);
        }
        self.scan.forget(given);
        if from < certain {
            bytes(from, certain, output);
        }
        let mut rest = Zeroizing::new(Vec::with_capacity((end - certain) as usize));
        bytes(certain, end, &mut rest);
        self.held = rest;
        self.base = certain;
    }
}
