//! Where spellings may start, found by their first bytes many at a time.

use aho_corasick::Span;
use aho_corasick::packed::{self, MatchKind};
use memchr::memchr2;

use crate::line_breaks;

/// How many bytes of a spelling are looked for before the automaton is asked at all.
const HEAD: usize = 4;

/// As many different heads are found faster than the automaton runs.
const MOST: usize = 48;

/// The first bytes of all spellings.
pub(crate) struct Prefilter {
    whole: packed::Searcher,
    /// Whether a head starts with this byte.
    first: [bool; 256],
    /// Whether a head starts with these two, a bit each.
    pairs: Box<[u64; 1024]>,
}

impl Prefilter {
    /// `None` where the automaton is as fast: for many spellings, and for short ones.
    pub(crate) fn new(sorted: &[&[u8]]) -> Option<Self> {
        let mut heads: Vec<&[u8]> = sorted.iter().filter_map(|text| text.get(..HEAD)).collect();
        if heads.len() < sorted.len() {
            return None;
        }
        heads.dedup();
        if heads.len() > MOST {
            return None;
        }
        let (mut first, mut pairs) = ([false; 256], Box::new([0; 1024]));
        for head in &heads {
            first[usize::from(head[0])] = true;
            let (word, bit) = place(head[0], head[1]);
            pairs[word] |= 1 << bit;
        }
        let whole = packed::Config::new()
            .match_kind(MatchKind::LeftmostFirst)
            .builder()
            .extend(heads)
            .build()?;
        Some(Self {
            whole,
            first,
            pairs,
        })
    }

    fn is_pair(&self, one: u8, two: u8) -> bool {
        let (word, bit) = place(one, two);
        self.pairs[word] & (1 << bit) != 0
    }
}

fn place(one: u8, two: u8) -> (usize, u32) {
    let index = usize::from(one) << 8 | usize::from(two);
    (index / 64, (index % 64) as u32)
}

/// A walk over the places of a text where spellings may start. Each byte is looked at once by each of two searches.
pub(crate) struct Places<'a> {
    prefilter: &'a Prefilter,
    text: &'a [u8],
    /// The next head that is whole, of those behind the last place that was asked from.
    whole: usize,
    /// The next line break, likewise.
    line_end: usize,
}

impl<'a> Places<'a> {
    pub(crate) fn new(prefilter: &'a Prefilter, text: &'a [u8]) -> Self {
        let mut places = Self {
            prefilter,
            text,
            whole: 0,
            line_end: 0,
        };
        places.whole = places.next_whole(0);
        places.line_end = places.next_line_end(0);
        places
    }

    /// The first place at or behind this one, where nothing has started and no break goes on, at which a spelling may
    /// start; the end of the text if there is none.
    pub(crate) fn next(&mut self, from: usize) -> usize {
        if self.whole < from {
            self.whole = self.next_whole(from);
        }
        self.line_end(from);
        let mut from = from;
        while self.line_end < self.whole {
            if let Some(place) = self.broken_head(from) {
                return place;
            }
            from = self.line_end + 1;
            self.line_end = self.next_line_end(from);
        }
        if self.whole == self.text.len()
            && let Some(place) = self.broken_head(from)
        {
            return place;
        }
        self.whole
    }

    /// The first line break at or behind this place; the end of the text if there is none.
    pub(crate) fn line_end(&mut self, from: usize) -> usize {
        if self.line_end < from {
            self.line_end = self.next_line_end(from);
        }
        self.line_end
    }

    /// Where a head starts that goes on behind the next line break, or behind the text. Not before `from`.
    fn broken_head(&self, from: usize) -> Option<usize> {
        let end = self.line_end;
        let tail = self.text.get(from.max(end.saturating_sub(HEAD - 1))..end)?;
        let pair = |two: &[u8]| self.prefilter.is_pair(two[0], two[1]);
        if let Some(at) = tail.windows(2).position(pair) {
            return Some(end - tail.len() + at);
        }
        let last = *tail.last()?;
        if !self.prefilter.first[usize::from(last)] {
            return None;
        }
        let mut behind = self.text[end..].iter();
        match behind.find(|byte| !line_breaks::goes_on(**byte)) {
            Some(byte) if !self.prefilter.is_pair(last, *byte) => None,
            _ => Some(end - 1),
        }
    }

    fn next_whole(&self, from: usize) -> usize {
        let span = Span::from(from..self.text.len());
        let found = self.prefilter.whole.find_in(self.text, span);
        found.map_or(self.text.len(), |head| head.start())
    }

    fn next_line_end(&self, from: usize) -> usize {
        let rest = &self.text[from..];
        from + memchr2(b'\n', b'\r', rest).unwrap_or(rest.len())
    }
}
