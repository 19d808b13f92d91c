//! The same file names in each provider that speaks to a server: who knows one knows all.

use super::{Problem, Role, children, role};
use crate::shell::Result;
use crate::workspace::Package;

/// What may lie in `src`, as a file or as the folder of its parts.
const SOURCES: &[&str] = &[
    "lib", "config", "provider", "client", "wire", "auth", "error",
];

/// What may lie in `tests`; `support` is what the others share, `errors` asks how the answers in `corpus` are told.
const TESTS: &[&str] = &["conformance", "corpus", "errors", "support", "wire"];

/// A provider that is a module for each of its kinds has no client or wire of its own.
const SEVERAL_IN_ONE: &[&str] = &["secrets-local"];

/// Files beyond the list: crate, path below the crate, and why it has to be.
const EXTRA: &[(&str, &str, &str)] = &[
    (
        "secrets-aws",
        "src/grants.rs",
        "the least that the vendor has to allow, in its own language",
    ),
    (
        "secrets-azure",
        "src/grants.rs",
        "the least that the vendor has to allow, in its own language",
    ),
    (
        "secrets-gcp",
        "src/grants.rs",
        "the least that the vendor has to allow, in its own language",
    ),
    (
        "secrets-infisical",
        "src/grants.rs",
        "the least that the vendor has to allow, in its own language",
    ),
    (
        "secrets-vault",
        "src/grants.rs",
        "the least that the vendor has to allow, in its own language",
    ),
    (
        "secrets-azure",
        "src/open.rs",
        "what files and variables a configuration leads to",
    ),
    (
        "secrets-azure",
        "tests/auth.rs",
        "logins, and that none goes where it must not",
    ),
    (
        "secrets-vault",
        "src/open.rs",
        "what files and variables a configuration leads to",
    ),
    (
        "secrets-vault",
        "src/endpoint.rs",
        "requests of login and client alike, below both",
    ),
    (
        "secrets-vault",
        "src/leases.rs",
        "what is lent, renewed and given back",
    ),
    (
        "secrets-vault",
        "src/shape.rs",
        "how a value becomes a map and comes back",
    ),
    (
        "secrets-vault",
        "src/vaultrs_client.rs",
        "the feature `vaultrs`",
    ),
    ("secrets-vault", "tests/auth.rs", "logins, counted"),
    (
        "secrets-vault",
        "tests/server.rs",
        "what only a real server can prove",
    ),
    (
        "secrets-infisical",
        "src/open.rs",
        "what files and variables a configuration leads to",
    ),
    (
        "secrets-infisical",
        "src/endpoint.rs",
        "requests of login and client alike, below both",
    ),
    (
        "secrets-infisical",
        "src/names.rs",
        "names as folders and keys, and back",
    ),
    (
        "secrets-infisical",
        "src/value.rs",
        "values as the server keeps them, and back",
    ),
    (
        "secrets-infisical",
        "src/batch.rs",
        "one listing instead of many reads",
    ),
    ("secrets-infisical", "tests/auth.rs", "logins, counted"),
    (
        "secrets-infisical",
        "tests/names.rs",
        "no name escapes its place, by property",
    ),
    (
        "secrets-aws",
        "src/open.rs",
        "what files and variables a configuration leads to",
    ),
    (
        "secrets-aws",
        "src/secrets.rs",
        "each name a secret: half of the provider",
    ),
    (
        "secrets-aws",
        "src/document.rs",
        "each name a key of one secret: the other half",
    ),
    (
        "secrets-aws",
        "src/name.rs",
        "names, prefixes and ARNs, which both halves share",
    ),
    (
        "secrets-aws",
        "tests/auth.rs",
        "sources of credentials, counted",
    ),
    (
        "secrets-aws",
        "tests/tls.rs",
        "the SDK over our TLS; the count of parsed roots is the process's",
    ),
];

pub(super) fn check(packages: &[Package]) -> Result<Vec<Problem>> {
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
                if !known.contains(&stem.as_ref()) && !is_excepted(name, &below) {
                    let message = format!(
                        "a provider has no {below}; {folder} holds {}",
                        known.join(", ")
                    );
                    problems.push(Problem::new(&child, 1, message));
                }
            }
        }
    }
    Ok(problems)
}

fn is_excepted(package: &str, below: &str) -> bool {
    EXTRA
        .iter()
        .any(|(owner, path, _)| *owner == package && *path == below)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::sample::{member, messages};
    use super::*;

    #[test]
    fn only_the_known_files() {
        let root = std::env::temp_dir().join(format!("xtask-layout-{}", std::process::id()));
        let crate_folder = root.join("secrets-aws");
        fs::create_dir_all(crate_folder.join("src/auth")).unwrap();
        fs::create_dir_all(crate_folder.join("tests")).unwrap();
        for file in [
            "src/lib.rs",
            "src/auth.rs",
            "src/helpers.rs",
            "tests/wire.rs",
            "tests/other.rs",
        ] {
            fs::write(crate_folder.join(file), "").unwrap();
        }
        let mut package = member("secrets-aws");
        package.manifest = crate_folder.join("Cargo.toml");
        let found = messages(check(&[package]).unwrap());
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(
            found,
            [
                "a provider has no src/helpers.rs; src holds lib, config, provider, client, wire, auth, error",
                "a provider has no tests/other.rs; tests holds conformance, corpus, errors, support, wire",
            ]
        );
    }
}
