//! The public items of each published library, in a file that review sees change.
//!
//! The list comes from rustdoc's JSON, so it holds what users can name. `cargo xtask tidy --fix` writes it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{Problem, Role, role};
use crate::shell::{Result, at, cargo, run, say, target};
use crate::workspace::Package;

const LIST: &str = "public-api.txt";

/// Only rustdoc gets the variable that unlocks its JSON. Build scripts watch that variable, so every crate would be built
/// again if cargo had it.
const RUSTDOC: &str = "#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc \"$@\"\n";

pub(super) fn check(packages: &[Package], fix: bool) -> Result<Vec<Problem>> {
    document(&rustdoc()?)?;
    let mut problems = Vec::new();
    let published = packages
        .iter()
        .filter(|package| role(package) != Role::Outside);
    for package in published {
        let Some(library) = &package.library else {
            continue;
        };
        let made = listed(library)?;
        let list = package.folder().join(LIST);
        let written = fs::read_to_string(&list).unwrap_or_default();
        if written == made {
            continue;
        }
        if fix {
            at(&list, fs::write(&list, made))?;
            say(&format!("wrote {}", list.display()));
        } else {
            problems.push(differs(&list, &written, &made));
        }
    }
    Ok(problems)
}

fn rustdoc() -> Result<PathBuf> {
    let folder = target().join("xtask");
    at(&folder, fs::create_dir_all(&folder))?;
    let script = folder.join("rustdoc-json");
    if fs::read_to_string(&script).is_ok_and(|text| text == RUSTDOC) {
        return Ok(script);
    }
    at(&script, fs::write(&script, RUSTDOC))?;
    at(
        &script,
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)),
    )?;
    Ok(script)
}

/// Writes the JSON of all libraries in one run: crate by crate, each would have its dependencies built with other features.
fn document(rustdoc: &Path) -> Result<()> {
    run(cargo([
        "doc",
        "--quiet",
        "--workspace",
        "--no-deps",
        "--lib",
        "--all-features",
    ])
    .env("RUSTDOC", rustdoc)
    .env(
        "RUSTDOCFLAGS",
        "-Zunstable-options --output-format=json --cap-lints=allow",
    ))
}

/// Lists the items of a library, one per line, without those that every type has (`Send`, `From<T> for T`).
fn listed(library: &str) -> Result<String> {
    let json = target().join("doc").join(format!("{library}.json"));
    let api = public_api::Builder::from_rustdoc_json(&json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .map_err(|error| format!("{}: {error}", json.display()))?;
    let lines: Vec<String> = api.items().map(ToString::to_string).collect();
    Ok(lines.join("\n") + "\n")
}

/// The first line that differs, with the item that is new or gone.
fn differs(list: &Path, written: &str, made: &str) -> Problem {
    let old: Vec<&str> = written.lines().collect();
    let new: Vec<&str> = made.lines().collect();
    let line = old
        .iter()
        .zip(&new)
        .position(|(old, new)| old != new)
        .unwrap_or_else(|| old.len().min(new.len()));
    let what = match (old.get(line), new.get(line)) {
        (_, Some(item)) if !old.contains(item) => format!("not listed: {item}"),
        (Some(item), _) => format!("no longer public: {item}"),
        _ => "the order differs".to_owned(),
    };
    Problem::new(
        list,
        line + 1,
        format!("{what} (cargo xtask tidy --fix writes the list)"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_new_or_missing_item_is_named() {
        let message = |written, made| differs(Path::new("a"), written, made).message;
        assert!(message("a\nc\n", "a\nb\nc\n").starts_with("not listed: b "));
        assert!(message("a\nb\nc\n", "a\nc\n").starts_with("no longer public: b "));
        assert!(message("a\n", "a\nb\n").starts_with("not listed: b "));
        assert_eq!(differs(Path::new("a"), "a\nb\n", "a\n").line, 2);
    }
}
