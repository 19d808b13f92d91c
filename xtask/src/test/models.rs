//! The model checkers: a crate outside of the workspace, since it builds the cache with the checkers' locks.

use std::process::Command;

use crate::shell::{cargo, root, target};

/// What `-p` calls it.
pub(super) const NAME: &str = "models";

/// Runs them, with their own lock file and target folder.
pub(super) fn command(filters: &[String]) -> Command {
    let mut command = cargo(["test", "--locked", "--lib", "--no-fail-fast"]);
    command
        .arg("--manifest-path")
        .arg(root().join("tests/models/Cargo.toml"))
        .arg("--target-dir")
        .arg(target().join(NAME))
        .arg("--")
        .args(filters);
    command
}
