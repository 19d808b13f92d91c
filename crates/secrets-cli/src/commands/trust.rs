//! `secrets trust`.

use std::path::{Path, PathBuf};

use secrets::trust;

use crate::cli::Trust;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::settings::Settings;

pub(crate) fn run(command: &Trust, settings: &Settings) -> Outcome {
    let folder = state_dir(settings)?;
    if command.list {
        let mut text = String::new();
        for path in trust::approved(folder)? {
            text.push_str(&output::printable(&path.display().to_string()));
            text.push('\n');
        }
        output::data(text.as_bytes())?;
        return Ok(Exit::Ok);
    }
    let file = file(command, settings)?;
    if command.revoke {
        if trust::revoke(&file, folder)? {
            output::say(format!("{} is not trusted any more", file.display()));
        } else {
            output::say(format!("{} was not trusted", file.display()));
        }
    } else {
        trust::approve(&file, folder)?;
        output::say(format!("trusted {} as it is now", file.display()));
    }
    Ok(Exit::Ok)
}

/// The folder in which approvals are kept.
pub(crate) fn state_dir(settings: &Settings) -> Outcome<&Path> {
    settings.load.state_dir.as_deref().ok_or_else(|| {
        Failure::input("there is no folder to remember approvals in")
            .with_hint("set HOME or XDG_STATE_HOME")
    })
}

fn file(command: &Trust, settings: &Settings) -> Outcome<PathBuf> {
    if let Some(file) = &command.file {
        return Ok(settings.load.working_dir.join(file));
    }
    settings.load.config_file()?.ok_or_else(|| {
        Failure::input("there is no configuration to trust")
            .with_hint("name one, or make one with `secrets init`")
    })
}
