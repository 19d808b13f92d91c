//! Refuses unidiomatic phrases in code, comments, messages and documents.
//!
//! `CONTRIBUTING.md` explains the style and holds the list as a table. Split a phrase that a test must quote:
//! `concat!("sh", "all")`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::{Problem, files};
use crate::shell::{Result, at, root};

/// Each phrase and its replacement. Phrases match whole words in any case.
const PHRASES: &[(&str, &str)] = &[
    ("anew", "again"),
    ("so many", "the number, or \"that many\""),
    ("told", "reported or stated, or name who says it"),
    ("shall", "must, or the present tense"),
    ("it is not said", "name what is missing"),
    ("of several, the one", "the one that"),
    ("is there already", "already exists"),
    ("belongs into", "belongs in"),
    ("makes no sense", "conflicts with, or why it cannot be"),
    ("make no sense", "conflict, or why they cannot be"),
    ("ends to be valid", "expires"),
    ("did not come to its end", "was interrupted"),
    ("in everybody's hands", "public"),
    ("that is no", "that is not a"),
    ("which is no", "which is not a"),
    ("this is no", "this is not a"),
    ("what is no", "what is not a"),
    ("it is no", "it is not a"),
];

/// Words that may follow "is no".
const AFTER_IS_NO: &[&str] = &["longer", "more", "less", "different", "better", "worse"];

const ENDINGS: &[&str] = &["rs", "md", "toml", "py", "sh"];

/// This list, and foreign texts.
const EXEMPT: &[&str] = &["xtask/src/tidy/phrases.rs", "tests/fuzz/corpus"];

pub(super) fn check() -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    let root = root();
    for ending in ENDINGS {
        for file in files(&root, ending)? {
            if !is_exempt(&root, &file) {
                let text = at(&file, fs::read_to_string(&file))?;
                problems.extend(found(&file, &text));
            }
        }
    }
    Ok(problems)
}

/// The list as a table of `CONTRIBUTING.md`.
pub(super) fn table() -> String {
    let mut text = "| refused | write |\n|---|---|\n".to_owned();
    for (phrase, instead) in PHRASES {
        let _ = writeln!(text, "| {phrase} | {instead} |");
    }
    text
}

fn is_exempt(root: &Path, file: &Path) -> bool {
    EXEMPT
        .iter()
        .any(|exempt| file.starts_with(root.join(exempt)))
        || file
            .components()
            .any(|part| part.as_os_str() == "node_modules")
}

fn found(file: &Path, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut in_the_list = false;
    for (index, line) in text.lines().enumerate() {
        match line {
            "<!-- phrases:begin -->" => in_the_list = true,
            "<!-- phrases:end -->" => in_the_list = false,
            _ => {}
        }
        if in_the_list {
            continue;
        }
        let line = line.to_lowercase();
        for (phrase, instead) in PHRASES {
            if has(&line, phrase) {
                let message = format!("\"{phrase}\": write {instead}");
                problems.push(Problem::new(file, index + 1, message));
            }
        }
    }
    problems
}

fn has(line: &str, phrase: &str) -> bool {
    line.match_indices(phrase).any(|(start, _)| {
        let rest = &line[start + phrase.len()..];
        let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
        if line[..start].ends_with(is_word) || rest.starts_with(is_word) {
            return false;
        }
        let next = rest.trim_start();
        !phrase.ends_with("is no")
            || !AFTER_IS_NO
                .iter()
                .any(|after| next.strip_prefix(after).is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_match_whole_words_in_any_case() {
        for line in [
            "Asked anew.",
            "// Shall be read",
            "an error that is no JSON",
            "lasts so many seconds",
        ] {
            let problems = found(Path::new("a.md"), line);
            assert_eq!(problems.len(), 1, "{line}: {problems:?}");
        }
    }

    #[test]
    fn good_english_passes() {
        for line in [
            "the word renewal holds another",
            "a shallow copy",
            "there is no file",
            "a token that is no longer valid",
            "fn untold_story()",
        ] {
            assert_eq!(found(Path::new("a.md"), line), [], "{line}");
        }
    }

    #[test]
    fn the_list_itself_may_quote_what_it_refuses() {
        let page = format!(
            "<!-- phrases:begin -->\n{}<!-- phrases:end -->\nAsked anew.\n",
            table()
        );
        let problems = found(Path::new("a.md"), &page);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].line, page.lines().count());
    }

    #[test]
    fn the_message_says_what_to_write() {
        let problems = found(Path::new("a.md"), "one\nit was told\n");
        assert_eq!(problems[0].line, 2);
        assert_eq!(
            problems[0].message,
            "\"told\": write reported or stated, or name who says it"
        );
    }
}
