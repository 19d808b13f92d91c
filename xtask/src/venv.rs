//! Python virtual environments with pinned and hashed requirements.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use crate::shell::{Result, at, root, run, say, target};

/// The environment `target/NAME/venv`, made from `tests/NAME/requirements.txt`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Venv {
    pub(crate) name: &'static str,
}

impl Venv {
    /// Creates the environment, or creates it again if the requirements changed.
    pub(crate) fn prepare(self) -> Result<()> {
        let requirements = root()
            .join("tests")
            .join(self.name)
            .join("requirements.txt");
        let wanted = at(&requirements, fs::read(&requirements))?;
        let folder = self.folder();
        let stamp = folder.join("installed.txt");
        let installed = || fs::read(&stamp).is_ok_and(|installed| installed == wanted);
        if installed() {
            return Ok(());
        }
        let _lock = self.lock()?;
        // Another process may have created it meanwhile.
        if installed() {
            return Ok(());
        }
        say(&format!(
            "installing {} into {}",
            requirements.display(),
            folder.display()
        ));
        if folder.exists() {
            at(&folder, fs::remove_dir_all(&folder))?;
        }
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        // pip prints progress to stdout, which is for our results.
        let pip = Command::new(self.python())
            .args(["-m", "pip", "install", "--quiet", "--no-input"])
            .args(["--disable-pip-version-check", "--require-hashes", "-r"])
            .arg(&requirements)
            .stdout(std::io::stderr())
            .status();
        if !at(&folder, pip)?.success() {
            return Err(format!(
                "pip cannot install {}; see its output above",
                requirements.display()
            ));
        }
        at(&stamp, fs::write(&stamp, wanted))
    }

    pub(crate) fn folder(self) -> PathBuf {
        target().join(self.name).join("venv")
    }

    pub(crate) fn python(self) -> PathBuf {
        self.folder().join("bin/python")
    }

    /// The `site-packages` folder of any Python version.
    pub(crate) fn packages(self) -> Result<PathBuf> {
        let library = self.folder().join("lib");
        for entry in at(&library, fs::read_dir(&library))? {
            let candidate = at(&library, entry)?.path().join("site-packages");
            if candidate.is_dir() {
                return Ok(candidate);
            }
        }
        Err(format!("{}: no site-packages folder", library.display()))
    }

    /// Prevents two processes from installing over each other.
    fn lock(self) -> Result<File> {
        let folder = target().join(self.name);
        at(&folder, fs::create_dir_all(&folder))?;
        let path = folder.join("venv.lock");
        let file = at(&path, File::create(&path))?;
        at(&path, file.lock())?;
        Ok(file)
    }
}
