//! Masking of what comes in pieces.

use std::time::Duration;

use aho_corasick::Anchored;
use aho_corasick::automaton::{Automaton, StateID};
use memchr::memchr2;
use zeroize::Zeroizing;

use crate::automaton::{Patterns, Run};
use crate::encodings::Broken;
use crate::line_breaks;
use crate::masker::Masker;
use crate::prefilter::Places;

/// How long the start of a value is waited for.
const PATIENCE: Duration = Duration::from_millis(20);

/// Of this many bytes it is hardly chance that they are how a value starts.
const TELLING: usize = 8;

/// How long the rest of one is waited for that has started so far.
const LONGER: Duration = Duration::from_secs(1);

/// Below this the search for heads costs more than it saves.
const WORTHWHILE: usize = 64;

/// Masks a text that comes in pieces, wherever it is cut.
///
/// What may be the start of a value is held back until the next bytes tell. Where nothing more comes for
/// [`patience`](Self::patience), [`release`](Self::release) gives it out, so that a prompt appears. If it was a value's
/// start after all, the rest of the value is masked.
///
/// The work is linear in the length of the input. What is held back is at most as long as the longest spelling of a
/// value, with its line breaks; it is wiped.
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

/// Where the search stands. Positions are counted from the start of the stream.
struct Scan {
    state: StateID,
    /// Bytes of the input.
    at: u64,
    /// Bytes of the input that are no breaks.
    joined: u64,
    /// How many bytes the break has in which the input stands.
    in_break: usize,
    /// Parts without a break that are not forgotten: where they start without and with the breaks.
    parts: Vec<(u64, u64)>,
    /// What is masked and not given out: disjoint, in order.
    found: Vec<Found>,
}

#[derive(Clone, Copy)]
struct Found {
    start: u64,
    end: u64,
    value: u32,
}

impl MaskStream {
    pub(crate) fn new(masker: Masker) -> Self {
        let state = masker.patterns().map(|one| one.start()).unwrap_or_default();
        Self {
            masker,
            scan: Scan::new(state),
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
        patterns.with(Search {
            patterns,
            scan: &mut self.scan,
            piece,
        });
        let depth = patterns.depth(self.scan.state) as u64;
        let certain = match depth {
            0 => self.scan.at,
            _ => self.scan.position(self.scan.joined - depth),
        };
        self.scan.forget(self.scan.joined - depth);
        self.give(certain.max(self.base), piece, output);
    }

    /// How long the next piece is to be waited for before [`release`](Self::release); `None` if nothing is held back.
    ///
    /// 20 ms; a second for 8 bytes or more, which are hardly a value's start by chance.
    pub fn patience(&self) -> Option<Duration> {
        match self.held.len() {
            0 => None,
            1..TELLING => Some(PATIENCE),
            _ => Some(LONGER),
        }
    }

    /// Gives out what is held back.
    pub fn release(&mut self, output: &mut Vec<u8>) {
        self.give(self.scan.at, &[], output);
    }

    /// Gives out what is held back at the end of the text. A value that is not whole by then is not masked.
    pub fn finish(mut self, output: &mut Vec<u8>) {
        self.release(output);
    }

    /// Gives out everything before a position. What is held and the piece after it end where the search stands.
    fn give(&mut self, certain: u64, piece: &[u8], output: &mut Vec<u8>) {
        let held = std::mem::take(&mut *self.held);
        let held = Zeroizing::new(held);
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
        for found in &self.scan.found {
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
        self.scan.found.drain(..given);
        if from < certain {
            bytes(from, certain, output);
        }
        let mut rest = Zeroizing::new(Vec::with_capacity((self.scan.at - certain) as usize));
        bytes(certain, self.scan.at, &mut rest);
        self.held = rest;
        self.base = certain;
    }
}

/// What is to be masked in a text: disjoint, in order, each with the index of a value.
pub(crate) fn find(patterns: &Patterns, text: &[u8]) -> Vec<(usize, usize, u32)> {
    let mut scan = Scan::new(patterns.start());
    patterns.with(Search {
        patterns,
        scan: &mut scan,
        piece: text,
    });
    let found = scan.found.into_iter();
    found
        .map(|one| (one.start as usize, one.end as usize, one.value))
        .collect()
}

struct Search<'a> {
    patterns: &'a Patterns,
    scan: &'a mut Scan,
    piece: &'a [u8],
}

impl Run for Search<'_> {
    type Output = ();

