//! Where patterns may start, found by their first bytes many at a time.

use aho_corasick::Span;
use aho_corasick::packed::{self, MatchKind};

use crate::escapes::{self, Window};
use crate::line_breaks;
use crate::marks::{Marks, Walk};

/// How many bytes of a pattern are looked for before the automaton is asked at all.
const HEAD: usize = 4;

/// As many different heads are found by one vector search.
const GROUP: usize = 48;

/// As many searches are faster than the automaton.
const MOST_GROUPS: usize = 8;

/// The first bytes of all patterns.
pub(crate) struct Prefilter {
    groups: Vec<packed::Searcher>,
    /// Whether a head starts with this byte.
    first: [bool; 256],
    /// Whether a head starts with these two, a bit each.
    pairs: Box<[u64; 1024]>,
}

impl Prefilter {
    /// `None` where the automaton is as fast: for very many patterns, and for short ones.
    pub(crate) fn new(sorted: &[&[u8]]) -> Option<Self> {
        let mut heads: Vec<&[u8]> = sorted.iter().filter_map(|text| text.get(..HEAD)).collect();
        if heads.len() < sorted.len() {
            return None;
        }
        heads.dedup();
        if heads.len() > GROUP * MOST_GROUPS {
            return None;
        }
        let (mut first, mut pairs) = ([false; 256], Box::new([0; 1024]));
        for head in &heads {
            first[usize::from(head[0])] = true;
            let (word, bit) = place(head[0], head[1]);
            pairs[word] |= 1 << bit;
        }
        let groups = heads.chunks(GROUP).map(|heads| {
            packed::Config::new()
                .match_kind(MatchKind::LeftmostFirst)
                .builder()
                .extend(heads)
                .build()
        });
        Some(Self {
            groups: groups.collect::<Option<_>>()?,
            first,
            pairs,
        })
    }

    pub(crate) fn memory(&self) -> usize {
        let groups = self.groups.iter().map(packed::Searcher::memory_usage);
        groups.sum::<usize>() + size_of_val(&*self.pairs)
    }

    fn is_first(&self, byte: u8) -> bool {
        self.first[usize::from(byte)]
    }

    fn is_pair(&self, one: u8, two: u8) -> bool {
        let (word, bit) = place(one, two);
        self.pairs[word] & (1 << bit) != 0
    }
}

/// The number of a hexadecimal digit.
fn digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        _ => (byte | 0x20) - b'a' + 10,
    }
}

fn place(one: u8, two: u8) -> (usize, u32) {
    let index = usize::from(one) << 8 | usize::from(two);
    (index / 64, (index % 64) as u32)
}

/// A walk over the places of a text where patterns may start.
pub(crate) struct Places<'a> {
    prefilter: &'a Prefilter,
    marks: &'a Marks,
    text: &'a [u8],
    /// For each group, the next head that is whole, of those behind the last place that was asked from.
    whole: Vec<usize>,
}

impl<'a> Places<'a> {
    pub(crate) fn new(prefilter: &'a Prefilter, marks: &'a Marks, text: &'a [u8]) -> Self {
        let mut places = Self {
            prefilter,
            marks,
            text,
            whole: Vec::new(),
        };
        places.whole = (0..prefilter.groups.len())
            .map(|group| places.find(group, 0))
            .collect();
        places
    }

    /// The first place at or behind this one, where nothing has started and no break goes on, at which a pattern may
    /// start; the end of the text if there is none.
    pub(crate) fn next(&mut self, from: usize, walk: &mut Walk<'_>) -> usize {
        let mut whole = self.text.len();
        for group in 0..self.whole.len() {
            if self.whole[group] < from {
                self.whole[group] = self.find(group, from);
            }
            whole = whole.min(self.whole[group]);
        }
        let mut from = from;
        loop {
            let mark = walk.next(from);
            if mark >= whole && whole < self.text.len() {
                return whole;
            }
            if let Some(place) = self.split_head(from, mark) {
                return place;
            }
            if mark == self.text.len() {
                return whole;
            }
            if self.marks.is_escape(self.text[mark]) && self.may_start(mark) {
                return mark;
            }
            from = mark + 1;
        }
    }

    /// Where a head starts that goes on behind a mark, or behind the text. Not before `from`.
    fn split_head(&self, from: usize, mark: usize) -> Option<usize> {
        let tail = self
            .text
            .get(from.max(mark.saturating_sub(HEAD - 1))..mark)?;
        let pair = |two: &[u8]| self.prefilter.is_pair(two[0], two[1]);
        if let Some(at) = tail.windows(2).position(pair) {
            return Some(mark - tail.len() + at);
        }
        let last = *tail.last()?;
        if !self.prefilter.is_first(last) {
            return None;
        }
        let is_break = self
            .text
            .get(mark)
            .is_some_and(|byte| line_breaks::is_break(*byte));
        if is_break {
            let mut behind = self.text[mark..].iter();
            match behind.find(|byte| !line_breaks::goes_on(**byte)) {
                Some(byte)
                    if !self.marks.is_escape(*byte) && !self.prefilter.is_pair(last, *byte) =>
                {
                    return None;
                }
                _ => {}
            }
        }
        Some(mark - 1)
    }

    /// Whether an escape may stand for the first byte of a head, or be one itself.
    #[inline]
    fn may_start(&self, mark: usize) -> bool {
        if self.prefilter.is_first(self.text[mark]) {
            return true;
        }
        // By far the most are decided by what follows.
        match self.text[mark..] {
            [b'\\', byte, ..]
                if !byte.is_ascii_alphanumeric() && !matches!(byte, b'\\' | b'\n' | b'\r') =>
            {
                return self.prefilter.is_first(byte);
            }
            [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let byte = digit(high) << 4 | digit(low);
                return !byte.is_ascii() || self.prefilter.is_first(byte);
            }
            [b'%', byte, ..] | [b'&', byte, ..]
                if matches!(byte, b' ' | b'=' | b'&' | b'%' | b'"') =>
            {
                return false;
            }
            _ => {}
        }
        let window = Window::new(&self.text[mark..]);
        let mut readings = Vec::new();
        let is_known = escapes::read(window.bytes(), &mut readings).is_ok();
        let first = |one: &escapes::Reading| self.prefilter.is_first(one.bytes()[0]);
        !is_known || readings.iter().any(first)
    }

    fn find(&self, group: usize, from: usize) -> usize {
        let span = Span::from(from..self.text.len());
        let found = self.prefilter.groups[group].find_in(self.text, span);
        found.map_or(self.text.len(), |head| head.start())
    }
}
