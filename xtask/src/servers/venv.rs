//! The virtual environment that holds the servers, made from pinned and hashed requirements.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::shell::{Result, at, root, run, say};

pub(super) fn folder() -> PathBuf {
    super::home().join("venv")
}

/// Makes it, or makes it anew when the requirements changed.
pub(super) fn prepare() -> Result<()> {
    let requirements = root().join("tests/servers/requirements.txt");
    let wanted = at(&requirements, fs::read(&requirements))?;
    let folder = folder();
    let stamp = folder.join("installed.txt");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    say("installing the test servers into target/servers/venv");
    if folder.exists() {
        at(&folder, fs::remove_dir_all(&folder))?;
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    // Pip tells its progress on stdout, which belongs to our results.
    let installed = Command::new(folder.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--no-input"])
        .args(["--disable-pip-version-check", "--require-hashes", "-r"])
        .arg(&requirements)
        .stdout(std::io::stderr())
        .status();
    if !at(&folder, installed)?.success() {
        return Err(format!(
            "pip could not install {}; its reason is above",
            requirements.display()
        ));
    }
    at(&stamp, fs::write(&stamp, wanted))
}

/// The `site-packages` folder, whichever Python made it.
pub(super) fn packages() -> Result<PathBuf> {
    let library = folder().join("lib");
    for entry in at(&library, fs::read_dir(&library))? {
        let candidate = at(&library, entry)?.path().join("site-packages");
        if candidate.is_dir() {
            return Ok(candidate);
        }
    }
    Err(format!("{}: no site-packages folder", library.display()))
}
