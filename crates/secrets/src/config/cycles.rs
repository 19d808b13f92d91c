//! Finds providers that need each other to open: through `${secret:…}` in their settings, or through chains.

use std::collections::{BTreeMap, HashMap};

use secrets_core::{Error, ErrorKind, Result, SourcePosition};

use super::Config;

struct Edge<'c> {
    to: &'c str,
    position: Option<SourcePosition>,
}

/// Refuses cycles, then chains within chains.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] that names the cycle, at the place where it is entered.
pub(super) fn check(config: &Config) -> Result<()> {
    let graph = edges(config);
    let names: Vec<&str> = config
        .providers
        .keys()
        .chain(config.chains.keys())
        .map(String::as_str)
        .collect();
    let mut state: HashMap<&str, State> = HashMap::new();
    for start in names {
        if let Some(cycle) = walk(start, &graph, &mut state) {
            return Err(cycle);
        }
    }
    for (name, chain) in &config.chains {
        for member in &chain.members {
            if config.chains.contains_key(&member.provider) {
                let error = Error::new(
                    ErrorKind::InvalidConfig,
                    format!(
                        "chain `{name}` has the chain `{}` as a member",
                        member.provider
                    ),
                )
                .with_hint("list the providers of that chain instead");
                return Err(at(error, member.position.as_ref()));
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Done,
}

fn edges(config: &Config) -> BTreeMap<&str, Vec<Edge<'_>>> {
    let known = |name: &str| -> Option<&str> {
        let provider = config.providers.get_key_value(name).map(|(name, _)| name);
        let chain = || config.chains.get_key_value(name).map(|(name, _)| name);
        provider.or_else(chain).map(String::as_str)
    };
    let mut graph: BTreeMap<&str, Vec<Edge<'_>>> = BTreeMap::new();
    for (name, provider) in &config.providers {
        for (reference, position) in provider.settings.references() {
            let target = reference.provider().or(config.default.as_deref());
            if let Some(to) = target.and_then(known) {
                graph.entry(name).or_default().push(Edge {
                    to,
                    position: Some(position),
                });
            }
        }
    }
    for (name, chain) in &config.chains {
        for member in &chain.members {
            if let Some(to) = known(&member.provider) {
                graph.entry(name).or_default().push(Edge {
                    to,
                    position: member.position.clone(),
                });
            }
        }
    }
    graph
}

/// Goes everywhere from `start`, without recursion: a configuration may have any number of providers.
fn walk<'c>(
    start: &'c str,
    graph: &BTreeMap<&'c str, Vec<Edge<'c>>>,
    state: &mut HashMap<&'c str, State>,
) -> Option<Error> {
    if state.contains_key(start) {
        return None;
    }
    let mut path = vec![(start, 0)];
    state.insert(start, State::Open);
    while let Some((name, next)) = path.last_mut() {
        let name = *name;
        let Some(edge) = graph.get(name).and_then(|edges| edges.get(*next)) else {
            state.insert(name, State::Done);
            path.pop();
            continue;
        };
        *next += 1;
        match state.get(edge.to) {
            Some(State::Done) => {}
            Some(State::Open) => {
                let from = path.iter().position(|(name, _)| *name == edge.to);
                let names: Vec<&str> = path[from.unwrap_or_default()..]
                    .iter()
                    .map(|(name, _)| *name)
                    .collect();
                return Some(at(cycle(&names), edge.position.as_ref()));
            }
            None => {
                state.insert(edge.to, State::Open);
                path.push((edge.to, 0));
            }
        }
    }
    None
}

fn cycle(names: &[&str]) -> Error {
    const SHOWN: usize = 12;
    let mut way = names
        .iter()
        .take(SHOWN)
        .copied()
        .collect::<Vec<_>>()
        .join(" → ");
    if names.len() > SHOWN {
        way.push_str(" → …");
    }
    Error::new(
        ErrorKind::InvalidConfig,
        format!("providers need each other to open: {way} → {}", names[0]),
    )
    .with_hint(
        "let a credential come from a provider that opens without it, named in its reference",
    )
}

fn at(error: Error, position: Option<&SourcePosition>) -> Error {
    match position {
        Some(position) => error.with_position(position.clone()),
        None => error,
    }
}
