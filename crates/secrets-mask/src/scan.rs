//! The search for patterns in a text that comes in pieces and may be read in several ways.

use aho_corasick::Anchored;
use aho_corasick::automaton::{Automaton, StateID};
use zeroize::Zeroizing;

use crate::automaton::{Patterns, Run};
use crate::encodings::Broken;
use crate::escapes::{self, Reading, Window};
use crate::line_breaks;
use crate::marks::Walk;
use crate::prefilter::Places;

/// Below this the search for heads costs more than it saves.
const WORTHWHILE: usize = 64;

/// As many ways to read a text are followed at once. Only a value that is mostly backslashes has more, and of these
/// the ways that have read the most of one are the last to be given up.
const MOST_LANES: usize = 32;

/// What is masked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// The index of the value.
    pub(crate) value: u32,
}

/// Where the search stands. Positions are counted from the start of the text.
pub(crate) struct Scan {
    /// The first reads the text as it stands. The others have read an escape, and something has started with it.
    lanes: Vec<Lane>,
    /// Bytes of the text that were read.
    at: u64,
    /// What follows: the start of an escape, as it seems.
    unread: Zeroizing<Vec<u8>>,
    /// What is masked: disjoint, in order.
    found: Vec<Found>,
}

/// One way to read the text.
#[derive(Clone)]
struct Lane {
    state: StateID,
    /// The first byte that it has not read. Behind the others' while it stands at the end of an escape.
    at: u64,
    /// How many bytes it has read, those of breaks not counted and an escape for what it stands for.
    joined: u64,
    /// How many bytes the break has in which it stands.
    in_break: usize,
    /// Parts in which each byte stands for itself, if they are not forgotten.
    parts: Vec<Part>,
}

/// A part of a text.
#[derive(Clone, Copy)]
struct Part {
    /// Where it starts, as the lane counts.
    joined: u64,
    /// Where it starts in the text.
    at: u64,
    /// Whether a line break is before it.
    is_broken: bool,
}

impl Scan {
    pub(crate) fn new(patterns: Option<&Patterns>) -> Self {
        let state = patterns.map(Patterns::start).unwrap_or_default();
        Self {
            lanes: vec![Lane {
                state,
                at: 0,
                joined: 0,
                in_break: 0,
                parts: vec![Part::new(0, 0, false)],
            }],
            at: 0,
            unread: Zeroizing::new(Vec::new()),
            found: Vec::new(),
        }
    }

    /// Reads the next piece. What may be the start of an escape is read with the piece after it, unless this is the last.
    pub(crate) fn read(&mut self, patterns: &Patterns, piece: &[u8], is_last: bool) {
        let both;
        let text = match self.unread.is_empty() {
            true => piece,
            false => {
                let mut text = Zeroizing::new(Vec::with_capacity(self.unread.len() + piece.len()));
                text.extend_from_slice(&self.unread);
                text.extend_from_slice(piece);
                both = text;
                both.as_slice()
            }
        };
        let count = patterns.with(Search {
            patterns,
            scan: self,
            text,
            is_last,
        });
        self.unread = Zeroizing::new(text[count..].to_vec());
        self.at += count as u64;
        for lane in &mut self.lanes {
            lane.forget(patterns.reach(lane.state) as u64);
        }
    }

    /// What is found and not forgotten: disjoint, in order.
    pub(crate) fn found(&self) -> &[Found] {
        &self.found
    }

    /// Forgets this many of what is found.
    pub(crate) fn forget(&mut self, count: usize) {
        self.found.drain(..count);
    }

    /// The position of the first byte that may be how something starts that goes on.
    pub(crate) fn certain(&self, patterns: &Patterns) -> u64 {
        let starts = self
            .lanes
            .iter()
            .map(|lane| lane.start(patterns.reach(lane.state) as u64));
        starts.fold(self.at, u64::min)
    }

    /// How many bytes of a value the end of the text may be, an escape that has started included.
    pub(crate) fn depth(&self, patterns: &Patterns) -> usize {
        let reached = self.lanes.iter().map(|lane| patterns.reach(lane.state));
        reached.max().unwrap_or_default() + usize::from(!self.unread.is_empty())
    }

    /// Adds what is found, and what overlaps it becomes one with it.
    fn note(&mut self, mut new: Found) {
        // Those behind it, where another lane was ahead.
        let behind = self.found.partition_point(|one| one.start < new.end);
        let behind = self.found.split_off(behind);
        while let Some(last) = self.found.pop_if(|last| new.start < last.end) {
            // It has the name of the first, of several the longest.
            if last.start < new.start || last.start == new.start && last.end >= new.end {
                new.value = last.value;
            }
            new.start = new.start.min(last.start);
            new.end = new.end.max(last.end);
        }
        self.found.push(new);
        self.found.extend(behind);
    }
}