    fn run(mut self, machine: &impl Automaton) {
        let (start, piece) = (self.patterns.start(), self.piece);
        let prefilter = self.patterns.prefilter();
        let mut places = prefilter
            .filter(|_| piece.len() >= WORTHWHILE)
            .map(|prefilter| Places::new(prefilter, piece));
        // Where spellings seem to start too often, looking for such places is given up for the rest of the piece.
        let mut credit = 8 * WORTHWHILE;
        let mut at = 0;
        while at < piece.len() {
            if self.scan.state == start
                && let Some(found) = &mut places
            {
                let place = found.next(at);
                self.scan.skip(place - at);
                credit = (credit + place - at).saturating_sub(WORTHWHILE);
                at = place;
                if credit == 0 {
                    places = None;
                }
            }
            let rest = &piece[at..];
            let Some(first) = rest.first() else { return };
            let in_break = match self.scan.in_break {
                0 => line_breaks::is_break(*first),
                _ => line_breaks::goes_on(*first),
            };
            at += if in_break {
                self.line_break(rest)
            } else {
                let line = match &mut places {
                    Some(found) => found.line_end(at) - at,
                    None => memchr2(b'\n', b'\r', rest).unwrap_or(rest.len()),
                };
                self.line(machine, &rest[..line], places.is_some())
            };
        }
    }
}

impl Search<'_> {
    /// Passes over a break, or what of it is here; tells its length.
    fn line_break(&mut self, rest: &[u8]) -> usize {
        let bytes = rest.iter().take_while(|byte| line_breaks::goes_on(**byte));
        let length = bytes.count();
        self.scan.in_break += length;
        if self.scan.in_break > self.patterns.longest_break() {
            self.scan.state = self.patterns.start();
        }
        self.scan.at += length as u64;
        length
    }

    /// Searches bytes without a break: all, or until nothing has started. Tells how many they were.
    fn line(&mut self, machine: &impl Automaton, line: &[u8], until_start: bool) -> usize {
        if self.scan.in_break > 0 {
            self.scan.in_break = 0;
            self.scan.parts.push((self.scan.joined, self.scan.at));
        }
        let start = self.patterns.start();
        let mut state = self.scan.state;
        let mut at = 0;
        while at < line.len() {
            state = machine.next_state(Anchored::No, state, line[at]);
            at += 1;
            if machine.is_special(state) && machine.is_match(state) {
                self.matched(machine, state, at);
            }
            if until_start && state == start {
                break;
            }
        }
        self.scan.state = state;
        self.scan.joined += at as u64;
        self.scan.at += at as u64;
        at
    }

    /// Notes the longest spelling that ends before this byte of the line.
    #[cold]
    fn matched(&mut self, machine: &impl Automaton, state: StateID, at: usize) {
        let end = self.scan.at + at as u64;
        let joined_end = self.scan.joined + at as u64;
        let mut found: Option<Found> = None;
        for index in 0..machine.match_len(state) {
            let meaning = self.patterns.meaning(machine.match_pattern(state, index));
            let (length, value) = (u64::from(meaning.length), meaning.value);
            let start = self.scan.position(joined_end - length);
            let is_broken = end - start > length;
            let is_itself = match meaning.broken {
                Broken::Never => !is_broken,
                Broken::Maybe => true,
                Broken::Always => is_broken,
            };
            if is_itself && found.is_none_or(|one| start < one.start) {
                found = Some(Found { start, end, value });
            }
        }
        if let Some(mut found) = found {
            while let Some(last) = self.scan.found.pop_if(|last| found.start < last.end) {
                if last.start <= found.start {
                    found.start = last.start;
                    found.value = last.value;
                }
            }
            self.scan.found.push(found);
        }
    }
}

impl Scan {
    fn new(state: StateID) -> Self {
        Self {
            state,
            at: 0,
            joined: 0,
            in_break: 0,
            parts: vec![(0, 0)],
            found: Vec::new(),
        }
    }

    /// Passes over bytes with which nothing has started.
    fn skip(&mut self, bytes: usize) {
        if bytes > 0 {
            self.at += bytes as u64;
            self.joined += bytes as u64;
            self.in_break = 0;
            self.parts.clear();
            self.parts.push((self.joined, self.at));
        }
    }

    /// Where a byte stands that is the so many-th without breaks.
    fn position(&self, joined: u64) -> u64 {
        let after = self.parts.partition_point(|(start, _)| *start <= joined);
        let (start, position) = self.parts[after.saturating_sub(1)];
        position + (joined - start)
    }

    /// Forgets the parts that end before this byte.
    fn forget(&mut self, joined: u64) {
        let after = self.parts.partition_point(|(start, _)| *start <= joined);
        self.parts.drain(..after.saturating_sub(1));
    }
}
