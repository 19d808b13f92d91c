//! `secrets trust`.

use std::path::{Path, PathBuf};

use secrets::trust;
use serde_json::json;

use crate::cli::Trust;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::settings::Settings;

pub(crate) fn run(command: &Trust, settings: &Settings) -> Outcome {
    let folder = state_dir(settings)?;
    if command.list {
        let approved = trust::approved(folder)?;
        if command.json {
            output::json(json!({ "trusted": approved }))?;
            return Ok(Exit::Ok);
        }
        let mut text = String::new();
        for path in approved {
            text.push_str(&output::printable(&path.display().to_string()));
            text.push('\n');
        }
        output::data(text.as_bytes())?;
        return Ok(Exit::Ok);
    }
    let file = file(command, settings)?;
    let was_trusted = match command.revoke {
        true => Some(trust::revoke(&file, folder)?),
        false => {
            trust::approve(&file, folder)?;
            None
        }
    };
    if command.json {
        let mut object = json!({ "file": file, "trusted": was_trusted.is_none() });
        if let Some(was_trusted) = was_trusted {
            object["was_trusted"] = json!(was_trusted);
        }
        output::json(object)?;
        return Ok(Exit::Ok);
    }
    let file = file.display();
    output::say(match was_trusted {
        None => format!("approved {file}"),
        Some(true) => format!("revoked the approval of {file}"),
        Some(false) => format!("{file} was not approved"),
    });
    Ok(Exit::Ok)
}

/// The folder for approvals.
pub(crate) fn state_dir(settings: &Settings) -> Outcome<&Path> {
    settings.load.state_dir.as_deref().ok_or_else(|| {
        Failure::input("approvals: no folder to keep them in")
            .with_hint("set HOME or XDG_STATE_HOME")
    })
}

fn file(command: &Trust, settings: &Settings) -> Outcome<PathBuf> {
    if let Some(file) = &command.file {
        return Ok(settings.load.working_dir.join(file));
    }
    settings.load.config_file()?.ok_or_else(|| {
        Failure::input("no configuration found")
            .with_hint("`secrets trust FILE`, or create one with `secrets init`")
    })
}