/// What is to be masked in a text: disjoint, in order, each with the index of a value.
pub(crate) fn find(patterns: &Patterns, text: &[u8]) -> Vec<(usize, usize, u32)> {
    let mut scan = Scan::new(Some(patterns));
    scan.read(patterns, text, true);
    let found = scan.found.into_iter();
    found
        .map(|one| (one.start as usize, one.end as usize, one.value))
        .collect()
}

impl Part {
    fn new(joined: u64, at: u64, is_broken: bool) -> Self {
        Self {
            joined,
            at,
            is_broken,
        }
    }
}

impl Lane {
    /// Where the last `depth` bytes start in the text.
    fn start(&self, depth: u64) -> u64 {
        match depth {
            0 => self.at,
            _ => self.position(self.joined - depth),
        }
    }

    /// Where the byte with this index among the joined bytes stands in the text.
    fn position(&self, joined: u64) -> u64 {
        let after = self.parts.partition_point(|part| part.joined <= joined);
        let part = self.parts[after.saturating_sub(1)];
        part.at + (joined - part.joined)
    }

    /// Whether a line break stands between the last `length` bytes.
    fn is_broken(&self, length: u64) -> bool {
        let start = self.joined - length;
        let parts = self.parts.iter().rev();
        parts
            .take_while(|part| part.joined > start)
            .any(|part| part.is_broken && part.joined < self.joined)
    }

    /// Forgets all but the last bytes of this number.
    fn forget(&mut self, depth: u64) {
        let joined = self.joined - depth;
        let after = self.parts.partition_point(|part| part.joined <= joined);
        self.parts.drain(..after.saturating_sub(1));
    }

    /// Nothing has started with what it has read.
    fn restart(&mut self) {
        self.in_break = 0;
        self.parts.clear();
        self.parts.push(Part::new(self.joined, self.at, false));
    }

    /// What it reads next stands here.
    fn part(&mut self) {
        self.parts.push(Part::new(self.joined, self.at, false));
    }
}

struct Search<'a> {
    patterns: &'a Patterns,
    scan: &'a mut Scan,
    text: &'a [u8],
    is_last: bool,
}

impl Run for Search<'_> {
    type Output = usize;

    /// Tells how many bytes were read.
    fn run(mut self, machine: &impl Automaton) -> usize {
        let (patterns, text) = (self.patterns, self.text);
        let start = patterns.start();
        let mut walk = Walk::new(patterns.marks(), text);
        let mut places = patterns
            .prefilter()
            .filter(|_| text.len() >= WORTHWHILE)
            .map(|prefilter| Places::new(prefilter, patterns.marks(), text));
        // Where patterns seem to start too often, looking for such places is given up for the rest of the piece.
        let mut credit = 8 * WORTHWHILE;
        let mut at = 0;
        while at < text.len() {
            if self.scan.lanes.len() > 1 {
                match self.step(machine, at) {
                    Some(count) => at += count,
                    None => return at,
                }
                continue;
            }
            if self.scan.lanes[0].state == start {
                if let Some(found) = &mut places {
                    let place = found.next(at, &mut walk);
                    credit = (credit + place - at).saturating_sub(WORTHWHILE);
                    let lane = &mut self.scan.lanes[0];
                    lane.at += (place - at) as u64;
                    lane.joined += (place - at) as u64;
                    at = place;
                    if credit == 0 {
                        places = None;
                    }
                }
                self.scan.lanes[0].restart();
                if at == text.len() {
                    break;
                }
            }
            let mark = walk.next(at);
            if mark == at || self.scan.lanes[0].in_break > 0 {
                match self.step(machine, at) {
                    Some(count) => at += count,
                    None => return at,
                }
            } else {
                at += self.literal(machine, &text[at..mark], places.is_some());
            }
        }
        text.len()
    }
}

