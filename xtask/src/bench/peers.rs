//! The other commands of this kind, where they are installed.

use std::env;
use std::path::{Path, PathBuf};

use super::ours::{self, Wanted};
use crate::servers;
use crate::shell::Result;

/// Where the developer says that a peer is, for one that is not on the search path.
fn variable(name: &str) -> String {
    format!("POLYSECRETS_BENCH_{}", name.to_uppercase())
}

const NAMES: [&str; 4] = ["secretspec", "fnox", "teller", "bao"];

/// Which peers are here.
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

    /// One line for each, present or not.
    pub(super) fn tell(&self) {
        for name in NAMES {
            match self.path(name) {
                Some(path) => println!("peer {name}: {}", path.display()),
                None => println!(
                    "peer {name}: not installed (neither on PATH nor in {})",
                    variable(name)
                ),
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
        // The test server is its own client.
        .or_else(|| {
            if name == "bao" {
                servers::openbao()
            } else {
                None
            }
        })
}

/// The names that secretspec gives to secrets are its own.
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
    ours::write(&folder.join("secretspec.toml"), &text).map(drop)
}

/// What the counting server gives under secretspec's name.
pub(super) fn secretspec_value(wanted: &Wanted) -> String {
    format!("value-of-secretspec.bench.default.{}", wanted.variable)
}
