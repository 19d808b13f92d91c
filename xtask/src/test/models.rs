//! Runs the model checkers, a crate outside the workspace, since it builds the cache with the checkers' locks.

use std::process::Command;

use crate::shell::cargo_outside;

/// Its name for `-p`.
pub(super) const NAME: &str = "models";

/// The command, with its own lock file and target folder.
pub(super) fn command(filters: &[String]) -> Command {
    let words = ["test", "--locked", "--lib", "--no-fail-fast"];
    let mut command = cargo_outside(&words, "tests/models", NAME);
    command.arg("--").args(filters);
    command
}
