//! Every text that a person may read, in one file that a reviewer reads from top to bottom.
//!
//! The list holds each string literal of two words or more outside tests, attributes and assertions, in the order of the
//! sources: an error's message stands beside its hint. A change of words shows in review. `cargo xtask tidy --fix` writes
//! the list.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;

use super::{Problem, Role, files, role};
use crate::shell::{Result, at, root, say};
use crate::workspace::{Package, relative};

const LIST: &str = "docs/messages.txt";

const HEAD: &str = "\
Every message, hint and prompt of the command and the libraries, in the order of the sources; {} stands for a value.
Made by `cargo xtask tidy --fix`.
";

/// Their strings explain a failure of the program itself, and no user acts on them.
const NOT_SHOWN: &[&str] = &[
    "assert",
    "assert_eq",
    "assert_ne",
    "debug_assert",
    "expect",
    "unreachable",
    "debug",
    "trace",
    "debug_span",
];

pub(super) fn check(packages: &[Package], fix: bool) -> Result<Option<Problem>> {
    let list = root().join(LIST);
    let made = made(packages)?;
    let written = fs::read_to_string(&list).unwrap_or_default();
    if written == made {
        return Ok(None);
    }
    if fix {
        at(&list, fs::write(&list, made))?;
        say(&format!("wrote {LIST}"));
        return Ok(None);
    }
    let line = written
        .lines()
        .zip(made.lines())
        .position(|(written, made)| written != made)
        .unwrap_or_else(|| written.lines().count().min(made.lines().count()));
    let wanted = made.lines().nth(line).unwrap_or("the end of the list");
    let message = format!("the code says: {wanted} (cargo xtask tidy --fix writes the list)");
    Ok(Some(Problem::new(&list, line + 1, message)))
}

fn made(packages: &[Package]) -> Result<String> {
    let mut text = HEAD.to_owned();
    let shown = |package: &&Package| !matches!(role(package), Role::Outside | Role::Testkit);
    for package in packages.iter().filter(shown) {
        for file in files(&package.folder().join("src"), "rs")? {
            if is_test(&file) {
                continue;
            }
            let source = at(&file, fs::read_to_string(&file))?;
            let found =
                texts(&source).map_err(|error| format!("{}: not Rust: {error}", file.display()))?;
            if found.is_empty() {
                continue;
            }
            let _ = writeln!(text, "\n{}", relative(&file));
            for one in found {
                let _ = writeln!(text, "    {one}");
            }
        }
    }
    Ok(text)
}

fn is_test(file: &Path) -> bool {
    file.iter().map(PathBuf::from).any(|part| {
        let stem = part.file_stem().unwrap_or_default().to_string_lossy();
        stem == "tests" || stem == "bench"
    })
}

fn texts(source: &str) -> syn::Result<Vec<String>> {
    let syntax = syn::parse_file(source)?;
    let mut found = Vec::new();
    for item in &syntax.items {
        collect(item.to_token_stream(), &mut found);
    }
    Ok(found)
}

fn collect(tokens: TokenStream, found: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut index = 0;
    while index < tokens.len() {
        let rest = &tokens[index..];
        if let Some(length) = test_item(rest) {
            index += length;
            continue;
        }
        match &rest[0] {
            // An attribute, a doc comment among them.
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                index += rest
                    .iter()
                    .take(3)
                    .position(|token| is_group(token, Delimiter::Bracket))
                    .unwrap_or(0);
            }
            TokenTree::Ident(name) if NOT_SHOWN.iter().any(|word| name == word) => {
                index += rest
                    .iter()
                    .take(3)
                    .position(|token| is_group(token, Delimiter::Parenthesis))
                    .unwrap_or(0);
            }
            TokenTree::Group(group) => collect(group.stream(), found),
            TokenTree::Literal(literal) => found.extend(shown(&literal.to_string())),
            _ => {}
        }
        index += 1;
    }
}

/// How many tokens an item under `#[cfg(test)]` takes, up to its body or its end.
fn test_item(tokens: &[TokenTree]) -> Option<usize> {
    let [TokenTree::Punct(hash), TokenTree::Group(attribute), ..] = tokens else {
        return None;
    };
    if hash.as_char() != '#' || attribute.stream().to_string().replace(' ', "") != "cfg(test)" {
        return None;
    }
    let end = tokens.iter().skip(2).position(|token| {
        is_group(token, Delimiter::Brace)
            || matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';')
    });
    Some(end.map_or(tokens.len(), |end| end + 3))
}

fn is_group(token: &TokenTree, delimiter: Delimiter) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == delimiter)
}

/// The text of a string literal that is a sentence or part of one, on one line.
fn shown(literal: &str) -> Option<String> {
    let text = syn::parse_str::<syn::LitStr>(literal).ok()?.value();
    let words = text
        .split_whitespace()
        .filter(|word| word.chars().filter(|letter| letter.is_alphabetic()).count() > 1)
        .count();
    (words >= 2).then(|| {
        text.trim()
            .chars()
            .flat_map(|letter| {
                let escaped = letter.is_control().then(|| letter.escape_default());
                let plain = escaped.is_none().then_some(letter);
                escaped.into_iter().flatten().chain(plain)
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_found_in_calls_and_macros_in_their_order() {
        let source = r#"
            /// A doc comment is not a message.
            #[expect(dead_code, reason = "nor is a reason")]
            fn read() -> Result<()> {
                let word = "word";
                value.expect("a program's own failure");
                Err(Error::new(kind, format!("{name}: no such file\nhere")).with_hint("secrets list"))
            }
            #[cfg(test)]
            mod tests { const TEXT: &str = "not of this"; }
            #[cfg(test)]
            use a::b;
            const LAST: &str = "the last one";
        "#;
        assert_eq!(
            texts(source).unwrap(),
            [
                r"{name}: no such file\nhere",
                "secrets list",
                "the last one"
            ]
        );
    }
}
