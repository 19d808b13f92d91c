//! All patterns of all values as one automaton.

use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::nfa::{contiguous, noncontiguous};
use aho_corasick::{Anchored, MatchKind, PatternID, StartKind, dfa};

use crate::encodings::{self, Broken, Pattern};
use crate::line_breaks;
use crate::marks::Marks;
use crate::prefilter::Prefilter;
use crate::reach::Reach;

/// A table of transitions up to this size is worth its speed, in bytes that it may have at most.
const TABLE: usize = 4 << 20;

/// What a pattern stands for.
#[derive(Clone, Copy)]
pub(crate) struct Meaning {
    /// The index of the value.
    pub(crate) value: u32,
    /// In bytes, breaks not counted.
    pub(crate) length: u32,
    pub(crate) broken: Broken,
}

/// The patterns, ready to be looked for. The bytes of the patterns themselves are wiped when this is made; what stays
/// is the automaton's graph of transitions.
pub(crate) struct Patterns {
    machine: Machine,
    start: StateID,
    prefilter: Option<Prefilter>,
    marks: Marks,
    meanings: Vec<Meaning>,
    reach: Reach,
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
    /// (2 GiB of patterns).
    pub(crate) fn new<'a>(
        values: impl Iterator<Item = (u32, &'a [u8])>,
        shortest: usize,
    ) -> Option<Self> {
        let mut patterns: Vec<(Pattern, u32)> = Vec::new();
        let mut longest_break = line_breaks::LONGEST;
        let mut marks = Marks::new();
        for (index, value) in values {
            longest_break = longest_break.max(line_breaks::longest_in(value));
            marks.add(value);
            let found = encodings::patterns(value, shortest).into_iter();
            patterns.extend(found.map(|one| (one, index)));
        }
        // What two values have in common belongs to the first.
        patterns.sort_by(|(a, _), (b, _)| a.text.cmp(&b.text));
        patterns.dedup_by(|(next, _), (kept, _)| {
            let is_same = next.text == kept.text;
            if is_same && next.broken != kept.broken {
                kept.broken = Broken::Maybe;
            }
            is_same
        });
        if patterns.is_empty() {
            return None;
        }
        let texts: Vec<&[u8]> = patterns.iter().map(|(one, _)| &**one.text).collect();
        let graph = noncontiguous::Builder::new()
            .match_kind(MatchKind::Standard)
            // Its own prefilter would look past line breaks and escapes, and keep patterns as they are.
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
        drop(graph);
        let mut made = Self {
            start: StateID::default(),
            prefilter: Prefilter::new(&texts),
            marks,
            meanings: patterns
                .iter()
                .map(|(one, value)| Meaning {
                    value: *value,
                    length: u32::try_from(one.text.len()).unwrap_or(u32::MAX),
                    broken: one.broken,
                })
                .collect(),
            reach: Reach::default(),
            longest_break,
            machine,
        };
        (made.start, made.reach) = made.with(Walk(&texts));
        Some(made)
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

    /// Finds where a pattern may start, if that is faster than to look for it.
    pub(crate) fn prefilter(&self) -> Option<&Prefilter> {
        self.prefilter.as_ref()
    }

    /// What is more than a byte of a value.
    pub(crate) fn marks(&self) -> &Marks {
        &self.marks
    }

    pub(crate) fn longest_break(&self) -> usize {
        self.longest_break
    }

    /// How many of the last bytes, breaks not counted, may be the start of a pattern that goes on.
    pub(crate) fn reach(&self, state: StateID) -> usize {
        self.reach.get(state)
    }

    pub(crate) fn meaning(&self, pattern: PatternID) -> Meaning {
        self.meanings[pattern.as_usize()]
    }

    /// How many bytes all of it has.
    pub(crate) fn memory(&self) -> usize {
        struct Memory;
        impl Run for Memory {
            type Output = usize;
            fn run(self, machine: &impl Automaton) -> usize {
                machine.memory_usage()
            }
        }
        let prefilter = self.prefilter.as_ref().map_or(0, Prefilter::memory);
        self.with(Memory)
            + self.reach.memory()
            + prefilter
            + self.meanings.len() * size_of::<Meaning>()
    }

    pub(crate) fn len(&self) -> usize {
        self.meanings.len()
    }
}

struct Walk<'a>(&'a [&'a [u8]]);

impl Run for Walk<'_> {
    type Output = (StateID, Reach);

    fn run(self, machine: &impl Automaton) -> Self::Output {
        let start = machine.start_state(Anchored::No).unwrap_or_default();
        let next = |state, byte| machine.next_state(Anchored::No, state, byte);
        (start, Reach::new(self.0, start, next))
    }
}