impl Search<'_> {
    /// Reads bytes that are no marks, on the only lane: all, or until nothing has started. Tells how many they were.
    fn literal(&mut self, machine: &impl Automaton, text: &[u8], until_start: bool) -> usize {
        let start = self.patterns.start();
        let lane = &mut self.scan.lanes[0];
        let (mut state, first) = (lane.state, (lane.at, lane.joined));
        let mut at = 0;
        while at < text.len() {
            state = machine.next_state(Anchored::No, state, text[at]);
            at += 1;
            if machine.is_special(state) && machine.is_match(state) {
                let lane = &mut self.scan.lanes[0];
                (lane.state, lane.at, lane.joined) =
                    (state, first.0 + at as u64, first.1 + at as u64);
                self.matched(machine, 0);
            }
            if until_start && state == start {
                break;
            }
        }
        let lane = &mut self.scan.lanes[0];
        (lane.state, lane.at, lane.joined) = (state, first.0 + at as u64, first.1 + at as u64);
        at
    }

    /// Reads one byte on all lanes, and in each way in which an escape can be read that starts with it. Tells that it was
    /// one; `None` if the text does not go on far enough to know.
    fn step(&mut self, machine: &impl Automaton, at: usize) -> Option<usize> {
        let byte = self.text[at];
        let position = self.scan.at + at as u64;
        if self.patterns.marks().is_escape(byte) {
            let window = Window::new(&self.text[at..]);
            let mut readings = Vec::new();
            let is_known = escapes::read(window.bytes(), &mut readings).is_ok();
            if !is_known && !self.is_last && !window.is_closed() {
                return None;
            }
            let count = self.scan.lanes.len();
            for index in 0..count {
                if self.scan.lanes[index].at != position {
                    continue;
                }
                for reading in &readings {
                    self.fork(machine, index, reading, window.end(reading.length));
                }
            }
        }
        let mut index = 0;
        while index < self.scan.lanes.len() {
            if self.scan.lanes[index].at == position {
                self.scan.lanes[index].at += 1;
                self.take(machine, index, byte, position);
            }
            index += 1;
        }
        self.prune();
        Some(1)
    }

    /// Adds a lane that reads an escape, if anything has started then.
    fn fork(&mut self, machine: &impl Automaton, index: usize, reading: &Reading, length: usize) {
        let lane = &self.scan.lanes[index];
        let start = self.patterns.start();
        let mut state = lane.state;
        for byte in reading.bytes() {
            if !line_breaks::is_part(*byte, lane.in_break) {
                state = machine.next_state(Anchored::No, state, *byte);
            }
        }
        if state == start {
            return;
        }
        let mut lane = lane.clone();
        let (first, end) = (lane.at, lane.at + length as u64);
        lane.part();
        let index = self.scan.lanes.len();
        self.scan.lanes.push(lane);
        let count = reading.bytes().len();
        for (at, byte) in reading.bytes().iter().enumerate() {
            if at + 1 == count {
                // A match reaches to the end of the escape.
                self.scan.lanes[index].at = end;
            }
            self.take(machine, index, *byte, first);
        }
        self.scan.lanes[index].part();
    }

    /// Lets a lane take a byte, which it has passed and which stands at this position.
    fn take(&mut self, machine: &impl Automaton, index: usize, byte: u8, position: u64) {
        let lane = &mut self.scan.lanes[index];
        if line_breaks::is_part(byte, lane.in_break) {
            lane.in_break += 1;
            if lane.in_break > self.patterns.longest_break() {
                lane.state = self.patterns.start();
            }
            return;
        }
        if lane.in_break > 0 {
            lane.in_break = 0;
            lane.parts.push(Part::new(lane.joined, position, true));
        }
        lane.state = machine.next_state(Anchored::No, lane.state, byte);
        lane.joined += 1;
        if machine.is_special(lane.state) && machine.is_match(lane.state) {
            self.matched(machine, index);
        }
    }

    /// Notes the longest pattern that ends where a lane stands.
    #[cold]
    fn matched(&mut self, machine: &impl Automaton, index: usize) {
        let lane = &self.scan.lanes[index];
        let mut found: Option<Found> = None;
        for index in 0..machine.match_len(lane.state) {
            let meaning = self
                .patterns
                .meaning(machine.match_pattern(lane.state, index));
            let length = u64::from(meaning.length);
            let is_itself = match meaning.broken {
                Broken::Never => !lane.is_broken(length),
                Broken::Maybe => true,
                Broken::Always => lane.is_broken(length),
            };
            let start = lane.position(lane.joined - length);
            if is_itself && found.is_none_or(|one| start < one.start) {
                found = Some(Found {
                    start,
                    end: lane.at,
                    value: meaning.value,
                });
            }
        }
        if let Some(found) = found {
            self.scan.note(found);
        }
    }

    /// Ends the lanes with which nothing has started, and of those that read on alike all but one.
    fn prune(&mut self) {
        let lanes = &mut self.scan.lanes;
        if lanes.len() == 1 {
            return;
        }
        let patterns = self.patterns;
        let start = patterns.start();
        let key = |lane: &Lane| {
            let is_broken = lane.is_broken(patterns.reach(lane.state) as u64);
            (lane.state, lane.at, lane.in_break > 0, is_broken)
        };
        let mut index = 1;
        while index < lanes.len() {
            let lane = &lanes[index];
            let twin = lanes[..index]
                .iter()
                .position(|other| key(other) == key(lane));
            if let Some(twin) = twin {
                let depth = patterns.reach(lane.state) as u64;
                if lane.start(depth) < lanes[twin].start(depth) {
                    // What starts earlier covers more.
                    lanes.swap(index, twin);
                }
            } else if lane.state != start {
                index += 1;
                continue;
            }
            lanes.swap_remove(index);
        }
        if lanes.len() > MOST_LANES {
            lanes[1..].sort_by_key(|lane| std::cmp::Reverse(patterns.reach(lane.state)));
            lanes.truncate(MOST_LANES);
        }
    }
}
