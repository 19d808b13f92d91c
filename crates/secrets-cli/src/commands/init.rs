//! `secrets init`.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use secrets::file::{FileConfig, FileStore};
use secrets::{Config, ErrorKind, Location, OpenContext, Registry, canonical_scheme, trust};

use super::trust::state_dir;
use crate::cli::Init;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::settings::Settings;
use crate::{files, output, prompt};

const FILE: &str = "secrets.toml";
/// The names of a configuration. Two of them in one folder are an error for every command.
const NAMES: [&str; 4] = [FILE, "secrets.yaml", "secrets.yml", "secrets.json"];
/// Files that must not be committed.
const IGNORED: [&str; 3] = [".env", ".env.local", ".env.*.local"];

pub(crate) fn run(command: &Init, settings: &Settings) -> Outcome {
    let target = target(settings)?;
    let folder = target.parent().unwrap_or(Path::new(".")).to_owned();
    let main = main_provider(command, settings)?;

    let (store, is_new) = store(&folder, settings)?;
    ignore(&folder.join(".gitignore"))?;
    files::create_public(&target, Config::scaffold(main.as_ref()).as_bytes())
        .map_err(|error| cannot_create(&target, &error))?;

    output::say(format!("wrote {}", target.display()));
    let path = store.path().display();
    output::say(if is_new {
        format!("created the encrypted store {path}; commit it, your key stays outside")
    } else {
        format!("kept the existing encrypted store {path}")
    });
    if !command.no_trust {
        trust::approve(&target, state_dir(settings)?)?;
        output::say("approved the configuration; run `secrets trust` again after you change it");
    }
    output::say(
        "next: `secrets set NAME`, declare NAME in the configuration, `secrets run -- PROGRAM`",
    );
    Ok(Exit::Ok)
}

/// The file to write. Its folder must not have a configuration yet.
fn target(settings: &Settings) -> Outcome<PathBuf> {
    let load = &settings.load;
    let target = load
        .working_dir
        .join(load.file.as_deref().unwrap_or(Path::new(FILE)));
    let folder = target.parent().unwrap_or(Path::new("."));
    let others = NAMES.iter().map(|name| folder.join(name));
    let own = std::iter::once(target.clone());
    match own
        .chain(others)
        .find(|path| fs::symlink_metadata(path).is_ok())
    {
        Some(there) => Err(exists(&there)),
        None => Ok(target),
    }
}

fn exists(path: &Path) -> Failure {
    Failure::input(format!("{}: file already exists", path.display()))
        .with_hint("edit it, or remove it first")
}

fn cannot_create(path: &Path, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => Failure::file("write", path, error),
    }
}

/// The provider besides the encrypted file, if any.
fn main_provider(command: &Init, settings: &Settings) -> Outcome<Option<Location>> {
    const FLAGS: &str = "pass --yes for an encrypted file, or --provider LOCATION";

    let answer = match &settings.load.provider {
        Some(provider) => provider.clone(),
        None if command.yes => return Ok(None),
        None => {
            output::say(
                "Where are the secrets? Enter `file` for an encrypted file beside the configuration,",
            );
            output::say(
                "or the location of a server, such as vault://vault.example.com:8200/secret.",
            );
            prompt::word("provider:", "file", FLAGS)?
        }
    };
    if canonical_scheme(&answer) == "file" {
        return Ok(None);
    }
    let registry = Registry::builtin();
    let known: Vec<&str> = registry.schemes().collect();
    let scheme = answer.split(':').next().unwrap_or_default();
    if !known.contains(&canonical_scheme(scheme)) {
        return Err(Failure::input(format!("unknown provider type: {scheme:?}"))
            .with_hint(format!("expected one of: {}", known.join(", "))));
    }
    if !answer.contains(':') {
        return Err(
            Failure::input(format!("`{answer}` needs a location")).with_hint(
                "pass --provider with a location, such as vault://vault.example.com:8200/secret",
            ),
        );
    }
    Ok(Some(answer.parse()?))
}

/// The encrypted store with its key, and whether the store is new. Keeps both if they exist, as in a cloned project.
fn store(folder: &Path, settings: &Settings) -> Outcome<(FileStore, bool)> {
    let load = &settings.load;
    let context = OpenContext::new("local")
        .with_environment(load.environment.clone())
        .with_base_dir(folder)
        .with_user_dirs(load.config_dir.clone(), load.state_dir.clone());
    let opens = verify(&context)?;
    if load.environment.text("SECRETS_IDENTITY").is_none() {
        let identity = load
            .config_dir
            .as_ref()
            .map(|folder| folder.join("identity.txt"));
        let identity = identity.ok_or_else(|| {
            Failure::input("your key: no folder to keep it in")
                .with_hint("set HOME or XDG_CONFIG_HOME")
        })?;
        if fs::symlink_metadata(&identity).is_err() {
            let public = FileStore::generate_identity(&identity)?;
            output::say(format!(
                "created your key {}; keep a copy in a safe place",
                identity.display()
            ));
            output::say(format!("your public key; share it to get access: {public}"));
        }
    }
    let store = FileStore::open(FileConfig::default(), &context)?;
    if !opens {
        output::say(
            "your key cannot open the existing store yet: ask someone with access to run `secrets store recipients add` with your public key",
        );
    }
    match FileStore::create(FileConfig::default(), &context, store.own_recipients()?) {
        Ok(created) => Ok((created, true)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok((store, false)),
        Err(error) => Err(error.into()),
    }
}

/// Whether the existing key opens the existing store; `true` without a store. A damaged store fails here, before
/// anything is written.
fn verify(context: &OpenContext) -> Outcome<bool> {
    let store = FileStore::open(FileConfig::default(), context)?;
    if fs::symlink_metadata(store.path()).is_err() {
        return Ok(true);
    }
    match store.summary() {
        Ok(_) => Ok(true),
        // In the clone of another's project, a new member first gets a key and then access.
        Err(error) if error.kind() == ErrorKind::Unauthenticated => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Appends the missing lines.
fn ignore(path: &Path) -> Outcome<()> {
    let append = || -> io::Result<()> {
        // In a foreign repository it could be a link to one of the user's files.
        let no_link = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .custom_flags(no_link)
            .open(path)?;
        let mut before = String::new();
        file.read_to_string(&mut before)?;
        file.write_all(missing(&before).as_bytes())
    };
    append().map_err(|error| {
        Failure::file("add to", path, &error)
            .with_hint(format!("add these lines by hand: {}", IGNORED.join(", ")))
    })
}

/// The lines to append.
fn missing(before: &str) -> String {
    let mut added = String::new();
    for pattern in IGNORED {
        if before.lines().any(|line| line.trim() == pattern) {
            continue;
        }
        if added.is_empty() && !before.is_empty() && !before.ends_with('\n') {
            added.push('\n');
        }
        added.push_str(pattern);
        added.push('\n');
    }
    added
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_missing_lines_are_added() {
        assert_eq!(missing(""), ".env\n.env.local\n.env.*.local\n");
        assert_eq!(missing("target\n.env"), "\n.env.local\n.env.*.local\n");
        assert_eq!(missing(".env\n.env.local\n.env.*.local\n"), "");
    }
}
