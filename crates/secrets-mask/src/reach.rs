//! How much of what was read may still become a pattern.

use aho_corasick::automaton::StateID;

/// For each state of an automaton, how many of the last bytes are the start of a pattern that is longer.
///
/// The states of a pattern mostly follow each other, so they are kept as runs: that takes next to no memory.
#[derive(Default)]
pub(crate) struct Reach(Vec<Chain>);

/// States at equal distances, each of which reaches one byte further than the one before it.
struct Chain {
    first: usize,
    reach: u32,
    count: u32,
    distance: usize,
}

impl Reach {
    /// Walks each of the sorted patterns from the start, which leads through every state, to the state that has read just so
    /// much of it.
    pub(crate) fn new(
        sorted: &[&[u8]],
        start: StateID,
        next: impl Fn(StateID, u8) -> StateID,
    ) -> Self {
        let mut states: Vec<(StateID, u32)> = Vec::new();
        let mut complete: Vec<(StateID, StateID)> = Vec::new();
        let mut before: &[u8] = &[];
        for (index, text) in sorted.iter().enumerate() {
            let shared = before.iter().zip(*text).take_while(|(a, b)| a == b).count();
            let goes_on = sorted
                .get(index + 1)
                .is_some_and(|after| after.starts_with(text));
            let mut state = start;
            for (at, byte) in text.iter().enumerate() {
                state = next(state, *byte);
                // They are sorted, so what it shares with the one before has been walked.
                if at < shared {
                    continue;
                }
                if at + 1 < text.len() || goes_on {
                    states.push((state, u32::try_from(at + 1).unwrap_or(u32::MAX)));
                } else {
                    // Nothing is longer, so only an end of it may be the start of something.
                    let end = text[1..]
                        .iter()
                        .fold(start, |state, byte| next(state, *byte));
                    complete.push((state, end));
                }
            }
            before = text;
        }
        states.sort_unstable();
        complete.sort_unstable();
        let reached = |state: StateID| {
            let mut state = state;
            loop {
                if let Ok(at) = states.binary_search_by_key(&state, |(state, _)| *state) {
                    return states[at].1;
                }
                match complete.binary_search_by_key(&state, |(state, _)| *state) {
                    Ok(at) => state = complete[at].1,
                    Err(_) => return 0,
                }
            }
        };
        let ends: Vec<(StateID, u32)> = complete
            .iter()
            .map(|(state, _)| (*state, reached(*state)))
            .filter(|(_, reach)| *reach > 0)
            .collect();
        states.extend(ends);
        states.sort_unstable();
        Self(chains(&states))
    }

    pub(crate) fn get(&self, state: StateID) -> usize {
        let state = state.as_usize();
        let after = self.0.partition_point(|chain| chain.first <= state);
        let Some(chain) = after.checked_sub(1).map(|at| &self.0[at]) else {
            return 0;
        };
        let offset = state - chain.first;
        let index = offset / chain.distance;
        if !offset.is_multiple_of(chain.distance) || index >= chain.count as usize {
            return 0;
        }
        chain.reach as usize + index
    }

    pub(crate) fn memory(&self) -> usize {
        self.0.capacity() * size_of::<Chain>()
    }
}

fn chains(states: &[(StateID, u32)]) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    for (state, reach) in states {
        let state = state.as_usize();
        if let Some(last) = chains.last_mut() {
            let end = last.first + (last.count as usize - 1) * last.distance;
            let distance = state - end;
            let is_next = *reach == last.reach + last.count;
            if is_next && (last.count == 1 || distance == last.distance) {
                last.distance = distance;
                last.count += 1;
                continue;
            }
        }
        chains.push(Chain {
            first: state,
            reach: *reach,
            count: 1,
            distance: 1,
        });
    }
    chains.shrink_to_fit();
    chains
}

#[cfg(test)]
mod tests {
    use aho_corasick::automaton::Automaton;
    use aho_corasick::{Anchored, nfa::noncontiguous};

    use super::*;

    #[test]
    fn only_what_can_grow_is_reached() {
        let texts: Vec<&[u8]> = vec![b"abcab", b"abcabde", b"bcd", b"xyz", b"yzab"];
        let machine = noncontiguous::NFA::new(&texts).unwrap();
        let start = machine.start_state(Anchored::No).unwrap();
        let next = |state, byte| machine.next_state(Anchored::No, state, byte);
        let reach = Reach::new(&texts, start, next);
        let after = |text: &str| reach.get(text.bytes().fold(start, next));
        assert_eq!(
            (after(""), after("q"), after("a"), after("abca")),
            (0, 0, 1, 4)
        );
        assert_eq!(
            (after("abcab"), after("abcabd"), after("abcabde")),
            (5, 6, 0)
        );
        assert_eq!((after("bcd"), after("xyz"), after("yzab")), (0, 2, 2));
    }
}
