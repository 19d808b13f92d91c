//! All spellings of all values as one automaton.

use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::nfa::{contiguous, noncontiguous};
use aho_corasick::{Anchored, MatchKind, PatternID, StartKind, dfa};

use crate::encodings::{self, Broken, Spelling};
use crate::line_breaks;
use crate::prefilter::Prefilter;

/// A table of transitions up to this size is worth its speed, in bytes that it may have at most.
const TABLE: usize = 4 << 20;

/// What a spelling stands for.
#[derive(Clone, Copy)]
pub(crate) struct Meaning {
    /// The index of the value.
    pub(crate) value: u32,
    /// In bytes, breaks not counted.
    pub(crate) length: u32,
    pub(crate) broken: Broken,
}

/// The spellings, ready to be looked for. The bytes of the spellings themselves are wiped when this is made; what stays
/// is the automaton's graph of transitions.
pub(crate) struct Patterns {
    machine: Machine,
    start: StateID,
    prefilter: Option<Prefilter>,
    meanings: Vec<Meaning>,
    /// How many bytes of the input a state has seen of the spelling that it may become; sorted.
    depths: Vec<(StateID, u32)>,
    longest_break: usize,
}

enum Machine {
    Table(dfa::DFA),
    Graph(contiguous::NFA),
}

/// What is to be done with the automaton, whichever it is.
pub(crate) trait Run {
    type Output;
    fn run(self, machine: &impl Automaton) -> Self::Output;
}

impl Patterns {
    /// For values of which each has an index. `None` if there is nothing to look for, or more than an automaton holds
    /// (2 GiB of spellings).
    pub(crate) fn new<'a>(
        values: impl Iterator<Item = (u32, &'a [u8])>,
        shortest: usize,
    ) -> Option<Self> {
        let mut spellings: Vec<(Spelling, u32)> = Vec::new();
        let mut longest_break = line_breaks::LONGEST;
        for (index, value) in values {
            longest_break = longest_break.max(line_breaks::longest_in(value));
            spellings.extend(
                encodings::of(value, shortest)
                    .into_iter()
                    .map(|one| (one, index)),
            );
        }
        // What two values have in common belongs to the first.
        spellings.sort_by(|(a, _), (b, _)| a.text.cmp(&b.text));
        spellings.dedup_by(|(next, _), (kept, _)| {
            let is_same = next.text == kept.text;
            if is_same && next.broken != kept.broken {
                kept.broken = Broken::Maybe;
            }
            is_same
        });
        if spellings.is_empty() {
            return None;
        }
        let texts: Vec<&[u8]> = spellings.iter().map(|(one, _)| &**one.text).collect();
        let graph = noncontiguous::Builder::new()
            .match_kind(MatchKind::Standard)
            // Its own prefilter would look past line breaks, and keep spellings as they are.
            .prefilter(false)
            .build(&texts)
            .ok()?;
        let total: usize = texts.iter().map(|text| text.len()).sum();
        let table = if total * 512 <= TABLE {
            dfa::Builder::new()
                .start_kind(StartKind::Unanchored)
                .prefilter(false)
                .build_from_noncontiguous(&graph)
                .ok()
        } else {
            None
        };
        let machine = match table {
            Some(table) => Machine::Table(table),
            None => Machine::Graph(
                contiguous::Builder::new()
                    .prefilter(false)
                    .build_from_noncontiguous(&graph)
                    .ok()?,
            ),
        };
        let mut patterns = Self {
            start: StateID::default(),
            prefilter: Prefilter::new(&texts),
            meanings: spellings
                .iter()
                .map(|(one, value)| Meaning {
                    value: *value,
                    length: u32::try_from(one.text.len()).unwrap_or(u32::MAX),
                    broken: one.broken,
                })
                .collect(),
            depths: Vec::new(),
            longest_break,
            machine,
        };
        (patterns.start, patterns.depths) = patterns.with(Depths(&texts));
        Some(patterns)
    }

    pub(crate) fn with<R: Run>(&self, run: R) -> R::Output {
        match &self.machine {
            Machine::Table(table) => run.run(table),
            Machine::Graph(graph) => run.run(graph),
        }
    }

    pub(crate) fn start(&self) -> StateID {
        self.start
    }

    /// Finds where a spelling may start, if that is faster than to look for it.
    pub(crate) fn prefilter(&self) -> Option<&Prefilter> {
        self.prefilter.as_ref()
    }

    pub(crate) fn longest_break(&self) -> usize {
        self.longest_break
    }

    /// How many of the last bytes, breaks not counted, may be the start of a spelling.
    pub(crate) fn depth(&self, state: StateID) -> usize {
        match self
            .depths
            .binary_search_by_key(&state, |(state, _)| *state)
        {
            Ok(at) => self.depths[at].1 as usize,
            Err(_) => 0,
        }
    }

    pub(crate) fn meaning(&self, pattern: PatternID) -> Meaning {
        self.meanings[pattern.as_usize()]
    }

    /// How many bytes the automaton has.
    pub(crate) fn memory(&self) -> usize {
        struct Memory;
        impl Run for Memory {
            type Output = usize;
            fn run(self, machine: &impl Automaton) -> usize {
                machine.memory_usage()
            }
        }
        self.with(Memory) + self.depths.len() * size_of::<(StateID, u32)>()
    }

    pub(crate) fn len(&self) -> usize {
        self.meanings.len()
    }
}

/// Walks each spelling from the start, which leads through every state, to the state that has seen just so much of it.
struct Depths<'a>(&'a [&'a [u8]]);

impl Run for Depths<'_> {
    type Output = (StateID, Vec<(StateID, u32)>);

    fn run(self, machine: &impl Automaton) -> Self::Output {
        let start = machine.start_state(Anchored::No).unwrap_or_default();
        let total = self.0.iter().map(|text| text.len()).sum();
        let mut depths = Vec::with_capacity(total);
        let mut before: &[u8] = &[];
        for text in self.0 {
            let shared = before.iter().zip(*text).take_while(|(a, b)| a == b).count();
            let mut state = start;
            for (at, byte) in text.iter().enumerate() {
                state = machine.next_state(Anchored::No, state, *byte);
                // They are sorted, so what it shares with the one before has been told.
                if at >= shared {
                    depths.push((state, u32::try_from(at + 1).unwrap_or(u32::MAX)));
                }
            }
            before = text;
        }
        depths.sort_unstable();
        (start, depths)
    }
}
