//! Checks that links in documents lead to an existing page, heading, file or test.

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::{Problem, files};
use crate::shell::{Result, at, root};

pub(super) fn check() -> Result<Vec<Problem>> {
    let root = root();
    let mut pages = HashMap::new();
    for path in files(&root, "md")? {
        if !path
            .components()
            .any(|part| part.as_os_str() == "node_modules")
        {
            let text = at(&path, fs::read_to_string(&path))?;
            pages.insert(path, Page::read(&text));
        }
    }
    let mut problems = Vec::new();
    for (path, page) in &pages {
        for (line, target) in &page.links {
            if let Some(message) = broken(path, target, &pages) {
                problems.push(Problem::new(path, *line, message));
            }
        }
        for (line, code) in &page.code {
            for message in missing_tests(&root, code) {
                problems.push(Problem::new(path, *line, message));
            }
        }
    }
    problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    Ok(problems)
}

/// The anchors of a page and its links, with lines counted from 1.
#[derive(Debug, Default)]
struct Page {
    anchors: Vec<String>,
    links: Vec<(usize, String)>,
    code: Vec<(usize, String)>,
}

impl Page {
    fn read(text: &str) -> Self {
        let mut page = Self::default();
        let mut heading: Option<String> = None;
        let line = |range: &Range<usize>| text[..range.start].matches('\n').count() + 1;
        for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    let anchor = page.unique(slug(&heading.take().unwrap_or_default()));
                    page.anchors.push(anchor);
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push((line(&range), dest_url.into_string()));
                }
                Event::Text(words) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&words);
                    }
                }
                Event::Code(words) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&words);
                    }
                    page.code.push((line(&range), words.into_string()));
                }
                _ => {}
            }
        }
        page
    }

    /// A second heading with the same text gets a number, as on GitHub.
    fn unique(&self, slug: String) -> String {
        if !self.anchors.contains(&slug) {
            return slug;
        }
        (1..)
            .map(|number| format!("{slug}-{number}"))
            .find(|numbered| !self.anchors.contains(numbered))
            .unwrap_or(slug)
    }
}

/// GitHub's anchor for a heading.
fn slug(heading: &str) -> String {
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter_map(|letter| match letter {
            ' ' => Some('-'),
            '-' | '_' => Some(letter),
            _ => letter.is_alphanumeric().then_some(letter),
        })
        .collect()
}

/// Why a link is broken; `None` if it works. Does not check web addresses and items of code.
fn broken(page: &Path, target: &str, pages: &HashMap<PathBuf, Page>) -> Option<String> {
    if target.contains("::") || target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let folder = page.parent().unwrap_or(Path::new(""));
    let file = match file {
        "" => page.to_owned(),
        file => plain(&folder.join(file)),
    };
    if !file.exists() {
        return Some(format!("broken link: {target}: no such file"));
    }
    let known = pages.get(&file)?;
    (!anchor.is_empty() && !known.anchors.iter().any(|one| one == anchor))
        .then(|| format!("broken link: {target}: no such heading"))
}

/// The path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// The missing part of `crates/a/tests/b.rs::name` or `crates/a/tests/b.rs::{one, two}`.
fn missing_tests(root: &Path, code: &str) -> Vec<String> {
    let Some((file, names)) = code.split_once(".rs::") else {
        return Vec::new();
    };
    let file = format!("{file}.rs");
    let Ok(source) = fs::read_to_string(root.join(&file)) else {
        return vec![format!("missing file: {file}")];
    };
    names
        .trim_matches(['{', '}'])
        .split(',')
        .map(str::trim)
        .filter(|name| !source.contains(&format!("fn {name}(")))
        .map(|name| format!("missing test: {name} in {file}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(texts: &[(&str, &str)]) -> HashMap<PathBuf, Page> {
        texts
            .iter()
            .map(|(path, text)| (root().join(path), Page::read(text)))
            .collect()
    }

    fn verdict(target: &str) -> Option<String> {
        let pages = pages(&[
            (
                "README.md",
                "# One\n## `run`: what it does\n## Two\n## Two\n",
            ),
            ("docs/security.md", "# Security\n"),
        ]);
        broken(&root().join("docs/security.md"), target, &pages)
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        for target in [
            "../README.md",
            "../README.md#run-what-it-does",
            "../README.md#two-1",
            "#security",
            "../crates",
            "https://example.com/#nowhere",
            "secrets_core::Error",
        ] {
            assert_eq!(verdict(target), None, "{target}");
        }
    }

    #[test]
    fn links_that_lead_nowhere_are_named() {
        for (target, problem) in [
            ("nothing.md", "no such file"),
            ("../../nothing.md#a", "no such file"),
            ("../README.md#three", "no such heading"),
            ("#two", "no such heading"),
        ] {
            assert_eq!(
                verdict(target),
                Some(format!("broken link: {target}: {problem}"))
            );
        }
    }

    #[test]
    fn examples_are_not_links() {
        let page =
            Page::read("`[a](b.md)`\n\n    [a](b.md)\n\n```text\n[a](b.md)\n```\n\n[c](d.md)\n");
        assert_eq!(page.links, [(9, "d.md".to_owned())]);
    }

    #[test]
    fn tests_are_found_by_file_and_name() {
        let missing = |code: &str| missing_tests(&root(), code);
        let here = "xtask/src/tidy/links.rs";
        assert!(missing(&format!("{here}::tests_are_found_by_file_and_name")).is_empty());
        assert!(missing(&format!("{here}::{{slug, broken}}")).is_empty());
        assert!(missing("cargo xtask test").is_empty());
        assert_eq!(
            missing(&format!("{here}::{{slug, no_test}}")),
            [format!("missing test: no_test in {here}")]
        );
        assert_eq!(missing("no.rs::a"), ["missing file: no.rs"]);
    }
}
