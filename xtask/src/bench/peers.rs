//! Other commands of this kind, if installed.

use std::env;
use std::path::{Path, PathBuf};

use super::commands::{self, Wanted};
use crate::servers;
use crate::shell::Result;

/// The variable with the path of a peer that is not on PATH.
fn variable(name: &str) -> String {
    format!("POLYSECRETS_BENCH_{}", name.to_uppercase())
}

const NAMES: [&str; 4] = ["secretspec", "fnox", "teller", "bao"];

/// The peers that are installed.
#[derive(Debug)]
pub(super) struct Peers {
    found: Vec<(&'static str, PathBuf)>,
}

impl Peers {
    pub(super) fn find() -> Self {
        let found = NAMES
            .into_iter()
            .filter_map(|name| Some((name, find(name)?)))
            .collect();
        Self { found }
    }

    pub(super) fn path(&self, name: &str) -> Option<&Path> {
        self.found
            .iter()
            .find(|(found, _)| *found == name)
            .map(|(_, path)| path.as_path())
    }

    /// Prints a line for each peer.
    pub(super) fn print(&self) {
        for name in NAMES {
            match self.path(name) {
                Some(path) => println!("peer {name}: {}", path.display()),
                None => println!("peer {name}: not found on PATH; set {}", variable(name)),
            }
        }
    }
}

fn find(name: &str) -> Option<PathBuf> {
    let given = env::var_os(variable(name)).map(PathBuf::from);
    let on_path = || {
        let folders = env::var_os("PATH")?;
        env::split_paths(&folders)
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
    };
    given
        .or_else(on_path)
        // The test server's program is also its client.
        .or_else(|| {
            if name == "bao" {
                servers::openbao()
            } else {
                None
            }
        })
}

/// secretspec chooses the names of secrets itself.
pub(super) fn declare_for_secretspec(folder: &Path, wanted: &[Wanted]) -> Result<()> {
    let lines: Vec<String> = wanted
        .iter()
        .map(|one| {
            format!(
                "{} = {{ description = \"one\", required = true }}\n",
                one.variable
            )
        })
        .collect();
    let text = format!(
        "[project]\nname = \"bench\"\nrevision = \"1.0\"\n\n[profiles.default]\n{}",
        lines.concat()
    );
    commands::write(&folder.join("secretspec.toml"), &text).map(drop)
}

/// The value of the counting server under secretspec's name.
pub(super) fn secretspec_value(wanted: &Wanted) -> String {
    format!("value-of-secretspec.bench.default.{}", wanted.variable)
}
