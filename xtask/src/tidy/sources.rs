//! Forbidden and required words in code.

use std::fs;
use std::path::Path;

use super::{Problem, Role, files, role};
use crate::shell::{Result, at};
use crate::workspace::Package;

const NO_UNSAFE: &str = "#![forbid(unsafe_code)]";

pub(super) fn check(packages: &[Package]) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for package in packages {
        for folder in ["src", "tests", "examples", "benches"] {
            for file in files(&package.folder().join(folder), "rs")? {
                let text = at(&file, fs::read_to_string(&file))?;
                problems.extend(words(&file, &text));
            }
        }
        if role(package) != Role::Outside && package.library.is_some() {
            problems.extend(forbids_unsafe(package)?);
        }
    }
    Ok(problems)
}

fn words(file: &Path, text: &str) -> Vec<Problem> {
    text.lines()
        .enumerate()
        .filter_map(|(index, line)| {
            forbidden(line).map(|message| Problem::new(file, index + 1, message))
        })
        .collect()
}

fn forbidden(line: &str) -> Option<&'static str> {
    let line = line.trim_start();
    if line.starts_with("#[ignore") || (line.starts_with("#[cfg_attr") && line.contains("ignore")) {
        return Some("ignored test; delete it or make it pass");
    }
    if let Some(comment) = line.strip_prefix("//") {
        let comment = comment.trim_start_matches(['/', '!']).trim_start();
        let off = comment
            .strip_prefix("```")
            .is_some_and(|words| words.split(',').any(|word| word.trim() == "ignore"));
        return off.then_some("ignored doc test; use no_run or text");
    }
    ["todo!(", "unimplemented!("]
        .iter()
        .filter_map(|word| line.find(word))
        .any(|start| is_code(line, start))
        .then_some("unfinished code")
}

/// Whether the position is outside a string and at the start of a word.
fn is_code(line: &str, start: usize) -> bool {
    let before = &line[..start];
    before.matches('"').count().is_multiple_of(2)
        && !before.ends_with(|letter: char| letter.is_alphanumeric() || letter == '_')
}

fn forbids_unsafe(package: &Package) -> Result<Option<Problem>> {
    let file = package.folder().join("src/lib.rs");
    let text = at(&file, fs::read_to_string(&file))?;
    Ok((!text.lines().any(|line| line.trim() == NO_UNSAFE))
        .then(|| Problem::new(&file, 1, format!("{NO_UNSAFE} is missing"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_lines() {
        for line in [
            "    #[ignore]",
            "#[ignore = \"slow\"]",
            "#[cfg_attr(windows, ignore)]",
            "    todo!()",
            "let x = todo!(\"later\");",
            "_ => unimplemented!(),",
            "/// ```ignore",
            "//! ```rust,ignore",
        ] {
            assert!(forbidden(line).is_some(), "{line}");
        }
    }

    #[test]
    fn allowed_lines() {
        for line in [
            "// todo!() is refused by the lints",
            "let ignored = 3;",
            "/// ```no_run",
            "#[cfg_attr(windows, allow(dead_code))]",
        ] {
            assert_eq!(forbidden(line), None, "{line}");
        }
        let quoted = format!("let text = {0}todo!({0};", '"');
        assert_eq!(forbidden(&quoted), None, "{quoted}");
    }

    #[test]
    fn the_line_is_reported() {
        let found = words(Path::new("a.rs"), "fn a() {\n    todo!()\n}\n");
        assert_eq!(
            found,
            [Problem::new(Path::new("a.rs"), 2, "unfinished code")]
        );
    }
}
