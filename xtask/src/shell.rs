//! Paths, processes and messages for every command.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Failures are printed and never matched on, so a string suffices.
pub(crate) type Result<T, E = String> = std::result::Result<T, E>;

/// The root folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// The target folder, which CI may set.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// Prints progress to stderr. Stdout is for results.
pub(crate) fn say(message: &str) {
    eprintln!("xtask: {message}");
}

/// Cargo for a crate outside the workspace, with its own folder under the target folder.
pub(crate) fn cargo_outside(words: &[&str], krate: &str, folder: &str) -> Command {
    let mut command = cargo(words);
    command
        .arg("--manifest-path")
        .arg(root().join(krate).join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target().join(folder));
    command
}

/// Cargo in the workspace's root, as typed by hand.
pub(crate) fn cargo<I, S>(arguments: I) -> Command
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    // `cargo xtask` sets these for its own package; build scripts that watch them would rerun.
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("CARGO_PKG_") || name_text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs a command with its streams inherited.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .map_err(|error| format!("cannot start {}: {error}", described(command)))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{} failed: {status}", described(command)))
    }
}

/// Runs a command and returns its stdout.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .map_err(|error| format!("cannot start {}: {error}", described(command)))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "{} failed: {}\n{}",
            described(command),
            output.status,
            reason.trim_end()
        ));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| format!("{}: output is not UTF-8", described(command)))
}

/// The program and its arguments on one line.
pub(crate) fn described(command: &Command) -> String {
    let mut line = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

/// Adds the path to an I/O error.
pub(crate) fn at<T>(path: &Path, result: std::io::Result<T>) -> Result<T> {
    result.map_err(|error| format!("{}: {error}", path.display()))
}

/// Whether the tool is installed.
pub(crate) fn has_tool(name: &str) -> bool {
    Command::new(name)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Whether the cargo subcommand is installed.
pub(crate) fn has_cargo_tool(name: &str) -> bool {
    cargo([name, "--version"])
        .output()
        .is_ok_and(|output| output.status.success())
}
