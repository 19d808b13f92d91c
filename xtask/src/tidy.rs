//! Rules for the workspace that the compiler does not check, one file per group.

mod api;
mod budgets;
mod circles;
mod direction;
mod docs;
mod features;
mod layout;
mod links;
mod manifests;
mod messages;
mod names;
mod phrases;
mod sources;
mod tree;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::shell::{Result, say};
use crate::workspace::{self, Package, relative};

const USAGE: &str = "usage: cargo xtask tidy [--fix]";

/// A broken rule and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Problem {
    file: PathBuf,
    /// Counted from 1; 1 for the whole file.
    line: usize,
    message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}",
            relative(&self.file),
            self.line,
            self.message
        )
    }
}

impl Problem {
    fn new(file: &Path, line: usize, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            message: message.into(),
        }
    }

    /// At the first line that starts with the word, or at the first line of the file.
    fn at_word(file: &Path, word: &str, message: impl Into<String>) -> Self {
        let text = fs::read_to_string(file).unwrap_or_default();
        Self::new(file, line_of(&text, word), message)
    }
}

pub(crate) fn command(words: &[&str]) -> Result<()> {
    let fix = match words {
        [] => false,
        ["--fix"] => true,
        _ => return Err(USAGE.to_owned()),
    };
    let packages = workspace::load()?;
    let mut problems = Vec::new();
    problems.extend(direction::check(&packages));
    problems.extend(names::check(&packages));
    problems.extend(manifests::check(&packages));
    problems.extend(features::check(&packages));
    problems.extend(layout::check(&packages)?);
    problems.extend(sources::check(&packages)?);
    problems.extend(phrases::check()?);
    problems.extend(circles::check(&packages)?);
    problems.extend(messages::check(&packages, fix)?);
    problems.extend(docs::check(&packages, fix)?);
    problems.extend(links::check()?);
    problems.extend(api::check(&packages, fix)?);
    problems.extend(budgets::check(&packages)?);
    for problem in &problems {
        println!("{problem}");
    }
    match problems.len() {
        0 => {
            say("tidy");
            Ok(())
        }
        1 => Err("1 problem".to_owned()),
        count => Err(format!("{count} problems")),
    }
}

/// The first line, counted from 1, that starts with the word; 1 if none does.
fn line_of(text: &str, word: &str) -> usize {
    text.lines()
        .position(|line| {
            line.trim_start().strip_prefix(word).is_some_and(|rest| {
                !rest.starts_with(|next: char| next.is_alphanumeric() || next == '-' || next == '_')
            })
        })
        .map_or(1, |index| index + 1)
}

/// The place of a crate in the order core ← providers ← facade ← command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Core,
    /// Code that providers share.
    Shared,
    /// A self-contained format or algorithm.
    Base,
    /// A part of the facade that works on its own.
    Part,
    Testkit,
    Provider,
    Facade,
    CommandLine,
    /// Tests, examples, xtask: they use everything, and nothing uses them.
    Outside,
}

fn role(package: &Package) -> Role {
    match package.short_name() {
        "secrets-core" => Role::Core,
        "secrets-provider" => Role::Shared,
        "secrets-dotenv" => Role::Base,
        "secrets-layers" | "secrets-mask" | "secrets-resolve" => Role::Part,
        "secrets-testkit" => Role::Testkit,
        "secrets" => Role::Facade,
        "secrets-cli" => Role::CommandLine,
        name if name.starts_with("secrets-") => Role::Provider,
        _ => Role::Outside,
    }
}

fn is_ours(packages: &[Package], name: &str) -> bool {
    packages.iter().any(|package| package.name == name)
}

/// All files below a folder with this extension, sorted.
fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        if !folder.exists() {
            continue;
        }
        for path in children(&folder)? {
            if path.is_dir() {
                let hidden = path.file_name().is_some_and(|name| {
                    name == "target" || name.to_string_lossy().starts_with('.')
                });
                if !hidden {
                    waiting.push(path);
                }
            } else if path.extension().is_some_and(|ending| ending == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The entries of a folder, sorted.
fn children(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = crate::shell::at(folder, fs::read_dir(folder))?;
    let mut paths = entries
        .map(|entry| crate::shell::at(folder, entry).map(|entry| entry.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Example members for tests.
#[cfg(test)]
mod sample {
    use std::path::PathBuf;

    use crate::workspace::{Dependency, Package};

    pub(super) fn package(folder: &str, name: &str) -> Package {
        Package {
            name: name.to_owned(),
            manifest: PathBuf::from(format!("/nowhere/{folder}/Cargo.toml")),
            library: Some(name.replace('-', "_")),
            published: true,
            ..Package::default()
        }
    }

    /// The package `polysecrets-x` in the folder `secrets-x`.
    pub(super) fn member(folder: &str) -> Package {
        package(folder, &format!("poly{folder}"))
    }

    pub(super) fn needs(mut package: Package, other: &str) -> Package {
        package.dependencies.push(Dependency {
            package: format!("poly{other}"),
            called: other.to_owned(),
            dev: false,
            optional: false,
            features: Vec::new(),
        });
        package
    }

    pub(super) fn with_feature(mut package: Package, name: &str, enables: &[&str]) -> Package {
        let enables = enables.iter().map(|entry| (*entry).to_owned()).collect();
        package.features.push((name.to_owned(), enables));
        package
    }

    pub(super) fn messages(problems: Vec<super::Problem>) -> Vec<String> {
        problems
            .into_iter()
            .map(|problem| problem.message)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_are_found() {
        let text = "[dependencies]\nsecrets-core = {}\nsecrets = {}\n";
        assert_eq!(line_of(text, "secrets"), 3);
        assert_eq!(line_of(text, "secrets-core"), 2);
        assert_eq!(line_of(text, "tokio"), 1);
    }

    #[test]
    fn other_crates_are_providers() {
        assert_eq!(role(&sample::member("secrets-aws")), Role::Provider);
        assert_eq!(role(&sample::member("secrets-provider")), Role::Shared);
        assert_eq!(role(&sample::member("secrets-dotenv")), Role::Base);
        assert_eq!(role(&sample::member("secrets-layers")), Role::Part);
        assert_eq!(role(&sample::package("xtask", "xtask")), Role::Outside);
    }
}
