//! The words for operations in a policy.

use secrets_core::Operation;

/// What reads: of these a reader needs no more.
pub(super) const READ: &[Operation] = &[
    Operation::Get,
    Operation::Describe,
    Operation::List,
    Operation::Versions,
];

/// What changes something.
pub(super) const WRITE: &[Operation] = &[
    Operation::Put,
    Operation::Delete,
    Operation::Restore,
    Operation::Rollback,
];

/// All words, for the table of keys.
pub(super) const WORDS: &[&str] = &[
    "get", "describe", "list", "versions", "put", "delete", "restore", "rollback", "read", "write",
    "*",
];

/// The operations that a word stands for: itself, or `read`, `write` and `*` for several.
pub(super) fn from_word(word: &str) -> Option<Vec<Operation>> {
    let all = || READ.iter().chain(WRITE).copied();
    match word {
        "read" => Some(READ.to_vec()),
        "write" => Some(WRITE.to_vec()),
        "*" => Some(all().collect()),
        // Each secret of many is read for itself.
        "get-many" => Some(vec![Operation::Get]),
        _ => all().find(|one| one.as_str() == word).map(|one| vec![one]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_stands_for_something() {
        for word in WORDS {
            assert!(!from_word(word).unwrap().is_empty(), "{word}");
        }
        assert_eq!(from_word("*").unwrap().len(), 8);
        assert_eq!(from_word("get"), Some(vec![Operation::Get]));
        assert_eq!(from_word("close"), None);
    }
}
