//! `${NAME}` and `${environment.folder.NAME}` in values.

use std::collections::BTreeSet;

use super::state::{Place, State};

/// Deeper than this nothing is looked for.
const DEPTH: usize = 10;

/// Frames that one value may cost, whatever refers to whatever.
const FRAMES: usize = 10_000;

/// The references in `text`: the whole form, `${…}`, each time that it is there.
pub(super) fn all(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let inner = &rest[start + 2..];
        let length = inner
            .find(|char: char| !(char.is_ascii_alphanumeric() || "-_.@".contains(char)))
            .unwrap_or(inner.len());
        if length > 0 && inner[length..].starts_with('}') {
            found.push(&rest[start..start + length + 3]);
            rest = &inner[length + 1..];
        } else {
            rest = inner;
        }
    }
    found
}

/// Where a reference that stands in a secret of `place` points to: a place and a name. Other projects are out of reach.
pub(super) fn target(reference: &str, place: &Place) -> Option<(Place, String)> {
    let inner = &reference[2..reference.len() - 1];
    let parts: Vec<&str> = inner.split('.').collect();
    match parts.as_slice() {
        [name] => Some((place.clone(), (*name).to_owned())),
        [environment, folders @ .., name] if !environment.starts_with('@') => {
            let folders: Vec<&str> = folders
                .iter()
                .copied()
                .filter(|it| !it.is_empty())
                .collect();
            let there = Place {
                project: place.project.clone(),
                environment: (*environment).to_owned(),
                path: format!("/{}", folders.join("/")),
            };
            Some((there, (*name).to_owned()))
        }
        _ => None,
    }
}

struct Frame {
    value: String,
    place: Place,
    depth: usize,
    visited: BTreeSet<(String, String, String)>,
}

/// The value with its references replaced. One that leads nowhere stays as it is, or becomes nothing on a server that
/// is `emptying`.
pub(super) fn expand(
    state: &State,
    place: &Place,
    name: &str,
    value: &str,
    emptying: bool,
) -> String {
    let root = |value: &str| Frame {
        value: value.to_owned(),
        place: place.clone(),
        depth: 0,
        visited: BTreeSet::from([identity(place, name)]),
    };
    let mut expanded = value.to_owned();
    let mut before: BTreeSet<String> = all(value).into_iter().map(str::to_owned).collect();
    let mut stack = vec![root(value)];
    let (mut passes, mut frames) = (0, 0);
    while let Some(frame) = stack.pop() {
        frames += 1;
        if frame.depth <= DEPTH && frames <= FRAMES {
            for reference in all(&frame.value) {
                let Some((there, key)) = target(reference, &frame.place) else {
                    continue;
                };
                let found = state
                    .secret(&there, &key)
                    .map(|secret| secret.value.clone());
                if found.is_none() && !emptying {
                    continue;
                }
                let found = found.unwrap_or_default();
                let own = identity(&there, &key);
                if !frame.visited.contains(&own) && !all(&found).is_empty() {
                    let mut visited = frame.visited.clone();
                    visited.insert(own);
                    stack.push(Frame {
                        value: found.clone(),
                        place: there,
                        depth: frame.depth + 1,
                        visited,
                    });
                }
                expanded = expanded.replace(reference, &found);
            }
        }
        // What was put in may have made a reference that was none before.
        if stack.is_empty() && passes < DEPTH && frames <= FRAMES {
            let after: BTreeSet<String> = all(&expanded).into_iter().map(str::to_owned).collect();
            if !after.is_subset(&before) {
                before = after;
                passes += 1;
                stack.push(root(&expanded));
            }
        }
    }
    expanded
}

fn identity(place: &Place, name: &str) -> (String, String, String) {
    (
        place.environment.clone(),
        place.path.clone(),
        name.to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_a_reference_is_one() {
        assert_eq!(all("a${B}c${d.e-f.G_1}"), ["${B}", "${d.e-f.G_1}"]);
        assert_eq!(all("$${A}"), ["${A}"]);
        assert_eq!(all("${} ${a b} ${a${B}} ${open"), ["${B}"]);
        assert!(all("$A {B} $(C)").is_empty());
    }

    #[test]
    fn a_reference_with_dots_names_environment_and_folders() {
        let place = Place {
            project: "p".into(),
            environment: "dev".into(),
            path: "/own".into(),
        };
        let (there, name) = target("${prod.a.b.KEY}", &place).expect("it points somewhere");
        assert_eq!(
            (there.environment.as_str(), there.path.as_str()),
            ("prod", "/a/b")
        );
        assert_eq!(name, "KEY");
        let (there, name) = target("${KEY}", &place).expect("it points somewhere");
        assert_eq!((there, name.as_str()), (place.clone(), "KEY"));
        assert!(target("${@other.prod.KEY}", &place).is_none());
    }
}
