//! Secret names as names of variables: `db/password` is also found as `DB_PASSWORD`.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::ops::Bound;

use secrets_core::{Error, ErrorKind, ListOptions, Metadata, Page, PageToken, Result, SecretName};

/// The variable's name that everybody would choose for a secret, after a prefix: uppercase, with `_` for `/`, `-` and `.`.
/// `None` if it holds another character, for which there is no such custom. Different names may give the same one.
pub(crate) fn translated(name: &SecretName, prefix: &str) -> Option<String> {
    let name = name.as_str();
    let mut variable = String::with_capacity(prefix.len() + name.len());
    variable.push_str(prefix);
    for character in name.chars() {
        variable.push(match character {
            '/' | '-' | '.' | '_' => '_',
            other if other.is_ascii_alphanumeric() => other.to_ascii_uppercase(),
            _ => return None,
        });
    }
    Some(variable)
}

/// Two variables fit the name and differ.
pub(crate) fn ambiguous(name: &SecretName, one: &str, two: &str) -> Error {
    Error::new(
        ErrorKind::InvalidName,
        format!("the name is ambiguous, {one} and {two} are both set and differ"),
    )
    .with_name(name)
    .with_hint(format!("remove {one} or {two}"))
}

/// Names that are asked for together, and which only translation leads to the same variable: they look like different
/// secrets and would silently be one. Each is given with a name that it collides with, and what tells the variable.
pub(crate) fn collisions<'a, V: Copy + Eq + Hash>(
    asked: impl Iterator<Item = (&'a SecretName, V)>,
) -> HashMap<&'a SecretName, (&'a SecretName, V)> {
    let mut first: HashMap<V, &SecretName> = HashMap::new();
    let mut collisions = HashMap::new();
    for (name, variable) in asked {
        let before = *first.entry(variable).or_insert(name);
        if before != name {
            collisions.insert(name, (before, variable));
            collisions.entry(before).or_insert((name, variable));
        }
    }
    collisions
}

pub(crate) fn collision(name: &SecretName, other: &SecretName, variable: &str) -> Error {
    Error::new(
        ErrorKind::InvalidName,
        format!("the name and {other} are both read from {variable}"),
    )
    .with_name(name)
    .with_hint("choose names that differ in more than case, `/`, `-`, `.` and `_`")
}

/// One page of names in their order; the token is the last name of the page before.
pub(crate) fn page(names: &BTreeSet<SecretName>, options: &ListOptions) -> Result<Page> {
    const PAGE_SIZE: usize = 1_000;

    let size = match options.page_size {
        Some(0) => {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                "a page has at least one item",
            ));
        }
        asked => asked.unwrap_or(PAGE_SIZE).min(PAGE_SIZE),
    };
    let after = options.page_token.as_ref().map(PageToken::as_str);
    let from = match after {
        Some(after) if after >= options.prefix.as_str() => Bound::Excluded(after),
        _ => Bound::Included(options.prefix.as_str()),
    };
    let mut matching = names
        .range::<str, _>((from, Bound::Unbounded))
        .take_while(|name| name.as_str().starts_with(&options.prefix))
        .peekable();
    let items: Vec<_> = matching
        .by_ref()
        .take(size)
        .map(|name| Metadata::new(name.clone()))
        .collect();
    let next = match (matching.peek(), items.last()) {
        (Some(_), Some(last)) => Some(PageToken::new(last.name.as_str())),
        _ => None,
    };
    Ok(Page::new(items, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SecretName {
        SecretName::new(text).unwrap()
    }

    #[test]
    fn translates_what_has_a_custom() {
        assert_eq!(
            translated(&name("db/pass-word.v2"), "").unwrap(),
            "DB_PASS_WORD_V2"
        );
        assert_eq!(translated(&name("API_KEY"), "x_").unwrap(), "x_API_KEY");
        for foreign in ["a b", "a:b", "é", "a#b"] {
            assert_eq!(translated(&name(foreign), ""), None);
        }
    }

    #[test]
    fn every_name_of_a_collision_is_told() {
        let names = [
            name("a/b"),
            name("c"),
            name("a-b"),
            name("a/b"),
            name("a.b"),
        ];
        let variables = ["A_B", "C", "A_B", "A_B", "A_B"];
        let found = collisions(names.iter().zip(variables));
        assert_eq!(found.len(), 3);
        assert_eq!(found[&name("a/b")], (&name("a-b"), "A_B"));
        assert_eq!(found[&name("a.b")], (&name("a/b"), "A_B"));
    }
}
