//! The command under test.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// The path of the `secrets` command: `POLYSECRETS_TEST_BIN`, or the program that cargo builds from this source.
///
/// # Panics
/// If the build fails.
pub fn secrets_command() -> &'static Path {
    static COMMAND: OnceLock<PathBuf> = OnceLock::new();
    COMMAND.get_or_init(|| match env::var_os("POLYSECRETS_TEST_BIN") {
        Some(path) => PathBuf::from(path),
        None => built_once(),
    })
}

/// nextest runs each test in its own process. The first of a run builds the command, the others read its path.
fn built_once() -> PathBuf {
    let Ok(run) = env::var("NEXTEST_RUN_ID") else {
        return build();
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/end-to-end");
    fs::create_dir_all(&folder).expect("create the folder for the lock");
    let lock = File::create(folder.join("lock")).expect("create the lock");
    lock.lock().expect("take the lock");
    let note = folder.join(run);
    if let Ok(path) = fs::read_to_string(&note) {
        return PathBuf::from(path);
    }
    let path = build();
    fs::write(&note, path.display().to_string()).expect("write the path");
    path
}

fn build() -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "build",
            "--quiet",
            "--package",
            "polysecrets-cli",
            "--bin",
            "secrets",
        ])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .expect("start cargo");
    assert!(output.status.success(), "cargo cannot build the command");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "secrets")
        .find_map(|message| Some(PathBuf::from(message["executable"].as_str()?)))
        .expect("cargo reports the path of the command")
}
