//! Providers of servers share their file names, so a reader of one finds everything in the others.

use super::{Problem, Role, children, role};
use crate::shell::Result;
use crate::workspace::Package;

/// A concept is a file or folder of `src`. A provider without the concept has no such file.
const SOURCES: &[&str] = &[
    "lib",
    "config",
    "open",
    "provider",
    "names",
    "value",
    "client",
    "wire",
    "auth",
    "error",
    "permissions",
    "limits",
    "leases",
    "signing",
];

/// Test programs: `it`, and `servers` for tests that need a real server. `corpus` has recorded responses.
const TESTS: &[&str] = &["it", "servers", "corpus"];

/// A crate with several providers has a folder for each.
const SEVERAL_IN_ONE: &[&str] = &["secrets-local"];

/// Accepted other files: crate, path, reason.
type Exceptions = [(&'static str, &'static str, &'static str)];

const EXCEPTIONS: &Exceptions = &[];

/// With more exceptions, the layout is wrong, not the providers.
const _: () = assert!(EXCEPTIONS.len() < 5);

pub(super) fn check(packages: &[Package]) -> Result<Vec<Problem>> {
    check_with(packages, EXCEPTIONS)
}

fn check_with(packages: &[Package], exceptions: &Exceptions) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for package in packages {
        let name = package.short_name();
        if role(package) != Role::Provider || SEVERAL_IN_ONE.contains(&name) {
            continue;
        }
        for (folder, known) in [("src", SOURCES), ("tests", TESTS)] {
            let path = package.folder().join(folder);
            if !path.exists() {
                continue;
            }
            for child in children(&path)? {
                let stem = child.file_stem().unwrap_or_default().to_string_lossy();
                let below = format!(
                    "{folder}/{}",
                    child.file_name().unwrap_or_default().to_string_lossy()
                );
                if !known.contains(&stem.as_ref()) && !is_excepted(exceptions, name, &below) {
                    let message = format!(
                        "{below}: not a file of a provider; expected {}",
                        known.join(", ")
                    );
                    problems.push(Problem::new(&child, 1, message));
                }
            }
        }
        for (owner, path, _) in exceptions.iter().filter(|(owner, ..)| *owner == name) {
            let file = package.folder().join(path);
            if !file.exists() {
                let message = format!("{owner}: no {path}; remove the exception");
                problems.push(Problem::new(&file, 1, message));
            }
        }
    }
    Ok(problems)
}

fn is_excepted(exceptions: &Exceptions, package: &str, below: &str) -> bool {
    exceptions
        .iter()
        .any(|(owner, path, _)| *owner == package && *path == below)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::sample::{member, messages};
    use super::*;

    #[test]
    fn other_files_are_reported() {
        let root = std::env::temp_dir().join(format!("xtask-layout-{}", std::process::id()));
        let crate_folder = root.join("secrets-aws");
        fs::create_dir_all(crate_folder.join("src/auth")).unwrap();
        fs::create_dir_all(crate_folder.join("tests/it")).unwrap();
        for file in [
            "src/lib.rs",
            "src/auth.rs",
            "src/helpers.rs",
            "tests/it/main.rs",
            "tests/wire.rs",
        ] {
            fs::write(crate_folder.join(file), "").unwrap();
        }
        let mut package = member("secrets-aws");
        package.manifest = crate_folder.join("Cargo.toml");
        let found = messages(check(&[package]).unwrap());
        fs::remove_dir_all(&root).unwrap();
        let sources = SOURCES.join(", ");
        assert_eq!(
            found,
            [
                format!("src/helpers.rs: not a file of a provider; expected {sources}"),
                "tests/wire.rs: not a file of a provider; expected it, servers, corpus".to_owned(),
            ]
        );
    }

    #[test]
    fn an_exception_without_its_file_is_reported() {
        let root = std::env::temp_dir().join(format!("xtask-exceptions-{}", std::process::id()));
        fs::create_dir_all(root.join("secrets-vault/src")).unwrap();
        let mut package = member("secrets-vault");
        package.manifest = root.join("secrets-vault/Cargo.toml");
        let found = messages(
            check_with(
                &[package],
                &[("secrets-vault", "src/vaultrs_client.rs", "")],
            )
            .unwrap(),
        );
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(
            found,
            ["secrets-vault: no src/vaultrs_client.rs; remove the exception"]
        );
    }
}
