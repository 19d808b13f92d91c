//! Hints for unknown words.

/// What to do about an unknown word: the nearest known one, and all of them. `what` is the plural of what they are.
///
/// ```
/// use polysecrets_core::suggestion;
///
/// let hint = suggestion::hint("tpye", &["type", "location"], "keys");
/// assert_eq!(hint, "did you mean `type`? known keys: type, location");
/// ```
pub fn hint(word: &str, known: &[&str], what: &str) -> String {
    if known.is_empty() {
        return format!("there are no {what}");
    }
    let list = known.join(", ");
    match nearest(word, known) {
        Some(near) => format!("did you mean `{near}`? known {what}: {list}"),
        None => format!("known {what}: {list}"),
    }
}

/// The known word that a person may have meant: the fewest edits (insertions, deletions, replacements and swaps of
/// neighbours), at most a third of its length.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    const LONGEST: usize = 64;
    if word.len() > LONGEST {
        return None;
    }
    let word = word.to_lowercase();
    known
        .iter()
        .map(|candidate| (strsim::osa_distance(&word, candidate), *candidate))
        .filter(|(edits, candidate)| *edits <= (candidate.chars().count() / 3).max(1))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_word_that_was_meant() {
        let known = &["type", "location", "providers", "on_error"];
        assert_eq!(nearest("tpye", known), Some("type"));
        assert_eq!(nearest("provider", known), Some("providers"));
        assert_eq!(nearest("Location", known), Some("location"));
        assert_eq!(nearest("cache", known), None);
        assert_eq!(nearest("", known), None);
    }
}
